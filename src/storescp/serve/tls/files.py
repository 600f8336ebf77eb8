"""Keys, certificates, CRLs, Diffie-Hellman parameters and random seeds: from files into OpenSSL.

Functions that load say with their result whether it worked; OpenSSL's reason is logged, as the
reference does, in a line of its own.
"""

import ctypes
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from storescp.serve.tls import x509 as tls_x509
from storescp.serve.tls.certificates import CertificateFacts
from storescp.serve.tls.choices import FileFormat
from storescp.serve.tls.openssl import (
    CTRL_SET_TMP_DH,
    FILETYPE_ASN1,
    FILETYPE_PEM,
    LOOKUP_ADD_DIR,
    NID_FFDHE2048,
    Library,
    PasswordCallback,
)

logger = logging.getLogger("dcmtk.dcmtls")

_FILE_TYPES = {FileFormat.PEM: FILETYPE_PEM, FileFormat.DER: FILETYPE_ASN1}


class Passphrase:
    """The password of the private key, as OpenSSL asks for it.

    A password typed at the prompt is kept, so that a key that is renewed later can be read
    without a terminal: then nobody is asked any more.
    """

    def __init__(self, openssl: Library, password: str | None) -> None:
        self._openssl = openssl
        self._asks = password is None
        self._known = None if password is None else os.fsencode(password)
        self.callback = PasswordCallback(self._answer)

    def stop_asking(self) -> None:
        """Make do, from now on, with the password known, if any."""
        self._asks = False

    def _answer(self, room: int, size: int, writing: int, _data: int | None) -> int:
        """Implement pem_password_cb(3): the password into `room`, its length or -1 back."""
        if self._known is None and not self._asks:
            return -1
        if self._known is None:
            length = int(self._openssl.PEM_def_callback(room, size, writing, None))
            if length >= 0:
                self._known = ctypes.string_at(room, length)
            return length
        length = min(len(self._known), size)
        ctypes.memmove(room, self._known, length)
        return length


def load_trusted(openssl: Library, store: int, name: str, file_format: FileFormat) -> bool:
    """Add all certificates of a file to those trusted; in PEM files, CRLs too."""
    lookup = openssl.X509_STORE_add_lookup(store, openssl.X509_LOOKUP_file())
    kind = _FILE_TYPES[file_format]
    return _succeeded(openssl, openssl.X509_load_cert_crl_file(lookup, os.fsencode(name), kind))


def load_crls(openssl: Library, store: int, name: str, file_format: FileFormat) -> bool:
    """Add the CRLs of a file; a PEM file may hold certificates too."""
    if file_format is FileFormat.PEM:
        return load_trusted(openssl, store, name, file_format)
    lookup = openssl.X509_STORE_add_lookup(store, openssl.X509_LOOKUP_file())
    kind = _FILE_TYPES[file_format]
    return _succeeded(openssl, openssl.X509_load_crl_file(lookup, os.fsencode(name), kind))


def search_directory(openssl: Library, store: int, name: str, file_format: FileFormat) -> bool:
    """Have a directory of hashed names searched whenever a certificate is verified."""
    lookup = openssl.X509_STORE_add_lookup(store, openssl.X509_LOOKUP_hash_dir())
    kind = _FILE_TYPES[file_format]
    added = openssl.X509_LOOKUP_ctrl(lookup, LOOKUP_ADD_DIR, os.fsencode(name), kind, None)
    return _succeeded(openssl, added)


def load_private_key(openssl: Library, context: int, name: str, file_format: FileFormat) -> bool:
    """Load the server's private key; the context's password callback may be asked."""
    kind = _FILE_TYPES[file_format]
    loaded = openssl.SSL_CTX_use_PrivateKey_file(context, os.fsencode(name), kind)
    return _succeeded(openssl, loaded)


def load_certificate(openssl: Library, context: int, name: str, file_format: FileFormat) -> bool:
    """Load the server's certificate; from PEM with the chain that the file holds after it."""
    if file_format is FileFormat.PEM:
        loaded = openssl.SSL_CTX_use_certificate_chain_file(context, os.fsencode(name))
    else:
        loaded = openssl.SSL_CTX_use_certificate_file(context, os.fsencode(name), FILETYPE_ASN1)
    return _succeeded(openssl, loaded)


def read_facts(
    openssl: Library, name: str, file_format: FileFormat, passphrase: Passphrase
) -> CertificateFacts | None:
    """Read the first certificate of a file; None if there is none."""
    with _open(openssl, name) as file:
        if not file:
            certificate = None
        elif file_format is FileFormat.PEM:
            certificate = openssl.PEM_read_bio_X509(file, None, passphrase.callback, None)
        else:
            certificate = openssl.d2i_X509_bio(file, None)
    if not _succeeded(openssl, certificate) or certificate is None:
        return None
    try:
        return tls_x509.facts(openssl, certificate)
    finally:
        openssl.X509_free(certificate)


def load_dh_parameters(openssl: Library, context: int, name: str, *, short: bool) -> bool:
    """Use the Diffie-Hellman parameters of a PEM file; those below 2048 bits only if `short`."""
    with _open(openssl, name) as file:
        parameters = openssl.PEM_read_bio_DHparams(file, None, None, None) if file else None
    if not _succeeded(openssl, parameters, logging.DEBUG) or parameters is None:
        return False
    bits = openssl.DH_bits(parameters)
    if bits < 2048:
        logger.warning(
            "Key length of Diffie-Hellman parameter file too short: RFC 9325 recommends at least"
            " 2048 bits, but the key in file '%s' is only %d bits.",
            name,
            bits,
        )
        if not short:
            openssl.DH_free(parameters)
            return False
    return _use_dh_parameters(openssl, context, parameters)


def use_default_dh_parameters(openssl: Library, context: int) -> None:
    """Use the group ffdhe2048, RFC 7919 appendix A.1."""
    _use_dh_parameters(openssl, context, openssl.DH_new_by_nid(NID_FFDHE2048))


def _use_dh_parameters(openssl: Library, context: int, parameters: int) -> bool:
    try:
        used = openssl.SSL_CTX_ctrl(context, CTRL_SET_TMP_DH, 0, parameters)  # makes a copy
    finally:
        openssl.DH_free(parameters)
    return _succeeded(openssl, used)


def load_seed(openssl: Library, name: str) -> None:
    """Stir a file into the random generator; one that cannot be read is passed over."""
    openssl.RAND_load_file(os.fsencode(name), -1)
    openssl.ERR_clear_error()


def write_seed(openssl: Library, name: str) -> None:
    """Write 1024 random bytes to a file of mode 0600; one that cannot be written is passed over."""
    openssl.RAND_write_file(os.fsencode(name))
    openssl.ERR_clear_error()


@contextmanager
def _open(openssl: Library, name: str) -> Iterator[int | None]:
    file = openssl.BIO_new_file(os.fsencode(name), b"rb")
    try:
        yield file
    finally:
        openssl.BIO_free(file)


def _succeeded(openssl: Library, result: int | None, level: int = logging.ERROR) -> bool:
    """Tell success by the convention of most OpenSSL functions; log why not."""
    errors = openssl.errors()  # also after success: the next call must not find these
    if result is not None and result > 0:
        return True
    if errors:
        logger.log(level, "%s", errors[0])
    return False
