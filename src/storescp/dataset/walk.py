"""The walk over one data set: bytes in as they arrive, the encoded data set out. PS3.5 section 7.

Theory of operation
-------------------

**Spans.** What need not change is not touched, and leaves as slices of the fragment (`spans`). Elements
that certainly need no change, and what is known from before, are moved over (`fast_path`); every doubt is
left to `_element`, which knows all rules.

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

from collections.abc import Callable, Sequence

from storescp.dataset.element import (
    DATA_SET_TRAILING_PADDING,
    DELIMITERS,
    IMPLICIT_LITTLE_ENDIAN,
    INVALID_GROUPS,
    ITEM,
    ITEM_DELIMITER,
    LARGEST_LENGTH,
    LARGEST_SHORT_LENGTH,
    LO,
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
    STUDY_INSTANCE_UID,
    UL,
    UN,
    UNDEFINED_LENGTH,
    US,
    VOI_LUT_SEQUENCE,
    VR,
    VRS_BY_CODE,
    WAVEFORM_BITS_ALLOCATED,
    Value,
    tag_name,
)
from storescp.dataset.encoding import Attributes, Output
from storescp.dataset.familiar import NO_GROUP, Familiar, Notes, Rehearsed
from storescp.dataset.fast_path import LONGEST_NOTED, FastPath, LookUp
from storescp.dataset.level import ELEMENTS, FRAGMENTS, ITEMS, NEVER, Level
from storescp.dataset.plan import NOTED_AT_TOP, NOTED_INSIDE, Plan
from storescp.dataset.remarks import Remarks
from storescp.dataset.shapes import LONGEST_ITEM, Shapes
from storescp.dataset.spans import DISCARDED
from storescp.dataset.values import TRIMMINGS, UID, Cut, Swapped, Trimmed
from storescp.dataset.vr_of import implicit_vr, known_vr, non_standard_vr, settled_vr
from storescp.errors import CannotUnderstand, InvalidDataSet, OutOfResources, StorescpError
from storescp.printable import printable

MOST_NESTED_SEQUENCES = 64
LONGEST_SEEN_WHOLE = LONGEST_NOTED  # bytes of a value that a rule wants to see as a whole
LONGEST_CHECKED_SEQUENCE = 0x100000  # bytes of a UN that are parsed before they become a sequence
_MOST_KINDS_OF_ITEMS = 256  # sequences of a data set whose items' shapes are known


class Walk(FastPath):
    """One data set on its way from one encoding to another."""

    disordered = False
    _damage = ""
    _unwritable = ""
    _depth = 0
    _converted_end = 0  # of the last UN that became a sequence without being checked
    _opened_offset = -1  # where the content of the last sequence began

    def __init__(
        self,
        plan: Plan,
        output: Output,
        look_up: LookUp,
        remarks: Remarks,
        familiar: Familiar | None = None,
    ) -> None:
        """Prepare for the first fragment; `familiar`: what is known of data sets like this one."""
        super().__init__(plan, output, look_up, familiar)
        self.cuts: dict[int, Cut] = {}
        self._remarks = remarks
        self._noted_inside: Notes = {}
        self._shapes: dict[tuple[int, int], Shapes] = {}  # by tag of the sequence and depth
        self._learns = plan.knows_shapes
        self._level = Level(ELEMENTS, NEVER, 0, 0, implicit=plan.read.implicit_vr)
        self._levels = [self._level]
        self._begin_elements(self._level, plan.specials_at_top, NEVER)
        if familiar is not None and not self._follows_creators():
            self._begin_with(familiar, self._level)

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

    def feed_all(self, fragments: Sequence[memoryview]) -> None:
        """Take the next fragments, as `feed` takes each of them."""
        length = sum(map(len, fragments))
        if length < self._left and self._sink is None and self._head is None:
            self._assembly.pass_on(fragments, length)
            self._left -= length
            self._offset += length
            return
        for fragment in fragments:
            self.feed(fragment)

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
        self._no_fragment()
        self._check_last_element()
        while len(self._levels) > 1:
            self._check_last_level(self._level)
            self._close(0)
        if self._damage:
            raise CannotUnderstand(self._damage)
        if self._unwritable:
            raise OutOfResources(self._unwritable)
        # What the top level has counts, even if it is not a UID.
        noted = self._noted_inside | self._noted
        attributes = Attributes(
            noted.get(SOP_CLASS_UID),
            noted.get(SOP_INSTANCE_UID),
            noted.get(STUDY_INSTANCE_UID),
            noted.get(PATIENT_NAME),
            noted.get(SPECIFIC_CHARACTER_SET),
        )
        self._settle_group(0)
        if self._plan.file_padding:
            length = preceding(attributes) + self._assembly.position
            self._write_padding(length, self._plan.file_padding)
        self._assembly.flush()
        self._remarks.close()
        if self._head is not None and self._familiar is not None and not self.disordered:
            self._familiar.learn(self._head, self._rehearse)
        return attributes

    # ------------------------------------------------------------------ fragments and spans

    def _walk(self, fragment: memoryview) -> None:
        """Walk one fragment to its end."""
        self._take_fragment(fragment)
        end = self._end
        position = self._take_value(0) if self._left else 0
        while position < end:
            level = self._level
            if level.end <= self._offset + position:
                self._close(position)
            elif level.content == ELEMENTS:
                if level.run is not None:
                    position = level.run(self, position)
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
        self._leave_fragment()

    # ------------------------------------------------------------------ fast paths

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
        return Rehearsed(bytes(output.data), trial._noted)

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
            vr = (
                settled_vr(tag, length)
                if plan.settled
                else implicit_vr(self._look_up(), level, tag)
            )
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
            known = known_vr(self._look_up(), level, tag)
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
            self._remarks.warn("DcmItem: Length of element %s is odd", tag_name(tag))

        if tag >> 16 in INVALID_GROUPS and not plan.settled:
            self._remarks.warn("DcmItem: Invalid Element %s found in data set", tag_name(tag))

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
            self.disordered = True  # the second pass says so
        level.watch = self._next_watch(level)
        if seen or tag in NOTED_AT_TOP:
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
            return LONGEST_SEEN_WHOLE if tag in NOTED_AT_TOP else 0
        if not tag & 0xFFFF:
            return min(length, 4)
        noted = tag in NOTED_AT_TOP or (
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
                    "DcmItem: Found element %s with VR=UN and undefined length, reading a sequence"
                    " with transfer syntax LittleEndianImplicit (CP-246)",
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
        known = self._noted_inside.keys() | self._noted.keys() >= NOTED_INSIDE
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
        if vr is OW and plan.encapsulated:
            self._remarks.warn(
                "DcmItem: Wrong VR for encapsulated PixelData (7fe0,0010), should be 'OB' instead"
                " of 'OW'"
            )
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
            self.disordered = True  # the second pass says so
        level.group = tag >> 16
        value = position + size
        if vr is UL and length and not length % 4:
            layout = IMPLICIT_LITTLE_ENDIAN if little_endian else plan.read
            (level.group_length_value,) = layout.length.unpack_from(self._fragment, value)
            level.group_length_position = self._output_position(position) + 8
            level.group_start = level.group_length_position + length
            return self._binary(position, size, tag, vr, length, little_endian=little_endian)
        if vr is not UL:
            self._remarks.warn("DcmItem: Group Length with VR other than UL found, corrected")
        self._flush(position)
        self._write_group_length(tag)
        self._start = value
        return self._begin_value(value, length, DISCARDED)

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

    # ------------------------------------------------------------------ VRs

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
        if tag in NOTED_AT_TOP:
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
        right = vr.value is Value.UID if tag in NOTED_INSIDE else vr.is_text
        noted = TRIMMINGS[vr.value](value).rstrip(b" \0") if right else None
        if len(self._levels) == 1:
            self._noted.setdefault(tag, noted)
        elif tag in NOTED_INSIDE:
            self._noted_inside.setdefault(tag, noted)

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
            "DcmItem: Non-standard VR '%s' (%02x\\%02x) encountered while parsing element %s,"
            " assuming %d byte length field",
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

    def write_all(self, chunks: Sequence[memoryview], _: int) -> None:
        """Keep them."""
        self.data += b"".join(chunks)

    def patch(self, position: int, data: bytes) -> None:
        """Overwrite what was kept."""
        self.data[position : position + len(data)] = data


class _Void:
    """An output for a trial."""

    def write(self, chunk: bytes | memoryview) -> None:
        """Forget it."""

    def write_all(self, chunks: Sequence[memoryview], length: int) -> None:
        """Forget them."""

    def patch(self, position: int, data: bytes) -> None:
        """Forget it."""
