"""The features of the local OpenSSL, for the option table and for the lists that options print."""

from collections.abc import Collection
from typing import NamedTuple

from storescp.errors import ConfigurationError
from storescp.serve.tls.openssl import library
from storescp.serve.tls.profiles import (
    BCP_195_RFC_8996,
    SUITES,
    TLS_1_2,
    TLSProfile,
    available,
    by_strength,
)


class Features(NamedTuple):
    """Security profiles that exist here, of those that need more than every OpenSSL offers."""

    triple_des: bool
    null: bool
    ccm: bool


def features() -> Features:
    """Tell what the local OpenSSL offers; without any OpenSSL, nothing."""
    try:
        offered = offered_suites()
    except ConfigurationError:
        return Features(triple_des=False, null=False, ccm=False)
    return Features(
        triple_des="TLS_RSA_WITH_3DES_EDE_CBC_SHA" in offered,
        null="TLS_RSA_WITH_NULL_SHA" in offered,
        ccm="TLS_ECDHE_ECDSA_WITH_AES_128_CCM" in offered,
    )


def offered_suites() -> list[str]:
    """List the suites of TLS 1.2 and older that the local OpenSSL has, weakest first.

    Raises:
        ConfigurationError: no usable OpenSSL library was found.
    """
    openssl = library()
    context = openssl.new_context()
    openssl.SSL_CTX_set_cipher_list(context, b"ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    names = set(openssl.suites(context))
    openssl.SSL_CTX_free(context)
    openssl.ERR_clear_error()
    return [name for name, openssl_name in SUITES if openssl_name in names]


def preferred_suites(
    profile: TLSProfile, added: Collection[str], offered: Collection[str]
) -> list[str]:
    """List the suites of TLS 1.2 and older that a server accepts, in its order of preference.

    `added` are the user's, `offered` the library's; all are TLS names.
    """
    return by_strength(profile.suites.intersection(offered).union(added))


def tls13_suites(profile: TLSProfile) -> list[str]:
    """List the suites of TLS 1.3 that a server accepts, in its order of preference."""
    openssl = library()
    context = openssl.new_context()
    if profile.tls13_suites is not None:
        openssl.SSL_CTX_set_ciphersuites(context, ":".join(profile.tls13_suites).encode())
    names = [name for name in openssl.suites(context) if name.startswith("TLS_")]
    openssl.SSL_CTX_free(context)
    openssl.ERR_clear_error()
    return names


def versions(profile: TLSProfile, suites: Collection[str]) -> list[str]:
    """List the protocol versions in which a server with these suites can come to terms.

    Versions before TLS 1.2 know only suites whose MAC is made with SHA-1, RFC 5246 A.5; whether the library
    still speaks them is its own affair.
    """
    names = []
    if profile.newest is None:
        names.append("TLS 1.3")
    if suites:
        names.append("TLS 1.2")
    if (profile.oldest or 0) < TLS_1_2 and any(name.endswith("_SHA") for name in suites):
        names += ["TLS 1.1 and 1.0 where OpenSSL has them"]
    return names


def list_profiles() -> list[str]:
    """Lines that `--list-profiles` prints after the header and the host information."""
    names = [
        "- "
        + profile.title
        + (" (default)" if profile is BCP_195_RFC_8996 else "")
        + (" (retired)" if profile.retired else "")
        for profile in available(offered_suites())
    ]
    return [*_implementation(), "Supported TLS Secure Transport Connection Profiles are:", *names]


def list_ciphers() -> list[str]:
    """Lines that `--list-ciphers` prints after the header and the host information."""
    names = [f"  {name}" for name in offered_suites()]
    return [*_implementation(), "Supported TLS ciphersuites are:", *names]


def _implementation() -> list[str]:
    return [f"Cryptographic algorithms implemented by: {library().version}", ""]
