"""One transport connection around one association: moves bytes, keeps time limits, writes the log.

What the bytes mean is decided by `upper_layer` and `dimse`; what becomes of an object by `storage.store_scp`. This
module knows when to receive, when to send and when to give up.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from storescp.best_effort_output import StandardStream
from storescp.dimse.command import (
    DIMSE_WARNING,
    CEchoRQ,
    CStoreRQ,
    encode_echo_response,
    encode_store_response,
)
from storescp.dimse.message import MAXIMUM_COMMAND_LENGTH, MessageReader
from storescp.errors import (
    CannotUnderstand,
    InvalidDataSet,
    InvalidMessage,
    InvalidPDU,
    ProtocolError,
)
from storescp.printable import printable
from storescp.serve.association.busy_poll import BusyPoll
from storescp.serve.association.minimum_rate import MINIMUM_BYTES, MinimumRate
from storescp.serve.process.signals import Signals, Stopped, pause
from storescp.serve.reporting import explanations, parameter_dump
from storescp.serve.transport import Transport
from storescp.storage.reception import SUCCESS, Outcome, Reception
from storescp.storage.storage_scp import StorageSCP
from storescp.storage.studies.user_commands import PeerIdentity, ReceivedObject
from storescp.uids import TRANSFER_SYNTAXES, modality_prefix
from storescp.upper_layer.association import Association, AssociationCaches, CannotSend, State
from storescp.upper_layer.log_notes import LogNote, network
from storescp.upper_layer.negotiation import Policy
from storescp.upper_layer.pdu import (
    PDU,
    AAbort,
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    AReleaseRP,
    AReleaseRQ,
    ContextResult,
)

if TYPE_CHECKING:
    from storescp.serve.reporting.event_emitter import EventEmitter

_logger = logging.getLogger("dcmtk.apps.storescp")
_why_logger = logging.getLogger("dcmtk.apps.storescp.why")
_progress_logger = logging.getLogger("dcmtk.apps.storescp.progress")

_CLOCK_TOLERANCE_SECONDS = 0.01
"""Seconds by which the kernel's time limit and our clock may disagree."""

_COMMAND = 1  # PS3.8 E.2, bit 0 of the message control header


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; None: unlimited."""

    socket: float | None = 60.0
    """Each receive or send (`--socket-timeout`)."""

    acse: float = 30.0
    """From the connection to a complete A-ASSOCIATE-RQ: ARTIM, PS3.8 9.1.5 (`--acse-timeout`)."""

    dimse: float | None = None
    """The next fragment of a data set (`--dimse-timeout`)."""

    idle: float | None = 60.0
    """The next command of an established association."""


@dataclass(frozen=True, slots=True)
class Disturbances:
    """What `--sleep-…` and `--abort-…` do to a peer, for testing it. Seconds."""

    sleep_after: float = 0
    sleep_during: float = 0
    abort_after: bool = False
    abort_during: bool = False


class End(Enum):
    """How an association came to its end."""

    LINGER = "it is the peer's turn to close"
    CLOSED = "nothing more is to be said to this peer"


class Connection:
    """One association, from its first byte to its last."""

    def __init__(
        self,
        transport: Transport,
        address: str,
        policy: Policy,
        store: StorageSCP,
        signals: Signals,
        *,
        timeouts: Timeouts,
        disturbances: Disturbances,
        maximum_command_length: int = MAXIMUM_COMMAND_LENGTH,
        verbose_contexts: bool = False,
        child_pid: int | None = None,
        emitter: "EventEmitter | None" = None,
        caches: AssociationCaches | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to serve.

        Args:
            transport: the connection to the peer.
            address: the peer's presentation address.
            policy: what is accepted.
            store: where objects go.
            signals: the signals of the process.
            timeouts: when to give up.
            disturbances: what to do to the peer.
            maximum_command_length: bytes of a command set that are read.
            verbose_contexts: whether presentation contexts are logged at level INFO.
            child_pid: the process id if this is a child made for this association.
            emitter: tells others what happens; None: nobody listens.
            caches: what associations of this process leave to one another; None: new ones.
            clock: seconds, monotonic.
        """
        self._transport = transport
        self._address = address
        self._policy = policy
        self._store = store
        self._signals = signals
        self._timeouts = timeouts
        self._disturbances = disturbances
        self._disturbing = disturbances != Disturbances()
        self._maximum_command_length = maximum_command_length
        self._verbose_contexts = verbose_contexts
        self._child_pid = child_pid
        self._emitter = emitter
        self._clock = clock
        self._association = Association(policy, caches)
        self._messages = MessageReader(())
        self._peer = PeerIdentity("", "", address)
        self._reception: Reception | None = None
        self._request: CStoreRQ | None = None
        self._artim: float | None = clock() + timeouts.acse
        self._last_heard = clock()
        self._wakes_for_study = False
        self._minimum_rate = MinimumRate(timeouts.socket)
        self._progress = _progress_logger.getEffectiveLevel() == logging.INFO
        self._print_progress = StandardStream("stdout").write if self._progress else _no_progress

    def serve(self) -> End:
        """Serve the association to its end, whatever the peer does.

        Raises:
            Stopped: the program was asked to end; the association was aborted.
        """
        try:
            self._exchange()
        except Stopped:
            self._abort()
            _logger.info("Association Aborted (the program was asked to end)")
            self._tell_end("us", "the program was asked to end")
            raise
        finally:
            self._drop_reception()
            self._association.give_back_memory()
        waiting = self._association.state is State.AWAITING_TRANSPORT_CLOSE
        return End.LINGER if waiting else End.CLOSED

    # -- receiving ---------------------------------------------------------------------------------------------------

    def _exchange(self) -> None:
        association, transport, signals = self._association, self._transport, self._signals
        busy_poll = BusyPoll()
        while True:
            if self._reception is not None and association.views_expire:
                self._reception.flush()
            room = association.buffer()
            if self._artim is not None and self._clock() >= self._artim:
                self._never_asked()  # a byte now and then does not keep the place
                return
            self._set_limit()
            try:
                signals.begin_wait()
                received = None
                if self._reception is None and not association.within_pdu:
                    received = busy_poll.receive(transport.receive_ready, room, self._prepare)
                if received is None:
                    received = transport.receive_into(room)
                signals.end_wait()
            except TimeoutError:
                signals.end_wait()
                if self._is_too_late():
                    return
                continue
            except OSError as error:
                signals.end_wait()
                self._lost(str(error))
                return
            if not received:
                self._closed_by_peer()
                return
            try:
                if self._take(received):
                    return
                if received < MINIMUM_BYTES:
                    self._check_pace(received)
                elif self._minimum_rate.watching:
                    self._minimum_rate.forget()
            except ProtocolError as error:
                self._fail(error)
                return
            except OSError as error:  # also TimeoutError: the peer does not take what is sent
                self._lost(str(error))
                return

    def _prepare(self) -> None:
        """Use the time that the peer needs; a request to stop waits until that is done.

        Raises:
            Stopped: the program was asked to end.
        """
        self._signals.end_wait()
        self._store.prepare()
        self._signals.begin_wait()

    def _take(self, received: int) -> bool:
        """Handle what has just been received; True when the association has ended."""
        for event in self._association.receive(received):
            if not isinstance(event, tuple):
                if self._control(event):
                    return True
                continue
            context_id, control_header, value = event
            if control_header & _COMMAND:
                command = self._messages.command_fragment(context_id, control_header, value)
                if command is not None:
                    self._begin(command)
                continue
            last = self._messages.data_fragment(context_id, control_header, value)
            reception = self._reception
            if reception is None:  # data_fragment() lets data pass only after a C-STORE-RQ
                raise InvalidMessage("data set without a C-STORE request")
            reception.feed(value)
            if (self._progress or self._disturbing) and self._disturb():
                return True
            if last:
                if self._finish(reception):
                    return True
            elif not (self._progress or self._disturbing) and (
                values := self._association.continued(context_id)
            ):
                reception.feed_all(values)
        return False

    def _closed_by_peer(self) -> None:
        if self._association.was_established and self._association.within_pdu:
            # It may have closed its half only, and read on.
            self._fail(InvalidPDU("0006:0310 DUL network closed"))
        else:
            self._lost("closed by the peer")

    def _lost(self, reason: str) -> None:
        """The transport is gone, without a word of the upper layer."""
        if self._association.was_established:
            self._log_interruption("0006:0317 Peer aborted Association (or never connected)")
            _logger.info("Association Aborted")
            _logger.debug("the connection is lost: %s", reason)
        elif self._association.header_received:
            _logger.error("Receiving Association failed: 0006:0310 DUL network closed")
        else:
            # A probe of the port. What is said of it is what the reference says.
            _logger.info("Association Received")
        self._tell_end("network", f"the connection is lost: {reason}")
        self._association.transport_closed()

    def _fail(self, error: ProtocolError, explanation: str = "") -> None:
        """The peer broke the protocol; the association answers as it has to, perhaps with silence."""
        explanation = explanation or explanations.broken(error, self._who())
        if not self._association.was_established:
            _log_notes(getattr(error, "notes", ()))
            _logger.error("Receiving Association failed: %s", error)
        else:
            self._log_dimse_notes(getattr(error, "notes", ()))
            text = self._messages.explain(error)
            if self._reception is not None:
                _logger.error("Store SCP Failed: %s", text)
            _logger.error("DIMSE failure (aborting association): %s", text)
        explain(logging.ERROR, explanation)
        self._tell_end("us", explanation)
        self._association.abort(error.abort_source, error.abort_reason)
        self._try_to_send()

    def _who(self) -> str:
        """Return how sentences call the peer."""
        request = self._association.request
        return explanations.sender(
            "" if request is None else request.calling_ae_title, self._address
        )

    # -- time --------------------------------------------------------------------------------------------------------

    def _set_limit(self) -> None:
        """Tell the transport how long to wait for the next bytes."""
        timeouts = self._timeouts
        self._wakes_for_study = False
        if self._artim is not None:
            limit = _least(timeouts.socket, self._until(self._artim))
        elif self._reception is not None:
            # As the reference, which looks for the next fragment's PDU first, and then reads it.
            is_own = timeouts.dimse is not None and not self._association.within_pdu
            limit = timeouts.dimse if is_own else timeouts.socket
        else:
            limit = timeouts.socket if self._association.within_pdu else timeouts.idle
            if (deadline := self._store.deadline()) is not None:
                left = self._until(deadline)
                if limit is None or left < limit:
                    limit, self._wakes_for_study = left, True
        self._transport.set_timeout(limit)

    def _until(self, deadline: float) -> float:
        """Return the seconds that are left; never so few that they would mean no limit."""
        return max(deadline - self._clock(), 0.001)

    def _is_too_late(self) -> bool:
        """Nothing came for as long as `_set_limit` said; True when that ends the association."""
        if self._artim is not None:
            self._never_asked()
            return True
        if self._reception is None:
            self._store.expire()
        if self._association.within_pdu:
            if not self._wakes_for_study:
                self._fail(
                    InvalidPDU("0006:0310 DUL network closed"),  # what the reference calls it
                    explanations.stalled(self._who(), self._timeouts.socket, "--socket-timeout"),
                )
            return not self._wakes_for_study
        if self._reception is not None:
            limit, option = self._timeouts.socket, "--socket-timeout"
            if self._timeouts.dimse is not None:
                limit, option = self._timeouts.dimse, "--dimse-timeout"
                text = "0006:0207 DIMSE No data available (timeout in non-blocking mode)"
                _logger.error("Store SCP Failed: %s", text)
                _logger.error("DIMSE failure (aborting association): %s", text)
            else:
                self._log_interruption("0006:0317 Peer aborted Association (or never connected)")
                _logger.info("Association Aborted")
            explanation = explanations.stalled(self._who(), limit, option)
            explain(logging.ERROR, explanation)
            self._tell_end("us", explanation)
            self._abort()
            return True
        idle = self._timeouts.idle
        if idle is None or self._clock() - self._last_heard < idle - _CLOCK_TOLERANCE_SECONDS:
            return False
        _logger.info("Association Aborted")
        explanation = explanations.idle(self._who(), idle)
        explain(logging.INFO, explanation)
        self._tell_end("us", explanation)
        self._abort()
        return True

    def _check_pace(self, received: int) -> None:
        """See that a few bytes are not all that comes of what is under way.

        Raises:
            TooSlow: they are, for as long as a single receive may take.
        """
        under_way = (
            self._reception is not None
            or self._association.within_pdu
            or self._messages.within_command
        )
        if under_way and self._artim is None:
            self._minimum_rate.received(received, self._clock())
        else:
            self._minimum_rate.forget()

    def _never_asked(self) -> None:
        """No complete A-ASSOCIATE-RQ came in time: AA-2, PS3.8 9.2.3."""
        _logger.error("Receiving Association failed: 0006:031a DUL network read timeout")
        limit, option = self._timeouts.acse, "--acse-timeout"
        socket_limit = self._timeouts.socket
        left = 0.0 if self._artim is None else self._artim - self._clock()
        if socket_limit is not None and left > _CLOCK_TOLERANCE_SECONDS:
            limit, option = socket_limit, "--socket-timeout"  # a single receive took too long
        explanation = explanations.silent(self._address, limit, option)
        explain(logging.ERROR, explanation)
        if self._emitter is not None:
            self._emitter.refused("timeout", explanation)
        self._association.transport_closed()

    # -- control PDUs ------------------------------------------------------------------------------------------------

    def _control(self, pdu: PDU) -> bool:
        """Act on what is not data; True when the association has ended."""
        match pdu:
            case AAssociateRQ():
                if self._emitter is not None:
                    self._emitter.requested(pdu)
                self._log_request(pdu)
            case AAssociateAC():
                self._send()
                self._artim = None
                self._messages = MessageReader(
                    self._association.contexts, self._maximum_command_length
                )
                self._peer = PeerIdentity(pdu.calling_ae_title, pdu.called_ae_title, self._address)
                self._last_heard = self._clock()
                self._log_acceptance(pdu)
                explanation = self._explain_contexts(pdu)
                if self._emitter is not None and self._association.request is not None:
                    self._emitter.accepted(self._association.request, pdu, explanation)
            case AAssociateRJ():
                self._send()
                _log_notes(pdu.notes)
                self._explain_rejection(pdu)
                return True
            case AReleaseRQ():
                self._store.put_away()  # whoever has our answer finds nothing but what is stored
                self._send()
                self._log_interruption("0006:0319 DUL Peer Requested Release")
                _logger.info("Association Release")
                if self._emitter is not None:
                    self._emitter.released()
                return True
            case AAbort():
                self._log_interruption("0006:0317 Peer aborted Association (or never connected)")
                _logger.info("Association Aborted")
                self._tell_end(
                    "peer", explanations.aborted_by_peer(self._who(), pdu.source, pdu.reason)
                )
                return True
            case AReleaseRP():
                pass  # unexpected from a requester: the association has refused it already
        return False

    def _tell_end(self, by: str, why: str) -> None:
        if self._emitter is not None:
            self._emitter.ended(by, why)

    def _log_interruption(self, why: str) -> None:
        """The association ends; say so if an object was on its way."""
        if self._reception is not None:
            _logger.error("Store SCP Failed: %s", why)

    def _log_request(self, request: AAssociateRQ) -> None:
        _log_notes(request.notes)
        if not request.protocol_version & 1:
            return  # the note of the rejection says what is wrong
        if self._child_pid is None:
            _logger.info("Association Received")
        else:
            _logger.info("Association Received in child process (pid: %d)", self._child_pid)
        self._log_parameters(
            lambda: "Parameters:\n" + parameter_dump.request(request, self._policy)
        )

    def _log_acceptance(self, answer: AAssociateAC) -> None:
        _log_notes(answer.notes)
        request = self._association.request
        if request is None or not _logger.isEnabledFor(logging.INFO):
            return
        longest = self._association.max_send_pdv
        _logger.info("Association Acknowledged (Max Send PDV: %d)", longest)
        if all(context.result != ContextResult.ACCEPTANCE for context in answer.contexts):
            _logger.info("    (but no valid presentation contexts)")
        self._log_parameters(lambda: parameter_dump.acceptance(request, answer, self._policy))

    def _explain_rejection(self, answer: AAssociateRJ) -> None:
        request = self._association.request
        if request is None:
            return
        explanation = explanations.rejected(request, answer, self._policy, self._address)
        explain(max((note.level for note in answer.notes), default=logging.INFO), explanation)
        if self._emitter is not None:
            self._emitter.rejected(answer, explanation)

    def _explain_contexts(self, answer: AAssociateAC) -> str | None:
        """Say why presentation contexts were refused, if some were and somebody wants to know."""
        request = self._association.request
        if request is None or all(
            context.result == ContextResult.ACCEPTANCE for context in answer.contexts
        ):
            return None
        if self._emitter is None and not _why_logger.isEnabledFor(logging.INFO):
            return None
        sentences = explanations.refused_contexts(request, answer, self._policy)
        for sentence in sentences:
            explain(logging.INFO, sentence)
        return " ".join(sentences)

    def _log_parameters(self, dump: Callable[[], str]) -> None:
        level = logging.INFO if self._verbose_contexts else logging.DEBUG
        if _logger.isEnabledFor(level):
            _logger.log(level, "%s", dump())

    # -- messages ----------------------------------------------------------------------------------------------------

    def _begin(self, command: CEchoRQ | CStoreRQ) -> None:
        """Start what the command asks for."""
        if command.notes:
            self._log_dimse_notes(command.notes)
        if isinstance(command, CStoreRQ):
            self._begin_store(command)
            return
        _log_command(command, "Received Echo Request", f"(MsgID {command.message_id})")
        self._association.release_views()
        self._association.send(command.context_id, encode_echo_response(command))
        self._send()
        self._last_heard = self._clock()

    def _begin_store(self, request: CStoreRQ) -> None:
        if _logger.isEnabledFor(logging.INFO):
            kind = modality_prefix(request.affected_sop_class_uid) or "OT"
            _log_command(request, "Received Store Request", f"(MsgID {request.message_id}, {kind})")
        context = self._association.contexts[request.context_id]
        syntax = TRANSFER_SYNTAXES.get(context.transfer_syntax)
        if syntax is None:
            raise InvalidMessage(f"0006:020f unknown transfer syntax {context.transfer_syntax}")
        self._request = request
        if self._emitter is not None:
            self._emitter.begins(request)
        self._reception = self._store.begin(request, syntax, self._peer)
        if self._progress:
            self._print_progress("RECV: ")
        if self._disturbing:
            self._sleep_during()

    def _log_dimse_notes(self, notes: Iterable[LogNote]) -> None:
        """Log what is remarkable about a message; warnings of the reference's network layer name the peer."""
        titles = f"{self._peer.calling_ae_title},{self._peer.called_ae_title}"
        for note in notes:
            text = note.text
            if text.startswith(DIMSE_WARNING):
                text = f"{DIMSE_WARNING}({printable(titles)}): {text.removeprefix(DIMSE_WARNING)}"
            logging.getLogger(note.logger).log(note.level, "%s", text)

    def _disturb(self) -> bool:
        """Do what `--sleep-during` and `--abort-during` ask for; True when the association has ended."""
        if self._disturbances.abort_during:
            self._abort_by_option()
            return True
        self._sleep_during()
        if self._progress:
            self._print_progress(".")
        return False

    def _finish(self, reception: Reception) -> bool:
        """The data set is complete: store it and answer; True when the association has ended."""
        if self._disturbing:
            if self._disturbances.abort_after:
                self._abort_by_option()
                return True
            self._sleep_during()
        if self._progress:
            self._print_progress("\n")
        request = self._request
        if request is None:
            raise InvalidMessage("data set without a C-STORE request")
        outcome = reception.finish()
        self._reception = None
        association = self._association
        syntax = association.contexts[request.context_id].transfer_syntax
        explanation = None
        if outcome.status != SUCCESS:
            explanation = self._explain_object(request, syntax, outcome)
        emitter = self._emitter
        if emitter is not None and emitter.keeps_records:
            # Before the peer knows: what it does not send again was told.
            emitter.finished(request, syntax, outcome, explanation)
        association.release_views()  # all of them are in the file
        undelivered = self._respond(request, outcome)
        if emitter is not None and not emitter.keeps_records:
            # Those who only look on are told while the peer prepares its next object.
            emitter.finished(request, syntax, outcome, explanation)
        self._last_heard = self._clock()
        self._store.after_response(outcome, self._peer)
        if undelivered is not None:
            raise undelivered
        if self._disturbing and self._disturbances.sleep_after:
            pause(self._disturbances.sleep_after, self._signals)
        return False

    def _respond(self, request: CStoreRQ, outcome: Outcome) -> OSError | CannotSend | None:
        """Send the C-STORE-RSP; return what went wrong. What has its final name is there all the same."""
        error = outcome.error
        about_data = isinstance(error, CannotUnderstand) and not error.identifies
        comment = str(error) if about_data else ""
        try:
            self._association.send(
                request.context_id, encode_store_response(request, outcome.status, comment)
            )
            self._send()
        except (OSError, CannotSend) as problem:
            if outcome.received is not None:
                _logger.warning(
                    "%s, but its sender was not told, and may send it again: %s",
                    _what_became_of(outcome.received),
                    problem
                    if isinstance(problem, OSError)
                    else "its maximum PDU length is too small",
                )
            return problem
        return None

    def _explain_object(self, request: CStoreRQ, transfer_syntax: str, outcome: Outcome) -> str:
        """Say why an object was not stored, or was stored with a complaint."""
        if outcome.error is not None:
            if isinstance(outcome.error, InvalidDataSet):
                self._log_unreadable(outcome.error)
            explanation = explanations.refused_object(
                outcome.error, request, transfer_syntax, self._who()
            )
            explain(logging.ERROR, explanation)
        else:
            explanation = explanations.doubtful_object(
                outcome.status, request, outcome.attributes, self._who()
            )
            explain(logging.INFO, explanation)
        return explanation

    def _log_unreadable(self, error: InvalidDataSet) -> None:
        """Say why a data set cannot be parsed, as the reference does before it aborts the association."""
        reading = f"DIMSE receiveDataSetInMemory: dset->read() Failed ({error})"
        self._log_dimse_notes([network(logging.WARNING, f"{DIMSE_WARNING}{reading}")])
        _logger.error("Store SCP Failed: 0006:020d DIMSE Failed to receive message")

    def _sleep_during(self) -> None:
        if self._disturbances.sleep_during:
            pause(self._disturbances.sleep_during, self._signals)

    def _abort_by_option(self) -> None:
        _logger.info("ABORT initiated (due to command line options)")
        self._tell_end("us", "forced via command line")
        self._abort()

    # -- sending and ending ------------------------------------------------------------------------------------------

    def _send(self) -> None:
        if data := self._association.data_to_send():
            self._transport.send_all(data)

    def _abort(self) -> None:
        self._association.abort()
        self._try_to_send()

    def _try_to_send(self) -> None:
        """Send what is queued if the peer takes it at once: it breaks the rules, or we are in a hurry."""
        try:
            self._transport.set_timeout(1.0)
            self._send()
        except OSError as error:
            _logger.debug("the peer does not take the A-ABORT: %s", error)

    def _drop_reception(self) -> None:
        if self._reception is not None:
            self._reception.discard()
            self._reception = None


def _least(one: float | None, other: float | None) -> float | None:
    """Return the lesser of two limits, of which None is none."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _log_notes(notes: Iterable[LogNote]) -> None:
    for note in notes:
        logging.getLogger(note.logger).log(note.level, "%s", note.text)


def explain(level: int, explanation: str) -> None:
    """Log why somebody was refused, beside what the reference says about it."""
    _why_logger.log(level, "Why: %s", explanation)


def _what_became_of(received: ReceivedObject) -> str:
    instance = printable(received.sop_instance_uid)
    if received.directory is None:
        return f"object {instance} is received"
    return f"object {instance} is stored as {received.directory}/{received.file_name}"


def _log_command(command: CEchoRQ | CStoreRQ, text: str, details: str) -> None:
    """Log a request: in one line, or at debug level with everything that it says."""
    if _logger.isEnabledFor(logging.DEBUG):
        _logger.info("%s", text)
        _logger.debug("%s", parameter_dump.incoming(command))
    else:
        _logger.info("%s %s", text, details)


def _no_progress(text: str) -> None:  # noqa: ARG001
    return
