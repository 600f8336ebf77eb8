"""The running program's limits: what a peer may take of time, memory and disk."""

import socket
import time
from pathlib import Path

import pytest

from tests.end_to_end.conversation import many_descriptors
from tests.peers.dicom import Syntax
from tests.peers.requestor import (
    ABORT,
    ASSOCIATE_AC,
    COMMAND,
    CT_IMAGE_STORAGE,
    VERIFICATION,
    Context,
    Requestor,
    associate_request,
    p_data,
    pdv,
)
from tests.peers.servers import ours

LITTLE = "1.2.840.10008.1.2.1"
CONTEXTS = (Context(1, CT_IMAGE_STORAGE, (LITTLE,)), Context(3, VERIFICATION, (LITTLE,)))
MEGABYTE = 1 << 20


def data_set(instance: str, pixels: int = 0) -> bytes:
    syntax = Syntax()
    return b"".join(
        (
            syntax.element(0x00080016, "UI", CT_IMAGE_STORAGE),
            syntax.element(0x00080018, "UI", instance),
            syntax.element(0x0020000D, "UI", "1.9"),
            syntax.element(0x7FE00010, "OW", bytes(pixels)),
        )
    )


def closed_after(connection: socket.socket, *, trickle: bytes = b"") -> float:
    """Return the seconds until the server closes, while a byte of `trickle` is sent now and then."""
    start = time.monotonic()
    connection.settimeout(0.1)
    rest = iter(trickle)
    while True:
        try:
            if not connection.recv(4096):
                return time.monotonic() - start
        except TimeoutError:
            if (byte := next(rest, None)) is not None:
                connection.sendall(bytes([byte]))
        except ConnectionError:
            return time.monotonic() - start
        assert time.monotonic() - start < 20, "it was not closed"


@pytest.mark.parametrize("trickle", [b"", associate_request(CONTEXTS)], ids=["silent", "slow"])
def test_an_association_request_has_its_time(tmp_path: Path, trickle: bytes) -> None:
    """Whoever has not sent all of it within `--acse-timeout` is dropped, however busy it seems."""
    with ours(tmp_path / "out", ["-ta", "1"]) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            assert 0.9 < closed_after(connection, trickle=trickle) < 5
        assert "DUL network read timeout" in server.errors()


def test_an_idle_association_is_aborted(tmp_path: Path) -> None:
    """After `--idle-timeout`, counted from the last response; a data set takes the time that it takes."""
    with ours(tmp_path / "out", ["--idle-timeout", "1"]) as server, Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        for _ in range(3):
            time.sleep(0.5)
            assert peer.echo(3).outcome == "0000"
        start = time.monotonic()

        assert peer.receive_response().kind == ABORT
        assert 0.9 < time.monotonic() - start < 5


def test_an_association_may_idle_without_end(tmp_path: Path) -> None:
    """`--idle-timeout 0` is no limit, whatever that of the socket is."""
    options = ["--idle-timeout", "0", "--socket-timeout", "1"]
    with ours(tmp_path / "out", options) as server, Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        time.sleep(1.5)

        assert peer.echo(3).outcome == "0000"


def test_the_association_request_has_a_size(tmp_path: Path) -> None:
    """A longer one is not read: the connection is closed as soon as its length is known."""
    with ours(tmp_path / "out", ["--max-request-size", "5000"]) as server:
        with Requestor(server.port) as peer:
            assert peer.exchange(b"\x01\x00" + (5001).to_bytes(4, "big")).kind == 0
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS)

        assert "A-ASSOCIATE PDU too large: 5001 bytes, refusing." in server.errors()


def test_command_sets_have_a_size(tmp_path: Path) -> None:
    """A longer one aborts the association when it has become too long, not when it ends."""
    options = ["--max-command-size", "2000"]
    with ours(tmp_path / "out", options) as server, Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        for _ in range(5):
            peer.send(p_data(pdv(1, COMMAND, bytes(500))))

        assert peer.receive_response().kind == ABORT
        assert "Command set of more than 2000 bytes" in server.errors()


@pytest.mark.parametrize("mode", [[], ["+B"]], ids=["normal", "bit-preserving"])
def test_objects_have_a_size(tmp_path: Path, mode: list[str]) -> None:
    """A larger one has status A700 and leaves no file; the association goes on."""
    options = ["--max-object-size", "3", *mode]
    with ours(tmp_path / "out", options) as server, Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        for instance, size, expected in (
            ("1.1", 1, "0000"),
            ("1.2", 4, "A700"),
            ("1.3", 40, "A700"),
            ("1.4", 2, "0000"),
        ):
            sent = peer.store(1, CT_IMAGE_STORAGE, instance, data_set(instance, size * MEGABYTE))
            assert sent.outcome == expected, instance
        peer.release()

        assert sorted(server.files()) == ["CT.1.1", "CT.1.4"]
        assert (
            f"cannot write DICOM file: {server.directory}/CT.1.2:"
            " larger than 3 megabytes, which is the limit" in server.errors()
        )
        assert server.peak_memory() < 80 * MEGABYTE


def test_the_reserve_of_disk_space_is_kept(tmp_path: Path) -> None:
    """With less than that free, objects have status A700 and nothing is written."""
    out = tmp_path / "out"
    with ours(out, ["--min-free-space", str(1 << 40)]) as server, Requestor(server.port) as peer:
        peer.associate(CONTEXTS)

        assert peer.store(1, CT_IMAGE_STORAGE, "1.1", data_set("1.1")).outcome == "A700"
        assert peer.echo(3).outcome == "0000"
        assert not list(server.directory.rglob("CT*"))
        assert "megabytes are free, which are to stay free" in server.errors()
    with ours(out, ["--min-free-space", "1"]) as server, Requestor(server.port) as peer:
        peer.associate(CONTEXTS)

        assert peer.store(1, CT_IMAGE_STORAGE, "1.1", data_set("1.1")).outcome == "0000"


@pytest.mark.parametrize("mode", [[], ["--fork", "--max-associations", "1"], ["--workers", "1"]])
def test_a_slow_request_takes_no_place(tmp_path: Path, mode: list[str]) -> None:
    """Whoever sends its A-ASSOCIATE-RQ byte by byte waits outside, however many they are; others are served."""
    with ours(tmp_path / "out", mode) as server:
        slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(5)]
        for number, connection in enumerate(slow):
            connection.sendall(associate_request(CONTEXTS)[: (1, 6, 7, 100, -1)[number]])
        start = time.monotonic()
        for _ in range(2):
            with Requestor(server.port) as peer:
                peer.associate(CONTEXTS)
                assert peer.echo(3).outcome == "0000"
                peer.release()

        assert time.monotonic() - start < 10
        slow[-1].sendall(associate_request(CONTEXTS)[-1:])
        with Requestor(0, connection=slow[-1]) as late:
            assert late.receive_pdu()[0] == ASSOCIATE_AC
        for connection in slow:
            connection.close()


@pytest.mark.parametrize("mode", [[], ["--workers", "1"]], ids=["single", "workers"])
def test_silent_connections_do_not_fill_the_place(tmp_path: Path, mode: list[str]) -> None:
    """There is room for 2,048 that say nothing; who waits longest gives way to who comes."""
    with many_descriptors(2100), ours(tmp_path / "out", mode) as server:
        silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(2060)]
        try:
            start = time.monotonic()
            with Requestor(server.port) as peer:
                peer.associate(CONTEXTS)
                assert peer.echo(3).outcome == "0000"
                peer.release()

            assert time.monotonic() - start < 10
            assert "no complete A-ASSOCIATE-RQ has come, and 2047 others wait" in server.errors()
        finally:
            for connection in silent:
                connection.close()
