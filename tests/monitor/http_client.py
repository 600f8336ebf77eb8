"""An HTTP client that says exactly what it is told to."""

import socket
from http.client import HTTPResponse
from types import TracebackType
from typing import Self

LIMIT = 10.0
"""Seconds in which the server must do what is waited for."""


class Client:
    """One connection."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection((address, port), timeout=LIMIT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def answer(self) -> tuple[int, bytes]:
        """Return status and body."""
        response = HTTPResponse(self.socket)
        response.begin()
        return response.status, response.read()

    def is_closed(self) -> bool:
        """Wait until the server has closed or reset the connection; False if it has answered instead."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True


def get(port: int, path: str, *fields: str, method: str = "GET") -> tuple[int, bytes]:
    """Ask for a path and return status and body."""
    with Client(port) as client:
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *fields, "", ""]
        client.send("\r\n".join(lines).encode())
        return client.answer()
