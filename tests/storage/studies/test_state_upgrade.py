"""A state directory of an earlier release keeps working, and one of a later release is refused."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from storescp.errors import OutOfResources
from storescp.storage.studies.jobs import Retries
from storescp.storage.studies.sqlite_store import _UPGRADES, VERSION, SQLiteStore
from storescp.storage.studies.study_store import JobState, RoundState, StoredFile
from storescp.storage.studies.tracker import EndOfStudy, Tracker
from tests.storage.old_state import schema_of, write_old_state


def test_what_release_0_1_0_has_left_is_gone_on_with(tmp_path: Path) -> None:
    """Studies end in their time and under their identifier, planned names stay, commands run; none is lost."""
    write_old_state(tmp_path / "state")
    with closing(SQLiteStore(str(tmp_path / "state"))) as store:
        tracker = Tracker(store, EndOfStudy(60.0), Retries())
        now = tracker.time()
        tracker.recover(now)

        assert now == 153.0
        [ending] = tracker.end_due(now)
        assert (ending.study, ending.token, ending.objects) == ("1.2", "1" * 32, 2)
        assert tracker.files(ending) == [
            StoredFile("CT.1.2.1", "CT", "CT000001"),
            StoredFile("CT.1.2.2", "CT", "CT000002"),
        ]
        tracker.complete(ending, now)
        assert tracker.end_due(209.9) == []
        [ended] = tracker.end_due(210.0)
        assert (ended.study, ended.number, ended.directory) == ("1.3", 1, "/data/incoming/s_1.3")
        assert [job.key for job in tracker.failed_jobs()] == ["b2" * 16]
        started = [tracker.start_next(now), tracker.start_next(now), tracker.start_next(now)]
        assert [job and (job.key, job.attempts) for job in started] == [
            ("c3" * 16, 1),
            ("0" * 32, 2),
            None,
        ]
        with store.transaction():
            complete = store.find_round("1.1")
            assert complete is not None
            assert (complete.state, complete.number) == (RoundState.COMPLETE, 1)


def test_an_upgraded_database_has_the_schema_of_a_new_one(tmp_path: Path) -> None:
    """But for the order of words; each version that was ever released has a way to here."""
    write_old_state(tmp_path / "old")
    for name in ("old", "new"):
        with closing(SQLiteStore(str(tmp_path / name))) as store, store.transaction():
            pass

    old, new = schema_of(tmp_path / "old"), schema_of(tmp_path / "new")
    assert old[0] == new[0] == VERSION
    assert {" ".join(sql.split()) for sql in old[1]} == {" ".join(sql.split()) for sql in new[1]}
    assert set(_UPGRADES) == set(range(VERSION))


def test_an_upgrade_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one transaction: the next start finds what was there, and upgrades it."""
    write_old_state(tmp_path / "state")
    before = schema_of(tmp_path / "state")
    monkeypatch.setitem(_UPGRADES, 1, f"{_UPGRADES[1]}; SELECT * FROM nothing;")
    with (
        pytest.raises(OutOfResources, match="nothing"),
        SQLiteStore(str(tmp_path / "state")).transaction(),
    ):
        pass
    assert schema_of(tmp_path / "state") == before
    monkeypatch.undo()

    with closing(SQLiteStore(str(tmp_path / "state"))) as store, store.transaction():
        assert len(store.jobs(JobState.WAITING)) == 1


def test_who_only_looks_leaves_an_old_database_as_it_is(tmp_path: Path) -> None:
    """Its owner may be running, and knows its own schema only; commands are found and retried all the same."""
    write_old_state(tmp_path / "state")
    before = schema_of(tmp_path / "state")
    with closing(SQLiteStore(str(tmp_path / "state"), upgrade=False)) as store:
        tracker = Tracker(store, EndOfStudy(60.0), Retries())

        [failed] = tracker.failed_jobs()
        assert (failed.key, failed.why, failed.attempts) == ("b2" * 16, "exit status 1", 6)
        assert tracker.retry_failed() == 1
        assert tracker.failed_jobs() == []
    assert schema_of(tmp_path / "state") == before


def test_a_database_of_a_later_version_is_not_touched(tmp_path: Path) -> None:
    """Going back is refused with a sentence, by who receives and by who only looks."""
    with closing(sqlite3.connect(tmp_path / "state")) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    for upgrade in (True, False):
        store = SQLiteStore(str(tmp_path / "state"), upgrade=upgrade)
        with (
            pytest.raises(OutOfResources, match="a later version of this program has written it"),
            store.transaction(),
        ):
            pass

    assert schema_of(tmp_path / "state") == (VERSION + 1, set())
