import ssl

import pytest

from storescp.serve.tls import offer as tls_offer
from storescp.serve.tls.offer import features, list_ciphers, list_profiles, offered_suites
from storescp.serve.tls.profiles import OPENSSL_NAMES, SUITES


def test_offered_suites() -> None:
    """What is offered is in the order of the table, and known to the library by its own name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    names = {suite["name"] for suite in context.get_ciphers()}

    offered = offered_suites()

    assert offered == [name for name, openssl_name in SUITES if openssl_name in names]
    assert "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" in offered


def test_features() -> None:
    """The profiles that need rare suites depend on those."""
    offered = offered_suites()

    assert features() == (
        "TLS_RSA_WITH_3DES_EDE_CBC_SHA" in offered,
        "TLS_RSA_WITH_NULL_SHA" in offered,
        "TLS_ECDHE_ECDSA_WITH_AES_128_CCM" in offered,
    )


USUAL = [name for name in OPENSSL_NAMES if "3DES" not in name]


@pytest.mark.parametrize("triple_des", [False, True])
def test_list_of_profiles(monkeypatch: pytest.MonkeyPatch, triple_des: bool) -> None:
    """Profiles come in the order of the options, with what is to be known of them."""
    offered = list(OPENSSL_NAMES) if triple_des else USUAL
    monkeypatch.setattr(tls_offer, "offered_suites", lambda: offered)
    basic = ["- Basic TLS Secure Transport Connection Profile (retired)"]

    assert list_profiles() == [
        f"Cryptographic algorithms implemented by: {ssl.OPENSSL_VERSION}",
        "",
        "Supported TLS Secure Transport Connection Profiles are:",
        "- BCP 195 RFC 8996 TLS Profile (default)",
        "- Modified BCP 195 RFC 8996 TLS Profile",
        "- Non-downgrading BCP 195 TLS Profile (retired)",
        "- BCP 195 TLS Profile (retired)",
        "- Extended BCP 195 TLS Profile (retired)",
        *(basic if triple_des else []),
        "- AES TLS Secure Transport Connection Profile (retired)",
        "- Authenticated unencrypted communication (retired)",
    ]


def test_list_of_ciphers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Suites are listed by their TLS names, weakest first, indented by two blanks."""
    two = ["TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"]
    monkeypatch.setattr(tls_offer, "offered_suites", lambda: two)

    assert list_ciphers() == [
        f"Cryptographic algorithms implemented by: {ssl.OPENSSL_VERSION}",
        "",
        "Supported TLS ciphersuites are:",
        "  TLS_RSA_WITH_AES_128_CBC_SHA",
        "  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    ]
