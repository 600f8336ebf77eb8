"""Names of peers by reverse lookup, which may be slow but must not hold up anybody for long.

The system's resolver can be neither interrupted nor told to hurry, so that it is called on threads
of its own, few of them; who asks waits for a limited time. What a lookup finds is kept for a while,
also when it comes too late for the one who asked.
"""

import os
import socket
import threading
import time
from collections.abc import Callable

UNKNOWN = "unknown"

_ATTEMPTS = 5  # as the reference, if the name server is busy


def reverse_lookup(address: str) -> str:
    """Return the name of an address, the address if it has none, `unknown` if that is not known."""
    number, _, scope = _without_mapping(address).partition("%")
    for _ in range(_ATTEMPTS):
        try:
            endpoint = (number, 0, 0, socket.if_nametoindex(scope)) if scope else (number, 0)
            # The name of a service is not asked for: to find that port 0 has none, the system's libraries look through
            # dozens of directories, in each child process anew.
            return socket.getnameinfo(endpoint, socket.NI_NUMERICSERV)[0] or UNKNOWN
        except socket.gaierror as error:
            if error.errno != socket.EAI_AGAIN:
                return UNKNOWN
        except (OSError, ValueError):
            return UNKNOWN
    return UNKNOWN


def _without_mapping(address: str) -> str:
    """Return the IPv4 address that a socket for IPv6 shows as `::ffff:a.b.c.d`, RFC 4291 2.5.5.2.

    Names are registered for IPv4 addresses: only some resolvers find them for the other form.
    """
    return address.removeprefix("::ffff:") if "." in address else address


def presentation_address(name: str, address: str) -> str:
    """Return how a peer is shown: its name up to the first dot, or its address if it has no name.

    An address without a name is its own name, and is cut as well, as by the reference.
    """
    if name == UNKNOWN:
        return address
    return name.partition(".")[0] or address


class HostNames:
    """Names of addresses.

    `time_limit` is what an answer may take, `lifetime` how long it is kept and `retry_after` how
    long an address without an answer is not asked about again, all in seconds. At most `workers`
    lookups are under way; if all of them hang, further addresses are `unknown` at once.
    """

    def __init__(
        self,
        *,
        time_limit: float = 5.0,
        lifetime: float = 60.0,
        retry_after: float = 10.0,
        workers: int = 4,
        capacity: int = 1024,
        lookup: Callable[[str], str] = reverse_lookup,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._time_limit = time_limit
        self._lifetime = lifetime
        self._retry_after = retry_after
        self._workers = workers
        self._capacity = capacity
        self._lookup = lookup
        self._clock = clock
        self._known: dict[str, tuple[str, float]] = {}
        """Name of an address, and when it is forgotten; guarded by `_changed`, as the next."""
        self._begin()

    def _begin(self) -> None:
        # Names that were known before a fork still are: whoever forks has no threads that could have been changing them.
        self._known = {
            address: known for address, known in self._known.items() if known[0] != UNKNOWN
        }
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._asked: set[str] = set()

    def name(self, address: str) -> str:
        """Return the name of a numeric address, within the time limit."""
        if self._process != os.getpid():
            self._begin()  # threads and their locks do not survive a fork
        with self._changed:
            known = self._recall(address)
            if known is not None:
                return known
            if address not in self._asked:
                if len(self._asked) >= self._workers:
                    return UNKNOWN
                try:
                    threading.Thread(target=self._ask, args=(address,), daemon=True).start()
                except RuntimeError:  # no more threads for this user
                    return UNKNOWN
                self._asked.add(address)
            self._changed.wait_for(lambda: address not in self._asked, self._time_limit)
            known = self._recall(address)
            if known is None:
                known = UNKNOWN
                self._remember(address, known, self._retry_after)
            return known

    def learn(self, address: str, name: str) -> None:
        """Remember the name of an address that another process has looked up."""
        with self._changed:
            self._remember(address, name, self._retry_after if name == UNKNOWN else self._lifetime)

    def _ask(self, address: str) -> None:
        name = UNKNOWN
        try:
            name = self._lookup(address)
        finally:
            with self._changed:
                self._remember(
                    address, name, self._retry_after if name == UNKNOWN else self._lifetime
                )
                self._asked.discard(address)
                self._changed.notify_all()

    def _recall(self, address: str) -> str | None:
        name, until = self._known.get(address, ("", float("-inf")))
        return name if self._clock() < until else None

    def _remember(self, address: str, name: str, seconds: float) -> None:
        if len(self._known) >= self._capacity:
            self._known.clear()
        self._known[address] = name, self._clock() + seconds
