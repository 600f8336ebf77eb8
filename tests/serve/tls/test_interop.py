"""Handshakes with DCMTK's clients and `openssl s_client`, and DCMTK's own server beside ours."""

import logging
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from storescp.serve.tls.choices import PeerAuthentication
from storescp.serve.tls.context import ServerContext
from storescp.serve.tls.offer import offered_suites
from storescp.serve.tls.profiles import (
    AES,
    AUTHENTICATED_UNENCRYPTED,
    BCP_195,
    BCP_195_EXTENDED,
    BCP_195_NON_DOWNGRADING,
    BCP_195_RFC_8996,
    MODIFIED_BCP_195_RFC_8996,
    OPENSSL_NAMES,
    TLSProfile,
)
from storescp.serve.tls.settings import TLSSettings
from tests.peers import servers
from tests.peers.authority import Authority, Identity, private_key, save
from tests.peers.s_client import EVERY_SUITE, agreed, s_client
from tests.peers.tls_server import Server
from tests.peers.tools import require_tool

pytestmark = pytest.mark.interop

SHARED_PROFILES = {
    "+py": BCP_195_NON_DOWNGRADING,
    "+px": BCP_195,
    "+pz": BCP_195_EXTENDED,
    "+pa": AES,
    "+pn": AUTHENTICATED_UNENCRYPTED,
}
"""Those that DCMTK has had since before 3.7."""

CLIENT_PROFILES = {
    **{option: [option] for option in SHARED_PROFILES},
    "one more suite": ["+pa", "+cs", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"],
}


@dataclass(frozen=True)
class Site:
    """The files of a server and of a client, both known to one authority."""

    trusted: str
    server: tuple[str, str]
    client: tuple[str, str]

    def settings(self, profile: TLSProfile) -> TLSSettings:
        return TLSSettings(*self.server, trusted_files=(self.trusted,), profile=profile)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("Test CA", key="rsa2048")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Site:
    directory = tmp_path_factory.mktemp("site")
    return Site(
        save(directory / "ca.pem", authority.certificate),
        authority.issue("server", key="rsa2048").save(directory),
        authority.issue("client", key="rsa2048").save(directory),
    )


@pytest.fixture(scope="module")
def ec_site(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Site:
    directory = tmp_path_factory.mktemp("ec-site")
    return Site(
        save(directory / "ca.pem", authority.certificate),
        authority.issue("server", key="p256").save(directory),
        authority.issue("client", key="p256").save(directory),
    )


def echo(port: int, *options: str) -> None:
    """Let DCMTK's echoscu connect; what comes of it is read from the server."""
    subprocess.run(
        [require_tool("echoscu"), "-to", "10", "-ta", "10", *options, "127.0.0.1", str(port)],
        capture_output=True,
        timeout=60,
        check=False,
    )


def credentials(site: Site) -> list[str]:
    return ["+tls", *site.client, "+cf", site.trusted]


@contextmanager
def logged_details(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "dcmtk.dcmtls"):
        yield


def read_outcome(text: str) -> str | None:
    """Version and suite, or the error, in what a server logged; None if it is not there yet.

    The order of DHE and ECDHE is not the same in all versions of DCMTK, so it is not told.
    """
    if failed := re.search(r"000b:.*", text):
        return failed[0]
    version = re.search(r"Protocol    : (\S+)", text)
    suite = re.search(r"Ciphersuite : ([^,]+),", text)
    if version and suite:
        return f"{version[1]} {suite[1].replace('ECDHE-', 'DHE-')}"
    return None


def our_outcome(
    settings: TLSSettings, caplog: pytest.LogCaptureFixture, options: list[str]
) -> str | None:
    with logged_details(caplog), Server(ServerContext(settings), greet=False) as server:
        echo(server.port, *options)
        outcome = server.outcome()
        details = "\n".join(record.getMessage() for record in caplog.records)
    return read_outcome(f"{details}\n{outcome}")


@contextmanager
def dcmtk_server(directory: Path, options: list[str]) -> Iterator[tuple[int, "Log"]]:
    with servers.dcmtk(directory, ["-d", *options]) as server:
        yield server.port, Log(server)


class Log:
    """What a running server has logged since it was last asked."""

    def __init__(self, server: servers.Server) -> None:
        self._server = server
        self._seen = 0

    def next_outcome(self) -> str | None:
        limit = time.monotonic() + 20
        while time.monotonic() < limit:
            text = self._server.errors() + self._server.output()
            if outcome := read_outcome(text[self._seen :]):
                time.sleep(0.05)  # the rest of what belongs to it
                self._seen = len(self._server.errors() + self._server.output())
                return outcome
            time.sleep(0.02)
        return None


@pytest.mark.parametrize("option", SHARED_PROFILES)
@pytest.mark.parametrize("keys", ["RSA", "EC"])
def test_profiles_as_dcmtk(
    tmp_path: Path,
    site: Site,
    ec_site: Site,
    caplog: pytest.LogCaptureFixture,
    option: str,
    keys: str,
) -> None:
    """Every profile of DCMTK's client connects to ours, or fails, exactly as with DCMTK's server."""
    if option == "+pn" and "TLS_RSA_WITH_NULL_SHA" not in offered_suites():
        return
    used = site if keys == "RSA" else ec_site
    expected, found = {}, {}
    server_options = ["+tls", *used.server, "+cf", used.trusted, option]
    with dcmtk_server(tmp_path, server_options) as (port, log):
        for name, options in CLIENT_PROFILES.items():
            echo(port, *credentials(used), *options)
            expected[name] = log.next_outcome()

    for name, options in CLIENT_PROFILES.items():
        found[name] = our_outcome(
            used.settings(SHARED_PROFILES[option]), caplog, [*credentials(used), *options]
        )

    assert None not in expected.values()
    assert expected == found


def test_failures_as_dcmtk(
    tmp_path: Path, site: Site, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """Clients that are not let in are logged with the words of DCMTK's server."""
    expired = authority.issue("expired", expired=True).save(tmp_path)
    stranger = Authority("Other CA").issue("stranger").save(tmp_path)
    clients = {
        "no certificate": ["+tla", "+cf", site.trusted],
        "expired": ["+tls", *expired, "+cf", site.trusted],
        "other authority": ["+tls", *stranger, "+cf", site.trusted],
        "does not trust us": ["+tls", *site.client],
        "no TLS": [],
    }
    options = ["+tls", *site.server, "+cf", site.trusted, "+py"]
    with dcmtk_server(tmp_path, options) as (port, log):
        expected = {}
        for name, client in clients.items():
            echo(port, *client)
            expected[name] = log.next_outcome()

    found = {
        name: our_outcome(site.settings(BCP_195_NON_DOWNGRADING), caplog, client)
        for name, client in clients.items()
    }

    assert None not in expected.values()
    assert expected == found


def test_default_profiles_with_dcmtk(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """The two profiles that are new in DCMTK 3.7 go together with the default of older clients."""
    for profile in (BCP_195_RFC_8996, MODIFIED_BCP_195_RFC_8996):
        outcome = our_outcome(site.settings(profile), caplog, credentials(site))
        assert outcome == "TLSv1.3 TLS_AES_256_GCM_SHA384"

        outcome = our_outcome(site.settings(profile), caplog, [*credentials(site), "+pz"])
        assert outcome == "TLSv1.2 DHE-RSA-AES256-GCM-SHA384"

        outcome = our_outcome(site.settings(profile), caplog, [*credentials(site), "+pa"])
        assert outcome == "000b:08c1 TLS error: no shared cipher"


TLS_1_2_SUITES = [
    name for name in OPENSSL_NAMES.values() if name and not name.startswith(("ECDH-", "DHE-DSS"))
]


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (BCP_195_RFC_8996, {"-tls1": False, "-tls1_1": False, "-tls1_2": True, "-tls1_3": True}),
        (
            MODIFIED_BCP_195_RFC_8996,
            {"-tls1": False, "-tls1_1": False, "-tls1_2": True, "-tls1_3": True},
        ),
        (
            BCP_195_NON_DOWNGRADING,
            {"-tls1": False, "-tls1_1": False, "-tls1_2": True, "-tls1_3": True},
        ),
        (BCP_195, {"-tls1": True, "-tls1_1": True, "-tls1_2": True, "-tls1_3": True}),
        (BCP_195_EXTENDED, {"-tls1": False, "-tls1_1": False, "-tls1_2": True, "-tls1_3": False}),
        (AES, {"-tls1": True, "-tls1_1": True, "-tls1_2": True, "-tls1_3": False}),
    ],
    ids=lambda value: value.title if isinstance(value, TLSProfile) else "",
)
def test_versions(site: Site, profile: TLSProfile, expected: dict[str, bool]) -> None:
    """Each profile agrees on exactly its versions of TLS."""
    settings = replace(site.settings(profile), peer_authentication=PeerAuthentication.IGNORED)

    with Server(ServerContext(settings)) as server:
        found = {v: agreed(s_client(server.port, v, *EVERY_SUITE)) is not None for v in expected}

    assert expected == found


@pytest.mark.parametrize("keys", ["RSA", "EC"])
@pytest.mark.parametrize(
    "profile",
    [BCP_195_RFC_8996, MODIFIED_BCP_195_RFC_8996, BCP_195, BCP_195_EXTENDED, AES],
    ids=lambda profile: profile.title,
)
def test_suites(site: Site, ec_site: Site, profile: TLSProfile, keys: str) -> None:
    """With TLS 1.2 each profile agrees on exactly those of its suites that fit the key."""
    used = site if keys == "RSA" else ec_site
    settings = replace(used.settings(profile), peer_authentication=PeerAuthentication.IGNORED)
    offered = offered_suites()
    fitting = "_RSA_" if keys == "RSA" else "_ECDSA_"
    expected = {OPENSSL_NAMES[s] for s in profile.suites if s in offered and fitting in s}
    left, found = list(TLS_1_2_SUITES), set()

    with Server(ServerContext(settings)) as server:
        while True:  # take away, one after the other, what was agreed on
            offer = ":".join(left) + ":@SECLEVEL=0"
            agreement = agreed(s_client(server.port, "-tls1_2", "-cipher", offer))
            if agreement is None:
                break
            found.add(agreement.split()[1])
            left.remove(agreement.split()[1])

    assert expected == found


@pytest.mark.parametrize(
    ("profile", "ccm"), [(BCP_195_RFC_8996, False), (MODIFIED_BCP_195_RFC_8996, True)]
)
def test_suites_of_tls_1_3(site: Site, profile: TLSProfile, ccm: bool) -> None:
    """Only the modified profile has the CCM suites of TLS 1.3."""
    settings = replace(site.settings(profile), peer_authentication=PeerAuthentication.IGNORED)

    with Server(ServerContext(settings)) as server:
        for suite in ("TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"):
            offer = ("-ciphersuites", suite, *EVERY_SUITE)  # short tags are weak to newer OpenSSL
            agreement = agreed(s_client(server.port, "-tls1_3", *offer))
            assert agreement == (f"TLSv1.3 {suite}" if ccm else None)
        for suite in ("TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"):
            agreement = agreed(s_client(server.port, "-tls1_3", "-ciphersuites", suite))
            assert agreement == f"TLSv1.3 {suite}"


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_groups(site: Site, version: str) -> None:
    """The groups of the table, as far as the version of TLS knows them, and no others."""
    settings = replace(site.settings(BCP_195), peer_authentication=PeerAuthentication.IGNORED)
    expected = {"P-256": True, "P-384": True, "P-521": True, "X25519": False, "X448": False}
    if version == "-tls1_2":
        expected |= {"secp256k1": True, "brainpoolP256r1": True, "brainpoolP512r1": True}
    else:
        expected |= {"ffdhe2048": False}
    suites = ("-cipher", "ECDHE-RSA-AES128-GCM-SHA256")

    with Server(ServerContext(settings)) as server:
        found = {
            group: agreed(s_client(server.port, version, "-groups", group, *suites)) is not None
            for group in expected
        }
        preferred = s_client(server.port, version, "-groups", "X25519:P-521:P-384", *suites)

    assert expected == found
    assert "384" in next(line for line in preferred.splitlines() if "Temp Key" in line)


def test_default_dh_parameters(site: Site) -> None:
    """DHE suites work without any parameter file, with 2048 bits."""
    settings = replace(
        site.settings(BCP_195_NON_DOWNGRADING), peer_authentication=PeerAuthentication.IGNORED
    )

    with Server(ServerContext(settings)) as server:
        output = s_client(server.port, "-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256")

    assert agreed(output) == "TLSv1.2 DHE-RSA-AES128-GCM-SHA256"
    assert "Temp Key: DH, 2048 bits" in output


def test_given_dh_parameters(tmp_path: Path, site: Site) -> None:
    """Parameters from a file take the place of the built-in ones."""
    name = str(tmp_path / "dh.pem")
    make = [require_tool("openssl"), "genpkey", "-genparam", "-algorithm", "DH"]
    subprocess.run(
        [*make, "-pkeyopt", "group:ffdhe3072", "-out", name], check=True, capture_output=True
    )
    settings = replace(
        site.settings(BCP_195_NON_DOWNGRADING),
        peer_authentication=PeerAuthentication.IGNORED,
        dh_parameter_file=name,
    )

    with Server(ServerContext(settings)) as server:
        output = s_client(server.port, "-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256")

    assert "Temp Key: DH, 3072 bits" in output


def test_resumption(site: Site) -> None:
    """A client with a certificate may resume a session by its ticket."""
    key, certificate = site.client

    with Server(ServerContext(site.settings(BCP_195_RFC_8996)), greet=False) as server:
        output = s_client(server.port, "-tls1_2", "-reconnect", "-cert", certificate, "-key", key)

    assert "Reused, TLSv1.2" in output


def test_server_authenticates_itself(site: Site) -> None:
    """A client that trusts the authority verifies the server."""
    settings = replace(
        site.settings(BCP_195_RFC_8996), peer_authentication=PeerAuthentication.IGNORED
    )

    with Server(ServerContext(settings)) as server:
        output = s_client(server.port, "-CAfile", site.trusted, "-verify_return_error")

    assert "Verification: OK" in output


def test_keys_of_unusual_kinds(tmp_path: Path, authority: Authority) -> None:
    """An Ed25519 key serves TLS 1.3 and 1.2 alike."""
    identity = Identity(
        authority.issue("ed", key="ed25519").certificate, private_key("ed25519")
    ).save(tmp_path)
    settings = TLSSettings(*identity, peer_authentication=PeerAuthentication.IGNORED)

    with Server(ServerContext(settings)) as server:
        assert agreed(s_client(server.port, "-tls1_3")) == "TLSv1.3 TLS_AES_256_GCM_SHA384"
        assert agreed(s_client(server.port, "-tls1_2")) == "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"
