"""The seam between storage and the system: counts calls, and does harm before a chosen one."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from storescp.storage.files import rename_noreplace

NAMES = (
    "access",
    "close",
    "fsync",
    "link",
    "mkdir",
    "open",
    "pread",
    "pwrite",
    "rename",
    "rmdir",
    "sendfile",
    "unlink",
    "write",
    "writev",
)


def as_on_nfs(*_: Any) -> int:
    """Fail as `renameat2` with RENAME_NOREPLACE does there."""
    return errno.EINVAL


@contextmanager
def watched(
    before: Callable[[int, str, tuple[Any, ...]], None], *, nfs: bool = False
) -> Iterator[None]:
    """Call `before` with number (from 0), name and arguments of each system call that matters.

    If it raises in front of a `close`, the descriptor is closed all the same, as the system does.

    Args:
        before: may raise, or kill the process.
        nfs: whether the file system lacks RENAME_NOREPLACE.
    """
    count = 0

    def wrap(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            number, count = count, count + 1
            try:
                before(number, name, arguments)
            except OSError:
                if name == "close":
                    call(*arguments)
                raise
            return call(*arguments, **named)

        return wrapped

    function = as_on_nfs if nfs else rename_noreplace._renameat2()
    assert function is not None

    def renameat2(*arguments: Any) -> int:
        try:
            wrapped = wrap("renameat2", function)
            return int(wrapped(*arguments))
        except OSError as error:
            return error.errno or 0

    patches: list[Any] = [
        mock.patch.object(os, name, wrap(name, getattr(os, name))) for name in NAMES
    ]
    patches.append(mock.patch.object(rename_noreplace, "_renameat2", return_value=renameat2))
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in reversed(patches):
            patch.stop()
