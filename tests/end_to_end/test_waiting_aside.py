"""Peers that are not ready to be served wait aside, in every mode, over plain TCP and inside TLS; what they are told."""

import contextlib
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.end_to_end.conversation import CONTEXTS, associated, data_set, store, wait_until
from tests.end_to_end.test_tls import Site, client_hello, drain, exchange, site, stalling
from tests.peers.requestor import (
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    CT_IMAGE_STORAGE,
    Requestor,
    associate_request,
    message,
    store_command,
)
from tests.peers.servers import Server, our_command, our_environment, ours

__all__ = ["site"]  # a fixture

REQUEST = associate_request(CONTEXTS)
MODES = {"one": [], "fork": ["--fork"], "workers": ["--workers", "2"]}


@contextlib.contextmanager
def stalling_inside_tls(site: Site, server: Server, begun: bytes) -> Iterator[socket.socket]:
    """Make a TLS connection, begin a request, and leave it at that."""
    peer = site.connect(server.port)
    with peer:
        peer.send(begun)
        yield peer._socket


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_stalled_tls_clients_keep_nobody_waiting(
    mode: list[str], site: Site, tmp_path: Path
) -> None:
    """More of them than there are workers: whoever is ready is served at once; they are closed in time, with a reason."""
    hello = client_hello()
    options = site.options("-ts", "4", "-ta", "4", *mode)
    with ours(tmp_path / "out", options) as server, ExitStack() as stack:
        stalled = [
            stack.enter_context(peer)
            for peer in (
                stalling(server, hello[:20]),
                stalling(server, hello),
                stalling_inside_tls(site, server, b""),
                stalling_inside_tls(site, server, REQUEST[:3]),
                stalling_inside_tls(site, server, REQUEST[:-20]),
            )
        ]
        begun_at = time.monotonic()
        exchange(site, server, "1.2.1")
        exchange(site, server, "1.2.2")
        took = time.monotonic() - begun_at
        for connection in stalled:
            drain(connection)

        assert took < 3  # sooner than any limit
        said = [line for line in server.errors().splitlines() if "Receiving" in line]
        assert sum("000b:000b TLS read operation" in line for line in said) == 2
        assert sum("0006:031a DUL network read timeout" in line for line in said) == 3
        assert len(said) == len(stalled)
        exchange(site, server, "1.2.3")


def test_a_request_in_parts_inside_tls(site: Site, tmp_path: Path) -> None:
    """However the request is cut into records, and whatever follows it at once, it is served."""
    with ours(tmp_path / "out", site.options()) as server:
        for cuts in ([1], [6], [5, 7, 100], [len(REQUEST)], range(1, 20)):
            peer = site.connect(server.port)
            whole = REQUEST + message(1, store_command(CT_IMAGE_STORAGE, "1.2"), data_set("1.2"))
            start = 0
            for end in [*cuts, len(whole)]:
                peer.send(whole[start:end])
                start = end
            assert peer.receive_pdu()[0] == ASSOCIATE_AC
            assert peer.receive_response().status == 0
            peer.release()
            peer.close()


@pytest.mark.parametrize("queue_limit", ["0", "1"])
def test_who_is_surplus_is_rejected_inside_tls(
    queue_limit: str, site: Site, tmp_path: Path
) -> None:
    """The A-ASSOCIATE-RJ goes through the connection that the request came through."""
    options = site.options("--workers", "1", "--queue-limit", queue_limit)
    with ours(tmp_path / "out", options) as server, ExitStack() as stack:
        served = stack.enter_context(site.connect(server.port))
        served.associate(CONTEXTS)
        waiting = None
        for _ in range(int(queue_limit)):
            waiting = stack.enter_context(site.connect(server.port))
            waiting.send(REQUEST)
            time.sleep(0.2)  # its place in the queue cannot be seen from here
        with site.connect(server.port) as surplus:
            answer = surplus.exchange(REQUEST)

        assert (answer.kind, answer.fields) == (ASSOCIATE_RJ, (2, 3, 1))
        served.release()
        if waiting is not None:
            assert waiting.receive_pdu()[0] == ASSOCIATE_AC


def test_nothing_in_clear_text_leaves_a_tls_port(site: Site, tmp_path: Path) -> None:
    """Whatever is sent and however full the queue is: what comes back is TLS records, or nothing."""
    options = site.options("--workers", "1", "--queue-limit", "0", "-ts", "1", "-ta", "1")
    with ours(tmp_path / "out", options) as server, site.connect(server.port) as served:
        served.associate(CONTEXTS)
        for sent in (
            REQUEST,
            b"GET / HTTP/1.0\r\n\r\n",
            b"\x16\x03\x01\0\x05hello",
            client_hello(),
        ):
            with stalling(server, sent) as connection:
                received = drain(connection)
            while received:
                kind, version, length = struct.unpack_from(">BHH", received)
                assert kind in (20, 21, 22, 23)
                assert version >> 8 == 3
                received = received[5 + length :]


@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
@pytest.mark.parametrize(
    "mode", [[], ["--fork", "--max-associations", "1"], ["--workers", "1"]], ids=MODES
)
def test_a_request_followed_by_the_end_of_sending(
    mode: list[str], is_busy: bool, tmp_path: Path
) -> None:
    """It is accepted, and its object stored and answered, though the peer has finished sending before it is served."""
    whole = REQUEST + message(1, store_command(CT_IMAGE_STORAGE, "1.2"), data_set("1.2"))
    with ours(tmp_path / "out", mode) as server, ExitStack() as stack:
        served = stack.enter_context(associated(server)) if is_busy else None
        with Requestor(server.port) as peer:
            peer.send(whole)
            peer.finish_sending()
            if served is not None:
                time.sleep(0.3)  # whoever looks at the connection meanwhile leaves it
                served.release()

            assert peer.receive_pdu()[0] == ASSOCIATE_AC
            assert peer.receive_response().status == 0
        assert "CT.1.2" in server.files()


def test_who_has_finished_sending_is_rejected_first(tmp_path: Path) -> None:
    """It may have gone, where others certainly wait; if it has not, it reads that it may come back."""
    with (
        ours(tmp_path / "out", ["--workers", "1", "--queue-limit", "1"]) as server,
        associated(server) as served,
        Requestor(server.port) as first,
        Requestor(server.port) as second,
    ):
        first.send(REQUEST)
        first.finish_sending()
        time.sleep(0.2)  # its place in the queue cannot be seen from here
        second.send(REQUEST)
        answer = first.receive_pdu()
        assert (answer[0], answer[1][1:]) == (ASSOCIATE_RJ, bytes((2, 3, 1)))
        served.release()

        assert second.receive_pdu()[0] == ASSOCIATE_AC
        second.release()


NOTHING, INFO, ERROR = "", "I: Association Received\n", "E: Receiving Association failed: "
CLOSED = f"{ERROR}0006:0310 DUL network closed\n"


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize("level", [[], ["-v"]], ids=["default", "verbose"])
def test_what_is_said_of_peers_that_break_off(
    mode: list[str], level: list[str], tmp_path: Path
) -> None:
    """As the reference: of a probe nothing but at -v, an error once a whole PDU header has come; in all modes."""
    probes = [
        (b"", INFO),
        (REQUEST[:1], INFO),
        (REQUEST[:5], INFO),
        (b"\x02", INFO),
        (REQUEST[:6], CLOSED),
        (REQUEST[:-1], CLOSED),
    ]
    with ours(tmp_path / "out", [*mode, *level]) as server:
        with associated(server) as peer:
            assert store(peer, "1.1") == "0000"
            peer.release()
        if level:
            wait_until(lambda: server.errors().endswith("Association Release\n"))
        for begun, verbose in probes:
            for is_reset in (False, True):
                said = len(server.errors())
                with socket.create_connection(("127.0.0.1", server.port)) as probe:
                    probe.sendall(begun)
                    time.sleep(0.1)  # a reset takes back what has not been looked at
                    if is_reset:
                        linger = struct.pack("ii", 1, 0)
                        probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                expected = verbose if level or verbose is not INFO else NOTHING
                if expected:
                    wait_until(lambda said=said: len(server.errors()) > said)  # type: ignore[misc]
                else:
                    time.sleep(0.1)
                assert server.errors()[said:] == expected


def test_a_probe_of_inetd_is_no_error(tmp_path: Path) -> None:
    """A connection that is closed at once ends the process without a word, and without an event."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        socket.create_connection(listener.getsockname()).close()
        (tmp_path / "log.cfg").write_text(
            "log4cplus.rootLogger = INFO, file\n"
            "log4cplus.appender.file = log4cplus::FileAppender\n"
            "log4cplus.appender.file.File = log\n"
        )
        command = [*our_command(), "--inetd", "-lc", "log.cfg", "--events", "events"]
        with listener.accept()[0] as connected:
            done = subprocess.run(
                command, stdin=connected.fileno(), cwd=tmp_path, env=our_environment(), check=False
            )

    assert done.returncode == 0
    assert "failed" not in (tmp_path / "log").read_text()
    assert "association-aborted" not in (tmp_path / "events").read_text()
