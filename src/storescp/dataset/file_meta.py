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
    instance = _uid_value(sop_instance_uid)
    before, after = _around_instance_uid(
        sop_class_uid,
        len(instance),
        transfer_syntax,
        calling_ae_title,
        version_name,
    )
    return before + instance + after


@lru_cache(maxsize=256)
def _around_instance_uid(
    sop_class_uid: bytes | str,
    instance_length: int,
    transfer_syntax: str,
    calling_ae_title: bytes | str,
    version_name: str,
) -> tuple[bytes, bytes]:
    """Return the bytes before and behind the instance UID: they are the same for most objects of an association."""
    before = (
        b"\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01"
        + _element(b"\x02\x00\x02\x00UI", _uid_value(sop_class_uid))
        + b"\x02\x00\x03\x00UI"
        + instance_length.to_bytes(2, "little")
    )
    after = (
        _element(b"\x02\x00\x10\x00UI", _uid_value(transfer_syntax))
        + _element(b"\x02\x00\x12\x00UI", _uid_value(IMPLEMENTATION_CLASS_UID))
        + _element(b"\x02\x00\x13\x00SH", _even(version_name.encode(), b" "))
        + _element(b"\x02\x00\x16\x00AE", _even(_bytes(calling_ae_title), b" "))
    )
    length = len(before) + instance_length + len(after)
    group_length = b"\x02\x00\x00\x00UL\x04\x00" + length.to_bytes(4, "little")
    return _PREAMBLE_AND_PREFIX + group_length + before, after


def _uid_value(uid: bytes | str) -> bytes:
    return _even(_bytes(uid).translate(None, _WHITE_SPACE).rstrip(b"\0"), b"\0")


def _element(tag_and_vr: bytes, value: bytes) -> bytes:
    return tag_and_vr + len(value).to_bytes(2, "little") + value


def _even(value: bytes, pad: bytes) -> bytes:
    """`value`, if need be with a byte more, and no longer than an element with a short length may be."""
    value = value[:0xFFFE]
    return value + pad if len(value) & 1 else value


def _bytes(text: bytes | str) -> bytes:
    """A peer's text comes as bytes, or as a `str` that stands for bytes one to one."""
    return text if isinstance(text, bytes) else text.encode("latin-1", "surrogateescape")
