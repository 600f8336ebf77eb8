"""What a server holds, and that an attack does not add to it: descriptors, threads, children, memory, files."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.conversation import CONTEXTS, store, wait_until
from tests.peers.requestor import Requestor
from tests.peers.servers import Server, our_environment, running

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Burden:
    """What a server and its children hold."""

    processes: int = 0
    descriptors: int = 0
    threads: int = 0
    memory: int = 0

    def __add__(self, other: "Burden") -> "Burden":
        return Burden(
            self.processes + other.processes,
            self.descriptors + other.descriptors,
            self.threads + other.threads,
            self.memory + other.memory,
        )


def burden(pid: int) -> Burden:
    """Return the burden of a process and its descendants; nothing for one that has gone."""
    process = Path(f"/proc/{pid}")
    try:
        status = dict(
            line.split(":", 1)
            for line in (process / "status").read_text().splitlines()
            if ":" in line
        )
        tasks = list((process / "task").iterdir())
        children = [child for task in tasks for child in (task / "children").read_text().split()]
        memory = int(status["VmRSS"].split()[0]) * 1024
        own = Burden(1, len(list((process / "fd").iterdir())), len(tasks), memory)
    except (OSError, KeyError):
        return Burden()
    return sum((burden(int(child)) for child in children), own)


def impatient(
    directory: Path,
    options: Sequence[str] = (),
    *,
    free_for: float = 0.1,
    free_at_most: int = 16,
) -> AbstractContextManager[Server]:
    """Run the program with `--fork`, with children that wait for work no longer, and no more of them, than told."""
    change = (
        f"supervisor._IDLE_SECONDS = {free_for}; supervisor._MAXIMUM_IDLE_WORKERS = {free_at_most}"
    )
    return altered(directory, change, ["--fork", *options])


def altered(directory: Path, change: str, options: Sequence[str]) -> AbstractContextManager[Server]:
    """Run the program after statements that change the module `supervisor`, or what it uses."""
    program = f"import os\nfrom storescp import cli\nfrom storescp.serve.accept import supervisor\n{change}\ncli.main()"
    return running([sys.executable, "-c", program], directory, options, our_environment())


def forks(server: Server) -> bool:
    """Tell whether a server was started with `--fork`."""
    return "--fork" in Path(f"/proc/{server.process.pid}/cmdline").read_text()


def unfinished(directory: Path) -> list[str]:
    """Return the names of unfinished files below a directory, whose hidden place may go at any moment."""
    return [name for _, _, names in os.walk(directory) for name in names if name.endswith(".part")]


def next_peer_is_served(server: Server) -> None:
    """An echo and an object succeed."""
    with Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        assert peer.echo(3).outcome == "0000"
        assert store(peer, "1.2.9") == "0000"
        peer.release()


def every_worker_has_stored(server: Server) -> None:
    """What a process opens for its first object, it keeps: with two workers, each has to have done so."""
    if forks(server) or burden(server.process.pid).processes == 1:
        return
    with Requestor(server.port) as one, Requestor(server.port) as other:
        for peer in (one, other):
            peer.associate(CONTEXTS)
        for peer, instance in ((one, "1.2.7"), (other, "1.2.8")):
            assert store(peer, instance) == "0000"
            peer.release()


@contextlib.contextmanager
def nothing_stays(server: Server, *, growth: int = 16 * MEGABYTE) -> Iterator[None]:
    """In the end the server is as it was, and serves."""
    every_worker_has_stored(server)
    next_peer_is_served(server)
    if forks(server):
        wait_until(lambda: burden(server.process.pid).processes == 1)
    before = burden(server.process.pid)
    yield
    next_peer_is_served(server)

    def is_as_before() -> bool:
        now = burden(server.process.pid)
        return (
            now.processes <= before.processes
            and now.descriptors <= before.descriptors
            and now.threads <= before.threads
            and now.memory - before.memory < growth
        )

    try:
        wait_until(is_as_before)
    except AssertionError:
        raise AssertionError(f"{burden(server.process.pid)} after {before}") from None
    assert not unfinished(server.directory)
