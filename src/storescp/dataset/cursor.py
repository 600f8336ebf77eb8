# cython: language_level=3, boundscheck=True, wraparound=False, overflowcheck=True, annotation_typing=False
"""The fragment at hand, and the end of the written data set: the lowest layer of the walk.

What need not change is not touched: bytes of the fragment that are written as they came form a *run*, which only a
change or the fragment's end writes. Short runs and new bytes are gathered in one growing buffer, where most lengths
are patched; long runs are handed to the output as views of the fragment.
"""

from collections.abc import Sequence

from storescp.dataset.encoding import Output
from storescp.dataset.limits import LARGE

_FIRST_ROOM = 0x4000
_LARGEST_ROOM = 0x40000

_NOTHING = memoryview(b"")


class Cursor:
    """Bytes of a data set on their way from the fragment at hand to the output.

    Positions named `position` count in the fragment, `offset` in the received data set, `place` in the written one.
    """

    def __init__(self, output: Output | None) -> None:
        """Prepare to write; without an output nothing is written."""
        self.fragment = _NOTHING
        self.data = _NOTHING  # the same, typed in the compiled form
        self.end = 0
        self.start = 0  # of the present run
        self.offset = 0  # of the fragment
        self.muted = output is None
        """True if the following bytes are not written."""
        self._output = output
        self._sent = 0
        self._buffer = bytearray()
        self._room = memoryview(self._buffer)
        self._first = 0  # in the buffer, of what is gathered
        self._used = 0  # where it ends

    def redirect(self, output: Output) -> None:
        """Write to another output; nothing was written so far."""
        self._output = output

    # ------------------------------------------------------------------ the fragment

    def take(self, fragment: memoryview) -> None:
        """Make this fragment the one at hand."""
        self.fragment = fragment
        self.data = fragment
        self.end = len(fragment)
        self.start = 0

    def leave(self, carried: int) -> None:
        """Write what is left of the run; `carried` bytes at the end come again with the next fragment."""
        self.flush(self.end)
        self.offset += self.end - carried
        self.drop()

    def drop(self) -> None:
        """Forget the fragment, with what is left of the run."""
        self.fragment = self.data = _NOTHING
        self.start = self.end = 0

    def u16(self, position: int, little_endian: bool) -> int:
        """Two bytes of the fragment as a number."""
        if little_endian:
            return self.data[position] | self.data[position + 1] << 8
        return self.data[position] << 8 | self.data[position + 1]

    def u32(self, position: int, little_endian: bool) -> int:
        """Four bytes of the fragment as a number."""
        # Each of them has the width of the result, which an `int` of C need not have.
        first, second = self.data[position], self.data[position + 1]
        third, fourth = self.data[position + 2], self.data[position + 3]
        if little_endian:
            return first | second << 8 | third << 16 | fourth << 24
        return first << 24 | second << 16 | third << 8 | fourth

    # ------------------------------------------------------------------ the output

    def place(self, position: int) -> int:
        """Return the place in the output of the byte at `position`, which is not before the run."""
        return self._sent + self._used - self._first + position - self.start

    def written(self) -> int:
        """Bytes written so far, the run not counted."""
        return self._sent + self._used - self._first

    def flush(self, position: int) -> None:
        """Write the run up to here."""
        start = self.start
        length = position - start
        if length <= 0:
            return
        self.start = position
        if self.muted:
            return
        if length >= LARGE:
            self.pass_on(self.fragment[start:position])
            return
        used = self._reserve(length)
        self._room[used : used + length] = self.data[start:position]
        self._used = used + length

    def write(self, piece: bytes | memoryview) -> None:
        """Append bytes; a large piece is handed on, so it must live as long as the output says."""
        length = len(piece)
        if self.muted or not length:
            return
        if length >= LARGE:
            self.pass_on(piece)
            return
        used = self._reserve(length)
        self._buffer[used : used + length] = piece
        self._used = used + length

    def write_zeros(self, count: int) -> None:
        """Append `count` zero bytes."""
        while count > 0:
            length = min(count, LARGE - 1)
            self.write(bytes(length))
            count -= length

    def put8(self, value: int) -> None:
        """Append a byte."""
        if not self.muted:
            used = self._reserve(1)
            self._room[used] = value
            self._used = used + 1

    def put16(self, value: int, little_endian: bool) -> None:
        """Append a number in two bytes."""
        if self.muted:
            return
        used = self._reserve(2)
        if little_endian:
            self._room[used] = value & 0xFF
            self._room[used + 1] = value >> 8
        else:
            self._room[used] = value >> 8
            self._room[used + 1] = value & 0xFF
        self._used = used + 2

    def put32(self, value: int, little_endian: bool) -> None:
        """Append a number in four bytes."""
        if self.muted:
            return
        used = self._reserve(4)
        self._store32(used, value, little_endian)
        self._used = used + 4

    def patch32(self, place: int, value: int, little_endian: bool) -> None:
        """Overwrite four bytes that were written before, wherever they are by now."""
        if self.muted:
            return
        here = place - self._sent
        if here >= 0:
            self._store32(self._first + here, value, little_endian)
        else:
            self.patch(place, value.to_bytes(4, "little" if little_endian else "big"))

    def pass_on(self, piece: bytes | memoryview) -> None:
        """Append a piece as it is, behind all that was gathered."""
        if self._output is not None and not self.muted:
            self.send()
            self._output.write(piece)
            self._sent += len(piece)

    def pass_all(self, fragments: Sequence[memoryview], length: int) -> None:
        """Take the next fragments, of so many bytes altogether, and append them without a look at them."""
        self.offset += length
        if self._output is not None and not self.muted:
            self.send()
            self._output.write_all(fragments, length)
            self._sent += length

    def send(self) -> None:
        """Hand on what is gathered."""
        first, used = self._first, self._used
        if first < used and self._output is not None:
            self._output.write(memoryview(self._buffer)[first:used])
            self._sent += used - first
            self._first = used

    def patch(self, place: int, data: bytes) -> None:
        """Overwrite bytes that were written before, wherever they are by now."""
        if self.muted or self._output is None:
            return
        here = place - self._sent
        if here < 0:
            self._output.patch(place, data[:-here])
            data = data[-here:]
            here = 0
        self._buffer[self._first + here : self._first + here + len(data)] = data

    def _reserve(self, length: int) -> int:
        """Make room for a short piece. Returns where in the buffer."""
        size = len(self._buffer)
        if self._used + length > size:
            self.send()
            self._buffer = bytearray(min(max(4 * size, _FIRST_ROOM), _LARGEST_ROOM))
            self._room = memoryview(self._buffer)
            self._first = self._used = 0
        return self._used

    def _store32(self, here: int, value: int, little_endian: bool) -> None:
        if little_endian:
            self._room[here] = value & 0xFF
            self._room[here + 1] = value >> 8 & 0xFF
            self._room[here + 2] = value >> 16 & 0xFF
            self._room[here + 3] = value >> 24
        else:
            self._room[here] = value >> 24
            self._room[here + 1] = value >> 16 & 0xFF
            self._room[here + 2] = value >> 8 & 0xFF
            self._room[here + 3] = value & 0xFF
