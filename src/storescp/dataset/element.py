"""Data elements as numbers: tags, VRs, and what each VR asks for. PS3.5 6.2, 7.1 and 7.5.

A tag is an `int`, group in the upper 16 bits, in every byte order. A VR is an `int`, too: its two characters, the
first in the upper 8 bits, so that a header's VR field is compared without a look-up.
"""

UNDEFINED_LENGTH = 0xFFFFFFFF
LARGEST_LENGTH = 0xFFFFFFFE
LARGEST_SHORT_LENGTH = 0xFFFE

ITEM = 0xFFFEE000
ITEM_DELIMITER = 0xFFFEE00D
SEQUENCE_DELIMITER = 0xFFFEE0DD
DELIMITERS = frozenset({ITEM, ITEM_DELIMITER, SEQUENCE_DELIMITER})

INVALID_GROUPS = frozenset({0x0001, 0x0002, 0x0003, 0x0005, 0x0007, 0xFFFF})
"""Groups that no element of a data set may have, PS3.5 7.1 and 7.8; they are stored, with a warning."""

SPECIFIC_CHARACTER_SET = 0x00080005
SOP_CLASS_UID = 0x00080016
SOP_INSTANCE_UID = 0x00080018
PATIENT_NAME = 0x00100010
STUDY_INSTANCE_UID = 0x0020000D
NUMBER_OF_FRAMES = 0x00280008
PIXEL_REPRESENTATION = 0x00280103
VOI_LUT_SEQUENCE = 0x00283010
WAVEFORM_BITS_ALLOCATED = 0x54001004
EXTENDED_OFFSET_TABLE = 0x7FE00001
EXTENDED_OFFSET_TABLE_LENGTHS = 0x7FE00002
PIXEL_DATA = 0x7FE00010
DATA_SET_TRAILING_PADDING = 0xFFFCFFFC

# How a value is written, the lowest bits of a VR's flags; 0: the VR is none of the standard's.
KIND = 0x07
TEXT = 1
"""Without blanks and NULs at its end, but for one blank to even length."""
UID = 2
"""Without white space; one NUL to even length."""
BINARY = 3
"""One NUL to even length."""
WORDS = 4
"""OW as received, whose odd lengths stay odd."""
SEQUENCE = 5

LONG = 0x08
"""Flag of VRs with a header of 12 bytes, PS3.5 table 7.1-1."""
UNIT_SHIFT = 4
UNIT = 0x03
"""Mask, behind the shift: binary logarithm of the bytes that change places with the byte order."""
RECENT = 0x40
"""Flag of VRs that are written as OB where the user wants no new VRs."""


def vr_code(name: str) -> int:
    """The number of a VR."""
    return ord(name[0]) << 8 | ord(name[1])


def vr_name(vr: int) -> str:
    """The two characters of a VR."""
    return chr(vr >> 8) + chr(vr & 0xFF)


AT, LO, OB, OW, SQ, SS, UI, UL, UN, US = map(
    vr_code, ["AT", "LO", "OB", "OW", "SQ", "SS", "UI", "UL", "UN", "US"]
)


def _flags() -> bytes:
    table = bytearray(0x10000)

    def note(names: str, flags: int) -> None:
        for name in names.split():
            table[vr_code(name)] = flags

    note("AE AS CS DA DS DT IS LO LT PN SH ST TM", TEXT)
    note("UC UR UT", TEXT | LONG | RECENT)
    note("UI", UID)
    note("US SS AT", BINARY | 1 << UNIT_SHIFT)
    note("UL SL FL", BINARY | 2 << UNIT_SHIFT)
    note("FD", BINARY | 3 << UNIT_SHIFT)
    note("OF OL", BINARY | LONG | RECENT | 2 << UNIT_SHIFT)
    note("OD OV SV UV", BINARY | LONG | RECENT | 3 << UNIT_SHIFT)
    note("UN", BINARY | LONG | RECENT)
    note("OB", BINARY | LONG)
    note("OW", WORDS | LONG | 1 << UNIT_SHIFT)
    note("SQ", SEQUENCE | LONG)
    return bytes(table)


FLAGS = _flags()
"""Flags of each VR, by its number."""


def tag_name(tag: int) -> str:
    """The tag as messages show it; that of all ones is none to the reference."""
    if tag == 0xFFFFFFFF:
        return "(????,????)"
    return f"({tag >> 16:04x},{tag & 0xFFFF:04x})"
