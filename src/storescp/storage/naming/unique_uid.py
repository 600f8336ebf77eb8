"""UIDs of our own making, PS3.5 B.2."""

import os

_RANDOM_BITS = (1 << 128) - 1 ^ (0xF << 76 | 0x3 << 62)
_VERSION_4 = 0x4 << 76 | 0x2 << 62


def unique_uid() -> str:
    """Return a UID that no other process, machine or restart will make.

    It is derived from a random UUID (RFC 9562 version 4) under the arc 2.25, which needs no
    registration; at most 44 characters.
    """
    # The module uuid would do the same, after an import that costs more than this program's own.
    number = int.from_bytes(os.urandom(16), "big") & _RANDOM_BITS | _VERSION_4
    return f"2.25.{number}"
