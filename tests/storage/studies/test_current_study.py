"""study: which study is current, and when it ends."""

import random

import pytest

from storescp.storage.studies.current_study import CurrentStudyTracker, StudyFile


def test_without_objects_there_is_no_study() -> None:
    """Nothing is current, nothing expires, nothing is left at the end."""
    tracker = CurrentStudyTracker(timeout=0)

    assert tracker.current is None
    assert tracker.directory_of("1.2") is None
    assert tracker.deadline() is None
    assert tracker.expire(1e9) is None
    assert tracker.finish() is None


def test_study_of_another_uid_ends_the_current_one() -> None:
    """Studies A, B, A: each change ends the study before, and A begins anew."""
    tracker = CurrentStudyTracker(keep_names=True)

    assert tracker.begin("A", "out/a", 0) is None
    tracker.stored("CT.1", "CT", 0)
    ended = [tracker.begin("B", "out/b", 1)]
    tracker.stored("MR.2", "MR", 1)
    ended.append(tracker.begin("A", "out/a", 2))

    assert [(study.uid, study.directory, study.objects) for study in ended if study] == [
        ("A", "out/a", 1),
        ("B", "out/b", 1),
    ]
    assert [study.files for study in ended if study] == [[("CT.1", "CT")], [("MR.2", "MR")]]
    assert tracker.directory_of("A") == "out/a"
    assert tracker.directory_of("B") is None


def test_uids_are_compared_before_they_are_sanitised() -> None:
    """`1/2` and `1;2` are two studies, though their directories may have one name."""
    tracker = CurrentStudyTracker()
    tracker.begin("1/2", "out/1_2", 0)

    assert tracker.directory_of("1;2") is None


def test_files_are_kept_in_order_with_two_letters() -> None:
    """`SR_t` becomes `SR`, an unknown class `UN`; a file that came twice is there twice."""
    tracker = CurrentStudyTracker(keep_names=True)
    tracker.begin("A", "out/a", 0)
    for name, prefix in (("a", "SR_t"), ("b", "UNKNOWN"), ("a", "SR_t"), ("c", "CT")):
        tracker.stored(name, prefix, 0)

    study = tracker.finish()

    assert study is not None
    assert study.files == [("a", "SR"), ("b", "UN"), ("a", "SR"), ("c", "CT")]
    assert isinstance(study.files[0], StudyFile)


def test_names_are_not_kept_without_need() -> None:
    """The number of objects is known nevertheless."""
    tracker = CurrentStudyTracker()
    tracker.begin("A", "out/a", 0)
    for _ in range(5):
        tracker.stored("CT.1", "CT", 0)

    assert tracker.current is not None
    assert (tracker.current.files, tracker.current.objects) == ([], 5)


def test_study_ends_by_time_once() -> None:
    """It expires at its deadline, not before, and only once."""
    tracker = CurrentStudyTracker(timeout=10)
    tracker.begin("A", "out/a", 100)
    tracker.stored("CT.1", "CT", 105)

    assert tracker.deadline() == 115
    assert tracker.expire(114.9) is None
    study = tracker.expire(115)
    assert study is not None
    assert study.uid == "A"
    assert tracker.expire(1000) is None
    assert tracker.directory_of("A") is None


def test_only_stored_objects_of_the_study_restart_the_clock() -> None:
    """Asking, as for each connection and echo, has no influence."""
    tracker = CurrentStudyTracker(timeout=10)
    tracker.begin("A", "out/a", 0)
    tracker.stored("CT.1", "CT", 0)

    for now in range(1, 10):
        assert tracker.expire(now) is None
        assert tracker.directory_of("A") is not None
    assert tracker.expire(10) is not None


def test_time_out_of_zero_ends_at_the_first_quiet_moment() -> None:
    """0 is a time-out, not none."""
    tracker = CurrentStudyTracker(timeout=0)
    tracker.begin("A", "out/a", 5)
    tracker.stored("CT.1", "CT", 5)

    assert tracker.expire(5) is not None


def test_without_time_out_only_the_end_of_the_program_ends_the_last_study() -> None:
    """The reference forgets it; here `finish` hands it over."""
    tracker = CurrentStudyTracker()
    tracker.begin("A", "out/a", 0)

    assert tracker.deadline() is None
    assert tracker.expire(1e9) is None
    study = tracker.finish()
    assert study is not None
    assert study.uid == "A"
    assert tracker.finish() is None


def test_object_outside_of_a_study_is_not_noted() -> None:
    """`stored` without a study changes nothing."""
    tracker = CurrentStudyTracker(timeout=1, keep_names=True)

    tracker.stored("CT.1", "CT", 0)

    assert tracker.current is None


@pytest.mark.parametrize("seed", range(20))
def test_every_object_is_in_exactly_one_ended_study(seed: int) -> None:
    """Under random changes and silences no object is lost and none reported twice."""
    rng = random.Random(seed)
    tracker = CurrentStudyTracker(timeout=5, keep_names=True)
    now, ended, sent = 0.0, [], []
    for number in range(200):
        now += rng.choice((0, 1, 4, 6))
        ended.append(tracker.expire(now))
        uid = rng.choice("ABC")
        if tracker.directory_of(uid) is None:
            ended.append(tracker.begin(uid, uid, now))
        tracker.stored(f"{uid}{number}", "CT", now)
        sent.append(f"{uid}{number}")
    ended.append(tracker.finish())

    studies = [study for study in ended if study]
    assert sent == [file.name for study in studies for file in study.files]
    assert all(file.name[0] == study.uid for study in studies for file in study.files)
