"""Several associations at once: a supervisor accepts and waits, its workers serve one association at a time.

    peers → supervisor: silent | asking, in a queue → a worker that is free → lingering, until the peer closes

A connection costs a worker only once its peer has begun to speak; before and after, it waits here. So a silent peer
costs no worker, and one that stalls within its association costs one worker. Connections are passed to workers
as descriptors; the supervisor keeps its own until the worker is done, to wait for the peer's close, or to close it if
the worker dies. The state of a TLS connection is memory of the supervisor, which has made the handshake: such a connection
gets a worker that is forked for it, and inherits it. Otherwise there are two kinds of workers:

- `--workers`: so many, from the start. One that dies is replaced. Workers exit when the supervisor exits, for any reason.
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

from storescp.process_tie import end_with_parent
from storescp.serve.accept.acceptor import Acceptor, PendingPeer
from storescp.serve.accept.capacity import MAXIMUM_PENDING_PEERS
from storescp.serve.accept.pending_connections import READABLE
from storescp.serve.accept.settings import WorkerSettings
from storescp.serve.accept.worker import (
    LINGER,
    LONGEST_REPLY,
    ConnectionHandler,
    Passed,
    Worker,
    WorkerLoop,
)
from storescp.serve.process.children import Children, fork_flushed
from storescp.serve.process.signals import Signals
from storescp.upper_layer.admission import Admission
from storescp.upper_layer.log_notes import WARN, application
from storescp.upper_layer.pdu import AAssociateRJ

_logger = logging.getLogger("dcmtk.apps.storescp")

_REJECTED_TRANSIENT, _BY_PRESENTATION = (
    2,
    3,
)  # PS3.8 9.3.4: UL service-provider (presentation related)
_TEMPORARY_CONGESTION, _LOCAL_LIMIT_EXCEEDED = 1, 2


_MINIMUM_LIFETIME_SECONDS = 1.0
"""Seconds; a worker that lived shorter is not replaced before that time is over."""

_IDLE_SECONDS = 30.0
"""Seconds that a worker on demand waits for another association."""
_MAXIMUM_IDLE_WORKERS = 16
"""Workers on demand that wait for another association."""

_GONE = select.POLLHUP | select.POLLERR
"""Both directions are closed. A peer that has only finished sending may well read what it is answered."""


class Supervisor:
    """Has workers serve the acceptor's peers."""

    def __init__(
        self,
        acceptor: Acceptor,
        signals: Signals,
        children: Children,
        worker_settings: WorkerSettings,
        handler: ConnectionHandler,
        *,
        step: Callable[[], object],
        next_step: Callable[[], float | None],
        inherits: bool = False,
        is_paused: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to work.

        Args:
            acceptor: where connections come from.
            signals: the signals of the process.
            children: the children of this process.
            worker_settings: how many of what.
            handler: knows what is to be done.
            step: does what is due besides.
            next_step: returns when that is to be called again (clock); None: never.
            inherits: whether a worker is forked for each connection, which it inherits.
            is_paused: tells whether no association may begin now.
            clock: seconds, monotonic; that of the acceptor, too.
        """
        self._acceptor = acceptor
        self._signals = signals
        self._children = children
        self._worker_settings = worker_settings
        self._handler = handler
        self._step = step
        self._next_step = next_step
        self._inherits = inherits
        self._is_paused = is_paused
        self._clock = clock
        self._asking: deque[PendingPeer] = deque()
        self._workers: dict[int, Worker] = {}  # by the descriptor of its control socket
        self._start_no_sooner = 0.0

    def asking(self, address: str) -> int:
        """Return how many peers from an address wait for a worker."""
        return sum(1 for peer in self._asking if peer.address == address)

    def run(self) -> None:
        """Accept and have served for ever.

        Raises:
            Stopped: the program was asked to end.
        """
        while True:
            if self._worker_settings.on_demand:
                self._dismiss_idle()
            else:
                self._replace_workers()
            self._take(self._wait())
            self._hand_out()
            self._reject_surplus()
            due = self._next_step()
            if due is not None and self._clock() >= due:
                self._step()

    def pass_on(self, number: int) -> None:
        """Send a signal to all workers."""
        for worker in self._workers.values():
            _kill(worker.pid, number)

    def close(self, limit: float) -> None:
        """Give up the port and all connections that wait; have workers end, but those on demand when they are done.

        Args:
            limit: until when workers may abort their associations (clock); then they are killed.
        """
        self._acceptor.close()
        while self._asking:
            self._asking.popleft().reader.close()
        if self._worker_settings.on_demand:
            return
        self.pass_on(signal.SIGTERM)
        while self._workers:
            if self._clock() >= limit:
                self.pass_on(signal.SIGKILL)
            poll = select.poll()
            for descriptor in self._workers:
                poll.register(descriptor, READABLE)
            for descriptor, _ in poll.poll(100):
                self._hear(self._workers[descriptor])

    # -- one turn ----------------------------------------------------------------------------------------------------

    def _wait(self) -> set[int]:
        deadlines = [self._next_step()]
        if self._worker_settings.on_demand:
            deadlines += (worker.free_since + _IDLE_SECONDS for worker in self._free_workers())
        elif self._is_short_of_workers():
            deadlines.append(self._start_no_sooner)
        return self._acceptor.wait(
            min((when for when in deadlines if when is not None), default=None),
            accepting=not self._is_paused(),
            others=dict.fromkeys(self._workers, READABLE)
            | {peer.connected.fileno(): _GONE for peer in self._asking},
        )

    def _take(self, ready: set[int]) -> None:
        for descriptor in ready & self._workers.keys():
            self._hear(self._workers[descriptor])
        self._asking.extend(self._acceptor.asking(ready))
        for peer in list(self._asking):
            if peer.connected.fileno() in ready and _events(peer.connected, _GONE):
                self._asking.remove(peer)
                peer.reader.close()

    def _hand_out(self) -> None:
        """Give peers that ask to workers that are free, first come first served."""
        while self._asking and not self._is_paused():
            if self._inherits:
                if self._is_full():
                    return
                self._fork_for(self._asking.popleft())
            elif not self._pass_on_first():
                return
            if self._worker_settings.on_demand and self._is_full():
                _logger.info(
                    "Maximum number of associations reached, waiting for child process to terminate"
                )

    def _pass_on_first(self) -> bool:
        """Pass the first peer that asks to a worker; False if none is free."""
        try:
            worker = self._free_worker()
        except OSError as error:
            self._cannot_fork(self._asking.popleft(), error)
            return True
        if worker is None:
            return False
        worker.serves = peer = self._asking.popleft()
        admission, worker.leave = self._handler.admit(peer.address)
        passed = pickle.dumps(Passed(peer.address, admission))
        try:
            socket.send_fds(worker.control, [passed], [peer.connected.fileno()])
        except OSError:  # it is gone
            self._replace_lost(worker)
        return True

    def _fork_for(self, peer: PendingPeer) -> None:
        """Have a peer served by a worker that is forked for it."""
        admission, leave = self._handler.admit(peer.address)
        try:
            worker = self._start_worker(peer, admission)
        except OSError as error:
            leave()
            self._cannot_fork(peer, error)
            return
        worker.serves, worker.leave = peer, leave

    def _cannot_fork(self, peer: PendingPeer, error: OSError) -> None:
        _logger.error("Cannot create association sub-process: %s", error.strerror)
        peer.reader.close()

    def _free_worker(self) -> Worker | None:
        """Return the next worker: the one that was at work last, as its caches are warm; or a new one, on demand.

        Raises:
            OSError: the system has no room for a new one.
        """
        free = max(self._free_workers(), key=lambda worker: worker.free_since, default=None)
        if free is not None or not self._worker_settings.on_demand or self._is_full():
            return free
        return self._start_worker()

    def _free_workers(self) -> list[Worker]:
        return [worker for worker in self._workers.values() if worker.serves is None]

    def _is_full(self) -> bool:
        """Tell whether workers that are not there from the start serve as many associations as they may."""
        most = self._worker_settings.workers
        if most is None or not (self._worker_settings.on_demand or self._inherits):
            return False
        return len(self._workers) - len(self._free_workers()) >= most

    def _reject_surplus(self) -> None:
        limit = self._worker_settings.queue_limit
        most = MAXIMUM_PENDING_PEERS if limit is None else min(limit, MAXIMUM_PENDING_PEERS)
        for peer in self._take_surplus(len(self._asking) - most):
            why = f"{len(self._workers)} associations are served and {most} peers wait"
            rejection = AAssociateRJ(
                _REJECTED_TRANSIENT,
                _BY_PRESENTATION,
                _LOCAL_LIMIT_EXCEEDED if most == MAXIMUM_PENDING_PEERS else _TEMPORARY_CONGESTION,
                notes=(application(WARN, f"Association Rejected: {why}"),),
            )
            self._handler.rejects(peer.address, rejection)
            peer.reader.send_last(rejection.encode())
            self._acceptor.linger(peer)

    def _take_surplus(self, number: int) -> list[PendingPeer]:
        """Take so many peers for rejection: first those that have finished sending, and so may have gone, then the last that came."""
        if number <= 0:
            return []
        poll = select.poll()
        for peer in self._asking:
            poll.register(peer.connected, select.POLLRDHUP)
        finished = {descriptor for descriptor, _ in poll.poll(0)}
        last_first = list(reversed(self._asking))
        candidates = [peer for peer in last_first if peer.connected.fileno() in finished]
        candidates += [peer for peer in last_first if peer.connected.fileno() not in finished]
        surplus = candidates[:number]
        taken = {peer.connected.fileno() for peer in surplus}
        self._asking = deque(peer for peer in self._asking if peer.connected.fileno() not in taken)
        return surplus

    # -- workers -----------------------------------------------------------------------------------------------------

    def _hear(self, worker: Worker) -> None:
        try:
            message = worker.control.recv(LONGEST_REPLY)
        except ConnectionResetError:  # it has not received the last that we sent
            message = b""
        if not message:
            self._replace_lost(worker)
        elif worker.serves is not None:
            peer, worker.serves = worker.serves, None
            worker.free_since = self._clock()
            worker.leave()
            if name := message[1:]:
                self._handler.learn_name(peer.address, name.decode("utf-8", "replace"))
            if message.startswith(LINGER):
                self._acceptor.linger(peer)
            else:
                peer.reader.close()

    def _replace_lost(self, worker: Worker) -> None:
        """A worker is gone: close what it had begun to serve, or give that to another one, and let others know."""
        self._dismiss(worker)
        if worker.serves is not None:
            worker.leave()
            # One that is made for this peer and does not get to it would be followed by many like it.
            in_vain = self._worker_settings.on_demand and worker.is_new
            if not in_vain and self._acceptor.asks(worker.serves):
                self._asking.appendleft(worker.serves)
            else:
                worker.serves.reader.close()
        self._start_no_sooner = worker.begun + _MINIMUM_LIFETIME_SECONDS
        self._handler.worker_lost(worker.pid)

    def _dismiss(self, worker: Worker) -> None:
        """Let go of a worker, which ends when it finds that."""
        del self._workers[worker.control.fileno()]
        worker.control.close()

    def _dismiss_idle(self) -> None:
        """Dismiss workers on demand that have been idle for a while, or that are too many."""
        free = sorted(self._free_workers(), key=lambda worker: worker.free_since)
        enough = self._clock() - _IDLE_SECONDS
        surplus = len(free) - _MAXIMUM_IDLE_WORKERS
        for place, worker in enumerate(free):
            if place < surplus or worker.free_since <= enough:
                self._dismiss(worker)

    def _is_short_of_workers(self) -> bool:
        most = self._worker_settings.workers
        return most is not None and not self._inherits and len(self._workers) < most

    def _replace_workers(self) -> None:
        while self._is_short_of_workers() and self._clock() >= self._start_no_sooner:
            try:
                self._start_worker()
            except OSError as error:
                _logger.error("Cannot create association sub-process: %s", error.strerror)
                self._start_no_sooner = self._clock() + _MINIMUM_LIFETIME_SECONDS
                return

    def _start_worker(
        self, peer: PendingPeer | None = None, admission: Admission | None = None
    ) -> Worker:
        """Return a new worker, for one peer that it inherits, or for those that are passed to it.

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
                loop = WorkerLoop(
                    theirs, self._handler, self._signals, reports_names=self._inherits
                )
                inherited = None if peer is None else (peer, admission)
                loop.run_and_exit(lambda: self._leave_supervisor(parent), inherited)
        now = self._clock()
        worker = self._workers[ours.fileno()] = Worker(pid, ours, now, now)
        self._children.add(pid, lambda status: self._handler.worker_ended(pid, status))
        return worker

    def _leave_supervisor(self, parent: int) -> None:
        """Let go of what a fork has copied; in a worker, before anything else."""
        if not self._worker_settings.on_demand:
            end_with_parent(parent)
        self._children.forget()
        self.let_go()

    def let_go(self) -> None:
        """Close what belongs to the supervisor; for another process."""
        self._acceptor.close()
        for peer in self._asking:
            peer.reader.close()
        for worker in self._workers.values():
            worker.control.close()
            if worker.serves is not None:
                worker.serves.reader.close()
        self._workers.clear()


def _events(connected: socket.socket, events: int) -> bool:
    """Tell whether a connection has events, poll(2), at the moment."""
    poll = select.poll()
    poll.register(connected, events)
    return bool(poll.poll(0))


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
