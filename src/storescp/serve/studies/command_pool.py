"""Runs commands of the user, a few at a time, each for a limited time."""

import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from storescp.serve.process.children import Children, wait_for_child
from storescp.signal_names import signal_name
from storescp.storage.studies.study_store import Job
from storescp.storage.studies.user_commands import Command

_logger = logging.getLogger("dcmtk.apps.storescp")

_TERMINATION_GRACE_SECONDS = 5.0
"""Seconds between the request to end and the end."""


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """Settings for running commands."""

    at_once: int = 4
    """Commands that run at a time."""
    time_limit: float = 3600.0
    """Seconds; then a command is ended, which counts as a failure."""


class Ended(NamedTuple):
    """End of a command."""

    job: Job
    pid: int | None
    """None: it could not start."""
    why: str
    """Empty: it ended well."""
    exit_status: int | None
    duration: float


@dataclass(slots=True)
class _Started:
    job: Job
    begun: float
    limit: float
    was_late: bool = False


class CommandPool:
    """The commands that run; their ends are collected, not acted upon in the middle of something else."""

    def __init__(
        self,
        children: Children,
        running: CommandSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to run.

        Args:
            children: the children of this process.
            running: how.
            clock: seconds, monotonic.
        """
        self._children = children
        self._rules = running
        self._clock = clock
        self._running: dict[int, _Started] = {}
        self._ended: deque[Ended] = deque()
        self._reading, self._writing = os.pipe()
        for descriptor in (self._reading, self._writing):
            os.set_blocking(descriptor, False)

    def __len__(self) -> int:
        return len(self._running)

    @property
    def has_room(self) -> bool:
        """True if another command may run."""
        return len(self._running) < self._rules.at_once

    @property
    def free_places(self) -> int:
        """Number of further commands that may run now."""
        return max(0, self._rules.at_once - len(self._running))

    @property
    def descriptor(self) -> int:
        """Descriptor that becomes readable when a command has ended."""
        return self._reading

    def start(self, job: Job, command: Command) -> int | None:
        """Start a command; return its process, None if it could not start."""
        try:
            pid = spawn(command.line, command.environment)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the text
            self._ended.append(Ended(job, None, str(error), None, 0.0))
            return None
        now = self._clock()
        self._running[pid] = _Started(job, now, now + self._rules.time_limit)
        self._children.add(pid, lambda status: self._note_end(pid, status))
        return pid

    def _note_end(self, pid: int, status: int) -> None:
        """Note how a command ended."""
        started = self._running.pop(pid, None)
        if started is None:
            return  # it was given up
        duration = self._clock() - started.begun
        why, code = explain(status)
        if started.was_late and why:
            why = f"longer than {self._rules.time_limit:g} s"
        self._ended.append(Ended(started.job, pid, why, code, duration))
        with suppress(BlockingIOError):
            os.write(self._writing, b"e")

    def collect(self) -> list[Ended]:
        """Return the commands that have ended since the last call, and end those that run for too long."""
        if self._running:
            self._children.reap()
        with suppress(BlockingIOError):
            os.read(self._reading, 4096)
        self._end_late()
        ended = []
        while self._ended:
            ended.append(self._ended.popleft())
        return ended

    def wait(self, seconds: float) -> None:
        """Wait until a command has ended, for so many seconds at most."""
        end = self._clock() + seconds
        while not self._ended and self._running and self._clock() < end:
            time.sleep(0.005)
            self._children.reap()

    def give_up(self) -> list[Job]:
        """Ask the commands that run to end, with all that they started, and forget them; return their jobs."""
        jobs = []
        for pid, started in list(self._running.items()):
            _kill_group(pid, signal.SIGTERM)
            jobs.append(started.job)
        self._running.clear()
        return jobs

    def forget(self) -> list[Job]:
        """Let the commands that run go on, and return their jobs."""
        jobs = [started.job for started in self._running.values()]
        self._running.clear()
        return jobs

    def deadline(self) -> float | None:
        """Return when the first command will have run for too long (clock)."""
        return min((started.limit for started in self._running.values()), default=None)

    def _end_late(self) -> None:
        now = self._clock()
        for pid, started in list(self._running.items()):
            if now < started.limit:
                continue
            _kill_group(pid, signal.SIGKILL if started.was_late else signal.SIGTERM)
            started.was_late = True
            started.limit = now + _TERMINATION_GRACE_SECONDS


def run_to_its_end(
    command: Command,
    time_limit: float,
    stop_deadline: Callable[[], float | None] = lambda: None,
    on_start: Callable[[int], None] = lambda _: None,
) -> tuple[int | None, str | None, int | None]:
    """Run a command and wait for it.

    Args:
        command: what is run.
        time_limit: seconds that it may take.
        stop_deadline: returns until when it is waited for, because the program ends (`time.monotonic`).
        on_start: is told its process.

    Returns:
        Its process, why it failed (empty: it did not; None: it still runs, and the program ends), its exit status.
    """
    try:
        pid = spawn(command.line, command.environment)
    except (OSError, ValueError) as error:
        return None, str(error), None
    on_start(pid)
    limit, is_late = time.monotonic() + time_limit, False

    def until() -> float:
        stop = stop_deadline()
        return limit if stop is None else min(limit, stop)

    while True:
        try:
            status = wait_for_child(pid, until)
        except ChildProcessError:
            return pid, "nobody knows how it ended", None
        if status is not None:
            why, code = explain(status)
            return pid, f"longer than {time_limit:g} s" if is_late and why else why, code
        if time.monotonic() < limit:
            return pid, None, None
        _kill_group(pid, signal.SIGKILL if is_late else signal.SIGTERM)
        limit, is_late = time.monotonic() + _TERMINATION_GRACE_SECONDS, True


def explain(status: int) -> tuple[str, int | None]:
    """Return why a command of this wait status failed, empty if it did not, and its exit status if it has one."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return f"ended by {signal_name(-code)}", None
    return f"exit status {code}" if code else "", code


def spawn(line: str, variables: Mapping[str, str]) -> int:
    """Give a line to the shell, in a process group of its own; return its process.

    Raises:
        OSError: it cannot start.
        ValueError: there is a NUL in the text.
    """
    return os.posix_spawn(
        "/bin/sh",
        ["/bin/sh", "-c", line],
        {**os.environ, **variables},
        setpgroup=0,  # so that what the shell starts is ended with it
        setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE],
    )


def end_group(pid: int) -> None:
    """Ask a command that was started by `spawn` to end, with all that it started."""
    _kill_group(pid, signal.SIGTERM)


def _kill_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
