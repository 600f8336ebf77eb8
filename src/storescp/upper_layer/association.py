"""One association, on the side that accepts it: the state machine of PS3.8 9.2, without I/O and clock.

Rule: every transition is made in this file, and every reaction to a PDU is in `TRANSITIONS` or in
`_unexpected`, its default. Of the thirteen states four can be observed here. The others belong to the
requester, or (Sta3, Sta8) last only as long as it takes to compute an answer.

    Sta2 ──A-ASSOCIATE-RQ──→ Sta6 ──A-RELEASE-RQ──→ Sta13 ──closed──→ Sta1
      └──────── refused, or the protocol broken ──────→ ┘

The data path does not come through the table: in Sta6 `pdata.fragments` takes what it understands, and leaves
the rest to the table. The shell's part is this:

    while received := receive_into(association.buffer()):      # written out before, if association.views_expire
        for event in association.receive(received):
            …                                                  # association.send(…), association.release_views()
        send_all(association.data_to_send())
    association.transport_closed()

It closes the transport when the state is IDLE. It limits the time in AWAITING_ASSOCIATE_RQ and in
AWAITING_TRANSPORT_CLOSE (ARTIM, PS3.8 9.1.5), where it goes on to receive, as all that comes is to be read.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import ClassVar

from storescp import conditions
from storescp.errors import InvalidPDU, Limit, ProtocolError, UnexpectedPDU
from storescp.upper_layer.log_notes import ERROR, LogNote, network
from storescp.upper_layer.negotiation import (
    Policy,
    longest_value,
    reported_longest_value,
)
from storescp.upper_layer.pdata import (
    WHOLE_COMMAND_SET,
    BufferPool,
    Fragment,
    ReceiveBuffer,
    continued,
    encode,
    encode_command_set,
    fragments,
    split,
)
from storescp.upper_layer.pdu import (
    HEADER_LENGTH,
    PDU,
    AAbort,
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    AReleaseRP,
    AReleaseRQ,
    PDUType,
    decode,
    unpack_header,
)
from storescp.upper_layer.request_cache import AcceptedContext, RequestCache

RECEIVE_BUFFER_SIZE = 4 * 1024 * 1024
"""Maximum size in bytes of the buffer of an association that carries data; only large objects use all of it."""

_TOLD_BYTES = 16
"""Of what begins no PDU."""

_PDU_TYPES = frozenset(int(pdu_type) for pdu_type in PDUType)


class State(Enum):
    """States of an acceptor, PS3.8 table 9-1 to 9-5."""

    IDLE = "Sta1"
    AWAITING_ASSOCIATE_RQ = "Sta2"
    ESTABLISHED = "Sta6"
    AWAITING_TRANSPORT_CLOSE = "Sta13"


class UnexpectedFirstPDU(UnexpectedPDU):
    """The connection begins with a PDU that is no A-ASSOCIATE-RQ, PS3.8 table 9-10, AA-1."""

    abort_source = 0  # service user
    abort_reason = 0


class NotDICOM(InvalidPDU):
    """The connection does not begin as an association does. It is closed without a word."""

    beginning: bytes = b""
    """First bytes that came, where they do not begin a PDU; so many as tell other protocols apart, or fewer."""


class RequestTooLarge(NotDICOM):
    """The A-ASSOCIATE-RQ announces more bytes than will be read. The connection is closed without a word."""

    def __init__(self, length: int) -> None:
        super().__init__(condition=conditions.REQUEST_TOO_LARGE, limit=Limit.REQUEST_LENGTH)
        self.notes: tuple[LogNote, ...] = (
            network(ERROR, f"A-ASSOCIATE PDU too large: {length} bytes, refusing."),
        )


Action = Callable[["Association"], Iterator[Fragment | PDU]]


class CannotSend(ProtocolError):
    """The peer announced a maximum length in which no PDV fits."""


class AssociationCaches:
    """Memory and answered requests that an association leaves to the next one of its process."""

    __slots__ = ("buffers", "requests")

    def __init__(self) -> None:
        self.buffers = BufferPool()
        self.requests = RequestCache()


class Association:
    """The acceptor's side of one association; one object per transport connection."""

    __slots__ = (
        "_buffer",
        "_deaf",
        "_longest_value",
        "_outgoing",
        "_policy",
        "_requests",
        "answer",
        "contexts",
        "request",
        "state",
    )

    def __init__(self, policy: Policy, caches: AssociationCaches | None = None) -> None:
        """Wait for the A-ASSOCIATE-RQ; `caches` are those of the process, None: new ones."""
        if caches is None:
            caches = AssociationCaches()
        self._policy = policy
        self._requests = caches.requests
        self._buffer = ReceiveBuffer(caches.buffers)
        self._outgoing: list[bytes] = []
        self._longest_value = 0
        self._deaf = False
        self.state = State.AWAITING_ASSOCIATE_RQ
        self.request: AAssociateRQ | None = None
        self.answer: AAssociateAC | AAssociateRJ | None = None
        self.contexts: Mapping[int, AcceptedContext] = {}

    # What the shell does: receive, send, close

    @property
    def views_expire(self) -> bool:
        """True if the next `buffer` call may overwrite the fragments returned so far."""
        return self._buffer.views_expire

    def buffer(self) -> memoryview:
        """Return where the next bytes are to be received into; never empty.

        Ends the validity of all fragments if `views_expire`, and of those before `release_views`. Not to be
        called while an iterator from `receive` is in use.
        """
        return self._buffer.room()

    def release_views(self) -> None:
        """Mark all fragments returned so far as released; their memory is used again."""
        self._buffer.viewed = False

    def receive(self, count: int) -> Iterator[Fragment | PDU]:
        """Return an iterator over what `count` more bytes in the buffer mean, in their order.

        That is: the A-ASSOCIATE-RQ and at once its answer, which is queued to be sent; PDVs; the A-RELEASE-RQ,
        whose answer is queued as well; an A-ABORT. To be exhausted unless it raises.

        Raises:
            ProtocolError: while iterating: the peer broke the protocol. The A-ABORT is queued, if one is due.
        """
        self._buffer.end += count
        return self._events()

    def continued(self, context_id: int) -> list[memoryview]:
        """Return what follows the fragment just seen as long as it only carries on a data set in this context.

        A short cut within an iteration over `receive`, which goes on behind it; the fragments are not seen there.
        """
        if self.state is not State.ESTABLISHED:
            return []
        return continued(self._buffer, self._policy.maximum_length, context_id)

    def send(self, context_id: int, command_set: bytes) -> None:
        """Queue a command set as P-DATA-TF, cut as the peer wishes. Nothing, if there is nobody to read it.

        Raises:
            CannotSend: the peer announced a maximum length in which nothing fits; the A-ABORT is queued.
        """
        if self.state is not State.ESTABLISHED:
            return
        if self._longest_value < 2:
            error = CannotSend(
                "DUL Cannot send P-DATA PDU because receiver's max PDU size of"
                f" {self._peer_maximum_length} is illegal (must be > 12)",
                condition=conditions.ILLEGAL_PDU_LENGTH,
                within=(conditions.SEND_FAILED.line(),),
            )
            self._give_up(error)
            raise error
        if len(command_set) <= self._longest_value:  # as nearly always
            self._outgoing.append(encode(context_id, WHOLE_COMMAND_SET, command_set))
        else:
            self._outgoing.append(encode_command_set(context_id, command_set, self._longest_value))

    def abort(self, source: int = 0, reason: int = 0) -> None:
        """Queue an A-ABORT, PS3.8 9.3.8 (AA-1), unless the association is over anyhow."""
        if self.state in (State.AWAITING_ASSOCIATE_RQ, State.ESTABLISHED):
            self._outgoing.append(AAbort(source, reason).encode())
            self.state = State.AWAITING_TRANSPORT_CLOSE

    def data_to_send(self) -> bytes:
        """Return everything queued since the last call, to be sent in one piece."""
        if not self._outgoing:
            return b""
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    def transport_closed(self) -> None:
        """Note that the transport connection is closed, by whichever side (AA-4, AA-5, AR-5)."""
        self.state = State.IDLE

    def give_back_memory(self) -> None:
        """Let the next association have the buffer; nothing is received or looked at any more."""
        self._buffer.give_back()

    # What the shell asks

    @property
    def was_established(self) -> bool:
        """True if the association was accepted; after that, errors are those of DIMSE."""
        return isinstance(self.answer, AAssociateAC)

    @property
    def within_pdu(self) -> bool:
        """True if the last bytes received are the beginning of a PDU whose rest has not come."""
        return self._buffer.end > self._buffer.start

    @property
    def header_received(self) -> bool:
        """True if the bytes that were not decoded yet hold a whole PDU header."""
        return self._buffer.end - self._buffer.start >= HEADER_LENGTH

    @property
    def max_send_pdv(self) -> int:
        """The longest PDV value for the peer, as the reference states it in its log, in bytes."""
        return reported_longest_value(self._peer_maximum_length)

    @property
    def _peer_maximum_length(self) -> int:
        return self.request.user_information.maximum_length if self.request else 0

    # What comes in

    def _events(self) -> Iterator[Fragment | PDU]:
        buffer = self._buffer
        try:
            while True:
                if self.state is State.ESTABLISHED:
                    yield from fragments(buffer, self._policy.maximum_length)
                    if buffer.start == buffer.end:
                        return
                act = self._next_action()
                if act is None:
                    return
                yield from act(self)
        except ProtocolError as error:
            late = self.state is State.AWAITING_TRANSPORT_CLOSE
            self._give_up(error)
            if not late:
                raise

    def _next_action(self) -> Action | None:
        """Return what to do with the PDU at the front of the buffer, None if there is no complete one.

        Raises:
            ProtocolError: this state allows no such PDU; neither its length nor its rest matters;
                or it is too long to be awaited.
        """
        buffer = self._buffer
        if self.state is State.IDLE or self._deaf:
            buffer.start = buffer.end
        available = buffer.end - buffer.start
        if not available:
            return None
        pdu_type = buffer.view[buffer.start]
        act = self.TRANSITIONS.get((self.state, pdu_type))
        if act is None:
            raise self._unexpected(pdu_type)
        if available < HEADER_LENGTH:
            return None
        _, length = unpack_header(buffer.view, buffer.start)
        self._check_length(pdu_type, length)
        return act if available >= HEADER_LENGTH + length else None

    def _check_length(self, pdu_type: int, length: int) -> None:
        if pdu_type == PDUType.A_ASSOCIATE_RQ:
            if length > self._policy.maximum_request_length:
                raise RequestTooLarge(length)
        elif length > self._policy.maximum_length:
            raise InvalidPDU(
                f"DUL Illegal PDU Length {length}.  Max expected {self._policy.maximum_length}",
                limit=Limit.PDU_LENGTH,
                condition=conditions.ILLEGAL_PDU_LENGTH,
            )

    def _unexpected(self, pdu_type: int) -> ProtocolError:
        """AA-1, AA-7, AA-8: return the error for a PDU that this state does not allow, or that is none."""
        first = self.state is State.AWAITING_ASSOCIATE_RQ
        if pdu_type not in _PDU_TYPES:
            text, condition = (
                f"Unrecognized PDU type: {pdu_type:02x}",
                conditions.UNRECOGNIZED_PDU_TYPE,
            )
            if not first:
                return InvalidPDU(text, condition=condition)
            error = NotDICOM(text, condition=condition)
            start = self._buffer.start
            error.beginning = bytes(
                self._buffer.view[start : min(start + _TOLD_BYTES, self._buffer.end)]
            )
            return error
        text = f"Unexpected {PDUType(pdu_type).name.replace('_', '-')} PDU"
        return UnexpectedFirstPDU(text) if first else UnexpectedPDU(text)

    def _give_up(self, error: ProtocolError) -> None:
        """End the association because the protocol is broken. Nothing that follows can be understood."""
        self._deaf = True
        if isinstance(error, NotDICOM):
            self.state = State.IDLE
        else:
            self._outgoing.append(AAbort(error.abort_source, error.abort_reason).encode())
            self.state = State.AWAITING_TRANSPORT_CLOSE

    def _take(self) -> memoryview:
        """Take the PDU at the front of the buffer, which is complete; return its variable field."""
        buffer = self._buffer
        _, length = unpack_header(buffer.view, buffer.start)
        start = buffer.start + HEADER_LENGTH
        buffer.start = start + length
        return buffer.view[start : start + length]

    def _answer_request(self) -> Iterator[PDU]:
        """AE-6, AE-7, AE-8: the A-ASSOCIATE-RQ is answered at once."""
        answered = self._requests.answer(bytes(self._take()), self._policy)
        self.request, self.answer, encoded, self.contexts = answered
        self._outgoing.append(encoded)
        if isinstance(self.answer, AAssociateAC):
            self.state = State.ESTABLISHED
            self._buffer.ample = RECEIVE_BUFFER_SIZE
            self._longest_value = longest_value(self._peer_maximum_length)
        else:
            self.state = State.AWAITING_TRANSPORT_CLOSE
        yield self.request
        yield self.answer

    def _indicate_data(self) -> Iterator[Fragment]:
        """DT-2: hand on a P-DATA-TF. The only one that `fragments` leaves here is too short to hold a PDV."""
        yield from split(self._take())

    def _answer_release(self) -> Iterator[PDU]:
        """AR-2, AR-4: the release is confirmed at once, even during a message."""
        self._take()
        self._outgoing.append(AReleaseRP().encode())
        self.state = State.AWAITING_TRANSPORT_CLOSE
        yield AReleaseRQ()

    def _indicate_abort(self) -> Iterator[PDU]:
        """AA-2, AA-3: the peer aborts; the transport is to be closed."""
        abort = decode(PDUType.A_ABORT, self._take())
        self.state = State.IDLE
        yield abort

    def _close(self) -> Iterator[PDU]:
        """AA-2: the peer aborts what is over already; the transport is to be closed."""
        self.state = State.IDLE
        return iter(())

    def _ignore(self) -> Iterator[PDU]:
        """AA-6: what comes too late is taken and forgotten."""
        self._take()
        return iter(())

    TRANSITIONS: ClassVar[dict[tuple[State, int], Action]] = {
        (State.AWAITING_ASSOCIATE_RQ, PDUType.A_ASSOCIATE_RQ): _answer_request,  # AE-6
        (State.AWAITING_ASSOCIATE_RQ, PDUType.A_ABORT): _indicate_abort,  # AA-2
        (State.ESTABLISHED, PDUType.P_DATA_TF): _indicate_data,  # DT-2
        (State.ESTABLISHED, PDUType.A_RELEASE_RQ): _answer_release,  # AR-2, AR-4
        (State.ESTABLISHED, PDUType.A_ABORT): _indicate_abort,  # AA-3
        (State.AWAITING_TRANSPORT_CLOSE, PDUType.A_ASSOCIATE_AC): _ignore,  # AA-6
        (State.AWAITING_TRANSPORT_CLOSE, PDUType.A_ASSOCIATE_RJ): _ignore,  # AA-6
        (State.AWAITING_TRANSPORT_CLOSE, PDUType.P_DATA_TF): _ignore,  # AA-6
        (State.AWAITING_TRANSPORT_CLOSE, PDUType.A_RELEASE_RQ): _ignore,  # AA-6
        (State.AWAITING_TRANSPORT_CLOSE, PDUType.A_RELEASE_RP): _ignore,  # AA-6
        (State.AWAITING_TRANSPORT_CLOSE, PDUType.A_ABORT): _close,  # AA-2
    }
    """Actions for PDUs, PS3.8 table 9-10. All other PDUs are unexpected: AA-1, AA-7, AA-8."""
