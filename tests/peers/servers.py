"""Storage SCPs to send to: ours and DCMTK's, each in a process of its own on a free port."""

import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.peers.tools import require_tool

START_LIMIT = 15.0
"""Seconds until a server must listen."""

_SOURCE = Path(__file__).resolve().parents[2] / "src"


class ServerFailed(Exception):
    """A server ended instead of listening."""


@dataclass(slots=True)
class Server:
    """A running server: where it listens, where it stores, what it says."""

    port: int
    directory: Path
    process: subprocess.Popen[bytes]
    stdout: Path
    stderr: Path

    def files(self) -> dict[str, bytes]:
        """Return the stored files: path below the output directory to content."""
        found = {}
        # Unfinished files and their directory may go away while they are looked at, which walk() does not mind.
        for place, _, names in os.walk(self.directory):
            for name in names:
                path = Path(place, name)
                with contextlib.suppress(FileNotFoundError):
                    content = path.read_bytes()
                    # Ours may have made a file ready for the next object.
                    if content or not path.parent.name.startswith(".storescp-"):
                        found[str(path.relative_to(self.directory))] = content
        return dict(sorted(found.items()))

    def take_files(self) -> dict[str, bytes]:
        """Return the stored files and remove them, directories stay."""
        files = self.files()
        for name in files:
            (self.directory / name).unlink()
        return files

    def output(self) -> str:
        """Return what it printed on standard output so far."""
        return self.stdout.read_text(errors="replace")

    def errors(self) -> str:
        """Return what it printed on standard error so far."""
        return self.stderr.read_text(errors="replace")

    def peak_memory(self) -> int:
        """Return the greatest resident size so far in bytes (Linux)."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return 0

    def stop(self, *, by: signal.Signals = signal.SIGTERM, limit: float = 10.0) -> int:
        """Send a signal, wait, and return the exit code; a server that stays is killed and is an error.

        Raises:
            ServerFailed: it did not end within `limit` seconds.
        """
        if self.process.poll() is None:
            self.process.send_signal(by)
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise ServerFailed(f"still there {limit} s after {by.name}") from None


def our_command() -> list[str]:
    """Return the command that runs the program under test from its sources."""
    return [sys.executable, "-m", "storescp"]


def our_environment() -> dict[str, str]:
    """Return the environment in which `our_command` works anywhere, without a DICOM dictionary of the user's."""
    environment = {key: value for key, value in os.environ.items() if key != "DCMDICTPATH"}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(_SOURCE), *filter(None, [environment.get("PYTHONPATH")])]
    )
    return environment


def dcmtk_environment() -> dict[str, str]:
    """Return DCMTK's best environment: Nagle off, and without the private dictionary that Debian adds."""
    environment = {**os.environ, "TCP_NODELAY": "1"}
    for dictionary in sorted(Path("/usr/share").glob("libdcmtk*/dicom.dic")):
        environment["DCMDICTPATH"] = str(dictionary)
    return environment


@functools.cache
def dcmtk_version() -> tuple[int, ...]:
    """Return the version of DCMTK's storescp that is installed; tests follow 3.7.0 and know older ones."""
    command = [require_tool("storescp"), "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return tuple(map(int, said.partition("storescp v")[2].split()[0].split(".")))


@contextlib.contextmanager
def ours(
    directory: Path,
    options: Sequence[str] = (),
    *,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run the program under test, which stores below `directory`/files, until the end of the block."""
    with running(our_command(), directory, options, environment or our_environment()) as server:
        yield server


@contextlib.contextmanager
def dcmtk(
    directory: Path,
    options: Sequence[str] = (),
    *,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run DCMTK's storescp, which stores below `directory`/files, until the end of the block."""
    command = [require_tool("storescp")]
    with running(command, directory, options, environment or dcmtk_environment()) as server:
        yield server


@contextlib.contextmanager
def running(
    command: Sequence[str],
    directory: Path,
    options: Sequence[str],
    environment: Mapping[str, str],
) -> Iterator[Server]:
    """Run `command` with an output directory, options and a port, until the end of the block."""
    server = start(command, directory, options, environment)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.terminate()
            try:
                server.process.wait(10)
            except subprocess.TimeoutExpired:
                server.process.kill()
                server.process.wait()


def start(
    command: Sequence[str],
    directory: Path,
    options: Sequence[str],
    environment: Mapping[str, str],
) -> Server:
    """Start a server and return once it listens.

    A port that is free when asked for may be taken when used: then another one is tried.

    Raises:
        ServerFailed: it ended, or does not listen in time.
    """
    directory.mkdir(parents=True, exist_ok=True)
    files = directory / "files"
    files.mkdir(exist_ok=True)
    stdout, stderr = directory / "stdout.txt", directory / "stderr.txt"
    for _ in range(5):
        port = free_port()
        with stdout.open("wb") as out, stderr.open("wb") as err:
            process = subprocess.Popen(
                [*command, "-od", str(files), *options, str(port)],
                cwd=directory,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        server = Server(port, files, process, stdout, stderr)
        if _wait_until_listening(server):
            return server
        if "in use" not in server.errors() + server.output():
            raise ServerFailed(f"{command} does not listen: {server.errors() + server.output()}")
    raise ServerFailed(f"{command} finds each port in use")


def _wait_until_listening(server: Server) -> bool:
    """Return True once the server listens, False if it ended."""
    limit = time.monotonic() + START_LIMIT
    while server.process.poll() is None:
        if is_listening(server.process.pid, server.port):
            return True
        if time.monotonic() > limit:
            server.process.kill()
            server.process.wait()
            return False
        time.sleep(0.005)
    return False


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.create_server(("", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def is_listening(pid: int, port: int) -> bool:
    """Tell whether process `pid` listens on `port`, without disturbing it by a connection where Linux tells."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    if not tables[0].exists():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    inodes = set()
    for table in tables:
        if table.exists():
            for line in table.read_text().splitlines()[1:]:
                columns = line.split()
                # local address, state (0A is LISTEN), inode
                if columns[3] == "0A" and int(columns[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{columns[9]}]")
    if not inodes:
        return False
    # The process, or a descriptor of it, may be gone before it is looked at.
    with contextlib.suppress(OSError):
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/{descriptor}") in inodes:
                    return True
    return False
