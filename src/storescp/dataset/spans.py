"""The fragment at hand, and what of it is written as it came: the lowest layer of the walk.

`start` is where the present run of unchanged bytes begins in the fragment; only a change, or the fragment's
end, writes that run, as one slice. A header or a small value that is not complete in the fragment is carried
over; longer values are counted down and pass in pieces, through a sink where their bytes change.
"""

from storescp.dataset.assembly import Assembly
from storescp.dataset.encoding import Output
from storescp.dataset.values import Discarded, Sink

_NOTHING = memoryview(b"")
DISCARDED = Discarded()


class Spans:
    """Fragments of a data set, one after the other, on their way to the output.

    What each data set begins with is an attribute of the class as long as it is that: there is a walk for
    each data set, and most of these never change.
    """

    # The fragment at hand.
    _fragment = _NOTHING
    _bytes = b""  # the same once more, where it was asked for
    _end = 0
    _start = 0
    _offset = 0  # of the fragment in the data set
    # What the fragment before left over.
    _needed = 0
    _header_size = 0  # in the carry, 0 if it is not known
    _left = 0  # bytes of a value still to come
    _value_offset = 0  # where that value began
    _sink: Sink | None = None
    _pad = b""

    def __init__(self, output: Output) -> None:
        self._assembly = Assembly(output)
        self._carry = bytearray()

    def redirect(self, output: Output) -> None:
        """Write to another output, from the first byte on."""
        self._assembly = Assembly(output)

    @property
    def received(self) -> int:
        """Bytes of the data set so far."""
        return self._offset + len(self._carry)

    @property
    def written_length(self) -> int:
        """Bytes of the written data set so far."""
        return self._assembly.position

    def _take_fragment(self, fragment: memoryview) -> None:
        """Make this fragment the one at hand."""
        self._fragment = fragment
        self._end = len(fragment)
        self._start = 0
        self._bytes = b""

    def _leave_fragment(self) -> None:
        """Write what is left unwritten of the fragment at hand."""
        if self._start < self._end:
            self._assembly.write(self._fragment[self._start :] if self._start else self._fragment)
        self._offset += self._end - len(self._carry)
        self._no_fragment()

    def _no_fragment(self) -> None:
        self._fragment = _NOTHING
        self._start = self._end = 0

    def _as_bytes(self) -> bytes:
        """The fragment at hand in a form that is compared fast; copied at the first call."""
        self._bytes = self._bytes or bytes(self._fragment)
        return self._bytes

    def _wait(self, position: int, needed: int, header_size: int = 0) -> int:
        """Look again from here when `needed` bytes are there. Returns the fragment's end."""
        self._flush(position)
        self._carry = bytearray(self._fragment[position:])
        self._needed = needed
        self._header_size = header_size
        self._start = self._end
        return self._end

    def _flush(self, position: int) -> None:
        """Write the unchanged bytes up to here."""
        if self._start < position:
            self._assembly.write(self._fragment[self._start : position])
            self._start = position

    def _output_position(self, position: int) -> int:
        """Where the byte at `position` of the fragment lies, or would lie, in the output."""
        return self._assembly.position + position - self._start

    def _replace(self, position: int, size: int, header: bytes) -> None:
        """Write `header` for the `size` bytes here; nothing happens if they are the same."""
        if self._fragment[position : position + size] != header:
            self._flush(position)
            self._assembly.write(header)
            self._start = position + size

    def _take_value(self, position: int) -> int:
        """Take what is there of the value at hand. Returns where it ends, or the fragment."""
        taken = min(self._left, self._end - position)
        self._left -= taken
        stop = position + taken
        if self._sink is not None:
            self._sink.feed(self._fragment[position:stop])
            self._start = stop
            if not self._left:
                if self._pad:
                    self._sink.feed(self._pad)
                self._sink.finish()
                self._sink = None
                self._pad = b""
        elif self._pad and not self._left:
            self._flush(stop)
            self._assembly.write(self._pad)
            self._pad = b""
        return stop

    def _begin_value(
        self, position: int, length: int, sink: Sink | None = None, pad: bytes = b""
    ) -> int:
        """A value begins here. Returns where it ends, or the fragment."""
        if sink is not None:
            self._flush(position)
            self._start = position
        self._left = length
        self._value_offset = self._offset + position
        self._sink = sink
        self._pad = pad
        return self._take_value(position)

    def _discard(self, position: int, size: int, length: int) -> int:
        """Leave an element out. Returns where it ends, or the fragment."""
        self._flush(position)
        self._start = position + size
        return self._begin_value(position + size, length, DISCARDED)
