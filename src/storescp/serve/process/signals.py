"""Signals: a request to stop is noted by the handler and takes effect where the program waits.

A handler that raised wherever the program happens to be could tear a commit apart; one that only set a flag would
not end a blocking receive (PEP 475 resumes it). So the handler raises only inside `waiting()`, around the calls that
wait for the network, and everything else runs to its end. So do the actions that other signals ask for.
"""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn, TypeVar

from storescp.signal_names import signal_name

_STOPPING = (signal.SIGTERM, signal.SIGINT)

STOP_SECONDS = 5.0
"""Time in which everything is over once the program was asked to end: associations, commands, studies."""


class Stopped(BaseException):
    """The program was asked to end while it waited for the network."""

    def __init__(self, number: int) -> None:
        super().__init__(signal_name(number))
        self.number = number


_Result = TypeVar("_Result")


class _Woken(Exception):
    """An action was run while the program waited in `until_action`."""


class Signals:
    """The signals of this process and what they ask for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare.

        Args:
            clock: seconds, monotonic.
        """
        self.stop_requested: int | None = None
        self.stop_deadline: float | None = None
        """Time at which everything is to be over (clock); None: nobody has asked to stop."""
        self._clock = clock
        self._at_stop: Callable[[], None] = lambda: None
        self._owner = os.getpid()
        self._waiting = False
        self._wakes = False
        self._attention = False
        """True if a signal has come that was not attended to, or must be again."""
        self._actions: dict[int, Callable[[], None]] = {}
        self._due: list[int] = []

    def install(self) -> None:
        """Take over the handling of signals. Must be called in the main thread."""
        for number in _STOPPING:
            signal.signal(number, self._on_stop)
            _unblock(number)
        # A peer that closes early is an error of its connection, not the end of the program.
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def at_stop(self, action: Callable[[], None]) -> None:
        """Run `action` in the signal handler, as soon as this process, and no child of it, is asked to stop.

        It must not wait, write to the log or raise: the program may be anywhere.
        """
        self._at_stop = action
        self._owner = os.getpid()

    def on(self, number: int, action: Callable[[], None]) -> None:
        """Run `action` in the main thread after the signal `number`: while the program waits, or when it next does.

        Actions write to the log; in the midst of another log line they could not.
        """
        self._actions[number] = action
        signal.signal(number, self._on_other)
        _unblock(number)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Within this block signals are attended to at once: a request to stop raises `Stopped`.

        Raises:
            Stopped: also when the request came before the block was entered.
        """
        try:
            self.begin_wait()
            yield
        finally:
            self._waiting = False

    def until_action(self, wait: Callable[[], _Result]) -> _Result | None:
        """Return what `wait` returns, or None as soon as an action was run.

        Raises:
            Stopped: as `waiting`.
        """
        self._wakes = True
        try:
            with self.waiting():
                return wait()
        except _Woken:
            return None
        finally:
            self._wakes = False

    def begin_wait(self) -> None:
        """Enter what `waiting` does, for the hot path, where a context manager is too expensive.

        Raises:
            Stopped: the program was asked to end.
        """
        self._waiting = True
        if self._attention:
            self._attend()

    def end_wait(self) -> None:
        """Leave what `begin_wait` began."""
        self._waiting = False

    def _attend(self) -> None:
        """Do what signals asked for; more of them may come meanwhile, and find that nobody waits."""
        acted = False
        while self._attention:
            self._waiting = False
            self._attention = False
            while self._due:
                self._actions[self._due.pop(0)]()
                acted = True
            if self.stop_requested is not None:
                self._attention = True  # the next wait must know of it, too
                raise Stopped(self.stop_requested)
            self._waiting = True
        if acted and self._wakes:
            raise _Woken

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        if self.stop_requested is not None:
            # Asked twice: the user does not want to wait for an orderly end.
            die_by(number)
        self.stop_requested = number
        self.stop_deadline = self._clock() + STOP_SECONDS
        if os.getpid() == self._owner:
            self._at_stop()
        self._attention = True
        if self._waiting:
            self._attend()

    def _on_other(self, number: int, _frame: FrameType | None) -> None:
        self._due.append(number)
        self._attention = True
        if self._waiting:
            self._attend()


def _unblock(number: int) -> None:
    """Unblock a signal that the parent may have blocked: a program inherits that."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})


def die_by(number: int) -> NoReturn:
    """End the process as the signal `number` by itself would, so that the parent sees why."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # nobody is left to read it
            stream.flush()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    # Process 1 of a container is not killed by its own signals.
    os._exit(128 + number)


def pause(seconds: float, signals: Signals) -> None:
    """Sleep, unless the program is asked to stop.

    Raises:
        Stopped: it was.
    """
    with signals.waiting():
        time.sleep(seconds)
