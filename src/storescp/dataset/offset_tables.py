"""Offset tables of encapsulated Pixel Data, which precede the fragments that they point to. PS3.5 A.4, PS3.3 C.7.6.3.1.8.

A fragment of odd length gets a byte more, which moves those behind it: a pad if it ends a frame, else the first byte of
the next fragment, as a pad within a frame would be taken for part of its bit stream. A table tells which is the case, as
long as it has been true of the fragments so far. It is kept until the last fragment has passed; if it was true of the
fragments as they came, or of these with a pad each, it is then made true of those that are written. Extended Offset
Table Lengths (7FE0,0002) are those of the frames, without a byte that pads them: they stay.
"""

import itertools
import struct

from storescp.dataset.cursor import Cursor
from storescp.dataset.remarks import Remarks

MOST_KEPT = 1 << 24
"""Bytes of a table; a larger one is not kept, and stays as it came."""

BASIC, EXTENDED = 4, 8
"""Bytes of an entry, by the kind of table."""

UNKNOWN, INSIDE, BEGINS = 0, 1, 2
"""What a table says of the next fragment: nothing that can be relied on, within a frame, the first of one."""

_MISFITS = {
    BASIC: (
        "DcmPixelSequence: Basic Offset Table of element (7fe0,0010) does not fit its fragments,"
        " left as it is"
    ),
    EXTENDED: (
        "DcmPixelSequence: Extended Offset Table (7fe0,0001) does not fit the fragments of element"
        " (7fe0,0010), left as it is"
    ),
}

_DOUBTFUL = (
    "DcmPixelSequence: nothing tells whether a frame ends with each of %d fragments of odd length of"
    " element (7fe0,0010), which got a byte more; frames may be damaged"
)


class _Reading:
    """A table, its offsets taken in one of the two ways in which senders count: without pads or with them."""

    def __init__(self, value: bytearray, entry: struct.Struct) -> None:
        self.value = value
        """The entries that were met as they are to be written, and behind them the others as they came."""
        self._entry = entry
        self._met = 0  # bytes of the entries that were met so far

    def fork(self) -> "_Reading":
        """Return the same with a value of its own."""
        fork = _Reading(bytearray(self.value), self._entry)
        fork._met = self._met
        return fork

    def is_true(self) -> bool:
        """Whether each entry was met."""
        return self._met == len(self.value)

    def says(self, begin: int, end: int) -> int:
        """Tell what the fragment is that has these bounds by this way to count."""
        if self.is_true():
            return INSIDE
        (offset,) = self._entry.unpack_from(self.value, self._met)
        if offset == begin:
            return BEGINS
        return INSIDE if offset >= end else UNKNOWN  # no frame begins within a fragment

    def note(self, begin: int, written: int) -> None:
        """Note where the next fragment begins, and where it is written; what is too large for an entry cannot be."""
        if self.is_true() or written >> 8 * self._entry.size:
            return
        if self._entry.unpack_from(self.value, self._met)[0] == begin:
            self._entry.pack_into(self.value, self._met, written)
            self._met += self._entry.size


class OffsetTable:
    """One table: its value on the way to the output, and what becomes of its entries."""

    def __init__(self, kind: int, length: int, cursor: Cursor) -> None:
        """Prepare for a value of `length` bytes, which passes on to the cursor; `kind`: `BASIC` or `EXTENDED`."""
        self.kind = kind
        self._cursor = cursor
        self._entry = struct.Struct("<I" if kind == BASIC else "<Q")
        self._is_kept = length % kind == 0 and length <= MOST_KEPT
        self._place = -1  # of the value in the output
        self._received = _Reading(bytearray(), self._entry)
        self._padded: _Reading | None = None  # the same up to the first odd fragment
        self._is_sound = False

    def feed(self, piece: bytes | memoryview) -> None:
        """Take the next bytes of the value."""
        if self._place < 0:
            self._place = self._cursor.written()
        self._cursor.write(piece)
        if self._is_kept:
            self._received.value += piece

    def finish(self) -> None:
        """The value is complete."""

    def begin_moving(self, frames: int) -> None:
        """From here on fragments move. `frames`: how many there are, 0 or less if nobody knows."""
        value = self._received.value
        offsets = (offset for (offset,) in self._entry.iter_unpack(value))
        self._is_sound = (
            self._begins_at_0(value)
            and (frames <= 0 or frames * self.kind == len(value))
            and all(one < other for one, other in itertools.pairwise(offsets))
        )
        self._padded = self._received.fork()

    def _begins_at_0(self, value: bytearray) -> bool:
        return len(value) > 0 and not any(value[: self.kind])

    def says(self, received: int, padded: int, length: int) -> set[int]:
        """Tell what the next fragment is by each way to count that has been true so far."""
        if not self._is_sound or self._padded is None:
            return set()
        by_received = self._received.says(received, received + 8 + length)
        by_padded = self._padded.says(padded, padded + 8 + length + (length & 1))
        return {by_received, by_padded} - {UNKNOWN}

    def note_fragment(self, received: int, padded: int, written: int) -> None:
        """Note where the next fragment begins, as it came and with a pad for each odd one, and where it is written."""
        self._received.note(received, written)
        if self._padded is not None:
            self._padded.note(padded, written)

    def is_true(self) -> bool:
        """Whether it was true, one way or the other."""
        return self._true_value() is not None

    def _true_value(self) -> bytearray | None:
        for reading in (self._received, self._padded):
            if reading is not None and reading.is_true() and self._begins_at_0(reading.value):
                return reading.value
        return None

    def mend(self) -> bool:
        """Make the written table true if it was true as it came. Returns whether it is true now."""
        value = self._true_value()
        if value is None:
            return False
        self._cursor.patch(self._place, bytes(value))
        return True


class OffsetTables:
    """The tables of one Pixel Data element, and what they tell of its fragments."""

    def __init__(self) -> None:
        self.frames = -1
        """Number of Frames; 0 or less if nobody knows."""
        self._tables: list[OffsetTable] = []
        self._received = 0  # offset of the next fragment
        self._padded = 0  # the same, with a pad for each odd one
        self._written = 0
        self._fragments = 0
        self._has_moved = False
        self._joined = 0  # odd fragments that were completed by the next
        self._doubtful = 0  # those that were padded though they may not end a frame

    def add(self, table: OffsetTable) -> None:
        """Note a table, before the first fragment; of each kind only the first counts."""
        if all(other.kind != table.kind for other in self._tables):
            self._tables.append(table)

    def continues(self, length: int) -> bool:
        """Whether the next fragment, of this length, goes on with the frame of the last one, which was odd."""
        if not self._has_moved:
            self._has_moved = True
            for table in self._tables:
                table.begin_moving(self.frames)
        says: set[int] = set()
        for table in self._tables:
            says |= table.says(self._received, self._padded, length)
        if says == {INSIDE}:
            return True
        if says != {BEGINS}:
            self._doubtful += 1
        return False

    def note_fragment(self, length: int, joined: bool) -> None:
        """Note the length of the next fragment as it came, and whether its first byte went to the one before."""
        for table in self._tables:
            # One that was joined has no place of its own.
            table.note_fragment(self._received, self._padded, -1 if joined else self._written)
        self._fragments += 1
        self._received += 8 + length
        self._padded += 8 + length + (length & 1)
        left = length
        if joined and length:
            self._joined += 1
            left -= 1
        if left or not joined:
            self._written += 8 + left + (left & 1)

    def mend(self, remarks: Remarks) -> None:
        """Make the tables true, if fragments were moved, and tell if frames may be damaged."""
        if self._received == self._padded:
            return
        if self._fragments == self.frames:
            self._doubtful = 0  # as a rule each fragment is a frame
        if not any(table.is_true() for table in self._tables):
            self._doubtful += self._joined
        for table in self._tables:
            if not table.mend():
                remarks.warn(_MISFITS[table.kind])
        if self._doubtful:
            remarks.warn(_DOUBTFUL, self._doubtful)
