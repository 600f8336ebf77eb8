"""The commands of the user, given to the shell."""

import logging
import os
import signal
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from storescp.serve.process.children import Children, signal_name

if TYPE_CHECKING:
    from storescp.serve.reporting.event_hub import EventHub


_logger = logging.getLogger("dcmtk.apps.storescp")


class CommandRunner:
    """Runs the commands of `--exec-on-reception` and `--exec-on-eostudy`."""

    def __init__(
        self, children: Children, *, synchronous: bool, hub: "EventHub | None" = None
    ) -> None:
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
            from storescp.serve.reporting.event_emitter import CommandEventEmitter

            voice = CommandEventEmitter(self._hub, command, variables)
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
