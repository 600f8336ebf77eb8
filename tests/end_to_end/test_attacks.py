"""Attacks, by name, on the running program: each gets its answer, and the next peer is served as if nothing had been.

What must not grow under attack: descriptors, threads, child processes, memory, and what lies in the output directory.
"""

import contextlib
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.end_to_end.burden import MEGABYTE, impatient, nothing_stays
from tests.end_to_end.conversation import CONTEXTS, LITTLE, data_set
from tests.peers.dicom import DEFLATED, Syntax
from tests.peers.requestor import (
    COMMAND,
    CT_IMAGE_STORAGE,
    LAST,
    RELEASE_REQUEST,
    VERIFICATION,
    Context,
    Requestor,
    associate_request,
    context_item,
    echo_command,
    item,
    message,
    p_data,
    pdu,
    pdv,
    store_command,
    user_information,
)
from tests.peers.servers import Server, our_command, our_environment, ours, running

SYNTAX = Syntax()
CLOSED, ABORTED, REJECTED = "CLOSED", "ABORT", "3"
STORE = p_data(pdv(1, COMMAND | LAST, store_command(CT_IMAGE_STORAGE, "1.2.3")))


def with_workers(directory: Path, options: Sequence[str]) -> AbstractContextManager[Server]:
    """Run the program with two workers."""
    return ours(directory, [*options, "--workers", "2"])


MODES: dict[str, Callable[[Path, Sequence[str]], AbstractContextManager[Server]]] = {
    "one process": ours,
    "forking": impatient,
    "workers": with_workers,
}


@pytest.fixture(scope="module", params=MODES.values(), ids=list(MODES))
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server for all: what an attack has left behind, the next one would find."""
    options = ["-v", "+xa", "--acse-timeout", "2", "--inflate-limit", "1"]
    with request.param(tmp_path_factory.mktemp("attacked"), options) as running:
        yield running


Attack = Callable[[Requestor], str]


def raw(data: bytes) -> Attack:
    """Send bytes instead of an association request."""

    def attack(peer: Requestor) -> str:
        answer = peer.exchange(data)
        return {0: CLOSED, 7: ABORTED}.get(answer.kind, str(answer.kind))

    return attack


def associated(*sent: bytes, contexts: tuple[Context, ...] = CONTEXTS) -> Attack:
    """Send bytes on an association."""

    def attack(peer: Requestor) -> str:
        peer.associate(contexts)
        for data in sent:
            peer.send(data)
        return peer.receive_response().outcome

    return attack


def stored(data: bytes, transfer_syntax: str = LITTLE) -> Attack:
    """Store a data set."""

    def attack(peer: Requestor) -> str:
        peer.associate((Context(1, CT_IMAGE_STORAGE, (transfer_syntax,)),))
        return peer.store(1, CT_IMAGE_STORAGE, "1.2.3", data).outcome

    return attack


def endless(fragment: bytes) -> Attack:
    """Send the same again and again until the server has had enough."""

    def attack(peer: Requestor) -> str:
        peer.associate(CONTEXTS)
        for _ in range(3000):
            peer.send(fragment)
        return peer.receive_response().outcome

    return attack


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(data) + packer.flush()
    return packed + b"\0" * (len(packed) % 2)


def nested(depth: int, *, undefined: bool) -> bytes:
    """Sequences in sequences."""
    if undefined:
        opening = SYNTAX.header(0x0040A730, "SQ", 0xFFFFFFFF) + SYNTAX.bare(0xFFFEE000, 0xFFFFFFFF)
        closing = SYNTAX.bare(0xFFFEE00D, 0) + SYNTAX.bare(0xFFFEE0DD, 0)
        return data_set("1.2.3") + opening * depth + closing * depth
    length = 20 * depth
    levels = [
        SYNTAX.header(0x0040A730, "SQ", length - 20 * level - 12)
        + SYNTAX.bare(0xFFFEE000, length - 20 * level - 20)
        for level in range(depth)
    ]
    return data_set("1.2.3") + b"".join(levels)


TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(192)
BIG = 0xFFFFFFFF
COMMAND_PART = pdv(1, COMMAND, bytes(64))
ATTACKS: dict[str, tuple[Attack, str]] = {
    "HTTP on the DICOM port": (raw(b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n"), CLOSED),
    "TLS hello on the DICOM port": (raw(TLS_HELLO), CLOSED),
    "SSH on the DICOM port": (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), CLOSED),
    "A-ASSOCIATE-RQ of length FFFFFFFF": (raw(b"\1\0\xff\xff\xff\xff" + bytes(64)), CLOSED),
    "first PDU of another type": (raw(RELEASE_REQUEST), ABORTED),
    "A-ASSOCIATE-RQ without anything": (raw(pdu(1, b"")), ABORTED),
    "A-ASSOCIATE-RQ of items beyond it": (
        raw(pdu(1, associate_request(CONTEXTS)[6:-8] + b"\x55\0\xff\xffPEER")),
        ABORTED,
    ),
    "P-DATA of length FFFFFFFF": (associated(b"\4\0\xff\xff\xff\xff"), ABORTED),
    "P-DATA of length FFFFFFFF in a data set": (
        associated(STORE, b"\4\0\xff\xff\xff\xff"),
        ABORTED,
    ),
    "A-RELEASE-RQ of length FFFFFFFF": (associated(b"\5\0\xff\xff\xff\xff"), ABORTED),
    "no PDV": (associated(p_data()), ABORTED),
    "P-DATA of three bytes": (associated(p_data(bytes(3))), ABORTED),
    "PDV of length 0": (associated(p_data(bytes(4))), ABORTED),
    "PDV shorter than two bytes": (associated(p_data(b"\0\0\0\1\1")), ABORTED),
    "PDV past the PDU": (associated(p_data(struct.pack(">IBB", 100, 1, 3) + bytes(20))), ABORTED),
    "PDV of length FFFFFFFF": (associated(p_data(struct.pack(">IBB", BIG, 1, 3))), ABORTED),
    "second PDV past the PDU": (
        associated(STORE, p_data(pdv(1, 0, bytes(4)), struct.pack(">IBB", 9, 1, 0))),
        ABORTED,
    ),
    "endless command fragments": (endless(p_data(COMMAND_PART)), ABORTED),
    "endless command fragments in large PDUs": (endless(p_data(*[COMMAND_PART] * 200)), ABORTED),
    "endless empty command fragments": (endless(p_data(*[pdv(1, COMMAND, b"")] * 9)), ABORTED),
    "command set of nonsense": (associated(message(1, b"\xff" * 200)), ABORTED),
    "command element of length FFFFFFFF": (
        associated(message(1, struct.pack("<HHI", 0, 2, BIG) + bytes(8))),
        ABORTED,
    ),
    "data set on another context": (associated(STORE, p_data(pdv(3, LAST, bytes(8)))), ABORTED),
    "data set on a context that was not accepted": (
        associated(STORE, p_data(pdv(99, LAST, bytes(8)))),
        ABORTED,
    ),
    "command on a context that was not accepted": (associated(message(5, echo_command())), ABORTED),
    "data set without a command": (associated(p_data(pdv(1, LAST, bytes(8)))), ABORTED),
    "command in the midst of a data set": (associated(STORE, message(3, echo_command())), ABORTED),
    "second A-ASSOCIATE-RQ": (associated(associate_request(CONTEXTS)), ABORTED),
    "second A-ASSOCIATE-RQ in a data set": (
        associated(STORE, associate_request(CONTEXTS)),
        ABORTED,
    ),
    "A-ASSOCIATE-AC from a requester": (associated(pdu(2, bytes(68))), ABORTED),
    "deflate bomb": (
        stored(
            deflated(data_set("1.2.3") + SYNTAX.element(0x7FE00010, "OB", bytes(64 << 20))),
            DEFLATED,
        ),
        "A700",
    ),
    "deflated nonsense": (stored(b"\xff" * 1000, DEFLATED), "C000"),
    "thousands of nested sequences": (stored(nested(20_000, undefined=True)), "C000"),
    "thousands of nested sequences of defined length": (
        stored(nested(20_000, undefined=False)),
        "C000",
    ),
    "value beyond the data": (
        stored(data_set("1.2.3") + SYNTAX.header(0x7FE00010, "OB", BIG - 1) + bytes(8)),
        "C000",
    ),
    "sequence beyond the data": (
        stored(data_set("1.2.3") + SYNTAX.header(0x0040A730, "SQ", 0x7FFFFFFE) + bytes(8)),
        "C000",
    ),
    "item beyond its sequence": (
        stored(
            data_set("1.2.3")
            + SYNTAX.header(0x0040A730, "SQ", 16)
            + SYNTAX.bare(0xFFFEE000, 0x1000)
            + bytes(8)
        ),
        "C000",
    ),
    "UN of an undefined length that nests": (
        stored(
            data_set("1.2.3")
            + SYNTAX.header(0x00091001, "UN", BIG)
            + (SYNTAX.bare(0xFFFEE000, BIG) + SYNTAX.bare(0x00091001, BIG)) * 20_000
        ),
        "C000",
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(name: str, server: Server) -> None:
    """Each is answered as it should be, and leaves the server able to serve the next peer, without growth."""
    attack, expected = ATTACKS[name]

    def attacked() -> str:
        with Requestor(server.port) as peer:
            return attack(peer)

    assert attacked() == expected  # the first of its kind may load what is kept, as dictionaries
    with nothing_stays(server):
        assert [attacked() for _ in range(3)] == [expected] * 3


def test_group_0002_in_a_data_set(server: Server) -> None:
    """What a data set says of files changes neither the file's name nor its File Meta Information."""
    forged = (
        SYNTAX.number(0x00020000, "UL", 999)
        + SYNTAX.element(0x00020003, "UI", "6.6.6")
        + SYNTAX.element(0x00020010, "UI", "1.2.840.10008.1.2.2")
    )
    with nothing_stays(server):
        server.take_files()
        with Requestor(server.port) as peer:
            assert stored(forged + data_set("1.2.3"))(peer) == "0000"
        content = server.take_files()["CT.1.2.3"]

    meta = content[144 : 144 + int.from_bytes(content[140:144], "little")]
    assert SYNTAX.element(0x00020003, "UI", "1.2.3") in meta
    assert SYNTAX.element(0x00020010, "UI", LITTLE) in meta
    assert b"6.6.6" not in meta
    assert content.endswith(data_set("1.2.3"))


def trickled(*prologue: bytes, then: bytes) -> Callable[[socket.socket], None]:
    """Say something, and then the rest a byte at a time."""

    def begin(connection: socket.socket) -> None:
        for data in prologue:
            connection.sendall(data)
        connection.settimeout(0.1)
        rest = iter(then * 1000)
        while True:
            with contextlib.suppress(TimeoutError):
                if not connection.recv(4096):
                    return
            connection.sendall(bytes((next(rest),)))

    return begin


REQUEST = associate_request(CONTEXTS)
SLOW: dict[str, Callable[[socket.socket], None]] = {
    "before the association": trickled(then=REQUEST),
    "in a PDU": trickled(REQUEST, then=p_data(pdv(1, COMMAND, bytes(4096)))),
    "in a command set": trickled(REQUEST, then=p_data(pdv(1, COMMAND, bytes(2)))),
    "in a data set": trickled(REQUEST, STORE, then=p_data(pdv(1, 0, bytes(2)))),
    "in a PDU of a data set": trickled(REQUEST, STORE, then=p_data(pdv(1, 0, bytes(16000)))),
    "after the release": trickled(REQUEST, RELEASE_REQUEST, then=RELEASE_REQUEST),
    "after an abort": trickled(REQUEST, p_data(), then=RELEASE_REQUEST),
    "after a rejection": trickled(associate_request((), called=b""), then=REQUEST),
}


FORKING = {"before the association", "in a data set", "after the release"}
"""Where a process of its own might be what is kept."""


@pytest.mark.parametrize(
    ("where", "mode"),
    [
        *((where, "one process") for where in SLOW),
        *((where, "forking") for where in sorted(FORKING)),
    ],
)
def test_a_byte_now_and_then_keeps_no_place(where: str, mode: str, tmp_path: Path) -> None:
    """Whoever sends a byte now and then, in whatever state, is dropped when a time limit has passed."""
    options = ["-ta", "1", "--socket-timeout", "1"]
    with MODES[mode](tmp_path / "out", options) as server, nothing_stays(server):
        start = time.monotonic()
        with (
            socket.create_connection(("127.0.0.1", server.port)) as connection,
            contextlib.suppress(ConnectionError),
        ):
            SLOW[where](connection)
        assert 0.5 < time.monotonic() - start < 10


def one_association(address: tuple[str, int], request: bytes) -> bytes:
    """Ask for an association, and return what comes back until the server closes or we do."""
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(request)
        return connection.recv(4096)


def how_many(server: Server) -> int:
    """10,000 of a kind; fewer where several processes share them."""
    command_line = Path(f"/proc/{server.process.pid}/cmdline").read_text()
    return 2000 if {"--fork", "--workers"} & set(command_line.split("\0")) else 10_000


def test_10_000_rejected_associations(server: Server) -> None:
    """They leave nothing behind."""
    address = ("127.0.0.1", server.port)
    rejected = associate_request(CONTEXTS, application_context="1.2.3." + "4" * 50)
    for _ in range(100):  # what is kept of the first ones is kept of all
        assert one_association(address, rejected)[:1] == b"\3"
    with nothing_stays(server, growth=4 * MEGABYTE):
        for _ in range(how_many(server)):
            assert one_association(address, rejected)[:1] == b"\3"


def test_10_000_bare_connections(server: Server) -> None:
    """Nobody needs to say anything to be forgotten."""
    address = ("127.0.0.1", server.port)

    def connect(count: int) -> None:
        for _ in range(count):
            with socket.create_connection(address, timeout=20) as connection:
                connection.shutdown(socket.SHUT_WR)
                assert connection.recv(1) == b""

    connect(100)
    with nothing_stays(server, growth=4 * MEGABYTE):
        connect(how_many(server))


def crowded_requests() -> dict[str, bytes]:
    """A-ASSOCIATE-RQs of 64 kB that are all alike small things, of which an answer might have large ones."""
    head = associate_request((), user=b"")[6:]
    smallest = item(0x20, bytes(4) + item(0x40, b""))
    context = context_item(Context(1, VERIFICATION, (LITTLE,)))
    roles = item(0x50, item(0x54, b"\0\0\0\0") * 8000)
    many = b"".join(
        context_item(Context(number * 2 % 256 + 1, VERIFICATION, (LITTLE,)))
        for number in range(1100)
    )
    syntaxes = item(0x20, bytes((1, 0, 0, 0)) + item(0x30, b"1.2") + item(0x40, b"") * 128)
    return {
        "contexts": pdu(1, head + smallest * 4000 + user_information()),
        "context IDs": pdu(1, head + many + user_information()),
        "transfer syntaxes": pdu(1, head + syntaxes * 120 + user_information()),
        "roles": pdu(1, head + context + roles),
        "user informations": pdu(1, head + context + item(0x50, b"") * 15_000),
        "unknown items": pdu(1, head + context + item(0x99, b"") * 15_000 + user_information()),
        "odd maximum lengths": pdu(1, head + context + item(0x50, item(0x51, b"\0" * 5)) * 4500),
    }


@pytest.mark.parametrize("what", crowded_requests())
def test_64_kilobytes_are_not_amplified(what: str, tmp_path: Path) -> None:
    """Neither the answer nor what is logged is larger than the request; memory and time follow its size."""
    request = crowded_requests()[what]
    assert 45_000 < len(request) < 66_000
    with ours(tmp_path / "out", ["-v"]) as server:
        logged = len(server.errors())
        with nothing_stays(server):
            for _ in range(3):
                with Requestor(server.port) as peer:
                    peer.send(request)
                    kind, body = peer.receive_pdu()
                assert kind in (2, 3, 7)
                assert len(body) < len(request) // 2
        assert len(server.errors()) - logged < 3 * len(request)
        assert server.peak_memory() < 100 * MEGABYTE


@pytest.mark.parametrize("padding", [("4294967294", "0"), ("0", "4294967294")])
def test_huge_padding(padding: tuple[str, str], tmp_path: Path) -> None:
    """`--padding-create` to 4 GiB takes no memory; where the file cannot grow so large, the status is A700."""
    command = ["/bin/sh", "-c", 'ulimit -f 40000; exec "$@"', "sh", *our_command()]
    out = tmp_path / "out"
    with (
        running(command, out, ["+p", *padding], our_environment()) as server,
        Requestor(server.port) as peer,
    ):
        peer.associate(CONTEXTS)
        content = SYNTAX.sequence(0x00081140, SYNTAX.element(0x00081155, "UI", "1.2"))
        data = data_set("1.2.3") + content
        data = data[: -len(content)] if padding[1] == "0" else content + data
        assert peer.store(1, CT_IMAGE_STORAGE, "1.2.3", data).outcome == "A700"
        assert peer.echo(3).outcome == "0000"
        peer.release()
        assert server.files() == {}
        assert server.peak_memory() < 100 * MEGABYTE
