"""Group lengths of every length, groups without elements, and trailing padding among the last groups: PS3.5 7.2, PS3.10 7.2.

The bytes are those that DCMTK's storescp wrote of the same data sets, but where it says otherwise.
"""

import struct

import pytest

from storescp.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from tests.dataset.support import (
    UIDS,
    element,
    encoding_of,
    implicit,
    item,
    sequence,
    transcode,
)

SEQUENCE = 0x00081140
PIXEL_DATA = 0x7FE00010
PADDING = 0xFFFCFFFC
HEADER_LENGTH = 302  # of preamble and meta information, as far as padding is concerned


def write(received: bytes, options: str = "default", preceding: int = 0) -> bytes:
    return transcode(
        EXPLICIT_VR_LITTLE_ENDIAN, received, encoding_of(options), preceding=preceding
    ).data


def group_length(group: int, length: int) -> bytes:
    return element(group << 16, "UL", struct.pack("<I", length))


def padding(count: int) -> bytes:
    return element(PADDING, "OB", bytes(count))


# ---------------------------------------------------------------------- group lengths


@pytest.mark.parametrize("value", [0, 7, 0xFFFFFFFF])
@pytest.mark.parametrize("group", [0x0006, 0x0010, 0x0011, 0x7FE0, 0xFFFC])
def test_a_group_without_elements(group: int, value: int) -> None:
    """Its length is 0 where lengths are set right; where they are made anew, there is no group to have one."""
    alone = element(group << 16, "UL", struct.pack("<I", value))
    behind = element(0x00200010, "SH", b"ab")
    in_order = sorted([alone, UIDS, behind], key=lambda each: struct.unpack_from("<HH", each))
    received = b"".join(in_order)
    elements = UIDS + behind

    kept = b"".join(group_length(group, 0) if each is alone else each for each in in_order)
    assert write(received) == kept
    assert write(received, "-g") == elements
    assert write(received, "+g") == write(elements, "+g")


def test_an_item_of_nothing_but_a_group_length() -> None:
    """With `+g` it ends as an empty item."""
    received = UIDS + sequence(SEQUENCE, item(group_length(0x0008, 3)))

    assert write(received) == UIDS + sequence(SEQUENCE, item(group_length(0x0008, 0)))
    assert write(received, "-g") == UIDS + sequence(SEQUENCE, item(b""))
    written = write(received, "+g")
    assert written.endswith(sequence(SEQUENCE, item(b"")))
    assert written.startswith(group_length(0x0008, len(written) - 12))


def test_an_item_of_nothing_but_a_group_length_with_padding() -> None:
    """An item that is empty gets no padding."""
    received = UIDS + sequence(SEQUENCE, item(group_length(0x0008, 3)))

    assert write(received, "+g +p 0 64").endswith(sequence(SEQUENCE, item(b"")))


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("length", [0, 2, 4, 6, 8, 12, 20])
@pytest.mark.parametrize("vr", ["UL", "US", "UN", "OB", "LO"])
def test_group_lengths_of_any_length(vr: str, length: int, step: int) -> None:
    """One 32-bit value, PS3.5 7.2. DCMTK 3.7.0 leaves the second of two values, which says nothing."""
    odd = element(0x00080000, vr, (b"\1\0\0\0" * 5)[:length])
    name = element(0x00100010, "PN", b"A^B ")

    written = transcode(EXPLICIT_VR_LITTLE_ENDIAN, odd + UIDS + name, step=step).data
    inside = transcode(
        EXPLICIT_VR_LITTLE_ENDIAN, sequence(SEQUENCE, item(odd + UIDS + name)), step=step
    ).data

    right = group_length(0x0008, len(UIDS)) + UIDS + name
    assert written == right
    assert inside == sequence(SEQUENCE, item(right))


@pytest.mark.parametrize("length", [0, 2, 4, 6, 8, 12])
@pytest.mark.parametrize("options", ["default", "+te", "+tb"])
def test_group_lengths_of_any_length_in_implicit_vr(length: int, options: str) -> None:
    """Likewise, whatever is written."""
    identity = implicit(0x00080016, b"1.2\0") + implicit(0x00080018, b"1.2.3\0")
    odd = implicit(0x00080000, (b"\1\0\0\0" * 3)[:length])
    right = implicit(0x00080000, struct.pack("<I", 7))
    encoding = encoding_of(options)

    written = transcode(IMPLICIT_VR_LITTLE_ENDIAN, odd + identity, encoding).data

    assert written == transcode(IMPLICIT_VR_LITTLE_ENDIAN, right + identity, encoding).data


@pytest.mark.parametrize("length", [0, 2, 4, 6, 8, 12])
def test_group_lengths_of_any_length_in_big_endian(length: int) -> None:
    """Likewise in the other byte order."""
    identity = element(0x00080016, "UI", b"1.2\0", big_endian=True)
    odd = element(0x00080000, "UL", (b"\1\0\0\0" * 3)[:length], big_endian=True)

    written = transcode(EXPLICIT_VR_BIG_ENDIAN, odd + identity).data

    right = element(0x00080000, "UL", struct.pack(">I", len(identity)), big_endian=True)
    assert written == right + identity


# ---------------------------------------------------------------------- padding

LAST_GROUPS = {
    "FFFD, which is private": element(0xFFFD0010, "LO", b"ab") + element(0xFFFD1010, "LO", b"cd"),
    "FFFE": element(0xFFFE0010, "LO", b"ab"),
    "FFFF": element(0xFFFF0010, "LO", b"ab"),
    "FFFE and FFFF": element(0xFFFE0010, "LO", b"ab") + element(0xFFFF0010, "LO", b"ab"),
    "FFFC behind the padding": element(0xFFFCFFFE, "LO", b"ab"),
}


@pytest.mark.parametrize("last", LAST_GROUPS.values(), ids=LAST_GROUPS)
def test_padding_is_sorted_in(last: bytes) -> None:
    """It is an element among others, as DCMTK has it: tags ascend."""
    for count in (64, 512):
        written = write(UIDS + last, f"+p {count} 0", HEADER_LENGTH)

        missing = -(HEADER_LENGTH + len(UIDS + last)) % count
        missing += count if missing < 12 else 0
        assert written == UIDS + padding(missing - 12) + last


@pytest.mark.parametrize("last", LAST_GROUPS.values(), ids=LAST_GROUPS)
def test_padding_is_sorted_into_items(last: bytes) -> None:
    """Each item is a multiple, and so is the file."""
    first = element(0x00080100, "SH", b"ab")
    received = UIDS + sequence(SEQUENCE, item(first + last), item(first))

    written = write(received, "+p 0 32")

    missing = -len(first + last) % 32
    missing += 32 if missing < 12 else 0
    one = first + padding(missing - 12) + last
    two = first + padding(32 - len(first) - 12)
    assert written == UIDS + sequence(SEQUENCE, item(one), item(two))


def test_padding_of_both_with_last_groups() -> None:
    """The item that DCMTK pads with six bytes, and the data set behind it."""
    last = element(0xFFFE0010, "LO", b"ab") + element(0xFFFF0010, "LO", b"ab")
    within = element(0x00080100, "SH", b"ab") + last
    received = UIDS + sequence(SEQUENCE, item(within))

    written = write(received, "+p 512 16")

    expected = UIDS + sequence(SEQUENCE, item(within[:10] + padding(6) + last))
    assert written == expected + padding(512 - len(expected) - 12)


@pytest.mark.parametrize("options", ["+p 512 16 -e", "+p 64 32 +g", "+p 512 16 -g", "+p 64 64 +td"])
@pytest.mark.parametrize("last", LAST_GROUPS.values(), ids=LAST_GROUPS)
def test_padding_is_sorted_in_with_other_options(last: bytes, options: str) -> None:
    """Once written, it is written the same again."""
    received = UIDS + sequence(SEQUENCE, item(element(0x00080100, "SH", b"ab") + last)) + last
    syntax = "1.2.840.10008.1.2.1.99" if "+td" in options else EXPLICIT_VR_LITTLE_ENDIAN

    once = write(received, options, HEADER_LENGTH)
    again = transcode(syntax, once, encoding_of(options), preceding=HEADER_LENGTH).data

    assert again == once


def test_padding_that_was_there_is_made_anew() -> None:
    """In front of the last groups or behind them."""
    last = element(0xFFFF0010, "LO", b"ab")
    expected = write(UIDS + last, "+p 64 0")

    assert write(UIDS + padding(6) + last, "+p 64 0") == expected
    assert write(UIDS + last + padding(6), "+p 64 0") == expected
    assert write(UIDS + padding(6) + last) == UIDS + last


@pytest.mark.parametrize("tag", [0xFFFC0001, 0xFFFCFFFE], ids=hex)
def test_the_length_of_the_group_that_padding_is_in(tag: int) -> None:
    """With `+g` group FFFC has one if there is more in it than padding, and the padding counts."""
    other = element(tag, "LO", b"ab")
    with_length = group_length(0x0008, len(UIDS)) + UIDS + group_length(0xFFFC, 0) + other
    count = 512 - len(with_length) - 12

    written = write(UIDS + other, "+p 512 16 +g")

    both = sorted([other, padding(count)], key=lambda each: struct.unpack_from("<HH", each))
    assert written == (
        group_length(0x0008, len(UIDS))
        + UIDS
        + group_length(0xFFFC, len(other) + count + 12)
        + b"".join(both)
    )


def test_padding_alone_has_no_group_length() -> None:
    """As in DCMTK."""
    written = write(UIDS, "+p 512 16 +g")

    assert written.startswith(group_length(0x0008, len(UIDS)) + UIDS + padding(0)[:8])
    assert len(written) == 512


def test_odd_values_make_no_odd_padding() -> None:
    """An OW of odd length leaves an item odd; its padding is even all the same, and one byte too long."""
    odd = element(PIXEL_DATA, "OW", b"abc")
    name = element(0x00100010, "PN", b"abcd")

    assert write(UIDS + sequence(SEQUENCE, item(odd)) + name, "+p 0 8") == (
        UIDS + sequence(SEQUENCE, item(odd + padding(6))) + name
    )
    assert write(UIDS + sequence(SEQUENCE, item(odd)) + name, "+p 512 16") == (
        UIDS + sequence(SEQUENCE, item(odd + padding(6))) + name + padding(0x180)
    )
    at_top = write(UIDS + odd, "+p 64 0")
    assert at_top == UIDS + odd + padding(-(-(128 - len(UIDS + odd) - 12) // 2) * 2)


def test_odd_values_at_both_levels() -> None:
    """The item's odd length makes the data set's even again."""
    odd, longer = element(PIXEL_DATA, "OW", b"abc"), element(PIXEL_DATA, "OW", b"abcde")
    received = UIDS + sequence(SEQUENCE, item(odd)) + longer

    written = write(received, "+p 256 16")

    expected = UIDS + sequence(SEQUENCE, item(odd + padding(6))) + longer
    assert written == expected + padding(256 - len(expected) - 12)
    assert len(written) == 256


# ---------------------------------------------------------------------- private sequences in implicit VR

PRIVATE = 0x00191020
INFORMATION = (
    "Sequence (0019,1020) is written with a defined length and implicit VR: readers will not know it"
    " as a sequence (-e or +te keeps it one)"
)


def information(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "INFO"]


def private_data_set() -> bytes:
    content = item(implicit(0x00080100, b"ab"))
    sequences = [
        implicit(tag, content + implicit(0xFFFEE0DD, b""), 0xFFFFFFFF)
        for tag in (PRIVATE, 0x00191021)
    ]
    return implicit(0x00190010, b"MAKER ") + b"".join(sequences)


def test_a_private_sequence_that_nobody_will_know(caplog: pytest.LogCaptureFixture) -> None:
    """As DCMTK writes it; one line says so, for the first of them, at level info."""
    caplog.set_level("INFO")
    content = item(implicit(0x00080100, b"ab"))

    written = transcode(IMPLICIT_VR_LITTLE_ENDIAN, private_data_set()).data

    assert written == (
        implicit(0x00190010, b"MAKER ") + implicit(PRIVATE, content) + implicit(0x00191021, content)
    )
    assert information(caplog) == [INFORMATION]


@pytest.mark.parametrize("options", ["-e", "+te", "+te -e", "+tb", "+td"])
def test_what_keeps_a_private_sequence(options: str, caplog: pytest.LogCaptureFixture) -> None:
    """A delimiter or a VR shows that it is one."""
    caplog.set_level("INFO")

    transcode(IMPLICIT_VR_LITTLE_ENDIAN, private_data_set(), encoding_of(options))

    assert information(caplog) == []


def test_a_private_sequence_that_loses_its_vr(caplog: pytest.LogCaptureFixture) -> None:
    """`+ti` takes away what said that it is one."""
    caplog.set_level("INFO")
    received = element(0x00190010, "LO", b"MAKER ") + sequence(PRIVATE, item(b""))

    transcode(EXPLICIT_VR_LITTLE_ENDIAN, received, encoding_of("+ti"))
    transcode(EXPLICIT_VR_LITTLE_ENDIAN, received, encoding_of("+ti -e"))

    assert information(caplog) == [INFORMATION]


def test_sequences_that_everybody_knows(caplog: pytest.LogCaptureFixture) -> None:
    """The standard's tell what they are by their tags."""
    caplog.set_level("INFO")
    received = implicit(SEQUENCE, item(b"") + implicit(0xFFFEE0DD, b""), 0xFFFFFFFF)

    transcode(IMPLICIT_VR_LITTLE_ENDIAN, received)

    assert information(caplog) == []


def test_padding_follows_what_is_left_out_within() -> None:
    """A repetition in an item makes the data set shorter, whose padding is made for what is written."""
    name = element(0x00100010, "PN", b"A^B ")
    twice = UIDS + sequence(SEQUENCE, item(name + name))

    for options in ("+p 64 0", "+p 64 32", "+p 512 16 -e", "+p 64 0 +g"):
        once = write(UIDS + sequence(SEQUENCE, item(name)), options, HEADER_LENGTH)
        assert write(twice, options, HEADER_LENGTH) == once
