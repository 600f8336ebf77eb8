"""What may stand behind the last element and means nothing: left out, with a warning, and the object is stored."""

import zlib

import pytest

from storescp.errors import CannotUnderstand, ProtocolError, StorescpError
from tests.dataset.support import encoding_of, transcode
from tests.peers.dicom import Syntax

SYNTAXES = {
    "1.2.840.10008.1.2": Syntax(explicit=False),
    "1.2.840.10008.1.2.1": Syntax(),
    "1.2.840.10008.1.2.2": Syntax(order=">"),
    "1.2.840.10008.1.2.4.50": Syntax(),
}
DEFLATED = "1.2.840.10008.1.2.1.99"
ITEM_DELIMITER = 0xFFFEE00D
SEQUENCE_DELIMITER = 0xFFFEE0DD

ITEM_WARNING = "an Item Delimitation Item behind the last element, left out"
SEQUENCE_WARNING = "a Sequence Delimitation Item behind the last element, left out"


def zeros_warning(count: int) -> str:
    return f"{count} zero bytes behind the last element, left out"


def data_set(syntax: Syntax) -> bytes:
    """Return a data set whose last element is a sequence's or a value's end."""
    return (
        syntax.element(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.88.22")
        + syntax.element(0x00080018, "UI", "1.2.3.4")
        + syntax.element(0x00100010, "PN", "Meyer^Max")
        + syntax.sequence(0x0040A730, syntax.element(0x00080104, "LO", "inside"))
    )


@pytest.mark.parametrize("step", [0, 1, 7])
@pytest.mark.parametrize("length", [0, 4, 0xFFFFFFFF])
@pytest.mark.parametrize("uid", SYNTAXES)
def test_an_item_delimiter_at_the_end(
    uid: str, length: int, step: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Makers of reports close an item that was never begun; all elements are there."""
    syntax = SYNTAXES[uid]
    data = data_set(syntax)

    written = transcode(uid, data + syntax.bare(ITEM_DELIMITER, length), step=step).data

    assert written == data
    assert caplog.messages == [ITEM_WARNING]


@pytest.mark.parametrize(
    ("count", "step"),
    [
        (70_001, 0),
        (70_001, 7),
        *(
            (count, step)
            for count in (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 100, 128, 4096)
            for step in (0, 1, 7)
        ),
    ],
)
@pytest.mark.parametrize("uid", SYNTAXES)
def test_zero_bytes_at_the_end(
    uid: str, count: int, step: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Some fill the data set up to a block; zeros are nobody's value."""
    data = data_set(SYNTAXES[uid])

    written = transcode(uid, data + bytes(count), step=step).data

    assert written == data
    assert caplog.messages == [zeros_warning(count)]


@pytest.mark.parametrize("uid", SYNTAXES)
def test_one_zero_byte_is_the_pad_of_an_odd_data_set(
    uid: str, caplog: pytest.LogCaptureFixture
) -> None:
    """PS3.8 annex E: fragments are even. That is nothing to warn about."""
    data = data_set(SYNTAXES[uid])

    assert transcode(uid, data + b"\0").data == data
    assert caplog.messages == []


@pytest.mark.parametrize("uid", SYNTAXES)
def test_delimiters_and_zeros_together(uid: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each kind is told once."""
    syntax = SYNTAXES[uid]
    data = data_set(syntax)
    end_of_item = syntax.bare(ITEM_DELIMITER, 0)
    end_of_sequence = syntax.bare(SEQUENCE_DELIMITER, 0)
    behind = end_of_item + end_of_sequence + end_of_item + end_of_sequence + bytes(10)

    written = transcode(uid, data + behind).data

    assert written == data
    assert sorted(caplog.messages) == sorted([ITEM_WARNING, SEQUENCE_WARNING, zeros_warning(10)])


@pytest.mark.parametrize("options", ["-e", "+g", "-g", "+te", "+ti", "+tb", "+p 0 64", "+uc", "-u"])
def test_it_is_left_out_before_anything_else(options: str) -> None:
    """What is written is what would be written of the data set without it."""
    for uid in list(SYNTAXES)[:3]:
        syntax = SYNTAXES[uid]
        data = data_set(syntax)
        expected = transcode(uid, data, encoding_of(options)).data

        delimited = transcode(uid, data + syntax.bare(ITEM_DELIMITER, 0), encoding_of(options)).data
        filled = transcode(uid, data + bytes(64), encoding_of(options)).data

        assert (delimited, filled) == (expected, expected)


def test_within_a_deflated_data_set(caplog: pytest.LogCaptureFixture) -> None:
    """It stands behind what is inflated."""
    syntax = Syntax()
    data = data_set(syntax)
    compressor = zlib.compressobj(wbits=-15)
    stream = compressor.compress(data + syntax.bare(ITEM_DELIMITER, 0)) + compressor.flush()

    written = transcode(DEFLATED, stream).data

    assert zlib.decompress(written, -15) == data
    assert caplog.messages == [ITEM_WARNING]


def test_behind_a_data_set_out_of_order() -> None:
    """The rest is left out, the elements are sorted."""
    syntax = Syntax()
    first = syntax.element(0x00080016, "UI", "1.2")
    second = syntax.element(0x00080018, "UI", "1.2.3")

    written = transcode("1.2.840.10008.1.2.1", second + first + bytes(6)).data

    assert written == first + second


@pytest.mark.parametrize("uid", SYNTAXES)
@pytest.mark.parametrize(
    "behind",
    [
        b"    ",
        b"\r\n",
        b"\xff" * 6,
        b"\0\0\0\x01",
        bytes(63) + b"\x01",
        bytes(64) + b"\x01\x00",
    ],
)
def test_anything_else_is_no_rubbish(uid: str, behind: bytes) -> None:
    """Bytes that are not zero may have been a value: the object is refused."""
    with pytest.raises(StorescpError) as caught:
        transcode(uid, data_set(SYNTAXES[uid]) + behind)

    assert isinstance(caught.value, CannotUnderstand | ProtocolError)


@pytest.mark.parametrize("step", [0, 1, 7])
@pytest.mark.parametrize("uid", SYNTAXES)
def test_elements_behind_a_delimiter(uid: str, step: int) -> None:
    """They would be lost: DCMTK drops them and says that all is well."""
    syntax = SYNTAXES[uid]
    data = (
        data_set(syntax) + syntax.bare(ITEM_DELIMITER, 0) + syntax.element(0x00410010, "LO", "lost")
    )

    with pytest.raises(CannotUnderstand, match="an Item Delimitation Item outside of any item"):
        transcode(uid, data, step=step)


@pytest.mark.parametrize("step", [0, 1, 7])
@pytest.mark.parametrize("count", [8, 16, 48])
def test_zeros_in_front_of_elements_of_implicit_vr(count: int, step: int) -> None:
    """Eight of them are a group length of group 0000 without a value, which DCMTK makes an element of."""
    syntax = Syntax(explicit=False)
    data = data_set(syntax)
    more = syntax.element(0x00410010, "LO", "more")

    written = transcode("1.2.840.10008.1.2", data + bytes(count) + more, step=step).data

    assert written == syntax.number(0, "UL", 0) + data + more


def test_a_group_length_of_group_0000_where_it_belongs() -> None:
    """At the begin eight zeros are an element, as ever."""
    syntax = Syntax(explicit=False)
    data = data_set(syntax)

    written = transcode("1.2.840.10008.1.2", bytes(8) + data).data

    assert written == syntax.number(0, "UL", 0) + data
