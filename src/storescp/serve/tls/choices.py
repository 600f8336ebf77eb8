"""What is chosen about keys, revocation and peers. Enums only: a usage text needs them, and has no time for more."""

from enum import Enum, auto


class FileFormat(Enum):
    """Encoding of all key, certificate and CRL files."""

    PEM = auto()
    DER = auto()


class CRLChecks(Enum):
    """Whose revocation is looked up."""

    LEAF = auto()
    CHAIN = auto()


class PeerAuthentication(Enum):
    """What is asked of clients."""

    REQUIRED = auto()
    VERIFIED = auto()
    """A certificate is asked for and verified, but may be absent."""
    IGNORED = auto()
