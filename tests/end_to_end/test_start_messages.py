"""What the program says of its start, beyond what DCMTK's storescp says."""

import re
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.end_to_end.conversation import CONTEXTS as STORING
from tests.end_to_end.conversation import store, wait_until
from tests.peers.requestor import VERIFICATION, Context, Requestor
from tests.peers.servers import Server, our_command, our_environment, ours

CONTEXTS = (Context(1, VERIFICATION, ("1.2.840.10008.1.2",)),)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*our_command(), *arguments],
        env=our_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def ready(server: Server) -> list[str]:
    """Return the lines that say that peers can connect."""
    with Requestor(server.port) as peer:  # it is said before the first peer is served
        peer.associate(CONTEXTS)
        peer.release()
    return [line for line in server.errors().splitlines() if "Ready" in line]


@pytest.mark.parametrize(
    "options",
    [
        ["--workers", "2"],
        ["--idle-timeout", "60"],
        ["--fork", "--fsync"],
        ["--state-directory", "state", "-su", "study"],
    ],
    ids=" ".join,
)
def test_ready(options: Sequence[str], tmp_path: Path) -> None:
    """Port and directory are told at the start, once, where there is an option that DCMTK does not have."""
    options = [str(tmp_path / each) if each == "state" else each for each in options]
    with ours(tmp_path, ["-v", *options]) as server:
        assert ready(server) == [f"I: Ready on port {server.port}, storing into {server.directory}"]


def test_ready_and_storing_nothing(tmp_path: Path) -> None:
    """With --ignore, no directory is named."""
    with ours(tmp_path, ["-v", "--ignore", "--fsync"]) as server:
        assert ready(server) == [f"I: Ready on port {server.port}, storing nothing"]


@pytest.mark.parametrize("options", [["-v"], ["-v", "--fork"], ["--workers", "2"]], ids=" ".join)
def test_nothing_is_said_where_dcmtk_is_silent(options: Sequence[str], tmp_path: Path) -> None:
    """With DCMTK's options alone the line is not there; nor is it below level INFO."""
    with ours(tmp_path, options) as server:
        assert ready(server) == []


@pytest.mark.parametrize(
    "mistake",
    [
        ["-od", "no such directory"],
        ["--max-pdu", "5"],
        ["--rename-on-eostudy"],
        ["+tls", "no such key", "no such certificate"],
        ["-xf", "no such file", "Default"],
    ],
    ids=" ".join,
)
def test_an_implementation_is_not_named_before_an_error_in_the_options(
    mistake: Sequence[str], tmp_path: Path
) -> None:
    """Options and what they name, files of keys among them: the error is all that there is to read."""
    options = ["-v", "-od", str(tmp_path), *mistake]

    result = run(*options, "104")

    assert result.returncode == 1
    assert "Implementation" not in result.stderr


def test_an_implementation_is_named_once_at_the_start(tmp_path: Path) -> None:
    """With options that are right, it is said before the first peer is served."""
    with ours(tmp_path, ["-v", "--fsync"]) as server:
        assert len(ready(server)) == 1

        assert server.errors().count("I: Implementation: storescp ") == 1
        assert server.errors().index("Implementation") < server.errors().index("Ready on port")


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_port_that_is_taken(family: socket.AddressFamily, tmp_path: Path) -> None:
    """The line of the reference does not say which port: a second one does."""
    version = "-i4" if family == socket.AF_INET else "-i6"
    with socket.create_server(("", 0), family=family) as other:
        port = other.getsockname()[1]

        result = run(version, "-od", str(tmp_path), str(port))

    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "E: cannot create network: 0006:031c TCP Initialization Error: Address already in use",
        f"E: Another program listens on port {port}; `ss -lntp` shows which.",
    ]


def test_a_directory_that_does_not_exist(tmp_path: Path) -> None:
    """The line of the reference does not say which directory: a second one does."""
    result = run("-od", str(tmp_path / "nowhere"), "11112")

    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "F: specified output directory does not exist",
        f"F: It is {tmp_path}/nowhere (--output-directory).",
    ]


def test_lines_of_workers_can_be_told_apart(tmp_path: Path) -> None:
    """Each line of a worker begins with its process ID, and a peer's lines all have the same one."""
    with ours(tmp_path, ["-v", "--workers", "2"]) as server:
        with Requestor(server.port) as first, Requestor(server.port) as second:
            for peer in (first, second):
                peer.associate(CONTEXTS)
                peer.echo(1)
            for peer in (first, second):
                peer.release()
        wait_until(lambda: server.errors().count("Association Release") == 2)
        lines = server.errors().splitlines()

    of_workers: dict[str, list[str]] = {}
    for line in lines:
        if found := re.fullmatch(r"I: \[(\d+)\] (.*)", line):
            of_workers.setdefault(found[1], []).append(found[2].split(" (")[0])
    said = [
        "Association Received in child process",
        "Association Acknowledged",
        "Received Echo Request",
        "Association Release",
    ]
    assert list(of_workers.values()) == [said, said]
    assert str(server.process.pid) not in of_workers


def test_lines_of_forked_children_are_those_of_dcmtk(tmp_path: Path) -> None:
    """With --fork alone, nothing is added."""
    with ours(tmp_path, ["-v", "--fork"]) as server:
        assert ready(server) == []
        wait_until(lambda: "Association Release" in server.errors())

        assert "[" not in server.errors()


def test_what_is_resumed_is_told(tmp_path: Path) -> None:
    """After a kill, the next start says what it goes on with; a start that finds nothing says nothing."""
    state = tmp_path / "state"
    options = ["-v", "--state-directory", str(state), "-su", "study", "-tos", "3600"]
    with ours(tmp_path / "out", options) as server:
        with Requestor(server.port) as peer:
            peer.associate(STORING)
            assert store(peer, "1.1", "1.9.1") == "0000"
            assert store(peer, "1.2", "1.9.2") == "0000"
            peer.release()
        assert "Resumed" not in server.errors()
        server.process.kill()
        server.process.wait()

    with ours(tmp_path / "out", options) as server:
        resumed = [line for line in server.errors().splitlines() if "Resumed" in line]

    assert resumed == [f"I: Resumed from {state}: open studies: 2, commands to run: 0"]
