"""bench.objects: what the load generator sends differs in its UIDs only, and in all of them."""

from bench.objects import DIGITS, FIRST_NUMBER, INSTANCE, templates
from tests.peers.dicom import Syntax, walk
from tests.peers.samples import STUDY, ct_slice


def test_digits_of_the_uids() -> None:
    """The offsets are those of the digits that end the UIDs, in the command set and in the data set."""
    [made] = templates([ct_slice(16, INSTANCE)])

    digits = str(FIRST_NUMBER).encode()
    assert {made.stream[at : at + DIGITS] for at in made.instance_at + made.study_at} == {digits}
    assert made.stream.count(INSTANCE.encode()) == len(made.instance_at) == 2
    assert made.stream.count(STUDY.encode()) == len(made.study_at) == 1


def test_slices_are_well_formed() -> None:
    """A CT slice has about as many elements as asked for, in ascending order."""
    data = ct_slice(16, INSTANCE, elements=150).data

    tags = [element.tag for element in walk(data, Syntax())]
    assert tags == sorted(tags)
    assert 140 <= len(tags) <= 160
