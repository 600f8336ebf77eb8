"""The VR of an element that states none, or an invalid one: PS3.5 6.2.2, 7.1.3 and A.1.

Decisions are made while the data set is read: what precedes an element in its item, or in the levels around, counts.
"""

from storescp.dataset.dictionary import Dictionary
from storescp.dataset.element import FLAGS, LONG, OB, OW, PIXEL_DATA, SS, UL, UN, US, vr_code
from storescp.dataset.level import Level
from storescp.errors import InvalidDataSet

_CURVE_DATA = 0x50003000
_WAVEFORM_TAGS = frozenset({0x54001010, 0x5400100A, 0x54000110, 0x54000112})

# VR fields that are no VR of the standard, and are read as one of it by the reference; whether the length field has
# 4 bytes behind 2 reserved ones follows from that VR. `ox` depends on the tag.
_INTERNAL_VRS = {
    vr_code("px"): OW,
    vr_code("lt"): OW,
    vr_code("ox"): OB,
    vr_code("xs"): US,
    vr_code("up"): UL,
}
_NA, _OX, _PI, _ox = map(vr_code, ("na", "OX", "pi", "ox"))


def implicit_vr(dictionary: Dictionary, level: Level, tag: int) -> int:
    """The VR of an element of implicit VR."""
    name = _look_up(dictionary, level, tag)
    if name is None:
        return UN
    code = vr_code(name)
    if FLAGS[code]:
        return code
    if name == "xs":
        return SS if level.representation == 1 else US
    if name == "ox" and tag in _WAVEFORM_TAGS:
        return OW if level.waveform_bits not in (0, 8) else OB
    if name in ("ox", "px"):
        return OW if _is_pixel_or_overlay_data(tag) else OB
    return {"lt": OW, "up": UL, "pi": OB}.get(name, UN)


def depends_on_others(tag: int, name: str | None) -> bool:
    """Tell whether the VR of an element of implicit VR can differ from item to item."""
    return name == "xs" or (name == "ox" and tag in _WAVEFORM_TAGS)


def known_vr(dictionary: Dictionary, level: Level, tag: int) -> int:
    """The VR that the dictionary knows of an element that came as UN; UN if it knows none."""
    name = _look_up(dictionary, level, tag)
    if name == "ox":
        return OB if _has_bytes(level, tag) else OW
    if name in ("px", "lt"):
        return OW
    return UN if name is None else implicit_vr(dictionary, level, tag)


def _has_bytes(level: Level, tag: int) -> bool:
    """Tell whether values of a waveform or curve that came as UN are no 16-bit words, PS3.5 8.3 and A.2."""
    if tag in _WAVEFORM_TAGS:
        return level.waveform_bits == 8
    representation = level.curve_representation - (tag & 0xFFFF0000)
    return tag & 0xFF01FFFF == _CURVE_DATA and representation in (2, 3, 4)


def non_standard_vr(tag: int, code: int) -> tuple[int, bool]:
    """The VR as which a VR field is read that the standard does not know, and whether its header is long.

    Raises:
        InvalidDataSet: not even the reference reads on.
    """
    if code == _NA:
        raise InvalidDataSet("Invalid tag")
    first, second = code >> 8, code & 0xFF
    if code == _PI or not (0x20 <= first <= 0x7F and 0x20 <= second <= 0x7F):
        raise InvalidDataSet("Item Delimitation Item missing")
    if (code == _ox and _is_pixel_or_overlay_data(tag)) or (code == _OX and tag == PIXEL_DATA):
        return OW, True
    vr = _INTERNAL_VRS.get(code)
    if vr is not None:
        return vr, bool(FLAGS[vr] & LONG)
    return UN, 0x41 <= first <= 0x5A and 0x41 <= second <= 0x5A


def _look_up(dictionary: Dictionary, level: Level, tag: int) -> str | None:
    if tag & 0x10000 and tag & 0xFFFF >= 0x1000 and level.creators:
        creator = level.creators.get(tag >> 16 << 16 | tag >> 8 & 0xFF)
        if creator is not None:
            return dictionary.private_vr(creator, tag)
    return dictionary.vr(tag)


def _is_pixel_or_overlay_data(tag: int) -> bool:
    return tag == PIXEL_DATA or tag & 0xFF01FFFF == 0x60003000
