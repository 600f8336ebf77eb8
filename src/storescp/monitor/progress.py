"""`--progress`: what happens, live on the terminal, or as plain lines where there is none. A process of its own.

On a terminal, everything that the receiver's processes and commands print goes through the display, line by line, and
scrolls above it: while it is there, their standard error (and standard output, if it is a terminal as well) is a pipe
to it. When it ends, for whatever reason, they have the terminal again.
"""

import os
import selectors
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storescp.best_effort_output import BestEffortWriter
from storescp.monitor.plain_lines import PlainLines
from storescp.monitor.viewer import Viewer, Watch

if TYPE_CHECKING:
    from rich.console import Console

    from storescp.events import Event

_STANDARD_OUTPUT, _STANDARD_ERROR = 1, 2

_REFRESH_SECONDS = 0.25
"""Seconds."""
_UNFINISHED_LINE_SECONDS = 0.3
"""Seconds after which a line is shown though it has not ended: somebody may be asked for something."""
_READ_BYTES = 1 << 16
_NEW_LINE_AND_CURSOR = b"\n\x1b[?25h"  # DECTCEM: the cursor is shown


@dataclass(frozen=True, slots=True)
class Progress:
    """Settings of the display."""

    identifiers: bool = False
    """True if identifiers of patients are shown."""


def progress(settings: Progress) -> Viewer:
    """Return the viewer that shows what happens; it is not started yet."""
    if not os.isatty(_STANDARD_ERROR) or os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        return Viewer("progress", lambda watch: _plain(watch, settings))
    detour = Detour()
    return Viewer(
        "progress",
        lambda watch: _show(watch, settings, detour),
        started=detour.begin,
        ended=detour.end,
    )


class Detour:
    """The way that output takes while the display has the terminal."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        self._saved: dict[int, int] = {}

    def begin(self) -> None:
        """Send the output of this process, and of those that it starts, to the display."""
        for descriptor in (_STANDARD_ERROR, _STANDARD_OUTPUT):
            if os.isatty(descriptor):
                self._saved[descriptor] = os.dup(descriptor)
                os.dup2(self._writing, descriptor)
        os.close(self._reading)
        os.close(self._writing)

    def end(self, orderly: bool) -> None:  # noqa: FBT001  (of a callable)
        """Give the terminal back; if the display did not leave it in order, do that."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        while self._saved:
            descriptor, saved = self._saved.popitem()
            os.dup2(saved, descriptor)
            os.close(saved)
        if not orderly:
            with suppress(OSError):
                os.write(_STANDARD_ERROR, _NEW_LINE_AND_CURSOR)

    def reading_end(self) -> int:
        """Return where the output arrives; in the display's process, which does not write there."""
        os.close(self._writing)
        os.set_blocking(self._reading, False)
        return self._reading


def _plain(watch: Watch, settings: Progress) -> None:
    lines = PlainLines(watch.model, identifiers=settings.identifiers)
    output = BestEffortWriter(_STANDARD_ERROR)

    def tell(event: "Event") -> None:
        for line in lines.lines(event):
            output.write(line.encode("utf-8", "backslashreplace"))

    def tick() -> float:
        for line in lines.due(time.time()):
            output.write(line.encode("utf-8", "backslashreplace"))
        return 1.0

    watch.observers.append(tell)
    watch.run(tick)


def _show(watch: Watch, settings: Progress, detour: Detour) -> None:
    # Loading it takes as long as starting the receiver.
    from rich.console import Console
    from rich.live import Live

    from storescp.monitor.display import draw, summary

    console = Console(file=sys.stderr, highlight=False, markup=False, emoji=False)
    due = 0.0
    with Live(
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as live:
        above = _Above(console, detour.reading_end(), watch.selector)

        def tick() -> float:
            nonlocal due
            now = time.monotonic()
            if now >= due:
                due = now + _REFRESH_SECONDS
                above.show_unfinished()
                picture = draw(
                    watch.model,
                    time.time(),
                    height=console.height,
                    identifiers=settings.identifiers,
                )
                live.update(picture, refresh=True)
            return due - now

        watch.run(tick)
        above.finish()
    console.print(f"storescp: {summary(watch.model, time.time())}", soft_wrap=True)


class _Above:
    """Shows above the display what others print."""

    def __init__(self, console: "Console", reading: int, selector: selectors.BaseSelector) -> None:
        self._console = console
        self._reading = reading
        self._selector = selector
        self._rest = b""
        self._since = 0.0
        selector.register(reading, selectors.EVENT_READ, self._receive)

    def _receive(self) -> None:
        """Show what has come, whole lines of it."""
        data = os.read(self._reading, _READ_BYTES)
        if not data:  # nobody has the other end any more
            self._selector.unregister(self._reading)
            return
        lines, newline, self._rest = (self._rest + data).rpartition(b"\n")
        self._since = time.monotonic()
        if newline:
            self._print(lines)

    def show_unfinished(self) -> None:
        """Show a line that does not end."""
        if self._rest and time.monotonic() - self._since > _UNFINISHED_LINE_SECONDS:
            self._print(self._rest)
            self._rest = b""

    def finish(self) -> None:
        """Show all that is left."""
        with suppress(OSError):
            while data := os.read(self._reading, _READ_BYTES):
                self._rest += data
        if self._rest:
            self._print(self._rest.removesuffix(b"\n"))

    def _print(self, lines: bytes) -> None:
        from rich.text import Text

        text = Text.from_ansi(lines.decode("utf-8", "backslashreplace"))
        self._console.print(text, soft_wrap=True)
