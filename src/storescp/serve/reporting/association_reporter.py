"""The reporter of one connection: it takes each fact once, and writes DCMTK's log line, the sentence `Why:` and the event.

Whoever serves or refuses a connection calls a method for what has happened, in the order in which it happens; how that is
worded, and who hears of it, is known here alone. Events, and the fields of a log for machines, are made only if somebody
wants them: without that, a fact costs one comparison, and a log line that nobody reads another.
"""

import logging
from collections.abc import Callable, Iterable
from enum import Enum
from typing import TYPE_CHECKING

from storescp import conditions
from storescp.best_effort_output import StandardStream
from storescp.conditions import Condition
from storescp.dimse.command import CEchoRQ, CStoreRQ
from storescp.errors import HandshakeFailed, InvalidDataSet, InvalidPDU, ProtocolError
from storescp.log.context import CURRENT
from storescp.printable import printable
from storescp.serve.reporting import explanations, parameter_dump
from storescp.serve.reporting.time_limit import TimeLimit
from storescp.storage.reception import SUCCESS, Outcome
from storescp.storage.studies.user_commands import ReceivedObject
from storescp.uids import modality_prefix
from storescp.upper_layer.log_notes import DimseWarning, LogNote, dimse_warning
from storescp.upper_layer.negotiation import Policy
from storescp.upper_layer.pdu import (
    AAbort,
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    ContextResult,
)

if TYPE_CHECKING:
    from storescp.serve.reporting.event_emitter import EventEmitter
    from storescp.serve.reporting.event_hub import EventHub

_logger = logging.getLogger("dcmtk.apps.storescp")
_why_logger = logging.getLogger("dcmtk.apps.storescp.why")
_progress_logger = logging.getLogger("dcmtk.apps.storescp.progress")

_RECEIVING_FAILED = "Receiving Association failed: %s"
_STORING_FAILED = "Store SCP Failed: %s"
_MESSAGE_FAILED = "DIMSE failure (aborting association): %s"
_ABORTED = "Association Aborted"

_PEER, _US, _NETWORK = "peer", "us", "network"
"""Side that ended an association, as events name it."""


class AbortCause(Enum):
    """Reason for aborting an association although the peer did nothing wrong; events contain the value."""

    OPTION = "forced via command line"
    STOP = "the program was asked to end"


class AssociationReporter:
    """Tells what happens on one connection."""

    def __init__(
        self,
        address: str,
        policy: Policy,
        *,
        hub: "EventHub | None" = None,
        tls: bool = False,
        verbose_contexts: bool = False,
        child_pid: int | None = None,
    ) -> None:
        """Begin with a connection.

        Args:
            address: the peer's presentation address.
            policy: what is accepted, for explanations.
            hub: where events go; None: nobody wants any.
            tls: whether the connection is encrypted.
            verbose_contexts: whether presentation contexts are logged at level INFO.
            child_pid: the process id if this is a child made for this association.
        """
        self._address = address
        self._policy = policy
        self._verbose_contexts = verbose_contexts
        self._child_pid = child_pid
        self._emitter = _emitter(hub, address, tls=tls)
        self.emits_events = self._emitter is not None
        """True if anybody wants events: `object_answered` does something then."""
        self._request: AAssociateRQ | None = None
        self._is_established = False
        self._titles = ","
        self._object: CStoreRQ | None = None
        self._unanswered: Callable[[], None] = _nothing
        self.shows_progress = _progress_logger.getEffectiveLevel() == logging.INFO
        """True if `fragment_received` and `data_set_received` have something to show."""
        self._print = StandardStream("stdout").write if self.shows_progress else _discard

    def close(self) -> None:
        """Nothing more will happen here: what is logged from now on is about something else."""
        if self._emitter is not None:
            CURRENT.clear()

    # -- before there is an association ------------------------------------------------------------------------------

    def not_admitted(self, cause: str, explanation: str) -> None:
        """The connection is closed because an allow list, or a limit for its address, does not let it in."""
        _logger.warning("Connection from %s closed", self._address)
        self._refused(logging.WARNING, cause, explanation)

    def host_denied(self, line: str, explanation: str) -> None:
        """The connection is closed because the host access rules do not let it in; `line` is what the log says."""
        _logger.error("%s", line)
        self._refused(logging.ERROR, "host-rules", explanation)

    def handshake_failed(self, error: HandshakeFailed) -> None:
        """The connection is closed because it did not become a TLS connection."""
        _logger.error(_RECEIVING_FAILED, error)
        notes = getattr(error, "__notes__", ())
        for note in notes:
            _logger.error("%s", note)
        if self._emitter is not None:
            self._emitter.refused("tls-handshake", " ".join((*notes, str(error))))

    def _refused(self, level: int, cause: str, explanation: str) -> None:
        _explain(level, explanation)
        if self._emitter is not None:
            self._emitter.refused(cause, explanation)

    # -- the association ---------------------------------------------------------------------------------------------

    def requested(self, request: AAssociateRQ) -> None:
        """An A-ASSOCIATE-RQ has come."""
        self._request = request
        if self._emitter is not None:
            self._emitter.requested(request)
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

    def accepted(self, answer: AAssociateAC, longest_value: int) -> None:
        """An A-ASSOCIATE-AC was sent; `longest_value` is that of a PDV for the peer, in bytes."""
        request = self._request
        if request is None:
            return
        self._is_established = True
        self._titles = f"{answer.calling_ae_title},{answer.called_ae_title}"
        _log_notes(answer.notes)
        refused = [
            context for context in answer.contexts if context.result != ContextResult.ACCEPTANCE
        ]
        if _logger.isEnabledFor(logging.INFO):
            _logger.info("Association Acknowledged (Max Send PDV: %d)", longest_value)
            if len(refused) == len(answer.contexts):
                _logger.info("    (but no valid presentation contexts)")
            self._log_parameters(lambda: parameter_dump.acceptance(request, answer, self._policy))
        explanation = None
        if refused and (self._emitter is not None or _why_logger.isEnabledFor(logging.INFO)):
            sentences = explanations.refused_contexts(request, answer, self._policy)
            for sentence in sentences:
                _explain(logging.INFO, sentence)
            explanation = " ".join(sentences)
        if self._emitter is not None:
            self._emitter.accepted(request, answer, explanation)

    def rejected(self, answer: AAssociateRJ) -> None:
        """An A-ASSOCIATE-RJ was sent: after `requested` for what was asked, else for want of workers."""
        _log_notes(answer.notes)
        if self._request is None:
            explanation = explanations.busy(self._address)
        else:
            explanation = explanations.rejected(self._request, answer, self._policy, self._address)
        _explain(max((note.level for note in answer.notes), default=logging.INFO), explanation)
        if self._emitter is not None:
            self._emitter.rejected(answer, explanation)

    def undelivered_answer(self, answer: AAssociateAC | AAssociateRJ, error: OSError) -> None:
        """The answer to the A-ASSOCIATE-RQ could not be sent: the peer has gone meanwhile, or does not read."""
        condition = conditions.TCP_IO_ERROR
        reason = error.strerror or str(error)
        if isinstance(answer, AAssociateRJ):
            self.rejected(answer)
            line, routine = "Association Reject Failed: %s", "sendAssociationRJTCP"
        else:
            line, routine = "%s", "sendAssociationACTCP"
        detail = f"{condition.text} ({reason}) occurred in routine: {routine}"
        _logger.error(line, condition.line(detail))
        self._ended(_NETWORK, f"the connection is lost: {error}")

    def released(self) -> None:
        """The peer has released the association."""
        self._log_interruption(conditions.PEER_REQUESTED_RELEASE)
        _logger.info("Association Release")
        if self._emitter is not None:
            self._emitter.released()

    def aborted(self, by: AAbort | AbortCause) -> None:
        """The peer has sent an A-ABORT, or we abort for a reason of our own."""
        match by:
            case AAbort(source=source, reason=reason):
                self._log_interruption(conditions.PEER_ABORTED)
                _logger.info(_ABORTED)
                self._ended(_PEER, explanations.aborted_by_peer(self._who(), source, reason))
            case AbortCause.OPTION:
                _logger.info("ABORT initiated (due to command line options)")
                self._ended(_US, by.value)
            case AbortCause.STOP:
                _logger.info("%s (%s)", _ABORTED, by.value)
                self._ended(_US, by.value)

    def lost(self, reason: str, *, header_received: bool = False) -> None:
        """The transport is gone, without a word of the upper layer.

        Args:
            reason: in words.
            header_received: whether there was a whole PDU header of an A-ASSOCIATE-RQ before.
        """
        if self._is_established:
            self._log_interruption(conditions.PEER_ABORTED)
            _logger.info(_ABORTED)
            _logger.debug("the connection is lost: %s", reason)
        elif header_received:
            _logger.error(_RECEIVING_FAILED, conditions.NETWORK_CLOSED.line())
        else:
            # A probe of the port. What is said of it is what the reference says.
            _logger.info("Association Received")
        self._ended(_NETWORK, f"the connection is lost: {reason}")

    def protocol_error(self, error: ProtocolError, said: str) -> None:
        """The peer broke the protocol, and the connection ends.

        Args:
            error: how.
            said: the text of the error with the lines that DCMTK logs before it in this situation.
        """
        explanation = explanations.broken(error, self._who())
        if self._is_established:
            self._log_message_error(error, said)
        else:
            _log_notes(getattr(error, "notes", ()))
            _logger.error(_RECEIVING_FAILED, error)
        _explain(logging.ERROR, explanation)
        self._ended(_US, explanation)

    def _log_message_error(self, error: ProtocolError, said: str) -> None:
        self.noted(getattr(error, "notes", ()))
        if self._object is not None:
            _logger.error(_STORING_FAILED, said)
        _logger.error(_MESSAGE_FAILED, said)

    def timed_out(self, limit: TimeLimit, seconds: float | None, within_pdu: str = "") -> None:
        """A time limit has passed, and the connection ends.

        Args:
            limit: which; `STUDY` ends none.
            seconds: how long it was.
            within_pdu: if a PDU had begun, what `protocol_error` would be told of its loss.
        """
        if not self._is_established:
            _logger.error(_RECEIVING_FAILED, conditions.READ_TIMEOUT.line())
            explanation = explanations.silent(self._address, seconds or 0.0, limit.value)
            self._refused(logging.ERROR, "timeout", explanation)
            return
        level, explanation = logging.ERROR, explanations.stalled(self._who(), seconds, limit.value)
        match limit:
            case TimeLimit.IDLE:
                _logger.info(_ABORTED)
                level, explanation = logging.INFO, explanations.idle(self._who(), seconds or 0.0)
            case _ if within_pdu:
                self._log_message_error(InvalidPDU(condition=conditions.NETWORK_CLOSED), within_pdu)
            case TimeLimit.DIMSE:
                _logger.error(_STORING_FAILED, conditions.NO_DATA_AVAILABLE.line())
                _logger.error(_MESSAGE_FAILED, conditions.NO_DATA_AVAILABLE.line())
            case _:
                self._log_interruption(conditions.PEER_ABORTED)
                _logger.info(_ABORTED)
        _explain(level, explanation)
        self._ended(_US, explanation)

    # -- messages and objects ----------------------------------------------------------------------------------------

    def noted(self, notes: Iterable[LogNote]) -> None:
        """Something is remarkable about a message."""
        for note in notes:
            text = note.text
            if isinstance(note, DimseWarning):
                text = f"DIMSE Warning: ({printable(self._titles)}): {text}"
            logging.getLogger(note.logger).log(note.level, "%s", text)

    def echo_requested(self, command: CEchoRQ) -> None:
        """A C-ECHO-RQ has come."""
        _log_command(command, "Received Echo Request", f"(MsgID {command.message_id})")

    def store_requested(self, command: CStoreRQ) -> None:
        """A C-STORE-RQ has come whose data set is not awaited."""
        if _logger.isEnabledFor(logging.INFO):
            _log_store_request(command)

    def object_begun(self, command: CStoreRQ) -> None:
        """A C-STORE-RQ has come; the data set of its object is awaited."""
        if _logger.isEnabledFor(logging.INFO):
            _log_store_request(command)
        self._object = command
        if self._emitter is not None:
            self._emitter.begins(command)
        if self.shows_progress:
            self._print("RECV: ")

    def fragment_received(self) -> None:
        """A fragment of its data set has come."""
        self._print(".")

    def data_set_received(self) -> None:
        """All of its data set has come."""
        self._print("\n")

    def object_finished(self, command: CStoreRQ, transfer_syntax: str, outcome: Outcome) -> None:
        """The object is stored or refused; the peer does not know yet."""
        self._object = None
        explanation = None
        if outcome.status != SUCCESS:
            explanation = self._explain_object(command, transfer_syntax, outcome)
        emitter = self._emitter
        if emitter is None:
            return
        if emitter.keeps_records:
            # Before the peer knows: what it does not send again was told.
            emitter.finished(command, transfer_syntax, outcome, explanation)
        else:
            # Those who only look on are told while the peer prepares its next object.
            self._unanswered = lambda: emitter.finished(
                command, transfer_syntax, outcome, explanation
            )

    def object_answered(self) -> None:
        """The C-STORE-RSP was sent, or could not be."""
        if self._emitter is not None:
            self._unanswered()
            self._unanswered = _nothing

    def undelivered(self, received: ReceivedObject, error: OSError | ProtocolError) -> None:
        """The C-STORE-RSP for a stored object could not be sent."""
        why = "its maximum PDU length is too small" if isinstance(error, ProtocolError) else error
        instance = printable(received.sop_instance_uid)
        what = f"object {instance} is received"
        if received.directory is not None:
            what = f"object {instance} is stored as {received.directory}/{received.file_name}"
        _logger.warning("%s, but its sender was not told, and may send it again: %s", what, why)

    def _explain_object(self, command: CStoreRQ, transfer_syntax: str, outcome: Outcome) -> str:
        """Say why an object was not stored, or was stored with a complaint."""
        who = self._who()
        if outcome.error is not None:
            if isinstance(outcome.error, InvalidDataSet):
                self._log_unreadable(outcome.error)
            explanation = explanations.refused_object(outcome.error, command, transfer_syntax, who)
            _explain(logging.ERROR, explanation)
        else:
            explanation = explanations.doubtful_object(
                outcome.status, command, outcome.attributes, who
            )
            _explain(logging.INFO, explanation)
        return explanation

    def _log_unreadable(self, error: InvalidDataSet) -> None:
        """Say why a data set cannot be parsed, as the reference does before it aborts the association."""
        reading = f"DIMSE receiveDataSetInMemory: dset->read() Failed ({error})"
        self.noted([dimse_warning(reading)])
        _logger.error(_STORING_FAILED, conditions.RECEIVE_FAILED.line())

    # -- words -------------------------------------------------------------------------------------------------------

    def _who(self) -> str:
        """Return how sentences call the peer."""
        title = "" if self._request is None else self._request.calling_ae_title
        return explanations.sender(title, self._address)

    def _ended(self, by: str, why: str) -> None:
        if self._emitter is not None:
            self._emitter.ended(by, why)

    def _log_interruption(self, condition: Condition) -> None:
        """The association ends; say so if an object was on its way."""
        if self._object is not None:
            _logger.error(_STORING_FAILED, condition.line())

    def _log_parameters(self, dump: Callable[[], str]) -> None:
        level = logging.INFO if self._verbose_contexts else logging.DEBUG
        if _logger.isEnabledFor(level):
            _logger.log(level, "%s", dump())


def _emitter(hub: "EventHub | None", address: str, *, tls: bool) -> "EventEmitter | None":
    """Return what makes events of facts, and the fields of a log for machines; None if nobody wants them."""
    if hub is None and not CURRENT.wanted:
        return None
    from storescp.serve.reporting.event_emitter import EventEmitter

    return EventEmitter(hub, address, tls=tls)


def _explain(level: int, explanation: str) -> None:
    """Log why somebody was refused, beside what the reference says about it."""
    _why_logger.log(level, "Why: %s", explanation)


def _log_notes(notes: Iterable[LogNote]) -> None:
    for note in notes:
        logging.getLogger(note.logger).log(note.level, "%s", note.text)


def _log_store_request(command: CStoreRQ) -> None:
    kind = modality_prefix(command.affected_sop_class_uid) or "OT"
    _log_command(command, "Received Store Request", f"(MsgID {command.message_id}, {kind})")


def _log_command(command: CEchoRQ | CStoreRQ, text: str, details: str) -> None:
    """Log a request: in one line, or at debug level with everything that it says."""
    if _logger.isEnabledFor(logging.DEBUG):
        _logger.info("%s", text)
        _logger.debug("%s", parameter_dump.incoming(command))
    else:
        _logger.info("%s %s", text, details)


def _nothing() -> None:
    return


def _discard(text: str) -> None:  # noqa: ARG001
    return
