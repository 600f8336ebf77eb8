"""A TLS client: one handshake with Python's `ssl`, and what came of it."""

import contextlib
import socket
import ssl
from dataclasses import dataclass

from tests.peers.tls_server import GREETING


@dataclass(frozen=True)
class Session:
    """What was agreed on, and what the server showed; `error` if it came to nothing."""

    version: str | None = None
    suite: str | None = None
    protocol: str | None = None
    server_certificate: bytes | None = None
    error: str = ""


def connect(
    port: int,
    *,
    identity: tuple[str, str] | None = None,
    trusted: str | None = None,
    server_name: str | None = None,
    protocols: tuple[str, ...] = (),
    suites: str | None = None,
    newest: ssl.TLSVersion | None = None,
) -> Session:
    """Connect and wait for the greeting; `identity` names a key and a certificate file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE if trusted is None else ssl.CERT_REQUIRED
    context.set_ciphers(suites or "ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    if trusted is not None:
        context.load_verify_locations(trusted)
    if identity is not None:
        context.load_cert_chain(identity[1], identity[0])
    if protocols:
        context.set_alpn_protocols(list(protocols))
    if newest is not None:
        context.maximum_version = newest
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname=server_name) as connection,
        ):
            # In TLS 1.3 only the first read tells whether the server let us in.
            if connection.recv(len(GREETING)) != GREETING:
                return Session(error="closed")
            suite = connection.cipher()
            session = Session(
                connection.version(),
                suite[0] if suite else None,
                connection.selected_alpn_protocol(),
                connection.getpeercert(binary_form=True),
            )
            with contextlib.suppress(OSError):
                connection.unwrap()
            return session
    except OSError as error:
        return Session(error=str(error))
