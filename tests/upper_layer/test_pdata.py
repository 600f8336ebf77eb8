"""The receive buffer, and P-DATA-TF: PS3.8 9.3.5 and annex E."""

import struct
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storescp.errors import InvalidPDU
from storescp.upper_layer import pdata
from storescp.upper_layer.pdata import (
    BufferPool,
    Fragment,
    ReceiveBuffer,
    continued,
    encode,
    encode_command_set,
    fragments,
    split,
)
from tests.upper_layer.requestor import p_data, parse, pdu

MAXIMUM = 16384
LONG = b"ab" * 200
repeated = st.binary(max_size=9).map(lambda value: value * 60)


def received(data: bytes) -> ReceiveBuffer:
    """Return a buffer that holds the data."""
    buffer = ReceiveBuffer()
    put(buffer, data)
    return buffer


def put(buffer: ReceiveBuffer, data: bytes) -> None:
    """Let the buffer receive data, as often as needed."""
    while data:
        room = buffer.room()
        length = min(len(room), len(data))
        room[:length], data = data[:length], data[length:]
        buffer.end += length


def copied(found: list[Fragment]) -> list[tuple[int, int, bytes]]:
    """Return fragments with their values copied."""
    return [(context_id, header, bytes(value)) for context_id, header, value in found]


def test_one_pdv() -> None:
    """The usual P-DATA-TF holds one PDV."""
    buffer = received(b"\x04\x00\x00\x00\x00\x08\x00\x00\x00\x04\x03\x02ab")

    assert copied(list(fragments(buffer, MAXIMUM))) == [(3, 2, b"ab")]
    assert buffer.start == buffer.end == 14


def test_values_are_views() -> None:
    """A fragment shows the buffer's own memory."""
    buffer = received(encode(1, 0, b"abcd"))

    [(_, _, value)] = fragments(buffer, MAXIMUM)

    assert value.obj is buffer.view.obj


def test_several_pdvs() -> None:
    """PDVs that share a PDU come out one by one, also empty ones."""
    pdvs = [(1, 3, b"command"), (1, 0, b""), (3, 0, b"ab"), (1, 2, b"")]
    buffer = received(p_data(*pdvs) + p_data((5, 2, b"next")))

    assert copied(list(fragments(buffer, MAXIMUM))) == [*pdvs, (5, 2, b"next")]


@pytest.mark.parametrize("length", range(6 + 6 + 4))
def test_incomplete(length: int) -> None:
    """Of a PDU that is not complete nothing comes out, and nothing is taken."""
    buffer = received(encode(1, 0, b"abcd")[:length])

    assert not list(fragments(buffer, MAXIMUM))
    assert buffer.start == 0
    assert not buffer.viewed


@pytest.mark.parametrize("field", [b"", b"\x00", bytes(5)])
def test_short_pdu_is_left(field: bytes) -> None:
    """A P-DATA-TF too short for a PDV is left to the state machine, whatever follows it."""
    buffer = received(pdu(4, field))

    found = list(fragments(buffer, MAXIMUM))

    assert not found
    assert buffer.start == 0


def test_short_pdu_before_another() -> None:
    """A PDV length that fits a PDU by pretending to hold a part of the next one is refused."""
    buffer = received(pdu(4, b"\x00\x00\x00\x01\x01") + encode(1, 0, b"abcd"))

    with pytest.raises(InvalidPDU, match="PDV with invalid length 1"):
        list(fragments(buffer, MAXIMUM))


def test_other_pdus_are_left() -> None:
    """The data path stops before a PDU of another type."""
    buffer = received(encode(1, 0, b"ab") + pdu(5, bytes(8)))

    assert copied(list(fragments(buffer, MAXIMUM))) == [(1, 0, b"ab")]
    assert buffer.view[buffer.start] == 5


def test_too_long_pdu_is_left() -> None:
    """A PDU of the announced length passes, a longer one is left to the state machine."""
    buffer = received(encode(1, 0, bytes(10)) + encode(1, 0, bytes(12)))

    assert len(list(fragments(buffer, 16))) == 1
    assert buffer.start == 22


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (b"", "PDU without any PDVs encountered"),
        (b"abc", "PDV lengths don't add up correctly: 0 PDVs"),
        (b"\x00\x00\x00\x00\x01\x03", "PDV with invalid length 0"),
        (b"\x00\x00\x00\x01\x01\x03", "PDV with invalid length 1"),
        (b"\x00\x00\x00\x03\x01\x03", "PDV with invalid length 3"),
        (b"\xff\xff\xff\xff\x01\x03", "PDV with invalid length 4294967295"),
        (b"\x00\x00\x00\x02\x01\x03\x00", "PDV lengths don't add up correctly: 1 PDVs"),
        (
            b"\x00\x00\x00\x02\x01\x03\x00\x00\x00\x04\x01\x03",
            "PDV with invalid length 4",
        ),
    ],
)
def test_lengths_that_do_not_add_up(field: bytes, text: str) -> None:
    """A P-DATA-TF whose lengths do not add up is invalid, with the reference's text."""
    with pytest.raises(InvalidPDU, match=text):
        split(memoryview(field))


def test_invalid_pdu_yields_nothing() -> None:
    """Of a PDU that is invalid at its end, the PDVs at its beginning do not come out either."""
    good = p_data((1, 0, b"ab"))
    bad = pdu(4, p_data((1, 2, b"ab"))[6:] + b"\x00")
    found: list[Fragment] = []

    with pytest.raises(InvalidPDU):
        found.extend(fragments(received(good + bad), MAXIMUM))

    assert copied(found) == [(1, 0, b"ab")]


def test_abandoned_iteration() -> None:
    """Whoever loses interest after a fragment leaves the rest of its PDU behind, and the next PDU whole."""
    buffer = received(p_data((1, 0, b"ab"), (1, 0, b"cd")) + encode(1, 2, b"ef"))

    next(fragments(buffer, MAXIMUM))

    assert copied(list(fragments(buffer, MAXIMUM))) == [(1, 2, b"ef")]


def test_views_expire_before_memory_is_used_again() -> None:
    """Memory that views show is used again only after `views_expire` said so."""
    buffer = received(b"")
    buffer.ample = 64 * 1024
    pdu_bytes = encode(1, 0, b"x" * 4000)
    kept: list[memoryview] = []
    expired = 0

    for number in range(100):
        value = bytes([number]) * 4000
        for position in range(0, len(pdu_bytes), 997):
            if buffer.views_expire:
                expired += 1
                kept.clear()
            piece = (pdu_bytes[:12] + value)[position : position + 997]
            buffer.room()[: len(piece)] = piece
            buffer.end += len(piece)
            kept.extend(view for _, _, view in fragments(buffer, MAXIMUM))
        assert all(view == bytes([view[0]]) * 4000 for view in kept)

    assert 0 < expired < 20
    assert len(buffer.view) == 64 * 1024


def test_released_views_let_the_buffer_start_again() -> None:
    """When all was taken and released, the next bytes land in the same memory."""
    buffer = received(encode(1, 2, b"abcd"))
    list(fragments(buffer, MAXIMUM))

    before = len(buffer.room())
    buffer.viewed = False
    after = len(buffer.room())

    assert (before, after) == (len(buffer.view) - 16, len(buffer.view))


def test_views_of_a_shared_pdu_are_not_forgotten() -> None:
    """Releasing the views in the middle of a PDU does not release the PDVs that come after."""
    buffer = received(p_data((1, 2, b"ab"), (1, 3, b"cd")))

    for _ in fragments(buffer, MAXIMUM):
        was_viewed, buffer.viewed = buffer.viewed, False
        assert was_viewed


def test_growing_keeps_views() -> None:
    """When the buffer grows, views of the former memory stay as they are."""
    buffer = received(encode(1, 0, b"a" * 13000))
    buffer.ample = 1 << 20
    [(_, _, value)] = fragments(buffer, MAXIMUM)

    assert not buffer.views_expire
    buffer.room()[:] = b"z" * len(buffer.room())

    assert len(buffer.view) == 1 << 20
    assert value == b"a" * 13000


def test_memory_is_bounded_by_the_pdu() -> None:
    """The buffer becomes at most twice as large as the bytes that wait for the rest of their PDU."""
    buffer = received(bytes(1_048_582))

    assert len(buffer.view) <= 2 * 1_048_582


def test_moving_is_linear() -> None:
    """Bytes that come one by one are not moved again and again."""
    buffer = received(b"")
    data = encode(1, 0, bytes(9000))
    moves = 0

    for _ in range(8):
        for byte in data:
            start = buffer.start
            buffer.room()[0] = byte
            moves += buffer.start != start
            buffer.end += 1
        assert len(list(fragments(buffer, MAXIMUM))) == 1

    assert moves <= 12


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=60)),
            min_size=1,
            max_size=4,
        ),
        max_size=8,
    ),
    st.lists(st.integers(1, 200), min_size=1, max_size=20),
)
def test_any_split(pdus: list[list[tuple[int, int, bytes]]], pieces: list[int]) -> None:
    """However the stream is cut, the same PDVs come out."""
    data = b"".join(p_data(*pdvs) for pdvs in pdus)
    buffer = ReceiveBuffer()
    found = []

    while data:
        for piece in pieces:
            put(buffer, data[:piece])
            data = data[piece:]
            found += copied(list(fragments(buffer, MAXIMUM)))

    assert found == [pdv for pdvs in pdus for pdv in pdvs]


def test_encoded_command_set() -> None:
    """A command set that fits is one PDV, marked as command and last."""
    assert encode_command_set(3, b"abcd", 4) == (
        b"\x04\x00\x00\x00\x00\x0a\x00\x00\x00\x06\x03\x03abcd"
    )


@pytest.mark.parametrize("length", [0, 1, 2, 9, 10, 11])
def test_cut_command_set(length: int) -> None:
    """A command set that does not fit is cut into one PDU for each PDV, the last one marked."""
    command_set = bytes(range(length))

    pdvs = list(parse(encode_command_set(1, command_set, 2)))

    assert [pdv[:2] for pdv in pdvs if isinstance(pdv, tuple)] == (
        [(1, 1)] * (len(pdvs) - 1) + [(1, 3)]
    )
    assert b"".join(pdv[2] for pdv in pdvs if isinstance(pdv, tuple)) == command_set
    assert len(pdvs) == max(1, -(-length // 2))


def test_data_set_is_carried_on() -> None:
    """PDUs that do no more than that are taken together; what ends the data set is left."""
    usual = encode(3, 0xFC, b"ab" * 200) + encode(3, 0xFC, b"cdef" * 100)
    buffer = received(usual + encode(3, 0xFE, b"gh" * 200))

    values = continued(buffer, MAXIMUM, 3)

    assert [bytes(value) for value in values] == [b"ab" * 200, b"cdef" * 100]
    assert buffer.start == len(usual)
    assert buffer.viewed


def test_another_length_is_taken_apart() -> None:
    """What looks like the begin of one more PDU of the former length is data of a shorter one."""
    usual = encode(3, 0, LONG)
    shorter = encode(3, 0, bytes(300) + usual[:12] + bytes(300))
    longer = encode(3, 0, bytes(3 * len(usual)) + usual[:12])
    buffer = received(usual * 2 + shorter + longer + usual)

    found = []
    while values := continued(buffer, MAXIMUM, 3):
        found.append(list(map(len, values)))

    assert found == [[len(LONG)] * 2, [612], [3 * len(usual) + 12], [len(LONG)]]
    assert buffer.start == buffer.end


@pytest.mark.parametrize(
    "unusual",
    [
        encode(3, 2, LONG),
        encode(3, 1, LONG),
        encode(5, 0, LONG),
        encode(3, 0, LONG + b"c"),
        encode(3, 0, b"short"),
        encode(3, 0, b""),
        encode(3, 0, bytes(MAXIMUM)),
        p_data((3, 0, LONG), (3, 0, LONG)),
        encode(3, 0, LONG)[:-1],
        pdu(4, b"\x00\x00\x00\x01\x03\x00" + LONG),
        pdu(4, b"\x00\x00\x01\x91\x03\x00" + LONG),
        pdu(4, b""),
        pdu(5, bytes(8)),
        b"",
    ],
)
def test_whatever_else_comes_is_left(unusual: bytes) -> None:
    """Another context, a command, an odd or small length, several PDVs, too much, too little, another PDU."""
    buffer = received(encode(3, 0, LONG) + unusual)

    assert [bytes(value) for value in continued(buffer, MAXIMUM, 3)] == [LONG]
    assert not continued(buffer, MAXIMUM, 3)
    assert bytes(buffer.view[buffer.start : buffer.end]) == unusual


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from([1, 3]), st.integers(0, 3), repeated),
            min_size=1,
            max_size=2,
        ),
        max_size=12,
    )
)
def test_short_cut_takes_what_would_have_come(pdus: list[list[tuple[int, int, bytes]]]) -> None:
    """With it or without, the same values come out in the same order, whenever it is taken."""
    buffer = received(b"".join(p_data(*pdvs) for pdvs in pdus))
    expected = [value for pdvs in pdus for _, _, value in pdvs]
    found: list[bytes] = []

    for _, _, value in fragments(buffer, MAXIMUM):
        found.append(bytes(value))
        if len(value) > 4:
            found += map(bytes, continued(buffer, MAXIMUM, 1))

    assert found == expected


def filled(ample: int, *, most: int = 0, pool: BufferPool | None = None) -> ReceiveBuffer:
    """Return a buffer in which so many bytes have arrived that it has become ample, or larger."""
    buffer = ReceiveBuffer(pool)
    buffer.ample = ample
    while len(buffer.view) < max(ample, most):
        room = buffer.room()
        room[:] = b"a" * len(room)
        buffer.end += len(room)
    return buffer


def test_memory_is_used_again() -> None:
    """By the next association that needs as much, and by one of two at the same time."""
    ample, pool = 1 << 18, BufferPool()
    first = filled(ample, pool=pool)
    first.view[:3] = b"abc"
    first.give_back()
    second, third = filled(ample, pool=pool), filled(ample, pool=pool)

    second.view[:5] = b"other"
    assert bytes(third.view[:5]) == b"aaaaa"
    assert {len(second.view), len(third.view)} == {ample}
    assert not first.view
    third.give_back()
    second.give_back()
    assert bytes(filled(ample, pool=pool).view[:1]) == b"a"


def test_what_is_rarely_needed_is_not_kept() -> None:
    """A small buffer, or one that had to become larger than is usual."""
    pool = BufferPool()
    small, large = ReceiveBuffer(pool), filled(1 << 16, most=1 << 20, pool=pool)
    sizes = [len(small.view), len(large.view)]
    small.give_back()
    large.give_back()

    assert sizes[1] >= 1 << 20
    assert [pool.take(size) for size in sizes] == [None, None]


def test_what_is_not_taken_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """PDUs that differ one from the next cost as much as any others, however many of them the buffer holds."""
    looks = 0

    class Counting:
        def __init__(self, size: int) -> None:
            self._layout = struct.Struct(f"12s{size - 12}x")

        def iter_unpack(self, pdus: memoryview) -> Iterator[tuple[bytes]]:
            nonlocal looks
            for begin in self._layout.iter_unpack(pdus):
                looks += 1
                yield begin

    monkeypatch.setattr(pdata, "_begin_of", Counting)
    buffer = received((encode(3, 0, LONG) + encode(3, 0xFC, LONG)) * 100)
    taken = 0
    while values := continued(buffer, MAXIMUM, 3):
        taken += len(values)

    assert taken == 200
    assert looks <= 2 * taken
