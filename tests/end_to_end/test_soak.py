"""Good and bad traffic leaves a receiver as it was."""

from pathlib import Path

from tests.end_to_end.soak import soak


def test_good_and_bad_traffic_leaves_nothing_behind(tmp_path: Path) -> None:
    """Memory, descriptors and processes are flat, though processes are killed; twenty minutes of it by hand."""
    done = soak(tmp_path, 24, 0.5)

    assert done.stored > 50
