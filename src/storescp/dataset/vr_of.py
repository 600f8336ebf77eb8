"""Which VR an element has that does not say so, or says what is none: PS3.5 6.2.2, 7.1.3 and A.1.

The decisions are the reference's, made while it reads: what precedes an element in its item counts.
"""

from storescp.dataset.dictionary import Dictionary
from storescp.dataset.element import (
    NON_STANDARD_VRS,
    OB,
    OW,
    PIXEL_DATA,
    SQ,
    SS,
    UL,
    UN,
    UNDEFINED_LENGTH,
    US,
    VR,
    VRS,
)
from storescp.dataset.level import Level
from storescp.dataset.plan import SIGNED_LIKE_PIXELS, WAVEFORM_TAGS
from storescp.errors import InvalidDataSet


def implicit_vr(dictionary: Dictionary, level: Level, tag: int) -> VR:
    """The VR of an element of implicit VR, as the reference decides while it reads."""
    name = _look_up(dictionary, level, tag)
    if name is None:
        return UN
    vr = VRS.get(name)
    if vr is not None:
        return vr
    if name == "xs":
        signed = tag in SIGNED_LIKE_PIXELS and level.pixel_representation == 1
        return SS if signed else US
    if name == "ox" and tag in WAVEFORM_TAGS:
        return OW if level.waveform_bits not in (0, 8) else OB
    if name in ("ox", "px"):
        return OW if _is_pixel_or_overlay_data(tag) else OB
    return {"lt": OW, "up": UL, "pi": OB}.get(name, UN)


def known_vr(dictionary: Dictionary, level: Level, tag: int) -> VR | None:
    """What the dictionary makes of an element that came as UN."""
    name = _look_up(dictionary, level, tag)
    if name is None or name == "UN":
        return None
    ambiguous = {"xs": US, "lt": OW, "px": OW, "ox": OW, "up": UL}
    return VRS.get(name) or ambiguous.get(name)


def non_standard_vr(tag: int, code: bytes) -> tuple[VR, bool]:
    """How a VR field is read that the standard does not know: as which VR, with long header?

    Raises:
        InvalidDataSet: not even the reference reads on.
    """
    if code == b"na":
        raise InvalidDataSet("Invalid tag")
    if code == b"pi" or not all(0x20 <= byte <= 0x7F for byte in code):
        raise InvalidDataSet("Item Delimitation Item missing")
    if code == b"ox" and _is_pixel_or_overlay_data(tag):
        return OW, True
    if code == b"OX" and tag == PIXEL_DATA:
        return OW, True
    if code in NON_STANDARD_VRS:
        return NON_STANDARD_VRS[code]
    return UN, code.isalpha() and code.isupper()


def settled_vr(tag: int, length: int) -> VR:
    """What must be known of an element that a first pass wrote in implicit VR."""
    if length == UNDEFINED_LENGTH:
        return OB if tag == PIXEL_DATA else SQ
    return OW if tag & 0xFFFF else UL


def _look_up(dictionary: Dictionary, level: Level, tag: int) -> str | None:
    if tag & 0x10000 and tag & 0xFFFF >= 0x1000 and level.creators:
        creator = level.creators.get(tag >> 16 << 16 | tag >> 8 & 0xFF)
        if creator is not None:
            return dictionary.private_vr(creator, tag)
    return dictionary.vr(tag)


def _is_pixel_or_overlay_data(tag: int) -> bool:
    return tag == PIXEL_DATA or tag & 0xFF01FFFF == 0x60003000
