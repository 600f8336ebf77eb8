"""Processes that end with the one that forked them."""

import contextlib
import os
import signal

_PR_SET_PDEATHSIG = 1  # prctl(2)


def end_with_parent(parent: int, number: int = signal.SIGTERM) -> None:
    """Have the kernel signal this process when its parent exits, for any reason (Linux)."""
    import ctypes

    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)
