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
from typing import NoReturn

from storescp.serve.accept.acceptor import MOST_WAITING, READABLE, Entrance, Peer, Reception
from storescp.serve.accept.settings import Working
from storescp.serve.accept.worker import (
    DONE,
    LINGER,
    LONGEST_WORD,
    LOOK,
    Employer,
    Worker,
    end_with_parent,
    tell,
)
from storescp.serve.process.children import Children, fork_flushed
from storescp.serve.process.signals import Signals, Stopped, die_by
from storescp.upper_layer.log_notes import WARN, application
from storescp.upper_layer.pdu import AAssociateRJ

_logger = logging.getLogger("dcmtk.apps.storescp")

_REJECTED_TRANSIENT, _BY_PRESENTATION = (
    2,
    3,
)  # PS3.8 9.3.4: UL service-provider (presentation related)
_TEMPORARY_CONGESTION, _LOCAL_LIMIT_EXCEEDED = 1, 2


_SHORTEST_LIFE = 1.0
"""Seconds; a worker that lived shorter is not replaced before that time is over."""
_LAST_ASSOCIATIONS = 10.0
"""Seconds that workers have to abort their associations at the end."""

_FREE_FOR = 30.0
"""Seconds that a worker on demand waits for another association."""
_FREE_AT_MOST = 16
"""Workers on demand that wait for another association."""

_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class Supervisor:
    """Has workers serve whom the entrance lets in."""

    def __init__(
        self,
        entrance: Entrance,
        signals: Signals,
        children: Children,
        working: Working,
        employer: Employer,
        *,
        step: Callable[[], None],
        next_step: Callable[[], float | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to work.

        Args:
            entrance: where connections come from.
            signals: the signals of the process.
            children: the children of this process.
            working: how many of what.
            employer: knows what is to be done.
            step: does what is due besides.
            next_step: returns when that is to be called again (clock); None: only after something has happened.
            clock: seconds, monotonic; that of the entrance, too.
        """
        self._entrance = entrance
        self._signals = signals
        self._children = children
        self._working = working
        self._employer = employer
        self._step = step
        self._next_step = next_step
        self._clock = clock
        self._asking: deque[Peer] = deque()
        self._workers: dict[int, Worker] = {}  # by the descriptor of its control socket
        self._start_no_sooner = 0.0
        self._heard = False  # whether a worker has said anything since the last step

    def asking(self, address: str) -> int:
        """Return how many peers from an address wait for a worker."""
        return sum(1 for peer in self._asking if peer.address == address)

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
            self._take(self._wait())
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
        self._entrance.close()
        while self._asking:
            self._asking.popleft().connected.close()
        if self._working.on_demand:
            return
        self.pass_on(signal.SIGTERM)
        limit = self._clock() + _LAST_ASSOCIATIONS
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
        if self._working.on_demand:
            deadlines += (worker.free_since + _FREE_FOR for worker in self._free_workers())
        elif self._is_short_of_workers():
            deadlines.append(self._start_no_sooner)
        return self._entrance.wait(
            min((when for when in deadlines if when is not None), default=None),
            accepting=not self._is_full() and len(self._asking) < MOST_WAITING,
            others=dict.fromkeys(self._workers, READABLE)
            | {peer.connected.fileno(): _GONE for peer in self._asking},
        )

    def _take(self, ready: set[int]) -> None:
        for descriptor in ready & self._workers.keys():
            self._hear(self._workers[descriptor])
        self._asking.extend(self._entrance.asking(ready))
        for peer in list(self._asking):
            if peer.connected.fileno() in ready and _is_gone(peer.connected):
                self._asking.remove(peer)
                peer.connected.close()

    def _hand_out(self) -> None:
        """Give peers that ask to workers that are free, first come first served."""
        while self._asking:
            try:
                worker = self._free_worker()
            except OSError as error:
                _logger.error("Cannot create association sub-process: %s", error.strerror)
                self._asking.popleft().connected.close()
                continue
            if worker is None:
                return
            worker.serves = peer = self._asking.popleft()
            told, worker.leave = self._employer.admit(peer.address)
            try:
                descriptors = [peer.connected.fileno()]
                socket.send_fds(worker.control, [pickle.dumps(told)], descriptors)
            except OSError:  # it is gone
                self._bury(worker)
                continue
            if self._is_full():
                _logger.info(
                    "Maximum number of associations reached, waiting for child process to terminate"
                )

    def _free_worker(self) -> Worker | None:
        """Return who serves next: the one that was at work last, as its caches are warm; or a new one, on demand.

        Raises:
            OSError: the system has no room for a new one.
        """
        free = max(self._free_workers(), key=lambda worker: worker.free_since, default=None)
        if free is not None or not self._working.on_demand or self._is_full():
            return free
        return self._start_worker()

    def _free_workers(self) -> list[Worker]:
        return [worker for worker in self._workers.values() if worker.serves is None]

    def _is_full(self) -> bool:
        """Tell whether workers on demand serve as many associations as they may; others have a queue for that."""
        most = self._working.workers
        if not self._working.on_demand or most is None:
            return False
        return len(self._workers) - len(self._free_workers()) >= most

    def _reject_surplus(self) -> None:
        limit = self._working.queue_limit
        most = MOST_WAITING if limit is None else min(limit, MOST_WAITING)
        while len(self._asking) > most:
            peer = self._asking.pop()
            why = f"{len(self._workers)} associations are served and {most} peers wait"
            rejection = AAssociateRJ(
                _REJECTED_TRANSIENT,
                _BY_PRESENTATION,
                _LOCAL_LIMIT_EXCEEDED if most == MOST_WAITING else _TEMPORARY_CONGESTION,
                notes=(application(WARN, f"Association Rejected: {why}"),),
            )
            _logger.warning("Association Rejected: %s", why)
            self._employer.rejects(peer.connected, rejection)
            with contextlib.suppress(OSError):
                peer.connected.send(rejection.encode(), socket.MSG_DONTWAIT)
            self._entrance.linger(peer)

    # -- workers -----------------------------------------------------------------------------------------------------

    def _hear(self, worker: Worker) -> None:
        self._heard = True
        try:
            said = worker.control.recv(16)
        except ConnectionResetError:  # it has not received the last that we sent
            said = b""
        if not said:
            self._bury(worker)
        elif said != LOOK and worker.serves is not None:
            peer, worker.serves = worker.serves, None
            worker.free_since = self._clock()
            worker.leave()
            if said == LINGER:
                self._entrance.linger(peer)
            else:
                peer.connected.close()

    def _bury(self, worker: Worker) -> None:
        """A worker is gone: close what it had begun to serve, or give that to another one, and let others know."""
        self._dismiss(worker)
        if worker.serves is not None:
            worker.leave()
            # One that is made for this peer and does not get to it would be followed by many like it.
            in_vain = self._working.on_demand and worker.is_new
            if not in_vain and self._entrance.asks(worker.serves):
                self._asking.appendleft(worker.serves)
            else:
                worker.serves.connected.close()
        self._start_no_sooner = worker.begun + _SHORTEST_LIFE
        self._employer.worker_lost(worker.pid)

    def _dismiss(self, worker: Worker) -> None:
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

    def _start_worker(self) -> Worker:
        """Return a new worker.

        Raises:
            OSError: the system has no room for another process.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        self._employer.before_fork()
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
        worker = self._workers[ours.fileno()] = Worker(pid, ours, now, now)
        self._children.add(pid, lambda status: self._employer.worker_ended(pid, status))
        return worker

    def _become_worker(self, control: socket.socket, parent: int) -> NoReturn:
        """Serve associations until the supervisor is gone, or asks to stop."""
        code = 0

        def look() -> None:
            tell(control, LOOK)

        try:
            if not self._working.on_demand:
                end_with_parent(parent)
            self._children.forget()
            self._let_go()
            self._employer.begin_work(look)
            while (given := self._wait_for_connection(control)) is not None:
                connected, told = given
                reception = self._employer.work(connected, told)
                lingers = reception is Reception.LINGER
                if not tell(control, LINGER if lingers else DONE) and lingers:
                    self._employer.see_off(connected)
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
        self._entrance.close()
        for peer in self._asking:
            peer.connected.close()
        for worker in self._workers.values():
            worker.control.close()
            if worker.serves is not None:
                worker.serves.connected.close()
        self._workers.clear()

    def _wait_for_connection(self, control: socket.socket) -> tuple[socket.socket, object] | None:
        with self._signals.waiting():
            said, descriptors, _, _ = socket.recv_fds(control, LONGEST_WORD, 1)
        if not said or not descriptors:
            return None
        return socket.socket(fileno=descriptors[0]), pickle.loads(
            said
        )  # our supervisor's, and no other's


def _is_gone(connected: socket.socket) -> bool:
    """Tell whether a peer that waits has closed its connection."""
    poll = select.poll()
    poll.register(connected, _GONE)
    return bool(poll.poll(0))


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
