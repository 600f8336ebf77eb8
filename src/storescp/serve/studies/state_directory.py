"""The directory in which a receiver keeps what is to survive it, and the mark that it is in use."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time

from storescp.errors import ConfigurationError

DATABASE = "state.sqlite"
_MARK = "in-use"

_PATIENCE = 15.0
"""Seconds that the processes of a receiver which was killed have to notice."""
_IN_MEMORY = "/dev/shm"


class StateDirectory:
    """A directory that belongs to one receiver, to all of its processes, as long as one of them lives."""

    def __init__(self, path: str | None, *, patience: float = _PATIENCE) -> None:
        """Take a directory, or make one for the life of this process.

        Args:
            path: of a directory, which is made if it does not exist; None: one that is not kept.
            patience: seconds to wait until another receiver has let it go.

        Raises:
            ConfigurationError: it cannot be had, or another receiver has it.
        """
        self._temporary = path is None
        try:
            self.path = _make_temporary() if path is None else os.path.abspath(path)
            os.makedirs(self.path, mode=0o700, exist_ok=True)
            self._lock = os.open(
                os.path.join(self.path, _MARK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            self._take(time.monotonic() + patience)
        except BlockingIOError as error:
            raise ConfigurationError(
                f"state directory {self.path} is in use by another receiver"
            ) from error
        except OSError as error:
            raise ConfigurationError(
                f"cannot use state directory {path}: {error.strerror}"
            ) from error

    @property
    def database(self) -> str:
        """Path of the database in it."""
        return os.path.join(self.path, DATABASE)

    def _take(self, limit: float) -> None:
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= limit:
                    raise
                time.sleep(0.05)
            else:
                return

    def close(self) -> None:
        """Let it go; one that is not kept is removed."""
        os.close(self._lock)
        if self._temporary:
            shutil.rmtree(self.path, ignore_errors=True)


def is_in_use(path: str) -> bool:
    """Tell whether a receiver has a directory; takes it for a moment, if not."""
    try:
        descriptor = os.open(os.path.join(path, _MARK), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False  # nobody ever had it
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _make_temporary() -> str:
    with contextlib.suppress(OSError):
        return tempfile.mkdtemp(prefix="storescp-", dir=_IN_MEMORY)
    return tempfile.mkdtemp(prefix="storescp-")
