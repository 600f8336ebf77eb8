import pytest
from hypothesis import given
from hypothesis import strategies as st

from storescp.serve.tls.callbacks import find_protocol


@pytest.mark.parametrize(
    ("proposed", "begin"),
    [
        (b"\x05dicom", 1),
        (b"\x02h2\x05dicom", 4),
        (b"\x02h2\x05dicom\x08http/1.1", 4),
        (b"\x02h2", None),
        (b"\x05DICOM", None),
        (b"\x06dicom2", None),
        (b"\x06xdicom", None),
        (b"\x05dico", None),
        (b"", None),
    ],
)
def test_find_protocol(proposed: bytes, begin: int | None) -> None:
    """The name must be a whole entry of the client's list."""
    assert begin == find_protocol(proposed)


@given(st.binary(max_size=40))
def test_what_is_found_is_there(proposed: bytes) -> None:
    """Whatever the list, nothing beyond it is taken for the name."""
    begin = find_protocol(proposed)

    assert begin is None or proposed[begin - 1 : begin + 5] == b"\x05dicom"
