# cython: language_level=3, boundscheck=True, wraparound=False, overflowcheck=True, annotation_typing=False
"""Headers as they are written: of elements, items and delimiters. PS3.5 7.1.2, 7.1.3 and 7.5."""

from storescp.dataset.cursor import Cursor
from storescp.dataset.element import (
    DATA_SET_TRAILING_PADDING,
    FLAGS,
    LARGEST_SHORT_LENGTH,
    LONG,
    OB,
    RECENT,
    UN,
)
from storescp.dataset.plan import Plan


class HeaderWriter:
    """Writes headers in the layout of the written transfer syntax."""

    def __init__(self, plan: Plan, cursor: Cursor) -> None:
        self._cursor = cursor
        self._implicit = plan.implicit
        self._little_endian = plan.little_endian
        self._new_vr = plan.new_vr

    def element(self, tag: int, vr: int, length: int) -> None:
        """Write the header of an element; `length` fits its field."""
        cursor, little_endian = self._cursor, self._little_endian
        cursor.put16(tag >> 16, little_endian)
        cursor.put16(tag & 0xFFFF, little_endian)
        if self._implicit:
            cursor.put32(length, little_endian)
            return
        cursor.put16(vr, False)
        if FLAGS[vr] & LONG:
            cursor.put16(0, little_endian)
            cursor.put32(length, little_endian)
        else:
            cursor.put16(length, little_endian)

    def delimiter(self, tag: int, length: int) -> None:
        """Write the header of an item, or a delimiter."""
        cursor, little_endian = self._cursor, self._little_endian
        cursor.put16(tag >> 16, little_endian)
        cursor.put16(tag & 0xFFFF, little_endian)
        cursor.put32(length, little_endian)

    def length(self, place: int, length: int) -> None:
        """Set a length of four bytes that was written before."""
        self._cursor.patch32(place, length, self._little_endian)

    def padding(self, length: int, multiple: int) -> None:
        """Fill a level of `length` bytes with Data Set Trailing Padding, PS3.10 7.2."""
        missing = -length % multiple
        if not missing:
            return
        size = 8 if self._implicit else 12
        while missing < size:
            missing += multiple
        missing += missing & 1  # an odd value in the level makes this one odd, which none may be
        self.element(DATA_SET_TRAILING_PADDING, OB, missing - size)
        self._cursor.write_zeros(missing - size)

    def written_vr(self, vr: int, length: int) -> int:
        """The VR that is written for a value of this length, PS3.5 6.2.2 note 2."""
        if self._implicit:
            return vr
        flags = FLAGS[vr]
        if flags & RECENT and not self._new_vr:
            return OB
        if length > LARGEST_SHORT_LENGTH and not flags & LONG:
            return UN if self._new_vr else OB
        return vr
