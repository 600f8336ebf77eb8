"""What OpenSSL reads of a certificate: the facts for the checks, and the lines for the log."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storescp.serve.tls import x509
from storescp.serve.tls.files import _open
from storescp.serve.tls.openssl import library
from tests.peers.authority import Authority, Identity


@contextmanager
def loaded(identity: Identity, directory: Path) -> Iterator[int]:
    """Have a certificate in OpenSSL's memory."""
    openssl = library()
    _, name = identity.save(directory, der=True)
    with _open(openssl, name) as file:
        assert file is not None
        certificate = openssl.d2i_X509_bio(file, None)
    yield certificate
    openssl.X509_free(certificate)


@pytest.mark.parametrize(
    ("key", "name", "bits"), [("rsa2048", "RSA", 2048), ("p256", "EC", 256), ("p384", "EC", 384)]
)
def test_facts(key: str, name: str, bits: int, tmp_path: Path) -> None:
    """Kind and size of the key, and how the authority signed."""
    with loaded(Authority(key="p256").issue("server", key=key), tmp_path) as certificate:
        facts = x509.facts(library(), certificate)

    assert (facts.key, facts.bits) == (name, bits)
    assert (facts.digest, facts.signature) == ("SHA256", "ecdsa-with-SHA256")


def test_details(tmp_path: Path) -> None:
    """The lines of the log, with the names in OpenSSL's form."""
    identity = Authority("Test CA").issue("server", key="rsa2048")

    with loaded(identity, tmp_path) as certificate:
        lines = list(x509.details(library(), certificate))

    assert lines[:3] == [
        "Peer X.509v3 Certificate",
        "  Subject     : /CN=server",
        "  Issued by   : /CN=Test CA",
    ]
    assert int(lines[3].removeprefix("  Serial no.  : "), 16) == identity.certificate.serial_number
    assert re.fullmatch(r"  Validity    : not before .+ GMT, not after .+ GMT", lines[4])
    assert lines[5:] == ["  Public key  : RSA, 2048 bits"]


def test_names_that_are_not_ascii_are_escaped(tmp_path: Path) -> None:
    """In the log nobody can hide what they are called."""
    with loaded(Authority().issue("Krankenhaus M\u00fcnchen"), tmp_path) as certificate:
        subject = x509.subject(library(), certificate)

    assert subject == r"/CN=Krankenhaus M\xC3\xBCnchen"
