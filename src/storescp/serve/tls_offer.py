"""What the local OpenSSL offers: for the option table, and for the lists that options print."""

from typing import NamedTuple

from storescp.errors import ConfigurationError
from storescp.serve.tls_openssl import library
from storescp.serve.tls_profiles import BCP_195_RFC_8996, SUITES, available


class Features(NamedTuple):
    """Which security profiles need more than any OpenSSL offers, and exist here."""

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
