"""Child processes: commands of the user, one child per association, and the duties of process 1.

Only children that were started here are waited for: `serve.access.host_access` runs its own, and a reaper that takes every child
would steal their exit status.
"""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from storescp.serve.process.signals import Signals, die_by

if TYPE_CHECKING:
    from storescp.serve.reporting.event_hub import Hub

_logger = logging.getLogger("dcmtk.apps.storescp")


class Children:
    """The children of this process that nobody waits for synchronously."""

    def __init__(self) -> None:
        self._running: dict[int, Callable[[int], None]] = {}

    def __len__(self) -> int:
        return len(self._running)

    def add(self, pid: int, on_end: Callable[[int], None]) -> None:
        """Call `on_end` with the wait status of child `pid` once `reap` finds it ended."""
        self._running[pid] = on_end
        # It may have ended before it was known here.
        self.reap()

    def reap(self) -> None:
        """Take the exit status of every child that has ended; never blocks."""
        for pid in list(self._running):
            try:
                ended, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                ended, status = pid, 0
            if ended and (on_end := self._running.pop(pid, None)) is not None:
                on_end(status)

    def forget(self) -> None:
        """Disown all children; for a child process, whose siblings they are."""
        self._running.clear()


class Commands:
    """Runs the commands of `--exec-on-reception` and `--exec-on-eostudy`."""

    def __init__(self, children: Children, *, synchronous: bool, hub: "Hub | None" = None) -> None:
        self._children = children
        self._synchronous = synchronous
        self._hub = hub

    def run(self, command: str, variables: Mapping[str, str]) -> None:
        """Give `command` to the shell, with `variables` added to its environment.

        Failures are log lines: the object is stored, whatever becomes of the command.
        """
        environment = {**os.environ, **variables}
        voice = None
        if self._hub is not None:
            from storescp.serve.reporting.event_emitter import CommandTeller

            voice = CommandTeller(self._hub, command, variables)
        begun = time.monotonic()

        def ended(status: int) -> None:
            _report(command, status)
            if voice is not None:
                voice.ended(pid, status, time.monotonic() - begun)

        try:
            pid = os.posix_spawn(
                "/bin/sh",
                ["/bin/sh", "-c", command],
                environment,
                # What handlers do here is not the command's business.
                setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD],
            )
        except (OSError, ValueError) as error:  # ValueError: a NUL in the text
            _logger.error("cannot execute command '%s' (%s)", command, error)
            if voice is not None:
                voice.failed(str(error))
            return
        if voice is not None:
            voice.started(pid)
        if not self._synchronous:
            self._children.add(pid, ended)
            return
        try:
            _, status = os.waitpid(pid, 0)
        except ChildProcessError:
            return
        ended(status)


def _report(command: str, status: int) -> None:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        _logger.warning("command '%s' was ended by %s", command, signal_name(-code))
    elif code > 0:
        _logger.warning("command '%s' failed with exit status %d", command, code)


def signal_name(number: int) -> str:
    """Return what a signal is called; most of the real-time signals have a number only."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def fork_flushed() -> int:
    """Split off a child process; return its number, 0 in the child.

    Raises:
        OSError: the system has no room for another process.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()  # or the child would write it a second time
    return os.fork()


def run_as_init() -> None:
    """Take over the duties of process 1: the receiver itself goes on in a child.

    In a container the first process inherits every orphan, and signals without a handler do not reach it. Returns in
    the child; the parent passes signals on, reaps, and ends as the child ends.
    """
    child = os.fork()
    if child == 0:
        return
    _reap_until(child)


def _reap_until(child: int) -> NoReturn:
    def pass_on(number: int, _frame: object) -> None:
        with suppress(ProcessLookupError):  # it has just ended; wait() tells how
            os.kill(child, number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, pass_on)
    while True:
        try:
            ended, status = os.wait()
        except ChildProcessError:
            os._exit(1)
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            if code < 0:
                die_by(-code)
            os._exit(code)


def watch_children(signals: Signals, children: Children) -> None:
    """Reap children as soon as they end, so that no zombies stay while the program waits."""
    signals.on(signal.SIGCHLD, children.reap)
