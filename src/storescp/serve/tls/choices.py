"""Choices about profiles, keys, revocation and peers. Enums only, since the usage text loads them and has to be fast."""

from enum import Enum, auto


class SecurityProfile(Enum):
    """Secure transport connection profiles, PS3.15 annex B, with their titles."""

    RFC_8996 = "BCP 195 RFC 8996 TLS Profile"
    RFC_8996_MODIFIED = "Modified BCP 195 RFC 8996 TLS Profile"
    BCP_195_NON_DOWNGRADING = "Non-downgrading BCP 195 TLS Profile"
    BCP_195 = "BCP 195 TLS Profile"
    BCP_195_EXTENDED = "Extended BCP 195 TLS Profile"
    BASIC = "Basic TLS Secure Transport Connection Profile"
    AES = "AES TLS Secure Transport Connection Profile"
    NULL = "Authenticated unencrypted communication"


class FileFormat(Enum):
    """Encoding of all key, certificate and CRL files."""

    PEM = auto()
    DER = auto()


class CRLChecks(Enum):
    """Certificates whose revocation is checked."""

    LEAF = auto()
    CHAIN = auto()


class PeerAuthentication(Enum):
    """Certificate that is required of clients."""

    REQUIRED = auto()
    VERIFIED = auto()
    """A certificate is asked for and verified, but may be absent."""
    IGNORED = auto()
