"""A directory of this process for what targets must see on disk, in memory where that can be had."""

import os
import tempfile
from functools import cache


@cache
def _directory() -> tempfile.TemporaryDirectory[str]:
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return tempfile.TemporaryDirectory(prefix="storescp-fuzz-", dir=parent)


def scratch() -> str:
    """Return its path; it is removed when the process ends."""
    return _directory().name
