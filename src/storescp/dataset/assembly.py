"""Puts a written data set together: gathers small pieces, lets large ones pass, patches lengths."""

from collections.abc import Sequence

from storescp.dataset.encoding import Output

LARGE = 0x800  # bytes from which a piece passes as a view: copying less is cheaper than a chunk
_MOST_GATHERED = 0x40000
_ZEROS = bytes(0x10000)


class Assembly:
    """The end of a written data set, and the way to all of it.

    Small pieces are gathered in memory, so that most lengths are patched there and the output
    sees few chunks.
    """

    __slots__ = ("_gathered", "_output", "_sent")

    def __init__(self, output: Output) -> None:
        self._output = output
        self._gathered = bytearray()
        self._sent = 0

    @property
    def position(self) -> int:
        """Bytes written so far."""
        return self._sent + len(self._gathered)

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        """Append `piece`; a large view is handed on, so it must live as long as the output says."""
        if len(piece) >= LARGE:
            if self._gathered:
                self.flush()
            self._output.write(piece if isinstance(piece, bytes) else memoryview(piece))
            self._sent += len(piece)
        else:
            self._gathered += piece
            if len(self._gathered) > _MOST_GATHERED:
                self.flush()

    def pass_on(self, pieces: Sequence[memoryview], length: int) -> None:
        """Append views, of so many bytes altogether, without a look at them."""
        self.flush()
        self._output.write_all(pieces, length)
        self._sent += length

    def write_zeros(self, count: int) -> None:
        """Append `count` zero bytes."""
        while count > 0:
            self.write(_ZEROS[:count])
            count -= len(_ZEROS)

    def patch(self, position: int, data: bytes) -> None:
        """Overwrite bytes, wherever they are by now."""
        here = position - self._sent
        if here >= 0:
            self._gathered[here : here + len(data)] = data
        elif here + len(data) <= 0:
            self._output.patch(position, data)
        else:
            self._output.patch(position, data[:-here])
            self._gathered[: here + len(data)] = data[-here:]

    def flush(self) -> None:
        """Hand on what is gathered."""
        if self._gathered:
            self._output.write(memoryview(self._gathered))
            self._sent += len(self._gathered)
            self._gathered = bytearray()
