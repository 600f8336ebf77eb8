# cython: language_level=3, boundscheck=True, wraparound=False, overflowcheck=True, annotation_typing=False
"""The walk over one data set: bytes in as they arrive, the encoded data set out. PS3.5 section 7.

Theory of operation
-------------------

**Any split.** A header, or a small value that a rule has to see as a whole, that is not complete in the fragment is
carried over, and looked at again as a fragment of its own. Longer values are counted down and pass in pieces.

**Elements.** `_element` takes one element by all rules: what its header says, whether that fits around it, its group,
its order, its value. What is written as it came costs no more than that look: it stays part of the cursor's run.
Tags with a rule of their own are few; `Level.watch` is the next of them, so that all others take one comparison.

**Damage.** Where the reference loses bytes without telling, the walk goes on as the reference does (there may be
worse to come, which ends the data set), and refuses the data set at its end.

Clauses quoted as "PS3.5 …" are the standard's; where the standard leaves a choice, DCMTK's is taken.
"""

import logging
from array import array
from collections.abc import Callable, Sequence
from functools import partial

from storescp.dataset.cursor import Cursor
from storescp.dataset.dictionary import Dictionary
from storescp.dataset.element import (
    BINARY,
    DATA_SET_TRAILING_PADDING,
    DELIMITERS,
    EXTENDED_OFFSET_TABLE,
    FLAGS,
    INVALID_GROUPS,
    ITEM,
    ITEM_DELIMITER,
    KIND,
    LARGEST_SHORT_LENGTH,
    LO,
    LONG,
    NUMBER_OF_FRAMES,
    OB,
    OW,
    PATIENT_NAME,
    PIXEL_DATA,
    PIXEL_REPRESENTATION,
    SEQUENCE,
    SEQUENCE_DELIMITER,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    SPECIFIC_CHARACTER_SET,
    SQ,
    SS,
    STUDY_INSTANCE_UID,
    TEXT,
    UID,
    UL,
    UN,
    UNDEFINED_LENGTH,
    UNIT,
    UNIT_SHIFT,
    US,
    VOI_LUT_SEQUENCE,
    WAVEFORM_BITS_ALLOCATED,
    WORDS,
    tag_name,
    vr_code,
    vr_name,
)
from storescp.dataset.encoding import Attributes, Output
from storescp.dataset.group_lengths import GroupLengths
from storescp.dataset.header import HeaderWriter
from storescp.dataset.level import Level
from storescp.dataset.limits import (
    ELEMENTS,
    FRAGMENTS,
    LONGEST_CHECKED_SEQUENCE,
    LONGEST_SEEN_WHOLE,
    MOST_NESTED_SEQUENCES,
    NEVER,
    NO_GROUP,
)
from storescp.dataset.nesting import Nesting, Rewritten
from storescp.dataset.offset_tables import EXTENDED
from storescp.dataset.plan import Plan
from storescp.dataset.remarks import Remarks
from storescp.dataset.rewriting import Rewriting
from storescp.dataset.signed_values import SignedValues
from storescp.dataset.trailing import Trailing
from storescp.dataset.values import UIDS, Cut, LookUp, Tried
from storescp.dataset.vr_of import depends_on_others, implicit_vr, known_vr, non_standard_vr
from storescp.errors import CannotUnderstand, InvalidDataSet, OutOfResources, StorescpError
from storescp.printable import printable

_logger = logging.getLogger("dcmtk.dcmdata")

NOTED_INSIDE = frozenset({SOP_CLASS_UID, SOP_INSTANCE_UID})
"""Tags of what storing asks for (`Attributes`) and looks for in sequences, too; they count only as UIDs."""
NOTED_AT_TOP = NOTED_INSIDE | {SPECIFIC_CHARACTER_SET, PATIENT_NAME, STUDY_INSTANCE_UID}
"""Tags of all that storing asks for."""
_CONTEXT = frozenset({PIXEL_REPRESENTATION, WAVEFORM_BITS_ALLOCATED, NUMBER_OF_FRAMES})
_CURVE_REPRESENTATION = 0x50000103
"""Data Value Representation, in the first of the groups that repeat."""
_OX = vr_code("OX")
_WITH_UNITS = {vr_code("lt"): OW, vr_code("xs"): US, vr_code("up"): UL}
"""VRs of dictionaries that the reference knows the units of, where they come as VR fields."""
_FIRST_VALID = 0x00080000
"""Most groups below this tag are invalid, and none of them is usual."""
_LAST_INVALID = 0xFFFF0000
_SPECIAL = array(
    "q",
    sorted(
        {EXTENDED_OFFSET_TABLE, VOI_LUT_SEQUENCE, PIXEL_DATA, DATA_SET_TRAILING_PADDING}
        | DELIMITERS
        | NOTED_AT_TOP
        | _CONTEXT
        | {_LAST_INVALID}
    ),
)
"""Tags that have rules of their own; so have all below `_FIRST_VALID`, and all from `_LAST_INVALID` on."""


def _number_in(text: bytes) -> int:
    """The first number of an integer string; 1 if it is empty, 0 if it is none or not of this world."""
    try:
        return min(int(text.split(b"\\")[0].strip(b" \0") or b"1"), 1 << 30)
    except ValueError:
        return 0


class Walk:
    """One data set on its way from one encoding to another."""

    def __init__(
        self,
        plan: Plan,
        output: Output | None,
        look_up: LookUp,
        remarks: Remarks,
        converted: frozenset[int] = frozenset(),
    ) -> None:
        """Prepare for the first fragment.

        Args:
            plan: how it is read and written.
            output: where it is written; None: it is only tried.
            look_up: gets the dictionary, if that is needed.
            remarks: take warnings.
            converted: offsets of UN elements that are known to be sequences.
        """
        self._plan = plan
        self._look_up = look_up
        self._remarks = remarks
        self._is_trial = output is None
        self._cursor = Cursor(output)
        headers = HeaderWriter(plan, self._cursor)
        self._rewriting = Rewriting(plan, self._cursor, headers, remarks, look_up)
        self._groups = GroupLengths(plan, self._cursor, headers, self._rewriting, remarks)
        self._signed_values = SignedValues(self._cursor, remarks)
        self._nesting = Nesting(
            plan,
            self._cursor,
            headers,
            self._groups,
            self._rewriting,
            self._signed_values,
            remarks,
        )
        self._dictionary: Dictionary | None = None
        self._vrs: dict[int, int] = {}  # the dictionary's, once it was looked up
        self._noted: dict[int, bytes | None] = {}  # at the top level
        self._noted_inside: dict[int, bytes | None] = {}
        self._follows_creators = False
        self._carry = bytearray()
        self._needed = 0  # bytes that the carry must have
        self._header_size = 0  # in the carry, 0 if it is not known
        self._trailing = Trailing()
        self._is_trailing = False  # whether the last element has passed
        self._again = b""  # bytes of the data set to be walked once more
        self._is_unknown_sequence_noted = False
        self.sequences_found: list[int] = []
        """Places of UN elements that are sequences, and too long to have been converted."""
        self._converted = converted
        self._notes_all = plan.converts_un  # whether any tag may be one that others depend on
        if plan.reads_implicit or plan.converts_un or converted:
            self._look_up_creators()

    def redirect(self, output: Output) -> None:
        """Write to another output; nothing was written to the one before."""
        self._cursor.redirect(output)

    @property
    def received(self) -> int:
        """Bytes of the data set so far."""
        return self._cursor.offset + len(self._carry)

    @property
    def written_length(self) -> int:
        """Bytes of the written data set, at its end."""
        return self._cursor.place(self._cursor.start)

    @property
    def rewritten(self) -> list[Rewritten]:
        """Levels that have to be written once more."""
        return self._nesting.rewritten

    @property
    def cuts(self) -> dict[int, Cut]:
        """Values that were written with too many blanks at their end, by place."""
        return self._rewriting.cuts

    def feed(self, fragment: memoryview) -> None:
        """Take the next bytes of the data set.

        Raises:
            InvalidDataSet: it cannot be parsed.
            CannotUnderstand: it ends before its time.
        """
        if len(fragment) < self._rewriting.left and self._rewriting.sink is None:
            # The usual fragment: the midst of a long value.
            self._pass_on([fragment], len(fragment))
            return
        self._feed(fragment)

    def feed_all(self, fragments: Sequence[memoryview]) -> None:
        """Take the next fragments, as `feed` takes each of them."""
        length = sum(map(len, fragments))
        if length < self._rewriting.left and self._rewriting.sink is None:
            self._pass_on(fragments, length)
            return
        for fragment in fragments:
            self.feed(fragment)

    def _pass_on(self, fragments: Sequence[memoryview], length: int) -> None:
        self._cursor.pass_all(fragments, length)
        self._rewriting.pass_on(length)

    def _feed(self, fragment: memoryview) -> None:
        while self._carry:
            missing = self._needed - len(self._carry)
            self._carry += fragment[:missing]
            fragment = fragment[missing:]
            if len(self._carry) < self._needed:
                return
            carried, self._carry = self._carry, bytearray()
            self._walk(memoryview(carried))
        self._walk(fragment)

    def _walk(self, fragment: memoryview) -> None:
        """Walk one fragment to its end."""
        cursor, nesting = self._cursor, self._nesting
        cursor.take(fragment)
        data = cursor.data
        end = cursor.end
        position = self._rewriting.take_value(0) if self._rewriting.left else 0
        while position < end:
            level = nesting.level
            if self._is_trailing:
                position = self._take_trailing(position)
            elif level.end <= cursor.offset + position:
                nesting.close(position, 0)
            elif level.content == ELEMENTS:
                position = self._element(level, position, data)
            else:
                position = self._item(level, position)
        cursor.leave(len(self._carry))
        if self._again:
            again, self._again = self._again, b""
            cursor.offset -= len(again)
            self._walk(memoryview(again))

    def _wait(self, position: int, needed: int, header_size: int) -> int:
        """Look again from here when `needed` bytes are there. Returns the fragment's end."""
        cursor = self._cursor
        cursor.flush(position)
        self._carry = bytearray(cursor.fragment[position:])
        self._needed = needed
        self._header_size = header_size
        cursor.start = cursor.end
        return cursor.end

    # ------------------------------------------------------------------ elements

    def _element(self, level: Level, position: int, data: memoryview) -> int:
        """Take one element of any kind. Returns its end, or the fragment."""
        cursor, plan = self._cursor, self._plan
        available = cursor.end - position
        if available < 8:
            return self._wait(position, 8, 0)
        little_endian = level.little_endian
        if little_endian:
            group = data[position] | data[position + 1] << 8
            number = data[position + 2] | data[position + 3] << 8
        else:
            group = data[position] << 8 | data[position + 1]
            number = data[position + 2] << 8 | data[position + 3]
        tag = group << 16 | number
        is_special = False
        if tag >= level.watch or tag <= level.last or tag < _FIRST_VALID:
            is_special = self._is_special(level, tag)
        if is_special:
            if tag in (ITEM, ITEM_DELIMITER, SEQUENCE_DELIMITER):
                return self._delimiter(level, position, tag)
            if not tag and level.last >= _FIRST_VALID and self._is_trailing_zero(position):
                return self._take_trailing(position)

        # The header.
        size = 8
        code = 0
        clean = level.same_layout
        if level.implicit:
            length = cursor.u32(position + 4, True)
            vr = self._vrs.get(tag, 0) or self._implicit_vr(level, tag)
            flags = FLAGS[vr]
        else:
            vr = code = data[position + 4] << 8 | data[position + 5]
            flags = FLAGS[vr]
            is_long = flags & LONG
            if not flags:
                vr, is_long = non_standard_vr(tag, code)
                flags = FLAGS[vr]
                clean = False
            if is_long:
                if available < 12:
                    return self._wait(position, 12, 0)
                length = cursor.u32(position + 8, little_endian)
                size = 12
                if data[position + 6] | data[position + 7]:
                    clean = False
            else:
                length = cursor.u16(position + 6, little_endian)
        self._check_bounds(level, tag, position, size, length)

        # What is converted counts as little endian, and as implicit VR inside.
        implicit = level.implicit
        if code == UN and self._notes_all and length != UNDEFINED_LENGTH:
            vr = self._converted_vr(level, tag, position, size, length)
            if not vr:
                return self._wait(position, size + length, size)
            if vr != UN:
                flags = FLAGS[vr]
                implicit = little_endian = True
                clean = False

        # The value, as far as a rule has to see it.
        kind = flags & KIND
        seen = 0
        if length == UNDEFINED_LENGTH:
            if vr not in (SQ, UN, OB, OW):
                seen = 1  # the end of the data set forgives, anything else does not
        elif kind in (TEXT, UID):
            if length <= LONGEST_SEEN_WHOLE:
                seen = length
            elif is_special and tag in NOTED_AT_TOP:
                seen = LONGEST_SEEN_WHOLE
        elif not number:
            seen = min(length, 4)
        elif (is_special or self._notes_all) and kind != SEQUENCE and self._is_noted(tag):
            seen = min(length, LONGEST_SEEN_WHOLE)
        if available < size + seen:
            return self._wait(position, size + seen, size)

        if code and not FLAGS[code]:
            self._warn_of_vr(tag, code, size)
        if length & 7 and length != UNDEFINED_LENGTH:
            self._warn_of_length(tag, code, length)
        if is_special and group in INVALID_GROUPS:
            self._remarks.warn("DcmItem: Invalid Element %s found in data set", tag_name(tag))

        # Groups and their lengths.
        if level.group != group:
            if level.group != NO_GROUP:
                self._groups.settle(level, position)
            if plan.creates_group_lengths and number and tag != DATA_SET_TRAILING_PADDING:
                self._groups.create(level, position, group)
        if not number and not plan.keeps_group_lengths:
            if kind == SEQUENCE or length == UNDEFINED_LENGTH:
                return self._leave_out(level, position, size, tag, vr, length)
            return self._groups.take(level, position, size, tag, vr, length, clean)
        if tag == DATA_SET_TRAILING_PADDING and plan.drops_padding:
            if kind == SEQUENCE or length == UNDEFINED_LENGTH:
                return self._leave_out(level, position, size, tag, vr, length)
            return self._rewriting.discard(position, size, length)

        # The order.
        if tag > level.last:
            level.last = tag
        else:
            level.disordered = True

        if is_special or self._notes_all:
            self._note(level, position + size, tag, vr, seen, little_endian)
        if length == UNDEFINED_LENGTH:
            if code == SQ and group & 1:
                self._note_unknown_sequence(tag)
            return self._undefined_length(level, position, size, tag, vr, clean)
        if kind == SEQUENCE:
            if code and group & 1:
                self._note_unknown_sequence(tag)
            return self._nesting.open_sequence(
                position, size, tag, length, implicit, little_endian, clean
            )
        if is_special:
            self._check_special(tag, vr)
            if tag == EXTENDED_OFFSET_TABLE and plan.can_encapsulate and kind in (BINARY, WORDS):
                return self._offset_table(level, position, size, tag, vr, length, clean)
        if vr in (US, SS) and implicit and level.own_representation < 0 and not plan.implicit:
            self._note_provisional(level, position, tag, vr, length)
        if kind in (TEXT, UID):
            return self._rewriting.text(position, size, tag, vr, length, clean, data)
        if code == UN and length > LONGEST_CHECKED_SEQUENCE and not self._cursor.muted:
            tried = self._try(level, position, tag, length)
            if tried is not None:
                return self._rewriting.through(position, size, tag, vr, length, clean, tried)
        return self._rewriting.binary(position, size, tag, vr, length, clean, little_endian)

    def _check_bounds(self, level: Level, tag: int, position: int, size: int, length: int) -> None:
        """Check an element against the end of its item, which counts even if it is wrong."""
        offset = self._cursor.offset + position
        if offset + size > level.end:
            self._nesting.note_damage(
                f"the header of {tag_name(tag)} goes beyond the end of its item"
            )
        elif length != UNDEFINED_LENGTH and offset + size + length > level.end:
            raise InvalidDataSet(
                "Length of element larger than explicit length of surrounding item"
            )
        if offset >= level.stop:
            self._nesting.note_damage(
                f"an item goes beyond its sequence and takes in {tag_name(tag)}"
            )
            level.stop = level.end

    def _check_special(self, tag: int, vr: int) -> None:
        """Refuse what no data set of this transfer syntax has."""
        if tag == PIXEL_DATA and self._plan.encapsulated and not self._nesting.depth:
            raise InvalidDataSet(
                "Pixel data in top level dataset in compressed Transfer Syntax uses explicit length"
            )
        if tag == VOI_LUT_SEQUENCE and vr in (OB, OW):
            raise InvalidDataSet(
                "Illegal VOI LUT Sequence element with OB or OW Value Representation and explicit"
                " length encountered"
            )

    def _is_special(self, level: Level, tag: int) -> bool:
        """Tell whether a tag has, or may have, a rule of its own; the level looks out for the next such tag."""
        if tag <= level.last or tag < _FIRST_VALID or tag >= _LAST_INVALID:
            return True
        index = level.watch_index
        while _SPECIAL[index] < tag:
            index += 1
        level.watch_index = index
        level.watch = _SPECIAL[index]
        return level.watch == tag

    def _undefined_length(
        self, level: Level, position: int, size: int, tag: int, vr: int, clean: bool
    ) -> int:
        """Take an element of undefined length. Returns where its header ends."""
        if vr == SQ:
            return self._nesting.open_sequence(
                position, size, tag, UNDEFINED_LENGTH, level.implicit, level.little_endian, clean
            )
        if vr == UN:
            self._remarks.warn(
                "DcmItem: Found element %s with VR=UN and undefined length, reading a sequence"
                " with transfer syntax LittleEndianImplicit (CP-246)",
                tag_name(tag),
            )
            self._note_unknown_sequence(tag)
            return self._nesting.open_sequence(
                position, size, tag, UNDEFINED_LENGTH, True, True, clean and level.implicit
            )
        if vr in (OB, OW):
            if tag == PIXEL_DATA:
                return self._nesting.open_pixel_data(position, size, vr, clean)
            raise InvalidDataSet(
                "Illegal element with OB or OW Value Representation and undefined length encountered"
            )
        raise InvalidDataSet("Corrupted data")

    def _leave_out(
        self, level: Level, position: int, size: int, tag: int, vr: int, length: int
    ) -> int:
        """Leave out a sequence that stands where a group length or padding does. Returns where its header ends."""
        plan, cursor, nesting = self._plan, self._cursor, self._nesting
        if tag != DATA_SET_TRAILING_PADDING and not (
            plan.removes_group_lengths or plan.creates_group_lengths
        ):
            if tag > level.last:
                level.last = tag
            else:
                level.disordered = True
            self._groups.create(level, position, tag >> 16)
        cursor.flush(position)
        was_muted, cursor.muted = cursor.muted, True
        if length == UNDEFINED_LENGTH:
            after = self._undefined_length(level, position, size, tag, vr, False)
        else:
            after = nesting.open_sequence(
                position, size, tag, length, level.implicit, level.little_endian, False
            )
        nesting.level.mutes = not was_muted
        return after

    # ------------------------------------------------------------------ items and delimiters

    def _item(self, level: Level, position: int) -> int:
        """Take an item's header or a delimiter in a sequence. Returns where it ends."""
        cursor, nesting = self._cursor, self._nesting
        if cursor.end - position < 8:
            return self._wait(position, 8, 0)
        little_endian = level.little_endian
        tag = cursor.u16(position, little_endian) << 16 | cursor.u16(position + 2, little_endian)
        length = cursor.u32(position + 4, little_endian)
        if level.owes and tag == ITEM and length and cursor.end - position < 9:
            return self._wait(position, 9, 0)  # its first byte goes to the fragment before
        if length & 1 and length != UNDEFINED_LENGTH:
            self._warn_of_item(level)
        if cursor.offset + position + 8 > level.end:
            nesting.note_damage("the header of an item goes beyond the end of its sequence")
        if tag == SEQUENCE_DELIMITER:
            nesting.close(position, 8)
            return position + 8
        if tag != ITEM:
            raise InvalidDataSet("Sequence Delimitation Item missing")
        if level.content == FRAGMENTS:
            return nesting.pixel_data_fragment(position, length)
        return nesting.open_item(position, length)

    def _delimiter(self, level: Level, position: int, tag: int) -> int:
        """Take a delimiter where an element may be. Returns where it ends."""
        if tag == ITEM:
            raise InvalidDataSet("Invalid tag")
        if self._nesting.depth:
            if tag == SEQUENCE_DELIMITER:
                raise InvalidDataSet("Item Delimitation Item missing")
            if self._cursor.u32(position + 4, level.little_endian) & 1:
                self._remarks.warn("DcmItem: Length of element %s is odd", tag_name(tag))
            self._nesting.close(position, 8)
            return position + 8
        if level.last < 0:
            raise self._trailing.error(tag)
        return self._take_trailing(position)

    # ------------------------------------------------------------------ VRs

    def _look_up_creators(self) -> Dictionary:
        """Get the dictionary, and what follows from it for the whole data set."""
        self._dictionary = dictionary = self._look_up()
        self._vrs = dictionary.vr_codes
        self._follows_creators = dictionary.knows_private_elements
        self._notes_all = (
            self._follows_creators or self._plan.converts_un or len(self._converted) > 0
        )
        return dictionary

    def _implicit_vr(self, level: Level, tag: int) -> int:
        """The VR of an element of implicit VR that is not known yet, or depends on others."""
        dictionary = self._dictionary or self._look_up_creators()
        vr = implicit_vr(dictionary, level, tag)
        is_private = tag & 0x10000 and dictionary.knows_private_elements
        if not is_private and not depends_on_others(tag, dictionary.vr(tag)):
            dictionary.note_code(tag, vr)
        return vr

    def _converted_vr(self, level: Level, tag: int, position: int, size: int, length: int) -> int:
        """The VR that a UN element gets; 0 if all of it must be there before that is decided."""
        cursor = self._cursor
        if cursor.offset + position in self._converted:
            return SQ
        if not self._plan.converts_un:
            return UN
        vr = known_vr(self._dictionary or self._look_up_creators(), level, tag)
        if vr != SQ or length > LONGEST_CHECKED_SEQUENCE:
            return vr if vr != SQ else UN
        value = position + size
        if cursor.end < value + length:
            return 0
        return SQ if self._is_parsable(cursor.fragment[value : value + length]) else UN

    def _trial(self, length: int) -> "Walk | None":
        """A walk over so many bytes that may be items of implicit VR here; None if they would be nested too deep."""
        if self._nesting.sequences >= MOST_NESTED_SEQUENCES:
            return None
        trial = Walk(self._plan, None, self._look_up, Remarks(muted=True))
        trial._begin_in_sequence(self._nesting.sequences, length)
        return trial

    def _is_parsable(self, value: memoryview) -> bool:
        """Tell whether the value of a UN element can be read as items of implicit VR."""
        trial = self._trial(len(value))
        if trial is None:
            return False
        try:
            trial.feed(value)
            trial.finish(lambda _: 0)
        except StorescpError:
            return False
        return True

    def _try(self, level: Level, position: int, tag: int, length: int) -> Tried | None:
        """Return a trial that finds out whether the long value of a UN element is a sequence; None if nobody asks."""
        if not self._plan.converts_un or self._plan.implicit:
            return None
        if known_vr(self._dictionary or self._look_up_creators(), level, tag) != SQ:
            return None
        place = self._cursor.place(position)
        trial = self._trial(length)
        if trial is None:
            return None
        # Cython makes no proper function of a C method that is taken as a value.
        return Tried(
            trial,
            lambda piece: self._cursor.write(piece),
            partial(self.sequences_found.append, place),
        )

    def _begin_in_sequence(self, sequences: int, length: int) -> None:
        """Begin with the items of a sequence of implicit VR that has so many around it."""
        self._nesting.sequences = sequences
        self._nesting.open_sequence(0, 0, 0, length, True, True, True)

    # ------------------------------------------------------------------ notes

    def _is_noted(self, tag: int) -> bool:
        """Tell whether a value is asked for, of any VR."""
        return tag in NOTED_AT_TOP or tag in _CONTEXT or tag & 0xFF01FFFF == _CURVE_REPRESENTATION

    def _note(
        self,
        level: Level,
        position: int,
        tag: int,
        vr: int,
        seen: int,
        little_endian: bool,
    ) -> None:
        """Keep what storing or another VR asks for, of the value that begins here."""
        if tag in NOTED_AT_TOP:
            self._note_attribute(tag, vr, self._value(position, seen))
        elif tag == NUMBER_OF_FRAMES:
            if level.frames < 0:
                level.frames = _number_in(self._value(position, seen))
        elif FLAGS[vr] & KIND in (BINARY, WORDS) and seen >= 2 and self._is_noted(tag):
            number = self._cursor.u16(position, little_endian)
            if tag == PIXEL_REPRESENTATION:
                self._signed_values.note_representation(level, number)
            elif tag == WAVEFORM_BITS_ALLOCATED:
                level.waveform_bits = number
            else:
                level.curve_representation = tag >> 16 << 16 | number
        elif vr == LO and self._follows_creators and self._is_creator(level, tag):
            level.creators = level.creators or {}
            level.creators.setdefault(tag, self._value(position, seen).rstrip(b" \0"))

    def _is_creator(self, level: Level, tag: int) -> bool:
        """Tell whether a tag is that of a private creator that VRs depend on."""
        is_creator = bool(tag & 0x10000) and 0x10 <= tag & 0xFFFF <= 0xFF
        return is_creator and (level.implicit or self._plan.converts_un)

    def _value(self, position: int, length: int) -> bytes:
        return bytes(self._cursor.fragment[position : position + length])

    def _note_attribute(self, tag: int, vr: int, value: bytes) -> None:
        kind = FLAGS[vr] & KIND
        noted = None
        if kind == UID:
            noted = value.translate(None, UIDS.removed).rstrip(b"\0")
        elif kind == TEXT and tag not in NOTED_INSIDE:
            noted = value.rstrip(b" \0")
        if not self._nesting.depth:
            self._noted.setdefault(tag, noted)
        elif tag in NOTED_INSIDE:
            self._noted_inside.setdefault(tag, noted)

    def _note_provisional(
        self, level: Level, position: int, tag: int, vr: int, length: int
    ) -> None:
        """Note the VR of an element that Pixel Representation may still change."""
        dictionary = self._dictionary
        if dictionary is None or self._cursor.muted or length > LARGEST_SHORT_LENGTH:
            return
        if dictionary.vr(tag) == "xs":
            place = self._cursor.place(position) + 4
            self._signed_values.note_provisional(level, place, signed=vr == SS)

    def _note_unknown_sequence(self, tag: int) -> None:
        """Tell, once, of a sequence that no reader will know as one."""
        plan = self._plan
        if self._is_unknown_sequence_noted or not (plan.implicit and plan.explicit_lengths):
            return
        if not self._cursor.muted:
            self._is_unknown_sequence_noted = True
            self._remarks.inform(
                "Sequence %s is written with a defined length and implicit VR: readers will not know"
                " it as a sequence (-e or +te keeps it one)",
                tag_name(tag),
            )

    def _offset_table(
        self, level: Level, position: int, size: int, tag: int, vr: int, length: int, clean: bool
    ) -> int:
        """Take an Extended Offset Table. Returns where it ends, or the fragment."""
        if not length or level.offset_tables is not None:
            return self._rewriting.binary(position, size, tag, vr, length, clean, True)
        table = self._nesting.offset_table(level, EXTENDED, length)
        return self._rewriting.through(position, size, tag, vr, length, clean, table)

    def _warn_of_vr(self, tag: int, code: int, size: int) -> None:
        self._remarks.warn(
            "DcmItem: Non-standard VR '%s' (%02x\\%02x) encountered while parsing element %s,"
            " assuming %d byte length field",
            printable(chr(code >> 8) + chr(code & 0xFF)),
            code >> 8,
            code & 0xFF,
            tag_name(tag),
            4 if size == 12 else 2,
        )
        if tag == PIXEL_DATA and code == _OX:
            self._remarks.warn(
                "DcmItem: Non-standard VR 'OX' is known to be wrongly used for PixelData %s, setting"
                " VR to 'OW'",
                tag_name(tag),
            )

    def _warn_of_length(self, tag: int, code: int, length: int) -> None:
        """Warn of a value that cannot consist of whole units, or is odd."""
        if code:
            vr = OW if code == _OX and tag == PIXEL_DATA else code
            flags = FLAGS[vr] or FLAGS[_WITH_UNITS.get(vr, 0)]
            unit = 1 << (flags >> UNIT_SHIFT & UNIT)
            if length % unit:
                self._remarks.warn(
                    "DcmItem: Length of element %s is not a multiple of %d (VR=%s)",
                    tag_name(tag),
                    unit,
                    vr_name(vr),
                )
        if length & 1:
            self._remarks.warn("DcmItem: Length of element %s is odd", tag_name(tag))

    def _warn_of_item(self, level: Level) -> None:
        self._remarks.warn(
            "DcmSequenceOfItems: Length of item in sequence %s %s is odd",
            self._look_up().keyword(level.tag),
            tag_name(level.tag),
        )

    # ------------------------------------------------------------------ the end

    def finish(self, preceding: Callable[[Attributes], int]) -> Attributes:
        """End the data set; `preceding` tells the bytes in front of it in its file.

        Raises:
            InvalidDataSet: it is not complete.
            CannotUnderstand: it is damaged.
            OutOfResources: it cannot be written in this transfer syntax.
        """
        nesting, cursor = self._nesting, self._cursor
        cursor.drop()
        self._check_last_element()
        while nesting.depth:
            self._check_last_level(nesting.level)
            nesting.close(0, 0)
        if nesting.damage:
            raise CannotUnderstand(nesting.damage)
        if nesting.unwritable:
            raise OutOfResources(nesting.unwritable)
        self._trailing.tell(self._remarks)
        # What the top level has counts, even if it is not a UID.
        noted = self._noted_inside | self._noted
        attributes = Attributes(
            noted.get(SOP_CLASS_UID),
            noted.get(SOP_INSTANCE_UID),
            noted.get(STUDY_INSTANCE_UID),
            noted.get(PATIENT_NAME),
            noted.get(SPECIFIC_CHARACTER_SET),
        )
        nesting.end_data_set(0, preceding(attributes) if self._plan.file_padding else 0)
        cursor.send()
        self._remarks.close()
        return attributes

    # ------------------------------------------------------------------ behind the last element

    def _is_trailing_zero(self, position: int) -> bool:
        """Tell whether the next 8 bytes are zero: they may lie behind the last element of the data set."""
        if self._nesting.depth or self._trailing.is_over:
            return False
        return not (self._cursor.u32(position, True) or self._cursor.u32(position + 4, True))

    def _take_trailing(self, position: int) -> int:
        """Leave out zero bytes and delimiters at the end of the data set. Returns how far they reach.

        Raises:
            CannotUnderstand, InvalidDataSet: it is not the end.
        """
        cursor, level, trailing = self._cursor, self._nesting.level, self._trailing
        self._is_trailing = True
        cursor.flush(position)
        rest = bytes(cursor.fragment[position:])
        zeros = len(rest) - len(rest.lstrip(b"\0"))
        trailing.note_zeros(zeros)
        position += zeros
        cursor.start = position
        if position == cursor.end:
            return position
        if cursor.end - position < 8:
            return self._wait(position, 8, 0)
        order = level.little_endian
        tag = cursor.u16(position, order) << 16 | cursor.u16(position + 2, order)
        if tag in (ITEM_DELIMITER, SEQUENCE_DELIMITER):
            trailing.note_delimiter(tag)
            cursor.start = position + 8
            return position + 8
        if not (level.implicit and trailing.has_only_zeros):
            raise trailing.error(tag)
        # So the zero bytes were elements, whose tag (0000,0000) need not be there more than once.
        self._is_trailing = False
        self._again = bytes(8 + trailing.end() % 8) + bytes(cursor.fragment[position:])
        cursor.start = cursor.end
        return cursor.end

    def _check_last_element(self) -> None:
        """Check how the data set ends: after an element, hopefully, or after bytes to be left out."""
        if self._rewriting.left:
            if self._cursor.offset > self._rewriting.value_offset:
                raise InvalidDataSet("Invalid stream")
            raise CannotUnderstand("the data set ends before the value of its last element")
        if not self._carry:
            return
        is_behind = not self._nesting.depth and self._nesting.level.last >= 0
        if (is_behind and not self._carry.strip(b"\0")) or self._is_pad():
            self._trailing.note_zeros(len(self._carry))
            self._carry.clear()
            return
        size = self._header_size
        if not size or len(self._carry) < size:
            raise CannotUnderstand(f"{len(self._carry)} stray bytes at the end of the data set")
        if len(self._carry) > size:
            raise InvalidDataSet("Invalid stream")
        self._write_empty_last_element()

    def _is_pad(self) -> bool:
        """Tell whether a NUL is left, which pads the last fragment of an odd data set, PS3.8 annex E."""
        return not self._nesting.depth and self._carry == b"\0"

    def _write_empty_last_element(self) -> None:
        """The data set ends with a header, which is good only if it announces no length."""
        header, self._carry = bytes(self._carry), bytearray()
        has_32_bit_length = self._nesting.level.implicit or len(header) == 12
        if not (has_32_bit_length and header.endswith(b"\xff\xff\xff\xff")):
            raise CannotUnderstand("the data set ends before the value of its last element")
        self._walk(memoryview(header[: len(header) - 4] + bytes(4)))

    def _check_last_level(self, level: Level) -> None:
        """Check that a level may end with the data set."""
        offset = self._cursor.offset
        if level.content != ELEMENTS and offset < level.end:
            if offset == self._nesting.opened_offset:
                raise CannotUnderstand("the data set ends before the items of a sequence")
            raise InvalidDataSet("Sequence Delimitation Item missing")
        if level.end == NEVER:
            raise InvalidDataSet("Sequence Delimitation Item missing")
        if offset < level.end and self._is_trial:
            raise CannotUnderstand("the value ends before its last item")
