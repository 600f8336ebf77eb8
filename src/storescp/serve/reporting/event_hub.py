"""The hub of events: those of this process, and those that other processes of this receiver report.

Three kinds of listeners, each for its purpose:

- a *writer* takes lines. Every process has it and writes its own, so that nothing is lost on the way: `--events`.
- an *observer* takes the events of the process that it is in, in every process: a log.
- a *subscriber* lives in the main process, and sees the events of all of them: a status page.

The others report to the main process through a pipe, one line a write. A pipe takes a line whole or not at all, and
nobody waits for it: if the main process does not keep up, events are dropped and counted, and the count is reported.
Who has no hub has no cost: what happens is then not even made into a value.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from storescp.best_effort_output import BestEffortWriter
from storescp.events import Event, EventsDropped, Fact, Party, decode, encode

_logger = logging.getLogger("dcmtk.apps.storescp")

_PIPE_BYTES = 1 << 20
"""Bytes: some 2000 events, if the system allows it."""
_READ_BYTES = 1 << 16

Subscriber = Callable[[Event], None]
Writer = Callable[[bytes], object]


class EventHub:
    """The events of one receiver, as one of its processes sees them."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Begin without listeners.

        Args:
            clock: seconds since 1970.
        """
        self._clock = clock
        self._writers: list[Writer] = []
        self._observers: list[Subscriber] = []
        self._subscribers: list[Subscriber] = []
        # The pipe to the main process; this one reports if it has an end to write to.
        self._reading = self._end_for_children = -1
        self._reports: BestEffortWriter | None = None
        self._rest = b""
        self._due: deque[Event] = deque()
        self._telling = False

    def write_to(self, writer: Writer) -> None:
        """Have every process hand its own events to `writer`, as lines."""
        self._writers.append(writer)

    def observe(self, observer: Subscriber) -> None:
        """Have every process hand its own events to `observer`."""
        self._observers.append(observer)

    def subscribe(self, subscriber: Subscriber) -> None:
        """Have the main process hand the events of all processes to `subscriber`.

        It is called in the main thread, in the middle of the work: it takes note, and does not wait. Before the
        first process is forked.
        """
        self._subscribers.append(subscriber)

    @property
    def keeps_records(self) -> bool:
        """True if some observer writes events down."""
        return bool(self._writers)

    def tell(self, fact: Fact, party: Party | None = None) -> None:
        """Say what has just happened in this process. Never raises for want of a listener.

        A signal handler may call it in the middle of a call: its event then comes after the other.
        """
        self._due.append(Event(self._clock(), os.getpid(), party, fact))
        if self._telling:
            return
        self._telling = True
        try:
            while self._due:
                self._hand_on(self._due.popleft())
        finally:
            self._telling = False

    def _hand_on(self, event: Event) -> None:
        if self._writers or self._reports is not None:
            line = encode(event)
            for writer in self._writers:
                writer(line)
            if self._reports is not None:
                _report(line, self._reports)
        for observer in self._observers:
            observer(event)
        for subscriber in self._subscribers:
            subscriber(event)

    # -- several processes -------------------------------------------------------------------------------------------

    def share(self) -> None:
        """Prepare for processes that will be forked; nothing to do if nobody in the main process listens."""
        if self._reading >= 0 or not self._subscribers:
            return
        self._reading, self._end_for_children = _pipe()

    def in_child(self) -> None:
        """Go on in a process that was forked: what happens here is reported to the main process."""
        self._subscribers.clear()
        self._due.clear()
        if self._reading >= 0:
            os.close(self._reading)
            # A line is shorter than what a pipe takes whole or not at all.
            self._reports = BestEffortWriter(
                self._end_for_children, waits=False, make_report=self._report_of_loss
            )
            self._reading = self._end_for_children = -1

    @property
    def descriptor(self) -> int:
        """Descriptor that becomes readable when other processes have reported; -1 if none ever will."""
        return self._reading

    def receive(self) -> None:
        """Hand on what other processes have reported; never waits."""
        while self._reading >= 0:
            try:
                data = os.read(self._reading, _READ_BYTES)
            except BlockingIOError:
                return
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._take(line)
            if len(data) < _READ_BYTES:
                return

    def _take(self, line: bytes) -> None:
        try:
            event = decode(line)
        except ValueError as error:
            _logger.debug("%s", error)
            return
        for subscriber in self._subscribers:
            subscriber(event)

    def _report_of_loss(self, lost: int) -> bytes:
        return encode(Event(self._clock(), os.getpid(), None, EventsDropped(lost)))

    def close(self) -> None:
        """Hand on what is left, and report no more."""
        self.receive()
        writing = -1 if self._reports is None else self._reports.descriptor
        for descriptor in (self._reading, writing, self._end_for_children):
            if descriptor >= 0:
                os.close(descriptor)
        self._reading = self._end_for_children = -1
        self._reports = None


def _report(line: bytes, reports: BestEffortWriter) -> None:
    """Write a line to the main process, unless it does not keep up."""
    if not reports.write(line) and reports.lost == 1:
        _logger.warning("the main process does not keep up with events: some are dropped")


def _pipe() -> tuple[int, int]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    import fcntl

    # Where the system allows less, less is buffered.
    with suppress(OSError, AttributeError):
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return reading, writing
