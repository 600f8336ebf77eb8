"""File Meta Information: byte for byte, and read by pydicom."""

import io

from hypothesis import given
from hypothesis import strategies as st

from storescp.dataset.file_meta import encode
from storescp.uids import BIT_PRESERVING_VERSION_NAME
from tests.dataset.support import element

CT = "1.2.840.10008.5.1.4.1.1.2"


def test_eight_elements_in_front() -> None:
    """Preamble, prefix, and exactly the elements that the reference writes, in its order."""
    rest = (
        element(0x00020001, "OB", b"\0\1")
        + element(0x00020002, "UI", b"1.2.840.10008.5.1.4.1.1.2\0")
        + element(0x00020003, "UI", b"1.2.3.4.5\0")
        + element(0x00020010, "UI", b"1.2.840.10008.1.2.1\0")
        + element(0x00020012, "UI", b"1.2.276.0.7230010.3.0.3.7.0\0")
        + element(0x00020013, "SH", b"OFFIS_DCMTK_370 ")
        + element(0x00020016, "AE", b"SCU ")
    )
    length = element(0x00020000, "UL", len(rest).to_bytes(4, "little"))

    written = encode(CT, b"1.2.3.4.5", "1.2.840.10008.1.2.1", "SCU")

    assert bytes(128) + b"DICM" + length + rest == written
    assert len(written) == 310


def test_version_name_of_the_bit_preserving_mode() -> None:
    """The mode can be told from the file."""
    written = encode(CT, "1.2", "1.2", "SCU", version_name=BIT_PRESERVING_VERSION_NAME)

    assert b"SH\x10\0OFFIS_DCMBP_370 " in written


def test_values_as_peers_send_them() -> None:
    """White space leaves UIDs, an AE title keeps its leading blanks, empty UIDs stay empty."""
    written = encode(b" 1.2 .3\0\0", b"", "1.2.840.10008.1.2.1", b"  A")

    assert element(0x00020002, "UI", b"1.2.3\0") + element(0x00020003, "UI", b"") in written
    assert written.endswith(element(0x00020016, "AE", b"  A "))


@given(uid=st.binary(max_size=70), title=st.text(max_size=20))
def test_any_text_gives_a_sound_header(uid: bytes, title: str) -> None:
    """Whatever a peer sends, lengths stay even and pydicom finds the group's end."""
    import pydicom

    title = title.encode("utf-8").decode("latin-1")
    written = encode(uid, uid, "1.2.840.10008.1.2.1", title)

    assert len(written) % 2 == 0
    file = io.BytesIO(written + b"data")
    assert pydicom.dcmread(io.BytesIO(written)).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    length = int.from_bytes(written[140:144], "little")
    file.seek(144 + length)
    assert file.read() == b"data"
