"""Deflated transfer syntax, PS3.5 A.5: raw deflate (RFC 1951) in both directions, in bounded steps."""

import logging
import struct
import zlib
from collections.abc import Iterator

from storescp.dataset.encoding import Output
from storescp.errors import CannotUnderstand, InvalidDataSet, Limit, OutOfResources

_logger = logging.getLogger("dcmtk.dcmdata")

_MOST_AT_ONCE = 0x40000
_RAW_DEFLATE = -zlib.MAX_WBITS

_FLUSH = b"\0\0\xff\xff"
"""The end of a stored block without data, at which zlib's `Z_SYNC_FLUSH` and `Z_FULL_FLUSH` leave a stream."""

_LONGEST_TAIL = 16  # bytes; zlib refuses more than four zeros behind a flush
_LONGEST_CHECK_SUM = 8  # bytes: gzip's, RFC 1952; zlib's has 4, RFC 1950

_MORE_BEHIND = "there is more behind the end of the deflated data"


class Inflater:
    """Inflates a data set while it arrives."""

    def __init__(self, limit: int | None) -> None:
        """`limit`: most bytes to inflate to."""
        self._decompressor = zlib.decompressobj(_RAW_DEFLATE)
        self._room = limit
        self._tail = b""  # the last bytes of what has come of the stream
        self._behind = b""  # the first bytes behind its end
        self._zeros = 0  # behind those
        self._length = 0  # of what was inflated
        self._crc = 0
        self._adler = 1
        self.received = False
        """True if any of the stream has come."""

    def finish(self) -> None:
        """The data set has come: check that all of it could be inflated.

        A stream that ends with a flush in place of its final block holds all data that its maker had.

        Raises:
            CannotUnderstand: it was cut off, or is followed by more than zeros and a check sum.
        """
        if self._decompressor.eof:
            self._check_behind()
        elif self._tail.rstrip(b"\0").endswith(_FLUSH):
            _logger.warning("the deflated data ends with a flush, not with its final block")
        else:
            raise CannotUnderstand("the deflated data set ends before its time")

    def inflate(self, fragment: memoryview) -> Iterator[memoryview]:
        """Yield what a fragment inflates to.

        Raises:
            InvalidDataSet: the stream is not raw deflate.
            OutOfResources: it inflates to more than the limit.
            CannotUnderstand: it is followed by more than zeros and a check sum.
        """
        if not fragment:
            return
        self.received = True
        if self._decompressor.eof:
            self._take_behind(bytes(fragment))
            return
        self._tail = (self._tail + bytes(fragment[-_LONGEST_TAIL:]))[-_LONGEST_TAIL:]
        compressed: bytes | memoryview = fragment
        while compressed and not self._decompressor.eof:
            try:
                piece = self._decompressor.decompress(compressed, _MOST_AT_ONCE)
            except zlib.error as error:
                raise InvalidDataSet(f"cannot inflate the data set: {error}") from error
            compressed = self._decompressor.unconsumed_tail
            yield self._counted(piece)
            # A full piece may have left more in the decompressor than in its input.
            while len(piece) == _MOST_AT_ONCE and not compressed and not self._decompressor.eof:
                piece = self._decompressor.decompress(b"", _MOST_AT_ONCE)
                yield self._counted(piece)
        if self._decompressor.eof:
            self._take_behind(self._decompressor.unused_data)

    def _counted(self, piece: bytes) -> memoryview:
        if self._room is not None:
            self._room -= len(piece)
            if self._room < 0:
                raise OutOfResources(
                    "the deflated data set inflates to more than is allowed",
                    limit=Limit.INFLATED_SIZE,
                )
        self._length += len(piece)
        self._crc = zlib.crc32(piece, self._crc)
        self._adler = zlib.adler32(piece, self._adler)
        return memoryview(piece)

    def _take_behind(self, rest: bytes) -> None:
        """Take bytes behind the end of the stream."""
        kept = _LONGEST_CHECK_SUM - len(self._behind)
        self._behind += rest[:kept]
        if rest[kept:].strip(b"\0"):
            raise CannotUnderstand(_MORE_BEHIND)
        self._zeros += len(rest[kept:])

    def _check_behind(self) -> None:
        """Check what is behind the end of the stream: nobody's data may be among it."""
        gzip = struct.pack("<II", self._crc, self._length & 0xFFFFFFFF)
        check_sums = {"gzip": gzip, "zlib": struct.pack(">I", self._adler)}
        zeros = self._behind
        if zeros.strip(b"\0"):
            for maker, check_sum in check_sums.items():
                if zeros.startswith(check_sum) and not zeros[len(check_sum) :].strip(b"\0"):
                    _logger.warning("%s's check sum behind the deflated data, left out", maker)
                    zeros = zeros[len(check_sum) :]
                    break
            else:
                raise CannotUnderstand(_MORE_BEHIND)
        count = len(zeros) + self._zeros
        if count > 1:  # one makes the length even, PS3.5 A.5
            _logger.warning("%d zero bytes behind the deflated data, left out", count)


class Deflater:
    """Compresses a data set as zlib does with its defaults; the stream gets no padding."""

    def __init__(self, output: Output, level: int) -> None:
        """`level`: 0 to 9."""
        self._output = output
        self._compressor = zlib.compressobj(level, zlib.DEFLATED, _RAW_DEFLATE)

    def write(self, chunk: memoryview) -> None:
        """Compress `chunk`."""
        compressed = self._compressor.compress(chunk)
        if compressed:
            self._output.write(compressed)

    def finish(self) -> None:
        """End the stream."""
        self._output.write(self._compressor.flush())
