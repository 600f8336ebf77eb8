"""One suite for every store of studies: what is kept, in which order, and that transactions are whole."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from storescp.errors import OutOfResources
from storescp.storage.hooks import Peer
from storescp.storage.sqlite_store import SQLiteStore
from storescp.storage.study_store import (
    Job,
    JobState,
    Round,
    RoundState,
    StoredFile,
    StudyStore,
    first_attempts,
)
from tests.end_to_end.processes import holds_lock

PEER = Peer("", "", "")
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


def test_rounds_come_oldest_first(store: StudyStore) -> None:
    """Those that are open, or ending, by their last object; complete ones until they are forgotten."""
    with store.transaction():
        assert not store.has_unfinished()
        late = store.add_round(ROUND._replace(study="late", last_object=30.0))
        early = store.add_round(ROUND._replace(study="early", last_object=10.0))
        done = store.add_round(ROUND._replace(study="done", last_object=5.0))
        ending = store.add_round(
            ROUND._replace(study="ending", last_object=20.0, state=RoundState.ENDING)
        )
        store.save_round(done._replace(state=RoundState.COMPLETE))

        assert store.open_rounds() == [early, late]
        assert store.open_rounds(before=10.0) == [early]
        assert store.open_rounds(before=9.0) == []
        assert store.ending_rounds() == [ending]
        for one in (late, early):
            store.save_round(one._replace(state=RoundState.COMPLETE))
        assert store.has_unfinished()
        store.save_round(ending._replace(state=RoundState.COMPLETE))
        assert not store.has_unfinished()
        store.forget_complete(20.0)
        found = [store.find_round(name) for name in ("done", "early", "ending", "late")]
        assert [one and one.study for one in found] == [None, None, "ending", "late"]


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
        assert store.add_file(one.key, StoredFile("CT.9", "MR"), 20.0, Peer("MR1", "", ""))
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
        store.hold(one.key, "a", "1")
        store.empty_round(one.key)
        assert store.files(one.key) == []
        assert not store.is_held(one.key)
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
    """A round is held as long as one association is left."""
    with store.transaction():
        one = store.add_round(ROUND)
        for association, owner in (("a", "1"), ("b", "1"), ("c", "2"), ("d", "3"), ("a", "1")):
            store.hold(one.key, association, owner)
        store.drop_holds(association="c")
        store.drop_holds(owner="1")
        assert store.is_held(one.key)
        store.drop_holds(association="nobody")
        assert store.is_held(one.key)
        store.drop_holds()
        assert not store.is_held(one.key)


def test_jobs_are_kept_in_their_order(store: StudyStore) -> None:
    """By state, by time, not more than asked for; a changed job keeps its place."""
    with store.transaction():
        one = store.add_round(ROUND)
        jobs = [
            JOB._replace(key=str(number), due=due, round_key=one.key if number == 2 else None)
            for number, due in enumerate((5.0, 1.0, 9.0, 2.0))
        ]
        for job in jobs:
            store.add_job(job)
        assert store.jobs(JobState.WAITING) == jobs
        assert store.jobs(JobState.WAITING, due=5.0) == [jobs[0], jobs[1], jobs[3]]
        assert store.jobs(JobState.WAITING, due=5.0, most=2) == jobs[:2]
        assert store.next_due() == 1.0
        assert store.jobs_of(one.key) == [jobs[2]]

        running = jobs[1]._replace(state=JobState.RUNNING, attempts=1, why="exit status 1")
        store.save_job(running)
        assert store.jobs(JobState.RUNNING) == [running]
        assert store.next_due() == 2.0
        store.save_job(jobs[1])
        assert store.jobs(JobState.WAITING) == jobs
        store.remove_job("0")
        assert store.jobs(JobState.WAITING) == jobs[1:]
        for job in jobs[1:]:
            store.remove_job(job.key)
        assert store.next_due() is None


def test_a_failed_transaction_leaves_nothing(store: StudyStore) -> None:
    """What an exception leaves counts as never having happened."""
    with store.transaction():
        kept = store.add_round(ROUND)._replace(last_object=20.0, objects=1)
        store.add_file(kept.key, StoredFile("CT.1", "CT"), 20.0, PEER)
        store.add_job(JOB)
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
            store.empty_round(kept.key)
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    with store.transaction():
        assert store.time() == 20.0
        assert store.find_round("1.3") is None
        assert store.open_rounds() == [kept]
        assert store.files(kept.key) == [StoredFile("CT.1", "CT")]
        assert store.jobs(JobState.WAITING) == [JOB]
        assert store.is_held(kept.key)


def test_first_attempts_are_those_that_never_ended() -> None:
    """A job that waits or runs for the first time; not one that waits for its second chance, or has none left."""
    assert first_attempts([JOB])
    assert first_attempts([JOB._replace(state=JobState.RUNNING, attempts=1)])
    assert not first_attempts([])
    assert not first_attempts([JOB._replace(attempts=1)])
    assert not first_attempts([JOB._replace(state=JobState.RUNNING, attempts=2)])
    assert not first_attempts([JOB._replace(state=JobState.FAILED, attempts=1)])


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
    store.close()

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
    """A store that was open at the fork is refused in the child, before it can touch the database."""
    store = SQLiteStore(str(tmp_path / "state"))
    with store.transaction():
        store.save_time(1.0)

    def act() -> None:
        with pytest.raises(RuntimeError, match="before a fork"), store.transaction():
            pass
        os._exit(7)

    assert os.waitstatus_to_exitcode(in_child(act)) == 7
    store.close()


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


def test_a_database_of_another_version_is_not_touched(tmp_path: Path) -> None:
    """A schema from the future is refused."""
    import sqlite3

    database = sqlite3.connect(tmp_path / "state")
    database.execute("PRAGMA user_version = 99")
    database.close()

    with (
        pytest.raises(OutOfResources, match="schema 99"),
        SQLiteStore(str(tmp_path / "state")).transaction(),
    ):
        pass


@pytest.mark.parametrize(("durable", "level"), [(False, 1), (True, 2)])
def test_a_record_is_as_durable_as_was_asked_for(tmp_path: Path, durable: bool, level: int) -> None:
    """A write-ahead log, on disk with each transaction only if the files are, too (PRAGMA synchronous: NORMAL, FULL)."""
    store = SQLiteStore(str(tmp_path / "state"), durable=durable)
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
