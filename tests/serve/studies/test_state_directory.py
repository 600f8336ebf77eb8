"""A state directory belongs to one receiver; without one, there is a private one on disk for as long as it runs."""

import fcntl
import os
import stat
import time
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from storescp.errors import ConfigurationError
from storescp.serve.studies import state_directory
from storescp.serve.studies.state_directory import StateDirectory, is_in_use, remove_leftovers


@pytest.fixture(autouse=True)
def _places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk and a memory of our own."""
    for name in ("disk", "memory"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(state_directory, "_ON_DISK", str(tmp_path / "disk"))
    monkeypatch.setattr(state_directory, "_IN_MEMORY", str(tmp_path / "memory"))
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)


def abandon(parent: Path, name: str = "storescp-0-abcdefgh", *, mark: bool = True) -> Path:
    """Leave what a killed receiver leaves."""
    path = parent / name
    path.mkdir(mode=0o700)
    for file in ("state.sqlite", "state.sqlite-wal", "state.sqlite-shm", "state.sqlite-lock"):
        (path / file).write_text("a patient's name")
    if mark:
        (path / "in-use").touch()
    return path


def test_a_directory_has_one_owner_at_a_time(tmp_path: Path) -> None:
    """It is made with those above it, private; a second receiver is refused until the first has let it go."""
    path = tmp_path / "above" / "state"
    first = StateDirectory(str(path))

    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert is_in_use(str(path))
    with pytest.raises(ConfigurationError, match=f"{path} is in use by another receiver"):
        StateDirectory(str(path), patience=0.0)
    first.close()
    assert not is_in_use(str(path))
    StateDirectory(str(path), patience=0.0).close()
    assert path.exists()


def test_a_path_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    """With the path and the system's reason."""
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match=f"{tmp_path}/file: Not a directory"):
        StateDirectory(str(tmp_path / "file"))


def test_a_temporary_one_is_private_and_on_disk(tmp_path: Path) -> None:
    """It goes at the end, with what is in it; nothing is in memory."""
    state = StateDirectory(None)
    path = Path(state.path)
    Path(state.database).touch()

    assert path.parent == tmp_path / "disk"
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    state.close()
    assert os.listdir(tmp_path / "disk") == os.listdir(tmp_path / "memory") == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [("{0}/run", "run"), ("{0}/run:{0}/other", "run"), ("{0}/missing", "disk"), ("", "disk")],
)
def test_a_temporary_one_is_where_the_service_manager_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, expected: str
) -> None:
    """In the first of $RUNTIME_DIRECTORY, if it can be written to."""
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", given.format(tmp_path))
    state = StateDirectory(None)

    assert Path(state.path).parent == tmp_path / expected
    state.close()


def test_without_a_disk_for_it_the_usual_place_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of $TMPDIR, as in a container that can write nowhere else."""
    monkeypatch.setattr(state_directory, "_ON_DISK", str(tmp_path / "missing"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "memory"))
    state = StateDirectory(None)

    assert Path(state.path).parent == tmp_path / "memory"
    state.close()


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("run", "storescp-0-abcdefgh"),
        ("disk", "storescp-0-abcdefgh"),
        ("memory", "storescp-abcd_fgh"),
    ],
    ids=["the service manager's", "on disk", "that of 0.1.0"],
)
def test_what_a_killed_receiver_has_left_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, name: str
) -> None:
    """It has patients' names in it, and may have been removed in part."""
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    left = abandon(tmp_path / place, name)
    other = abandon(tmp_path / place, name[:-1] + "x", mark=False)
    os.utime(other, (1e9, 1e9))
    remove_leftovers(time.time())

    assert not left.exists()
    assert not other.exists()


def test_what_may_be_somebodys_stays(tmp_path: Path) -> None:
    """Of a running receiver, of one that has not yet put its mark there, of other users and programs."""
    disk = tmp_path / "disk"
    running = StateDirectory(None)
    young = abandon(disk, "storescp-0-aaaaaaaa", mark=False)
    named = abandon(disk, "storescp-configuration")
    shared = abandon(disk, "storescp-0-bbbbbbbb")
    shared.chmod(0o770)
    target = abandon(tmp_path)
    (disk / "storescp-0-cccccccc").symlink_to(target)
    (disk / "storescp-0-dddddddd").touch()
    with_more = abandon(disk, "storescp-0-eeeeeeee")
    (with_more / "thesis").touch()
    kept = [Path(running.path), young, named, shared, target]

    remove_leftovers(time.time())

    assert all((path / "state.sqlite").exists() for path in kept[1:])
    assert all(path.exists() for path in kept)
    assert os.listdir(with_more) == ["thesis"]
    assert (disk / "storescp-0-dddddddd").exists()
    running.close()


def test_another_users_directory_is_not_touched(tmp_path: Path) -> None:
    """Even by root, who could."""
    left = abandon(tmp_path / "disk")
    with mock.patch("os.geteuid", return_value=os.geteuid() + 1):
        remove_leftovers(time.time())

    assert (left / "state.sqlite").exists()


def test_a_directory_that_another_start_takes_for_a_leftover_is_made_anew(tmp_path: Path) -> None:
    """In the moment between its mark and the lock on that."""
    lock_now = state_directory._lock_now
    removed: list[str] = []

    def remove_and_lock(descriptor: int) -> bool:
        if not removed:
            [path] = (tmp_path / "disk").iterdir()
            removed.append(str(path))
            state_directory._remove_if_left(str(path), time.time())
            assert not path.exists()
        return lock_now(descriptor)

    with mock.patch.object(state_directory, "_lock_now", remove_and_lock):
        state = StateDirectory(None)

    assert removed
    assert state.path not in removed
    assert is_in_use(state.path)
    state.close()
    assert os.listdir(tmp_path / "disk") == []


def test_programs_that_tidy_leave_it_alone() -> None:
    """systemd-tmpfiles skips a directory that it cannot lock, however old it is."""
    state = StateDirectory(None)
    descriptor = os.open(state.path, os.O_RDONLY)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)
        state.close()


@pytest.mark.parametrize("durable", [True, False])
def test_its_name_is_on_disk_if_files_are(tmp_path: Path, durable: bool) -> None:
    """Each directory in which one was made is synced; also if the last was there, perhaps not on disk yet."""
    path = tmp_path / "one" / "two" / "state"
    synced: list[str] = []

    def fsync(directory: str) -> None:
        assert os.listdir(directory), "before the name was there"
        synced.append(directory)

    def take(**settings: Any) -> list[str]:
        synced.clear()
        StateDirectory(str(path), **settings).close()
        return list(synced)

    with mock.patch.object(state_directory, "fsync_directory", fsync):
        first, second = take(durable=durable), take(durable=durable)

    above = [str(tmp_path), str(tmp_path / "one"), str(tmp_path / "one" / "two")]
    assert first == (above if durable else [])
    assert second == (above[-1:] if durable else [])
