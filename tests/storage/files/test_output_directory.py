"""output_directory: the hidden place, study directories, leftovers."""

import errno
import logging
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from storescp.errors import CannotUnderstand
from storescp.storage.files.output_directory import OutputDirectory, fsync_directory

HIDDEN = f".storescp-{os.geteuid()}"


@pytest.fixture
def output(tmp_path: Path) -> Iterator[OutputDirectory]:
    output = OutputDirectory(str(tmp_path))
    yield output
    output.close()


def make_leftover(directory: Path) -> str:
    """Leave an unfinished file behind as a receiver does that was killed."""
    output = OutputDirectory(str(directory))
    place, descriptor, name = output.open_hidden()
    os.close(descriptor)
    os.close(place)
    assert output._lock is not None
    output._lock.close()
    return name


def test_unfinished_files_are_private_and_the_place_goes_when_unused(
    output: OutputDirectory, tmp_path: Path
) -> None:
    """The hidden directory keeps others out; the file has its final mode already."""
    umask = os.umask(0o027)
    try:
        place, descriptor, name = output.open_hidden()
    finally:
        os.umask(umask)

    assert stat.S_IMODE((tmp_path / HIDDEN).stat().st_mode) == 0o700
    assert stat.S_IMODE(os.fstat(descriptor).st_mode) == 0o640
    assert [name] == os.listdir(place)
    output.tidy()
    assert os.listdir(tmp_path) == [HIDDEN]
    os.close(descriptor)
    os.unlink(name, dir_fd=place)
    output.release()
    output.tidy()
    assert not os.listdir(tmp_path)


def test_nothing_is_made_before_it_is_needed(output: OutputDirectory, tmp_path: Path) -> None:
    """Neither at the start nor by looking for leftovers or tidying."""
    assert output.remove_leftovers(time.time()) == 0
    output.tidy()
    assert not os.listdir(tmp_path)


def test_another_receiver_may_tidy_up_in_between(output: OutputDirectory, tmp_path: Path) -> None:
    """The place is made again."""
    _, descriptor, name = output.open_hidden()
    os.close(descriptor)
    (tmp_path / HIDDEN / name).unlink()
    output.release()
    (tmp_path / HIDDEN).rmdir()

    _, descriptor, name = output.open_hidden()

    os.close(descriptor)
    assert (tmp_path / HIDDEN / name).exists()


def test_output_directory_may_be_made_anew(tmp_path: Path) -> None:
    """While it is missing files cannot be made; afterwards they can, and are marked as ours."""
    directory = tmp_path / "out"
    directory.mkdir()
    output = OutputDirectory(str(directory))
    _, descriptor, name = output.open_hidden()
    os.close(descriptor)
    (directory / HIDDEN / name).unlink()
    output.release()
    (directory / HIDDEN).rmdir()
    directory.rmdir()

    with pytest.raises(FileNotFoundError):
        output.open_hidden()
    directory.mkdir()
    _, descriptor, name = output.open_hidden()

    os.close(descriptor)
    assert OutputDirectory(str(directory)).remove_leftovers(time.time()) == 0
    assert (directory / HIDDEN / name).exists()
    output.close()


def test_place_that_vanishes_with_a_file_in_it_fails(
    output: OutputDirectory, tmp_path: Path
) -> None:
    """Descriptors of files in the making stay valid; the next association recovers."""
    _, descriptor, name = output.open_hidden()
    os.close(descriptor)
    (tmp_path / HIDDEN / name).unlink()
    (tmp_path / HIDDEN).rmdir()

    with pytest.raises(FileNotFoundError):
        output.open_hidden()
    output.release()
    assert output.open_hidden()


@pytest.mark.parametrize("kind", ["link", "file", "dangling link"])
def test_planted_place_is_refused(tmp_path: Path, kind: str) -> None:
    """A symbolic link under the hidden name leads nobody's images elsewhere."""
    output = OutputDirectory(str(tmp_path / "out"))
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    place = tmp_path / "out" / HIDDEN
    if kind == "file":
        place.touch()
    else:
        place.symlink_to(tmp_path / ("elsewhere" if kind == "link" else "missing"))

    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        output.open_hidden()
    assert output.remove_leftovers(time.time()) == 0
    assert not os.listdir(tmp_path / "elsewhere")
    assert not (tmp_path / "missing").exists()
    output.close()


def test_place_of_somebody_else_is_refused(output: OutputDirectory, tmp_path: Path) -> None:
    """Its owner could read and exchange what is in it."""
    (tmp_path / HIDDEN).mkdir(0o700)
    real = os.fstat(os.open(tmp_path / HIDDEN, os.O_RDONLY))
    foreign = os.stat_result((*real[:4], real.st_uid + 1, *real[5:10]))

    with (
        mock.patch.object(os, "fstat", return_value=foreign),
        pytest.raises(PermissionError, match="belongs to somebody else"),
    ):
        output.open_hidden()
    assert os.listdir(tmp_path) == [HIDDEN]


def test_file_system_may_give_files_to_another_user(
    output: OutputDirectory, tmp_path: Path
) -> None:
    """As NFS does for root: then the place belongs to that user, and is ours."""
    (tmp_path / HIDDEN).mkdir(0o700)
    real = (tmp_path / HIDDEN).stat()
    nobody = os.stat_result((*real[:4], 65534, *real[5:10]))

    with (
        mock.patch.object(os, "fstat", return_value=nobody),
        mock.patch.object(os, "lstat", return_value=nobody),
    ):
        _, descriptor, name = output.open_hidden()

    os.close(descriptor)
    assert (tmp_path / HIDDEN / name).exists()
    assert os.listdir(tmp_path) == [HIDDEN]


def test_leftovers_of_a_dead_receiver_are_removed(tmp_path: Path) -> None:
    """With the place itself; other files stay."""
    make_leftover(tmp_path)
    make_leftover(tmp_path)
    (tmp_path / "CT.1").touch()

    assert OutputDirectory(str(tmp_path)).remove_leftovers(time.time()) == 2
    assert os.listdir(tmp_path) == ["CT.1"]


def test_leftovers_next_to_a_running_receiver_are_removed_without_harming_it(
    output: OutputDirectory, tmp_path: Path
) -> None:
    """Each file is looked at for its own maker."""
    _, descriptor, name = output.open_hidden()
    os.close(descriptor)
    make_leftover(tmp_path)
    (tmp_path / HIDDEN / "something else").touch()

    assert OutputDirectory(str(tmp_path)).remove_leftovers(time.time()) == 1
    assert {name, "something else"} == set(os.listdir(tmp_path / HIDDEN))


def test_leftover_that_cannot_be_removed_is_passed_over(tmp_path: Path) -> None:
    """A receiver starts all the same."""
    name = make_leftover(tmp_path)
    (tmp_path / HIDDEN / name).unlink()
    (tmp_path / HIDDEN / name).mkdir()

    assert OutputDirectory(str(tmp_path)).remove_leftovers(time.time()) == 0


def test_place_that_cannot_be_listed_is_passed_over(tmp_path: Path) -> None:
    """Likewise."""
    name = make_leftover(tmp_path)

    with mock.patch.object(os, "listdir", side_effect=OSError):
        assert OutputDirectory(str(tmp_path)).remove_leftovers(time.time()) == 0
    assert (tmp_path / HIDDEN / name).exists()


def test_study_directory_is_created_or_used(
    output: OutputDirectory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says which; the mode is 0777 minus umask."""
    caplog.set_level(logging.INFO)
    umask = os.umask(0o022)
    try:
        paths = [output.make_study_directory("p_1"), output.make_study_directory("p_1")]
    finally:
        os.umask(umask)

    path = str(tmp_path / "p_1")
    assert [path, path] == paths
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o755
    assert [
        ("dcmtk.apps.storescp", logging.INFO, f"created new subdirectory for study: {path}"),
        ("dcmtk.apps.storescp", logging.INFO, f"using existing subdirectory for study: {path}"),
    ] == caplog.record_tuples


def test_study_directory_in_the_current_one_is_named_as_the_reference_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`./NAME`."""
    monkeypatch.chdir(tmp_path)

    assert OutputDirectory(".").make_study_directory("1.2") == "./1.2"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a/b", "No such file or directory"),
        ("x" * 256, "File name too long"),
        ("link", "it is a symbolic link"),
        ("dangling", "it is a symbolic link"),
        (".storescp-0", "the name is that of our hidden directory"),
    ],
)
def test_study_directory_that_cannot_be_is_c000(
    output: OutputDirectory, tmp_path: Path, name: str, reason: str
) -> None:
    """A missing parent, a name too long, planted links, and our own hidden place; the reason is told."""
    (tmp_path / "link").symlink_to("/")
    (tmp_path / "dangling").symlink_to(tmp_path / "missing")

    with pytest.raises(CannotUnderstand) as caught:
        output.make_study_directory(name)

    expected = f"could not create subdirectory for study: {tmp_path}/{name}: {reason}"
    assert expected == str(caught.value)
    assert not (tmp_path / "missing").exists()


def test_study_directory_that_was_moved_away_is_made_again(
    output: OutputDirectory, tmp_path: Path
) -> None:
    """One that is there is left alone, whatever is in it; a link in its place is refused."""
    path = output.make_study_directory("1.2")
    (tmp_path / "1.2" / "file").touch()
    output.restore_study_directory(path)
    assert (tmp_path / "1.2" / "file").exists()

    (tmp_path / "1.2").rename(tmp_path / "taken")
    output.restore_study_directory(path)
    assert (tmp_path / "1.2").is_dir()

    (tmp_path / "1.2").rmdir()
    (tmp_path / "1.2").symlink_to(tmp_path / "taken")
    with pytest.raises(CannotUnderstand, match="it is a symbolic link"):
        output.restore_study_directory(path)


def test_durable_study_directory_is_brought_to_disk(tmp_path: Path) -> None:
    """Its name lies in the output directory, which is synchronised; a failure is told."""
    output = OutputDirectory(str(tmp_path), durable=True)
    failure = OSError(errno.EIO, "Input/output error")
    with mock.patch.object(os, "fsync", side_effect=[None, failure]) as fsync:
        output.make_study_directory("a")
        with pytest.raises(CannotUnderstand):
            output.make_study_directory("b")

    assert fsync.call_count == 2


def test_missing_directory_cannot_be_brought_to_disk(tmp_path: Path) -> None:
    """An error of the system."""
    with pytest.raises(FileNotFoundError):
        fsync_directory(str(tmp_path / "missing"))
