"""What the tests of data sets share: transcoding in memory, options by name, data sets to build."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from storescp.dataset.dictionary import Dictionary, standard
from storescp.dataset.transcoder import (
    Attributes,
    Encoding,
    GroupLength,
    SequenceLength,
    Transcoder,
)
from storescp.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    TRANSFER_SYNTAXES,
)
from tests.dataset.memory_output import MemoryOutput

DATA = Path(__file__).parent.parent / "data"

JPEG = "1.2.840.10008.1.2.4.50"
U = 0xFFFFFFFF


@dataclass(frozen=True)
class Transcoded:
    """What came out."""

    data: bytes
    attributes: Attributes
    written: str
    passes: int


def transcode(
    received: str,
    data: bytes,
    encoding: Encoding | None = None,
    *,
    step: int = 0,
    cuts: Sequence[int] = (),
    preceding: int = 0,
    dictionary: Callable[[], Dictionary] = standard,
) -> Transcoded:
    """Transcode `data` in fragments of `step` bytes, or cut at the positions given, or whole.

    As with a receive buffer, a fragment's memory is overwritten once it was taken.
    """
    output = MemoryOutput()
    transcoder = Transcoder(
        TRANSFER_SYNTAXES[received],
        encoding or Encoding(),
        output,
        dictionary=dictionary,
    )
    ends = sorted({0, len(data), *cuts, *(range(0, len(data), step) if step else ())})
    fragments = [bytearray(data[start:end]) for start, end in pairwise(ends)]
    while fragments:
        # One by one, or some together, as the data path has them.
        transcoder.feed(memoryview(fragments[0]))
        together, fragments[:4] = fragments[:4], []
        if len(together) > 1:
            transcoder.feed_all([memoryview(fragment) for fragment in together[1:]])
        for fragment in together:
            fragment[:] = b"\xaa" * len(fragment)
    attributes = transcoder.finish(lambda _: preceding)
    passes = 1
    while transcoder.needs_second_pass:
        transcoder.rewrite(output, another := MemoryOutput())
        output = another
        passes += 1
    return Transcoded(output.data, attributes, transcoder.written.uid, passes)


_SYNTAX_OPTIONS = {
    "+te": EXPLICIT_VR_LITTLE_ENDIAN,
    "+tb": EXPLICIT_VR_BIG_ENDIAN,
    "+ti": IMPLICIT_VR_LITTLE_ENDIAN,
    "+td": DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
}


def encoding_of(options: str) -> Encoding:
    """The encoding that options of the command line ask for."""
    encoding = Encoding()
    words = iter(options.split())
    for word in words:
        match word:
            case "+p":
                encoding = replace(encoding, padding=(int(next(words)), int(next(words))))
            case "+g":
                encoding = replace(encoding, group_length=GroupLength.CREATE)
            case "-g":
                encoding = replace(encoding, group_length=GroupLength.REMOVE)
            case "-e":
                encoding = replace(encoding, sequence_length=SequenceLength.UNDEFINED)
            case "-u":
                encoding = replace(encoding, new_vr=False)
            case "+uc":
                encoding = replace(encoding, convert_un=True)
            case "default":
                pass
            case _:
                encoding = replace(encoding, transfer_syntax=_SYNTAX_OPTIONS[word])
    return encoding


LONG_VRS = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])


def element(
    tag: int, vr: str, value: bytes, length: int | None = None, *, big_endian: bool = False
) -> bytes:
    """An element of explicit VR."""
    order = ">" if big_endian else "<"
    length = len(value) if length is None else length
    layout = order + ("HH2s2xI" if vr in LONG_VRS else "HH2sH")
    return struct.pack(layout, tag >> 16, tag & 0xFFFF, vr.encode(), length) + value


def implicit(tag: int, value: bytes, length: int | None = None) -> bytes:
    """An element of implicit VR, or an item."""
    length = len(value) if length is None else length
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, length) + value


def item(content: bytes, *, undefined: bool = False) -> bytes:
    """An item, little endian."""
    if undefined:
        return implicit(0xFFFEE000, content, U) + implicit(0xFFFEE00D, b"")
    return implicit(0xFFFEE000, content)


def sequence(tag: int, *items: bytes, undefined: bool = False, vr: str = "SQ") -> bytes:
    """A sequence of explicit VR."""
    content = b"".join(items)
    if undefined:
        return element(tag, vr, content, U) + implicit(0xFFFEE0DD, b"")
    return element(tag, vr, content)


UIDS = element(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.2\0") + element(
    0x00080018, "UI", b"1.2.3.4.5\0"
)
