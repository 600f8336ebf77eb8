"""An output directory, and the hidden directory in it where unfinished files live.

The hidden directory, `.storescp-` and the user's number, is private and exists only while files are
received, or after a crash. See docs/decisions/0007-hidden-files.md.
"""

import contextlib
import errno
import logging
import os
import stat
import sys

from storescp.errors import CannotUnderstand, Limit, OutOfResources
from storescp.storage.files.directory_lock import DirectoryLock, close_quietly
from storescp.storage.files.leftovers import FileOwner, made_by

_logger = logging.getLogger("dcmtk.apps.storescp")

_OPEN_PLACE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_OPEN_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_ATTEMPTS = 4
_HIDDEN = ".storescp-"


class OutputDirectory:
    """Output directory of instances. There is one per process; forked children may continue with their parent's."""

    __slots__ = (
        "_hidden_names",
        "_lock",
        "_number",
        "_open_files",
        "_place",
        "durable",
        "is_kept",
        "maximum_size",
        "path",
        "reserve",
    )

    def __init__(
        self,
        path: str,
        *,
        durable: bool = False,
        maximum_size: int | None = None,
        reserve: int = 0,
    ) -> None:
        """Remember the path; nothing is opened yet.

        Args:
            path: of an existing directory.
            durable: whether files and directories are on disk before they count as stored.
            maximum_size: bytes of a file; None: as many as the system allows.
            reserve: bytes that must be free before a file is made.
        """
        self.path = path
        self.durable = durable
        self.maximum_size = sys.maxsize if maximum_size is None else maximum_size
        self.reserve = reserve
        self.is_kept = False
        """True if the hidden directory stays at the end of an association, because another one is expected at once."""
        self._lock: DirectoryLock | None = None
        self._hidden_names = ""
        self._place = -1
        self._number = 0
        self._open_files = 0

    def open_hidden(self) -> tuple[int, int, str]:
        """Create an unfinished file with a unique name, readable and writable.

        Returns:
            Descriptor of the hidden directory, which stays ours; descriptor and name of the file.

        Raises:
            OSError: it cannot be created.
            OutOfResources: less is free than is to stay free.
        """
        attempt = 1
        while True:
            try:
                if self._place < 0:
                    self._place = self._open_place()
                if self.reserve and not self.has_reserve():
                    reason = (
                        f"less than {self.reserve >> 20} megabytes are free, which are to stay free"
                    )
                    raise OutOfResources(reason, limit=Limit.FREE_SPACE)
                name = self.hidden_name()
                # 0666 minus umask is the final mode; until then the directory keeps others out.
                descriptor = os.open(name, _OPEN_FILE, 0o666, dir_fd=self._place)
            except FileNotFoundError:
                # Another receiver has tidied up, or the output directory was made anew.
                if attempt == _ATTEMPTS or self._open_files:
                    raise
                self._close_place()
                attempt += 1
            else:
                self._open_files += 1
                return self._place, descriptor, name

    def hidden_name(self) -> str:
        """Return a name in the hidden directory that no other file has."""
        self._number += 1
        return self._hidden_names % (os.getpid(), self._number)

    def retain(self) -> None:
        """Note another file in the hidden directory, which stays until as many are released."""
        self._open_files += 1

    def has_reserve(self) -> bool:
        """True if the file system has the space that must stay free; one system call, unless that is nothing."""
        if not self.reserve:
            return True
        system = os.fstatvfs(self._place)
        return system.f_bavail * system.f_frsize >= self.reserve

    def release(self) -> None:
        """Note that a file from `open_hidden` is hidden no longer."""
        self._open_files -= 1

    def make_study_directory(self, name: str, *, new: bool = False) -> str:
        """Create a directory for a study unless it exists; return its path.

        Args:
            name: in the output directory.
            new: whether it must not exist.

        Raises:
            CannotUnderstand: it cannot be created, is a symbolic link, or would be hidden.
            FileExistsError: it was to be new, and is not.
        """
        path = os.path.join(self.path, name)
        failure = f"could not create subdirectory for study: {path}"
        if name.startswith(_HIDDEN):  # a Study Instance UID can do that
            raise CannotUnderstand(
                f"{failure}: the name is that of our hidden directory", identifies=True
            )
        try:
            self._make(path)
        except FileExistsError as error:
            if new:
                raise
            # A link leads anywhere, and every user who may write to the output directory can plant one.
            if os.path.islink(path):
                raise CannotUnderstand(
                    f"{failure}: it is a symbolic link", identifies=True
                ) from error
            _logger.info("using existing subdirectory for study: %s", path)
        except OSError as error:
            raise CannotUnderstand(f"{failure}: {error.strerror}", identifies=True) from error
        else:
            _logger.info("created new subdirectory for study: %s", path)
        return path

    def _make(self, path: str) -> None:
        """Make a directory in the output directory.

        Raises:
            FileExistsError: it is there. Its name is on disk all the same, if need be: another process may just have
                made it, and not be so far.
        """
        try:
            os.mkdir(path)
        finally:
            if self.durable:
                fsync_directory(self.path)

    def restore_study_directory(self, path: str) -> None:
        """Make the directory of the study under way again, if it is gone.

        Raises:
            CannotUnderstand: it cannot be made, or a link is in its place.
        """
        with contextlib.suppress(OSError):
            if stat.S_ISDIR(os.lstat(path).st_mode):
                return
        self.make_study_directory(os.path.basename(path))

    def remove_leftovers(self, now: float) -> int:
        """Remove unfinished files of receivers that are no more; return how many. Never raises.

        For the start, and for a parent one of whose children has died. Files of running receivers
        are not touched, nor, for a day, those that another machine made in a shared directory.

        Args:
            now: seconds since 1970.
        """
        removed = 0
        try:
            place = os.open(self._hidden_path(), _OPEN_PLACE)
        except OSError:
            return removed
        try:
            for name in os.listdir(place):
                removed += self._remove_if_left(place, name, now)
        except OSError:
            pass
        finally:
            close_quietly(place)
        with contextlib.suppress(OSError):
            os.rmdir(self._hidden_path())
        return removed

    def _remove_if_left(self, place: int, name: str, now: float) -> bool:
        receiver = made_by(name)
        if receiver is None:
            return False
        try:
            modified = os.stat(name, dir_fd=place, follow_symlinks=False).st_mtime
            if not receiver.is_gone(self.path, modified, now):
                return False
            os.unlink(name, dir_fd=place)
        except OSError:
            return False
        return True

    def tidy(self) -> None:
        """Remove the hidden directory, if it is not kept and nobody has files in it: at the end of an association."""
        if self._place >= 0 and self._open_files == 0 and not self.is_kept:
            self._close_place()
            with contextlib.suppress(OSError):
                os.rmdir(self._hidden_path())

    def close(self) -> None:
        """Tidy, and give up the mark on the directory."""
        self.is_kept = False
        self.tidy()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _hidden_path(self) -> str:
        return os.path.join(self.path, f"{_HIDDEN}{os.geteuid()}")

    def _open_place(self) -> int:
        """Make sure of the mark and the hidden directory; return its descriptor.

        Everything in there is reached through the descriptor: what other users do to the path
        cannot lead us elsewhere.
        """
        if self._lock is None or not self._lock.holds():
            if self._lock is not None:
                self._lock.close()
            self._lock = DirectoryLock(self.path)
            self._hidden_names = FileOwner.on_this_machine(self._lock.number).hidden_names
        path = self._hidden_path()
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
        place = os.open(path, _OPEN_PLACE)
        try:
            owner = os.fstat(place).st_uid
            if owner not in {os.geteuid(), self._owner_of_new_files(owner)}:
                raise PermissionError(errno.EPERM, f"{path} belongs to somebody else", path)
        except OSError:
            close_quietly(place)
            raise
        return place

    def _owner_of_new_files(self, expected: int) -> int:
        """Return our user ID as the file system sees it: some file systems map users, as NFS does with root."""
        if expected == os.geteuid():
            return expected
        path = f"{self._hidden_path()}-{os.getpid()}"
        os.mkdir(path, 0o700)
        try:
            return os.lstat(path).st_uid
        finally:
            os.rmdir(path)

    def _close_place(self) -> None:
        if self._place >= 0:
            place, self._place = self._place, -1
            close_quietly(place)


def fsync_directory(path: str) -> None:
    """Bring the names in a directory to disk.

    Raises:
        OSError: that failed.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        close_quietly(descriptor)
