"""Log files of logging configuration files: plain, rolled by size, rolled by time.

Files are opened for appending and an event is one write, so that the children of `--fork`, and other servers too, may
write to the same file. Rolling is done by one process: whoever finds that it is due locks the directory, looks whether
the file is still the one that it has open, and otherwise only opens the new one.
"""

import contextlib
import fcntl
import itertools
import logging
import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from storescp.log.appender import encode
from storescp.log.log4cplus.appender import ConfiguredAppender, flush_before_fork, patience
from storescp.log.log4cplus.diagnostics import Diagnostics, integer
from storescp.log.log4cplus.properties import Properties

MINIMUM_SIZE_LIMIT_BYTES = 200 * 1024
DEFAULT_SIZE_LIMIT_BYTES = 10 * 1024 * 1024

_ROLLING_LOCK_WAIT_SECONDS = 0.2  # seconds to wait for another process that rolls
_ROLLING_RETRY_SECONDS = 60.0  # seconds until a failed rolling is tried again


@dataclass(frozen=True, slots=True)
class FileOptions:
    """Settings of every log file."""

    path: str
    truncate: bool = False
    buffer_size: int = 0
    """Bytes to collect before they are written; with 0 every event is written at once."""
    reopen_delay: float = 1.0
    """Seconds to wait after a failure."""


class FileAppender(ConfiguredAppender):
    """Appends to one file. When that fails, events are dropped until the file can be opened again."""

    def __init__(self, complaints: Diagnostics, options: FileOptions) -> None:
        super().__init__(complaints)
        self.options = options
        self._buffer = bytearray()
        self._torn = False
        self._descriptor: int | None = None
        self._closed_until = 0.0
        flush_before_fork(self)
        if options.path:
            self._open(os.O_TRUNC if options.truncate else 0)
        else:
            self.complain("Invalid filename")

    def append(self, text: str, record: logging.LogRecord) -> None:  # noqa: ARG002
        if self._descriptor is None and not self._reopen():
            return
        self._buffer += encode(text)
        if len(self._buffer) >= self.options.buffer_size:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered."""
        data, self._buffer = self._buffer, bytearray()
        if data and self._descriptor is not None:
            self._write(self._descriptor, data)

    def close(self) -> None:
        """Write what is buffered and close the file."""
        self.flush()
        self._close()
        super().close()

    def _open(self, flags: int = 0) -> bool:
        # Not blocking: a named pipe without a reader must not hold up the server. Files don't care.
        flags |= os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            self._descriptor = os.open(self.options.path, flags, 0o666)
        except (OSError, ValueError):  # ValueError: a NUL in the name
            self._closed_until = time.monotonic() + self.options.reopen_delay
            self.complain(f"Unable to open file: {self.options.path}")
            return False
        return True

    def _reopen(self) -> bool:
        if not self.options.path or time.monotonic() < self._closed_until or not self._open():
            return False
        self.recovered()
        return True

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _write(self, descriptor: int, data: bytearray) -> None:
        if self._torn:
            data[:0] = b"\n"  # ends the event whose first part was written before the disk was full
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            self._torn = False
        except OSError as error:
            self._torn = self._torn or len(rest) < len(data)
            self._close()
            self._closed_until = time.monotonic() + self.options.reopen_delay
            self.complain(f"Unable to write to file: {self.options.path}: {error.strerror}")


class RollingAppender(FileAppender):
    """A file that is renamed when its time has come; what that means is said by the two classes below."""

    _next_attempt = 0.0

    def follow(self) -> bool:
        """Go over to the new file if another process has rolled; tell whether it has."""
        if self._descriptor is None or self._is_current():
            return False
        self._replace()
        return True

    def roll(self, names: Iterable[str]) -> bool:
        """Rename the file to the first name, and what bears a name to the next; tell whether there is a new file."""
        if time.monotonic() < self._next_attempt:
            return False
        self.flush()
        with locked_directory(self.options.path):
            if self._is_current():
                try:
                    shift(itertools.chain([self.options.path], names))
                except OSError as error:
                    self._next_attempt = time.monotonic() + _ROLLING_RETRY_SECONDS
                    self.complain(
                        f"Failed to rename file from {error.filename} to {error.filename2};"
                        f" error {error.errno}"
                    )
                    return False
            self._replace()
        return True

    def _is_current(self) -> bool:
        if self._descriptor is None:
            return False
        try:
            return os.path.samestat(os.stat(self.options.path), os.fstat(self._descriptor))
        except OSError:
            return False

    def _replace(self) -> None:
        self.flush()
        self._close()
        self._torn = False
        self._open()


class SizeRollingAppender(RollingAppender):
    """Rolls after an event that made the file too large: `FILE` becomes `FILE.1`, that `FILE.2`, and so on."""

    def __init__(
        self, complaints: Diagnostics, options: FileOptions, *, maximum_size: int, backups: int
    ) -> None:
        super().__init__(complaints, options)
        self._maximum_size = maximum_size
        self._names = [f"{options.path}.{number}" for number in range(1, max(backups, 1) + 1)]

    def append(self, text: str, record: logging.LogRecord) -> None:
        self.follow()
        super().append(text, record)
        if self._descriptor is None:
            return
        status = os.fstat(self._descriptor)
        size = status.st_size + len(self._buffer)
        if size > self._maximum_size and stat.S_ISREG(status.st_mode):
            self.roll(self._names)


class Schedule(Enum):
    """Length of a period; the value is the pattern that names it, for strftime."""

    MONTHLY = "%Y-%m"
    WEEKLY = "%Y-%W"
    DAILY = "%Y-%m-%d"
    TWICE_DAILY = "%Y-%m-%d-%p"
    HOURLY = "%Y-%m-%d-%H"
    MINUTELY = "%Y-%m-%d-%H-%M"


class TimeRollingAppender(RollingAppender):
    """Rolls before the first event of a new period: `FILE` becomes `FILE.PERIOD`, that `FILE.PERIOD.1`, and so on.

    A file left by an earlier process belongs to the period in which it was written to last. It is not rolled when the
    process ends, for then each child of `--fork` and each process of `--inetd` would do so.
    """

    def __init__(
        self,
        complaints: Diagnostics,
        options: FileOptions,
        *,
        schedule: Schedule,
        backups: int,
        now: float,
    ) -> None:
        super().__init__(complaints, options)
        self._schedule = schedule
        self._backups = max(backups, 1)
        self._start = start_of_period(schedule, self._last_written(now))
        self._end = end_of_period(schedule, self._start)

    def append(self, text: str, record: logging.LogRecord) -> None:
        if self.follow() or (record.created >= self._end and self.roll(self._names())):
            self._start = start_of_period(self._schedule, record.created)
            self._end = end_of_period(self._schedule, self._start)
        super().append(text, record)

    def _names(self) -> Iterator[str]:
        suffix = time.strftime(self._schedule.value, time.localtime(self._start))
        first = f"{self.options.path}.{suffix}"
        yield first
        for number in range(1, self._backups + 1):
            yield f"{first}.{number}"

    def _last_written(self, now: float) -> float:
        if self._descriptor is None:
            return now
        status = os.fstat(self._descriptor)
        return min(status.st_mtime, now) if status.st_size else now


def start_of_period(schedule: Schedule, moment: float) -> float:
    """Return the beginning of the period in local time, in seconds since 1970, that a moment belongs to."""
    local = time.localtime(moment)
    year, month, day, hour = local.tm_year, local.tm_mon, local.tm_mday, local.tm_hour
    match schedule:
        case Schedule.MONTHLY:
            return local_time(year, month, 1)
        case Schedule.WEEKLY:
            return local_time(year, month, day - (local.tm_wday + 1) % 7)  # back to Sunday
        case Schedule.DAILY:
            return local_time(year, month, day)
        case Schedule.TWICE_DAILY:
            return local_time(year, month, day, hour - hour % 12)
        case Schedule.HOURLY:
            return int(moment) - local.tm_min * 60 - local.tm_sec
        case Schedule.MINUTELY:
            return int(moment) - local.tm_sec


def end_of_period(schedule: Schedule, start: float) -> float:
    """Return the end of the period that starts at a moment, in seconds since 1970."""
    local = time.localtime(start)
    year, month, day, hour = local.tm_year, local.tm_mon, local.tm_mday, local.tm_hour
    match schedule:
        case Schedule.MONTHLY:
            return local_time(year, month + 1, 1)
        case Schedule.WEEKLY:
            return local_time(year, month, day + 7)
        case Schedule.DAILY:
            return local_time(year, month, day + 1)
        case Schedule.TWICE_DAILY:
            return local_time(year, month, day, hour + 12)
        case Schedule.HOURLY:
            return start + 3600
        case Schedule.MINUTELY:
            return start + 60


def local_time(year: int, month: int, day: int, hour: int = 0) -> float:
    """Return a local time as seconds since 1970; days and months may be out of range."""
    return time.mktime((year, month, day, hour, 0, 0, 0, 0, -1))


def shift(names: Iterable[str]) -> None:
    """Rename each file to the next name, up to the first name that is free; the last file is overwritten.

    Raises:
        OSError: a file cannot be renamed; the files behind it already are.
    """
    taken: list[str] = []
    for name in names:
        taken.append(name)
        if not os.path.lexists(name):
            break
    for source, target in reversed(list(itertools.pairwise(taken))):
        os.rename(source, target)


@contextlib.contextmanager
def locked_directory(path: str) -> Iterator[None]:
    """Keep other processes from rolling files in the directory of this file, as far as the system lets us."""
    try:
        descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        for _ in patience(_ROLLING_LOCK_WAIT_SECONDS):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            except OSError:  # not a file system with locks
                break
            break
        yield
    finally:
        os.close(descriptor)


def make(class_name: str, properties: Properties, complaints: Diagnostics) -> FileAppender:
    """Return the file appender of a class."""
    plain = class_name == "log4cplus::FileAppender"
    options = FileOptions(
        path=properties.get("File"),
        truncate=not properties.boolean("Append", default=not plain),
        buffer_size=_buffer_size(properties),
        reopen_delay=max(properties.integer("ReopenDelay", 1), 0),
    )
    if plain:
        return FileAppender(complaints, options)
    if class_name == "log4cplus::RollingFileAppender":
        return SizeRollingAppender(
            complaints,
            options,
            maximum_size=_maximum_size(properties),
            backups=properties.integer("MaxBackupIndex", 1),
        )
    return TimeRollingAppender(
        complaints,
        options,
        schedule=_schedule(properties, complaints),
        backups=properties.integer("MaxBackupIndex", 10),
        now=time.time(),
    )


def _buffer_size(properties: Properties) -> int:
    if properties.boolean("ImmediateFlush", default=True):
        return 0
    return max(properties.integer("BufferSize", 0), 0) or 8192


def _maximum_size(properties: Properties) -> int:
    if "MaxFileSize" not in properties:
        return DEFAULT_SIZE_LIMIT_BYTES
    text = properties.get("MaxFileSize").upper()
    digits = len(text) - len(text.lstrip("0123456789"))
    factor = 1024 if text.endswith("KB") else 1024 * 1024 if text.endswith("MB") else 1
    return max((integer(text[:digits]) or 0) * factor, MINIMUM_SIZE_LIMIT_BYTES)


def _schedule(properties: Properties, complaints: Diagnostics) -> Schedule:
    text = properties.get("Schedule")
    try:
        return Schedule[text.upper()]
    except KeyError:
        complaints.warn(f'DailyRollingFileAppender::ctor()- "Schedule" not valid: {text}')
        return Schedule.DAILY
