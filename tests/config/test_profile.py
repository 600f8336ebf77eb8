"""Association negotiation profiles: contents, errors, and the same answers as the reference."""

import contextlib
import re
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storescp.config import profile
from storescp.config.profile import NegotiationProfile
from storescp.errors import ConfigurationError
from storescp.upper_layer.negotiation import Role
from tests.peers.requestor import Context, Requestor, associate_request, item, user_information
from tests.peers.servers import dcmtk, ours
from tests.peers.tools import require_tool

EXAMPLE_OF_THE_REFERENCE = Path("/etc/dcmtk/storescp.cfg")

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
JPEG = "1.2.840.10008.1.2.4.50"
VERIFICATION, ULTRASOUND = "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.6.1"

SYNTAXES = rb"""# my profiles
[[TransferSyntaxes]]
[Uncompressed]
TransferSyntax1 = LittleEndianExplicit
TransferSyntax2 = =LittleEndianImplicit
[Lossy first]
TransferSyntax1 = 1.2.840.10008.1.2.4.50
TransferSyntax2 = LittleEndianImplicit

"""
CONTEXTS = rb"""[[PresentationContexts]]
[Archive]
PresentationContext1 = VerificationSOPClass\Uncompressed
PresentationContext2 = UltrasoundImageStorage\
   Lossy First

"""
ROLES = rb"""[[SCPSCURoleSelection]]
[R]
Role1 = VerificationSOPClass\SCP
Role2 = UltrasoundImageStorage\both
"""
EXTENDED = rb"""[[ExtendedNegotiation]]
[X]
ExtendedNegotiation1 = VerificationSOPClass\00aFb1
ExtendedNegotiation2 = 1.2.840.10008.5.1.4.1.1.6.1\01
"""
PROFILES = rb"""[[Profiles]]
[Default]
PresentationContexts = archive
SCPSCURoleSelection = r
ExtendedNegotiation = X
[Other]
PresentationContexts = archive
SCPSCURoleSelection = r
"""
VALID = SYNTAXES + CONTEXTS + ROLES + EXTENDED + PROFILES


def changed(old: bytes, new: bytes) -> bytes:
    assert VALID.count(old) >= 1
    return VALID.replace(old, new, 1)


def error_of(data: bytes, name: str = "Default") -> str:
    with pytest.raises(ConfigurationError) as caught:
        profile.parse(data).profile(name)
    return str(caught.value).removeprefix("cannot read config file: ")


@pytest.mark.parametrize("name", ["Default", "default", "D e f a u l t", "\tDEFAULT\n"])
def test_a_profile_is_put_together(name: str) -> None:
    """A profile holds transfer syntaxes by abstract syntax, roles and extended negotiation."""
    expected = NegotiationProfile(
        {VERIFICATION: (EXPLICIT, IMPLICIT), ULTRASOUND: (JPEG, IMPLICIT)},
        {VERIFICATION: Role.SCP, ULTRASOUND: Role.BOTH},
        ((VERIFICATION, b"\x00\xaf\xb1"), (ULTRASOUND, b"\x01")),
    )

    assert profile.parse(VALID).profile(name) == expected


def test_optional_lists_may_be_absent() -> None:
    """Without references there are no roles and no extended negotiation."""
    data = SYNTAXES + CONTEXTS + b"[[Profiles]]\n[P]\nPresentationContexts = Archive"

    chosen = profile.parse(data).profile("p")

    assert (chosen.roles, chosen.extended_negotiation) == ({}, ())


def test_the_order_of_supersections_does_not_matter() -> None:
    """References are resolved after the whole file was read."""
    assert profile.parse(PROFILES + EXTENDED + ROLES + CONTEXTS + SYNTAXES).profile(
        "Default"
    ) == profile.parse(VALID).profile("Default")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"TransferSyntax1 = Li", b"  TransferSyntax1 = Li"),
        (b"TransferSyntax1 = Li", b"Transfer Syntax.1 = Li"),
        (b"TransferSyntax1 = Li", b"Transfer\nSyntax1 = Li"),
        (b"[[TransferSyntaxes]]", b"[ [ transfer syntaxes ] ]"),
        (b"[[TransferSyntaxes]]", b"[[[TransferSyntaxes]]]"),
        (b"[[Profiles]]", b"[[TransferSyntaxes]]\n[A]\nTransferSyntax1 = rubbish\n[[Profiles]]"),
        (b"SOPClass\\Uncompressed", b"SOPClass\\ un Compressed  "),
        (b"TransferSyntax2 = =", b"TransferSyntax3 = rubbish\nTransferSyntax2 = ="),
        (b"[Other]", b"Unknown = rubbish\n[[Unknown]]\n[Unknown]\na=b\n[[Profiles]]\n[Other]"),
        (b"[Lossy first]", b"TransferSyntax4 = rubbish\nTransferSyntax03 = rubbish\n[Lossy first]"),
    ],
)
def test_what_the_rules_allow_changes_nothing(old: bytes, new: bytes) -> None:
    """Spacing, unknown names, gaps in numbers and second super-sections do not matter."""
    data = changed(old, new).replace(b"\nTransferSyntax3 = rubbish", b"")

    assert profile.parse(data).profile("Default") == profile.parse(VALID).profile("Default")


def test_sections_of_one_name_are_joined() -> None:
    """Items of sections with the same name are appended to one list."""
    data = changed(
        b"[Lossy first]", b"[uncompressed]\nTransferSyntax1 = JPEGBaseline\n[Lossy first]"
    )

    syntaxes = profile.parse(data).profile("Default").transfer_syntaxes

    assert syntaxes[VERIFICATION] == (EXPLICIT, IMPLICIT, JPEG)


def test_a_repeated_transfer_syntax_has_no_effect() -> None:
    """The first place of a transfer syntax in a list counts."""
    data = changed(
        b"TransferSyntax2 = =", b"TransferSyntax3 = LittleEndianExplicit\nTransferSyntax2 = ="
    )

    assert profile.parse(data).profile("Default").transfer_syntaxes[VERIFICATION] == (
        EXPLICIT,
        IMPLICIT,
    )


@pytest.mark.parametrize(
    ("spelling", "uid"),
    [
        (b"LocalEndianExplicit", {EXPLICIT, BIG}),
        (b"OppositeEndianExplicit", {EXPLICIT, BIG}),
        (b"JPEGExtended:Process2+4", {"1.2.840.10008.1.2.4.51"}),
        (b"MPEG4HighProfile/Level4.1", {"1.2.840.10008.1.2.4.102"}),
        (b"=BigEndianExplicit", {BIG}),
        (b"1..2", {"1..2"}),
        (b".1", {".1"}),
        (b"1" * 100, {"1" * 100}),
        (b"ImplantationPlanSRDocumentStorage", {"1.2.840.10008.5.1.4.1.1.88.70"}),
    ],
)
def test_uids_are_numbers_or_names(spelling: bytes, uid: set[str]) -> None:
    """A UID is given by its number, which is hardly checked, or by the name that logs use."""
    data = changed(b"= LittleEndianExplicit", b"= " + spelling)

    assert profile.parse(data).profile("Default").transfer_syntaxes[VERIFICATION][0] in uid


def test_many_contexts() -> None:
    """The number of presentation contexts in a list is not limited."""
    contexts = b"".join(
        b"PresentationContext%d = 1.%d\\Uncompressed\n" % (n, n) for n in range(1, 301)
    )
    data = SYNTAXES + b"[[PresentationContexts]]\n[A]\n" + contexts
    data += b"[[Profiles]]\n[P]\nPresentationContexts=A"

    assert len(profile.parse(data).profile("P").transfer_syntaxes) == 300


NOT_TRANSFER = "not a valid transfer syntax UID: "
NOT_ABSTRACT = "not a valid abstract syntax UID: "
ILLEGAL = "Illegal call, perhaps wrong parameters"
BAD_HEX = "parse error in extended negotiation data in entry EXTENDEDNEGOTIATION1 in config file"
TOO_LONG = "extended negotiation data too long, cannot handle > 1024 bytes in entry EXTENDEDNEGOTIATION1 in config file"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "cannot find section [[TRANSFERSYNTAXES]] in config file"),
        (SYNTAXES, "cannot find section [[PRESENTATIONCONTEXTS]] in config file"),
        (SYNTAXES + CONTEXTS, "cannot find section [[PROFILES]] in config file"),
        (b"\xef\xbb\xbf" + VALID[13:], "cannot find section [[TRANSFERSYNTAXES]] in config file"),
        (
            changed(b"LittleEndianExplicit", b"littleendianexplicit"),
            NOT_TRANSFER + "littleendianexplicit",
        ),
        (
            changed(b"LittleEndianExplicit", b"LittleEndianExplicit "),
            NOT_TRANSFER + "LittleEndianExplicit ",
        ),
        (
            changed(b"LittleEndianExplicit", b"LittleEndianExplicit # x"),
            NOT_TRANSFER + "LittleEndianExplicit # x",
        ),
        (
            changed(b"LittleEndianExplicit", b"ExplicitVRLittleEndian"),
            NOT_TRANSFER + "ExplicitVRLittleEndian",
        ),
        (changed(b"LittleEndianExplicit", b""), NOT_TRANSFER),
        (changed(b"LittleEndianExplicit", b"=1.2"), NOT_TRANSFER + "=1.2"),
        (changed(b"LittleEndianExplicit", b"1.2\xc3\xa9"), NOT_TRANSFER + "1.2\u00e9"),
        (changed(b"LittleEndianExplicit", b"1.2\xe9"), NOT_TRANSFER + "1.2\udce9"),
        (
            changed(b"TransferSyntax2", b" TransferSyntax2"),
            NOT_TRANSFER + "LittleEndianExplicit\nTransferSyntax2 = =LittleEndianImplicit",
        ),
        (
            changed(b"SOPClass\\Un", b"SOPClassUn"),
            "syntax error: missing '\\' in entry PRESENTATIONCONTEXT1 in config file",
        ),
        (changed(b"[Uncompressed]", b"[Un]"), "transfer syntax key undefined: UNCOMPRESSED"),
        (
            changed(b"SOPClass\\Uncompressed", b"SOPClass\\U\\n"),
            "transfer syntax key undefined: U\\N",
        ),
        (
            changed(b"TransferSyntax1 = L", b"TransferSyntax01 = L"),
            "transfer syntax key undefined: UNCOMPRESSED",
        ),
        (changed(b"= VerificationSOPClass\\U", b"= Veri\\U"), NOT_ABSTRACT + "Veri"),
        (
            changed(b"VerificationSOPClass\\U", b"VerificationSOPClass \\U"),
            NOT_ABSTRACT + "VerificationSOPClass ",
        ),
        (changed(b"= VerificationSOPClass\\U", b"= \\U"), ILLEGAL),
        (
            changed(b"SOPClass\\SCP", b"SOPClassSCP"),
            "syntax error: missing '\\' in entry ROLE1 in config file",
        ),
        (
            changed(b"\\SCP", b"\\ SCP"),
            "syntax error: unknown role key in entry ROLE1 in config file",
        ),
        (
            changed(b"\\both", b"\\BOTH "),
            "syntax error: unknown role key in entry ROLE2 in config file",
        ),
        (changed(b"VerificationSOPClass\\SCP", b"x\\SCP"), NOT_ABSTRACT + "x"),
        (changed(b"VerificationSOPClass\\SCP", b"\\SCP"), NOT_ABSTRACT),
        (
            changed(b"VerificationSOPClass\\SCP", b"1.2.840.10008.5.1.4.1.1.6.1\\SCP"),
            "role selection defined twice for abstract syntax UID: UltrasoundImageStorage",
        ),
        (
            changed(b"VerificationSOPClass\\00aFb1", b"VerificationSOPClass"),
            "syntax error: missing '\\' in entry EXTENDEDNEGOTIATION1 in config file",
        ),
        (changed(b"00aFb1", b"00aFb"), BAD_HEX),
        (changed(b"00aFb1", b"00 aFb1"), BAD_HEX),
        (changed(b"00aFb1", b"00 1"), BAD_HEX),
        (changed(b"00aFb1", b"0g"), BAD_HEX),
        (changed(b"00aFb1", b"\xc3\xa9"), BAD_HEX),
        (changed(b"00aFb1", b"0" * 2047), BAD_HEX),
        (changed(b"00aFb1", b"0" * 2048), TOO_LONG),
        (changed(b"00aFb1", b""), ILLEGAL),
        (changed(b"VerificationSOPClass\\00", b"x\\00"), NOT_ABSTRACT + "x"),
        (
            changed(b"VerificationSOPClass\\00", b"UltrasoundImageStorage\\00"),
            "extended negotiation defined twice for abstract syntax UID: 1.2.840.10008.5.1.4.1.1.6.1",
        ),
        (
            changed(b"PresentationContexts = archive\n", b""),
            "no PRESENTATIONCONTEXTS  entry in section DEFAULT in config file",
        ),
        (changed(b"= archive", b"= ar.chive"), "presentation context key undefined: AR.CHIVE"),
        (changed(b"= archive", b"="), "presentation context key undefined: "),
        (changed(b"Selection = r", b"Selection ="), "role selection key undefined: "),
        (changed(b"Negotiation = X", b"Negotiation = y"), "extended negotiation key undefined: Y"),
        (
            changed(b"Role1 = VerificationSOPClass", b"Role1 = 1.2.3"),
            "abstract syntax defined in role selection list 'R' but not in presentation context list 'ARCHIVE': 1.2.3",
        ),
        (
            changed(b"VerificationSOPClass\\00", b"1.2.3\\00"),
            "abstract syntax defined in role selection list 'X' but not in presentation context list 'ARCHIVE': 1.2.3",
        ),
        (changed(b"[Other]", b"[default]"), "two profiles defined for key: ARCHIVE"),
        (VALID + b"\n[Third]\nPresentationContexts = z", "presentation context key undefined: Z"),
    ],
)
def test_errors(data: bytes, error: str) -> None:
    """Each breach of the rules has the reference's text, also where no chosen profile looks."""
    assert error_of(data) == error


def test_longest_extended_negotiation() -> None:
    """1023 bytes of application information are the most."""
    data = changed(b"00aFb1", b"ab" * 1023)

    assert profile.parse(data).profile("Default").extended_negotiation[0][1] == b"\xab" * 1023


@pytest.mark.parametrize(
    ("name", "text"),
    [("", ""), ("no pe", "NOPE"), ("a.b", "A.B"), ("d\u00e9\udce9", "D\u00e9\udce9")],
)
def test_unknown_profiles(name: str, text: str) -> None:
    """The name of an unknown profile is reported as it was compared."""
    with pytest.raises(ConfigurationError) as caught:
        profile.parse(VALID).profile(name)

    assert str(caught.value) == f"unknown configuration profile name: {text}"


def test_a_profile_with_duplicates_cannot_be_chosen() -> None:
    """An abstract syntax may be listed twice, by name and number, but not in the chosen profile."""
    data = VALID.replace(
        b"[[SCP",
        b"[Twice]\nPresentationContext1 = 1.2.840.10008.1.1\\Uncompressed\n"
        b"PresentationContext2 = VerificationSOPClass\\Lossyfirst\n[[SCP",
    )
    data += b"\n[Twice]\nPresentationContexts = Twice"
    configuration = profile.parse(data)

    assert VERIFICATION in configuration.profile("Default").transfer_syntaxes
    with pytest.raises(ConfigurationError) as caught:
        configuration.profile("twice")
    assert (
        str(caught.value)
        == "profile 'TWICE' is not valid for SCP use, duplicate abstract syntaxes found"
    )


def test_files(tmp_path: Path) -> None:
    """A file is loaded by its name; one that cannot be read, or a directory, is an error."""
    path = tmp_path / "storescp.cfg"
    path.write_bytes(VALID)
    assert profile.load(str(path), "other").roles[VERIFICATION] is Role.SCP

    for name in [str(tmp_path / "none.cfg"), "", "a\0b"]:
        with pytest.raises(ConfigurationError) as caught:
            profile.load(name, "Default")
        assert (
            str(caught.value)
            == f"cannot read config file: unable to open configuration file: {name}"
        )
    with pytest.raises(ConfigurationError, match=r"cannot find section \[\[TRANSFERSYNTAXES\]\]"):
        profile.load(str(tmp_path), "Default")


def test_endless_files_are_refused(tmp_path: Path) -> None:
    """A file that no one wrote by hand is not read to its end."""
    path = tmp_path / "large.cfg"
    with path.open("wb") as file:
        file.truncate(profile.MAXIMUM_FILE_SIZE + 1)

    with pytest.raises(ConfigurationError, match=r"configuration file larger than \d+ bytes: "):
        profile.load(str(path), "Default")


def test_time_is_bounded_by_the_file() -> None:
    """Thousands of profiles that share long lists are checked in moderate time."""
    uids = range(1, 4001)
    data = b"[[TransferSyntaxes]]\n[T]\nTransferSyntax1 = 1.2\n[[PresentationContexts]]\n[C]\n"
    data += b"".join(b"PresentationContext%d=1.%d\\T\n" % (n, n) for n in uids)
    data += b"[[SCPSCURoleSelection]]\n[R]\n" + b"".join(
        b"Role%d=1.%d\\SCU\n" % (n, n) for n in uids
    )
    data += b"[[ExtendedNegotiation]]\n[X]\n"
    data += b"".join(b"ExtendedNegotiation%d=1.%d\\00\n" % (n, n) for n in uids)
    data += b"[[Profiles]]\n"
    data += b"".join(
        b"[P%d]\nPresentationContexts=C\nSCPSCURoleSelection=R\nExtendedNegotiation=X\n" % n
        for n in uids
    )

    start = time.perf_counter()
    configuration = profile.parse(data)

    assert time.perf_counter() - start < 5
    assert len(configuration.profile("p4000").roles) == 4000


FRAGMENTS = [
    b"[", b"]", b"=", b"\\", b"\n", b"\r\n", b"\r", b" ", b"\t", b"#", b"\0", b"1", b"A", b".", b"\n ", b"\n#", b"\n#c\n",
    b"\xe9", b"[[Profiles]]", b"[A]\n", b"TransferSyntax1=1.2\n", b"Role1=1.2.840.10008.1.1\\SCP\n", b"\x0b", b"",
]  # fmt: skip


@st.composite
def broken_files(draw: st.DrawFn) -> bytes:
    """Draw a valid file with a few changes that matter to the automaton or the rules."""
    data = VALID
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        stop = start + draw(st.sampled_from([0, 0, 1, 2, 20]))
        if draw(st.booleans()):
            data = data[:start] + draw(st.sampled_from(FRAGMENTS)) + data[stop:]
        else:
            lines = data.split(b"\n")
            line = lines.pop(start % len(lines))
            if draw(st.booleans()):
                lines.insert(stop % (len(lines) + 1), line)
            data = b"\n".join(lines)
    return data


@given(st.binary(max_size=300) | broken_files())
def test_broken_files_give_configuration_errors_only(data: bytes) -> None:
    """Whatever the bytes, the result is a profile or a ConfigurationError."""
    with contextlib.suppress(ConfigurationError):
        assert profile.parse(data).profile("Default").transfer_syntaxes


# Beside the reference


def reference_error(path: Path, name: str) -> str:
    """Return the fatal line of the reference's storescp, or an empty text if it likes the file."""
    run = subprocess.run(
        [require_tool("storescp"), "-xf", str(path), name, "-od", "/nonexistent", "11112"],
        capture_output=True,
        timeout=20,
        check=False,
    )
    text = run.stderr.decode("utf-8", "surrogateescape").strip("\n")
    fatal = "\n".join(line.removeprefix("F: ") for line in text[text.index("F: ") :].split("\n"))
    return "" if fatal == "specified output directory does not exist" else fatal


@pytest.mark.interop
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(broken_files())
def test_errors_are_those_of_the_reference(tmp_path: Path, data: bytes) -> None:
    """The reference refuses the same files with the same words."""
    path = tmp_path / "generated.cfg"
    path.write_bytes(data)

    try:
        profile.load(str(path), "Default")
        error = ""
    except ConfigurationError as caught:
        error = str(caught)

    assert error == reference_error(path, "Default")


@pytest.mark.interop
def test_the_example_of_the_reference() -> None:
    """The file that comes with the reference gives both of its profiles."""
    require_tool("storescp")

    default = profile.load(str(EXAMPLE_OF_THE_REFERENCE), "Default")
    everything = profile.load(str(EXAMPLE_OF_THE_REFERENCE), "AllDICOM")

    assert default.transfer_syntaxes[VERIFICATION] == (EXPLICIT, BIG, IMPLICIT)
    assert len(everything.transfer_syntaxes) > 100
    assert "1.2.840.10008.1.2.4.90" in everything.transfer_syntaxes[ULTRASOUND]


ABSTRACT = [VERIFICATION, ULTRASOUND, "1.2.840.10008.5.1.4.1.1.2", "1.2.3"]
TRANSFER = [IMPLICIT, EXPLICIT, BIG, JPEG]
Proposal = list[tuple[str, list[str]]]
Roles = dict[str, tuple[int, int]]
Outcome = tuple[list[tuple[int, str]], list[tuple[str, tuple[int, int]]], list[tuple[str, bytes]]]
"""Results with transfer syntaxes, roles, extended negotiation."""


def ask(port: int, proposal: Proposal, roles: Roles) -> Outcome:
    """Propose presentation contexts and roles, and return what is granted."""
    contexts = [
        Context(2 * n + 1, uid, tuple(offered)) for n, (uid, offered) in enumerate(proposal)
    ]
    role_items = [item(0x54, uid_item(uid, bytes(role))) for uid, role in roles.items()]
    with Requestor(port) as requestor:
        answer = requestor.exchange(
            associate_request(contexts, user=user_information(more=role_items))
        )
        requestor.abort()
    granted, extended = [], []
    for kind, value in answer.user_items:
        end = 2 + int.from_bytes(value[:2], "big")
        if kind == 0x54:
            granted.append((value[2:end].decode(), (value[end], value[end + 1])))
        elif kind == 0x56:
            extended.append((value[2:end].decode(), value[end:]))
    return [(result, syntax) for _, result, syntax in answer.contexts], granted, extended


def uid_item(uid: str, rest: bytes) -> bytes:
    return len(uid).to_bytes(2, "big") + uid.encode() + rest


GRANTED = {Role.SCU: (1, 0), Role.SCP: (0, 1), Role.BOTH: (1, 1)}


def expected_answer(
    chosen: NegotiationProfile, proposal: Proposal, proposed_roles: Roles
) -> Outcome:
    """Evaluate a profile in the plainest way."""
    contexts: list[tuple[int, str]] = []
    roles = []
    accepted = set()
    for abstract_syntax, offered in proposal:
        own = chosen.transfer_syntaxes.get(abstract_syntax)
        if own is None:
            contexts.append((3, IMPLICIT))
            continue
        syntax = next((uid for uid in own if uid in offered), None)
        if syntax is None:
            contexts.append((4, IMPLICIT))
            continue
        role = chosen.roles.get(abstract_syntax)
        wanted = proposed_roles.get(abstract_syntax)
        if wanted is None and role is Role.SCP:
            contexts.append((2, IMPLICIT))
            continue
        if wanted is not None and role is not None:
            scu, scp = wanted if any(wanted) else (1, 1)
            roles.append((abstract_syntax, (GRANTED[role][0] & scu, GRANTED[role][1] & scp)))
        contexts.append((0, syntax))
        accepted.add(abstract_syntax)
    extended = [entry for entry in chosen.extended_negotiation if entry[0] in accepted]
    return contexts, roles, extended


@st.composite
def configurations(draw: st.DrawFn) -> bytes:
    """Draw a valid file with one profile."""
    lists = draw(st.lists(st.lists(st.sampled_from(TRANSFER), min_size=1), min_size=1, max_size=3))
    text = "[[TransferSyntaxes]]\n"
    for number, uids in enumerate(lists):
        text += f"[T{number}]\n"
        text += "".join(f"TransferSyntax{n} = {uid}\n" for n, uid in enumerate(uids, 1))
    listed = draw(st.lists(st.sampled_from(ABSTRACT), min_size=1, unique=True))
    text += "[[PresentationContexts]]\n[C]\n"
    for number, uid in enumerate(listed, 1):
        text += f"PresentationContext{number} = {uid}\\T{draw(st.integers(0, len(lists) - 1))}\n"
    profiles = "[[Profiles]]\n[P]\nPresentationContexts = C\n"
    if with_role := draw(st.lists(st.sampled_from(listed), unique=True)):
        text += "[[SCPSCURoleSelection]]\n[R]\n"
        for number, uid in enumerate(with_role, 1):
            text += f"Role{number} = {uid}\\{draw(st.sampled_from(['scu', 'SCP', 'Both']))}\n"
        profiles += "SCPSCURoleSelection = R\n"
    if extended := draw(st.lists(st.sampled_from(listed), unique=True)):
        text += "[[ExtendedNegotiation]]\n[X]\n"
        for number, uid in enumerate(extended, 1):
            text += f"ExtendedNegotiation{number} = {uid}\\{draw(st.binary(min_size=1, max_size=4)).hex()}\n"
        profiles += "ExtendedNegotiation = X\n"
    return (text + profiles).encode()


proposals = st.tuples(
    st.lists(
        st.tuples(
            st.sampled_from(ABSTRACT), st.lists(st.sampled_from(TRANSFER), min_size=1, unique=True)
        ),
        min_size=1,
        max_size=6,
    ),
    st.dictionaries(st.sampled_from(ABSTRACT), st.tuples(st.integers(0, 1), st.integers(0, 1))),
)


@pytest.mark.interop
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(configurations(), st.lists(proposals, min_size=3, max_size=12))
def test_the_reference_accepts_the_same(
    tmp_path: Path, data: bytes, offers: list[tuple[Proposal, Roles]]
) -> None:
    """For generated profiles and proposals the reference, and our server, answer what our reading of the file says."""
    path = tmp_path / "generated.cfg"
    path.write_bytes(data)
    chosen = profile.load(str(path), "P")

    options = ["-q", "-dhl", "-xf", str(path), "P"]
    with dcmtk(tmp_path / "dcmtk", options) as theirs, ours(tmp_path / "ours", options) as mine:
        for proposal, roles in offers:
            expected = expected_answer(chosen, proposal, roles)
            assert expected == ask(theirs.port, proposal, roles)
            assert expected == ask(mine.port, proposal, roles)


def test_the_examples_of_the_documentation() -> None:
    """The file in the documentation is valid, and does what the text says."""
    page = Path(__file__).parents[2] / "docs/howto-profile.md"
    first, second = re.findall(r"^```ini\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    configuration = profile.parse(first.encode())
    chosen = configuration.profile("Default")

    assert chosen.transfer_syntaxes[VERIFICATION] == (EXPLICIT, IMPLICIT)
    assert chosen.transfer_syntaxes["1.2.840.10008.5.1.4.1.1.2"][0] == "1.2.840.10008.1.2.4.90"
    assert len(chosen.transfer_syntaxes) == 4

    merged = first.replace("[[Profiles]]\n", second)
    with_roles = profile.parse(merged.encode()).profile("with roles")
    assert with_roles.roles == {"1.2.840.10008.5.1.4.1.1.2": Role.SCU}
    assert with_roles.extended_negotiation[0][1] == bytes.fromhex("020100000000")
