"""How soon a server is ready: to the first connection, to the end of its help, for one association under inetd."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.peers import PYNETDICOM, Peer
from tests.peers.requestor import Context, Requestor
from tests.peers.servers import free_port

VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT = "1.2.840.10008.1.2"
TRIES = 9


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds, medians; resident bytes of a server that waits. None: it has no such thing, or it failed."""

    peer: str
    listens: float | None
    helps: float | None
    serves_one: float | None
    idle_memory: int | None


@dataclass(frozen=True, slots=True)
class StartGoal:
    """What our server is to stay below, by the name of the field of `Start`."""

    field: str
    title: str
    most: float


GOALS = (
    StartGoal("listens", "until it listens", 0.12),
    StartGoal("helps", "--help", 0.1),
    StartGoal("serves_one", "one association under inetd", 0.2),
    StartGoal("idle_memory", "resident when idle", 45e6),
)


def measure(peer: Peer, directory: Path) -> Start:
    """Start a server again and again."""
    listening = [_listen(peer, directory) for _ in range(TRIES)]
    seconds = [taken for taken, _ in listening if taken is not None]
    inetd = None if peer.name == PYNETDICOM else _median(lambda: _serve_one(peer, directory))
    return Start(
        peer.name,
        median(seconds) if seconds else None,
        _median(lambda: _help(peer)),
        inetd,
        max(memory for _, memory in listening) or None,
    )


def _median(take: Callable[[], float | None]) -> float | None:
    taken = [seconds for _ in range(TRIES) if (seconds := take()) is not None]
    return median(taken) if taken else None


@contextmanager
def _started(
    peer: Peer, arguments: list[str], stdin: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [*peer.command, *arguments],
        env=peer.environment,
        stdin=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _listen(peer: Peer, directory: Path) -> tuple[float | None, int]:
    """Return the seconds to the first connection that is taken, and the resident memory then."""
    port = free_port()
    start = time.monotonic()
    with _started(peer, ["-od", str(directory), str(port)]) as process:
        while process.poll() is None and time.monotonic() < start + 10:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return time.monotonic() - start, _resident(process.pid)
            time.sleep(0.0005)
    return None, 0


def _resident(pid: int) -> int:
    """Return the resident size of a process in bytes (Linux); 0 where it is not told."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _help(peer: Peer) -> float | None:
    start = time.monotonic()
    with _started(peer, ["--help"]) as process:
        process.wait(10)
    return time.monotonic() - start


def _serve_one(peer: Peer, directory: Path) -> float | None:
    """Return the seconds from the start to the end of a process that serves one C-ECHO."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        connected, _ = listener.accept()
    with client, connected, Requestor(0, connection=client) as requestor:
        start = time.monotonic()
        arguments = ["--inetd", "-od", str(directory)]
        with _started(peer, arguments, stdin=connected.fileno()) as process:
            connected.close()
            try:
                requestor.associate([Context(1, VERIFICATION, (IMPLICIT,))])
                requestor.echo(1)
                requestor.release()
            except OSError:
                return None
            client.close()
            process.wait(10)
    return time.monotonic() - start
