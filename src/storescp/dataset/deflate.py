"""Deflated transfer syntax, PS3.5 A.5: raw deflate (RFC 1951) in both directions, in bounded steps."""

import zlib
from collections.abc import Iterator

from storescp.dataset.encoding import Output
from storescp.errors import InvalidDataSet, Limit, OutOfResources

_MOST_AT_ONCE = 0x40000
_RAW_DEFLATE = -zlib.MAX_WBITS


class Inflater:
    """Inflates a data set while it arrives."""

    def __init__(self, limit: int | None) -> None:
        """`limit`: most bytes to inflate to."""
        self._decompressor = zlib.decompressobj(_RAW_DEFLATE)
        self._room = limit

    @property
    def complete(self) -> bool:
        """Whether the stream has come to its end."""
        return self._decompressor.eof

    def inflate(self, fragment: memoryview) -> Iterator[memoryview]:
        """Yield what a fragment inflates to; bytes behind the end of the stream are ignored.

        Raises:
            InvalidDataSet: the stream is not raw deflate.
            OutOfResources: it inflates to more than the limit.
        """
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

    def _counted(self, piece: bytes) -> memoryview:
        if self._room is not None:
            self._room -= len(piece)
            if self._room < 0:
                raise OutOfResources(
                    "the deflated data set inflates to more than is allowed",
                    limit=Limit.INFLATED_SIZE,
                )
        return memoryview(piece)


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
