"""Targets of the upper layer, PS3.8: PDUs one by one, and an association that is sent a stream."""

from collections.abc import Iterable
from typing import NamedTuple

from storescp.errors import InvalidPDU, ProtocolError
from storescp.serve.reporting import parameter_dump
from storescp.uids import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    VERIFICATION,
)
from storescp.upper_layer.association import Association
from storescp.upper_layer.negotiation import Policy, Role, negotiate, storage_policy
from storescp.upper_layer.pdata import Fragment
from storescp.upper_layer.pdu import (
    PDU,
    AAssociateAC,
    AAssociateRQ,
    CommonExtendedNegotiation,
    ExtendedNegotiation,
    ProposedContext,
    RoleSelection,
    UserIdentity,
    UserInformation,
    decode,
    unpack_header,
)
from tests.fuzz.target import Choices, Target, check_log
from tests.upper_layer.requestor import CT, REQUEST, p_data, parse, pdu

_BOTH = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
POLICIES = (
    storage_policy(_BOTH),
    storage_policy(_BOTH, promiscuous=True, maximum_length=4096, maximum_request_length=2048),
    Policy(
        {VERIFICATION: _BOTH, CT: _BOTH},
        roles={CT: Role.BOTH, VERIFICATION: Role.SCP},
        extended_negotiation=((CT, bytes(30000)), (VERIFICATION, bytes(30000))),
    ),
    storage_policy(_BOTH, require_implementation_class=True),
    storage_policy(_BOTH, refuse=True),
)
LARGEST_ANSWER = 4 + 65535 + 74 + 6 + 25
"""Bytes of an A-ASSOCIATE-AC beside the presentation contexts, of which each was proposed with more."""


def _all_items() -> AAssociateRQ:
    return AAssociateRQ(
        "STORESCP",
        "SCU",
        REQUEST.application_context,
        (*REQUEST.contexts, ProposedContext(5, "1.2.3", (IMPLICIT_VR_LITTLE_ENDIAN,) * 3)),
        UserInformation(
            16384,
            "1.2.3",
            roles=(RoleSelection(CT, scu=True, scp=True),),
            implementation_version_name="TEST",
            extended_negotiation=(ExtendedNegotiation(CT, b"\1\0\1"),),
            common_extended_negotiation=(CommonExtendedNegotiation(CT, "1.2.4", ("1.2.5",)),),
            user_identity=UserIdentity(2, response_requested=True, primary=b"me", secondary=b"pw"),
        ),
    )


def run_pdu(data: bytes) -> None:
    """A PDU decodes or is refused; what decodes is encoded, decoded and logged again without surprise."""
    choices = Choices(data)
    pdu_type, policy = choices.byte() % 10, choices.pick(POLICIES)
    field = choices.rest()
    try:
        decoded = decode(pdu_type, field)
    except InvalidPDU:
        return
    if isinstance(decoded, AAssociateRQ):
        answer = negotiate(decoded, policy)
        sent = answer.encode()
        assert len(sent) <= LARGEST_ANSWER + 8 * len(field), "the request is amplified"
        kind, length = unpack_header(sent)
        decode(kind, sent[6 : 6 + length])
        check_log(parameter_dump.request(decoded, policy))
        check_log(*(note.text for note in (*decoded.notes, *answer.notes)))
        if isinstance(answer, AAssociateAC):
            check_log(parameter_dump.acceptance(decoded, answer, policy))


class Heard(NamedTuple):
    """What came of a stream."""

    events: list[PDU | tuple[int, int, bytes]]
    answers: bytes
    error: str


def hear(stream: bytes, policy: Policy, piece: int) -> Heard:
    """Feed a stream to an association, as a shell does."""
    association = Association(policy)
    events: list[PDU | tuple[int, int, bytes]] = []
    pending: list[Fragment | PDU] = []
    error = ""
    largest = 2 * (6 + max(policy.maximum_length, policy.maximum_request_length))
    position = 0

    def write_out() -> None:
        events.extend(
            (event[0], event[1], bytes(event[2])) if isinstance(event, tuple) else event
            for event in pending
        )
        pending.clear()

    while position < len(stream) and not error:
        if association.views_expire:
            write_out()
        room = association.buffer()
        assert room
        assert len(room) <= max(largest, 1 << 20), "the buffer grows"
        count = min(len(room), piece, len(stream) - position)
        room[:count] = stream[position : position + count]
        position += count
        try:
            for event in association.receive(count):
                pending.append(event)  # noqa: PERF402  (what came before an error counts)
        except ProtocolError as problem:
            error = type(problem).__name__
    write_out()
    return Heard(events, association.data_to_send(), error)


def run_association(data: bytes) -> None:
    """Whatever is said, and however it is cut, an association answers in PDUs and keeps no more than a PDU."""
    choices = Choices(data)
    policy, opened, piece = choices.pick(POLICIES), choices.byte(), choices.byte()
    stream = choices.rest()
    if opened & 1:
        stream = REQUEST.encode() + stream
    whole = hear(stream, policy, 1 << 20)
    assert hear(stream, policy, piece + 1) == whole, "the result depends on how the stream is cut"
    list(parse(whole.answers))


def _pdu_seeds() -> Iterable[bytes]:
    for policy in range(len(POLICIES)):
        yield bytes((1, policy)) + REQUEST.encode()[6:]
    yield bytes((1, 2)) + _all_items().encode()[6:]
    yield bytes((2, 0)) + negotiate(REQUEST, POLICIES[0]).encode()[6:]
    yield bytes((3, 0)) + bytes((0, 1, 2, 3))
    yield from (bytes((kind, 0)) + bytes(4) for kind in range(4, 8))


def _association_seeds() -> Iterable[bytes]:
    yield bytes((0, 0, 255)) + REQUEST.encode() + pdu(5)
    yield bytes((2, 0, 10)) + _all_items().encode() + pdu(7)
    yield bytes((0, 1, 6)) + p_data((1, 3, b"ab"), (3, 0, b"cdef")) + p_data((3, 2, b"gh")) + pdu(5)
    yield bytes((1, 1, 1)) + p_data((1, 3, bytes(100))) * 3 + pdu(7)
    yield bytes((0, 1, 40)) + pdu(4, b"") + REQUEST.encode()
    yield bytes((0, 0, 3)) + b"GET / HTTP/1.0\r\n\r\n"


_WORDS = (
    *(bytes((kind, 0, 0, 0, 0, 4)) for kind in range(1, 9)),
    *(bytes((kind, 0, 0, 4)) for kind in (0x10, 0x20, 0x21, 0x30, 0x40, *range(0x50, 0x5A))),
    b"\xff\xff\xff\xff",
    b"\xff\xff",
    b"1.2.840.10008.1.2",
    CT.encode(),
)

PDUS = Target("pdu", run_pdu, _pdu_seeds, weight=4, largest=2048, words=_WORDS)
ASSOCIATIONS = Target(
    "association", run_association, _association_seeds, weight=3, largest=2048, words=_WORDS
)
