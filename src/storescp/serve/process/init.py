"""The duties of process 1, as in a container."""

import os
import signal
from contextlib import suppress
from typing import NoReturn

from storescp.serve.process.signals import die_by


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
