"""A terminal: a pseudo-terminal with an emulator behind it, so that tests see what a person would."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyte


class Terminal:
    """A terminal with a program in it."""

    def __init__(
        self,
        command: Sequence[str],
        directory: Path,
        environment: Mapping[str, str],
        *,
        columns: int = 100,
        lines: int = 24,
    ) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))
        variables = {**environment, "TERM": "xterm"}
        for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
            variables.pop(name, None)
        self._screen = pyte.HistoryScreen(columns, lines, history=10000)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self.process = subprocess.Popen(
            command, cwd=directory, env=variables, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        self._descriptor = ours
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._descriptor, 65536)
            except OSError:  # the last program in it has ended
                return
            with self._lock:
                self._stream.feed(data)

    def screen(self) -> list[str]:
        """Return what is on the screen, without the blanks at the ends."""
        with self._lock:
            return _without_end([line.rstrip() for line in self._screen.display])

    def everything(self) -> list[str]:
        """Return what has scrolled away and what is on the screen."""
        with self._lock:
            gone = [
                "".join(line[column].data for column in range(self._screen.columns)).rstrip()
                for line in self._screen.history.top
            ]
            return _without_end([*gone, *(line.rstrip() for line in self._screen.display)])

    def type(self, text: str) -> None:
        """Press the keys of a text."""
        os.write(self._descriptor, text.encode())

    def cursor_is_hidden(self) -> bool:
        """Tell whether the cursor is hidden."""
        with self._lock:
            return bool(self._screen.cursor.hidden)

    def close(self) -> None:
        """End the program, if it is still there, and take the terminal away."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(10)
        self._reader.join(10)
        os.close(self._descriptor)


def _without_end(lines: list[str]) -> list[str]:
    while lines and not lines[-1]:
        lines.pop()
    return lines
