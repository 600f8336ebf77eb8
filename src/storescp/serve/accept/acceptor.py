"""Accepts connections. They wait here until their A-ASSOCIATE-RQ is complete, and again after the association, to be closed.

    system's queue → silent, until TLS is agreed on and the whole A-ASSOCIATE-RQ is there → asking: the business of a listener or supervisor
                                                 closed by the peer ← lingering, after the association ←┘

Waiting has limits in time and in number: where too many wait, a new peer displaces the one that has waited longest.
"""

import contextlib
import logging
import select
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple, Protocol

from storescp.errors import HandshakeFailed
from storescp.serve.accept.capacity import Capacity
from storescp.serve.accept.listening_socket import prepare
from storescp.serve.accept.pending_connections import READABLE, PendingConnections, close
from storescp.serve.accept.request_reader import Progress, RequestReader
from storescp.serve.process.signals import Signals

_logger = logging.getLogger("dcmtk.apps.storescp")

_ACCEPTS_PER_TURN = 256
"""Connections that are taken from the system's queue at once: a burst must not fill it, nor keep others waiting."""
_GRACE_SECONDS = 1.0
"""Time after which a silent connection gives way to one that comes, where too many of them wait."""

_NOTHING_ELSE: Mapping[int, int] = MappingProxyType({})


class PendingPeer(NamedTuple):
    """A connection, and where it comes from: the system forgets that when the peer closes."""

    connected: socket.socket
    address: str
    reader: RequestReader
    """Holds the request, and makes the transport for the association."""


class Disposition(Enum):
    """State of a connection after it was served."""

    DONE = "closed"
    LINGER = "the peer is to close it"


class PendingPeerObserver(Protocol):
    """Hears of connections, by their address, that are closed before they are served."""

    def was_silent(self, address: str) -> None:
        """The peer said nothing, or too little, in its time."""
        ...

    def has_closed(self, address: str, *, header_received: bool) -> None:
        """The peer has closed before its request was complete; whether a whole PDU header had come."""
        ...

    def handshake_failed(self, address: str, error: HandshakeFailed) -> None:
        """There was no TLS connection."""
        ...


class Acceptor:
    """Accepts connections, and knows those that nobody serves."""

    def __init__(
        self,
        listening: socket.socket,
        signals: Signals,
        *,
        silent: PendingConnections,
        lingering: PendingConnections,
        capacity: Capacity,
        make_reader: Callable[[socket.socket], RequestReader],
        admits: Callable[[str, int], bool] | None,
        observer: PendingPeerObserver,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to accept.

        Args:
            listening: a socket that listens, not blocking.
            signals: the signals of the process.
            silent: where connections wait until their peers ask.
            lingering: where they wait for their peers to close.
            capacity: how many of both there may be.
            make_reader: makes what waits for the request of a connection; may raise `HandshakeFailed`.
            admits: whether another connection from an address is let in, while so many of it wait here;
                None: always.
            observer: hears of connections that come to nothing.
            clock: seconds, monotonic.
        """
        self._listening = listening
        self._signals = signals
        self._silent = silent
        self._lingering = lingering
        self._capacity = capacity
        self._make_reader = make_reader
        self._admits = admits
        self._observer = observer
        self._clock = clock
        self._watched: dict[int, Callable[[], None]] = {}

    def watch(self, descriptor: int, action: Callable[[], None]) -> None:
        """Call `action` whenever `descriptor` is readable, as part of `asking`."""
        self._watched[descriptor] = action

    def wait(
        self,
        until: float | None,
        *,
        accepting: bool = True,
        others: Mapping[int, int] = _NOTHING_ELSE,
    ) -> set[int]:
        """Wait until there is something to do, and return the descriptors that are ready.

        Args:
            until: when to return anyhow (clock); None: never.
            accepting: whether to accept connections.
            others: descriptors besides those known here, and what to wait for, poll(2).

        Raises:
            Stopped: the program was asked to end.
        """
        poll = select.poll()
        room_at = self._has_room_at() if accepting else None
        if accepting and (room_at is None or room_at <= self._clock()):
            poll.register(self._listening, select.POLLIN)
            room_at = None
        for room in (self._silent, self._lingering):
            for descriptor, events in room.descriptors():
                poll.register(descriptor, events)
        for descriptor in self._watched:
            poll.register(descriptor, READABLE)
        for descriptor, events in others.items():
            poll.register(descriptor, events)
        deadlines = [until, room_at, self._silent.deadline(), self._lingering.deadline()]
        first = min((when for when in deadlines if when is not None), default=None)
        limit = None if first is None else int(max(0.0, first - self._clock()) * 1000) + 1
        found = self._signals.until_action(lambda: poll.poll(limit))
        ready = {descriptor for descriptor, _ in found or ()}
        # Before a peer is served: that may take long, and peers that send meanwhile are not late.
        self._give_up_late(ready)
        return ready

    def wait_for_watched(self, until: float | None) -> None:
        """Wait until one of the watched descriptors is readable, and attend to it; nobody else is attended to.

        Raises:
            Stopped: the program was asked to end.
        """
        poll = select.poll()
        for descriptor in self._watched:
            poll.register(descriptor, READABLE)
        limit = None if until is None else max(0.0, until - self._clock()) * 1000
        for descriptor, _ in self._signals.until_action(lambda: poll.poll(limit)) or ():
            self._watched[descriptor]()

    def stop_listening(self) -> None:
        """Refuse further connections at once; may be called by a signal handler, so it closes nothing."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)

    def asking(self, ready: Collection[int]) -> Iterator[PendingPeer]:
        """Attend to those that are ready, of `wait`; yield peers that are to be served, which are not known here any more."""
        for descriptor in ready:
            if descriptor in self._lingering:
                if not self._lingering.swallow(descriptor):
                    close(self._lingering.take(descriptor))
            elif descriptor in self._silent:
                if (peer := self._advance(descriptor)) is not None:
                    yield peer
            elif (action := self._watched.get(descriptor)) is not None:
                action()
        # Last: a new connection may have the number of one that has just been closed.
        if self._listening.fileno() in ready:
            accepted = self._accept_some(ready)
            # Most peers ask as soon as they are connected: that has come by now. Where many come, others have their turn.
            if (
                len(accepted) == 1
                and _has_sent(accepted[0])
                and (peer := self._advance(accepted[0].fileno())) is not None
            ):
                yield peer

    def asks(self, peer: PendingPeer) -> bool:
        """Tell whether a peer that was handed on still asks: nobody has read of its connection."""
        return peer.reader.is_unread()

    def linger(self, peer: PendingPeer) -> None:
        """Wait for a peer to close: what else it sends is taken and forgotten, PS3.8 9.2.3 Sta13."""
        room = self._lingering
        if len(room) >= self._capacity.lingering and (oldest := room.oldest()) is not None:
            close(room.take(oldest))
        room.add(peer.connected, peer.address)

    def close(self) -> None:
        """Give up the port and every connection that waits."""
        self._listening.close()
        self._silent.close_all()
        self._lingering.close_all()

    def _give_up_late(self, ready: Collection[int]) -> None:
        for silent in self._silent.expired(but=ready):
            failure = None
            if silent.reader is not None and silent.is_handshaking:
                failure = silent.reader.time_out()
            if failure is not None:
                self._observer.handshake_failed(silent.address, failure)
            else:
                self._observer.was_silent(silent.address)
            close(silent)
        for waiting in self._lingering.expired():
            close(waiting)

    def _advance(self, descriptor: int) -> PendingPeer | None:
        """Look at what a peer has sent; return it if it is to be served."""
        try:
            progress = self._silent.advance(descriptor)
        except HandshakeFailed as error:
            waiting = self._silent.take(descriptor)
            self._observer.handshake_failed(waiting.address, error)
            close(waiting)
            return None
        if progress not in (Progress.COMPLETE, Progress.CLOSED, Progress.BROKEN_OFF):
            return None
        waiting = self._silent.take(descriptor)
        if progress is Progress.COMPLETE and waiting.reader is not None:
            return PendingPeer(waiting.connected, waiting.address, waiting.reader)
        has_header = progress is Progress.BROKEN_OFF
        self._observer.has_closed(waiting.address, header_received=has_header)
        close(waiting)
        return None

    def _has_room_at(self) -> float | None:
        """Return when another connection may come in, because one that is silent gives way to it; None: now."""
        if len(self._silent) < self._capacity.silent:
            return None
        begun = self._silent.oldest_since()
        return None if begun is None else begun + _GRACE_SECONDS

    def _accept_some(self, ready: Collection[int]) -> list[socket.socket]:
        """Let connections in, until there are no more, no room, or it is others' turn; return those that wait now."""
        accepted: list[socket.socket] = []
        for _ in range(_ACCEPTS_PER_TURN):
            oldest = None
            if len(self._silent) >= self._capacity.silent:
                oldest = self._silent.oldest(but=ready)
                room_at = self._has_room_at()
                if oldest is None or (room_at is not None and room_at > self._clock()):
                    break  # all of them speak, or have just come: they will be looked at first
            try:
                connected, (address, *_) = self._listening.accept()
            except BlockingIOError:
                break
            except OSError as error:
                if self._signals.stop_requested is None:
                    # Out of descriptors, or of memory: what there is must become less first.
                    _logger.error(
                        "Receiving Association failed: cannot accept a connection: %s", error
                    )
                    self._make_room()
                break
            if oldest is not None:
                close(self._silent.give_way(oldest))
            if self._let_in(connected, address):
                accepted.append(connected)
        return accepted

    def _let_in(self, connected: socket.socket, address: str) -> bool:
        """Have a connection wait for its request; False if it was closed instead."""
        if self._admits is not None:
            waiting = self._silent.count(address) + self._lingering.count(address)
            if not self._admits(address, waiting):
                connected.close()
                return False
        prepare(connected)
        try:
            reader = self._make_reader(connected)
        except HandshakeFailed as error:
            self._observer.handshake_failed(address, error)
            connected.close()
            return False
        self._silent.add(connected, address, reader)
        return True

    def _make_room(self) -> None:
        for room in (self._lingering, self._silent):
            if (oldest := room.oldest()) is not None:
                close(room.take(oldest))
                return
        time.sleep(0.1)  # nothing here to give up: another process has it all


def _has_sent(connected: socket.socket) -> bool:
    """Tell whether anything of a peer has come, or its end."""
    try:
        connected.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:  # its reader meets the error again
        return True
    return True
