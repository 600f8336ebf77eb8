"""The fast paths of the walk: over elements and items that need not be looked at closely.

They only move on over what is certainly written as they know it, and leave every doubt to the walk, which
knows all rules: over elements that are written as they came, by their headers; over stretches of elements
that came before (`familiar`); over items that look like those before (`shapes`).
"""

import re
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable

from storescp.dataset.dictionary import LARGEST_CACHE, Dictionary
from storescp.dataset.element import (
    IMPLICIT_LITTLE_ENDIAN,
    LAST_OF_LOW_GROUPS,
    PIXEL_DATA,
    UNDEFINED_LENGTH,
)
from storescp.dataset.encoding import Output
from storescp.dataset.familiar import (
    LONGEST_HEAD,
    LONGEST_ROUTE,
    NO_GROUP,
    Familiar,
    Head,
    Notes,
    Rehearsed,
    Step,
    Stretch,
)
from storescp.dataset.level import NEVER, Level
from storescp.dataset.plan import (
    LONG,
    LONG_ANY,
    LONG_TEXT,
    LOOK_CLOSELY,
    NOTED_AT_TOP,
    NOTED_INSIDE,
    SEQUENCE,
    SHORT,
    SHORT_ANY,
    SHORT_TEXT,
    SHORT_UID,
    Plan,
    implicit_kind,
)
from storescp.dataset.shapes import Shapes
from storescp.dataset.spans import Spans
from storescp.dataset.values import TEXT, UID

LONGEST_NOTED = 4096  # bytes

_find_white_space = re.compile(rb"[ \t\n\v\f\r]").search

LookUp = Callable[[], Dictionary]
Run = Callable[["FastPath", int], int]
"""A fast path, not bound to its walk, which would never go by itself if its levels held on to it."""


class FastPath(Spans, ABC):
    """Moves over what is known to be written as it came, or as it was written before."""

    _level: Level
    _ordinary_run: Run | None = None
    _head: Head | None = None  # while it is recorded
    _trail: list[Step] | None = None  # likewise
    _hopes = False  # whether the carry is but hoped to become an item of a known shape

    def __init__(
        self, plan: Plan, output: Output, look_up: LookUp, familiar: Familiar | None
    ) -> None:
        super().__init__(output)
        self._plan = plan
        self._look_up = look_up
        self._noted: Notes = {}  # at the top level
        self._familiar = familiar

    @abstractmethod
    def _rehearse(self, elements: bytes) -> Rehearsed | None:
        """What would be made of elements in the midst of the top level; None if it depends on others."""

    def _begin_elements(self, level: Level, specials: tuple[int, ...], sequence_end: int) -> None:
        plan = self._plan
        run: Run | None = None
        if plan.same_layout and level.implicit == plan.read.implicit_vr:
            if not level.implicit:
                run = None if self._follows_creators() else FastPath._run_explicit
            elif not plan.settled:
                run = FastPath._run_implicit
        level.begin_elements(run, specials, sequence_end)
        if plan.creates_group_lengths:
            level.watch = 0

    def _begin_with(self, familiar: Familiar, level: Level) -> None:
        """Prepare the top level to pass what is known, or to learn."""
        self._ordinary_run = level.run
        if familiar.wants_head():
            self._head = Head()
            level.run = FastPath._run_recording
        elif familiar.stretches:
            level.run = FastPath._run_familiar
            level.specials = familiar.specials
            level.watch = level.specials[0]
            if not familiar.route and self._ordinary_run is FastPath._run_explicit:
                self._trail = []

    def _record(self, head: Head, fragment: memoryview) -> None:
        """Keep the begin of the data set."""
        if len(head.data) < LONGEST_HEAD:
            head.data += fragment[: LONGEST_HEAD - len(head.data)]

    def _run_recording(self, position: int) -> int:
        """Move over elements as the ordinary run does, and record where they begin."""
        run, head = self._ordinary_run, self._head
        if run is None or head is None:
            return position
        after = run(self, position)
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
        level, familiar = self._level, self._familiar
        assert familiar is not None
        if familiar.route and level.last < 0:
            position = self._follow(position, familiar, level)
        after = self._pass_familiar(position, familiar, level)
        if self._trail is not None:
            familiar.route = tuple(self._trail)
            self._trail = None
        return after

    def _follow(self, position: int, familiar: Familiar, level: Level) -> int:
        """Go the way of the data set before as far as it leads. Returns where it does no more."""
        data = self._as_bytes()
        unpack_length = self._plan.read.short_length.unpack_from
        end, last = self._end, level.last
        for received, tag, kind, stretch in familiar.route:
            if not data.startswith(received, position):
                familiar.stray()
                break
            if stretch is not None:
                position = self._take_stretch(stretch, position)
                last = tag
                continue
            begin = position + 8
            if begin > end:
                break
            (length,) = unpack_length(data, position + 6)
            after = begin + length
            if length & 1 or after > end:
                break
            noted = tag in NOTED_AT_TOP
            if noted or kind == SHORT_UID:
                value = data[begin:after]
                trimming = UID if kind == SHORT_UID else TEXT
                if length > LONGEST_NOTED or trimming(value) != value:
                    break
                if noted:
                    self._noted[tag] = value.rstrip(b" \0")
            elif length and kind == SHORT_TEXT:
                end_byte = data[after - 1]
                if end_byte == 0x20:
                    if data[after - 2] in b" \0":
                        break
                elif not end_byte:
                    break
            position = after
            last = tag
        level.last = last
        level.watch = self._next_watch(level)
        return position

    def _pass_familiar(self, position: int, familiar: Familiar, level: Level) -> int:
        """Move on, looking what is known of the element here, and record the way if that is wanted."""
        run, watches, trail = self._ordinary_run, familiar.watches, self._trail
        data = self._as_bytes()
        find = familiar.stretches.get
        while True:
            tag = data[position : position + 4]
            stretch = find(tag)
            if stretch is None:
                if tag in familiar.usual and (after := self._take_usual(position, level)):
                    if trail is not None:
                        trail = self._note_steps(trail, position, after)
                    if after >= self._end:
                        return after
                    position = after
                    continue
            elif level.last < stretch.first:
                if data.startswith(stretch.received, position):
                    if level.group == NO_GROUP or level.group == stretch.group:
                        position = self._take_stretch(stretch, position)
                        level.last = stretch.last
                        level.watch = watches[stretch.last]
                        if level.group != NO_GROUP:
                            level.watch = min(level.watch, (level.group + 1) << 16)
                        if trail is not None:
                            trail.append(Step(stretch.received, stretch.last, stretch=stretch))
                        continue
                elif position + len(stretch.received) <= self._end:
                    familiar.differs(stretch, data, position, self._rehearse)
                    level.specials, watches = familiar.specials, familiar.watches
            if run is None:
                return position
            after = run(self, position)
            if trail is not None:
                trail = self._note_steps(trail, position, after)
            if after == position or after >= self._end:
                return after
            position = after

    def _take_stretch(self, stretch: Stretch, position: int) -> int:
        """Take a stretch that is here. Returns where it ends."""
        after = position + len(stretch.received)
        if stretch.written is not None:
            self._flush(position)
            self._assembly.write(stretch.written)
            self._start = after
        self._noted.update(stretch.notes)
        return after

    def _note_steps(self, trail: list[Step], position: int, after: int) -> list[Step] | None:
        """Record elements that have other values each time; None if the way ends at one of another kind."""
        unpack, kinds = self._plan.read.fields.unpack_from, self._plan.kinds
        while position < after:
            group, number, vr, length = unpack(self._fragment, position)
            tag, kind = group << 16 | number, kinds.get(vr, LOOK_CLOSELY)
            end = position + 8 + length
            plain = kind in (SHORT, SHORT_TEXT, SHORT_UID) and end <= after
            if not plain or len(trail) == LONGEST_ROUTE:
                return None
            header = bytes(self._fragment[position : position + 6])
            trail.append(Step(header, tag, kind))
            position = end
        return trail

    def _take_usual(self, position: int, level: Level) -> int:
        """Take an attribute that is noted, or native Pixel Data, of which nothing is unusual.

        That is what nearly every data set has between stretches. Returns where the element ends, or the
        fragment; 0 if it must be looked at closely.
        """
        plan = self._plan
        if position + 12 > self._end or level.group != NO_GROUP:
            return 0
        group, number, vr, length = plan.read.fields.unpack_from(self._fragment, position)
        tag = group << 16 | number
        if tag <= level.last:
            return 0
        take = self._take_pixels if tag == PIXEL_DATA else self._take_noted
        after = take(position, tag, plan.kinds.get(vr, LOOK_CLOSELY), length)
        if after and self._familiar is not None:
            level.last = tag
            level.watch = self._familiar.watches[tag]
        return after

    def _take_pixels(self, position: int, _: int, kind: int, reserved: int) -> int:
        (length,) = self._plan.read.length.unpack_from(self._fragment, position + 8)
        native = not self._plan.encapsulated and length != UNDEFINED_LENGTH
        if not native or kind not in (LONG, LONG_ANY) or reserved or length & 1:
            return 0
        return self._begin_value(position + 12, length)

    def _take_noted(self, position: int, tag: int, kind: int, length: int) -> int:
        begin = position + 8
        after = begin + length
        value = bytes(self._fragment[begin:after])
        trimming = UID if kind == SHORT_UID else TEXT
        right = kind in ((SHORT_UID,) if tag in NOTED_INSIDE else (SHORT_UID, SHORT_TEXT))
        if not right or after > self._end or length > LONGEST_NOTED or trimming(value) != value:
            return 0
        self._noted[tag] = value.rstrip(b" \0")
        return after

    def _run_explicit(self, position: int) -> int:
        """Move over elements that are written as they came. Returns where to look closely."""
        fragment, level, plan = self._fragment, self._level, self._plan
        unpack = plan.read.fields.unpack_from
        unpack_length = plan.read.length.unpack_from
        kinds = plan.kinds
        # Low groups are looked at closely.
        last, watch = max(level.last, LAST_OF_LOW_GROUPS), level.watch
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
        if last > LAST_OF_LOW_GROUPS:
            level.last = last
        return position

    def _run_implicit(self, position: int) -> int:
        """As `_run_explicit`, where the dictionary knows the VRs."""
        fragment, level = self._fragment, self._level
        dictionary = self._look_up()
        kinds = dictionary.kinds
        unpack = IMPLICIT_LITTLE_ENDIAN.tag_length.unpack_from
        # Low groups are looked at closely.
        last, watch = max(level.last, LAST_OF_LOW_GROUPS), level.watch
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
        if last > LAST_OF_LOW_GROUPS:
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
        data = self._as_bytes()
        stop = min(self._end, level.end - self._offset)
        pieces: list[bytes] = []
        known, count, begin = shapes.known, 0, position
        while True:
            for shape in known:
                after = position + shape.size
                if after <= stop and (values := shape.values(data, position)) is not None:
                    break
            else:
                shapes.failed(stop - position)
                break
            if shape is not known[0]:
                shapes.prefer(shape)
            count += 1
            if (written := shape.pieces(values)) is not None:
                if not pieces:
                    self._flush(position)
                pieces += written
            elif pieces:
                pieces.append(data[position:after])
            position = after
        if count:
            shapes.succeeded(count, position - begin)
        if pieces:
            self._assembly.write(b"".join(pieces))
            self._start = position
        size = known[0].size if known else NEVER
        if self._end - position < size <= level.end - self._offset - position:
            self._wait(position, size)
            self._hopes = True
            return self._end
        return position

    def _next_watch(self, level: Level) -> int:
        """The next tag of this level that the fast path must not pass."""
        specials = level.specials
        index = bisect_right(specials, level.last)
        watch = specials[index] if index < len(specials) else specials[-1]
        if level.group != NO_GROUP:
            return min(watch, (level.group + 1) << 16)
        return watch

    def _follows_creators(self) -> bool:
        """Whether private creators matter."""
        may_matter = self._plan.convert_un or self._plan.read.implicit_vr
        return may_matter and self._look_up().knows_private_elements
