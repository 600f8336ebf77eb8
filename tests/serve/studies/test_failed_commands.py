"""Commands that were given up: listed for people, and started again."""

from contextlib import closing
from pathlib import Path

import pytest

from storescp.errors import ConfigurationError
from storescp.serve.studies.failed_commands import list_failed, retry_failed
from storescp.serve.studies.state_directory import DATABASE
from storescp.storage.studies.jobs import Retries
from storescp.storage.studies.sqlite_store import SQLiteStore
from storescp.storage.studies.study_store import Job
from storescp.storage.studies.tracker import EndOfStudy, Tracker


def given_up(directory: Path, *values: tuple[tuple[str, str], ...]) -> None:
    """Have one job with each of these values fail for good."""
    with closing(SQLiteStore(str(directory / DATABASE))) as store:
        tracker = Tracker(store, EndOfStudy(), Retries(attempts=1))
        for number, each in enumerate(values):
            tracker.add_job(Job(f"job{number}", "object", None, "archive #f", each, 0.0))
            job = tracker.start_next(1.0)
            assert job is not None
            assert tracker.failed(job, "exit status 3", 1.0) is None


def test_each_is_a_line(tmp_path: Path) -> None:
    """Identifier, kind, what it is about, how often it was tried, why it failed, the command."""
    given_up(
        tmp_path,
        (("directory", "out/s_1.2"), ("file", "CT.1")),
        (("sop_instance", "1.2.3"),),
    )

    assert list_failed(str(tmp_path)) == (
        "job0  object  out/s_1.2/CT.1  1 attempt  exit status 3  archive #f\n"
        "job1  object  1.2.3  1 attempt  exit status 3  archive #f\n"
    )


def test_what_a_peer_sent_does_not_reach_the_terminal(tmp_path: Path) -> None:
    """Control characters are shown, not obeyed."""
    given_up(tmp_path, (("directory", "out/\x1b[2J"), ("file", "CT.1")))

    assert "\x1b" not in list_failed(str(tmp_path))


def test_they_are_started_again(tmp_path: Path) -> None:
    """All of them; then none is listed, and the next one to start is there."""
    given_up(tmp_path, (("file", "CT.1"),), (("file", "CT.2"),))

    told = retry_failed(str(tmp_path))

    assert told == "2 commands will be started again\n"
    assert list_failed(str(tmp_path)) == ""
    with closing(SQLiteStore(str(tmp_path / DATABASE))) as store:
        job = Tracker(store, EndOfStudy(), Retries()).start_next(10.0)
    assert job is not None
    assert job.key == "job0"


@pytest.mark.parametrize("function", [list_failed, retry_failed])
def test_there_is_no_state(function: object, tmp_path: Path) -> None:
    """Where there is none, none is made."""
    assert callable(function)

    with pytest.raises(ConfigurationError, match="there is no state"):
        function(str(tmp_path))

    assert list(tmp_path.iterdir()) == []
