"""A data set in memory, and what is to be written of it: slow, short, and by the rules one after the other.

A tree is encoded as a sender would send it (`received`), and, apart from that, as it is to be stored (`written`): values
normalised, levels sorted, group lengths and padding made, lengths counted. PS3.5 section 7, with DCMTK's choices where
the standard leaves one. Nothing here is shared with the code under test but the data dictionary.
"""

import itertools
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from storescp.dataset.dictionary import standard

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PADDING = 0xFFFCFFFC
PIXEL_DATA = 0x7FE00010
OFFSET_TABLE = 0x7FE00001
PIXEL_REPRESENTATION = 0x00280103
NUMBER_OF_FRAMES = 0x00280008
WAVEFORM_BITS = 0x54001004

TEXT = frozenset(
    ["AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"]
)
LONG = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])
RECENT = frozenset(["UN", "UT", "OF", "OD", "OL", "UR", "UC", "OV", "SV", "UV"])
UNITS = dict.fromkeys(["US", "SS", "OW", "AT"], 2)
UNITS |= dict.fromkeys(["UL", "SL", "FL", "OF", "OL"], 4)
UNITS |= dict.fromkeys(["FD", "OD", "SV", "UV", "OV"], 8)
WAVEFORM = frozenset({0x54001010, 0x5400100A, 0x54000110, 0x54000112})
VIDEO = re.compile(r"1\.2\.840\.10008\.1\.2\.4\.10[0-8]")


@dataclass
class Item:
    """The data set, or an item."""

    elements: list["Element"]
    undefined: bool = False


@dataclass
class Element:
    """An element as it is sent: its value is bytes, items, or the fragments of Pixel Data."""

    tag: int
    vr: str
    """In the stream; where the data set is implicit VR, it says nothing."""
    value: bytes = b""
    items: list[Item] | None = None
    fragments: list[bytes] | None = None
    undefined: bool = False


@dataclass(frozen=True)
class Layout:
    """How headers and numbers lie."""

    implicit: bool = False
    order: str = "<"

    def header(self, tag: int, vr: str, length: int) -> bytes:
        group, number = tag >> 16, tag & 0xFFFF
        if self.implicit or (group == 0xFFFE and number in (0xE000, 0xE00D, 0xE0DD)):
            return struct.pack(self.order + "HHI", group, number, length)
        layout = "HH2s2xI" if vr in LONG else "HH2sH"
        return struct.pack(self.order + layout, group, number, vr.encode(), length)


IMPLICIT = Layout(implicit=True)


@dataclass(frozen=True)
class Options:
    """How a data set is written."""

    layout: Layout | None = None
    """None: as received."""
    group_length: str = "recalculate"
    undefined_lengths: bool = False
    padding: tuple[int, int] = (0, 0)
    new_vr: bool = True
    convert_un: bool = False


# ---------------------------------------------------------------------- as a sender sends it


def received(item: Item, layout: Layout) -> bytes:
    """Return the elements of a level as they are sent."""
    return b"".join(_sent(element, layout) for element in item.elements)


def _sent(element: Element, layout: Layout) -> bytes:
    end = layout.header(SEQUENCE_END, "", 0)
    if element.fragments is not None:
        items = b"".join(layout.header(ITEM, "", len(each)) + each for each in element.fragments)
        return layout.header(element.tag, element.vr, UNDEFINED) + items + end
    if element.items is None:
        return layout.header(element.tag, element.vr, len(element.value)) + element.value
    inner = IMPLICIT if element.vr == "UN" else layout
    content = b"".join(_sent_item(item, inner) for item in element.items)
    if element.undefined:
        end = inner.header(SEQUENCE_END, "", 0)
        return layout.header(element.tag, element.vr, UNDEFINED) + content + end
    return layout.header(element.tag, element.vr, len(content)) + content


def _sent_item(item: Item, layout: Layout) -> bytes:
    content = received(item, layout)
    if item.undefined:
        end = layout.header(ITEM_END, "", 0)
        return layout.header(ITEM, "", UNDEFINED) + content + end
    return layout.header(ITEM, "", len(content)) + content


# ---------------------------------------------------------------------- what it means


@dataclass
class Known:
    """An element whose VR is settled, and whose value is as it is to be written, but for the byte order."""

    tag: int
    vr: str
    value: bytes = b""
    items: list[list["Known"]] | None = None
    fragments: list[bytes] | None = None
    order: str = "<"
    """Of the value."""


@dataclass
class _Level:
    """What VRs depend on: what the level has, and what is around it."""

    representation: int | None
    around: "_Level | None" = None
    noted: dict[int, int] = field(default_factory=dict)
    """16-bit values read so far in this level, by tag."""

    @property
    def is_signed(self) -> bool:
        level: _Level | None = self
        while level is not None:
            if level.representation is not None:
                return level.representation == 1
            level = level.around
        return False


def understood(
    item: Item, layout: Layout, options: Options, *, encapsulated: bool, video: bool
) -> list[Known]:
    """Return the elements of a data set with their VRs and values, sorted, the first of each tag."""
    return _understand(item, layout, options, None, encapsulated=encapsulated, video=video)


def _understand(
    item: Item,
    layout: Layout,
    options: Options,
    around: _Level | None,
    *,
    encapsulated: bool,
    video: bool,
) -> list[Known]:
    level = _Level(_representation(item, layout, options), around)
    found: dict[int, Known] = {}
    for element in item.elements:
        known = _settle(element, layout, options, level, encapsulated=encapsulated, video=video)
        found.setdefault(element.tag, known)
    elements = [found[tag] for tag in sorted(found)]
    elements = [each for each in elements if each.tag != PADDING]
    if encapsulated:
        _mend_pixel_data(item, elements, video=video)
    return elements


def _representation(item: Item, layout: Layout, options: Options) -> int | None:
    for element in item.elements:
        if element.tag == PIXEL_REPRESENTATION:
            if len(element.value) < 2:
                return None
            is_converted = element.vr == "UN" and options.convert_un and not layout.implicit
            order = "<" if is_converted else layout.order
            return int(struct.unpack(order + "H", element.value[:2])[0])
    return None


def _settle(
    element: Element,
    layout: Layout,
    options: Options,
    level: _Level,
    *,
    encapsulated: bool,
    video: bool,
) -> Known:
    tag, vr, order = element.tag, element.vr, layout.order
    inner = layout
    if layout.implicit:
        vr = _implicit_vr(tag, level)
    elif vr == "UN" and element.items is not None:
        inner = IMPLICIT
    elif vr == "UN" and options.convert_un:
        vr = _known_vr(tag, level)
        order = "<"
    if len(element.value) >= 2 and element.items is None:
        number = int(struct.unpack(order + "H", element.value[:2])[0])
        level.noted.setdefault(tag, number)
    if element.items is not None:
        contents = [
            _understand(each, inner, options, level, encapsulated=encapsulated, video=video)
            for each in element.items
        ]
        return Known(tag, "SQ", items=contents)
    if element.fragments is not None:
        return Known(tag, "OB", fragments=list(element.fragments))
    return Known(tag, vr, normalised(element.value, vr), order=order)


def normalised(value: bytes, vr: str) -> bytes:
    """Return a value without what is to be removed, and of even length."""
    if vr in TEXT:
        value = value.rstrip(b" \0")
        return value + b" " * (len(value) % 2)
    if vr == "UI":
        value = value.translate(None, b" \t\n\v\f\r").rstrip(b"\0")
        return value + b"\0" * (len(value) % 2)
    return value if vr == "OW" else value + b"\0" * (len(value) % 2)


def _implicit_vr(tag: int, level: _Level) -> str:
    if not tag & 0xFFFF:
        return "UL"
    name = standard().vr(tag)
    if name == "xs":
        return "SS" if level.is_signed else "US"
    if name == "ox" and tag in WAVEFORM:
        return "OB" if level.noted.get(WAVEFORM_BITS, 0) in (0, 8) else "OW"
    if name in ("ox", "px"):
        return "OW" if tag == PIXEL_DATA or tag & 0xFF01FFFF == 0x60003000 else "OB"
    return {"lt": "OW", "up": "UL"}.get(name or "", name) or "UN"


def _known_vr(tag: int, level: _Level) -> str:
    if not tag & 0xFFFF:
        return "UL"
    name = standard().vr(tag)
    if name == "ox" and tag in WAVEFORM:
        return "OB" if level.noted.get(WAVEFORM_BITS) == 8 else "OW"
    if name == "ox" and tag & 0xFF01FFFF == 0x50003000:
        return "OB" if level.noted.get(tag & 0xFFFF0000 | 0x0103) in (2, 3, 4) else "OW"
    if name == "xs":
        return "SS" if level.is_signed else "US"
    ambiguous = {"ox": "OW", "px": "OW", "lt": "OW", "up": "UL"}
    return ambiguous.get(name or "", name) or "UN"


def _mend_pixel_data(item: Item, elements: list[Known], *, video: bool) -> None:
    """Join fragments within frames, pad the others, and make tables true."""
    for pixels in elements:
        if pixels.fragments is None:
            continue
        table, *fragments = pixels.fragments or [b""]
        before = {each.tag: each for each in elements if each.tag < PIXEL_DATA}
        in_front = {
            each.tag
            for each in itertools.takewhile(lambda one: one.tag != PIXEL_DATA, item.elements)
        }
        extended = before.get(OFFSET_TABLE) if OFFSET_TABLE in in_front else None
        if extended is not None and (not extended.value or extended.vr in TEXT | {"UI"}):
            extended = None  # no table
        frames = -1
        if NUMBER_OF_FRAMES in in_front and not video:
            frames = _number(before[NUMBER_OF_FRAMES].value.strip(b" \0") or b"1")
        ways = _offsets(fragments), _offsets([each + b"\0" * (len(each) % 2) for each in fragments])
        if frames in (-1, 1) and extended is None and len(table) in (0, 4):
            tables = [[0]]
        else:
            tables = [_entries(table, "I"), _entries(extended.value if extended else b"", "Q")]
            tables = [
                each
                for each in tables
                if _could_be_true(each) and (frames <= 0 or frames == len(each))
            ]
        joined, item_of = _joined(fragments, tables, ways)
        if any(len(each) % 2 for each in fragments):
            places = _offsets(joined)
            new = {number: places[place] for number, place in item_of.items()}
            table = _true_table(table, "I", ways, new)
            if extended is not None:
                extended.value = _true_table(extended.value, "Q", ways, new)
        pixels.fragments = [table + b"\0" * (len(table) % 2), *joined] if pixels.fragments else []


def _number(text: bytes) -> int:
    try:
        return int(text.split(b"\\")[0])
    except ValueError:
        return 0


def _joined(
    fragments: Sequence[bytes], tables: Sequence[Sequence[int]], ways: Sequence[Sequence[int]]
) -> tuple[list[bytes], dict[int, int]]:
    """Return items of even length, and of the fragments that begin a place of their own, which item that is.

    An odd one is completed from the one that follows, if that goes on with its frame. `ways`: where fragments begin by
    each way to count.
    """
    joined: list[bytes] = []
    item_of: dict[int, int] = {}
    for number, fragment in enumerate(fragments):
        rest = fragment
        if joined and len(joined[-1]) % 2:
            if _continues(number, len(fragment), tables, ways):
                joined[-1] += fragment[:1]
                rest = fragment[1:]
                if rest:
                    joined.append(rest)
                continue
            joined[-1] += b"\0"
        item_of[number] = len(joined)
        joined.append(rest)
    if joined and len(joined[-1]) % 2:
        joined[-1] += b"\0"
    return joined, item_of


def _continues(
    number: int, length: int, tables: Sequence[Sequence[int]], ways: Sequence[Sequence[int]]
) -> bool:
    """Whether each table that is true so far, by whichever way to count, has no frame begin at this fragment."""
    answers = set()
    for entries in tables:
        for way, more in zip(ways, (0, length % 2), strict=True):
            end = way[number] + 8 + length + more
            if {entry for entry in entries if entry < end} <= set(way[: number + 1]):
                answers.add(way[number] in entries)
    return answers == {False}


def _offsets(fragments: Iterable[bytes]) -> list[int]:
    return list(itertools.accumulate((8 + len(each) for each in fragments), initial=0))[:-1]


def _entries(table: bytes, code: str) -> list[int]:
    if len(table) % struct.calcsize(code):
        return []
    return [entry for (entry,) in struct.iter_unpack("<" + code, table)]


def _could_be_true(entries: Sequence[int]) -> bool:
    ascending = all(one < other for one, other in itertools.pairwise(entries))
    return bool(entries) and entries[0] == 0 and ascending


def _true_table(
    table: bytes, code: str, ways: Sequence[Sequence[int]], new: Mapping[int, int]
) -> bytes:
    entries = _entries(table, code)
    if not _could_be_true(entries):
        return table
    for way in ways:
        at = {offset: new[number] for number, offset in enumerate(way) if number in new}
        if set(entries) <= set(at):
            return struct.pack(f"<{len(entries)}{code}", *(at[entry] for entry in entries))
    return table


# ---------------------------------------------------------------------- as it is stored


def written(elements: list[Known], layout: Layout, options: Options, preceding: int = 0) -> bytes:
    """Return a data set as it is stored; `preceding` bytes are in front of it in its file."""
    return _level(elements, layout, options, options.padding[0], preceding)


_GROUP_LENGTH = 8 + 4
"""Bytes of a group length element, whose header is short in either VR encoding."""


def _level(
    elements: list[Known], layout: Layout, options: Options, multiple: int, preceding: int = 0
) -> bytes:
    """Return the elements of a level, with group lengths and padding."""
    lengths = {each.tag >> 16 for each in elements if not each.tag & 0xFFFF}
    others = [each for each in elements if each.tag & 0xFFFF]
    if options.group_length == "create":
        lengths = {each.tag >> 16 for each in others}
    elif options.group_length == "remove":
        lengths = set()
    encoded = [(each.tag, _element(each, layout, options)) for each in others]
    length = preceding + sum(len(data) for _, data in encoded) + _GROUP_LENGTH * len(lengths)
    missing = -length % multiple if multiple else 0
    if missing and (encoded or lengths or preceding):
        header = len(layout.header(PADDING, "OB", 0))
        while missing < header:
            missing += multiple
        count = missing - header
        count += count % 2
        encoded.append((PADDING, layout.header(PADDING, "OB", count) + bytes(count)))
    for group in lengths:
        count = sum(len(data) for tag, data in encoded if tag >> 16 == group)
        value = struct.pack(layout.order + "I", count)
        encoded.append((group << 16, layout.header(group << 16, "UL", 4) + value))
    return b"".join(data for _, data in sorted(encoded))


def _element(element: Known, layout: Layout, options: Options) -> bytes:
    if element.fragments is not None:
        items = b"".join(layout.header(ITEM, "", len(each)) + each for each in element.fragments)
        end = layout.header(SEQUENCE_END, "", 0)
        return layout.header(element.tag, "OB", UNDEFINED) + items + end
    if element.items is not None:
        content = b"".join(_item(each, layout, options) for each in element.items)
        if options.undefined_lengths:
            end = layout.header(SEQUENCE_END, "", 0)
            return layout.header(element.tag, "SQ", UNDEFINED) + content + end
        return layout.header(element.tag, "SQ", len(content)) + content
    vr = element.vr
    if not layout.implicit:
        if vr in RECENT and not options.new_vr:
            vr = "OB"
        elif vr not in LONG and len(element.value) > 0xFFFE:
            vr = "UN" if options.new_vr else "OB"
    order = layout.order if vr == element.vr else "<"
    value = element.value
    if order != element.order:
        value = swapped(value, UNITS.get(element.vr, 1))
    return layout.header(element.tag, vr, len(value)) + value


def swapped(value: bytes, unit: int) -> bytes:
    """Return a value with the bytes of each unit reversed; a rest stays."""
    whole = len(value) - len(value) % unit
    units = (value[at : at + unit][::-1] for at in range(0, whole, unit))
    return b"".join(units) + value[whole:]


def _item(elements: list[Known], layout: Layout, options: Options) -> bytes:
    multiple = options.padding[1] if elements else 0
    content = _level(elements, layout, options, multiple)
    if options.undefined_lengths:
        end = layout.header(ITEM_END, "", 0)
        return layout.header(ITEM, "", UNDEFINED) + content + end
    return layout.header(ITEM, "", len(content)) + content
