# cython: language_level=3, boundscheck=True, wraparound=False, overflowcheck=True, annotation_typing=False
"""Sequences, items and encapsulated Pixel Data: how they begin and end. PS3.5 7.5 and A.4.

A header goes out with the length that is known by then. Where that turns out wrong at the end of a level, it is
patched; an undefined length that is to become explicit stays in place until then. Levels are kept on a list; nothing
recurses.
"""

from storescp.dataset.cursor import Cursor
from storescp.dataset.element import (
    DATA_SET_TRAILING_PADDING,
    ITEM,
    ITEM_DELIMITER,
    LARGEST_LENGTH,
    OB,
    OW,
    PIXEL_DATA,
    SEQUENCE_DELIMITER,
    SQ,
    UNDEFINED_LENGTH,
)
from storescp.dataset.group_lengths import GroupLengths
from storescp.dataset.header import HeaderWriter
from storescp.dataset.level import Level
from storescp.dataset.limits import ELEMENTS, FRAGMENTS, ITEMS, MOST_NESTED_SEQUENCES, NEVER
from storescp.dataset.offset_tables import BASIC, OffsetTable, OffsetTables
from storescp.dataset.plan import Plan
from storescp.dataset.remarks import Remarks
from storescp.dataset.rewriting import Rewriting
from storescp.dataset.signed_values import SignedValues
from storescp.errors import CannotUnderstand, InvalidDataSet


class Rewritten:
    """A level of the written data set that has to be written once more, because of itself or of one inside."""

    def __init__(self, start: int, end: int, content: int, looked_at: bool) -> None:
        self.start = start
        """Place of its first byte behind its header."""
        self.end = end
        self.content = content
        self.is_looked_at = looked_at
        """True if its elements have to be read: they are out of order, or of a group whose length is written."""


class Nesting:
    """The levels from the data set to where the walk is."""

    def __init__(
        self,
        plan: Plan,
        cursor: Cursor,
        headers: HeaderWriter,
        groups: GroupLengths,
        rewriting: Rewriting,
        signed_values: SignedValues,
        remarks: Remarks,
    ) -> None:
        self._plan = plan
        self._cursor = cursor
        self._headers = headers
        self._groups = groups
        self._rewriting = rewriting
        self._signed_values = signed_values
        self._remarks = remarks
        self._cuts = rewriting.cuts
        self._cuts_noted = 0
        self.level = Level()
        self.level.implicit = plan.reads_implicit
        self.level.little_endian = plan.reads_little_endian
        self.level.same_layout = self._is_same_layout(plan.reads_implicit, plan.reads_little_endian)
        self._levels = [self.level]
        self.depth = 0
        """Levels around the present one."""
        self.sequences = 0
        """Number of levels that are sequences."""
        self.opened_offset = -1
        """Start of the last sequence's content in the received data set."""
        self.damage = ""
        """The first loss that the reference would not mention."""
        self.unwritable = ""
        """Reason why the data set cannot be written in this transfer syntax."""
        self.rewritten: list[Rewritten] = []
        """Levels in the order of their ends."""

    def note_damage(self, what: str) -> None:
        """Note a loss: the data set is refused at its end, unless something worse is found."""
        self.damage = self.damage or what

    # ------------------------------------------------------------------ beginnings

    def open_sequence(
        self,
        position: int,
        size: int,
        tag: int,
        length: int,
        implicit: bool,
        little_endian: bool,
        clean: bool,
    ) -> int:
        """Take the header of a sequence; its items have this layout. Returns its end.

        Raises:
            InvalidDataSet: there are too many around it.
        """
        self.sequences += 1
        if self.sequences > MOST_NESTED_SEQUENCES:
            raise InvalidDataSet("Maximum sequence nesting depth exceeded")
        written = length if self._plan.explicit_lengths else UNDEFINED_LENGTH
        if not (clean and written == length):
            self._cursor.flush(position)
            self._headers.element(tag, SQ, written)
            self._cursor.start = position + size
        self._open(ITEMS, tag, position + size, length, written, implicit, little_endian)
        return position + size

    def open_item(self, position: int, length: int) -> int:
        """Take an item's header. Returns where it ends."""
        around = self.level
        written = length if self._plan.explicit_lengths else UNDEFINED_LENGTH
        self._delimiter(position, ITEM, length, written)
        self._open(
            ELEMENTS,
            around.tag,
            position + 8,
            length,
            written,
            around.implicit,
            around.little_endian,
        )
        level = self.level
        if around.end < level.end and level.end < NEVER:
            level.stop = around.end
        return position + 8

    def open_pixel_data(self, position: int, size: int, vr: int, clean: bool) -> int:
        """Take the header of encapsulated Pixel Data, PS3.5 A.4. Returns where it ends."""
        plan, around = self._plan, self.level
        if not plan.encapsulated:
            raise CannotUnderstand("compressed pixel data in an uncompressed transfer syntax")
        if not plan.can_encapsulate:
            self.unwritable = "Pixel representation not found"
        if vr == OW:
            self._remarks.warn(
                "DcmItem: Wrong VR for encapsulated PixelData (7fe0,0010), should be 'OB' instead"
                " of 'OW'"
            )
        if not clean or vr != OB:
            self._cursor.flush(position)
            self._headers.element(PIXEL_DATA, OB, UNDEFINED_LENGTH)
            self._cursor.start = position + size
        self._open(
            FRAGMENTS,
            PIXEL_DATA,
            position + size,
            UNDEFINED_LENGTH,
            UNDEFINED_LENGTH,
            around.implicit,
            around.little_endian,
        )
        is_one_frame = plan.is_video or around.frames in (-1, 1)
        self.level.joins = is_one_frame and around.offset_tables is None
        tables = around.offset_tables or OffsetTables()
        tables.frames = -1 if plan.is_video else around.frames
        self.level.offset_tables = tables
        around.offset_tables = None
        return position + size

    def pixel_data_fragment(self, position: int, length: int) -> int:
        """Take one fragment of Pixel Data. Returns where it ends, or the fragment at hand."""
        if length == UNDEFINED_LENGTH:
            raise InvalidDataSet("Corrupted data")
        level = self.level
        if level.last < 0:
            level.last = 0
            return self._basic_offset_table(level, position, length)
        tables = level.offset_tables
        if level.joins or tables is None:
            return self._fragment(level, position, length, True)
        continues = level.owes and tables.continues(length)
        tables.note_fragment(length, continues)
        return self._fragment(level, position, length, continues)

    def _basic_offset_table(self, level: Level, position: int, length: int) -> int:
        """Take the first item, which is a table or empty. Returns where it ends, or the fragment at hand."""
        odd = bool(length & 1)
        self._delimiter(position, ITEM, length, length + (1 if odd else 0))
        table = None
        if length:
            table = self.offset_table(level, BASIC, length)
            if length != BASIC:
                level.joins = False  # it names more than one frame
        return self._rewriting.begin_value(position + 8, length, table, odd)

    def _fragment(self, level: Level, position: int, length: int, continues: bool) -> int:
        """Take a fragment behind the table. Returns where it ends, or the fragment at hand.

        Only the last one of a frame may be padded, PS3.5 A.4: a byte between them would be taken for one of the bit
        stream. So one of odd length takes the first byte of the next if that `continues` its frame; of an empty one
        nothing is left.
        """
        cursor = self._cursor
        value, left = position + 8, length
        if level.owes:
            cursor.flush(position)
            if not continues:
                cursor.put8(0)
                level.owes = False
            elif length:
                cursor.put8(cursor.data[value])
                value += 1
                left -= 1
                level.owes = False
            else:
                cursor.start = value
                return self._rewriting.begin_value(value, 0, None, False)
        written = left + (left & 1)
        if value == position + 8:
            self._delimiter(position, ITEM, length, written)
        else:
            if left:
                self._headers.delimiter(ITEM, written)
            cursor.start = value
        level.owes = bool(left & 1)
        return self._rewriting.begin_value(value, left, None, False)

    def offset_table(self, level: Level, kind: int, length: int) -> OffsetTable:
        """Take note of an offset table of so many bytes. Returns what its value passes through."""
        table = OffsetTable(kind, length, self._cursor)
        if level.offset_tables is None:
            level.offset_tables = OffsetTables()
        level.offset_tables.add(table)
        return table

    def _open(
        self,
        content: int,
        tag: int,
        position: int,
        length: int,
        written: int,
        implicit: bool,
        little_endian: bool,
    ) -> None:
        """Go down to a level whose content begins at `position`."""
        around = self.level
        cursor = self._cursor
        self._note_cuts(around)
        self.depth += 1
        if self.depth == len(self._levels):
            self._levels.append(Level())
        level = self._levels[self.depth]
        if content != ELEMENTS:
            self.opened_offset = cursor.offset + position
        end = NEVER if length == UNDEFINED_LENGTH else cursor.offset + position + length
        level.open(content, tag, end, cursor.place(position), written)
        level.implicit = implicit
        level.little_endian = little_endian
        level.same_layout = self._is_same_layout(implicit, little_endian)
        level.representation = around.representation
        self.level = level

    # ------------------------------------------------------------------ ends

    def close(self, position: int, delimiter_size: int) -> None:
        """End the present level here, where a delimiter of the input may lie."""
        level, cursor, plan = self.level, self._cursor, self._plan
        after = position + delimiter_size
        delimiter = SEQUENCE_DELIMITER
        if level.content == ELEMENTS:
            delimiter = ITEM_DELIMITER
            if cursor.offset + position > level.end:
                self.note_damage("an element goes beyond the end of its item")
            length = cursor.place(position) - level.start
            self.end_elements(level, position, length, plan.item_padding if length else 0)
        elif level.content == ITEMS:
            self.sequences -= 1
        else:
            if level.owes:
                cursor.flush(position)
                cursor.put8(0)
            if level.offset_tables is not None and not cursor.muted:
                cursor.flush(position)
                level.offset_tables.mend(self._remarks)
        length = cursor.place(position) - level.start
        if plan.explicit_lengths and length <= LARGEST_LENGTH and level.content != FRAGMENTS:
            if length != level.length:
                cursor.flush(position)
                self._headers.length(level.start - 4, length)
            if delimiter_size:
                cursor.flush(position)
                cursor.start = after
        else:
            if level.length != UNDEFINED_LENGTH:
                cursor.flush(position)
                self._headers.length(level.start - 4, UNDEFINED_LENGTH)
            if delimiter_size:
                field = cursor.u32(position + 4, level.little_endian)
                self._delimiter(position, delimiter, field, 0)
            else:
                cursor.flush(position)
                self._headers.delimiter(delimiter, 0)
        self._leave(level, length, after)

    def end_elements(self, level: Level, position: int, length: int, multiple: int) -> None:
        """Settle the last group of a level, and fill its `length` bytes to a multiple, if there is one."""
        cursor = self._cursor
        if level.group != DATA_SET_TRAILING_PADDING >> 16:
            self._groups.settle(level, position)
        if multiple:
            cursor.flush(position)
            unpadded = cursor.written()
            self._headers.padding(length, multiple)
            if cursor.written() > unpadded and level.last > DATA_SET_TRAILING_PADDING:
                level.disordered = True
        self._groups.settle(level, position)

    def end_data_set(self, position: int, preceding: int) -> None:
        """End the data set itself, which so many bytes precede."""
        level = self.level
        length = preceding + self._cursor.place(position)
        self.end_elements(level, position, length, self._plan.file_padding)
        self._note_cuts(level)
        if level.disordered or level.rewritten:
            self._note_rewritten(level, self._cursor.place(position) - level.start)

    def _leave(self, level: Level, length: int, after: int) -> None:
        """Go up to the level around."""
        self._note_cuts(level)
        self.depth -= 1
        self.level = around = self._levels[self.depth]
        if level.provisional is not None:
            self._signed_values.end(level, around)
        if level.mutes:
            self._cursor.start = after
            self._cursor.muted = False
        elif (level.disordered or level.rewritten) and not self._cursor.muted:
            self._note_rewritten(level, length)
            around.rewritten = True

    def _note_cuts(self, level: Level) -> None:
        """Note that a level has to be written once more if the last value that was cut is in it."""
        if len(self._cuts) > self._cuts_noted:
            self._cuts_noted = len(self._cuts)
            level.disordered = True

    def _note_rewritten(self, level: Level, length: int) -> None:
        looked_at = level.disordered or level.has_group_lengths or level.length == UNDEFINED_LENGTH
        if level.content == ELEMENTS and (self._plan.file_padding or self._plan.item_padding):
            looked_at = True  # its padding depends on what is left out inside
        entry = Rewritten(level.start, level.start + length, level.content, looked_at)
        self.rewritten.append(entry)

    def _delimiter(self, position: int, tag: int, length: int, written: int) -> None:
        """Write the header of an item or a delimiter that came with a length, unless it may stay."""
        if not (length == written and self.level.little_endian == self._plan.little_endian):
            self._cursor.flush(position)
            self._headers.delimiter(tag, written)
            self._cursor.start = position + 8

    def _is_same_layout(self, implicit: bool, little_endian: bool) -> bool:
        plan = self._plan
        return implicit == plan.implicit and little_endian == plan.little_endian
