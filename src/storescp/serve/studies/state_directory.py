"""The directory in which a receiver keeps what is to survive it, and the mark that it is in use.

Without `--state-directory` several processes need one all the same, as long as they live. It is not in memory: the names
of patients are in it, which a killed receiver would leave there for good, and what is in /dev/shm goes when its user logs
out. It is on a local disk, because SQLite's log needs shared memory that all processes see.
"""

import contextlib
import fcntl
import os
import re
import stat
import tempfile
import time

from storescp.errors import ConfigurationError
from storescp.storage.files.output_directory import fsync_directory

DATABASE = "state.sqlite"
MARK = "in-use"
"""The file that is locked."""
_FILES = (*(f"{DATABASE}{suffix}" for suffix in ("", "-wal", "-shm", "-lock", "-journal")), MARK)
"""All that is ever in it; the mark last, so that what was not removed to the end is found again."""

_LOCK_WAIT_SECONDS = 15.0
"""Seconds that the processes of a receiver which was killed have to notice."""
_POLL_SECONDS = 0.05

_ON_DISK = "/var/tmp"
_IN_MEMORY = "/dev/shm"
"""Place of the directory in release 0.1.0."""
_temporary_name = re.compile(r"storescp-([0-9]+-)?[a-z0-9_]{8}")
_UNMARKED_SECONDS = 3600.0
"""Age of a temporary directory without a mark from which on nobody is about to mark it."""


class StateDirectory:
    """A directory that belongs to one receiver, to all of its processes, as long as one of them lives."""

    def __init__(
        self, path: str | None, *, durable: bool = False, patience: float = _LOCK_WAIT_SECONDS
    ) -> None:
        """Take a directory, or make one for the life of this process.

        Args:
            path: of a directory, which is made if it does not exist; None: one that is not kept.
            durable: whether its name is on disk when this returns.
            patience: seconds to wait until another receiver has let it go.

        Raises:
            ConfigurationError: it cannot be had, or another receiver has it.
        """
        self._temporary = path is None
        self.path = "for this start" if path is None else os.path.abspath(path)
        self._guard = self._lock = -1
        try:
            if path is None:
                self._take_temporary(time.monotonic() + patience)
            else:
                self._take_named(time.monotonic() + patience, durable=durable)
        except BlockingIOError as error:
            raise ConfigurationError(
                f"state directory {self.path} is in use by another receiver"
            ) from error
        except OSError as error:
            raise ConfigurationError(
                f"cannot use state directory {self.path}: {error.strerror}"
            ) from error

    @property
    def database(self) -> str:
        """Path of the database in it."""
        return os.path.join(self.path, DATABASE)

    def _take_named(self, limit: float, *, durable: bool) -> None:
        while True:
            _make(self.path, durable=durable)
            with contextlib.suppress(FileNotFoundError):
                self._take(limit)
                return
            # A check of the options had made it, and has removed it again.

    def _take_temporary(self, limit: float) -> None:
        parent = _parent_of_temporary()
        while True:
            self.path = tempfile.mkdtemp(prefix=f"storescp-{os.geteuid()}-", dir=parent)
            # Programs that remove old files from such places leave alone what is locked: systemd-tmpfiles(8).
            self._guard = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._guard, fcntl.LOCK_SH)
            with contextlib.suppress(FileNotFoundError):
                self._take(limit)
                return
            os.close(self._guard)  # another start took it for a leftover

    def _take(self, limit: float) -> None:
        """Mark the directory.

        Raises:
            BlockingIOError: another receiver has marked it, and has not let it go in time.
            FileNotFoundError: it was removed meanwhile.
        """
        mark = os.path.join(self.path, MARK)
        lock = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            while not _lock_now(lock):
                if time.monotonic() >= limit:
                    raise BlockingIOError
                time.sleep(_POLL_SECONDS)
            os.stat(mark)
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock

    def close(self) -> None:
        """Let it go; one that is not kept is removed."""
        if self._temporary:
            _remove(self.path)
            os.close(self._guard)
        os.close(self._lock)


def remove_leftovers(now: float) -> None:
    """Remove directories of receivers of this user that were killed, which were for one start only. Never raises.

    Args:
        now: seconds since 1970.
    """
    for place in {_parent_of_temporary(), _ON_DISK, _IN_MEMORY}:
        _remove_leftovers(place, now)


def is_in_use(path: str) -> bool:
    """Tell whether a receiver has a directory; takes it for a moment, if not."""
    try:
        descriptor = os.open(os.path.join(path, MARK), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False  # nobody ever had it
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock_now(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _make(path: str, *, durable: bool) -> None:
    """Make a directory, private, with those above it, unless it exists."""
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        _make_parent(parent, durable=durable)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    if durable:  # also where an earlier start made it, which may have been killed before this
        fsync_directory(parent)


def _make_parent(path: str, *, durable: bool) -> None:
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        _make_parent(parent, durable=durable)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path)
    if durable:
        fsync_directory(parent)


def _remove(path: str) -> None:
    """Remove a directory with what we have put into it; with something else in it, it stays. Never raises."""
    for name in _FILES:
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(path, name))
    with contextlib.suppress(OSError):
        os.rmdir(path)


def _parent_of_temporary() -> str:
    """Return where a directory that is not kept is made: that of the service manager, or on a local disk."""
    given = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]  # systemd.exec(5): may be several
    for place in (given, _ON_DISK):
        if place and os.access(place, os.W_OK | os.X_OK):
            return place
    return tempfile.gettempdir()


def _remove_leftovers(parent: str, now: float) -> None:
    """Remove those in one place. Never raises."""
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if _temporary_name.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    _remove_if_left(entry.path, now)


def _remove_if_left(path: str, now: float) -> None:
    """Remove a directory if it is ours, and no receiver has it.

    Raises:
        OSError: it is something else, or gone.
    """
    # Others may write to the parent, too: no link is followed, and nothing of theirs is touched.
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(directory)
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) != 0o700:
            return
        try:
            mark = os.open(MARK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        except FileNotFoundError:
            if found.st_mtime < now - _UNMARKED_SECONDS:
                _remove(path)
        else:
            try:
                if _lock_now(mark):
                    _remove(path)
            finally:
                os.close(mark)
    finally:
        os.close(directory)
