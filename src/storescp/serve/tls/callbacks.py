"""Callbacks of OpenSSL during a handshake: checks of certificate, server name and protocol.

A callback must not raise: `ctypes` would report it and return 0, which OpenSSL takes as "refused"
for certificates, but as "accepted" for names and protocols. What each does is chosen to be safe.
"""

import ctypes
import logging
import os
from typing import Any

from storescp.serve.tls import x509 as tls_x509
from storescp.serve.tls.certificates import check_peer
from storescp.serve.tls.openssl import (
    ALERT_UNRECOGNIZED_NAME,
    TLSEXT_ALERT_FATAL,
    TLSEXT_NOACK,
    TLSEXT_OK,
    ALPNCallback,
    Library,
    ServerNameCallback,
    VerifyCallback,
)
from storescp.serve.tls.profiles import TLSProfile

logger = logging.getLogger("dcmtk.dcmtls")

_DICOM = b"dicom"  # PS3.15 B.12: identification sequence registered for DICOM


class Callbacks:
    """The callbacks of one context; it must live as long as the context does.

    `refusals` notes, by connection (the address of its SSL object), why a certificate was refused.
    """

    def __init__(self, openssl: Library, profile: TLSProfile, expected_name: str | None) -> None:
        self._openssl = openssl
        self._profile = profile
        self._expected_name = None if expected_name is None else os.fsencode(expected_name)
        self._connection_index = openssl.SSL_get_ex_data_X509_STORE_CTX_idx()
        self.refusals: dict[int, str] = {}
        self.verify = VerifyCallback(self._verify)
        self.server_name = ServerNameCallback(self._check_server_name)
        self.alpn = ALPNCallback(self._select_protocol)

    def _verify(self, verified: int, state: int) -> int:
        """Judge one certificate of the chain, root first, after OpenSSL did (SSL_CTX_set_verify)."""
        openssl = self._openssl
        certificate = openssl.X509_STORE_CTX_get_current_cert(state)
        if not verified:
            code = openssl.X509_STORE_CTX_get_error(state)
            reason = openssl.X509_verify_cert_error_string(code).decode()
            self._note(state, certificate, reason)
            return 0
        for finding in check_peer(self._profile, tls_x509.facts(openssl, certificate)):
            logger.log(finding.level, "%s", finding.text)
            if finding.refuses:
                self._note(state, certificate, "too weak for the security profile")
                return 0
        return 1

    def _note(self, state: int, certificate: int | None, reason: str) -> None:
        connection = self._openssl.X509_STORE_CTX_get_ex_data(state, self._connection_index)
        whose = tls_x509.subject(self._openssl, certificate) if certificate else "unknown"
        self.refusals[connection] = f"{reason} ({whose})"

    def _check_server_name(self, connection: int, alert: Any, _data: int | None) -> int:
        """RFC 6066 section 3; called without a name too."""
        name = self._openssl.SSL_get_servername(connection, 0)
        if name is None or self._expected_name is None:
            return TLSEXT_NOACK
        if name == self._expected_name:
            return TLSEXT_OK
        logger.error(
            "SNI failure: client requested server '%s', my name is '%s'.",
            _printable(name),
            _printable(self._expected_name),
        )
        alert[0] = ALERT_UNRECOGNIZED_NAME
        return TLSEXT_ALERT_FATAL

    def _select_protocol(
        self,
        _connection: int,
        selected: Any,
        selected_length: Any,
        proposed: int,
        length: int,
        _data: int | None,
    ) -> int:
        """RFC 7301; not called when the client proposes nothing."""
        offset = find_protocol(ctypes.string_at(proposed, length))
        if offset is None:
            logger.error(
                "TLS ALPN negotiation failure: Client has proposed protocol(s) other than 'dicom'"
            )
            return TLSEXT_ALERT_FATAL
        selected[0] = proposed + offset  # a place in the client's list, which OpenSSL copies
        selected_length[0] = len(_DICOM)
        return TLSEXT_OK


def find_protocol(proposed: bytes) -> int | None:
    """Find where the name `dicom` begins in a ProtocolNameList, RFC 7301 3.1."""
    position = 0
    while position < len(proposed):
        length, begin = proposed[position], position + 1
        position = begin + length
        if proposed[begin:position] == _DICOM:
            return begin
    return None


def _printable(name: bytes) -> str:
    return name.decode("ascii", "backslashreplace")
