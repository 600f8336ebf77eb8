"""Limits of waiting connections: enough for a burst, within the descriptors and memory that there are."""

import resource
from contextlib import suppress
from typing import NamedTuple

MAXIMUM_PENDING_PEERS = 512
"""Peers that have asked for an association, and wait for a worker, at most; more are rejected."""

_WANTED_DESCRIPTORS = 8192
_MAXIMUM_WAITING = 2048
"""Connections that wait for their request, or for their end, at most."""
_MAXIMUM_WAITING_TLS = 512
"""Maximum number with TLS, where each has some 50 kB of handshake state."""
_RESERVED_DESCRIPTORS = 128
"""Descriptors for workers, files, and all that is open besides."""


class Capacity(NamedTuple):
    """Connections that nobody serves, at most."""

    silent: int
    """Those that have not asked for an association yet."""
    lingering: int
    """Those that their peers are to close."""


def raise_descriptor_limit() -> int:
    """Raise the soft limit of descriptors, as far as that is wanted and allowed; return what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = (
        _WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_WANTED_DESCRIPTORS, hard)
    )
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return _WANTED_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    with suppress(OSError, ValueError):  # a sandbox may not let us; then fewer wait
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def capacity(descriptors: int, *, secure: bool) -> Capacity:
    """Return how many connections may wait.

    Args:
        descriptors: that this process may have.
        secure: whether connections are those of TLS.
    """
    free = max(2, descriptors - _RESERVED_DESCRIPTORS - MAXIMUM_PENDING_PEERS)
    each = max(1, min(_MAXIMUM_WAITING, free // 2))
    return Capacity(min(each, _MAXIMUM_WAITING_TLS) if secure else each, each)
