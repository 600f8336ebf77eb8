"""The state machine of an acceptor: PS3.8 9.2, table 9-10; bytes in, events and bytes out."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storescp.errors import InvalidPDU, ProtocolError, UnexpectedPDU
from storescp.upper_layer import pdata
from storescp.upper_layer.association import (
    RECEIVE_BUFFER_SIZE,
    Association,
    CannotSend,
    NotDICOM,
    RequestTooLarge,
    State,
    UnexpectedFirstPDU,
)
from storescp.upper_layer.negotiation import negotiate
from storescp.upper_layer.pdu import (
    PDU,
    AAbort,
    AAssociateRJ,
    AAssociateRQ,
    AReleaseRP,
    AReleaseRQ,
    InvalidAssociatePDU,
    ProposedContext,
    UserInformation,
)
from storescp.upper_layer.request_cache import AcceptedContext
from tests.upper_layer.requestor import (
    CT,
    EXPLICIT,
    IMPLICIT,
    POLICY,
    REQUEST,
    Requestor,
    p_data,
    pdu,
)

A_RELEASE_RQ = AReleaseRQ().encode()
PDUS = {
    "A-ASSOCIATE-RQ": REQUEST.encode(),
    "A-ASSOCIATE-AC": pdu(2, REQUEST.encode()[6:]),
    "A-ASSOCIATE-RJ": AAssociateRJ(1, 1, 1).encode(),
    "P-DATA-TF": p_data((3, 0, b"abcd")),
    "A-RELEASE-RQ": A_RELEASE_RQ,
    "A-RELEASE-RP": AReleaseRP().encode(),
    "A-ABORT": AAbort(2, 1).encode(),
    "unrecognized": pdu(9),
    "HTTP": b"GET / HTTP/1.1\r\n\r\n",
    "too long": b"\x05\x00\x00\x00\x40\x01",
}
"""What may arrive: every PDU as an acceptor may see it, and what is none."""

STA1, STA2, STA6, STA13 = State
ANSWER = negotiate(REQUEST, POLICY)


def in_state(state: State) -> Requestor:
    """Return a requestor whose association is in this state."""
    peer = Requestor()
    if state is not STA2:
        peer.associate()
    match state:
        case State.IDLE:
            peer.association.transport_closed()
        case State.AWAITING_TRANSPORT_CLOSE:
            peer.send(A_RELEASE_RQ)
            peer.answers()
            peer.seen.clear()
        case _:
            pass
    return peer


@pytest.mark.parametrize(
    ("state", "received", "seen", "sent", "error", "then"),
    [
        # AE-6, AE-7
        (STA2, "A-ASSOCIATE-RQ", [REQUEST, ANSWER], [ANSWER], None, STA6),
        # AA-1
        (STA2, "A-ASSOCIATE-AC", [], [AAbort(0, 0)], UnexpectedFirstPDU, STA13),
        (STA2, "A-ASSOCIATE-RJ", [], [AAbort(0, 0)], UnexpectedFirstPDU, STA13),
        (STA2, "P-DATA-TF", [], [AAbort(0, 0)], UnexpectedFirstPDU, STA13),
        (STA2, "A-RELEASE-RQ", [], [AAbort(0, 0)], UnexpectedFirstPDU, STA13),
        (STA2, "A-RELEASE-RP", [], [AAbort(0, 0)], UnexpectedFirstPDU, STA13),
        (STA2, "too long", [], [AAbort(0, 0)], UnexpectedFirstPDU, STA13),
        # AA-2
        (STA2, "A-ABORT", [AAbort(2, 1)], [], None, STA1),
        # No PDU for what is not DICOM, as the reference; PS3.8 has AA-1 here.
        (STA2, "unrecognized", [], [], NotDICOM, STA1),
        (STA2, "HTTP", [], [], NotDICOM, STA1),
        # AA-8
        (STA6, "A-ASSOCIATE-RQ", [], [AAbort(2, 2)], UnexpectedPDU, STA13),
        (STA6, "A-ASSOCIATE-AC", [], [AAbort(2, 2)], UnexpectedPDU, STA13),
        (STA6, "A-ASSOCIATE-RJ", [], [AAbort(2, 2)], UnexpectedPDU, STA13),
        (STA6, "A-RELEASE-RP", [], [AAbort(2, 2)], UnexpectedPDU, STA13),
        # AA-8; the reference gives source and reason 0 for these
        (STA6, "unrecognized", [], [AAbort(0, 0)], InvalidPDU, STA13),
        (STA6, "HTTP", [], [AAbort(0, 0)], InvalidPDU, STA13),
        (STA6, "too long", [], [AAbort(0, 0)], InvalidPDU, STA13),
        # DT-2; AR-2 with AR-4; AA-3
        (STA6, "P-DATA-TF", [(3, 0, b"abcd")], [], None, STA6),
        (STA6, "A-RELEASE-RQ", [AReleaseRQ()], [AReleaseRP()], None, STA13),
        (STA6, "A-ABORT", [AAbort(2, 1)], [], None, STA1),
        # AA-7
        (STA13, "A-ASSOCIATE-RQ", [], [AAbort(2, 2)], None, STA13),
        (STA13, "unrecognized", [], [AAbort(0, 0)], None, STA13),
        (STA13, "HTTP", [], [AAbort(0, 0)], None, STA13),
        (STA13, "too long", [], [AAbort(0, 0)], None, STA13),
        # AA-6
        (STA13, "A-ASSOCIATE-AC", [], [], None, STA13),
        (STA13, "A-ASSOCIATE-RJ", [], [], None, STA13),
        (STA13, "P-DATA-TF", [], [], None, STA13),
        (STA13, "A-RELEASE-RQ", [], [], None, STA13),
        (STA13, "A-RELEASE-RP", [], [], None, STA13),
        # AA-2
        (STA13, "A-ABORT", [], [], None, STA1),
        # Bytes that the transport still had when it was closed
        *((STA1, name, [], [], None, STA1) for name in PDUS),
    ],
)
@pytest.mark.parametrize("piece", [1, 1 << 20])
def test_transitions(
    state: State,
    received: str,
    seen: list[object],
    sent: list[PDU],
    error: type[ProtocolError] | None,
    then: State,
    piece: int,
) -> None:
    """PS3.8 table 9-10, as far as it concerns PDUs that an acceptor receives; whole or byte by byte."""
    peer = in_state(state)

    caught = None
    try:
        peer.send(PDUS[received], piece)
    except ProtocolError as raised:
        caught = raised

    assert type(caught) is (error or type(None))
    assert peer.seen == seen
    assert peer.answers() == sent
    assert peer.association.state is then


@pytest.mark.parametrize("state", State)
def test_transport_closed(state: State) -> None:
    """AA-4, AA-5, AR-5: a closed transport ends everything."""
    association = in_state(state).association

    association.transport_closed()

    assert association.state is State.IDLE
    assert association.data_to_send() == b""


@pytest.mark.parametrize(
    ("state", "sent", "then"),
    [
        (STA1, [], STA1),
        (STA2, [AAbort(2, 6)], STA13),
        (STA6, [AAbort(2, 6)], STA13),
        (STA13, [], STA13),
    ],
)
def test_abort(state: State, sent: list[PDU], then: State) -> None:
    """AA-1: this side aborts what is not over yet."""
    peer = in_state(state)

    peer.association.abort(2, 6)

    assert peer.answers() == sent
    assert peer.association.state is then


def test_abort_after_an_error_is_not_sent_twice() -> None:
    """The shell may abort for any error: where the association did it before, nothing is added."""
    peer = in_state(STA6)
    with pytest.raises(UnexpectedPDU):
        peer.send(PDUS["A-RELEASE-RP"])

    peer.association.abort(0, 0)

    assert peer.answers() == [AAbort(2, 2)]


def test_accepted_contexts() -> None:
    """After the acceptance, contexts tell what was agreed, for accepted ones only."""
    request = replace(REQUEST, contexts=(*REQUEST.contexts, ProposedContext(5, "1.2", (EXPLICIT,))))
    association = Requestor().associate(request).association

    assert association.request == request
    assert association.was_established
    assert association.contexts == {
        1: AcceptedContext("1.2.840.10008.1.1", IMPLICIT),
        3: AcceptedContext(CT, EXPLICIT),
    }


def test_rejected_association() -> None:
    """AE-8: a rejection is sent, and the transport is to be closed by the peer."""
    peer = Requestor(replace(POLICY, refuse=True))

    seen = peer.send(REQUEST.encode())

    assert seen == [REQUEST, AAssociateRJ(1, 1, 1)]
    assert peer.answers() == [AAssociateRJ(1, 1, 1)]
    assert peer.association.state is State.AWAITING_TRANSPORT_CLOSE
    assert not peer.association.was_established
    assert not peer.association.contexts


@pytest.mark.parametrize("field", [b"", b"abcd", bytes(68), REQUEST.encode()[6:-1]])
def test_malformed_request(field: bytes) -> None:
    """A malformed A-ASSOCIATE-RQ is answered with A-ABORT, invalid PDU parameter value."""
    peer = Requestor()

    with pytest.raises(InvalidAssociatePDU, match=r"^0006:0"):
        peer.send(pdu(1, field))

    assert peer.answers() == [AAbort(2, 6)]
    assert peer.association.state is State.AWAITING_TRANSPORT_CLOSE


@pytest.mark.parametrize("first", [0, 8, 0x16, ord("G"), 255])
def test_other_protocols(first: int) -> None:
    """HTTP, a TLS client hello and other foreign bytes are told by the first of them; no PDU is sent."""
    peer = Requestor()

    with pytest.raises(NotDICOM, match=f"^0006:0321 Unrecognized PDU type: {first:02x}$"):
        peer.send(bytes([first]))

    assert peer.association.state is State.IDLE
    assert peer.association.data_to_send() == b""


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"PROXY", b"PROXY"), (b"PROXY TCP4 192.0.2.1 192.0.2.2", b"PROXY TCP4 192.0")],
)
def test_the_beginning_of_other_protocols(data: bytes, expected: bytes) -> None:
    """The first bytes that have come are kept, 16 at most, so that it can be said which protocol that is."""
    peer = Requestor()

    with pytest.raises(NotDICOM) as caught:
        peer.send(data)

    assert caught.value.beginning == expected


@pytest.mark.parametrize("length", [1_048_577, 0xFFFFFFFF])
def test_too_large_request(length: int) -> None:
    """An A-ASSOCIATE-RQ that announces more than the limit is refused at its header, without a PDU."""
    peer = Requestor()

    with pytest.raises(RequestTooLarge, match=r"^0006:0437 A-ASSOCIATE PDU too large$") as caught:
        peer.send(b"\x01\x00" + length.to_bytes(4, "big"))

    assert [note.text for note in caught.value.notes] == [
        f"A-ASSOCIATE PDU too large: {length} bytes, refusing."
    ]
    assert peer.association.state is State.IDLE
    assert peer.association.data_to_send() == b""


def test_largest_request() -> None:
    """A request of 1 MiB is taken, and needs little more memory than itself."""
    filler = b"\x99\x00\xff\xfc" + bytes(65532)
    small = REQUEST.encode()[6:]
    rest = 1_048_576 - len(small) - 15 * len(filler)
    field = small + filler * 15 + b"\x99\x00" + (rest - 4).to_bytes(2, "big") + bytes(rest - 4)
    peer = Requestor()

    peer.send(pdu(1, field), piece=1400)

    assert peer.seen == [REQUEST, ANSWER]
    assert len(peer.association._buffer.view) <= 4 * 1_048_576


def test_announced_length_costs_nothing() -> None:
    """A peer that announces a megabyte and sends nothing makes this side reserve nothing."""
    peer = Requestor()

    peer.send(b"\x01\x00\x00\x10\x00\x00")

    assert len(peer.association._buffer.view) <= 16384


@pytest.mark.parametrize("pdu_type", [4, 5, 7])
@pytest.mark.parametrize("length", [16385, 0xFFFFFFFF])
def test_too_long_pdu(pdu_type: int, length: int) -> None:
    """A PDU longer than announced is refused at its header."""
    peer = in_state(STA6)

    with pytest.raises(InvalidPDU, match=f"DUL Illegal PDU Length {length}.  Max expected 16384"):
        peer.send(bytes((pdu_type, 0)) + length.to_bytes(4, "big"))

    assert peer.answers() == [AAbort(0, 0)]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (b"", "PDU without any PDVs"),
        (b"\x00\x00\x00", "PDV lengths don't add up correctly"),
        (b"\x00\x00\x00\x01\x01", "PDV with invalid length 1"),
        (b"\x00\x00\x00\x09\x01\x03abcd", "PDV with invalid length 9"),
    ],
)
def test_malformed_data(field: bytes, text: str) -> None:
    """A P-DATA-TF without PDV, with one shorter than two bytes or beyond the PDU aborts the association."""
    peer = in_state(STA6)

    with pytest.raises(InvalidPDU, match=text):
        peer.send(p_data((3, 3, b"ab")) + pdu(4, field))

    assert peer.seen == [(3, 3, b"ab")]
    assert peer.answers() == [AAbort(0, 0)]


def test_nothing_is_understood_after_an_error() -> None:
    """After a breach of the protocol the rest of the stream is dropped, however long it is."""
    peer = in_state(STA6)
    with pytest.raises(InvalidPDU):
        peer.send(pdu(4, b""))
    peer.answers()

    for _ in range(40):
        peer.send(b"\x47" * 100_000)

    assert not peer.seen
    assert peer.answers() == []
    assert len(peer.association._buffer.view) <= RECEIVE_BUFFER_SIZE
    assert peer.association.state is State.AWAITING_TRANSPORT_CLOSE


def test_late_data_are_forgotten() -> None:
    """Data that a peer goes on to send after this side's abort are dropped, until it aborts as well."""
    peer = in_state(STA6)
    peer.association.abort()
    peer.answers()

    for _ in range(100):
        peer.send(p_data((3, 0, bytes(16000))))
    peer.send(AAbort(0, 0).encode())

    assert not peer.seen
    assert peer.answers() == []
    assert peer.association.state is State.IDLE


def test_one_abort_for_a_noisy_peer() -> None:
    """AA-7 is done once: noise after the release is not answered byte for byte."""
    peer = in_state(STA13)

    for _ in range(10):
        peer.send(PDUS["HTTP"])

    assert peer.answers() == [AAbort(0, 0)]


def test_data_set_is_carried_on_within_the_iteration() -> None:
    """The short cut takes what only carries the data set on; the iteration goes on behind it."""
    peer = in_state(STA6)
    value = b"ab" * 200
    data = b"".join(p_data((3, header, value)) for header in (0, 0, 0, 2, 3)) + A_RELEASE_RQ
    association = peer.association
    association.buffer()[: len(data)] = data

    events = association.receive(len(data))
    first = next(events)
    more = association.continued(3)
    rest = list(events)

    assert isinstance(first, tuple)
    assert more == [value, value]
    assert [event[1] for event in rest if isinstance(event, tuple)] == [2, 3]
    assert rest[-1] == AReleaseRQ()
    assert not association.continued(3)


def test_abandoned_events() -> None:
    """A shell that fails in the middle of the events may abort: what came with them is forgotten."""
    peer = in_state(STA6)
    data = p_data((3, 3, b"ab"), (3, 0, b"cd")) + p_data((3, 2, b"ef")) + p_data((3, 3, b"gh"))[:8]
    association = peer.association
    association.buffer()[: len(data)] = data

    next(association.receive(len(data)))
    association.abort()
    peer.send(p_data((3, 3, b"gh"))[8:])

    assert not peer.seen
    assert peer.answers() == [AAbort(0, 0)]
    assert association.state is State.AWAITING_TRANSPORT_CLOSE


def test_release_in_the_middle_of_a_data_set() -> None:
    """A release is confirmed whatever is under way; what came before it came out before it."""
    peer = in_state(STA6)

    peer.send(p_data((3, 0, b"ab")) + A_RELEASE_RQ + p_data((3, 2, b"cd")))

    assert peer.seen == [(3, 0, b"ab"), AReleaseRQ()]
    assert peer.answers() == [AReleaseRP()]


def test_data_behind_the_request() -> None:
    """A peer that does not wait for the acceptance is understood."""
    peer = Requestor()

    peer.send(REQUEST.encode() + p_data((3, 3, b"ab")) + A_RELEASE_RQ)

    assert peer.seen == [REQUEST, ANSWER, (3, 3, b"ab"), AReleaseRQ()]
    assert peer.answers() == [ANSWER, AReleaseRP()]


def associated(maximum_length: int) -> Requestor:
    """Return a requestor that takes PDUs up to this length."""
    return Requestor().associate(replace(REQUEST, user_information=UserInformation(maximum_length)))


def test_send() -> None:
    """A command set is sent in one PDU where it fits; all that is queued is sent in one piece."""
    peer = associated(16384)

    peer.association.send(3, b"abcd")
    peer.association.send(1, b"ef")

    assert peer.association.data_to_send() == p_data((3, 3, b"abcd")) + p_data((1, 3, b"ef"))
    assert peer.association.data_to_send() == b""


def test_send_in_small_pieces() -> None:
    """The maximum length 14 of the peer allows two bytes in each PDU."""
    peer = associated(14)

    peer.association.send(3, b"abcde")

    assert peer.answers() == [(3, 1, b"ab"), (3, 1, b"cd"), (3, 3, b"e")]
    assert peer.association.max_send_pdv == 4084


@pytest.mark.parametrize("maximum_length", [1, 13])
def test_send_to_a_peer_that_takes_nothing(maximum_length: int) -> None:
    """A maximum length below 14 is accepted, and the first response ends the association."""
    peer = associated(maximum_length)

    with pytest.raises(CannotSend, match=f"max PDU size of {maximum_length} is illegal"):
        peer.association.send(3, b"ab")

    assert peer.answers() == [AAbort(0, 0)]


@pytest.mark.parametrize("state", [STA1, STA2, STA13])
def test_send_when_nobody_listens(state: State) -> None:
    """A response that is late is not sent."""
    association = in_state(state).association

    association.send(3, b"ab")

    assert association.data_to_send() == b""


@pytest.mark.parametrize(("maximum_length", "longest"), [(0, 131060), (16384, 16372), (4096, 4084)])
def test_max_send_pdv(maximum_length: int, longest: int) -> None:
    """The log line of the acceptance says how long a PDV may be."""
    assert associated(maximum_length).association.max_send_pdv == longest


def test_max_send_pdv_before_the_request() -> None:
    """Before a request there is no limit."""
    assert Association(POLICY).max_send_pdv == 131060


def test_small_objects_stay_in_the_same_memory() -> None:
    """A stream of small messages, released one by one, needs no more than the first buffer."""
    peer = in_state(STA6)

    for _ in range(300):
        peer.send(p_data((3, 3, bytes(100))) + p_data((3, 2, bytes(3000))))

    assert len(peer.association._buffer.view) == 16384


def test_large_objects_get_the_ample_buffer() -> None:
    """A stream of data gets a buffer of 4 MiB, and never a larger one."""
    peer = in_state(STA6)

    peer.send(p_data((3, 0, bytes(16000))) * 300)

    assert len(peer.seen) == 300
    assert len(peer.association._buffer.view) == RECEIVE_BUFFER_SIZE


def test_many_empty_pdvs() -> None:
    """Hundreds of thousands of empty PDVs are just handed on."""
    association = in_state(STA6).association
    data = p_data(*[(3, 0, b"")] * 2000)
    count = 0

    for _ in range(100):
        association.release_views()
        association.buffer()[: len(data)] = data
        count += sum(1 for _ in association.receive(len(data)))

    assert count == 200_000


STREAM = st.lists(
    st.one_of(
        st.binary(max_size=50).map(lambda value: p_data((3, 0, value))),
        st.lists(st.binary(max_size=9), min_size=1, max_size=4).map(
            lambda found: p_data(*((1, 2, value) for value in found))
        ),
        st.sampled_from(sorted(PDUS.values())),
        st.binary(max_size=8),
    ),
    max_size=6,
).map(b"".join)


def outcome(stream: bytes, piece: int, policy_request: AAssociateRQ | None) -> tuple[object, ...]:
    """Return everything that can be observed of an association that receives a stream in pieces."""
    peer = Requestor()
    if policy_request:
        peer.associate(policy_request)
    error = None
    position = 0
    while position < len(stream):
        try:
            peer.send(stream[position : position + piece])
        except ProtocolError as raised:
            error = (type(raised), str(raised))
        position += piece
    return peer.seen, error, peer.answers(), peer.association.state


@settings(deadline=None, max_examples=150)
@given(STREAM, st.integers(1, 60), st.sampled_from([None, REQUEST]))
def test_any_split(stream: bytes, piece: int, request: AAssociateRQ | None) -> None:
    """However a stream is cut, events, error, answers and state are the same."""
    assert outcome(stream, piece, request) == outcome(stream, 1 << 20, request)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(max_size=200) | STREAM, max_size=5), st.booleans())
def test_any_bytes(chunks: list[bytes], established: bool) -> None:
    """Whatever arrives, nothing but a ProtocolError comes out, and what is sent back is a few PDUs."""
    peer = Requestor()
    if established:
        peer.associate()

    for chunk in chunks:
        with suppress(ProtocolError):
            peer.send(chunk)

    assert len(peer.association.data_to_send()) < 400
    assert len(peer.association._buffer.view) <= RECEIVE_BUFFER_SIZE


def test_fragments_are_views() -> None:
    """No byte of a data set is copied on its way out."""
    association = in_state(STA6).association
    data = pdata.encode(3, 0, b"abcd")
    association.buffer()[: len(data)] = data

    [event] = association.receive(len(data))

    assert isinstance(event, tuple)
    assert event[2].obj is association._buffer.view.obj
