"""Objects that are unlike: the files that pydicom brings, and series that are made from them.

What people's scanners send is not to be had for a benchmark; these files came from scanners and workstations of many
makers, and are small, so that what an element costs shows.
"""

import functools
import random
from collections.abc import Iterator
from dataclasses import replace

from bench.editing import edited, under_instance
from storescp.uids import STORAGE_PREFIXES
from tests.peers.dicom import EXPLICIT_LITTLE, IMPLICIT_LITTLE, Element, Malformed, syntax_of, walk
from tests.peers.samples import ROOT, Sample, of_pydicom

LARGEST = 300_000
"""Bytes of a data set, at most."""
SLICES = 60
_MOST_OF_A_DIRECTORY = 8
"""A directory of pydicom's holds fifty objects of 390 bytes that differ in their UIDs only."""
_STUDY_INSTANCE_UID = 0x0020000D
_SERIES_INSTANCE_UID = 0x0020000E
_PIXEL_DATA = 0x7FE00010
_TEMPLATES = (
    "CT_small.dcm",
    "MR_small.dcm",
    "dicomdirtests/77654033/CR1/6154",
    "dicomdirtests/98892001/CT5N/2062",
    "dicomdirtests/98892003/MR2/4950",
    "examples_rgb_color.dcm",
    "liver_1frame.dcm",
)


@functools.cache
def explicit() -> tuple[Sample, ...]:
    """Return objects in explicit VR little endian, each another kind."""
    return tuple(_whole(EXPLICIT_LITTLE))


@functools.cache
def implicit() -> tuple[Sample, ...]:
    """Return objects in implicit VR little endian, each another kind."""
    return tuple(_whole(IMPLICIT_LITTLE))


def _whole(transfer_syntax: str) -> Iterator[Sample]:
    """Yield pydicom's objects in a transfer syntax that are whole, of a storage SOP class, in a study, not large."""
    taken: dict[str, int] = {}
    for sample in of_pydicom():
        directory = sample.name.rpartition("/")[0]
        if (
            sample.transfer_syntax == transfer_syntax
            and len(sample.data) <= LARGEST
            and sample.sop_class in STORAGE_PREFIXES
            and (not directory or taken.get(directory, 0) < _MOST_OF_A_DIRECTORY)
            and _is_in_a_study(sample)
        ):
            taken[directory] = taken.get(directory, 0) + 1
            yield under_instance(sample)


def _is_in_a_study(sample: Sample) -> bool:
    """Return whether a data set can be taken apart and has the UIDs that say where it belongs."""
    try:
        found = {
            element.tag
            for element in walk(sample.data, syntax_of(sample.transfer_syntax))
            if element.depth == 0 and element.length > 0
        }
    except Malformed:
        return False
    return {0x00080016, 0x00080018, _STUDY_INSTANCE_UID} <= found


@functools.cache
def series() -> tuple[Sample, ...]:
    """Return seven series of 60 slices each, one series after the other."""
    by_name = {sample.name: sample for sample in of_pydicom()}
    return tuple(
        slice_
        for number, name in enumerate(_TEMPLATES, 1)
        for slice_ in _slices(by_name[name], number)
    )


@functools.cache
def interleaved() -> tuple[Sample, ...]:
    """Return the slices of all series in turn: the first of each, the second of each, and so on."""
    slices = series()
    return tuple(slices[at] for start in range(SLICES) for at in range(start, len(slices), SLICES))


def _slices(sample: Sample, number: int) -> Iterator[Sample]:
    """Yield the slices of one series, of a study of its own: what varies within a series of a scanner varies."""
    syntax = syntax_of(sample.transfer_syntax)
    elements = [element for element in walk(sample.data, syntax) if element.depth == 0]
    template = under_instance(sample)
    noise = random.Random(number)
    for index in range(1, SLICES + 1):
        values = {
            _STUDY_INSTANCE_UID: _even(f"{ROOT}.61.{number}", b"\0"),
            _SERIES_INSTANCE_UID: _even(f"{ROOT}.62.{number}", b"\0"),
        }
        for element in elements:
            if (value := _of_slice(element, sample.data, index, noise)) is not None:
                values[element.tag] = value
        yield replace(
            template,
            name=f"{sample.name} {index}",
            data=edited(template.data, syntax, values),
        )


_FLOATS = {  # how much they change from slice to slice, as text
    0x00180050,  # Slice Thickness
    0x00180080,  # Repetition Time
    0x00180081,  # Echo Time
    0x00181060,  # Trigger Time
    0x00181164,  # Imager Pixel Spacing
    0x00181316,  # SAR
    0x00200032,  # Image Position (Patient)
    0x00201041,  # Slice Location
    0x00281050,  # Window Center
    0x00281051,  # Window Width
    0x00281052,  # Rescale Intercept
    0x00281053,  # Rescale Slope
}
_INTEGERS = {
    0x00181150,  # Exposure Time
    0x00181151,  # X-Ray Tube Current
    0x00181152,  # Exposure
    0x00200012,  # Acquisition Number
}
_TIMES = {0x00080013, 0x00080030, 0x00080031, 0x00080032, 0x00080033}
_INSTANCE_NUMBER = 0x00200013


def _of_slice(element: Element, data: bytes, index: int, noise: random.Random) -> bytes | None:
    """Return the value that an element has in a slice; None if it is that of the template."""
    value = data[element.start : element.end]
    private = element.tag >> 16 & 1 and element.tag & 0xFFFF >= 0x1000
    if element.tag == _PIXEL_DATA and element.end - element.start == element.length:
        return noise.randbytes(element.length)
    if element.tag == _INSTANCE_NUMBER:
        return _even(str(index))
    if element.tag in _TIMES and value:
        return _even(
            f"{noise.randrange(24):02}{noise.randrange(60):02}{index % 60:02}.{noise.randrange(10**6)}"
        )
    if element.tag in _FLOATS or (private and element.vr == "DS" and value):
        return _even("\\".join(_decimal(noise) for _ in value.split(b"\\")))
    if element.tag in _INTEGERS or (private and element.vr == "IS" and value):
        return _even(
            "\\".join(str(noise.randrange(10 ** noise.randint(1, 4))) for _ in value.split(b"\\"))
        )
    if private and element.vr in ("FL", "FD", "SL", "UL", "SS", "US") and value:
        return noise.randbytes(element.length)
    return None


def _decimal(noise: random.Random) -> str:
    """Return a decimal string of any usual length."""
    return f"{noise.uniform(-300, 300):.{noise.randint(0, 6)}f}"


def _even(text: str, padding: bytes = b" ") -> bytes:
    value = text.encode()
    return value + padding * (len(value) % 2)
