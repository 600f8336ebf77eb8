"""The walk against a model: random data sets in all encodings, cut anywhere, with all options, come out as the model has them."""

import struct
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storescp.dataset.dictionary import standard
from storescp.dataset.transcoder import Encoding, GroupLength, SequenceLength
from storescp.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from tests.dataset import model
from tests.dataset.model import Element, Item, Layout, Options
from tests.dataset.support import transcode

JPEG = "1.2.840.10008.1.2.4.50"
VIDEO = "1.2.840.10008.1.2.4.102"

LAYOUTS = {
    IMPLICIT_VR_LITTLE_ENDIAN: model.IMPLICIT,
    EXPLICIT_VR_LITTLE_ENDIAN: Layout(),
    EXPLICIT_VR_BIG_ENDIAN: Layout(order=">"),
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: Layout(),
    JPEG: Layout(),
    VIDEO: Layout(),
}

# ---------------------------------------------------------------------- values

_ODD_TEXT = [b"", b"A", b"AB", b"AB ", b"A\0", b"A \0 ", b"  ", b" A ", b"A\0B", b"A\\B  ", b"\\ "]
_UIDS = [b"1.2", b"1.2.3\0", b" 1.2.3", b"1. 2.3 ", b"1.2\0\0\0", b"1.2\0 3", b"\n\t", b""]

texts = st.one_of(
    st.sampled_from(_ODD_TEXT),
    st.text("AB \0\\", max_size=12).map(str.encode),
    # Around what is looked at as a whole, and around what a length field of 16 bits can say.
    st.builds(
        lambda size, end: b"x" * size + end,
        st.sampled_from([0, 0, 0, 4095, 4096, 4097, 65_533, 65_534]),
        st.sampled_from([b"", b" ", b"  ", b"\0", b" " * 10]),
    ),
)
uids = st.one_of(st.sampled_from(_UIDS), st.text("12. \0\t", max_size=12).map(str.encode))
numbers = st.one_of(st.binary(max_size=9), st.binary(min_size=16, max_size=80))
words = st.one_of(st.binary(max_size=9), st.binary(min_size=2000, max_size=2100))


def values_of(vr: str) -> st.SearchStrategy[bytes]:
    """Return a strategy for values of a VR, odd ones and long ones among them."""
    if vr in model.TEXT:
        return texts.filter(lambda value: len(value) < 65_536)
    if vr == "UI":
        return uids
    return words if vr in ("OB", "OW", "UN", "OV") else numbers


# ---------------------------------------------------------------------- tags

STANDARD_VRS = sorted(model.TEXT | model.LONG | {"UI"} | (set(model.UNITS) - model.LONG))
VRS = [vr for vr in STANDARD_VRS if vr != "SQ"]

SIGNED = [0x00280106, 0x00280120, 0x00283002, 0x00409216, 0x00189810, 0x00281101, 0x00221452]
CONTEXT = [model.PIXEL_REPRESENTATION, model.WAVEFORM_BITS, 0x50000103]
DEPENDENT = [0x54001010, 0x5400100A, 0x54000110, 0x50003000, 0x60003000, 0x00283006]
SEQUENCES = [0x00081140, 0x00081115, 0x0040A730, 0x52009229, 0x00189006]
PRIVATE = [0x00090010, 0x00091001, 0x00191020, 0xFFFD0010, 0xFFFD1010]
UNKNOWN = [0x00091001, 0x00191020]
OTHERS = [
    0x00080016,
    0x00080018,
    0x00080050,
    0x00100010,
    0x0020000D,
    0x00204000,
    0x00400280,
    0x00420011,
    0x00700022,
    0x7FE00008,
    0x00080001,
    0xFFFE0010,
    0xFFFF0010,
    0xFFFC0001,
    0xFFFCFFFE,
    model.PADDING,
]
GROUP_LENGTHS = [0x00080000, 0x00100000, 0x00280000, 0x00410000, 0x7FE00000, 0xFFFC0000]
TAGS = SIGNED + CONTEXT + DEPENDENT + PRIVATE + OTHERS
_small = st.binary(max_size=4)


@st.composite
def explicit_elements(draw: st.DrawFn, depth: int, nested_un: bool, *, in_un: bool) -> Element:
    """Return an element of explicit VR, or of implicit VR within UN."""
    if in_un:
        return draw(implicit_elements(depth))
    kind = draw(st.integers(0, 9))
    if kind < 3 and depth:
        return draw(sequences(depth, SEQUENCES + UNKNOWN, implicit=False))
    if kind == 3 and depth and nested_un:
        tag = draw(st.sampled_from(SEQUENCES + UNKNOWN))
        items = draw(st.lists(items_of(depth - 1, implicit=True), max_size=3))
        return Element(tag, "UN", items=items, undefined=True)
    if kind == 4:
        tag = draw(st.sampled_from(GROUP_LENGTHS))
        return Element(tag, draw(st.sampled_from(["UL", "UL", "US", "OB"])), draw(_small))
    if kind == 5:
        tag = draw(st.sampled_from(CONTEXT))
        return Element(tag, "US", draw(st.sampled_from([b"\0\0", b"\1\0", b"\0\1", b"\x08\0"])))
    tag = draw(st.sampled_from(TAGS))
    vr = draw(st.sampled_from(VRS))
    return Element(tag, vr, draw(values_of(vr)))


@st.composite
def implicit_elements(draw: st.DrawFn, depth: int) -> Element:
    """Return an element of implicit VR, whose VR the dictionary has."""
    kind = draw(st.integers(0, 9))
    if kind < 3 and depth:
        return draw(sequences(depth, SEQUENCES, implicit=True))
    if kind == 3 and depth:  # what nobody knows is a sequence if its length is undefined
        items = draw(st.lists(items_of(depth - 1, implicit=True), max_size=3))
        return Element(draw(st.sampled_from(UNKNOWN)), "", items=items, undefined=True)
    if kind == 4:
        return Element(draw(st.sampled_from(GROUP_LENGTHS)), "", draw(_small))
    if kind == 5:
        tag = draw(st.sampled_from(CONTEXT))
        return Element(
            tag, "", draw(st.sampled_from([b"\0\0", b"\1\0", b"\x08\0", b"\x10\0", b""]))
        )
    tag = draw(st.sampled_from(TAGS))
    name = standard().vr(tag) or "UN"
    if name == "SQ":
        return Element(tag, "", items=[])
    return Element(tag, "", draw(values_of(name if name in VRS else "OW")))


@st.composite
def sequences(draw: st.DrawFn, depth: int, tags: Sequence[int], *, implicit: bool) -> Element:
    """Return a sequence of either kind of length, on both levels."""
    items = draw(st.lists(items_of(depth - 1, implicit=implicit), max_size=3))
    undefined = draw(st.booleans())
    return Element(draw(st.sampled_from(tags)), "SQ", items=items, undefined=undefined)


@st.composite
def items_of(draw: st.DrawFn, depth: int, *, implicit: bool, in_order: bool = False) -> Item:
    """Return an item, whose elements are in order more often than not."""
    one = (
        implicit_elements(depth)
        if implicit
        else explicit_elements(depth, nested_un=True, in_un=False)
    )
    elements = draw(st.lists(one, max_size=6))
    if in_order or draw(st.integers(0, 2)):
        elements = list({each.tag: each for each in reversed(elements)}.values())
        elements.sort(key=lambda each: each.tag)
    return Item(elements, undefined=draw(st.booleans()))


@st.composite
def pixel_data(draw: st.DrawFn) -> list[Element]:
    """Return encapsulated Pixel Data, with tables that are right or wrong, and what they depend on."""
    fragments = draw(st.lists(st.binary(max_size=20), max_size=6))
    offsets = [sum(8 + len(each) for each in fragments[:n]) for n in range(len(fragments))]
    padded = [
        offset + sum(len(each) % 2 for each in fragments[:n]) for n, offset in enumerate(offsets)
    ]
    shown = draw(st.sampled_from([offsets, offsets[::2], offsets[1:], padded, padded[::2]]))
    if not draw(st.integers(0, 3)):
        shown = draw(st.lists(st.integers(0, 100), max_size=4))
    elements = []
    frames = draw(st.sampled_from([None, b"1 ", b"", b"2 ", b"4 ", b"12"]))
    if frames is not None:
        elements.append(Element(model.NUMBER_OF_FRAMES, "IS", frames))
    if draw(st.booleans()):
        table = struct.pack(f"<{len(shown)}Q", *shown)
        elements.append(Element(model.OFFSET_TABLE, draw(st.sampled_from(["OV", "UN"])), table))
    table = b""
    if draw(st.booleans()):
        table = struct.pack(f"<{len(shown)}I", *shown) + draw(st.sampled_from([b"", b"", b"\0"]))
    has_table = draw(st.booleans()) or bool(fragments)
    first = [table] if has_table else []
    return [*elements, Element(model.PIXEL_DATA, "OB", fragments=[*first, *fragments])]


@st.composite
def data_sets(draw: st.DrawFn, syntax: str) -> Item:
    """Return a data set for a transfer syntax."""
    item = draw(items_of(3, implicit=LAYOUTS[syntax].implicit))
    if syntax in (JPEG, VIDEO):
        more = draw(pixel_data())
        taken = {each.tag for each in more}
        rest = [each for each in item.elements if each.tag not in taken]
        if rest and draw(st.integers(0, 4)) == 0:
            icon = Item(draw(pixel_data()))
            rest.append(Element(0x00880200, "SQ", items=[icon]))
        item.elements = sorted([*rest, *more], key=lambda each: each.tag)
    return item


options_strategy = st.builds(
    Options,
    layout=st.none(),
    group_length=st.sampled_from(["recalculate", "recalculate", "create", "remove"]),
    undefined_lengths=st.booleans(),
    padding=st.sampled_from([(0, 0), (0, 0), (64, 0), (0, 16), (512, 32), (2, 8)]),
    new_vr=st.sampled_from([True, True, False]),
    convert_un=st.booleans(),
)
conversions = st.sampled_from(
    [
        None,
        None,
        EXPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_BIG_ENDIAN,
        IMPLICIT_VR_LITTLE_ENDIAN,
        DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    ]
)
_LENGTHS = {
    "recalculate": GroupLength.RECALCULATE,
    "create": GroupLength.CREATE,
    "remove": GroupLength.REMOVE,
}


def encoding_for(options: Options, written_as: str | None) -> Encoding:
    lengths = SequenceLength.UNDEFINED if options.undefined_lengths else SequenceLength.EXPLICIT
    return Encoding(
        transfer_syntax=written_as,
        group_length=_LENGTHS[options.group_length],
        sequence_length=lengths,
        padding=None if options.padding == (0, 0) else options.padding,
        new_vr=options.new_vr,
        convert_un=options.convert_un,
    )


def check(
    item: Item, syntax: str, options: Options, written_as: str | None, cuts: Sequence[int]
) -> None:
    """Compare what is written of a data set with what the model has."""
    layout = LAYOUTS[syntax]
    sent = model.received(item, layout)
    if syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        compressor = zlib.compressobj(wbits=-15)
        sent = compressor.compress(sent) + compressor.flush()
    preceding = 302
    known = model.understood(
        item,
        layout,
        options,
        encapsulated=syntax in (JPEG, VIDEO),
        video=syntax == VIDEO,
    )
    expected = model.written(known, LAYOUTS[written_as or syntax], options, preceding)

    found = transcode(
        syntax,
        sent,
        encoding_for(options, written_as),
        cuts=[cut % (len(sent) + 1) for cut in cuts],
        preceding=preceding,
    ).data

    if (written_as or syntax) == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        found = zlib.decompress(found, -15)
    assert found == expected


cuts_strategy: st.SearchStrategy[list[int]] = st.one_of(
    st.just([]), st.lists(st.integers(0, 100_000), max_size=8), st.just(list(range(3000)))
)


@pytest.mark.parametrize("syntax", LAYOUTS)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.data())
def test_as_the_model(syntax: str, data: st.DataObject) -> None:
    """Any data set, any options, any fragments."""
    item = data.draw(data_sets(syntax))
    if not item.elements:
        return
    options = data.draw(options_strategy)
    written_as = None if syntax in (JPEG, VIDEO) else data.draw(conversions)
    cuts = data.draw(cuts_strategy)

    check(item, syntax, options, written_as, cuts)
