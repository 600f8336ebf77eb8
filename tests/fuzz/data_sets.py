"""Target of data sets, PS3.5: any transfer syntax, any encoding, cut anywhere."""

import struct
import zlib
from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

from storescp.dataset.encoding import Encoding, GroupLength, SequenceLength
from storescp.errors import ProtocolError, StatusError, StorescpError
from storescp.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from tests.dataset.support import (
    UIDS,
    U,
    element,
    implicit,
    item,
    sequence,
    transcode,
)
from tests.fuzz.target import Choices, Target
from tests.peers import samples

_JPEG = "1.2.840.10008.1.2.4.50"
RECEIVED = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    _JPEG,
)
_WRITTEN = (None, *RECEIVED[:4])
_PADDINGS = (None, None, (0, 0), (64, 16), (3, 2), (0, 8), (128, 0))
_LARGEST_INFLATED = 1 << 15


def encoding_of(choices: Choices) -> Encoding:
    """Two bytes choose an encoding."""
    first, second = choices.byte(), choices.byte()
    return Encoding(
        transfer_syntax=_WRITTEN[first % 5],
        group_length=tuple(GroupLength)[first // 5 % 3],
        sequence_length=tuple(SequenceLength)[first // 15 % 2],
        new_vr=first < 128,
        padding=_PADDINGS[second % 7],
        convert_un=second & 64 > 0,
        maximum_inflated=_LARGEST_INFLATED,
    )


class Result(NamedTuple):
    """What came of a data set: bytes and attributes, or an error."""

    data: bytes = b""
    written: str = ""
    attributes: tuple[bytes | None, ...] = ()
    error: str = ""


def result(received: str, data: bytes, encoding: Encoding, step: int = 0) -> Result:
    """Transcode, and take what is documented."""
    try:
        done = transcode(received, data, encoding, step=step)
    except (ProtocolError, StatusError) as error:
        return Result(error=type(error).__name__)
    return Result(done.data, done.written, done.attributes)


def run(data: bytes) -> None:
    """A data set is written or refused, the same wherever it is cut; what was written can be read."""
    choices = Choices(data)
    received, encoding, step = choices.pick(RECEIVED), encoding_of(choices), choices.byte()
    body = choices.rest()
    whole = result(received, body, encoding)
    cut = result(received, body, encoding, step + 1)
    if whole.error or cut.error:
        if received == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
            # How much comes out of a damaged stream before the damage is zlib's business.
            assert bool(whole.error) == bool(cut.error), "cut elsewhere, it is refused"
        else:
            assert whole.error == cut.error, "the error depends on where the data set is cut"
        return
    assert cut == whole, "the result depends on where it is cut"
    read = _LARGEST_INFLATED if received == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN else len(body)
    padding = sum(encoding.padding or (0, 0))
    assert len(whole.data) <= (16 + padding) * (read // 8 + 2) + 2 * read, "the output is inflated"
    if not encoding.new_vr or whole.written == IMPLICIT_VR_LITTLE_ENDIAN != received:
        return  # what follows from a VR that is not the dictionary's is lost there, PS3.5 A.1
    try:
        transcode(whole.written, whole.data, Encoding(maximum_inflated=1 << 24))
    except StorescpError as error:
        if str(error) == "the data set is empty":
            return  # nothing but group lengths and padding
        raise AssertionError(f"what was written cannot be read: {error}") from error


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def _oddities() -> Iterable[bytes]:
    """Explicit VR little endian, where the rules are many."""
    yield UIDS + sequence(0x00081140, item(UIDS), item(UIDS, undefined=True), undefined=True)
    yield UIDS + element(0x00100010, "PN", b"A^B ") + element(0x00080005, "CS", b"ISO_IR 100")
    yield element(0x00090010, "LO", b"A MAKER ") + element(0x00091001, "UN", b"ab")
    yield (
        UIDS
        + element(0x00091002, "UN", item(implicit(0x00080100, b"ab")), U)
        + implicit(0xFFFEE0DD, b"")
    )
    yield UIDS + element(0x00280103, "US", b"\1\0") + element(0x00280106, "xs", b"\1\0")
    yield UIDS + element(0x00080000, "UL", struct.pack("<I", 20)) + UIDS
    yield UIDS + element(0x7FE00010, "OB", item(b"") + item(b"abcd"), U) + implicit(0xFFFEE0DD, b"")
    yield UIDS + element(0xFFFCFFFC, "OB", bytes(20))
    yield UIDS + element(0x00089215, "UN", item(element(0x00080100, "SH", b"a ")))
    yield element(0x00020010, "UI", b"1.2.840.10008.1.2\0") + UIDS
    nested = b""
    for _ in range(12):
        nested = sequence(0x0040A730, item(nested, undefined=True), undefined=True)
    yield UIDS + nested


def _seeds() -> Iterable[bytes]:
    syntaxes = {
        sample: RECEIVED.index(sample.transfer_syntax) for sample in samples.generated()[:8]
    }
    for number, (sample, syntax) in enumerate(syntaxes.items()):
        yield bytes((syntax, number * 31 % 256, number * 7, 16)) + sample.data
    for number, ((first, second), data) in enumerate(
        product(((0, 0), (7, 3), (46, 66), (131, 5)), _oddities())
    ):
        yield bytes((0, first, second, number % 20)) + data
        yield bytes((4, first, second, 7)) + data
        if number % 3 == 0:
            yield bytes((3, first, second, 9)) + _deflated(data)
    yield bytes((3, 0, 0, 255)) + _deflated(UIDS + element(0x7FE00010, "OB", bytes(1 << 17)))
    yield (
        bytes((1, 0, 66, 3))
        + implicit(0x00080018, b"1.2\0")
        + implicit(0x00081140, item(implicit(0x00081155, b"1.2\0")))
    )


_WORDS = (
    *(vr + b"\0\0" for vr in (b"UN", b"OB", b"SQ", b"UT", b"OW", b"??")),
    *(vr + b"\2\0" for vr in (b"US", b"UI", b"UL", b"PN", b"CS", b"LO", b"AT")),
    *(
        struct.pack("<HHI", tag >> 16, tag & 0xFFFF, length)
        for tag, length in product(
            (0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD, 0x7FE00010, 0x00081140, 0xFFFCFFFC), (0, 8, U)
        )
    ),
    *(
        struct.pack("<HH", tag >> 16, tag & 0xFFFF)
        for tag in (
            *(0x00080000, 0x00080005, 0x00080016, 0x00080018, 0x00100010, 0x0020000D),
            *(0x00020000, 0x00020010, 0x00090010, 0x00091001, 0x00280103, 0x00283010),
        )
    ),
    b"\xff\xff\xff\xff",
    b"\xff\xff",
    b"\0\0\0\0",
)

DATA_SETS = Target("data_set", run, _seeds, weight=8, largest=2048, words=_WORDS)
