"""Looking for what is due costs what is due, not what waits: counted in steps, of SQLite's machine or of Python's."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from storescp.storage.studies import sqlite_store
from storescp.storage.studies.jobs import Retries
from storescp.storage.studies.memory_store import MemoryStore
from storescp.storage.studies.sqlite_store import SQLiteStore
from storescp.storage.studies.study_store import Job, StoredFile, StudyStore
from storescp.storage.studies.tracker import EndOfStudy, Sender, Tracker
from storescp.storage.studies.user_commands import PeerIdentity

PEER = PeerIdentity("", "", "")
TIMEOUT, CAP = 10.0, 1000.0
NOW = 100.0


def steps(store: StudyStore, tracker: Tracker, act: Callable[[Tracker], object]) -> int:
    """Return how many instructions `act` takes: of the database, or in memory, of Python."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    if isinstance(store, SQLiteStore):
        with store.transaction():
            assert store._database is not None
            store._database.set_progress_handler(step, 1)
        try:
            act(tracker)
        finally:
            store._database.set_progress_handler(None, 1)
        return count

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        frame.f_trace_opcodes = True
        if event == "opcode":
            step()
        return trace

    sys.settrace(trace)
    try:
        act(tracker)
    finally:
        sys.settrace(None)
    return count


def fill(store: StudyStore, tracker: Tracker, numbers: range) -> None:
    """Have so many commands of a study wait, of objects and for another attempt, so many studies be open, and held."""
    busy = tracker.enter("busy", "out", Sender("a", "1"), 0.0)
    assert busy is not None
    with store.transaction():
        store.add_file(busy.key, StoredFile("CT.1", "CT"), 0.0, PEER)
        for number in numbers:
            job = Job(f"first {number}", "object", busy.key, "true", (), due=NOW + 1)
            store.add_job(job)
            store.add_job(job._replace(key=f"second {number}", attempts=1, due=NOW + 2))
            store.add_job(job._replace(key=f"due {number}", round_key=None, due=1.0))
    tracker.released("a")
    for number in numbers:
        tracker.enter(f"young {number}", "out", Sender("a", "1"), NOW)
        tracker.enter(f"held {number}", "out", Sender("b", "2"), 0.0)
    for _ in range(2 + len(numbers) // 100):
        tracker.end_due(NOW)  # each is looked at once, when its time comes


@pytest.mark.parametrize(
    "act",
    [
        lambda tracker: tracker.end_due(NOW),
        lambda tracker: tracker.start_next(0.5),
        lambda tracker: tracker.start_next(NOW),
        lambda tracker: tracker.is_idle(),
        lambda tracker: (tracker.next_check(), tracker.next_command()),
        lambda tracker: tracker.released("nobody"),
        lambda tracker: tracker.save_time(NOW),
        lambda tracker: tracker.failed_jobs(),
        lambda tracker: tracker.failed(
            Job("first 7", "object", 1, "true", (), NOW, attempts=1), "", NOW
        ),
        lambda tracker: tracker.succeeded(Job("first 7", "object", 1, "true", (), NOW, attempts=1)),
    ],
    ids=[
        *("end_due", "nothing to start", "start_next", "is_idle", "next"),
        *("released", "save_time", "failed_jobs", "failed", "succeeded"),
    ],
)
def test_what_waits_costs_nothing(store: StudyStore, act: Callable[[Tracker], object]) -> None:
    """Thirty times as many commands that wait, studies that are open or held: the same steps, but for a tree's depth."""
    tracker = Tracker(store, EndOfStudy(TIMEOUT, CAP), Retries())
    fill(store, tracker, range(30))
    few = steps(store, tracker, act)
    fill(store, tracker, range(30, 900))
    many = steps(store, tracker, act)

    assert many <= 1.5 * few + 60


def test_rounds_that_are_due_come_in_batches(store: StudyStore) -> None:
    """One pass ends no more than it was asked to, and reads no more; the next ones end the rest."""
    tracker = Tracker(store, EndOfStudy(TIMEOUT, CAP), Retries())
    for number in range(25):
        entered = tracker.enter(f"{number:02}", "out", Sender("a", "1"), float(number))
        assert entered is not None
        tracker.stored(entered, StoredFile("CT.1", "CT"), Sender("a", "1"), float(number))
    tracker.released("a")

    ended = []
    while rounds := tracker.end_due(NOW, most=10):
        assert len(rounds) <= 10
        for one in rounds:
            tracker.complete(one, NOW)
            ended.append(one.study)
    assert ended == [f"{number:02}" for number in range(25)]


def test_memory_keeps_no_more_than_is_there() -> None:
    """What is put anew many times leaves nothing behind that grows."""
    store = MemoryStore()
    with store.transaction():
        job = store.add_job(Job("job", "object", None, "true", (), 0.0))
    for number in range(1000):
        with store.transaction():
            store.save_job(job._replace(due=float(number)))

    assert len(store._waiting._heap) < 50


def test_a_start_reads_no_command_that_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts them: there may be a million."""
    read: list[object] = []
    decode = sqlite_store._job

    def count(row: tuple[Any, ...]) -> Job:
        read.append(row)
        return decode(row)

    monkeypatch.setattr(sqlite_store, "_job", count)
    store = SQLiteStore(str(tmp_path / "state"))
    tracker = Tracker(store, EndOfStudy(TIMEOUT, CAP), Retries())
    fill(store, tracker, range(20))
    assert tracker.start_next(NOW) is not None
    read.clear()

    left = tracker.recover(NOW)
    store.close()

    assert (left.studies, left.commands) == (41, 60)
    assert len(read) == 1
