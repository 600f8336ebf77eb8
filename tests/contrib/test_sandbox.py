"""The program in the sandbox of the unit: whatever it offers works there, or says why not."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contrib.sandbox import PR_GET_MDWE, allowed_calls, directives
from tests.contrib.test_systemd import SERVICE
from tests.end_to_end.conversation import CONTEXTS, store, wait_until
from tests.end_to_end.test_tls import Site, site
from tests.peers.another_user import IS_ROOT, NOBODY, NOGROUP, public_directory, public_python
from tests.peers.requestor import Requestor
from tests.peers.servers import Server, free_port, our_environment, start
from tests.peers.tools import require_tool

__all__ = ["site"]  # a fixture

pytestmark = pytest.mark.interop

SANDBOX = Path(__file__).with_name("sandbox.py")


def confined(*command: str) -> list[str]:
    """Return the command that runs another one in the sandbox."""
    require_tool("systemd-analyze")
    user, group = (NOBODY, NOGROUP) if IS_ROOT else (os.geteuid(), os.getegid())
    return [sys.executable, str(SANDBOX), str(SERVICE), str(user), str(group), *command]


@contextlib.contextmanager
def running(options: list[str]) -> Iterator[tuple[Server, Path]]:
    """Run the program in the sandbox; yields it and a directory that it may write to."""
    with public_directory() as public:
        work = public / "work"
        for path in (work, work / "files"):
            path.mkdir()
            if IS_ROOT:
                os.chown(path, NOBODY, NOGROUP)
        environment = {
            **our_environment(),
            "PYTHONPATH": str(public / "src"),
            "NOTIFY_SOCKET": str(work / "notify"),
        }
        command = confined(public_python(), "-m", "storescp")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(work / "notify"))
            (work / "notify").chmod(0o777)
            server = start(command, work, options, environment)
            try:
                yield server, work
            finally:
                server.process.kill()
                server.process.wait()


def ask(*script: str) -> str:
    done = subprocess.run(
        confined(public_python(), "-c", "\n".join(script)),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("os.nice(5)", "EPERM"),
        ("mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)", "EPERM"),
        ("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", "EAFNOSUPPORT"),
        ("socket.socket(socket.AF_UNIX)", "allowed"),
        ("os.chown('/tmp', 0, 0)", "EPERM"),
        ("os.fork() or os._exit(0)", "allowed"),
    ],
)
def test_it_is_the_sandbox_of_the_unit(script: str, expected: str) -> None:
    """What the unit forbids is forbidden here, with the error that systemd's filter gives."""
    said = ask(
        "import errno, mmap, os, socket",
        "try:",
        f"    {script}",
        "    print('allowed')",
        "except OSError as error:",
        "    print(errno.errorcode[error.errno])",
    )

    assert said == expected


def test_the_kernel_denies_it_too_where_it_can() -> None:
    """prctl(PR_SET_MDWE), since Linux 6.3, is in force besides the filter."""
    version = tuple(map(int, os.uname().release.split(".")[:2]))
    script = f"import ctypes; print(ctypes.CDLL(None).prctl({PR_GET_MDWE}, 0, 0, 0, 0))"

    assert ask(script) == ("1" if version >= (6, 3) else "-1")


def test_the_filter_is_the_units() -> None:
    """Groups of calls are taken from systemd itself, those behind a tilde are taken away."""
    calls = allowed_calls(directives(SERVICE.read_text())["SystemCallFilter"])

    assert {"read", "execve", "clone", "prctl"} <= calls
    assert not calls & {"nice", "setpriority", "chown", "reboot", "ptrace"}


def check(server: Server, *, files: int = 2) -> None:
    """Store two objects, have the program end, and find nothing in its log that the sandbox has caused."""
    with Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        assert [store(peer, f"1.{number}") for number in range(2)] == ["0000", "0000"]
        peer.release()
    assert sum("CT.1" in name or "CT0" in name for name in server.files()) == files
    server.process.send_signal(signal.SIGHUP)
    with Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        assert peer.echo(3).status == 0
        peer.release()
    assert server.stop() == -signal.SIGTERM
    for trace in ("Traceback", "internal error", "not permitted", "has ended", "Error"):
        assert trace not in server.errors()


MODES = {
    "one": [],
    "fork": ["--fork"],
    "workers": ["--workers", "2"],
    "state": ["--workers", "1", "--state-directory", "state", "-su", "s", "-tos", "1"],
    "patients": ["-sp", "-rns", "--umask", "027"],
    "events and progress": ["--events", "events", "--progress"],
    "json": ["--log-json", "--log-mask", "patients"],
    "decompressed": ["-u"],
}


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_it_works(mode: list[str]) -> None:
    """Objects are stored, signals are heard, and nothing in the log is about what is not permitted."""
    with running(["--verbose", "--fsync", *mode]) as (server, _):
        check(server)


@pytest.mark.parametrize("mode", [[], ["--workers", "1"]], ids=["one", "workers"])
def test_the_page_stays(mode: list[str]) -> None:
    """The status page is there, and still is after objects have come."""
    port = free_port()
    with running(["--http", str(port), *mode]) as (server, _):
        for number in range(2):
            with Requestor(server.port) as peer:
                peer.associate(CONTEXTS)
                assert store(peer, f"2.{number}") == "0000"
                peer.release()
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as page:
                assert b"storescp" in page.read()
        check(server, files=2)


def test_commands_run() -> None:
    """Those of objects and of studies; the shell and what it calls are in the same sandbox."""
    options = ["-su", "s", "-tos", "1", "-xcr", "echo #f >>log", "-xcs", "echo study >>log"]
    with running(options) as (server, work):
        check(server)
        # Commands run side by side: which of them writes first is left to the system.
        wait_until(
            lambda: sorted((work / "log").read_text().splitlines()) == ["CT.1.0", "CT.1.1", "study"]
        )


def test_tls_works(site: Site) -> None:
    """Handshakes with client certificates, whose callbacks are made at run time by ctypes."""
    for path in (*site.server, site.trusted):
        Path(path).chmod(0o644)
    for directory in [Path(site.trusted).parent, *Path(site.trusted).parents]:
        if directory.stat().st_uid == os.geteuid() and directory != Path("/tmp"):
            directory.chmod(directory.stat().st_mode | 0o055)
    with running(site.options()) as (server, _):
        with site.connect(server.port) as peer:
            peer.associate(CONTEXTS)
            assert store(peer, "1.1") == "0000"
            peer.release()

        assert server.stop() == -signal.SIGTERM
        assert server.errors() == ""
