"""Dates and issuers of certificates and revocation lists, as their files say."""

import datetime
from pathlib import Path

from storescp.serve.tls.choices import FileFormat
from storescp.serve.tls.validity import certificates, revocation_lists
from tests.peers.authority import CLIENT, SERVER, Authority, save


def test_chain(tmp_path: Path) -> None:
    """All certificates of a PEM file come in their order, with dates to the second, between other contents."""
    root = Authority("Root")
    identity = Authority("Middle", issuer=root).issue("server")
    path = tmp_path / "chain.pem"
    save(path, identity.certificate, root.revoke(), *identity.chain, root.certificate)

    own, middle, top = certificates(str(path), FileFormat.PEM)

    assert (own.subject, own.issuer) == ("/CN=server", "/CN=Middle")
    assert own.begins == identity.certificate.not_valid_before_utc
    assert own.ends == identity.certificate.not_valid_after_utc
    assert (own.signed_by_next, middle.signed_by_next, top.signed_by_next) == (True, True, True)


def test_last_certificate_is_not_the_root(tmp_path: Path) -> None:
    """Whose issuer is not in the file is not signed by the next."""
    identity = Authority("CA").issue("server")

    (own,) = certificates(save(tmp_path / "c", identity.certificate), FileFormat.PEM)

    assert not own.signed_by_next


def test_purposes(tmp_path: Path) -> None:
    """A certificate without purposes, or with that of a server, is for servers."""
    authority = Authority()

    def for_servers(**usage: object) -> bool:
        identity = authority.issue("x", **usage)  # type: ignore[arg-type]
        return certificates(save(tmp_path / "c", identity.certificate), FileFormat.PEM)[
            0
        ].for_servers

    assert for_servers()
    assert for_servers(usage=SERVER)
    assert not for_servers(usage=CLIENT)


def test_der(tmp_path: Path) -> None:
    """DER files hold one certificate or list each."""
    authority = Authority("CA")
    path = save(tmp_path / "c", authority.certificate, der=True)
    crl = save(tmp_path / "r", authority.revoke(), der=True)

    assert [found.subject for found in certificates(path, FileFormat.DER)] == ["/CN=CA"]
    assert [found.issuer for found in revocation_lists(crl, FileFormat.DER)] == ["/CN=CA"]


def test_revocation_lists(tmp_path: Path) -> None:
    """All lists of a PEM file come, with the time of their next update."""
    first, second = Authority("A").revoke(), Authority("B").revoke(expired=True)

    found = revocation_lists(save(tmp_path / "r", first, second), FileFormat.PEM)

    assert [each.issuer for each in found] == ["/CN=A", "/CN=B"]
    assert found[0].next_update == first.next_update_utc
    assert found[1].next_update is not None
    assert found[1].next_update < datetime.datetime.now(datetime.UTC)


def test_nothing_there(tmp_path: Path) -> None:
    """A file that is missing, of another format or of other contents has none."""
    text = tmp_path / "text"
    text.write_text("hello")

    for file_format in FileFormat:
        for path in (str(text), str(tmp_path / "missing"), str(tmp_path)):
            assert certificates(path, file_format) == []
            assert revocation_lists(path, file_format) == []
