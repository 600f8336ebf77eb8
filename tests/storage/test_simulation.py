"""The tracker against a model, over thousands of studies at random: nothing lost, nothing early, nothing forgotten."""

from pathlib import Path

import pytest

from tests.storage.simulation import simulate_in_database, simulate_in_memory


@pytest.mark.parametrize("block", range(4))
def test_random_schedules_in_memory(block: int, tmp_path: Path) -> None:
    """Each acknowledged object is announced with its study, no round before its time, every command runs."""
    rounds = kills = 0
    for seed in range(block * 12, block * 12 + 12):
        done = simulate_in_memory(seed, 300, tmp_path)
        rounds += sum(done.rounds.values())
        kills += done.kills

    assert rounds > 200
    assert kills > 10


def test_random_schedules_in_the_database(tmp_path: Path) -> None:
    """The same with SQLite, whose connection is lost with every crash."""
    for seed in range(1000, 1004):
        simulate_in_database(seed, 200, tmp_path)
