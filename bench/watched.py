"""What watching costs: `python -m bench.watched`, the same work with `--http` and without, in turn.

While the server with a page receives, its page is asked for as an open browser does, each second, and its metrics as
Prometheus does, more often than usual. On a machine that others use, the processor's time that an object takes says more
than the rate: that of the receiver, and that of the process which shows the page.
"""

import argparse
import http.client
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from statistics import median

from bench.objects import INSTANCE, templates
from bench.runner import Parcel, send, write_parcel
from bench.workload import Workload
from tests.peers.samples import Sample, ct_slice
from tests.peers.servers import Server, free_port, our_command, our_environment, running

_PATHS = ("/api/status", "/metrics")


def _one(make: Callable[[], Sample]) -> Callable[[], tuple[Sample, ...]]:
    return lambda: (make(),)


_WORKLOADS = [
    Workload(
        "CT 512 x 512, 0.5 MB", _one(partial(ct_slice, 512, INSTANCE, name="CT")), 1000, (), ()
    ),
    Workload("128 x 128, 36 kB", _one(partial(ct_slice, 128, INSTANCE, name="M")), 5000, (), ()),
    Workload(
        "16 x 16, 3 kB", _one(partial(ct_slice, 16, INSTANCE, name="S", elements=100)), 8000, (), ()
    ),
    Workload(
        "CT, --fork, 2 associations",
        _one(partial(ct_slice, 512, INSTANCE, name="CT")),
        500,
        (),
        (),
        associations=2,
    ),
]


def main() -> int:
    """Run all workloads and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m bench.watched", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="rounds that count (default: 9)")
    parser.add_argument("--only", default="", metavar="TEXT", help="workloads with TEXT in titles")
    arguments = parser.parse_args()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory:
        for workload in _WORKLOADS:
            if arguments.only in workload.title:
                _compare(workload, Path(directory), arguments.rounds)
    return 0


def _compare(workload: Workload, directory: Path, rounds: int) -> None:
    parcel = write_parcel(templates(workload.samples()), directory / "objects")
    options = ["--fork"] if "--fork" in workload.title else []
    pages = {"with": free_port(), "without": 0}
    rates: dict[str, list[float]] = {title: [] for title in pages}
    times: dict[str, list[float]] = {title: [] for title in (*pages, "page")}
    with ExitStack() as stack:
        servers = {
            title: stack.enter_context(
                running(
                    our_command(),
                    directory / title,
                    [*options, *(["--http", str(page)] if page else [])],
                    our_environment(),
                )
            )
            for title, page in pages.items()
        }
        for count in range(rounds + 1):
            for title in sorted(servers, reverse=count % 2 == 0):
                server = servers[title]
                viewers = _children(server.process.pid)
                before = _time(server.process.pid), sum(map(_time, viewers))
                with _watching(pages[title]):
                    rate, objects = _send(server, workload, parcel, count)
                if count:
                    rates[title].append(rate)
                    times[title].append((_time(server.process.pid) - before[0]) / objects)
                    if viewers:
                        times["page"].append((sum(map(_time, viewers)) - before[1]) / objects)
    ratios = [watched / not_watched for watched, not_watched in zip(*rates.values(), strict=True)]
    sys.stdout.write(
        f"{workload.title}: {median(rates['without']):.0f} objects a second,"
        f" {median(rates['with']):.0f} with page and metrics;"
        f" ratio {median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})\n"
    )
    if not options:
        sys.stdout.write(
            f"  an object takes {median(times['without']):.0f} microseconds of the receiver,"
            f" {median(times['with']):.0f} with page and metrics, whose process takes"
            f" {median(times['page']):.0f}; ratio"
            f" {median(a / b for a, b in zip(times['without'], times['with'], strict=True)):.3f}\n"
        )


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _time(pid: int) -> float:
    """Return the processor's time that a process has had, in microseconds (Linux)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1000


def _send(server: Server, workload: Workload, parcel: Parcel, count: int) -> tuple[float, int]:
    """Send objects; return how many a second, and how many."""
    measured = send(server.port, workload, parcel, count)
    for entry in server.directory.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    seconds = max(part.end for part in measured) - min(part.start for part in measured)
    objects = sum(part.objects for part in measured)
    return objects / seconds, objects


@contextmanager
def _watching(page: int) -> Iterator[None]:
    """Ask for the facts until the end of the block, if there is a page."""
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(0.25):
            for path in _PATHS:
                with suppress(OSError):
                    connection = http.client.HTTPConnection("127.0.0.1", page, timeout=5)
                    connection.request("GET", path)
                    connection.getresponse().read()
                    connection.close()
            ended.wait(0.75)

    watcher = threading.Thread(target=ask)
    if page:
        watcher.start()
    try:
        yield
    finally:
        ended.set()
        if page:
            watcher.join()


if __name__ == "__main__":
    sys.exit(main())
