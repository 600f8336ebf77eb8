"""The units for systemd: complete, tight, and started as they say."""

import os
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from storescp.config.command_line import Evaluation, parse
from storescp.config.options.evaluation import Stage
from tests.end_to_end.conversation import CONTEXTS, store, wait_until
from tests.peers.another_user import (
    IS_ROOT,
    NOBODY,
    NOGROUP,
    privileged_port,
    public_directory,
    public_python,
)
from tests.peers.requestor import Requestor
from tests.peers.servers import free_port, our_command, our_environment, ours
from tests.peers.tools import require_tool

UNITS = Path(__file__).resolve().parents[2] / "contrib" / "systemd"
SERVICE = UNITS / "storescp.service"


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with a program that every machine has."""
    for unit in UNITS.glob("storescp.*"):
        text = unit.read_text().replace("/usr/local/bin/storescp", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    return tmp_path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [require_tool("systemd-analyze"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.interop
def test_units_are_understood(units: Path) -> None:
    """Systemd finds nothing to complain of."""
    done = analyze(
        "verify", "--man=no", str(units / "storescp.service"), str(units / "storescp.socket")
    )

    assert done.returncode == 0
    complaints = [line for line in done.stderr.splitlines() if "storescp" in line]
    assert complaints == []


@pytest.mark.interop
def test_the_sandbox_is_tight(units: Path) -> None:
    """An exposure of 1.5 at most, of 10; services without a sandbox have 9.6."""
    done = analyze("security", "--offline=yes", "--threshold=15", str(units / "storescp.service"))

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_command_line_is_valid() -> None:
    """The program accepts the options of the unit."""
    (line,) = re.findall("^ExecStart=(.*)$", SERVICE.read_text(), re.MULTILINE)
    program, *arguments = shlex.split(line)

    command_line = Evaluation(parse(arguments)).run(Stage.SECURITY)

    assert program == "/usr/local/bin/storescp"
    assert command_line.output_directory == "/var/lib/storescp"
    assert command_line.fsync


def test_the_unit_needs_no_privileges() -> None:
    """The port is passed on, so that nothing has to be given up."""
    text = SERVICE.read_text()

    for setting in ("User=storescp", "CapabilityBoundingSet=\n", "NoNewPrivileges=yes"):
        assert setting in text
    assert "AmbientCapabilities=\n" in text


@contextmanager
def activated(
    tmp_path: Path,
    *options: str,
    port: int,
    command: Sequence[str] = (),
    path: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Have the socket of `port` opened by systemd's tool, and the program started by the first connection."""
    (tmp_path / "files").mkdir()
    environment = our_environment()
    command = [
        *(require_tool("systemd-socket-activate"), "-l", f"127.0.0.1:{port}"),
        *("-E", f"PYTHONPATH={path or environment['PYTHONPATH']}"),
        *options,
        *(command or (*our_command(), "-od", str(tmp_path / "files"), "104")),
    ]
    with (tmp_path / "stderr").open("wb") as log:
        process = subprocess.Popen(command, stderr=log, env=environment)
        try:
            wait_until(lambda: "Listening on" in (tmp_path / "stderr").read_text())
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


@pytest.mark.interop
def test_the_socket_of_systemd_is_taken(tmp_path: Path) -> None:
    """systemd-socket-activate opens the port, and the program serves it, whatever port its command line has."""
    port = free_port()
    with activated(tmp_path, port=port) as process:
        for number in range(2):
            with Requestor(port) as peer:
                peer.associate(CONTEXTS)
                assert store(peer, f"1.2.{number}") == "0000"
                peer.release()

        assert process.poll() is None
    assert sorted(path.name for path in (tmp_path / "files").iterdir()) == ["CT.1.2.0", "CT.1.2.1"]


@pytest.mark.interop
def test_a_port_below_1024_without_root(tmp_path: Path) -> None:
    """The socket is root's, the program is not: what a socket unit is for. Who is not root tries another port."""
    port = privileged_port() if IS_ROOT else free_port()
    as_nobody = f"import os, sys; os.setgroups([]); os.setgid({NOGROUP}); os.setuid({NOBODY})"
    with public_directory() as public:
        if IS_ROOT:
            os.chown(public / "files", NOBODY, NOGROUP)
        python = public_python()
        script = (
            f"{as_nobody if IS_ROOT else 'import os, sys'}; os.execv(sys.argv[1], sys.argv[1:])"
        )
        command = [python, "-m", "storescp", "-od", str(public / "files"), "104"]
        with activated(
            tmp_path, port=port, command=[python, "-c", script, *command], path=public / "src"
        ):
            with Requestor(port) as peer:
                peer.associate(CONTEXTS)
                assert store(peer, "1.2.3") == "0000"
                peer.release()

            (stored,) = (public / "files").glob("CT*")
            assert stored.stat().st_uid == (NOBODY if IS_ROOT else os.geteuid())


@pytest.mark.interop
def test_several_sockets_are_an_error(tmp_path: Path) -> None:
    """It is found when the program starts, and said."""
    port = free_port()
    with activated(tmp_path, "-l", f"127.0.0.1:{free_port()}", port=port) as process:
        with socket.create_connection(("127.0.0.1", port)):
            assert process.wait(20) == 1

        log = (tmp_path / "stderr").read_text()
        assert "the service manager passes 2 sockets, but one is listened on" in log


def test_the_service_manager_is_told(tmp_path: Path) -> None:
    """Ready once connections are accepted, stopping before the end; a reload does not end it."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(20)
        environment = {**our_environment(), "NOTIFY_SOCKET": str(path)}
        options = ["-xs", "-xcr", f"env > {tmp_path}/environment"]
        with ours(tmp_path / "out", options, environment=environment) as server:
            assert manager.recv(1000).decode() == (
                f"READY=1\nSTATUS=Receiving on port {server.port}"
            )
            server.process.send_signal(signal.SIGHUP)
            with Requestor(server.port) as peer:
                peer.associate(CONTEXTS)
                assert store(peer, "1.2.3") == "0000"
                peer.release()
            wait_until((tmp_path / "environment").exists)
            assert server.process.poll() is None
            server.process.send_signal(signal.SIGTERM)

            assert manager.recv(1000) == b"STOPPING=1"
            assert server.process.wait(20) == -signal.SIGTERM
    assert "NOTIFY_SOCKET" not in (tmp_path / "environment").read_text()


def test_children_do_not_speak_for_the_service(tmp_path: Path) -> None:
    """Under `--fork`, the end of an association is not the end of the service."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(20)
        environment = {**our_environment(), "NOTIFY_SOCKET": str(path)}
        with ours(tmp_path / "out", ["--fork"], environment=environment) as server:
            assert manager.recv(1000).startswith(b"READY=1")
            for number in range(3):
                with Requestor(server.port) as peer:
                    peer.associate(CONTEXTS)
                    assert store(peer, f"1.2.{number}") == "0000"
                    peer.release()

            manager.settimeout(0)
            with pytest.raises(BlockingIOError):
                manager.recv(1000)
