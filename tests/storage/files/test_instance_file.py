"""writer: an instance file is complete or absent, whatever happens."""

import contextlib
import ctypes
import errno
import gc
import os
import resource
import stat
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storescp.errors import OutOfResources, StatusError
from storescp.storage.files.instance_file import InstanceFile, StoredInstance
from storescp.storage.files.output_directory import OutputDirectory
from storescp.storage.naming.rules import FileName, FileNames, Rules, file_name
from tests.storage.scenarios import SCENARIOS, another_file_system
from tests.storage.system_calls import watched

pytestmark = pytest.mark.usefixtures("each_file_system")

CT = "1.2.840.10008.5.1.4.1.1.2"
NOW = 1_700_000_000.123
NAME = FileName("CT.1.2.3", "CT")
MIB = 1 << 20
IN_MOVED_TO, IN_CREATE, IN_ALL_EVENTS, IN_ISDIR = 0x80, 0x100, 0xFFF, 0x40000000


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def output(tmp_path: Path) -> Iterator[OutputDirectory]:
    output = OutputDirectory(str(tmp_path))
    yield output
    output.close()
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def store(
    output: OutputDirectory, name: FileName = NAME, content: bytes = b"new"
) -> StoredInstance:
    with InstanceFile(output, b"H") as file:
        file.write(content)
        return file.commit(output.path, name)


def visible(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


def test_file_appears_complete(output: OutputDirectory, tmp_path: Path) -> None:
    """Not before the commit, and then with header and data in order."""
    with InstanceFile(output, b"HEAD") as file:
        file.write(b"abc")
        file.flush()
        file.write(memoryview(b"xdefx")[1:-1])
        assert not visible(tmp_path)
        stored = file.commit(str(tmp_path), NAME)

    assert visible(tmp_path) == {"CT.1.2.3": b"HEADabcdef"}
    assert stored == StoredInstance(str(tmp_path), "CT.1.2.3", replaced=False)
    assert stored.path == f"{tmp_path}/CT.1.2.3"


def test_empty_data_set_is_a_file_of_its_header(output: OutputDirectory, tmp_path: Path) -> None:
    """And without a header, an empty file."""
    with InstanceFile(output, b"HEAD") as file:
        file.commit(str(tmp_path), NAME)
    with InstanceFile(output) as file:
        file.commit(str(tmp_path), FileName("empty", ""))

    assert visible(tmp_path) == {"CT.1.2.3": b"HEAD", "empty": b""}


def test_mode_is_0666_minus_umask(output: OutputDirectory, tmp_path: Path) -> None:
    """As the reference's, without an executable bit."""
    umask = os.umask(0o027)
    try:
        store(output)
    finally:
        os.umask(umask)

    assert stat.S_IMODE((tmp_path / "CT.1.2.3").stat().st_mode) == 0o640


@pytest.mark.parametrize("leave", ["discard", "forget", "raise"])
def test_file_that_is_not_committed_leaves_nothing(
    output: OutputDirectory, tmp_path: Path, leave: str
) -> None:
    """And an older file of the name stays as it was."""
    (tmp_path / "CT.1.2.3").write_bytes(b"old")
    with contextlib.suppress(KeyError), InstanceFile(output, b"H") as file:
        file.write(b"new")
        file.flush()
        if leave == "discard":
            file.discard()
            file.discard()
        if leave == "raise":
            raise KeyError

    output.tidy()
    assert visible(tmp_path) == {"CT.1.2.3": b"old"}
    assert os.listdir(tmp_path) == ["CT.1.2.3"]


def test_same_name_replaces_and_says_so(output: OutputDirectory, tmp_path: Path) -> None:
    """At one stroke: a reader of the older file keeps reading it."""
    (tmp_path / "CT.1.2.3").write_bytes(b"old")
    with (tmp_path / "CT.1.2.3").open("rb") as reader:
        stored = store(output)
        assert reader.read() == b"old"

    assert stored.replaced
    assert visible(tmp_path) == {"CT.1.2.3": b"Hnew"}


def test_planted_link_is_replaced_not_followed(output: OutputDirectory, tmp_path: Path) -> None:
    """A symbolic link under the final name gives way; what it points to is not touched."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "CT.1.2.3").symlink_to(victim)

    stored = store(output)

    assert stored.replaced
    assert not (tmp_path / "CT.1.2.3").is_symlink()
    assert visible(tmp_path) == {"victim": b"precious", "CT.1.2.3": b"Hnew"}


def test_a_thousand_objects_of_one_millisecond_have_a_thousand_files(
    output: OutputDirectory, tmp_path: Path
) -> None:
    """Names from time are never used twice, whatever classes alternate."""
    rules = Rules(file_names=FileNames.FROM_TIME)
    classes = [CT, "1.2.840.10008.5.1.4.1.1.4", "1.2.9"]
    for number in range(1000):
        name = file_name(rules, classes[number % 3], "1", NOW)
        assert not store(output, name, str(number).encode()).replaced

    files = visible(tmp_path)
    assert len(files) == 1000
    assert {b"H%d" % number for number in range(1000)} == set(files.values())
    assert files["20231114221320123.CT"] == b"H0"
    assert files["20231114221320123.MR"] == b"H1"
    assert files["20231114221320123_0000.CT"] == b"H3"
    assert files["20231114221320123_0332.CT"] == b"H999"


def dicom_header(instance_uid: bytes) -> bytes:
    value = instance_uid + b"\0" * (len(instance_uid) % 2)
    return bytes(128) + b"DICM\2\0\3\0UI" + len(value).to_bytes(2, "little") + value


def test_instances_sanitised_to_one_name_do_not_replace_each_other(
    output: OutputDirectory, tmp_path: Path
) -> None:
    """But the same instance, sent again, replaces its file."""
    answers = []
    for uid, content in (("1/2", b"a"), ("1;2", b"b"), ("1/2", b"c"), ("1;2", b"d")):
        with InstanceFile(output, dicom_header(uid.encode())) as file:
            file.write(content)
            answers.append(file.commit(str(tmp_path), file_name(Rules(), CT, uid, NOW)))

    assert [(stored.name, stored.replaced) for stored in answers] == [
        ("CT.1_2", False),
        ("CT.1_2_0000", False),
        ("CT.1_2", True),
        ("CT.1_2_0000", True),
    ]
    assert {name: content[-1:] for name, content in visible(tmp_path).items()} == {
        "CT.1_2": b"c",
        "CT.1_2_0000": b"d",
    }


def test_many_chunks_and_bytes_are_written_unasked(output: OutputDirectory, tmp_path: Path) -> None:
    """What is collected has a limit in bytes and in number."""
    with InstanceFile(output, b"H") as file:
        for _ in range(40_000):
            file.write(b"x")
        assert len(file._pending) < 20_000
        for _ in range(10):
            file.write(bytes(MIB))
        assert sum(map(len, file._pending)) <= 4 * MIB
        file.commit(str(tmp_path), NAME)

    assert visible(tmp_path)["CT.1.2.3"] == b"H" + b"x" * 40_000 + bytes(10 * MIB)


@pytest.mark.parametrize("most", [1, 7, 1000])
def test_short_writes_are_continued(output: OutputDirectory, tmp_path: Path, most: int) -> None:
    """The system may write less than it is given."""
    writev, write, pwrite = os.writev, os.write, os.pwrite
    with (
        mock.patch.object(
            os, "writev", lambda fd, chunks: writev(fd, [bytes(b"".join(chunks))[:most]])
        ),
        mock.patch.object(os, "write", lambda fd, data: write(fd, data[:most])),
        mock.patch.object(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:most], at)),
        InstanceFile(output, b"HEADER") as file,
    ):
        for number in range(300):
            file.write(b"%05d" % number)
        file.flush()
        file.patch(3, b"x" * 11)
        file.commit(str(tmp_path), NAME)

    expected = bytearray(b"HEADER" + b"".join(b"%05d" % number for number in range(300)))
    expected[9:20] = b"x" * 11
    assert visible(tmp_path)["CT.1.2.3"] == expected


def test_patch_does_not_change_the_receive_buffer(output: OutputDirectory, tmp_path: Path) -> None:
    """A view is copied before it is patched, once."""
    buffer = bytearray(b"0123456789")
    with InstanceFile(output) as file:
        file.write(memoryview(buffer))
        file.patch(2, b"ab")
        file.patch(4, b"cd")
        file.commit(str(tmp_path), NAME)

    assert buffer == b"0123456789"
    assert visible(tmp_path)["CT.1.2.3"] == b"01abcd6789"


@pytest.mark.parametrize(("position", "data"), [(-1, b"x"), (3, b"x"), (2, b"xy")])
def test_patch_stays_within_what_was_written(
    output: OutputDirectory, position: int, data: bytes
) -> None:
    """Anything else is a mistake of the caller."""
    with InstanceFile(output, b"H") as file:
        file.write(b"abc")
        with pytest.raises(ValueError, match="bytes at"):
            file.patch(position, data)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=8),
            st.just("flush"),
            st.tuples(st.integers(0, 60), st.binary(min_size=1, max_size=12)),
            st.binary(max_size=6).map(lambda header: {"header": header}),
            st.tuples(st.integers(0, 60), st.integers(0, 30)),
        ),
        max_size=30,
    )
)
def test_any_sequence_of_steps_gives_the_bytes_of_a_plain_buffer(steps: list[Any]) -> None:
    """Writes, flushes, patches, reads and new headers in any order."""
    header, model = b"HEADER", bytearray()
    with tempfile.TemporaryDirectory() as directory:
        output = OutputDirectory(directory)
        with InstanceFile(output, header) as file:
            for step in steps:
                match step:
                    case "flush":
                        file.flush()
                    case bytes():
                        file.write(step)
                        model += step
                    case {"header": bytes(header)}:
                        file.header = header
                        assert file.header == header
                    case (int(position), bytes(data)) if position + len(data) <= len(model):
                        file.patch(position, data)
                        model[position : position + len(data)] = data
                    case (int(position), int(length)):
                        assert file.read(position, length) == model[position : position + length]
                    case _:
                        pass
            stored = file.commit(directory, NAME)
        output.close()
        assert Path(stored.path).read_bytes() == header + model
        assert os.listdir(directory) == ["CT.1.2.3"]


def test_data_set_can_be_read_again_into_another_file(
    output: OutputDirectory, tmp_path: Path
) -> None:
    """The second pass: one file is the source of the next, and leaves nothing."""
    with InstanceFile(output, b"ONE") as first, InstanceFile(output, b"SECOND") as second:
        first.write(b"abcdef")
        second.write(first.read(3, 100))
        second.write(first.read(0, 3))
        first.discard()
        second.commit(str(tmp_path), NAME)

    assert visible(tmp_path) == {"CT.1.2.3": b"SECONDdefabc"}


@pytest.mark.parametrize("taken", [False, True])
def test_file_moves_to_another_file_system(tmp_path: Path, taken: bool) -> None:
    """By a copy, which is hidden as well until it is complete."""
    directory = tmp_path / "out"
    directory.mkdir()
    if taken:
        (directory / "CT.1.2.3").write_bytes(b"old")
    rename = os.rename
    refused: list[object] = []

    def refuse_once(*arguments: Any, **named: Any) -> None:
        if not refused:
            refused.append(arguments)
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        rename(*arguments, **named)

    output = OutputDirectory(str(tmp_path))
    with mock.patch.object(os, "rename", refuse_once), InstanceFile(output, b"H") as file:
        file.write(b"new")
        stored = file.commit(str(directory), NAME)
    output.close()

    assert refused
    assert stored == StoredInstance(str(directory), "CT.1.2.3", replaced=taken)
    assert visible(directory) == {"CT.1.2.3": b"Hnew"}
    assert os.listdir(directory) == ["CT.1.2.3"]
    assert os.listdir(tmp_path) == ["out"]


def test_file_system_that_is_another_to_itself_is_an_error(output: OutputDirectory) -> None:
    """There is no end of copying."""
    failure = OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    with (
        mock.patch.object(os, "rename", side_effect=failure),
        pytest.raises(OutOfResources, match="Invalid cross-device link"),
    ):
        store(output)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x" * 256, "File name too long"),
        ("directory", "Is a directory"),
        ("CT.1/x", "No such file or directory"),
        ("../CT.1", "No such file or directory"),
    ],
)
def test_name_that_cannot_be_is_a700(
    output: OutputDirectory, tmp_path: Path, name: str, reason: str
) -> None:
    """The error's text is the system's reason; nothing is left."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "CT.1").write_bytes(b"old")

    with pytest.raises(OutOfResources) as caught:
        store(output, FileName(name, "CT"))

    assert (reason, 0xA700) == (str(caught.value), caught.value.status)
    assert visible(tmp_path) == {"CT.1": b"old"}


def test_missing_and_replaced_directories_are_a700_until_they_are_back(tmp_path: Path) -> None:
    """The output directory removed, or a file in its place, while the receiver runs."""
    directory = tmp_path / "out"
    output = OutputDirectory(str(directory))

    with pytest.raises(OutOfResources, match="No such file or directory"):
        store(output)
    directory.touch()
    with pytest.raises(OutOfResources, match="Not a directory"):
        store(output)
    directory.unlink()
    directory.mkdir()
    store(output)
    output.tidy()
    assert visible(directory) == {"CT.1.2.3": b"Hnew"}
    (directory / "CT.1.2.3").unlink()
    directory.rmdir()
    with pytest.raises(OutOfResources, match="No such file or directory"):
        store(output)
    directory.mkdir()
    store(output)
    output.close()
    assert visible(directory) == {"CT.1.2.3": b"Hnew"}


def test_study_directory_that_vanished_is_a700(output: OutputDirectory, tmp_path: Path) -> None:
    """And a file in its place likewise."""
    (tmp_path / "file").touch()
    for name, reason in (("gone", "No such file or directory"), ("file", "Not a directory")):
        with pytest.raises(OutOfResources, match=reason), InstanceFile(output) as file:
            file.commit(str(tmp_path / name), NAME)


def test_file_size_limit_is_a700(output: OutputDirectory, tmp_path: Path) -> None:
    """The next object that fits succeeds."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OutOfResources, match="File too large"):
            store(output, content=bytes(20_000))
        assert not visible(tmp_path)
        store(output, content=bytes(5_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert len(visible(tmp_path)["CT.1.2.3"]) == 5_001


def test_object_larger_than_allowed_is_a700(tmp_path: Path) -> None:
    """It is given up when it becomes too large, not when it is complete; one that just fits is stored."""
    output = OutputDirectory(str(tmp_path), maximum_size=2 * MIB)
    with InstanceFile(output, b"H") as file:
        file.write(bytes(2 * MIB - 1))
        file.flush()
        file.write(b"?")
        with pytest.raises(OutOfResources, match="larger than 2 megabytes, which is the limit"):
            file.flush()
    assert not visible(tmp_path)
    with pytest.raises(OutOfResources, match="larger than"):
        store(output, content=bytes(2 * MIB))
    assert not visible(tmp_path)

    store(output, content=bytes(2 * MIB - 1))

    assert len(visible(tmp_path)["CT.1.2.3"]) == 2 * MIB
    output.close()


def test_nothing_is_written_into_the_reserve(tmp_path: Path, monkeypatch: Any) -> None:
    """No file is made while less is free than is to stay free; what other users may not have is not free."""
    output = OutputDirectory(str(tmp_path), reserve=3 * MIB)
    free = os.statvfs(tmp_path)

    def blocks(available: int) -> Callable[[int], os.statvfs_result]:
        fields = list(free)
        fields[1:5] = 4096, 10_000, 9_000, available  # f_frsize, f_blocks, f_bfree, f_bavail
        return lambda _: os.statvfs_result(fields)

    monkeypatch.setattr(os, "fstatvfs", blocks(3 * 256 - 1))
    with pytest.raises(OutOfResources, match="less than 3 megabytes are free"):
        InstanceFile(output, b"H")
    output.tidy()
    assert os.listdir(tmp_path) == []
    monkeypatch.setattr(os, "fstatvfs", blocks(3 * 256))
    store(output)

    assert list(visible(tmp_path)) == ["CT.1.2.3"]
    output.close()


@pytest.fixture
def small_file_system(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 1 MiB; where none may be mounted, a limit on file sizes has the like effect."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)]
    if (
        os.geteuid() == 0
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    ):
        yield place
        subprocess.run(["umount", str(place)], check=True)
        return
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, limits[1]))
    yield place
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_full_disk_is_a700_until_there_is_room(small_file_system: Path) -> None:
    """No partial file, the older one intact, and the next object is stored."""
    output = OutputDirectory(str(small_file_system))
    store(output, content=b"old")

    for _ in range(3):
        with pytest.raises(OutOfResources, match=r"No space left|File too large"):
            store(output, content=bytes(2 * MIB))
        assert visible(small_file_system) == {"CT.1.2.3": b"Hold"}
    store(output, content=bytes(MIB // 4))
    output.close()
    assert os.listdir(small_file_system) == ["CT.1.2.3"]


def test_too_many_open_files_is_a700(output: OutputDirectory, tmp_path: Path) -> None:
    """The association goes on, and so does the next object."""
    store(output)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
    try:
        with pytest.raises(OutOfResources, match="Too many open files"):
            store(output)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    store(output, content=b"after")

    assert visible(tmp_path) == {"CT.1.2.3": b"Hafter"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EXDEV])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_failure_at_any_step_loses_nothing(scenario: str, number: int, tmp_path: Path) -> None:
    """Each system call fails once: A700 or C000 or none, no partial file, no older one lost."""
    story, step, failed = SCENARIOS[scenario], 0, True
    gc.collect()  # descriptors that other tests have left behind are not to go meanwhile

    def before(count: int, _name: str, _arguments: object) -> None:
        nonlocal failed
        if count == step:
            failed = True
            raise OSError(number, os.strerror(number))

    with tempfile.TemporaryDirectory(dir=another_file_system(tmp_path)) as scratch:
        while failed:
            directory = tmp_path / str(step)
            directory.mkdir()
            story.prepare(directory)
            descriptors = len(os.listdir("/proc/self/fd"))
            failed = False

            with watched(before), contextlib.suppress(StatusError):
                story.store(str(directory), scratch)

            story.check(directory)
            assert descriptors == len(os.listdir("/proc/self/fd"))
            step += 1
    assert step >= 2


def test_durable_commit_synchronises_file_then_directory(tmp_path: Path) -> None:
    """The data before the name, the name before success."""
    calls: list[str] = []

    def before(_number: int, name: str, _arguments: object) -> None:
        calls.append(name)

    output = OutputDirectory(str(tmp_path), durable=True)
    with watched(before):
        store(output)
    output.close()

    order = [name for name in calls if name in {"writev", "fsync", "rename"}]
    assert order == ["writev", "fsync", "rename", "fsync"]


def test_small_object_takes_few_system_calls(output: OutputDirectory) -> None:
    """Once the hidden place is there: open, writev, close, a look for an older file, rename."""
    store(output)
    calls: list[str] = []

    def before(_number: int, name: str, _arguments: object) -> None:
        calls.append(name)

    with watched(before):
        store(output)

    assert calls == ["open", "writev", "close", "access", "rename"]


def test_watcher_sees_one_move_for_each_file(
    output: OutputDirectory, tmp_path: Path, each_file_system: str
) -> None:
    """Programs that wait for files to be moved in find them complete: inotify(7); or to be linked, as on NFS."""
    study = Path(output.make_study_directory("study"))
    by_time = file_name(Rules(file_names=FileNames.FROM_TIME), CT, "1", NOW)
    libc = ctypes.CDLL(None)
    watch = libc.inotify_init()
    for directory in (tmp_path, study):
        assert libc.inotify_add_watch(watch, os.fsencode(directory), IN_ALL_EVENTS) > 0

    for directory, wanted in ((tmp_path, NAME), (study, NAME), (study, by_time), (study, NAME)):
        with InstanceFile(output, b"H") as file:
            file.write(b"part")
            file.flush()
            file.commit(str(directory), wanted)
    events = os.read(watch, 1 << 16)
    os.close(watch)

    seen = []
    while events:
        number, mask, _, length = struct.unpack_from("iIII", events)
        name = events[16 : 16 + length].rstrip(b"\0")
        events = events[16 + length :]
        if not mask & IN_ISDIR:
            seen.append((number, mask, name))
    assert seen == [
        (1, IN_MOVED_TO, b"CT.1.2.3"),
        (2, IN_MOVED_TO, b"CT.1.2.3"),
        (2, IN_MOVED_TO if each_file_system == "local" else IN_CREATE, b"20231114221320123.CT"),
        (2, IN_MOVED_TO, b"CT.1.2.3"),
    ]
