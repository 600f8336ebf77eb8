"""Gives elements of a data set other values, for objects that differ as those of a scanner do."""

import struct
from collections.abc import Mapping
from dataclasses import replace

from bench.objects import INSTANCE
from tests.peers.dicom import LONG_VRS, Element, Syntax, syntax_of, walk
from tests.peers.samples import Sample

SOP_INSTANCE_UID = 0x00080018


def under_instance(sample: Sample) -> Sample:
    """Return the same object as INSTANCE, whose digits the load generator counts up.

    Raises:
        Malformed: it cannot be taken apart.
        ValueError: it has no SOP Instance UID.
    """
    value = INSTANCE.encode() + b"\0" * (len(INSTANCE) % 2)
    data = edited(sample.data, syntax_of(sample.transfer_syntax), {SOP_INSTANCE_UID: value})
    if value not in data:
        raise ValueError(f"{sample.name} has no SOP Instance UID")
    return replace(sample, sop_instance=INSTANCE, data=data)


def edited(data: bytes, syntax: Syntax, values: Mapping[int, bytes]) -> bytes:
    """Return the data set with other values (of even length) for elements of its top level, if they are there.

    Lengths of their groups stay right.

    Raises:
        Malformed: the data set cannot be taken apart.
    """
    elements = [element for element in walk(data, syntax) if element.depth == 0]
    grown: dict[int, int] = {}
    for element in elements:
        if element.tag in values:
            more = len(values[element.tag]) - element.length
            grown[element.tag >> 16] = grown.get(element.tag >> 16, 0) + more
    parts, done = [], 0
    for element in elements:
        value = values.get(element.tag)
        if element.tag & 0xFFFF == 0 and element.length == 4:
            (length,) = struct.unpack_from(syntax.order + "I", data, element.start)
            value = struct.pack(syntax.order + "I", length + grown.get(element.tag >> 16, 0))
        if value is not None:
            parts += [
                data[done : element.header],
                _header(data, syntax, element, len(value)),
                value,
            ]
            done = element.end
    return b"".join([*parts, data[done:]])


def _header(data: bytes, syntax: Syntax, element: Element, length: int) -> bytes:
    """Return an element's header with another length."""
    short = syntax.explicit and element.vr not in LONG_VRS
    size = 2 if short else 4
    return data[element.header : element.start - size] + struct.pack(
        syntax.order + ("H" if short else "I"), length
    )
