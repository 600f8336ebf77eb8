"""A server that does nothing but TLS handshakes, each in a thread, and tells how they ended."""

import queue
import socket
import threading
from types import TracebackType
from typing import Self

from storescp.errors import HandshakeFailed
from storescp.serve.tls.connection import TLSSocket, handshake
from storescp.serve.tls.context import ServerContext

ESTABLISHED = "established"
GREETING = b"hello"


class Server:
    """Greets who gets in, waits until it closes, and puts the outcome into `outcomes`.

    With `greet` off it closes at once: a DICOM client could not make anything of a greeting.
    """

    def __init__(self, context: ServerContext, *, timeout: float = 10, greet: bool = True) -> None:
        self.context = context
        self._greets = greet
        self.outcomes: queue.Queue[HandshakeFailed | str] = queue.Queue()
        self._timeout = timeout
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def outcome(self) -> str:
        """How the next handshake ended: `ESTABLISHED`, or the text of its failure."""
        return str(self.outcomes.get(timeout=20))

    def _serve(self) -> None:
        threads = []
        while True:
            try:
                transport, _ = self._listener.accept()
            except OSError:
                break
            threads.append(threading.Thread(target=self._meet, args=(transport,)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def _meet(self, transport: socket.socket) -> None:
        transport.settimeout(10)
        with transport:
            try:
                connection = handshake(transport, self.context, self._timeout)
            except HandshakeFailed as failure:
                self.outcomes.put(failure)
                return
            self.outcomes.put(ESTABLISHED)
            with connection:
                if self._greets:
                    _greet(connection)


def _greet(connection: TLSSocket) -> None:
    buffer = bytearray(1 << 16)
    try:
        connection.sendall(GREETING)
        while connection.recv_into(buffer):
            pass
    except OSError:
        pass  # the client's way of closing does not matter
