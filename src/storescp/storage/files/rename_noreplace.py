"""Giving a file a name without ever taking it from another file."""

import contextlib
import errno
import functools
import os
from collections.abc import Callable

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM}


def rename_new(source: str, target: str, *, source_directory: int | None = None) -> None:
    """Rename a file, unless something else of the new name exists.

    Where the kernel cannot do it at once, the file has both names for a moment. If the process is killed then, the
    next call of the same names finds that they are those of one file, and takes the old one away.

    Args:
        source: the present path.
        target: the new path.
        source_directory: descriptor of the directory that `source` counts from.

    Raises:
        FileExistsError: `target` exists; nothing was changed.
        OSError: the file cannot be renamed.
    """
    for attempt in (_rename_without_replacing, _link_and_unlink):
        try:
            attempt(source, target, source_directory)
        except FileExistsError:
            if _are_names_of_one_file(source, target, source_directory):
                os.unlink(source, dir_fd=source_directory)
                return
            raise
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
        else:
            return
    _look_and_rename(source, target, source_directory)


def _are_names_of_one_file(source: str, target: str, source_directory: int | None) -> bool:
    """Tell whether two names are links to one file: two entries, not one that was spelled in two ways."""
    with contextlib.suppress(OSError):
        old = os.lstat(source, dir_fd=source_directory)
        new = os.lstat(target)
        is_other_name = os.path.basename(source).lower() != os.path.basename(target).lower()
        return os.path.samestat(old, new) and old.st_nlink > 1 and is_other_name
    return False


def _rename_without_replacing(source: str, target: str, source_directory: int | None) -> None:
    """Let the kernel do both at once: Linux 3.15, but not on NFS."""
    renameat2 = _renameat2()
    if renameat2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), source)
    number = renameat2(
        _AT_FDCWD if source_directory is None else source_directory,
        os.fsencode(source),
        _AT_FDCWD,
        os.fsencode(target),
        _RENAME_NOREPLACE,
    )
    if number:
        raise OSError(number, os.strerror(number), source, None, target)


def _link_and_unlink(source: str, target: str, source_directory: int | None) -> None:
    """Give a second name, which fails if it is taken, then drop the first."""
    os.link(source, target, src_dir_fd=source_directory, follow_symlinks=False)
    os.unlink(source, dir_fd=source_directory)


def _look_and_rename(source: str, target: str, source_directory: int | None) -> None:
    # File systems without hard links (some of FUSE) leave this: safe unless another program makes
    # a file of this name between the two calls.
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    os.rename(source, target, src_dir_fd=source_directory)


@functools.cache
def _renameat2() -> Callable[[int, bytes, int, bytes, int], int] | None:
    """Return the system call, giving an error number or 0; None where the C library lacks it."""
    import ctypes  # only some file name modes need it

    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return None
    function.argtypes = [
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_uint,
    ]

    def renameat2(
        old_directory: int, old: bytes, new_directory: int, new: bytes, flags: int
    ) -> int:
        failed = function(old_directory, old, new_directory, new, flags)
        return ctypes.get_errno() if failed else 0

    return renameat2
