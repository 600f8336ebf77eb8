"""Objects that are repeated: sizes, modes, parallel associations, growing amounts; and the numbers to be reached."""

from collections.abc import Callable
from functools import partial

from bench.objects import INSTANCE
from bench.peers import BESIDE, DCMTK, DCMTK_AS_INSTALLED, FLOOR, OURS, PYNETDICOM
from bench.unlike import unlike
from bench.workload import BIT_PRESERVING, Entrant, Goal, Workload
from tests.peers.samples import Sample, ct_slice, enhanced_mr, multi_frame


def _usual_entrants(*options: str) -> tuple[Entrant, ...]:
    return (
        Entrant(FLOOR, FLOOR),
        Entrant(OURS, OURS, options),
        Entrant(f"{OURS} +B", OURS, (BIT_PRESERVING, *options)),
        Entrant(BESIDE, BESIDE, options),
        Entrant(f"{BESIDE} +B", BESIDE, (BIT_PRESERVING, *options)),
        Entrant(DCMTK, DCMTK, options),
        Entrant(f"{DCMTK} +B", DCMTK, (BIT_PRESERVING, *options)),
        Entrant(DCMTK_AS_INSTALLED, DCMTK_AS_INSTALLED, options),
        Entrant(PYNETDICOM, PYNETDICOM),
    )


def _without_beside(entrants: tuple[Entrant, ...]) -> tuple[Entrant, ...]:
    return tuple(entrant for entrant in entrants if entrant.peer != BESIDE)


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
        Goal(OURS, BESIDE, 1.0),
        Goal(f"{OURS} +B", FLOOR, preserving),
        Goal(f"{OURS} +B", f"{DCMTK} +B", 1.1),
        Goal(f"{OURS} +B", f"{BESIDE} +B", 1.0),
    )


def _beside_dcmtk(ratio: float) -> tuple[Goal, ...]:
    return (Goal(OURS, DCMTK, ratio),)


def _repeated(make: Callable[[], Sample]) -> Callable[[], tuple[Sample, ...]]:
    return lambda: (make(),)


_CT = _repeated(partial(ct_slice, 512, INSTANCE, name="CT 512 x 512"))
_MEDIUM = _repeated(partial(ct_slice, 128, INSTANCE, name="128 x 128"))
_SMALL = _repeated(partial(ct_slice, 16, INSTANCE, name="16 x 16", elements=100))


_EVENTS = ("--events", "events.jsonl")
_STUDIES = ("-su", "study", "-rns", "-tos", "3600", "--state-directory", "state")


def workloads(key_and_certificate: tuple[str, str] | None) -> list[Workload]:
    """Return all workloads; those of TLS only where there are a key and a certificate (file names)."""
    found = [
        *unlike(),
        Workload("CT 512 x 512, 0.5 MB", _CT, 280, _usual_entrants(), _goals(0.8, 1.4)),
        Workload("128 x 128, 36 kB", _MEDIUM, 2000, _usual_entrants(), _goals(0.7, 2.4)),
        Workload("16 x 16, 3 kB", _SMALL, 3000, _usual_entrants(), _goals(0.7, 2.6)),
        Workload(
            "enhanced MR, 6000 frames, 2 MB",
            _repeated(partial(enhanced_mr, 6000, INSTANCE)),
            40,
            (*_usual_entrants()[:7], Entrant(PYNETDICOM, PYNETDICOM)),
            (
                Goal(OURS, DCMTK, 10),
                Goal(OURS, BESIDE, 1.0),
                Goal(f"{OURS} +B", f"{DCMTK} +B", 1.1),
                Goal(f"{OURS} +B", f"{BESIDE} +B", 1.0),
            ),
        ),
        Workload(
            "one object of 512 MiB",
            _repeated(partial(multi_frame, 512, INSTANCE)),
            1,
            _usual_entrants()[:7],
            _goals(0.8, 5),
            most_rounds=3,
        ),
        Workload(
            "CT, on disk",
            _CT,
            280,
            _without_beside(_usual_entrants()[:7]),
            _goals(0.8, 1.3),
            on_disk=True,
            group="disk",
        ),
        Workload(
            "36 kB, on disk",
            _MEDIUM,
            1500,
            _without_beside(_usual_entrants()[:7]),
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
                _beside_dcmtk(1.3 if associations == 16 else 1.2),
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
                _beside_dcmtk(1.2),
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
                    Entrant(BESIDE, BESIDE, ("--workers", "2")),
                    Entrant(f"{BESIDE} -su -rns", BESIDE, ("--workers", "2", *_STUDIES)),
                    Entrant(DCMTK, DCMTK, ("--fork",)),
                ),
                (
                    Goal(OURS, BESIDE, 1.0),
                    Goal(f"{OURS} -su -rns", f"{BESIDE} -su -rns", 1.0),
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
            "36 kB, --parallel-studies, one association, 10 objects a study",
            _MEDIUM,
            1000,
            tuple(
                Entrant(f"{peer}{title}", peer, ("--parallel-studies", "-su", "study", *options))
                for peer in (OURS, BESIDE)
                for title, options in (
                    ("", ()),
                    (" --state-directory", ("--state-directory", "state")),
                )
            ),
            (
                Goal(OURS, BESIDE, 1.0),
                Goal(f"{OURS} --state-directory", f"{BESIDE} --state-directory", 1.0),
            ),
            objects_per_study=10,
            group="parallel",
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
            "CT, -xcr true", _CT, 280, _both("-xcr", "true"), _beside_dcmtk(1.6), group="modes"
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
                _beside_dcmtk(1.1),
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
