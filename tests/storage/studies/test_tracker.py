"""When studies end that are received side by side, and which commands are due: every rule by itself."""

import pytest

from storescp.storage.studies.jobs import Retries
from storescp.storage.studies.study_store import (
    Job,
    JobState,
    Round,
    RoundState,
    StoredFile,
    StudyStore,
)
from storescp.storage.studies.tracker import EndOfStudy, Sender, Tracker
from storescp.storage.studies.user_commands import PeerIdentity

A, B = (
    Sender("a", "1", PeerIdentity("CT1", "ARCHIVE", "scanner")),
    Sender("b", "2", PeerIdentity("MR1", "", "")),
)
JOB = Job("job", "object", None, "true", (), 0.0)


@pytest.fixture
def tracker(store: StudyStore) -> Tracker:
    tokens = iter(range(1000))
    return Tracker(store, EndOfStudy(10.0, 100.0), Retries(3, 5.0), lambda: f"t{next(tokens)}")


def receive(
    tracker: Tracker, study: str, name: str, sender: Sender, now: float, job: Job | None = None
) -> Round:
    """Receive an object as `TrackingStoreSCP` does."""
    entered = tracker.enter(study, f"out/{study}", sender, now)
    assert entered is not None
    return tracker.stored(
        entered,
        StoredFile(name, "CT"),
        sender,
        now,
        lambda one: None if job is None else job._replace(round_key=one.key),
    )


def ended(tracker: Tracker, now: float) -> list[tuple[str, int, int, str]]:
    """End what is due and complete it; return study, round, objects and cause of each."""
    rounds = tracker.end_due(now)
    for one in rounds:
        tracker.complete(one, now)
    return [(one.study, one.number, one.objects, one.cause) for one in rounds]


def test_a_study_ends_some_time_after_its_last_object(tracker: Tracker) -> None:
    """Each object restarts the time."""
    receive(tracker, "1", "x", A, 0.0)
    receive(tracker, "1", "y", A, 8.0)
    tracker.released("a")

    assert ended(tracker, 17.9) == []
    assert ended(tracker, 18.0) == [("1", 1, 2, "timeout")]
    assert ended(tracker, 99.0) == []


def test_interleaved_studies_do_not_end_each_other(tracker: Tracker) -> None:
    """Objects of another study have no influence."""
    for number in range(20):
        receive(tracker, str(number % 2), f"{number}", A, float(number))
        assert ended(tracker, number) == []
    tracker.released("a")

    assert ended(tracker, 28.5) == [("0", 1, 10, "timeout")]
    assert ended(tracker, 29.0) == [("1", 1, 10, "timeout")]


def test_an_open_association_holds_the_studies_that_it_brought_objects_of(
    tracker: Tracker,
) -> None:
    """Until it is over; others do not hold them."""
    receive(tracker, "1", "x", A, 0.0)
    receive(tracker, "2", "y", B, 0.0)
    tracker.released("b")

    assert ended(tracker, 50.0) == [("2", 1, 1, "timeout")]
    tracker.released("a")
    assert ended(tracker, 50.0) == [("1", 1, 1, "timeout")]


def test_a_forgotten_association_does_not_hold_a_study_for_ever(tracker: Tracker) -> None:
    """After the limit the study ends, and says that it was held."""
    receive(tracker, "1", "x", A, 0.0)

    assert ended(tracker, 99.9) == []
    assert ended(tracker, 100.0) == [("1", 1, 1, "cap")]


def test_the_associations_of_a_process_that_is_gone_hold_nothing(tracker: Tracker) -> None:
    """Its commands, which nobody waits for any more, are run again."""
    running = JOB._replace(state=JobState.RUNNING, attempts=1, values=(("owner", "1"),))
    receive(tracker, "1", "x", A, 0.0, running)
    receive(tracker, "2", "y", B, 0.0)

    tracker.lost("1")

    assert ended(tracker, 20.0) == [("1", 1, 1, "timeout")]
    job = tracker.start_next(20.0)
    assert job is not None
    assert (job.key, job.attempts) == ("job", 2)


def test_what_comes_later_opens_another_round(tracker: Tracker) -> None:
    """Rounds are numbered, each with a token of its own."""
    first = receive(tracker, "1", "x", A, 0.0)
    tracker.released("a")
    assert ended(tracker, 10.0) == [("1", 1, 1, "timeout")]
    second = receive(tracker, "1", "x", B, 11.0)
    tracker.released("b")

    assert (first.number, second.number) == (1, 2)
    assert first.token != second.token
    assert ended(tracker, 21.0) == [("1", 2, 1, "timeout")]


def test_a_file_that_is_replaced_counts_once(tracker: Tracker) -> None:
    """The same instance sent twice is one object of the round; its time starts anew."""
    receive(tracker, "1", "x", A, 0.0)
    receive(tracker, "1", "x", B, 5.0)
    tracker.released("a")
    tracker.released("b")

    assert ended(tracker, 10.0) == []
    assert ended(tracker, 15.0) == [("1", 1, 1, "timeout")]


def test_nobody_enters_a_study_that_is_ending(tracker: Tracker) -> None:
    """Until its files have their names; then it is open for another round."""
    receive(tracker, "1", "x", A, 0.0)
    tracker.released("a")
    [one] = tracker.end_due(10.0)

    entered = tracker.enter("1", "out/1", B, 11.0)
    assert entered is not None
    assert entered.state is RoundState.ENDING
    assert tracker.end_due(12.0) == [one]  # and again, until it is complete
    tracker.complete(one, 12.0)
    entered = tracker.enter("1", "out/1", B, 12.0)
    assert entered is not None
    assert (entered.number, entered.state) == (2, RoundState.OPEN)


def test_an_object_whose_round_ended_meanwhile_opens_another(tracker: Tracker) -> None:
    """It was entered, held too long, and is stored after the end: nothing is lost."""
    entered = tracker.enter("1", "out/1", A, 0.0)
    assert entered is not None
    tracker.stored(entered, StoredFile("x", "CT"), A, 0.0)
    assert ended(tracker, 100.0) == [("1", 1, 1, "cap")]

    later = tracker.stored(entered, StoredFile("y", "CT"), A, 101.0)

    assert (later.number, later.directory) == (2, "out/1")
    assert ended(tracker, 120.0) == []  # the association holds this one, too
    tracker.released("a")
    assert ended(tracker, 120.0) == [("1", 2, 1, "timeout")]


def test_a_round_without_objects_leaves_no_trace(tracker: Tracker) -> None:
    """Entered, but the file could not be written: the next one is the first round."""
    assert tracker.enter("1", None, A, 0.0) is None
    tracker.enter("1", "out/1", A, 0.0)
    tracker.released("a")

    assert ended(tracker, 10.0) == []
    assert receive(tracker, "1", "x", A, 20.0).number == 1


def test_a_study_waits_for_the_commands_of_its_objects(tracker: Tracker) -> None:
    """They find the file under the name that they were given; a second attempt has the final name."""
    receive(tracker, "1", "x", A, 0.0, JOB._replace(values=(("file", "x"),)))
    tracker.released("a")
    assert ended(tracker, 20.0) == []
    job = tracker.start_next(20.0)
    assert job is not None
    assert ended(tracker, 20.0) == []

    assert tracker.failed(job, "exit status 1", 21.0) == 5.0
    [one] = tracker.end_due(21.0)
    tracker.name_files(one, [("x", "CT000001")])
    tracker.complete(one, 21.0)

    again = tracker.start_next(26.0)
    assert again is not None
    assert dict(again.values) == {"file": "CT000001"}


def test_commands_are_tried_again_after_growing_pauses_and_then_kept(tracker: Tracker) -> None:
    """Three attempts here; what was given up can be tried again as if for the first time."""
    tracker.add_job(JOB)
    pauses: list[float | None] = []
    now = 0.0
    while (job := tracker.start_next(now)) is not None:
        assert tracker.start_next(now) is None  # nobody else gets it
        pauses.append(tracker.failed(job, f"reason {job.attempts}", now))
        now += pauses[-1] or 0.0

    assert pauses == [5.0, 10.0, None]
    [failed] = tracker.failed_jobs()
    assert (failed.attempts, failed.why) == (3, "reason 3")
    assert tracker.is_idle()
    assert tracker.retry_failed() == 1
    assert tracker.failed_jobs() == []
    job = tracker.start_next(now)
    assert job is not None
    assert (job.key, job.attempts) == (JOB.key, 1)


def test_a_restart_takes_over_everything(store: StudyStore, tracker: Tracker) -> None:
    """Open rounds go on, nobody holds them, running commands run again under the same key, ending rounds are ending."""
    receive(tracker, "1", "x", A, 30.0)
    receive(tracker, "2", "y", A, 0.0)
    tracker.add_job(JOB)
    assert tracker.start_next(30.0) is not None
    tracker.released("a")
    [ending] = tracker.end_due(30.0)

    successor = Tracker(store, EndOfStudy(10.0, 100.0), Retries(3, 5.0))
    assert successor.time() == 30.0
    left = successor.recover(30.0)

    assert left == (2, 1)
    job = successor.start_next(30.0)
    assert job is not None
    assert (job.key, job.attempts) == (JOB.key, 2)
    assert successor.end_due(31.0) == [ending]
    successor.complete(ending, 31.0)
    assert ended(successor, 40.0) == [("1", 1, 1, "timeout")]


def test_the_end_of_the_program_ends_all_rounds(tracker: Tracker) -> None:
    """Where nobody will remember them."""
    receive(tracker, "1", "x", A, 0.0)
    receive(tracker, "2", "y", B, 1.0)

    rounds = tracker.end_all()

    assert [(one.study, one.cause) for one in rounds] == [("1", "stop"), ("2", "stop")]


def test_a_command_of_a_study_is_added_with_its_completion(tracker: Tracker) -> None:
    """It is due at once."""
    receive(tracker, "1", "x", A, 0.0)
    tracker.released("a")
    [one] = tracker.end_due(10.0)
    assert tracker.start_next(10.0) is None
    tracker.complete(one, 10.0, JOB._replace(key=one.token, kind="study", due=10.0))

    job = tracker.start_next(10.0)
    assert job is not None
    assert job.key == one.token
    tracker.succeeded(job)
    assert tracker.is_idle()


def test_a_study_that_has_waited_for_its_commands_ends_when_the_last_has_been_tried(
    tracker: Tracker,
) -> None:
    """Whether that went well or not; it is not looked at in between."""
    for number in range(2):
        job = JOB._replace(key=str(number))
        receive(tracker, "1", f"CT.{number}", A, 0.0, job)
    tracker.released("a")
    assert ended(tracker, 10.0) == []
    assert tracker.next_check() == 100.0

    first, second = tracker.start_next(10.0), tracker.start_next(10.0)
    assert first is not None
    assert second is not None
    tracker.succeeded(first)
    assert ended(tracker, 11.0) == []
    tracker.failed(second, "exit status 1", 12.0)
    assert ended(tracker, 12.0) == [("1", 1, 2, "timeout")]


def test_a_study_that_waits_for_the_command_of_a_worker_that_dies_ends(tracker: Tracker) -> None:
    """That attempt is over, too."""
    running = JOB._replace(state=JobState.RUNNING, attempts=1, values=(("owner", "1"),))
    receive(tracker, "1", "x", A, 0.0, running)
    tracker.released("a")
    assert ended(tracker, 10.0) == []

    tracker.lost("1")
    assert ended(tracker, 10.0) == [("1", 1, 1, "timeout")]


def test_a_command_that_fails_while_its_file_is_renamed_is_told_the_new_name(
    tracker: Tracker,
) -> None:
    """Its second attempt runs when its study ends: the third one finds the file."""
    receive(tracker, "1", "CT.1", A, 0.0, JOB._replace(values=(("file", "CT.1"),)))
    tracker.released("a")
    first = tracker.start_next(0.0)
    assert first is not None
    assert tracker.failed(first, "exit status 1", 0.0) == 5.0
    second = tracker.start_next(5.0)
    assert second is not None
    [one] = tracker.end_due(10.0)
    tracker.name_files(one, [("CT.1", "CT000001")])
    tracker.complete(one, 10.0)

    assert tracker.failed(second, "exit status 1", 11.0) == 10.0
    third = tracker.start_next(21.0)
    assert third is not None
    assert (third.attempts, third.values) == (3, (("file", "CT000001"),))


def test_what_there_is_much_of_is_done_in_batches(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Holds, files, commands and rounds, of which one transaction changes some: in the end all are done."""
    monkeypatch.setattr("storescp.storage.studies.tracker._BATCH", 3)
    for number in range(8):
        receive(tracker, "1", f"CT.{number}", A, 0.0, JOB._replace(key=f"job {number}"))
        receive(tracker, f"2.{number}", "CT.1", B, 0.0)
    tracker.released("a")
    tracker.lost("2")
    while (job := tracker.start_next(0.0)) is not None:
        tracker.failed(job, "exit status 1", 0.0)

    found = []
    while batch := ended(tracker, 10.0):
        found += [study for study, *_ in batch]
    assert sorted(found) == ["1", *(f"2.{number}" for number in range(8))]
    assert not tracker._store.files(1)


def test_at_the_end_rounds_end_in_batches(tracker: Tracker) -> None:
    """None is left out, and those without an object leave no trace."""
    for number in range(5):
        receive(tracker, f"1.{number}", "CT.1", A, 0.0)
        tracker.enter(f"2.{number}", "out", A, 0.0)

    found = []
    while rounds := tracker.end_all(most=2):
        for one in rounds:
            tracker.complete(one, 0.0)
            found.append((one.study, one.cause))
    assert sorted(found) == [(f"1.{number}", "stop") for number in range(5)]
    assert tracker.is_idle()


def test_rounds_that_cannot_be_brought_to_their_end_keep_no_others(tracker: Tracker) -> None:
    """No more than so many end at a time, but those that are skipped do not count."""
    rounds = [receive(tracker, f"1.{number}", "CT.1", A, float(number)) for number in range(4)]
    tracker.released("a")
    keys = [one.key for one in rounds]

    assert [one.key for one in tracker.end_due(50.0, 2)] == keys[:2]
    assert [one.key for one in tracker.end_due(50.0, 2)] == keys[:2]
    assert [one.key for one in tracker.end_due(50.0, 2, skip=keys[:1])] == keys[1:3]
    assert [one.key for one in tracker.end_due(50.0, 2, skip=keys[:2])] == keys[2:]


def test_rounds_that_are_looked_at_in_vain_keep_no_others(tracker: Tracker) -> None:
    """One that got another object, is held, or has none: what is due behind them ends in the same pass."""
    for number in range(6):
        receive(tracker, f"held {number}", "CT.1", A, 0.0)
        tracker.enter(f"empty {number}", "out", B, 0.0)
        receive(tracker, f"young {number}", "CT.1", B, 0.0)
        receive(tracker, f"young {number}", "CT.2", B, 5.0)
    receive(tracker, "due", "CT.1", B, 0.5)
    tracker.released("b")

    assert [one.study for one in tracker.end_due(11.0, most=1)] == ["due"]
