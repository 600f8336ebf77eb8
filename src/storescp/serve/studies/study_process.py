"""The process that ends studies and runs commands: starts it, starts it again, and passes messages to it and back.

Whoever accepts connections must not wait: not for the record of studies, nor for renames, commands or another process.
So the main process only sends messages and takes them, over a socket that blocks on neither side; what does not fit now
is sent later. Each process that receives may send a nudge: there is something to do.

    main process → here    lost PID: a worker is gone; paused: no association is accepted; stop: start no more commands;
                           end SECONDS: come to an end
    any process  → here    look: there is something to do
    here → main process    noted PID: its holds are dropped; pause, resume: accept no associations, accept them again;
                           failed TEXT: there is no going on

The process ends with the main process, however that ends, at once: it can be killed at any step, and the next one goes
on. If it is killed itself, the main process starts it again, and says again what was not confirmed.
"""

import logging
import os
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, Protocol

from storescp.errors import OutOfResources
from storescp.process_name import STUDIES, name_process
from storescp.process_tie import end_with_parent
from storescp.serve.process.children import Children, fork_flushed
from storescp.signal_names import signal_name

_logger = logging.getLogger("dcmtk.apps.storescp")

_LOOK, _LOST, _PAUSED, _STOP, _END = b"look", b"lost", b"paused", b"stop", b"end"
_NOTED, _PAUSE, _RESUME, _FAILED = b"noted", b"pause", b"resume", b"failed"

_LONGEST_MESSAGE = 1024
_MESSAGES_PER_TURN = 256

_SHORTEST_LIFE_SECONDS = 1.0
"""A process that lived shorter is not replaced before that time is over."""
_SEND_AGAIN_SECONDS = 0.25
_REACTION_SECONDS = 1.0
"""Time beyond its limit in which the process has to be gone, before it is killed."""
_LONGEST_WAIT_SECONDS = 60.0
_PAUSE_PATIENCE_SECONDS = 1.0
"""Time that the main process has to confirm that it accepts no associations."""


class Work(Protocol):
    """Work of the process."""

    @property
    def descriptor(self) -> int:
        """Descriptor that becomes readable when there is something to do."""
        ...

    def step(self) -> None:
        """Do some of what is due; never waits for long."""
        ...

    def next_step(self) -> float:
        """Return when `step` is to be called again (`time.monotonic`)."""
        ...

    def lost(self, pid: int) -> None:
        """Note that a process which received is gone.

        Raises:
            OutOfResources: that cannot be noted now.
        """
        ...

    def stop(self) -> None:
        """Start no more commands."""
        ...

    def end(self, limit: float) -> None:
        """Come to an end, by `limit` (`time.monotonic`)."""
        ...


class StudyProcess:
    """The process as the main process sees it."""

    def __init__(
        self,
        make_work: "Callable[[Reports], Work]",
        children: Children,
        *,
        leave: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            make_work: makes what is done, in the process.
            children: the children of the main process.
            leave: lets go, in the process, of what belongs to the main process, such as sockets.
            clock: seconds, monotonic.
        """
        self._make_work = make_work
        self._children = children
        self._leave = leave
        self._clock = clock
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._ours, self._theirs):
            end.settimeout(0)
        self._pid = 0
        self._begun = float("-inf")
        self._lost: set[int] = set()  # reported, or to be, and not confirmed
        self._unsent: deque[bytes] = deque()
        self._send_again = 0.0
        self._is_stopping = False
        self.is_pausing = False
        """True if no association may be accepted, because the command of a study runs."""
        self.failure = ""
        """Reason why the program cannot go on; empty: it can."""

    @property
    def descriptor(self) -> int:
        """Descriptor that becomes readable when the process has sent a message."""
        return self._ours.fileno()

    @property
    def pid(self) -> int:
        """The process; 0: it does not run."""
        return self._pid

    def start(self) -> None:
        """Start the process.

        Raises:
            OSError: the system has no room for another one.
        """
        main = os.getpid()
        self._begun = self._clock()
        pid = fork_flushed()
        if pid == 0:
            self._become(main)
        self._pid = pid
        self._unsent.clear()
        self._unsent.extend(b"%s %d" % (_LOST, lost) for lost in sorted(self._lost))
        if self._is_stopping:
            self._unsent.append(_STOP)
        self._children.add(pid, self._note_end)
        self._send()

    def _note_end(self, status: int) -> None:
        self._pid = 0
        self.is_pausing = False
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            _logger.error(
                "the process that ends studies was ended by %s: it is started again",
                signal_name(-code),
            )
        elif code > 0:
            _logger.error("the process that ends studies has failed: it is started again")

    # -- what the main process does each turn

    def tend(self) -> None:
        """Start the process again if it has ended, take its messages, and send those that wait. Never waits, never raises."""
        self.receive()
        if not self._pid and self._clock() >= self._begun + _SHORTEST_LIFE_SECONDS:
            try:
                self.start()
            except OSError as error:
                _logger.error("cannot start the process that ends studies: %s", error.strerror)
        if self._unsent and self._clock() >= self._send_again:
            self._send()

    def next_turn(self) -> float | None:
        """Return when `tend` is to be called, if nothing happens before (clock); None: never."""
        if not self._pid:
            return self._begun + _SHORTEST_LIFE_SECONDS
        return self._send_again if self._unsent else None

    def receive(self) -> None:
        """Take the messages that have come."""
        for _ in range(_MESSAGES_PER_TURN):
            try:
                word, _, rest = self._ours.recv(_LONGEST_MESSAGE).partition(b" ")
            except OSError:  # there are none
                return
            if word == _NOTED:
                self._lost.discard(int(rest))
            elif word == _PAUSE:
                self.is_pausing = True
                self._say(_PAUSED)
            elif word == _RESUME:
                self.is_pausing = False
            elif word == _FAILED:
                self.failure = rest.decode(errors="replace")

    def nudge(self) -> None:
        """Say that there is something to do; from any process. If that does not fit, the process knows already."""
        with suppress(OSError):
            self._ours.send(_LOOK)

    def lost(self, pid: int) -> None:
        """Say that a process which received is gone."""
        self._lost.add(pid)
        self._say(b"%s %d" % (_LOST, pid))

    def _say(self, message: bytes) -> None:
        self._unsent.append(message)
        self._send()

    def _send(self) -> None:
        if not self._pid:
            return
        while self._unsent:
            try:
                self._ours.send(self._unsent[0])
            except OSError:  # it does not fit
                self._send_again = self._clock() + _SEND_AGAIN_SECONDS
                return
            self._unsent.popleft()

    # -- the end of the program

    def stop(self) -> None:
        """Have no more commands started."""
        self._is_stopping = True
        self._say(_STOP)

    def end(self, limit: float) -> None:
        """Have the process come to its end by `limit` (clock), and wait for that; it is killed if it does not."""
        if not self._pid:  # it has just been killed, but what is to be done is to be done
            with suppress(OSError):
                self.start()
        self._say(b"%s %f" % (_END, max(0.0, limit - self._clock())))
        while self._pid and self._clock() < limit + _REACTION_SECONDS:
            self.receive()
            self._send()
            time.sleep(0.005)
            self._children.reap()
        if self._pid:
            _logger.error("the process that ends studies does not end: it is killed")
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            while self._pid:
                time.sleep(0.005)
                self._children.reap()
        self._ours.close()
        self._theirs.close()

    # -- in the process ----------------------------------------------------------------------------------------------

    def _become(self, main: int) -> NoReturn:
        code = 0
        try:
            name_process(STUDIES)
            # Whoever asks everybody to end asks the main process, too, which says what is to be done before.
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            end_with_parent(main, signal.SIGKILL)
            self._children.forget()
            self._leave()
            self._ours.close()
            reports = Reports(self._theirs)
            _Loop(reports, self._make_work(reports)).run()
        except Exception:  # the outermost loop of this process
            _logger.exception("internal error in the process that ends studies")
            code = 1
        finally:
            logging.shutdown()
            os._exit(code)


class Reports:
    """Messages between the process and the main process."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._heard: deque[tuple[bytes, bytes]] = deque()

    @property
    def descriptor(self) -> int:
        """Descriptor that becomes readable when a message has come."""
        return self._control.fileno()

    def pause_reception(self) -> None:
        """Have the main process accept no associations, and wait a moment until it has confirmed that."""
        self.say(_PAUSE)
        end = time.monotonic() + _PAUSE_PATIENCE_SECONDS
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        while (left := end - time.monotonic()) > 0:
            poll.poll(left * 1000)
            self._take()
            if any(word == _PAUSED for word, _ in self._heard):
                return

    def resume_reception(self) -> None:
        """Have associations accepted again."""
        self.say(_RESUME)

    def failed(self, why: str) -> None:
        """Say that there is no going on."""
        self.say(_FAILED + b" " + why.encode()[: _LONGEST_MESSAGE - 64])

    def noted(self, pid: int) -> None:
        """Confirm that the holds of a process are dropped."""
        self.say(_NOTED + b" %d" % pid)

    def say(self, message: bytes) -> None:
        """Send a message. The main process takes what it is sent all the time; while it does not, this waits for it."""
        poll = select.poll()
        poll.register(self._control, select.POLLOUT)
        while True:
            try:
                self._control.send(message)
            except BlockingIOError:
                poll.poll(1000)
            else:
                return

    def hear(self) -> list[tuple[bytes, bytes]]:
        """Return what was said: words, and what follows them."""
        self._take()
        heard = list(self._heard)
        self._heard.clear()
        return heard

    def _take(self) -> None:
        with suppress(BlockingIOError):
            for _ in range(_MESSAGES_PER_TURN):
                word, _, rest = self._control.recv(_LONGEST_MESSAGE).partition(b" ")
                self._heard.append((word, rest))


class _Loop:
    """Steps when there is something to do, until it is told to end."""

    def __init__(self, reports: Reports, work: Work) -> None:
        self._reports = reports
        self._work = work
        self._lost: set[int] = set()  # whose holds are not dropped yet
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._wake, False)

    def run(self) -> None:
        # A command that ends wakes us.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        poll = select.poll()
        for descriptor in (self._woken, self._reports.descriptor, self._work.descriptor):
            poll.register(descriptor, select.POLLIN)
        while True:
            left = self._work.next_step() - time.monotonic()
            poll.poll(min(max(0.0, left), _LONGEST_WAIT_SECONDS) * 1000)
            with suppress(BlockingIOError):
                os.read(self._woken, 4096)
            for word, rest in self._reports.hear():
                if word == _LOST:
                    self._lost.add(int(rest))
                elif word == _STOP:
                    self._work.stop()
                elif word == _END:
                    self._work.end(time.monotonic() + float(rest))
                    return
            self._drop_holds()
            self._work.step()
            # On a pass that has more to do it is another process's turn to have the record.
            os.sched_yield()

    def _drop_holds(self) -> None:
        """Drop the holds of processes that are gone, and confirm it; what cannot be noted now is noted another time."""
        for pid in sorted(self._lost):
            try:
                self._work.lost(pid)
            except OutOfResources:
                return  # the step that follows says why
            self._lost.discard(pid)
            self._reports.noted(pid)
