"""Preamble, prefix and File Meta Information in front of a stored data set: PS3.10 7.1."""

from functools import lru_cache

from storescp.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

_PREAMBLE_AND_PREFIX = bytes(128) + b"DICM"
_WHITE_SPACE = b" \t\n\v\f\r"


def encode(
    sop_class_uid: bytes | str,
    sop_instance_uid: bytes | str,
    transfer_syntax: str,
    calling_ae_title: bytes | str,
    *,
    version_name: str = IMPLEMENTATION_VERSION_NAME,
) -> bytes:
    """Everything that stands in front of the data set, explicit VR little endian.

    White space in UIDs is removed. Texts may hold any bytes of a peer; a text of more than
    65534 bytes is cut.
    """
    start, end = _constants(transfer_syntax, _bytes(calling_ae_title), version_name)
    rest = b"".join(
        (
            start,
            _uid(b"\x02\x00\x02\x00UI", sop_class_uid),
            _uid(b"\x02\x00\x03\x00UI", sop_instance_uid),
            end,
        )
    )
    group_length = b"\x02\x00\x00\x00UL\x04\x00" + len(rest).to_bytes(4, "little")
    return _PREAMBLE_AND_PREFIX + group_length + rest


@lru_cache(maxsize=64)
def _constants(
    transfer_syntax: str, calling_ae_title: bytes, version_name: str
) -> tuple[bytes, bytes]:
    """The elements in front of the UIDs of the instance, and those behind."""
    start = b"\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01"
    end = (
        _uid(b"\x02\x00\x10\x00UI", transfer_syntax)
        + _uid(b"\x02\x00\x12\x00UI", IMPLEMENTATION_CLASS_UID)
        + _element(b"\x02\x00\x13\x00SH", version_name.encode(), b" ")
        + _element(b"\x02\x00\x16\x00AE", calling_ae_title, b" ")
    )
    return start, end


def _uid(tag_and_vr: bytes, uid: bytes | str) -> bytes:
    return _element(tag_and_vr, _bytes(uid).translate(None, _WHITE_SPACE).rstrip(b"\0"), b"\0")


def _element(tag_and_vr: bytes, value: bytes, pad: bytes) -> bytes:
    value = value[:0xFFFE]
    if len(value) & 1:
        value += pad
    return tag_and_vr + len(value).to_bytes(2, "little") + value


def _bytes(text: bytes | str) -> bytes:
    """A peer's text comes as bytes, or as a `str` that stands for bytes one to one."""
    return text if isinstance(text, bytes) else text.encode("latin-1", "surrogateescape")
