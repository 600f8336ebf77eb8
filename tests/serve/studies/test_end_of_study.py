"""What ends studies and runs commands: in bounded passes, again where it fails, and no mistake costs more than itself."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest

from storescp.dataset.encoding import Encoding
from storescp.errors import CannotRecord, OutOfResources, StateLost
from storescp.events import Fact, StudyComplete
from storescp.serve.studies import end_of_study
from storescp.serve.studies.command_pool import CommandPool, Ended
from storescp.serve.studies.end_of_study import StudyFinisher
from storescp.storage.naming.rules import Rules
from storescp.storage.settings import StorageSettings
from storescp.storage.studies.final_names import rename_files
from storescp.storage.studies.jobs import Retries, object_job
from storescp.storage.studies.memory_store import MemoryStore
from storescp.storage.studies.study_store import Job, JobState, StoredFile
from storescp.storage.studies.tracker import EndOfStudy, Sender, Tracker
from storescp.storage.studies.uptime import UpTime
from storescp.storage.studies.user_commands import Command, PeerIdentity, ReceivedObject

PEER = PeerIdentity("", "", "")


class Pool(CommandPool):
    """Commands that end when the test says so."""

    def __init__(self) -> None:
        self.running: list[Job] = []
        self.over: list[Ended] = []
        self.mistake: Exception | None = None

    def __len__(self) -> int:
        return len(self.running)

    @property
    def free_places(self) -> int:
        return 2 - len(self.running)

    def start(self, job: Job, command: Command) -> int:  # noqa: ARG002
        if self.mistake is not None:
            raise self.mistake
        self.running.append(job)
        return 1

    def collect(self) -> list[Ended]:
        over, self.over = self.over, []
        return over

    def wait(self, seconds: float) -> None:
        """Do nothing: time is what the test sets."""

    def give_up(self) -> list[Job]:
        jobs, self.running = self.running, []
        return jobs

    def forget(self) -> list[Job]:
        return self.give_up()

    def end(self, why: str = "") -> None:
        """Have the first command end."""
        self.over.append(Ended(self.running.pop(0), 1, why, None, 0.0))


class Scene:
    """A finisher over a store in memory, with files, and a clock that is set."""

    def __init__(self, directory: Path, *, renames: bool = False, is_kept: bool = True) -> None:
        self.now = 0.0
        self.directory = directory
        self.told: list[Fact] = []
        self.failure = ""
        self.tracker = Tracker(MemoryStore(), EndOfStudy(10.0), Retries(2, 1.0))
        self.pool = Pool()
        storage = StorageSettings(
            Rules(str(directory)), Encoding(), rename_on_eostudy=renames, exec_on_eostudy="true"
        )
        hub = mock.Mock()
        hub.tell = self.told.append
        self.finisher = StudyFinisher(
            self.tracker,
            UpTime(0.0, lambda: self.now),
            storage,
            self.pool,
            is_kept=is_kept,
            fails=self._fail,
            hub=hub,
            clock=lambda: self.now,
        )

    def _fail(self, why: str) -> None:
        self.failure = why

    def add_study(self, study: str, files: int = 1) -> Path:
        """Have a study of so many files, which nobody sends any more."""
        directory = self.directory / study
        directory.mkdir()
        sender = Sender("a", "1")
        entered = self.tracker.enter(study, str(directory), sender, self.now)
        assert entered is not None
        for number in range(files):
            name = f"CT.{number}"
            (directory / name).write_text(name)
            self.tracker.stored(entered, StoredFile(name, "CT"), sender, self.now)
        self.tracker.released("a")
        return directory

    def add_job(self, key: str) -> None:
        received = ReceivedObject("1.2", "1.3", 0)
        self.tracker.add_job(object_job(key, "true", received, PEER, None, self.now))

    def ended(self) -> list[str | None]:
        """Return the studies that were announced."""
        return [fact.study_instance_uid for fact in self.told if isinstance(fact, StudyComplete)]

    def states(self, state: JobState) -> list[Job]:
        with self.tracker._store.transaction():
            return self.tracker._store.jobs(state)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.finisher.step()


def failing(error: BaseException) -> Callable[..., object]:
    def fail(*_: object, **__: object) -> object:
        raise error

    return fail


def test_many_studies_end_a_few_at_a_time(tmp_path: Path) -> None:
    """A pass has its limit; the next one is due at once, as long as there is more."""
    scene = Scene(tmp_path)
    for number in range(10):
        scene.add_study(str(number))
    scene.now = 20.0

    ended = []
    for _ in range(3):
        scene.finisher.step()
        ended.append(len(scene.ended()))

    assert ended == [4, 8, 10]
    assert scene.finisher.next_step() == scene.now
    scene.finisher.step()
    assert scene.finisher.next_step() > scene.now
    assert sorted(map(str, scene.ended())) == [str(number) for number in range(10)]


def test_a_large_study_leaves_others_their_turn(tmp_path: Path) -> None:
    """Its files are renamed a part at a time, between which others are renamed, announced and have their commands."""
    scene = Scene(tmp_path, renames=True)
    large = scene.add_study("large", 200)
    scene.add_study("small", 2)
    scene.now = 20.0

    scene.finisher.step()

    assert scene.ended() == ["small"]
    assert 0 < len(list(large.glob("CT0*"))) < 200
    assert [job.kind for job in scene.pool.running] == ["study"]
    scene.run(4)
    assert scene.ended() == ["small", "large"]
    assert len(list(large.glob("CT000*"))) == 200


def test_a_mistake_in_one_study_costs_that_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and tried again later and later; at last its files keep their names, and it ends."""
    scene = Scene(tmp_path, renames=True)
    scene.add_study("bad")
    scene.add_study("good")
    scene.now = 20.0

    def rename_most(tracker: Tracker, one: object, *, durable: bool) -> Iterator[None]:
        if getattr(one, "study", "") == "bad":
            raise ValueError("a mistake")
        return rename_files(tracker, one, durable=durable)  # type: ignore[arg-type]

    with mock.patch.object(end_of_study, "rename_files", rename_most):
        scene.run(3)
        assert scene.ended() == ["good"]
        assert caplog.messages == [
            f"the study in {tmp_path}/bad cannot be ended, next attempt in 1 s: a mistake"
        ]
        for _ in range(80):
            scene.now += 1.0
            scene.finisher.step()

    assert scene.ended() == ["good", "bad"]
    assert len(caplog.messages) == 6
    assert (tmp_path / "bad" / "CT.0").exists()


def test_names_that_do_not_come_to_disk_are_tried_again(tmp_path: Path) -> None:
    """A failing disk is no mistake of ours: it is said without a traceback, and others go on."""
    scene = Scene(tmp_path, renames=True)
    scene.add_study("1")
    scene.now = 20.0

    with mock.patch.object(end_of_study, "rename_files", failing(OutOfResources("no disk"))):
        scene.run(2)
    assert scene.ended() == []
    scene.now += 2.0
    scene.run(2)

    assert scene.ended() == ["1"]


def test_a_mistake_with_a_command_is_a_failed_attempt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is given up after its attempts, and others run."""
    scene = Scene(tmp_path)
    scene.add_job("bad")
    scene.pool.mistake = ValueError("a mistake")
    for _ in range(4):
        scene.finisher.step()
        scene.now += 2.0
    scene.pool.mistake = None
    scene.add_job("good")

    scene.finisher.step()

    assert [job.key for job in scene.pool.running] == ["good"]
    [given_up] = scene.states(JobState.FAILED)
    assert (given_up.key, given_up.attempts) == ("bad", 2)
    assert "given up after 2 attempts" in caplog.messages[-1]


def test_a_job_that_cannot_be_read_is_a_failed_attempt(tmp_path: Path) -> None:
    """Nobody can make a command of it."""
    scene = Scene(tmp_path)
    scene.tracker.add_job(Job("bad", "object", None, "", (), 0.0, why="its record cannot be read"))
    for _ in range(4):
        scene.finisher.step()
        scene.now += 2.0

    assert [job.key for job in scene.states(JobState.FAILED)] == ["bad"]


def test_an_end_that_cannot_be_recorded_is_recorded_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The command has run, and does not run again; the log says once that the record cannot be made, and once that it can."""
    scene = Scene(tmp_path)
    scene.add_job("1")
    scene.finisher.step()
    scene.pool.end()

    with mock.patch.object(scene.tracker, "succeeded", failing(CannotRecord("locked"))):
        for _ in range(5):
            scene.now += 1.0
            scene.finisher.step()
    assert len(scene.states(JobState.RUNNING)) == 1
    scene.finisher.step()

    assert scene.states(JobState.RUNNING) == scene.states(JobState.WAITING) == []
    assert caplog.messages == [
        "studies do not end and commands do not start: locked",
        "the record of studies can be made again",
    ]


def test_a_lost_state_is_said(tmp_path: Path) -> None:
    """There is no going on; the main process decides what that means."""
    scene = Scene(tmp_path)
    with mock.patch.object(scene.tracker, "end_due", failing(StateLost("gone"))):
        scene.finisher.step()

    assert scene.failure == "gone"
    assert scene.finisher.next_step() == float("inf")


def test_a_mistake_in_a_step_costs_a_second(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with where it was made, and the next step comes."""
    scene = Scene(tmp_path)
    with (
        caplog.at_level(logging.ERROR),
        mock.patch.object(scene.tracker, "end_due", failing(ValueError("a mistake"))),
    ):
        scene.finisher.step()

    assert caplog.messages == ["internal error at the end of studies"]
    assert caplog.records[0].exc_info is not None
    assert scene.finisher.next_step() == scene.now + 1.0


def test_what_ran_when_the_process_before_was_killed_runs_again(tmp_path: Path) -> None:
    """At once; unless it was its last attempt, so that a command which kills its receiver is given up."""
    scene = Scene(tmp_path)
    scene.add_job("1")
    for attempts in (1, 2):
        scene.finisher = StudyFinisher(
            scene.tracker,
            UpTime(0.0, lambda: scene.now),
            StorageSettings(Rules(str(tmp_path)), Encoding()),
            scene.pool,
            clock=lambda: scene.now,
        )
        scene.finisher.step()
        assert [job.attempts for job in scene.pool.running] == [attempts]
        scene.pool.running.clear()  # killed with all that it knew
    scene.tracker.resume(scene.now)

    assert [job.key for job in scene.states(JobState.FAILED)] == ["1"]


def test_at_the_end_what_runs_is_put_back(tmp_path: Path) -> None:
    """It is no attempt; what waits is not started any more."""
    scene = Scene(tmp_path)
    for key in ("1", "2", "3"):
        scene.add_job(key)
    scene.finisher.step()
    assert len(scene.pool.running) == 2
    scene.pool.end()

    scene.finisher.end(scene.now)

    waiting = {job.key: job.attempts for job in scene.states(JobState.WAITING)}
    assert waiting == {"2": 0, "3": 0}
    assert scene.states(JobState.RUNNING) == []


def test_commands_that_run_again_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With a state directory: how many, the first of them, those that were interrupted before others."""
    scene = Scene(tmp_path)
    for key in ("1", "2", "3", "4", "5"):
        scene.add_job(key)
    scene.finisher.step()

    scene.finisher.end(scene.now)

    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert record.message.startswith(
        "5 commands are pending at shutdown and run at the next start, 2 of them again because interrupted: "
    )
    assert record.message.endswith("; and 2 more")


def test_commands_that_only_wait_are_no_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With a state directory nothing happens to them but that they run later."""
    scene = Scene(tmp_path)
    scene.add_job("1")

    with caplog.at_level(logging.INFO):
        scene.finisher.end(scene.now)

    [record] = caplog.records
    assert record.levelname == "INFO"
    assert record.message == (
        "1 command is pending at shutdown and runs at the next start: 'true' for object 1.3"
    )


def test_commands_that_are_lost_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a state directory: those that run on, and those that never started."""
    scene = Scene(tmp_path, is_kept=False)
    for key in ("1", "2", "3"):
        scene.add_job(key)

    scene.finisher.end(scene.now)

    assert [record.message for record in caplog.records] == [
        "2 commands still run at shutdown: 'true' for object 1.3; 'true' for object 1.3. They go on, but nobody notes how they end",
        "1 command was still pending at shutdown and is lost: 'true' for object 1.3. With --state-directory it would run at the next start",
    ]


def test_nothing_is_said_where_nothing_is_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither with a state directory nor without."""
    for is_kept in (True, False):
        Scene(tmp_path, is_kept=is_kept).finisher.end(0.0)

    assert caplog.records == []


def test_studies_without_time_for_their_end_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a state directory, where renaming takes longer than there is time."""
    scene = Scene(tmp_path, renames=True, is_kept=False)
    scene.add_study("1", files=1000)
    scene.add_study("2", files=1)

    scene.finisher.end(scene.now)

    [message] = [record.message for record in caplog.records if "not ended" in record.message]
    assert message == (
        f"1 study was not ended at shutdown, because there was no time to rename all files: {tmp_path}/1. What has not been"
        " renamed keeps its name, and no command runs"
    )
