"""Cipher suites and security profiles as tables, and the rules for suites that a user adds.

The profiles are the TLS Secure Transport Connection Profiles of PS3.15 annex B. Nothing here
touches the TLS library: what it offers is an argument.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from storescp.serve.tls.choices import SecurityProfile
from storescp.serve.tls.findings import Finding, fatal, warning

SUITES = (  # TLS name, name in cipher strings of OpenSSL ("" if no release has it); weakest first
    ("TLS_RSA_WITH_NULL_SHA", "NULL-SHA"),
    ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", "DES-CBC3-SHA"),
    ("TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"),
    ("TLS_RSA_WITH_CAMELLIA_128_CBC_SHA", "CAMELLIA128-SHA"),
    ("TLS_RSA_WITH_AES_128_CBC_SHA256", "AES128-SHA256"),
    ("TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
    ("TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA", "ECDH-ECDSA-AES128-SHA"),
    ("TLS_ECDH_RSA_WITH_AES_128_CBC_SHA", "ECDH-RSA-AES128-SHA"),
    ("TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256", "ECDH-ECDSA-AES128-SHA256"),
    ("TLS_ECDH_RSA_WITH_AES_128_CBC_SHA256", "ECDH-RSA-AES128-SHA256"),
    ("TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256", "ECDH-ECDSA-AES128-GCM-SHA256"),
    ("TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256", "ECDH-RSA-AES128-GCM-SHA256"),
    ("TLS_RSA_WITH_CAMELLIA_256_CBC_SHA", "CAMELLIA256-SHA"),
    ("TLS_RSA_WITH_AES_256_CBC_SHA", "AES256-SHA"),
    ("TLS_RSA_WITH_AES_256_CBC_SHA256", "AES256-SHA256"),
    ("TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
    ("TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA", "ECDH-ECDSA-AES256-SHA"),
    ("TLS_ECDH_RSA_WITH_AES_256_CBC_SHA", "ECDH-RSA-AES256-SHA"),
    ("TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA384", "ECDH-ECDSA-AES256-SHA384"),
    ("TLS_ECDH_RSA_WITH_AES_256_CBC_SHA384", "ECDH-RSA-AES256-SHA384"),
    ("TLS_ECDH_ECDSA_WITH_AES_256_GCM_SHA384", "ECDH-ECDSA-AES256-GCM-SHA384"),
    ("TLS_ECDH_RSA_WITH_AES_256_GCM_SHA384", "ECDH-RSA-AES256-GCM-SHA384"),
    ("TLS_DHE_DSS_WITH_AES_128_CBC_SHA", "DHE-DSS-AES128-SHA"),
    ("TLS_DHE_DSS_WITH_CAMELLIA_128_CBC_SHA", "DHE-DSS-CAMELLIA128-SHA"),
    ("TLS_DHE_RSA_WITH_AES_128_CBC_SHA", "DHE-RSA-AES128-SHA"),
    ("TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA", "DHE-RSA-CAMELLIA128-SHA"),
    ("TLS_DHE_DSS_WITH_AES_128_CBC_SHA256", "DHE-DSS-AES128-SHA256"),
    ("TLS_DHE_RSA_WITH_AES_128_CBC_SHA256", "DHE-RSA-AES128-SHA256"),
    ("TLS_DHE_DSS_WITH_AES_128_GCM_SHA256", "DHE-DSS-AES128-GCM-SHA256"),
    ("TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "DHE-RSA-AES128-GCM-SHA256"),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256"),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256"),
    ("TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_GCM_SHA256", ""),
    ("TLS_ECDHE_RSA_WITH_CAMELLIA_128_GCM_SHA256", ""),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CCM", "ECDHE-ECDSA-AES128-CCM"),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", "ECDHE-ECDSA-AES128-CCM8"),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
    ("TLS_DHE_DSS_WITH_AES_256_CBC_SHA", "DHE-DSS-AES256-SHA"),
    ("TLS_DHE_RSA_WITH_AES_256_CBC_SHA", "DHE-RSA-AES256-SHA"),
    ("TLS_DHE_DSS_WITH_CAMELLIA_256_CBC_SHA", "DHE-DSS-CAMELLIA256-SHA"),
    ("TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA", "DHE-RSA-CAMELLIA256-SHA"),
    ("TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "DHE-RSA-CHACHA20-POLY1305"),
    ("TLS_DHE_DSS_WITH_AES_256_CBC_SHA256", "DHE-DSS-AES256-SHA256"),
    ("TLS_DHE_RSA_WITH_AES_256_CBC_SHA256", "DHE-RSA-AES256-SHA256"),
    ("TLS_DHE_DSS_WITH_AES_256_GCM_SHA384", "DHE-DSS-AES256-GCM-SHA384"),
    ("TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "DHE-RSA-AES256-GCM-SHA384"),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"),
    ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", "ECDHE-ECDSA-AES256-SHA384"),
    ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", "ECDHE-RSA-AES256-SHA384"),
    ("TLS_ECDHE_ECDSA_WITH_CAMELLIA_256_GCM_SHA384", ""),
    ("TLS_ECDHE_RSA_WITH_CAMELLIA_256_GCM_SHA384", ""),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_CCM", "ECDHE-ECDSA-AES256-CCM"),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8", "ECDHE-ECDSA-AES256-CCM8"),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"),
)

OPENSSL_NAMES = dict(SUITES)
_STRENGTH = {name: number for number, (name, _) in enumerate(SUITES)}

GROUPS = (  # elliptic curves in order of preference; no others are accepted
    "P-256",
    "secp256k1",
    "P-384",
    "P-521",
    "sect283k1",
    "sect283r1",
    "sect409k1",
    "sect409r1",
    "sect571k1",
    "sect571r1",
    "brainpoolP256r1",
    "brainpoolP384r1",
    "brainpoolP512r1",
)

TLS_1_2 = 0x0303  # RFC 5246 A.1: ProtocolVersion {3, 3}


class Additions(Enum):
    """Suites that a user may add to those of a profile."""

    NONE = auto()
    NO_SHA1_MAC = auto()
    ENCRYPTED = auto()
    ANY = auto()


@dataclass(frozen=True, slots=True)
class TLSProfile:
    """A TLS Secure Transport Connection Profile, PS3.15 annex B.

    `suites` are those of TLS 1.2 and older, by their TLS names; `tls13_suites` are None where the
    library's default applies. `oldest` and `newest` are protocol versions, None for no limit.
    `requires` names the suite without which the profile does not exist.
    """

    title: str
    suites: frozenset[str]
    oldest: int | None = None
    newest: int | None = None
    tls13_suites: tuple[str, ...] | None = None
    retired: bool = True
    requires: str | None = None
    additions: Additions = Additions.ENCRYPTED
    own_keys_must_comply: bool = False
    everything_must_comply: bool = False
    short_dh_parameters: bool = True


_AES128_SHA = "TLS_RSA_WITH_AES_128_CBC_SHA"
_3DES = "TLS_RSA_WITH_3DES_EDE_CBC_SHA"
_NULL = "TLS_RSA_WITH_NULL_SHA"
_ECDHE_RSA = {
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
}
_ECDHE_ECDSA = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
}
_DHE_RSA = {
    "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
}

BCP_195_RFC_8996 = TLSProfile(  # PS3.15 B.12
    title=SecurityProfile.RFC_8996.value,
    suites=frozenset(_ECDHE_RSA | _ECDHE_ECDSA),
    retired=False,
    additions=Additions.NO_SHA1_MAC,
    own_keys_must_comply=True,
)
MODIFIED_BCP_195_RFC_8996 = TLSProfile(  # PS3.15 B.13
    title=SecurityProfile.RFC_8996_MODIFIED.value,
    suites=frozenset(
        _ECDHE_RSA
        | _ECDHE_ECDSA
        | {
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
            "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
            "TLS_ECDHE_ECDSA_WITH_AES_256_CCM",
            "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8",
            "TLS_ECDHE_RSA_WITH_CAMELLIA_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_CAMELLIA_256_GCM_SHA384",
            "TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_CAMELLIA_256_GCM_SHA384",
        }
    ),
    tls13_suites=(
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_128_CCM_8_SHA256",
        "TLS_AES_128_CCM_SHA256",
    ),
    retired=False,
    requires="TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
    additions=Additions.NONE,
    own_keys_must_comply=True,
    everything_must_comply=True,
)
BCP_195_NON_DOWNGRADING = TLSProfile(  # PS3.15 B.10
    title=SecurityProfile.BCP_195_NON_DOWNGRADING.value,
    suites=frozenset(_ECDHE_RSA | _DHE_RSA),
    oldest=TLS_1_2,
)
BCP_195 = TLSProfile(  # PS3.15 B.9
    title=SecurityProfile.BCP_195.value,
    suites=frozenset(_ECDHE_RSA | _DHE_RSA | {_AES128_SHA, _3DES}),
)
BCP_195_EXTENDED = TLSProfile(  # PS3.15 B.11
    title=SecurityProfile.BCP_195_EXTENDED.value,
    suites=frozenset(_ECDHE_RSA | _ECDHE_ECDSA | _DHE_RSA),
    oldest=TLS_1_2,
    newest=TLS_1_2,
    additions=Additions.NONE,
    short_dh_parameters=False,
)
BASIC = TLSProfile(  # PS3.15 B.1
    title=SecurityProfile.BASIC.value,
    suites=frozenset({_3DES}),
    newest=TLS_1_2,
    requires=_3DES,
)
AES = TLSProfile(  # PS3.15 B.3
    title=SecurityProfile.AES.value,
    suites=frozenset({_AES128_SHA, _3DES}),
    newest=TLS_1_2,
)
AUTHENTICATED_UNENCRYPTED = TLSProfile(  # IHE's, never one of PS3.15
    title=SecurityProfile.NULL.value,
    suites=frozenset({_NULL}),
    newest=TLS_1_2,
    requires=_NULL,
    additions=Additions.ANY,
)

PROFILES = (
    BCP_195_RFC_8996,
    MODIFIED_BCP_195_RFC_8996,
    BCP_195_NON_DOWNGRADING,
    BCP_195,
    BCP_195_EXTENDED,
    BASIC,
    AES,
    AUTHENTICATED_UNENCRYPTED,
)


def by_strength(suites: Collection[str]) -> list[str]:
    """Sort TLS names, strongest first: the server's order of preference."""
    return sorted(suites, key=_STRENGTH.__getitem__, reverse=True)


def available(offered: Collection[str]) -> list[TLSProfile]:
    """List the profiles that exist where the library has the suites `offered`, by TLS names."""
    return [p for p in PROFILES if p.requires is None or p.requires in offered]


def check_addition(profile: TLSProfile, name: str, offered: Collection[str]) -> Iterator[Finding]:
    """Judge a suite that a user adds to `profile`; `offered` are the library's, by TLS names."""
    if name not in offered:
        yield fatal(
            f"Ciphersuite '{name}' not supported by the OpenSSL library used to compile this"
            " application."
        )
        return
    match profile.additions:
        case Additions.NONE:
            yield fatal(
                f"Additional ciphersuites not permitted with security profile '{profile.title}'"
            )
        case Additions.NO_SHA1_MAC:
            yield from _check_for_rfc_8996(profile, name)
        case Additions.ENCRYPTED:
            yield from _check_for_rfc_7525(profile, name)
        case Additions.ANY:
            pass


def _check_for_rfc_8996(profile: TLSProfile, name: str) -> Iterator[Finding]:
    avoid = "RFC 9325 recommends that such cipher suites should not be used"
    if "_NULL_" in name:
        yield _unencrypted(profile, name)
    elif name.endswith("_SHA"):
        yield fatal(
            f"Ciphersuite '{name}' using SHA-1 MAC not permitted with security profile"
            f" '{profile.title}'"
        )
    elif name.startswith("TLS_RSA_"):
        yield warning(f"Ciphersuite '{name}' uses RSA key transport. {avoid}.")
    elif name.startswith("TLS_DHE_"):
        yield warning(
            f"Ciphersuite '{name}' uses ephemeral finite-field Diffie-Hellman key agreement."
            f" {avoid}."
        )
    if "_CBC_" in name and not name.endswith("_SHA"):
        yield warning(
            f"Ciphersuite '{name}' uses CBC mode of operation. {avoid}, unless both sides support"
            " the encrypt_then_mac extension (we do)."
        )


def _check_for_rfc_7525(profile: TLSProfile, name: str) -> Iterator[Finding]:
    if "_NULL_" in name:
        yield _unencrypted(profile, name)
    elif name.startswith("TLS_RSA_"):
        yield warning(
            f"Ciphersuite '{name}' uses RSA key transport. RFC 7525 recommends that such cipher"
            " suites should not be used."
        )


def _unencrypted(profile: TLSProfile, name: str) -> Finding:
    return fatal(
        f"Unencrypted ciphersuite '{name}' not permitted with security profile '{profile.title}'"
    )
