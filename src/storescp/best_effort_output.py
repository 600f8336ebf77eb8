"""Output that reception does not depend on: the log, progress dots and events.

A full disk, a closed terminal, a pipe whose reader has gone or does not read: whatever happens to such output, nothing is
raised, and the caller waits for a reader only for a small share of the time. What was lost is counted, and reported once
output works again. Everything written here goes through one function, `BestEffortWriter.write`.
"""

import os
import select
import stat
import sys
import time
from collections.abc import Callable
from typing import TextIO

_PIPE_BUF = 4096
"""Bytes that a writable pipe takes without waiting, pipe(7)."""

_LONGEST_WAIT_SECONDS = 0.5
_SHARE_OF_TIME = 0.05
"""Seconds per second that a writer may wait for a slow reader, in addition."""


class BestEffortWriter:
    """Writes pieces of output to a descriptor that may be broken, full, or without a reader."""

    def __init__(
        self,
        descriptor: int,
        *,
        waits: bool = True,
        make_report: Callable[[int], bytes] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to write.

        Args:
            descriptor: open for writing; its owner closes it.
            waits: whether to give a slow reader a moment.
            make_report: makes, of the number of pieces that were lost, what is written before the next one; None:
                nothing.
            clock: seconds, monotonic.
        """
        self.descriptor = descriptor
        self.lost = 0
        """Pieces that were lost since the last one that was written."""
        self._waits = waits
        self._make_report = make_report
        self._clock = clock
        self._left = _LONGEST_WAIT_SECONDS if waits else 0.0
        self._left_at = clock()
        self._is_torn = False
        # A pipe of our own that is not blocking says itself when it is full.
        self._polls = waits or os.get_blocking(descriptor)
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def write(self, data: bytes) -> bool:
        """Write a piece of output, such as a line, as a whole; False if it, or a part of it, was lost. Never raises."""
        if self.lost and self._make_report is not None:
            report = self._make_report(self.lost)
            if not self._write(report):
                self.lost += 1
                return False
            self.lost = 0
        if self._write(data):
            self.lost = 0
            return True
        self.lost += 1
        return False

    def _write(self, data: bytes) -> bool:
        if self._is_torn:
            data = b"\n" + data  # ends the line of which the first part was written
        rest = memoryview(data)
        try:
            while rest:
                if self._polls and not self._takes():
                    break
                count = len(rest)
                if count > _PIPE_BUF and not stat.S_ISREG(os.fstat(self.descriptor).st_mode):
                    count = _PIPE_BUF
                rest = rest[os.write(self.descriptor, rest[:count]) :]
        except OSError:
            pass
        if not rest:
            self._is_torn = False
            return True
        self._is_torn = self._is_torn or len(rest) < len(data)
        return False

    def _takes(self) -> bool:
        """Tell whether the descriptor takes something at once, or within the time that may be waited."""
        if self._poll.poll(0):
            return True
        if not self._waits or self.lost:
            return False
        begun = self._clock()
        earned = (begun - self._left_at) * _SHARE_OF_TIME
        left = min(self._left + earned, _LONGEST_WAIT_SECONDS)
        is_ready = bool(self._poll.poll(int(left * 1000)))
        self._left_at = self._clock()
        self._left = max(0.0, left - (self._left_at - begun))
        return is_ready


class StandardStream:
    """Standard output or standard error of this process, whatever it is at the moment."""

    def __init__(self, name: str, make_report: Callable[[int], str] | None = None) -> None:
        """Prepare to write.

        Args:
            name: `stdout` or `stderr`.
            make_report: makes, of the number of lines that were lost, what is written before the next one; None:
                nothing.
        """
        self._name = name
        self._make_report = make_report
        self._stream: TextIO | None = None
        self._writer: BestEffortWriter | None = None

    def write(self, text: str) -> None:
        """Write text in one piece; characters that the stream's encoding lacks become escape sequences. Never raises."""
        stream: TextIO | None = getattr(sys, self._name)
        if stream is None:  # the program was started without this descriptor
            return
        if stream is not self._stream:
            self._stream, self._writer = stream, self._writer_to(stream)
        if self._writer is not None:
            self._writer.write(_encode(text, stream))
            return
        try:
            stream.write(text)
            stream.flush()
        except (OSError, ValueError):
            return

    def _writer_to(self, stream: TextIO) -> BestEffortWriter | None:
        """Return what writes to the descriptor of a stream, None if it has none."""
        try:
            descriptor = stream.fileno()
        except (OSError, ValueError, AttributeError):
            return None
        make = self._make_report
        if make is None:
            return BestEffortWriter(descriptor)
        return BestEffortWriter(descriptor, make_report=lambda lost: _encode(make(lost), stream))


def _encode(text: str, stream: TextIO) -> bytes:
    encoding = stream.encoding or "ascii"
    try:
        return text.encode(encoding, stream.errors or "strict")
    except UnicodeEncodeError:
        return text.encode(encoding, "backslashreplace")


def open_standard_descriptors() -> None:
    """Connect standard descriptors that the program was started without to the null device.

    Otherwise the next files and connections would get their numbers, and with them what others mean for a terminal.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)  # noqa: FBT003  (takes no keyword)
    os.close(descriptor)
