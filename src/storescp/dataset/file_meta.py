"""Preamble and File Meta Information, PS3.10 7.1: what precedes a data set in its file."""

import struct
from functools import lru_cache

from storescp.uids import IMPLEMENTATION_CLASS_UID

_PREAMBLE = bytes(128) + b"DICM"

# PS3.5 7.1.2, explicit VR little endian: group, element, VR, length; VR OB has a longer header.
_pack_short = struct.Struct("<HH2sH").pack
_pack_group_length = struct.Struct("<HH2sHI").pack
_VERSION = struct.pack("<HH2sxxI", 0x0002, 0x0001, b"OB", 2) + b"\x00\x01"


def encode(
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax: str,
    calling_ae_title: str,
    *,
    version_name: str,
) -> bytes:
    """Return preamble, prefix and File Meta Information.

    Text is one character per byte. UIDs are padded with NUL, other texts with a blank, PS3.5 6.2.

    Args:
        sop_class_uid: Media Storage SOP Class UID (0002,0002).
        sop_instance_uid: Media Storage SOP Instance UID (0002,0003).
        transfer_syntax: Transfer Syntax UID (0002,0010) of the data set that follows.
        calling_ae_title: Source Application Entity Title (0002,0016).
        version_name: Implementation Version Name (0002,0013).
    """
    body = (
        _VERSION
        + _element(0x0002, b"UI", sop_class_uid)
        + _element(0x0003, b"UI", sop_instance_uid)
        + _constant_part(transfer_syntax, calling_ae_title, version_name)
    )
    return _PREAMBLE + _pack_group_length(0x0002, 0x0000, b"UL", 4, len(body)) + body


@lru_cache(maxsize=64)
def _constant_part(transfer_syntax: str, calling_ae_title: str, version_name: str) -> bytes:
    """Return what is the same for all instances of an association."""
    return (
        _element(0x0010, b"UI", transfer_syntax)
        + _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID)
        + _element(0x0013, b"SH", version_name)
        + _element(0x0016, b"AE", calling_ae_title)
    )


def _element(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("latin-1")
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return _pack_short(0x0002, element, vr, len(value)) + value
