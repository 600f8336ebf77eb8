"""The cursor: runs of a fragment that stay, the buffer of what is new, patches wherever bytes are by now."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storescp.dataset.cursor import Cursor
from storescp.dataset.limits import LARGE
from tests.dataset.memory_output import MemoryOutput


class _Chunks(MemoryOutput):
    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def write(self, chunk: bytes | memoryview) -> None:
        self.sizes.append(len(chunk))
        super().write(chunk)


def test_short_runs_are_gathered_and_long_ones_pass() -> None:
    """The output sees few chunks, and a long run as a view of the fragment."""
    output = _Chunks()
    cursor = Cursor(output)
    fragment = memoryview(bytes(range(256)) * 64)

    cursor.take(fragment)
    cursor.flush(10)
    cursor.flush(20)
    cursor.flush(20 + LARGE)
    cursor.flush(30 + LARGE)
    cursor.send()

    assert output.sizes == [20, LARGE, 10]
    assert output.data == fragment[: 30 + LARGE]


def test_what_is_left_out_does_not_count() -> None:
    """Places in the output follow what is written, not what was received."""
    output = MemoryOutput()
    cursor = Cursor(output)

    cursor.take(memoryview(b"abcdefgh"))
    cursor.flush(2)
    cursor.start = 4
    cursor.put8(0x2D)
    cursor.leave(1)
    cursor.send()

    assert output.data == b"ab-efgh"[:7]
    assert cursor.written() == 7
    assert cursor.offset == 7


def test_nothing_is_written_while_muted() -> None:
    """As with a sequence that is left out, whatever it consists of."""
    output = MemoryOutput()
    cursor = Cursor(output)
    cursor.put16(0x6162, False)
    cursor.muted = True

    cursor.take(memoryview(bytes(2 * LARGE)))
    cursor.flush(10)
    cursor.write(b"no")
    cursor.put32(1, True)
    cursor.patch32(0, 1, True)
    cursor.leave(0)
    cursor.muted = False
    cursor.put16(0x6364, False)
    cursor.send()

    assert output.data == b"abcd"


@pytest.mark.parametrize(("little_endian", "four"), [(True, b"\4\3\2\xff"), (False, b"\xff\2\3\4")])
def test_numbers_in_both_byte_orders(little_endian: bool, four: bytes) -> None:
    """Up to the largest, which no signed number of 32 bits can hold."""
    output = MemoryOutput()
    cursor = Cursor(output)

    cursor.put32(0, little_endian)
    cursor.put32(0xFFFFFFFF, little_endian)
    cursor.patch32(0, 0xFF020304, little_endian)
    cursor.send()

    assert output.data == four + b"\xff" * 4


@given(
    sizes=st.lists(st.sampled_from([1, 3, 100, LARGE, 3 * LARGE]), min_size=1, max_size=30),
    data=st.data(),
)
def test_patches_reach_bytes_wherever_they_are(sizes: list[int], data: st.DataObject) -> None:
    """In the buffer, in the output, or half here and half there."""
    output = MemoryOutput()
    cursor = Cursor(output)
    expected = bytearray(sum(sizes))
    ends = [0]

    for size in sizes:
        cursor.write(bytes(size))
        ends.append(ends[-1] + size)
        if ends[-1] >= 4:
            place = data.draw(st.integers(0, ends[-1] - 4))
            cursor.patch32(place, 0x04030201, True)
            expected[place : place + 4] = b"\1\2\3\4"
    cursor.send()

    assert output.data == expected
    assert all(end > start for start, end in pairwise(ends))
