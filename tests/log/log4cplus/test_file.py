"""Log files: plain, rolled by size, rolled by time."""

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storescp.log.log4cplus import factory
from storescp.log.log4cplus import file as log_files
from storescp.log.log4cplus.diagnostics import Diagnostics
from storescp.log.log4cplus.file import (
    FileAppender,
    FileOptions,
    Schedule,
    SizeRollingAppender,
    TimeRollingAppender,
    end_of_period,
    start_of_period,
)
from storescp.log.log4cplus.properties import parse
from tests.log.logging_state import event, run_python

LARGEST = log_files.MINIMUM_SIZE_LIMIT_BYTES


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def _new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Live in a place with summer time."""
    monkeypatch.setenv("TZ", "EST5EDT,M3.2.0,M11.1.0")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def make(class_name: str, file: Path | str, properties: str = "") -> FileAppender:
    text = (
        f"File={file}\n{properties}\nlayout=log4cplus::PatternLayout\nlayout.ConversionPattern=%m%n"
    )
    appender = factory.make(f"log4cplus::{class_name}", parse(text), Diagnostics())
    assert isinstance(appender, FileAppender)
    return appender


def content(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(directory.iterdir())}


# -- plain files -----------------------------------------------------------------------------------


def test_file_is_begun_anew_by_default(file: Path) -> None:
    """A plain file is truncated at start; every event is written at once."""
    file.write_text("old\n")
    appender = make("FileAppender", file)

    appender.handle(event("one"))
    appender.handle(event("two\nlines"))

    assert file.read_text() == "one\ntwo\nlines\n"
    appender.close()


def test_file_can_be_appended_to(file: Path) -> None:
    """With `Append` what is there stays."""
    file.write_text("old\n")
    appender = make("FileAppender", file, "Append=true")

    appender.handle(event("new"))
    appender.close()

    assert file.read_text() == "old\nnew\n"


def test_file_exists_from_the_start(file: Path) -> None:
    """The file is made when the appender is."""
    make("FileAppender", file).close()

    assert content(file.parent) == {"log": ""}


def test_bytes_of_file_names_come_out_as_they_are(file: Path) -> None:
    """A message may hold bytes that are no UTF-8, and characters that no file can hold."""
    appender = make("FileAppender", file)

    appender.handle(event("M\udcfcller"))
    appender.handle(event("\ud800"))
    appender.close()

    assert file.read_bytes() == b"M\xfcller\n\\ud800\n"


@pytest.mark.parametrize(("expected", "size"), [("", 0), ("", 100), ("one\ntwo\n", 8)])
def test_buffered_file_is_written_in_pieces(expected: str, size: int, file: Path) -> None:
    """Without `ImmediateFlush` events are collected up to the size of the buffer."""
    appender = make("FileAppender", file, f"ImmediateFlush=false\nBufferSize={size}")

    appender.handle(event("one"))
    appender.handle(event("two"))
    before = file.read_text()
    appender.close()

    assert (before, file.read_text()) == (expected, "one\ntwo\n")


def test_children_append_to_the_same_file(file: Path) -> None:
    """A child writes behind its parent, and nothing is written twice."""
    run_python(
        """
        appender = factory.make("log4cplus::FileAppender", properties, Diagnostics())
        appender.handle(event("parent"))
        if not os.fork():
            appender.handle(event("child"))
            appender.flush()
            os._exit(0)
        os.wait()
        appender.handle(event("parent again"))
        appender.close()
        """,
        f"File={file}\nImmediateFlush=false",
    )

    assert file.read_text() == "INFO - parent\nINFO - child\nINFO - parent again\n"


@pytest.mark.parametrize(
    ("expected", "name"),
    [
        ("Unable to open file: /nonexistent/log", "/nonexistent/log"),
        ("Unable to open file: a\0b", "a\0b"),
        ("Invalid filename", ""),
    ],
)
def test_unusable_name_is_complained_about_once(
    expected: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that cannot be opened costs its events, not the program."""
    appender = make("FileAppender", name, "ReopenDelay=0")

    appender.handle(event())
    appender.handle(event())
    appender.close()

    assert capsys.readouterr().err == f"log4cplus:ERROR {expected}\n"


def test_file_is_opened_once_that_is_possible(tmp_path: Path) -> None:
    """After the delay it is tried again: the directory may have come up meanwhile."""
    appender = make("FileAppender", tmp_path / "later" / "log", "ReopenDelay=0")
    appender.handle(event("lost"))

    (tmp_path / "later").mkdir()
    appender.handle(event("kept"))
    appender.close()

    assert content(tmp_path / "later") == {"log": "kept\n"}


def test_reopening_waits_for_its_delay(tmp_path: Path) -> None:
    """Within the delay no attempt is made."""
    appender = make("FileAppender", tmp_path / "later" / "log", "ReopenDelay=1000")

    (tmp_path / "later").mkdir()
    appender.handle(event("lost"))

    assert content(tmp_path / "later") == {}


def test_full_disk_is_complained_about_once(capsys: pytest.CaptureFixture[str]) -> None:
    """What does not fit on the disk is dropped, with one complaint."""
    appender = make("FileAppender", "/dev/full", "ReopenDelay=1000")

    appender.handle(event())
    appender.handle(event())
    appender.close()

    assert capsys.readouterr().err == (
        "log4cplus:ERROR Unable to write to file: /dev/full: No space left on device\n"
    )


def test_event_torn_by_a_full_disk_is_ended(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is room again, the next event begins in a new line."""
    appender = make("FileAppender", file, "ReopenDelay=0")
    write = os.write
    room = [3]

    def write_while_there_is_room(descriptor: int, data: memoryview) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        count = write(descriptor, data[: room[0]])
        room[0] -= count
        return count

    monkeypatch.setattr(os, "write", write_while_there_is_room)
    appender.handle(event("first"))
    appender.handle(event("dropped"))
    monkeypatch.setattr(os, "write", write)
    appender.handle(event("second"))
    appender.close()

    assert file.read_text() == "fir\nsecond\n"


def test_pipe_without_reader_does_not_block(tmp_path: Path) -> None:
    """A named pipe that nobody reads is a file that cannot be opened."""
    os.mkfifo(tmp_path / "pipe")

    make("FileAppender", tmp_path / "pipe").handle(event())


def test_lock_file_is_named_after_the_log_file(file: Path) -> None:
    """With `UseLockFile` alone there is a lock file beside the log file."""
    appender = make("FileAppender", file, "UseLockFile=true")
    appender.handle(event("one"))
    appender.close()

    assert content(file.parent) == {"log": "one\n", "log.lock": ""}


# -- rolled by size --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "properties"),
    [
        (10 * 1024 * 1024, ""),
        (LARGEST, "MaxFileSize=100KB"),
        (LARGEST, "MaxFileSize=nonsense"),
        (LARGEST, "MaxFileSize="),
        (500 * 1024, "MaxFileSize=500KB"),
        (500 * 1024, "MaxFileSize=500 kb"),
        (5 * 1024 * 1024, "MaxFileSize=5MB"),
        (300000, "MaxFileSize=300000"),
        (300000, "MaxFileSize=300000 bytes"),
    ],
)
def test_maximum_size(expected: int, properties: str, file: Path) -> None:
    """A number with KB, MB or nothing behind it, and never less than 200 KiB."""
    appender = make("RollingFileAppender", file, properties)
    assert isinstance(appender, SizeRollingAppender)

    assert expected == appender._maximum_size
    appender.close()


def test_rolling_by_size(file: Path) -> None:
    """After the event that exceeds the maximum files move up, and the last one goes."""
    file.write_text("from before\n")
    appender = make("RollingFileAppender", file, "MaxFileSize=200KB\nMaxBackupIndex=2")

    for name in "abcd":
        appender.handle(event(name * LARGEST))
    appender.handle(event("end"))
    appender.close()

    assert {name: (text[0], len(text)) for name, text in content(file.parent).items()} == {
        "log": ("e", 4),
        "log.1": ("d", LARGEST + 1),
        "log.2": ("c", LARGEST + 1),
    }


@pytest.mark.parametrize("properties", ["", "MaxBackupIndex=0", "MaxBackupIndex=-5"])
def test_at_least_one_copy_is_kept(properties: str, file: Path) -> None:
    """Values below 1 count as 1."""
    appender = make("RollingFileAppender", file, "MaxFileSize=200KB\n" + properties)

    for name in "ab":
        appender.handle(event(name * LARGEST))
    appender.close()

    assert {name: text[:1] for name, text in content(file.parent).items()} == {
        "log": "",
        "log.1": "b",
    }


def test_buffered_file_is_rolled_by_what_was_logged(file: Path) -> None:
    """What is still in the buffer counts."""
    appender = make(
        "RollingFileAppender", file, "MaxFileSize=200KB\nImmediateFlush=0\nBufferSize=9999999"
    )

    appender.handle(event("a" * LARGEST))
    appender.handle(event("b"))
    appender.close()

    assert {name: text[:1] for name, text in content(file.parent).items()} == {
        "log": "b",
        "log.1": "a",
    }


def test_only_one_process_rolls(file: Path) -> None:
    """A process that finds the file rolled by another one goes on with the new file and rolls nothing."""
    one = make("RollingFileAppender", file, "MaxFileSize=200KB\nMaxBackupIndex=9")
    other = make("RollingFileAppender", file, "MaxFileSize=200KB\nMaxBackupIndex=9")

    one.handle(event("a" * LARGEST))
    other.handle(event("b"))
    one.handle(event("c"))
    one.close()
    other.close()

    assert {name: text[:4] for name, text in content(file.parent).items()} == {
        "log": "b\nc\n",
        "log.1": "aaaa",
    }


def test_rolling_checks_again_under_the_lock(file: Path) -> None:
    """Between the look at the size and the lock another process may have rolled."""
    appender = make("RollingFileAppender", file, "MaxFileSize=200KB")
    assert isinstance(appender, SizeRollingAppender)
    os.rename(file, f"{file}.1")
    file.write_text("new\n")

    assert appender.roll([f"{file}.1", f"{file}.2"])

    assert content(file.parent) == {"log": "new\n", "log.1": ""}
    appender.close()


def test_removed_file_is_made_again(file: Path) -> None:
    """A rolled file that somebody removes is made again by the next event."""
    appender = make("RollingFileAppender", file)
    appender.handle(event("one"))

    file.unlink()
    appender.handle(event("two"))
    appender.close()

    assert content(file.parent) == {"log": "two\n"}


def test_what_cannot_be_renamed_goes_on(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When rolling fails nothing is lost: the file grows on, with one complaint."""
    appender = make("RollingFileAppender", file, "MaxFileSize=200KB")

    def refuse(source: str, target: str) -> None:
        raise PermissionError(13, "Permission denied", source, None, target)

    monkeypatch.setattr(os, "rename", refuse)
    appender.handle(event("a" * LARGEST))
    appender.handle(event("b"))
    appender.close()

    assert len(content(file.parent)["log"]) == LARGEST + 3
    assert capsys.readouterr().err == (
        f"log4cplus:ERROR Failed to rename file from {file} to {file}.1; error 13\n"
    )


def test_devices_are_not_rolled() -> None:
    """A device has no size to exceed and no name to give away."""
    appender = make("RollingFileAppender", "/dev/null")

    appender.handle(event("a" * LARGEST))
    appender.close()

    assert os.path.exists("/dev/null")


def test_file_that_is_gone_for_good_costs_its_events(tmp_path: Path) -> None:
    """A directory that vanishes takes the log with it, and nothing else."""
    directory = tmp_path / "logs"
    directory.mkdir()
    appender = make("RollingFileAppender", directory / "log", "MaxFileSize=200KB")
    (directory / "log").unlink()
    directory.rmdir()

    appender.handle(event("lost"))
    appender.close()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failure", ["held", "unsupported", "no directory"])
def test_directory_that_cannot_be_locked(
    failure: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rolling goes on after a while, with or without the lock."""
    monkeypatch.setattr(log_files, "_ROLLING_LOCK_WAIT_SECONDS", 0.01)
    appender = make("RollingFileAppender", file, "MaxFileSize=200KB")
    error = BlockingIOError() if failure == "held" else OSError(95, "not supported")

    def refuse(*_: object) -> None:
        raise error

    if failure == "no directory":
        monkeypatch.setattr(os.path, "dirname", lambda _path: "/nonexistent")
    else:
        monkeypatch.setattr(fcntl, "flock", refuse)
    appender.handle(event("a" * LARGEST))
    appender.close()

    assert sorted(content(file.parent)) == ["log", "log.1"]


# -- rolled by time --------------------------------------------------------------------------------


def moment(text: str) -> float:
    return time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S"))


def shown(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


@pytest.mark.usefixtures("_new_york")
@pytest.mark.parametrize(
    ("start", "end", "schedule", "now"),
    [
        ("2026-11-01 00:00:00", "2026-12-01 00:00:00", Schedule.MONTHLY, "2026-11-24 10:20:30"),
        ("2026-12-01 00:00:00", "2027-01-01 00:00:00", Schedule.MONTHLY, "2026-12-31 23:59:59"),
        ("2026-11-22 00:00:00", "2026-11-29 00:00:00", Schedule.WEEKLY, "2026-11-24 10:20:30"),
        ("2026-11-22 00:00:00", "2026-11-29 00:00:00", Schedule.WEEKLY, "2026-11-22 00:00:00"),
        ("2026-11-29 00:00:00", "2026-12-06 00:00:00", Schedule.WEEKLY, "2026-12-01 00:00:00"),
        ("2026-11-24 00:00:00", "2026-11-25 00:00:00", Schedule.DAILY, "2026-11-24 10:20:30"),
        ("2026-03-08 00:00:00", "2026-03-09 00:00:00", Schedule.DAILY, "2026-03-08 12:00:00"),
        ("2026-11-24 00:00:00", "2026-11-24 12:00:00", Schedule.TWICE_DAILY, "2026-11-24 10:20:30"),
        ("2026-11-24 12:00:00", "2026-11-25 00:00:00", Schedule.TWICE_DAILY, "2026-11-24 12:00:00"),
        ("2026-11-24 10:00:00", "2026-11-24 11:00:00", Schedule.HOURLY, "2026-11-24 10:20:30"),
        ("2026-11-24 10:20:00", "2026-11-24 10:21:00", Schedule.MINUTELY, "2026-11-24 10:20:30"),
    ],
)
def test_periods(start: str, end: str, schedule: Schedule, now: str) -> None:
    """Periods begin and end by the calendar, in local time, also when the clocks are changed."""
    begun = start_of_period(schedule, moment(now) + 0.5)

    assert (start, end) == (shown(begun), shown(end_of_period(schedule, begun)))


@pytest.mark.parametrize("schedule", list(Schedule))
def test_schedules_are_named_in_any_case(schedule: Schedule, file: Path) -> None:
    """The names of schedules are those of the reference."""
    appender = make("DailyRollingFileAppender", file, f"Schedule={schedule.name.lower()}")

    assert isinstance(appender, TimeRollingAppender)
    assert schedule is appender._schedule
    appender.close()


def rolling(
    file: Path, now: str, *, schedule: Schedule = Schedule.DAILY, backups: int = 10
) -> TimeRollingAppender:
    appender = TimeRollingAppender(
        Diagnostics(), FileOptions(str(file)), schedule=schedule, backups=backups, now=moment(now)
    )
    appender.setFormatter(logging.Formatter("%(message)s\n"))
    return appender


def at(text: str) -> logging.LogRecord:
    return event(text, created=moment(text))


@pytest.mark.parametrize(
    ("expected", "schedule"),
    [
        ("log.2026-11", Schedule.MONTHLY),
        ("log.2026-46", Schedule.WEEKLY),  # of its Sunday, in weeks from Monday
        ("log.2026-11-24", Schedule.DAILY),
        ("log.2026-11-24-AM", Schedule.TWICE_DAILY),
        ("log.2026-11-24-10", Schedule.HOURLY),
        ("log.2026-11-24-10-20", Schedule.MINUTELY),
    ],
)
def test_first_event_of_a_period_rolls(expected: str, schedule: Schedule, file: Path) -> None:
    """The file gets the name of the period that is over, and the event goes into a new one."""
    appender = rolling(file, "2026-11-24 10:20:30", schedule=schedule)

    appender.handle(at("2026-11-24 10:20:40"))
    appender.handle(at("2027-02-01 00:00:00"))
    appender.close()

    assert content(file.parent) == {
        "log": "2027-02-01 00:00:00\n",
        expected: "2026-11-24 10:20:40\n",
    }


def test_periods_follow_each_other(file: Path) -> None:
    """Each period has its file; one without events has none. The end of the process does not roll."""
    appender = rolling(file, "2026-11-24 10:00:00")

    for day in ("24 23:59:59", "25 00:00:00", "25 12:00:00", "28 01:00:00"):
        appender.handle(at(f"2026-11-{day}"))
    appender.close()

    assert content(file.parent) == {
        "log": "2026-11-28 01:00:00\n",
        "log.2026-11-24": "2026-11-24 23:59:59\n",
        "log.2026-11-25": "2026-11-25 00:00:00\n2026-11-25 12:00:00\n",
    }


def test_older_copies_of_a_period_move_up(file: Path) -> None:
    """Where a file of the period is already, it is numbered; the last number is lost."""
    for name, text in (
        ("", "now"),
        (".2026-11-24", "a"),
        (".2026-11-24.1", "b"),
        (".2026-11-24.2", "c"),
    ):
        Path(f"{file}{name}").write_text(text)
    appender = rolling(file, "2026-11-24 10:00:00", backups=2)
    appender._start = moment("2026-11-24 00:00:00")
    appender._end = moment("2026-11-25 00:00:00")

    appender.handle(at("2026-11-25 00:00:00"))
    appender.close()

    assert content(file.parent) == {
        "log": "2026-11-25 00:00:00\n",
        "log.2026-11-24": "now",
        "log.2026-11-24.1": "a",
        "log.2026-11-24.2": "b",
    }


def test_file_of_an_earlier_process_belongs_to_its_period(file: Path) -> None:
    """What was written last the day before is rolled, though this process has just begun."""
    file.write_text("yesterday\n")
    os.utime(file, (0, moment("2026-11-23 22:00:00")))
    appender = rolling(file, "2026-11-24 10:00:00")

    appender.handle(at("2026-11-24 10:00:01"))
    appender.close()

    assert content(file.parent) == {
        "log": "2026-11-24 10:00:01\n",
        "log.2026-11-23": "yesterday\n",
    }


def test_only_one_process_rolls_at_the_end_of_a_period(file: Path) -> None:
    """The children of `--fork` all find that the period is over; one rolls, the others follow."""
    one, other = rolling(file, "2026-11-24 10:00:00"), rolling(file, "2026-11-24 10:00:00")
    one.handle(at("2026-11-24 10:00:01"))
    other.handle(at("2026-11-24 10:00:02"))

    one.handle(at("2026-11-25 10:00:03"))
    other.handle(at("2026-11-25 10:00:04"))
    one.close()
    other.close()

    assert content(file.parent) == {
        "log": "2026-11-25 10:00:03\n2026-11-25 10:00:04\n",
        "log.2026-11-24": "2026-11-24 10:00:01\n2026-11-24 10:00:02\n",
    }


def test_rolling_by_time_that_fails_keeps_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost when the file cannot be renamed."""
    appender = rolling(file, "2026-11-24 10:00:00")

    def refuse(source: str, target: str) -> None:
        raise PermissionError(13, "Permission denied", source, None, target)

    monkeypatch.setattr(os, "rename", refuse)
    appender.handle(at("2026-11-24 10:00:01"))
    appender.handle(at("2026-11-25 10:00:02"))
    appender.close()

    assert content(file.parent) == {"log": "2026-11-24 10:00:01\n2026-11-25 10:00:02\n"}


def test_time_rolling_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that cannot be opened is no obstacle to the end of a period."""
    appender = rolling(Path("/nonexistent/log"), "2026-11-24 10:00:00")

    appender.handle(at("2026-11-25 10:00:02"))
    appender.close()

    assert capsys.readouterr().err == "log4cplus:ERROR Unable to open file: /nonexistent/log\n"


@pytest.mark.parametrize("schedule", ["", "fortnightly"])
def test_unknown_schedule_is_daily(
    schedule: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing or unknown schedule is complained about."""
    appender = make("DailyRollingFileAppender", file, f"Schedule={schedule}")

    assert isinstance(appender, TimeRollingAppender)
    assert appender._schedule is Schedule.DAILY
    assert capsys.readouterr().err == (
        f'log4cplus:WARN DailyRollingFileAppender::ctor()- "Schedule" not valid: {schedule}\n'
    )
    appender.close()


def test_rolled_files_are_appended_to_by_default(file: Path) -> None:
    """Other than plain files, rolled ones keep what is there, unless told otherwise."""
    for class_name in ("RollingFileAppender", "DailyRollingFileAppender"):
        file.write_text("old\n")
        make(class_name, file, "Schedule=DAILY").close()
        kept = file.read_text()
        make(class_name, file, "Schedule=DAILY\nAppend=false").close()
        assert (kept, file.read_text()) == ("old\n", "")
