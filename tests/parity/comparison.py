"""The same objects to two servers, and whether what they did is the same.

Two things must differ: the implementation that the File Meta Information names, and, beside DCMTK 3.6.7,
how text is padded, since 3.7.0 strips what 3.6.7 leaves behind a text. So files that are not equal byte
by byte are taken apart and compared element by element, text without its padding; lengths, group lengths
and trailing padding are then judged in each file by themselves.
"""

import functools
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.peers.dicom import (
    DEFLATED,
    ITEM,
    ITEM_END,
    TEXT_VRS,
    UNDEFINED,
    Element,
    Malformed,
    split_file,
    syntax_of,
    walk,
)
from tests.peers.requestor import CT_IMAGE_STORAGE, P_DATA, Context, Requestor
from tests.peers.samples import Sample
from tests.peers.servers import Server

TRANSFER_SYNTAX = 0x00020010
_META_LENGTH = 0x00020000
_INSTANCE_UID = 0x00020003
# Implementation class UID and version name, and the length that depends on them.
_VARYING_META = frozenset({0x00020012, 0x00020013, _META_LENGTH})
_TRAILING_PADDING = 0xFFFCFFFC


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one object: the status or what came instead, and the files that appeared."""

    status: str
    files: dict[str, bytes]


def contexts_for(samples: Iterable[Sample]) -> dict[tuple[str, str], Context]:
    """Return a presentation context for each pair of SOP class and transfer syntax, at most 128."""
    pairs = sorted({(sample.sop_class, sample.transfer_syntax) for sample in samples})
    return {pair: Context(2 * number + 1, pair[0], (pair[1],)) for number, pair in enumerate(pairs)}


def send(server: Server, samples: Sequence[Sample], *, pdv_size: int = 16372) -> list[Outcome]:
    """Send all samples, over as few associations as the server's aborts allow, and take away the files.

    A sample whose context was refused has the outcome REFUSED. Those of classes that nobody knows go
    over a CT context, as both servers do not mind.
    """
    contexts = contexts_for(samples)
    spare = {
        syntax: Context(2 * number + 201, CT_IMAGE_STORAGE, (syntax,))
        for number, syntax in enumerate(sorted({sample.transfer_syntax for sample in samples}))
    }
    assert len(contexts) < 100
    outcomes = []
    peer: Requestor | None = None
    for sample in samples:
        if peer is None:
            peer = Requestor(server.port)
            peer.associate([*contexts.values(), *spare.values()])
        number = contexts[sample.sop_class, sample.transfer_syntax].id
        if number not in peer.answer.accepted:
            number = spare[sample.transfer_syntax].id
        if number not in peer.answer.accepted:
            outcomes.append(Outcome("REFUSED", {}))
            continue
        response = peer.store(
            number, sample.sop_class, sample.sop_instance, sample.data, pdv_size=pdv_size
        )
        if response.kind != P_DATA:
            peer.close()
            # Once a new association is there, the server has cleared away what the old one left.
            peer = Requestor(server.port)
            peer.associate([*contexts.values(), *spare.values()])
        outcomes.append(Outcome(response.outcome, server.take_files()))
    if peer is not None:
        peer.release()
    return outcomes


def differences(
    ours: Outcome,
    theirs: Outcome,
    *,
    transfer_syntax: str = "",
    padding: tuple[int, int] = (0, 0),
    varying: bool = False,
) -> list[str]:
    """Return in words what differs between two outcomes.

    `transfer_syntax` is that of files without meta information, `padding` are the file and item padding asked for; `varying` says that names hold times or new UIDs.
    """
    found = []
    # What cannot be parsed costs DCMTK's peer the association, ours the object.
    unreadable = (ours.status, theirs.status) == ("C000", "ABORT")
    if ours.status != theirs.status and not unreadable:
        found.append(f"status {ours.status} instead of {theirs.status}")
    our_names = {_name(name, varying=varying): name for name in ours.files}
    their_names = {_name(name, varying=varying): name for name in theirs.files}
    if our_names.keys() != their_names.keys():
        found.append(f"files {sorted(our_names)} instead of {sorted(their_names)}")
    for name in sorted(our_names.keys() & their_names.keys()):
        found.extend(
            file_differences(
                ours.files[our_names[name]],
                theirs.files[their_names[name]],
                transfer_syntax=transfer_syntax,
                padding=padding,
            )
        )
    return found


def _name(name: str, *, varying: bool) -> str:
    # A unique UID may have any root: it counts as one number.
    return re.sub(r"\d+(_\d{4,})?(\.\d+)*", "N", name) if varying else name


def file_differences(
    ours: bytes,
    theirs: bytes,
    *,
    transfer_syntax: str = "",
    padding: tuple[int, int] = (0, 0),
) -> list[str]:
    """Return in words what differs between two files that may differ as the module says.

    `transfer_syntax` is that of files without meta information.
    """
    our_meta, our_data = split_file(ours)
    their_meta, their_data = split_file(theirs)
    found = [
        f"({tag >> 16:04x},{tag & 0xFFFF:04x}) is {our_meta.get(tag)!r} instead of {value!r}"
        for tag, value in their_meta.items()
        if tag not in _VARYING_META and our_meta.get(tag) != value and not _is_new(tag, value)
    ]
    if list(our_meta) != list(their_meta):
        found.append(f"meta elements {list(map(hex, our_meta))}")
    if our_meta:
        start = len(ours) - len(our_data)
        length = int.from_bytes(our_meta.get(_META_LENGTH, b""), "little")
        if length != start - 144:
            found.append(f"meta length {length} instead of {start - 144}")
    if our_data == their_data:
        return found
    syntax = their_meta.get(TRANSFER_SYNTAX, b"").rstrip(b"\0").decode() or transfer_syntax
    try:
        mine = list(_canonical(our_data, syntax, len(ours) - len(our_data), padding))
        other = list(_canonical(their_data, syntax, len(theirs) - len(their_data), padding))
    except (Malformed, zlib.error) as error:
        position = _first_difference(our_data, their_data)
        return [
            *found,
            (
                f"{len(our_data)} bytes instead of {len(their_data)}, from {position} on: "
                f"{our_data[position : position + 16].hex(' ')} instead of "
                f"{their_data[position : position + 16].hex(' ')} ({error})"
            ),
        ]
    if mine != other:
        pairs = zip([*mine, ""], [*other, ""], strict=False)
        found.append(next(f"{a} instead of {b}" for a, b in pairs if a != b))
    return found


def _is_new(tag: int, value: bytes) -> bool:
    """Tell whether DCMTK made this SOP Instance UID, for an object that came without one."""
    return tag == _INSTANCE_UID and value.startswith(b"1.2.276.0.7230010.3.1.4.")


def _first_difference(ours: bytes, theirs: bytes) -> int:
    pairs = enumerate(zip(ours, theirs, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(ours), len(theirs)))


@functools.cache
def _dictionary() -> dict[int, str]:
    """Return VRs for implicit VR, from pydicom, enough to know text and sequences."""
    from pydicom._dicom_dict import DicomDictionary

    return {tag: entry[0].split(" or ")[-1] for tag, entry in DicomDictionary.items()}


def _canonical(
    data: bytes, transfer_syntax: str, header_size: int, padding: tuple[int, int]
) -> Iterator[str]:
    """Yield a line for each element, from which what may differ is gone."""
    if transfer_syntax == DEFLATED:
        data = zlib.decompressobj(-15).decompress(data)
    syntax = syntax_of(transfer_syntax)
    elements = list(walk(data, syntax, _dictionary()))
    unpack = struct.Struct(syntax.order + "I").unpack_from
    for index, element in enumerate(elements):
        name = f"{'>' * element.depth}({element.tag >> 16:04x},{element.tag & 0xFFFF:04x})"
        value = data[element.start : element.end]
        kind = "undefined" if element.length == UNDEFINED else "defined"
        if element.tag == _TRAILING_PADDING:
            yield f"{name} {element.vr} padding"
        elif element.tag & 0xFFFF == 0 and element.vr in ("UL", "UN") and len(value) >= 4:
            wrong = unpack(value)[0] - (_group_end(elements, index, data) - element.end)
            yield f"{name} {element.vr} group length, wrong by {wrong}"
        elif element.vr in ("SQ", "--") or element.length == UNDEFINED:
            opaque = _is_leaf(elements, index)
            yield f"{name} {element.vr} {kind} {value.hex() if opaque else ''}"
        elif element.vr in TEXT_VRS:
            yield f"{name} {element.vr} {value.rstrip(bytes(1) + b' ')!r}"
        else:
            yield f"{name} {element.vr} {value.hex(' ', -4)}"
        if padding[1] and element.tag == ITEM and not _is_leaf(elements, index):
            content = _content_end(elements, index, data) - element.start
            yield f"{name} content is a multiple of {padding[1]} but for {content % padding[1]}"
    if padding[0] and transfer_syntax != DEFLATED:
        yield f"size is a multiple of {padding[0]} but for {(header_size + len(data)) % padding[0]}"


def _is_leaf(elements: Sequence[Element], index: int) -> bool:
    """Tell whether nothing was walked below the element: an empty item, or a fragment."""
    following = elements[index + 1 : index + 2]
    return not following or following[0].depth <= elements[index].depth


def _content_end(elements: Sequence[Element], index: int, data: bytes) -> int:
    """Return where the content of an item ends, its delimiter not counted."""
    element = elements[index]
    for later in elements[index + 1 :]:
        if later.depth <= element.depth or (
            later.depth == element.depth + 1 and later.tag == ITEM_END
        ):
            return later.header
    return len(data)


def _group_end(elements: Sequence[Element], index: int, data: bytes) -> int:
    """Return where the group of a group length element ends, at its level."""
    element = elements[index]
    for later in elements[index + 1 :]:
        if later.depth < element.depth or (
            later.depth == element.depth and later.tag >> 16 != element.tag >> 16
        ):
            return later.header
    return len(data)
