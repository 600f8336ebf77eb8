"""exclusive: a name is never taken from another file, whatever the file system can do."""

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from storescp.storage.files import rename_noreplace
from storescp.storage.files.rename_noreplace import rename_new


@pytest.fixture(params=["renameat2", "link", "neither"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Take away what a file system may lack."""
    patches: list[Any] = []
    if request.param != "renameat2":
        patches.append(mock.patch.object(rename_noreplace, "_renameat2", return_value=None))
    if request.param == "neither":
        failure = OSError(errno.EOPNOTSUPP, "Operation not supported")
        patches.append(mock.patch.object(os, "link", mock.Mock(side_effect=failure)))
    for patch in patches:
        patch.start()
    yield request.param
    for patch in patches:
        patch.stop()


@pytest.mark.usefixtures("way")
def test_file_gets_a_free_name(tmp_path: Path) -> None:
    """And has no other."""
    (tmp_path / "old").write_text("content")

    rename_new(str(tmp_path / "old"), str(tmp_path / "new"))

    assert os.listdir(tmp_path) == ["new"]
    assert (tmp_path / "new").read_text() == "content"


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", ["file", "directory", "link", "dangling link", "pipe"])
def test_taken_names_stay(tmp_path: Path, kind: str) -> None:
    """Whatever bears the name keeps it."""
    source, target = tmp_path / "old", tmp_path / "new"
    source.write_text("content")
    match kind:
        case "file":
            target.write_text("kept")
        case "directory":
            target.mkdir()
        case "link":
            target.symlink_to(source)
        case "dangling link":
            target.symlink_to(tmp_path / "missing")
        case _:
            os.mkfifo(target)
    before = target.lstat()

    with pytest.raises(FileExistsError):
        rename_new(str(source), str(target))

    assert before == target.lstat()
    assert source.read_text() == "content"


@pytest.mark.usefixtures("way")
def test_source_counts_from_a_directory(tmp_path: Path) -> None:
    """As for the calls with `at` in their names."""
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "old").write_text("content")
    place = os.open(tmp_path / "hidden", os.O_RDONLY)
    try:
        rename_new("old", str(tmp_path / "new"), source_directory=place)
    finally:
        os.close(place)

    assert (tmp_path / "new").read_text() == "content"
    assert not os.listdir(tmp_path / "hidden")


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("source", "target", "number"),
    [
        ("missing", "new", errno.ENOENT),
        ("old", "missing/new", errno.ENOENT),
        ("old", "old/new", errno.ENOTDIR),
        ("old", "x" * 256, errno.ENAMETOOLONG),
    ],
)
def test_other_failures_are_told(tmp_path: Path, source: str, target: str, number: int) -> None:
    """With the system's error number and reason."""
    (tmp_path / "old").write_text("content")

    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        rename_new(str(tmp_path / source), str(tmp_path / target))

    assert number == caught.value.errno
    assert os.listdir(tmp_path) == ["old"]


def test_of_many_at_once_exactly_one_wins(tmp_path: Path, way: str) -> None:
    """Threads that want one name: one gets it (not where a look must do)."""
    if way == "neither":
        return
    for number in range(20):
        (tmp_path / str(number)).write_text(str(number))
    results: list[bool] = []

    def attempt(number: int) -> None:
        try:
            rename_new(str(tmp_path / str(number)), str(tmp_path / "new"))
        except FileExistsError:
            results.append(False)
        else:
            results.append(True)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results.count(True) == 1
    assert len(os.listdir(tmp_path)) == 20


def test_c_library_without_the_call_is_survived() -> None:
    """Old or other C libraries lack renameat2."""
    rename_noreplace._renameat2.cache_clear()
    with mock.patch("ctypes.CDLL", side_effect=OSError):
        assert rename_noreplace._renameat2() is None
    rename_noreplace._renameat2.cache_clear()


@pytest.mark.parametrize("way", ["renameat2", "link"], indirect=True)
@pytest.mark.usefixtures("way")
def test_what_was_interrupted_between_two_names_is_finished(tmp_path: Path) -> None:
    """Killed between link and unlink, or told by NFS that what has succeeded failed: the file is left with its new name."""
    (tmp_path / "old").write_text("content")
    os.link(tmp_path / "old", tmp_path / "new")

    rename_new(str(tmp_path / "old"), str(tmp_path / "new"))

    assert os.listdir(tmp_path) == ["new"]
    assert (tmp_path / "new").read_text() == "content"


@pytest.mark.parametrize("way", ["renameat2", "link"], indirect=True)
@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("spelling", ["old", "./old", "OLD"])
def test_a_file_is_not_taken_away_from_its_own_name(tmp_path: Path, spelling: str) -> None:
    """The same name, perhaps spelled otherwise as some file systems allow, is taken, even if there are other links."""
    (tmp_path / "old").write_text("content")
    os.link(tmp_path / "old", tmp_path / "link")
    if not (tmp_path / spelling).exists():
        os.link(tmp_path / "old", tmp_path / spelling)

    with pytest.raises(FileExistsError):
        rename_new(str(tmp_path / "old"), str(tmp_path / spelling))

    assert (tmp_path / "old").read_text() == "content"
