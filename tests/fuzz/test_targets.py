"""Each fuzz target holds its promises on its seeds, on what fuzzing has found, and on random changes of those."""

import pytest

from tests.fuzz.corpus import read
from tests.fuzz.mutation import mutations
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_only_documented_errors(name: str) -> None:
    """Nothing but documented errors comes out, whatever comes in, and the target's promise holds."""
    target = TARGETS[name]
    seeds = [*target.seeds(), *read(name)]
    changed = mutations(seeds, target.words, target.largest, target.changes, seed=7)
    for data in (b"", *seeds, *changed):
        try:
            target.run(data)
        except BaseException as error:
            error.add_note(f"corpus line: {data.hex()}")
            raise
