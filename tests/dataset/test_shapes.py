"""Items of known shapes: they are written as if each had been taken from header to header."""

from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storescp.dataset import walk
from storescp.dataset.plan import plan_for
from storescp.dataset.shapes import Shapes
from storescp.dataset.transcoder import Encoding, SequenceLength
from storescp.errors import InvalidDataSet, StatusError
from storescp.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    TRANSFER_SYNTAXES,
)
from tests.dataset.support import (
    UIDS,
    U,
    element,
    encoding_of,
    implicit,
    item,
    sequence,
    transcode,
)
from tests.peers.samples import enhanced_mr

PLAN = plan_for(TRANSFER_SYNTAXES[EXPLICIT_VR_LITTLE_ENDIAN], Encoding())


def _frame(number: int, *, undefined: bool = True, position: bytes = b"1\\2\\3 ") -> bytes:
    inner = element(0x00200032, "DS", position) + element(
        0x00209057, "UL", bytes([number, 0, 0, 0])
    )
    return item(
        element(0x00189074, "DT", b"2024")
        + sequence(0x00209113, item(inner, undefined=undefined), undefined=undefined)
        + element(0x00289132, "LO", b"same"),
        undefined=undefined,
    )


def _learned(*items: bytes, passed: int = 2) -> Shapes:
    shapes = Shapes(PLAN, lambda _: 0, 60)
    for _ in range(passed):
        shapes.wants_more()
    for one in items:
        shapes.learn(one)
    return shapes


def test_values_that_differ_become_holes() -> None:
    """Two items show which values are other ones, and what is written around them."""
    (shape,) = _learned(_frame(1), _frame(2)).known

    values = shape.values(b"...." + _frame(7), 4)

    assert values == (b"\7\0\0\0",)
    assert b"".join(shape.pieces(values) or ()) == _frame(7, undefined=False)


def test_an_item_written_as_it_came_has_no_pieces() -> None:
    """With explicit lengths, or where undefined ones are kept, nothing is put together."""
    kept = plan_for(
        TRANSFER_SYNTAXES[EXPLICIT_VR_LITTLE_ENDIAN],
        Encoding(sequence_length=SequenceLength.UNDEFINED),
    )
    explicit = _learned(_frame(1, undefined=False)).known[0]
    undefined = Shapes(kept, lambda _: 0, 60)
    undefined.learn(_frame(1))

    assert explicit.pieces(()) is None
    assert undefined.known[0].pieces(()) is None


@pytest.mark.parametrize(
    "other",
    [
        _frame(3, position=b"1\\2\\33"),
        _frame(3, position=b"1\\2\\3\0"),
        _frame(3, position=b"1\\2\\  "),
        _frame(3, position=b"1\\2\\3.4 "),
        _frame(3, undefined=False),
        _frame(3).replace(b"same", b"SAME"),
    ],
    ids=["value", "NUL at the end", "blanks at the end", "length", "lengths", "other value"],
)
def test_what_is_not_the_same_is_not_taken(other: bytes) -> None:
    """An item of other headers, or with a value that would be trimmed, is the walk's business."""
    (shape,) = _learned(_frame(1), _frame(2)).known

    assert shape.values(other + bytes(40), 0) is None


def test_texts_and_uids_in_holes_are_minded() -> None:
    """A value in a hole is taken if it is written as it came."""

    def one(text: bytes, uid: bytes) -> bytes:
        return item(element(0x00080060, "CS", text) + element(0x00081155, "UI", uid))

    (shape,) = _learned(one(b"AB", b"1.20"), one(b"CD", b"1.21")).known

    assert shape.values(one(b"X ", b"1.2\0"), 0) == (b"X ", b"1.2\0")
    for text, uid in [(b"  ", b"1.20"), (b"A\0", b"1.20"), (b"AB", b"1. 2"), (b"AB", b"1.\0\0")]:
        assert shape.values(one(text, uid), 0) is None


@pytest.mark.parametrize(
    "unfit",
    [
        item(element(0x00080016, "UI", b"1.20")),
        item(element(0x00280103, "US", b"\0\0")),
        item(element(0x7FE00010, "OB", b"", U) + implicit(0xFFFEE0DD, b"")),
        item(element(0xFFFCFFFC, "OB", b"")),
        item(element(0x00080000, "UL", bytes(4))),
        item(element(0x00080060, "CS", b"A") + element(0x00080070, "LO", b"B")),
        item(element(0x00080060, "CS", b"AB  ")),
        item(element(0x00080070, "LO", b"AB") + element(0x00080060, "CS", b"AB")),
        item(element(0x00080060, "ZZ", b"")),
        item(element(0x00070010, "LO", b"AB")),
        item(element(0xFFFF0010, "LO", b"AB")),
        item(element(0x00080060, "UN", b"", U) + implicit(0xFFFEE0DD, b"")),
        item(element(0x00080060, "OB", b"").replace(b"OB\0", b"OB\1")),
        item(sequence(0x00081140, item(b"") + b"\0\0\0\0")),
        item(element(0x00081140, "SQ", b"", 8)),
        item(element(0x00080060, "CS", b"AB") + implicit(0xFFFEE00D, b"")),
        item(implicit(0xFFFEE0DD, b"")),
        item(element(0x00080060, "CS", b"AB"))[:-1],
        item(element(0x00080060, "CS", b"AB")) + b"\0",
        item(element(0x00080060, "CS", b"AB"), undefined=True)[:-4],
    ],
)
def test_what_would_be_changed_is_not_learned(unfit: bytes) -> None:
    """Only what is written as it came, but for lengths, becomes a shape."""
    assert not _learned(unfit).known


def test_nesting_has_its_limit() -> None:
    """An item whose sequences would be nested too deeply is not learned."""
    deep = item(sequence(0x00081140, item(sequence(0x00081140, item(b"")))))

    for depth, learned in [(1, 0), (2, 1)]:
        shapes = Shapes(PLAN, lambda _: 0, depth)
        shapes.learn(deep)
        assert learned == len(shapes.known)


def test_it_gives_up_on_items_that_are_all_different() -> None:
    """Items are learned in vain for a while, and no longer."""
    shapes = Shapes(PLAN, lambda _: 0, 60)
    wanted = 0
    for number in range(200):
        if shapes.wants_more():
            wanted += 1
            shapes.learn(item(element(0x00100000 + number, "LO", b"AB")))

    assert wanted == 32
    assert len(shapes.known) == 8


def test_success_keeps_it_going() -> None:
    """Where items are known, learning a new shape now and then is worth it."""
    shapes = Shapes(PLAN, lambda _: 0, 60)
    for number in range(200):
        assert shapes.wants_more() == (number >= 2)
        shapes.learn(item(element(0x00100001 + number, "LO", b"AB")))
        shapes.succeeded(3, 3 * 26)


def test_it_gives_up_where_comparing_costs_more_than_it_saves() -> None:
    """Large shapes that small items are compared with in vain are forgotten."""
    shapes = _learned(*(item(element(0x00100000 + n, "OB", bytes(20_000))) for n in range(1, 3)))
    assert len(shapes.known) == 2

    for _ in range(26):
        shapes.failed(50_000)
        shapes.failed(100)  # nothing was compared
    assert len(shapes.known) == 2
    shapes.succeeded(1, 20_000)
    for _ in range(3):
        shapes.failed(50_000)

    assert not shapes.known
    assert not shapes.wants_more()


def _without_shapes(syntax: str, data: bytes, encoding: Encoding, step: int) -> object:
    with patch.object(walk, "_MOST_KINDS_OF_ITEMS", 0):
        return _outcome(syntax, data, encoding, step)


def _outcome(syntax: str, data: bytes, encoding: Encoding, step: int) -> object:
    try:
        result = transcode(syntax, data, encoding, step=step)
    except (InvalidDataSet, StatusError) as error:
        return type(error), str(error)
    return result.data, result.passes


@pytest.mark.parametrize("step", [0, 333, 541, 16376])
@pytest.mark.parametrize("options", ["", "-e", "-g", "+g", "+p 64 64", "+ti", "+tb -e", "+td"])
def test_frames_of_an_enhanced_object(step: int, options: str) -> None:
    """Thousands of frames give the same with shapes as without."""
    data, encoding = enhanced_mr(120, "1.2.3").data, encoding_of(options)
    usual = EXPLICIT_VR_LITTLE_ENDIAN

    assert _without_shapes(usual, data, encoding, step) == _outcome(usual, data, encoding, step)


def test_frames_are_known_after_a_few() -> None:
    """Nearly all frames are taken by their shape; the others, header by header."""
    data = enhanced_mr(1000, "1.2.3").data
    with patch.object(walk.Walk, "_item", autospec=True, side_effect=walk.Walk._item) as item_:
        transcode(EXPLICIT_VR_LITTLE_ENDIAN, data, step=16376)

    assert item_.call_count < 200


VALUES = [b"12", b"1 ", b"1.23", b"1.2.3\0", b"\0\0", b"12  ", b"123456"]
VRS = ["LO", "UI", "DS", "US", "OW", "UT", "FD", "OB"]
TAGS = [0x00080060, 0x00080070, 0x00081140, 0x00100010, 0x00189074, 0x00209113]
SEQUENCES = {0x00081140, 0x00209113}
LIKE = st.sampled_from([True] * 7 + [False])


@st.composite
def _items(draw: st.DrawFn, order: str, depth: int = 0) -> list[bytes]:
    """Items most of which look alike."""
    big_endian, implicit_vr = order == "big", order == "implicit"

    def swap(header: bytes) -> bytes:
        return header[1::-1] + header[3:1:-1] + header[:3:-1] if big_endian else header

    def wrap(content: bytes, undefined: bool) -> bytes:
        end = swap(implicit(0xFFFEE00D, b"")) if undefined else b""
        return swap(implicit(0xFFFEE000, b"", U if undefined else len(content))) + content + end

    def one(tag: int, vr: str) -> bytes:
        if tag in SEQUENCES and depth < 2:
            content = b"".join(draw(_items(order, depth + 1)))
            undefined = draw(st.booleans())
            length = U if undefined else len(content)
            content += swap(implicit(0xFFFEE0DD, b"")) if undefined else b""
            if implicit_vr:
                return implicit(tag, content, length)
            return element(tag, "SQ", content, length, big_endian=big_endian)
        value = draw(st.sampled_from(VALUES))
        if implicit_vr:
            return implicit(tag, value)
        return element(tag, vr, value, big_endian=big_endian)

    vrs = {tag: draw(st.sampled_from(VRS)) for tag in TAGS}
    tags = sorted(draw(st.sets(st.sampled_from(TAGS), max_size=4)))
    elements = [one(tag, vrs[tag]) for tag in tags]
    undefined = draw(st.booleans())
    found = []
    for _ in range(draw(st.integers(1, 3 if depth else 12))):
        for index, tag in enumerate(tags):
            if tag not in SEQUENCES and not draw(LIKE):
                elements[index] = one(tag, vrs[tag])
        found.append(wrap(b"".join(elements), undefined))
    return found


@settings(max_examples=300, deadline=None)
@given(
    data=st.data(),
    order=st.sampled_from(["little", "big", "implicit"]),
    options=st.sampled_from(["", "-e", "-g", "-u", "+uc", "+te", "+tb", "+ti", "+tb -e"]),
)
def test_shapes_change_nothing(data: st.DataObject, order: str, options: str) -> None:
    """Sequences give the same bytes and errors with shapes as without, however cut or broken."""
    syntax = {
        "little": EXPLICIT_VR_LITTLE_ENDIAN,
        "big": EXPLICIT_VR_BIG_ENDIAN,
        "implicit": IMPLICIT_VR_LITTLE_ENDIAN,
    }[order]
    content = b"".join(data.draw(_items(order)))
    if order == "implicit":
        received = implicit(0x00081140, content) + implicit(0x00100010, b"ab")
    else:
        big_endian = order == "big"
        received = element(0x00081140, "SQ", content, big_endian=big_endian)
        received += element(0x00100010, "PN", b"ab", big_endian=big_endian)
    if data.draw(st.integers(0, 4)) == 0:
        received = received[: data.draw(st.integers(1, len(received)))]
    elif data.draw(st.integers(0, 4)) == 0:
        position = data.draw(st.integers(0, len(received) - 1))
        received = received[:position] + b"\xff" + received[position + 1 :]
    step = data.draw(st.sampled_from([0, 64, 100, 7]))
    encoding = encoding_of(options)

    assert _without_shapes(syntax, received, encoding, step) == _outcome(
        syntax, received, encoding, step
    )


def test_undefined_sequence_that_ends_amid_hope() -> None:
    """More of an item was hoped for, but the data set ends, well or badly."""
    frames = b"".join(_frame(number) for number in range(9))
    data = UIDS + sequence(0x52009230, frames, undefined=True)

    for end in range(len(data) - 120, len(data) + 1):
        whole = _without_shapes(EXPLICIT_VR_LITTLE_ENDIAN, data[:end], Encoding(), 0)
        assert whole == _outcome(EXPLICIT_VR_LITTLE_ENDIAN, data[:end], Encoding(), 0)
        assert whole == _outcome(EXPLICIT_VR_LITTLE_ENDIAN, data[:end], Encoding(), 50)
