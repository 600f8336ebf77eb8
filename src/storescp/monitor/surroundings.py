"""Facts about the machine that no event reports: disk space, expiry of the certificate, the database.

Looked at when somebody asks, and not more often than every few seconds.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_CACHE_SECONDS = 2.0
"""Seconds for which an answer holds."""

_LOW_SPACE_BYTES = 64 << 20
"""Bytes: with less room the next large object will not fit, and whoever watches should know."""


@dataclass(frozen=True, slots=True)
class HostStatusSettings:
    """Directory, certificate and database to look at."""

    directory: str
    """Directory in which objects are stored."""
    writes: bool = True
    """False: objects are ignored, the disk does not matter."""
    least_free: int = 0
    """Bytes that must be free; with less the receiver refuses objects."""
    certificate_file: str | None = None
    certificate_is_der: bool = False
    database: str | None = None
    """The file that remembers studies; None: there is none."""


@dataclass(frozen=True, slots=True)
class HostStatus:
    """State of disk, certificate and database."""

    disk_free: int | None
    """Bytes that the receiver may use; None: the directory cannot be looked at."""
    disk_size: int | None
    disk_problem: str
    """Reason why nothing can be stored, in words; empty: nothing is in the way."""
    certificate_expiry: float | None
    """Seconds since 1970; None: there is no certificate, or it cannot be read."""
    database_problem: str
    """Reason why the database cannot be used, in words; empty: it can, or there is none."""


class HostProbe:
    """Looks at the surroundings, and remembers for a moment what it saw."""

    def __init__(
        self,
        whereabouts: HostStatusSettings,
        *,
        expiry: Callable[[str, bool], float | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to look.

        Args:
            whereabouts: at what.
            expiry: reads the end of a certificate from its file; the second argument tells if it is DER.
            clock: seconds, monotonic.
        """
        self._whereabouts = whereabouts
        self._expiry = expiry
        self._clock = clock
        self._seen: HostStatus | None = None
        self._until = 0.0
        self._certificate: tuple[tuple[int, int], float | None] | None = None

    def __call__(self) -> HostStatus:
        """Return what is there."""
        now = self._clock()
        if self._seen is None or now >= self._until:
            self._seen = self._look()
            self._until = now + _CACHE_SECONDS
        return self._seen

    def _look(self) -> HostStatus:
        free, size, problem = _disk(self._whereabouts)
        return HostStatus(free, size, problem, self._look_at_certificate(), self._database())

    def _look_at_certificate(self) -> float | None:
        """Read the certificate when its file has changed."""
        path = self._whereabouts.certificate_file
        if path is None:
            return None
        try:
            status = os.stat(path)
        except OSError:
            return None
        version = status.st_mtime_ns, status.st_ino
        if self._certificate is None or self._certificate[0] != version:
            self._certificate = version, self._expiry(path, self._whereabouts.certificate_is_der)
        return self._certificate[1]

    def _database(self) -> str:
        path = self._whereabouts.database
        if path is None:
            return ""
        import sqlite3

        try:
            connection = sqlite3.connect(
                f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, timeout=1.0
            )
            try:
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            finally:
                connection.close()
        except sqlite3.Error as error:
            return f"the database cannot be read: {error}"
        return ""


def _disk(whereabouts: HostStatusSettings) -> tuple[int | None, int | None, str]:
    try:
        status = os.statvfs(whereabouts.directory)
    except OSError as error:
        return None, None, f"the output directory cannot be looked at: {error.strerror}"
    free, size = status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize
    if not whereabouts.writes:
        return free, size, ""
    if not os.access(whereabouts.directory, os.W_OK | os.X_OK):
        return free, size, "the output directory cannot be written to"
    if free < max(_LOW_SPACE_BYTES, whereabouts.least_free):
        return free, size, f"the disk is full: {free >> 20} MB are left"
    if status.f_files and not status.f_favail:
        return free, size, "the disk has no room for another file"
    return free, size, ""
