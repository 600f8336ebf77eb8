"""What a workload is: objects, options, number of associations, and what is to be reached."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from tests.peers.samples import Sample

BIT_PRESERVING = "+B"


@dataclass(frozen=True, slots=True)
class Entrant:
    """A peer with options, under a title of its own in the table."""

    title: str
    peer: str
    options: tuple[str, ...] = ()


class Measure(Enum):
    """What is compared: the value is how tables say it."""

    RATE = "objects/s"
    PROCESSOR = "CPU"


@dataclass(frozen=True, slots=True)
class Goal:
    """`entrant` is to reach at least `ratio` times the rate of `reference`, or to take at most `ratio` of its CPU."""

    entrant: str
    reference: str
    ratio: float
    measure: Measure = Measure.RATE

    def is_reached(self, ratio: float) -> bool:
        """Return whether a measured ratio is as wanted."""
        return ratio >= self.ratio if self.measure is Measure.RATE else ratio <= self.ratio


@dataclass(frozen=True, slots=True)
class Workload:
    """Objects sent over a number of associations to each of the entrants in turn."""

    title: str
    samples: Callable[[], tuple[Sample, ...]]
    """What is sent in turn, again and again, each time under a UID of its own."""
    count: int
    """Objects an association and round, at most."""
    entrants: tuple[Entrant, ...]
    goals: tuple[Goal, ...]
    associations: int = 1
    objects_per_study: int = 0
    objects_per_association: int = 0
    shuffled: bool = False
    on_disk: bool = False
    tls: bool = False
    late: bool = False
    """Whether associations begin within the time that is measured."""
    group: str = "core"
    limit: float = 0.7
    """Seconds a round, at most, but for the first object."""
    most_rounds: int = 1000
