"""`--convert-un`: elements of VR UN and defined length that the dictionary knows, PS3.5 6.2.2 and 8.3."""

import struct

import pytest

from storescp.uids import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN
from tests.dataset.support import (
    UIDS,
    U,
    element,
    encoding_of,
    implicit,
    item,
    sequence,
    transcode,
)

SEQUENCE = 0x00081140  # Referenced Image Sequence
MIB = 0x100000

WAVEFORM_BITS_ALLOCATED = 0x54001004
WAVEFORM_PADDING_VALUE = 0x5400100A
WAVEFORM_DATA = 0x54001010

DATA_VALUE_REPRESENTATION = 0x50000103
CURVE_DATA = 0x50003000


def convert(received: bytes, options: str = "+uc", step: int = 0) -> bytes:
    return transcode(EXPLICIT_VR_LITTLE_ENDIAN, received, encoding_of(options), step=step).data


FILLINGS = {"small": 10, "above 4 KiB": 5000, "64 KiB": 65_536, "1 MiB": MIB, "3 MiB": 3 * MIB}

UNPARSABLE = {
    "text": lambda size: b"not items " * (size // 10),
    "an item that is too long": lambda size: implicit(0xFFFEE000, bytes(size), size + 2),
    "an item that is too short": lambda size: item(bytes(0)) + b"\1\2" + bytes(size),
    "a length that goes beyond the item": lambda size: item(
        implicit(0x00080100, b"ab" * (size // 2), size + 8)
    ),
    "stray bytes behind the items": lambda size: item(implicit(0x00080100, bytes(size))) + b"abcd",
    "no end of an undefined length": lambda size: implicit(
        0xFFFEE000, implicit(0x00080100, b"a" * (size & ~1)), U
    ),
    "explicit VR inside": lambda size: (
        item(element(0x00080100, "SH", b"ab") + element(0x00080104, "LT", b"a" * min(size, 60_000)))
        + item(bytes(8) + b"x" * (size & ~1))
    ),
}


@pytest.mark.parametrize("size", FILLINGS.values(), ids=FILLINGS)
@pytest.mark.parametrize("kind", UNPARSABLE)
def test_what_is_no_sequence_stays_un(kind: str, size: int) -> None:
    """Whatever its size: the bytes pass as they came. DCMTK makes an empty sequence of it."""
    value = UNPARSABLE[kind](size)
    received = UIDS + element(SEQUENCE, "UN", value) + element(0x00100010, "UN", b"A^B ")

    for step in (0, 16378):
        written = convert(received, step=step)

        assert written == UIDS + element(
            SEQUENCE, "UN", value + b"\0" * (len(value) % 2)
        ) + element(0x00100010, "PN", b"A^B ")


@pytest.mark.parametrize("size", FILLINGS.values(), ids=FILLINGS)
@pytest.mark.parametrize("undefined", [False, True], ids=["defined", "undefined"])
def test_what_is_a_sequence_becomes_one(size: int, undefined: bool) -> None:
    """Whatever its size, its items get the VRs of the dictionary."""
    comment = b"ab" * min(size // 2, 30_000)
    within = implicit(0x00081150, b"1.2.3\0") + implicit(0x00204000, comment)
    items = [within] * max(size // len(within), 1)
    value = b"".join(item(each, undefined=undefined) for each in items)
    if undefined:
        value += implicit(0xFFFEE0DD, b"")
    received = UIDS + element(SEQUENCE, "UN", value) + element(0x00100010, "UN", b"A^B ")

    for step in (0, 16378):
        written = convert(received, step=step)

        content = element(0x00081150, "UI", b"1.2.3\0") + element(0x00204000, "LT", comment)
        expected = sequence(SEQUENCE, *[item(content)] * len(items))
        assert written == UIDS + expected + element(0x00100010, "PN", b"A^B ")


@pytest.mark.parametrize("size", [10, 3 * MIB])
@pytest.mark.parametrize("options", ["+uc -e", "+uc +g", "+uc -g", "+uc +p 64 32", "+uc +td"])
def test_large_ones_with_other_options(size: int, options: str) -> None:
    """What is written is what would be written of the sequence itself."""
    within = implicit(0x00081150, b"1.2.3\0") + implicit(0x00204000, b"ab" * min(size, 30_000))
    content = element(0x00081150, "UI", b"1.2.3\0") + element(
        0x00204000, "LT", b"ab" * min(size, 30_000)
    )
    count = max(size // len(within), 1)
    unknown = UIDS + element(SEQUENCE, "UN", item(within) * count)
    known = UIDS + sequence(SEQUENCE, *[item(content)] * count)

    written = convert(unknown, options)

    assert written == convert(known, options)


def test_large_ones_in_big_endian() -> None:
    """The value is little endian, whatever is around it; what is written is not."""
    within = implicit(0x00280010, b"\1\0")
    value = item(within) * (2 * MIB // len(item(within)))
    header = struct.pack(">HH2s2xI", SEQUENCE >> 16, SEQUENCE & 0xFFFF, b"UN", len(value))

    written = transcode(EXPLICIT_VR_BIG_ENDIAN, header + value, encoding_of("+uc"), step=16378).data

    content = struct.pack(">HHI", 0xFFFE, 0xE000, 10) + element(
        0x00280010, "US", b"\0\1", big_endian=True
    )
    expected = element(SEQUENCE, "SQ", content * (len(value) // 18), big_endian=True)
    assert written == expected


def test_several_large_ones_good_and_bad() -> None:
    """Each is judged by itself, at any level; what follows a bad one is not touched by it."""
    good = item(implicit(0x00080104, b"ab" * 30_000)) * 20
    bad = good + b"junk"
    content = item(element(0x00080104, "LO", b"ab" * 30_000))
    received = (
        UIDS
        + element(SEQUENCE, "UN", good)
        + element(0x0008114A, "UN", bad)
        + sequence(0x00081250, item(element(SEQUENCE, "UN", bad) + element(0x0008114A, "UN", good)))
    )

    written = convert(received)

    converted = b"".join([content] * 20)
    assert written == (
        UIDS
        + sequence(SEQUENCE, converted)
        + element(0x0008114A, "UN", bad)
        + sequence(0x00081250, item(element(SEQUENCE, "UN", bad) + sequence(0x0008114A, converted)))
    )


def test_an_empty_one() -> None:
    """No items are a sequence, too."""
    assert convert(element(SEQUENCE, "UN", b"")) == sequence(SEQUENCE)


BITS = {8: "OB", 16: "OW", 32: "OW", 64: "OW", 12: "OW", None: "OW"}


@pytest.mark.parametrize("bits", BITS, ids=str)
@pytest.mark.parametrize("bits_as", ["UN", "US"])
@pytest.mark.parametrize("tag", [WAVEFORM_DATA, WAVEFORM_PADDING_VALUE], ids=hex)
def test_waveform_data(tag: int, bits_as: str, bits: int | None) -> None:
    """OW, but OB where samples have 8 bits: PS3.5 8.3."""
    allocated = b""
    if bits is not None:
        allocated = element(WAVEFORM_BITS_ALLOCATED, bits_as, struct.pack("<H", bits))
    received = sequence(0x54000100, item(allocated + element(tag, "UN", b"abcd")))

    written = convert(received)

    assert written.endswith(element(tag, BITS[bits], b"abcd"))


def test_waveform_bits_of_another_item_do_not_count() -> None:
    """Each multiplex group has samples of its own size."""
    eight = element(WAVEFORM_BITS_ALLOCATED, "US", b"\x08\0")
    data = element(WAVEFORM_DATA, "UN", b"ab")

    written = convert(sequence(0x54000100, item(eight + data), item(data)))

    assert written == sequence(
        0x54000100,
        item(eight + element(WAVEFORM_DATA, "OB", b"ab")),
        item(element(WAVEFORM_DATA, "OW", b"ab")),
    )


@pytest.mark.parametrize(("bits", "swapped"), [(8, b"abcd"), (16, b"badc")])
def test_waveform_data_in_big_endian(bits: int, swapped: bytes) -> None:
    """Words change places where there are words."""
    allocated = element(WAVEFORM_BITS_ALLOCATED, "US", struct.pack("<H", bits))
    received = allocated + element(WAVEFORM_DATA, "UN", b"abcd")

    written = convert(received, "+uc +tb")

    assert written.endswith(swapped)


CURVES = {0: "OW", 1: "OW", 2: "OB", 3: "OB", 4: "OB", 5: "OW", None: "OW"}


@pytest.mark.parametrize("representation", CURVES, ids=str)
@pytest.mark.parametrize("representation_as", ["UN", "US"])
@pytest.mark.parametrize("group", [0x50000000, 0x50020000, 0x501E0000], ids=hex)
def test_curve_data(group: int, representation_as: str, representation: int | None) -> None:
    """Data Value Representation of its group: 16-bit values are words, numbers of other sizes bytes."""
    before = b""
    if representation is not None:
        value = struct.pack("<H", representation)
        before = element(group | 0x0103, representation_as, value)
    received = before + element(group | 0x3000, "UN", b"abcdefgh")

    assert convert(received).endswith(element(group | 0x3000, CURVES[representation], b"abcdefgh"))


def test_curves_of_several_groups() -> None:
    """What one curve's values are says nothing about another's."""
    received = (
        element(DATA_VALUE_REPRESENTATION, "US", b"\2\0")
        + element(CURVE_DATA, "UN", b"abcd")
        + element(0x50023000, "UN", b"abcd")
    )

    written = convert(received)

    assert element(CURVE_DATA, "OB", b"abcd") in written
    assert written.endswith(element(0x50023000, "OW", b"abcd"))
