import contextlib
import logging
import os
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from storescp.errors import HandshakeFailed
from storescp.serve.tls.choices import CRLChecks, PeerAuthentication
from storescp.serve.tls.connection import TLSSocket, handshake
from storescp.serve.tls.context import Reloadable, ServerContext
from storescp.serve.tls.profiles import (
    BCP_195,
    BCP_195_NON_DOWNGRADING,
    MODIFIED_BCP_195_RFC_8996,
)
from storescp.serve.tls.settings import TLSSettings
from tests.peers.authority import CLIENT, SERVER, Authority, Identity, save
from tests.peers.s_client import EVERY_SUITE, agreed, s_client
from tests.peers.tls_client import Session, connect
from tests.peers.tls_server import ESTABLISHED, Server

VERIFY_FAILED = "000b:0886 TLS error: certificate verify failed"
NO_CERTIFICATE = "000b:08c7 TLS error: peer did not return a certificate"
NO_SHARED_CIPHER = "000b:08c1 TLS error: no shared cipher"


@cache
def authority() -> Authority:
    return Authority("Test CA")


@cache
def intermediate() -> Authority:
    return Authority("Intermediate CA", issuer=authority())


@pytest.fixture
def settings(tmp_path: Path) -> TLSSettings:
    trusted = save(tmp_path / "ca.pem", authority().certificate)
    return TLSSettings(*authority().issue("server").save(tmp_path), trusted_files=(trusted,))


def meet(
    settings: TLSSettings,
    directory: Path,
    client: Identity | None = None,
    *,
    newest: ssl.TLSVersion | None = None,
    server_name: str | None = None,
    protocols: tuple[str, ...] = (),
    suites: str | None = None,
) -> tuple[str, str, Session]:
    """Let one client connect; the outcome and the advice at the server, and what the client saw."""
    identity = client.save(directory) if client else None
    with Server(ServerContext(settings)) as server:
        session = connect(
            server.port,
            identity=identity,
            newest=newest,
            server_name=server_name,
            protocols=protocols,
            suites=suites,
        )
        outcome = server.outcomes.get(timeout=20)
    notes = outcome.__notes__ if isinstance(outcome, HandshakeFailed) else [""]
    return str(outcome), notes[0], session


def refusals(settings: TLSSettings, directory: Path, client: Identity) -> tuple[str, str]:
    """The outcome and the alert with TLS 1.2, whose clients are sure to see it."""
    outcome, _, session = meet(settings, directory, client, newest=ssl.TLSVersion.TLSv1_2)
    return outcome, session.error


# Who is let in


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("kind", ["p256", "p384", "rsa2048", "ed25519"])
def test_client_with_a_good_certificate(
    tmp_path: Path, settings: TLSSettings, newest: ssl.TLSVersion, kind: str
) -> None:
    """A client whose certificate leads to a trusted one gets in."""
    outcome, _, session = meet(
        settings, tmp_path, authority().issue("client", key=kind), newest=newest
    )

    assert outcome == ESTABLISHED
    assert session.version == newest.name.replace("_", ".").replace("SSLv", "SSL")
    assert session.suite is not None
    assert session.suite.endswith("AES256-GCM-SHA384" if "2" in newest.name else "_SHA384")


@pytest.mark.parametrize(
    ("authentication", "outcome"),
    [
        (PeerAuthentication.REQUIRED, NO_CERTIFICATE),
        (PeerAuthentication.VERIFIED, ESTABLISHED),
        (PeerAuthentication.IGNORED, ESTABLISHED),
    ],
)
@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_without_certificate(
    tmp_path: Path,
    settings: TLSSettings,
    authentication: PeerAuthentication,
    outcome: str,
    newest: ssl.TLSVersion,
) -> None:
    """Only required authentication refuses it; the alert is that of the TLS version."""
    asked = replace(settings, peer_authentication=authentication)

    found, advice, session = meet(asked, tmp_path, newest=newest)

    assert outcome == found
    if outcome == NO_CERTIFICATE:
        alert = "handshake failure" if newest is ssl.TLSVersion.TLSv1_2 else "certificate required"
        assert alert in session.error
        assert "--verify-peer-cert" in advice


@pytest.mark.parametrize(
    ("authentication", "outcome"),
    [
        (PeerAuthentication.REQUIRED, VERIFY_FAILED),
        (PeerAuthentication.VERIFIED, VERIFY_FAILED),
        (PeerAuthentication.IGNORED, ESTABLISHED),
    ],
)
def test_client_of_another_authority(
    tmp_path: Path, settings: TLSSettings, authentication: PeerAuthentication, outcome: str
) -> None:
    """A certificate that cannot be verified is refused unless nobody looks at it."""
    asked = replace(settings, peer_authentication=authentication)

    found, alert = refusals(asked, tmp_path, Authority("Other CA").issue("client"))

    assert outcome == found
    assert ("unknown ca" in alert) is (outcome == VERIFY_FAILED)


@pytest.mark.parametrize(
    ("client", "reason", "alert"),
    [
        (authority().issue("late", expired=True), "certificate has expired", "expired"),
        (authority().issue("a server", usage=SERVER), "purpose", "unsupported certificate"),
        (replace(intermediate().issue("lonely"), chain=()), "issuer", "unknown ca"),
    ],
    ids=["expired", "for servers only", "chain incomplete"],
)
def test_certificates_that_do_not_verify(
    tmp_path: Path, settings: TLSSettings, client: Identity, reason: str, alert: str
) -> None:
    """Each flaw has its alert; the advice names the flaw and the certificate."""
    outcome, advice, session = meet(settings, tmp_path, client, newest=ssl.TLSVersion.TLSv1_2)

    assert outcome == VERIFY_FAILED
    assert alert in session.error
    assert reason in advice
    assert client.certificate.subject.rfc4514_string() in advice


def test_certificate_meant_for_clients(tmp_path: Path, settings: TLSSettings) -> None:
    """The extended key usage "TLS client" is what a client should have."""
    client = authority().issue("client", usage=CLIENT)

    assert meet(settings, tmp_path, client)[0] == ESTABLISHED


def test_intermediate_authority(tmp_path: Path, settings: TLSSettings) -> None:
    """Intermediate certificates come from the client or from here, but are no trust anchors."""
    client = intermediate().issue("client")
    alone = replace(client, chain=())
    only = save(tmp_path / "intermediate.pem", intermediate().certificate)

    assert meet(settings, tmp_path, client)[0] == ESTABLISHED
    with_both = replace(settings, trusted_files=(*settings.trusted_files, only))
    assert meet(with_both, tmp_path, alone)[0] == ESTABLISHED
    outcome, advice, _ = meet(replace(settings, trusted_files=(only,)), tmp_path, alone)
    assert outcome == VERIFY_FAILED
    assert "--add-cert-file" in advice


def test_server_shows_its_chain(tmp_path: Path, settings: TLSSettings) -> None:
    """The intermediate certificates in the server's file let clients verify it."""
    key, certificate = intermediate().issue("server").save(tmp_path)
    chained = replace(
        settings,
        key_file=key,
        certificate_file=certificate,
        trusted_files=(),
        peer_authentication=PeerAuthentication.IGNORED,
    )

    with Server(ServerContext(chained)) as server:
        assert connect(server.port, trusted=settings.trusted_files[0]).error == ""


def test_nobody_is_trusted(tmp_path: Path, settings: TLSSettings) -> None:
    """Without trusted certificates the server can verify nobody, and says so."""
    outcome, advice, _ = meet(
        replace(settings, trusted_files=()), tmp_path, authority().issue("client")
    )

    assert outcome == VERIFY_FAILED
    assert "No certificates are trusted at all" in advice


def hashed_name(certificate_file: str) -> str:
    """The name under which OpenSSL looks for a certificate in a directory."""
    import subprocess

    from tests.peers.tools import require_tool

    command = [require_tool("openssl"), "x509", "-noout", "-subject_hash", "-in", certificate_file]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.interop
def test_directory_of_trusted_certificates(tmp_path: Path, settings: TLSSettings) -> None:
    """Certificates and CRLs may be added to a hashed directory while the server runs."""
    directory = tmp_path / "trusted"
    client = authority().issue("client")
    from_directory = replace(
        settings, trusted_files=(), trusted_directories=(str(directory),), crl_checks=CRLChecks.LEAF
    )
    identity = client.save(tmp_path)
    name = hashed_name(settings.trusted_files[0])

    with Server(ServerContext(from_directory)) as server:
        connect(server.port, identity=identity)
        assert server.outcome() == VERIFY_FAILED
        directory.mkdir()
        save(directory / f"{name}.0", authority().certificate)
        connect(server.port, identity=identity)
        assert server.outcome() == VERIFY_FAILED
        save(directory / f"{name}.r0", authority().revoke())
        connect(server.port, identity=identity)
        assert server.outcome() == ESTABLISHED


# Revocation


def test_revoked_client(tmp_path: Path, settings: TLSSettings) -> None:
    """A loaded CRL switches checking on; who is not in it gets in."""
    revoked, other = authority().issue("revoked"), authority().issue("other")
    crl = save(tmp_path / "crl.pem", authority().revoke([revoked]))
    checked = replace(settings, crl_files=(crl,))

    outcome, alert = refusals(checked, tmp_path, revoked)

    assert outcome == VERIFY_FAILED
    assert "certificate revoked" in alert
    assert meet(checked, tmp_path, other)[0] == ESTABLISHED
    ignored = replace(checked, peer_authentication=PeerAuthentication.IGNORED)
    assert meet(ignored, tmp_path, revoked)[0] == ESTABLISHED


def test_crl_in_a_file_of_certificates(tmp_path: Path, settings: TLSSettings) -> None:
    """CRLs in a file of trusted certificates count once checking is asked for."""
    revoked = authority().issue("revoked")
    both = tmp_path / "both.pem"
    crl = tmp_path / "crl.pem"
    save(crl, authority().revoke([revoked]))
    both.write_bytes(Path(settings.trusted_files[0]).read_bytes() + crl.read_bytes())
    unchecked = replace(settings, trusted_files=(str(both),))

    assert meet(unchecked, tmp_path, revoked)[0] == ESTABLISHED
    checked = replace(unchecked, crl_checks=CRLChecks.LEAF)
    assert meet(checked, tmp_path, revoked)[0] == VERIFY_FAILED


@pytest.mark.parametrize(("expired", "alert"), [(None, "unknown ca"), (True, "expired")])
def test_crl_that_is_missing_or_expired(
    tmp_path: Path, settings: TLSSettings, expired: bool | None, alert: str
) -> None:
    """A CRL that is needed must be there, and valid."""
    files: tuple[str, ...] = ()
    if expired:
        files = (save(tmp_path / "crl.pem", authority().revoke(expired=True)),)
    checked = replace(settings, crl_files=files, crl_checks=CRLChecks.LEAF)

    outcome, seen = refusals(checked, tmp_path, authority().issue("client"))

    assert outcome == VERIFY_FAILED
    assert alert in seen


def test_crls_for_the_whole_chain(tmp_path: Path, settings: TLSSettings) -> None:
    """Checking the chain needs the CRLs of all authorities in it, checking the leaf needs one."""
    client = intermediate().issue("client")
    lower = save(tmp_path / "lower.pem", intermediate().revoke())
    upper = save(tmp_path / "upper.pem", authority().revoke())
    leaf = replace(settings, crl_files=(lower,))
    chain = replace(leaf, crl_checks=CRLChecks.CHAIN)

    assert meet(leaf, tmp_path, client)[0] == ESTABLISHED
    assert meet(chain, tmp_path, client)[0] == VERIFY_FAILED
    assert meet(replace(chain, crl_files=(lower, upper)), tmp_path, client)[0] == ESTABLISHED


def test_crl_that_could_not_be_loaded(tmp_path: Path, settings: TLSSettings) -> None:
    """If the only CRL file is unusable, checking stays off, as in the reference."""
    no_crl = replace(settings, crl_files=(str(tmp_path / "no"),))

    assert meet(no_crl, tmp_path, authority().issue("client"))[0] == ESTABLISHED


def test_renewal_brings_new_crls(tmp_path: Path, settings: TLSSettings) -> None:
    """A client that is revoked while the server runs is refused after a renewal."""
    client = authority().issue("client")
    identity = client.save(tmp_path)
    crl = save(tmp_path / "crl.pem", authority().revoke())
    renewable = Reloadable(replace(settings, crl_files=(crl,)))

    with Server(renewable.context) as server:
        connect(server.port, identity=identity)
        assert server.outcome() == ESTABLISHED
    save(tmp_path / "crl.pem", authority().revoke([client]))
    renewable.reload()

    with Server(renewable.context) as server:
        connect(server.port, identity=identity)
        assert server.outcome() == VERIFY_FAILED


# Weak clients


def test_weak_certificate_with_the_strict_profile(
    tmp_path: Path, settings: TLSSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """The strict profile refuses a short key in the chain, with the alert internal_error."""
    client = authority().issue("weak", key="rsa1024")

    outcome, alert = refusals(
        replace(settings, profile=MODIFIED_BCP_195_RFC_8996), tmp_path, client
    )

    assert outcome == VERIFY_FAILED
    assert "internal error" in alert
    assert (
        "RSA key length too short: the DICOM TLS profile requires at least 2048 bits, but peer"
        " provided RSA certificate with 1024 bits. Refusing TLS connection."
    ) in [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]


def test_weak_certificate_with_other_profiles(
    tmp_path: Path, settings: TLSSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """Other profiles warn, and let the client in, whatever the library thinks of short keys."""
    client = authority().issue("weak", key="rsa1024")

    outcome, _, _ = meet(settings, tmp_path, client)

    assert outcome == ESTABLISHED
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
        (
            "RSA key length too short: RFC 9325 recommends at least 2048 bits, but peer provided RSA"
            " certificate with 1024 bits."
        )
    ]


# Names, protocols, groups, versions


@pytest.mark.parametrize(
    ("expected", "sent", "accepted"),
    [
        (None, "pacs.example", True),
        ("pacs.example", "pacs.example", True),
        ("pacs.example", None, True),
        ("pacs.example", "other.example", False),
        ("PACS.example", "pacs.example", False),
    ],
)
def test_server_name(
    tmp_path: Path,
    settings: TLSSettings,
    caplog: pytest.LogCaptureFixture,
    expected: str | None,
    sent: str | None,
    accepted: bool,
) -> None:
    """A server name that the client sends must be the expected one, if one is expected."""
    named = replace(
        settings, expected_server_name=expected, peer_authentication=PeerAuthentication.IGNORED
    )

    outcome, advice, session = meet(named, tmp_path, server_name=sent)

    if accepted:
        assert outcome == ESTABLISHED
        return
    assert outcome == "000b:08ea TLS error: callback failed"
    assert "unrecognized name" in session.error.lower()
    assert "--expect-sni" in advice
    assert caplog.records[0].getMessage() == (
        f"SNI failure: client requested server '{sent}', my name is '{expected}'."
    )


@pytest.mark.parametrize(
    ("protocols", "selected"),
    [
        ((), None),
        (("dicom",), "dicom"),
        (("h2", "dicom"), "dicom"),
        (("h2", "http/1.1"), "refused"),
    ],
)
def test_application_protocol(
    tmp_path: Path,
    settings: TLSSettings,
    caplog: pytest.LogCaptureFixture,
    protocols: tuple[str, ...],
    selected: str | None,
) -> None:
    """A client that names protocols must name `dicom` among them."""
    anybody = replace(settings, peer_authentication=PeerAuthentication.IGNORED)

    outcome, _, session = meet(anybody, tmp_path, protocols=protocols)

    if selected != "refused":
        assert (outcome, session.protocol) == (ESTABLISHED, selected)
        return
    assert outcome == "000b:08eb TLS error: no application protocol"
    assert "no application protocol" in session.error
    assert caplog.records[0].getMessage() == (
        "TLS ALPN negotiation failure: Client has proposed protocol(s) other than 'dicom'"
    )


@pytest.mark.interop
@pytest.mark.parametrize(
    ("group", "accepted"),
    [("P-256", True), ("P-384", True), ("P-521", True), ("X25519", False)],
)
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_groups(
    tmp_path: Path, settings: TLSSettings, group: str, accepted: bool, version: str
) -> None:
    """Only the curves of the table are agreed on."""
    key, certificate = authority().issue("rsa", key="rsa2048").save(tmp_path)
    anybody = replace(
        settings,
        key_file=key,
        certificate_file=certificate,
        peer_authentication=PeerAuthentication.IGNORED,
    )

    with Server(ServerContext(anybody)) as server:
        output = s_client(server.port, version, "-groups", group, *EVERY_SUITE)
        outcome = server.outcomes.get(timeout=20)

    assert (agreed(output) is not None) == accepted
    if accepted:
        assert outcome == ESTABLISHED
    else:
        assert isinstance(outcome, HandshakeFailed)
        assert str(outcome) in {NO_SHARED_CIPHER, "000b:0865 TLS error: no suitable key share"}
        assert "elliptic curve" in outcome.__notes__[0]


@pytest.mark.parametrize(
    ("profile_settings", "text"),
    [
        ({}, NO_SHARED_CIPHER),
        ({"profile": BCP_195_NON_DOWNGRADING}, "000b:0902 TLS error: unsupported protocol"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*TLSv1_1 is deprecated")
def test_old_versions(
    tmp_path: Path, settings: TLSSettings, profile_settings: dict[str, object], text: str
) -> None:
    """Old versions fail by their suites or by their number, depending on the profile."""
    anybody = replace(
        settings,
        peer_authentication=PeerAuthentication.IGNORED,
        **profile_settings,  # type: ignore[arg-type]  # a profile
    )

    outcome, _, _ = meet(anybody, tmp_path, newest=ssl.TLSVersion.TLSv1_1)

    assert text == outcome


@pytest.mark.filterwarnings("ignore:.*TLSv1_1 is deprecated")
def test_old_version_where_the_profile_has_it(tmp_path: Path, settings: TLSSettings) -> None:
    """BCP 195 allows TLS 1.0 and 1.1, with the one suite that old clients have."""
    key, certificate = authority().issue("rsa", key="rsa2048").save(tmp_path)
    old = replace(
        settings,
        key_file=key,
        certificate_file=certificate,
        profile=BCP_195,
        peer_authentication=PeerAuthentication.IGNORED,
    )

    outcome, _, session = meet(old, tmp_path, newest=ssl.TLSVersion.TLSv1_1)

    assert (outcome, session.version, session.suite) == (ESTABLISHED, "TLSv1.1", "AES128-SHA")


# Clients that do not do their part


@contextlib.contextmanager
def raw_client(
    settings: TLSSettings, *, timeout: float = 10
) -> Iterator[tuple[socket.socket, Server]]:
    with (
        Server(ServerContext(settings), timeout=timeout) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as client,
    ):
        yield client, server


def test_plain_dicom_client(settings: TLSSettings) -> None:
    """An A-ASSOCIATE-RQ instead of a ClientHello."""
    with raw_client(settings) as (client, server):
        client.sendall(b"\x01\x00\x00\x00\x00\x44" + b"\x00\x01\x00\x00" + b"A" * 64)

        assert server.outcome() == "000b:090b TLS error: wrong version number"


def test_web_client(settings: TLSSettings) -> None:
    """An HTTP request instead of a ClientHello."""
    with raw_client(settings) as (client, server):
        client.sendall(b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n")

        assert server.outcome() == "000b:089c TLS error: http request"


@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01\x02\x00\x01"])
def test_client_that_closes(settings: TLSSettings, begun: bytes) -> None:
    """The connection ends before the handshake does."""
    with raw_client(settings) as (client, server):
        client.sendall(begun)
        client.close()

        assert server.outcome() == "000b:0926 TLS error: unexpected eof while reading"


def test_client_that_resets(settings: TLSSettings) -> None:
    """A reset is an error of the transport."""
    with raw_client(settings) as (client, server):
        client.sendall(b"\x16\x03\x01")
        time.sleep(0.05)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()

        assert server.outcome() == "000b:0017 OpenSSL I/O error (SSL_ERROR_SYSCALL)"


def test_silent_client(settings: TLSSettings) -> None:
    """A client that says nothing is dropped when the time is up, and sees it."""
    with raw_client(settings, timeout=0.2) as (client, server):
        begin = time.monotonic()
        assert client.recv(1) == b""

        assert server.outcome() == (
            "000b:000b TLS read operation did not complete (SSL_ERROR_WANT_READ)"
        )
        assert time.monotonic() - begin < 2


def test_client_that_trickles(settings: TLSSettings) -> None:
    """The limit is for the whole handshake: single bytes do not prolong it."""
    hello = b"\x16\x03\x01\x02\x00" + b"\x01" * 512
    with raw_client(settings, timeout=0.3) as (client, server):
        begin = time.monotonic()
        with contextlib.suppress(OSError):
            for byte in hello:
                client.sendall(bytes([byte]))
                time.sleep(0.02)

        assert "SSL_ERROR_WANT_READ" in server.outcome()
        assert time.monotonic() - begin < 5


def test_client_that_refuses_us(tmp_path: Path, settings: TLSSettings) -> None:
    """The client's alert is in the log, with what it means."""
    other = save(tmp_path / "other.pem", Authority("Other CA").certificate)
    with Server(ServerContext(settings)) as server:
        connect(server.port, trusted=other)
        failure = server.outcomes.get(timeout=20)

    assert str(failure) == "000b:0c18 TLS error: tlsv1 alert unknown ca"
    assert isinstance(failure, HandshakeFailed)
    assert failure.__notes__ == [
        (
            "TLS handshake with 127.0.0.1: the client refused the connection (alert 48): it does not"
            " know the authority that signed our certificate; add that authority's certificate to"
            " those it trusts"
        )
    ]


# An established connection


@dataclass
class Pair:
    ours: TLSSocket
    theirs: ssl.SSLSocket


@contextlib.contextmanager
def established(settings: TLSSettings) -> Iterator[Pair]:
    """A connection of ours with a client, over a pair of sockets."""
    anybody = replace(settings, peer_authentication=PeerAuthentication.IGNORED)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    near, far = socket.socketpair()
    near.settimeout(10)
    far.settimeout(10)
    accepted: list[TLSSocket] = []
    thread = threading.Thread(
        target=lambda: accepted.append(handshake(near, ServerContext(anybody), 10))
    )
    thread.start()
    theirs = context.wrap_socket(far)
    thread.join()
    with accepted[0] as ours, theirs:
        ours.sendall(b"!")  # brings the session tickets of TLS 1.3 out of the way
        assert theirs.recv(1) == b"!"
        yield Pair(ours, theirs)


def test_receiving_fills_the_buffer(settings: TLSSettings) -> None:
    """All records that are there come at once; what does not fit comes next."""
    with established(settings) as pair:
        sent = os.urandom(100_000)
        pair.theirs.sendall(sent)
        room = bytearray(1 << 17)
        tail = memoryview(room)[7:]

        assert pair.ours.recv_into(tail) == len(sent)
        assert room[7 : 7 + len(sent)] == sent

        pair.theirs.sendall(b"abcdef")
        assert pair.ours.recv_into(memoryview(room)[:4]) == 4
        assert pair.ours.recv_into(room) == 2
        assert pair.ours.recv_into(bytearray()) == 0
        assert room[:2] == b"ef"


def test_receiving_what_is_there(settings: TLSSettings) -> None:
    """Nothing, a message, the rest of one, the end: none of them is waited for."""
    with established(settings) as pair:
        room = bytearray(10)
        assert pair.ours.recv_ready(room) is None

        pair.theirs.sendall(b"abcdef")
        assert select.select([pair.ours], [], [], 10)[0]
        assert pair.ours.recv_ready(memoryview(room)[:4]) == 4
        assert pair.ours.recv_ready(room) == 2
        assert room[:2] == b"ef"
        assert pair.ours.recv_ready(room) is None

        pair.theirs.close()
        assert select.select([pair.ours], [], [], 10)[0]
        assert pair.ours.recv_ready(room) == 0


def test_sending(settings: TLSSettings) -> None:
    """Everything is sent, however much, while the peer reads."""
    with established(settings) as pair:
        sent = os.urandom(3_000_000)
        received = bytearray()

        def read() -> None:
            while len(received) < len(sent):
                received.extend(pair.theirs.recv(1 << 16))

        thread = threading.Thread(target=read)
        thread.start()
        pair.ours.sendall(sent)
        thread.join()

        assert sent == received


def test_time_limits(settings: TLSSettings) -> None:
    """A peer that sends or takes nothing is a timeout; the connection could go on."""
    with established(settings) as pair:
        assert pair.ours.gettimeout() == 10
        pair.ours.settimeout(0.05)

        with pytest.raises(TimeoutError):
            pair.ours.recv_into(bytearray(10))
        pair.theirs.sendall(b"late")
        assert pair.ours.recv_into(bytearray(10)) == 4
        with pytest.raises(TimeoutError):
            pair.ours.sendall(bytes(10_000_000))


def test_peer_says_goodbye(settings: TLSSettings) -> None:
    """After the peer's close_notify nothing more comes; ours is sent without waiting for theirs."""
    with established(settings) as pair:
        pair.theirs.sendall(b"last")
        pair.theirs.settimeout(0.01)
        with pytest.raises(TimeoutError):  # it has no answer yet
            pair.theirs.unwrap()

        room = bytearray(10)
        assert pair.ours.recv_into(room) == 4
        assert pair.ours.recv_into(room) == 0
        assert pair.ours.recv_into(room) == 0
        pair.ours.close()

        pair.theirs.settimeout(10)
        pair.theirs.unwrap()


def test_peer_closes_without_goodbye(settings: TLSSettings) -> None:
    """The end of the transport connection is an end, too."""
    with established(settings) as pair:
        pair.theirs.sendall(b"last")
        pair.theirs.close()

        room = bytearray(10)
        assert pair.ours.recv_into(room) == 4
        assert pair.ours.recv_into(room) == 0


def test_peer_breaks_the_protocol(settings: TLSSettings) -> None:
    """Bytes that are no TLS record are an error of the connection, now and later."""
    with established(settings) as pair:
        os.write(pair.theirs.fileno(), b"\x17\x03\x03\x00\x20" + bytes(32))

        for _ in range(2):
            with pytest.raises(ConnectionAbortedError, match="TLS error"):
                pair.ours.recv_into(bytearray(10))
        with pytest.raises(ConnectionAbortedError):
            pair.ours.sendall(b"answer")


def test_data_before_a_breach_are_returned(settings: TLSSettings) -> None:
    """What came intact is not lost."""
    with established(settings) as pair:
        pair.theirs.sendall(b"intact")
        os.write(pair.theirs.fileno(), b"\x17\x03\x03\x00\x20" + bytes(32))

        room = bytearray(100)
        assert pair.ours.recv_into(room) == 6
        with pytest.raises(ConnectionAbortedError):
            pair.ours.recv_into(room)


def test_sending_to_a_peer_that_is_gone(settings: TLSSettings) -> None:
    """A broken pipe is what it would be without TLS."""
    with established(settings) as pair:
        pair.theirs.close()

        with pytest.raises(BrokenPipeError):
            pair.ours.sendall(b"anybody there?")


def test_closed_connection(settings: TLSSettings) -> None:
    """Closing twice does no harm; a closed connection is no longer used."""
    with established(settings) as pair:
        pair.ours.close()
        pair.ours.close()

        with pytest.raises(OSError, match="Bad file descriptor"):
            pair.ours.recv_into(bytearray(1))
        with pytest.raises(OSError, match="Bad file descriptor"):
            pair.ours.sendall(b"x")
        assert pair.ours.fileno() == -1


def test_connection_details(
    tmp_path: Path, settings: TLSSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """At debug level the connection and the client's certificate are described."""
    caplog.set_level(logging.DEBUG, "dcmtk.dcmtls")
    client = authority().issue("client", key="rsa2048")

    meet(settings, tmp_path, client)

    certificate = client.certificate
    serial = f"{certificate.serial_number:X}"
    begin, end = (
        f"{moment:%b} {moment.day:2} {moment:%H:%M:%S %Y} GMT"
        for moment in (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    )
    assert [
        "================== BEGIN TLS CONNECTION DETAILS =================",
        "Transport connection: TLS over TCP/IP",
        "  Protocol    : TLSv1.3",
        "  Ciphersuite : TLS_AES_256_GCM_SHA384, encryption: 256 bits",
        "Peer X.509v3 Certificate",
        "  Subject     : /CN=client",
        "  Issued by   : /CN=Test CA",
        f"  Serial no.  : {serial if len(serial) % 2 == 0 else '0' + serial}",
        f"  Validity    : not before {begin}, not after {end}",
        "  Public key  : RSA, 2048 bits",
        "=================== END TLS CONNECTION DETAILS ==================",
    ] == [r.getMessage() for r in caplog.records if r.levelno == logging.DEBUG]


def test_connection_details_without_certificate(
    tmp_path: Path, settings: TLSSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a client's certificate one line takes its place."""
    caplog.set_level(logging.DEBUG, "dcmtk.dcmtls")

    meet(replace(settings, peer_authentication=PeerAuthentication.VERIFIED), tmp_path)

    assert (
        caplog.records[4].getMessage()
        == "Peer did not provide a certificate or certificate verification is disabled."
    )


def test_many_failed_handshakes_leave_nothing_behind(settings: TLSSettings) -> None:
    """Neither descriptors nor notes about connections pile up."""
    context = ServerContext(settings)
    before = len(os.listdir("/dev/fd"))

    for _ in range(50):
        near, far = socket.socketpair()
        with near, far:
            far.sendall(b"GET / HTTP/1.1\r\n")
            with pytest.raises(HandshakeFailed):
                handshake(near, context, 5)

    assert before == len(os.listdir("/dev/fd"))
    assert context.callbacks.refusals == {}


def test_openssl_out_of_memory(settings: TLSSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that OpenSSL cannot make is a failed handshake."""
    context = ServerContext(settings)
    monkeypatch.setattr(context.openssl, "SSL_new", lambda _context: None)
    near, far = socket.socketpair()

    with near, far, pytest.raises(HandshakeFailed):
        handshake(near, context, 5)
