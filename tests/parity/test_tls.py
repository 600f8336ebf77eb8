"""TLS of the whole program beside DCMTK's storescp: who gets in, with which suite, and what is said when not."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from storescp.serve.tls.offer import offered_suites
from tests.end_to_end.conversation import wait_until
from tests.peers import clients, samples
from tests.peers.authority import CLIENT, SERVER, Authority, save
from tests.peers.servers import (
    Server,
    dcmtk,
    dcmtk_environment,
    free_port,
    our_command,
    our_environment,
    ours,
)
from tests.peers.tools import require_tool

pytestmark = pytest.mark.interop

PROFILES = ("+py", "+px", "+pz", "+pa", "+pn")
"""Those that DCMTK has had since before 3.7."""

CLIENT_PROFILES = (
    *((profile,) for profile in PROFILES),
    ("+pa", "+cs", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
)


@dataclass(frozen=True)
class Site:
    """Files of one authority, its server and clients good and bad; all names are in one directory."""

    directory: Path
    server: tuple[str, ...]
    trusted: str
    clients: dict[str, tuple[str, ...]]
    """Options by which storescu shows who it is."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Make an authority with one below it, and certificates of all kinds."""
    directory = tmp_path_factory.mktemp("site")
    authority = Authority("Root", key="rsa2048")
    lower = Authority("Lower", issuer=authority)
    good, revoked = authority.issue("good"), authority.issue("revoked")
    identities = {
        "good": good,
        "expired": authority.issue("expired", expired=True),
        "revoked": revoked,
        "of another authority": Authority("Stranger").issue("stranger"),
        "for clients": authority.issue("for-clients", usage=CLIENT),
        "for servers only": authority.issue("for-servers", usage=SERVER),
        "below an intermediate": lower.issue("lower"),
    }
    save(directory / "crl.pem", authority.revoke([revoked]))
    save(directory / "old-crl.pem", authority.revoke([revoked], expired=True))
    save(directory / "lower-crl.pem", lower.revoke())
    trusted = save(directory / "ca.pem", authority.certificate)
    save(directory / "ca.der", authority.certificate, der=True)
    save(directory / "crl.der", authority.revoke([revoked]), der=True)
    server = authority.issue("server", key="rsa2048")
    (directory / "der").mkdir()
    server.save(directory / "der", der=True)
    own: dict[str, tuple[str, ...]] = {
        name: ("+tls", *identity.save(directory), "+cf", trusted)
        for name, identity in identities.items()
    }
    own["without a certificate"] = ("+tla", "+cf", trusted)
    own["that trusts nobody"] = ("+tls", *good.save(directory))
    own["without TLS"] = ()
    return Site(directory, server.save(directory), trusted, own)


@pytest.fixture(scope="module")
def slice_file(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return clients.write_files(
        [samples.ct_slice(16, "1.2.3.4")], tmp_path_factory.mktemp("to-send")
    )


Verdict = tuple[list[str], list[str], list[str]]
"""Versions and suites agreed on, files stored, failures that the server logged."""


def verdict(server: Server, paths: Sequence[Path], options: Sequence[str]) -> Verdict:
    """Send with storescu; what came of it, for the client and for the server.

    The order of DHE and ECDHE is not the same in all versions of DCMTK, so it is not told.
    """
    before = len(server.errors())
    done = clients.storescu(server.port, paths, "-d", "-to", "10", *options)
    agreed = re.findall(r"(?:Protocol|Ciphersuite) +: ([^,\n]+)", done.stderr + done.stdout)
    # A server of one process has said all there is to say once it complains about somebody without TLS.
    clients.echoscu(server.port)
    complaints = 1 if options else 2
    wait_until(lambda: server.errors()[before:].count("000b:090b") == complaints)
    failed = re.findall(
        r"^E: (Receiving Association failed: .*)$", server.errors()[before:], re.MULTILINE
    )
    stored = sorted(server.take_files())
    return [text.replace("ECDHE-", "DHE-") for text in agreed], stored, failed[:-1]


def compare(
    site: Site,
    tmp_path: Path,
    paths: Sequence[Path],
    server_options: Sequence[str],
    conversations: Mapping[str, Sequence[str]],
    trust: Sequence[str] | None = None,
) -> dict[str, Verdict]:
    """Let clients call on both servers, require the same verdicts, and return them."""
    trusted = ["+cf", site.trusted] if trust is None else trust
    options = ["+tls", *site.server, *trusted, *server_options]
    with (
        ours(tmp_path / "ours", options) as mine,
        dcmtk(tmp_path / "dcmtk", options) as theirs,
        ThreadPoolExecutor(2) as pool,
    ):
        found, expected = pool.map(
            lambda server: {n: verdict(server, paths, own) for n, own in conversations.items()},
            (mine, theirs),
        )
    assert expected == found
    return found


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles(profile: str, site: Site, slice_file: list[Path], tmp_path: Path) -> None:
    """With each profile, each of the client's profiles gets in with the same suite, or fails in the same words."""
    if profile == "+pn" and "TLS_RSA_WITH_NULL_SHA" not in offered_suites():
        return
    conversations = {
        " ".join(own): [*site.clients["good"][:3], "+cf", site.trusted, *own]
        for own in CLIENT_PROFILES
    }

    found = compare(site, tmp_path, slice_file, [profile], conversations)

    assert found[profile][1] == ["CT.1.2.3.4"]


@pytest.mark.parametrize(
    ("authentication", "crl"),
    [
        ("-rc", ""),
        ("-rc", "+crl crl.pem"),
        ("-rc", "+crl old-crl.pem"),
        ("-rc", "+crv"),
        ("-rc", "+crl crl.pem +cra"),
        ("-vc", ""),
        ("-vc", "+crl crl.pem"),
        ("-ic", ""),
        ("-ic", "+crl crl.pem +cra"),
    ],
)
def test_certificates(
    authentication: str, crl: str, site: Site, slice_file: list[Path], tmp_path: Path
) -> None:
    """Valid, expired, revoked, foreign, misused and missing certificates are judged alike, whatever is to be checked."""
    checks = [str(site.directory / word) if word.endswith(".pem") else word for word in crl.split()]
    chosen = (
        site.clients
        if not crl or "old" not in crl
        else {name: site.clients[name] for name in ("good", "revoked", "without a certificate")}
    )

    found = compare(site, tmp_path, slice_file, ["+py", authentication, *checks], chosen)

    let_in = {name for name, (_, stored, _) in found.items() if stored}
    assert ("revoked" in let_in) == (authentication == "-ic" or not crl)
    assert ("without a certificate" in let_in) == (authentication != "-rc")
    assert ("good" in let_in) == (
        authentication == "-ic" or crl in ("", "+crl crl.pem", "+crl crl.pem +cra")
    )


def test_der(site: Site, slice_file: list[Path], tmp_path: Path) -> None:
    """With `--der-keys` all files are DER, and the verdicts are the same."""
    directory = site.directory
    der_site = Site(
        directory,
        (str(directory / "der/server.key"), str(directory / "der/server.cert")),
        str(directory / "ca.der"),
        site.clients,
    )
    chosen = {name: site.clients[name] for name in ("good", "revoked", "expired")}

    found = compare(der_site, tmp_path, slice_file, ["-der", "+py"], chosen)

    assert [bool(found[name][1]) for name in chosen] == [True, True, False]


def test_der_crl(site: Site, slice_file: list[Path], tmp_path: Path) -> None:
    """A CRL may be DER, too; DCMTK 3.6.7 cannot read it."""
    directory = site.directory
    own = ["+tls", f"{directory}/der/server.key", f"{directory}/der/server.cert", "-der"]
    checks = ["+cf", str(directory / "ca.der"), "+crl", str(directory / "crl.der")]

    with ours(tmp_path / "ours", [*own, *checks]) as server:
        stored = [
            bool(verdict(server, slice_file, site.clients[name])[1]) for name in ("good", "revoked")
        ]

    assert stored == [True, False]


def test_directory_of_certificates(site: Site, slice_file: list[Path], tmp_path: Path) -> None:
    """Files under their hashed names in `--add-cert-dir` are found."""
    directory = tmp_path / "trusted"
    directory.mkdir()
    name = subprocess.run(
        [require_tool("openssl"), "x509", "-noout", "-subject_hash", "-in", site.trusted],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    (directory / f"{name}.0").write_bytes(Path(site.trusted).read_bytes())
    (directory / f"{name}.r0").write_bytes((site.directory / "crl.pem").read_bytes())

    found = compare(
        site,
        tmp_path,
        slice_file,
        ["+py", "+crv"],
        {name: site.clients[name] for name in ("good", "revoked", "of another authority")},
        trust=["+cd", str(directory)],
    )

    assert [bool(stored) for _, stored, _ in found.values()] == [True, False, False]


START_ERRORS: dict[str, str] = {
    "missing key": "+tls none server.cert",
    "missing certificate": "+tls server.key none",
    "key and certificate of two": "+tls server.key good.cert",
    "certificate for a key": "+tls server.cert server.cert",
    "key for a certificate": "+tls server.key server.key",
    "wrong password": "+tls locked.key server.cert +pw wrong",
    "empty password": "+tls locked.key server.cert -pw",
    "no password at the prompt": "+tls locked.key server.cert",
    "PEM read as DER": "+tls server.key server.cert -der",
    "DER read as PEM": "+tls der/server.key der/server.cert",
    "locked DER": "+tls der/server.key good.cert -der",
    "unreadable files that are passed over": "+cf none +cf server.key +crl none +dp none +cd none +tls none none",
    "directory for a key": "+tls der server.cert",
    "unknown suite": "+tls server.key server.cert +cs NONSENSE",
}
OTHERWISE = {
    # Since 3.7.0 a certificate that cannot be loaded has its own message; 3.6.7 finds no match.
    "missing certificate": [
        "E: OpenSSL error",
        "F: 000b:0005 Unable to load certificate from 'none'",
    ],
    "key for a certificate": [
        "E: OpenSSL error",
        "F: 000b:0005 Unable to load certificate from 'server.key'",
    ],
    "unknown suite": ["F: 000b:0003 Unknown or invalid ciphersuite: NONSENSE"],
    "locked DER": ["E: OpenSSL error", "F: 000b:0005 Unable to load certificate from 'good.cert'"],
}
"""What DCMTK 3.7.0 says where 3.6.7 says something else."""
ADVICE = re.compile(
    r"[FW]: (Check the name|These must|Give the name|Clients whose|Certificates that|The parameters)"
)


@pytest.mark.parametrize("case", START_ERRORS)
def test_start_errors(case: str, site: Site, tmp_path: Path) -> None:
    """Files that cannot be used end the start with the reference's messages and exit code, and with advice."""
    if not (locked := site.directory / "locked.key").exists():
        command = "pkey -aes256 -passout pass:right -in server.key -out locked.key"
        subprocess.run([require_tool("openssl"), *command.split()], cwd=site.directory, check=True)
        assert b"ENCRYPTED" in locked.read_bytes()
    said = []
    for program, environment in (
        ([require_tool("storescp")], dcmtk_environment()),
        (our_command(), our_environment()),
    ):
        done = subprocess.run(
            [*program, "-od", str(tmp_path), *START_ERRORS[case].split(), str(free_port())],
            cwd=site.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            start_new_session=True,  # no terminal to ask for a password
        )
        assert (done.returncode, done.stdout) == (1, "")
        said.append(re.sub(r"(OpenSSL error) .*", r"\1", done.stderr).splitlines())

    expected, found = said
    advice = [line for line in found if ADVICE.match(line)]
    assert (OTHERWISE.get(case) or expected) == [line for line in found if line not in advice]
    assert ADVICE.match(found[-1])
