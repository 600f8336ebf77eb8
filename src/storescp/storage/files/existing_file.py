"""The identity of an existing instance file, read from its File Meta Information, PS3.10 7.1."""

import os
import struct

_EXAMINED_BYTES = 2048
_OFFSET = 132  # preamble and prefix
_SOP_INSTANCE_UID = (0x0002, 0x0003)

_unpack_short = struct.Struct("<HH2sH").unpack_from  # PS3.5 table 7.1-2: tag, VR, length
_unpack_long = struct.Struct("<I").unpack_from  # table 7.1-1: length after two reserved bytes
_LONG_VRS = {b"OB", b"UN", b"UT", b"OW", b"SQ"}


def stored_instance_uid(path: str) -> str:
    """Return the Media Storage SOP Instance UID of a DICOM file, one character per byte.

    Empty if it is no DICOM file, has none near its beginning, or cannot be read.
    """
    try:
        # A pipe of this name must not stop us.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            start = os.read(descriptor, _EXAMINED_BYTES)
        finally:
            os.close(descriptor)
    except OSError:
        return ""
    return _instance_uid(start).rstrip(b"\0 ").decode("latin-1")


def _instance_uid(start: bytes) -> bytes:
    if start[_OFFSET - 4 : _OFFSET] != b"DICM":
        return b""
    position = _OFFSET
    while position + 12 <= len(start):
        group, element, vr, length = _unpack_short(start, position)
        position += 8
        if vr in _LONG_VRS:
            (length,) = _unpack_long(start, position)
            position += 4
        if (group, element) == _SOP_INSTANCE_UID:
            return start[position : position + length]
        if (group, element) > _SOP_INSTANCE_UID:
            return b""
        position += length
    return b""
