"""The commands of the user, given to the shell."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from storescp.errors import ConfigurationError
from storescp.serve.process.children import Children, wait_for_child
from storescp.serve.process.command_starter import CommandStarter, start_shell
from storescp.signal_names import signal_name

if TYPE_CHECKING:
    from storescp.serve.reporting.event_emitter import CommandEventEmitter
    from storescp.serve.reporting.event_hub import EventHub

_logger = logging.getLogger("dcmtk.apps.storescp")


class CommandRunner:
    """Runs the commands of `--exec-on-reception` and `--exec-on-eostudy`."""

    def __init__(
        self,
        children: Children,
        *,
        synchronous: bool,
        hub: "EventHub | None" = None,
        stop_deadline: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Prepare to run.

        Args:
            children: the children of this process.
            synchronous: whether to wait for each command.
            hub: is told of it.
            stop_deadline: returns until when a command is waited for, because the program ends
                (`time.monotonic`); None: it does not end.
        """
        self._children = children
        self._synchronous = synchronous
        self._stop_deadline = stop_deadline
        self._hub = hub
        self._starter: CommandStarter | None = None

    def use_starter(self, prepare: Callable[[], None]) -> None:
        """Have commands started by a process of its own, which is forked now.

        Args:
            prepare: what the new process does first, such as giving privileges up.

        Raises:
            ConfigurationError: the system has no room for another process.
        """
        self._starter = CommandStarter(lambda line: _Run(line, None))
        try:
            self._starter.start(prepare)
        except OSError as error:
            raise ConfigurationError(f"cannot start a process: {error.strerror}") from error

    def collect(self) -> None:
        """Tell what the starter has reported; never waits."""
        if self._starter is not None:
            self._starter.collect()

    def close(self) -> None:
        """Wait until all commands have been started; they go on."""
        if self._starter is not None:
            self._starter.close()

    def run(self, command: str, variables: Mapping[str, str]) -> None:
        """Give `command` to the shell, with `variables` added to its environment.

        Failures are log lines: the object is stored, even if the command fails.
        """
        emitter = None
        if self._hub is not None:
            from storescp.serve.reporting.event_emitter import CommandEventEmitter

            emitter = CommandEventEmitter(self._hub, command, variables)
        run = _Run(command, emitter)
        if self._starter is not None:
            self._starter.collect()
            if self._starter.request(command, variables, None if emitter is None else run):
                return
        try:
            pid = start_shell(command, variables)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the text
            run.failed(str(error))
            return
        run.started(pid)
        if not self._synchronous:
            self._children.add(pid, lambda status: run.ended(pid, status))
            return
        try:
            status = wait_for_child(pid, self._stop_deadline)
        except ChildProcessError:
            return
        if status is None:
            _logger.warning("command '%s' still runs: the program ends without it", command)
        else:
            run.ended(pid, status)


class _Run:
    """Says how one command fares, in the log and to those that listen."""

    def __init__(self, command: str, emitter: "CommandEventEmitter | None") -> None:
        self._command = command
        self._voice = emitter
        self._begun = time.monotonic()

    def started(self, pid: int) -> None:
        if self._voice is not None:
            self._voice.started(pid)

    def failed(self, why: str) -> None:
        _logger.error("cannot execute command '%s' (%s)", self._command, why)
        if self._voice is not None:
            self._voice.failed(why)

    def ended(self, pid: int, status: int) -> None:
        _report(self._command, status)
        if self._voice is not None:
            self._voice.ended(pid, status, time.monotonic() - self._begun)


def _report(command: str, status: int) -> None:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        _logger.warning("command '%s' was ended by %s", command, signal_name(-code))
    elif code > 0:
        _logger.warning("command '%s' failed with exit status %d", command, code)
