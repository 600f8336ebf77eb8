"""renaming: numbers after a study."""

import logging
import os
from pathlib import Path
from unittest import mock

import pytest

from storescp.storage.studies.current_study import StudyFile
from storescp.storage.studies.renaming import rename_study

pytestmark = pytest.mark.usefixtures("each_file_system")


def make(directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).write_text(name)


def contents(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir()}


def test_files_are_numbered_in_order_over_all_modalities(tmp_path: Path) -> None:
    """Two letters, six digits, no extension."""
    files = [
        StudyFile("CT.1.dcm", "CT"),
        StudyFile("SRt.2.dcm", "SR"),
        StudyFile("UNKNOWN.3.dcm", "UN"),
    ]
    make(tmp_path, *(file.name for file in files))

    rename_study(str(tmp_path), files)

    assert contents(tmp_path) == {
        "CT000001": "CT.1.dcm",
        "SR000002": "SRt.2.dcm",
        "UN000003": "UNKNOWN.3.dcm",
    }


def test_study_that_comes_back_goes_on_counting(tmp_path: Path) -> None:
    """The first part is not overwritten, whatever letters it had."""
    make(tmp_path, "CT.1", "MR.2")
    rename_study(str(tmp_path), [StudyFile("CT.1", "CT"), StudyFile("MR.2", "MR")])
    make(tmp_path, "CT.1", "CT.3")

    rename_study(str(tmp_path), [StudyFile("CT.1", "CT"), StudyFile("CT.3", "CT")])

    assert contents(tmp_path) == {
        "CT000001": "CT.1",
        "MR000002": "MR.2",
        "CT000003": "CT.1",
        "CT000004": "CT.3",
    }


def test_number_taken_meanwhile_is_skipped(tmp_path: Path) -> None:
    """Another program may use such names, too."""
    make(tmp_path, "CT.1", "CT.2", "CT000001", "CT000002")
    with mock.patch("storescp.storage.studies.renaming.last_number", return_value=0):
        rename_study(str(tmp_path), [StudyFile("CT.1", "CT"), StudyFile("CT.2", "CT")])

    assert contents(tmp_path) == {
        "CT000001": "CT000001",
        "CT000002": "CT000002",
        "CT000003": "CT.1",
        "CT000004": "CT.2",
    }


def test_failure_costs_a_number_and_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As when an instance came twice: the second renaming finds no file."""
    make(tmp_path, "CT.1", "CT.2")
    files = [StudyFile("CT.1", "CT"), StudyFile("CT.1", "CT"), StudyFile("CT.2", "CT")]

    rename_study(str(tmp_path), files)

    assert contents(tmp_path) == {"CT000001": "CT.1", "CT000003": "CT.2"}
    assert caplog.record_tuples == [
        (
            "dcmtk.apps.storescp",
            logging.WARNING,
            f"cannot rename file '{tmp_path}/CT.1' to '{tmp_path}/CT000002'",
        )
    ]


def test_numbers_grow_beyond_six_digits(tmp_path: Path) -> None:
    """A directory may be full of them."""
    make(tmp_path, "CT999999", "CT.1", "CTx00001", "CT0000001x", "CT00009")

    rename_study(str(tmp_path), [StudyFile("CT.1", "CT")])

    assert contents(tmp_path)["CT1000000"] == "CT.1"


def test_vanished_directory_is_a_warning_for_each_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is raised."""
    rename_study(str(tmp_path / "gone"), [StudyFile("CT.1", "CT")] * 2, durable=True)

    assert len(caplog.records) == 2


def test_durable_renaming_brings_names_to_disk(tmp_path: Path) -> None:
    """Once, after all of them."""
    make(tmp_path, "CT.1")
    with mock.patch.object(os, "fsync") as fsync:
        rename_study(str(tmp_path), [StudyFile("CT.1", "CT")], durable=True)
        assert fsync.call_count == 1


def test_names_that_cannot_be_brought_to_disk_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A loss of power may undo them: the log says so, with the directory and the reason."""
    make(tmp_path, "CT.1")
    with mock.patch.object(os, "fsync", side_effect=OSError(5, "Input/output error")):
        rename_study(str(tmp_path), [StudyFile("CT.1", "CT")], durable=True)

    assert caplog.record_tuples == [
        (
            "dcmtk.apps.storescp",
            logging.ERROR,
            f"cannot bring names of files to disk: {tmp_path}: Input/output error",
        )
    ]
