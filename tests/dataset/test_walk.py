"""The walk: when bytes stay unchanged, what is noted in passing, what is refused and with which text."""

import struct
from collections.abc import Sequence

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from storescp.dataset.dictionary import Dictionary, standard
from storescp.dataset.transcoder import Attributes
from storescp.errors import CannotUnderstand, InvalidDataSet, OutOfResources, StatusError
from storescp.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from tests.dataset.support import (
    JPEG,
    LONG_VRS,
    UIDS,
    U,
    element,
    encoding_of,
    implicit,
    item,
    sequence,
    transcode,
)

# ---------------------------------------------------------------------- unchanged bytes

TEXT_VRS = frozenset(
    ["AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"]
)
SHORT_VRS = (TEXT_VRS - LONG_VRS) | {"AT", "FL", "FD", "SL", "SS", "UL", "US", "UI"}


class _Changes(Exception):
    """The predicate says that some byte will change."""


class _Predicate:
    """When a data set is written as it came: the reference's conditions, by plain recursion."""

    def __init__(self, data: bytes, syntax: str) -> None:
        self.data = data
        self.explicit = syntax != IMPLICIT_VR_LITTLE_ENDIAN
        self.order = ">" if syntax == EXPLICIT_VR_BIG_ENDIAN else "<"
        self.encapsulated = syntax == JPEG

    def holds(self) -> bool:
        try:
            self._need(len(self.data) % 2 == 0 and len(self.data) > 0)
            self._level(0, len(self.data), depth=0)
        except _Changes:
            return False
        return True

    def _need(self, condition: bool) -> None:
        if not condition:
            raise _Changes

    def _unpack(self, layout: str, position: int, end: int) -> tuple[int, ...]:
        self._need(position + struct.calcsize(layout) <= end)
        return struct.unpack_from(self.order + layout, self.data, position)

    def _level(self, position: int, end: int, depth: int) -> None:
        last = -1
        group_lengths: dict[int, int] = {}
        group_sizes: dict[int, int] = {}
        while position < end:
            start = position
            group, number, length = self._unpack("HHI", position, end)
            tag = group << 16 | number
            self._need(tag > last and group != 0xFFFE and tag != 0xFFFCFFFC)
            last = tag
            vr, length, position = self._header(tag, position, end)
            if tag == 0x7FE00010 and (self.encapsulated or length == U) and vr != "SQ":
                position = self._pixel_data(vr, position, end, length, depth)
            else:
                self._need(length != U and position + length <= end)
                self._need(not (tag == 0x00283010 and vr in ("OB", "OW")))
                if number == 0:
                    self._need(vr == "UL" and length == 4)
                    (group_lengths[group],) = self._unpack("I", position, end)
                if vr == "SQ":
                    self._items(position, position + length, depth + 1)
                else:
                    self._value(vr, self.data[position : position + length])
                position += length
            if number:
                group_sizes[group] = group_sizes.get(group, 0) + position - start
        for group, size in group_lengths.items():
            self._need(group_sizes.get(group, 0) == size)

    def _header(self, tag: int, position: int, end: int) -> tuple[str, int, int]:
        if not self.explicit:
            (_, _, length) = self._unpack("HHI", position, end)
            vr = standard().vr(tag) or "UN"
            ambiguous = {"xs": "US", "up": "UL", "lt": "OW", "px": "OW"}
            if vr == "ox":
                vr = "OW" if tag >> 24 == 0x60 else "OB"
            return ambiguous.get(vr, vr), length, position + 8
        vr = self.data[position + 4 : position + 6].decode("latin-1")
        self._need(vr in LONG_VRS | SHORT_VRS)
        if vr in LONG_VRS:
            self._need(self.data[position + 6 : position + 8] == b"\0\0")
            (length,) = self._unpack("I", position + 8, end)
            return vr, length, position + 12
        (length,) = self._unpack("H", position + 6, end)
        return vr, length, position + 8

    def _value(self, vr: str, value: bytes) -> None:
        if vr in TEXT_VRS:
            stripped = value.rstrip(b" \0")
            self._need(value == stripped + b" " * (len(stripped) % 2))
        elif vr == "UI":
            self._need(not set(value) & set(b" \t\n\v\f\r"))
            stripped = value.rstrip(b"\0")
            self._need(value == stripped + b"\0" * (len(stripped) % 2))
        elif vr != "OW":
            self._need(len(value) % 2 == 0)

    def _items(self, position: int, end: int, depth: int) -> None:
        self._need(depth <= 64)
        while position < end:
            group, number, length = self._unpack("HHI", position, end)
            self._need((group, number) == (0xFFFE, 0xE000) and length != U)
            position += 8
            self._need(position + length <= end)
            self._level(position, position + length, depth)
            position += length

    def _pixel_data(self, vr: str, position: int, end: int, length: int, depth: int) -> int:
        self._need(self.encapsulated)
        if depth and length != U:
            self._need(position + length <= end)
            self._value(vr, self.data[position : position + length])
            return position + length
        self._need(length == U and vr == "OB")
        while True:
            group, number, length = self._unpack("HHI", position, end)
            position += 8
            if (group, number) == (0xFFFE, 0xE0DD):
                self._need(length == 0)
                return position
            self._need((group, number) == (0xFFFE, 0xE000) and length % 2 == 0)
            position += length
            self._need(position <= end)


TAGS = [
    0x00080000,
    0x00080005,
    0x00080016,
    0x00080018,
    0x00080070,
    0x00100010,
    0x00100020,
    0x00280010,
    0x00281101,
    0x00283010,
    0x00290010,
    0x00291010,
    0x00400007,
    0x00400275,
    0x54001010,
    0x60003000,
    0x7FE00010,
    0xFFFCFFFC,
]
VALUES = [b"", b"ab", b"abc ", b"ab  ", b"1.2\0", b"1.2.", b"\0\0", b"abc", b"a\0 \0", bytes(4)]


@st.composite
def levels(draw: st.DrawFn, syntax: str, depth: int = 0) -> bytes:
    """A level that is mostly in order."""
    tags = draw(st.lists(st.sampled_from(TAGS), max_size=5, unique=True))
    if draw(st.integers(0, 9)):
        tags.sort()
    return b"".join(draw(elements(syntax, tag, depth)) for tag in tags)


@st.composite
def elements(draw: st.DrawFn, syntax: str, tag: int, depth: int) -> bytes:
    """An element that is sometimes not quite right."""
    big_endian = syntax == EXPLICIT_VR_BIG_ENDIAN
    odd_one = draw(st.integers(0, 11))
    vr = "UL" if not tag & 0xFFFF else draw(st.sampled_from(["LO", "UI", "OW", "OB", "US", "UT"]))
    value = draw(st.sampled_from(VALUES if not odd_one else VALUES[:3]))
    length = len(value)
    if tag == 0x7FE00010 and syntax == JPEG:
        vr, length = "OB", U
        value = item(b"") + item(value) + implicit(0xFFFEE0DD, b"")
    if tag == 0x00400275 and depth < 3 and not big_endian:
        vr = "SQ"
        contents = draw(st.lists(levels(syntax, depth + 1), max_size=2))
        value = b"".join(item(content, undefined=odd_one == 1) for content in contents)
        length = len(value)
        if odd_one == 2:
            length, value = U, value + implicit(0xFFFEE0DD, b"")
    if syntax == IMPLICIT_VR_LITTLE_ENDIAN:
        return implicit(tag, value, length)
    return element(tag, vr, value, length, big_endian=big_endian)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize(
    "syntax", [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, JPEG]
)
def test_bytes_are_unchanged_if_and_only_if(syntax: str, data: st.DataObject) -> None:
    """The written data set equals the received one exactly where the reference's conditions hold."""
    received = data.draw(levels(syntax))
    assume(len(received) % 2 == 0)  # odd fragments cannot be sent, PS3.8 annex E
    unchanged = _Predicate(received, syntax).holds()
    event(f"unchanged: {unchanged}")
    try:
        result = transcode(syntax, received, step=data.draw(st.sampled_from([0, 1, 13])))
    except (InvalidDataSet, StatusError):
        assert not unchanged
        return

    assert unchanged == (received == result.data)
    if unchanged:
        assert result.passes == 1


def test_unchanged_fragments_pass_as_views() -> None:
    """A large value is not copied: the output gets slices of the fragments."""
    from storescp.dataset.transcoder import Encoding, Transcoder
    from storescp.uids import TRANSFER_SYNTAXES

    chunks: list[bytes | memoryview] = []

    class Output:
        def write(self, chunk: bytes | memoryview) -> None:
            chunks.append(chunk)

        def write_all(self, more: Sequence[memoryview], _: int) -> None:
            chunks.extend(more)

        def patch(self, _position: int, _data: bytes) -> None:
            raise AssertionError

    data = UIDS + element(0x7FE00010, "OW", bytes(100_000))
    fragment = memoryview(bytearray(data))
    syntax = TRANSFER_SYNTAXES[EXPLICIT_VR_LITTLE_ENDIAN]
    transcoder = Transcoder(syntax, Encoding(), Output())

    for start in range(0, len(data), 16384):
        transcoder.feed(fragment[start : start + 16384])
    transcoder.finish(lambda _: 0)

    assert b"".join(chunks) == data
    large = [chunk for chunk in chunks if len(chunk) == 16384]
    assert len(large) == 6
    assert all(isinstance(c, memoryview) and c.obj is fragment.obj for c in large)


# ---------------------------------------------------------------------- attributes


def _attributes(data: bytes, syntax: str = EXPLICIT_VR_LITTLE_ENDIAN, step: int = 0) -> Attributes:
    return transcode(syntax, data, step=step).attributes


@pytest.mark.parametrize("step", [0, 1, 10])
def test_attributes_are_noted(step: int) -> None:
    """Values come without padding, however they are cut."""
    attributes = _attributes(
        element(0x00080005, "CS", b"ISO_IR 100")
        + element(0x00080016, "UI", b" 1.2.3\0")
        + element(0x00080018, "UI", b"")
        + element(0x00100010, "PN", b"Doe^John  ")
        + element(0x0020000D, "UI", b"1.2 .4"),
        step=step,
    )

    assert attributes.specific_character_set == b"ISO_IR 100"
    assert attributes.sop_class_uid == b"1.2.3"
    assert attributes.sop_instance_uid == b""
    assert attributes.patient_name == b"Doe^John"
    assert attributes.study_instance_uid == b"1.2.4"


def test_absent_attributes() -> None:
    """What is not there, or not of a text VR, is None."""
    attributes = _attributes(
        element(0x00080016, "LO", b"1.2.3 ")
        + element(0x00080018, "UN", b"1.2.3\0")
        + element(0x00100010, "OB", b"ab")
    )

    assert attributes.sop_class_uid is None
    assert attributes.sop_instance_uid is None
    assert attributes.patient_name is None
    assert attributes.study_instance_uid is None


def test_uids_are_searched_in_sequences() -> None:
    """The top level counts first, then what comes first in depth; other attributes only on top."""
    inside = item(
        element(0x00080016, "UI", b"1.9.")
        + sequence(0x00081115, item(element(0x00080018, "UI", b"1.8.")))
        + element(0x0020000D, "UI", b"1.7.")
    )
    late = item(element(0x00080016, "UI", b"1.6.") + element(0x00080018, "UI", b"1.5."))

    nested = _attributes(sequence(0x00081115, inside, late))
    both = _attributes(sequence(0x00080006, inside) + UIDS)

    assert (nested.sop_class_uid, nested.sop_instance_uid) == (b"1.9.", b"1.8.")
    assert nested.study_instance_uid is None
    assert both.sop_instance_uid == b"1.2.3.4.5"


def test_the_first_of_two_values_counts() -> None:
    """Duplicates are dropped from the file, too."""
    result = transcode(EXPLICIT_VR_LITTLE_ENDIAN, UIDS + UIDS.replace(b"1.2.3.4.5", b"9.9.9.9.9"))

    assert result.attributes.sop_instance_uid == b"1.2.3.4.5"
    assert result.data == UIDS


@pytest.mark.parametrize("step", [0, 1000])
def test_a_huge_name_is_cut(step: int) -> None:
    """Attributes stay small; the file keeps all of it."""
    data = element(0x00100010, "PN", b"x" * 60_000)

    result = transcode(EXPLICIT_VR_LITTLE_ENDIAN, data, step=step)

    assert result.attributes.patient_name == b"x" * 4096
    assert result.data == data


# ---------------------------------------------------------------------- private elements


def _private() -> Dictionary:
    entries = {(b"ACME", 0x00290001): "LO", (b"ACME", 0x00290002): "SQ"}
    return Dictionary(dict.fromkeys([0x00290010, 0x00290011], "LO"), private=entries)


def test_private_elements_of_implicit_vr() -> None:
    """By creator and block, in the same item only."""
    inner = implicit(0x00291101, b"x  ")
    data = (
        implicit(0x00290010, b"OTHER ")
        + implicit(0x00290011, b"ACME")
        + implicit(0x00291001, b"a   ")
        + implicit(0x00291101, b"a   ")
        + implicit(0x00291102, item(inner))
    )

    for step in (0, 1):
        result = transcode(
            IMPLICIT_VR_LITTLE_ENDIAN, data, encoding_of("+te"), dictionary=_private, step=step
        )
        assert result.data == (
            element(0x00290010, "LO", b"OTHER ")
            + element(0x00290011, "LO", b"ACME")
            + element(0x00291001, "UN", b"a   ")
            + element(0x00291101, "LO", b"a ")
            + sequence(0x00291102, item(element(0x00291101, "UN", b"x  \0")))
        )


def test_private_elements_of_un() -> None:
    """`+uc` knows creators in explicit VR, too."""
    data = element(0x00290010, "LO", b"ACME") + element(0x00291001, "UN", b"a   ")

    result = transcode(EXPLICIT_VR_LITTLE_ENDIAN, data, encoding_of("+uc"), dictionary=_private)

    assert result.data == element(0x00290010, "LO", b"ACME") + element(0x00291001, "LO", b"a ")


def test_explicit_vr_needs_no_dictionary() -> None:
    """Pydicom is not imported for what most scanners send."""

    def forbidden() -> Dictionary:
        raise AssertionError("looked up")

    data = UIDS + sequence(0x00400275, item(element(0x00290010, "LO", b"ACME")), undefined=True)
    for options in ("", "-e +g", "+tb", "+ti", "-u"):
        transcode(EXPLICIT_VR_LITTLE_ENDIAN, data, encoding_of(options), dictionary=forbidden)


# ---------------------------------------------------------------------- UN that is a sequence


def _un(content: bytes) -> bytes:
    return UIDS + element(0x00400275, "UN", content)


def _large(last: bytes) -> bytes:
    return item(implicit(0x00402400, b"x" * 1_100_000)) + item(last)


@pytest.mark.parametrize("step", [0, 1000])
def test_large_un_becomes_a_sequence_while_it_passes(step: int) -> None:
    """Beyond 1 MiB nothing is checked beforehand."""
    good = implicit(0x00400007, b"ab")

    result = transcode(EXPLICIT_VR_LITTLE_ENDIAN, _un(_large(good)), encoding_of("+uc"), step=step)

    assert result.data.endswith(item(element(0x00400007, "LO", b"ab")))


def test_large_un_that_is_no_sequence_stays() -> None:
    """It is tried while it passes, and converted in a second pass if that went well."""
    data = _un(_large(implicit(0x00400007, b"ab", 50)))

    result = transcode(EXPLICIT_VR_LITTLE_ENDIAN, data, encoding_of("+uc"), step=1000)

    assert result.data == data


@pytest.mark.parametrize(
    "content",
    [
        b"no items",
        item(implicit(0x00400007, b"ab", 50)),
        item(b"")[:-2],
        item(implicit(0x00400007, b"ab")) + b"stray",
        implicit(0xFFFEE000, b"", U),
    ],
)
def test_un_that_cannot_be_parsed_stays(content: bytes) -> None:
    """Nothing is lost: the reference writes an empty sequence."""
    data = _un(content + b"\0" * (len(content) & 1))

    for step in (0, 1):
        result = transcode(EXPLICIT_VR_LITTLE_ENDIAN, data, encoding_of("+uc"), step=step)
        assert result.data == data


def test_un_too_deep_stays() -> None:
    """A conversion does not lead beyond the limit of nesting."""
    data = element(0x00400275, "UN", item(b""))
    for _ in range(64):
        data = sequence(0x00400275, item(data))

    result = transcode(EXPLICIT_VR_LITTLE_ENDIAN, data, encoding_of("+uc"))

    assert result.data == data


# ---------------------------------------------------------------------- refusals

OPEN_SEQUENCE = element(0x00400275, "SQ", b"", U)
PIXELS = element(0x7FE00010, "OB", b"", U)


@pytest.mark.parametrize(
    ("syntax", "data", "text"),
    [
        ("LE", element(0x00100020, "LO", b"ab", 4), "Invalid stream"),
        ("LE", element(0x00100020, "OB", b"ab", 400), "Invalid stream"),
        (
            "LE",
            sequence(0x00400275, item(element(0x00400007, "LO", b"ab", 20))),
            "Length of element larger than explicit length of surrounding item",
        ),
        ("LE", OPEN_SEQUENCE + item(b""), "Sequence Delimitation Item missing"),
        ("LE", element(0x00400275, "SQ", item(b""), 20), "Sequence Delimitation Item missing"),
        ("LE", sequence(0x00400275, UIDS), "Sequence Delimitation Item missing"),
        ("JPEG", PIXELS + item(b"ab"), "Sequence Delimitation Item missing"),
        ("LE", implicit(0xFFFEE0DD, b""), "Item Delimitation Item missing"),
        ("LE", element(0x00100020, "\0\0", b""), "Item Delimitation Item missing"),
        ("LE", element(0x00100020, "pi", b""), "Item Delimitation Item missing"),
        ("LE", element(0x00100020, "na", b""), "Invalid tag"),
        ("LE", item(b""), "Invalid tag"),
        ("LE", element(0x00100020, "UT", b"abcd", U), "Corrupted data"),
        ("ILE", implicit(0x00100020, b"abcd", U), "Corrupted data"),
        ("LE", element(0x00280000, "UT", b"abcd", U), "Corrupted data"),
        ("JPEG", PIXELS + implicit(0xFFFEE000, b"", U), "Corrupted data"),
        (
            "LE",
            element(0x00291010, "OB", b"", U),
            "Illegal element with OB or OW Value Representation and undefined length encountered",
        ),
        (
            "LE",
            element(0x00283010, "OW", b""),
            (
                "Illegal VOI LUT Sequence element with OB or OW Value Representation and explicit"
                " length encountered"
            ),
        ),
        (
            "JPEG",
            element(0x7FE00010, "OB", b""),
            "Pixel data in top level dataset in compressed Transfer Syntax uses explicit length",
        ),
        (
            "LE",
            (OPEN_SEQUENCE + implicit(0xFFFEE000, b"", U)) * 65,
            "Maximum sequence nesting depth exceeded",
        ),
    ],
)
@pytest.mark.parametrize("step", [0, 1])
def test_errors_say_what_the_reference_says(syntax: str, data: bytes, text: str, step: int) -> None:
    """What cannot be parsed ends the association, with the reference's text in the log."""
    uids = {"LE": EXPLICIT_VR_LITTLE_ENDIAN, "ILE": IMPLICIT_VR_LITTLE_ENDIAN, "JPEG": JPEG}

    with pytest.raises(InvalidDataSet) as caught:
        transcode(uids[syntax], data, step=step)

    assert str(caught.value) == text


@pytest.mark.parametrize("nested", [False, True])
def test_encapsulated_pixel_data_cannot_be_written_natively(nested: bool) -> None:
    """Also for an icon: status A700 when a compressed data set is to be converted, C000 if it should not be there."""
    pixels = PIXELS + item(b"") + implicit(0xFFFEE0DD, b"")
    data = sequence(0x00880200, item(pixels)) if nested else pixels

    with pytest.raises(OutOfResources, match="Pixel representation not found"):
        transcode(JPEG, data, encoding_of("+te"))
    with pytest.raises(CannotUnderstand, match="compressed pixel data in an uncompressed"):
        transcode(EXPLICIT_VR_LITTLE_ENDIAN, data)


@pytest.mark.parametrize(
    "data",
    [
        UIDS + b"\0\0\0\1",
        UIDS + element(0x00100020, "LO", b"", 4),
        UIDS + implicit(0xFFFEE00D, b"") + UIDS,
        UIDS + OPEN_SEQUENCE,
        UIDS + element(0x00400275, "SQ", b"", 40),
        element(0x7FE00010, "OB", item(b"ab"), U)[:-2],
        UIDS + element(0x00400275, "SQ", item(b""), 4),
    ],
)
@pytest.mark.parametrize("step", [0, 1])
def test_damaged_ends_are_refused(data: bytes, step: int) -> None:
    """Status C000 where the reference would drop bytes and report success."""
    syntax = JPEG if data.startswith(b"\xe0\x7f") else EXPLICIT_VR_LITTLE_ENDIAN

    with pytest.raises(CannotUnderstand):
        transcode(syntax, data, step=step)


def test_a_nul_behind_an_odd_data_set_is_padding() -> None:
    """Fragments have even length, PS3.8 annex E; a sender whose data set is odd must add a byte."""
    odd = UIDS + element(0x00104000, "UN", b"abc")

    result = transcode(EXPLICIT_VR_LITTLE_ENDIAN, odd + b"\0")

    assert result.data == UIDS + element(0x00104000, "UN", b"abc\0")


# ---------------------------------------------------------------------- warnings


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        (element(0x00104000, "LT", b"abc"), ["DcmItem: Length of element (0010,4000) is odd"]),
        (
            element(0x00100020, "X\x7f", b""),
            [
                (
                    r"DcmItem: Non-standard VR 'X\x7f' (58\7f) encountered while parsing element (0010,0020),"
                    " assuming 2 byte length field"
                )
            ],
        ),
        (
            element(0x00100020, "XX", b""),
            [
                (
                    "DcmItem: Non-standard VR 'XX' (58\\58) encountered while parsing element (0010,0020),"
                    " assuming 4 byte length field"
                )
            ],
        ),
        (
            element(0x0020000D, "UI", b"1.2 "),
            [
                (
                    "DcmUniqueIdentifier: Element StudyInstanceUID (0020,000d) contains one or"
                    " more space characters, which were removed"
                )
            ],
        ),
        (
            element(0x00400007, "UN", implicit(0xFFFEE0DD, b""), U),
            [
                (
                    "DcmItem: Found element (0040,0007) with VR=UN and undefined length, reading a sequence"
                    " with transfer syntax LittleEndianImplicit (CP-246)"
                )
            ],
        ),
        (
            element(0x00200010, "SH", b"") + element(0x00100020, "LO", b""),
            ["DcmItem: Dataset not in ascending tag order, at element (0010,0020)"],
        ),
        (
            element(0x00200010, "SH", b"") * 2,
            [
                (
                    "DcmItem: Element (0020,0010) found twice in one data set or item, ignoring"
                    " second entry"
                )
            ],
        ),
        (
            element(0x00200010, "SH", b"")
            + element(0x00200020, "SH", b"")
            + element(0x00200010, "SH", b""),
            [
                (
                    "DcmItem: Element (0020,0010) found twice in one data set or item, ignoring"
                    " second entry"
                )
            ],
        ),
        (
            element(0x00030010, "LO", b"ab") + element(0x00040010, "LO", b"ab"),
            ["DcmItem: Invalid Element (0003,0010) found in data set"],
        ),
        (
            sequence(0x00400275, item(element(0xFFFF0010, "LO", b"ab"))),
            ["DcmItem: Invalid Element (ffff,0010) found in data set"],
        ),
        (
            element(0xFFFFFFFF, "LO", b"ab"),
            ["DcmItem: Invalid Element (????,????) found in data set"],
        ),
        (
            element(0x00200010, "SH", b"") + element(0x00010020, "LO", b""),
            [
                "DcmItem: Invalid Element (0001,0020) found in data set",
                "DcmItem: Dataset not in ascending tag order, at element (0001,0020)",
            ],
        ),
        (
            element(0x00200000, "US", b"ab"),
            ["DcmItem: Group Length with VR other than UL found, corrected"],
        ),
        (UIDS, []),
    ],
)
@pytest.mark.parametrize("step", [0, 1])
def test_warnings(
    data: bytes, messages: list[str], step: int, caplog: pytest.LogCaptureFixture
) -> None:
    """What is odd is logged once, with the reference's words."""
    transcode(EXPLICIT_VR_LITTLE_ENDIAN, data.replace(b"XX\0\0", b"XX\0\0\0\0\0\0"), step=step)

    assert messages == caplog.messages


def test_meta_length_is_asked_for_file_padding_only() -> None:
    """The length in front of the data set is known when the attributes are."""
    asked: list[Attributes] = []

    def preceding(attributes: Attributes) -> int:
        asked.append(attributes)
        return 310

    from storescp.dataset.transcoder import Encoding, Transcoder
    from storescp.uids import TRANSFER_SYNTAXES
    from tests.dataset.memory_output import MemoryOutput

    def run(encoding: Encoding) -> bytes:
        output = MemoryOutput()
        syntax = TRANSFER_SYNTAXES[EXPLICIT_VR_LITTLE_ENDIAN]
        transcoder = Transcoder(syntax, encoding, output)
        transcoder.feed(memoryview(UIDS))
        transcoder.finish(preceding)
        return output.data

    assert run(Encoding()) == UIDS
    assert not asked
    assert (len(run(Encoding(padding=(512, 0)))) + 310) % 512 == 0
    assert asked[0].sop_instance_uid == b"1.2.3.4.5"
