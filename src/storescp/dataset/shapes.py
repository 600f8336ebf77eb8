"""Items that look alike: what one item of a sequence shows of those that follow it. PS3.5 7.5.

An enhanced object has a functional group for each of its frames, a structure set an item for each
contour: thousands of items whose headers are the same to the byte and whose values differ here and
there. Where an item was taken from header to header once, the next one like it is compared with it
in one step, and what is written of it is known but for the values that differ.

A `Shape` is an item cut at those values, the *holes*: everything between two of them is equal in each
item of the shape, so it is compared as a whole, and what is to be written of it was worked out when the
shape was learned (without delimiters, say, and with the lengths that take their place). Only what comes
through unchanged, as the walk's fast path has it, becomes part of a shape; items with anything else are
the walk's business each time.

`Shapes` are what is known of the items of one sequence; they begin anew with each data set.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple

from storescp.dataset.element import (
    ITEM,
    ITEM_DELIMITER,
    LARGEST_LENGTH,
    LAST_OF_LOW_GROUPS,
    SEQUENCE_DELIMITER,
    SQ,
    UNDEFINED_LENGTH,
    VRS_BY_CODE,
)
from storescp.dataset.plan import (
    LONG,
    LONG_TEXT,
    SEQUENCE,
    SHORT,
    SHORT_TEXT,
    SHORT_UID,
    TAGS_LOOKED_AT,
    Plan,
)
from storescp.dataset.values import TEXT, UID, swapped

LONGEST_ITEM = 0x8000
"""Bytes of an item that is learned."""

_MOST_SHAPES = 8
_FIRST_LEARNED = 2  # how many items pass before one is learned: most sequences have only one
_CREDIT = 32  # items that may be learned in vain before it is given up
_MOST_COMPARED = 0x100000  # bytes that may be compared in vain before it is given up
_WORTH = 4  # bytes that may be compared in vain for each byte that was not

_TRIMMINGS = {SHORT_TEXT: TEXT, LONG_TEXT: TEXT, SHORT_UID: UID}

KindOf = Callable[[int], int]
"""From a tag of implicit VR to how the fast path takes its values."""


class _Element(NamedTuple):
    """An element of an item, and what precedes it since the value of the element before."""

    received: bytes
    written: bytes
    kind: int
    value: bytes
    unit: int
    """Bytes of the value that change places when it is written."""

    @property
    def written_value(self) -> bytes:
        return bytes(swapped(self.value, self.unit)) if self.unit > 1 else self.value


class _Content(NamedTuple):
    """An item, taken apart."""

    elements: list[_Element]
    received: bytes
    """Behind the last value."""
    written: bytes

    @property
    def skeleton(self) -> tuple[bytes, ...]:
        """All that two items of one shape share."""
        return (*(element.received for element in self.elements), self.received)


class Shape:
    """Items of the same headers."""

    __slots__ = (
        "_content",
        "_holes",
        "_received",
        "_swaps",
        "_texts",
        "_uids",
        "_unpack",
        "_written",
        "size",
    )

    def __init__(self, content: _Content, holes: frozenset[int]) -> None:
        """`holes` are the indices of the elements whose values may be other ones."""
        self._content = content
        self._holes = holes
        received, written = [b""], [b""]
        sizes: list[int] = []
        texts, uids, swaps = [], [], []
        for index, element in enumerate(content.elements):
            received[-1] += element.received
            written[-1] += element.written
            if index not in holes or not element.value:
                received[-1] += element.value
                written[-1] += element.written_value
                continue
            if element.kind in (SHORT_TEXT, LONG_TEXT):
                texts.append(len(sizes))
            elif element.kind == SHORT_UID:
                uids.append(len(sizes))
            if element.unit > 1:
                swaps.append((len(sizes), element.unit))
            sizes.append(len(element.value))
            received.append(b"")
            written.append(b"")
        received[-1] += content.received
        written[-1] += content.written
        layout = "".join(
            f"{len(piece)}s{size}s" for piece, size in zip(received, sizes, strict=False)
        )
        whole = struct.Struct(f"{layout}{len(received[-1])}s")
        self._unpack = whole.unpack_from
        self.size = whole.size
        """Bytes of the item."""
        self._received = tuple(received)
        self._texts = tuple(texts)
        self._uids = tuple(uids)
        self._swaps = tuple(swaps)
        # What is written around the values; None: the item as it came.
        self._written: list[bytes] | None = None
        if received != written:
            self._written = [piece for around in written for piece in (around, b"")][:-1]

    def values(self, data: bytes, position: int) -> tuple[bytes, ...] | None:
        """Return the values in the holes of the item here, None if it is of another shape.

        `data` holds at least `size` bytes from here.
        """
        fields = self._unpack(data, position)
        if fields[::2] != self._received:
            return None
        values: tuple[bytes, ...] = fields[1::2]
        for index in self._texts:
            value = values[index]
            end_byte = value[-1]
            if end_byte == 0x20:
                if value[-2] in b" \0":
                    return None
            elif not end_byte:
                return None
        for index in self._uids:
            if UID(values[index]) != values[index]:
                return None
        return values

    def pieces(self, values: tuple[bytes, ...]) -> list[bytes] | None:
        """Return what is written of an item with these values, None if it is written as it came."""
        if self._written is None:
            return None
        pieces = self._written.copy()
        pieces[1::2] = values
        for index, unit in self._swaps:
            pieces[2 * index + 1] = bytes(swapped(values[index], unit))
        return pieces

    def including(self, content: _Content) -> "Shape | None":
        """Return the shape that takes in another item too; None if its headers are not the same."""
        if content.skeleton != self._content.skeleton:
            return None
        return Shape(self._content, self._holes | _differences(self._content, content))

    def like(self, content: _Content) -> "Shape":
        """Return a shape for an item of other headers, which is expected to vary where this one does."""
        same_elements = len(content.elements) == len(self._content.elements)
        return Shape(content, self._holes if same_elements else frozenset())


def _differences(one: _Content, other: _Content) -> frozenset[int]:
    pairs = zip(one.elements, other.elements, strict=True)
    return frozenset(index for index, (a, b) in enumerate(pairs) if a.value != b.value)


class Shapes:
    """The shapes that the items of one sequence have."""

    __slots__ = ("_credit", "_depth", "_kind_of", "_passed", "_plan", "_to_compare", "known")

    def __init__(self, plan: Plan, kind_of: KindOf, depth: int) -> None:
        """Begin without any; `depth`: how many more sequences may be nested in an item."""
        self.known: list[Shape] = []
        """Best first."""
        self._plan = plan
        self._kind_of = kind_of
        self._depth = depth
        self._credit = _CREDIT
        self._to_compare = _MOST_COMPARED
        self._passed = 0

    def wants_more(self) -> bool:
        """Tell whether the item that comes should be learned: to be asked for each that is not known."""
        self._passed += 1
        return self._passed > _FIRST_LEARNED and self._credit > 0

    def prefer(self, shape: Shape) -> None:
        """Put a shape first that was found to be the one: its like is expected to follow."""
        self.known.remove(shape)
        self.known.insert(0, shape)

    def learn(self, item: bytes) -> None:
        """Learn from an item that the walk has taken, from its header to its end."""
        self._credit -= 1
        content = _Reader(item, self._plan, self._kind_of, self._depth).content()
        if content is None:
            return
        for index, shape in enumerate(self.known):
            if (wider := shape.including(content)) is not None:
                self.known[index] = wider
                self.prefer(wider)
                return
        new = self.known[0].like(content) if self.known else Shape(content, frozenset())
        self.known.insert(0, new)
        del self.known[_MOST_SHAPES:]

    def succeeded(self, count: int, size: int) -> None:
        """Note that as many items were known, of `size` bytes in all."""
        self._credit = min(self._credit + count, _CREDIT)
        self._to_compare = min(self._to_compare + _WORTH * size, _MOST_COMPARED)

    def failed(self, left: int) -> None:
        """Note that the item that comes, or the end of the sequence, is of no known shape.

        `left` bytes are there, so that longer shapes were not compared with it. A peer that varies what it
        sends must not make comparing cost more than walking would: then it is given up.
        """
        self._to_compare -= sum(shape.size for shape in self.known if shape.size <= left)
        if self._to_compare < 0:
            self._credit = 0
            self.known.clear()


class _Level(NamedTuple):
    is_item: bool
    end: int
    """In the item, -1 if its length is undefined."""
    field: int
    """Which of the lengths is its."""
    start: int
    """Of its content, in what is written."""


class _Reader:
    """Takes one item apart; all that is not written as it came, but for lengths, is refused."""

    def __init__(self, item: bytes, plan: Plan, kind_of: KindOf, depth: int) -> None:
        self._item = item
        self._plan = plan
        self._kind_of = kind_of
        self._depth = depth
        self._item_header = plan.write.delimiter(ITEM, UNDEFINED_LENGTH)
        self._position = 0
        self._begin = 0  # of what was received since the last value
        self._written = bytearray()  # all of it
        self._values: list[tuple[int, int, int]] = []  # begin and end, begin as it is written
        self._kinds: list[tuple[int, int]] = []  # how values are taken, and units to swap
        self._received: list[bytes] = []
        self._levels: list[_Level] = []
        self._last: list[int] = []  # tags

    def content(self) -> _Content | None:
        """Return the item taken apart, None if it is not fit for a shape."""
        try:
            self._open(self._item_header, is_item=True, size=8)
            while self._levels:
                level = self._levels[-1]
                if self._position == level.end:
                    self._close(0)
                elif level.is_item:
                    self._element(level)
                else:
                    self._item_of_sequence(level)
        except (_Unfit, struct.error):
            return None
        return self._cut() if self._position == len(self._item) else None

    def _cut(self) -> _Content:
        elements, position = [], 0
        for received, (kind, unit), (begin, end, written) in zip(
            self._received, self._kinds, self._values, strict=True
        ):
            before = bytes(self._written[position:written])
            elements.append(_Element(received, before, kind, self._item[begin:end], unit))
            position = written + end - begin
        return _Content(elements, self._item[self._begin :], bytes(self._written[position:]))

    def _header(self) -> tuple[int, int]:
        """Return tag and length of a header of implicit VR, of an item or a delimiter."""
        layout = self._plan.read.tag_length
        group, number, length = layout.unpack_from(self._item, self._position)
        return group << 16 | number, length

    def _open(self, header: bytes, *, is_item: bool, size: int) -> None:
        """Open an item or a sequence here, whose length ends its header; `header` is written of it."""
        plan = self._plan
        (length,) = plan.read.length.unpack_from(self._item, self._position + size - 4)
        self._position += size
        self._written += header
        end = -1 if length == UNDEFINED_LENGTH else self._position + length
        if not is_item and len(self._levels) // 2 >= self._depth:
            raise _Unfit
        self._levels.append(_Level(is_item, end, len(self._written) - 4, len(self._written)))
        if is_item:
            self._last.append(-1)

    def _close(self, delimiter_size: int) -> None:
        """Close the level here. One that is passed by, because its length is wrong, is never closed."""
        level = self._levels.pop()
        self._position += delimiter_size
        length = len(self._written) - level.start
        if level.is_item:
            self._last.pop()
        if self._plan.explicit_lengths and length <= LARGEST_LENGTH:
            field = self._plan.write.length.pack(length)
            self._written[level.field : level.field + 4] = field
        else:
            delimiter = ITEM_DELIMITER if level.is_item else SEQUENCE_DELIMITER
            self._written += self._plan.write.delimiter(delimiter)

    def _item_of_sequence(self, level: _Level) -> None:
        tag, _ = self._header()
        if tag == ITEM:
            self._open(self._item_header, is_item=True, size=8)
        elif tag == SEQUENCE_DELIMITER and level.end == -1:
            self._close(8)
        else:
            raise _Unfit

    def _element(self, level: _Level) -> None:
        tag, length = self._header()
        if tag == ITEM_DELIMITER and level.end == -1:
            self._close(8)
            return
        ascending = self._last[-1] < tag
        usual = LAST_OF_LOW_GROUPS < tag < ITEM >> 16 << 16
        if not ascending or not tag & 0xFFFF or tag in TAGS_LOOKED_AT or not usual:
            raise _Unfit
        self._last[-1] = tag
        size, kind, length = self._kind(tag, length)
        if kind == SEQUENCE:
            header = self._plan.write.header(tag, SQ, UNDEFINED_LENGTH)
            self._open(header, is_item=False, size=size)
        elif length == UNDEFINED_LENGTH:
            raise _Unfit
        else:
            self._value(tag, size, kind, length)

    def _kind(self, tag: int, length: int) -> tuple[int, int, int]:
        """Return the size of the element's header, how its value is taken, and its length."""
        plan = self._plan
        if plan.read.implicit_vr:
            return 8, self._kind_of(tag), length
        _, _, vr, length = plan.read.fields.unpack_from(self._item, self._position)
        kind = plan.kinds.get(vr, 0)
        if kind < LONG:
            return 8, kind, length
        if length:  # reserved bytes, PS3.5 table 7.1-1
            raise _Unfit
        (length,) = plan.read.length.unpack_from(self._item, self._position + 8)
        return 12, kind, length

    def _value(self, tag: int, size: int, kind: int, length: int) -> None:
        plan = self._plan
        begin = self._position + size
        end = begin + length
        value = self._item[begin:end]
        if len(value) != length or not kind or not _passes(kind, value):
            raise _Unfit
        header, unit = self._item[self._position : begin], 1
        if not plan.same_layout:
            vr = VRS_BY_CODE[header[4:6]]
            header = plan.write.header(tag, vr, length)
            unit = vr.unit if plan.read.little_endian != plan.write.little_endian else 1
        self._written += header
        self._received.append(self._item[self._begin : begin])
        self._values.append((begin, end, len(self._written)))
        self._kinds.append((kind, unit))
        self._written += bytes(swapped(value, unit)) if unit > 1 else value
        self._position = self._begin = end


class _Unfit(Exception):
    """The item has something that is not written as it came."""


def _passes(kind: int, value: bytes) -> bool:
    """Tell whether a value is written as it came."""
    if (trimming := _TRIMMINGS.get(kind)) is not None:
        return trimming(value) == value
    return not len(value) & 1 or kind not in (SHORT, LONG)
