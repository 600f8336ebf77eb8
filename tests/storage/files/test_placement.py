"""What is at a name is as it was if the object that came there turns out not to be stored."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from storescp.errors import CannotUnderstand, OutOfResources
from storescp.storage.files.instance_file import InstanceFile
from storescp.storage.files.output_directory import OutputDirectory
from storescp.storage.files.placement import Placement
from storescp.storage.naming.rules import FileName, FileNames, Rules, file_name
from tests.storage.scenarios import another_file_system

CT = "1.2.840.10008.5.1.4.1.1.2"
NAME = file_name(Rules(), CT, "1.2.3", 0.0)
BY_TIME = file_name(Rules(file_names=FileNames.FROM_TIME), CT, "1.2.3", 1_700_000_000.0)


@pytest.fixture
def output(tmp_path: Path) -> Iterator[OutputDirectory]:
    output = OutputDirectory(str(tmp_path), durable=True)
    yield output
    output.close()
    assert not list(tmp_path.glob(".*")), "something is left"


def place(output: OutputDirectory, content: bytes = b"new", name: FileName = NAME) -> Placement:
    """Place a file; return what can take it back."""
    with InstanceFile(output, content) as file:
        placement = file.commit(output.path, name, keep=True).placement
    assert placement is not None
    return placement


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("older", [None, b"old"])
@pytest.mark.parametrize("recorded", [True, False])
def test_one_of_two_files_stays(
    output: OutputDirectory, tmp_path: Path, older: bytes | None, recorded: bool
) -> None:
    """The new one where it was recorded, else what was there; the name is never without a file that had one."""
    path = tmp_path / "CT.1.2.3"
    if older is not None:
        path.write_bytes(older)
    before = path.stat().st_ino if older else None
    opened = descriptors()
    placement = place(output)

    assert path.read_bytes() == b"new"
    if recorded:
        placement.settle()
        assert path.read_bytes() == b"new"
    else:
        placement.withdraw()
        assert (path.read_bytes() if path.exists() else None) == older
        assert (path.stat().st_ino if path.exists() else None) == before
    output.tidy()
    assert descriptors() <= opened + 1  # the mark on the directory


def test_a_file_that_came_meanwhile_stays(output: OutputDirectory, tmp_path: Path) -> None:
    """Another worker has stored the object again, and has said so: neither ours nor the older one takes its place."""
    path = tmp_path / "CT.1.2.3"
    path.write_bytes(b"old")
    placement = place(output)
    place(output, b"newer").settle()

    placement.withdraw()

    assert path.read_bytes() == b"newer"


def test_a_file_that_is_gone_is_not_missed(output: OutputDirectory, tmp_path: Path) -> None:
    """Somebody has moved it away; the older one does not come back in its place."""
    path = tmp_path / "CT.1.2.3"
    path.write_bytes(b"old")
    placement = place(output)
    path.unlink()

    placement.withdraw()

    assert not path.exists()


def test_a_file_with_a_name_of_its_own_is_taken_back(
    output: OutputDirectory, tmp_path: Path
) -> None:
    """By time, nothing is replaced."""
    (tmp_path / BY_TIME.text).write_bytes(b"old")
    placement = place(output, b"new", BY_TIME)
    assert len(list(tmp_path.glob("2*"))) == 2

    placement.withdraw()

    assert [path.read_bytes() for path in tmp_path.glob("2*")] == [b"old"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK])
def test_without_links_the_older_file_is_replaced(
    output: OutputDirectory, tmp_path: Path, number: int
) -> None:
    """As ever; an object that is not recorded leaves no file then."""
    path = tmp_path / "CT.1.2.3"
    path.write_bytes(b"old")
    with mock.patch("os.link", side_effect=OSError(number, "no link")):
        placement = place(output)
    assert path.read_bytes() == b"new"

    placement.withdraw()

    assert not path.exists()


@pytest.mark.parametrize("recorded", [True, False])
def test_another_file_system_makes_no_difference(tmp_path: Path, recorded: bool) -> None:
    """There the file is a copy, and its hidden place is there, too."""
    elsewhere = another_file_system(tmp_path)
    if elsewhere is None:
        pytest.skip("there is one file system only")
    path = tmp_path / "CT.1.2.3"
    path.write_bytes(b"old")
    output = OutputDirectory(elsewhere)
    with InstanceFile(output, b"new") as file:
        placement = file.commit(str(tmp_path), NAME, keep=True).placement
    assert placement is not None

    placement.settle() if recorded else placement.withdraw()
    output.close()

    assert path.read_bytes() == (b"new" if recorded else b"old")
    assert os.listdir(tmp_path) == ["CT.1.2.3"]


def test_a_name_that_cannot_be_brought_to_disk_is_taken_back(
    output: OutputDirectory, tmp_path: Path
) -> None:
    """The object is refused, so what was there is there."""
    path = tmp_path / "CT.1.2.3"
    path.write_bytes(b"old")
    failure = OSError(errno.EIO, "Input/output error")
    with (
        mock.patch("storescp.storage.files.instance_file.fsync_directory", side_effect=failure),
        pytest.raises(OutOfResources, match="Input/output error"),
    ):
        place(output)

    assert path.read_bytes() == b"old"


def test_what_cannot_be_taken_back_is_told(
    output: OutputDirectory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With its path and the reason."""
    placement = place(output)
    with mock.patch("os.unlink", side_effect=OSError(errno.EROFS, "Read-only file system")):
        placement.withdraw()

    assert f"cannot take back {tmp_path}/CT.1.2.3: Read-only file system" in caplog.text


def test_a_directory_that_is_gone_is_made_anew(output: OutputDirectory, tmp_path: Path) -> None:
    """Once, by who knows how; if it cannot be, nothing stays open or hidden."""
    asked: list[str] = []

    def restore(directory: str) -> None:
        asked.append(directory)
        os.mkdir(directory)

    def refuse(directory: str) -> None:
        raise CannotUnderstand(directory)

    gone = str(tmp_path / "gone")
    with InstanceFile(output, b"new") as file:
        file.commit(gone, NAME, restore=restore)
    assert asked == [gone]
    assert (tmp_path / "gone" / "CT.1.2.3").read_bytes() == b"new"

    opened = descriptors()
    with InstanceFile(output, b"new") as file, pytest.raises(CannotUnderstand):
        file.commit(str(tmp_path / "other"), NAME, keep=True, restore=refuse)
    with InstanceFile(output, b"new") as file, pytest.raises(OutOfResources):
        file.commit(str(tmp_path / "other"), NAME, keep=True, restore=lambda _: None)
    assert descriptors() == opened
