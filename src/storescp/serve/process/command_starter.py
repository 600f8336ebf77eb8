"""A process that starts commands of the user: forked before there are a port and keys, it does nothing else.

Starting a command stops the process that does it for 0.1 to 0.2 ms, until the shell's image is loaded, and its end is a
signal to attend to. A receiver that hands the command to another process receives the next object meanwhile.

The receiver sends requests over a pair of sockets, in packets: number, line, variables, and whether it wants to know of
everything. The starter answers what did not go well, and everything if asked to, and then sends SIGCHLD, as the end of
an own child would: who waits for the network attends to it, and calls `collect`.

It dies with the receiver, however that dies: its socket is at its end then. What was requested before is started first.
Signals for the whole process group are the receiver's to act upon, and the commands'. The commands' parent is the
starter; environment (but for `variables`), limits, privileges, standard streams, process group, working directory and
umask are those that the receiver has, too.
"""

import contextlib
import errno
import logging
import marshal
import os
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import NoReturn, Protocol

from storescp.process_name import COMMANDS, name_process

_logger = logging.getLogger("dcmtk.apps.storescp")

_WAITS_SECONDS = 2.0
"""Time that a request waits for room, and the end for the last start; a starter that takes none is given up."""
_QUEUE_BYTES = 8192
"""Room for requests that wait, some ten of usual size (the system doubles it for its own needs)."""
_LONGEST_REQUEST = 1 << 16
_LONGEST_REPORT = 1 << 18
_OWN_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE)
"""Handlers of these are not the command's business."""


class Follower(Protocol):
    """Listener for the fate of one command."""

    def started(self, pid: int) -> None:
        """It runs."""
        ...

    def failed(self, why: str) -> None:
        """It could not start."""
        ...

    def ended(self, pid: int, status: int) -> None:
        """It has ended, with this wait status."""
        ...


def start_shell(line: str, variables: Mapping[str, str]) -> int:
    """Give a line to the shell, with variables added to the environment; return its process.

    Raises:
        OSError: it cannot start.
        ValueError: there is a NUL in the text.
    """
    return os.posix_spawn(
        "/bin/sh", ["/bin/sh", "-c", line], {**os.environ, **variables}, setsigdef=_OWN_SIGNALS
    )


class CommandStarter:
    """The receiver's side."""

    def __init__(self, follow: Callable[[str], Follower]) -> None:
        """Prepare.

        Args:
            follow: returns the observer of a line that failed and has none of its own.
        """
        self._follow = follow
        self._channel: socket.socket | None = None
        self._pid = 0
        self._last = 0
        self._followers: dict[int, Follower] = {}

    def start(self, prepare: Callable[[], None]) -> None:
        """Fork.

        Args:
            prepare: what the new process does first, such as giving privileges up.

        Raises:
            OSError: the system has no room for another process.
        """
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # A few requests, so that commands do not fall behind their objects.
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _QUEUE_BYTES)
        receiver = os.getpid()
        try:
            self._pid = os.fork()
        except OSError:
            ours.close()
            its.close()
            raise
        if self._pid == 0:
            _serve(its, prepare, receiver)
        its.close()
        self._channel = ours

    def request(self, line: str, variables: Mapping[str, str], follower: Follower | None) -> bool:
        """Have a command started; return False if that is not possible here, and nothing was done.

        Args:
            line: what the shell is given.
            variables: what is added to the environment.
            follower: hears of all that becomes of it; None: only failures are told.
        """
        channel = self._channel
        if channel is None:
            return False
        self._last += 1
        packet = marshal.dumps((self._last, line, dict(variables), follower is not None))
        if follower is not None:
            self._followers[self._last] = follower
        try:
            try:
                channel.send(packet, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except BlockingIOError:
                _wait_for(channel, select.POLLOUT, time.monotonic() + _WAITS_SECONDS)
                channel.send(packet, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError as error:
            self._followers.pop(self._last, None)
            if error.errno != errno.EMSGSIZE:  # else it is only this one that is too long
                self._give_up()
            return False
        return True

    def collect(self) -> None:
        """Tell what was reported since the last call; never waits."""
        while (channel := self._channel) is not None:
            try:
                packet = channel.recv(_LONGEST_REPORT, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self._give_up()
            else:
                self._tell(*marshal.loads(packet))
        if self._pid and _has_ended(self._pid):
            self._pid = 0

    def _tell(self, number: int, line: str, pid: int | None, outcome: int | str | None) -> None:
        """Tell a follower: it could not start (no process), runs (no outcome), or has ended (its wait status)."""
        follower = self._followers.get(number) or self._follow(line)
        if pid is None:
            follower.failed(str(outcome))
        elif outcome is None:
            follower.started(pid)
            return
        else:
            assert isinstance(outcome, int)
            follower.ended(pid, outcome)
        self._followers.pop(number, None)

    def _give_up(self) -> None:
        """Go on without the starter."""
        assert self._channel is not None
        self._channel.close()
        self._channel = None
        self._followers.clear()
        _logger.error(
            "the process that starts commands has ended or hangs: some may not have run; they are started without it now"
        )

    def close(self) -> None:
        """Wait until all that was requested has been started, but not for ever; commands go on, the starter ends."""
        channel = self._channel
        if channel is None:
            return
        channel.shutdown(socket.SHUT_WR)
        end = time.monotonic() + _WAITS_SECONDS
        while _wait_for(channel, select.POLLIN, end):
            packet = channel.recv(_LONGEST_REPORT)
            if not packet:
                break
            self._tell(*marshal.loads(packet))
        channel.close()
        self._channel = None
        self._followers.clear()


def _has_ended(pid: int) -> bool:
    """Tell whether a child has ended, and wait for it then."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True


def _wait_for(channel: socket.socket, event: int, end: float) -> bool:
    """Wait until something can be received or sent; return whether that is so before `end` (`time.monotonic`)."""
    poll = select.poll()
    poll.register(channel, event)
    return bool(poll.poll(max(0.0, end - time.monotonic()) * 1000))


def _serve(channel: socket.socket, prepare: Callable[[], None], receiver: int) -> NoReturn:
    """Be the starter, until the receiver is gone."""
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        name_process(COMMANDS)
        _close_others(channel.fileno())
        prepare()
        _Server(channel, receiver).run()
        code = 0
    finally:
        os._exit(code)


def _close_others(kept: int) -> None:
    """Close all descriptors but the standard streams and one."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != kept:
            with contextlib.suppress(OSError):
                os.close(int(name))


class _Server:
    """The starter's side."""

    def __init__(self, channel: socket.socket, receiver: int) -> None:
        self._channel = channel
        self._receiver = receiver
        self._running: dict[int, tuple[int, str, bool]] = {}
        self._unsent: deque[bytes] = deque()
        self._poll = select.poll()

    def run(self) -> None:
        """Start the requested commands, until no requester is left."""
        ended, wake = os.pipe()
        for descriptor in (ended, wake):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._poll.register(ended, select.POLLIN)
        self._poll.register(self._channel, select.POLLIN)
        while True:
            for descriptor, events in self._poll.poll():
                if descriptor == ended:
                    os.read(ended, 4096)
                    self._reap()
                elif events & select.POLLOUT:
                    self._send()
                elif not self._take():
                    return

    def _take(self) -> bool:
        """Start one command; return False if there will be no other."""
        packet = self._channel.recv(_LONGEST_REQUEST)
        if not packet:
            return False
        number, line, variables, tells_all = marshal.loads(packet)
        try:
            pid = start_shell(line, variables)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the text
            self._report(number, line, None, str(error))
            return True
        self._running[pid] = number, line, tells_all
        if tells_all:
            self._report(number, line, pid, None)
        return True

    def _reap(self) -> None:
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            number, line, tells_all = self._running.pop(pid)
            if tells_all or status:
                self._report(number, line, pid, status)

    def _report(self, number: int, line: str, pid: int | None, outcome: int | str | None) -> None:
        self._unsent.append(marshal.dumps((number, line, pid, outcome)))
        self._send()

    def _send(self) -> None:
        """Send what there is room for, and have the receiver attend to it."""
        sent = False
        try:
            while self._unsent:
                self._channel.send(self._unsent[0], socket.MSG_DONTWAIT)
                self._unsent.popleft()
                sent = True
        except BlockingIOError:
            pass
        except OSError:  # nobody is there to hear of it
            self._unsent.clear()
        self._poll.modify(self._channel, select.POLLIN | (select.POLLOUT if self._unsent else 0))
        if sent and os.getppid() == self._receiver:
            os.kill(self._receiver, signal.SIGCHLD)
