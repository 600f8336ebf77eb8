"""bench.editing: elements get other values, and the data set stays well formed."""

import struct

import pytest

from bench.editing import edited, under_instance
from bench.objects import INSTANCE
from tests.peers.dicom import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Syntax,
    syntax_of,
    walk,
)
from tests.peers.samples import Sample


def values(data: bytes, syntax: Syntax) -> dict[int, bytes]:
    return {
        element.tag: data[element.start : element.end]
        for element in walk(data, syntax)
        if element.depth == 0
    }


@pytest.mark.parametrize("transfer_syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG])
def test_lengths_follow_values(transfer_syntax: str) -> None:
    """A value of another length changes its element's length and its group's, and nothing else."""
    syntax = syntax_of(transfer_syntax)
    inner = syntax.element(0x00080060, "CS", "inner ")
    group = syntax.element(0x00080060, "CS", "CT") + syntax.element(0x00080080, "LO", "Clinic")
    data = (
        syntax.number(0x00080000, "UL", len(group))
        + group
        + syntax.element(0x00081140, "SQ", syntax.bare(0xFFFEE000, len(inner)) + inner)
        + syntax.element(0x00100010, "PN", "Doe")
    )

    changed = values(edited(data, syntax, {0x00080060: b"LONGER", 0x00100010: b""}), syntax)

    assert changed == {
        **values(data, syntax),
        0x00080000: struct.pack(syntax.order + "I", len(group) + 4),
        0x00080060: b"LONGER",
        0x00100010: b"",
    }


def test_what_is_not_there_is_not_added() -> None:
    """A data set without an element stays as it is."""
    data = Syntax().element(0x00080060, "CS", "CT")

    assert edited(data, Syntax(), {0x00100010: b"A "}) == data


def test_instance() -> None:
    """The object is INSTANCE then, padded as a UID, and knows it; without a SOP Instance UID there is an error."""
    data = Syntax().element(0x00080018, "UI", "1.2.3")

    made = under_instance(Sample("x", "1.2", "1.2.3", EXPLICIT_LITTLE, data))

    assert made.sop_instance == INSTANCE
    assert values(made.data, Syntax())[0x00080018].rstrip(b"\0") == INSTANCE.encode()
    with pytest.raises(ValueError, match="no SOP Instance UID"):
        under_instance(Sample("x", "1.2", "1.2.3", EXPLICIT_LITTLE, b""))
