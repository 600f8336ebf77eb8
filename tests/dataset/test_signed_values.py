"""US or SS in explicit VR for what came without a VR: by the Pixel Representation that applies, PS3.5 A.1 and A.2.

That is the one of the element's own item, else that of the nearest level around it, wherever it stands there.
DCMTK asks the same item only, and for some attributes nobody.
"""

import itertools
import struct
from collections.abc import Iterator

import pytest

from storescp.dataset.dictionary import standard
from storescp.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from tests.dataset.support import (
    U,
    element,
    encoding_of,
    implicit,
    item,
    sequence,
    transcode,
)

PIXEL_REPRESENTATION = 0x00280103
LUT_DESCRIPTOR = 0x00283002
FIRST_MAPPED = 0x00409216
ZERO_VELOCITY = 0x00189810  # in front of Pixel Representation
SMALLEST = 0x00280106

US_OR_SS = sorted(
    tag
    for tag in (
        *range(0x00180000, 0x00190000),
        *range(0x00220000, 0x00230000),
        *range(0x00280000, 0x00290000),
        *range(0x00400000, 0x00410000),
        *range(0x00600000, 0x00610000),
    )
    if standard().vr(tag) == "xs"
)
"""Attributes that are US or SS."""

EARLY_SEQUENCE, LATE_SEQUENCE = (
    0x00081140,
    0x52009229,
)  # in front of and behind Pixel Representation

NEGATIVE = struct.pack("<h", -1024)


def number(tag: int, value: bytes = NEGATIVE) -> bytes:
    return implicit(tag, value)


def representation(value: int) -> bytes:
    return implicit(PIXEL_REPRESENTATION, struct.pack("<H", value))


def nested(tag: int, *contents: bytes) -> bytes:
    """Return a sequence of implicit VR."""
    return implicit(tag, b"".join(map(item, contents)))


def vrs(data: bytes, order: str = "<") -> Iterator[tuple[int, str]]:
    """Yield tags and VRs of a data set of explicit VR, depth first, but those of sequences."""
    position = 0
    while position < len(data):
        group, low, vr, length = struct.unpack_from(order + "HH2sH", data, position)
        position += 8
        tag = group << 16 | low
        if group == 0xFFFE:
            continue
        if vr in (b"SQ", b"UN", b"OW", b"OB"):
            (length,) = struct.unpack_from(order + "I", data, position)
            position += 4
        if vr != b"SQ":
            yield tag, vr.decode()
            position += length


def vr_of(tag: int, received: bytes, options: str = "+te", step: int = 0) -> list[str]:
    """Return the VRs under which the elements of a tag are written."""
    written = transcode(IMPLICIT_VR_LITTLE_ENDIAN, received, encoding_of(options), step=step).data
    order = ">" if "+tb" in options else "<"
    return [vr for each, vr in vrs(written, order) if each == tag]


def test_all_attributes_of_the_standard_are_tested() -> None:
    """The data dictionary's attributes of VR "US or SS" are the ones meant here."""
    from pydicom._dicom_dict import DicomDictionary

    ambiguous = {tag for tag, entry in DicomDictionary.items() if entry[0] == "US or SS"}

    assert len(US_OR_SS) > 20
    assert ambiguous <= set(US_OR_SS)


@pytest.mark.parametrize("tag", US_OR_SS, ids=hex)
@pytest.mark.parametrize(("value", "expected"), [(1, "SS"), (0, "US"), (2, "US"), (None, "US")])
def test_beside_its_pixel_representation(tag: int, value: int | None, expected: str) -> None:
    """1 is two's complement, PS3.3 C.7.6.3.1.1; anything else, or none, leaves US."""
    both = [(tag, number(tag))]
    if value is not None:
        both.append((PIXEL_REPRESENTATION, representation(value)))
    received = b"".join(each for _, each in sorted(both))

    assert vr_of(tag, received) == [expected]
    assert vr_of(tag, nested(LATE_SEQUENCE, received)) == [expected]
    assert vr_of(tag, nested(EARLY_SEQUENCE, received)) == [expected]


@pytest.mark.parametrize("tag", US_OR_SS, ids=hex)
def test_in_an_item_below_its_pixel_representation(tag: int) -> None:
    """Real World Value Mapping, LUT Descriptors of functional groups: the image's counts, however deep."""
    value = number(tag)
    behind = representation(1) + nested(LATE_SEQUENCE, nested(LATE_SEQUENCE, value, value))
    in_front = nested(EARLY_SEQUENCE, nested(EARLY_SEQUENCE, value, value)) + representation(1)

    assert vr_of(tag, behind) == ["SS", "SS"]
    assert vr_of(tag, in_front) == ["SS", "SS"]


def test_the_nearest_level_counts() -> None:
    """An item that says what it is does not ask around, and says nothing about what is around it."""
    own = number(SMALLEST)
    signed, unsigned = representation(1), representation(0)

    for outer, inner in itertools.product((0, 1), repeat=2):
        received = representation(outer) + nested(
            LATE_SEQUENCE, representation(inner) + number(SMALLEST), number(SMALLEST)
        )
        assert vr_of(SMALLEST, received) == [["US", "SS"][inner], ["US", "SS"][outer]]

    # Of three levels the one in the middle.
    deep = unsigned + nested(LATE_SEQUENCE, signed + nested(LATE_SEQUENCE, own))
    assert vr_of(SMALLEST, deep) == ["SS"]
    # An item's is not its neighbour's, nor that of the level around it.
    received = nested(EARLY_SEQUENCE, signed + own, own) + nested(LATE_SEQUENCE, own)
    assert vr_of(SMALLEST, received) == ["SS", "US", "US"]


def test_real_world_value_of_minus_1024() -> None:
    """The value that reads 64512 under US."""
    mapping = nested(0x00409096, number(0x00409211, NEGATIVE) + number(FIRST_MAPPED, NEGATIVE))
    received = representation(1) + nested(LATE_SEQUENCE, mapping)

    written = transcode(IMPLICIT_VR_LITTLE_ENDIAN, received, encoding_of("+te")).data

    assert element(FIRST_MAPPED, "SS", NEGATIVE) in written
    assert element(0x00409211, "SS", NEGATIVE) in written


@pytest.mark.parametrize("tag", [LUT_DESCRIPTOR, 0x00281101, 0x00281102, 0x00281103])
def test_descriptors_have_three_values(tag: int) -> None:
    """One VR for all three, PS3.3 C.11.1.1 and C.7.6.3.1.5; number of entries and bits are the same in either."""
    values = struct.pack("<HhH", 4096, -1024, 16)
    lut_data = implicit(0x00283006, bytes(8))
    received = representation(1) + nested(0x00283010, number(tag, values) + lut_data)

    written = transcode(IMPLICIT_VR_LITTLE_ENDIAN, received, encoding_of("+te")).data
    swapped = transcode(IMPLICIT_VR_LITTLE_ENDIAN, received, encoding_of("+tb")).data

    assert element(tag, "SS", values) in written
    assert element(0x00283006, "OW", bytes(8)) in written
    assert struct.pack(">HhH", 4096, -1024, 16) in swapped


@pytest.mark.parametrize("step", [1, 2, 5, 0])
@pytest.mark.parametrize("options", ["+te", "+tb", "+te -e", "+te +g", "+te +p 64 32", "+te -u"])
def test_values_in_front_of_their_pixel_representation(options: str, step: int) -> None:
    """(0018,9810) precedes it by its tag, and so do the sequences of low groups."""
    received = (
        nested(EARLY_SEQUENCE, number(ZERO_VELOCITY), representation(0) + number(SMALLEST))
        + number(ZERO_VELOCITY)
        + representation(1)
    )

    assert vr_of(ZERO_VELOCITY, received, options, step) == ["SS", "SS"]
    assert vr_of(SMALLEST, received, options, step) == ["US"]


def test_an_item_of_its_own_settles_what_came_before() -> None:
    """What the levels around it say, before or after, does not count then."""
    own_signed = nested(EARLY_SEQUENCE, number(ZERO_VELOCITY) + representation(1))
    own_unsigned = nested(EARLY_SEQUENCE, number(ZERO_VELOCITY) + representation(0))

    assert vr_of(ZERO_VELOCITY, own_signed + representation(0)) == ["SS"]
    assert vr_of(ZERO_VELOCITY, own_unsigned + representation(1)) == ["US"]
    late = nested(LATE_SEQUENCE, number(ZERO_VELOCITY) + representation(1))
    assert vr_of(ZERO_VELOCITY, representation(0) + late) == ["SS"]
    late = nested(LATE_SEQUENCE, number(ZERO_VELOCITY) + representation(0))
    assert vr_of(ZERO_VELOCITY, representation(1) + late) == ["US"]


def test_out_of_order() -> None:
    """Where Pixel Representation comes too late, it counts all the same; the first of two does."""
    received = number(SMALLEST) + nested(LATE_SEQUENCE, number(FIRST_MAPPED)) + representation(1)
    twice = received + representation(0)

    for data in (received, twice):
        assert vr_of(SMALLEST, data) == ["SS"]
        assert vr_of(FIRST_MAPPED, data) == ["SS"]


def test_thirty_thousand_frames() -> None:
    """Each frame's items ask the image; nothing piles up."""
    frame = nested(0x00409096, number(FIRST_MAPPED))
    received = representation(1) + nested(0x52009230, *[frame] * 30_000)

    found = vr_of(FIRST_MAPPED, received)

    assert found == ["SS"] * 30_000


def test_a_thousand_items_in_front() -> None:
    """What waits for the answer gets it."""
    received = nested(EARLY_SEQUENCE, *[number(ZERO_VELOCITY)] * 1000) + representation(1)

    assert vr_of(ZERO_VELOCITY, received) == ["SS"] * 1000


def test_values_that_pile_up_stay_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """A peer may send any number of values in front: 65536 wait, those beyond are US, and the log says so."""
    items = 65_536 + 1000
    received = nested(EARLY_SEQUENCE, *[number(ZERO_VELOCITY)] * items) + representation(1)

    found = vr_of(ZERO_VELOCITY, received)

    assert found[:65_536] == ["SS"] * 65_536
    assert found[65_536:] == ["US"] * 1000
    expected = (
        "DcmItem: too many values before Pixel Representation (0028,0103), VR of those that follow"
        " is US"
    )
    assert caplog.messages == [expected]


def test_an_empty_value() -> None:
    """It has a VR as well."""
    assert vr_of(SMALLEST, representation(1) + number(SMALLEST, b"")) == ["SS"]
    assert vr_of(SMALLEST, implicit(PIXEL_REPRESENTATION, b"") + number(SMALLEST)) == ["US"]


def test_un_of_undefined_length() -> None:
    """Its items are implicit VR in a data set that is not (CP-246): the data set's Pixel Representation counts."""
    signed = element(PIXEL_REPRESENTATION, "US", b"\1\0")
    unknown = (
        element(0x52009229, "UN", item(number(FIRST_MAPPED), undefined=True), U)
        + b"\xfe\xff\xdd\xe0"
        + bytes(4)
    )
    received = signed + unknown

    written = transcode(EXPLICIT_VR_LITTLE_ENDIAN, received).data

    expected = sequence(0x52009229, item(element(FIRST_MAPPED, "SS", NEGATIVE)))
    assert written == signed + expected


def test_un_of_undefined_length_in_big_endian() -> None:
    """The words of Pixel Representation are those of the data set, the items are little endian."""
    signed = element(PIXEL_REPRESENTATION, "US", b"\0\1", big_endian=True)
    unknown = struct.pack(">HH2s2xI", 0x5200, 0x9229, b"UN", U)
    unknown += item(number(FIRST_MAPPED), undefined=True) + implicit(0xFFFEE0DD, b"")

    written = transcode(EXPLICIT_VR_BIG_ENDIAN, signed + unknown).data

    assert [vr for tag, vr in vrs(written, ">") if tag == FIRST_MAPPED] == ["SS"]
    assert written.endswith(struct.pack(">h", -1024))


@pytest.mark.parametrize("known", ["UN", "US"])
def test_un_that_is_converted(known: str) -> None:
    """`+uc`: the values of an object that went through somebody who knew nothing of them."""
    received = element(PIXEL_REPRESENTATION, known, b"\1\0") + element(SMALLEST, "UN", NEGATIVE)
    within = element(PIXEL_REPRESENTATION, known, b"\1\0") + element(
        0x52009229, "UN", item(number(FIRST_MAPPED))
    )

    written = transcode(EXPLICIT_VR_LITTLE_ENDIAN, received, encoding_of("+uc")).data
    written_within = transcode(EXPLICIT_VR_LITTLE_ENDIAN, within, encoding_of("+uc")).data

    assert written.endswith(element(SMALLEST, "SS", NEGATIVE))
    assert written_within.endswith(
        sequence(0x52009229, item(element(FIRST_MAPPED, "SS", NEGATIVE)))
    )


def test_explicit_vr_counts_as_it_came() -> None:
    """A sender that says US is believed, whatever Pixel Representation says."""
    received = element(PIXEL_REPRESENTATION, "US", b"\1\0") + element(SMALLEST, "US", NEGATIVE)

    assert transcode(EXPLICIT_VR_LITTLE_ENDIAN, received).data == received


def test_implicit_vr_stays_as_it_came() -> None:
    """Without VRs there is nothing to decide."""
    received = number(ZERO_VELOCITY) + representation(1) + number(SMALLEST)

    assert transcode(IMPLICIT_VR_LITTLE_ENDIAN, received).data == received
