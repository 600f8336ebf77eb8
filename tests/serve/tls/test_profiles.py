import logging

import pytest

from storescp.serve.tls.choices import SecurityProfile
from storescp.serve.tls.profiles import (
    AES,
    AUTHENTICATED_UNENCRYPTED,
    BASIC,
    BCP_195,
    BCP_195_EXTENDED,
    BCP_195_NON_DOWNGRADING,
    BCP_195_RFC_8996,
    MODIFIED_BCP_195_RFC_8996,
    OPENSSL_NAMES,
    PROFILES,
    SUITES,
    TLSProfile,
    available,
    by_strength,
    check_addition,
)

KNOWN_TO_OPENSSL = [name for name, openssl_name in SUITES if openssl_name]


@pytest.mark.parametrize(
    ("profile", "suites"),
    [
        (
            BCP_195_RFC_8996,
            (
                "ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES256-GCM-SHA384"
                " ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES128-GCM-SHA256"
            ),
        ),
        (
            MODIFIED_BCP_195_RFC_8996,
            (
                "ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES256-CCM8"
                " ECDHE-ECDSA-AES256-CCM ECDHE-RSA-CHACHA20-POLY1305 ECDHE-ECDSA-CHACHA20-POLY1305"
                " ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES128-CCM8"
                " ECDHE-ECDSA-AES128-CCM"
            ),
        ),
        (
            BCP_195_NON_DOWNGRADING,
            (
                "ECDHE-RSA-AES256-GCM-SHA384 DHE-RSA-AES256-GCM-SHA384 ECDHE-RSA-AES128-GCM-SHA256"
                " DHE-RSA-AES128-GCM-SHA256"
            ),
        ),
        (
            BCP_195,
            (
                "ECDHE-RSA-AES256-GCM-SHA384 DHE-RSA-AES256-GCM-SHA384 ECDHE-RSA-AES128-GCM-SHA256"
                " DHE-RSA-AES128-GCM-SHA256 AES128-SHA DES-CBC3-SHA"
            ),
        ),
        (
            BCP_195_EXTENDED,
            (
                "ECDHE-RSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES256-GCM-SHA384 DHE-RSA-AES256-GCM-SHA384"
                " ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES128-GCM-SHA256 DHE-RSA-AES128-GCM-SHA256"
            ),
        ),
        (BASIC, "DES-CBC3-SHA"),
        (AES, "AES128-SHA DES-CBC3-SHA"),
        (AUTHENTICATED_UNENCRYPTED, "NULL-SHA"),
    ],
    ids=lambda value: value.title if isinstance(value, TLSProfile) else "",
)
def test_suites_of_a_profile_in_order_of_preference(profile: TLSProfile, suites: str) -> None:
    """Each profile has exactly its suites, strongest first."""
    names = (OPENSSL_NAMES[name] for name in by_strength(profile.suites))

    assert suites.split() == [name for name in names if name]


@pytest.mark.parametrize(
    ("profile", "oldest", "newest"),
    [
        (BCP_195_RFC_8996, None, None),
        (MODIFIED_BCP_195_RFC_8996, None, None),
        (BCP_195_NON_DOWNGRADING, 0x0303, None),
        (BCP_195, None, None),
        (BCP_195_EXTENDED, 0x0303, 0x0303),
        (BASIC, None, 0x0303),
        (AES, None, 0x0303),
        (AUTHENTICATED_UNENCRYPTED, None, 0x0303),
    ],
)
def test_versions_of_a_profile(profile: TLSProfile, oldest: int | None, newest: int | None) -> None:
    """Each profile limits the protocol versions as the reference does."""
    assert (oldest, newest) == (profile.oldest, profile.newest)


def test_profiles_that_need_rare_suites_exist_with_those_only() -> None:
    """3DES decides on the basic profile, NULL on the unencrypted and CCM on the modified one."""
    usual = {"TLS_RSA_WITH_AES_128_CBC_SHA"}

    assert available(usual) == [
        BCP_195_RFC_8996,
        BCP_195_NON_DOWNGRADING,
        BCP_195,
        BCP_195_EXTENDED,
        AES,
    ]
    assert list(PROFILES) == available(KNOWN_TO_OPENSSL)


W, F = logging.WARNING, logging.CRITICAL
RSA_9325 = "uses RSA key transport. RFC 9325 recommends that such cipher suites should not be used."
RSA_7525 = "uses RSA key transport. RFC 7525 recommends that such cipher suites should not be used."
DHE = (
    "uses ephemeral finite-field Diffie-Hellman key agreement. RFC 9325 recommends that such cipher"
    " suites should not be used."
)
CBC = (
    "uses CBC mode of operation. RFC 9325 recommends that such cipher suites should not be used,"
    " unless both sides support the encrypt_then_mac extension (we do)."
)
UNENCRYPTED = "Unencrypted ciphersuite '{}' not permitted with security profile '{}'"


@pytest.mark.parametrize(
    ("profile", "name", "findings"),
    [
        (BCP_195_RFC_8996, "TLS_RSA_WITH_NULL_SHA", [(F, UNENCRYPTED)]),
        (
            BCP_195_RFC_8996,
            "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
            [(F, "Ciphersuite '{}' using SHA-1 MAC not permitted with security profile '{}'")],
        ),
        (
            BCP_195_RFC_8996,
            "TLS_RSA_WITH_AES_128_GCM_SHA256",
            [(W, "Ciphersuite '{}' " + RSA_9325)],
        ),
        (
            BCP_195_RFC_8996,
            "TLS_RSA_WITH_AES_128_CBC_SHA256",
            [(W, "Ciphersuite '{}' " + RSA_9325), (W, "Ciphersuite '{}' " + CBC)],
        ),
        (BCP_195_RFC_8996, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", [(W, "Ciphersuite '{}' " + DHE)]),
        (
            BCP_195_RFC_8996,
            "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
            [(W, "Ciphersuite '{}' " + CBC)],
        ),
        (BCP_195_RFC_8996, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", []),
        (
            MODIFIED_BCP_195_RFC_8996,
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            [(F, "Additional ciphersuites not permitted with security profile '{1}'")],
        ),
        (BCP_195, "TLS_RSA_WITH_NULL_SHA", [(F, UNENCRYPTED)]),
        (AES, "TLS_RSA_WITH_AES_256_CBC_SHA", [(W, "Ciphersuite '{}' " + RSA_7525)]),
        (BCP_195_NON_DOWNGRADING, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA", []),
        (BASIC, "TLS_RSA_WITH_AES_256_CBC_SHA", [(W, "Ciphersuite '{}' " + RSA_7525)]),
        (AUTHENTICATED_UNENCRYPTED, "TLS_RSA_WITH_NULL_SHA", []),
        (AUTHENTICATED_UNENCRYPTED, "TLS_RSA_WITH_AES_128_CBC_SHA", []),
    ],
)
def test_suites_that_a_user_adds(
    profile: TLSProfile, name: str, findings: list[tuple[int, str]]
) -> None:
    """Each profile refuses or warns of additional suites by its own rules."""
    expected = [(level, text.format(name, profile.title)) for level, text in findings]

    found = list(check_addition(profile, name, KNOWN_TO_OPENSSL))

    assert expected == [(finding.level, finding.text) for finding in found]
    assert [level == F for level, _ in findings] == [finding.refuses for finding in found]


def test_suite_that_the_library_does_not_offer() -> None:
    """A suite is looked up before the rules of the profile are."""
    text = (
        "Ciphersuite 'TLS_RSA_WITH_NULL_SHA' not supported by the OpenSSL library used to compile"
        " this application."
    )

    (finding,) = check_addition(MODIFIED_BCP_195_RFC_8996, "TLS_RSA_WITH_NULL_SHA", [])

    assert (F, text, True) == finding


def test_each_choice_has_its_profile() -> None:
    """One for each security profile that the command line offers, in the same order."""
    assert [profile.title for profile in PROFILES] == [choice.value for choice in SecurityProfile]
