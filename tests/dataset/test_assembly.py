"""Gathering, passing on and patching of the written data set."""

from hypothesis import given
from hypothesis import strategies as st

from storescp.dataset.assembly import LARGE, Assembly
from tests.dataset.memory_output import MemoryOutput


class _Chunks(MemoryOutput):
    def __init__(self) -> None:
        super().__init__()
        self.chunks: list[int] = []

    def write(self, chunk: bytes | memoryview) -> None:
        super().write(chunk)
        self.chunks.append(len(chunk))


def test_small_pieces_are_gathered_and_large_ones_pass() -> None:
    """Many headers make one chunk; a large view is a chunk of its own."""
    output = _Chunks()
    assembly = Assembly(output)

    for _ in range(10):
        assembly.write(b"header")
    assembly.write(memoryview(bytes(LARGE)))
    assembly.write(b"end")
    assembly.flush()

    assert output.chunks == [60, LARGE, 3]


def test_zeros() -> None:
    """Padding may be larger than any piece."""
    output = MemoryOutput()
    assembly = Assembly(output)

    assembly.write_zeros(200_001)
    assembly.write_zeros(0)
    assembly.flush()

    assert output.data == bytes(200_001)


@given(
    pieces=st.lists(st.integers(0, 2 * LARGE), min_size=1, max_size=20),
    flushed=st.sets(st.integers(0, 20)),
    data=st.data(),
)
def test_patches_reach_bytes_wherever_they_are(
    pieces: list[int], flushed: set[int], data: st.DataObject
) -> None:
    """In memory, in the output, and across the border between them."""
    output = MemoryOutput()
    assembly = Assembly(output)
    for number, size in enumerate(pieces):
        assembly.write(bytes([number]) * size)
        if number in flushed:
            assembly.flush()
    expected = bytearray(b"".join(bytes([n]) * size for n, size in enumerate(pieces)))
    if len(expected) >= 4:
        position = data.draw(st.integers(0, len(expected) - 4))
        expected[position : position + 4] = b"\xaa\xbb\xcc\xdd"

        assembly.patch(position, b"\xaa\xbb\xcc\xdd")

    assert assembly.position == len(expected)
    assembly.flush()
    assert output.data == expected
