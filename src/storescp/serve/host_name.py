"""What a peer's address is called: a reverse lookup that nobody waits long for."""

import socket
import threading

UNKNOWN = "unknown"

_LONGEST_WAIT = 5.0
"""Seconds; a name server that is away must not keep a scanner waiting."""

_MOST_AT_ONCE = 16
"""Lookups that nobody waits for any more may go on; so many that are stuck are enough."""

_places = threading.BoundedSemaphore(_MOST_AT_ONCE)


def look_up(address: str) -> str:
    """Return the name of an address, the address itself if it has none, `unknown` if that cannot be told.

    Args:
        address: numeric, as `getpeername` gives it.
    """
    if not _places.acquire(blocking=False):
        return UNKNOWN
    found: list[str] = []

    def ask() -> None:
        try:
            found.append(socket.getnameinfo((address, 0), 0)[0])
        except OSError:
            pass  # no name server, or a temporary failure
        finally:
            _places.release()

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_LONGEST_WAIT)
    return found[0] if found else UNKNOWN


def presentation_address(address: str, name: str) -> str:
    """Return the calling presentation address: the name up to its first dot, or the whole address."""
    return address if name == UNKNOWN else name.partition(".")[0]
