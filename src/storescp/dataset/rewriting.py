# cython: language_level=3, boundscheck=True, wraparound=False, overflowcheck=True, annotation_typing=False
"""Elements with a value: written as they came, or trimmed, padded, in another byte order. PS3.5 6.2 and 7.3.

What is complete in the fragment is decided at once. A longer value is counted down, and passes in pieces, through a
sink where its bytes change (`values`).
"""

from functools import partial

from storescp.dataset.cursor import Cursor
from storescp.dataset.element import (
    BINARY,
    FLAGS,
    KIND,
    TEXT,
    UNDEFINED_LENGTH,
    UNIT,
    UNIT_SHIFT,
    tag_name,
)
from storescp.dataset.header import HeaderWriter
from storescp.dataset.limits import LONGEST_SEEN_WHOLE
from storescp.dataset.plan import Plan
from storescp.dataset.remarks import Remarks
from storescp.dataset.values import DISCARDED, TRIMMINGS, UIDS, Cut, LookUp, Sink, Swapped, Trimmed

_LONGEST_SWAPPED_HERE = 64


class Rewriting:
    """Takes elements from the fragment at hand, and writes them as they are to be."""

    def __init__(
        self,
        plan: Plan,
        cursor: Cursor,
        headers: HeaderWriter,
        remarks: Remarks,
        look_up: LookUp,
    ) -> None:
        self._cursor = cursor
        self._headers = headers
        self._little_endian = plan.little_endian
        self._plan = plan
        self._remarks = remarks
        self._look_up = look_up
        self.cuts: dict[int, Cut] = {}
        """Values that were written with too many blanks at their end, by place."""
        self.left = 0
        """Bytes of the value at hand that are still to come."""
        self.value_offset = 0
        """Start of that value in the received data set."""
        self.sink: Sink | None = None
        """Converter of that value, if it is converted."""
        self._pad = False

    # ------------------------------------------------------------------ elements

    def text(
        self,
        position: int,
        size: int,
        tag: int,
        vr: int,
        length: int,
        clean: bool,
        data: memoryview,
    ) -> int:
        """Take an element with characters. Returns its end, or the fragment.

        A value of up to `LONGEST_SEEN_WHOLE` bytes is there as a whole. `clean`: whether the header may stay.
        `data`: the fragment at hand.
        """
        cursor = self._cursor
        value = position + size
        if length > LONGEST_SEEN_WHOLE:
            return self._long_text(position, size, tag, vr, length)
        after = value + length
        kept = after
        if FLAGS[vr] & KIND == TEXT:
            pad = 0x20
            while kept > value and (data[kept - 1] == 0x20 or data[kept - 1] == 0):
                kept -= 1
        else:
            pad = 0
            if self._has_white_space(value, after, data):
                return self._uid(position, size, tag, vr, length)
            while kept > value and data[kept - 1] == 0:
                kept -= 1
        odd = (kept - value) & 1
        if kept + odd == after and (not odd or data[kept] == pad):
            self._header(position, size, tag, vr, length, length, clean)
            return after
        self._header(position, size, tag, vr, length, kept + odd - value, clean)
        cursor.flush(kept)
        if odd:
            cursor.put8(pad)
        cursor.start = after
        return after

    def binary(
        self,
        position: int,
        size: int,
        tag: int,
        vr: int,
        length: int,
        clean: bool,
        little_endian: bool,
    ) -> int:
        """Take any other element. Returns its end, or the fragment.

        `little_endian`: how its value came. `clean`: whether the header may stay.
        """
        flags = FLAGS[vr]
        odd = bool(length & 1) and flags & KIND == BINARY
        written = length + (1 if odd else 0)
        value = position + size
        written_vr = self._header(position, size, tag, vr, length, written, clean)
        # What is written under another VR is written in little endian.
        to_little_endian = self._little_endian or written_vr != vr
        if little_endian != to_little_endian and flags >> UNIT_SHIFT & UNIT:
            return self._swapped(value, length, 1 << (flags >> UNIT_SHIFT & UNIT), odd)
        if not odd and value + length <= self._cursor.end:
            return value + length
        return self.begin_value(value, length, None, odd)

    def through(
        self, position: int, size: int, tag: int, vr: int, length: int, clean: bool, sink: Sink
    ) -> int:
        """Take an element whose value passes through `sink`. Returns its end, or the fragment."""
        odd = length & 1
        self._header(position, size, tag, vr, length, length + odd, clean)
        return self.begin_value(position + size, length, sink, bool(odd))

    def discard(self, position: int, size: int, length: int) -> int:
        """Leave an element out. Returns its end, or the fragment."""
        self._cursor.flush(position)
        self._cursor.start = position + size
        return self.begin_value(position + size, length, DISCARDED, False)

    # ------------------------------------------------------------------ values

    def begin_value(self, position: int, length: int, sink: Sink | None, pad: bool) -> int:
        """A value begins here. Returns its end, or the fragment.

        `pad`: whether a NUL follows it.
        """
        if sink is not None:
            self._cursor.flush(position)
            self._cursor.start = position
        self.left = length
        self.value_offset = self._cursor.offset + position
        self.sink = sink
        self._pad = pad
        return self.take_value(position)

    def take_value(self, position: int) -> int:
        """Take what is there of the value at hand. Returns its end, or the fragment."""
        cursor = self._cursor
        taken = min(self.left, cursor.end - position)
        stop = position + taken
        self.left -= taken
        if self.sink is not None:
            self.sink.feed(cursor.fragment[position:stop])
            cursor.start = stop
            if not self.left:
                if self._pad:
                    self.sink.feed(b"\0")
                self.sink.finish()
                self.sink = None
                self._pad = False
        elif self._pad and not self.left:
            cursor.flush(stop)
            cursor.put8(0)
            self._pad = False
        return stop

    def pass_on(self, length: int) -> None:
        """Count bytes of the value at hand that passed by."""
        self.left -= length

    # ------------------------------------------------------------------ what changes

    def _header(
        self, position: int, size: int, tag: int, vr: int, length: int, written: int, clean: bool
    ) -> int:
        """Write the header of a value that becomes `written` bytes long, unless it may stay. Returns its VR."""
        written_vr = self._headers.written_vr(vr, written)
        if not (clean and written == length and written_vr == vr):
            self._cursor.flush(position)
            self._headers.element(tag, written_vr, written)
            self._cursor.start = position + size
        return written_vr

    def _has_white_space(self, position: int, end: int, data: memoryview) -> bool:
        while position < end:
            byte = data[position]
            if byte <= 0x20 and (byte == 0x20 or 0x09 <= byte <= 0x0D):
                return True
            position += 1
        return False

    def _uid(self, position: int, size: int, tag: int, vr: int, length: int) -> int:
        """Take a UID with white space in it."""
        value = position + size
        written = UIDS.trimmed(bytes(self._cursor.fragment[value : value + length]))
        self._warn_of_white_space(tag)
        self._header(position, size, tag, vr, length, len(written), False)
        self._cursor.write(written)
        self._cursor.start = value + length
        return value + length

    def _long_text(self, position: int, size: int, tag: int, vr: int, length: int) -> int:
        """Take a text that is too long to be looked at as a whole."""
        self._cursor.flush(position)
        sink = Trimmed(
            self._cursor,
            self._headers,
            self._plan,
            tag,
            (self._headers.written_vr(vr, 0), self._headers.written_vr(vr, UNDEFINED_LENGTH)),
            length,
            TRIMMINGS[FLAGS[vr] & KIND],
            self.cuts,
            partial(self._warn_of_white_space, tag),
        )
        self._cursor.start = position + size
        return self.begin_value(position + size, length, sink, False)

    def _swapped(self, value: int, length: int, unit: int, odd: bool) -> int:
        """Take a value whose units change their byte order; a rest shorter than a unit stays."""
        cursor = self._cursor
        after = value + length
        if odd or length > _LONGEST_SWAPPED_HERE or after > cursor.end:
            # The byte that pads a value is part of its last unit.
            return self.begin_value(value, length, Swapped(cursor, unit), odd)
        cursor.flush(value)
        data = cursor.data
        position = value
        while position + unit <= after:
            place = unit
            while place:
                place -= 1
                cursor.put8(data[position + place])
            position += unit
        cursor.start = position
        return after

    def _warn_of_white_space(self, tag: int) -> None:
        self._remarks.warn(
            "DcmUniqueIdentifier: Element %s %s contains one or more space characters, which were"
            " removed",
            self._look_up().keyword(tag),
            tag_name(tag),
        )
