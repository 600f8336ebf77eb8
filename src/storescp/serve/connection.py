"""One transport connection around one association: moves bytes, keeps time limits, writes the log.

What the bytes mean is decided by `upper_layer` and `dimse`; what becomes of an object by `storage.store_scp`. This
module knows when to receive, when to send and when to give up.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from storescp.dimse.command import CEchoRQ, CStoreRQ, encode_echo_response
from storescp.dimse.message import MessageReader
from storescp.errors import ProtocolError
from storescp.serve.signals import Signals, Stopped
from storescp.serve.transport import Transport
from storescp.storage.store_scp import Peer, Reception, StoreSCP
from storescp.upper_layer.association import Association
from storescp.upper_layer.negotiation import Policy
from storescp.upper_layer.pdu import (
    AAbort,
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    AReleaseRQ,
)

_logger = logging.getLogger("dcmtk.apps.storescp")
_progress_logger = logging.getLogger("dcmtk.apps.storescp.progress")

_LAST_FRAGMENT = 2  # PS3.8 E.2, bit 1 of the message control header
_COMMAND = 1  # bit 0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; None: unlimited."""

    socket: float | None = 60.0
    """Each receive or send (`--socket-timeout`)."""

    acse: float = 30.0
    """From the connection to a complete A-ASSOCIATE-RQ, and for the peer's close after an A-ABORT: ARTIM, PS3.8 9.1.5."""

    dimse: float | None = None
    """The next fragment of a data set (`--dimse-timeout`)."""

    idle: float | None = 60.0
    """The next command of an established association."""


@dataclass(frozen=True, slots=True)
class Disturbances:
    """What `--sleep-…` and `--abort-…` do to a peer, for testing it."""

    sleep_after: float = 0
    sleep_during: float = 0
    abort_after: bool = False
    abort_during: bool = False


class End(Enum):
    """How an association came to its end."""

    CLOSED = "closed by the peer"
    LINGER = "the peer is to close"
    DROPPED = "closed here"


class Connection:
    """One association from its first byte to its last."""

    def __init__(
        self,
        transport: Transport,
        peer: Peer,
        policy: Policy,
        store: StoreSCP,
        signals: Signals,
        *,
        timeouts: Timeouts,
        disturbances: Disturbances,
        verbose_contexts: bool,
        child_pid: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._peer = peer
        self._store = store
        self._signals = signals
        self._timeouts = timeouts
        self._disturbances = disturbances
        self._verbose_contexts = verbose_contexts
        self._child_pid = child_pid
        self._clock = clock
        self._association = Association(policy)
        self._messages = MessageReader(self._association.contexts)
        self._reception: Reception | None = None
        self._request: CStoreRQ | None = None
        self._artim: float | None = clock() + timeouts.acse
        self._idle_since = clock()
        self._progress = _progress_logger.getEffectiveLevel() == logging.INFO

    def serve(self) -> End:
        """Serve the association until it ends; never raises for what a peer does.

        Raises:
            Stopped: the program was asked to end; the association was aborted.
        """
        try:
            return self._exchange()
        except Stopped:
            self._association.abort()
            self._try_to_send()
            raise
        finally:
            self._drop_reception()

    # -- receiving ---------------------------------------------------------------------------------------------------

    def _exchange(self) -> End:
        association, transport, signals = self._association, self._transport, self._signals
        self._limit()
        while True:
            if association.views_expire and self._reception is not None:
                self._reception.flush()
            room = association.buffer()
            try:
                signals.begin_wait()
                received = transport.receive_into(room)
                signals.end_wait()
            except TimeoutError:
                signals.end_wait()
                if (end := self._on_timeout()) is not None:
                    return end
                continue
            except OSError as error:
                signals.end_wait()
                return self._lost(str(error))
            if not received:
                return self._lost(None)
            try:
                if self._take(received):
                    return End.LINGER
            except ProtocolError as error:
                return self._failed(error)
            except TimeoutError:
                return self._lost("the peer does not take what is sent")
            except OSError as error:
                return self._lost(str(error))

    def _take(self, received: int) -> bool:
        """Handle `received` bytes; True when nothing more is to be received."""
        messages = self._messages
        for event in self._association.receive(received):
            if type(event) is not tuple:
                if self._control(event):
                    return True
                continue
            context_id, control_header, value = event
            if control_header & _COMMAND:
                command = messages.command_fragment(context_id, control_header, value)
                if command is not None and self._begin(command):
                    return True
                continue
            last = messages.data_fragment(context_id, control_header, value)
            reception = self._reception
            assert reception is not None  # data_fragment() lets data pass only after a C-STORE-RQ
            reception.feed(value)
            if self._disturbed and self._disturb():
                return True
            if last and self._finish(reception):
                return True
        self._limit()
        return False

    # -- control PDUs ------------------------------------------------------------------------------------------------

    def _control(self, pdu: object) -> bool:
        """Act on what is not data; True when the association has ended."""
        match pdu:
            case AAssociateRQ():
                self._announce(pdu)
            case AAssociateAC():
                self._send()
                self._artim = None
                self._acknowledge(pdu)
            case AAssociateRJ():
                self._send()
                self._explain_rejection(pdu)
                return True
            case AReleaseRQ():
                self._send()
                _logger.info("Association Release")
                return True
            case AAbort():
                _logger.info("Association Aborted")
                return True
        return False

    # -- messages ----------------------------------------------------------------------------------------------------

    def _begin(self, command: CEchoRQ | CStoreRQ) -> bool:
        """Start what the command asks for; True when the association has ended."""
        association = self._association
        if type(command) is CEchoRQ:
            _logger.info("Received Echo Request (MsgID %d)", command.message_id)
            association.send(command.context_id, encode_echo_response(command))
            self._send()
            return False
        assert type(command) is CStoreRQ
        return False
