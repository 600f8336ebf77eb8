"""Files of a finished round get their final names, also when it was interrupted anywhere."""

from pathlib import Path
from unittest import mock

import pytest

from storescp.storage.studies import final_names
from storescp.storage.studies.final_names import give_final_names
from storescp.storage.studies.jobs import Retries
from storescp.storage.studies.memory_store import MemoryStore
from storescp.storage.studies.study_store import Round, StoredFile
from storescp.storage.studies.tracker import EndOfStudy, Sender, Tracker

pytestmark = pytest.mark.usefixtures("each_file_system")

FILES = [("CT.9", "CT"), ("MR.1", "MR"), ("CT.3", "CT")]


@pytest.fixture
def tracker() -> Tracker:
    return Tracker(MemoryStore(), EndOfStudy(0.0), Retries())


def ending_round(tracker: Tracker, directory: Path) -> Round:
    """Return a round with three files that is ending."""
    directory.mkdir(exist_ok=True)
    sender = Sender("a", "1")
    for name, letters in FILES:
        (directory / name).write_text(name)
        entered = tracker.enter("1.2", str(directory), sender, 0.0)
        assert entered is not None
        tracker.stored(entered, StoredFile(name, letters), sender, 0.0)
    tracker.released("a")
    [one] = tracker.end_due(0.0)
    return one


def content(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir()}


def test_files_are_numbered_in_the_order_in_which_they_came(
    tracker: Tracker, tmp_path: Path
) -> None:
    """After the numbers that the directory holds already."""
    (tmp_path / "US000007").write_text("older")

    give_final_names(tracker, ending_round(tracker, tmp_path), durable=True)

    assert content(tmp_path) == {
        "US000007": "older",
        "CT000008": "CT.9",
        "MR000009": "MR.1",
        "CT000010": "CT.3",
    }


@pytest.mark.parametrize("done", range(4))
def test_an_interruption_changes_nothing(tracker: Tracker, tmp_path: Path, done: int) -> None:
    """Wherever it happens, whoever goes on ends with the same names."""
    one = ending_round(tracker, tmp_path)
    renames = 0

    def interrupted(source: str, target: str) -> None:
        nonlocal renames
        if renames == done:
            raise KeyboardInterrupt
        renames += 1
        Path(source).rename(target)

    with mock.patch.object(final_names, "rename_new", interrupted):
        if done < len(FILES):
            with pytest.raises(KeyboardInterrupt):
                give_final_names(tracker, one)
        else:
            give_final_names(tracker, one)
    give_final_names(tracker, one)

    assert content(tmp_path) == {"CT000001": "CT.9", "MR000002": "MR.1", "CT000003": "CT.3"}


def test_a_name_that_was_taken_meanwhile_is_not_taken_away(
    tracker: Tracker, tmp_path: Path
) -> None:
    """Somebody else made a file of the name between plan and rename: the next free one is used."""
    one = ending_round(tracker, tmp_path)
    tracker.name_files(one, [("CT.9", "CT000001"), ("MR.1", "MR000002"), ("CT.3", "CT000003")])
    (tmp_path / "CT000001").write_text("somebody's")

    give_final_names(tracker, one)

    assert content(tmp_path) == {
        "CT000001": "somebody's",
        "CT000002": "CT.9",
        "MR000002": "MR.1",
        "CT000003": "CT.3",
    }
    assert [file.final for file in tracker.files(one)] == ["CT000002", "MR000002", "CT000003"]


def test_a_file_that_is_gone_costs_its_number_only(
    tracker: Tracker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A command may have moved it away; the log says so."""
    one = ending_round(tracker, tmp_path)
    (tmp_path / "MR.1").unlink()

    give_final_names(tracker, one)

    assert content(tmp_path) == {"CT000001": "CT.9", "CT000003": "CT.3"}
    assert "cannot rename file" in caplog.text


def test_a_directory_that_cannot_be_written_keeps_its_names(
    tracker: Tracker, tmp_path: Path
) -> None:
    """Commands that follow are told the names that files really have."""
    one = ending_round(tracker, tmp_path)

    def refuse(_source: str, _target: str) -> None:
        raise PermissionError(13, "Permission denied")

    with mock.patch.object(final_names, "rename_new", refuse):
        give_final_names(tracker, one)

    assert sorted(content(tmp_path)) == ["CT.3", "CT.9", "MR.1"]
    assert {file.final for file in tracker.files(one)} == {""}
