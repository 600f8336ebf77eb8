"""Offset tables of encapsulated Pixel Data that stay true where fragments are padded: PS3.5 A.4, PS3.3 C.7.6.3.1.8.

Each fragment of odd length gets a byte, which moves what follows it. Comparison with DCMTK finds nothing
here, as it leaves the tables as they were; so every frame is read back through the table.
"""

import itertools
import random
import struct
from collections.abc import Iterator, Sequence

import pytest

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

JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
MPEG4 = "1.2.840.10008.1.2.4.102"
EXPLICIT = "1.2.840.10008.1.2.1"

OFFSET_TABLE = 0x7FE00001
OFFSET_TABLE_LENGTHS = 0x7FE00002
TOTAL_LENGTH = 0x7FE00003
PIXEL_DATA = 0x7FE00010
NUMBER_OF_FRAMES = 0x00280008

BASIC_WARNING = (
    "DcmPixelSequence: Basic Offset Table of element (7fe0,0010) does not fit its fragments,"
    " left as it is"
)
DOUBT = (
    "DcmPixelSequence: nothing tells whether a frame ends with each of %d fragments of odd length of"
    " element (7fe0,0010), which got a byte more; frames may be damaged"
)
EXTENDED_WARNING = (
    "DcmPixelSequence: Extended Offset Table (7fe0,0001) does not fit the fragments of element"
    " (7fe0,0010), left as it is"
)


def tables_told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was said about tables; that fragments are odd is told as well."""
    return [message for message in caplog.messages if "Offset Table" in message]


def doubts_told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was said about frames that may be damaged."""
    return [message for message in caplog.messages if "damaged" in message]


def bit_stream(length: int, first: int = 0) -> bytes:
    """Return bytes that differ from their neighbours and are never a pad."""
    return bytes((first + number) % 255 + 1 for number in range(length))


FRAMES = [bit_stream(7), bit_stream(9, 50), bit_stream(11, 100), bit_stream(13, 150)]


def offsets_of(fragments: Sequence[bytes]) -> list[int]:
    """Return where fragments begin, counted from the first of them, each with its Item Tag and length."""
    return list(itertools.accumulate((8 + len(each) for each in fragments[:-1]), initial=0))


def basic(*offsets: int) -> bytes:
    return struct.pack(f"<{len(offsets)}I", *offsets)


def extended(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}Q", *numbers)


def pixel_data(table: bytes, *fragments: bytes, vr: str = "OB") -> bytes:
    items = b"".join(implicit(0xFFFEE000, fragment) for fragment in (table, *fragments))
    return element(PIXEL_DATA, vr, items, U) + implicit(0xFFFEE0DD, b"")


def with_tables(
    offsets: Sequence[int], *fragments: bytes, vr: str = "OV", table: bytes = b""
) -> bytes:
    """Return an Extended Offset Table, its lengths and Pixel Data."""
    return (
        element(OFFSET_TABLE, vr, extended(*offsets))
        + element(OFFSET_TABLE_LENGTHS, vr, extended(*map(len, fragments)))
        + pixel_data(table, *fragments)
    )


def elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tags and values of a level of explicit VR little endian; of Pixel Data its items."""
    position = 0
    while position < len(data):
        group, number, vr = struct.unpack_from("<HH2s", data, position)
        long = vr in (b"OB", b"OV", b"OW", b"SQ", b"UN", b"UV")
        layout, size = ("<I", 12) if long else ("<H", 8)
        (length,) = struct.unpack_from(layout, data, position + size - struct.calcsize(layout))
        position += size
        if length == U:
            length = data.index(b"\xfe\xff\xdd\xe0", position) - position
            yield group << 16 | number, data[position : position + length]
            length += 8
        else:
            yield group << 16 | number, data[position : position + length]
        position += length


def split_items(value: bytes) -> list[bytes]:
    """Return the contents of the items of encapsulated Pixel Data, the offset table first."""
    contents, position = [], 0
    while position < len(value):
        tag, length = value[position : position + 4], struct.unpack_from("<I", value, position + 4)
        assert tag == b"\xfe\xff\x00\xe0"
        contents.append(value[position + 8 : position + 8 + length[0]])
        position += 8 + length[0]
    return contents


def read_frames(level: bytes) -> list[bytes]:
    """Return the frames of a written level as a reader has them that goes by its table.

    By the extended table if there is one, whose lengths leave out the pad; else by the basic one, from each
    frame's first Item Tag to the next frame's, pads included.
    """
    values = dict(elements(level))
    value = values[PIXEL_DATA]
    (size,) = struct.unpack_from("<I", value, 4)
    table, first = value[8 : 8 + size], 8 + size
    if OFFSET_TABLE in values:
        offsets = [number for (number,) in struct.iter_unpack("<Q", values[OFFSET_TABLE])]
        lengths = [number for (number,) in struct.iter_unpack("<Q", values[OFFSET_TABLE_LENGTHS])]
        starts = [first + offset for offset in offsets]
        assert all(value[start : start + 4] == b"\xfe\xff\x00\xe0" for start in starts)
        return [
            value[start + 8 : start + 8 + length]
            for start, length in zip(starts, lengths, strict=True)
        ]
    starts = [first + offset for (offset,) in struct.iter_unpack("<I", table)]
    ends = [*starts[1:], len(value)]
    return [
        b"".join(split_items(value[start:end])) for start, end in zip(starts, ends, strict=True)
    ]


def read_fragmented_frames(level: bytes) -> list[bytes]:
    """Return the frames of a written level, each of all fragments from where a table says to the next, with its pad."""
    values = dict(elements(level))
    value = values[PIXEL_DATA]
    table, *fragments = split_items(value)
    if OFFSET_TABLE in values:
        offsets = [number for (number,) in struct.iter_unpack("<Q", values[OFFSET_TABLE])]
    else:
        offsets = [number for (number,) in struct.iter_unpack("<I", table)]
    assert all(len(fragment) % 2 == 0 for fragment in fragments)
    content = value[8 + len(table) :]
    ends = [*offsets[1:], len(content)]
    return [
        b"".join(split_items(content[start:end])) for start, end in zip(offsets, ends, strict=True)
    ]


def fragmented(
    frames: Sequence[Sequence[int]], *, counts_pads: bool = False
) -> tuple[list[bytes], list[bytes], list[int]]:
    """Return frames, their fragments and where they begin, of the lengths of each frame's fragments.

    `counts_pads`: whether the offsets are those behind fragments with a pad each, which are not sent.
    """
    streams, fragments, offsets, at = [], [], [], 0
    for number, lengths in enumerate(frames):
        stream = bit_stream(sum(lengths), 60 * number)
        streams.append(stream)
        offsets.append(at)
        begin = 0
        for length in lengths:
            fragments.append(stream[begin : begin + length])
            begin += length
            at += 8 + length + (length % 2 if counts_pads else 0)
    return streams, fragments, offsets


def padded(frame: bytes) -> bytes:
    return frame + b"\0" * (len(frame) % 2)


def test_the_basic_offset_table_follows_the_padding() -> None:
    """Frames of 7, 9, 11 and 13 bytes: each is where the table says, with its pad."""
    received = UIDS + pixel_data(basic(0, 15, 32, 51), *FRAMES)

    written = transcode(JPEG_LOSSLESS, received).data

    assert written == UIDS + pixel_data(basic(0, 16, 34, 54), *map(padded, FRAMES))
    assert read_frames(written) == [padded(frame) for frame in FRAMES]


def test_the_extended_offset_table_follows_the_padding() -> None:
    """Its lengths are those of the bit streams, without the pad (PS3.3 table C.7-11a), so they stay 7, 9, 11 and 13."""
    received = UIDS + with_tables((0, 15, 32, 51), *FRAMES)

    written = transcode(JPEG_LOSSLESS, received).data

    assert written == (
        UIDS
        + element(OFFSET_TABLE, "OV", extended(0, 16, 34, 54))
        + element(OFFSET_TABLE_LENGTHS, "OV", extended(7, 9, 11, 13))
        + pixel_data(b"", *map(padded, FRAMES))
    )
    assert read_frames(written) == FRAMES


def test_the_total_length_leaves_out_the_pad() -> None:
    """(7FE0,0003) is the length without the pad of the last fragment, PS3.3 table C.7-11a: it is right as it came."""
    total = element(TOTAL_LENGTH, "UV", extended(sum(map(len, FRAMES))))
    received = UIDS + total + pixel_data(basic(0, 15, 32, 51), *FRAMES)

    written = transcode(JPEG_LOSSLESS, received).data

    assert total in written


@pytest.mark.parametrize("cut", ["each byte", "each three bytes", "whole"])
@pytest.mark.parametrize("kind", ["basic", "extended"])
def test_fragments_cut_anywhere(cut: str, kind: str) -> None:
    """PDVs end within tables, headers and values; the result is the same."""
    step = {"each byte": 1, "each three bytes": 3, "whole": 0}[cut]
    offsets = offsets_of(FRAMES)
    if kind == "basic":
        received = UIDS + pixel_data(basic(*offsets), *FRAMES)
        expected = [padded(frame) for frame in FRAMES]
    else:
        received = UIDS + with_tables(offsets, *FRAMES)
        expected = FRAMES

    written = transcode(JPEG_LOSSLESS, received, step=step).data

    assert read_frames(written) == expected


@pytest.mark.parametrize("first", [0, 1, 2, 5, 6])
def test_odd_and_even_frames_in_any_order(first: int) -> None:
    """Only what follows an odd fragment moves, whichever are odd; an empty fragment is even."""
    for sizes in itertools.product((0, 1, 2, 5, 6), repeat=3):
        frames = [bit_stream(size, 60 * number) for number, size in enumerate((first, *sizes))]
        offsets = offsets_of(frames)

        by_basic = transcode(JPEG, UIDS + pixel_data(basic(*offsets), *frames)).data
        by_extended = transcode(JPEG, UIDS + with_tables(offsets, *frames)).data

        assert read_frames(by_basic) == [padded(frame) for frame in frames]
        assert read_frames(by_extended) == frames


def test_frames_of_several_fragments() -> None:
    """The table names the first fragment of each frame; those between them move it, too."""
    fragments = [bit_stream(size) for size in (8, 7, 6, 9, 10, 3)]
    offsets = offsets_of(fragments)
    received = UIDS + pixel_data(basic(offsets[0], offsets[2], offsets[4]), *fragments)

    written = transcode(JPEG, received).data

    expected = offsets_of([padded(fragment) for fragment in fragments])
    assert written == UIDS + pixel_data(
        basic(expected[0], expected[2], expected[4]), *map(padded, fragments)
    )
    assert read_frames(written) == [
        fragments[0] + padded(fragments[1]),
        fragments[2] + padded(fragments[3]),
        fragments[4] + padded(fragments[5]),
    ]


def test_many_frames() -> None:
    """Ten thousand frames, half of them odd, in both tables."""
    frames = [bit_stream(4 + number % 3, number) for number in range(10_000)]
    offsets = offsets_of(frames)

    by_basic = transcode(
        JPEG, UIDS + pixel_data(basic(*offsets), *frames), cuts=range(0, 200_000, 16378)
    ).data
    by_extended = transcode(
        JPEG, UIDS + with_tables(offsets, *frames), cuts=range(0, 300_000, 16378)
    ).data

    assert read_frames(by_basic) == [padded(frame) for frame in frames]
    assert read_frames(by_extended) == frames


def test_a_large_fragment_between_table_and_pad() -> None:
    """The table left for the file long before the pad came."""
    frames = [bit_stream(3_000_001), bit_stream(5)]
    offsets = offsets_of(frames)

    by_basic = transcode(JPEG, UIDS + pixel_data(basic(*offsets), *frames), step=65536).data
    by_extended = transcode(JPEG, UIDS + with_tables(offsets, *frames), step=65536).data

    assert read_frames(by_basic) == [padded(frame) for frame in frames]
    assert read_frames(by_extended) == frames


@pytest.mark.parametrize("options", ["default", "-e", "+g", "-g", "+p 512 64", "-u", "+uc"])
def test_with_other_options(options: str) -> None:
    """What else is asked for does not move a table's offsets, which count from the first fragment."""
    received = UIDS + pixel_data(basic(0, 15, 32, 51), *FRAMES)
    received_extended = UIDS + with_tables((0, 15, 32, 51), *FRAMES)

    written = transcode(JPEG, received, encoding_of(options)).data
    written_extended = transcode(JPEG, received_extended, encoding_of(options)).data

    assert pixel_data(basic(0, 16, 34, 54), *map(padded, FRAMES)) in written
    vr = "OB" if options == "-u" else "OV"
    assert element(OFFSET_TABLE, vr, extended(0, 16, 34, 54)) in written_extended
    assert element(OFFSET_TABLE_LENGTHS, vr, extended(7, 9, 11, 13)) in written_extended


def test_out_of_order_in_front_of_it() -> None:
    """Sorting moves the Pixel Data as a whole, with its tables."""
    name = element(0x00100010, "PN", b"A^B ")
    received = name + UIDS + with_tables((0, 15, 32, 51), *FRAMES)

    written = transcode(JPEG, received).data

    assert written.startswith(UIDS + name)
    assert read_frames(written) == FRAMES


def test_an_empty_table_stays_empty(caplog: pytest.LogCaptureFixture) -> None:
    """Without a table there is nothing to keep true."""
    received = UIDS + element(NUMBER_OF_FRAMES, "IS", b"4 ") + pixel_data(b"", *FRAMES)

    written = transcode(JPEG, received).data

    assert written.endswith(pixel_data(b"", *map(padded, FRAMES)))
    assert tables_told(caplog) == []


@pytest.mark.parametrize("vr", ["UN", "OB", "OW", "OL", "OD", "UV"])
def test_an_extended_table_under_another_vr(vr: str) -> None:
    """Senders that do not know OV write UN; the offsets are the same."""
    written = transcode(JPEG, UIDS + with_tables((0, 15, 32, 51), *FRAMES, vr=vr)).data

    assert element(OFFSET_TABLE, vr, extended(0, 16, 34, 54)) in written


def test_both_tables_at_once() -> None:
    """PS3.3 forbids it; each of them is kept true."""
    received = UIDS + with_tables((0, 15, 32, 51), *FRAMES, table=basic(0, 15, 32, 51))

    written = transcode(JPEG, received).data

    assert written == UIDS + element(OFFSET_TABLE, "OV", extended(0, 16, 34, 54)) + element(
        OFFSET_TABLE_LENGTHS, "OV", extended(7, 9, 11, 13)
    ) + pixel_data(basic(0, 16, 34, 54), *map(padded, FRAMES))


def test_pixel_data_within_an_item() -> None:
    """An icon has tables of its own; those of the image around it are not mixed with them."""
    icon_frames = [bit_stream(3), bit_stream(4), bit_stream(1)]
    icon = pixel_data(basic(0, 11, 23), *icon_frames)
    image = pixel_data(basic(0, 15, 32, 51), *FRAMES)
    received = UIDS + sequence(0x00880200, item(icon)) + image

    written = transcode(JPEG, received).data

    mended_icon = pixel_data(basic(0, 12, 24), *map(padded, icon_frames))
    mended_image = pixel_data(basic(0, 16, 34, 54), *map(padded, FRAMES))
    assert written == UIDS + sequence(0x00880200, item(mended_icon)) + mended_image


def test_the_table_of_one_level_is_not_that_of_another() -> None:
    """An extended table within an item says nothing about the Pixel Data of the data set."""
    table = element(OFFSET_TABLE, "OV", extended(0, 15, 32, 51))
    received = UIDS + sequence(0x00880200, item(table)) + pixel_data(b"", *FRAMES)

    written = transcode(JPEG, received).data

    assert table in written


RIGHT_FOR_THE_PADDED = (0, 16, 34, 54)


@pytest.mark.parametrize(
    "offsets",
    [
        pytest.param((0, 14, 32, 51), id="one is wrong"),
        pytest.param((8, 23, 40, 59), id="counted from the table"),
        pytest.param((0, 15, 15, 51), id="one twice"),
        pytest.param((0, 32, 15, 51), id="not ascending"),
        pytest.param((15, 32, 51), id="the first is missing"),
        pytest.param((0, 15, 32, 51, 72), id="one more than there are frames"),
        pytest.param((0, 0, 0, 0), id="zeros"),
    ],
)
def test_a_table_that_is_wrong_as_sent_stays(
    offsets: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody can tell what it was meant to say: it is kept byte for byte, and a warning says so."""
    lengths = element(OFFSET_TABLE_LENGTHS, "OV", extended(7, 9, 11, 13))
    both = (
        element(OFFSET_TABLE, "OV", extended(*offsets))
        + lengths
        + pixel_data(basic(*offsets), *FRAMES)
    )

    written = transcode(JPEG, UIDS + both).data

    assert element(OFFSET_TABLE, "OV", extended(*offsets)) in written
    assert written.endswith(pixel_data(basic(*offsets), *map(padded, FRAMES)))
    assert sorted(tables_told(caplog)) == sorted([BASIC_WARNING, EXTENDED_WARNING])


def test_a_table_that_is_right_for_the_padded_fragments_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Some senders count the pads that they do not send: what they say becomes true."""
    received = UIDS + pixel_data(basic(*RIGHT_FOR_THE_PADDED), *FRAMES)

    written = transcode(JPEG, received).data

    assert read_frames(written) == [padded(frame) for frame in FRAMES]
    assert tables_told(caplog) == []


def test_a_table_beside_even_fragments_is_not_judged(caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing moves, nothing is looked at: the bytes pass as they came, whatever they say."""
    received = UIDS + with_tables((5, 4, 3), b"abcd", b"ef", table=basic(1, 2))

    written = transcode(JPEG, received).data

    assert written == received
    assert tables_told(caplog) == []


@pytest.mark.parametrize("table", [b"\0\0\0\0\1", b"\0" * 6, b"\0" * 3])
def test_a_basic_table_of_another_length(table: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """No whole number of offsets: it is no table, and stays as it is, padded like any item."""
    written = transcode(JPEG, UIDS + pixel_data(table, *FRAMES)).data

    assert written == UIDS + pixel_data(padded(table), *map(padded, FRAMES))
    assert tables_told(caplog) == [BASIC_WARNING]


def test_an_extended_table_of_another_length(caplog: pytest.LogCaptureFixture) -> None:
    """No whole number of 64-bit offsets: left as it is."""
    table = element(OFFSET_TABLE, "OV", basic(0, 15, 32))
    received = UIDS + table + pixel_data(b"", *FRAMES)

    written = transcode(JPEG, received).data

    assert table in written
    assert EXTENDED_WARNING in caplog.messages


def test_an_extended_table_that_is_no_binary_value(caplog: pytest.LogCaptureFixture) -> None:
    """A sequence, a text: not a table, and not taken for one."""
    text = element(OFFSET_TABLE, "LO", b"abc ")
    received = UIDS + text + pixel_data(b"", *FRAMES)

    written = transcode(JPEG, received).data

    assert text in written
    assert tables_told(caplog) == []


@pytest.mark.parametrize("frames", ["absent", "one", "video"])
def test_odd_fragments_of_one_frame_are_joined(frames: str) -> None:
    """A pad between them would be part of the bit stream: PS3.5 A.4 allows it behind the last one only."""
    number = {
        "absent": b"",
        "one": element(NUMBER_OF_FRAMES, "IS", b"1 "),
        "video": element(NUMBER_OF_FRAMES, "IS", b"250 "),
    }[frames]
    syntax = MPEG4 if frames == "video" else JPEG
    whole = bit_stream(21)
    received = UIDS + number + pixel_data(b"", whole[:7], whole[7:16], whole[16:])

    for step in (0, 1, 5):
        written = transcode(syntax, received, step=step).data

        pixels = dict(elements(written))[PIXEL_DATA]
        fragments = split_items(pixels)[1:]
        assert [len(fragment) for fragment in fragments] == [8, 8, 6]
        assert b"".join(fragments) == whole + b"\0"


@pytest.mark.parametrize("table", [b"", basic(0)])
def test_any_fragments_of_one_frame_are_joined(table: bytes) -> None:
    """All items are even, and together they are the bit stream with one pad at most; a table of one entry stays."""
    for sizes in itertools.product((0, 1, 2, 3, 6), repeat=4):
        whole = bit_stream(sum(sizes))
        cuts = itertools.accumulate(sizes, initial=0)
        fragments = [whole[begin:end] for begin, end in itertools.pairwise(cuts)]

        written = transcode(JPEG, UIDS + pixel_data(table, *fragments)).data

        first, *items = split_items(dict(elements(written))[PIXEL_DATA])
        assert first == table
        assert all(len(each) % 2 == 0 for each in items)
        assert b"".join(items) == padded(whole)


def test_odd_fragments_of_several_frames_are_padded_each() -> None:
    """Without a table nobody can tell where a frame begins: as a rule each fragment is one."""
    received = UIDS + element(NUMBER_OF_FRAMES, "IS", b"4 ") + pixel_data(b"", *FRAMES)

    written = transcode(JPEG, received).data

    assert split_items(dict(elements(written))[PIXEL_DATA])[1:] == [padded(each) for each in FRAMES]


@pytest.mark.parametrize("number", ["", "Number of Frames"])
@pytest.mark.parametrize("kind", ["basic", "extended"])
@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(((5, 4), (3, 3, 3)), id="5+4 and 3+3+3"),
        pytest.param(((3, 3, 3), (5, 4), (7,)), id="3+3+3, 5+4 and 7"),
        pytest.param(((1, 1, 1, 1), (1, 1, 1), (2, 1)), id="single bytes"),
        pytest.param(((3, 0, 3), (0, 3, 0), (3, 0, 0, 5)), id="empty ones between"),
        pytest.param(((8, 8), (5, 6), (4, 4)), id="odd in the midst"),
    ],
)
def test_odd_fragments_within_frames_that_a_table_names_are_joined(
    frames: Sequence[Sequence[int]], kind: str, number: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No pad gets into a frame; each frame is where the table says, with one pad at most at its end."""
    streams, fragments, offsets = fragmented(frames)
    count = element(NUMBER_OF_FRAMES, "IS", b"%d " % len(frames)) if number else b""
    if kind == "basic":
        received = UIDS + count + pixel_data(basic(*offsets), *fragments)
    else:
        received = (UIDS + count + element(OFFSET_TABLE, "OV", extended(*offsets))) + pixel_data(
            b"", *fragments
        )

    for step in (0, 1, 3, 7):
        written = transcode(JPEG, received, step=step).data

        assert read_fragmented_frames(written) == [padded(stream) for stream in streams]
    assert tables_told(caplog) == doubts_told(caplog) == []


def test_any_fragments_within_frames_are_joined() -> None:
    """Frames of any fragments, and offsets that count what is sent or the pads, too: all can be read."""
    dice = random.Random(7)
    for _ in range(300):
        frames = [
            [dice.choice((0, 1, 2, 3, 5, 8)) for _ in range(dice.randint(1, 5))]
            for _ in range(dice.randint(2, 5))
        ]
        streams, fragments, offsets = fragmented(frames, counts_pads=dice.random() < 0.5)
        both = element(OFFSET_TABLE, "OV", extended(*offsets)) + pixel_data(b"", *fragments)

        by_basic = transcode(JPEG, UIDS + pixel_data(basic(*offsets), *fragments)).data
        by_extended = transcode(JPEG, UIDS + both).data

        expected = [padded(stream) for stream in streams]
        assert read_fragmented_frames(by_basic) == expected
        assert read_fragmented_frames(by_extended) == expected


def test_a_large_frame_of_several_odd_fragments() -> None:
    """The table and most of the frame left for the file long before the next frame begins."""
    streams, fragments, offsets = fragmented(((300_001, 300_001, 5), (3, 70_001, 3)))

    written = transcode(JPEG, UIDS + pixel_data(basic(*offsets), *fragments), step=16378).data

    assert read_fragmented_frames(written) == [padded(stream) for stream in streams]


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(b"", id="none"),
        pytest.param(basic(0), id="of one frame, where there are two"),
        pytest.param(basic(0, 24), id="within a fragment"),
        pytest.param(basic(0, 25, 36), id="of three frames"),
        pytest.param(b"\0" * 6, id="of another length"),
    ],
)
def test_odd_fragments_that_no_table_assigns_are_told_of_once(
    table: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is padded, as DCMTK does it, and a warning tells of how many: all four but the last, which ends a frame."""
    _, fragments, _ = fragmented(((5, 4), (3, 3, 3)))
    count = element(NUMBER_OF_FRAMES, "IS", b"2 ")

    written = transcode(JPEG, UIDS + count + pixel_data(table, *fragments)).data

    pixels = dict(elements(written))[PIXEL_DATA]
    assert split_items(pixels)[1:] == [padded(each) for each in fragments]
    assert doubts_told(caplog) == [DOUBT % 3]


def test_an_offset_that_either_way_to_count_could_mean(caplog: pytest.LogCaptureFixture) -> None:
    """The last fragment of the first frame, with the pads before it, would begin the second: both are padded and told of."""
    (first, second), fragments, offsets = fragmented(((1,) * 10, (3,)))

    written = transcode(JPEG, UIDS + pixel_data(basic(*offsets), *fragments)).data

    assert read_fragmented_frames(written) == [
        padded(first[:9]) + padded(first[9:]),
        padded(second),
    ]
    assert tables_told(caplog) == []
    assert doubts_told(caplog) == [DOUBT % 2]


def test_a_fragment_for_each_frame_is_no_doubt(caplog: pytest.LogCaptureFixture) -> None:
    """As many fragments as frames: each pad is at the end of a frame, also without a table."""
    count = element(NUMBER_OF_FRAMES, "IS", b"4 ")

    transcode(JPEG, UIDS + count + pixel_data(b"", *FRAMES))

    assert doubts_told(caplog) == []


def test_a_table_that_proves_wrong_too_late_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """Its last frame lies beyond the end, which nobody knows before: what it made join is named in a warning."""
    table = basic(0, 15, 32, 0xFFFFFFFE)

    written = transcode(JPEG, UIDS + pixel_data(table, *FRAMES)).data

    first, *fragments = split_items(dict(elements(written))[PIXEL_DATA])
    assert first == table
    assert fragments == [
        padded(FRAMES[0]),
        padded(FRAMES[1]),
        FRAMES[2] + FRAMES[3][:1],
        FRAMES[3][1:],
    ]
    assert tables_told(caplog) == [BASIC_WARNING]
    assert doubts_told(caplog) == [DOUBT % 1]
