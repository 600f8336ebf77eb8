"""Senders that vanish before they are told of a stored object: what follows the object happens all the same."""

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.conversation import CONTEXTS, data_set, wait_until
from tests.end_to_end.test_broken_output import Output, start
from tests.end_to_end.test_tls import Site, site
from tests.peers.requestor import CT_IMAGE_STORAGE, Requestor, message, store_command
from tests.peers.servers import ours

__all__ = ["site"]  # a fixture

OBJECT = message(1, store_command(CT_IMAGE_STORAGE, "1.1"), data_set("1.1"))
COMMANDS = ["-xcr", "echo object #f >>$PWD/log", "-su", "s"]
STUDY_COMMAND = ["-xcs", "echo study >>$PWD/log", "-tos", "1"]
MODES = {
    "one": [],
    "fork": ["--fork"],
    "workers": ["--workers", "1"],
    "parallel studies": ["--parallel-studies"],
}


def reset(connection: socket.socket) -> None:
    """Close with an RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def close(connection: socket.socket) -> None:
    """Close; what is sent then is answered with an RST."""
    connection.close()


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize(("mode", "vanish"), [*((mode, reset) for mode in MODES), ("one", close)])
def test_what_has_its_final_name_is_processed(
    mode: str, vanish: Callable[[socket.socket], None], tmp_path: Path
) -> None:
    """Its command runs, its event is written, its study ends as others do, and the next peer is served."""
    out = tmp_path / "out"
    options = ["--sleep-during", "1", "--events", "events", *COMMANDS, *MODES[mode]]
    # With --fork there is none: a study is that of its association.
    expected = ["object CT.1.1"] if mode == "fork" else ["object CT.1.1", "study"]
    with ours(out, options + STUDY_COMMAND * (mode != "fork")) as server:
        connection = socket.create_connection(("127.0.0.1", server.port))
        peer = Requestor(0, connection=connection)
        peer.associate(CONTEXTS)
        peer.send(OBJECT)
        vanish(connection)
        wait_until(lambda: lines(out / "log") == expected)
        with Requestor(server.port) as second:
            second.associate(CONTEXTS)
            assert second.echo(3).status == 0
            second.release()

        assert [*server.files()] == ["s_1.9/CT.1.1"]
        told = [json.loads(line) for line in lines(out / "events")]
        assert [one["event"] for one in told if "sop_instance_uid" in one] == ["object-stored"]
        if vanish is reset:
            assert (
                f"object 1.1 is stored as {server.directory}/s_1.9/CT.1.1, but its sender was not"
                " told, and may send it again: " in server.errors()
            )


def test_inetd(tmp_path: Path) -> None:
    """The process that served the sender runs the command before it ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = socket.create_connection(listener.getsockname())
        options = ["--inetd", "--sleep-during", "1", "-xcr", f"echo #f >{tmp_path}/log"]
        with listener.accept()[0] as connected:
            process = start(tmp_path / "out", options, Output(subprocess.DEVNULL), connected, 0)
    peer = Requestor(0, connection=connection)
    peer.associate(CONTEXTS)
    peer.send(OBJECT)
    reset(connection)

    assert process.wait(20) == 0
    wait_until(lambda: lines(tmp_path / "log") == ["CT.1.1"])


def test_tls(site: Site, tmp_path: Path) -> None:
    """A TLS connection that breaks before the response costs no command either."""
    out = tmp_path / "out"
    with ours(out, site.options("--sleep-during", "1", *COMMANDS)) as server:
        peer = site.connect(server.port)
        peer.associate(CONTEXTS)
        peer.send(OBJECT)
        reset(peer._socket)
        wait_until(lambda: "object CT.1.1" in lines(out / "log"))

        assert "but its sender was not told" in server.errors()


@pytest.mark.parametrize("mode", [[], ["--fork"]], ids=["one", "fork"])
@pytest.mark.parametrize("pause", ["--sleep-during", "--sleep-after"])
def test_a_request_to_stop_meanwhile(pause: str, mode: list[str], tmp_path: Path) -> None:
    """What is stored has its command run before the end; what is not leaves no file and runs none."""
    out = tmp_path / "out"
    with ours(out, [pause, "2", *COMMANDS, *mode]) as server:
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS)
            peer.send(OBJECT)
            if pause == "--sleep-after":
                assert peer.receive_response().status == 0
            else:
                wait_until(lambda: bool(list(server.directory.rglob(".storescp-*"))))
            pids = [server.process.pid]
            if mode:
                children = Path(f"/proc/{pids[0]}/task/{pids[0]}/children").read_text().split()
                pids += map(int, children)
            for pid in reversed(pids):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            assert server.process.wait(20) == -signal.SIGTERM

        stored = pause == "--sleep-after"
        wait_until(lambda: not list(server.directory.rglob(".storescp-*")))
        assert [*server.files()] == (["s_1.9/CT.1.1"] if stored else [])
        if stored:
            wait_until(lambda: "object CT.1.1" in lines(out / "log"))
        else:
            assert "object CT.1.1" not in lines(out / "log")
