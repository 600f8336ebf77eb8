"""Offset tables of encapsulated Pixel Data, which precede the fragments that they point to. PS3.5 A.4, PS3.3 C.7.6.3.1.8.

Fragments of odd length get a byte more, which moves those behind them. A table is kept until the last fragment has
passed; if it was true of the fragments as they came, it is then made true of those that are written. Extended Offset
Table Lengths (7FE0,0002) are those of the frames, without a byte that pads them: they stay.
"""

import struct

from storescp.dataset.cursor import Cursor
from storescp.dataset.remarks import Remarks

MOST_KEPT = 1 << 24
"""Bytes of a table; a larger one is not kept, and stays as it came."""

BASIC, EXTENDED = 4, 8
"""Bytes of an entry, by the kind of table."""

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


class OffsetTable:
    """One table: its value on the way to the output, and what becomes of its entries."""

    def __init__(self, kind: int, length: int, cursor: Cursor) -> None:
        """Prepare for a value of `length` bytes, which passes on to the cursor; `kind`: `BASIC` or `EXTENDED`."""
        self.kind = kind
        self._cursor = cursor
        self._entry = struct.Struct("<I" if kind == BASIC else "<Q")
        self._is_kept = length % kind == 0 and length <= MOST_KEPT
        self._place = -1  # of the value in the output
        self._value = bytearray()
        self._new = bytearray()
        self._met_as_received = 0  # bytes of the entries that were met so far
        self._met_as_written = 0

    def feed(self, piece: bytes | memoryview) -> None:
        """Take the next bytes of the value."""
        if self._place < 0:
            self._place = self._cursor.written()
        self._cursor.write(piece)
        if self._is_kept:
            self._value += piece

    def finish(self) -> None:
        """The value is complete."""
        self._new[:] = self._value

    def note_fragment(self, received: int, written: int) -> None:
        """Note where the next fragment begins behind the Basic Offset Table, and where it is written."""
        at = self._met_as_received
        fits = not written >> 8 * self.kind
        if self._has(at, received) and fits:
            self._entry.pack_into(self._new, at, written)
            self._met_as_received = at + self.kind
        at = self._met_as_written
        if self._has(at, written):
            self._met_as_written = at + self.kind

    def _has(self, at: int, offset: int) -> bool:
        return at < len(self._value) and self._entry.unpack_from(self._value, at)[0] == offset

    def mend(self) -> bool:
        """Make the written table true if it was true as it came. Returns whether it is true now."""
        length = len(self._value)
        is_sound = length > 0 and not any(self._value[: self.kind])  # the first frame begins at 0
        if is_sound and self._met_as_received == length:
            self._cursor.patch(self._place, bytes(self._new))
            return True
        return is_sound and self._met_as_written == length


class OffsetTables:
    """The tables of one Pixel Data element."""

    def __init__(self) -> None:
        self._tables: list[OffsetTable] = []
        self._received = 0  # offset of the next fragment
        self._written = 0

    def add(self, table: OffsetTable) -> None:
        """Note a table, before the first fragment; of each kind only the first counts."""
        if all(other.kind != table.kind for other in self._tables):
            self._tables.append(table)

    def note_fragment(self, length: int) -> None:
        """Note the length of the next fragment as it came."""
        for table in self._tables:
            table.note_fragment(self._received, self._written)
        self._received += 8 + length
        self._written += 8 + length + (length & 1)

    def mend(self, remarks: Remarks) -> None:
        """Make the tables true, if fragments were moved."""
        if self._received != self._written:
            for table in self._tables:
                if not table.mend():
                    remarks.warn(_MISFITS[table.kind])
