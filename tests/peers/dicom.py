"""A small writer and reader of data sets, apart from the one under test.

It knows the layout of PS3.5 section 7 and nothing else: no dictionary, no character sets. Tests build
their input with it and take files apart with it, so that the code under test never judges itself.
"""

import struct
from collections.abc import Generator, Iterator
from dataclasses import dataclass

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"

# PS3.5 7.1.2: these VRs have two reserved bytes and a length of 32 bits.
LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
TEXT_VRS = frozenset(
    {
        "AE",
        "AS",
        "CS",
        "DA",
        "DS",
        "DT",
        "IS",
        "LO",
        "LT",
        "PN",
        "SH",
        "ST",
        "TM",
        "UC",
        "UI",
        "UR",
        "UT",
    }
)

UNDEFINED = 0xFFFFFFFF
ITEM = 0xFFFEE000
ITEM_END = 0xFFFEE00D
SEQUENCE_END = 0xFFFEE0DD


@dataclass(frozen=True, slots=True)
class Syntax:
    """How data elements look: byte order and presence of VRs."""

    order: str = "<"
    explicit: bool = True

    def tag(self, tag: int) -> bytes:
        return struct.pack(self.order + "HH", tag >> 16, tag & 0xFFFF)

    def bare(self, tag: int, length: int) -> bytes:
        """Return the header of an item, a delimiter or an implicit VR element."""
        return self.tag(tag) + struct.pack(self.order + "I", length)

    def header(self, tag: int, vr: str, length: int) -> bytes:
        if not self.explicit:
            return self.bare(tag, length)
        if vr in LONG_VRS:
            return self.tag(tag) + vr.encode() + struct.pack(self.order + "xxI", length)
        return self.tag(tag) + vr.encode() + struct.pack(self.order + "H", length)

    def element(self, tag: int, vr: str, value: bytes | str = b"") -> bytes:
        """Return an element; text is padded to even length as its VR wants, bytes are taken as they are."""
        if isinstance(value, str):
            value = value.encode()
            if len(value) % 2:
                value += b"\0" if vr == "UI" else b" "
        return self.header(tag, vr, len(value)) + value

    def number(self, tag: int, vr: str, *values: float) -> bytes:
        code = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}[vr]
        return self.element(tag, vr, struct.pack(f"{self.order}{len(values)}{code}", *values))

    def sequence(self, tag: int, *items: bytes, undefined: bool = False) -> bytes:
        """Return a sequence; `undefined` gives delimiters instead of lengths, on both levels."""
        if not undefined:
            content = b"".join(self.bare(ITEM, len(item)) + item for item in items)
            return self.header(tag, "SQ", len(content)) + content
        content = b"".join(
            self.bare(ITEM, UNDEFINED) + item + self.bare(ITEM_END, 0) for item in items
        )
        return self.header(tag, "SQ", UNDEFINED) + content + self.bare(SEQUENCE_END, 0)

    def encapsulated(self, *fragments: bytes) -> bytes:
        """Return Pixel Data as fragments, the first of which is the offset table; PS3.5 A.4."""
        content = b"".join(self.bare(ITEM, len(fragment)) + fragment for fragment in fragments)
        return self.header(0x7FE00010, "OB", UNDEFINED) + content + self.bare(SEQUENCE_END, 0)


def syntax_of(transfer_syntax: str) -> Syntax:
    """Return the layout that a transfer syntax has (for deflated: once inflated)."""
    if transfer_syntax == IMPLICIT_LITTLE:
        return Syntax(explicit=False)
    return Syntax(order=">" if transfer_syntax == EXPLICIT_BIG else "<")


class Malformed(Exception):
    """A data set or file that cannot be taken apart."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element met while walking: where its header is, and what bounds its value, in the input."""

    depth: int
    header: int
    tag: int
    vr: str
    length: int
    start: int
    end: int


def walk(data: bytes, syntax: Syntax, vr_of: dict[int, str] | None = None) -> Iterator[Element]:
    """Yield every element, item and delimiter of a well-formed data set, depth first.

    Items and delimiters have the VR "--". A length is that of the field; the value of a container is
    not consumed but walked. `vr_of` tells the VRs for implicit VR; unknown tags are "UN".

    Raises:
        Malformed: lengths do not agree with each other.
    """
    yield from _walk(data, syntax, vr_of or {}, 0, len(data), 0, until_delimiter=False)


def _walk(
    data: bytes,
    syntax: Syntax,
    vr_of: dict[int, str],
    position: int,
    end: int,
    depth: int,
    *,
    until_delimiter: bool,
) -> Iterator[Element]:
    while position < end:
        element = _header(data, syntax, vr_of, position, end, depth)
        yield element
        position = element.start
        if element.tag in (ITEM_END, SEQUENCE_END):
            if not until_delimiter:
                raise Malformed(f"delimiter at {position}")
            return
        if element.tag != ITEM and element.vr != "SQ" and element.length != UNDEFINED:
            position = element.end
            continue
        if element.tag != ITEM and element.vr not in ("SQ", "UN"):
            position = yield from _walk_fragments(data, syntax, position, end, depth + 1)
            continue
        undefined = element.length == UNDEFINED
        # A UN of undefined length holds a sequence in implicit VR little endian (CP-246).
        inner = Syntax(explicit=False) if syntax.explicit and element.vr == "UN" else syntax
        limit = end if undefined else element.end
        last = element
        for last in _walk(
            data, inner, vr_of, position, limit, depth + 1, until_delimiter=undefined
        ):
            yield last
        position = last.start if undefined else element.end
    if until_delimiter or position != end:
        raise Malformed(f"ends at {position} instead of {end}")


def _walk_fragments(
    data: bytes, syntax: Syntax, position: int, end: int, depth: int
) -> Generator[Element, None, int]:
    """Yield the items of encapsulated Pixel Data, whose values are opaque; return where they end."""
    while True:
        element = _header(data, syntax, {}, position, end, depth)
        yield element
        if element.tag == SEQUENCE_END:
            return element.start
        if element.tag != ITEM or element.length == UNDEFINED:
            raise Malformed(f"{element.tag:08x} among fragments at {position}")
        position = element.end


def _header(
    data: bytes, syntax: Syntax, vr_of: dict[int, str], position: int, end: int, depth: int
) -> Element:
    if end - position < 8:
        raise Malformed(f"{end - position} bytes left at {position}")
    group, number = struct.unpack_from(syntax.order + "HH", data, position)
    tag = group << 16 | number
    start = position + 8
    if group == 0xFFFE:
        vr = "--"
        (length,) = struct.unpack_from(syntax.order + "I", data, position + 4)
    elif not syntax.explicit:
        vr = vr_of.get(tag, "UN")
        (length,) = struct.unpack_from(syntax.order + "I", data, position + 4)
    else:
        vr = data[position + 4 : position + 6].decode("latin-1")
        if vr in LONG_VRS:
            if end - position < 12:
                raise Malformed(f"{end - position} bytes left at {position}")
            (length,) = struct.unpack_from(syntax.order + "I", data, position + 8)
            start = position + 12
        else:
            (length,) = struct.unpack_from(syntax.order + "H", data, position + 6)
    stop = start if length == UNDEFINED or tag in (ITEM_END, SEQUENCE_END) else start + length
    if stop > end:
        raise Malformed(f"value of {length} bytes at {start} with {end - start} left")
    return Element(depth, position, tag, vr, length, start, stop)


def split_file(content: bytes) -> tuple[dict[int, bytes], bytes]:
    """Return the File Meta Information (tag to value) and the data set of a DICOM file; PS3.10 7.1.

    A file without preamble gives no meta information.
    """
    if content[128:132] != b"DICM":
        return {}, content
    syntax = Syntax()
    meta: dict[int, bytes] = {}
    position = 132
    while content[position : position + 2] == b"\x02\x00":
        element = _header(content, syntax, {}, position, len(content), 0)
        meta[element.tag] = content[element.start : element.end]
        position = element.end
    return meta, content[position:]
