"""A transport in memory: a peer whose bytes are known beforehand, and what it was sent."""

from collections import deque
from collections.abc import Callable, Iterable


class MemoryTransport:
    """Holds what the peer sends; a number among the pieces is a silence of so many simulated seconds."""

    def __init__(
        self,
        pieces: Iterable[bytes | float | OSError] = (),
        *,
        send: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        """Prepare.

        Args:
            pieces: what is received, in this order: bytes, silence in seconds, or how the connection breaks; then the
                peer has closed.
            send: is called for what is sent, and may raise.
        """
        self.now = 0.0
        self.sent: list[bytes] = []
        self.limits: list[float | None] = []
        self.closed = self.parted = False
        self._pieces = deque(pieces)
        self._send = send
        self._limit: float | None = None

    def clock(self) -> float:
        return self.now

    def receive_into(self, room: memoryview) -> int:
        self.limits.append(self._limit)
        while self._pieces:
            piece = self._pieces.popleft()
            if isinstance(piece, OSError):
                raise piece
            if isinstance(piece, bytes):
                count = min(len(piece), len(room))
                room[:count] = piece[:count]
                if piece[count:]:
                    self._pieces.appendleft(piece[count:])
                return count
            if self._limit is not None and self._limit < piece:
                self.now += self._limit
                self._pieces.appendleft(piece - self._limit)
                raise TimeoutError("nothing received within the time limit")
            self.now += piece
        return 0

    def receive_ready(self, room: memoryview) -> int | None:
        return (
            self.receive_into(room) if self._pieces and isinstance(self._pieces[0], bytes) else None
        )

    def send_all(self, data: bytes) -> None:
        self._send(data)
        self.sent.append(data)

    def set_timeout(self, seconds: float | None) -> None:
        self._limit = seconds

    def fileno(self) -> int:
        return -1

    def part(self) -> None:
        self.parted = True

    def close(self) -> None:
        self.closed = True
