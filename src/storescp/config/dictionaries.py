"""Data dictionaries in DCMTK's format, as `DCMDICTPATH` names them.

A line of such a file maps a tag, a range of tags, or a private element of one creator to a VR.
Files are read in the order of the variable; the later entry wins, a single tag wins over ranges,
narrow ranges win over the wide ones around them (PS3.5 7.8 and PS3.6 for what the entries mean).

The reference never refuses to start because of a dictionary, but aborts every association if it
has none. Here the built-in dictionary takes its place; the warnings are the same.
"""

import errno
import logging
import os
import re
import stat
from collections.abc import Iterable, Mapping
from typing import BinaryIO, NamedTuple

_DATA_LOGGER = logging.getLogger("dcmtk.dcmdata")
_APPLICATION_LOGGER = logging.getLogger("dcmtk.apps.storescp")

_LINE_SIZE = 2047  # bytes; the rest of a longer line counts as the next line
_MAXIMUM_RANGES = 2048
"""Inserting a range looks at all others; the shipped files have some 500 in all."""

_CACHED_GROUPS = 1024

_VRS = frozenset([
    "AE", "AS", "AT", "CS", "DA", "DS", "DT", "FL", "FD", "IS", "LO", "LT", "OB", "OD", "OF", "OL",
    "OV", "OW", "PN", "SH", "SL", "SQ", "SS", "ST", "SV", "TM", "UC", "UI", "UL", "UN", "UR", "US",
    "UT", "UV", "xs", "ox", "px", "lt", "up", "na", "pi",
])  # fmt: skip
_LIKE_A_VR = re.compile("[A-Z][A-Z]").match
_BLANK = b" \t\n\v\f\r"

_PARITIES = {b"o": 1, b"O": 1, b"e": 0, b"E": 0, b"u": None, b"U": None}

_PLAIN_TAG = re.compile(rb'\(([0-9A-Fa-f]{4}),(?:"([^"]{1,63})",)?([0-9A-Fa-f]{1,4})\)').fullmatch
_HEX = rb"([+-]?(?:0[xX])?[0-9A-Fa-f]+)"
_LETTERED_RANGE = re.compile(_HEX + rb"-(.)-" + _HEX, re.DOTALL).match
_RANGE = re.compile(_HEX + rb"-" + _HEX).match
_SINGLE = re.compile(_HEX).match
_INTEGER = rb"[+-]?[0-9]+"
_MULTIPLICITY = re.compile(
    rb"%(i)s-%(i)s(?:[nN]|\Z)|%(i)s-?[nN]|%(i)s\Z|[nN]" % {b"i": _INTEGER}
).match


class Part(NamedTuple):
    """Group or element numbers from `low` to `high`, all of them or those of one parity."""

    low: int
    high: int
    parity: int | None = None
    """0: even numbers only; 1: odd ones."""


class Entry(NamedTuple):
    """One line of a dictionary file. `creator` is the private creator, `vr` may be one of DCMTK's own VRs."""

    group: Part
    element: Part
    creator: bytes | None
    vr: str
    name: bytes
    multiplicity: bytes


class InvalidLine(ValueError):
    """A line that is not understood; each argument is a message."""


class Meaning(NamedTuple):
    """VR (of PS3.5 6.2, or DCMTK's own) and name of an element."""

    vr: str
    name: str


class DictionaryFiles:
    """Tag → VR and name.

    VRs are those of PS3.5 6.2 and DCMTK's `xs`, `ox`, `px`, `lt`, `up`, `na` and `pi`.
    """

    __slots__ = ("_candidates", "_private", "_range_count", "_ranges", "_singles")

    def __init__(self) -> None:
        self._singles = {
            0xFFFEE000: Meaning("na", "Item"),
            0xFFFEE00D: Meaning("na", "ItemDelimitationItem"),
            0xFFFEE0DD: Meaning("na", "SequenceDelimitationItem"),
        }
        self._private: dict[tuple[bytes, int], Meaning] = {}
        self._ranges: dict[bytes | None, list[Entry]] = {}
        self._range_count = 0
        # Ranges that may match in a group, made when a group is first asked for.
        self._candidates: dict[tuple[bytes | None, int], tuple[Entry, ...]] = {}
        self.add(Entry(Part(0, 0xFFFF), Part(0, 0), None, "UL", b"GenericGroupLength", b"1"))

    def vr(self, tag: int) -> str | None:
        """Return the VR of a standard element, or of a private one whose creator is not known."""
        found = self._meaning(tag)
        return found and found.vr

    def private_vr(self, creator: bytes, tag: int) -> str | None:
        """Return the VR of the element `tag` in a block that `creator` reserved, PS3.5 7.8.1.

        If there is none, an entry without creator serves.
        """
        found = self._private_meaning(creator, tag)
        return found and found.vr

    def name(self, tag: int, creator: bytes | None = None) -> str | None:
        """Return the name of an element, found as its VR is."""
        found = self._meaning(tag) if creator is None else self._private_meaning(creator, tag)
        return found and found.name

    def _meaning(self, tag: int) -> Meaning | None:
        return self._singles.get(tag) or self._find(None, tag >> 16, tag & 0xFFFF)

    def _private_meaning(self, creator: bytes, tag: int) -> Meaning | None:
        private = self._private
        return (
            private.get((creator, tag))
            or private.get((creator, tag & 0xFFFF00FF))
            or (self._find(creator, tag >> 16, tag & 0xFFFF) if creator in self._ranges else None)
            or self._meaning(tag)
        )

    def add(self, entry: Entry) -> None:
        """Add an entry; it replaces one for the same tags.

        Raises:
            InvalidLine: there are too many ranges.
        """
        group, element, creator = entry.group, entry.element, entry.creator
        meaning = Meaning(entry.vr, _text(entry.name))
        if group.low != group.high or element.low != element.high:
            self._add_range(entry)
        elif creator is None:
            self._singles[group.low << 16 | element.low] = meaning
        else:
            self._private[creator, group.low << 16 | element.low] = meaning

    def _add_range(self, entry: Entry) -> None:
        if self._range_count >= _MAXIMUM_RANGES:
            raise InvalidLine(f"DcmDataDictionary: more than {_MAXIMUM_RANGES} ranges of tags")
        self._candidates.clear()
        ranges = self._ranges.setdefault(entry.creator, [])
        position = _place(ranges, entry)
        if position < len(ranges) and ranges[position][:2] == entry[:2]:
            ranges[position] = entry
        else:
            self._range_count += 1
            ranges.insert(position, entry)

    def _find(self, creator: bytes | None, group: int, element: int) -> Meaning | None:
        candidates = self._candidates.get((creator, group))
        if candidates is None:
            if len(self._candidates) >= _CACHED_GROUPS:  # peers choose the groups
                self._candidates.clear()
            candidates = tuple(
                entry for entry in self._ranges.get(creator, ()) if _matches(entry.group, group)
            )
            self._candidates[creator, group] = candidates
        # The block in which a private element lies does not count, its number inside does.
        numbers = (element,) if creator is None else (element, element & 0xFF)
        for entry in candidates:
            if any(_matches(entry.element, number) for number in numbers):
                return Meaning(entry.vr, _text(entry.name))
        return None


def _place(ranges: list[Entry], entry: Entry) -> int:
    """Return the index of the first range that covers the same tags as `entry`, or more."""
    (low, high, _), (first, last, _), *_ = entry
    for position, known in enumerate(ranges):
        (known_low, known_high, _), (known_first, known_last, _), *_ = known
        if (
            known_first <= first <= known_last
            and known_first <= last <= known_last
            and known_low <= low <= known_high
            and known_low <= high <= known_high
        ) or known[:2] == entry[:2]:
            return position
    return len(ranges)


def _matches(part: Part, number: int) -> bool:
    return part.low <= number <= part.high and part.parity in (None, number & 1)


def parse_line(line: bytes, name: str, number: int) -> Entry | None:
    """Return what line `number` of the file `name` says; None if it is blank or a comment.

    Raises:
        InvalidLine: with a message for each thing that is wrong.
    """
    line = line.partition(b"\0")[0].rstrip(_BLANK)
    if line.lstrip(_BLANK)[:1] in (b"", b"#"):
        return None
    fields = line.split(b"\t")

    def message(problem: str) -> str:
        return f"DcmDataDictionary: {name}: {problem} (line {number})"

    if len(fields) < 3:
        raise InvalidLine(message("too few fields"))
    if len(fields) > 5:
        raise InvalidLine(message("too many fields") + ": ")
    wrong = []
    multiplicity = b"".join(fields[3].split()) if len(fields) > 3 else b"1"
    if not _MULTIPLICITY(multiplicity):
        wrong.append(message("bad VM field") + ": " + _text(multiplicity))
    try:
        group, element, creator = _parse_tag(fields[0])
    except _InvalidTag as error:
        if error.letter:
            wrong.append(f"DcmDataDictionary: Unknown range restrictor: {error.letter}")
        wrong.append(message("bad Tag field") + ": " + error.tag)
        raise InvalidLine(*wrong) from None
    if wrong:
        raise InvalidLine(*wrong)
    vr = _text(fields[1].strip(_BLANK))
    if vr[:2] not in _VRS:
        if _LIKE_A_VR(vr):
            raise InvalidLine(message("bad VR field") + ": " + vr)
        vr = "UN"
    return Entry(group, element, creator, vr[:2], b"".join(fields[2].split()), multiplicity)


class _InvalidTag(ValueError):
    def __init__(self, tag: bytes, letter: bytes = b"") -> None:
        super().__init__(tag)
        self.tag = _text(tag)
        self.letter = _text(letter)


class _InvalidPart(ValueError):
    def __init__(self, letter: bytes = b"") -> None:
        super().__init__(letter)
        self.letter = letter


def _parse_tag(field: bytes) -> tuple[Part, Part, bytes | None]:
    plain = _PLAIN_TAG(field)
    if plain:
        digits, creator, more_digits = plain.groups()
        group, element = int(digits, 16), int(more_digits, 16)
        return Part(group, group), Part(element, element), creator
    tag = field.strip(_BLANK)
    if not (tag.startswith(b"(") and tag.endswith(b")")):
        raise _InvalidTag(tag)
    head, comma, tail = tag.partition(b",")
    tail = tail.lstrip(_BLANK)
    tag = head + comma + tail  # the reference reports the tag without blanks it has passed over
    if not comma:
        raise _InvalidTag(tag)
    creator = None
    if tail.startswith(b'"'):
        text, quote, tail = tail[1:].partition(b'"')
        tail = tail.lstrip(_BLANK)
        if quote:
            tag = head + b',"' + text + b'"' + tail
        if not tail.startswith(b","):
            raise _InvalidTag(tag)
        creator, tail = text or None, tail[1:]
    try:
        return _parse_part(head[1:]), _parse_part(tail.partition(b")")[0]), creator
    except _InvalidPart as error:
        raise _InvalidTag(tag, error.letter) from None


def _parse_part(text: bytes) -> Part:
    text = b"".join(text.split())
    if lettered := _LETTERED_RANGE(text):
        low, letter, high = lettered.groups()
        if letter not in _PARITIES:
            raise _InvalidPart(letter)
        return Part(_number(low), _number(high), _PARITIES[letter])
    if between := _RANGE(text):
        low, high = between.groups()
        return Part(_number(low), _number(high), 0)
    if single := _SINGLE(text):
        number = _number(single[1])
        return Part(number, number)
    raise _InvalidPart


def _number(digits: bytes) -> int:
    """Return the low 16 bits of a hexadecimal number, as large as C would read it."""
    return max(min(int(digits, 16), 2**64 - 1), -(2**64 - 1)) & 0xFFFF


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def from_environment(environment: Mapping[str, str]) -> DictionaryFiles | None:
    """Return what `DCMDICTPATH` names; None if it is empty or loading failed: use the built-in one.

    Problems are logged; none is an error.
    """
    search_path = environment.get("DCMDICTPATH", "")
    return load(search_path.split(os.pathsep)) if search_path else None


def load(paths: Iterable[str]) -> DictionaryFiles | None:
    """Return the dictionary made of all files, None if by the reference's rules there is none.

    The last file that can be read decides: a wrong line in it makes all count as not loaded, unless
    there is nothing wrong with any. Empty names are passed over.
    """
    dictionary = DictionaryFiles()
    loaded = False
    all_good = True
    for path in filter(None, paths):
        _DATA_LOGGER.debug("DcmDataDictionary: Loading file: %s", path)
        try:
            with open(path, "rb", opener=_open_regular_file) as file:
                loaded = _read(file, path, dictionary)
        except (OSError, ValueError):
            _DATA_LOGGER.error("DcmDataDictionary: Cannot open file: %s", path)
            all_good = False
        else:
            all_good = all_good and loaded
    if loaded or all_good:
        return dictionary
    _APPLICATION_LOGGER.warning(
        "no data dictionary loaded, check environment variable: DCMDICTPATH"
    )
    return None


def _open_regular_file(path: str, flags: int) -> int:
    # A pipe or a terminal could keep the server from starting.
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return descriptor


def _read(file: BinaryIO, name: str, dictionary: DictionaryFiles) -> bool:
    """Add the entries of a file; return whether all its lines are good. Bad ones are logged."""
    good = True
    for number, line in enumerate(iter(lambda: file.readline(_LINE_SIZE), b""), 1):
        try:
            entry = parse_line(line, name, number)
            if entry:
                dictionary.add(entry)
        except InvalidLine as error:
            good = False
            for message in error.args:
                _DATA_LOGGER.error("%s", message)
    return good
