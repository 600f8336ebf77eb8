"""Sockets that listen, and the waiting rooms on both sides of an association.

A connection is served once its whole A-ASSOCIATE-RQ is there; until then, and after its association while the peer is to
close, it waits here with a deadline. So neither a client that is silent, nor one that sends a byte now and then, nor one
that never closes keeps the others waiting. Where too many wait, who waits longest gives way to who comes.
"""

import logging
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from storescp.errors import NetworkUnavailable
from storescp.serve.signals import Signals
from storescp.upper_layer.negotiation import DEFAULT_MAXIMUM_REQUEST_LENGTH

_logger = logging.getLogger("dcmtk.apps.storescp")

_BACKLOG = 50
_WAITING_ROOM = 512
"""Connections that wait at most on either side; more stay in the system's queue, or are closed."""

_READABLE = select.POLLIN | select.POLLHUP | select.POLLERR


class IPVersion(Enum):
    """Which kinds of peers can connect."""

    IPV4 = "4"
    IPV6 = "6"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Listening:
    """Where and how to listen."""

    port: int
    ip_version: IPVersion = IPVersion.IPV4


def open_port(listening: Listening) -> socket.socket:
    """Return a listening socket on all interfaces.

    Raises:
        NetworkUnavailable: the port cannot be had.
    """
    listener = bind(listening)
    try:
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _unavailable(error) from error
    listener.settimeout(0)
    return listener


def bind(listening: Listening) -> socket.socket:
    """Return a socket that has the port, but does not listen yet.

    Raises:
        NetworkUnavailable: the port cannot be had.
    """
    family = socket.AF_INET if listening.ip_version is IPVersion.IPV4 else socket.AF_INET6
    listener = None
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            only = listening.ip_version is IPVersion.IPV6
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        listener.bind(("" if family == socket.AF_INET else "::", listening.port))
    except OSError as error:
        if listener is not None:
            listener.close()
        raise _unavailable(error) from error
    return listener


def _unavailable(error: OSError) -> NetworkUnavailable:
    return NetworkUnavailable(
        f"cannot create network: 0006:031c TCP Initialization Error: {error.strerror}"
    )


def prepare(connected: socket.socket) -> None:
    """Set what every accepted socket needs.

    Nagle's algorithm would hold back a response until the peer acknowledges the one before, some 40 ms each.
    `TCP_BUFFER_LENGTH` in the environment, in kilobytes, sets the kernel's buffers as it does for DCMTK.
    """
    connected.settimeout(None)
    try:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if (size := os.environ.get("TCP_BUFFER_LENGTH", "")).isdigit():
            for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                connected.setsockopt(socket.SOL_SOCKET, buffer, min(int(size), 1 << 20) * 1024)
    except OSError as error:
        # A peer that has already gone; the first receive will say so.
        _logger.debug("cannot set socket options: %s", error)


class _Waiting(NamedTuple):
    connected: socket.socket
    end: float
    address: str
    needed: int = 1
    """Bytes that must be there before it is looked at again."""


class WaitingRoom:
    """Connections that nobody serves: they wait to become readable, or for their deadline."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        longest_request: int = DEFAULT_MAXIMUM_REQUEST_LENGTH,
        patience: float | None = None,
    ) -> None:
        """Begin with an empty room.

        Args:
            clock: seconds, monotonic.
            longest_request: bytes of an A-ASSOCIATE-RQ that is read.
            patience: seconds for what is missing of an A-ASSOCIATE-RQ that has begun; None: those that are left.
        """
        self._clock = clock
        self._longest_request = longest_request
        self._patience = patience
        self._waiting: dict[int, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, descriptor: int) -> bool:
        return descriptor in self._waiting

    def descriptors(self) -> list[int]:
        """Return what to poll for."""
        return list(self._waiting)

    def add(self, connected: socket.socket, seconds: float, address: str) -> None:
        """Let a connection from an address wait for at most `seconds`."""
        self._waiting[connected.fileno()] = _Waiting(connected, self._clock() + seconds, address)

    def address(self, descriptor: int) -> str:
        """Return where a connection comes from; the system forgets it when the peer closes."""
        return self._waiting[descriptor].address

    def count(self, address: str) -> int:
        """Return how many connections come from an address."""
        return sum(1 for waiting in self._waiting.values() if waiting.address == address)

    def take(self, descriptor: int) -> socket.socket:
        """Remove and return a connection."""
        waiting = self._waiting.pop(descriptor)
        if waiting.needed > 1:
            _wake_at(waiting.connected, 1)
        return waiting.connected

    def is_due(self, descriptor: int) -> bool:
        """Tell whether a connection that has become readable is to be served.

        That is when the whole A-ASSOCIATE-RQ is there; or when something else is, which will be refused at once; or when
        the peer has closed. What is missing is left to the kernel to wait for.
        """
        waiting = self._waiting[descriptor]
        needed = _needed(waiting.connected, self._longest_request)
        # Readable all the same: the peer has closed, or its system holds no more at once.
        if needed <= waiting.needed:
            return True
        _wake_at(waiting.connected, needed)
        end = waiting.end
        if self._patience is not None:
            end = min(end, self._clock() + self._patience)
        self._waiting[descriptor] = waiting._replace(needed=needed, end=end)
        return False

    def oldest(self, but: Collection[int] = ()) -> int | None:
        """Return the descriptor of the connection that waits longest, `but` those not; None if there is none."""
        return next((descriptor for descriptor in self._waiting if descriptor not in but), None)

    def give_way(self, descriptor: int) -> socket.socket:
        """Remove a connection because others wait, say so, and return it."""
        waiting = self._waiting.pop(descriptor)
        _logger.warning(
            "Connection from %s closed: no complete A-ASSOCIATE-RQ has come, and %d others wait",
            waiting.address,
            len(self._waiting),
        )
        return waiting.connected

    def swallow(self, descriptor: int) -> bool:
        """Take what came and forget it; False when the peer has closed, or deserves it.

        To close with bytes unread would reset the connection, and the peer might never see the A-ABORT or
        A-ASSOCIATE-RJ that it was sent.
        """
        connected, end, *_ = self._waiting[descriptor]
        try:
            return bool(connected.recv(1 << 16, socket.MSG_DONTWAIT)) and self._clock() < end
        except BlockingIOError:
            return True
        except OSError:
            return False

    def deadline(self) -> float | None:
        """Return when the first of them has waited long enough."""
        return min((waiting.end for waiting in self._waiting.values()), default=None)

    def expired(self, but: Collection[int] = ()) -> list[socket.socket]:
        """Remove and return the connections whose time is over, `but` those not."""
        now = self._clock()
        over = [
            descriptor
            for descriptor, waiting in self._waiting.items()
            if waiting.end <= now and descriptor not in but
        ]
        return [self.take(descriptor) for descriptor in over]

    def close_all(self) -> None:
        """Close every connection that waits."""
        for waiting in self._waiting.values():
            waiting.connected.close()
        self._waiting.clear()


# PS3.8 9.3.1: type, length
_unpack_header = struct.Struct(">BxI").unpack_from
_HEADER_LENGTH = 6
_A_ASSOCIATE_RQ = 1


def _needed(connected: socket.socket, longest: int) -> int:
    """Return how many bytes of a connection must be there before it is served; 0 if those that are there will do."""
    try:
        begun = connected.recv(_HEADER_LENGTH, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        if not begun or begun[0] != _A_ASSOCIATE_RQ:
            return 0
        if len(begun) < _HEADER_LENGTH:
            return _HEADER_LENGTH
        _, length = _unpack_header(begun)
        if length > longest:
            return 0
        whole = _HEADER_LENGTH + int(length)
        there = connected.recv(whole, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return 0  # who serves it will find out
    return 0 if len(there) == whole else whole


def _wake_at(connected: socket.socket, count: int) -> None:
    """Have a connection readable only when so many bytes are there, or when the peer has closed."""
    with suppress(OSError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)


class Reception(Enum):
    """What became of a connection that was handed on."""

    DONE = "closed"
    LINGER = "the peer is to close it"


class Listener:
    """Accepts connections and hands on those whose peers have something to say, one at a time."""

    def __init__(
        self,
        listening: socket.socket,
        signals: Signals,
        *,
        acse_timeout: float,
        serve: Callable[[socket.socket], Reception],
        expire: Callable[[], float | None],
        arrived: WaitingRoom | None = None,
        admits: Callable[[str, int], bool] | None = None,
        on_silent: Callable[[socket.socket], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to listen.

        Args:
            listening: a socket that listens, not blocking.
            signals: the signals of the process.
            acse_timeout: seconds that a silent peer, or one that does not close, may stay.
            serve: serves one connection.
            expire: does what has become due, and returns when to come again (clock), or None.
            arrived: where connections wait to be served; None: with the limits that the reference has.
            admits: whether another connection from an address is let in, while so many of it wait here;
                None: always.
            on_silent: is told of a connection that is closed because its peer said nothing.
            clock: seconds, monotonic.
        """
        self._listening = listening
        self._signals = signals
        self._acse_timeout = acse_timeout
        self._serve = serve
        self._expire = expire
        self._admits = admits
        self._on_silent = on_silent
        self._clock = clock
        self._arrived = WaitingRoom(clock) if arrived is None else arrived
        self._lingering = WaitingRoom(clock)
        self._watched: dict[int, Callable[[], None]] = {}

    def watch(self, descriptor: int, action: Callable[[], None]) -> None:
        """Call `action` whenever `descriptor` is readable, between associations."""
        self._watched[descriptor] = action

    def run(self) -> None:
        """Accept and serve for ever.

        Raises:
            Stopped: the program was asked to end.
        """
        while True:
            ready = self._poll()
            # Before anybody is served: that may take long, and who speaks meanwhile is not late.
            for silent in self._arrived.expired(but=ready):
                _logger.error("Receiving Association failed: 0006:031a DUL network read timeout")
                self._on_silent(silent)
                silent.close()
            for connected in self._lingering.expired():
                connected.close()
            self._serve_ready(ready)

    def close(self) -> None:
        """Give up the port and every connection that waits."""
        self._listening.close()
        self._arrived.close_all()
        self._lingering.close_all()

    def _poll(self) -> list[int]:
        poll = select.poll()
        poll.register(self._listening, select.POLLIN)
        for descriptor in (
            *self._arrived.descriptors(),
            *self._lingering.descriptors(),
            *self._watched,
        ):
            poll.register(descriptor, _READABLE)
        deadlines = [self._expire(), self._arrived.deadline(), self._lingering.deadline()]
        first = min((when for when in deadlines if when is not None), default=None)
        limit = None if first is None else int(max(0.0, first - self._clock()) * 1000) + 1
        events = self._signals.until_action(lambda: poll.poll(limit))
        return [descriptor for descriptor, _ in events or ()]

    def _serve_ready(self, descriptors: list[int]) -> None:
        for descriptor in descriptors:
            if descriptor in self._lingering:
                if not self._lingering.swallow(descriptor):
                    self._lingering.take(descriptor).close()
            elif descriptor in self._arrived:
                if not self._arrived.is_due(descriptor):
                    continue
                address = self._arrived.address(descriptor)
                connected = self._arrived.take(descriptor)
                if self._serve(connected) is Reception.LINGER:
                    self._linger(connected, address)
            elif (action := self._watched.get(descriptor)) is not None:
                action()
            else:
                self._accept(descriptors)

    def _accept(self, ready: Collection[int]) -> None:
        if len(self._arrived) >= _WAITING_ROOM:
            if (oldest := self._arrived.oldest(but=ready)) is None:
                return  # all of them speak, and will be served first
            self._arrived.give_way(oldest).close()
        try:
            connected, (address, *_) = self._listening.accept()
        except BlockingIOError:
            return  # it has gone again
        except OSError as error:
            # Out of descriptors, or of memory: what there is must become less first.
            _logger.error("Receiving Association failed: cannot accept a connection: %s", error)
            self._make_room()
            return
        if self._admits is not None and not self._admits(address, self._waiting_from(address)):
            connected.close()
            return
        prepare(connected)
        self._arrived.add(connected, self._acse_timeout, address)

    def _waiting_from(self, address: str) -> int:
        return self._arrived.count(address) + self._lingering.count(address)

    def _make_room(self) -> None:
        for room in (self._lingering, self._arrived):
            if (oldest := room.oldest()) is not None:
                room.take(oldest).close()
                return
        time.sleep(0.1)  # nothing here to give up: another process has it all

    def _linger(self, connected: socket.socket, address: str) -> None:
        if (
            len(self._lingering) >= _WAITING_ROOM
            and (oldest := self._lingering.oldest()) is not None
        ):
            self._lingering.take(oldest).close()
        self._lingering.add(connected, self._acse_timeout, address)
