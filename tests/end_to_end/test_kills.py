"""Kill it anywhere: what was acknowledged is there, what is there is whole, what is unfinished goes."""

from pathlib import Path

import pytest

from tests.end_to_end.killing import MODES, Campaign


@pytest.mark.parametrize("mode", MODES)
def test_nothing_acknowledged_is_lost_by_a_kill(mode: str, tmp_path: Path) -> None:
    """SIGKILL at random moments under load, to the receiver, to a child of it, or to all."""
    campaign = Campaign(mode, tmp_path, seed=7)
    for _ in range(3):
        campaign.kill()
    campaign.end()
