import logging
from dataclasses import replace

import pytest

from storescp.serve.tls.certificates import CertificateFacts, check_own, check_peer
from storescp.serve.tls.profiles import (
    BCP_195,
    BCP_195_RFC_8996,
    MODIFIED_BCP_195_RFC_8996,
    TLSProfile,
)

DEFAULT, STRICT, OTHER = BCP_195_RFC_8996, MODIFIED_BCP_195_RFC_8996, BCP_195
W, E, F = logging.WARNING, logging.ERROR, logging.CRITICAL

GOOD = CertificateFacts("RSA", 2048, "RSA-SHA256", "SHA256", "rsaEncryption")
RSA_2047 = replace(GOOD, bits=2047)
EC_255 = CertificateFacts("EC", 255, "ecdsa-with-SHA256", "SHA256", "id-ecPublicKey")
EC_223 = replace(EC_255, bits=223)
DSA = CertificateFacts("DSA", 2048, "dsa_with_SHA256", "SHA256", "DSA")
MD5 = replace(GOOD, signature="RSA-MD5", digest="MD5")
SHA1 = replace(GOOD, signature="RSA-SHA1", digest="SHA1")

RSA_TOO_SHORT = "Key length of RSA public key too short: RFC 9325 "
EC_TOO_SHORT = "Key length of ECDSA public key too short: "


@pytest.mark.parametrize(
    ("certificate", "profile", "level", "text"),
    [
        (
            RSA_2047,
            profile,
            F,
            RSA_TOO_SHORT + "requires at least 2048 bits for server RSA keys, but the key in"
            " certificate file 'c.pem' is only 2047 bits.",
        )
        for profile in (DEFAULT, STRICT)
    ]
    + [
        (
            RSA_2047,
            OTHER,
            W,
            RSA_TOO_SHORT + "recommends at least 2048 bits for RSA keys, but the key in certificate"
            " file 'c.pem' is only 2047 bits.",
        ),
        (
            EC_255,
            STRICT,
            F,
            EC_TOO_SHORT + "TLS profile requires at least 256 bits for ECDSA keys, but the key in"
            " certificate file 'c.pem' is only 255 bits.",
        ),
    ]
    + [
        (
            EC_223,
            profile,
            W,
            EC_TOO_SHORT + "RFC 9325 recommends at least 224 bits for ECDSA keys, but the key in"
            " certificate file 'c.pem' is only 223 bits.",
        )
        for profile in (DEFAULT, OTHER)
    ]
    + [
        (
            DSA,
            profile,
            F,
            (
                "DSA certificate 'c.pem' not permitted in the selected TLS profile because it prevents"
                " the use of TLS 1.3."
            ),
        )
        for profile in (DEFAULT, STRICT)
    ]
    + [
        (
            DSA,
            OTHER,
            W,
            (
                "Use of DSA certificate not recommended because it prevents the use of TLS 1.3, which"
                " does not support this certificate type."
            ),
        ),
        (
            SHA1,
            STRICT,
            F,
            (
                "Weak certificate hash key: TLS profile requires SHA-256 (or better) for certificates,"
                " but certificate file 'c.pem' uses 'RSA-SHA1'."
            ),
        ),
    ]
    + [
        (MD5, profile, E, "Weak certificate hash key: certificate file 'c.pem' uses 'MD5'.")
        for profile in (DEFAULT, STRICT, OTHER)
    ]
    + [
        (
            SHA1,
            profile,
            W,
            (
                "Possibly weak certificate hash key: RFC 9325 recommends the use of SHA-256 (or better)"
                " for certificates, but certificate file 'c.pem' uses 'RSA-SHA1'."
            ),
        )
        for profile in (DEFAULT, OTHER)
    ],
)
def test_weak_own_certificates(
    certificate: CertificateFacts, profile: TLSProfile, level: int, text: str
) -> None:
    """What is too weak for a profile is refused, what should be better is warned of."""
    (finding,) = check_own(profile, "c.pem", certificate)

    assert (level, text) == (finding.level, finding.text)
    assert finding.refuses is (level > W)


PEER_RSA = "but peer provided RSA certificate with 2047 bits."
PEER_SHA1 = "but peer provided certificate with 'RSA-SHA1'."


@pytest.mark.parametrize(
    ("certificate", "profile", "level", "text"),
    [
        (
            MD5,
            profile,
            E,
            (
                "Weak certificate hash key: peer provided certificate with 'MD5'."
                " Refusing TLS connection."
            ),
        )
        for profile in (DEFAULT, STRICT, OTHER)
    ]
    + [
        (
            RSA_2047,
            STRICT,
            E,
            (
                "RSA key length too short: the DICOM TLS profile requires at least 2048 bits,"
                f" {PEER_RSA} Refusing TLS connection."
            ),
        ),
        (
            RSA_2047,
            DEFAULT,
            W,
            f"RSA key length too short: RFC 9325 recommends at least 2048 bits, {PEER_RSA}",
        ),
        (
            EC_255,
            STRICT,
            E,
            (
                "ECDSA key length too short: the DICOM TLS profile requires at least 256 bits, but peer"
                " provided ECDSA certificate with 255 bits. Refusing TLS connection."
            ),
        ),
        (
            EC_223,
            OTHER,
            W,
            (
                "ECDSA key length too short: RFC 9325 recommends at least 224 bits, but peer provided"
                " ECDSA certificate with 223 bits."
            ),
        ),
        (
            SHA1,
            STRICT,
            E,
            (
                "Weak certificate hash key: the DICOM TLS profile requires SHA-256 (or better) for"
                f" certificates, {PEER_SHA1} Refusing TLS connection."
            ),
        ),
        (
            SHA1,
            DEFAULT,
            W,
            f"Weak certificate hash key: RFC 9325 recommends SHA-256 (or better, {PEER_SHA1}",
        ),
    ],
)
def test_weak_certificates_of_peers(
    certificate: CertificateFacts, profile: TLSProfile, level: int, text: str
) -> None:
    """Broken hashes are refused by all profiles, other weaknesses by the strict one."""
    (finding,) = check_peer(profile, certificate)

    assert (level, text) == (finding.level, finding.text)
    assert finding.refuses is (level > W)


@pytest.mark.parametrize("profile", [DEFAULT, STRICT, OTHER])
@pytest.mark.parametrize(
    "certificate",
    [
        GOOD,
        replace(EC_255, bits=256),
        replace(GOOD, digest="SHA512-256", signature="RSA-SHA512/256"),
        replace(GOOD, digest="SHA3-256", signature="RSA-SHA3-256"),
        CertificateFacts("Ed25519", 253, "RSA-SHA256", "SHA256", "rsaEncryption"),
    ],
)
def test_good_certificates(certificate: CertificateFacts, profile: TLSProfile) -> None:
    """Nothing is said of strong certificates; keys of unusual kinds are not judged."""
    assert list(check_own(profile, "c.pem", certificate)) == []
    assert list(check_peer(profile, certificate)) == []


@pytest.mark.parametrize(
    "certificate",
    [
        replace(GOOD, digest="", signature="RSASSA-PSS", signing_key="rsassaPss"),
        replace(GOOD, digest="", signature="ED25519", signing_key="ED25519"),
        replace(GOOD, digest="SHA224", signature="RSA-SHA224"),
        replace(EC_255, bits=256, digest="SHA512-256"),
    ],
)
def test_signatures_that_do_not_count_as_strong(certificate: CertificateFacts) -> None:
    """RSA-PSS, Ed25519 and short hashes are refused by the strict profile, as in the reference."""
    (finding,) = check_own(STRICT, "c.pem", certificate)

    assert finding.refuses
    assert f"'{certificate.signature}'" in finding.text
