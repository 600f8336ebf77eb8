"""What is measured: objects, options and number of associations, and the numbers to be reached."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench.objects import INSTANCE
from bench.peers import DCMTK, DCMTK_AS_INSTALLED, FLOOR, OURS, PYNETDICOM
from tests.peers.samples import Sample, ct_slice, enhanced_mr, multi_frame


@dataclass(frozen=True, slots=True)
class Entrant:
    """A peer with options, under a title of its own in the table."""

    title: str
    peer: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Goal:
    """`entrant` is to reach at least `ratio` times the rate of `reference`."""

    entrant: str
    reference: str
    ratio: float


@dataclass(frozen=True, slots=True)
class Workload:
    """Objects sent over a number of associations to each of the entrants in turn."""

    title: str
    sample: Callable[[], Sample]
    count: int
    """Objects an association and round, at most."""
    entrants: tuple[Entrant, ...]
    goals: tuple[Goal, ...]
    associations: int = 1
    objects_per_study: int = 0
    objects_per_association: int = 0
    on_disk: bool = False
    tls: bool = False
    late: bool = False
    """Whether associations begin within the time that is measured."""
    group: str = "core"
    limit: float = 0.7
    """Seconds a round, at most, but for the first object."""
    most_rounds: int = 1000


BIT_PRESERVING = "+B"


def _usual_entrants(*options: str) -> tuple[Entrant, ...]:
    return (
        Entrant(FLOOR, FLOOR),
        Entrant(OURS, OURS, options),
        Entrant(f"{OURS} +B", OURS, (BIT_PRESERVING, *options)),
        Entrant(DCMTK, DCMTK, options),
        Entrant(f"{DCMTK} +B", DCMTK, (BIT_PRESERVING, *options)),
        Entrant(DCMTK_AS_INSTALLED, DCMTK_AS_INSTALLED, options),
        Entrant(PYNETDICOM, PYNETDICOM),
    )


def _both(*options: str, floor: tuple[str, ...] = ()) -> tuple[Entrant, ...]:
    return (
        Entrant(FLOOR, FLOOR, floor),
        Entrant(OURS, OURS, options),
        Entrant(DCMTK, DCMTK, options),
    )


def _goals(of_floor: float, of_dcmtk: float, *, preserving: float = 0.9) -> tuple[Goal, ...]:
    return (
        Goal(OURS, FLOOR, of_floor),
        Goal(OURS, DCMTK, of_dcmtk),
        Goal(f"{OURS} +B", FLOOR, preserving),
        Goal(f"{OURS} +B", f"{DCMTK} +B", 1.1),
    )


def _beside_dcmtk(ratio: float) -> tuple[Goal, ...]:
    return (Goal(OURS, DCMTK, ratio),)


_CT = partial(ct_slice, 512, INSTANCE, name="CT 512 x 512")
_MEDIUM = partial(ct_slice, 128, INSTANCE, name="128 x 128")
_SMALL = partial(ct_slice, 16, INSTANCE, name="16 x 16", elements=100)


_EVENTS = ("--events", "events.jsonl")
_STUDIES = ("-su", "study", "-rns", "-tos", "3600", "--state-directory", "state")


def workloads(key_and_certificate: tuple[str, str] | None) -> list[Workload]:
    """Return all workloads; those of TLS only where there are a key and a certificate (file names)."""
    found = [
        Workload("CT 512 x 512, 0.5 MB", _CT, 280, _usual_entrants(), _goals(0.8, 1.3)),
        Workload("128 x 128, 36 kB", _MEDIUM, 2000, _usual_entrants(), _goals(0.7, 2)),
        Workload("16 x 16, 3 kB", _SMALL, 3000, _usual_entrants(), _goals(0.7, 2)),
        Workload(
            "enhanced MR, 6000 frames, 2 MB",
            partial(enhanced_mr, 6000, INSTANCE),
            40,
            (*_usual_entrants()[:5], Entrant(PYNETDICOM, PYNETDICOM)),
            (Goal(OURS, DCMTK, 8), Goal(f"{OURS} +B", f"{DCMTK} +B", 1.1)),
        ),
        Workload(
            "one object of 512 MiB",
            partial(multi_frame, 512, INSTANCE),
            1,
            _usual_entrants()[:5],
            _goals(0.8, 5),
            most_rounds=3,
        ),
        Workload(
            "CT, on disk",
            _CT,
            280,
            _usual_entrants()[:5],
            _goals(0.8, 1.3),
            on_disk=True,
            group="disk",
        ),
        Workload(
            "36 kB, on disk",
            _MEDIUM,
            1500,
            _usual_entrants()[:5],
            _goals(0.7, 2),
            on_disk=True,
            group="disk",
        ),
        *(
            Workload(
                f"CT, --fork, {associations} associations",
                _CT,
                280 // associations,
                _both("--fork", floor=("--fork",)),
                _beside_dcmtk(1.2),
                associations=associations,
                group="modes",
            )
            for associations in (4, 16)
        ),
        *(
            Workload(
                f"3 kB, an association each{', --fork' if options else ''}",
                _SMALL,
                500,
                _both(*options, floor=options),
                _beside_dcmtk(1.2 if options else 1.0),
                objects_per_association=1,
                late=True,
                group="modes",
            )
            for options in ((), ("--fork",))
        ),
        *(
            Workload(
                f"{title}, 4 associations, --workers 2 beside --fork",
                sample,
                count,
                (
                    Entrant(OURS, OURS, ("--workers", "2")),
                    Entrant(f"{OURS} --events", OURS, ("--workers", "2", *_EVENTS)),
                    Entrant(f"{OURS} -su -rns", OURS, ("--workers", "2", *_STUDIES)),
                    Entrant(
                        f"{OURS} -su -rns --events", OURS, ("--workers", "2", *_EVENTS, *_STUDIES)
                    ),
                    Entrant(DCMTK, DCMTK, ("--fork",)),
                ),
                (
                    Goal(OURS, DCMTK, 1.5),
                    Goal(f"{OURS} --events", OURS, 0.8),
                    Goal(f"{OURS} -su -rns --events", f"{OURS} -su -rns", 0.8),
                ),
                associations=4,
                late=True,
                objects_per_study=10,
                group="parallel",
            )
            for title, sample, count in (("CT", _CT, 70), ("36 kB", _MEDIUM, 500))
        ),
        Workload(
            "CT, -su study, 10 objects a study",
            _CT,
            280,
            _both("-su", "study"),
            _beside_dcmtk(1.2),
            objects_per_study=10,
            group="modes",
        ),
        Workload(
            "CT, -xcr true", _CT, 140, _both("-xcr", "true"), _beside_dcmtk(1.2), group="modes"
        ),
        Workload("CT, +ti", _CT, 280, _both("+ti"), _beside_dcmtk(1.0), group="modes"),
        Workload("CT, +tb", _CT, 280, _both("+tb"), _beside_dcmtk(1.0), group="modes"),
    ]
    if key_and_certificate is not None:
        found.append(
            Workload(
                "CT, TLS",
                _CT,
                140,
                _both("+tls", *key_and_certificate, "-ic")[1:],
                _beside_dcmtk(1.0),
                tls=True,
                group="modes",
            )
        )
    return found


def growth() -> list[Workload]:
    """Return the same work in growing amounts: objects a second and memory must stay flat."""
    return [
        Workload(
            f"3 kB, {count} objects, {'a study each' if per_study else 'one study'}",
            _SMALL,
            count,
            (Entrant(OURS, OURS, ("-su", "study") if per_study else ()),),
            (),
            objects_per_study=per_study,
            group="growth",
            limit=120,
            most_rounds=1,
        )
        for per_study in (0, 1)
        for count in (100, 1000, 10_000, 100_000)
    ]
