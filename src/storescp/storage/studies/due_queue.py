"""Keys in the order in which they are due, where what is not due costs nothing."""

import heapq
from typing import Generic, NamedTuple, TypeVar

_Key = TypeVar("_Key")


class _Entry(NamedTuple):
    due: float
    order: int


class DueQueue(Generic[_Key]):
    """Each key is due at a time; those of one time have an order.

    A heap. A key that is put anew or dropped leaves its old entry behind, which goes when it comes to the top, or when
    more than half of all entries are such.
    """

    __slots__ = ("_entries", "_heap")

    def __init__(self) -> None:
        """Begin with nothing."""
        self._entries: dict[_Key, _Entry] = {}
        self._heap: list[tuple[_Entry, _Key]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: _Key, due: float, order: int) -> None:
        """Have a key be due, at another time than before if it was here already."""
        entry = _Entry(due, order)
        if self._entries.get(key) == entry:
            return
        self._entries[key] = entry
        if len(self._heap) > 2 * len(self._entries) + 16:
            self._heap = [(entry, key) for key, entry in self._entries.items()]
            heapq.heapify(self._heap)
        else:
            heapq.heappush(self._heap, (entry, key))

    def drop(self, key: _Key) -> None:
        """Forget a key, if it is here."""
        self._entries.pop(key, None)

    def next_due(self) -> float | None:
        """Return when the first key is due; None: there is none."""
        self._clear_top()
        return self._heap[0][0].due if self._heap else None

    def first(self, limit: float, most: int = -1) -> list[_Key]:
        """Return keys that are due by then, in their order; they stay.

        Args:
            limit: a time.
            most: how many at most; -1: all.
        """
        found: dict[_Key, _Entry] = {}
        while len(found) != most:
            self._clear_top()
            if not self._heap or self._heap[0][0].due > limit:
                break
            entry, key = heapq.heappop(self._heap)
            found[key] = entry  # may be here twice, if it came back to a time that it had before
        for key, entry in found.items():
            heapq.heappush(self._heap, (entry, key))
        return list(found)

    def _clear_top(self) -> None:
        while self._heap and self._entries.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
