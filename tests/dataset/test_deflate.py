"""Deflated transfer syntax: where a stream ends, and what may stand behind it. PS3.5 A.5, RFC 1951."""

import struct
import zlib

import pytest

from storescp.errors import CannotUnderstand, OutOfResources
from tests.dataset.support import UIDS, element, encoding_of, transcode

DEFLATED = "1.2.840.10008.1.2.1.99"
DATA_SET = UIDS + b"".join(element(0x00400001 + tag, "LT", b"text" * tag) for tag in range(0x60))

FLUSH_WARNING = "the deflated data ends with a flush, not with its final block"


def deflate(data: bytes, flush: int = zlib.Z_FINISH, level: int = 6) -> bytes:
    compressor = zlib.compressobj(level, wbits=-15)
    return compressor.compress(data) + compressor.flush(flush)


def even(stream: bytes) -> bytes:
    """Return a stream as it is sent, PS3.5 A.5."""
    return stream + b"\0" * (len(stream) % 2)


def inflated(written: bytes) -> bytes:
    return zlib.decompress(written, -15)


@pytest.mark.parametrize("step", [0, 1, 3])
@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_a_whole_stream(level: int, step: int, caplog: pytest.LogCaptureFixture) -> None:
    """The pad that makes its length even is nothing to warn about."""
    for data in (DATA_SET, DATA_SET + element(0x00410010, "LO", b"ab")):
        written = transcode(DEFLATED, even(deflate(data, level=level)), step=step).data

        assert inflated(written) == data
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("count", "step"),
    [(70_000, 0), *((count, step) for count in (2, 3, 4, 8, 100) for step in (0, 1, 3))],
)
def test_zeros_behind_the_stream(count: int, step: int, caplog: pytest.LogCaptureFixture) -> None:
    """They are nobody's data: left out, and said."""
    written = transcode(DEFLATED, deflate(DATA_SET) + bytes(count), step=step).data

    assert inflated(written) == DATA_SET
    assert caplog.messages == [f"{count} zero bytes behind the deflated data, left out"]


GZIP = struct.pack("<II", zlib.crc32(DATA_SET), len(DATA_SET))
ZLIB = struct.pack(">I", zlib.adler32(DATA_SET))


@pytest.mark.parametrize("step", [0, 1, 3])
@pytest.mark.parametrize("pad", [0, 1])
@pytest.mark.parametrize(("maker", "check_sum"), [("gzip", GZIP), ("zlib", ZLIB)])
def test_a_check_sum_behind_the_stream(
    maker: str, check_sum: bytes, pad: int, step: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Some take off the header that gzip or zlib puts in front, and leave what it puts behind."""
    written = transcode(DEFLATED, deflate(DATA_SET) + check_sum + bytes(pad), step=step).data

    assert inflated(written) == DATA_SET
    assert caplog.messages == [f"{maker}'s check sum behind the deflated data, left out"]


@pytest.mark.parametrize("step", [0, 1, 3])
@pytest.mark.parametrize("check_sum", [GZIP, ZLIB])
def test_a_check_sum_of_something_else(check_sum: bytes, step: int) -> None:
    """The data was damaged, or it is no check sum."""
    wrong = bytes([check_sum[0] ^ 1]) + check_sum[1:]

    with pytest.raises(CannotUnderstand, match="more behind the end of the deflated data"):
        transcode(DEFLATED, deflate(DATA_SET) + wrong, step=step)


@pytest.mark.parametrize("step", [0, 1, 3])
@pytest.mark.parametrize(
    "behind", [b"ab", bytes(63) + b"a", deflate(DATA_SET), element(0x00410010, "LO", b"ab")]
)
def test_anything_else_behind_the_stream(behind: bytes, step: int) -> None:
    """It may be data: nothing is lost in silence."""
    with pytest.raises(CannotUnderstand, match="more behind the end of the deflated data"):
        transcode(DEFLATED, deflate(DATA_SET) + behind, step=step)


@pytest.mark.parametrize("step", [0, 1, 3])
@pytest.mark.parametrize("pad", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("level", [0, 1, 6, 9])
@pytest.mark.parametrize("flush", [zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH])
def test_a_stream_without_its_final_block(
    flush: int, level: int, pad: int, step: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Who flushes and forgets to finish has sent all data; they are stored."""
    written = transcode(DEFLATED, deflate(DATA_SET, flush, level) + bytes(pad), step=step).data

    assert inflated(written) == DATA_SET
    assert caplog.messages == [FLUSH_WARNING]


def test_a_flush_in_the_midst() -> None:
    """One who flushes now and then ends as anybody does."""
    compressor = zlib.compressobj(wbits=-15)
    pieces = [DATA_SET[begin : begin + 100] for begin in range(0, len(DATA_SET), 100)]
    stream = b"".join(
        compressor.compress(piece) + compressor.flush(zlib.Z_SYNC_FLUSH) for piece in pieces
    )

    assert inflated(transcode(DEFLATED, stream + compressor.flush()).data) == DATA_SET


def test_a_flush_within_an_element() -> None:
    """The stream is as good as whole, the data set is not."""
    stream = deflate(DATA_SET[:-3], zlib.Z_SYNC_FLUSH)

    with pytest.raises(Exception, match=r"Invalid stream|ends before|stray bytes"):
        transcode(DEFLATED, stream)


def test_a_stream_that_is_cut() -> None:
    """Wherever that is, at the end of an element, too: that what came makes sense proves nothing."""
    whole = deflate(DATA_SET)
    compressor = zlib.compressobj(wbits=-15)
    at_an_element = compressor.compress(UIDS) + compressor.flush(zlib.Z_PARTIAL_FLUSH)

    for cut in [at_an_element, *(whole[:length] for length in range(1, len(whole)))]:
        with pytest.raises(CannotUnderstand, match="ends before its time"):
            transcode(DEFLATED, cut)


@pytest.mark.parametrize(
    "stream", [deflate(b""), deflate(b"", zlib.Z_SYNC_FLUSH), b"\1\0\0\xff\xff\0"]
)
def test_a_stream_of_nothing(stream: bytes) -> None:
    """A data set without elements: it lacks its UIDs (status C000), and its file holds a stream of nothing, as DCMTK's."""
    transcoded = transcode(DEFLATED, stream)

    assert transcoded.data == b"\3\0"
    assert transcoded.attributes == (None,) * 5
    assert transcode(DEFLATED, stream, encoding_of("+te")).data == b""


def test_nothing_at_all() -> None:
    """No stream is another thing, as in DCMTK: status A700."""
    with pytest.raises(OutOfResources, match="the data set is empty"):
        transcode(DEFLATED, b"")
