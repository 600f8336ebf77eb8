"""The receiver is killed while studies arrive: a short version of `crashes`, with a seed for each case."""

from pathlib import Path

import pytest

from tests.end_to_end.crashes import Plan, run


@pytest.mark.parametrize(("seed", "options"), [(1, ()), (2, ("--fsync",))])
def test_nothing_acknowledged_is_lost_and_every_study_is_announced(
    tmp_path: Path, seed: int, options: tuple[str, ...]
) -> None:
    """Three ends, two of them by SIGKILL, while four clients send six interleaved studies."""
    plan = Plan(clients=4, studies=6, objects=10, ends=3, workers=2, timeout=1)

    text = run(tmp_path / "run", plan, seed, *options)

    assert text.startswith("60 objects of 6 studies by 4 clients")
