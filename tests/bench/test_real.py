"""bench.real and bench.trees: what is sent is whole, each object differs from the others, and each run sends the same."""

from collections.abc import Callable

import pytest

from bench import real, trees
from bench.objects import INSTANCE, templates
from tests.peers.dicom import EXPLICIT_LITTLE, IMPLICIT_LITTLE, syntax_of, walk
from tests.peers.samples import Sample

Make = Callable[[], tuple[Sample, ...]]


def top_level(sample: Sample) -> dict[int, bytes]:
    return {
        element.tag: sample.data[element.start : element.end]
        for element in walk(sample.data, syntax_of(sample.transfer_syntax))
        if element.depth == 0
    }


@pytest.mark.parametrize(
    "make",
    [real.explicit, real.implicit, trees.reports, trees.items, trees.unknown, trees.trimmed],
)
def test_objects_are_whole_and_unlike(make: Make) -> None:
    """All can be taken apart, are of a study and go over one association; no two are equal."""
    samples = make()

    assert all(
        {0x00080016, 0x00080018, 0x0020000D} <= top_level(sample).keys() for sample in samples
    )
    assert len({sample.data for sample in samples}) == len(samples) >= 5
    assert len(templates(samples)) == len(samples)


def test_real_objects() -> None:
    """Some fifty in explicit VR, of many SOP classes, some in implicit VR; none is large."""
    explicit, implicit = real.explicit(), real.implicit()

    assert len(explicit) > 40
    assert len({sample.sop_class for sample in explicit}) > 8
    assert {sample.transfer_syntax for sample in explicit} == {EXPLICIT_LITTLE}
    assert {sample.transfer_syntax for sample in implicit} == {IMPLICIT_LITTLE}
    assert max(len(sample.data) for sample in explicit + implicit) <= real.LARGEST


def test_series() -> None:
    """Seven studies of 60 slices in order; within one, values and lengths differ, and pixels are noise."""
    slices = real.series()
    found = [top_level(each) for each in slices]
    ct = found[:60]

    assert [each[0x0020000D] for each in found] == [
        study for number in range(7) for study in [found[60 * number][0x0020000D]] * 60
    ]
    assert len({each[0x0020000D] for each in found}) == 7
    assert [int(each[0x00200013]) for each in ct] == list(range(1, 61))
    assert {each[0x00080018].rstrip(b"\0") for each in found} == {INSTANCE.encode()}
    assert len({each[0x7FE00010] for each in found}) == len(found)
    assert len({len(each[0x00200032]) for each in ct}) > 5
    assert len({each[0x00100010] for each in ct}) == 1


def test_interleaved() -> None:
    """The first slices of all series, then the second ones, and so on: the same objects."""
    in_order, in_turn = real.series(), real.interleaved()

    assert in_turn[:8] == (*in_order[::60], in_order[1])
    assert {id(each) for each in in_turn} == {id(each) for each in in_order}


def test_enhanced_objects_differ() -> None:
    """6,000 frames each, the values of which differ between frames and between objects."""
    [one, other] = trees.enhanced()[:2]
    elements = list(walk(one.data, syntax_of(one.transfer_syntax)))
    positions = [
        one.data[element.start : element.end] for element in elements if element.tag == 0x00200032
    ]

    assert len(positions) == 6000
    assert len(set(positions)) > 5990
    assert one.data != other.data
