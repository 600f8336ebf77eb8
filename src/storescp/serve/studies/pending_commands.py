"""What is said at the end of the program of studies and commands that have not come to their end. Pure.

Each sentence says how many there are, which the first of them are, and what becomes of them. What a peer chose is made
harmless, and cut where it is long.
"""

from collections.abc import Iterable, Sequence

from storescp.printable import printable
from storescp.storage.studies.study_store import Job, Round

MAXIMUM_NAMED = 3
"""So many are named; the rest are counted."""
_LONGEST_CHARACTERS = 120
"""Of a command line, a directory or an identifier."""


def running_on(jobs: Sequence[Job]) -> str:
    """Return what is said of commands that run on when nobody remembers them."""
    which = _named(len(jobs), map(_command, jobs))
    if len(jobs) == 1:
        return (
            f"1 command still runs at shutdown: {which}. It goes on, but nobody notes how it ends"
        )
    return f"{len(jobs)} commands still run at shutdown: {which}. They go on, but nobody notes how they end"


def lost(count: int, first: Iterable[Job]) -> str:
    """Return what is said of commands that did not start, or not again, when nobody remembers them."""
    which = _named(count, map(_command, first))
    if count == 1:
        return (
            f"1 command was still pending at shutdown and is lost: {which}. With --state-directory it would run at the"
            " next start"
        )
    return (
        f"{count} commands were still pending at shutdown and are lost: {which}. With --state-directory they would run at"
        " the next start"
    )


def kept(count: int, first: Iterable[Job], interrupted: int) -> str:
    """Return what is said of commands that are remembered.

    Args:
        count: how many there are.
        first: some of them.
        interrupted: how many of them ran, and were asked to end.
    """
    which = _named(count, map(_command, first))
    again = f", {interrupted} of them again because interrupted" if interrupted else ""
    if count == 1:
        again = " again, because interrupted" if interrupted else ""
        return f"1 command is pending at shutdown and runs at the next start{again}: {which}"
    return f"{count} commands are pending at shutdown and run at the next start{again}: {which}"


def not_ended(rounds: Sequence[Round]) -> str:
    """Return what is said of studies for whose end there was no time, when nobody remembers them."""
    which = _named(len(rounds), (_cut(round_.directory) for round_ in rounds))
    studies = "1 study was" if len(rounds) == 1 else f"{len(rounds)} studies were"
    return (
        f"{studies} not ended at shutdown, because there was no time to rename all files: {which}. What has not been"
        " renamed keeps its name, and no command runs"
    )


def _named(count: int, first: Iterable[str]) -> str:
    names = [name for _, name in zip(range(MAXIMUM_NAMED), first, strict=False)]
    more = count - len(names)
    return "; ".join(names) + (f"; and {more} more" if more > 0 else "")


def _command(job: Job) -> str:
    values = dict(job.values)
    if job.kind == "study":
        about = f"study {_cut(values.get('study', ''))}"
    else:
        about = f"object {_cut(values.get('sop_instance', ''))}"
    return f"'{_cut(job.template)}' for {about}"


def _cut(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _LONGEST_CHARACTERS else f"{shown[:_LONGEST_CHARACTERS]}…"
