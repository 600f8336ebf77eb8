"""The dictionary: the reference's VR of every tag, and entries given by the user."""

import csv
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storescp.dataset.dictionary import Dictionary, NumberRange, Parity, TagRange, standard
from tests.dataset.support import DATA


def _singles() -> dict[int, str]:
    singles: dict[int, str] = {}
    for line in (DATA / "implicit-vrs.txt").read_text().splitlines():
        vr, group, *elements = line.split()
        singles.update((int(group + number, 16), vr) for number in elements)
    return singles


def _ranges() -> list[dict[str, str]]:
    with (DATA / "implicit-vr-ranges.csv").open() as file:
        return list(csv.DictReader(file))


SINGLES = _singles()
RANGES = _ranges()


def _expected(tag: int) -> str | None:
    """The reference's rule, written plainly: single tags win, then the first range."""
    if tag in SINGLES:
        return SINGLES[tag]
    for row in RANGES:
        parts = (("group", tag >> 16), ("element", tag & 0xFFFF))
        if all(
            int(row[f"{part}_low"], 16) <= number <= int(row[f"{part}_high"], 16)
            and (row[f"{part}_parity"] == "any" or number % 2 == (row[f"{part}_parity"] == "odd"))
            for part, number in parts
        ):
            return row["vr"]
    return None


def _interesting_tags() -> Iterator[int]:
    groups = {tag >> 16 for tag in SINGLES} | {0x0001, 0x0009, 0x5002, 0x50FF, 0x6001, 0x60FE}
    numbers = {int(row["element_low"], 16) for row in RANGES} | {1, 0x0F, 0x100, 0x3101, 0x31FE}
    for group in sorted(groups | {0x7F02, 0x7FE1, 0xFFFF}):
        for number in sorted(numbers):
            yield group << 16 | number


def test_every_tag_of_the_reference() -> None:
    """Pydicom's dictionary, corrected, agrees with the reference's on every single tag."""
    dictionary = standard()

    different = {f"{tag:08X}": vr for tag, vr in SINGLES.items() if dictionary.vr(tag) != vr}

    assert not different
    assert len(SINGLES) == 5275


def test_ranges_of_the_reference() -> None:
    """Repeating groups, private creators and group lengths: the first range that matches."""
    dictionary = standard()

    different = [
        f"{tag:08X}" for tag in _interesting_tags() if dictionary.vr(tag) != _expected(tag)
    ]

    assert not different


@given(st.integers(0, 0xFFFFFFFF))
def test_any_tag(tag: int) -> None:
    """No tag is known that the reference does not know."""
    assert standard().vr(tag) == _expected(tag)


@pytest.fixture
def dictionary() -> Dictionary:
    """Entries as a dictionary file of the user has them."""
    overlays = NumberRange(0x6000, 0x60FF, Parity.EVEN)
    number = NumberRange(0x3000, 0x3000)
    return Dictionary(
        singles={0x00100010: "LO", 0x60023000: "OB"},
        ranges=[
            TagRange(NumberRange(0x6004, 0x6004), number, "UT"),
            TagRange(overlays, number, "ox"),
            TagRange(NumberRange(0x7001, 0x70FF, Parity.ODD), NumberRange(4, 5), "FD", b"ACME"),
        ],
        private={(b"ACME", 0x00090001): "IS", (b"ACME", 0x00091002): "SQ"},
    )


def test_single_entries_beat_ranges(dictionary: Dictionary) -> None:
    """A single tag's entry counts wherever the range stands, the first range before later ones."""
    found = [dictionary.vr(tag) for tag in (0x60003000, 0x60023000, 0x60043000, 0x60013000)]

    assert found == ["ox", "OB", "UT", None]


def test_group_lengths_and_delimiters_are_always_known(dictionary: Dictionary) -> None:
    """Every dictionary has these four entries."""
    found = [dictionary.vr(tag) for tag in (0x12340000, 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD)]

    assert found == ["UL", "na", "na", "na"]


def test_private_elements(dictionary: Dictionary) -> None:
    """By block-relative number in any block, by full number, and by range; exactly its creator."""
    tags = (0x00091001, 0x0009FF01, 0x00091002, 0x00091102, 0x70031004, 0x70031006)

    assert [dictionary.private_vr(b"ACME", tag) for tag in tags] == [
        "IS", "IS", "SQ", None, "FD", None
    ]  # fmt: skip
    assert [dictionary.private_vr(b"acme", tag) for tag in tags] == [None] * 6
    assert dictionary.knows_private_elements
    assert not standard().knows_private_elements


@pytest.mark.parametrize(
    ("tag", "keyword"),
    [
        (0x00080018, "SOPInstanceUID"),
        (0x00080010, "RETIRED_RecognitionCode"),
        (0x60020022, "OverlayDescription"),
        (0x60010022, "PrivateCreator"),
        (0x50020010, "RETIRED_NumberOfPoints"),
        (0x00203102, "RETIRED_SourceImageIDs"),
        (0x00210010, "PrivateCreator"),
        (0x002100FF, "PrivateCreator"),
        (0x00210001, "Unknown Tag & Data"),
        (0x00210100, "Unknown Tag & Data"),
        (0x00010010, "IllegalPrivateCreator"),
        (0x00010000, "IllegalGroupLength"),
        (0x00080000, "GenericGroupLength"),
        (0x7FE00010, "PixelData"),
    ],
)
def test_keywords(tag: int, keyword: str) -> None:
    """Messages name attributes as the reference does, those of repeating groups, too."""
    assert standard().keyword(tag) == keyword
