"""Workers: what their supervisor knows of them, what the two say to each other."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from storescp.serve.accept.acceptor import Disposition, PendingPeer
from storescp.serve.accept.request_reader import RequestReader
from storescp.upper_layer.admission import Admission
from storescp.upper_layer.pdu import AAssociateRJ

DONE, LINGER = b"d", b"l"
"""Replies of a worker: the association has ended; it has ended and the peer is to close the connection."""

MAXIMUM_MESSAGE_BYTES = 1 << 20
LONGEST_REPLY = 2048
"""Bytes of what a worker says: one of the above, and behind the first two the peer's name."""


class Passed(NamedTuple):
    """The message that accompanies a connection passed to a worker."""

    address: str
    admission: Admission | None


class ConnectionHandler(Protocol):
    """Handles the connections of a supervisor: admits peers, serves them in a worker, and hears of the end of workers."""

    def admit(self, address: str) -> tuple[Admission | None, Callable[[], None]]:
        """A connection is going to be served: return what is asked of its requester, and what is called at its end."""
        ...

    def reader_of(self, connected: socket.socket) -> RequestReader:
        """Return what gives the transport of a connection that came as a descriptor."""
        ...

    def rejects(self, address: str, rejection: AAssociateRJ) -> None:
        """A peer is sent a rejection."""
        ...

    def begin_work(self) -> None:
        """Prepare a worker, in which this is called first."""
        ...

    def between_work(self) -> float | None:
        """Do what is left to do while a worker is free; return when to call again (`time.monotonic`), None: never."""
        ...

    def work(self, peer: PendingPeer, admission: Admission | None) -> Disposition:
        """Serve a peer, given what `admit` told; called in a worker."""
        ...

    def name_of(self, address: str) -> str:
        """Return the name of an address that has been served; called in a worker."""
        ...

    def learn_name(self, address: str, name: str) -> None:
        """A worker has looked up the name of an address: whoever is forked next need not."""
        ...

    def see_off(self, connected: socket.socket) -> None:
        """Wait for the peer to close; called in a worker that has no supervisor any more."""
        ...

    def worker_lost(self, pid: int) -> None:
        """A worker is gone, or going: nobody goes on with what it had."""
        ...

    def worker_ended(self, pid: int, status: int) -> None:
        """A worker has ended with a wait status."""
        ...


@dataclass(slots=True)
class Worker:
    """A worker as its supervisor sees it."""

    pid: int
    control: socket.socket
    begun: float
    free_since: float
    serves: PendingPeer | None = None
    leave: Callable[[], None] = lambda: None

    @property
    def is_new(self) -> bool:
        """Whether it has not served anybody."""
        return self.free_since == self.begun


def tell(control: socket.socket, word: bytes) -> bool:
    """Tell the supervisor; False if it is gone."""
    try:
        control.send(word)
    except OSError:
        return False
    return True
