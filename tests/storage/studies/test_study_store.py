"""One suite for every store of studies: what is kept, in which order, and that transactions are whole."""

import contextlib
import errno
import multiprocessing
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from storescp.errors import CannotRecord, OutOfResources, StateLost
from storescp.storage.studies import sqlite_store
from storescp.storage.studies.sqlite_store import SQLiteStore
from storescp.storage.studies.study_store import (
    Job,
    JobState,
    Round,
    RoundState,
    StoredFile,
    StudyStore,
)
from storescp.storage.studies.user_commands import PeerIdentity
from tests.end_to_end.processes import holds_lock

PEER = PeerIdentity("", "", "")
ROUND = Round(0, "1.2", 1, "out/s_1.2", "token", 10.0)
JOB = Job("job", "object", None, "echo #f", (("file", "CT.1"), ("calling", "Ä\0\x1b")), 5.0)


def test_the_latest_time_is_kept(store: StudyStore) -> None:
    """It starts at 0 and never goes back."""
    with store.transaction():
        assert store.time() == 0
        store.save_time(5.5)
        store.save_time(3.0)
        assert store.time() == 5.5


def test_rounds_are_found_by_study(store: StudyStore) -> None:
    """The latest round of a study; what was saved last; each has a key of its own."""
    with store.transaction():
        assert store.find_round("1.2") is None
        first = store.add_round(ROUND)
        second = store.add_round(ROUND._replace(number=2, directory="dir\udcff"))
        other = store.add_round(ROUND._replace(study="1.3", calling_ae_title="Ä\0"))

        assert len({first.key, second.key, other.key}) == 3
        assert store.find_round("1.2") == second
        changed = other._replace(state=RoundState.ENDING, objects=7, cause="cap")
        store.save_round(changed)
        assert store.find_round("1.3") == changed


def test_open_rounds_come_in_the_order_in_which_they_are_looked_at(store: StudyStore) -> None:
    """Those whose time has come, so many at a time; a round that is not open is none of them."""
    with store.transaction():
        assert store.next_check() is None
        late = store.add_round(ROUND._replace(study="late", next_check=30.0))
        early = store.add_round(ROUND._replace(study="early", next_check=10.0))
        middle = store.add_round(ROUND._replace(study="middle", next_check=20.0))
        store.add_round(ROUND._replace(study="ending", state=RoundState.ENDING))
        store.add_round(ROUND._replace(study="done", state=RoundState.COMPLETE))

        assert store.open_rounds() == [early, middle, late]
        assert store.open_rounds(most=1) == [early]
        assert store.rounds_to_check(9.9) == []
        assert store.rounds_to_check(20.0) == [early, middle]
        assert store.rounds_to_check(20.0, most=1) == [early]
        assert store.rounds_to_check(20.0, most=0) == []
        assert store.next_check() == 10.0
        store.check_round(early.key, 25.0)
        early = early._replace(next_check=25.0)
        assert store.rounds_to_check(99.0) == [middle, early, late]
        store.check_round(early.key, 10.0)
        store.check_round(early.key, 25.0)
        assert store.rounds_to_check(99.0) == [middle, early, late]
        store.save_round(middle._replace(state=RoundState.ENDING))
        assert store.rounds_to_check(99.0) == [early, late]
        assert store.next_check() == 25.0
        store.hasten_check(late.key, 99.0)
        store.hasten_check(middle.key, 1.0)  # it is not open
        store.hasten_check(late.key + 99, 1.0)
        assert store.rounds_to_check(99.0) == [early, late]
        store.hasten_check(late.key, 14.0)
        late = late._replace(next_check=24.0)
        assert store.rounds_to_check(99.0) == [late, early]
        store.check_all_rounds()
        assert [one.study for one in store.rounds_to_check(0.0)] == ["late", "early"]
        assert store.get_round(late.key) == late._replace(next_check=0.0)
        assert store.get_round(late.key + 99) is None


def test_ending_rounds_come_oldest_first(store: StudyStore) -> None:
    """By their last object, so many at a time; complete ones until they are forgotten, with what is left of them."""
    with store.transaction():
        assert not store.has_unfinished()
        ages = {"late": 30.0, "early": 10.0, "middle": 20.0}
        late, early, middle = [
            store.add_round(ROUND._replace(study=study, last_object=age))
            for study, age in ages.items()
        ]
        store.add_file(early.key, StoredFile("CT.1", "CT"), 10.0, PEER)
        for one in (late, early, middle):
            store.save_round(one._replace(state=RoundState.ENDING))
        assert [one.study for one in store.ending_rounds()] == ["early", "middle", "late"]
        assert [one.study for one in store.ending_rounds(most=1)] == ["early"]
        assert store.has_unfinished()
        open_round = store.add_round(ROUND._replace(study="open"))
        assert store.count_unfinished() == 4
        store.save_round(open_round._replace(state=RoundState.COMPLETE, last_object=99.0))
        assert store.count_unfinished() == 3
        for one in (late, early, middle):
            store.save_round(one._replace(state=RoundState.COMPLETE))
        assert not store.has_unfinished()
        assert store.count_unfinished() == 0

        store.forget_complete(30.0, most=1)
        assert [store.find_round(study) is None for study in ages] == [False, True, False]
        assert store.files(early.key) == []
        store.forget_complete(30.0)
        assert [store.find_round(study) is None for study in ages] == [False, True, True]


def test_a_removed_round_leaves_the_one_before(store: StudyStore) -> None:
    """With its files and holds; the study is then what it was."""
    with store.transaction():
        first = store.add_round(ROUND._replace(state=RoundState.COMPLETE))
        second = store.add_round(ROUND._replace(number=2))
        store.add_file(second.key, StoredFile("CT.1", "CT"), 1.0, PEER)
        store.hold(second.key, "a", "1")
        store.remove_round(second.key)

        assert store.find_round("1.2") == first
        assert store.open_rounds() == []
        assert store.files(second.key) == []
        assert not store.is_held(second.key)
        store.remove_round(first.key)
        assert store.find_round("1.2") is None


def test_files_are_kept_in_their_order_and_once(store: StudyStore) -> None:
    """A name counts once in a round; final names are noted; any bytes may be in a name."""
    with store.transaction():
        one, other = store.add_round(ROUND), store.add_round(ROUND._replace(study="1.3"))
        for now, name in enumerate(["CT.9", "CT.1", "odd\udcff\n"]):
            assert store.add_file(one.key, StoredFile(name, "CT"), 11.0 + now, PEER)
        assert store.add_file(one.key, StoredFile("CT.9", "MR"), 20.0, PeerIdentity("MR1", "", ""))
        assert store.add_file(other.key, StoredFile("CT.9", "MR"), 15.0, PEER)
        store.name_file(one.key, "odd\udcff\n", "CT000003")

        assert store.files(one.key) == [
            StoredFile("CT.9", "CT"),
            StoredFile("CT.1", "CT"),
            StoredFile("odd\udcff\n", "CT", "CT000003"),
        ]
        assert store.find_round("1.2") == one._replace(
            last_object=20.0, objects=3, calling_ae_title="MR1"
        )
        assert store.time() == 20.0
        assert store.final_name(one.key, "odd\udcff\n") == "CT000003"
        assert [store.final_name(one.key, name) for name in ("CT.9", "CT.2")] == ["", ""]
        assert store.drop_files(one.key, most=2) == 2
        assert store.drop_files(one.key, most=2) == 1
        assert store.drop_files(one.key) == 0
        assert store.files(one.key) == []
        assert store.files(other.key) == [StoredFile("CT.9", "MR")]


@pytest.mark.parametrize("state", [RoundState.ENDING, RoundState.COMPLETE])
def test_a_round_that_is_not_open_takes_no_files(store: StudyStore, state: RoundState) -> None:
    """Nor does one that does not exist; nothing of it is kept."""
    with store.transaction():
        one = store.add_round(ROUND)
        store.add_file(one.key, StoredFile("CT.1", "CT"), 11.0, PEER)
        found = store.find_round("1.2")
        assert found is not None
        store.save_round(found._replace(state=state))

        for name in ("CT.1", "CT.2"):
            assert not store.add_file(one.key, StoredFile(name, "CT"), 99.0, PEER)
        assert not store.add_file(one.key + 1, StoredFile("CT.1", "CT"), 99.0, PEER)
        assert store.find_round("1.2") == found._replace(state=state)
        assert store.files(one.key) == [StoredFile("CT.1", "CT")]
        assert store.files(one.key + 1) == []


def test_holds_are_dropped_by_association_by_process_and_all(store: StudyStore) -> None:
    """A round is held as long as one association is left; told are the rounds that were held."""
    with store.transaction():
        one = store.add_round(ROUND).key
        other = store.add_round(ROUND._replace(study="1.3")).key
        for association, owner in (("a", "1"), ("b", "1"), ("c", "2"), ("d", "3"), ("a", "1")):
            store.hold(one, association, owner)
        store.hold(other, "c", "2")
        store.hold(other, "e", "3")
        assert sorted(store.drop_holds(association="c")) == [one, other]
        assert store.drop_holds(owner="1", most=1) == [one]
        assert store.drop_holds(owner="1", most=9) == [one]
        assert store.drop_holds(owner="1") == []
        assert store.is_held(one)
        assert store.drop_holds(association="nobody") == []
        store.drop_holds_on(other)
        assert (store.is_held(one), store.is_held(other)) == (True, False)
        assert store.drop_holds() == [one]
        assert not store.is_held(one)


def test_jobs_are_kept_in_their_order(store: StudyStore) -> None:
    """By state or by round, behind a place, not more than asked for; a changed job keeps its place."""
    with store.transaction():
        one = store.add_round(ROUND).key
        jobs = [
            store.add_job(JOB._replace(key=str(number), round_key=one if number % 2 else None))
            for number in range(4)
        ]
        assert len({job.place for job in jobs}) == 4
        assert store.jobs(JobState.WAITING) == jobs
        assert store.jobs(JobState.WAITING, after=jobs[0].place, most=2) == jobs[1:3]
        assert store.jobs_of(one) == [jobs[1], jobs[3]]
        assert store.jobs_of(one, most=1) == [jobs[1]]
        assert store.jobs_of(one, after=jobs[1].place) == [jobs[3]]
        assert store.find_job("2") == jobs[2]
        assert store.find_job("9") is None

        running = jobs[1]._replace(state=JobState.RUNNING, attempts=1, why="exit status 1")
        store.save_job(running._replace(place=0))
        assert store.jobs(JobState.RUNNING) == [running]
        assert store.jobs(JobState.WAITING) == [jobs[0], *jobs[2:]]
        assert store.jobs_of(one) == [running, jobs[3]]
        store.save_job(jobs[1])
        assert store.jobs(JobState.WAITING) == jobs
        store.remove_job("0")
        assert store.jobs(JobState.WAITING) == jobs[1:]


def test_jobs_that_are_due_come_first(store: StudyStore) -> None:
    """Those that wait and whose time has come, the one that is due for longest before the others, then by place."""
    with store.transaction():
        assert store.next_due() is None
        jobs = [
            store.add_job(JOB._replace(key=str(number), due=due))
            for number, due in enumerate((5.0, 1.0, 9.0, 5.0))
        ]
        assert store.due_jobs(0.9) == []
        assert store.due_jobs(5.0) == [jobs[1], jobs[0], jobs[3]]
        assert store.due_jobs(99.0, most=2) == [jobs[1], jobs[0]]
        assert store.count_waiting() == 4
        assert store.next_due() == 1.0
        store.save_job(jobs[1]._replace(state=JobState.RUNNING, attempts=1))
        assert store.due_jobs(5.0) == [jobs[0], jobs[3]]
        assert store.count_waiting() == 3
        assert store.next_due() == 5.0
        later = jobs[0]._replace(due=6.0)
        store.save_job(later)
        assert store.due_jobs(9.0) == [jobs[3], later, jobs[2]]


def test_first_attempts_are_those_that_never_ended(store: StudyStore) -> None:
    """A job that waits or runs for the first time; not one that waits for its second chance, or has none left."""
    with store.transaction():
        one, other = store.add_round(ROUND).key, store.add_round(ROUND._replace(study="1.3")).key
        job = store.add_job(JOB._replace(round_key=one))
        assert store.has_first_attempts(one)
        assert not store.has_first_attempts(other)
        for state, attempts, is_first in (
            (JobState.RUNNING, 1, True),
            (JobState.WAITING, 1, False),
            (JobState.RUNNING, 2, False),
            (JobState.FAILED, 1, False),
            (JobState.WAITING, 0, True),
        ):
            store.save_job(job._replace(state=state, attempts=attempts))
            assert store.has_first_attempts(one) is is_first
        store.remove_job(job.key)
        assert not store.has_first_attempts(one)


def test_failed_jobs_are_retried_as_if_they_were_new(store: StudyStore) -> None:
    """All of them, at once, and no others."""
    with store.transaction():
        failed = [
            store.add_job(JOB._replace(key=str(number), state=JobState.FAILED, attempts=6))
            for number in range(3)
        ]
        waiting = store.add_job(JOB._replace(due=9.0, attempts=2))

        assert store.retry_failed() == 3
        assert store.jobs(JobState.FAILED) == []
        assert store.due_jobs(0.0) == [
            job._replace(state=JobState.WAITING, attempts=0, due=0.0) for job in failed
        ]
        assert store.jobs(JobState.WAITING)[-1] == waiting


def test_a_failed_transaction_leaves_nothing(store: StudyStore) -> None:
    """What an exception leaves counts as never having happened."""
    with store.transaction():
        kept = store.add_round(ROUND)._replace(last_object=20.0, objects=1)
        store.add_file(kept.key, StoredFile("CT.1", "CT"), 20.0, PEER)
        job = store.add_job(JOB._replace(round_key=kept.key))
        store.hold(kept.key, "a", "1")

    def fail() -> None:
        with store.transaction():
            store.save_time(99.0)
            store.add_round(ROUND._replace(study="1.3"))
            store.save_round(kept._replace(state=RoundState.COMPLETE))
            store.add_file(kept.key, StoredFile("CT.2", "CT"), 30.0, PEER)
            store.name_file(kept.key, "CT.1", "CT000001")
            store.remove_job(JOB.key)
            store.add_job(JOB._replace(key="other"))
            store.drop_holds()
            store.drop_files(kept.key)
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    with store.transaction():
        assert store.time() == 20.0
        assert store.find_round("1.3") is None
        assert store.open_rounds() == [kept]
        assert store.files(kept.key) == [StoredFile("CT.1", "CT")]
        assert (
            store.jobs(JobState.WAITING) == store.due_jobs(9.0) == store.jobs_of(kept.key) == [job]
        )
        assert store.is_held(kept.key)
        assert store.drop_holds(owner="1") == [kept.key]
        assert store.has_first_attempts(kept.key)


# What only the database has to do


def in_child(act: Callable[[], None]) -> int:
    """Run `act` in a forked child; return its wait status."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(0)
    return os.waitpid(pid, 0)[1]


def test_what_was_committed_survives_a_kill(tmp_path: Path) -> None:
    """SIGKILL in the middle of a transaction leaves those before it, and nothing of it."""
    path = str(tmp_path / "state")

    def act() -> None:
        store = SQLiteStore(path)
        with store.transaction():
            store.add_round(ROUND)
        with store.transaction():
            store.add_round(ROUND._replace(study="1.3"))
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(act) == signal.SIGKILL
    store = SQLiteStore(path)
    with store.transaction():
        assert [one.study for one in store.open_rounds()] == ["1.2"]
    store.close()


def test_processes_share_a_database(tmp_path: Path) -> None:
    """Transactions of several processes follow one another; each opens the database after its fork."""
    store = SQLiteStore(str(tmp_path / "state"))
    with store.transaction():
        one = store.add_round(ROUND)

    def count() -> None:
        for _ in range(200):
            with store.transaction():
                found = store.find_round("1.2")
                assert found is not None
                store.save_round(found._replace(objects=found.objects + 1))

    context = multiprocessing.get_context("fork")
    children = [context.Process(target=count) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()

    with store.transaction():
        assert store.find_round("1.2") == one._replace(objects=600)
    store.close()


def test_a_connection_is_not_carried_over_a_fork(tmp_path: Path) -> None:
    """Whoever forks: no descriptor of the database is open in the child before it opens one for itself."""
    store = SQLiteStore(str(tmp_path / "state"))
    with store.transaction():
        store.save_time(1.0)
    assert opened(tmp_path)

    def act() -> None:
        carried = opened(tmp_path)
        with store.transaction():
            assert store.time() == 1.0
        os._exit(7 if not carried and holds_lock(os.getpid(), tmp_path / "state-shm") else 8)

    assert os.waitstatus_to_exitcode(in_child(act)) == 7
    with store.transaction():
        store.save_time(2.0)
    store.close()
    assert not opened(tmp_path)


def opened(directory: Path) -> list[str]:
    """Return what this process has open in a directory."""
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return [path for path in found if path.startswith(f"{directory}/")]


def test_each_process_holds_its_own_locks(tmp_path: Path) -> None:
    """So that the log stays when its parent and another program have let go of the database; what it has is read then."""
    store = SQLiteStore(str(tmp_path / "state"))
    with store.transaction():
        store.save_time(1.0)
    store.close()
    ready, go_on = os.pipe(), os.pipe()

    def act() -> None:
        with store.transaction():
            store.add_round(ROUND)
        os.write(ready[1], b"r")
        os.read(go_on[0], 1)
        os.kill(os.getpid(), signal.SIGKILL)

    pid = os.fork()
    if pid == 0:
        act()
    os.read(ready[0], 1)
    other = SQLiteStore(str(tmp_path / "state"))
    with other.transaction():
        assert other.find_round("1.2") is not None
    other.close()

    assert holds_lock(pid, tmp_path / "state-shm")
    assert (tmp_path / "state-wal").exists()
    os.write(go_on[1], b"g")
    os.waitpid(pid, 0)
    with store.transaction():
        assert store.find_round("1.2") is not None
    store.close()
    for descriptor in (*ready, *go_on):
        os.close(descriptor)


def test_a_database_that_cannot_be_used_is_a_lack_of_resources(tmp_path: Path) -> None:
    """No directory, or a file that is something else: the object is refused, with the reason, and nothing stays open."""
    (tmp_path / "text").write_text("this is no database, and never was" * 100)
    for path in (tmp_path / "missing" / "state", tmp_path / "text"):
        store = SQLiteStore(str(path))
        for _ in range(3):
            before = os.listdir("/proc/self/fd")
            with pytest.raises(OutOfResources, match="cannot keep record"), store.transaction():
                pass
            assert os.listdir("/proc/self/fd") == before


def _remove(database: Path) -> None:
    database.unlink()


def _remove_all(database: Path) -> None:
    shutil.rmtree(database.parent)


def _replace(database: Path) -> None:
    another = database.with_name("another")
    shutil.copy(database, another)
    another.rename(database)


def _refuse(database: Path) -> None:
    database.unlink()
    database.symlink_to(database)


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "closed"])
@pytest.mark.parametrize("harm", [_remove, _remove_all, _replace, _refuse])
def test_a_database_that_is_gone_is_lost(
    tmp_path: Path, harm: Callable[[Path], None], is_open: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For good, and never made anew: records in another one than that of the others would be found by nobody."""
    monkeypatch.setattr(sqlite_store, "_LOOK_SECONDS", 0.0)
    path = tmp_path / "directory" / "state"
    path.parent.mkdir()
    store = SQLiteStore(str(path))
    with store.transaction():
        store.save_time(1.0)
    if not is_open:
        store.close()
    harm(path)
    before = set(tmp_path.rglob("*"))

    for _ in range(2):
        with pytest.raises(StateLost, match="cannot keep record"), store.transaction():
            pass
    store.close()
    assert set(tmp_path.rglob("*")) <= before


def test_a_database_that_is_damaged_is_lost(tmp_path: Path) -> None:
    """What is no database any more will not be one at the next object either."""
    store = SQLiteStore(str(tmp_path / "state"))
    with store.transaction():
        store.save_time(1.0)
    store.close()
    (tmp_path / "state").write_bytes(b"no database, and never was" * 1000)

    with pytest.raises(StateLost), store.transaction():
        pass


@pytest.mark.parametrize("call", ["open", "connect", "stat"])
def test_a_lack_that_passes_is_no_loss(tmp_path: Path, call: str) -> None:
    """Too many open files, say: the next object may be recorded."""
    store = SQLiteStore(str(tmp_path / "state"))
    with store.transaction():
        store.save_time(1.0)
    store.close()
    failure = OSError(errno.EMFILE, "Too many open files")
    if call == "connect":
        unable = sqlite3.OperationalError("unable to open database file")
        unable.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        patch = mock.patch("sqlite3.connect", side_effect=unable)
    else:
        patch = mock.patch(f"os.{call}", side_effect=failure)

    with (
        patch,
        pytest.raises(CannotRecord, match="open") as caught,
        store.transaction(),
    ):
        pass
    assert not isinstance(caught.value, StateLost)
    with store.transaction():
        assert store.time() == 1.0
    store.close()


def test_a_job_whose_record_cannot_be_read_is_a_job_all_the_same(tmp_path: Path) -> None:
    """It comes when it is due and can be given up, so that it stands in nobody's way."""
    store = SQLiteStore(str(tmp_path / "state"))
    with store.transaction():
        store.add_job(JOB)
        for details in ("", "{", "[1]", "[1, 2, 3]", '["a", [[1]], ""]'):
            store._run("UPDATE jobs SET details = ?", details)
            [job] = store.due_jobs(5.0)
            assert (job.key, job.values, job.why) == ("job", (), "its record cannot be read")
            store.save_job(job._replace(state=JobState.FAILED))
            store.save_job(job)
    store.close()


@pytest.mark.parametrize(
    ("durable", "kept", "level"),
    [(False, True, 1), (True, True, 2), (False, False, 0), (True, False, 0)],
)
def test_a_record_is_as_durable_as_was_asked_for(
    tmp_path: Path, durable: bool, kept: bool, level: int
) -> None:
    """A write-ahead log, on disk with each transaction only if the files are, too; never if it goes with the program.

    PRAGMA synchronous: OFF, NORMAL, FULL.
    """
    store = SQLiteStore(str(tmp_path / "state"), durable=durable, kept=kept)
    with store.transaction():
        store.save_time(1.0)
    database = store._database
    assert database is not None

    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA synchronous").fetchone() == (level,)
    store.close()


def test_the_database_is_private(tmp_path: Path) -> None:
    """Names of patients may be in it."""
    store = SQLiteStore(str(tmp_path / "state"))
    with store.transaction():
        store.save_time(1.0)

    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    store.close()
