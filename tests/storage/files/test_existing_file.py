"""stored_file: the instance that a file is of."""

import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storescp.storage.files.existing_file import stored_instance_uid


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    if vr in {b"OB", b"UN"}:
        return struct.pack("<HH2sHI", group, number, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


PREAMBLE = bytes(128) + b"DICM"
LENGTH = element(2, 0, b"UL", bytes(4))
VERSION = element(2, 1, b"OB", b"\0\1")
CLASS = element(2, 2, b"UI", b"1.2.840.10008.5.1.4.1.1.2\0")
INSTANCE = element(2, 3, b"UI", b"1.2;3\0")
SYNTAX = element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1\0")


@pytest.mark.parametrize(
    ("content", "uid"),
    [
        (PREAMBLE + LENGTH + VERSION + CLASS + INSTANCE + SYNTAX, "1.2;3"),
        (PREAMBLE + INSTANCE, "1.2;3"),
        (PREAMBLE + LENGTH + VERSION + CLASS + SYNTAX, ""),
        (PREAMBLE + CLASS, ""),
        (PREAMBLE, ""),
        (bytes(132) + INSTANCE, ""),
        (INSTANCE, ""),
        (b"", ""),
    ],
)
def test_instance_uid_is_found_in_the_file_meta_information(
    content: bytes, uid: str, tmp_path: Path
) -> None:
    """The value of (0002,0003) without padding, or nothing."""
    path = tmp_path / "file"
    path.write_bytes(content)

    assert uid == stored_instance_uid(str(path))


def test_what_cannot_be_read_is_no_instance(tmp_path: Path) -> None:
    """Missing files, directories, links and pipes say nothing, and stop nobody."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")

    names = ("missing", ".", "link", "pipe")

    assert [stored_instance_uid(str(tmp_path / name)) for name in names] == [""] * 4


@given(st.binary(max_size=300))
def test_any_content_is_survived(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever follows the prefix, the result is a text."""
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(PREAMBLE + content)

    assert isinstance(stored_instance_uid(str(path)), str)
