"""Messages: oddities of DIMSE and of the upper layer get the same reactions from DCMTK's storescp and ours."""

import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.parity.comparison import Outcome, differences
from tests.peers.dicom import Syntax
from tests.peers.requestor import (
    COMMAND,
    CT_IMAGE_STORAGE,
    LAST,
    P_DATA,
    VERIFICATION,
    Context,
    Requestor,
    Response,
    associate_request,
    command_set,
    echo_command,
    message,
    p_data,
    pdu,
    pdv,
    short,
    store_command,
    uid,
    user_information,
)
from tests.peers.servers import Server, dcmtk, ours

pytestmark = pytest.mark.interop

LITTLE, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
INSTANCE, OTHER = "1.2.3.4.5", "1.2.3.4.6"
CONTEXTS = (
    Context(1, CT_IMAGE_STORAGE, (LITTLE,)),
    Context(3, VERIFICATION, (IMPLICIT,)),
    Context(5, "1.2.3", (LITTLE,)),  # refused: unknown class
    Context(7, MR, (IMPLICIT,)),
    Context(9, MR, ("1.2.3",)),  # refused: unknown transfer syntax
)
LAST_MESSAGE = 777
"""Message ID of the C-ECHO-RQ that ends each conversation."""

EXPLICIT = Syntax()


def data_set(
    sop_class: str | None = CT_IMAGE_STORAGE,
    instance: str | None = INSTANCE,
    *,
    more: bytes = b"",
    syntax: Syntax = EXPLICIT,
) -> bytes:
    """Return a short data set; None leaves a UID out."""
    return b"".join(
        [
            b"" if sop_class is None else syntax.element(0x00080016, "UI", sop_class),
            b"" if instance is None else syntax.element(0x00080018, "UI", instance),
            more,
            syntax.element(0x00100010, "PN", "Doe^John"),
            syntax.element(0x0020000D, "UI", "1.2.3.9"),
        ]
    )


def fields(**changes: bytes | None) -> bytes:
    """Return a C-STORE-RQ's command set with elements changed, added or left out (None), in order."""
    elements: dict[int, bytes | None] = {
        0x0002: uid(CT_IMAGE_STORAGE),
        0x0100: short(0x0001),
        0x0110: short(1),
        0x0700: short(0),
        0x0800: short(1),
        0x1000: uid(INSTANCE),
    }
    elements |= {int(name.removeprefix("e"), 16): value for name, value in changes.items()}
    return command_set(
        (number, value) for number, value in sorted(elements.items()) if value is not None
    )


def command(number: int, *, with_data: bool = False) -> bytes:
    """Return a command set of any kind, with what most kinds have."""
    return command_set(
        [
            (0x0002, uid(CT_IMAGE_STORAGE)),
            (0x0100, short(number)),
            (0x0110, short(1)),
            (0x0120, short(1)),
            (0x0700, short(0)),
            (0x0800, short(1 if with_data else 0x0101)),
            (0x0900, short(0)),
            (0x1000, uid(INSTANCE)),
        ]
    )


STORE = store_command(CT_IMAGE_STORAGE, INSTANCE)
ECHO = echo_command()
DATA = data_set()


def cut(data: bytes, size: int) -> list[bytes]:
    """Cut bytes into pieces."""
    return [data[start : start + size] for start in range(0, len(data), size)]


def framing() -> Iterator[tuple[str, bytes]]:
    """Yield ways to cut and mix what is sent."""
    whole = pdv(1, COMMAND | LAST, STORE)
    yield "plain store", message(1, STORE, DATA)
    yield "plain echo", message(3, ECHO)
    yield "command and data in one PDU", message(1, STORE, DATA, together=True)
    yield "three PDVs in a PDU", p_data(whole, pdv(1, 0, DATA[:20]), pdv(1, LAST, DATA[20:]))
    for size in (2, 8, 30):
        pieces = [pdv(1, COMMAND, piece) for piece in cut(STORE, size)]
        last = pdv(1, COMMAND | LAST, b"")
        yield f"command in pieces of {size}", p_data(*pieces, last) + message(1, b"", DATA)[12:]
        yield (
            f"command in PDUs of {size}",
            b"".join(map(p_data, pieces)) + p_data(last) + p_data(pdv(1, LAST, DATA)),
        )
    yield (
        "empty fragments of data",
        p_data(whole)
        + p_data(pdv(1, 0, b""), pdv(1, 0, DATA), pdv(1, 0, b""))
        + p_data(pdv(1, LAST, b"")),
    )
    yield "odd data fragment", p_data(whole) + p_data(pdv(1, LAST, DATA + b"\0"))
    yield "odd data fragments", p_data(whole, pdv(1, 0, DATA[:5]), pdv(1, LAST, DATA[5:]))
    yield (
        "odd command fragment",
        p_data(pdv(1, COMMAND, STORE[:5]), pdv(1, COMMAND | LAST, STORE[5:])),
    )
    yield "data on another context", p_data(whole) + p_data(pdv(7, LAST, DATA))
    yield "data on a refused context", p_data(whole) + p_data(pdv(5, LAST, DATA))
    yield "data on an unknown context", p_data(whole) + p_data(pdv(99, LAST, DATA))
    yield (
        "command pieces on two contexts",
        (p_data(pdv(1, COMMAND, STORE[:20])) + p_data(pdv(3, COMMAND | LAST, STORE[20:]))),
    )
    yield "command while data is expected", p_data(whole) + p_data(pdv(1, COMMAND | LAST, ECHO))
    yield "data while a command is expected", p_data(pdv(1, LAST, DATA))
    yield "data within a command", p_data(pdv(1, COMMAND, STORE[:20]), pdv(1, LAST, DATA))
    yield (
        "two messages at once",
        message(1, STORE, DATA) + message(3, ECHO) + message(1, STORE, DATA),
    )
    yield "two echoes in a PDU", p_data(pdv(3, COMMAND | LAST, ECHO), pdv(3, COMMAND | LAST, ECHO))
    yield (
        "higher bits of the control header",
        p_data(pdv(1, 0xF3, STORE)) + p_data(pdv(1, 0xF2, DATA)),
    )
    yield "reserved byte of P-DATA", b"\4\xff" + message(1, STORE, DATA)[2:]


def commands() -> Iterator[tuple[str, bytes]]:
    """Yield command sets, right ones and wrong ones."""
    yield "without group length", message(1, command_set([], group_length=False) + STORE[12:], DATA)
    yield "wrong group length", message(1, STORE[:8] + b"\xff\0\0\0" + STORE[12:], DATA)
    yield "two elements behind", message(1, fields(e1030=b"MOVER ", e1031=short(7)), DATA)
    yield "unknown elements", message(1, fields(e0003=b"1.2\0", e4444=b"abcd"), DATA)
    yield (
        "elements out of order",
        message(
            1,
            command_set(
                [
                    (0x1000, uid(INSTANCE)),
                    (0x0800, short(1)),
                    (0x0100, short(1)),
                    (0x0700, short(2)),
                    (0x0110, short(9)),
                    (0x0002, uid(CT_IMAGE_STORAGE)),
                ]
            ),
            DATA,
        ),
    )
    for kind in (0x0000, 0x0001, 0x0002, 0x0100, 0x0102, 0xFFFF):
        yield f"data set type {kind:04X}", message(1, fields(e0800=short(kind)), DATA)
    yield "store without data set", message(1, fields(e0800=short(0x0101)))
    for missing in ("e0002", "e0100", "e0110", "e0700", "e0800", "e1000"):
        yield f"store without {missing}", message(1, fields(**{missing: None}), DATA)
    for number in (0x0002, 0x0110, 0x0800):
        without = [(n, v) for n, v in _echo_elements() if n != number]
        yield f"echo without {number:04X}", message(3, command_set(without))
    for priority in (1, 2, 77):
        yield f"priority {priority}", message(1, fields(e0700=short(priority)), DATA)
    for number in (0, 65535):
        yield f"message ID {number}", message(1, fields(e0110=short(number)), DATA)
    yield "empty instance UID", message(1, fields(e1000=b""), DATA)
    yield (
        "instance UID of 64",
        message(1, fields(e1000=b"1." + b"2" * 62), data_set(instance="1." + "2" * 62)),
    )
    yield "instance UID of 65", message(1, fields(e1000=b"1." + b"2" * 63 + b"\0"), DATA)
    yield "empty class UID", message(1, fields(e0002=b""), DATA)
    yield "blanks around UIDs", message(1, fields(e1000=b" 1.2.3.4.5"), DATA)
    yield (
        "instance UID with odd letters",
        message(1, fields(e1000=b"../../x;y z"), data_set(instance="../../x;y z")),
    )
    yield (
        "blank behind the class UID",
        message(1, fields(e0002=CT_IMAGE_STORAGE.encode() + b" "), DATA),
    )
    for kind in (0x0010, 0x0020, 0x0021, 0x0100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0150, 0x0FFF):
        yield f"command {kind:04X}", message(1, command(kind))
        yield f"command {kind:04X} with data", message(1, command(kind, with_data=True), DATA)
    for kind in (0x8001, 0x8030, 0x8020, 0x0003, 0x7777):
        yield f"command {kind:04X}", message(1, command(kind))
    yield "echo of another class", message(3, echo_command(5, "1.2.3"))
    yield "echo on a storage context", message(1, ECHO)
    yield "echo on a refused context", message(5, ECHO)
    yield "echo on an unknown context", message(77, ECHO)
    yield (
        "echo with a data set",
        message(3, command_set([*_echo_elements()[:3], (0x0800, short(1))]), DATA),
    )
    yield "store on a refused context", message(5, STORE, DATA)
    yield "store on a context without syntax", message(9, STORE, DATA)
    yield "store on an unknown context", message(2, STORE, DATA)
    implicit = data_set(syntax=Syntax(explicit=False))
    yield "store on the verification context", message(3, STORE, implicit)
    yield "store of another class than the context's", message(7, STORE, implicit)
    yield "store of an unknown class", message(1, fields(e0002=uid("1.2.3.4")), data_set("1.2.3.4"))
    yield "garbage for a command", message(1, b"\xff" * 40)
    yield "empty command", message(1, b"")
    yield "command cut off", message(1, STORE[:-4])


def _echo_elements() -> list[tuple[int, bytes]]:
    return [
        (0x0002, uid(VERIFICATION)),
        (0x0100, short(0x0030)),
        (0x0110, short(3)),
        (0x0800, short(0x0101)),
    ]


def identities() -> Iterator[tuple[str, bytes]]:
    """Yield data sets whose UIDs are and are not those of the command."""
    classes = {"same": CT_IMAGE_STORAGE, "other": MR, "empty": "", "absent": None}
    instances = {"same": INSTANCE, "other": OTHER, "empty": "", "absent": None}
    for class_name, sop_class in classes.items():
        for instance_name, instance in instances.items():
            yield (
                f"class {class_name}, instance {instance_name}",
                message(1, STORE, data_set(sop_class, instance)),
            )
    inside = EXPLICIT.element(0x00080016, "UI", CT_IMAGE_STORAGE)
    inside += EXPLICIT.element(0x00080018, "UI", INSTANCE)
    elsewhere = EXPLICIT.element(0x00080016, "UI", CT_IMAGE_STORAGE)
    elsewhere += EXPLICIT.element(0x00080018, "UI", OTHER)
    yield (
        "UIDs in a sequence only",
        message(1, STORE, data_set(None, None, more=EXPLICIT.sequence(0x00081115, inside))),
    )
    yield (
        "other UIDs in a sequence only",
        message(1, STORE, data_set(None, None, more=EXPLICIT.sequence(0x00081115, elsewhere))),
    )
    yield (
        "other UIDs in a sequence, right ones outside",
        message(1, STORE, data_set(more=EXPLICIT.sequence(0x00081115, elsewhere))),
    )
    long = EXPLICIT.element(0x00080016, "LO", CT_IMAGE_STORAGE)
    long += EXPLICIT.element(0x00080018, "LO", INSTANCE)
    yield "UIDs that are LO", message(1, STORE, long + data_set(None, None))
    yield "blanks in the UID", message(1, STORE, data_set(instance="1.2.3. 4.5"))
    yield "empty data set", message(1, STORE, b"")
    yield "garbage", message(1, STORE, b"\xaa" * 100)
    yield "value cut off", message(1, STORE, DATA[:-4])
    yield "in implicit VR", message(1, STORE, data_set(syntax=Syntax(explicit=False)))


def pdus() -> Iterator[tuple[str, bytes]]:
    """Yield PDUs that do not belong into an association, or are malformed."""
    again = associate_request([Context(1, VERIFICATION, (LITTLE,))])
    begun = p_data(pdv(1, COMMAND | LAST, STORE)) + p_data(pdv(1, 0, DATA[:20]))
    yield "second request", again
    yield "second request within data", begun + again
    yield "A-ASSOCIATE-AC", pdu(2, again[6:])
    yield "A-ASSOCIATE-RJ", pdu(3, b"\0\1\1\1")
    yield "A-RELEASE-RP", pdu(6, bytes(4))
    yield "A-RELEASE-RQ", pdu(5, bytes(4))
    yield "A-RELEASE-RQ within data", begun + pdu(5, bytes(4))
    yield "A-RELEASE-RQ of 0 bytes", pdu(5, b"")
    yield "A-RELEASE-RQ of 8 bytes", pdu(5, bytes(8))
    yield "A-ABORT", pdu(7, bytes(4))
    yield "A-ABORT within data", begun + pdu(7, bytes(4))
    yield "unknown type", pdu(8, bytes(4))
    yield "type 0", pdu(0, bytes(4))
    yield "unknown type within data", begun + pdu(0x47, bytes(4))
    yield "empty P-DATA", pdu(P_DATA, b"")
    yield "PDV of 0 bytes", pdu(P_DATA, struct.pack(">I", 0))
    yield "PDV of 1 byte", pdu(P_DATA, struct.pack(">IB", 1, 1))
    yield "PDV beyond its PDU", pdu(P_DATA, struct.pack(">IBB", 100, 1, 3) + ECHO[:20])
    yield "PDV header cut off", pdu(P_DATA, b"\0\0\0")
    yield "bytes behind the last PDV", pdu(P_DATA, pdv(3, COMMAND | LAST, ECHO) + b"\0\0")
    yield (
        "P-DATA of the greatest size",
        message(1, STORE, DATA + _filler(16378 - len(DATA)), pdv_size=20000),
    )
    yield "P-DATA too large", message(1, STORE, DATA + _filler(16380 - len(DATA)), pdv_size=20000)
    yield "closed within a PDU", p_data(pdv(1, COMMAND | LAST, STORE))[:-10]
    yield "closed within data", begun


def _filler(size: int) -> bytes:
    """Return an element of `size` bytes."""
    return EXPLICIT.element(0x7FE00010, "OW", bytes(size - 12))


CASES: dict[str, bytes] = dict([*framing(), *commands(), *identities(), *pdus()])
ENDING = ("closed",)
"""Conversations whose names begin so end with the connection, not with an echo."""
MISREAD = ("three PDVs in a PDU", "command in pieces of 30", "empty fragments of data")
"""What DCMTK 3.6.7 takes apart wrongly: it looks for a PDV of such a PDU in the wrong place, and aborts."""

OTHERWISE = {
    # A UID of another VR than UI is none.
    ("", "UIDs that are LO"): ["C000", "0000"],
    ("-su study", "UIDs that are LO"): ["C000", "0000"],
    # That there is nothing to write is what we notice first; DCMTK misses the study first.
    ("-su study", "empty data set"): ["A700", "0000"],
    # An object that cannot be read costs none that follow.
    **{
        (options, name): ["C000", "0000"]
        for options in ("", "--ignore", "-su study")
        for name in ("garbage", "value cut off", "in implicit VR")
    },
}
"""Deliberate differences, by options and conversation: the statuses that we give."""


@pytest.fixture(scope="module", params=["", "+B", "--ignore", "-su study"])
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Server]]:
    """Our server and DCMTK's with the same options, for many conversations."""
    directory = tmp_path_factory.mktemp("servers")
    options = request.param.split()
    with ours(directory / "ours", options) as mine, dcmtk(directory / "dcmtk", options) as theirs:
        yield mine, theirs


@pytest.mark.parametrize("name", CASES)
def test_same_reaction(
    name: str, servers: tuple[Server, Server], request: pytest.FixtureRequest
) -> None:
    """Responses, aborts and files are equal, and so is whether the association lives on."""
    with ThreadPoolExecutor(2) as pool:
        mine, theirs = pool.map(lambda server: converse(server, name), servers)

    options = request.node.callspec.params["servers"]
    if name in MISREAD or (options, name) in OTHERWISE:
        expected = OTHERWISE.get((options, name), ["0000", "0000"])
        assert expected == [response.outcome for response in mine[0]]
    else:
        assert theirs[0] == mine[0]
        assert not differences(Outcome("", mine[1]), Outcome("", theirs[1]))


def converse(server: Server, name: str) -> tuple[list[Response], dict[str, bytes]]:
    """Hold a conversation of `CASES`, then C-ECHO; return all that came back and all that was stored.

    Some are closed instead of the echo; what is said to a peer that is gone does not count.
    """
    with Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        peer.send(CASES[name])
        responses = []
        if name.startswith(ENDING):
            peer.finish_sending()
        else:
            peer.send(message(3, echo_command(LAST_MESSAGE)))
        while True:
            response = peer.receive_response()
            responses.append(response)
            if response.kind != P_DATA or response.elements.get(0x0120) == short(LAST_MESSAGE):
                break
        if response.kind == P_DATA:
            peer.release()
    # A server of one process has put everything in order once it serves the next association.
    with Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        peer.release()
    return [] if name.startswith(ENDING) else responses, server.take_files()


@pytest.mark.parametrize("maximum", [None, 0, 14, 15, 16, 20, 64, 4096, 1 << 31])
def test_responses_respect_the_maximum_length(maximum: int | None, tmp_path: Path) -> None:
    """The same response comes for every maximum length that the requestor announces, in PDUs no longer than that.

    Where it is cut is not compared: DCMTK cuts between elements where it can.
    """
    user = user_information(maximum)

    with ours(tmp_path / "ours") as mine, dcmtk(tmp_path / "dcmtk") as theirs:
        one, other = (_response_pdus(server, user) for server in (mine, theirs))

    assert _joined(other) == _joined(one)
    assert max(map(len, one)) <= (maximum or 131072)


def _response_pdus(server: Server, user: bytes) -> list[bytes]:
    """Store an object and return the bodies of the response's PDUs."""
    with Requestor(server.port) as peer:
        peer.exchange(associate_request(CONTEXTS, user=user))
        peer.send(message(1, STORE, DATA))
        found: list[bytes] = []
        while not found or not found[-1][5] & LAST:
            kind, body = peer.receive_pdu()
            assert kind == P_DATA
            found.append(body)
        return found


def _joined(bodies: list[bytes]) -> bytes:
    """Return the command set in PDUs of one PDV each."""
    assert all(int.from_bytes(body[:4], "big") == len(body) - 4 for body in bodies)
    return b"".join(body[6:] for body in bodies)


@pytest.mark.parametrize(
    "sent",
    [pytest.param(pdu(kind, bytes(4)), id=f"PDU type {kind}") for kind in (2, 3, 4, 5, 6, 7, 8, 0)]
    + [
        pytest.param(b"GET / HTTP/1.0\r\n\r\n", id="HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
        pytest.param(pdu(1, b"")[:2] + struct.pack(">I", 1_048_577), id="too large"),
        pytest.param(b"", id="nothing"),
        pytest.param(
            associate_request([Context(1, VERIFICATION, (LITTLE,))], protocol_version=2),
            id="protocol version",
        ),
        pytest.param(
            associate_request([Context(1, VERIFICATION, (LITTLE,))], application_context=None),
            id="no application context",
        ),
    ],
)
def test_first_pdu(sent: bytes, tmp_path: Path) -> None:
    """What is no association request is answered alike, and does not keep the next one out."""
    with ours(tmp_path / "ours") as mine, dcmtk(tmp_path / "dcmtk") as theirs:
        one, other = (_first_answer(server, sent) for server in (mine, theirs))

    assert other == one


def _first_answer(server: Server, sent: bytes) -> tuple[int, bytes]:
    with Requestor(server.port) as peer:
        peer.send(sent)
        peer.finish_sending()
        answer = peer.receive_pdu()
    with Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        peer.release()
    return answer
