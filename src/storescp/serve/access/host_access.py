"""Host access control, `--access-control`: rule files of the system, commands, netgroups.

The rules themselves are in `access.rules`. They are read anew for every connection, so that changes
count at once. Complaints about them go to the log; TCP wrappers write them to syslog.
"""

import contextlib
import errno
import logging
import os
import select
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass

from storescp import conditions
from storescp.printable import printable
from storescp.serve.access.rules import (
    AccessDecision,
    Client,
    FileTooLarge,
    RuleEnvironment,
    decide,
)

_LOGGER = logging.getLogger("dcmtk.dcmnet")

MAXIMUM_FILE_SIZE = 1 << 20
"""Bytes of a file of rules or patterns; if one is larger, everybody is refused."""


@dataclass(frozen=True, slots=True)
class AccessControl:
    """Files of the rules, and the time limit of a rule's command in seconds."""

    allow: str = "/etc/hosts.allow"
    deny: str = "/etc/hosts.deny"
    command_time_limit: float = 10.0


def check(control: AccessControl, client: Client) -> AccessDecision:
    """Return whether a client is let in; log what is wrong with the rules."""

    def run(command: bytes, environment: Mapping[bytes, bytes]) -> int:
        return run_command(command, environment, control.command_time_limit)

    decision = decide(client, control.allow, control.deny, RuleEnvironment(read, run, in_netgroup))
    for complaint in decision.complaints:
        _LOGGER.warning("%s", complaint)
    return decision


def refusal(client: Client) -> str:
    """Return what the reference logs about a refused client."""
    return (
        "Receiving Association failed: "
        f"{conditions.TCP_WRAPPER.line()}: denied connection from "
        f"{printable(client.name)} ({client.address})"
    )


def read(path: str) -> bytes:
    """Return the content of a file of rules or patterns; a directory is empty.

    Raises:
        OSError: it cannot be opened; FileTooLarge if nobody wrote it by hand.
    """
    try:
        with open(path, "rb", opener=_open) as file:
            data = file.read(MAXIMUM_FILE_SIZE + 1)
    except IsADirectoryError:
        return b""
    except ValueError as error:  # a NUL in the name
        raise FileNotFoundError(errno.ENOENT, str(error), path) from error
    if len(data) > MAXIMUM_FILE_SIZE:
        raise FileTooLarge(errno.EFBIG, f"larger than {MAXIMUM_FILE_SIZE} bytes", path)
    return data


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # not to wait for the writer of a pipe


def run_command(command: bytes, environment: Mapping[bytes, bytes], time_limit: float) -> int:
    """Run a shell command with the null device as its standard streams; return its exit status.

    A command that takes longer than `time_limit` seconds is killed, with what it started.

    Raises:
        OSError: it could not be started, or another part of the program took its exit status.
        TimeoutError: it took too long.
        ValueError: it has a NUL in it.
    """
    null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    pid = os.posix_spawn(
        "/bin/sh",
        [b"sh", b"-c", command],
        {**os.environb, **environment},
        file_actions=null,
        setpgroup=0,
        setsigmask=(),
        setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD),
    )
    status = _wait(pid, time_limit)
    if status is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise TimeoutError(errno.ETIMEDOUT, f"killed after {time_limit:g} s")
    return os.waitstatus_to_exitcode(status)


def _wait(pid: int, time_limit: float) -> int | None:
    """Return the wait status of a child, None if it goes on after `time_limit` seconds."""
    deadline = time.monotonic() + time_limit
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):  # not on Linux
        while time.monotonic() < deadline:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return status
            time.sleep(0.005)
        return None
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        ready = poll.poll(max(0, deadline - time.monotonic()) * 1000)
    finally:
        os.close(descriptor)
    return os.waitpid(pid, 0)[1] if ready else None


def in_netgroup(group: bytes, host: bytes) -> bool:
    """Return whether a host is in a netgroup, innetgr(3); no system support means no."""
    import ctypes

    try:
        return bool(ctypes.CDLL(None).innetgr(group, host, None, None))
    except (AttributeError, OSError):
        return False
