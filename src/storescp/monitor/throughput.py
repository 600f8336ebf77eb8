"""Throughput: counts for each slot of time over the last hour, and the current rate. Pure; times are seconds."""

import math
from typing import NamedTuple

SLOT_SECONDS = 10
"""Seconds."""
SLOTS = 360
"""An hour."""

_RATE_WINDOW_SECONDS = 5.0
"""Seconds after which what came counts for about a third in the rate of the moment."""


class Slot(NamedTuple):
    """Objects and bytes received in one slot."""

    objects: int
    bytes: int


class Throughput:
    """Objects and bytes per slot of the last hour. Slots begin at multiples of their length."""

    def __init__(self) -> None:
        self._newest = 0
        self._objects = [0] * SLOTS
        self._bytes = [0] * SLOTS

    def add(self, size: int, now: float) -> None:
        """Count an object of `size` bytes."""
        index = self._advance(now)
        self._objects[index] += 1
        self._bytes[index] += size

    def start(self, now: float) -> int:
        """Return when the oldest slot begins."""
        self._advance(now)
        return (self._newest - SLOTS + 1) * SLOT_SECONDS

    def slots(self, now: float) -> list[Slot]:
        """Return all slots, oldest first; the last is the one that `now` falls into."""
        first = self._advance(now) + 1
        order = [*range(first, SLOTS), *range(first)]
        return [Slot(self._objects[index], self._bytes[index]) for index in order]

    def _advance(self, now: float) -> int:
        """Empty the slots that have begun meanwhile; return the index of the present one.

        If the clock was put back, what comes is counted in the newest slot until time has caught up; after more
        than an hour back nothing that was counted is of the last hour.
        """
        number = int(now // SLOT_SECONDS)
        if number > self._newest or number <= self._newest - SLOTS:
            begun = range(max(self._newest + 1, number - SLOTS + 1), number + 1)
            for each in begun if number > self._newest else range(number, number + SLOTS):
                self._objects[each % SLOTS] = self._bytes[each % SLOTS] = 0
            self._newest = number
        return self._newest % SLOTS


class Rate:
    """Bytes a second at the moment: what came counts the less the longer ago it came."""

    __slots__ = ("_begun", "_last", "_sum")

    def __init__(self, now: float) -> None:
        self._begun = self._last = now
        self._sum = 0.0

    def add(self, size: int, now: float) -> None:
        """Count `size` bytes."""
        self._sum = self._sum * self._fading(now) + size
        self._last = max(now, self._last)

    def at(self, now: float) -> float:
        """Return the rate."""
        # What has come so far stands for the past that there was not.
        seen = 1.0 - math.exp(-max(now - self._begun, 0.5) / _RATE_WINDOW_SECONDS)
        return self._sum * self._fading(now) / (_RATE_WINDOW_SECONDS * seen)

    def _fading(self, now: float) -> float:
        return math.exp(-max(now - self._last, 0.0) / _RATE_WINDOW_SECONDS)
