"""An output and source in memory, as the file of an instance would be on disk."""

from collections.abc import Sequence


class MemoryOutput:
    """Keeps what is written; checks that patches stay inside of it."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, chunk: bytes | memoryview) -> None:
        self._data += chunk

    def write_all(self, chunks: Sequence[memoryview], length: int) -> None:
        assert sum(map(len, chunks)) == length
        for chunk in chunks:
            self.write(chunk)

    def patch(self, position: int, data: bytes) -> None:
        assert 0 <= position <= len(self._data) - len(data)
        self._data[position : position + len(data)] = data

    def read(self, position: int, length: int) -> bytes:
        return bytes(self._data[position : position + length])

    @property
    def data(self) -> bytes:
        return bytes(self._data)


class CountingOutput:
    """Forgets what is written, but for its length."""

    def __init__(self) -> None:
        self.length = 0

    def write(self, chunk: bytes | memoryview) -> None:
        self.length += len(chunk)

    def write_all(self, _: Sequence[memoryview], length: int) -> None:
        self.length += length

    def patch(self, position: int, data: bytes) -> None:
        assert 0 <= position <= self.length - len(data)
