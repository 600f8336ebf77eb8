# cython: language_level=3, boundscheck=True, wraparound=False, overflowcheck=True, annotation_typing=False
"""A second pass that sorts elements and drops duplicates, PS3.5 7.1.

The walk writes elements as they come, which is right but for their order. The second pass reads that file, whose
encoding is known and sound, and writes another one. Of the levels that are out of order it reads the headers, of the
levels around them only the lengths change; all else is copied as it is.
"""

from array import array
from operator import attrgetter

from storescp.dataset.cursor import Cursor
from storescp.dataset.element import (
    DATA_SET_TRAILING_PADDING,
    FLAGS,
    ITEM,
    ITEM_DELIMITER,
    LONG,
    SEQUENCE_DELIMITER,
    UNDEFINED_LENGTH,
)
from storescp.dataset.encoding import Output, Source
from storescp.dataset.header import HeaderWriter
from storescp.dataset.limits import ELEMENTS, MOST_SORTED, NO_GROUP
from storescp.dataset.nesting import Rewritten
from storescp.dataset.plan import Plan
from storescp.dataset.remarks import Postponed, Remarks
from storescp.dataset.values import Cut
from storescp.errors import Limit, OutOfResources

_BLOCK = 0x10000
_PIECE = 0x40000


class Group:
    """A group of a level that is written once more, whose length waits for its value."""

    def __init__(self) -> None:
        self.number = NO_GROUP
        self.place = 0  # of the value in the output
        self.old_length = 0  # that is written there


class Sorting:
    """The second pass over one data set."""

    def __init__(
        self,
        source: Source,
        output: Output,
        plan: Plan,
        rewritten: list[Rewritten],
        cuts: dict[int, Cut],
        remarks: Remarks,
    ) -> None:
        """Prepare to write.

        Args:
            source: the first pass's output.
            output: where the data set is written in order.
            plan: of both passes.
            rewritten: the levels that are not copied, the data set among them.
            cuts: values that were written with too many blanks at their end, by place.
            remarks: take warnings.
        """
        self._source = source
        self._plan = plan
        self._cursor = Cursor(output)
        self._headers = HeaderWriter(plan, self._cursor)
        self._levels = sorted(rewritten, key=attrgetter("start"))
        self._starts = array("q", [level.start for level in self._levels])
        self._count = len(self._levels)
        self._cuts = cuts
        self._remarks = remarks
        self._remarks_on_order = Postponed()
        self._block = b""
        self._block_start = 0
        self._length = self._levels[0].end
        self._size = 0  # of the header that was read last
        self._value_length = 0  # in it
        self._pending = 0  # what is copied next: from here
        self._pending_end = 0

    def run(self, preceding: int) -> int:
        """Write the data set, which is preceded by so many bytes. Returns its length.

        Raises:
            OutOfResources: an absurd number of elements is out of order.
        """
        self._elements(0, preceding, self._plan.file_padding)
        self._copy_pending()
        self._cursor.send()
        self._remarks_on_order.tell(self._remarks)
        self._remarks.close()
        return self._cursor.place(0)

    # ------------------------------------------------------------------ levels

    def _elements(self, index: int, preceding: int, multiple: int) -> None:
        """Write the elements of a level, and padding to a multiple of bytes."""
        level = self._levels[index]
        if not level.is_looked_at:
            self._children(index, level.start, level.end)
            return
        begin = self._place()
        places = self._ordered(level)
        group = Group()
        behind = len(places)
        if multiple:
            while behind and self._tag_at(places[behind - 1]) > DATA_SET_TRAILING_PADDING:
                behind -= 1
        for number in range(behind):
            self._element(group, places[number])
        written = self._place() - begin
        if multiple and (places or not index):
            for number in range(behind, len(places)):
                written += self._end_of(places[number]) - places[number]
            self._pad(group, preceding + written, multiple)
        for number in range(behind, len(places)):
            self._element(group, places[number])
        self._settle(group)

    def _pad(self, group: "Group", length: int, multiple: int) -> None:
        if group.number != DATA_SET_TRAILING_PADDING >> 16:
            self._settle(group)
        self._copy_pending()
        self._headers.padding(length, multiple)

    def _element(self, group: "Group", position: int) -> None:
        """Write one element: copied, cut, or with a level inside that is written once more."""
        tag = self._tag_at(position)
        size, length = self._size, self._value_length
        if tag == DATA_SET_TRAILING_PADDING and self._plan.drops_padding:
            return
        if tag >> 16 != group.number:
            self._settle(group)
        value = position + size
        if not tag & 0xFFFF and not self._plan.keeps_group_lengths:
            group.number = tag >> 16
            group.old_length = self._u32(value)
            group.place = self._place() + size
            self._copy(position, value + length)
            return
        end = self._end_of(position)
        cut = self._cuts.get(value) if self._cuts else None
        if cut is not None:
            self._copy_pending()
            self._headers.element(tag, cut.vr, cut.length + len(cut.pad))
            self._copy(value, value + cut.length)
            self._copy_pending()
            self._cursor.write(cut.pad)
            return
        child = self._child(value, end)
        if child < 0:
            self._copy(position, end)
            return
        self._copy(position, value)
        self._container(child, length, end)

    def _container(self, index: int, length: int, end: int) -> None:
        """Write the content of a sequence or item whose header, with this length, was written; up to its end."""
        level = self._levels[index]
        begin = self._place()
        if level.content == ELEMENTS:
            self._elements(index, 0, self._plan.item_padding)
        else:
            self._children(index, level.start, level.end)
        written = self._place() - begin
        if length == UNDEFINED_LENGTH:
            self._copy(level.end, end)
        elif written != length:
            self._copy_pending()
            self._headers.length(begin - 4, written)

    def _children(self, index: int, position: int, end: int) -> None:
        """Write a level as it is but for the levels inside that are written once more."""
        child = index + 1
        while child < self._count and self._starts[child] < end:
            level = self._levels[child]
            self._copy(position, level.start)
            length = self._u32(level.start - 4)
            position = level.end + (8 if length == UNDEFINED_LENGTH else 0)
            self._container(child, length, position)
            while child < self._count and self._starts[child] < position:
                child += 1  # over the levels inside
        self._copy(position, end)

    def _child(self, position: int, end: int) -> int:
        """The first level that begins in a part of the source; -1 if there is none."""
        low, high = 0, self._count
        while low < high:
            middle = (low + high) >> 1
            if self._starts[middle] < position:
                low = middle + 1
            else:
                high = middle
        return low if low < self._count and self._starts[low] < end else -1

    def _settle(self, group: "Group") -> None:
        """Give the group that ends here its length."""
        if group.number != NO_GROUP:
            length = self._place() - group.place - 4
            if length != group.old_length:
                self._copy_pending()
                self._headers.length(group.place, min(length, UNDEFINED_LENGTH))
            group.number = NO_GROUP

    # ------------------------------------------------------------------ order

    def _ordered(self, level: Rewritten) -> "array[int]":
        """Return the places of a level's elements, sorted, the first of each tag."""
        places, keys = array("Q"), array("Q")
        largest, is_ordered = -1, True
        position, end = level.start, level.end
        while position < end:
            tag = self._tag_at(position)
            after = self._end_of(position)
            if tag <= largest:
                is_ordered = False
            else:
                largest = tag
            keys.append(tag << 24 | len(places))
            places.append(position)
            if len(places) > MOST_SORTED:
                raise OutOfResources(
                    "too many elements of one level are out of order", limit=Limit.SORTING
                )
            position = after
        if is_ordered:
            return places
        return self._sorted(places, keys, end)

    def _sorted(self, places: "array[int]", keys: "array[int]", end: int) -> "array[int]":
        created = self._plan.creates_group_lengths
        found = array("Q")
        keep = bytearray(len(places))
        last = -1
        for key in sorted(keys):
            tag, number = key >> 24, key & 0xFFFFFF
            if tag != last:
                keep[number] = 1
                found.append(places[number])
            last = tag
        largest = -1
        count = len(places)
        for number in range(count):
            tag = keys[number] >> 24
            after = places[number + 1] if number + 1 < count else end
            if not keep[number]:
                if not (created and not tag & 0xFFFF):
                    self._warn_of(
                        "DcmItem: Element %s found twice in one data set or item, ignoring second"
                        " entry",
                        tag,
                        places[number],
                        after,
                    )
            elif tag > largest:
                largest = tag
            elif not (created and not tag & 0xFFFF):
                self._warn_of(
                    "DcmItem: Dataset not in ascending tag order, at element %s",
                    tag,
                    places[number],
                    after,
                )
        return found

    def _warn_of(self, message: str, tag: int, begin: int, end: int) -> None:
        if tag != DATA_SET_TRAILING_PADDING:
            self._remarks_on_order.warn(begin, end, message, tag)

    # ------------------------------------------------------------------ reading

    def _tag_at(self, position: int) -> int:
        """Read the header of the element there. Returns its tag; notes the size of the header, and the length."""
        tag = self._u16(position) << 16 | self._u16(position + 2)
        self._size = 8
        if self._plan.implicit or tag in (ITEM, ITEM_DELIMITER, SEQUENCE_DELIMITER):
            self._value_length = self._u32(position + 4)
        elif FLAGS[self._vr_at(position + 4)] & LONG:
            self._size = 12
            self._value_length = self._u32(position + 8)
        else:
            self._value_length = self._u16(position + 6)
        return tag

    def _end_of(self, position: int) -> int:
        """Return the end of the element there."""
        self._tag_at(position)
        value, length = position + self._size, self._value_length
        if length != UNDEFINED_LENGTH:
            return value + length
        child = self._child(value, value + 1)
        if child >= 0:
            level: Rewritten = self._levels[child]
            return level.end + 8
        return self._after(value)

    def _after(self, position: int) -> int:
        """Return the end of a sequence or item of undefined length, given the start of its content."""
        depth = 1
        while depth:
            tag = self._tag_at(position)
            position += self._size
            if tag in (ITEM_DELIMITER, SEQUENCE_DELIMITER):
                depth -= 1
            elif self._value_length == UNDEFINED_LENGTH:
                depth += 1
            else:
                position += self._value_length
        return position

    def _vr_at(self, position: int) -> int:
        data = self._peek(position, 2)
        at = position - self._block_start
        return data[at] << 8 | data[at + 1]

    def _u16(self, position: int) -> int:
        data = self._peek(position, 2)
        at = position - self._block_start
        if self._plan.little_endian:
            return data[at] | data[at + 1] << 8
        return data[at] << 8 | data[at + 1]

    def _u32(self, position: int) -> int:
        first, second = self._u16(position), self._u16(position + 2)
        if self._plan.little_endian:
            return first | second << 16
        return first << 16 | second

    def _peek(self, position: int, size: int) -> bytes:
        """The block that has these bytes, as far as the source has them."""
        start = self._block_start
        end = min(position + size, self._length)
        if position < start or end > start + len(self._block):
            self._block = self._source.read(position, min(_BLOCK, self._length - position))
            self._block_start = position
        return self._block

    # ------------------------------------------------------------------ copying

    def _place(self) -> int:
        """Return the place of the next byte in the output."""
        return self._cursor.place(0) + self._pending_end - self._pending

    def _copy(self, begin: int, end: int) -> None:
        """Copy a part of the source, together with what follows it."""
        if begin != self._pending_end:
            self._copy_pending()
            self._pending = begin
        self._pending_end = end

    def _copy_pending(self) -> None:
        position, end = self._pending, self._pending_end
        self._pending = end
        while position < end:
            start = self._block_start
            if start <= position and end <= start + len(self._block) and end - position < _BLOCK:
                self._cursor.write(self._block[position - start : end - start])
                return
            piece = self._source.read(position, min(_PIECE, end - position))
            if not piece:
                raise OutOfResources("the first pass's file ends before its time")
            self._cursor.write(piece)
            position += len(piece)
