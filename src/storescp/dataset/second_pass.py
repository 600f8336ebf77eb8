"""What one pass cannot do: elements in order, duplicates dropped. PS3.5 7.1.

A first pass writes elements as they come, which is right but for their order. The second reads that
file, whose encoding is known and sound, and hands its bytes in the right order to another walk,
which sets lengths, group lengths and padding anew. Sequences and items are handed on with undefined
lengths, so that only one place computes lengths.

A level is a few ascending runs of elements (one, if it is in order), which are merged as they are
read: what is kept in memory is a cursor for each run, not the elements.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat

from storescp.dataset.element import (
    DATA_SET_TRAILING_PADDING,
    DELIMITERS,
    ITEM,
    ITEM_DELIMITER,
    PIXEL_DATA,
    SEQUENCE_DELIMITER,
    SQ,
    UL,
    UNDEFINED_LENGTH,
    VRS_BY_CODE,
    tag_name,
)
from storescp.dataset.encoding import Source
from storescp.dataset.fast_path import LookUp
from storescp.dataset.plan import Plan
from storescp.dataset.remarks import Postponed, Remarks
from storescp.dataset.values import Cut
from storescp.dataset.walk import LONGEST_SEEN_WHOLE, MOST_NESTED_SEQUENCES
from storescp.errors import OutOfResources

MOST_RUNS = 10_000  # ascending runs in one level; a cursor takes about a kilobyte
_BLOCK = 0x10000

Span = tuple[int, int]  # begin and end in the source
Creators = dict[int, bytes]


@dataclass(frozen=True, slots=True)
class _Element:
    """An element of the first pass's output."""

    tag: int
    begin: int
    value: int
    end: int
    is_sequence: bool


def _tag(entry: tuple[_Element, int]) -> int:
    return entry[0].tag


class _Unreadable(Exception):
    """There is no header where one should be: this was no sequence when the first pass wrote it."""


class Reader:
    """Random access to a source, through one block of it."""

    def __init__(self, source: Source, length: int) -> None:
        self._source = source
        self._block = b""
        self._begin = 0
        self.length = length

    def read(self, position: int, size: int) -> bytes:
        """`size` bytes, few; fewer at the end of the data set."""
        offset = position - self._begin
        if not (offset >= 0 and offset + size <= len(self._block)):
            self._block = self._source.read(position, min(_BLOCK, self.length - position))
            self._begin = position
            offset = 0
        return self._block[offset : offset + size]

    def pieces(self, span: Span) -> Iterator[memoryview]:
        """A part of the source, in blocks."""
        position, end = span
        while position < end:
            piece = self._source.read(position, min(_BLOCK * 4, end - position))
            if not piece:
                raise OutOfResources("the first pass's file ends before its time")
            yield memoryview(piece)
            position += len(piece)


class Sorted:
    """The first pass's data set with every level in order."""

    def __init__(
        self,
        source: Source,
        length: int,
        plan: Plan,
        look_up: LookUp,
        cuts: dict[int, Cut],
        remarks: Remarks,
    ) -> None:
        """Prepare to read.

        Args:
            source: the first pass's output.
            length: of it, in bytes.
            plan: of the second pass.
            look_up: gets the dictionary, which tells sequences in implicit VR.
            cuts: values that were written with too many blanks at their end, by position.
            remarks: take warnings.
        """
        self._reader = Reader(source, length)
        self._plan = plan
        self._layout = plan.write
        self._look_up = look_up
        self._cuts = cuts
        self._remarks = remarks
        self._remarks_on_order = Postponed()

    def pieces(self) -> Iterator[memoryview]:
        """The bytes in their order; at their end, what is remarkable about the order in which they came."""
        pending = (0, 0)
        for part in self._parts():
            if isinstance(part, bytes):
                yield from self._reader.pieces(pending)
                pending = (0, 0)
                yield memoryview(part)
            elif part[0] == pending[1]:
                pending = (pending[0], part[1])
            else:
                yield from self._reader.pieces(pending)
                pending = part
        yield from self._reader.pieces(pending)
        self._remarks_on_order.tell(self._remarks)

    def _parts(self) -> Iterator[bytes | Span]:
        """Bytes that are new, and spans of the source."""
        end_of_item = self._layout.delimiter(ITEM_DELIMITER)
        end_of_sequence = self._layout.delimiter(SEQUENCE_DELIMITER)
        begin_of_item = self._layout.delimiter(ITEM, UNDEFINED_LENGTH)
        # Iterators over elements and over the items of a sequence take turns.
        levels: list[Iterator[_Element | Span]] = [self._in_order((0, self._reader.length))]
        while levels:
            entry = next(levels[-1], None)
            if entry is None:
                levels.pop()
                if levels:
                    yield end_of_item if len(levels) % 2 == 0 else end_of_sequence
            elif not isinstance(entry, _Element):
                yield begin_of_item
                levels.append(self._in_order(entry))
            elif entry.is_sequence:
                replacement = self._replacement(entry)
                if replacement is None:
                    yield self._layout.header(entry.tag, SQ, UNDEFINED_LENGTH)
                    levels.append(self._items((entry.value, entry.end)))
                else:
                    yield replacement
            elif entry.value in self._cuts:
                cut = self._cuts[entry.value]
                yield self._layout.header(entry.tag, cut.vr, cut.length + len(cut.pad))
                yield (entry.value, entry.value + cut.length)
                yield cut.pad
            else:
                yield (entry.begin, entry.end)

    def _replacement(self, element: _Element) -> bytes | None:
        """What is written for a sequence that stands where none may be."""
        if element.tag == DATA_SET_TRAILING_PADDING and self._plan.drops_padding:
            return b""
        if not element.tag & 0xFFFF and not self._plan.keeps_group_lengths:
            if self._plan.removes_group_lengths:
                return b""
            return self._layout.header(element.tag, UL, 4) + bytes(4)
        return None

    # ------------------------------------------------------------------ order

    def _in_order(self, level: Span) -> Iterator[_Element]:
        """The elements of a level, sorted, the first of each tag."""
        last = -1
        warn = self._remarks_on_order.warn
        for element, largest_before in heapq.merge(*self._runs(level), key=_tag):
            if element.tag == last:
                message = (
                    "DcmItem: Element %s found twice in one data set or item, ignoring second entry"
                )
                warn(element.begin, element.end, message, tag_name(element.tag))
                continue
            if element.tag < largest_before:
                message = "DcmItem: Dataset not in ascending tag order, at element %s"
                warn(element.begin, element.end, message, tag_name(element.tag))
            last = element.tag
            yield element

    def _runs(self, level: Span) -> list[Iterator[tuple[_Element, int]]]:
        """Iterators over the ascending runs of a level; beside each element, the largest tag of the runs before."""
        starts: list[tuple[int, int, Creators]] = []
        creators: Creators = {}
        largest = -1
        last = 1 << 32  # above all tags
        for element in self._elements(level, creators):
            if element.tag <= last:
                starts.append((element.begin, largest, dict(creators)))
                if len(starts) > MOST_RUNS:
                    raise OutOfResources("too many elements of one level are out of order")
            last = element.tag
            largest = max(largest, last)
        ends = [begin for begin, _, _ in starts] + [level[1]]
        return [
            zip(self._elements((begin, end), known), repeat(largest), strict=False)
            for (begin, largest, known), end in zip(starts, ends[1:], strict=True)
        ]

    # ------------------------------------------------------------------ reading

    def _elements(self, level: Span, creators: Creators, depth: int = 0) -> Iterator[_Element]:
        """The elements of a level as they lie there; notes private creators."""
        position, end = level
        while position < end:
            element = self._element(position, creators, depth)
            yield element
            position = element.end

    def _element(self, position: int, creators: Creators, depth: int) -> _Element:
        """The element at a position; `depth` counts the sequences around it that are only tried."""
        layout = self._layout
        tag, vr, size, length = self._header(position)
        value = position + size
        if length == UNDEFINED_LENGTH:
            after = self._after(value)
            return _Element(tag, position, value, after, is_sequence=tag != PIXEL_DATA)
        if vr == b"SQ" or (
            layout.implicit_vr
            and self._is_sequence(tag, creators)
            and self._holds_items((value, value + length), depth)
        ):
            return _Element(tag, position, value, value + length, is_sequence=True)
        if layout.implicit_vr and tag & 0x10000 and 0x10 <= tag & 0xFFFF <= 0xFF:
            creator = self._reader.read(value, min(length, LONGEST_SEEN_WHOLE))
            creators.setdefault(tag, creator.rstrip(b" \0"))
        return _Element(tag, position, value, value + length, is_sequence=False)

    def _header(self, position: int) -> tuple[int, bytes, int, int]:
        """Tag, VR, size and length field of an element, item or delimiter."""
        layout = self._layout
        header = self._reader.read(position, 12)
        if len(header) < 8:
            raise _Unreadable
        group, number, length = layout.tag_length.unpack_from(header)
        tag = group << 16 | number
        if layout.implicit_vr or tag in DELIMITERS:
            return tag, b"", 8, length
        group, number, vr, length = layout.tag_vr_length.unpack_from(header)
        if not VRS_BY_CODE[vr].long:
            return tag, vr, 8, length
        (length,) = layout.length.unpack_from(header, 8)
        return tag, vr, 12, length

    def _is_sequence(self, tag: int, creators: Creators) -> bool:
        """Whether an element of implicit VR and defined length is a sequence by the dictionary."""
        if not self._plan.explicit_lengths:
            return False
        dictionary = self._look_up()
        if tag & 0x10000 and tag & 0xFFFF >= 0x1000:
            creator = creators.get(tag >> 16 << 16 | tag >> 8 & 0xFF)
            if creator is not None and dictionary.knows_private_elements:
                return dictionary.private_vr(creator, tag) == "SQ"
        return dictionary.vr(tag) == "SQ"

    def _holds_items(self, sequence: Span, depth: int) -> bool:
        """Whether a value can be read as a sequence.

        Where the first pass read another VR than the dictionary's, it was no sequence, and may hold anything.
        """
        if depth >= MOST_NESTED_SEQUENCES:
            return False
        position, end = sequence
        try:
            while position < end:
                tag, _, size, length = self._header(position)
                item = position + size, position + size + length
                if tag != ITEM or item[1] > end:
                    return False
                elements = self._elements(item, {}, depth + 1)
                if any(element.end > item[1] for element in elements):
                    return False
                position = item[1]
        except _Unreadable:
            return False
        return True

    def _items(self, sequence: Span) -> Iterator[Span]:
        """The contents of the items of a sequence."""
        position, end = sequence
        while position < end:
            tag, _, size, length = self._header(position)
            if tag == SEQUENCE_DELIMITER:
                return
            position += size
            if length == UNDEFINED_LENGTH:
                after = self._after(position)
                yield position, after - 8  # without the delimiter
                position = after
            else:
                yield position, position + length
                position += length

    def _after(self, position: int) -> int:
        """Where a sequence or item of undefined length ends, whose content begins here."""
        depth = 1
        while depth:
            tag, _, size, length = self._header(position)
            position += size
            if tag in (SEQUENCE_DELIMITER, ITEM_DELIMITER):
                depth -= 1
            elif length == UNDEFINED_LENGTH:
                depth += 1
            else:
                position += length
        return position
