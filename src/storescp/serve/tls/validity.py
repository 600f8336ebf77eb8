"""Validity periods and issuers of certificates and revocation lists, read from their files for reports.

Nothing here decides about a connection; that is OpenSSL's business, with the rules of `tls.certificates`.
"""

import ctypes
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from storescp.serve.tls.choices import FileFormat
from storescp.serve.tls.openssl import Library, PasswordCallback, library
from storescp.serve.tls.x509 import one_line

_SERVER = 2  # x509v3.h: X509_PURPOSE_SSL_SERVER

_STRUCT_TM = 128
"""Bytes, more than any system has in its `struct tm`, which begins with nine int."""
_unpack_tm = struct.Struct("@6i").unpack_from  # C11 7.27.1: sec, min, hour, mday, mon, year


@dataclass(frozen=True, slots=True)
class Certificate:
    """Contents of a certificate."""

    subject: str
    issuer: str
    begins: datetime
    ends: datetime
    for_servers: bool
    """True if its purposes, if it names any, include that of a TLS server."""
    signed_by_next: bool
    """True if the next certificate of the file is that of its issuer, or it is its own issuer."""


@dataclass(frozen=True, slots=True)
class RevocationList:
    """Contents of a certificate revocation list."""

    issuer: str
    next_update: datetime | None
    """End of its validity; None: it does not say."""


def certificates(path: str, file_format: FileFormat) -> list[Certificate]:
    """Return the certificates of a file in their order; none if it cannot be read."""
    openssl = library()
    read = {FileFormat.PEM: _read_pem_certificate, FileFormat.DER: _read_der_certificate}
    pointers = list(_read_all(openssl, path, file_format, read[file_format]))
    try:
        return [
            _certificate(openssl, pointer, following)
            for pointer, following in zip(pointers, pointers[1:] + pointers[-1:], strict=True)
        ]
    finally:
        for pointer in pointers:
            openssl.X509_free(pointer)
        openssl.ERR_clear_error()


def revocation_lists(path: str, file_format: FileFormat) -> list[RevocationList]:
    """Return the revocation lists of a file in their order; none if it cannot be read."""
    openssl = library()
    read = {FileFormat.PEM: _read_pem_list, FileFormat.DER: _read_der_list}
    found = []
    for pointer in _read_all(openssl, path, file_format, read[file_format]):
        issuer = one_line(openssl, openssl.X509_CRL_get_issuer(pointer))
        until = openssl.X509_CRL_get0_nextUpdate(pointer)
        found.append(RevocationList(issuer, _moment(openssl, until) if until else None))
        openssl.X509_CRL_free(pointer)
    openssl.ERR_clear_error()
    return found


_Read = Callable[[Library, int], int | None]


def _read_all(openssl: Library, path: str, file_format: FileFormat, read: _Read) -> Iterator[int]:
    file = openssl.BIO_new_file(os.fsencode(path), b"rb")
    if not file:
        return
    try:
        while pointer := read(openssl, file):
            yield pointer
            if file_format is FileFormat.DER:  # which has one object a file
                return
    finally:
        openssl.BIO_free(file)


def _refuse_password(_room: int, _size: int, _writing: int, _data: int | None) -> int:
    return -1


_no_password = PasswordCallback(_refuse_password)
"""Password callback in place of OpenSSL's own, which asks on the terminal."""


def _read_pem_certificate(openssl: Library, file: int) -> int | None:
    return openssl.PEM_read_bio_X509(file, None, _no_password, None)  # type: ignore[no-any-return]


def _read_der_certificate(openssl: Library, file: int) -> int | None:
    return openssl.d2i_X509_bio(file, None)  # type: ignore[no-any-return]


def _read_pem_list(openssl: Library, file: int) -> int | None:
    return openssl.PEM_read_bio_X509_CRL(file, None, _no_password, None)  # type: ignore[no-any-return]


def _read_der_list(openssl: Library, file: int) -> int | None:
    return openssl.d2i_X509_CRL_bio(file, None)  # type: ignore[no-any-return]


def _certificate(openssl: Library, pointer: int, following: int) -> Certificate:
    return Certificate(
        subject=one_line(openssl, openssl.X509_get_subject_name(pointer)),
        issuer=one_line(openssl, openssl.X509_get_issuer_name(pointer)),
        begins=_moment(openssl, openssl.X509_get0_notBefore(pointer)),
        ends=_moment(openssl, openssl.X509_get0_notAfter(pointer)),
        for_servers=openssl.X509_check_purpose(pointer, _SERVER, 0) != 0,
        signed_by_next=openssl.X509_check_issued(following, pointer) == 0,
    )


def _moment(openssl: Library, time: int) -> datetime:
    """Return an ASN.1 time, which certificates give in UTC, RFC 5280 4.1.2.5."""
    room = ctypes.create_string_buffer(_STRUCT_TM)
    if not openssl.ASN1_TIME_to_tm(time, room):
        openssl.ERR_clear_error()
        return datetime.min.replace(tzinfo=UTC)  # what is no time has never been good
    second, minute, hour, day, month, year = _unpack_tm(room)
    return datetime(year + 1900, month + 1, day, hour, minute, min(second, 59), tzinfo=UTC)
