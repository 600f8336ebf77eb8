"""Output that cannot be written, in every way and mode: reception goes on, and what a peer sends is stored."""

import contextlib
import os
import resource
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.conversation import CONTEXTS, store, wait_until
from tests.end_to_end.test_success_means_stored import tmpfs
from tests.peers.requestor import Requestor
from tests.peers.servers import free_port, is_listening, our_command, our_environment

LEVELS = {
    "default": [],
    "verbose": ["-v", "--progress"],
    "debug": ["-d"],
    "json and events": ["-v", "--log-json", "--events", "-"],
    "configured": ["-lc", "log.cfg"],
}
CONFIGURATION = """
log4cplus.rootLogger = DEBUG, console, error
log4cplus.appender.console = log4cplus::ConsoleAppender
log4cplus.appender.error = log4cplus::ConsoleAppender
log4cplus.appender.error.logToStdErr = true
"""
MODES = {
    "one": [],
    "fork": ["--fork"],
    "workers": ["--workers", "1"],
    "inetd": ["--inetd"],
}
_LIMIT = 1 << 20


@dataclass
class Output:
    """What standard output and standard error are; None: closed."""

    descriptor: int | None
    limit: int | None = None
    """RLIMIT_FSIZE of the program, in bytes."""


@contextlib.contextmanager
def full_device(_directory: Path) -> Iterator[Output]:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    yield Output(descriptor)
    os.close(descriptor)


@contextlib.contextmanager
def closed(_directory: Path) -> Iterator[Output]:
    yield Output(None)


@contextlib.contextmanager
def pipe_without_reader(_directory: Path) -> Iterator[Output]:
    reading, writing = os.pipe()
    os.close(reading)
    yield Output(writing)
    os.close(writing)


@contextlib.contextmanager
def full_pipe(_directory: Path, *, blocking: bool = True) -> Iterator[Output]:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, blocking)
    yield Output(writing)
    os.close(reading)
    os.close(writing)


def full_pipe_not_blocking(
    directory: Path,
) -> contextlib.AbstractContextManager[Output]:
    return full_pipe(directory, blocking=False)


@contextlib.contextmanager
def limit_on_file_sizes(directory: Path) -> Iterator[Output]:
    (directory / "said").write_bytes(b"x" * _LIMIT)
    descriptor = os.open(directory / "said", os.O_WRONLY | os.O_APPEND)
    yield Output(descriptor, _LIMIT)
    os.close(descriptor)


@contextlib.contextmanager
def full_disk(directory: Path) -> Iterator[Output]:
    with tmpfs(directory / "small", "size=64k") as is_mounted:
        if not is_mounted:
            pytest.skip("may not mount a file system")
        descriptor = os.open(directory / "small" / "said", os.O_WRONLY | os.O_CREAT)
        with contextlib.suppress(OSError):
            while True:
                os.write(descriptor, b"x" * 4096)
        yield Output(descriptor)
        os.close(descriptor)


@contextlib.contextmanager
def socket_without_reader(_directory: Path) -> Iterator[Output]:
    ours, theirs = socket.socketpair()
    theirs.close()
    yield Output(ours.fileno())
    ours.close()


Way = Callable[[Path], contextlib.AbstractContextManager[Output]]
WAYS: tuple[Way, ...] = (
    full_device,
    closed,
    pipe_without_reader,
    full_pipe,
    full_pipe_not_blocking,
    limit_on_file_sizes,
    full_disk,
    socket_without_reader,
)


def start(
    directory: Path, options: list[str], output: Output, connected: socket.socket | None, port: int
) -> subprocess.Popen[bytes]:
    files = directory / "files"
    files.mkdir(parents=True)
    (directory / "log.cfg").write_text(CONFIGURATION)

    def prepare() -> None:
        if output.descriptor is None:
            os.close(1)
            os.close(2)
        if output.limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (output.limit, output.limit))

    return subprocess.Popen(
        [*our_command(), "-od", str(files), *options, *([] if connected else [str(port)])],
        cwd=directory,
        env=our_environment(),
        stdin=connected.fileno() if connected else subprocess.DEVNULL,
        stdout=output.descriptor,
        stderr=output.descriptor,
        preexec_fn=prepare,
    )


def wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    wait_until(lambda: process.poll() is not None or is_listening(process.pid, port))
    assert process.poll() is None


def store_three(connection: socket.socket, number: int) -> None:
    """Store three objects in an association, without a long wait."""
    connection.settimeout(20)
    begun = time.monotonic()
    with Requestor(0, connection=connection) as peer:
        peer.associate(CONTEXTS)
        assert [store(peer, f"1.{number}.{n}") for n in range(3)] == ["0000"] * 3
        peer.release()
    assert time.monotonic() - begun < 10


def serve_inetd(directory: Path, options: list[str], output: Output) -> None:
    """Run the program for each of two associations."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for number in range(2):
            connection = socket.create_connection(listener.getsockname())
            with listener.accept()[0] as connected:
                process = start(directory / str(number), options, output, connected, 0)
            store_three(connection, number)
            assert process.wait(20) == 0


def serve(directory: Path, options: list[str], output: Output) -> None:
    """Run the program, which serves two associations and ends."""
    port = free_port()
    process = start(directory, options, output, None, port)
    with process:
        try:
            wait_until_listening(process, port)
            for number in range(2):
                store_three(socket.create_connection(("127.0.0.1", port)), number)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == -signal.SIGTERM
        finally:
            process.kill()


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_reception_goes_on(way: Way, mode: list[str], tmp_path: Path) -> None:
    """Whatever is logged or shown, and however it cannot be: objects are stored, and the program ends as it should."""
    # Levels differ in what is written, which is the same code in all modes.
    for level in LEVELS if not mode else ("verbose", "json and events"):
        options = [*mode, *LEVELS[level]]
        if "--inetd" in mode:
            options = [
                option for option in options if option != "--progress"
            ]  # they exclude each other
        (tmp_path / level).mkdir()
        out = tmp_path / level / "out"
        with way(tmp_path / level) as output:
            (serve_inetd if "--inetd" in mode else serve)(out, options, output)
        assert len([*out.rglob("CT.1.*")]) == 6
        assert not [*out.rglob(".storescp-*")]


@pytest.mark.parametrize(
    ("redirection", "exit_code", "said"),
    [
        (">/dev/full", 1, "storescp: cannot write: No space left on device\n"),
        (">&-", 0, ""),
        ("| :", 0, ""),
        ("2>&- >/dev/full", 1, ""),
    ],
)
def test_a_text_that_cannot_be_printed(redirection: str, exit_code: int, said: str) -> None:
    """Help and reports that cannot be written are an error with a message; a reader that has gone is none."""
    command = f"set -o pipefail; {shlex.join(our_command())} --help {redirection}"

    done = subprocess.run(
        ["bash", "-c", command], env=our_environment(), capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (exit_code, said)


def test_inetd_without_standard_output(tmp_path: Path) -> None:
    """The connection keeps its number, whichever standard descriptors the program was started without."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = socket.create_connection(listener.getsockname())
        with listener.accept()[0] as connected:
            process = start(tmp_path / "out", ["--inetd"], Output(None), connected, 0)
        store_three(connection, 1)

        assert process.wait(20) == 0
