"""Staying awake for a moment between two messages, before sleeping until the peer's next one comes.

A peer on a fast network sends its next object some ten microseconds after it has our answer. To fall asleep and be
woken takes longer than that, and costs as much processor time as to look again and again: so we look. Others that want
the processor get it between two looks; after the second time we sleep, as they would have to share it with us at each turn.
What was in vain is tried ever more rarely, one time in sixty-four with a peer that is always slow.
"""

import os
import time
from collections.abc import Callable

MAXIMUM_SPIN_SECONDS = 100e-6
"""Maximum duration of a busy poll in seconds."""

_UNCONTENDED_YIELD_SECONDS = 5e-6
"""Seconds within which the processor is given back if nobody else wants it."""

_CONTENDED_YIELDS = 2
"""Times that others took the processor, after which we are in their way."""

_MAXIMUM_BACKOFF_EXPONENT = 6
"""After failures, at least one of 2**6 waits starts with a busy poll."""


class BusyPoll:
    """Remembers of one peer whether it pays to stay awake."""

    __slots__ = ("_clock", "_failures", "_pass")

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Begin without knowing the peer; the clock gives seconds."""
        self._clock = clock
        self._failures = 0
        self._pass = 0  # waits to come without a busy poll

    def receive(
        self,
        receive_ready: Callable[[memoryview], int | None],
        room: memoryview,
        meanwhile: Callable[[], None],
    ) -> int | None:
        """Return what `Transport.receive_ready` does as soon as something is there; None: one has to sleep.

        `meanwhile` is done if there is time for it: if nothing has come although others had the processor.

        Raises:
            OSError: the connection is lost.
        """
        if self._pass:
            self._pass -= 1
            return None
        clock = self._clock
        before = begin = clock()
        os.sched_yield()
        now = clock()
        if now - before < _UNCONTENDED_YIELD_SECONDS:
            meanwhile()
        taken = 0
        while (received := receive_ready(room)) is None:
            taken += now - before >= _UNCONTENDED_YIELD_SECONDS
            if taken == _CONTENDED_YIELDS or now - begin >= MAXIMUM_SPIN_SECONDS:
                self._failures = min(self._failures + 1, _MAXIMUM_BACKOFF_EXPONENT)
                self._pass = (1 << self._failures) - 1
                return None
            before = clock()
            os.sched_yield()
            now = clock()
        self._failures = 0
        return received
