"""The time that studies and commands go by: seconds in which the receiver was running, over all of its starts."""

import time
from collections.abc import Callable


class UpTime:
    """Goes on from where the last start had come to. Steps of the clock on the wall have no influence.

    The clock below it is the same for all processes of a machine, so forked children agree on the time.
    """

    def __init__(self, start: float = 0.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Go on from `start`."""
        self._clock = clock
        self._begun = clock() - start

    def __call__(self) -> float:
        """Return the time."""
        return self._clock() - self._begun
