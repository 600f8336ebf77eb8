"""What data sets have in common: the slices of a series differ in a few elements of a hundred and more.

Where two data sets were the same, element by element, the next ones probably are, and what the walk made
of these bytes once it would make of them again. So it need not look at them: a *stretch* of elements at
the top level that comes again byte for byte is passed in one step, and the elements between stretches are
walked as ever. A stretch that turns out to differ is cut in two around the element that does; if that
happens too often, all is forgotten, and learned anew after a pause that grows.

Nothing here decides what becomes of an element: that is rehearsed by a walk of its own over the bytes in
question, and only stretches are kept that leave no trace but their output, and attributes noted.

PS3.5 7.1: a data set is a sequence of elements in ascending order, each of which stands for itself. That
does not hold for group lengths and for the few elements that steer how others are read: they end a stretch.
"""

from bisect import bisect_right
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from storescp.dataset.encoding import Encoding
from storescp.dataset.plan import DEPENDENT_TAGS, TAGS_OF_STRUCTURE, Plan, plan_for
from storescp.uids import TransferSyntax

LONGEST_HEAD = 0x10000
"""Bytes at the begin of a data set in which stretches are looked for."""

_MOST_FAMILIARS = 8
_FEWEST_ELEMENTS = 3  # of a stretch: fewer are walked in the time that it takes to compare them,
# unless the walk would stop to look at one of them
_CREDIT = 16
_FIRST_REST = 1
_LONGEST_REST = 4096
_REST_FACTOR = 4
_MOST_STRAYED = 8
LONGEST_ROUTE = 256
"""Steps."""
NO_GROUP = -1


Notes = dict[int, bytes | None]
"""Values of attributes that storing asks for, by tag."""


class Rehearsed(NamedTuple):
    """What a walk makes of a few elements."""

    written: bytes
    notes: Notes


Rehearse = Callable[[bytes], Rehearsed | None]


class Stretch(NamedTuple):
    """Elements at the top level that are expected to come as they came before."""

    first: int
    """The tag of the first element."""
    last: int
    group: int
    """Of all its elements, `NO_GROUP` if they are of several."""
    received: bytes
    written: bytes | None
    """None: as received."""
    notes: Notes
    starts: tuple[int, ...]
    """Of its elements, and its end."""

    @property
    def elements(self) -> list[bytes]:
        """Each of them."""
        return [self.received[start:end] for start, end in pairwise(self.starts)]


class Step(NamedTuple):
    """What is expected next on a route: a stretch, or an element whose value is another one each time."""

    received: bytes
    """The stretch, or tag and VR of the element, as they come."""
    last: int
    """The last tag of it."""
    kind: int = 0
    """How the fast path takes the element's value."""
    stretch: Stretch | None = None


class Head:
    """The begin of a data set, and where the elements at its top level begin."""

    __slots__ = ("data", "starts")

    def __init__(self) -> None:
        self.data = bytearray()
        self.starts: list[int] = []

    def elements(self, plan: Plan) -> dict[int, bytes]:
        """Return the complete elements by tag."""
        unpack = plan.read.tag_length.unpack_from
        found: dict[int, bytes] = {}
        for start, end in pairwise(self.starts):
            if end <= len(self.data):
                group, number, _ = unpack(self.data, start)
                found[group << 16 | number] = bytes(self.data[start:end])
        return found


class Familiar:
    """What the data sets of one plan have in common, as far as is known."""

    def __init__(self, plan: Plan) -> None:
        self.stretches: dict[bytes, Stretch] = {}
        """By the bytes of the first element's tag."""
        self._plan = plan
        self.specials = plan.specials_at_top
        """Tags at which the walk stops to look, ascending, those of stretches included."""
        self.watches: dict[int, int] = {}
        """Which of them comes next, by the last tag of each stretch, and by each of them."""
        self.usual = frozenset(map(self._key, plan.usual))
        """Tags, as they come, of elements that vary and seldom need to be looked at closely."""
        self._never = TAGS_OF_STRUCTURE | (DEPENDENT_TAGS if plan.read.implicit_vr else frozenset())
        self.route: tuple[Step, ...] = ()
        """The way through the begin of the data set before, in explicit VR; empty: none is known."""
        self._strayed = 0
        self._before: dict[int, bytes] | None = None
        self._credit = _CREDIT
        self._pause = _FIRST_REST
        self._rest = _FIRST_REST

    def wants_head(self) -> bool:
        """Tell whether to record the begin of the data set that comes."""
        if self.stretches:
            if self._credit < _CREDIT:
                self._credit += 1
            elif self._pause > _FIRST_REST:
                self._pause -= 1
            return False
        self._rest -= 1
        return self._rest < 0

    def stray(self) -> None:
        """Note that the route was left before its end; if that happens often, another one is looked for."""
        self._strayed += 1
        if self._strayed >= _MOST_STRAYED:
            self._strayed = 0
            self.route = ()

    def learn(self, head: Head, rehearse: Rehearse) -> None:
        """Compare a data set with the one before."""
        before, self._before = self._before, head.elements(self._plan)
        if before is None:
            return
        run: list[tuple[int, bytes]] = []
        for tag, element in self._before.items():
            if before.get(tag) == element and tag & 0xFFFF and tag not in self._never:
                run.append((tag, element))
            else:
                self._add(run, rehearse)
                run = []
        self._add(run, rehearse)
        self._before = None
        if self.stretches:
            self._credit = _CREDIT
            self._settle()
        else:
            self._take_a_rest()

    def differs(self, stretch: Stretch, data: bytes, position: int, rehearse: Rehearse) -> None:
        """Learn that a stretch does not come again as a whole; `data` has other bytes here."""
        del self.stretches[self._key(stretch.first)]
        elements = stretch.elements
        same = [
            data.startswith(element, position + start)
            for start, element in zip(stretch.starts, elements, strict=False)
        ]
        others = same.count(False)
        self._credit -= others
        if self._credit <= 0:
            # Another patient, another device: most will be other than before.
            self.stretches.clear()
            self._take_a_rest()
        else:
            other = same.index(False)
            tagged = [(self._tag(element), element) for element in elements]
            self._add(tagged[:other], rehearse)
            self._add(tagged[other + 1 :], rehearse)
        self._settle()

    def _add(self, run: list[tuple[int, bytes]], rehearse: Rehearse) -> None:
        """Make a stretch of elements; where they are not fit for it as a whole, of parts of them."""
        runs = [run]
        while runs:
            run = runs.pop()
            stops = any(tag in self._plan.specials_at_top for tag, _ in run)
            if not run or (len(run) < _FEWEST_ELEMENTS and not stops):
                continue
            received = b"".join(element for _, element in run)
            rehearsed = rehearse(received)
            if rehearsed is None:
                if half := len(run) // 2:
                    runs += (run[:half], run[half:])
                continue
            starts = [0]
            for _, element in run:
                starts.append(starts[-1] + len(element))
            first, last = run[0][0], run[-1][0]
            self.stretches[self._key(first)] = Stretch(
                first,
                last,
                first >> 16 if first >> 16 == last >> 16 else NO_GROUP,
                received,
                None if rehearsed.written == received else rehearsed.written,
                rehearsed.notes,
                tuple(starts),
            )

    def _settle(self) -> None:
        self.route = ()
        stretches = self.stretches.values()
        firsts = {stretch.first for stretch in stretches}
        self.specials = specials = tuple(sorted(firsts.union(self._plan.specials_at_top)))
        self.watches = {
            tag: specials[min(bisect_right(specials, tag), len(specials) - 1)]
            for tag in specials + tuple(stretch.last for stretch in stretches)
        }

    def _take_a_rest(self) -> None:
        self._rest = self._pause
        self._pause = min(self._pause * _REST_FACTOR, _LONGEST_REST)

    def _key(self, tag: int) -> bytes:
        return self._plan.read.tag.pack(tag >> 16, tag & 0xFFFF)

    def _tag(self, element: bytes) -> int:
        group, number = self._plan.read.tag.unpack_from(element)
        return int(group) << 16 | int(number)


class Memory:
    """What the data sets of a process have in common, plan by plan."""

    def __init__(self) -> None:
        self._familiars: dict[Plan, Familiar] = {}
        self._plans: dict[str, tuple[Encoding, Plan]] = {}

    def plan_for(self, received: TransferSyntax, encoding: Encoding) -> Plan:
        """Return the plan of the data set before if it is the same: to look it up takes longer than to ask."""
        before = self._plans.get(received.uid)
        if before is None or before[0] is not encoding:
            before = self._plans[received.uid] = (encoding, plan_for(received, encoding))
        return before[1]

    def of(self, plan: Plan) -> Familiar | None:
        """Return what is known of data sets of this plan; None if it allows no stretches."""
        if not plan.knows_stretches:
            return None
        familiar = self._familiars.get(plan)
        if familiar is None:
            if len(self._familiars) >= _MOST_FAMILIARS:
                del self._familiars[next(iter(self._familiars))]
            familiar = self._familiars[plan] = Familiar(plan)
        return familiar
