"""The walk over one data set: bytes in as they arrive, the encoded data set out. PS3.5 section 7.

Theory of operation
-------------------

**Spans.** What need not change is not touched: `start` is where the present run of unchanged bytes
begins in the fragment at hand, and only a change (or the fragment's end) writes that run, as one
slice. The fast paths (`_run_…`) only move on over elements that are certainly written as they came,
and leave every doubt to `_element`, which knows all rules.

**Lengths.** A header goes out with the length that is known by then. Where that turns out wrong,
at the end of an item, a sequence or a group, it is patched; an undefined length FFFFFFFF that is to
become explicit stays in place until then.

**Any split.** A header, or a small value that a rule has to see as a whole, that is not complete
in the fragment is carried over, and looked at again as a fragment of its own. Longer values are
counted down and pass in pieces, through a sink where their bytes change.

**Depth.** Levels (the data set, sequences, items, pixel data fragments) are kept on a list;
nothing recurses.

**Damage.** Where the reference loses bytes without telling, the walk goes on as the reference does
(there may be worse to come, which aborts the association), and refuses the data set at its end.

Clauses quoted as "PS3.5 …" are the standard's; where the standard leaves a choice, DCMTK's is taken.
"""

import re
from bisect import bisect_right
from collections.abc import Callable

from storescp.dataset.assembly import Assembly
from storescp.dataset.dictionary import LARGEST_CACHE, Dictionary
from storescp.dataset.element import (
    DATA_SET_TRAILING_PADDING,
    DELIMITERS,
    IMPLICIT_LITTLE_ENDIAN,
    ITEM,
    ITEM_DELIMITER,
    LARGEST_LENGTH,
    LARGEST_SHORT_LENGTH,
    LO,
    NON_STANDARD_VRS,
    OB,
    OW,
    PATIENT_NAME,
    PIXEL_DATA,
    PIXEL_REPRESENTATION,
    SEQUENCE_DELIMITER,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    SPECIFIC_CHARACTER_SET,
    SQ,
    SS,
    STUDY_INSTANCE_UID,
    UL,
    UN,
    UNDEFINED_LENGTH,
    US,
    VOI_LUT_SEQUENCE,
    VR,
    VRS,
    VRS_BY_CODE,
    WAVEFORM_BITS_ALLOCATED,
    Value,
    tag_name,
)
from storescp.dataset.encoding import Attributes, Output
from storescp.dataset.familiar import LONGEST_HEAD, NO_GROUP, Familiar, Head, Rehearsed
from storescp.dataset.plan import (
    LONG,
    LONG_TEXT,
    LOOK_CLOSELY,
    SEQUENCE,
    SHORT,
    SHORT_ANY,
    SHORT_TEXT,
    SHORT_UID,
    SIGNED_LIKE_PIXELS,
    WAVEFORM_TAGS,
    Plan,
    implicit_kind,
)
from storescp.dataset.remarks import Remarks
from storescp.dataset.shapes import LONGEST_ITEM, Shapes
from storescp.dataset.values import TRIMMINGS, UID, Cut, Discarded, Sink, Swapped, Trimmed
from storescp.errors import CannotUnderstand, InvalidDataSet, OutOfResources, StorescpError
from storescp.printable import printable

MOST_NESTED_SEQUENCES = 64
LONGEST_SEEN_WHOLE = 4096  # bytes of a value that a rule wants to see as a whole
LONGEST_CHECKED_SEQUENCE = 0x100000  # bytes of a UN that are parsed before they become a sequence
_MOST_KINDS_OF_ITEMS = 256  # sequences of a data set whose items' shapes are known

NEVER = 1 << 63  # the end of what has no length

ELEMENTS, ITEMS, FRAGMENTS = range(3)  # what a level consists of

_NOTED_AT_TOP = {
    SOP_CLASS_UID: "sop_class_uid",
    SOP_INSTANCE_UID: "sop_instance_uid",
    STUDY_INSTANCE_UID: "study_instance_uid",
    PATIENT_NAME: "patient_name",
    SPECIFIC_CHARACTER_SET: "specific_character_set",
}
_NOTED_INSIDE = frozenset({SOP_CLASS_UID, SOP_INSTANCE_UID})
_NOTHING = memoryview(b"")
_DISCARDED = Discarded()
_find_white_space = re.compile(rb"[ \t\n\v\f\r]").search

LookUp = Callable[[], Dictionary]


class Level:
    """The data set, a sequence, an item or encapsulated pixel data that is being read."""

    __slots__ = (
        "begun",
        "content",
        "creators",
        "end",
        "group",
        "group_length_position",
        "group_length_value",
        "group_start",
        "implicit",
        "last",
        "length",
        "pixel_representation",
        "run",
        "sequence_end",
        "shapes",
        "specials",
        "start",
        "stop",
        "watch",
        "waveform_bits",
    )

    def __init__(
        self, content: int, end: int, start: int, length: int, *, implicit: bool = False
    ) -> None:
        self.content = content
        self.implicit = implicit  # VR, and little endian
        self.end = end  # offset in the input, NEVER if undefined
        self.stop = end  # where the fast path may not pass
        self.start = start  # of the content, position in the output
        self.length = length  # in its length field in the output
        self.shapes: Shapes | None = None  # that the items of a sequence have, if they are learned
        self.begun = NEVER  # the item's header, offset in the input, if it is to be learned

    def begin_elements(
        self, run: "Callable[[int], int] | None", specials: tuple[int, ...], sequence_end: int
    ) -> None:
        """Prepare for elements, which sequences do not have."""
        self.run = run  # the fast path, if there is one
        self.specials = specials  # tags that must be looked at closely, ascending
        self.sequence_end = sequence_end  # of the sequence around, where this item goes beyond it
        if sequence_end < self.stop:
            self.stop = sequence_end
        self.last = -1  # the largest tag so far
        self.watch = specials[0]  # the next tag that must be looked at closely
        self.group = NO_GROUP  # whose group length waits for its value
        self.group_length_position = 0
        self.group_length_value = -1
        self.group_start = 0
        self.pixel_representation = 0
        self.waveform_bits = 0
        self.creators: dict[int, bytes] | None = None


class Walk:
    """One data set on its way from one encoding to another."""

    def __init__(
        self,
        plan: Plan,
        output: Output,
        look_up: LookUp,
        remarks: Remarks,
        familiar: Familiar | None = None,
    ) -> None:
        """Prepare for the first fragment; `familiar`: what is known of data sets like this one."""
        self.attributes = Attributes()
        self.disordered = False
        self.cuts: dict[int, Cut] = {}
        self._plan = plan
        self._look_up = look_up
        self._remarks = remarks
        self._assembly = Assembly(output)
        self._noted: set[int] = set()  # tags met at the top level
        self._noted_inside: dict[int, bytes | None] = {}
        self._damage = ""
        self._unwritable = ""
        self._depth = 0
        # The fragment at hand.
        self._fragment = _NOTHING
        self._end = 0
        self._start = 0
        self._offset = 0  # of the fragment in the data set
        # What the fragment before left over.
        self._carry = bytearray()
        self._needed = 0
        self._header_size = 0  # in the carry, 0 if it is not known
        self._left = 0  # bytes of a value still to come
        self._value_offset = 0  # where that value began
        self._converted_end = 0  # of the last UN that became a sequence without being checked
        self._opened_offset = -1  # where the content of the last sequence began
        self._sink: Sink | None = None
        self._pad = b""
        self._ordinary_run: Callable[[int], int] | None = None
        self._bytes = b""  # the fragment once more, where it was asked for
        self._shapes: dict[tuple[int, int], Shapes] = {}  # by tag of the sequence and depth
        self._learns = plan.knows_shapes
        self._hopes = False  # whether the carry is but hoped to become an item of a known shape
        self._familiar = familiar
        self._head: Head | None = None  # while it is recorded
        self._level = Level(ELEMENTS, NEVER, 0, 0, implicit=plan.read.implicit_vr)
        self._levels = [self._level]
        self._begin_elements(self._level, plan.specials_at_top, NEVER)
        if familiar is not None and not self._follows_creators():
            self._begin_with(familiar, self._level)

    @property
    def received(self) -> int:
        """Bytes of the data set so far."""
        return self._offset + len(self._carry)

    @property
    def written_length(self) -> int:
        """Bytes of the written data set so far."""
        return self._assembly.position

    def feed(self, fragment: memoryview) -> None:
        """Take the next bytes of the data set.

        Raises:
            InvalidDataSet: it cannot be parsed.
            CannotUnderstand: it ends before its time.
        """
        if self._head is not None:
            self._record(self._head, fragment)
        length = len(fragment)
        if length < self._left and self._sink is None:
            # The usual fragment: the midst of a long value.
            self._assembly.write(fragment)
            self._left -= length
            self._offset += length
            return
        try:
            self._feed(fragment)
        except InvalidDataSet as error:
            if self._offset < self._converted_end:
                raise CannotUnderstand("a UN element known as a sequence is none") from error
            raise

    def _feed(self, fragment: memoryview) -> None:
        while self._carry:
            missing = self._needed - len(self._carry)
            self._carry += fragment[:missing]
            fragment = fragment[missing:]
            if len(self._carry) < self._needed:
                return
            carried, self._carry = self._carry, bytearray()
            self._hopes = False
            self._walk(memoryview(carried))
        self._walk(fragment)

    def finish(self, preceding: Callable[[Attributes], int]) -> Attributes:
        """End the data set; `preceding` tells the bytes in front of it in its file.

        Raises:
            InvalidDataSet: it is not complete.
            CannotUnderstand: it is damaged.
            OutOfResources: it cannot be written in this transfer syntax.
        """
        if self._hopes:
            self._give_up_hope()
        self._fragment = _NOTHING
        self._start = self._end = 0
        self._check_last_element()
        while len(self._levels) > 1:
            self._check_last_level(self._level)
            self._close(0)
        if self._damage:
            raise CannotUnderstand(self._damage)
        if self._unwritable:
            raise OutOfResources(self._unwritable)
        for tag in _NOTED_INSIDE - self._noted:
            setattr(self.attributes, _NOTED_AT_TOP[tag], self._noted_inside.get(tag))
        self._settle_group(0)
        if self._plan.file_padding:
            length = preceding(self.attributes) + self._assembly.position
            self._write_padding(length, self._plan.file_padding)
        self._assembly.flush()
        self._remarks.close()
        if self._head is not None and self._familiar is not None and not self.disordered:
            self._familiar.learn(self._head, self._rehearse)
        return self.attributes

    # ------------------------------------------------------------------ fragments and spans

    def _walk(self, fragment: memoryview) -> None:
        """Walk one fragment to its end."""
        end = len(fragment)
        self._fragment = fragment
        self._end = end
        self._start = 0
        self._bytes = b""
        position = self._take_value(0) if self._left else 0
        while position < end:
            level = self._level
            if level.end <= self._offset + position:
                self._close(position)
            elif level.content == ELEMENTS:
                if level.run is not None:
                    position = level.run(position)
                    if position >= end:
                        break
                    if level.end <= self._offset + position:
                        continue
                position = self._element(position)
            else:
                if level.shapes is not None and level.shapes.known:
                    position = self._known_items(position, level, level.shapes)
                    if position >= end:
                        break
                    if level.end <= self._offset + position:
                        continue
                position = self._item(position)
        if self._start < end:
            self._assembly.write(fragment[self._start :] if self._start else fragment)
        self._offset += end - len(self._carry)
        self._fragment = _NOTHING

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
        return self._begin_value(position + size, length, _DISCARDED)

    # ------------------------------------------------------------------ fast paths

    def _begin_elements(self, level: Level, specials: tuple[int, ...], sequence_end: int) -> None:
        plan = self._plan
        run = None
        if plan.same_layout and level.implicit == plan.read.implicit_vr:
            if not level.implicit:
                run = None if self._follows_creators() else self._run_explicit
            elif not plan.settled:
                run = self._run_implicit
        level.begin_elements(run, specials, sequence_end)
        if plan.creates_group_lengths:
            level.watch = 0

    def _begin_with(self, familiar: Familiar, level: Level) -> None:
        """Prepare the top level to pass what is known, or to learn."""
        self._ordinary_run = level.run
        if familiar.wants_head():
            self._head = Head()
            level.run = self._run_recording
        elif familiar.stretches:
            level.run = self._run_familiar
            level.specials = familiar.specials
            level.watch = level.specials[0]

    def _record(self, head: Head, fragment: memoryview) -> None:
        """Keep the begin of the data set."""
        if len(head.data) < LONGEST_HEAD:
            head.data += fragment[: LONGEST_HEAD - len(head.data)]

    def _run_recording(self, position: int) -> int:
        """Move over elements as the ordinary run does, and record where they begin."""
        run, head = self._ordinary_run, self._head
        if run is None or head is None:
            return position
        after = run(position)
        read, kinds, fragment = self._plan.read, self._plan.kinds, self._fragment
        unpack, unpack_length = read.fields.unpack_from, read.length.unpack_from
        implicit, add = read.implicit_vr, head.starts.append
        while position < after:
            add(self._offset + position)
            _, _, vr, length = unpack(fragment, position)
            if implicit:
                (length,) = unpack_length(fragment, position + 4)
                position += 8 + length
            elif kinds[vr] < LONG:
                position += 8 + length
            else:
                (length,) = unpack_length(fragment, position + 8)
                position += 12 + length
        return after

    def _run_familiar(self, position: int) -> int:
        """Move over elements that are known, and over those between them."""
        level, familiar, run = self._level, self._familiar, self._ordinary_run
        assert familiar is not None
        data = self._bytes = self._bytes or bytes(self._fragment)
        find, watches = familiar.stretches.get, familiar.watches
        while True:
            stretch = find(data[position : position + 4])
            if stretch is not None and level.last < stretch.first:
                if data.startswith(stretch.received, position):
                    if level.group == NO_GROUP or level.group == stretch.group:
                        if stretch.written is not None:
                            self._flush(position)
                            self._assembly.write(stretch.written)
                            self._start = position + len(stretch.received)
                        position += len(stretch.received)
                        level.last = stretch.last
                        level.watch = watches[stretch.last]
                        if level.group != NO_GROUP:
                            level.watch = min(level.watch, (level.group + 1) << 16)
                        if stretch.notes:
                            self._take_notes(stretch.notes)
                        continue
                elif position + len(stretch.received) <= self._end:
                    familiar.differs(stretch, data, position, self._rehearse)
                    level.specials, watches = familiar.specials, familiar.watches
            if run is None:
                return position
            after = run(position)
            if after == position or after >= self._end:
                return after
            position = after

    def _take_notes(self, notes: tuple[tuple[int, bytes | None], ...]) -> None:
        for tag, value in notes:
            self._noted.add(tag)
            setattr(self.attributes, _NOTED_AT_TOP[tag], value)

    def _rehearse(self, elements: bytes) -> Rehearsed | None:
        """What would be made of elements in the midst of the top level; None if it depends on others."""
        output = _Kept()
        remarks = Remarks(muted=True)
        trial = Walk(self._plan, output, self._look_up, remarks)
        try:
            trial.feed(memoryview(elements))
        except StorescpError:
            return None
        trial._start = trial._end = 0
        while len(trial._levels) > 1 and trial._level.end == trial._offset:
            trial._close(0)
        level = trial._level
        undone = len(trial._levels) > 1 or trial._carry or trial._left or trial.cuts
        odd = trial.disordered or trial._damage or trial._unwritable or remarks.count
        if undone or odd or level.group != NO_GROUP or level.creators or trial._noted_inside:
            return None
        trial._assembly.flush()
        notes = [(tag, getattr(trial.attributes, _NOTED_AT_TOP[tag])) for tag in trial._noted]
        return Rehearsed(bytes(output.data), tuple(notes))

    def _run_explicit(self, position: int) -> int:
        """Move over elements that are written as they came. Returns where to look closely."""
        fragment, level, plan = self._fragment, self._level, self._plan
        unpack = plan.read.fields.unpack_from
        unpack_length = plan.read.length.unpack_from
        kinds = plan.kinds
        last, watch = level.last, level.watch
        level_stop = level.stop - self._offset
        stop = min(self._end, level_stop)
        while position + 8 <= stop:
            group, element, vr, length = unpack(fragment, position)
            tag = group << 16 | element
            if not (last < tag < watch and element):
                break
            kind = kinds.get(vr, LOOK_CLOSELY)
            value = position + 8
            if kind >= LONG:
                # Reserved bytes: PS3.5 table 7.1-1.
                if kind == SEQUENCE or length or position + 12 > stop:
                    break
                value = position + 12
                (length,) = unpack_length(fragment, position + 8)
                if length == UNDEFINED_LENGTH:
                    break
            after = value + length
            if kind in (SHORT, LONG):
                if length & 1:
                    break
            elif kind in (SHORT_TEXT, LONG_TEXT):
                if length & 1 or after > stop:
                    break
                if length:
                    end_byte = fragment[after - 1]
                    if end_byte == 0x20:
                        if fragment[after - 2] in b" \0":
                            break
                    elif not end_byte:
                        break
            elif kind == SHORT_UID:
                if length & 1 or after > stop or _find_white_space(fragment, value, after):
                    break
                if length and not fragment[after - 1] and not fragment[after - 2]:
                    break
            elif kind == LOOK_CLOSELY:
                break
            if after > stop:
                if after > level_stop:
                    break
                level.last = tag
                self._left = after - self._end
                self._value_offset = self._offset + value
                return self._end
            last = tag
            position = after
        level.last = last
        return position

    def _run_implicit(self, position: int) -> int:
        """As `_run_explicit`, where the dictionary knows the VRs."""
        fragment, level = self._fragment, self._level
        dictionary = self._look_up()
        kinds = dictionary.kinds
        unpack = IMPLICIT_LITTLE_ENDIAN.tag_length.unpack_from
        last, watch = level.last, level.watch
        level_stop = level.stop - self._offset
        stop = min(self._end, level_stop)
        while position + 8 <= stop:
            group, element, length = unpack(fragment, position)
            tag = group << 16 | element
            if not (last < tag < watch and element) or length == UNDEFINED_LENGTH:
                break
            kind = kinds.get(tag)
            if kind is None:
                kind = self._kind_of(tag)
            value = position + 8
            after = value + length
            if kind == SHORT:
                if length & 1:
                    break
            elif kind == SHORT_TEXT:
                if length & 1 or after > stop:
                    break
                if length:
                    end_byte = fragment[after - 1]
                    if end_byte == 0x20:
                        if fragment[after - 2] in b" \0":
                            break
                    elif not end_byte:
                        break
            elif kind == SHORT_UID:
                if length & 1 or after > stop or _find_white_space(fragment, value, after):
                    break
                if length and not fragment[after - 1] and not fragment[after - 2]:
                    break
            elif kind != SHORT_ANY:
                break
            if after > stop:
                if after > level_stop:
                    break
                level.last = tag
                self._left = after - self._end
                self._value_offset = self._offset + value
                return self._end
            last = tag
            position = after
        level.last = last
        return position

    def _kind_of(self, tag: int) -> int:
        """How the fast path takes values of a tag of implicit VR."""
        dictionary = self._look_up()
        kind = implicit_kind(dictionary, tag)
        if len(dictionary.kinds) < LARGEST_CACHE:
            dictionary.kinds[tag] = kind
        return kind

    def _known_items(self, position: int, level: Level, shapes: Shapes) -> int:
        """Take the items here that are of known shapes. Returns where the next one begins, or the fragment ends."""
        data = self._bytes = self._bytes or bytes(self._fragment)
        stop = min(self._end, level.end - self._offset)
        pieces: list[bytes] = []
        known, count = shapes.known, 0
        while True:
            for shape in known:
                after = position + shape.size
                if after <= stop and (values := shape.values(data, position)) is not None:
                    break
            else:
                break
            if shape is not known[0]:
                shapes.prefer(shape)
            count += 1
            if shape.written is not None:
                if not pieces:
                    self._flush(position)
                around = shape.written.copy()
                around[1::2] = values
                pieces += around
            elif pieces:
                pieces.append(data[position:after])
            position = after
        if count:
            shapes.succeeded(count)
        if pieces:
            self._assembly.write(b"".join(pieces))
            self._start = position
        size = known[0].size
        if self._end - position < size <= level.end - self._offset - position:
            self._wait(position, size)
            self._hopes = True
            return self._end
        return position

    def _give_up_hope(self) -> None:
        """The data set ends where more of an item was hoped for: what is there is taken step by step."""
        carried, self._carry = self._carry, bytearray()
        self._hopes = self._learns = False
        for level in self._levels:
            level.shapes = None
        self._walk(memoryview(carried))

    # ------------------------------------------------------------------ elements

    def _element(self, position: int) -> int:
        """Take one element, whatever it is. Returns where it ends, or the fragment."""
        level, plan, fragment = self._level, self._plan, self._fragment
        available = self._end - position
        if available < 8:
            return self._wait(position, 8)
        code = b""
        size = 8
        if level.implicit:
            group, number, length = IMPLICIT_LITTLE_ENDIAN.tag_length.unpack_from(
                fragment, position
            )
            tag = group << 16 | number
            if tag in DELIMITERS:
                return self._delimiter(position, tag)
            vr = settled_vr(tag, length) if plan.settled else self._implicit_vr(level, tag)
        else:
            group, number, code, length = plan.read.tag_vr_length.unpack_from(fragment, position)
            tag = group << 16 | number
            if tag in DELIMITERS:
                return self._delimiter(position, tag)
            standard_vr = VRS_BY_CODE.get(code)
            vr, long = (
                (standard_vr, standard_vr.long) if standard_vr else non_standard_vr(tag, code)
            )
            if long:
                if available < 12:
                    return self._wait(position, 12)
                (length,) = plan.read.length.unpack_from(fragment, position + 8)
                size = 12
        self._check_bounds(level, tag, position, size, length)

        # What is converted counts as little endian, and as implicit VR inside.
        converted = False
        if plan.convert_un and code == b"UN" and length != UNDEFINED_LENGTH:
            known = self._known_vr(level, tag)
            if known is SQ and length <= LONGEST_CHECKED_SEQUENCE:
                if available < size + length:
                    return self._wait(position, size + length, size)
                known = self._if_parsable(fragment[position + size : position + size + length])
            elif known is SQ:
                self._converted_end = self._offset + position + size + length
            if known is not None:
                vr, converted = known, True

        seen = self._bytes_to_see(level, tag, vr, length)
        if available < size + seen:
            return self._wait(position, size + seen, size)
        if code and code not in VRS_BY_CODE:
            self._warn_of_vr(tag, code, size)
        if length & 1 and length != UNDEFINED_LENGTH:
            self._remarks.warn("Length of element %s is odd", tag_name(tag))

        if self._head is not None and len(self._levels) == 1:
            self._head.starts.append(self._offset + position)

        # Groups and their lengths.
        if group != level.group:
            self._settle_group(position)
            if plan.creates_group_lengths and group != DATA_SET_TRAILING_PADDING >> 16:
                self._create_group_length(position, group)
        little_endian = converted or level.implicit or plan.read.little_endian
        if not number and not plan.keeps_group_lengths:
            if length == UNDEFINED_LENGTH or vr is SQ:
                self.disordered = True  # a sequence for a group length: the second pass removes it
            else:
                after = self._group_length(
                    position, size, tag, vr, length, little_endian=little_endian
                )
                level.watch = self._next_watch(level)
                return after
        if tag == DATA_SET_TRAILING_PADDING and plan.drops_padding:
            if length == UNDEFINED_LENGTH or vr is SQ:
                self.disordered = True
            else:
                return self._discard(position, size, length)

        if tag > level.last:
            level.last = tag
        else:
            self._note_disorder(tag)
        level.watch = self._next_watch(level)
        if seen or tag in _NOTED_AT_TOP:
            value = bytes(fragment[position + size : position + size + seen])
            self._note(level, tag, vr, value)

        if length == UNDEFINED_LENGTH:
            return self._undefined_length(position, size, tag, vr)
        if vr is SQ:
            return self._open_sequence(
                position, size, tag, length, implicit=converted or level.implicit
            )
        if tag == PIXEL_DATA and plan.encapsulated and len(self._levels) == 1:
            raise InvalidDataSet(
                "Pixel data in top level dataset in compressed Transfer Syntax uses explicit length"
            )
        if tag == VOI_LUT_SEQUENCE and (vr is OB or vr is OW) and not plan.settled:
            raise InvalidDataSet(
                "Illegal VOI LUT Sequence element with OB or OW Value Representation and explicit"
                " length encountered"
            )
        if vr.is_text and not plan.settled:
            return self._text(position, size, tag, vr, length)
        return self._binary(position, size, tag, vr, length, little_endian=little_endian)

    def _check_bounds(self, level: Level, tag: int, position: int, size: int, length: int) -> None:
        """Check an element against the end of its item, which counts even if it is wrong."""
        offset = self._offset + position
        if offset + size > level.end:
            self._note_damage(f"the header of {tag_name(tag)} goes beyond the end of its item")
        elif length != UNDEFINED_LENGTH and offset + size + length > level.end:
            raise InvalidDataSet(
                "Length of element larger than explicit length of surrounding item"
            )
        if offset >= level.stop:
            if offset == level.sequence_end:
                self._note_damage(f"an item goes beyond its sequence and takes in {tag_name(tag)}")
            level.stop = level.end

    def _bytes_to_see(self, level: Level, tag: int, vr: VR, length: int) -> int:
        """How many bytes of a value must be there before anything is decided."""
        plan = self._plan
        if length == UNDEFINED_LENGTH:
            legal = vr is SQ or vr is UN or vr is OB or vr is OW
            return 0 if legal else 1  # the end of the data set forgives, anything else does not
        if vr is SQ or plan.settled:
            return 0
        if vr.is_text:
            if length <= LONGEST_SEEN_WHOLE:
                return length
            return LONGEST_SEEN_WHOLE if tag in _NOTED_AT_TOP else 0
        if not tag & 0xFFFF:
            return min(length, 4)
        noted = tag in _NOTED_AT_TOP or (
            level.implicit and tag in (PIXEL_REPRESENTATION, WAVEFORM_BITS_ALLOCATED)
        )
        return min(length, LONGEST_SEEN_WHOLE) if noted else 0

    def _text(self, position: int, size: int, tag: int, vr: VR, length: int) -> int:
        """Write an element with characters. Returns where it ends, or the fragment."""
        value = position + size
        after = value + length
        trimming = TRIMMINGS[vr.value]
        if length > LONGEST_SEEN_WHOLE:
            self._flush(position)
            sink = Trimmed(
                self._assembly,
                self._plan.write,
                tag,
                (self._written_vr(vr, 0), self._written_vr(vr, UNDEFINED_LENGTH)),
                length,
                trimming,
                self.cuts,
                lambda: self._warn_of_white_space(tag),
            )
            self._start = value
            return self._begin_value(value, length, sink)
        received = bytes(self._fragment[value:after])
        written = trimming(received)
        if trimming is UID and len(received) != len(received.translate(None, UID.removed)):
            self._warn_of_white_space(tag)
        written_vr = self._written_vr(vr, len(written))
        self._replace(position, size, self._plan.write.header(tag, written_vr, len(written)))
        if written != received:
            self._flush(value)
            self._assembly.write(written)
            self._start = after
        return after

    def _binary(
        self, position: int, size: int, tag: int, vr: VR, length: int, *, little_endian: bool
    ) -> int:
        """Write any other element. Returns where it ends, or the fragment."""
        plan = self._plan
        odd = length & 1 and vr.value is Value.BINARY and not plan.settled
        pad = b"\0" if odd else b""
        written_vr = self._written_vr(vr, length + len(pad))
        self._replace(position, size, plan.write.header(tag, written_vr, length + len(pad)))
        # What is written under another VR is written in little endian.
        to_little_endian = plan.write.little_endian or written_vr is not vr
        sink = None
        if vr.unit > 1 and little_endian != to_little_endian:
            sink = Swapped(self._assembly, vr.unit)
        return self._begin_value(position + size, length, sink, pad)

    def _written_vr(self, vr: VR, length: int) -> VR:
        """The VR that is written for a value of this length, PS3.5 6.2.2 note 2."""
        plan = self._plan
        if plan.write.implicit_vr:
            return vr
        if vr.recent and not plan.new_vr:
            return OB
        if length > LARGEST_SHORT_LENGTH and not vr.long:
            return UN if plan.new_vr else OB
        return vr

    def _undefined_length(self, position: int, size: int, tag: int, vr: VR) -> int:
        """Take an element of undefined length. Returns where its header ends."""
        if vr is SQ:
            return self._open_sequence(
                position, size, tag, UNDEFINED_LENGTH, implicit=self._level.implicit
            )
        if vr is UN:
            if not self._level.implicit:
                self._remarks.warn(
                    "Found element %s with VR=UN and undefined length, reading a sequence with"
                    " transfer syntax LittleEndianImplicit (CP-246)",
                    tag_name(tag),
                )
            return self._open_sequence(position, size, tag, UNDEFINED_LENGTH, implicit=True)
        if vr is OB or vr is OW:
            if tag == PIXEL_DATA:
                return self._open_pixel_data(position, size, vr)
            raise InvalidDataSet(
                "Illegal element with OB or OW Value Representation and undefined length encountered"
            )
        raise InvalidDataSet("Corrupted data")

    # ------------------------------------------------------------------ levels

    def _item(self, position: int) -> int:
        """Take an item's header or a delimiter in a sequence. Returns where it ends."""
        if self._end - position < 8:
            return self._wait(position, 8)
        level, plan = self._level, self._plan
        read = IMPLICIT_LITTLE_ENDIAN if level.implicit else plan.read
        group, number, length = read.tag_length.unpack_from(self._fragment, position)
        tag = group << 16 | number
        offset = self._offset + position
        if offset + 8 > level.end:
            self._note_damage("the header of an item goes beyond the end of its sequence")
        if tag == SEQUENCE_DELIMITER:
            self._close(position, delimiter_size=8)
            return position + 8
        if tag != ITEM:
            raise InvalidDataSet("Sequence Delimitation Item missing")
        if level.content == FRAGMENTS:
            return self._pixel_data_fragment(position, length)
        end = NEVER if length == UNDEFINED_LENGTH else offset + 8 + length
        written = length if plan.explicit_lengths else UNDEFINED_LENGTH
        self._replace(position, 8, plan.write.delimiter(ITEM, written))
        item = Level(
            ELEMENTS,
            end,
            self._output_position(position + 8),
            written,
            implicit=level.implicit,
        )
        known = len(self._noted_inside.keys() | self._noted & _NOTED_INSIDE) == len(_NOTED_INSIDE)
        self._begin_elements(
            item,
            plan.specials_known if known else plan.specials,
            level.end if level.end < end < NEVER else NEVER,
        )
        if level.shapes is not None and level.shapes.wants_more():
            item.begun = offset
        self._push(item)
        return position + 8

    def _open_sequence(
        self, position: int, size: int, tag: int, length: int, *, implicit: bool
    ) -> int:
        """Take the header of a sequence. Returns where it ends."""
        self._depth += 1
        if self._depth > MOST_NESTED_SEQUENCES:
            raise InvalidDataSet("Maximum sequence nesting depth exceeded")
        plan = self._plan
        written = length if plan.explicit_lengths else UNDEFINED_LENGTH
        self._replace(position, size, plan.write.header(tag, SQ, written))
        after = position + size
        end = NEVER if length == UNDEFINED_LENGTH else self._offset + after + length
        self._opened_offset = self._offset + after
        level = Level(ITEMS, end, self._output_position(after), written, implicit=implicit)
        if self._learns and implicit == plan.read.implicit_vr:
            level.shapes = self._shapes_of(tag)
        self._push(level)
        return after

    def _shapes_of(self, tag: int) -> Shapes | None:
        """What is known of the items of a sequence at this depth."""
        shapes = self._shapes.get((tag, self._depth))
        if shapes is None and len(self._shapes) < _MOST_KINDS_OF_ITEMS:
            shapes = Shapes(self._plan, self._kind_of, MOST_NESTED_SEQUENCES - self._depth)
            self._shapes[tag, self._depth] = shapes
        return shapes

    def _open_pixel_data(self, position: int, size: int, vr: VR) -> int:
        """Take the header of encapsulated Pixel Data, PS3.5 A.4. Returns where it ends."""
        plan = self._plan
        if not plan.can_encapsulate:
            self._unwritable = "Pixel representation not found"
        if vr is OW and not self._level.implicit:
            self._remarks.warn("Encapsulated Pixel Data with VR=OW, assuming OB")
        self._replace(position, size, plan.write.header(PIXEL_DATA, OB, UNDEFINED_LENGTH))
        after = position + size
        self._opened_offset = self._offset + after
        start = self._output_position(after)
        self._push(Level(FRAGMENTS, NEVER, start, UNDEFINED_LENGTH, implicit=self._level.implicit))
        return after

    def _pixel_data_fragment(self, position: int, length: int) -> int:
        """Take one fragment of Pixel Data. Returns where it ends, or the fragment at hand."""
        if length == UNDEFINED_LENGTH:
            raise InvalidDataSet("Corrupted data")
        odd = length & 1
        self._replace(position, 8, self._plan.write.delimiter(ITEM, length + odd))
        return self._begin_value(position + 8, length, pad=b"\0" if odd else b"")

    def _delimiter(self, position: int, tag: int) -> int:
        """Take a delimiter where an element may be. Returns where it ends."""
        if tag == ITEM:
            raise InvalidDataSet("Invalid tag")
        if tag == SEQUENCE_DELIMITER:
            raise InvalidDataSet("Item Delimitation Item missing")
        if len(self._levels) == 1:
            raise CannotUnderstand("an Item Delimitation Item outside of any item")
        self._close(position, delimiter_size=8)
        return position + 8

    def _push(self, level: Level) -> None:
        self._levels.append(level)
        self._level = level

    def _close(self, position: int, *, delimiter_size: int = 0) -> None:
        """End the present level here, where a delimiter of the input may lie."""
        level, plan = self._level, self._plan
        after = position + delimiter_size
        if level.content == ELEMENTS:
            if self._offset + position > level.end:
                self._note_damage("an element goes beyond the end of its item")
            self._settle_group(position)
            length = self._output_position(position) - level.start
            if plan.item_padding and length:
                self._flush(position)
                self._write_padding(length, plan.item_padding)
            delimiter = ITEM_DELIMITER
        else:
            delimiter = SEQUENCE_DELIMITER
            self._depth -= level.content == ITEMS
        length = self._output_position(position) - level.start
        if plan.explicit_lengths and length <= LARGEST_LENGTH and level.content != FRAGMENTS:
            if delimiter_size:
                self._flush(position)
                self._start = after
            if length != level.length:
                self._flush(position)
                self._assembly.patch(level.start - 4, plan.write.length.pack(length))
        else:
            if level.length != UNDEFINED_LENGTH:
                self._flush(position)
                undefined = plan.write.length.pack(UNDEFINED_LENGTH)
                self._assembly.patch(level.start - 4, undefined)
            self._replace(position, delimiter_size, plan.write.delimiter(delimiter))
        self._levels.pop()
        self._level = around = self._levels[-1]
        begun = level.begun - self._offset
        if around.shapes is not None and 0 <= begun < after <= begun + LONGEST_ITEM:
            around.shapes.learn(bytes(self._fragment[begun:after]))

    def _write_padding(self, length: int, multiple: int) -> None:
        """Fill a level of `length` bytes with Data Set Trailing Padding, PS3.10 7.2."""
        write = self._plan.write
        missing = -length % multiple
        if not missing:
            return
        size = write.header_size(OB)
        while missing < size:
            missing += multiple
        self._assembly.write(write.header(DATA_SET_TRAILING_PADDING, OB, missing - size))
        self._assembly.write_zeros(missing - size)

    # ------------------------------------------------------------------ group lengths

    def _group_length(
        self, position: int, size: int, tag: int, vr: VR, length: int, *, little_endian: bool
    ) -> int:
        """Take a group length element, PS3.5 7.2. Returns where it ends, or the fragment."""
        plan, level = self._plan, self._level
        if plan.removes_group_lengths or plan.creates_group_lengths:
            return self._discard(position, size, length)
        if tag > level.last:
            level.last = tag
        else:
            self._note_disorder(tag)
        level.group = tag >> 16
        value = position + size
        if vr is UL and length and not length % 4:
            layout = IMPLICIT_LITTLE_ENDIAN if little_endian else plan.read
            (level.group_length_value,) = layout.length.unpack_from(self._fragment, value)
            level.group_length_position = self._output_position(position) + 8
            level.group_start = level.group_length_position + length
            return self._binary(position, size, tag, vr, length, little_endian=little_endian)
        if vr is not UL:
            self._remarks.warn(
                "Group Length with VR other than UL found, corrected: %s", tag_name(tag)
            )
        self._flush(position)
        self._write_group_length(tag)
        self._start = value
        return self._begin_value(value, length, _DISCARDED)

    def _create_group_length(self, position: int, group: int) -> None:
        self._flush(position)
        self._level.group = group
        self._write_group_length(group << 16)

    def _write_group_length(self, tag: int) -> None:
        """Write a group length element whose value is not yet known."""
        level = self._level
        self._assembly.write(self._plan.write.header(tag, UL, 4) + bytes(4))
        level.group_start = self._assembly.position
        level.group_length_position = level.group_start - 4
        level.group_length_value = 0

    def _settle_group(self, position: int) -> None:
        """Give the group that ends here its length."""
        level = self._level
        if level.group == NO_GROUP:
            return
        length = self._output_position(position) - level.group_start
        if length != level.group_length_value:
            self._flush(position)
            value = self._plan.write.length.pack(min(length, UNDEFINED_LENGTH))
            self._assembly.patch(level.group_length_position, value)
        level.group = NO_GROUP

    def _next_watch(self, level: Level) -> int:
        """The next tag of this level that the fast path must not pass."""
        specials = level.specials
        index = bisect_right(specials, level.last)
        watch = specials[index] if index < len(specials) else specials[-1]
        if level.group != NO_GROUP:
            return min(watch, (level.group + 1) << 16)
        return watch

    # ------------------------------------------------------------------ VRs

    def _implicit_vr(self, level: Level, tag: int) -> VR:
        """The VR of an element of implicit VR, as the reference decides while it reads."""
        name = self._look_up_vr(level, tag)
        if name is None:
            return UN
        vr = VRS.get(name)
        if vr is not None:
            return vr
        if name == "xs":
            signed = tag in SIGNED_LIKE_PIXELS and level.pixel_representation == 1
            return SS if signed else US
        if name == "ox" and tag in WAVEFORM_TAGS:
            return OW if level.waveform_bits not in (0, 8) else OB
        if name in ("ox", "px"):
            return OW if _is_pixel_or_overlay_data(tag) else OB
        return {"lt": OW, "up": UL, "pi": OB}.get(name, UN)

    def _known_vr(self, level: Level, tag: int) -> VR | None:
        """What the dictionary makes of an element that came as UN."""
        name = self._look_up_vr(level, tag)
        if name is None or name == "UN":
            return None
        ambiguous = {"xs": US, "lt": OW, "px": OW, "ox": OW, "up": UL}
        return VRS.get(name) or ambiguous.get(name)

    def _look_up_vr(self, level: Level, tag: int) -> str | None:
        dictionary = self._look_up()
        if tag & 0x10000 and tag & 0xFFFF >= 0x1000 and level.creators:
            creator = level.creators.get(tag >> 16 << 16 | tag >> 8 & 0xFF)
            if creator is not None:
                return dictionary.private_vr(creator, tag)
        return dictionary.vr(tag)

    def _follows_creators(self) -> bool:
        """Whether private creators matter."""
        may_matter = self._plan.convert_un or self._plan.read.implicit_vr
        return may_matter and self._look_up().knows_private_elements

    def _if_parsable(self, value: memoryview) -> VR | None:
        """SQ if the value of a UN element can be read as items of implicit VR."""
        if self._depth >= MOST_NESTED_SEQUENCES:
            return None
        trial = Walk(self._plan, _Void(), self._look_up, Remarks(muted=True))
        trial._depth = self._depth + 1
        trial._push(Level(ITEMS, len(value), 0, UNDEFINED_LENGTH, implicit=True))
        try:
            trial.feed(value)
            trial.finish(lambda _: 0)
        except StorescpError:
            return None
        return SQ

    # ------------------------------------------------------------------ notes

    def _note(self, level: Level, tag: int, vr: VR, value: bytes) -> None:
        """Keep what storing or a later VR asks for."""
        if tag in _NOTED_AT_TOP:
            self._note_attribute(tag, vr, value)
        elif level.implicit and vr is US:
            if tag == PIXEL_REPRESENTATION:
                level.pixel_representation = int.from_bytes(value[:2], "little")
            elif tag == WAVEFORM_BITS_ALLOCATED:
                level.waveform_bits = int.from_bytes(value[:2], "little")
        elif vr is LO and self._is_followed_creator(level, tag):
            level.creators = level.creators or {}
            level.creators.setdefault(tag, value.rstrip(b" \0"))

    def _is_followed_creator(self, level: Level, tag: int) -> bool:
        """Whether a tag is that of a private creator that VRs depend on."""
        is_creator = bool(tag & 0x10000) and 0x10 <= tag & 0xFFFF <= 0xFF
        followed = level.implicit or self._plan.convert_un
        return is_creator and followed and self._look_up().knows_private_elements

    def _note_attribute(self, tag: int, vr: VR, value: bytes) -> None:
        right = vr.value is Value.UID if tag in _NOTED_INSIDE else vr.is_text
        noted = TRIMMINGS[vr.value](value).rstrip(b" \0") if right else None
        if len(self._levels) == 1:
            if tag not in self._noted:
                self._noted.add(tag)
                setattr(self.attributes, _NOTED_AT_TOP[tag], noted)
        elif tag in _NOTED_INSIDE:
            self._noted_inside.setdefault(tag, noted)

    def _note_disorder(self, tag: int) -> None:
        self.disordered = True
        self._remarks.warn("Dataset not in ascending tag order, at element %s", tag_name(tag))

    def _note_damage(self, what: str) -> None:
        self._damage = self._damage or what

    def _warn_of_white_space(self, tag: int) -> None:
        self._remarks.warn(
            "DcmUniqueIdentifier: Element %s %s contains one or more space characters, which were"
            " removed",
            self._look_up().keyword(tag),
            tag_name(tag),
        )

    def _warn_of_vr(self, tag: int, code: bytes, size: int) -> None:
        self._remarks.warn(
            "Non-standard VR '%s' (%02x\\%02x) encountered while parsing element %s, assuming %d"
            " byte length field",
            printable(code.decode("ascii")),
            code[0],
            code[1],
            tag_name(tag),
            4 if size == 12 else 2,
        )

    # ------------------------------------------------------------------ the end

    def _check_last_element(self) -> None:
        """Check how the data set ends: after an element, hopefully."""
        if self._left:
            if self._offset > self._value_offset:
                raise InvalidDataSet("Invalid stream")
            raise CannotUnderstand("the data set ends before the value of its last element")
        if not self._carry:
            return
        if self._carry == b"\0" and len(self._levels) == 1:
            self._carry.clear()  # pads the last fragment of an odd data set, PS3.8 annex E
            return
        size = self._header_size
        if not size or len(self._carry) < size:
            raise CannotUnderstand(f"{len(self._carry)} stray bytes at the end of the data set")
        if len(self._carry) > size:
            raise InvalidDataSet("Invalid stream")
        self._write_empty_last_element()

    def _write_empty_last_element(self) -> None:
        """The data set ends with a header, which is good only if it announces no length."""
        header, self._carry = bytes(self._carry), bytearray()
        has_32_bit_length = self._level.implicit or len(header) == 12
        if not (has_32_bit_length and header.endswith(b"\xff\xff\xff\xff")):
            raise CannotUnderstand("the data set ends before the value of its last element")
        self._walk(memoryview(header[:-4] + bytes(4)))
        self._start = self._end = 0

    def _check_last_level(self, level: Level) -> None:
        """Check that a level may end with the data set."""
        if level.content != ELEMENTS and self._offset < level.end:
            if self._offset == self._opened_offset:
                raise CannotUnderstand("the data set ends before the items of a sequence")
            raise InvalidDataSet("Sequence Delimitation Item missing")
        if level.end == NEVER:
            raise InvalidDataSet("Sequence Delimitation Item missing")


class _Kept:
    """An output for a rehearsal."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, chunk: bytes | memoryview) -> None:
        """Keep it."""
        self.data += chunk

    def patch(self, position: int, data: bytes) -> None:
        """Overwrite what was kept."""
        self.data[position : position + len(data)] = data


class _Void:
    """An output for a trial."""

    def write(self, chunk: bytes | memoryview) -> None:
        """Forget it."""

    def patch(self, position: int, data: bytes) -> None:
        """Forget it."""


def non_standard_vr(tag: int, code: bytes) -> tuple[VR, bool]:
    """How a VR field is read that the standard does not know: as which VR, with long header?

    Raises:
        InvalidDataSet: not even the reference reads on.
    """
    if code == b"na":
        raise InvalidDataSet("Invalid tag")
    if code == b"pi" or not all(0x20 <= byte <= 0x7F for byte in code):
        raise InvalidDataSet("Item Delimitation Item missing")
    if code == b"ox" and _is_pixel_or_overlay_data(tag):
        return OW, True
    if code == b"OX" and tag == PIXEL_DATA:
        return OW, True
    if code in NON_STANDARD_VRS:
        return NON_STANDARD_VRS[code]
    return UN, code.isalpha() and code.isupper()


def settled_vr(tag: int, length: int) -> VR:
    """What must be known of an element that a first pass wrote in implicit VR."""
    if length == UNDEFINED_LENGTH:
        return OB if tag == PIXEL_DATA else SQ
    return OW if tag & 0xFFFF else UL


def _is_pixel_or_overlay_data(tag: int) -> bool:
    return tag == PIXEL_DATA or tag & 0xFF01FFFF == 0x60003000
