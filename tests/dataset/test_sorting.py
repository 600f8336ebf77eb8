"""Order: any shuffled data set comes out sorted, the first of each tag kept."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storescp.dataset.dictionary import Dictionary
from storescp.dataset.limits import MOST_SORTED
from storescp.dataset.transcoder import Encoding, SequenceLength
from storescp.errors import OutOfResources
from storescp.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from tests.dataset.support import (
    JPEG,
    UIDS,
    U,
    element,
    encoding_of,
    implicit,
    item,
    sequence,
    transcode,
)

Leaf = tuple[int, bytes]
Branch = tuple[int, list[list["Node"]]]
Node = Leaf | Branch

LEAF_TAGS = [0x00080070, 0x00100020, 0x00200010, 0x00400007, 0x0040A730 - 1]
BRANCH_TAGS = [0x00081115, 0x00400275, 0x0040A730]

leaves = st.tuples(st.sampled_from(LEAF_TAGS), st.sampled_from([b"ab", b"abcd", b""]))
nodes: st.SearchStrategy[Node] = st.recursive(
    leaves,
    lambda inner: st.tuples(
        st.sampled_from(BRANCH_TAGS), st.lists(st.lists(inner, max_size=4), max_size=3)
    ),
    max_leaves=12,
)


def _ordered(level: list[Node]) -> list[Node]:
    """The rule, written plainly."""
    first: dict[int, Node] = {}
    for node in level:
        first.setdefault(node[0], node)
    return [first[tag] for tag in sorted(first)]


def _encoded(level: list[Node], *, explicit_vr: bool, undefined: bool, in_order: bool) -> bytes:
    pieces = []
    for tag, content in _ordered(level) if in_order else level:
        if isinstance(content, bytes):
            value = content
            pieces.append(element(tag, "LO", value) if explicit_vr else implicit(tag, value))
            continue
        value = b"".join(
            item(
                _encoded(inner, explicit_vr=explicit_vr, undefined=undefined, in_order=in_order),
                undefined=undefined,
            )
            for inner in content
        )
        length = U if undefined else len(value)
        pieces.append(
            element(tag, "SQ", value, length) if explicit_vr else implicit(tag, value, length)
        )
        if undefined:
            pieces.append(implicit(0xFFFEE0DD, b""))
    return b"".join(pieces)


def _dictionary() -> Dictionary:
    return Dictionary(dict.fromkeys(LEAF_TAGS, "LO") | dict.fromkeys(BRANCH_TAGS, "SQ"))


@settings(max_examples=150, deadline=None)
@given(
    level=st.lists(nodes, min_size=1, max_size=8),
    explicit_vr=st.booleans(),
    undefined=st.booleans(),
    received_undefined=st.booleans(),
    step=st.sampled_from([0, 1, 7]),
)
def test_any_order(
    level: list[Node], explicit_vr: bool, undefined: bool, received_undefined: bool, step: int
) -> None:
    """Every level is sorted and has each tag once, with lengths or delimiters, explicit or implicit."""
    lengths = SequenceLength.UNDEFINED if undefined else SequenceLength.EXPLICIT
    received = _encoded(
        level, explicit_vr=explicit_vr, undefined=received_undefined, in_order=False
    )

    result = transcode(
        EXPLICIT_VR_LITTLE_ENDIAN if explicit_vr else IMPLICIT_VR_LITTLE_ENDIAN,
        received,
        Encoding(sequence_length=lengths),
        step=step,
        dictionary=_dictionary,
    )

    expected = _encoded(level, explicit_vr=explicit_vr, undefined=undefined, in_order=True)
    assert expected == result.data
    in_order = _encoded(level, explicit_vr=explicit_vr, undefined=received_undefined, in_order=True)
    assert result.passes == (1 if received == in_order else 2)


def test_options_in_the_second_pass() -> None:
    """Group lengths and padding are those of the sorted data set."""
    late = element(0x00080005, "CS", b"ISO_IR 100") * 2
    data = UIDS + late
    ordered = late[: len(late) // 2] + UIDS

    for options in ("+g", "-g", "+p 512 16", "-e", "+ti", "+tb", "-u"):
        encoding = encoding_of(options)
        first = transcode(EXPLICIT_VR_LITTLE_ENDIAN, data, encoding, preceding=310)
        expected = transcode(EXPLICIT_VR_LITTLE_ENDIAN, ordered, encoding, preceding=310)
        assert expected.data == first.data, options


def test_pixel_data_keeps_its_fragments() -> None:
    """Encapsulated Pixel Data is moved as a whole."""
    pixels = element(0x7FE00010, "OB", item(b"") + item(b"abc"), U) + implicit(0xFFFEE0DD, b"")
    padded = element(0x7FE00010, "OB", item(b"") + item(b"abc\0"), U) + implicit(0xFFFEE0DD, b"")

    result = transcode(JPEG, pixels + UIDS)

    assert result.data == UIDS + padded


@pytest.mark.parametrize("options", ["", "+g", "-g", "+p 16 16"])
def test_sequences_that_pose_as_group_length_or_padding(options: str) -> None:
    """They are removed or replaced like any other such element."""
    plain = sequence(0x00400275, item(b""))
    posing = sequence(0x00400000, item(b"")) + plain + sequence(0xFFFCFFFC, undefined=True)
    honest = element(0x00400000, "UL", bytes(4)) + plain

    result = transcode(EXPLICIT_VR_LITTLE_ENDIAN, UIDS + posing, encoding_of(options))

    expected = transcode(EXPLICIT_VR_LITTLE_ENDIAN, UIDS + honest, encoding_of(options))
    assert expected.data == result.data


def test_private_sequence_before_its_creator() -> None:
    """In implicit VR, what was opaque when it was read stays opaque when its creator comes first."""

    def dictionary() -> Dictionary:
        return Dictionary(
            {0x00090010: "LO", 0x00110010: "LO"},
            private={(b"ACME", 0x00090001): "SQ", (b"ACME", 0x00110001): "SQ"},
        )

    opaque = implicit(0x00091001, b"no items")
    creators = implicit(0x00090010, b"ACME") + implicit(0x00110010, b"ACME")
    known = implicit(0x00111001, item(implicit(0x00110010, b"x ")))
    fixed = implicit(0x00111001, item(implicit(0x00110010, b"x ")))

    result = transcode(IMPLICIT_VR_LITTLE_ENDIAN, opaque + creators + known, dictionary=dictionary)

    assert result.data == creators[:12] + opaque + creators[12:] + fixed


NO_ITEMS = {
    "text": b"no items, 20 bytes  ",
    "item beyond": implicit(0xFFFEE000, b"ab", 40) + bytes(10),
    "item of undefined length": implicit(0xFFFEE000, bytes(12), U),
    "element beyond": item(implicit(0x00080100, b"ab", 400)) + bytes(2),
    "half a header": item(bytes(4)) + bytes(8),
    "no item behind": item(implicit(0x00080100, b"ab")) + bytes(2),
}


@pytest.mark.parametrize("name", NO_ITEMS)
def test_what_was_no_sequence_is_none(name: str) -> None:
    """Where the VR that was received says so, the value passes as it is, whatever the dictionary says of its tag."""
    value = NO_ITEMS[name]
    strange = element(0x00080096, "OB", value)
    earlier = element(0x00080070, "LO", b"ab")

    result = transcode(EXPLICIT_VR_LITTLE_ENDIAN, strange + earlier, encoding_of("+ti"))

    assert result.data == implicit(0x00080070, b"ab") + implicit(0x00080096, value)


def test_no_sequences_in_one_another() -> None:
    """A value that looks like thousands of sequences in one another costs neither the stack nor much time."""
    value = b"".join(
        implicit(0x00080096, b"", 16 * level + 8) + implicit(0xFFFEE000, b"", 16 * level)
        for level in range(3000, -1, -1)
    )
    strange = element(0x00080096, "OB", value)

    result = transcode(
        EXPLICIT_VR_LITTLE_ENDIAN, strange + element(0x00080070, "LO", b"ab"), encoding_of("+ti")
    )

    assert result.data.endswith(value)
    assert result.passes == 2


def test_blanks_without_end_are_cut() -> None:
    """A text with more blanks at its end than are kept in memory loses them in the second pass."""
    value = b"abc" + b" " * 300_000
    after = element(0x00404000, "LT", b"ok")

    for options in ("", "+g", "-e", "+p 64 64"):
        result = transcode(
            EXPLICIT_VR_LITTLE_ENDIAN,
            UIDS + sequence(0x00400275, item(element(0x00402000, "UT", value))) + after,
            encoding_of(options),
            step=10_000,
        )
        short = UIDS + sequence(0x00400275, item(element(0x00402000, "UT", b"abc "))) + after
        expected = transcode(EXPLICIT_VR_LITTLE_ENDIAN, short, encoding_of(options))
        assert expected.data == result.data
        assert result.passes == 2


def test_a_level_upside_down() -> None:
    """Thousands of elements in descending order come out in ascending order."""
    elements = [element(0x00090000 + n, "LO", b"") for n in range(1, 0x3000)]

    result = transcode(EXPLICIT_VR_LITTLE_ENDIAN, b"".join(reversed(elements)))

    assert result.data == b"".join(elements)


def test_an_absurd_number_of_elements_is_refused() -> None:
    """More than a million elements of one level out of order end with A700, not with all memory."""
    data = element(0x00090002, "LO", b"") + element(0x00090001, "LO", b"") * MOST_SORTED

    with pytest.raises(OutOfResources):
        transcode(EXPLICIT_VR_LITTLE_ENDIAN, data)
