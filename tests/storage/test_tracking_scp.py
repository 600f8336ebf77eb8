"""One process that stores objects of studies received side by side: directories, records, and what is refused."""

import shutil
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from storescp.dataset.encoding import Encoding
from storescp.dimse.command import CStoreRQ
from storescp.errors import CannotRecord
from storescp.storage.naming.rules import (
    ByPatientName,
    ByStudyUID,
    ByTimestamp,
    Flat,
    Layout,
    Rules,
)
from storescp.storage.reception import Outcome
from storescp.storage.settings import StorageSettings
from storescp.storage.studies import jobs
from storescp.storage.studies.jobs import Retries
from storescp.storage.studies.memory_store import MemoryStore
from storescp.storage.studies.tracker import EndOfStudy, Tracker
from storescp.storage.studies.user_commands import PeerIdentity
from storescp.storage.tracking_scp import TrackingStoreSCP
from storescp.uids import TRANSFER_SYNTAXES
from tests.end_to_end.conversation import data_set
from tests.peers.requestor import CT_IMAGE_STORAGE

LITTLE = TRANSFER_SYNTAXES["1.2.840.10008.1.2.1"]
PEER = PeerIdentity("CT1", "ARCHIVE", "scanner")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class World:
    """Some processes on one store."""

    def __init__(self, directory: Path, layout: Layout, command: str | None = None) -> None:
        self.clock = Clock()
        self.tracker = Tracker(MemoryStore(), EndOfStudy(10.0), Retries())
        self.storage = StorageSettings(
            Rules(str(directory), layout), Encoding(), exec_on_reception=command
        )
        self.notices = 0

    def process(self) -> TrackingStoreSCP:
        return TrackingStoreSCP(
            self.storage,
            self.tracker,
            self.clock,
            notify=self.notify,
            wall_clock=lambda: 1700000000.0,
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def notify(self) -> None:
        self.notices += 1


def store(scp: TrackingStoreSCP, instance: str, study: str) -> Outcome:
    request = CStoreRQ(1, CT_IMAGE_STORAGE, instance)
    reception = scp.begin(request, LITTLE, PEER)
    reception.feed(memoryview(data_set(instance, study)))
    outcome = reception.finish()
    scp.after_response(outcome, PEER)
    return outcome


def names(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("CT*"))


def test_processes_agree_on_the_directory_of_a_study(tmp_path: Path) -> None:
    """The first object names it; in both processes objects say which round they belong to."""
    world = World(tmp_path, ByTimestamp("s"))
    first, second = world.process(), world.process()

    assert store(first, "1.1", "1").study_round == 1
    assert store(second, "1.2", "1").study_round == 1
    first.close()
    second.close()

    [directory] = [path.name for path in tmp_path.iterdir()]
    assert names(tmp_path) == [f"{directory}/CT.1.1", f"{directory}/CT.1.2"]


@pytest.mark.parametrize("layout", [ByTimestamp("s"), ByPatientName()])
def test_studies_of_one_millisecond_have_directories_of_their_own(
    tmp_path: Path, layout: Layout
) -> None:
    """A number tells them apart."""
    scp = World(tmp_path, layout).process()

    for study in ("1", "2", "3"):
        store(scp, f"{study}.1", study)
    scp.close()

    directories = sorted(path.name for path in tmp_path.iterdir())
    assert directories[1:] == [f"{directories[0]}_0001", f"{directories[0]}_0002"]
    assert len(names(tmp_path)) == 3


def test_an_association_lets_its_studies_go(tmp_path: Path) -> None:
    """They end after it, not during it."""
    world = World(tmp_path, ByStudyUID("s"))
    scp = world.process()
    store(scp, "1.1", "1")
    world.clock.now = 20.0

    assert world.tracker.end_due(20.0) == []
    scp.end_association()
    assert [one.study for one in world.tracker.end_due(20.0)] == ["1"]


def test_an_object_waits_for_the_end_of_the_round_before(tmp_path: Path) -> None:
    """It is then the first of the next one."""
    world = World(tmp_path, ByStudyUID("s"))
    scp = world.process()
    store(scp, "1.1", "1")
    scp.end_association()
    [ending] = world.tracker.end_due(20.0)

    def complete(_seconds: float) -> None:
        world.tracker.complete(ending, 20.0)

    with mock.patch.object(scp, "_sleep", complete):
        outcome = store(scp, "1.2", "1")
    scp.close()

    assert (outcome.status, outcome.study_round) == (0, 2)


def test_an_object_does_not_wait_for_ever(tmp_path: Path) -> None:
    """A round that does not come to its end refuses what belongs to the next one: out of resources."""
    world = World(tmp_path, ByStudyUID("s"))
    scp = world.process()
    store(scp, "1.1", "1")
    scp.end_association()
    assert world.tracker.end_due(20.0)

    outcome = store(scp, "1.2", "1")
    scp.close()

    assert outcome.status == 0xA700
    assert names(tmp_path) == ["s_1/CT.1.1"]


NOT_RECORDED = mock.Mock(side_effect=CannotRecord("cannot keep record"))


@pytest.mark.parametrize("layout", [ByStudyUID("s"), Flat()])
@pytest.mark.parametrize("older", [True, False])
@pytest.mark.parametrize("bits", [True, False], ids=["bit-preserving", "normal"])
def test_without_a_record_there_is_no_success(
    tmp_path: Path, layout: Layout, older: bool, bits: bool
) -> None:
    """The sender is told to send it again; what was at its name is there, and nothing else."""
    world = World(tmp_path, Flat() if bits else layout, "true")
    world.storage = replace(world.storage, bit_preserving=bits)
    scp = world.process()
    if older:
        store(scp, "1.1", "1")
        [path] = tmp_path.rglob("CT*")
        path.write_text("older")
    before = names(tmp_path)

    with (
        mock.patch.object(Tracker, "stored", NOT_RECORDED),
        mock.patch.object(Tracker, "add_job", NOT_RECORDED),
    ):
        outcome = store(scp, "1.1", "1")
    scp.close()

    assert (outcome.status, str(outcome.error)) == (0xA700, "cannot keep record")
    assert outcome.received is None
    assert names(tmp_path) == before
    assert all((tmp_path / name).read_text() == "older" for name in before)


def test_a_mistake_at_the_record_takes_the_object_back(tmp_path: Path) -> None:
    """Whatever is raised there: the association ends, its peer has no success."""
    scp = World(tmp_path, ByStudyUID("s")).process()
    mistake = mock.Mock(side_effect=ZeroDivisionError)

    with mock.patch.object(Tracker, "stored", mistake), pytest.raises(ZeroDivisionError):
        store(scp, "1.1", "1")
    scp.close()

    assert names(tmp_path) == []


def test_an_object_is_one_transaction(tmp_path: Path) -> None:
    """But for the first of a study in an association, which is entered before."""
    world = World(tmp_path, ByStudyUID("s"), "true")
    scp = world.process()
    store(scp, "1.1", "1")
    memory, count = world.tracker._store, 0
    begin = memory.transaction

    def transaction(patience: float = 1.0) -> AbstractContextManager[object]:
        nonlocal count
        count += 1
        return begin(patience)

    with mock.patch.object(memory, "transaction", transaction):
        store(scp, "1.2", "1")
    scp.close()

    assert count == 1


@pytest.mark.parametrize("layout", [ByStudyUID("s"), ByTimestamp("s"), ByPatientName()])
@pytest.mark.parametrize("goes", ["moved", "removed"])
def test_a_directory_that_is_moved_away_is_made_anew(
    tmp_path: Path, layout: Layout, goes: str
) -> None:
    """In the middle of an association, under the same name; nothing is refused."""
    scp = World(tmp_path / "out", layout).process()
    (tmp_path / "out").mkdir()
    store(scp, "1.1", "1")
    [directory] = (tmp_path / "out").glob("[!.]*")
    if goes == "moved":
        directory.rename(tmp_path / "away")
    else:
        shutil.rmtree(directory)

    for number in (2, 3):
        assert store(scp, f"1.{number}", "1").status == 0
    scp.close()
    assert names(tmp_path / "out") == [f"{directory.name}/CT.1.2", f"{directory.name}/CT.1.3"]


def test_a_link_in_place_of_a_directory_that_was_moved_away_is_not_followed(
    tmp_path: Path,
) -> None:
    """It may lead anywhere: status C000 if it leads nowhere yet."""
    scp = World(tmp_path / "out", ByStudyUID("s")).process()
    (tmp_path / "out").mkdir()
    store(scp, "1.1", "1")
    (tmp_path / "out" / "s_1").rename(tmp_path / "away")
    (tmp_path / "out" / "s_1").symlink_to(tmp_path / "elsewhere")

    outcome = store(scp, "1.2", "1")
    scp.close()

    assert outcome.status == 0xC000
    assert not (tmp_path / "elsewhere").exists()


def test_the_name_of_a_directory_that_another_process_has_made_is_on_disk(tmp_path: Path) -> None:
    """With `--fsync`, before success is sent: the other one may not be so far."""
    world = World(tmp_path, ByStudyUID("s"))
    world.storage = replace(world.storage, durable=True)
    first, second = world.process(), world.process()
    store(first, "1.1", "1")
    synced: list[str] = []

    with mock.patch(
        "storescp.storage.files.output_directory.fsync_directory", side_effect=synced.append
    ):
        store(second, "1.2", "1")
        assert synced == [str(tmp_path)]
        store(second, "1.3", "1")
        assert synced == [str(tmp_path)]
    first.close()
    second.close()


def test_a_directory_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    """For the next association that brings objects of the study."""
    world = World(tmp_path, ByStudyUID("s"))
    scp = world.process()
    store(scp, "1.1", "1")
    scp.end_association()
    (tmp_path / "s_1" / "CT.1.1").unlink()
    (tmp_path / "s_1").rmdir()

    assert store(scp, "1.2", "1").status == 0
    scp.close()
    assert names(tmp_path) == ["s_1/CT.1.2"]


def test_commands_become_jobs_also_without_studies(tmp_path: Path) -> None:
    """Each object has one, with what the command is to know, and whoever runs it hears of it."""
    world = World(tmp_path, Flat(), "import #p/#f")
    scp = world.process()
    store(scp, "1.1", "1")
    scp.close()

    assert world.notices == 1
    job = world.tracker.start_next(0.0)
    assert job is not None
    command = jobs.command(job)
    assert command.line == f"import {tmp_path}/CT.1.1"
    assert command.environment["STORESCP_ID"] == job.key
    assert command.environment["STORESCP_ATTEMPT"] == "1"
    assert "STORESCP_ROUND" not in command.environment
    assert command.environment["STORESCP_CALLING_AE_TITLE"] == "CT1"


def test_a_command_of_a_study_knows_its_round(tmp_path: Path) -> None:
    """Number, identifier and objects are in its environment."""
    world = World(tmp_path, ByStudyUID("s"))
    scp = world.process()
    store(scp, "1.1", "1")
    scp.close()
    [one] = world.tracker.end_due(20.0)

    command = jobs.command(jobs.study_job("archive #p #a", one, 20.0))

    assert command.line == f'archive {tmp_path}/s_1 "CT1"'
    assert command.environment["STORESCP_ROUND"] == "1"
    assert command.environment["STORESCP_ID"] == one.token
    assert command.environment["STORESCP_OBJECTS"] == "1"
    assert command.environment["STORESCP_STUDY_INSTANCE_UID"] == "1"


def test_what_is_ignored_is_not_remembered(tmp_path: Path) -> None:
    """With `--ignore` there is a command, but neither file nor study."""
    world = World(tmp_path, ByStudyUID("s"), "true")
    world.storage = StorageSettings(
        Rules(str(tmp_path), ByStudyUID("s")), Encoding(), ignore=True, exec_on_reception="true"
    )
    scp = world.process()
    store(scp, "1.1", "1")
    scp.close()

    assert list(tmp_path.iterdir()) == []
    assert world.tracker.start_next(0.0) is not None
    assert world.tracker.is_idle()
