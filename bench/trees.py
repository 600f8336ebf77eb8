"""Generated objects whose structure is their size: reports, items that all differ, enhanced objects, trimmed text.

Each is made a few times with other values and lengths, so that no object is the one before.
"""

import functools
import random
import struct
from collections.abc import Callable, Iterator

from bench.objects import INSTANCE
from tests.peers.dicom import EXPLICIT_LITTLE, ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, Syntax
from tests.peers.samples import CT_IMAGE, ENHANCED_MR_IMAGE, ROOT, STUDY, Sample

COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"
_VARIANTS = 12
_EXPLICIT, _IMPLICIT = Syntax(), Syntax(explicit=False)
_WORDS = [
    "left",
    "right",
    "upper",
    "lower",
    "lobe",
    "nodule",
    "mass",
    "density",
    "unchanged",
    "prior",
    "study",
    "contrast",
    "axial",
    "mm",
    "seen",
    "not",
]


def _variants(make: Callable[[random.Random], Sample]) -> tuple[Sample, ...]:
    return tuple(make(random.Random(number)) for number in range(_VARIANTS))


@functools.cache
def reports() -> tuple[Sample, ...]:
    """Return structured reports: trees of content items, six levels deep, of some 60 kB."""
    return _variants(lambda noise: _sample("report", COMPREHENSIVE_SR, [_content(noise, 5)], "SR"))


def _content(noise: random.Random, depth: int) -> bytes:
    children = [_content_item(noise, depth - 1) for _ in range(noise.randint(3, 4))]
    return _EXPLICIT.sequence(0x0040A730, *children, undefined=noise.random() < 0.5)


def _content_item(noise: random.Random, depth: int) -> bytes:
    kind = "CONTAINER" if depth else noise.choice(["TEXT", "NUM", "CODE"])
    parts = [
        _EXPLICIT.element(0x0040A010, "CS", noise.choice(["CONTAINS", "HAS OBS CONTEXT"])),
        _EXPLICIT.element(0x0040A040, "CS", kind),
        _EXPLICIT.sequence(0x0040A043, _code(_EXPLICIT, noise)),
    ]
    if kind == "TEXT":
        parts.append(_EXPLICIT.element(0x0040A160, "UT", _text(noise, 30)))
    elif kind == "CODE":
        parts.append(_EXPLICIT.sequence(0x0040A168, _code(_EXPLICIT, noise)))
    elif kind == "NUM":
        value = _EXPLICIT.sequence(0x004008EA, _code(_EXPLICIT, noise)) + _EXPLICIT.element(
            0x0040A30A, "DS", f"{noise.uniform(0, 99):.{noise.randint(0, 5)}f}"
        )
        parts.append(_EXPLICIT.sequence(0x0040A300, value))
    else:
        parts.append(_content(noise, depth))
    return b"".join(parts)


def _code(syntax: Syntax, noise: random.Random) -> bytes:
    return (
        syntax.element(0x00080100, "SH", f"{noise.randrange(10**6)}")
        + syntax.element(0x00080102, "SH", noise.choice(["DCM", "SCT", "99LOCAL"]))
        + syntax.element(0x00080104, "LO", _text(noise, 4))
    )


def _text(noise: random.Random, most_words: int) -> str:
    return " ".join(noise.choices(_WORDS, k=noise.randint(1, most_words)))


@functools.cache
def items() -> tuple[Sample, ...]:
    """Return objects with a sequence of 1,500 items, no two of which have the same elements and lengths."""
    return _variants(lambda noise: _sample("items", CT_IMAGE, [_items(noise)], "CT"))


def _items(noise: random.Random) -> bytes:
    return _EXPLICIT.sequence(
        0x00081140,
        *(_item(_EXPLICIT, noise) for _ in range(1500)),
        undefined=noise.random() < 0.5,
    )


def _item(syntax: Syntax, noise: random.Random) -> bytes:
    parts = [
        syntax.element(0x00081150, "UI", CT_IMAGE),
        syntax.element(0x00081155, "UI", f"{ROOT}.{noise.randrange(10**9)}"),
    ]
    parts += [
        syntax.element(tag, vr, _text(noise, 3))
        for tag, vr in (
            (0x0008103E, "LO"),
            (0x00100010, "PN"),
            (0x00181030, "LO"),
            (0x00204000, "LT"),
        )
        if noise.random() < 0.5
    ]
    parts += [
        syntax.number(tag, "US", noise.randrange(1000))
        for tag in (0x00280010, 0x00280011, 0x00281101)
        if noise.random() < 0.5
    ]
    if noise.random() < 0.3:
        parts.append(
            syntax.sequence(0x0040A170, _code(syntax, noise), undefined=noise.random() < 0.5)
        )
    return b"".join(sorted(parts, key=lambda part: struct.unpack_from("<HH", part)))


@functools.cache
def unknown() -> tuple[Sample, ...]:
    """Return objects with private sequences as UN of undefined length, whose items are in implicit VR (CP-246)."""
    return _variants(lambda noise: _sample("UN", CT_IMAGE, list(_unknown(noise)), "CT"))


def _unknown(noise: random.Random) -> Iterator[bytes]:
    yield _EXPLICIT.element(0x00290010, "LO", "SHOE MAKER")
    for number in range(60):
        content = b"".join(
            _IMPLICIT.bare(ITEM, UNDEFINED) + _item(_IMPLICIT, noise) + _IMPLICIT.bare(ITEM_END, 0)
            for _ in range(noise.randint(5, 20))
        )
        yield (
            _EXPLICIT.header(0x00291000 + number, "UN", UNDEFINED)
            + content
            + _EXPLICIT.bare(SEQUENCE_END, 0)
        )


@functools.cache
def trimmed() -> tuple[Sample, ...]:
    """Return objects whose 1,000 texts end in blanks, which a receiver that does not preserve bits removes."""
    return _variants(lambda noise: _sample("trimmed", CT_IMAGE, list(_trimmed(noise)), "CT"))


def _trimmed(noise: random.Random) -> Iterator[bytes]:
    yield _EXPLICIT.element(0x00290010, "LO", "SHOE MAKER")
    for number in range(1000):
        text = _text(noise, 4)
        yield _EXPLICIT.element(
            0x00291000 + number,
            noise.choice(["LO", "SH", "CS", "PN"]),
            text + " " * (len(text) % 2 + 2 * noise.randint(1, 4)),
        )


@functools.cache
def enhanced() -> tuple[Sample, ...]:
    """Return enhanced MR objects of 6,000 frames, the values of whose functional groups differ in length, too."""
    return tuple(_enhanced(random.Random(number)) for number in range(4))


def _enhanced(noise: random.Random) -> Sample:
    frames = 6000
    per_frame = b"".join(
        _EXPLICIT.bare(ITEM, UNDEFINED)
        + b"".join(_frame_groups(noise, number))
        + _EXPLICIT.bare(ITEM_END, 0)
        for number in range(frames)
    )
    parts = [
        _EXPLICIT.element(0x00280008, "IS", str(frames)),
        *(
            _EXPLICIT.number(tag, "US", value)
            for tag, value in ((0x00280010, 2), (0x00280011, 2), (0x00280100, 16), (0x00280103, 0))
        ),
        _EXPLICIT.header(0x52009230, "SQ", UNDEFINED) + per_frame + _EXPLICIT.bare(SEQUENCE_END, 0),
        _EXPLICIT.element(0x7FE00010, "OW", noise.randbytes(frames * 8)),
    ]
    return _sample("enhanced MR", ENHANCED_MR_IMAGE, parts, "MR")


def _frame_groups(noise: random.Random, number: int) -> Iterator[bytes]:
    def group(tag: int, *elements: bytes) -> bytes:
        return _EXPLICIT.sequence(tag, b"".join(elements), undefined=True)

    def numbers(count: int) -> str:
        return "\\".join(
            f"{noise.uniform(-300, 300):.{noise.randint(0, 6)}f}" for _ in range(count)
        )

    yield group(0x00189114, _EXPLICIT.element(0x00189082, "FD", struct.pack("<d", noise.random())))
    yield group(
        0x00209111,
        _EXPLICIT.element(
            0x00189074, "DT", f"20260131{noise.randrange(240000):06}.{noise.randrange(10**6)}"
        ),
        _EXPLICIT.number(0x00209157, "UL", 1, number),
    )
    yield group(0x00209113, _EXPLICIT.element(0x00200032, "DS", numbers(3)))
    yield group(0x00209116, _EXPLICIT.element(0x00200037, "DS", numbers(6)))
    yield group(
        0x00289132,
        _EXPLICIT.element(0x00281050, "DS", numbers(1)),
        _EXPLICIT.element(0x00281051, "DS", numbers(1)),
        _EXPLICIT.element(0x00281055, "LO", _text(noise, 3)),
    )


def _sample(name: str, sop_class: str, parts: list[bytes], modality: str) -> Sample:
    """Return an object of the parts, and what identifies it and its study."""
    head = [
        _EXPLICIT.element(0x00080016, "UI", sop_class),
        _EXPLICIT.element(0x00080018, "UI", INSTANCE),
        _EXPLICIT.element(0x00080060, "CS", modality),
        _EXPLICIT.element(0x00100010, "PN", "Doe^Jane"),
        _EXPLICIT.element(0x0020000D, "UI", STUDY),
        _EXPLICIT.element(0x0020000E, "UI", f"{ROOT}.6"),
    ]
    data = b"".join(sorted(head + parts, key=lambda part: struct.unpack_from("<HH", part)))
    return Sample(name, sop_class, INSTANCE, EXPLICIT_LITTLE, data)
