"""Staying awake between two messages: in simulated time."""

from collections.abc import Iterator
from itertools import count

from storescp.serve.association.busy_poll import MAXIMUM_SPIN_SECONDS, BusyPoll

ROOM = memoryview(bytearray(10))


class Wire:
    """Something is ready at some of the looks at it."""

    def __init__(self, ready: Iterator[int | None]) -> None:
        self.looks = 0
        self.preparations = 0
        self._ready = ready

    def meanwhile(self) -> None:
        self.preparations += 1

    def look(self, _: memoryview) -> int | None:
        self.looks += 1
        return next(self._ready)


def nothing() -> Iterator[None]:
    """Yield what a silent peer sends."""
    while True:
        yield None


def watch(step: float = MAXIMUM_SPIN_SECONDS / 40) -> BusyPoll:
    """Return a vigil that looks at a clock which moves on at each look."""
    ticks = count()
    return BusyPoll(lambda: next(ticks) * step)


def test_what_is_there_is_taken() -> None:
    """At the first look or a later one; also that the peer has closed."""
    wire = Wire(iter([7, None, None, 5, 0]))
    busy_poll = watch()

    assert busy_poll.receive(wire.look, ROOM, wire.meanwhile) == 7
    assert busy_poll.receive(wire.look, ROOM, wire.meanwhile) == 5
    assert busy_poll.receive(wire.look, ROOM, wire.meanwhile) == 0
    assert wire.looks == 5


def test_a_vigil_ends() -> None:
    """After a moment, whatever the peer does."""
    wire = Wire(nothing())

    assert watch().receive(wire.look, ROOM, wire.meanwhile) is None
    assert wire.looks == 21  # the clock is read twice between two of them


def test_a_slow_peer_costs_ever_less() -> None:
    """In the end one wait in sixty-four begins with a vigil, and no fewer."""
    wire = Wire(nothing())
    busy_poll = watch()
    vigils = []
    for _ in range(1000):
        before = wire.looks
        assert busy_poll.receive(wire.look, ROOM, wire.meanwhile) is None
        vigils.append(wire.looks > before)

    assert [at for at, kept in enumerate(vigils) if kept][:8] == [0, 2, 6, 14, 30, 62, 126, 190]
    assert sum(vigils[-640:]) == 10


def test_time_that_nobody_wants_is_used() -> None:
    """Once a vigil, before the first look; not if others had the processor for a while."""
    wire = Wire(iter([None, 3, 4, 5]))
    alone = watch(1e-6)
    assert alone.receive(wire.look, ROOM, wire.meanwhile) == 3
    assert alone.receive(wire.look, ROOM, wire.meanwhile) == 4
    assert wire.preparations == 2

    assert watch(1e-5).receive(wire.look, ROOM, wire.meanwhile) == 5
    assert wire.preparations == 2


def test_others_want_the_processor() -> None:
    """Where somebody had it twice for a while, two looks are all, and the next vigils are rare."""
    wire = Wire(nothing())
    busy_poll = watch(1e-5)
    for _ in range(10):
        assert busy_poll.receive(wire.look, ROOM, wire.meanwhile) is None

    assert wire.looks == 3 * 2
    assert not wire.preparations


def test_others_come_to_want_the_processor() -> None:
    """Also in the midst of a vigil."""
    wire = Wire(nothing())
    times = iter(microseconds * 1e-6 for microseconds in (0, 1, 2, 3, 4, 12, 13, 14, 15, 23))

    assert BusyPoll(lambda: next(times)).receive(wire.look, ROOM, wire.meanwhile) is None
    assert wire.looks == 5


def test_a_quick_peer_is_believed_again() -> None:
    """One vigil that was not in vain, and the next wait begins with one."""
    wire = Wire(iter([None, None, 3, 4, None, None]))
    busy_poll = watch(1e-5)

    assert busy_poll.receive(wire.look, ROOM, wire.meanwhile) is None
    assert busy_poll.receive(wire.look, ROOM, wire.meanwhile) is None  # without a look
    assert wire.looks == 2
    assert busy_poll.receive(wire.look, ROOM, wire.meanwhile) == 3
    assert busy_poll.receive(wire.look, ROOM, wire.meanwhile) == 4
    assert busy_poll.receive(wire.look, ROOM, wire.meanwhile) is None
    assert wire.looks == 6
    assert busy_poll.receive(wire.look, ROOM, wire.meanwhile) is None
    assert wire.looks == 6
