"""Contents of certificates, read with OpenSSL, for the checks and for the log."""

import ctypes
from collections.abc import Callable, Iterator

from storescp.serve.tls.certificates import CertificateFacts
from storescp.serve.tls.openssl import (
    PKEY_DH,
    PKEY_DSA,
    PKEY_EC,
    PKEY_ED448,
    PKEY_ED25519,
    PKEY_RSA,
    PKEY_RSA_PSS,
    Library,
)

_KEY_NAMES = {
    PKEY_RSA: "RSA",
    PKEY_RSA_PSS: "RSA",
    PKEY_DSA: "DSA",
    PKEY_DH: "DH",
    PKEY_EC: "EC",
    PKEY_ED25519: "Ed25519",
    PKEY_ED448: "Ed448",
}


def facts(openssl: Library, certificate: int) -> CertificateFacts:
    """Read what the checks of `tls.certificates` look at."""
    key = openssl.X509_get0_pubkey(certificate)
    signature = openssl.X509_get_signature_nid(certificate)
    digest, signing_key = ctypes.c_int(), ctypes.c_int()
    openssl.OBJ_find_sigid_algs(signature, ctypes.byref(digest), ctypes.byref(signing_key))
    return CertificateFacts(
        key=_key_name(openssl, key),
        bits=int(openssl.EVP_PKEY_bits(key)) if key else 0,
        signature=openssl.name(signature),
        digest=openssl.name(digest.value),
        signing_key=openssl.name(signing_key.value),
    )


def _key_name(openssl: Library, key: int | None) -> str:
    return _KEY_NAMES.get(openssl.EVP_PKEY_base_id(key), "unknown") if key else "unknown"


def subject(openssl: Library, certificate: int) -> str:
    """The subject's name in OpenSSL's one-line form; what is not ASCII is escaped."""
    return one_line(openssl, openssl.X509_get_subject_name(certificate))


def details(openssl: Library, certificate: int) -> Iterator[str]:
    """Describe a certificate, one line after the other."""
    key = openssl.X509_get0_pubkey(certificate)

    def printed(function: Callable[[int, int], object], value: int) -> str:
        return _printed(openssl, function, value)

    serial = printed(openssl.i2a_ASN1_INTEGER, openssl.X509_get_serialNumber(certificate))
    begin = printed(openssl.ASN1_TIME_print, openssl.X509_get0_notBefore(certificate))
    end = printed(openssl.ASN1_TIME_print, openssl.X509_get0_notAfter(certificate))
    yield f"Peer X.509v{openssl.X509_get_version(certificate) + 1} Certificate"
    yield f"  Subject     : {subject(openssl, certificate)}"
    yield f"  Issued by   : {one_line(openssl, openssl.X509_get_issuer_name(certificate))}"
    yield f"  Serial no.  : {serial}"
    yield f"  Validity    : not before {begin}, not after {end}"
    bits = openssl.EVP_PKEY_bits(key) if key else 0
    yield f"  Public key  : {_key_name(openssl, key)}, {bits} bits"


def one_line(openssl: Library, name: int) -> str:
    """Return a distinguished name in OpenSSL's one-line form; what is not ASCII is escaped."""
    room = ctypes.create_string_buffer(4096)
    openssl.X509_NAME_oneline(name, room, len(room))
    return room.value.decode("ascii", "replace")


def _printed(openssl: Library, function: Callable[[int, int], object], value: int) -> str:
    bio = openssl.BIO_new(openssl.BIO_s_mem())
    try:
        function(bio, value)
        room = ctypes.create_string_buffer(256)
        length = openssl.BIO_read(bio, room, len(room))
        return room.raw[: max(length, 0)].decode("ascii", "replace")
    finally:
        openssl.BIO_free(bio)
