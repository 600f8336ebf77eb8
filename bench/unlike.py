"""Workloads of objects that are unlike, as real traffic is, in all modes; and the numbers to be reached."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench import real, trees
from bench.peers import BESIDE, DCMTK, DCMTK_AS_INSTALLED, FLOOR, OURS, PURE, PYNETDICOM
from bench.workload import BIT_PRESERVING, Entrant, Goal, Measure, Workload
from tests.peers.samples import Sample

SERIES = "series"
"""The workload of the headline."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What is wanted in a mode: times DCMTK's rate, at most which part of its CPU, times the rate of the other build."""

    of_dcmtk: float
    of_beside: float
    cpu: float | None = None

    def goals(self) -> Iterator[Goal]:
        """Yield what `Workload.goals` takes."""
        yield Goal(OURS, DCMTK, self.of_dcmtk)
        if self.cpu is not None:
            yield Goal(OURS, DCMTK, self.cpu, Measure.PROCESSOR)
        yield Goal(OURS, BESIDE, self.of_beside)


_DEFAULT = ""
"""The mode without options."""


def _modes(default: Aim, conversion: Aim) -> dict[str, Aim]:
    preserving, sorting = Aim(1.1, 1.0), Aim(default.of_dcmtk, 1.0)
    return {
        _DEFAULT: default,
        BIT_PRESERVING: preserving,
        "+ti": conversion,
        "+te": conversion,
        "+tb": conversion,
        "-su": sorting,
    }


_CONVERSION = Aim(1.5, 3.0)


def unlike() -> list[Workload]:
    """Return what real traffic is like: objects that differ from each other, in all modes."""
    kinds: list[tuple[str, Callable[[], tuple[Sample, ...]], bool, dict[str, Aim]]] = [
        (SERIES, real.series, False, _modes(Aim(2.0, 2.5, 0.6), _CONVERSION)),
        (f"{SERIES}, interleaved", real.interleaved, False, {_DEFAULT: Aim(2.0, 2.5, 0.6)}),
        ("unlike, explicit VR", real.explicit, True, _modes(Aim(2.0, 5.0, 0.6), _CONVERSION)),
        ("unlike, implicit VR", real.implicit, True, _modes(Aim(2.0, 3.0, 0.6), _CONVERSION)),
    ]
    found = [
        _unlike(title, samples, mode, aim, shuffled=shuffled)
        for title, samples, shuffled, modes in kinds
        for mode, aim in modes.items()
    ]
    found += [
        _unlike(
            "unlike, an association each",
            real.explicit,
            mode,
            Aim(1.2, 1.0),
            shuffled=True,
            each_associated=True,
        )
        for mode in (_DEFAULT, BIT_PRESERVING, "+ti", "+te", "+tb", "-su")
    ]
    generated = (
        ("enhanced MR, 6000 frames, values differ", trees.enhanced, Aim(12.0, 2.0)),
        ("structured reports", trees.reports, Aim(1.5, 5.0)),
        ("items that all differ", trees.items, Aim(1.5, 5.0)),
        ("UN of undefined length", trees.unknown, Aim(1.5, 5.0)),
        ("trimmed text", trees.trimmed, Aim(1.5, 5.0)),
    )
    found += [_unlike(title, samples, _DEFAULT, aim) for title, samples, aim in generated]
    return found


def _unlike(
    title: str,
    samples: Callable[[], tuple[Sample, ...]],
    mode: str,
    aim: Aim,
    *,
    shuffled: bool = False,
    each_associated: bool = False,
) -> Workload:
    options = ("-su", "study") if mode == "-su" else (mode,) if mode else ()
    entrants = [Entrant(peer, peer, options) for peer in (OURS, DCMTK, BESIDE)]
    goals = list(aim.goals())
    if mode == _DEFAULT:
        entrants.insert(0, Entrant(FLOOR, FLOOR))
        if title == "unlike, explicit VR":
            entrants.append(Entrant(PURE, PURE))
            goals.append(Goal(PURE, BESIDE, 0.5))
        if title == SERIES:
            entrants += [Entrant(PURE, PURE), Entrant(PYNETDICOM, PYNETDICOM)]
            entrants.append(Entrant(DCMTK_AS_INSTALLED, DCMTK_AS_INSTALLED))
    return Workload(
        f"{title}, {mode}" if mode else title,
        samples,
        500 if each_associated else 840 if samples in (real.series, real.interleaved) else 3000,
        tuple(entrants),
        tuple(goals),
        objects_per_association=1 if each_associated else 0,
        shuffled=shuffled,
        late=each_associated,
        group="unlike",
        limit=0.5,
    )
