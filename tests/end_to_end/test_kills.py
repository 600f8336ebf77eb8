"""Kill it anywhere: what was acknowledged is there, what is there is whole, what is unfinished goes."""

from pathlib import Path

import pytest

from tests.end_to_end.conversation import wait_until
from tests.end_to_end.killing import MODES, SENDERS, SIZES, Campaign, Load
from tests.end_to_end.killing_studies import StudyCampaign
from tests.peers.dicom import split_file
from tests.peers.servers import ours


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

    assert tally.kills.total() + tally.stops.total() == 20, (
        "a strike that finds nothing is made again"
    )
    assert tally.kills.total() > 10
    assert tally.acknowledged > 0


def test_a_long_run_keeps_sizes_and_not_objects(tmp_path: Path) -> None:
    """Senders remember a number for each object, from which it is made again, and send small ones beyond what is allowed."""
    with ours(tmp_path) as server:
        load = Load(server.port, 1, allowed_bytes=2_000_000)
        load.start()
        wait_until(lambda: len(load.acknowledged) > 100)
        load.finish()
        files = server.files()

    assert sum(load.sent.values()) < 2_000_000 + SENDERS * max(SIZES) + 1_000 * len(load.sent)
    for instance in load.acknowledged:
        assert split_file(files[f"CT.{instance}"])[1] == load.expected(instance)
