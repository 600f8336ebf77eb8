"""Choices about keys, revocation and peers. Enums only, since the usage text loads them and has to be fast."""

from enum import Enum, auto


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
