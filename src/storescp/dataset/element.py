"""Data element headers in every transfer syntax, and what each VR asks for: PS3.5 6.2, 7.1 and 7.5.

A tag is an `int`, group in the upper 16 bits, in every byte order.
"""

import struct
from dataclasses import dataclass, field
from enum import Enum

UNDEFINED_LENGTH = 0xFFFFFFFF
LARGEST_LENGTH = 0xFFFFFFFE
LARGEST_SHORT_LENGTH = 0xFFFE

ITEM = 0xFFFEE000
ITEM_DELIMITER = 0xFFFEE00D
SEQUENCE_DELIMITER = 0xFFFEE0DD
DELIMITERS = frozenset({ITEM, ITEM_DELIMITER, SEQUENCE_DELIMITER})

INVALID_GROUPS = frozenset({0x0001, 0x0002, 0x0003, 0x0005, 0x0007, 0xFFFF})
"""Those that no element of a data set may have, PS3.5 7.1 and 7.8; they are stored, and remarked upon."""
LAST_OF_LOW_GROUPS = 0x0007FFFF
"""Most groups up to this tag are invalid, and none of them is usual."""

SPECIFIC_CHARACTER_SET = 0x00080005
SOP_CLASS_UID = 0x00080016
SOP_INSTANCE_UID = 0x00080018
PATIENT_NAME = 0x00100010
STUDY_INSTANCE_UID = 0x0020000D
PIXEL_REPRESENTATION = 0x00280103
VOI_LUT_SEQUENCE = 0x00283010
WAVEFORM_BITS_ALLOCATED = 0x54001004
PIXEL_DATA = 0x7FE00010
DATA_SET_TRAILING_PADDING = 0xFFFCFFFC


class Value(Enum):
    """What a value of some VR needs before it is written."""

    TEXT = "text"  # no blanks and NULs at the end but one blank to even length
    UID = "uid"  # no white space; one NUL to even length
    BINARY = "binary"  # one NUL to even length
    WORDS = "words"  # as it is: OW, whose odd lengths stay odd
    SEQUENCE = "sequence"


@dataclass(frozen=True, slots=True)
class VR:
    """A value representation, PS3.5 table 6.2-1."""

    name: str
    value: Value
    long: bool = False  # a header of 12 bytes, PS3.5 table 7.1-1
    unit: int = 1  # bytes that change places with the byte order
    recent: bool = False  # written as OB where the user wants no new VRs
    is_text: bool = field(init=False)  # characters, UIDs included

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_text", self.value in (Value.TEXT, Value.UID))


def _table() -> dict[str, VR]:
    short_text = (
        VR(name, Value.TEXT)
        for name in ["AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM"]
    )
    long_text = (VR(name, Value.TEXT, long=True, recent=True) for name in ("UC", "UR", "UT"))
    units = {"US": 2, "SS": 2, "AT": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8}
    numbers = (VR(name, Value.BINARY, unit=unit) for name, unit in units.items())
    units = {"OF": 4, "OL": 4, "OD": 8, "OV": 8, "SV": 8, "UV": 8, "UN": 1}
    others = (
        VR(name, Value.BINARY, long=True, unit=unit, recent=True) for name, unit in units.items()
    )
    rest = (
        VR("UI", Value.UID),
        VR("OB", Value.BINARY, long=True),
        VR("OW", Value.WORDS, long=True, unit=2),
        VR("SQ", Value.SEQUENCE, long=True),
    )
    return {vr.name: vr for vr in (*short_text, *long_text, *numbers, *others, *rest)}


VRS = _table()
LO, OB, OW, SQ, SS, UL, UN, US = (
    VRS[name] for name in ["LO", "OB", "OW", "SQ", "SS", "UL", "UN", "US"]
)

VRS_BY_CODE = {vr.name.encode(): vr for vr in VRS.values()}

# How the reference reads VR fields that are no VR of the standard: as what, and whether the
# length field has 4 bytes behind 2 reserved ones. `ox` depends on the tag.
NON_STANDARD_VRS = {
    b"px": (OW, True),
    b"lt": (OW, True),
    b"ox": (OB, True),
    b"xs": (US, False),
    b"up": (UL, False),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """How the headers of one transfer syntax lie in memory, PS3.5 7.1.2, 7.1.3 and 7.3."""

    implicit_vr: bool
    little_endian: bool
    tag: struct.Struct  # group, element
    tag_length: struct.Struct  # group, element, 32-bit length: implicit VR, items, delimiters
    fields: struct.Struct  # group, element, VR as a number, 16-bit length: for the fast path
    tag_vr_length: struct.Struct  # group, element, VR, 16-bit length or reserved bytes
    long_header: struct.Struct  # group, element, VR, 2 reserved bytes, 32-bit length
    length: struct.Struct  # a 32-bit length
    short_length: struct.Struct  # a 16-bit length

    def header(self, tag: int, vr: VR, length: int) -> bytes:
        """The header of an element; `length` fits its field."""
        if self.implicit_vr:
            return self.tag_length.pack(tag >> 16, tag & 0xFFFF, length)
        layout = self.long_header if vr.long else self.tag_vr_length
        return layout.pack(tag >> 16, tag & 0xFFFF, vr.name.encode(), length)

    def header_size(self, vr: VR) -> int:
        """Bytes of the header of an element."""
        return 12 if vr.long and not self.implicit_vr else 8

    def delimiter(self, tag: int, length: int = 0) -> bytes:
        """The header of an item, or a delimiter."""
        return self.tag_length.pack(tag >> 16, tag & 0xFFFF, length)


def _layout(order: str, *, implicit_vr: bool) -> Layout:
    return Layout(
        implicit_vr=implicit_vr,
        little_endian=order == "<",
        tag=struct.Struct(order + "HH"),
        tag_length=struct.Struct(order + "HHI"),
        fields=struct.Struct(order + "HHHH"),
        tag_vr_length=struct.Struct(order + "HH2sH"),
        long_header=struct.Struct(order + "HH2s2xI"),
        length=struct.Struct(order + "I"),
        short_length=struct.Struct(order + "H"),
    )


EXPLICIT_LITTLE_ENDIAN = _layout("<", implicit_vr=False)
EXPLICIT_BIG_ENDIAN = _layout(">", implicit_vr=False)
IMPLICIT_LITTLE_ENDIAN = _layout("<", implicit_vr=True)


def tag_name(tag: int) -> str:
    """The tag as messages show it; that of all ones is none to the reference."""
    if tag == 0xFFFFFFFF:
        return "(????,????)"
    return f"({tag >> 16:04x},{tag & 0xFFFF:04x})"
