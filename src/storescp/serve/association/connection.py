"""One transport connection around one association: moves bytes, and gives up when a limit has passed.

What the bytes mean is decided by `upper_layer` and `dimse`; what becomes of an object by `storage.store_scp`; how long to
wait by `deadlines`; what is told of it all by `reporting.association_reporter`. This module knows when to receive, when to
send and when to give up.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from storescp import conditions
from storescp.dimse.command import (
    CEchoRQ,
    CStoreRQ,
    encode_echo_response,
    encode_store_response,
)
from storescp.dimse.message import MAXIMUM_COMMAND_LENGTH, MessageReader
from storescp.errors import (
    CannotUnderstand,
    InvalidMessage,
    InvalidPDU,
    ProtocolError,
    StatusError,
)
from storescp.serve.association.busy_poll import BusyPoll
from storescp.serve.association.deadlines import Deadlines, Timeouts, Wait
from storescp.serve.association.minimum_rate import MINIMUM_BYTES
from storescp.serve.process.signals import Signals, Stopped, pause
from storescp.serve.reporting.association_reporter import AbortCause, AssociationReporter
from storescp.serve.reporting.time_limit import TimeLimit
from storescp.serve.transport import Transport
from storescp.storage.reception import Outcome, Reception
from storescp.storage.storage_scp import StorageSCP
from storescp.storage.studies.user_commands import PeerIdentity
from storescp.uids import TRANSFER_SYNTAXES
from storescp.upper_layer.association import Association, AssociationCaches, CannotSend, State
from storescp.upper_layer.negotiation import Policy
from storescp.upper_layer.pdu import (
    PDU,
    AAbort,
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    AReleaseRP,
    AReleaseRQ,
)

_logger = logging.getLogger("dcmtk.apps.storescp")

_COMMAND = 1  # PS3.8 E.2, bit 0 of the message control header


@dataclass(frozen=True, slots=True)
class Disturbances:
    """Disturbances of a peer under test: `--sleep-…` (seconds) and `--abort-…`."""

    sleep_after: float = 0
    sleep_during: float = 0
    abort_after: bool = False
    abort_during: bool = False


class End(Enum):
    """End of an association."""

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
        reporter: AssociationReporter,
        *,
        timeouts: Timeouts,
        disturbances: Disturbances,
        maximum_command_length: int = MAXIMUM_COMMAND_LENGTH,
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
            reporter: is told what happens.
            timeouts: when to give up.
            disturbances: what to do to the peer.
            maximum_command_length: bytes of a command set that are read.
            caches: what associations of this process leave to one another; None: new ones.
            clock: seconds, monotonic.
        """
        self._transport = transport
        self._address = address
        self._store = store
        self._signals = signals
        self._reporter = reporter
        self._disturbances = disturbances
        self._disturbing = disturbances != Disturbances()
        self._observes_fragments = self._disturbing or reporter.shows_progress
        self._maximum_command_length = maximum_command_length
        self._clock = clock
        self._association = Association(policy, caches)
        self._messages = MessageReader(())
        self._peer = PeerIdentity("", "", address)
        self._reception: Reception | None = None
        self._request: CStoreRQ | None = None
        self._deadlines = Deadlines(timeouts, clock())

    def serve(self) -> End:
        """Serve the association to its end, whatever the peer does.

        Raises:
            Stopped: the program was asked to end; the association was aborted.
        """
        try:
            self._exchange()
        except Stopped:
            self._abort()
            self._reporter.aborted(AbortCause.STOP)
            raise
        finally:
            self._drop_reception()
            self._association.give_back_memory()
        waiting = self._association.state is State.AWAITING_TRANSPORT_CLOSE
        return End.LINGER if waiting else End.CLOSED

    # -- receiving ---------------------------------------------------------------------------------------------------

    def _exchange(self) -> None:
        association, transport, signals = self._association, self._transport, self._signals
        deadlines = self._deadlines
        busy_poll = BusyPoll()
        while True:
            if self._reception is not None and association.views_expire:
                self._reception.flush()
            room = association.buffer()
            if deadlines.is_awaiting_request and deadlines.request_is_late(self._clock()):
                self._end_late(TimeLimit.ARTIM)  # a byte now and then does not keep the place
                return
            within_pdu = association.within_pdu
            wait = self._set_limit(within_pdu=within_pdu)
            try:
                signals.begin_wait()
                received = None
                if self._reception is None and not within_pdu:
                    received = busy_poll.receive(transport.receive_ready, room, self._prepare)
                if received is None:
                    received = transport.receive_into(room)
                signals.end_wait()
            except TimeoutError:
                signals.end_wait()
                if self._is_too_late(wait):
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
                    self._check_rate(received)
                elif deadlines.minimum_rate.watching:
                    deadlines.minimum_rate.forget()
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
            if self._observes_fragments and self._observe_fragment():
                return True
            if last:
                if self._finish(reception):
                    return True
            elif not self._observes_fragments and (
                values := self._association.continued(context_id)
            ):
                reception.feed_all(values)
        return False

    def _closed_by_peer(self) -> None:
        if self._association.was_established and self._association.within_pdu:
            # It may have closed its half only, and read on.
            self._fail(InvalidPDU(condition=conditions.NETWORK_CLOSED))
        else:
            self._lost("closed by the peer")

    def _lost(self, reason: str) -> None:
        """The transport is gone, without a word of the upper layer."""
        self._reporter.lost(reason, header_received=self._association.header_received)
        self._association.transport_closed()

    def _fail(self, error: ProtocolError) -> None:
        """The peer broke the protocol; the association answers as it has to, perhaps with silence."""
        self._reporter.protocol_error(error, self._messages.explain(error))
        self._association.abort(error.abort_source, error.abort_reason)
        self._try_to_send()

    # -- time --------------------------------------------------------------------------------------------------------

    def _set_limit(self, *, within_pdu: bool) -> Wait:
        """Tell the transport how long to wait for the next bytes."""
        deadlines = self._deadlines
        within_object = self._reception is not None
        study_end = None if within_object else self._store.deadline()
        if study_end is None and not deadlines.is_awaiting_request:
            wait = deadlines.steady[within_pdu, within_object]  # the clock is not asked in vain
        else:
            wait = deadlines.wait(
                self._clock(),
                within_pdu=within_pdu,
                within_object=within_object,
                study_end=study_end,
            )
        self._transport.set_timeout(wait.seconds)
        return wait

    def _is_too_late(self, wait: Wait) -> bool:
        """Nothing came during a wait; True when that ends the association."""
        limit = self._deadlines.passed(wait, self._clock())
        if self._association.was_established and self._reception is None:
            self._store.expire()
        if limit is None or limit is TimeLimit.STUDY:
            return False
        self._end_late(limit)
        return True

    def _end_late(self, limit: TimeLimit) -> None:
        """A time limit has passed: AA-1, or AA-2 before there is an association, PS3.8 9.2.3."""
        seconds = self._deadlines.timeouts.of(limit)
        if not self._association.was_established:
            self._reporter.timed_out(limit, seconds)
            self._association.transport_closed()
            return
        within_pdu = ""
        if self._association.within_pdu:
            within_pdu = self._messages.explain(InvalidPDU(condition=conditions.NETWORK_CLOSED))
        self._reporter.timed_out(limit, seconds, within_pdu)
        self._abort()

    def _check_rate(self, received: int) -> None:
        """See that a few bytes are not all that comes of what is under way.

        Raises:
            TooSlow: they are, for as long as a single receive may take.
        """
        under_way = (
            self._reception is not None
            or self._association.within_pdu
            or self._messages.within_command
        )
        self._deadlines.received(received, self._clock(), under_way=under_way)

    # -- control PDUs ------------------------------------------------------------------------------------------------

    def _control(self, pdu: PDU) -> bool:
        """Act on what is not data; True when the association has ended."""
        match pdu:
            case AAssociateRQ():
                self._reporter.requested(pdu)
            case AAssociateAC():
                if (failure := self._send_answer()) is not None:
                    self._reporter.undelivered_answer(pdu, failure)
                    return True
                self._deadlines.established(self._clock())
                self._messages = MessageReader(
                    self._association.contexts, self._maximum_command_length
                )
                self._peer = PeerIdentity(pdu.calling_ae_title, pdu.called_ae_title, self._address)
                self._reporter.accepted(pdu, self._association.max_send_pdv)
            case AAssociateRJ():
                if (failure := self._send_answer()) is not None:
                    self._reporter.undelivered_answer(pdu, failure)
                else:
                    self._reporter.rejected(pdu)
                return True
            case AReleaseRQ():
                self._store.put_away()  # a peer that has our answer finds only stored files
                self._send()
                self._reporter.released()
                return True
            case AAbort():
                self._reporter.aborted(pdu)
                return True
            case AReleaseRP():
                pass  # unexpected from a requester: the association has refused it already
        return False

    # -- messages ----------------------------------------------------------------------------------------------------

    def _begin(self, command: CEchoRQ | CStoreRQ) -> None:
        """Start what the command asks for."""
        if command.notes:
            self._reporter.noted(command.notes)
        if not isinstance(command, CStoreRQ):
            self._answer_echo(command)
            return
        context = self._association.contexts[command.context_id]
        syntax = TRANSFER_SYNTAXES.get(context.transfer_syntax)
        if syntax is None:
            self._reporter.store_requested(command)
            raise InvalidMessage(
                f"unknown transfer syntax {context.transfer_syntax}",
                condition=conditions.UNEXPECTED_PDV_TYPE,
            )
        self._request = command
        self._reporter.object_begun(command)
        self._reception = self._store.begin(command, syntax, self._peer)
        if self._disturbing:
            self._sleep_during()

    def _answer_echo(self, request: CEchoRQ) -> None:
        self._reporter.echo_requested(request)
        self._association.release_views()
        self._association.send(request.context_id, encode_echo_response(request))
        self._send()
        self._deadlines.idle_since = self._clock()

    def _observe_fragment(self) -> bool:
        """Show it, and do what `--sleep-during` and `--abort-during` ask for; True when the association has ended."""
        if self._disturbances.abort_during:
            self._abort_by_option()
            return True
        self._sleep_during()
        if self._reporter.shows_progress:
            self._reporter.fragment_received()
        return False

    def _finish(self, reception: Reception) -> bool:
        """The data set is complete: store it and answer; True when the association has ended."""
        if self._disturbing:
            if self._disturbances.abort_after:
                self._abort_by_option()
                return True
            self._sleep_during()
        reporter = self._reporter
        if reporter.shows_progress:
            reporter.data_set_received()
        request = self._request
        if request is None:
            raise InvalidMessage("data set without a C-STORE request")
        outcome = reception.finish()
        self._reception = None
        association = self._association
        syntax = association.contexts[request.context_id].transfer_syntax
        reporter.object_finished(request, syntax, outcome)
        association.release_views()  # all of them are in the file
        undelivered = self._respond(request, outcome)
        if reporter.emits_events:
            reporter.object_answered()
        self._deadlines.idle_since = self._clock()
        self._store.after_response(outcome, self._peer)
        if undelivered is not None:
            raise undelivered
        if self._disturbing and self._disturbances.sleep_after:
            pause(self._disturbances.sleep_after, self._signals)
        return False

    def _respond(self, request: CStoreRQ, outcome: Outcome) -> OSError | CannotSend | None:
        """Send the C-STORE-RSP; return what went wrong. What has its final name is there all the same."""
        association = self._association
        comment = "" if outcome.error is None else _error_comment(outcome.error)
        try:
            association.send(
                request.context_id, encode_store_response(request, outcome.status, comment)
            )
            if data := association.data_to_send():
                self._transport.send_all(data)
        except (OSError, CannotSend) as problem:
            if outcome.received is not None:
                self._reporter.undelivered(outcome.received, problem)
            return problem
        return None

    def _sleep_during(self) -> None:
        if self._disturbances.sleep_during:
            pause(self._disturbances.sleep_during, self._signals)

    def _abort_by_option(self) -> None:
        self._reporter.aborted(AbortCause.OPTION)
        self._abort()

    # -- sending and ending ------------------------------------------------------------------------------------------

    def _send(self) -> None:
        if data := self._association.data_to_send():
            self._transport.send_all(data)

    def _send_answer(self) -> OSError | None:
        """Send the answer to an A-ASSOCIATE-RQ; return what went wrong."""
        try:
            self._send()
        except OSError as error:  # also TimeoutError: the peer does not take it
            self._association.transport_closed()
            return error
        return None

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


def _error_comment(error: StatusError) -> str:
    """Return the Error Comment of a C-STORE-RSP: none unless it is about the data set and names nobody."""
    about_data = isinstance(error, CannotUnderstand) and not error.identifies
    return str(error) if about_data else ""
