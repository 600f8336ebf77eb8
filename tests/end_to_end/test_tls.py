"""The running program with TLS: real clients, clients that are none, and keys that change."""

import contextlib
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from storescp.serve.tls.offer import offered_suites
from tests.end_to_end.conversation import CONTEXTS, data_set, store, wait_until
from tests.peers import clients, samples
from tests.peers.authority import Authority, Identity, save
from tests.peers.requestor import (
    ABORT,
    CT_IMAGE_STORAGE,
    Requestor,
    message,
    store_command,
)
from tests.peers.s_client import EVERY_SUITE, agreed, s_client
from tests.peers.servers import Server, ours


@dataclass(frozen=True)
class Site:
    """An authority, and the files of a server and a client that it knows."""

    authority: Authority
    directory: Path
    trusted: str
    server: tuple[str, str]
    client: tuple[str, str]

    def options(self, *more: str) -> list[str]:
        return ["+tls", *self.server, "+cf", self.trusted, *more]

    def connect(self, port: int) -> Requestor:
        """Return a requestor over TLS."""
        context = ssl.create_default_context(cafile=self.trusted)
        context.check_hostname = False
        context.load_cert_chain(self.client[1], self.client[0])
        plain = socket.create_connection(("127.0.0.1", port), 20)
        return Requestor(port, connection=context.wrap_socket(plain))

    def install(self, server: Identity) -> None:
        """Put another server certificate in the place of the present one."""
        server.save(self.directory)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    authority = Authority(key="rsa2048")
    return Site(
        authority,
        tmp_path,
        save(tmp_path / "ca.pem", authority.certificate),
        authority.issue("server", key="rsa2048").save(tmp_path),
        authority.issue("client", key="rsa2048").save(tmp_path),
    )


def exchange(site: Site, server: Server, instance: str = "1.2.3") -> None:
    """Store an object over TLS."""
    with site.connect(server.port) as peer:
        peer.associate(CONTEXTS)
        assert store(peer, instance) == "0000"
        assert peer.release() == 6


@pytest.mark.interop
def test_storescu(site: Site, tmp_path: Path) -> None:
    """DCMTK's storescu sends over TLS what it sends without, and the log names suite and peer."""
    slices = [samples.ct_slice(128, f"1.2.826.0.1.3680043.9.3811.96.{n}") for n in range(5)]
    paths = clients.write_files(slices, tmp_path / "sent")

    with ours(tmp_path / "secured", site.options("-d")) as server:
        done = clients.storescu(server.port, paths, "+tls", *site.client, "+cf", site.trusted, "-d")
        secured = server.files()
        log = server.errors()
    with ours(tmp_path / "plain") as server:
        clients.storescu(server.port, paths)
        plain = server.files()

    assert done.returncode == 0, done.stderr
    assert len(plain) == 5
    assert plain == secured
    assert "D:   Ciphersuite : TLS_AES_256_GCM_SHA384, encryption: 256 bits\n" in log
    assert "D:   Subject     : /CN=client\n" in log


def test_pynetdicom(site: Site, tmp_path: Path) -> None:
    """So does pynetdicom."""
    paths = clients.write_files(
        [samples.ct_slice(128, f"1.2.{n}") for n in range(3)], tmp_path / "sent"
    )
    context = ssl.create_default_context(cafile=site.trusted)
    context.check_hostname = False
    context.load_cert_chain(site.client[1], site.client[0])

    with ours(tmp_path / "out", site.options()) as server:
        assert clients.pynetdicom(server.port, paths, tls=context) == [0, 0, 0]
        assert sorted(server.files()) == ["CT.1.2.0", "CT.1.2.1", "CT.1.2.2"]


STRICT = {"-tls1": None, "-tls1_1": None, "-tls1_2": "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384"}
NEWEST = {"-tls1_3": "TLSv1.3 TLS_AES_256_GCM_SHA384"}


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ([], {**STRICT, **NEWEST}),
        (["+pg"], {**STRICT, **NEWEST}),
        (["+pm"], {**STRICT, **NEWEST}),
        (["+py"], {**STRICT, **NEWEST}),
        (["+pz"], {**STRICT, "-tls1_3": None}),
        (["+px"], {"-tls1": "any", "-tls1_1": "any", "-tls1_2": "any", "-tls1_3": "any"}),
        (["+pa"], {"-tls1": "any", "-tls1_1": "any", "-tls1_2": "any", "-tls1_3": None}),
        (["+pn"], {"-tls1": "any", "-tls1_1": "any", "-tls1_2": "any", "-tls1_3": None}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.interop
def test_versions(
    profile: list[str], expected: dict[str, str | None], site: Site, tmp_path: Path
) -> None:
    """`openssl s_client` finds the versions of each profile, and the strongest suite of the strict ones."""
    if profile == ["+pn"] and "TLS_RSA_WITH_NULL_SHA" not in offered_suites():
        return
    with ours(tmp_path / "out", site.options("-ic", *profile)) as server:
        found = {
            version: agreed(s_client(server.port, version, *EVERY_SUITE)) for version in expected
        }

    for version, wanted in expected.items():
        if wanted == "any":
            assert found[version] is not None, version
        else:
            assert wanted == found[version], version


def test_a_client_without_tls(site: Site, tmp_path: Path) -> None:
    """Who speaks plain DICOM, or HTTP, to a TLS port is sent away at once, and the next one is served."""
    with ours(tmp_path / "out", site.options()) as server:
        with Requestor(server.port, timeout=10) as peer, contextlib.suppress(ConnectionError):
            peer.associate(CONTEXTS)
            pytest.fail("nobody is let in without TLS")
        with socket.create_connection(("127.0.0.1", server.port), 10) as web:
            web.sendall(b"GET / HTTP/1.0\r\n\r\n")
            drain(web)
        with socket.create_connection(("127.0.0.1", server.port), 10) as balancer:
            balancer.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 2762\r\n")
            drain(balancer)
        exchange(site, server)

        said = server.errors().splitlines()
    assert "PROXY protocol" in said[5]
    assert said[0] == "E: Receiving Association failed: 000b:090b TLS error: wrong version number"
    assert "127.0.0.1" in said[1]
    assert said[2] == "E: Receiving Association failed: 000b:089c TLS error: http request"


def test_a_tls_client_of_a_plain_server(site: Site, tmp_path: Path) -> None:
    """Who speaks TLS to a plain port is sent away at once, and the next one is served."""
    with ours(tmp_path / "out") as server:
        with pytest.raises(OSError, match=r"EOF|reset"):
            site.connect(server.port)
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS)
            assert store(peer, "1.2.3") == "0000"
            peer.release()

        failure, why = server.errors().splitlines()
        assert failure == "E: Receiving Association failed: 0006:0321 Unrecognized PDU type: 16"
        assert why.endswith(
            "attempts TLS, which this receiver does not offer: start it with --enable-tls,"
            " or disable TLS in the sender."
        )


def drain(connection: socket.socket) -> bytes:
    """Return what comes until the server closes."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            received += piece
    return received


def client_hello() -> bytes:
    """Return what a client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


@contextlib.contextmanager
def stalling(server: Server, begun: bytes) -> Iterator[socket.socket]:
    """Connect, begin a handshake, and leave it at that."""
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        connection.sendall(begun)
        yield connection


@pytest.mark.parametrize("begun", [client_hello()[:20], client_hello()], ids=["cut", "whole"])
def test_a_stalled_handshake(begun: bytes, site: Site, tmp_path: Path) -> None:
    """It ends with the time limit, and whoever comes meanwhile is served then."""
    with ours(tmp_path / "out", site.options("-ts", "1")) as server:
        with stalling(server, begun) as connection:
            began = time.monotonic()
            exchange(site, server)
            waited = time.monotonic() - began
            drain(connection)

        assert waited < 8  # one second is the limit
        assert server.errors().startswith(
            "E: Receiving Association failed:"
            " 000b:000b TLS read operation did not complete (SSL_ERROR_WANT_READ)\n"
        )


def test_a_trickling_handshake(site: Site, tmp_path: Path) -> None:
    """A byte now and then does not put the end of the time limit off."""
    with ours(tmp_path / "out", site.options("-ts", "1")) as server:
        hello = client_hello()
        with stalling(server, hello[:5]) as connection:
            began = time.monotonic()
            connection.settimeout(0.2)
            for number in range(5, 55):
                try:
                    connection.sendall(hello[number : number + 1])
                    if not connection.recv(10):
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
            lasted = time.monotonic() - began

        assert 0.9 < lasted < 8
        exchange(site, server)


def test_a_silent_client(site: Site, tmp_path: Path) -> None:
    """Who says nothing at all keeps nobody waiting, and is sent away when the time is over."""
    with (
        ours(tmp_path / "out", site.options("-ta", "1")) as server,
        stalling(server, b"") as silent,
    ):
        exchange(site, server)
        assert drain(silent) == b""

        assert "0006:031a DUL network read timeout" in server.errors()


@pytest.mark.parametrize("mode", [["--fork"], ["--workers", "4"]])
def test_stalled_handshakes_in_children(mode: list[str], site: Site, tmp_path: Path) -> None:
    """They happen in children: nobody else waits at all."""
    with ours(tmp_path / "out", site.options(*mode)) as server, contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(stalling(server, client_hello()[:50]))

        exchange(site, server)


def test_termination_during_a_handshake(site: Site, tmp_path: Path) -> None:
    """The program does not wait for the client when it is asked to end."""
    with (
        ours(tmp_path / "out", site.options("-v")) as server,
        stalling(server, client_hello()) as connection,
    ):
        assert connection.recv(1 << 16)  # the server is in the midst of it

        assert server.stop(limit=10) == -signal.SIGTERM


def test_an_abort_reaches_a_peer_that_sends(site: Site, tmp_path: Path) -> None:
    """The rest of what a peer sends is taken, so that it gets to see why it was refused."""
    with ours(tmp_path / "out", site.options()) as server, site.connect(server.port) as peer:
        peer.associate(CONTEXTS)
        whole = message(1, store_command(CT_IMAGE_STORAGE, "1.2"), data_set("1.2"))
        peer.send(b"\x09\0\0\0\0\4\0\0\0\0" + whole * 1000)

        assert peer.receive_response().kind == ABORT


def certificate_of(server: Server) -> bytes | None:
    """Return the certificate that the server shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", server.port), 20) as plain,
        context.wrap_socket(plain) as secured,
    ):
        return secured.getpeercert(binary_form=True)


@pytest.mark.parametrize(
    "mode", [[], ["--fork"], ["--workers", "2"]], ids=["single", "fork", "workers"]
)
def test_renewal(mode: list[str], site: Site, tmp_path: Path) -> None:
    """SIGHUP brings a new certificate to new connections, and those that run go on; a bad file changes nothing."""
    first, second = (site.authority.issue("server", key="rsa2048") for _ in range(2))
    site.install(first)
    with ours(tmp_path / "out", site.options("-v", *mode)) as server:
        running = site.connect(server.port)
        running.associate(CONTEXTS)
        assert store(running, "1.1") == "0000"

        site.install(second)
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "TLS keys and certificates were read anew" in server.errors())
        assert store(running, "1.2") == "0000"
        if mode:  # a process of its own can be served at the same time
            assert certificate_of(server) == der(second)
        assert running.release() == 6
        assert certificate_of(server) == der(second)

        Path(site.server[1]).write_text("nonsense")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "TLS keys and certificates were not renewed" in server.errors())
        assert certificate_of(server) == der(second)
        exchange(site, server, "1.3")

        assert sorted(server.files()) == ["CT.1.1", "CT.1.2", "CT.1.3"]
        assert "F: " not in server.errors()


def test_renewal_of_a_crl(site: Site, tmp_path: Path) -> None:
    """A client that was revoked meanwhile is let in before SIGHUP, and not after."""
    client = site.authority.issue("client", key="rsa2048")
    client.save(site.directory)
    crl = save(site.directory / "crl.pem", site.authority.revoke())
    with ours(tmp_path / "out", site.options("-v", "+crl", crl)) as server:
        exchange(site, server, "1.1")
        save(site.directory / "crl.pem", site.authority.revoke([client]))
        exchange(site, server, "1.2")

        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "were read anew" in server.errors())
        with pytest.raises(OSError, match=r"."):
            exchange(site, server, "1.3")

        refused = "000b:0886 TLS error: certificate verify failed"
        wait_until(lambda: refused in server.errors())
        assert sorted(server.files()) == ["CT.1.1", "CT.1.2"]


def der(identity: Identity) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return identity.certificate.public_bytes(Encoding.DER)
