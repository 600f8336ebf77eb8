"""The OpenSSL library, called through its public C interface with `ctypes`.

Python's `ssl` cannot set the TLS 1.3 suites or a list of groups, refuse a client by ALPN, look at
a client's certificate chain while it is verified, or read DER keys and CRLs; the decision record
0005 compares what can. So the same shared library that Python's `ssl` module is linked with is
called directly. No structure of OpenSSL or of CPython is looked into: all objects are opaque
pointers, and each function used is declared once in `_PROTOTYPES`. Versions 1.1.1 to 3.x are
supported.

Importing this module loads nothing; `library()` does, once.
"""

import ctypes
import importlib.machinery
import sys
from collections.abc import Callable, Iterator
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_long, c_uint, c_void_p
from functools import cache
from typing import Any, NamedTuple

from storescp.errors import ConfigurationError

OLDEST_VERSION = 0x10101000  # 1.1.1: the first with TLS 1.3

# Constants of the public headers ssl.h, tls1.h, x509_vfy.h, x509.h, evp.h and obj_mac.h.
FILETYPE_PEM, FILETYPE_ASN1 = 1, 2
VERIFY_NONE, VERIFY_PEER, VERIFY_FAIL_IF_NO_PEER_CERT = 0, 1, 2
CTRL_SET_TMP_DH = 3
CTRL_MODE = 33
CTRL_SET_SESS_CACHE_MODE = 44
CTRL_SET_TLSEXT_SERVERNAME_CB = 53
CTRL_SET_GROUPS_LIST = 92
CTRL_SET_MIN_PROTO_VERSION, CTRL_SET_MAX_PROTO_VERSION = 123, 124
MODE_ENABLE_PARTIAL_WRITE, MODE_ACCEPT_MOVING_WRITE_BUFFER = 1, 2
OP_CIPHER_SERVER_PREFERENCE = 0x00400000
OP_NO_RENEGOTIATION = 0x40000000
TLSEXT_OK, TLSEXT_ALERT_FATAL, TLSEXT_NOACK = 0, 2, 3
ALERT_UNRECOGNIZED_NAME = 112
ERROR_SSL, ERROR_WANT_READ, ERROR_WANT_WRITE, ERROR_SYSCALL, ERROR_ZERO_RETURN = 1, 2, 3, 5, 6
STORE_CRL_CHECK, STORE_CRL_CHECK_ALL = 4, 8
LOOKUP_ADD_DIR = 2
BIO_SET_MEMORY_EOF_RETURN = 130
PKEY_RSA, PKEY_RSA_PSS, PKEY_DSA, PKEY_EC, PKEY_DH, PKEY_ED25519, PKEY_ED448 = (
    6,
    912,
    116,
    408,
    28,
    1087,
    1088,
)
NID_FFDHE2048 = 1126
LIBRARY_SYSTEM, LIBRARY_SSL = 2, 20

# Reasons of errors, sslerr.h; the reasons of alerts from the peer are 1000 + the alert's number.
REASON_NO_SHARED_GROUP = 101
REASON_CERTIFICATE_REFUSED = 134
REASON_HTTP = 156
REASON_NO_SHARED_CIPHER = 193
REASON_NO_CERTIFICATE = 199
REASON_CALLBACK_FAILED = 234
REASON_ALPN = 235
REASON_UNSUPPORTED_VERSION = 258
REASON_NOT_TLS = 267
REASON_UNEXPECTED_EOF = 294

PasswordCallback = CFUNCTYPE(c_int, c_void_p, c_int, c_int, c_void_p)
VerifyCallback = CFUNCTYPE(c_int, c_int, c_void_p)
ServerNameCallback = CFUNCTYPE(c_int, c_void_p, POINTER(c_int), c_void_p)
ALPNCallback = CFUNCTYPE(
    c_int, c_void_p, POINTER(c_void_p), POINTER(ctypes.c_ubyte), c_void_p, c_uint, c_void_p
)

_PROTOTYPES: dict[str, tuple[object, ...]] = {  # result, then arguments
    "OpenSSL_version": (c_char_p, c_int),
    "OpenSSL_version_num": (ctypes.c_ulong,),
    # errors
    "ERR_clear_error": (None,),
    "ERR_get_error": (ctypes.c_ulong,),
    "ERR_lib_error_string": (c_char_p, ctypes.c_ulong),
    "ERR_reason_error_string": (c_char_p, ctypes.c_ulong),
    # random numbers
    "RAND_load_file": (c_int, c_char_p, c_long),
    "RAND_write_file": (c_int, c_char_p),
    # contexts
    "TLS_server_method": (c_void_p,),
    "SSL_CTX_new": (c_void_p, c_void_p),
    "SSL_CTX_free": (None, c_void_p),
    "SSL_CTX_ctrl": (c_long, c_void_p, c_int, c_long, c_void_p),
    "SSL_CTX_callback_ctrl": (c_long, c_void_p, c_int, ServerNameCallback),
    "SSL_CTX_set_options": (ctypes.c_uint64, c_void_p, ctypes.c_uint64),
    "SSL_CTX_set_security_level": (None, c_void_p, c_int),
    "SSL_CTX_set_session_id_context": (c_int, c_void_p, c_char_p, c_uint),
    "SSL_CTX_set_cipher_list": (c_int, c_void_p, c_char_p),
    "SSL_CTX_set_ciphersuites": (c_int, c_void_p, c_char_p),
    "SSL_CTX_get_ciphers": (c_void_p, c_void_p),
    "SSL_CTX_set_default_passwd_cb": (None, c_void_p, PasswordCallback),
    "SSL_CTX_use_PrivateKey_file": (c_int, c_void_p, c_char_p, c_int),
    "SSL_CTX_use_certificate_file": (c_int, c_void_p, c_char_p, c_int),
    "SSL_CTX_use_certificate_chain_file": (c_int, c_void_p, c_char_p),
    "SSL_CTX_check_private_key": (c_int, c_void_p),
    "SSL_CTX_get_cert_store": (c_void_p, c_void_p),
    "SSL_CTX_set_verify": (None, c_void_p, c_int, VerifyCallback),
    "SSL_CTX_set_alpn_select_cb": (None, c_void_p, ALPNCallback, c_void_p),
    "PEM_def_callback": (c_int, c_void_p, c_int, c_int, c_void_p),
    # suites
    "OPENSSL_sk_num": (c_int, c_void_p),
    "OPENSSL_sk_value": (c_void_p, c_void_p, c_int),
    "SSL_CIPHER_get_name": (c_char_p, c_void_p),
    "SSL_CIPHER_get_bits": (c_int, c_void_p, c_void_p),
    # trusted certificates and CRLs
    "X509_LOOKUP_file": (c_void_p,),
    "X509_LOOKUP_hash_dir": (c_void_p,),
    "X509_STORE_add_lookup": (c_void_p, c_void_p, c_void_p),
    "X509_STORE_set_flags": (c_int, c_void_p, ctypes.c_ulong),
    "X509_LOOKUP_ctrl": (c_int, c_void_p, c_int, c_char_p, c_long, c_void_p),
    "X509_load_cert_crl_file": (c_int, c_void_p, c_char_p, c_int),
    "X509_load_crl_file": (c_int, c_void_p, c_char_p, c_int),
    "X509_STORE_CTX_get_current_cert": (c_void_p, c_void_p),
    "X509_STORE_CTX_get_error": (c_int, c_void_p),
    "X509_STORE_CTX_get_ex_data": (c_void_p, c_void_p, c_int),
    "SSL_get_ex_data_X509_STORE_CTX_idx": (c_int,),
    "X509_verify_cert_error_string": (c_char_p, c_long),
    # what a certificate says
    "BIO_new_file": (c_void_p, c_char_p, c_char_p),
    "BIO_new": (c_void_p, c_void_p),
    "BIO_s_mem": (c_void_p,),
    "BIO_new_mem_buf": (c_void_p, c_void_p, c_int),
    "BIO_ctrl": (c_long, c_void_p, c_int, c_long, c_void_p),
    "BIO_read": (c_int, c_void_p, c_void_p, c_int),
    "BIO_free": (c_int, c_void_p),
    "PEM_read_bio_X509": (c_void_p, c_void_p, c_void_p, PasswordCallback, c_void_p),
    "d2i_X509_bio": (c_void_p, c_void_p, c_void_p),
    "X509_free": (None, c_void_p),
    "X509_get_version": (c_long, c_void_p),
    "X509_get_subject_name": (c_void_p, c_void_p),
    "X509_get_issuer_name": (c_void_p, c_void_p),
    "X509_get_serialNumber": (c_void_p, c_void_p),
    "X509_get0_notBefore": (c_void_p, c_void_p),
    "X509_get0_notAfter": (c_void_p, c_void_p),
    "X509_get0_pubkey": (c_void_p, c_void_p),
    "X509_get_signature_nid": (c_int, c_void_p),
    "X509_NAME_oneline": (c_void_p, c_void_p, c_void_p, c_int),
    "i2a_ASN1_INTEGER": (c_int, c_void_p, c_void_p),
    "ASN1_TIME_print": (c_int, c_void_p, c_void_p),
    "X509_check_issued": (c_int, c_void_p, c_void_p),
    "X509_check_purpose": (c_int, c_void_p, c_int, c_int),
    "ASN1_TIME_to_tm": (c_int, c_void_p, c_void_p),
    "EVP_PKEY_base_id": (c_int, c_void_p),
    "EVP_PKEY_bits": (c_int, c_void_p),
    "OBJ_find_sigid_algs": (c_int, c_int, POINTER(c_int), POINTER(c_int)),
    "OBJ_nid2sn": (c_char_p, c_int),
    # what a revocation list says
    "PEM_read_bio_X509_CRL": (c_void_p, c_void_p, c_void_p, PasswordCallback, c_void_p),
    "d2i_X509_CRL_bio": (c_void_p, c_void_p, c_void_p),
    "X509_CRL_free": (None, c_void_p),
    "X509_CRL_get_issuer": (c_void_p, c_void_p),
    "X509_CRL_get0_nextUpdate": (c_void_p, c_void_p),
    # Diffie-Hellman parameters
    "PEM_read_bio_DHparams": (c_void_p, c_void_p, c_void_p, c_void_p, c_void_p),
    "DH_new_by_nid": (c_void_p, c_int),
    "DH_bits": (c_int, c_void_p),
    "DH_free": (None, c_void_p),
    # connections
    "SSL_new": (c_void_p, c_void_p),
    "SSL_free": (None, c_void_p),
    "SSL_set_fd": (c_int, c_void_p, c_int),
    "SSL_set0_rbio": (None, c_void_p, c_void_p),
    "SSL_set0_wbio": (None, c_void_p, c_void_p),
    "SSL_accept": (c_int, c_void_p),
    "SSL_read": (c_int, c_void_p, c_void_p, c_int),
    "SSL_write": (c_int, c_void_p, c_char_p, c_int),
    "SSL_has_pending": (c_int, c_void_p),
    "SSL_shutdown": (c_int, c_void_p),
    "SSL_get_error": (c_int, c_void_p, c_int),
    "SSL_get_servername": (c_char_p, c_void_p, c_int),
    "SSL_get_version": (c_char_p, c_void_p),
    "SSL_get_current_cipher": (c_void_p, c_void_p),
    "SSL_get_peer_certificate": (c_void_p, c_void_p),
}

_NAMES_SINCE_3_0 = {  # what used to be functions are macros for these
    "EVP_PKEY_base_id": "EVP_PKEY_get_base_id",
    "EVP_PKEY_bits": "EVP_PKEY_get_bits",
    "SSL_get_peer_certificate": "SSL_get1_peer_certificate",
}

_WELL_KNOWN_FILES = (  # where Python's own module tells nothing: it is linked statically
    ("libssl.3.dylib", "libssl.dylib")
    if sys.platform == "darwin"
    else ("libssl.so.3", "libssl.so.1.1", "libssl.so")
)


class OpenSSLError(NamedTuple):
    """One entry of the library's queue of errors."""

    code: int
    library: int
    library_name: str
    reason: int
    reason_text: str

    def __str__(self) -> str:
        return f"OpenSSL error {self.code:08x}: {self.reason_text}"


class Library:
    """The functions of `_PROTOTYPES` as methods, and small helpers over them."""

    def __init__(self, shared_library: ctypes.CDLL) -> None:
        """Bind all functions.

        Raises:
            AttributeError: the shared library has no OpenSSL, or one that is too old or too new.
        """
        self.version_number = int(shared_library.OpenSSL_version_num())
        for name, (result, *arguments) in _PROTOTYPES.items():
            function = self._find(shared_library, name)
            function.restype = result
            function.argtypes = arguments
            setattr(self, name, function)
        self.version = _text(self.OpenSSL_version(0))

    @staticmethod
    def _find(shared_library: ctypes.CDLL, name: str) -> Any:
        newer = _NAMES_SINCE_3_0.get(name)
        if newer is not None and hasattr(shared_library, newer):
            return getattr(shared_library, newer)
        return getattr(shared_library, name)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Tell type checkers of the functions that the constructor sets."""
        raise AttributeError(name)

    def new_context(self) -> int:
        """Make a context for servers, to be freed with `SSL_CTX_free`.

        Raises:
            ConfigurationError: OpenSSL does not work, as with a wrong configuration file.
        """
        context = self.SSL_CTX_new(self.TLS_server_method())
        if context:
            return int(context)
        problem = ConfigurationError(f"OpenSSL cannot be set up: {self.errors()[:1]}")
        problem.add_note("Look for mistakes in the configuration file of OpenSSL (OPENSSL_CONF).")
        raise problem

    def errors(self) -> list[OpenSSLError]:
        """Take all errors out of this thread's queue, the earliest first."""
        return list(self._take_errors())

    def _take_errors(self) -> Iterator[OpenSSLError]:
        while code := int(self.ERR_get_error()):
            library, reason = self._split(code)
            yield OpenSSLError(
                code,
                library,
                _text(self.ERR_lib_error_string(code)) or "unknown library",
                reason,
                self._reason(code, library, reason),
            )

    def _split(self, code: int) -> tuple[int, int]:
        """Library and reason of an error code; err.h packs them differently since 3.0."""
        if self.version_number < 0x30000000:
            return code >> 24, code & 0xFFF
        if code & 0x80000000:
            return LIBRARY_SYSTEM, code & 0x7FFFFFFF
        return code >> 23 & 0xFF, code & 0x7FFFFF

    def _reason(self, code: int, library: int, reason: int) -> str:
        if library == LIBRARY_SYSTEM:
            import os

            return os.strerror(reason)
        return _text(self.ERR_reason_error_string(code)) or "OpenSSL error"

    def suites(self, context: int) -> Iterator[str]:
        """List what a context offers, by OpenSSL names, TLS 1.3 included."""
        stack = self.SSL_CTX_get_ciphers(context)
        for index in range(self.OPENSSL_sk_num(stack)):
            yield _text(self.SSL_CIPHER_get_name(self.OPENSSL_sk_value(stack, index)))

    def name(self, nid: int) -> str:
        """Short name of an object identifier; empty for none."""
        return _text(self.OBJ_nid2sn(nid)) if nid else ""


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


@cache
def library() -> Library:
    """Load OpenSSL: the library of Python's `ssl`, so that both get the same security updates.

    Raises:
        ConfigurationError: there is none, or none that can be used.
    """
    for candidate in _candidates():
        try:
            found = Library(ctypes.CDLL(candidate, use_errno=True))
        except (OSError, AttributeError):
            continue
        if found.version_number >= OLDEST_VERSION:
            return found
    problem = ConfigurationError("no usable OpenSSL library (1.1.1 or later) was found")
    problem.add_note("Install the OpenSSL libraries of your system (package libssl3 or openssl).")
    raise problem


def _candidates() -> Iterator[str | None]:
    """Names for dlopen(): a symbol is also looked for in what the named file is linked with."""
    module = importlib.machinery.PathFinder.find_spec("_ssl")
    if module is not None and module.has_location:
        yield module.origin
    yield None  # the interpreter itself
    yield from _WELL_KNOWN_FILES
