"""Workers: the supervisor's record of each, the messages between the two, and the loop of a worker's process."""

import logging
import os
import pickle
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, NoReturn, Protocol

from storescp.process_name import WORKER, name_process
from storescp.serve.accept.acceptor import Disposition, PendingPeer
from storescp.serve.accept.pending_connections import READABLE
from storescp.serve.accept.request_reader import RequestReader
from storescp.serve.process.signals import Signals, Stopped, die_by
from storescp.upper_layer.admission import Admission
from storescp.upper_layer.pdu import AAssociateRJ

_logger = logging.getLogger("dcmtk.apps.storescp")

DONE, LINGER = b"d", b"l"
"""Replies of a worker: the association has ended; it has ended and the peer is to close the connection."""

MAXIMUM_MESSAGE_BYTES = 1 << 20
LONGEST_REPLY = 2048
"""Bytes of a worker's reply: one of the above, and the peer's name behind it."""


class Passed(NamedTuple):
    """The message that accompanies a connection passed to a worker."""

    address: str
    admission: Admission | None


class ConnectionHandler(Protocol):
    """Handles the connections of a supervisor: admits peers, serves them in a worker, and hears of the end of workers."""

    def admit(self, address: str) -> tuple[Admission | None, Callable[[], None]]:
        """A connection is going to be served: return what is asked of its requester, and what is called at its end."""
        ...

    def reader_of(self, connected: socket.socket) -> RequestReader:
        """Return what gives the transport of a connection that came as a descriptor."""
        ...

    def rejects(self, address: str, rejection: AAssociateRJ) -> None:
        """A peer is sent a rejection."""
        ...

    def begin_work(self) -> None:
        """Prepare a worker, in which this is called first."""
        ...

    def between_work(self) -> float | None:
        """Do what is left to do while a worker is free; return when to call again (`time.monotonic`), None: never."""
        ...

    def work(self, peer: PendingPeer, admission: Admission | None) -> Disposition:
        """Serve a peer, given what `admit` told; called in a worker."""
        ...

    def name_of(self, address: str) -> str:
        """Return the name of an address that has been served; called in a worker."""
        ...

    def learn_name(self, address: str, name: str) -> None:
        """A worker has looked up the name of an address: workers that are forked later need not."""
        ...

    def see_off(self, connected: socket.socket) -> None:
        """Wait for the peer to close; called in a worker that has no supervisor any more."""
        ...

    def worker_lost(self, pid: int) -> None:
        """A worker is gone, or going: it no longer holds its studies open."""
        ...

    def worker_ended(self, pid: int, status: int) -> None:
        """A worker has ended with a wait status."""
        ...


@dataclass(slots=True)
class Worker:
    """A worker as its supervisor sees it."""

    pid: int
    control: socket.socket
    begun: float
    free_since: float
    serves: PendingPeer | None = None
    leave: Callable[[], None] = lambda: None

    @property
    def is_new(self) -> bool:
        """True if the worker has not served anybody."""
        return self.free_since == self.begun


def tell(control: socket.socket, word: bytes) -> bool:
    """Tell the supervisor; False if it is gone."""
    try:
        control.send(word)
    except OSError:
        return False
    return True


class WorkerLoop:
    """The life of a worker's process: it serves one peer after the other, and tells its supervisor of each."""

    def __init__(
        self,
        control: socket.socket,
        handler: ConnectionHandler,
        signals: Signals,
        *,
        reports_names: bool = False,
    ) -> None:
        """Prepare the loop.

        Args:
            control: the worker's end of the connection with its supervisor.
            handler: serves the peers.
            signals: the signals of the process.
            reports_names: whether the supervisor is told the name of each peer.
        """
        self._control = control
        self._handler = handler
        self._signals = signals
        self._reports_names = reports_names

    def run_and_exit(
        self,
        leave_supervisor: Callable[[], None],
        inherited: tuple[PendingPeer, Admission | None] | None,
    ) -> NoReturn:
        """Run the loop in this process, which a fork has made, and end the process.

        Args:
            leave_supervisor: lets go of what belongs to the supervisor.
            inherited: the peer for which the process was made; None: peers are passed to it.
        """
        code = 0
        try:
            name_process(WORKER)
            leave_supervisor()
            self._handler.begin_work()
            self.run(inherited)
        except Stopped as stopped:
            die_by(stopped.number)
        except Exception:  # the outermost loop of this process
            _logger.exception("internal error, association dropped")
            code = 1
        finally:
            logging.shutdown()
            os._exit(code)

    def run(self, inherited: tuple[PendingPeer, Admission | None] | None = None) -> None:
        """Serve the inherited peer, or those that are passed, until the supervisor is gone.

        Raises:
            Stopped: the program was asked to end.
        """
        if inherited is not None:
            self._work(*inherited)
            return
        while (passed := self._wait_for_connection()) is not None:
            self._work(*passed)

    def _work(self, peer: PendingPeer, admission: Admission | None) -> None:
        """Serve a peer, and tell the supervisor."""
        lingers = self._handler.work(peer, admission) is Disposition.LINGER
        word = LINGER if lingers else DONE
        if self._reports_names:
            name = self._handler.name_of(peer.address).encode("utf-8", "replace")
            word += name[: LONGEST_REPLY - len(word)]
        if not tell(self._control, word) and lingers:
            self._handler.see_off(peer.connected)
        peer.connected.close()

    def _wait_for_connection(self) -> tuple[PendingPeer, Admission | None] | None:
        """Return the next peer and the terms of its admission; None if the supervisor is gone."""
        poll = select.poll()
        poll.register(self._control, READABLE)
        while True:
            due = self._handler.between_work()
            left = None if due is None else max(0.0, due - time.monotonic()) * 1000
            with self._signals.waiting():
                if not poll.poll(left):
                    continue
                try:
                    message, descriptors, _, _ = socket.recv_fds(
                        self._control, MAXIMUM_MESSAGE_BYTES, 1
                    )
                except ConnectionResetError:
                    return None  # the supervisor was killed before it read our last word
            if not message or not descriptors:
                return None
            connected = socket.socket(fileno=descriptors[0])
            passed: Passed = pickle.loads(message)  # our supervisor's, and no other's
            reader = self._handler.reader_of(connected)
            return PendingPeer(connected, passed.address, reader), passed.admission
