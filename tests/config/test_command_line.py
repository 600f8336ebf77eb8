"""Parsing and checking: the reference's rules, its observed examples, and the reference itself where it is installed."""

import os
import pathlib
import re
import shlex
import subprocess
import time
import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storescp.config.choices import MEGABYTE, CommandLine, Request, SortBy, Sorting
from storescp.config.command_line import Evaluation, UsageError, parse, scan, split
from storescp.config.options.evaluation import Stage
from storescp.config.options.rows import Feature, Option
from storescp.config.options.table import BY_NAME, options
from storescp.dataset.encoding import GroupLength, SequenceLength
from storescp.log.levels import LogLevel
from storescp.serve.accept.settings import IPVersion
from storescp.serve.tls.choices import CRLChecks, FileFormat, PeerAuthentication, SecurityProfile
from tests.peers.tools import require_tool

PORT = "21985"
USUAL_LIBRARY = frozenset({Feature.NULL_CIPHERS, Feature.AES_CCM})
STUDY_ENDS = (
    "--sort-conc-studies, --sort-on-study-uid, --sort-on-patientname, "
    "--exec-on-eostudy or --rename-on-eostudy"
)
SORTING = "--sort-conc-studies, --sort-on-study-uid or --sort-on-patientname"
COMPRESSED_PREFERENCES = [
    "lossless",
    "jpeg8",
    "jpeg12",
    "j2k-lossless",
    "j2k-lossy",
    "jls-lossless",
    "jls-lossy",
    "mpeg2",
    "mpeg2-high",
    "mpeg4",
    "mpeg4-bd",
    "mpeg4-2-2d",
    "mpeg4-2-3d",
    "mpeg4-2-st",
    "hevc",
    "hevc10",
    "rle",
]


def evaluate(arguments: Sequence[str], features: frozenset[Feature] = USUAL_LIBRARY) -> CommandLine:
    """Run all stages as the program does; verbose mode follows from the level."""
    evaluation = Evaluation(parse(arguments, features=lambda: features))
    level = evaluation.run(Stage.LOGGING).log_level
    return evaluation.run(Stage.SECURITY, verbose=level <= LogLevel.INFO)


def accepted(line: str) -> CommandLine:
    """Return what an acceptable command line asks for, without the port being mentioned."""
    return evaluate([*shlex.split(line), PORT])


def complaint(arguments: Sequence[str]) -> UsageError:
    with pytest.raises(UsageError) as caught:
        evaluate(arguments)
    return caught.value


# Parsing


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("", Request.HELP),
        ("-h x y z", Request.HELP),
        ("--version foo bar", Request.VERSION),
        ("--version --help", Request.HELP),
        ("+ph +cc", Request.LIST_CIPHERS),
        ("+ph --version +cc", Request.VERSION),
        ("--list-profiles", Request.LIST_PROFILES),
        ("-pdu 1 --help foo bar", Request.HELP),
    ],
)
def test_requests(line: str, request_: Request) -> None:
    """Options that print a text win over everything but spelling errors, in a fixed order among themselves."""
    assert request_ is parse(shlex.split(line)).request


def test_command_file_without_arguments_asks_for_help(tmp_path: pathlib.Path) -> None:
    """Nothing at all, also out of an empty command file or a directory, is answered with the usage text."""
    (tmp_path / "empty").write_bytes(b" \n\t\r")

    assert parse([f"@{tmp_path / 'empty'}"]).request is Request.HELP
    assert parse([f"@{tmp_path}"]).request is Request.HELP


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("--help --bogus", "Unknown option --bogus"),
        ("+cc --bogus", "Unknown option --bogus"),
        ("--bogus 21985", "Unknown option --bogus"),
        ("-zz 21985", "Unknown option -zz"),
        ("--VERBOSE 21985", "Unknown option --VERBOSE"),
        ("--verb 21985", "Unknown option --verb"),
        ("--max-pdu=5000 21985", "Unknown option --max-pdu=5000"),
        ("--", "Unknown option --"),
        ("-", "Invalid parameter value -"),
        ("+", "Invalid parameter value +"),
        ("@", "Invalid parameter value @"),
        ("''", "Invalid parameter value "),
        ("-pdu", "Missing value for option --max-pdu"),
        ("-xf a", "Missing value for option --config-file"),
        ("-xf a 21985", "Missing parameter port"),
        ("+tls k", "Missing value for option --enable-tls"),
        ("-q -aet", "Missing value for option --aetitle"),
        ("-q", "Missing parameter port"),
        ("--arguments", "Missing parameter port"),
        ("-pdu 5000", "Missing parameter port"),
        ("+p 1 21985", "Missing parameter port"),
        ("foo", "Invalid parameter value foo"),
        ("0", "Invalid parameter value 0 (underflow)"),
        ("0x55E0", "Invalid parameter value 0x55E0 (underflow)"),
        ("65536", "Invalid parameter value 65536 (overflow)"),
        ("-1", "Invalid parameter value -1 (overflow)"),
        ("-5x", "Invalid parameter value -5x (overflow)"),
        (
            "99999999999999999999999",
            "Invalid parameter value 99999999999999999999999 (overflow)",
        ),
        (
            "-99999999999999999999999",
            "Invalid parameter value -99999999999999999999999 (overflow)",
        ),
        ("21985 21986", "Too many parameters"),
        ("-9 21985", "Too many parameters"),
        ("@nofile 21985", "Cannot open command file 'nofile'"),
        ("--help @nofile", "Cannot open command file 'nofile'"),
        ("--bogus @nofile", "Cannot open command file 'nofile'"),
        ("-aet @nofile", "Cannot open command file 'nofile'"),
        ("+pb 21985", "Unknown option +pb"),
        ("--max-pdu 1 --acse-timeout 0 foo", "Invalid parameter value foo"),
        (
            "--max-pdu 1 --acse-timeout 0 1",
            "Invalid value for option --acse-timeout (underflow: 0)",
        ),
    ],
)
def test_misspelled_command_line(line: str, text: str) -> None:
    """Unknown options, missing values and bad parameters get the reference's messages, quiet or not."""
    error = complaint(shlex.split(line))

    assert text == str(error)
    assert error.quiet == (text.startswith("Invalid value"))


@pytest.mark.parametrize("port", ["+21985", " 21985", "\t\n\v\f\r21985", "21985abc", "021985"])
def test_port_is_read_like_scanf(port: str) -> None:
    """White space and a sign may stand before the number, anything behind it."""
    assert evaluate([port]).port == 21985


def test_options_and_parameters_mix() -> None:
    """The port may stand anywhere; values are taken whatever they look like."""
    assert CommandLine(aetitle="--help", port=104, refuse=True) == evaluate(
        ["-aet", "--help", "104", "--refuse"]
    )


@pytest.mark.parametrize("option", ["--profile-basic", "+pb"])
def test_option_that_needs_a_feature(option: str) -> None:
    """An option that the OpenSSL library cannot serve is unknown; with the feature it exists."""
    arguments = ["+tls", "k", "c", option, PORT]

    assert f"Unknown option {option}" == str(complaint(arguments))
    assert evaluate(arguments, frozenset(Feature)).security_profile is SecurityProfile.BASIC


def test_features_are_not_asked_for_needlessly() -> None:
    """Only options that depend on a feature make the OpenSSL library load."""

    def unexpected() -> frozenset[Feature]:
        raise AssertionError

    parse(["+tls", "k", "c", "+pg", "+cs", "x", PORT], features=unexpected)


def test_arguments_text() -> None:
    """Long names stand for short ones, and empty arguments are counted but not shown."""
    first = parse(["-v", "-aet", "MY SCP", PORT, "--arguments"])
    second = parse(["-aet", "", PORT, "--arguments"])

    assert first.arguments_text("bin/storescp") == (
        "calling 'bin/storescp' with 5 arguments: "
        "'--verbose' '--aetitle' 'MY SCP' '21985' '--arguments' \n"
    )
    assert second.arguments_text("storescp") == (
        "calling 'storescp' with 4 arguments: '--aetitle' '21985' '--arguments' \n"
    )


@given(st.lists(st.one_of(st.text(max_size=8), st.sampled_from(sorted(BY_NAME)))))
@settings(max_examples=200)
def test_whatever_is_typed_is_understood_or_refused(arguments: list[str]) -> None:
    """Nothing but UsageError comes out."""
    arguments = [argument for argument in arguments if not argument.startswith("@")]
    try:
        parsed = parse(arguments, features=lambda: frozenset(Feature))
        Evaluation(parsed).run(Stage.SECURITY, verbose=True)
    except UsageError as error:
        assert str(error)  # noqa: PT017  any text will do


# Command files


@pytest.mark.parametrize(
    ("content", "arguments"),
    [
        (b"", []),
        (b"--aetitle\r\n\tA  B\n", ["--aetitle", "A", "B"]),
        (b"-aet 'MY SCP'", ["-aet", "MY SCP"]),
        (b'a"b c"d', ["ab c", "d"]),
        (b"'ab'cd", ["ab", "cd"]),
        (b'""', [""]),
        (b"x '' y", ["x", "", "y"]),
        (b'"it\'s"', ["it's"]),
        (b"'two\nlines'", ["two\nlines"]),
        (rb"\"x\" y", ["\\x\\", "y"]),
        (b"a 'never closed\n x", ["a", "never closed\n x"]),
        (b"a '", ["a"]),
        (b"# x", ["#", "x"]),
        (b"@other", ["@other"]),
        (b"a\x0bb\x0cc", ["a\x0bb\x0cc"]),
        (b"a\0b c", ["a", "c"]),
        ("Prüfung\xff".encode("latin-1"), ["Pr\udcfcfung\udcff"]),
    ],
)
def test_command_file(content: bytes, arguments: list[str], tmp_path: pathlib.Path) -> None:
    """White space separates, quotes enclose and end an argument; no escapes, comments or nesting."""
    file = tmp_path / "arguments"
    file.write_bytes(content)

    assert arguments == [os.fsdecode(word) for word in split(content)]


def test_a_command_file_without_an_end_is_an_error(tmp_path: pathlib.Path) -> None:
    """At once and in little memory: no more of it is read than a command file may be long."""
    large = tmp_path / "large"
    large.write_bytes(b"-v " * 3_000_000)
    fits = tmp_path / "fits"
    fits.write_bytes(b"-v\n11112" + b" " * ((1 << 17) - 8))
    tracemalloc.start()
    begun = time.monotonic()
    try:
        for name in ("/dev/zero", str(large)):
            with pytest.raises(UsageError, match="is longer than 131072 bytes"):
                parse([f"@{name}"])
        assert time.monotonic() - begun < 1
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()

    assert parse([f"@{fits}"]).parameters == ("11112",)


def test_command_file_stands_for_its_arguments(tmp_path: pathlib.Path) -> None:
    """The arguments of a command file come where its name stands, in the encoding of the command line."""
    file = tmp_path / "arguments"
    file.write_bytes(b"--refuse 'Pr\xfcfung'\n-aet 'MY SCP'")

    parsed = parse(["-v", f"@{file}", "--ignore"])

    assert parsed.expanded == (
        "--verbose",
        "--refuse",
        os.fsdecode(b"Pr\xfcfung"),
        "--aetitle",
        "MY SCP",
        "--ignore",
    )


def test_command_file_is_named_after_the_first_sign(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`@@` means a file `@`."""
    monkeypatch.chdir(tmp_path)
    pathlib.Path("@").write_text("--refuse 104")

    assert parse(["@@"]).expanded == ("--refuse", "104")


def test_value_may_follow_the_command_file(tmp_path: pathlib.Path) -> None:
    """An option at the end of a file takes its value from the command line."""
    file = tmp_path / "arguments"
    file.write_text("104 --aetitle")

    assert evaluate([f"@{file}", "ZZ"]).aetitle == "ZZ"


def test_command_file_replaces_a_value(tmp_path: pathlib.Path) -> None:
    """Command files are read first, also behind an option that takes a value."""
    file = tmp_path / "title"
    file.write_text("ZZ 104")

    assert evaluate(["-aet", f"@{file}"]).aetitle == "ZZ"


@given(st.lists(st.binary(max_size=6).map(lambda word: word.translate(None, b"\0'"))))
def test_quoted_words_are_read_back(words: list[bytes]) -> None:
    """Whatever stands in quotes comes out as it is."""
    assert words == split(b" ".join(b"'" + word + b"'" for word in words))


@given(st.binary(max_size=60))
def test_split_accepts_any_bytes(content: bytes) -> None:
    """No content fails, and no argument has a NUL."""
    assert all(b"\0" not in word for word in split(content))


# Values


@pytest.mark.parametrize(
    ("text", "decimal", "prefixed"),
    [
        ("16384KB", 16384, 16384),
        ("1e9", 1, 1),
        ("0x2000", 0, 8192),
        ("0X1f", 0, 31),
        ("010", 10, 8),
        ("08", 8, 0),
        ("0xG", 0, 0),
        ("-0x10", 0, -16),
        (" \t\n\v\f\r+7", 7, 7),
        ("-5", -5, -5),
        ("", None, None),
        ("abc", None, None),
        ("- 5", None, None),
        ("+-5", None, None),
        ("+", None, None),
        ("\N{ARABIC-INDIC DIGIT FIVE}", None, None),
        ("\N{NO-BREAK SPACE}5", None, None),
    ],
)
def test_scan(text: str, decimal: int | None, prefixed: int | None) -> None:
    """Integers are read as scanf does, with and without prefixes."""
    assert decimal == scan(text, prefixes=False)
    assert prefixed == scan(text, prefixes=True)


@given(st.integers(-(10**30), 10**30))
def test_scan_reads_integers(number: int) -> None:
    """Every integer is read back, whatever stands behind it."""
    assert number == scan(f" {number}x", prefixes=False)


@pytest.mark.parametrize("prefixes", [False, True])
def test_scan_takes_endless_digits(prefixes: bool) -> None:
    """A number of a million digits is just too large."""
    number = scan("1" + "0" * 1_000_000, prefixes=prefixes)

    assert number is not None
    assert number > 1 << 64


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("-pdu abc", "--max-pdu (abc)"),
        ("-pdu -5", "--max-pdu (-5)"),
        ("-pdu ' -5'", "--max-pdu ( -5)"),
        ("-pdu ''", "--max-pdu"),
        ("-pdu 4095", "--max-pdu (underflow: 4095)"),
        ("-pdu 1e9", "--max-pdu (underflow: 1e9)"),
        ("-pdu 131073", "--max-pdu (overflow: 131073)"),
        ("-pdu 99999999999999999999999", "--max-pdu (overflow: 99999999999999999999999)"),
        ("-pdu 16384 -pdu 12", "--max-pdu (underflow: 12)"),
        ("-ta 0", "--acse-timeout (underflow: 0)"),
        ("-ta 08", "--acse-timeout (underflow: 08)"),
        ("-ta 0xG", "--acse-timeout (underflow: 0xG)"),
        ("-td 0", "--dimse-timeout (underflow: 0)"),
        ("-ts -2", "--socket-timeout (underflow: -2)"),
        ("--sleep-after -1", "--sleep-after (-1)"),
        ("--sleep-during x", "--sleep-during (x)"),
        ("+cl 10", "--compression-level (overflow: 10)"),
        ("+p 1 x", "--padding-create (x)"),
        ("+p x y", "--padding-create (x)"),
        ("--fork --max-associations 0", "--max-associations (underflow: 0)"),
        ("-tos -1 -sp", "--eostudy-timeout (underflow: -1)"),
        ("--inflate-limit 0", "--inflate-limit (underflow: 0)"),
        ("--max-request-size 4095", "--max-request-size (underflow: 4095)"),
        ("--idle-timeout -1", "--idle-timeout (-1)"),
        ("--umask ''", "--umask ()"),
        ("--umask 8", "--umask (8)"),
        ("--umask 0x1f", "--umask (0x1f)"),
        ("--umask ' 27'", "--umask ( 27)"),
        ("--umask 100", "--umask (overflow: 100)"),
    ],
)
def test_invalid_value(line: str, text: str) -> None:
    """Values out of range or without digits are named; only the one in effect is looked at."""
    assert f"Invalid value for option {text}" == str(complaint([*shlex.split(line), PORT]))


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("-pdu 12 -pdu 16384", "max_pdu", 16384),
        ("-pdu 16384KB", "max_pdu", 16384),
        ("-pdu 4097", "max_pdu", 4097),
        ("-ta 010", "acse_timeout", 8),
        ("-ta 0x10", "acse_timeout", 16),
        ("-ta 99999999999", "acse_timeout", 0x7FFFFFFF),
        ("-td 99999999999999999999999", "dimse_timeout", 0x7FFFFFFF),
        ("-ts -1", "socket_timeout", None),
        ("-ts 0", "socket_timeout", None),
        ("-ts 5", "socket_timeout", 5),
        ("-tos 3 -sp --fork", "eostudy_timeout", 3),
        ("-tos 0 -sp", "eostudy_timeout", 0),
        ("--sleep-after 99999999999999999999999", "sleep_after", 0x7FFFFFFF),
        ("--sleep-during 2", "sleep_during", 2),
        ("--fork --max-associations 7", "max_associations", 7),
        ("+p 8 4", "padding", (8, 4)),
        ("+p 99999999999999999999999 0", "padding", ((1 << 64) - 1, 0)),
        ("+cl 0", "compression_level", 0),
        ("-ll INFO", "log_level", LogLevel.INFO),
        ("-ll off", "log_level", LogLevel.OFF),
        ("-ll all", "log_level", LogLevel.TRACE),
        ("-q -v", "log_level", LogLevel.INFO),
        ("-v -q", "log_level", LogLevel.FATAL),
        ("-v -d", "log_level", LogLevel.DEBUG),
        ("-lc nofile", "log_config", "nofile"),
        ("+v -v", "verbose_pc", True),
        ("+v -ll trace", "verbose_pc", True),
        ("-aet ''", "aetitle", ""),
        ("-od ''", "output_directory", "."),
        ("-od a -od b/", "output_directory", "b/"),
        ("-fe .dcm", "filename_extension", ".dcm"),
        ("--idle-timeout 0", "idle_timeout", 0),
        ("--max-object-size 3", "max_object_size", 3 << 20),
        ("--min-free-space 4", "min_free_space", 4 << 20),
        ("--allow-calling A --allow-calling B", "allow_calling", ("A", "B")),
        ("--fork --peer-associations 2", "peer_associations", 2),
        ("--umask 27", "umask", 0o27),
        ("--umask 0077", "umask", 0o77),
        ("-i4 -i6", "ip_version", IPVersion.IPV6),
        ("-i6 -i0", "ip_version", IPVersion.BOTH),
        ("-i6 -i4", "ip_version", IPVersion.IPV4),
        ("-dhl", "host_lookup", False),
        ("+ac -ac", "access_control", False),
        ("+ac", "access_control", True),
        ("+ac --hosts-allow a --hosts-deny d", "hosts_deny", "d"),
        ("-xf f P", "config_file", ("f", "P")),
        ("-xf x P +x=", "config_file", ("x", "P")),
        ("-g +g", "group_length", GroupLength.CREATE),
        ("-g", "group_length", GroupLength.REMOVE),
        ("-e", "sequence_length", SequenceLength.UNDEFINED),
        ("-u", "new_vr", False),
        ("+uc", "convert_un", True),
        ("-uc +B", "convert_un", False),
        ("+ti", "output_transfer_syntax", "1.2.840.10008.1.2"),
        ("+te", "output_transfer_syntax", "1.2.840.10008.1.2.1"),
        ("+tb", "output_transfer_syntax", "1.2.840.10008.1.2.2"),
        ("+td", "output_transfer_syntax", "1.2.840.10008.1.2.1.99"),
        ("+td +t=", "output_transfer_syntax", None),
        ("-ss x -su y", "sorting", Sorting(SortBy.STUDY_UID, "y")),
        ("-ss ''", "sorting", Sorting(SortBy.TIMESTAMP)),
        ("-su x -sp", "sorting", Sorting(SortBy.PATIENT_NAME)),
        ("+uf", "unique_filenames", True),
        ("+uf -uf -tn", "timenames", True),
        ("-uf", "unique_filenames", False),
        ("-xcr ''", "exec_on_reception", ""),
        ("-F +F", "write_dataset", False),
        ("+tls k c -tls", "tls", None),
        ("-tls +tls k c", "tls", ("k", "c")),
        ("+tls k c +pw secret", "key_password", "secret"),
        ("+tls k c +pw secret -pw", "key_password", ""),
        ("+tls k c -pw +ps", "key_password", None),
        ("+tls k c -der", "key_format", FileFormat.DER),
        ("+tls k c +cf b +cf a +cf b", "certificate_files", ("b", "a", "b")),
        ("+cd b +tls k c +cd a", "certificate_directories", ("b", "a")),
        ("+tls k c +crl x", "crl_check", None),
        ("+tls k c +cra +crv", "crl_check", CRLChecks.LEAF),
        ("+tls k c +cra", "crl_check", CRLChecks.CHAIN),
        ("+tls k c +pn +pg", "security_profile", SecurityProfile.RFC_8996),
        ("+tls k c +pg +pa", "security_profile", SecurityProfile.AES),
        ("+tls k c +cs X +pz +py", "ciphers", ("X",)),
        ("+tls k c +rs s +ws +wf f", "write_seed_file", "f"),
        ("+tls k c +rs s +ws +wf f", "write_seed", False),
        ("+tls k c +rs s +wf f +ws", "write_seed", True),
        ("+tls k c +rs s +wf f +ws", "write_seed_file", None),
        ("+tls k c -ic -vc", "peer_authentication", PeerAuthentication.VERIFIED),
        ("--expect-sni x", "expected_sni", "x"),
        ("--inflate-limit 3", "inflate_limit", 3 * MEGABYTE),
    ],
)
def test_value_in_effect(line: str, field: str, value: object) -> None:
    """What is asked for arrives typed; of a block the rightmost counts."""
    assert value == getattr(accepted(line), field)


@pytest.mark.parametrize("level", ["", "notset", "foo", "infos"])
def test_unknown_log_level(level: str) -> None:
    """Levels have to be known by name."""
    assert str(complaint(["-ll", level, PORT])) == "Invalid log level for --log-level option"


# Conflicts and dependencies


@pytest.mark.parametrize(
    ("line", "name", "relation", "others"),
    [
        ("--inetd --fork", "inetd", "not allowed", "--fork"),
        ("--inetd --fork --single-process", "inetd", "not allowed", "--fork"),
        ("--inetd --max-associations 2", "max-associations", "only allowed", "--fork"),
        ("--max-associations 0", "max-associations", "only allowed", "--fork"),
        (
            "--fork --single-process --max-associations 2",
            "max-associations",
            "only allowed",
            "--fork",
        ),
        ("-ll INFO -v", "log-level", "not allowed", "--verbose, --debug or --quiet"),
        ("-q -ll foo", "log-level", "not allowed", "--verbose, --debug or --quiet"),
        ("-lc x -d", "log-config", "not allowed", "--verbose, --debug or --quiet"),
        ("-lc x -ll info", "log-config", "not allowed", "--log-level"),
        ("-lc x -ll info -d", "log-level", "not allowed", "--verbose, --debug or --quiet"),
        ("+v", "verbose-pc", "only allowed", "verbose mode"),
        ("+v -q", "verbose-pc", "only allowed", "verbose mode"),
        ("-xf x P +xe", "config-file", "not allowed", "--prefer-little"),
        ("-xf x P +xd", "config-file", "not allowed", "--prefer-deflated"),
        ("-xf x P +xi", "config-file", "not allowed", "--implicit"),
        ("-xf x P +xa -pm", "config-file", "not allowed", "--accept-all"),
        ("-xf x P -pm", "config-file", "not allowed", "--promiscuous"),
        ("-tn +uf", "timenames", "not allowed", "--unique-filenames"),
        ("-ss x +B", "sort-conc-studies", "not allowed", "--bit-preserving"),
        ("-su x +B", "sort-on-study-uid", "not allowed", "--bit-preserving"),
        ("-sp +B", "sort-on-patientname", "not allowed", "--bit-preserving"),
        ("-ss x -sp +B", "sort-conc-studies", "not allowed", "--bit-preserving"),
        ("-xcs cmd", "exec-on-eostudy", "only allowed", SORTING),
        ("-rns", "rename-on-eostudy", "only allowed", SORTING),
        ("-xcs cmd --fork -sp", "exec-on-eostudy", "not allowed", "--fork"),
        ("-xcs cmd --fork", "exec-on-eostudy", "not allowed", "--fork"),
        ("-xcs cmd --inetd -sp", "exec-on-eostudy", "not allowed", "--inetd"),
        ("-rns --fork -ss a", "rename-on-eostudy", "not allowed", "--fork"),
        ("-rns --inetd -ss a", "rename-on-eostudy", "not allowed", "--inetd"),
        (
            "-tos 5",
            "eostudy-timeout",
            "only allowed",
            STUDY_ENDS,
        ),
        ("+te +xs", "write-xfer-little", "not allowed", "--prefer-lossless"),
        ("+xs +te", "write-xfer-little", "not allowed", "--prefer-lossless"),
        ("+te +xa", "write-xfer-little", "not allowed", "--accept-all"),
        ("+td +xs", "write-xfer-deflated", "not allowed", "--prefer-lossless"),
        ("+te +B", "write-xfer-little", "not allowed", "--bit-preserving"),
        ("+te +B +xs", "write-xfer-little", "not allowed", "--bit-preserving"),
        ("+tb +B +xa", "write-xfer-big", "not allowed", "--accept-all"),
        ("+t= +te +xs", "write-xfer-little", "not allowed", "--prefer-lossless"),
        ("+u +B", "enable-new-vr", "not allowed", "--bit-preserving"),
        ("-u +B", "disable-new-vr", "not allowed", "--bit-preserving"),
        ("+g= +B", "group-length-recalc", "not allowed", "--bit-preserving"),
        ("+g +B", "group-length-create", "not allowed", "--bit-preserving"),
        ("-g +B", "group-length-remove", "not allowed", "--bit-preserving"),
        ("+e +B", "length-explicit", "not allowed", "--bit-preserving"),
        ("-e +B", "length-undefined", "not allowed", "--bit-preserving"),
        ("+p 8 8 +B", "padding-create", "not allowed", "--bit-preserving"),
        ("+p x x -F +B", "padding-create", "not allowed", "--write-dataset"),
        ("-p +p 8 8 -F", "padding-create", "not allowed", "--write-dataset"),
        (
            "+cl 5 +te",
            "compression-level",
            "only allowed",
            "--write-xfer-deflated or --write-xfer-same",
        ),
        ("+pg +pn", "profile-8996", "only allowed", "--enable-tls"),
        ("+pn +pg", "profile-8996", "only allowed", "--enable-tls"),
        ("+pa", "profile-basic", "only allowed", "--enable-tls"),
        ("-vc -ic", "ignore-peer-cert", "only allowed", "--enable-tls"),
        ("+ws +tls k c", "write-seed", "only allowed", "--seed"),
        ("+wf f +tls k c", "write-seed-file", "only allowed", "--seed"),
        ("+wf f +rs s", "seed", "only allowed", "--enable-tls"),
        ("+cs X +pz +tls k c", "cipher", "not allowed", "--profile-bcp195-ex"),
        ("+tls k c -tls +cf x", "add-cert-file", "only allowed", "--enable-tls"),
        ("--no-sni --expect-sni x", "no-sni", "not allowed", "--expect-sni"),
        ("--expect-sni x --no-sni", "no-sni", "not allowed", "--expect-sni"),
        ("--hosts-allow f", "hosts-allow", "only allowed", "--access-control"),
        ("--hosts-deny f -ac", "hosts-deny", "only allowed", "--access-control"),
    ],
)
def test_contradiction(line: str, name: str, relation: str, others: str) -> None:
    """Conflicts and missing dependencies get the reference's messages."""
    assert f"--{name} {relation} with {others}" == str(complaint([*shlex.split(line), PORT]))


@pytest.mark.parametrize(
    "option",
    [
        option
        for option in options()
        if "--enable-tls" in option.only_with and option.long != "--profile-aes"
    ],
    ids=lambda option: option.long,
)
def test_tls_options_need_tls(option: Option) -> None:
    """All TLS options are refused without `--enable-tls`, also those that repeat a default."""
    arguments = [option.long, *["x" for _ in option.takes], PORT]

    with pytest.raises(UsageError) as caught:
        evaluate(arguments, frozenset(Feature))

    assert f"{arguments[0]} only allowed with --enable-tls" == str(caught.value)


@pytest.mark.parametrize("preference", COMPRESSED_PREFERENCES)
@pytest.mark.parametrize("conversion", ["little", "big", "implicit", "deflated"])
def test_conversion_and_compressed_transmission(conversion: str, preference: str) -> None:
    """No conversion is promised for what may arrive compressed."""
    arguments = [f"--write-xfer-{conversion}", f"--prefer-{preference}", PORT]
    expected = f"--write-xfer-{conversion} not allowed with --prefer-{preference}"

    assert expected == str(complaint(arguments))


@pytest.mark.parametrize("preference", ["little", "big", *COMPRESSED_PREFERENCES, "deflated"])
def test_profile_and_preference(preference: str) -> None:
    """A negotiation profile decides alone about transfer syntaxes."""
    expected = f"--config-file not allowed with --prefer-{preference}"

    assert expected == str(complaint(["-xf", "x", "P", f"--prefer-{preference}", PORT]))


@pytest.mark.parametrize(
    "line",
    [
        "+te +xs +xe",
        "+te +xd",
        "+te +xi",
        "+te +t= +xs",
        "+t= +xs",
        "+p 8 8 -p -F",
        "+B +uc",
        "-tn -uf",
        "--ignore +te",
        "-xcr c --ignore",
        "-xs",
        "-tos 3 -sp --fork",
        "+B -F",
        "--fork +ac",
        "+B -B -sp",
        "+cl 5",
        "+cl 5 +td",
        "--no-sni",
        "--single-process --inetd",
        "+cs X +pz +tls k c +pg",
    ],
)
def test_not_a_contradiction(line: str) -> None:
    """What the reference accepts is accepted."""
    accepted(line)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("--inetd 21985 21985", "Too many parameters"),
        ("--inetd -pdu 1", "Invalid value for option --max-pdu (underflow: 1)"),
    ],
)
def test_errors_with_inetd(line: str, text: str) -> None:
    """A server started by inetd finds the same errors."""
    assert text == str(complaint(shlex.split(line)))


def test_port_is_not_looked_at_with_inetd() -> None:
    """The connection is standard input; the port counts as 1024 whatever is said."""
    assert evaluate(["--inetd", "foo"]).port == 1024
    assert evaluate(["--inetd"]).port == 1024


# Stages

ORDERED_CONTRADICTIONS = (
    "--max-associations 0", "-ll foo", "+v", "-ts -2", "-ta 0", "-td 0", "-pdu 1",
    "--sleep-after x", "--sleep-during x", "-xf x P -pm", "+te +B", "+u +B", "+g +B", "-e +B",
    "+p 8 8 +B", "+cl 10", "-tn +uf", "-xcs c", "-rns", "+ps", "-pem", "+dp x", "+rs x", "+ws",
    "-rc", "-ic", "-vc", "+pg", "+pm", "+px", "+py", "+pz", "+pa", "+pn", "--no-sni --expect-sni x",
    "+cf x", "+cd x", "+crl x", "+crv", "+cra", "+cs x",
)  # fmt: skip


@pytest.mark.parametrize("first", range(len(ORDERED_CONTRADICTIONS) - 1))
def test_first_error_is_reported(first: int) -> None:
    """Of several errors the one that comes first in the order of evaluation is reported, wherever it stands."""
    alone = complaint([*shlex.split(ORDERED_CONTRADICTIONS[first]), PORT])

    for later in ORDERED_CONTRADICTIONS[first + 1 :]:
        both = complaint([*shlex.split(later), *shlex.split(ORDERED_CONTRADICTIONS[first]), PORT])

        assert str(alone) == str(both), later


@pytest.mark.parametrize(
    ("line", "quiet"),
    [
        ("-q", False),
        ("-q foo", False),
        ("-q --max-associations 2 104", False),
        ("-q -lc x 104", False),
        ("-q -ll info 104", False),
        ("-q +v 104", True),
        ("-q -pdu 1 104", True),
        ("-q +cs x 104", True),
    ],
)
def test_errors_after_logging_are_quiet(line: str, quiet: bool) -> None:
    """Errors that are found after logging was configured say so."""
    assert quiet is complaint(shlex.split(line)).quiet


def test_stages_tell_what_is_known_so_far() -> None:
    """Each stage adds its fields; a later stage runs those before it, once."""
    evaluation = Evaluation(parse(["-v", "--fork", "-pdu", "5000", "-fe", "x", "+cs", "x", "104"]))

    assert CommandLine(fork=True, port=104) == evaluation.run(Stage.PROCESSES)
    assert evaluation.run(Stage.LOGGING).log_level is LogLevel.INFO
    known = evaluation.run(Stage.STORAGE)
    assert (known.max_pdu, known.filename_extension) == (5000, "x")
    with pytest.raises(UsageError, match="--cipher only allowed"):
        evaluation.run(Stage.SECURITY)


def test_errors_wait_for_their_stage() -> None:
    """An option is not looked at before its stage."""
    evaluation = Evaluation(parse(["-ll", "foo", "104"]))

    evaluation.run(Stage.PROCESSES)
    with pytest.raises(UsageError):
        evaluation.run(Stage.LOGGING)


@given(st.permutations(["+t=", "+te", "+tb", "+ti", "+td"]), st.integers(1, 5))
def test_rightmost_of_a_block_wins(order: list[str], count: int) -> None:
    """Whatever the order of alternatives, the last one is in force."""
    *_, last = order[:count]

    assert BY_NAME[last].sets == evaluate([*order[:count], PORT]).output_transfer_syntax


# The reference itself


TOKENS = st.one_of(
    # options of both versions that take nothing
    st.sampled_from(
        [
            "--arguments",
            "-q",
            "-v",
            "-d",
            "+v",
            "--single-process",
            "--fork",
            "+x=",
            "+xe",
            "+xb",
            "+xs",
            "+xy",
            "+x5",
            "+xr",
            "+xd",
            "+xi",
            "+xa",
            "-ac",
            "+ac",
            "-dhl",
            "--refuse",
            "--reject",
            "--ignore",
            "--abort-after",
            "-pm",
            "-up",
            "-tls",
            "+ps",
            "-pw",
            "-pem",
            "-der",
            "+crv",
            "+cra",
            "+py",
            "+px",
            "+pz",
            "+pa",
            "+pn",
            "+ws",
            "-rc",
            "-vc",
            "-ic",
            "-B",
            "+B",
            "+F",
            "-F",
            "+t=",
            "+te",
            "+tb",
            "+ti",
            "+td",
            "+u",
            "-u",
            "+g=",
            "+g",
            "-g",
            "+e",
            "-e",
            "-p",
            "-uc",
            "+uc",
            "-sp",
            "-uf",
            "+uf",
            "-tn",
            "-rns",
            "-xs",
            "--bogus",
            "104",
            "x",
        ]
    ).map(lambda word: [word]),
    st.tuples(
        st.sampled_from(
            [
                "-ts",
                "-ta",
                "-td",
                "-pdu",
                "--sleep-after",
                "--sleep-during",
                "+cl",
                "-tos",
                "-aet",
                "+pw",
                "+cf",
                "+cd",
                "+crl",
                "+cs",
                "+dp",
                "+rs",
                "+wf",
                "-ss",
                "-su",
                "-fe",
                "-xcr",
                "-xcs",
                "-ll",
            ]
        ),
        st.one_of(
            st.sampled_from(
                [
                    "info",
                    "off",
                    "0",
                    "1",
                    "5",
                    "-1",
                    "-2",
                    "-3",
                    "08",
                    "010",
                    "0x10",
                    "5000",
                    "16384x",
                    "131073",
                    "9",
                    "10",
                    "1e5",
                    "a",
                    "-v",
                ]
            ),
            st.sampled_from(["", " 7", " -7", "99999999999999999999999", "4294967296"]),
        ),
    ).map(list),
    st.sampled_from(
        [["+tls", "k", "c"], ["+p", "8", "8"], ["+p", "1", "x"], ["-xf", "nofile", "P"]]
    ),
)


def outcome_of_reference(arguments: list[str]) -> tuple[int, list[str]]:
    run = subprocess.run(
        [require_tool("storescp"), *arguments],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=20,
    )
    lines = os.fsdecode(run.stderr).split("\n")
    return run.returncode, [line for line in lines if re.match("error:|F:|I: calling", line)]


def expected_outcome(arguments: list[str]) -> tuple[int, list[str]]:
    """Return what the program makes of arguments that cannot be served, from its texts."""
    printed: list[str] = []
    level = LogLevel.INFO
    try:
        parsed = parse(arguments, features=lambda: USUAL_LIBRARY)
        evaluation = Evaluation(parsed)
        known = evaluation.run(Stage.LOGGING)
        level = known.log_level
        if known.arguments:
            printed.append(f"I: {parsed.arguments_text(require_tool('storescp'))}")
        known = evaluation.run(Stage.NETWORK, verbose=level <= LogLevel.INFO)
        if known.config_file is not None:
            text = "cannot read config file: unable to open configuration file: nofile"
        else:
            evaluation.run(Stage.SECURITY)
            text = "specified output directory does not exist"
        if level <= LogLevel.FATAL:
            printed.append(f"F: {text}")
    except UsageError as error:
        if not error.quiet or level <= LogLevel.ERROR:
            printed.append(f"error: {error}")
    return 1, [text.partition("\n")[0] for text in printed]


@pytest.mark.interop
@given(st.lists(TOKENS, min_size=1, max_size=7))
@example([["-pdu", "-5"]])
@settings(max_examples=200, deadline=None)
def test_messages_are_those_of_the_reference(tokens: list[list[str]]) -> None:
    """The same arguments give the same messages and exit codes; a directory that is missing ends what is acceptable."""
    arguments = [word for token in tokens for word in token]
    arguments += [PORT, "-od", "/nonexistent/directory"]

    assert outcome_of_reference(arguments) == expected_outcome(arguments)


@pytest.mark.interop
@pytest.mark.parametrize("number", ["0x", "0xG"])
def test_a_prefix_without_digits(number: str) -> None:
    """It is 0, as it was to the reference before the C library found no number there."""
    arguments = ["-ta", number, PORT, "-od", "/nonexistent/directory"]
    before = f"error: Invalid value for option --acse-timeout (underflow: {number})"
    since = f"error: Invalid value for option --acse-timeout ({number})"

    assert outcome_of_reference(arguments) in ((1, [before]), (1, [since]))
    assert expected_outcome(arguments) == (1, [before])


@pytest.mark.interop
@given(
    st.lists(
        st.sampled_from(
            [
                b"-aet",
                b"a",
                b" ",
                b"\t",
                b"\n",
                b"\r",
                b"'",
                b'"',
                b"\v",
                b"\\",
                b"@",
                b"#",
                b"\xe9",
            ]
        ),
        max_size=20,
    ).map(b"".join)
)
@example(b'a"b c"d')
@example(b"-aet ''")
@settings(max_examples=100, deadline=None)
def test_command_files_are_read_as_the_reference_does(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """The expanded command line, as the reference logs it, has the same arguments."""
    file = tmp_path_factory.mktemp("words") / "file"
    file.write_bytes(b"-aet " + content)
    arguments = ["--arguments", f"@{file}", PORT, "-od", "/nonexistent/directory"]

    assert outcome_of_reference(arguments) == expected_outcome(arguments)
