"""Kill it anywhere: what was acknowledged is there, what is there is whole, what is unfinished goes."""

from pathlib import Path

import pytest

from tests.end_to_end.killing import MODES, Campaign
from tests.end_to_end.killing_studies import StudyCampaign


@pytest.mark.parametrize("mode", MODES)
def test_nothing_acknowledged_is_lost_by_a_kill(mode: str, tmp_path: Path) -> None:
    """SIGKILL at random moments under load, to the receiver, to a child of it, or to all."""
    campaign = Campaign(mode, tmp_path, seed=7)
    for _ in range(3):
        campaign.kill()
    campaign.end()


def test_studies_end_whichever_process_is_killed_or_stopped(tmp_path: Path) -> None:
    """Each kind of process is; acknowledged objects are there once, and announced; commands have run."""
    tally = StudyCampaign(tmp_path, seed=3).run(20)

    assert sum(tally.kills.values()) > 10
    assert tally.acknowledged > 0
