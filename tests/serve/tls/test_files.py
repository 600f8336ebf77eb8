"""Key, certificate and list files: both encodings, passwords, and what is said of files that are none."""

from pathlib import Path

import pytest

from storescp.serve.tls.choices import FileFormat
from storescp.serve.tls.files import Passphrase, read_facts
from storescp.serve.tls.openssl import library
from tests.peers.authority import Authority


@pytest.mark.parametrize("file_format", FileFormat)
def test_facts_of_a_certificate_file(file_format: FileFormat, tmp_path: Path) -> None:
    """The first certificate of a file, in either encoding."""
    openssl = library()
    identity = Authority("Test CA", issuer=Authority("Root")).issue("server", key="p384")
    _, certificate = identity.save(tmp_path, der=file_format is FileFormat.DER)

    facts = read_facts(openssl, certificate, file_format, Passphrase(openssl, None))

    assert facts is not None
    assert (facts.key, facts.bits) == ("EC", 384)


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n", bytes(100)])
@pytest.mark.parametrize("file_format", FileFormat)
def test_files_that_hold_no_certificate(
    content: bytes | None, file_format: FileFormat, tmp_path: Path
) -> None:
    """There are no facts, and nothing is raised."""
    openssl = library()
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)

    assert read_facts(openssl, str(path), file_format, Passphrase(openssl, None)) is None
