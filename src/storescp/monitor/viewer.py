"""A process of its own that sees all events: apart from reception, so that neither can hold up the other.

It is forked before the port is open and before keys are loaded, so that who breaks into a page holds neither. Events
come through a pipe, one record a write, from every process of the receiver; nobody waits for the viewer, what does not
fit into the pipe is dropped and counted. It ends with the receiver.

A view that is to be there as long as the receiver has a keeper, a process that does nothing but start it again if it
was killed: the receiver could not, without letting it have its port and keys. The new view knows what the receiver is,
from memory that they share, and what happens from then on; that it does not know the rest is for all to see.

It reads the pipe a few times a second, not at each event: being woken thousands of times a second would cost the
receiver more than all the rest.
"""

import logging
import mmap
import os
import selectors
import signal
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

from storescp.best_effort_output import BestEffortWriter
from storescp.errors import ConfigurationError
from storescp.events import Event, EventsDropped, Listening
from storescp.monitor import wire
from storescp.monitor.model import Model
from storescp.process_name import DISPLAY, KEEPER, name_process
from storescp.process_tie import end_with_parent
from storescp.signal_names import signal_name

_logger = logging.getLogger("dcmtk.apps.storescp")

_REMEMBERED_BYTES = 4096
_LENGTH = struct.Struct("=I")
_RESTART_SECONDS, _LONGEST_RESTART_SECONDS = 1.0, 60.0
"""Pauses before a view that was killed is started again: each is twice the one before, unless it has lived for long."""
_PIPE_BYTES = 1 << 20
_READ_BYTES = 1 << 16
_SHUTDOWN_SECONDS = 2.0
"""Seconds that the receiver waits for a viewer at its own end."""
_NICENESS = 5
"""Niceness of viewers: on a busy processor a viewer gets a third of the receiver's share."""
_BATCH_SECONDS = 0.1
"""Seconds in which what has come is left in the pipe, unless somebody asks."""
_LIVENESS_CHECK_SECONDS = 1.0
"""Seconds between looks whether the processes that we know of are still there."""


class Viewer:
    """The receiver's side: starts the process, and writes to it."""

    def __init__(
        self,
        name: str,
        view: "Callable[[Watch], None]",
        *,
        process_name: str = DISPLAY,
        is_kept: bool = False,
        started: Callable[[], None] = lambda: None,
        ended: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """Prepare.

        Args:
            name: what it is, for the log.
            view: what the process does; returns when it is to end.
            process_name: what the process is called.
            is_kept: whether the process is started again if it was killed.
            started: lets go, in this process, of what belongs to that one now.
            ended: takes back, in this process, what that one had; told if it came to an end by itself.
        """
        self.name = name
        self._view = view
        self._process_name = process_name
        self._is_kept = is_kept
        self._started = started
        self._ended = ended
        self._pid = -1
        self._writer: BestEffortWriter | None = None
        self._remembered = mmap.mmap(-1, _REMEMBERED_BYTES)

    def start(self, prepare: Callable[[], None]) -> None:
        """Fork.

        Args:
            prepare: what the new process does first.

        Raises:
            OSError: the system has no room for another process.
        """
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        _enlarge(writing)
        receiver = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(writing)
            self._become(prepare, reading, receiver)
        os.close(reading)
        # A record is shorter than what a pipe takes whole or not at all.
        self._writer = BestEffortWriter(writing, waits=False, make_report=_report_of_loss)
        self._started()

    def _become(self, prepare: Callable[[], None], reading: int, receiver: int) -> NoReturn:
        """Be the view, or what keeps it."""
        # The terminal and the service manager tell everybody to end. We end with the receiver, after its last word.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if not self._is_kept:
            self._run(prepare, Watch(reading, receiver))
        try:
            name_process(KEEPER)
            prepare()
            # Its view sees that it is gone, and ends.
            end_with_parent(receiver, signal.SIGKILL)
            self._keep(reading, receiver)
        finally:
            logging.shutdown()
            os._exit(1)

    def _keep(self, reading: int, receiver: int) -> NoReturn:
        """Start the view, and start it again until it ends by itself."""
        keeper, pause, restarted = os.getpid(), _RESTART_SECONDS, None
        while True:
            begun = time.monotonic()
            pid = os.fork()
            if pid == 0:
                record = self._recall()
                watch = Watch(reading, receiver, keeper, record=record, restarted=restarted)
                self._run(lambda: None, watch)
            _, status = os.waitpid(pid, 0)
            code = os.waitstatus_to_exitcode(status)
            if code == 0:
                os._exit(0)
            how = f"was ended by {signal_name(-code)}" if code < 0 else "has failed"
            _logger.error("the %s %s: it is started again", self.name, how)
            if time.monotonic() - begun > _LONGEST_RESTART_SECONDS:
                pause = _RESTART_SECONDS
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_RESTART_SECONDS)
            restarted = time.time()

    def _run(self, prepare: Callable[[], None], watch: "Watch") -> NoReturn:
        code = 0
        try:
            name_process(self._process_name)
            give_way(_NICENESS)
            prepare()
            self._view(watch)
        except Exception:  # the outermost loop of this process
            _logger.exception("internal error, a view of the receiver ends")
            code = 1
        finally:
            logging.shutdown()
            os._exit(code)

    def remember(self, record: bytes) -> None:
        """Keep a record for a view that is started again."""
        if len(record) <= _REMEMBERED_BYTES - _LENGTH.size:
            self._remembered[_LENGTH.size : _LENGTH.size + len(record)] = record
            _LENGTH.pack_into(self._remembered, 0, len(record))

    def _recall(self) -> bytes:
        (length,) = _LENGTH.unpack_from(self._remembered, 0)
        return self._remembered[_LENGTH.size : _LENGTH.size + length]

    def write(self, record: bytes) -> None:
        """Hand over an event, if there is room. Never waits, never raises."""
        if self._writer is not None:
            self._writer.write(record)

    def has_ended(self) -> bool:
        """Tell whether its process has ended; never waits."""
        if self._pid < 0:
            return True
        try:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = self._pid, 0
        if pid == 0:
            return False
        self._pid = -1
        self._ended(status == 0)
        if status:
            _logger.error("the %s has ended, reception goes on without it", self.name)
        return True

    def close(self) -> None:
        """Hand over no more, and wait for its last word, but not for ever."""
        if self._writer is not None:
            # That the pipe is closed is seen only when the last child of the receiver is gone.
            self._writer.write(wire.END)
            os.close(self._writer.descriptor)
            self._writer = None
        end = time.monotonic() + _SHUTDOWN_SECONDS
        while not self.has_ended() and time.monotonic() < end:
            time.sleep(0.01)
        if self._pid > 0:
            # It may be stopped. Its view, if it is one that keeps one, ends with it.
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._ended(False)  # noqa: FBT003  (of a callable)


def _report_of_loss(lost: int) -> bytes:
    return wire.pack(Event(time.time(), os.getpid(), None, EventsDropped(lost)))


class Viewers:
    """Several of them, one after the other."""

    def __init__(self, viewers: Sequence[Viewer]) -> None:
        self._viewers = viewers
        self._owner = os.getpid()

    def start(self, prepare: Callable[[], None] = lambda: None) -> None:
        """Start them all.

        Args:
            prepare: what each does first, such as giving privileges up.

        Raises:
            ConfigurationError: the system has no room for another process.
        """
        self._owner = os.getpid()
        try:
            for viewer in self._viewers:
                viewer.start(prepare)
        except OSError as error:
            self.close()
            raise ConfigurationError(f"cannot start a process: {error.strerror}") from error

    def tell(self, event: Event) -> None:
        """Hand over an event. From any process; never waits, never raises."""
        record = wire.pack(event)
        for viewer in self._viewers:
            if isinstance(event.fact, Listening):
                viewer.remember(record)
            viewer.write(record)

    def reap(self) -> None:
        """Notice those that have ended; never waits. Safe as a SIGCHLD action, also of other processes."""
        if os.getpid() == self._owner:
            for viewer in self._viewers:
                viewer.has_ended()

    def close(self) -> None:
        """End them all. What was changed for them, such as where output goes, is as before."""
        if os.getpid() != self._owner:
            return
        for viewer in self._viewers:
            viewer.close()


class Watch:
    """The viewer's side: the model, kept up to date, and the loop in which views do their work."""

    def __init__(
        self,
        reading: int,
        receiver: int,
        parent: int | None = None,
        *,
        record: bytes = b"",
        restarted: float | None = None,
    ) -> None:
        """Prepare to watch.

        Args:
            reading: the pipe's end that events come from.
            receiver: the process that is watched.
            parent: the loop ends with it; None: with the receiver.
            record: an event from before, to begin with.
            restarted: when this began instead of a watch that was killed, in seconds since 1970; None: it did not.
        """
        self.model = Model(time.time())
        self.model.restarted = restarted
        self._parent = receiver if parent is None else parent
        for event in wire.Unpacker().feed(record):
            self.model.observe(event)
        self.selector = selectors.DefaultSelector()
        self.receiver = receiver
        self._reading = reading
        self._unpacker = wire.Unpacker()
        self._ended = False
        self._paused_until = 0.0
        self._is_paused = True
        self.observers: list[Callable[[Event], None]] = []
        """Callables that get each event, after the model."""

    def run(self, tick: Callable[[], float]) -> None:
        """Watch until the receiver ends.

        Args:
            tick: does what has become due, and returns the seconds until it is to be called again.
        """
        look = 0.0
        while not self._ended:
            now = time.monotonic()
            if now >= look:
                self._look_around()
                look = now + _LIVENESS_CHECK_SECONDS
            if self._is_paused and now >= self._paused_until:
                self._resume()
            wait = min(tick(), look - now)
            if self._is_paused:
                wait = min(wait, self._paused_until - now)
            for key, _ in self.selector.select(max(0.0, wait)):
                try:
                    key.data()
                except Exception:
                    _logger.exception("internal error in a view of the receiver")

    def catch_up(self) -> None:
        """Take note of all that has happened so far."""
        with suppress(BlockingIOError):
            for _ in range(_PIPE_BYTES // _READ_BYTES):
                if self._ended:
                    return
                self._receive()

    def _resume(self) -> None:
        self.selector.register(self._reading, selectors.EVENT_READ, self._receive_and_pause)
        self._is_paused = False

    def _receive_and_pause(self) -> None:
        self.selector.unregister(self._reading)
        self._is_paused = True
        self._paused_until = time.monotonic() + _BATCH_SECONDS
        self.catch_up()

    def _receive(self) -> None:
        data = os.read(self._reading, _READ_BYTES)
        for event in self._unpacker.feed(data):
            self.model.observe(event)
            for observer in self.observers:
                observer(event)
        self._ended = not data or self._unpacker.ended

    def _look_around(self) -> None:
        """Notice processes that have ended without a word."""
        if os.getppid() != self._parent:
            # A child of it may go on, and hold the pipe open.
            self._ended = True
        gone = {pid for pid in self.model.processes() if not _exists(pid)}
        if gone:
            self.catch_up()
            self.model.forget_processes(gone)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _enlarge(pipe: int) -> None:
    import fcntl

    # Where the system allows less, less is buffered.
    with suppress(OSError, AttributeError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def give_way(niceness: int) -> None:
    """Have other processes come first, where that is allowed: a sandbox may forbid even that, setpriority(2)."""
    with suppress(OSError):
        os.nice(niceness)
