"""Cases that mostly wait, side by side: several servers at a time, of which each has its own directory and port."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor


def side_by_side(cases: Iterable[tuple[str, Callable[[], None]]], at_once: int = 8) -> None:
    """Run all cases, each with a name, in threads, so many at a time; each runs to its end whatever others do.

    Raises:
        ExceptionGroup: some failed; each exception has a note that says which case it was.
    """
    named = list(cases)
    failures: list[Exception] = []
    with ThreadPoolExecutor(at_once) as pool:
        running = [(name, pool.submit(case)) for name, case in named]
    for name, future in running:
        error = future.exception()
        if isinstance(error, Exception):
            error.add_note(f"case: {name}")
            failures.append(error)
        elif error is not None:
            raise error
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(named)} cases failed", failures)
