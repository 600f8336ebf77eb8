"""Several associations at once: a supervisor accepts and waits, its workers serve one association at a time.

    peers → supervisor: silent | asking, in a queue → a worker that is free → lingering, until the peer closes

A connection costs a worker only once its peer has begun to speak; before and after, it waits here. So a silent peer
costs nobody anything, and one that stalls within its association costs one worker. Connections are passed to workers
as descriptors; the supervisor keeps its own until the worker is done, to wait for the peer's close, or to close it if
the worker dies. There are two kinds of staff:

- `--workers`: so many, from the start. One that dies is replaced. They end with the supervisor, however that ends.
- `--fork`: as many as there are associations. One that is free stays for a while, for the next association: its caches
  are warm, and a fork costs more than a small study (docs/decisions/0017). They go on to the end of their association
  when the supervisor ends.
"""

import contextlib
import logging
import os
import pickle
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn, Protocol

from storescp.serve.listener import Reception, WaitingRoom, prepare
from storescp.serve.processes import Children, fork_flushed
from storescp.serve.signals import Signals, Stopped, die_by
from storescp.upper_layer.notes import WARN, application
from storescp.upper_layer.pdu import AAssociateRJ

_logger = logging.getLogger("dcmtk.apps.storescp")

_WAITING_ROOM = 512
"""Connections that are silent, that ask, or that are to close: so many of each at most."""
_REJECTED_TRANSIENT, _BY_PRESENTATION = (
    2,
    3,
)  # PS3.8 9.3.4: UL service-provider (presentation related)
_TEMPORARY_CONGESTION, _LOCAL_LIMIT_EXCEEDED = 1, 2

_DONE, _LINGER, _LOOK = b"d", b"l", b"w"
"""What a worker says: the association is over; it is the peer's turn to close; there is something to do."""

_LONGEST_WORD = 1 << 20

_SHORTEST_LIFE = 1.0
"""Seconds; a worker that lived shorter is not replaced before that time is over."""
_LAST_ASSOCIATIONS = 10.0
"""Seconds that workers have to abort their associations at the end."""

_FREE_FOR = 30.0
"""Seconds that a worker on demand waits for another association."""
_FREE_AT_MOST = 16
"""Workers on demand that wait for another association."""

_READABLE = select.POLLIN | select.POLLHUP | select.POLLERR
_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR


@dataclass(frozen=True, slots=True)
class Working:
    """How many associations are served, and how many peers wait."""

    workers: int | None
    """Workers at most; None, on demand: as many as there are associations."""
    on_demand: bool = False
    """Whether workers come when they are needed, go when they are not, and outlive their supervisor."""
    queue_limit: int | None = None
    """Peers that wait for a worker at most; more are rejected. None: as many as there is room for."""


class Doors(Protocol):
    """Who is let in, and who hears of it."""

    def admits(self, address: str, waiting: int) -> bool:
        """Tell whether another connection from an address is let in, while so many of it wait."""
        ...

    def admit(self, address: str) -> tuple[object, Callable[[], None]]:
        """A connection is going to be served: return what its worker is told, and what is called at its end."""
        ...

    def was_silent(self, connected: socket.socket) -> None:
        """A connection is closed because its peer said nothing."""
        ...

    def rejects(self, connected: socket.socket, rejection: AAssociateRJ) -> None:
        """A peer is sent a rejection."""
        ...


class _Peer(NamedTuple):
    connected: socket.socket
    address: str


@dataclass(slots=True)
class _Worker:
    """A worker as its supervisor sees it."""

    pid: int
    control: socket.socket
    begun: float
    free_since: float
    serves: _Peer | None = None
    leave: Callable[[], None] = lambda: None

    @property
    def is_new(self) -> bool:
        """Whether it has not served anybody."""
        return self.free_since == self.begun


@dataclass(slots=True)
class _Peers:
    """Connections that no worker has."""

    silent: WaitingRoom
    lingering: WaitingRoom
    asking: deque[_Peer] = field(default_factory=deque)

    def count(self, address: str) -> int:
        """Return how many come from an address."""
        asking = sum(1 for peer in self.asking if peer.address == address)
        return self.silent.count(address) + self.lingering.count(address) + asking


class Supervisor:
    """Accepts connections and has workers serve them."""

    def __init__(
        self,
        listening: socket.socket,
        signals: Signals,
        children: Children,
        working: Working,
        *,
        acse_timeout: float,
        arrived: WaitingRoom | None = None,
        doors: Doors,
        serve: Callable[[socket.socket, object], Reception],
        in_child: Callable[[Callable[[], None]], None],
        see_off: Callable[[socket.socket], None],
        lost: Callable[[int], None],
        ended: Callable[[int, int], None],
        step: Callable[[], None],
        next_step: Callable[[], float | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to work.

        Args:
            listening: a socket that listens, not blocking.
            signals: the signals of the process.
            children: the children of this process.
            working: how many of what.
            acse_timeout: seconds that a silent peer, or one that does not close, may stay.
            arrived: where connections wait until their peers ask; None: with the limits that the reference has.
            doors: who is let in.
            serve: serves one connection, given what `doors` tells a worker; called in the worker.
            in_child: called first in a worker, with what has the supervisor look for something to do.
            see_off: waits for the peer to close; called in a worker that has no supervisor any more.
            lost: called with the process of a worker that is gone.
            ended: called with the process and wait status of a worker once it has ended.
            step: does what is due besides.
            next_step: returns when that is to be called again (clock); None: only after something has happened.
            clock: seconds, monotonic.
        """
        self._listening = listening
        self._signals = signals
        self._children = children
        self._working = working
        self._acse_timeout = acse_timeout
        self._doors = doors
        self._serve = serve
        self._in_child = in_child
        self._see_off = see_off
        self._lost = lost
        self._ended = ended
        self._step = step
        self._next_step = next_step
        self._clock = clock
        self._peers = _Peers(WaitingRoom(clock) if arrived is None else arrived, WaitingRoom(clock))
        self._workers: dict[int, _Worker] = {}  # by the descriptor of its control socket
        self._start_no_sooner = 0.0
        self._watched: dict[int, Callable[[], None]] = {}
        self._heard = False  # whether a worker has said anything since the last step

    def watch(self, descriptor: int, action: Callable[[], None]) -> None:
        """Call `action` whenever `descriptor` is readable."""
        self._watched[descriptor] = action

    def run(self) -> None:
        """Accept and have served for ever.

        Raises:
            Stopped: the program was asked to end.
        """
        while True:
            if self._working.on_demand:
                self._dismiss_idle()
            else:
                self._replace_workers()
            ready = self._poll()
            self._take(ready)
            self._give_up_late(ready)
            self._hand_out()
            self._reject_surplus()
            due = self._next_step()
            if self._heard or (due is not None and self._clock() >= due):
                self._heard = False
                self._step()

    def pass_on(self, number: int) -> None:
        """Send a signal to all workers."""
        for worker in self._workers.values():
            _kill(worker.pid, number)

    def close(self) -> None:
        """Give up the port and all connections that wait; have workers end, but those on demand when they are done."""
        self._listening.close()
        self._peers.silent.close_all()
        self._peers.lingering.close_all()
        while self._peers.asking:
            self._peers.asking.popleft().connected.close()
        if self._working.on_demand:
            return
        self.pass_on(signal.SIGTERM)
        limit = self._clock() + _LAST_ASSOCIATIONS
        while self._workers:
            if self._clock() >= limit:
                self.pass_on(signal.SIGKILL)
            poll = select.poll()
            for descriptor in self._workers:
                poll.register(descriptor, _READABLE)
            for descriptor, _ in poll.poll(100):
                self._hear(self._workers[descriptor])

    # -- one turn ----------------------------------------------------------------------------------------------------

    def _poll(self) -> set[int]:
        poll = select.poll()
        peers = self._peers
        if not self._is_full() and len(peers.asking) < _WAITING_ROOM:
            poll.register(self._listening, select.POLLIN)
        for descriptor in (
            *peers.silent.descriptors(),
            *peers.lingering.descriptors(),
            *self._workers,
            *self._watched,
        ):
            poll.register(descriptor, _READABLE)
        for asking in peers.asking:
            poll.register(asking.connected, _GONE)
        deadlines = [peers.silent.deadline(), peers.lingering.deadline(), self._next_step()]
        if self._working.on_demand:
            free = (worker.free_since for worker in self._free_workers())
            deadlines.append(min((since + _FREE_FOR for since in free), default=None))
        elif self._is_short_of_workers():
            deadlines.append(self._start_no_sooner)
        first = min((when for when in deadlines if when is not None), default=None)
        longest = None if first is None else int(max(0.0, first - self._clock()) * 1000) + 1
        events = self._signals.until_action(lambda: poll.poll(longest))
        return {descriptor for descriptor, _ in events or ()}

    def _take(self, ready: set[int]) -> None:
        peers = self._peers
        for descriptor in ready:
            if (worker := self._workers.get(descriptor)) is not None:
                self._hear(worker)
            elif descriptor in peers.lingering:
                if not peers.lingering.swallow(descriptor):
                    peers.lingering.take(descriptor).close()
            elif descriptor in peers.silent:
                if not peers.silent.is_due(descriptor):
                    continue
                address = peers.silent.address(descriptor)
                peers.asking.append(_Peer(peers.silent.take(descriptor), address))
            elif (action := self._watched.get(descriptor)) is not None:
                action()
            elif descriptor == self._listening.fileno():
                self._accept(ready)
        for peer in list(peers.asking):
            if peer.connected.fileno() in ready and _is_gone(peer.connected):
                peers.asking.remove(peer)
                peer.connected.close()

    def _accept(self, ready: set[int]) -> None:
        room = self._peers.silent
        if len(room) >= _WAITING_ROOM:
            if (oldest := room.oldest(but=ready)) is None:
                return  # all of them speak
            room.give_way(oldest).close()
        try:
            connected, (address, *_) = self._listening.accept()
        except BlockingIOError:
            return  # it has gone again
        except OSError as error:
            _logger.error("Receiving Association failed: cannot accept a connection: %s", error)
            for room in (self._peers.lingering, self._peers.silent):
                if (oldest := room.oldest()) is not None:
                    room.take(oldest).close()
                    return
            time.sleep(0.1)  # nothing here to give up
            return
        if not self._doors.admits(address, self._peers.count(address)):
            connected.close()
            return
        prepare(connected)
        self._peers.silent.add(connected, self._acse_timeout, address)

    def _give_up_late(self, ready: set[int]) -> None:
        for silent in self._peers.silent.expired(but=ready):
            _logger.error("Receiving Association failed: 0006:031a DUL network read timeout")
            self._doors.was_silent(silent)
            silent.close()
        for connected in self._peers.lingering.expired():
            connected.close()

    def _hand_out(self) -> None:
        """Give peers that ask to workers that are free, first come first served."""
        while self._peers.asking:
            if (worker := self._free_worker()) is None:
                return
            worker.serves = peer = self._peers.asking.popleft()
            told, worker.leave = self._doors.admit(peer.address)
            try:
                descriptors = [peer.connected.fileno()]
                socket.send_fds(worker.control, [pickle.dumps(told)], descriptors)
            except OSError:
                self._bury(worker, has_begun=False)
                continue
            if self._is_full():
                _logger.info(
                    "Maximum number of associations reached, waiting for child process to terminate"
                )

    def _free_worker(self) -> _Worker | None:
        """Return who serves next: the one that was at work last, as its caches are warm; or a new one, on demand."""
        free = max(self._free_workers(), key=lambda worker: worker.free_since, default=None)
        if free is not None or not self._working.on_demand or self._is_full():
            return free
        try:
            return self._start_worker()
        except OSError as error:
            _logger.error("Cannot create association sub-process: %s", error.strerror)
            self._peers.asking.popleft().connected.close()
            return None

    def _free_workers(self) -> list[_Worker]:
        return [worker for worker in self._workers.values() if worker.serves is None]

    def _is_full(self) -> bool:
        """Tell whether workers on demand serve as many associations as they may; others have a queue for that."""
        most = self._working.workers
        if not self._working.on_demand or most is None:
            return False
        return len(self._workers) - len(self._free_workers()) >= most

    def _reject_surplus(self) -> None:
        limit = self._working.queue_limit
        most = _WAITING_ROOM if limit is None else min(limit, _WAITING_ROOM)
        while len(self._peers.asking) > most:
            peer = self._peers.asking.pop()
            why = f"{len(self._workers)} associations are served and {most} peers wait"
            rejection = AAssociateRJ(
                _REJECTED_TRANSIENT,
                _BY_PRESENTATION,
                _LOCAL_LIMIT_EXCEEDED if most == _WAITING_ROOM else _TEMPORARY_CONGESTION,
                notes=(application(WARN, f"Association Rejected: {why}"),),
            )
            _logger.warning("Association Rejected: %s", why)
            self._doors.rejects(peer.connected, rejection)
            with contextlib.suppress(OSError):
                peer.connected.send(rejection.encode(), socket.MSG_DONTWAIT)
            self._linger(peer)

    def _linger(self, peer: _Peer) -> None:
        room = self._peers.lingering
        if len(room) >= _WAITING_ROOM and (oldest := room.oldest()) is not None:
            room.take(oldest).close()
        room.add(peer.connected, self._acse_timeout, peer.address)

    # -- workers -----------------------------------------------------------------------------------------------------

    def _hear(self, worker: _Worker) -> None:
        self._heard = True
        try:
            said = worker.control.recv(16)
        except ConnectionResetError:  # it has not received the last that we sent, unix(7)
            self._bury(worker, has_begun=False)
            return
        if not said:
            self._bury(worker)
        elif said != _LOOK and worker.serves is not None:
            peer, worker.serves = worker.serves, None
            worker.free_since = self._clock()
            worker.leave()
            if said == _LINGER:
                self._linger(peer)
            else:
                peer.connected.close()

    def _bury(self, worker: _Worker, *, has_begun: bool = True) -> None:
        """A worker is gone: close what it had begun to serve, or give that to another one, and let others know."""
        self._dismiss(worker)
        if worker.serves is not None:
            worker.leave()
            # One that is made for this peer and does not get to it would be followed by many like it.
            if has_begun or (self._working.on_demand and worker.is_new):
                worker.serves.connected.close()
            else:
                self._peers.asking.appendleft(worker.serves)
        self._start_no_sooner = worker.begun + _SHORTEST_LIFE
        self._lost(worker.pid)

    def _dismiss(self, worker: _Worker) -> None:
        """Let go of a worker, which ends when it finds that."""
        del self._workers[worker.control.fileno()]
        worker.control.close()

    def _dismiss_idle(self) -> None:
        """Dismiss workers on demand that nobody has demanded for a while, or of which there are many."""
        free = sorted(self._free_workers(), key=lambda worker: worker.free_since)
        enough = self._clock() - _FREE_FOR
        surplus = len(free) - _FREE_AT_MOST
        for place, worker in enumerate(free):
            if place < surplus or worker.free_since <= enough:
                self._dismiss(worker)

    def _is_short_of_workers(self) -> bool:
        most = self._working.workers
        return most is not None and len(self._workers) < most

    def _replace_workers(self) -> None:
        while self._is_short_of_workers() and self._clock() >= self._start_no_sooner:
            try:
                self._start_worker()
            except OSError as error:
                _logger.error("Cannot create association sub-process: %s", error.strerror)
                self._start_no_sooner = self._clock() + _SHORTEST_LIFE
                return

    def _start_worker(self) -> _Worker:
        """Return a new worker.

        Raises:
            OSError: the system has no room for another process.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        with theirs:
            try:
                pid = fork_flushed()
            except OSError:
                ours.close()
                raise
            if pid == 0:
                ours.close()
                self._become_worker(theirs, parent)
        now = self._clock()
        worker = self._workers[ours.fileno()] = _Worker(pid, ours, now, now)
        self._children.add(pid, lambda status: self._ended(pid, status))
        return worker

    def _become_worker(self, control: socket.socket, parent: int) -> NoReturn:
        """Serve associations until the supervisor is gone, or asks to stop."""
        code = 0

        def look() -> None:
            _tell(control, _LOOK)

        try:
            if not self._working.on_demand:
                end_with_parent(parent)
            self._children.forget()
            self._let_go()
            self._in_child(look)
            while (given := self._wait_for_connection(control)) is not None:
                connected, told = given
                reception = self._serve(connected, told)
                lingers = reception is Reception.LINGER
                if not _tell(control, _LINGER if lingers else _DONE) and lingers:
                    self._see_off(connected)
                connected.close()
        except Stopped as stopped:
            die_by(stopped.number)
        except Exception:  # the outermost loop of this process
            _logger.exception("internal error, association dropped")
            code = 1
        finally:
            logging.shutdown()
            os._exit(code)

    def _let_go(self) -> None:
        """Close what belongs to the supervisor; for a worker."""
        self._listening.close()
        self._peers.silent.close_all()
        self._peers.lingering.close_all()
        for peer in self._peers.asking:
            peer.connected.close()
        for worker in self._workers.values():
            worker.control.close()
            if worker.serves is not None:
                worker.serves.connected.close()
        self._workers.clear()

    def _wait_for_connection(self, control: socket.socket) -> tuple[socket.socket, object] | None:
        with self._signals.waiting():
            said, descriptors, _, _ = socket.recv_fds(control, _LONGEST_WORD, 1)
        if not said or not descriptors:
            return None
        return socket.socket(fileno=descriptors[0]), pickle.loads(
            said
        )  # our supervisor's, and no other's


def end_with_parent(parent: int) -> None:
    """Have this process asked to stop when the one that forked it ends, however that ends (Linux)."""
    import ctypes

    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def _tell(control: socket.socket, word: bytes) -> bool:
    """Tell the supervisor; False if it is gone."""
    try:
        control.send(word)
    except OSError:
        return False
    return True


def _is_gone(connected: socket.socket) -> bool:
    """Tell whether a peer that waits has closed its connection."""
    poll = select.poll()
    poll.register(connected, _GONE)
    return bool(poll.poll(0))


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
