"""Elements out of order: the level that is out of order is written anew, all else is copied as it is."""

import struct
import sys
from collections.abc import Callable
from types import FrameType

import pytest

from storescp.dataset.transcoder import Encoding, Transcoder
from storescp.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    TRANSFER_SYNTAXES,
)
from tests.dataset.memory_output import MemoryOutput
from tests.dataset.support import (
    UIDS,
    element,
    encoding_of,
    item,
    sequence,
    transcode,
)

FRAMES = 3000  # of functional groups
DEPTH = 60  # nested sequences
_BLOCK = 0x10000

ACCESSION_NUMBER = element(0x00080050, "SH", b"A1")
STUDY_UID = element(0x0020000D, "UI", b"1.2.3.4\0")
NAME = element(0x00100010, "PN", b"A^B ")


class CountingSource(MemoryOutput):
    """A file in memory that counts what is read of it."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes_read = 0
        self.bytes_written = 0

    def write(self, chunk: bytes | memoryview) -> None:
        super().write(chunk)
        self.bytes_written += len(chunk)

    def read(self, position: int, length: int) -> bytes:
        data = super().read(position, length)
        self.bytes_read += len(data)
        return data


def passes(
    data: bytes, encoding: Encoding | None = None, received: str = EXPLICIT_VR_LITTLE_ENDIAN
) -> list[CountingSource]:
    """Return the files of all passes over a data set, which comes in fragments of 64 KiB."""
    files = [CountingSource()]
    transcoder = Transcoder(TRANSFER_SYNTAXES[received], encoding or Encoding(), files[0])
    for begin in range(0, len(data), _BLOCK):
        transcoder.feed(memoryview(data)[begin : begin + _BLOCK])
    transcoder.finish(lambda _: 0)
    while transcoder.needs_second_pass:
        files.append(CountingSource())
        transcoder.rewrite(files[-2], files[-1])
    return files


def calls_of(function: Callable[[], object]) -> int:
    """Return how many Python functions a function calls: its steps, where none of them is compiled."""
    calls = 0

    def count(_: FrameType, event: str, __: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(before)
    return calls


def functional_groups(count: int) -> bytes:
    """Return a sequence as an enhanced object has it, each item of which differs."""
    items = []
    for number in range(count):
        position = struct.pack("<dd", number, -number)
        plane = sequence(0x00209113, item(element(0x00189087, "FD", position)))
        content = sequence(0x00209111, item(element(0x00209157, "UL", struct.pack("<I", number))))
        items.append(item(content + plane))
    return sequence(0x52009230, *items)


def nested(depth: int, innermost: bytes) -> bytes:
    """Return sequences within sequences, each level with elements in front and behind."""
    data = innermost
    for _ in range(depth):
        data = NAME + sequence(0x00400275, item(data)) + element(0x00400280, "ST", b"behind")
    return data


IN_ORDER = {
    "functional groups": UIDS + ACCESSION_NUMBER + STUDY_UID + functional_groups(FRAMES),
    "sixty levels": UIDS + ACCESSION_NUMBER + nested(DEPTH, STUDY_UID),
    "items": UIDS + sequence(0x00081140, *[item(ACCESSION_NUMBER + STUDY_UID)] * FRAMES),
    "many elements": UIDS
    + b"".join(element(0x00410000 + number, "LO", b"ab") for number in range(0x1000, 0x1400)),
    "the innermost": UIDS + nested(DEPTH, ACCESSION_NUMBER + STUDY_UID),
}

OUT_OF_ORDER = {
    "functional groups": UIDS + STUDY_UID + ACCESSION_NUMBER + functional_groups(FRAMES),
    "sixty levels": UIDS + nested(DEPTH, STUDY_UID) + ACCESSION_NUMBER,
    "items": UIDS + sequence(0x00081140, *[item(STUDY_UID + ACCESSION_NUMBER)] * FRAMES),
    "many elements": UIDS
    + b"".join(
        element(0x00410000 + number, "LO", b"ab") for number in reversed(range(0x1000, 0x1400))
    ),
    "the innermost": UIDS + nested(DEPTH, STUDY_UID + ACCESSION_NUMBER),
}

DISORDERED_LEVELS = {
    "functional groups": 1,
    "sixty levels": 1,
    "items": FRAMES,
    "many elements": 1,
    "the innermost": 1,
}


@pytest.mark.parametrize("options", ["default", "-e", "+g", "-g", "+p 512 16", "+ti", "+tb", "+td"])
@pytest.mark.parametrize("kind", IN_ORDER)
def test_it_is_written_as_if_it_had_come_in_order(kind: str, options: str) -> None:
    """Whatever else is asked for."""
    expected = transcode(EXPLICIT_VR_LITTLE_ENDIAN, IN_ORDER[kind], encoding_of(options)).data

    sorted_data = transcode(
        EXPLICIT_VR_LITTLE_ENDIAN, OUT_OF_ORDER[kind], encoding_of(options), cuts=[50, 70, 1000]
    ).data

    assert sorted_data == expected


@pytest.mark.parametrize("received", [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN])
@pytest.mark.parametrize("options", ["default", "+te", "+ti"])
def test_in_other_encodings(options: str, received: str) -> None:
    """The same data set as others send it."""
    kind = "functional groups"
    conversion = "+ti" if received == IMPLICIT_VR_LITTLE_ENDIAN else "+tb"
    to_received = encoding_of(f"{conversion} -e")
    in_order = transcode(EXPLICIT_VR_LITTLE_ENDIAN, IN_ORDER[kind], to_received).data
    identity = transcode(EXPLICIT_VR_LITTLE_ENDIAN, UIDS, to_received).data
    study = transcode(EXPLICIT_VR_LITTLE_ENDIAN, STUDY_UID, to_received).data
    number = transcode(EXPLICIT_VR_LITTLE_ENDIAN, ACCESSION_NUMBER, to_received).data
    rest = in_order[len(identity) + len(study) + len(number) :]

    written = transcode(received, identity + study + number + rest, encoding_of(options)).data

    assert written == transcode(received, in_order, encoding_of(options)).data


@pytest.mark.parametrize("kind", IN_ORDER)
def test_what_is_read_again(kind: str) -> None:
    """No byte is read much more than once, however deep it lies."""
    data = OUT_OF_ORDER[kind]

    *sources, result = passes(data)

    assert result.data == IN_ORDER[kind]
    assert len(sources) == 1
    assert sources[0].bytes_read <= 1.25 * len(data) + 0x10000
    assert result.bytes_written <= 1.01 * len(data) + 0x1000


@pytest.mark.parametrize("kind", IN_ORDER)
def test_steps(kind: str) -> None:
    """What is in order within the level that is not costs nothing: the steps are those of in order, and some for the level."""
    passes(OUT_OF_ORDER[kind])  # what is imported or made at first use

    in_order = calls_of(lambda: passes(IN_ORDER[kind]))
    out_of_order = calls_of(lambda: passes(OUT_OF_ORDER[kind]))

    elements = {"many elements": 0x400}.get(kind, 0)
    allowance = 300 + 100 * DISORDERED_LEVELS[kind] + 60 * elements
    assert out_of_order <= 2 * in_order + allowance


def test_repetitions_are_left_out_at_each_level() -> None:
    """Lengths of what is around them follow."""
    twice = NAME + STUDY_UID + element(0x00100010, "PN", b"other second name ")
    received = UIDS + sequence(0x00081140, item(twice), item(NAME)) + twice

    for options in ("default", "-e", "+g", "+p 64 32", "+ti"):
        written = transcode(EXPLICIT_VR_LITTLE_ENDIAN, received, encoding_of(options)).data

        once = UIDS + sequence(0x00081140, item(NAME + STUDY_UID), item(NAME)) + NAME + STUDY_UID
        assert written == transcode(EXPLICIT_VR_LITTLE_ENDIAN, once, encoding_of(options)).data


def test_group_lengths_out_of_place() -> None:
    """They are found and set right, DCMTK's section on group lengths: sorting comes first."""
    length = element(0x00080000, "UL", struct.pack("<I", 7))
    right = element(0x00080000, "UL", struct.pack("<I", len(UIDS)))

    assert transcode(EXPLICIT_VR_LITTLE_ENDIAN, UIDS + length + NAME).data == right + UIDS + NAME
    within = sequence(0x00081140, item(UIDS + length))
    expected = sequence(0x00081140, item(right + UIDS))
    assert transcode(EXPLICIT_VR_LITTLE_ENDIAN, within).data == expected


def test_several_levels_out_of_order() -> None:
    """One within another, and neighbours of one that is in order."""
    inner = item(STUDY_UID + ACCESSION_NUMBER)
    inner_sorted = item(ACCESSION_NUMBER + STUDY_UID)
    outer = item(STUDY_UID + sequence(0x00081140, inner, inner_sorted) + NAME)
    outer_sorted = item(sequence(0x00081140, inner_sorted, inner_sorted) + NAME + STUDY_UID)
    received = NAME + sequence(0x00081115, outer, outer_sorted, outer) + UIDS

    for options in ("default", "-e", "+g", "+p 64 32", "+ti", "+tb"):
        written = transcode(EXPLICIT_VR_LITTLE_ENDIAN, received, encoding_of(options)).data

        in_order = UIDS + sequence(0x00081115, *[outer_sorted] * 3) + NAME
        expected = transcode(EXPLICIT_VR_LITTLE_ENDIAN, in_order, encoding_of(options)).data
        assert written == expected
