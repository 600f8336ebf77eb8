"""TLS as a transport: what `serve.association.connection` needs, on top of `serve.tls.connection`."""

from storescp.serve.tls.connection import TLSSocket


class TLSTransport:
    """An established TLS connection."""

    def __init__(self, connection: TLSSocket) -> None:
        self._connection = connection
        self.receive_into = connection.recv_into
        self.receive_ready = connection.recv_ready
        self.send_all = connection.sendall
        self.set_timeout = connection.settimeout
        self.fileno = connection.fileno
        self.part = connection.part

    def close(self) -> None:
        self._connection.close()
