"""The conformance statement says what is negotiated, answered and offered; nothing more and nothing less."""

import re
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from storescp import errors
from storescp.config import settings
from storescp.config.choices import CommandLine
from storescp.config.command_line import Evaluation, parse
from storescp.config.options.evaluation import Stage
from storescp.errors import ConfigurationError, ProtocolError, StatusError
from storescp.reports import conformance
from storescp.serve.association import connection
from storescp.serve.tls import profiles as tls_profiles
from storescp.serve.tls.choices import PeerAuthentication
from storescp.serve.tls.context import ServerContext
from storescp.serve.tls.offer import offered_suites
from storescp.serve.tls.settings import TLSSettings
from storescp.uid_names import UID_NAMES
from storescp.uids import TRANSFER_SYNTAXES
from storescp.upper_layer.negotiation import Policy, negotiate
from storescp.upper_layer.pdu import (
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    ContextResult,
    ProposedContext,
    UserInformation,
)
from tests.peers.authority import Authority
from tests.peers.requestor import Context, Requestor
from tests.peers.servers import our_command, our_environment, ours
from tests.peers.tls_client import connect
from tests.peers.tls_server import Server

CT = "1.2.840.10008.5.1.4.1.1.2"
PRIVATE = "1.2.3.4.5"
PROFILE = """\
[[TransferSyntaxes]]
[Plain]
TransferSyntax1 = LittleEndianImplicit
[Images]
TransferSyntax1 = JPEGLSLossless
TransferSyntax2 = LittleEndianExplicit
TransferSyntax3 = 1.2.3.77
[[PresentationContexts]]
[Archive]
PresentationContext1 = VerificationSOPClass\\Plain
PresentationContext2 = CTImageStorage\\Images
PresentationContext3 = 1.2.3.4.5\\Plain
PresentationContext4 = MRImageStorage\\Plain
PresentationContext5 = NuclearMedicineImageStorage\\Plain
[[SCPSCURoleSelection]]
[Roles]
Role1 = MRImageStorage\\BOTH
Role2 = NuclearMedicineImageStorage\\SCP
[[ExtendedNegotiation]]
[More]
ExtendedNegotiation1 = CTImageStorage\\0201
[[Profiles]]
[Default]
PresentationContexts = Archive
SCPSCURoleSelection = Roles
ExtendedNegotiation = More
"""


def evaluated(*arguments: str) -> CommandLine:
    """Return the effective options of a command line."""
    return Evaluation(parse([*arguments, "11112"])).run(Stage.SECURITY)


def stated(*arguments: str) -> tuple[str, Policy]:
    """Return the statement, and the policy with which the program would run."""
    command_line = evaluated(*arguments)
    policy = settings.policy(command_line)
    receiver_settings = settings.receiver_settings(command_line, policy, None)
    return conformance.statement(receiver_settings, settings.tls(command_line)), policy


def section(text: str, number: str) -> str:
    """Return what stands below the heading of this number."""
    found = re.search(
        rf"^#+ {re.escape(number)} .*?\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert found is not None, number
    return found[1]


def rows(text: str) -> Iterator[list[str]]:
    """Yield the rows of all tables, without their headings."""
    for table in re.findall(r"^\|.*?\n\| ---.*?\n((?:\|.*\n)*)", text, re.MULTILINE):
        for line in table.splitlines():
            yield [cell.strip().strip("`") for cell in line.strip("|").split(" | ")]


def lists(text: str) -> dict[str, list[str]]:
    """Return the lists of transfer syntaxes by their letters."""
    parts = re.split(r"^List (\w+):$", section(text, "4.2.1.4.1"), flags=re.MULTILINE)
    return {
        letter: [row[2] for row in rows(table)]
        for letter, table in zip(parts[1::2], parts[2::2], strict=True)
    }


def ask(policy: Policy, syntax: str, transfer_syntaxes: Sequence[str]) -> str | None:
    """Return the accepted transfer syntax."""
    request = AAssociateRQ(
        "US",
        "YOU",
        "1.2.840.10008.3.1.1.1",
        (ProposedContext(1, syntax, tuple(transfer_syntaxes)),),
        UserInformation(implementation_class_uid="1.2.3"),
    )
    answer = negotiate(request, policy)
    assert isinstance(answer, AAssociateAC)
    context = answer.contexts[0]
    return context.transfer_syntax if context.result == ContextResult.ACCEPTANCE else None


@pytest.mark.parametrize(
    "arguments",
    [(), ("+xa",), ("+xi",), ("+xs",), ("-pm", "+x="), ("-xf", "profile.cfg", "Default")],
    ids=" ".join,
)
def test_presentation_contexts(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all UIDs there are, those and only those in the statement are accepted, in the stated order of preference."""
    monkeypatch.chdir(tmp_path)
    Path("profile.cfg").write_text(PROFILE)
    text, policy = stated(*arguments)
    classes = {row[1]: (row[2], row[3]) for row in rows(section(text, "4.2.1.1"))}
    syntaxes = lists(text)
    everything = sorted({*TRANSFER_SYNTAXES, "1.2.3.77"})

    for uid in {*UID_NAMES, *classes}:
        role, letter = classes.get(uid, ("", ""))
        if role.startswith("SCP"):
            remaining = list(everything)
            for expected in syntaxes[letter]:  # the best, then the best of what is left…
                assert ask(policy, uid, remaining) == expected
                remaining.remove(expected)
            assert ask(policy, uid, remaining) is None
        else:
            assert ask(policy, uid, everything) is None

    anything = re.search(r"transfer syntaxes (\w+), and stored as they are", text)
    if anything is None:
        assert ask(policy, "1.2.3.99", everything) is None
    else:
        assert ask(policy, "1.2.3.99", everything) == syntaxes[anything[1]][0]


def test_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Roles, extended negotiation, private classes and transfer syntaxes nobody knows are told."""
    monkeypatch.chdir(tmp_path)
    Path("profile.cfg").write_text(PROFILE)

    text, _ = stated("-xf", "profile.cfg", "Default")

    classes = {row[1]: row[2] for row in rows(section(text, "4.2.1.1"))}
    assert classes["1.2.840.10008.5.1.4.1.1.4"] == "SCP, by role selection SCP and SCU"
    assert classes["1.2.840.10008.5.1.4.1.1.20"] == "by role selection SCU"
    assert classes[CT] == "SCP"
    assert ["CTImageStorage", "02 01"] in list(rows(section(text, "4.2.1.4.2")))
    assert f"Private ones: `{PRIVATE}`" in section(text, "8.3")
    assert "`1.2.3.77`" in section(text, "8.4")
    assert "an object in it aborts the association" in section(text, "4.2.1.4.1")


@pytest.mark.parametrize("arguments", [(), ("--reject",), ("--refuse",)], ids=" ".join)
def test_rejections(arguments: tuple[str, ...]) -> None:
    """What is said about odd requests is what they get."""
    text, policy = stated(*arguments)
    answers = {row[0]: row[2] for row in rows(section(text, "4.2.1.4.3"))}

    nameless = AAssociateRQ("A", "B", "1.2.840.10008.3.1.1.1", ())
    named = AAssociateRQ(
        "A", "B", "1.2.840.10008.3.1.1.1", (), UserInformation(implementation_class_uid="1.2")
    )
    for what, request in (
        ("no Implementation Class UID", nameless),
        ("an ordinary one", named),
    ):
        answer = negotiate(request, policy)
        expected = ""
        if isinstance(answer, AAssociateRJ):
            expected = f"{answer.result}, {answer.source}, {answer.reason}"
        assert answers[what] == expected
    assert ("Every association is" in text) == (arguments == ("--refuse",))


def all_below(kind: type[errors.StorescpError]) -> Iterator[type[errors.StorescpError]]:
    for below in kind.__subclasses__():
        yield below
        yield from all_below(below)


def test_every_status_has_its_row() -> None:
    """Every status that an object can be answered with is in the table, and no other."""
    text, _ = stated()
    expected = {
        f"{kind.status:04X}" for kind in all_below(StatusError) if issubclass(kind, StatusError)
    }

    assert {row[0] for row in rows(section(text, "4.2.1.4.5")) if len(row) == 3} == {
        "0000",
        *expected,
    }


def test_every_abort_has_its_row() -> None:
    """Each pair of source and reason of an A-ABORT is in the table."""
    assert connection  # all errors there are come from what a connection uses
    text, _ = stated()
    stated_pairs = {row[1] for row in rows(section(text, "4.2.1.4.4"))}

    for kind in all_below(ProtocolError):
        assert issubclass(kind, ProtocolError)
        assert f"{int(kind.abort_source)}, {int(kind.abort_reason)}" in stated_pairs


@pytest.mark.parametrize(
    ("arguments", "number", "expected"),
    [
        (("-pdu", "32768"), "4.2.1.2.1", "| maximum length of PDUs received | 32768 bytes |"),
        (("--max-request-size", "5000"), "4.2.1.2.1", "an A-ASSOCIATE-RQ | 5000 bytes"),
        (("--max-command-size", "2000"), "4.2.1.2.1", "command set | 2000 bytes"),
        (("-ta", "7"), "4.2.1.2.1", "(ARTIM) | 7 s"),
        (("-td", "8"), "4.2.1.2.1", "fragment of a data set | 8 s"),
        ((), "4.2.1.2.1", "fragment of a data set | none"),
        (("-ts", "9"), "4.2.1.2.1", "receive or send | 9 s"),
        (("--idle-timeout", "10"), "4.2.1.2.1", "command of an association | 10 s"),
        ((), "4.2.1.2.2", "One at a time"),
        (("--fork",), "4.2.1.2.2", "Not limited"),
        (("--fork", "--max-associations", "3"), "4.2.1.2.2", "At most 3"),
        ((), "4.2.1.2.3", "one operation at a time"),
        ((), "4.2.1.2.4", "`1.2.276.0.7230010.3.0.3.7.0`"),
        (("+B",), "4.2.1.4.5", "byte for byte"),
        (("--ignore",), "4.2.1.4.5", "received and forgotten"),
        (("--fsync",), "4.2.1.4.5", "on the disk (fsync)"),
        (("--max-object-size", "77"), "4.2.1.4.5", "more than 77 megabytes"),
        (("--min-free-space", "88"), "4.2.1.4.5", "less than 88 megabytes are free"),
        (("+te", "-e", "-g"), "4.2.1.4.5", "| transfer syntax | Little Endian Explicit |"),
        (("+te", "-e", "-g"), "4.2.1.4.5", "undefined lengths"),
        (("+te", "-e", "-g"), "8.1", "Group lengths (gggg,0000) are the exception"),
        (("+p", "512", "16"), "4.2.1.4.5", "files to 512, items to 16 bytes"),
        (("-su", "s"), "8.2", "Study Instance UID (0020,000D)"),
        (("-sp",), "6", "transliterated"),
        (("--workers", "4"), "4.2.1.2.2", "4 at a time; further ones wait."),
        (("--workers", "4", "--queue-limit", "3"), "4.2.1.2.2", "; 3 wait at most, and more are rejected"),
        (("--workers", "4", "-su", "s", "-tos", "9"), "4.1", "complete 9 s after its last object, as soon as"),
        (("--http", "8099"), "4.3", "by HTTP at 127.0.0.1, port 8099."),
        ((), "4.2.1.2.1", "| called AE title | any |"),
        (("--allow-called", "ARCHIVE"), "4.2.1.2.1", "| called AE title | `ARCHIVE` |"),
        (("--allow-calling", "MR1", "--allow-calling", "CT1"), "4.2.1.2.1", "`CT1`, `MR1`"),
        (("--allow-calling", "CT1"), "4.2.1.4.3", "| another calling AE title | A-ASSOCIATE-RJ | 1, 1, 3"),
        (("--allow-called", "X"), "4.2.1.4.3", "| another called AE title | A-ASSOCIATE-RJ | 1, 1, 7"),
        (("--allow-called", "X"), "4.2.1.4.3", "| an ordinary one | A-ASSOCIATE-AC |"),
        (("--allow-address", "10.0.0.0/8"), "7.2", "let in: `10.0.0.0/8`. Others"),
        (("--fork", "--peer-associations", "5"), "4.2.1.2.2", "at most 5 associations"),
        (("--fork", "--peer-connections", "6"), "4.2.1.2.2", "at most 6 connections"),
        (("+uf",), "4.2.1.4.5", "is stored beside the older one"),
        (("-fe", ".dcm"), "4.2.1.4.5", "then `.dcm`"),
        (("-i0",), "4.3", "IPv6 and IPv4, all interfaces, TCP port 11112, plain."),
        (("+ac", "--hosts-allow", "/a", "--hosts-deny", "/d"), "7.2", "`/a` and `/d`"),
        ((), "7.2", "Any host may connect."),
        ((), "7.1", "neither encrypted nor authenticated"),
        (("-od", "a\nb"), "4.4", r"`a\nb`"),
        (("-xcr", "x", "-su", "s", "-rns", "-xcs", "y", "-tos", "5"), "4.1", "5 s after its last"),
    ],
)  # fmt: skip
def test_settings_show(arguments: tuple[str, ...], number: str, expected: str) -> None:
    """Every choice stands in its section."""
    text, _ = stated(*arguments)

    assert expected in section(text, number)


def test_structure() -> None:
    """The sections of PS3.2 annex A are there in their order, with one empty line between paragraphs."""
    text, _ = stated("+xa", "-pm")
    headings = re.findall(r"^#+ (\d) ", text, re.MULTILINE)

    assert headings == ["1", "3", "4", "5", "6", "7", "8"]
    assert "\n\n\n" not in text
    assert text.endswith(".\n")


@pytest.mark.parametrize(
    "profile", tls_profiles.available(offered_suites()), ids=lambda profile: profile.title
)
def test_transport_security(profile: tls_profiles.TLSProfile, tmp_path: Path) -> None:
    """Versions and suites are those with which a client gets in."""
    key, certificate = Authority().issue("server", key="rsa2048").save(tmp_path)
    chosen = TLSSettings(
        key, certificate, profile=profile, peer_authentication=PeerAuthentication.IGNORED
    )
    command_line = evaluated()
    receiver_settings = settings.receiver_settings(
        command_line, settings.policy(command_line), None
    )
    text = section(conformance.statement(receiver_settings, chosen), "7.1")
    table = list(rows(text))
    versions = next(row[1] for row in table if row[0] == "versions")
    suites = {row[0]: row[1] for row in table if row[0].startswith("TLS_")}

    with Server(ServerContext(chosen)) as server:
        newest = connect(server.port)
        older = connect(server.port, newest=ssl.TLSVersion.TLSv1_2)

    assert (newest.version == "TLSv1.3") == ("TLS 1.3" in versions)
    assert (older.version == "TLSv1.2") == ("TLS 1.2" in versions)
    names = {openssl_name: name for name, openssl_name in tls_profiles.SUITES}
    if older.suite is not None:  # the first of the stated ones that an RSA key can serve
        fitting = [name for name in suites if "ECDSA" not in name and suites[name] != "TLS 1.3"]
        assert names[older.suite] == fitting[0]
    if newest.version == "TLSv1.3":
        assert newest.suite == next(iter(suites))


def test_suites_that_cannot_be_added() -> None:
    """Where the program would not start, there is nothing to state."""
    with pytest.raises(ConfigurationError, match="not permitted"):
        stated("+tls", "k", "c", "+cs", "TLS_RSA_WITH_AES_128_CBC_SHA")


def test_added_suites_are_stated() -> None:
    """A suite of the user's is in the list, in the place of its strength."""
    text, _ = stated("+tls", "k", "c", "+py", "+cs", "TLS_RSA_WITH_AES_256_CBC_SHA256")

    stated_suites = [row[0] for row in rows(section(text, "7.1")) if row[0].startswith("TLS_")]
    assert stated_suites[-1] == "TLS_RSA_WITH_AES_256_CBC_SHA256"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("-rc",), "must show a certificate"),
        (("-vc",), "may show a certificate"),
        (("-ic",), "are not asked"),
        (("+crl", "x"), "are looked up in revocation lists"),
        (("+cra",), "all certificates of a chain"),
        (("--expect-sni", "pacs"), "only `pacs`"),
        (("+pn",), "nothing is encrypted"),
    ],
)
def test_choices_about_tls(arguments: tuple[str, ...], expected: str) -> None:
    """What is asked of clients is stated; no file is looked at."""
    text, _ = stated("+tls", "/no/key", "/no/certificate", *arguments)

    assert expected in section(text, "7.1")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*our_command(), *arguments],
        capture_output=True,
        text=True,
        env=our_environment(),
        timeout=30,
        check=False,
    )


def test_the_program_and_its_statement(tmp_path: Path) -> None:
    """The running program accepts what its statement says."""
    options = ["+xs", "-pdu", "20000"]
    text = run("--conformance", *options).stdout
    syntaxes = lists(text)["A"]

    with ours(tmp_path / "out", options) as server, Requestor(server.port) as peer:
        contexts = [Context(2 * n + 1, CT, (uid,)) for n, uid in enumerate(TRANSFER_SYNTAXES)]
        answer = peer.associate(contexts)

    assert set(answer.accepted.values()) == set(syntaxes)
    assert f"{answer.maximum_length} bytes" in section(text, "4.2.1.2.1")


def test_no_port_is_needed() -> None:
    """What is received does not depend on the port; the rest of the command line must be right."""
    assert "the TCP port named at the start" in run("--conformance").stdout
    assert "a super server" in run("--conformance", "--inetd").stdout
    assert run("--conformance", "--fork", "--inetd").returncode == 1
    assert run("--conformance", "-xf", "/no/file", "p").returncode == 1
