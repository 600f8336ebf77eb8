"""`--inetd` under real super servers: what starts us as it starts DCMTK's storescp gets the same."""

import os
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.conversation import CONTEXTS, store, wait_until
from tests.peers import clients, samples
from tests.peers.requestor import Requestor
from tests.peers.servers import (
    dcmtk_environment,
    free_port,
    is_listening,
    our_command,
    our_environment,
)
from tests.peers.tools import require_tool

pytestmark = pytest.mark.interop

SUPER_SERVERS = ("systemd-socket-activate", "inetd")


@contextmanager
def activated(
    super_server: str, command: Sequence[str], environment: dict[str, str], directory: Path
) -> Iterator[int]:
    """Let a super server start `command` for each connection to a port; yields the port."""
    directory.mkdir()
    program = directory / "program"
    # inetd takes a few arguments only.
    program.write_text(f"#!/bin/sh\ncd {directory}\nexec {shlex.join(command)}\n")
    program.chmod(0o755)
    port = free_port()
    if super_server == "inetd":
        configuration = directory / "inetd.conf"
        configuration.write_text(f"{port} stream tcp nowait {_user()} {program} program\n")
        arguments = ["-E", "-i", "-R", "10000", str(configuration)]
    else:
        arguments = ["--inetd", "--accept", f"--listen={port}", str(program)]
        if "PYTHONPATH" in environment:
            arguments.insert(0, "--setenv=PYTHONPATH")
        if "DCMDICTPATH" in environment:
            arguments.insert(0, "--setenv=DCMDICTPATH")
    with (
        (directory / "said").open("wb") as said,
        subprocess.Popen(
            [require_tool(super_server), *arguments], env=environment, stdout=said, stderr=said
        ) as process,
    ):
        try:
            wait_until(lambda: process.poll() is not None or is_listening(process.pid, port))
            assert process.poll() is None, (directory / "said").read_text()
            yield port
        finally:
            process.terminate()


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


LOG_CONFIGURATION = """
log4cplus.rootLogger = INFO, file
log4cplus.appender.file = log4cplus::FileAppender
log4cplus.appender.file.File = log
log4cplus.appender.file.Append = true
log4cplus.appender.file.ImmediateFlush = true
log4cplus.appender.file.layout = log4cplus::PatternLayout
log4cplus.appender.file.layout.ConversionPattern = %p %m%n
"""


@pytest.mark.parametrize("super_server", SUPER_SERVERS)
def test_as_dcmtk(super_server: str, tmp_path: Path) -> None:
    """Associations one after another and side by side give the files and the log of DCMTK's storescp."""
    slices = [samples.ct_slice(64, f"1.2.826.0.1.3680043.9.3811.97.{n}") for n in range(3)]
    paths = clients.write_files(slices, tmp_path / "sent")
    programs = {
        "ours": (our_command(), our_environment()),
        "dcmtk": ([require_tool("storescp")], dcmtk_environment()),
    }
    stored, logged = {}, {}
    for name, (command, environment) in programs.items():
        out = tmp_path / f"{name}-files"
        out.mkdir()
        configuration = tmp_path / "log.cfg"
        configuration.write_text(LOG_CONFIGURATION)
        options = ["--inetd", "-lc", str(configuration), "-od", str(out), "-dhl"]
        directory = tmp_path / name
        with activated(super_server, [*command, *options], environment, directory) as port:
            for path in paths:
                assert clients.storescu(port, [path]).returncode == 0
            assert clients.echoscu(port).returncode == 0
            with ExitStack() as stack:
                peers = [stack.enter_context(Requestor(port)) for _ in range(3)]
                for peer in peers:
                    peer.associate(CONTEXTS)
                for number, peer in enumerate(peers):
                    assert store(peer, f"1.2.{number}") == "0000"
                    peer.release()
            log = directory / "log"
            wait_until(lambda: log.read_text().count("Association Release") == 7)  # noqa: B023
        stored[name] = sorted(path.name for path in out.rglob("*"))
        logged[name] = sorted(log.read_text().replace(str(out), "OUT").splitlines())

    assert stored["dcmtk"] == stored["ours"]
    assert len(stored["ours"]) == 6
    assert logged["dcmtk"] == logged["ours"]


@pytest.mark.parametrize("super_server", SUPER_SERVERS)
def test_a_process_ends_with_its_connection(super_server: str, tmp_path: Path) -> None:
    """Peers that say nothing, speak nonsense or are refused leave no process behind."""
    out = tmp_path / "files"
    out.mkdir()
    options = ["--inetd", "-ta", "1", "-od", str(out)]
    command = [*our_command(), *options]
    with activated(super_server, command, our_environment(), tmp_path / "run") as port:
        with socket.create_connection(("127.0.0.1", port), 20) as nonsense:
            nonsense.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert nonsense.recv(10) == b""
        with socket.create_connection(("127.0.0.1", port), 20) as silent:
            began = time.monotonic()
            assert silent.recv(10) == b""
            assert time.monotonic() - began > 0.9
        with Requestor(port) as peer:
            peer.associate(CONTEXTS)
            assert store(peer, "1.2.3") == "0000"
            # The peer goes without a word.

        wait_until(lambda: not _processes_with(str(out)))
    assert [path.name for path in out.iterdir()] == ["CT.1.2.3"]


def _processes_with(argument: str) -> list[int]:
    """Return processes that were started with an argument."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes().split(b"\0")
        except OSError:  # it has just ended
            continue
        if argument.encode() in arguments:
            found.append(int(path.parent.name))
    return found
