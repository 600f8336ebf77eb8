"""hooks: placeholders, and the environment."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storescp.printable import printable
from storescp.storage.studies.current_study import CurrentStudy
from storescp.storage.studies.user_commands import (
    PeerIdentity,
    ReceivedObject,
    on_end_of_study,
    on_reception,
)

PEER = PeerIdentity("SCU", "STORESCP", "localhost")
CT = ReceivedObject("1.2.840.10008.5.1.4.1.1.2", "1.1", 0, "OUT", "CT.1.1")
IGNORED = CT._replace(directory=None, file_name=None)
STUDY = CurrentStudy("1.2.3", "OUT/p_1.2.3", 0, objects=3)
HOSTILE = [
    "$(reboot)",
    "`reboot`",
    '";reboot;"',
    "'a'",
    "a\\",
    "a\nb",
    "a|b",
    "a&b",
    "#p#f#a#c#r",
    "\0",
    "é",
    "-rf",
    "*",
    "~",
    "%s",
    "\x1b[31m",
]


@pytest.mark.parametrize(
    ("template", "line"),
    [
        (
            "echo #a #c #r #p #f ##p #pp #x",
            'echo "SCU" "STORESCP" "localhost" OUT CT.1.1 #OUT OUTp #x',
        ),
        ('"#a"', '""SCU""'),
        ("x#fy#f", "xCT.1.1yCT.1.1"),
        ("", ""),
        ("#", "#"),
        ("#P #F", "#P #F"),
    ],
)
def test_placeholders_are_replaced_everywhere(template: str, line: str) -> None:
    """In words and quotes, too; titles and address get double quotes, paths none."""
    assert line == on_reception(template, CT, PEER).line


def test_replacement_goes_on_in_what_was_inserted() -> None:
    """The order is p, f, a, c, r: a placeholder in the output directory's name counts."""
    received = CT._replace(directory="#f/#a", file_name="#p")

    assert on_reception("#p", received, PEER).line == '#p/"SCU"'


def test_ignored_objects_have_no_path() -> None:
    """`#p` and `#f` stay; the others are replaced."""
    command = on_reception("#p #f #a", IGNORED, PEER)

    assert command.line == '#p #f "SCU"'
    assert not {"STORESCP_DIRECTORY", "STORESCP_FILE"} & command.environment.keys()


def test_study_has_no_file_name() -> None:
    """`#p` is the directory of the finished study; `#f` stays."""
    assert (
        on_end_of_study("#p #f #a #c #r", STUDY, PEER).line
    ) == 'OUT/p_1.2.3 #f "SCU" "STORESCP" "localhost"'


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    ("field", "placeholder", "name"),
    [
        ("calling_ae_title", "#a", "calling aetitle"),
        ("called_ae_title", "#c", "called aetitle"),
        ("calling_address", "#r", "calling presentation address"),
    ],
)
def test_hostile_values_reach_the_shell_as_one_harmless_word(
    field: str, placeholder: str, name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each unusual byte becomes `_`, with a warning even if the placeholder is not used."""
    peer = PeerIdentity(**{**dict.fromkeys(PeerIdentity.__slots__, "x"), field: value})
    allowed = "-.:@_ "
    clean = "".join(c if c.isascii() and (c.isalnum() or c in allowed) else "_" for c in value)

    line = on_reception(f"printf %s {placeholder}", CT, peer).line
    unused = on_end_of_study("true", STUDY, peer).line

    assert f'printf %s "{clean}"' == line
    assert unused == "true"
    shown = printable(value)
    warning = f'Sanitized unusual characters in {name}, converted from "{shown}" to "{clean}".'
    assert ([] if clean == value else [warning] * 2) == caplog.messages
    shell = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=True, text=True)
    assert clean == shell.stdout


def test_environment_describes_the_object() -> None:
    """The same values and the identifiers, ready for scripts."""
    received = CT._replace(status=0xA900, study_instance_uid="1.2.3")

    assert on_reception("", received, PEER).environment == {
        "STORESCP_EVENT": "object",
        "STORESCP_STATUS": "A900",
        "STORESCP_DIRECTORY": "OUT",
        "STORESCP_FILE": "CT.1.1",
        "STORESCP_CALLING_AE_TITLE": "SCU",
        "STORESCP_CALLED_AE_TITLE": "STORESCP",
        "STORESCP_CALLING_ADDRESS": "localhost",
        "STORESCP_SOP_CLASS_UID": "1.2.840.10008.5.1.4.1.1.2",
        "STORESCP_SOP_INSTANCE_UID": "1.1",
        "STORESCP_STUDY_INSTANCE_UID": "1.2.3",
    }


def test_environment_describes_the_study() -> None:
    """Directory, identifier and number of objects."""
    assert on_end_of_study("", STUDY, PEER).environment == {
        "STORESCP_EVENT": "study",
        "STORESCP_OBJECTS": "3",
        "STORESCP_DIRECTORY": "OUT/p_1.2.3",
        "STORESCP_CALLING_AE_TITLE": "SCU",
        "STORESCP_CALLED_AE_TITLE": "STORESCP",
        "STORESCP_CALLING_ADDRESS": "localhost",
        "STORESCP_STUDY_INSTANCE_UID": "1.2.3",
    }


@given(st.text(st.characters(max_codepoint=255)))
def test_environment_holds_the_bytes_of_the_peer(value: str) -> None:
    """Unsanitised, as they were received, but for NUL."""
    command = on_reception("", CT, PeerIdentity(value, value, value))

    expected = value.encode("latin-1").replace(b"\0", b"")
    assert expected == os.fsencode(command.environment["STORESCP_CALLING_AE_TITLE"])


def test_environment_can_be_given_to_a_process() -> None:
    """Every byte but NUL passes."""
    value = "".join(map(chr, range(256)))
    command = on_reception("", CT, PeerIdentity(value, "x", "\u4e00"))

    program = "import os; os.write(1, os.environb[b'STORESCP_CALLING_AE_TITLE'])"
    child = subprocess.run(
        [sys.executable, "-c", program],
        env=dict(command.environment),
        capture_output=True,
        check=True,
    )

    assert bytes(range(1, 256)) == child.stdout
    assert command.environment["STORESCP_CALLING_ADDRESS"] == "?"
