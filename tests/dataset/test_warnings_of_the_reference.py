"""Warnings about data that can be read but are odd: the reference's words, in the reference's order.

tests/parity/test_warnings.py sends the same data sets to DCMTK's storescp.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pytest

from storescp.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
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

UNITS = {
    # Bytes of a value; of Attribute Tag the reference counts groups and elements.
    **dict.fromkeys(["US", "SS", "OW", "AT"], 2),
    **dict.fromkeys(["UL", "SL", "FL", "OF", "OL"], 4),
    **dict.fromkeys(["FD", "OD", "OV", "SV", "UV"], 8),
}
ONE_BYTE = ["OB", "UN", "UT", "UC", "UR", "LO", "LT", "ST", "SH", "CS", "DS", "IS", "PN", "TM"]
TAG = 0x00211010
FILLER = 0x7FE10010
IMPLICIT_UIDS = implicit(0x00080016, b"1.2.840.10008.5.1.4.1.1.2\0") + implicit(
    0x00080018, b"1.2.3.4.5\0"
)
BIG_UIDS = element(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.2\0", big_endian=True) + element(
    0x00080018, "UI", b"1.2.3.4.5\0", big_endian=True
)


@dataclass(frozen=True)
class Case:
    """A data set, and the warnings about it."""

    name: str
    transfer_syntax: str
    data: bytes
    warnings: tuple[str, ...]


def odd(tag: int) -> str:
    return f"DcmItem: Length of element ({tag >> 16:04x},{tag & 0xFFFF:04x}) is odd"


def no_multiple(tag: int, vr: str, unit: int) -> str:
    return (
        f"DcmItem: Length of element ({tag >> 16:04x},{tag & 0xFFFF:04x})"
        f" is not a multiple of {unit} (VR={vr})"
    )


def odd_item(name: str, tag: int) -> str:
    return (
        f"DcmSequenceOfItems: Length of item in sequence {name}"
        f" ({tag >> 16:04x},{tag & 0xFFFF:04x}) is odd"
    )


def non_standard(tag: int, vr: str, size: int) -> str:
    first, second = vr.encode()
    return (
        f"DcmItem: Non-standard VR '{vr}' ({first:02x}\\{second:02x}) encountered while parsing"
        f" element ({tag >> 16:04x},{tag & 0xFFFF:04x}), assuming {size} byte length field"
    )


def cp_246(tag: int) -> str:
    return (
        f"DcmItem: Found element ({tag >> 16:04x},{tag & 0xFFFF:04x}) with VR=UN and undefined"
        " length, reading a sequence with transfer syntax LittleEndianImplicit (CP-246)"
    )


def case(
    name: str, content: bytes, *warnings: str, transfer_syntax: str = EXPLICIT_VR_LITTLE_ENDIAN
) -> Case:
    """A data set of even length: PDVs are, PS3.8 annex E."""
    match transfer_syntax:
        case "1.2.840.10008.1.2":
            data, filler = IMPLICIT_UIDS + content, implicit(FILLER, b"x")
        case "1.2.840.10008.1.2.2":
            data, filler = BIG_UIDS + content, element(FILLER, "LO", b"x", big_endian=True)
        case _:
            data, filler = UIDS + content, element(FILLER, "LO", b"x")
    if len(data) % 2:
        return Case(name, transfer_syntax, data + filler, (*warnings, odd(FILLER)))
    return Case(name, transfer_syntax, data, warnings)


def lengths() -> Iterator[Case]:
    """Lengths that do not fit the VR."""
    for big_endian in (False, True):
        syntax = EXPLICIT_VR_BIG_ENDIAN if big_endian else EXPLICIT_VR_LITTLE_ENDIAN
        for vr, unit in UNITS.items():
            for length in (0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 16):
                yield case(
                    f"{vr} of {length} bytes{', big endian' * big_endian}",
                    element(TAG, vr, bytes(length), big_endian=big_endian),
                    *([no_multiple(TAG, vr, unit)] if length % unit else []),
                    *([odd(TAG)] if length % 2 else []),
                    transfer_syntax=syntax,
                )
    for vr in ONE_BYTE:
        yield case(f"{vr} of 3 bytes", element(TAG, vr, b"1.2"), odd(TAG))
    for tag in (0x60003000, 0x7FE00010):
        yield case(
            f"({tag:08x}) of 3 bytes",
            element(tag, "OW", b"abc"),
            no_multiple(tag, "OW", 2),
            odd(tag),
        )
    for vr, unit, size, header in (("lt", 2, 4, 12), ("xs", 2, 2, 8), ("up", 4, 2, 8)):
        # VRs of the reference's own: element() knows the size of their headers by a standard one.
        like = "OW" if header == 12 else "US"
        data = element(TAG, like, b"abc").replace(like.encode(), vr.encode())
        warnings = (non_standard(TAG, vr, size), no_multiple(TAG, vr, unit), odd(TAG))
        yield case(f"{vr} of 3 bytes", data, *warnings)
    for length in (2, 6):
        yield case(
            f"group length of {length} bytes",
            element(0x00210000, "UL", bytes(length)) + element(TAG, "LO", b"ab"),
            no_multiple(0x00210000, "UL", 4),
        )
    # In implicit VR the reference does not look at the unit.
    for tag, length in ((0x00280010, 3), (0x00281052, 3), (0x00189073, 4), (0x7FE00010, 3)):
        yield case(
            f"({tag:08x}) of {length} bytes, implicit VR",
            implicit(tag, bytes(length)),
            *([odd(tag)] if length % 2 else []),
            transfer_syntax=IMPLICIT_VR_LITTLE_ENDIAN,
        )


def items() -> Iterator[Case]:
    """Lengths of items, at all levels and of all kinds; from the third on, their shape is known."""
    requests, protocols = 0x00400275, 0x00400008
    inside = element(0x00400009, "SH", b"abc")
    in_item = odd_item("RequestAttributesSequence", requests)
    in_nested = odd_item("ScheduledProtocolCodeSequence", protocols)
    for count in (1, 2, 5, 6):
        sequence_odd = [odd(requests)] * (count % 2)
        yield case(
            f"{count} odd items",
            sequence(requests, *[item(inside)] * count),
            *sequence_odd,
            *[in_item, odd(0x00400009)] * count,
        )
        yield case(
            f"{count} odd items, sequence of undefined length",
            sequence(requests, *[item(inside)] * count, undefined=True),
            *[in_item, odd(0x00400009)] * count,
        )
        yield case(
            f"{count} items of undefined length with an odd element",
            sequence(requests, *[item(inside, undefined=True)] * count, undefined=True),
            *[odd(0x00400009)] * count,
        )
    for count in (1, 4):
        yield case(
            f"{count} items with a length that does not fit",
            sequence(requests, *[item(element(0x00400009, "UL", bytes(6)))] * count),
            *[no_multiple(0x00400009, "UL", 4)] * count,
        )
        yield case(
            f"{count} times odd at two levels",
            sequence(requests, *[item(sequence(protocols, item(inside)))] * count),
            *[odd(requests)] * (count % 2),
            *[in_item, odd(protocols), in_nested, odd(0x00400009)] * count,
        )
        yield case(
            f"{count} times odd at two levels, implicit VR",
            implicit(
                requests, item(implicit(protocols, item(implicit(0x00400009, b"abc")))) * count
            ),
            *[odd(requests)] * (count % 2),
            *[in_item, odd(protocols), in_nested, odd(0x00400009)] * count,
            transfer_syntax=IMPLICIT_VR_LITTLE_ENDIAN,
        )
    yield case(
        "an odd item of a private sequence",
        sequence(TAG, item(inside), undefined=True),
        odd_item("Unknown Tag & Data", TAG),
        odd(0x00400009),
    )
    even = element(0x00400009, "SH", b"ab")
    yield case(
        "delimiters of odd length",
        element(requests, "SQ", implicit(0xFFFEE000, even, U), U)
        + implicit(0xFFFEE00D, b"", 1)
        + implicit(0xFFFEE0DD, b"", 1),
        odd(0xFFFEE00D),
        in_item,
    )


def fragments() -> Iterator[Case]:
    """Lengths of fragments, the offset table among them."""
    is_odd = odd_item("PixelData", 0x7FE00010)

    def pixel_data(*lengths: int) -> bytes:
        parts = [item(bytes(length)) for length in lengths]
        return element(0x7FE00010, "OB", b"".join(parts), U) + implicit(0xFFFEE0DD, b"")

    for lengths in ((0, 7), (0, 7, 8, 9), (0, 8), (3, 4), (4, 7, 9), (0, *[5] * 6)):
        yield case(
            f"fragments of {lengths} bytes",
            pixel_data(*lengths),
            *[is_odd for length in lengths if length % 2],
            transfer_syntax=JPEG,
        )
    icon = element(0x00880200, "SQ", implicit(0xFFFEE000, pixel_data(0, 3, 3), U), U)
    yield case(
        "odd fragments in an icon, too",
        icon + implicit(0xFFFEE00D, b"") + implicit(0xFFFEE0DD, b"") + pixel_data(0, 5, 6),
        *[is_odd] * 3,
        transfer_syntax=JPEG,
    )
    delimiter = implicit(0xFFFEE0DD, b"", 1)
    yield case(
        "a delimiter of odd length",
        pixel_data(0, 2)[:-8] + delimiter,
        is_odd,
        transfer_syntax=JPEG,
    )


def unknown_sequences() -> Iterator[Case]:
    """UN of undefined length, at every level, in explicit and in implicit VR (CP-246)."""
    end = implicit(0xFFFEE0DD, b"")
    even = implicit(0x00400009, b"ab")
    inner = implicit(0x00211012, item(even, undefined=True), U) + end
    explicit_unknown = element(TAG, "UN", item(even), U) + end
    requests, protocols = 0x00400275, 0x00400008

    def outer(content: bytes) -> bytes:
        return element(TAG, "UN", item(content), U) + end

    yield case("UN", explicit_unknown, cp_246(TAG))
    yield case(
        "UN that is known as a sequence",
        element(requests, "UN", item(even), U) + end,
        cp_246(requests),
    )
    for undefined in (False, True):
        yield case(
            f"UN in an item{' of undefined length' * undefined}",
            sequence(requests, item(explicit_unknown, undefined=undefined), undefined=undefined),
            cp_246(TAG),
        )
    yield case(
        "UN in five items",
        sequence(requests, *[item(explicit_unknown)] * 5),
        *[cp_246(TAG)] * 5,
    )
    yield case("private in UN", outer(inner), cp_246(TAG), cp_246(0x00211012))
    yield case(
        "private in private in UN",
        outer(implicit(0x00211012, item(inner), U) + end),
        cp_246(TAG),
        *[cp_246(0x00211012)] * 2,
    )
    yield case(
        "private in a sequence in UN",
        outer(implicit(protocols, item(inner))),
        cp_246(TAG),
        cp_246(0x00211012),
    )
    yield case(
        "a sequence of undefined length in UN",
        outer(implicit(protocols, item(even), U) + end),
        cp_246(TAG),
    )
    yield case(
        "an odd element in UN",
        outer(implicit(0x00280010, b"abc")),
        cp_246(TAG),
        odd_item("Unknown Tag & Data", TAG),
        odd(0x00280010),
    )
    nested = implicit(TAG, item(inner, undefined=True), U) + end
    for name, content, warnings in (
        ("private, implicit VR", inner, [cp_246(0x00211012)]),
        ("private in private, implicit VR", nested, [cp_246(TAG), cp_246(0x00211012)]),
        (
            "private in five items, implicit VR",
            implicit(requests, item(inner) * 5),
            [cp_246(0x00211012)] * 5,
        ),
    ):
        yield case(name, content, *warnings, transfer_syntax=IMPLICIT_VR_LITTLE_ENDIAN)
    big_endian = element(TAG, "UN", item(even), U, big_endian=True)
    yield case(
        "UN, big endian",
        big_endian + end,
        cp_246(TAG),
        transfer_syntax=EXPLICIT_VR_BIG_ENDIAN,
    )
    yield case(
        "a VR nobody knows, of undefined length",
        element(TAG, "UN", item(even), U).replace(b"UN", b"XX") + end,
        non_standard(TAG, "XX", 4),
        cp_246(TAG),
    )


def pixel_data_ox() -> Iterator[Case]:
    """OX, which some write for Pixel Data."""
    tag = 0x7FE00010

    def ox(value: bytes, tag: int = tag) -> bytes:
        return element(tag, "OW", value).replace(b"OW", b"OX")

    warnings = (
        non_standard(tag, "OX", 4),
        (
            "DcmItem: Non-standard VR 'OX' is known to be wrongly used for PixelData (7fe0,0010),"
            " setting VR to 'OW'"
        ),
    )
    yield case("OX", ox(b"ab"), *warnings)
    yield case("OX of 3 bytes", ox(b"abc"), *warnings, no_multiple(tag, "OW", 2), odd(tag))
    yield case("OX in an item", sequence(0x00880200, item(ox(b"ab"))), *warnings)
    yield case("OX elsewhere", ox(b"ab", 0x60003000), non_standard(0x60003000, "OX", 4))


def repeated() -> Iterator[Case]:
    """Elements that are dropped, and a data set out of order: each warning once."""
    twice = (
        "DcmItem: Element (0021,1010) found twice in one data set or item, ignoring second entry"
    )
    yield case(
        "another length for the same element",
        element(TAG, "US", b"abc") + element(TAG, "UL", b"abc"),
        no_multiple(TAG, "US", 2),
        odd(TAG),
        no_multiple(TAG, "UL", 4),
        odd(TAG),
        twice,
    )
    late = "DcmItem: Dataset not in ascending tag order, at element (0010,0010)"
    yield case(
        "odd, and out of order",
        element(0x60003000, "OW", b"abc") + element(0x00100010, "PN", b"D^J"),
        no_multiple(0x60003000, "OW", 2),
        odd(0x60003000),
        odd(0x00100010),
        late,
    )


Said = dict[str, list[str]]

CASES = list(
    chain(lengths(), items(), fragments(), unknown_sequences(), pixel_data_ox(), repeated())
)


def warnings_about(cases: list[Case], caplog: pytest.LogCaptureFixture, **how: Any) -> Said:
    """Return what is said of each case, by its name."""
    said = {}
    for each in cases:
        caplog.clear()
        transcode(each.transfer_syntax, each.data, **how)
        said[each.name] = caplog.messages.copy()
    return said


@pytest.mark.parametrize("step", [0, 1, 97])
def test_warnings(step: int, caplog: pytest.LogCaptureFixture) -> None:
    """What is odd is told in the reference's words, however the data arrive."""
    expected = {each.name: list(each.warnings) for each in CASES}

    assert warnings_about(CASES, caplog, step=step) == expected
    assert len(expected) == len(CASES) > 350


@pytest.mark.parametrize("options", ["+te", "+tb", "+ti", "+td", "-e", "+g", "+p 64 64"])
def test_options_change_no_warning(options: str, caplog: pytest.LogCaptureFixture) -> None:
    """The warnings are about what came, however it is written."""
    plain = [each for each in CASES if each.transfer_syntax != JPEG]
    expected = {each.name: list(each.warnings) for each in plain}

    assert warnings_about(plain, caplog, encoding=encoding_of(options)) == expected
