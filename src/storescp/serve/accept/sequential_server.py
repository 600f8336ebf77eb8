"""One association at a time, in this process: each peer is served to the end before the next one is."""

from collections.abc import Callable

from storescp.serve.accept.acceptor import Acceptor, Disposition, PendingPeer


class SequentialServer:
    """Serves the acceptor's peers, one after the other."""

    def __init__(
        self,
        acceptor: Acceptor,
        *,
        serve: Callable[[PendingPeer], Disposition],
        expire: Callable[[], float | None],
        is_paused: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepare to serve.

        Args:
            acceptor: where connections come from.
            serve: serves one connection.
            expire: does what has become due, and returns when to come again (clock of the acceptor), or None.
            is_paused: tells whether no association may begin now.
        """
        self._acceptor = acceptor
        self._serve = serve
        self._expire = expire
        self._is_paused = is_paused

    def run(self) -> None:
        """Serve for ever.

        Raises:
            Stopped: the program was asked to end.
        """
        while True:
            due = self._expire()
            if self._is_paused():
                self._acceptor.wait_for_watched(due)
                continue
            ready = self._acceptor.wait(due)
            for peer in self._acceptor.asking(ready):
                if self._serve(peer) is Disposition.LINGER:
                    self._acceptor.linger(peer)

    def close(self, limit: float) -> None:  # noqa: ARG002
        """Give up the port and every connection that waits."""
        self._acceptor.close()

    def let_go(self) -> None:
        """Close what belongs to the listener; for another process."""
        self._acceptor.close()
