"""Usage text, version, lists and the option page."""

import os
import pathlib
import platform
import re
import subprocess
import sys

import pytest

import storescp
from storescp.compilation import form
from storescp.config import usage as texts
from storescp.config.options.rows import Feature
from storescp.config.options.table import options

HEADER = """\
$dcmtk: storescp v3.7.0 2025-12-15 $

storescp: DICOM storage (C-STORE) SCP
"""
EXTENSIONS = "extensions of this implementation:\n"


def usage(*features: Feature) -> str:
    return texts.usage(features=lambda: frozenset(features))


def lines() -> list[str]:
    return usage(*Feature).splitlines()


def test_usage_begins_as_the_reference() -> None:
    """Header, synopsis, parameters, then the groups."""
    expected = (
        HEADER
        + """\
usage: storescp [options] [port]

parameters:
  port                           tcp/ip port number to listen on

general options:
  -h      --help                 print this help text and exit
          --version              print version information and exit
"""
    )

    assert usage().startswith(expected)


def test_usage_is_as_long_as_the_reference() -> None:
    """Without the extensions and with the features of usual libraries it has the reference's number of bytes."""
    text = usage(Feature.NULL_CIPHERS, Feature.AES_CCM)

    # 12731 with "v3.7.0+ DEV" of the observed snapshot in the header.
    assert 12731 - len("+ DEV") + len(" 2025-12-15") == len(text.partition(EXTENSIONS)[0]) + 1


def test_usage_ends_with_an_empty_line() -> None:
    """The last group is followed by an empty line."""
    text = usage()

    assert text.endswith("\n\n")
    assert not text.endswith("\n\n\n")


@pytest.mark.parametrize(
    "expected",
    [
        """\
  -ll     --log-level            [l]evel: string constant
                                 (fatal, error, warn, info, debug, trace)
                                 use level l for the logger
""",
        "  IP protocol version:\n    -i4   --ipv4                 use IPv4 only (default)\n",
        """\
  preferred network transfer syntaxes (not with --config-file):
    +x=   --prefer-uncompr       prefer explicit VR local byte order (default)
""",
        "    +pw   --use-passwd           [p]assword: string \n",
        "          --no-sni               do not use SNI (default)\n",
        "  -xcr    --exec-on-reception    [c]ommand: string\n",
        "multi-process options:\n          --single-process       single process mode (default)\n",
        "    -pdu  --max-pdu              [n]umber of bytes: integer (4096..131072)\n",
    ],
)
def test_usage_layout(expected: str) -> None:
    """Sub-groups are indented, text stands in column 33, value descriptions come before descriptions."""
    assert expected in usage(*Feature)


def test_usage_text_stands_in_one_column() -> None:
    """Below the synopsis, whatever is not a title is text in column 33."""
    for line in lines()[10:]:
        assert re.match(r"( {0,2}\S.*:$)|(.{31}  \S)|$", line), line


@pytest.mark.parametrize(
    ("feature", "option"),
    [
        (Feature.TRIPLE_DES, "--profile-basic"),
        (Feature.NULL_CIPHERS, "--profile-null"),
        (Feature.AES_CCM, "--profile-8996-mod"),
    ],
)
def test_usage_shows_what_the_library_offers(feature: Feature, option: str) -> None:
    """An option that OpenSSL cannot serve is absent."""
    assert option in usage(feature)
    assert option not in usage(*(set(Feature) - {feature}))


def test_version() -> None:
    """Host, build options and libraries as the reference, and which implementation it is."""
    text = texts.version()

    assert text.startswith(
        f"{HEADER}\nHost type: {platform.machine()}-{platform.system()}\nCharacter encoding: "
    )
    assert re.search(r"^Build options: .*\bdcmdictpath\b", text, re.MULTILINE)
    assert (
        f"Implementation: storescp {storescp.__version__}, Python {platform.python_version()}\n"
        f"Data sets: read by {form().value}\n" in text
    )
    assert re.search(r"\n\nExternal libraries used:\n- ZLIB, Version \d.*\n- OpenSSL \d.*\n", text)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [("C.UTF-8", "Character encoding: UTF-8\n"), ("no_SUCH.locale", "")],
)
def test_character_encoding(
    monkeypatch: pytest.MonkeyPatch, environment: str, expected: str
) -> None:
    """The codeset of the environment's locale is shown, and nothing if there is no such locale."""
    monkeypatch.setenv("LC_ALL", environment)

    text = texts.version()

    assert f"Linux\n{expected}Build options" in text


def test_lists_of_what_the_library_offers() -> None:
    """Header and host information stand above the lines."""
    text = texts.host_text(
        ["Cryptographic algorithms implemented by: OpenSSL 3.0.22", "", "  TLS_A"]
    )

    assert text.startswith(f"{HEADER}\nHost type: ")
    assert text.endswith(
        "char-conv\nCryptographic algorithms implemented by: OpenSSL 3.0.22\n\n  TLS_A\n"
    )


def test_error() -> None:
    """A usage error is printed below the header."""
    assert f"{HEADER}error: Unknown option --bogus\n" == texts.error("Unknown option --bogus")


def test_option_page_is_up_to_date() -> None:
    """The page in the documentation is what the table gives: run `python -m storescp.config.usage` to renew it."""
    page = pathlib.Path(__file__).parents[2] / "docs" / "options.md"

    assert texts.option_page() == page.read_text(encoding="utf-8")


def test_option_page_has_every_option() -> None:
    """Each option has its row, with both of its names."""
    page = texts.option_page()

    for option in options():
        short = f"`{option.short}`" if option.short else ""
        assert f"\n| `{option.long}` | {short} | " in page


def test_option_page_can_be_made_by_a_command() -> None:
    """The module prints the page."""
    source = pathlib.Path(storescp.__file__).parents[1]
    made = subprocess.run(
        [sys.executable, "-m", "storescp.config.usage"],
        env={**os.environ, "PYTHONPATH": str(source), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        check=True,
    )

    assert texts.option_page().encode() == made.stdout


def test_help_loads_no_heavy_modules() -> None:
    """Usage and parsing import nothing that takes long, but OpenSSL to see what it offers."""
    source = pathlib.Path(storescp.__file__).parents[1]
    code = (
        "import sys; before = set(sys.modules)\n"
        "from storescp.config.command_line import *\n"
        "Evaluation(parse(['+tls', 'k', 'c', '+pg', '104'])).run(Stage.SECURITY)\n"
        "from storescp.config import usage\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()

    assert {"storescp.config.usage", "storescp.config.options.table"} <= set(loaded)
    assert not {"pydicom", "ssl", "socket", "argparse", "subprocess", "tempfile", "logging"} & set(
        loaded
    )
