"""Objects to send: pydicom's sample files, and generated ones of the sizes and shapes of the clinic.

Generated objects are the same at each run. Their pixel data are a pattern, no noise: nothing here looks
at pixels, and a pattern is made faster.
"""

import functools
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.peers.dicom import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Malformed,
    Syntax,
    split_file,
    syntax_of,
    walk,
)

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4.1"
MULTI_FRAME_GRAYSCALE = "1.2.840.10008.5.1.4.1.1.7.3"
ROOT = "1.2.826.0.1.3680043.9.3811.99"
STUDY = f"{ROOT}.5.100000000000"
"""Study of the slices and multi-frame objects; benchmarks count its last twelve digits up."""
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"


@dataclass(frozen=True, slots=True)
class Sample:
    """A data set, as it goes over the wire, and what its C-STORE-RQ says of it."""

    name: str
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    data: bytes


@functools.cache
def of_pydicom() -> tuple[Sample, ...]:
    """Return the sample files that pydicom brings: what follows the File Meta Information, made even.

    Files that hold no DICOM data set are left out, damaged data sets are not.
    """
    import pydicom.data

    root = Path(pydicom.data.__file__).parent / "test_files"
    samples = []
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix in ("", ".dcm"):
            sample = _from_file(str(path.relative_to(root)), path.read_bytes())
            if sample is not None:
                samples.append(sample)
    return tuple(samples)


def _from_file(name: str, content: bytes) -> Sample | None:
    meta, data = split_file(content)
    if not data or (not meta and content[:2] not in (b"\x02\0", b"\x08\0")):
        return None
    if meta:
        transfer_syntax = _text(meta.get(0x00020010, b"")) or EXPLICIT_LITTLE
    else:
        transfer_syntax = EXPLICIT_LITTLE if data[4:6].isalpha() else IMPLICIT_LITTLE
    identity = {0x00080016: b"", 0x00080018: b""}
    try:
        inflated = zlib.decompress(data, -15) if transfer_syntax == DEFLATED else data
        for element in walk(inflated, syntax_of(transfer_syntax)):
            if element.depth == 0 and element.tag in identity:
                identity[element.tag] = inflated[element.start : element.end]
            elif element.tag > 0x00080018:
                break
    except (Malformed, zlib.error):
        pass
    sop_class = _text(identity[0x00080016] or meta.get(0x00020002, b"")) or "1.2.3.4"
    sop_instance = _text(identity[0x00080018] or meta.get(0x00020003, b"")) or "1.2.3.4"
    return Sample(name, sop_class, sop_instance, transfer_syntax, data + b"\0" * (len(data) % 2))


def _text(value: bytes) -> str:
    return value.rstrip(b" \0").decode("latin-1")


@functools.cache
def generated() -> tuple[Sample, ...]:
    """Return small objects for each shape that the encoding rules tell apart."""
    return tuple(_generate())


def _generate() -> Iterator[Sample]:
    for name, transfer_syntax in (
        ("little", EXPLICIT_LITTLE),
        ("big", EXPLICIT_BIG),
        ("implicit", IMPLICIT_LITTLE),
    ):
        syntax = syntax_of(transfer_syntax)
        for undefined in (False, True):
            kind = "undefined" if undefined else "defined"
            instance = f"{ROOT}.1.{len(name)}.{int(undefined)}"
            data = _everything(syntax, instance, undefined=undefined)
            yield Sample(f"{name}-{kind}", CT_IMAGE, instance, transfer_syntax, data)
    inner = _everything(Syntax(), f"{ROOT}.2.1", undefined=True)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(inner) + packer.flush()
    packed += b"\0" * (len(packed) % 2)
    yield Sample("deflated", CT_IMAGE, f"{ROOT}.2.1", DEFLATED, packed)
    yield Sample("encapsulated", CT_IMAGE, f"{ROOT}.2.2", JPEG_BASELINE, _fragments(f"{ROOT}.2.2"))
    yield ct_slice(64, f"{ROOT}.2.3", name="small-ct")


def _fragments(instance: str) -> bytes:
    syntax = Syntax()
    return b"".join(
        [
            _identity(syntax, CT_IMAGE, instance),
            syntax.number(0x00280010, "US", 16),
            syntax.encapsulated(
                struct.pack("<II", 0, 212), b"\xff\xd8" + bytes(200) + b"\xff\xd9", bytes(300)
            ),
        ]
    )


def _identity(syntax: Syntax, sop_class: str, instance: str, *, padding: str = "") -> bytes:
    return b"".join(
        [
            syntax.element(0x00080005, "CS", "ISO_IR 100"),
            syntax.element(0x00080016, "UI", sop_class),
            syntax.element(0x00080018, "UI", instance),
            syntax.element(0x00080020, "DA", "20240131"),
            syntax.element(0x00080060, "CS", "CT"),
            syntax.element(0x00080080, "LO", "Clinic of the Left Shoe" + padding),
        ]
    )


def _everything(syntax: Syntax, instance: str, *, undefined: bool) -> bytes:
    """Return a data set with every VR, group lengths, nesting, private elements and trailing padding."""
    order = syntax.order
    code = syntax.sequence(
        0x00089215,
        syntax.element(0x00080100, "SH", "T-A0100")
        + syntax.element(0x00080102, "SH", "SRT")
        + syntax.element(0x00080104, "LO", "Brain "),
        b"",
        undefined=undefined,
    )
    group_8 = _identity(syntax, CT_IMAGE, instance, padding="   ") + syntax.sequence(
        0x00081140,
        syntax.element(0x00081150, "UI", CT_IMAGE)
        + syntax.element(0x00081155, "UI", f"{ROOT}.7")
        + code,
        undefined=undefined,
    )
    parts = [
        syntax.number(0x00080000, "UL", len(group_8) - 2),
        group_8,
        syntax.sequence(0x00082112, undefined=undefined),
        syntax.number(0x00100000, "UL", 4),
        syntax.element(0x00100010, "PN", "Doe^John^^Dr=X=Y"),
        syntax.element(0x00100020, "LO", "4711"),
        syntax.element(0x00104000, "LT", "two  "),
        syntax.element(0x00180015, "CS", ""),
        syntax.number(0x00181310, "US", 1, 2, 3, 4),
        syntax.element(0x0020000D, "UI", f"{ROOT}.3"),
        syntax.element(0x0020000E, "UI", f"{ROOT}.4"),
        syntax.element(0x00200013, "IS", "1"),
        syntax.element(0x00200032, "DS", "-1.5\\0\\3.25"),
        syntax.number(0x00280010, "US", 4),
        syntax.number(0x00280011, "US", 4),
        syntax.number(0x00280100, "US", 16),
        syntax.number(0x00280103, "US", 1),
        syntax.number(0x00280106, "SS", -5),
        syntax.element(0x00290010, "LO", "SHOE MAKER"),
        syntax.element(0x00291001, "UN", b"\x01\x02\x03\x04"),
        syntax.element(0x00291002, "ST", "private text  "),
        syntax.sequence(0x00291003, syntax.element(0x00291004, "SH", "in")),
        syntax.number(0x00409094, "UL", 1),
        syntax.sequence(
            0x0040A730,
            syntax.element(0x0040A040, "CS", "NUM")
            + syntax.element(0x0040A30A, "DS", "12 ")
            + syntax.sequence(
                0x0040A730,
                syntax.element(0x0040A040, "CS", "TEXT")
                + syntax.element(0x0040A160, "UT", "A long text. " * 40),
                undefined=not undefined,
            ),
            undefined=undefined,
        ),
        syntax.element(0x00660016, "OF", struct.pack(order + "3f", 1, 2, 3)),
        syntax.element(0x00660040, "OL", struct.pack(order + "2I", 1, 2)),
        syntax.element(0x00700022, "FL", struct.pack(order + "2f", 0.5, 0.25)),
        syntax.element(0x00720065, "OB", b"\x01\x02"),
        syntax.element(0x00720082, "SV", struct.pack(order + "q", -7)),
        syntax.element(0x00720083, "UV", struct.pack(order + "Q", 7)),
        syntax.element(0x00720063, "AT", struct.pack(order + "4H", 0x10, 0x10, 0x8, 0x60)),
        syntax.element(0x7FE00008, "OF", struct.pack(order + "f", 1.5)),
        syntax.element(0x7FE00010, "OW", struct.pack(order + "16H", *range(16))),
        syntax.element(0xFFFCFFFC, "OB", bytes(10)),
    ]
    # Written by subject above, sorted by tag here.
    parts.sort(key=lambda part: struct.unpack(order + "HH", part[:4]))
    return b"".join(parts)


def ct_slice(
    edge: int, instance: str, *, name: str = "ct", sop_class: str = CT_IMAGE, elements: int = 150
) -> Sample:
    """Return a CT slice of `edge` times `edge` pixels, explicit VR little endian, with about `elements` elements."""
    syntax = Syntax()
    head = _identity(syntax, sop_class, instance)
    middle = b"".join(
        [
            syntax.element(0x00081030, "LO", "Head without contrast medium"),
            syntax.element(0x00081090, "LO", "Left Shoe 3000"),
            syntax.element(0x00100010, "PN", "Doe^John"),
            syntax.element(0x00100020, "LO", "PID-0815"),
            syntax.element(0x00180050, "DS", "0.625"),
            # As many as asked for, of what scanners write: short texts and numbers.
            *(
                syntax.element(0x00189000 + 2 * number, "DS", f"{number}.{number:03d}")
                for number in range(max(0, elements - 32))
            ),
            syntax.element(0x0020000D, "UI", STUDY),
            syntax.element(0x0020000E, "UI", f"{ROOT}.6"),
            syntax.element(0x00200013, "IS", "1"),
            syntax.element(0x00200032, "DS", "-250.0\\-250.0\\12.5"),
            syntax.element(0x00200037, "DS", "1\\0\\0\\0\\1\\0"),
            syntax.number(0x00280002, "US", 1),
            syntax.element(0x00280004, "CS", "MONOCHROME2"),
            syntax.number(0x00280010, "US", edge),
            syntax.number(0x00280011, "US", edge),
            syntax.element(0x00280030, "DS", "0.9765\\0.9765"),
            syntax.number(0x00280100, "US", 16),
            syntax.number(0x00280101, "US", 12),
            syntax.number(0x00280102, "US", 11),
            syntax.number(0x00280103, "US", 0),
            syntax.element(0x00281052, "DS", "-1024"),
            syntax.element(0x00281053, "DS", "1"),
        ]
    )
    pixels = syntax.element(0x7FE00010, "OW", _pattern(edge * edge * 2))
    return Sample(name, sop_class, instance, EXPLICIT_LITTLE, head + middle + pixels)


def enhanced_mr(frames: int, instance: str, *, edge: int = 2) -> Sample:
    """Return an enhanced MR object: functional groups per frame with undefined lengths, 30 headers each."""
    syntax = Syntax()
    shared = syntax.sequence(
        0x52009229,
        syntax.sequence(0x00289110, syntax.element(0x00280030, "DS", "0.5\\0.5 "), undefined=True),
        undefined=True,
    )
    per_frame = b"".join(
        syntax.bare(0xFFFEE000, 0xFFFFFFFF)
        + b"".join(_frame_groups(syntax, number))
        + syntax.bare(0xFFFEE00D, 0)
        for number in range(frames)
    )
    data = b"".join(
        [
            _identity(syntax, ENHANCED_MR_IMAGE, instance),
            syntax.element(0x00100010, "PN", "Doe^Jane"),
            syntax.element(0x0020000D, "UI", STUDY),
            syntax.element(0x0020000E, "UI", f"{ROOT}.6"),
            syntax.element(0x00280008, "IS", str(frames)),
            syntax.number(0x00280010, "US", edge),
            syntax.number(0x00280011, "US", edge),
            syntax.number(0x00280100, "US", 16),
            syntax.number(0x00280103, "US", 0),
            shared,
            syntax.header(0x52009230, "SQ", 0xFFFFFFFF),
            per_frame,
            syntax.bare(0xFFFEE0DD, 0),
            syntax.element(0x7FE00010, "OW", _pattern(frames * edge * edge * 2)),
        ]
    )
    return Sample("enhanced-mr", ENHANCED_MR_IMAGE, instance, EXPLICIT_LITTLE, data)


def _frame_groups(syntax: Syntax, number: int) -> Iterator[bytes]:
    yield syntax.sequence(
        0x00189114,
        syntax.element(0x00189082, "FD", struct.pack("<d", 30.0 + number)),
        undefined=True,
    )
    yield syntax.sequence(
        0x00209111,
        syntax.number(0x00189151, "UL", number) + syntax.number(0x00209157, "UL", 1, number),
        undefined=True,
    )
    yield syntax.sequence(
        0x00209113, syntax.element(0x00200032, "DS", f"-100\\-100\\{number}"), undefined=True
    )
    yield syntax.sequence(
        0x00209116, syntax.element(0x00200037, "DS", "1\\0\\0\\0\\1\\0"), undefined=True
    )
    yield syntax.sequence(
        0x00289132,
        syntax.element(0x00281050, "DS", "600")
        + syntax.element(0x00281051, "DS", "1200")
        + syntax.element(0x00281055, "LO", "NORMAL"),
        undefined=True,
    )


def multi_frame(mebibytes: int, instance: str) -> Sample:
    """Return one object with `mebibytes` MiB of uncompressed pixel data in 512 by 512 frames."""
    syntax = Syntax()
    size = mebibytes << 20
    data = b"".join(
        [
            _identity(syntax, MULTI_FRAME_GRAYSCALE, instance),
            syntax.element(0x00100010, "PN", "Doe^Jim"),
            syntax.element(0x0020000D, "UI", STUDY),
            syntax.element(0x00280008, "IS", str(size // (512 * 512 * 2))),
            syntax.number(0x00280010, "US", 512),
            syntax.number(0x00280011, "US", 512),
            syntax.number(0x00280100, "US", 16),
            syntax.number(0x00280103, "US", 0),
            syntax.element(0x7FE00010, "OW", _pattern(size)),
        ]
    )
    return Sample("multi-frame", MULTI_FRAME_GRAYSCALE, instance, EXPLICIT_LITTLE, data)


def _pattern(size: int) -> bytes:
    """Return `size` bytes of a ramp of 12 bit values."""
    ramp = struct.pack("<4096H", *range(4096))
    return (ramp * (size // len(ramp) + 1))[:size]
