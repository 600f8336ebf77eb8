"""The running program on real file systems in real trouble: a failure status, the reason in the log, nothing left.

The trouble is made by mounting, where that is allowed, else by what is nearest to it.
"""

import os
import re
import resource
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.conversation import CONTEXTS, wait_until
from tests.end_to_end.test_limits import data_set
from tests.peers.another_user import IS_ROOT, NOBODY, NOGROUP, public_directory, public_python
from tests.peers.dicom import Syntax
from tests.peers.requestor import CT_IMAGE_STORAGE, Context, Requestor, message, store_command
from tests.peers.servers import Server, our_environment, ours, running
from tests.peers.tools import find_tool

MEGABYTE = 1 << 20
MODES = pytest.mark.parametrize(
    "mode", [[], ["+B"], ["-su", "s"], ["--fsync"]], ids=["normal", "bits", "study", "fsync"]
)


def mounted(place: Path, kind: str, options: str) -> bool:
    """Mount a file system of its own at `place`, if that is allowed."""
    place.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", kind, "-o", options, "none", str(place)]
    return IS_ROOT and subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def tmpfs(place: Path, options: str) -> Iterator[bool]:
    """Have a small file system at `place`; yields False where none may be mounted."""
    is_mounted = mounted(place, "tmpfs", options)
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


def store(peer: Requestor, instance: str, size: int = 0) -> str:
    return peer.store(1, CT_IMAGE_STORAGE, instance, data_set(instance, size)).outcome


def names(server: Server) -> list[str]:
    """Return what is stored, and nothing else may be there when no object is on its way."""
    return sorted(path.name for path in server.directory.rglob("*") if path.is_file())


def test_a_study_directory_that_is_taken_away(tmp_path: Path) -> None:
    """A pipeline may move it while the study is received: what comes then gets a directory of the same name."""
    with ours(tmp_path / "out", ["-su", "s"]) as server, Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        assert store(peer, "1.1") == "0000"
        (server.directory / "s_1.9").rename(tmp_path / "taken")
        assert store(peer, "1.2") == "0000"
        peer.release()

        assert (tmp_path / "taken" / "CT.1.1").exists()
        assert (server.directory / "s_1.9" / "CT.1.2").exists()


def limit_file_size(process: int, limit: int) -> None:
    resource.prlimit(process, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


@MODES
def test_a_full_disk(tmp_path: Path, mode: list[str]) -> None:
    """An object that is larger than what is left, and one when nothing is left at all; then there is room again."""
    with (
        tmpfs(tmp_path / "out" / "files", "size=3m") as is_mounted,
        ours(tmp_path / "out", mode) as server,
        Requestor(server.port) as peer,
    ):
        if not is_mounted:
            limit_file_size(server.process.pid, 3 * MEGABYTE)
        peer.associate(CONTEXTS)
        assert store(peer, "1.1", MEGABYTE) == "0000"
        assert store(peer, "1.2", 4 * MEGABYTE) == "A700"
        assert names(server) == ["CT.1.1"]
        if is_mounted:
            filler = server.directory / "filler"
            fill(filler)
            assert store(peer, "1.3") == "A700"
            filler.unlink()

        assert store(peer, "1.2", MEGABYTE) == "0000"
        peer.release()
        assert names(server) == ["CT.1.1", "CT.1.2"]
        reason = "No space left on device" if is_mounted else "File too large"
        assert f"/CT.1.2: {reason}\n" in server.errors()
        assert server.errors().count("cannot write DICOM file: ") == (2 if is_mounted else 1)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (MEGABYTE, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def test_no_more_files(tmp_path: Path) -> None:
    """A file system may be out of inodes long before it is full."""
    with (
        tmpfs(tmp_path / "out" / "files", "size=3m,nr_inodes=5") as is_mounted,
        ours(tmp_path / "out") as server,
        Requestor(server.port) as peer,
    ):
        peer.associate(CONTEXTS)
        outcomes = [store(peer, f"1.{number}") for number in range(5)]
        peer.release()

        # One for the root, one for the hidden directory.
        expected = ["0000"] * 3 + ["A700"] * 2 if is_mounted else ["0000"] * 5
        assert outcomes == expected
        assert len(names(server)) == expected.count("0000")


def test_a_read_only_file_system(tmp_path: Path) -> None:
    """The kernel makes it so after an error, and an administrator makes it good again."""
    place = tmp_path / "out" / "files"
    with (
        tmpfs(place, "size=3m") as is_mounted,
        ours(tmp_path / "out") as server,
        Requestor(server.port) as peer,
    ):
        peer.associate(CONTEXTS)
        assert store(peer, "1.1") == "0000"
        set_writable(place, is_mounted=is_mounted, writable=False)
        for instance in ("1.2", "1.1"):
            assert store(peer, instance) == "A700"
        set_writable(place, is_mounted=is_mounted, writable=True)
        assert store(peer, "1.2") == "0000"
        peer.release()

        assert names(server) == ["CT.1.1", "CT.1.2"]
        reasons = ("Read-only file system", "Permission denied", "No such file or directory")
        assert f"/CT.1.2: {reasons[0 if is_mounted else 1 + IS_ROOT]}\n" in server.errors()


def set_writable(place: Path, *, is_mounted: bool, writable: bool) -> None:
    if is_mounted:
        kind = "rw" if writable else "ro"
        subprocess.run(["mount", "-o", f"remount,{kind}", str(place)], check=True)
    elif IS_ROOT:  # to whom permissions mean nothing
        os.rename(*((f"{place}-", place) if writable else (place, f"{place}-")))
    else:
        (place / f".storescp-{os.geteuid()}").chmod(0o700 if writable else 0o500)


@MODES
def test_a_directory_that_is_removed(tmp_path: Path, mode: list[str]) -> None:
    """Between objects and in the middle of one; made anew, it is used again."""
    with ours(tmp_path / "out", mode) as server, Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        shutil.rmtree(server.directory)
        assert store(peer, "1.1") == "A700"
        server.directory.mkdir()
        assert store(peer, "1.2") == "0000"
        whole = message(1, store_command(CT_IMAGE_STORAGE, "1.3"), data_set("1.3"))
        peer.send(whole[:-10])
        wait_until(lambda: any(server.directory.glob(".storescp-*/*")))
        shutil.rmtree(server.directory)
        peer.send(whole[-10:])
        assert peer.receive_response().outcome in ("A700", "C000")
        server.directory.mkdir()
        # Files of the association that the removed place is still open for.
        peer.release()
        with Requestor(server.port) as another:
            another.associate(CONTEXTS)
            assert store(another, "1.4") == "0000"

            assert names(server) == ["CT.1.4"]
        assert "/CT.1.1: No such file or directory\n" in server.errors()


@MODES
def test_a_limit_on_file_sizes(tmp_path: Path, mode: list[str]) -> None:
    """Set for the user or by the service manager."""
    with ours(tmp_path / "out", mode) as server, Requestor(server.port) as peer:
        limit_file_size(server.process.pid, MEGABYTE)
        peer.associate(CONTEXTS)
        assert store(peer, "1.1", MEGABYTE) == "A700"
        assert store(peer, "1.2", MEGABYTE // 2) == "0000"

        assert names(server) == ["CT.1.2"]
        assert "/CT.1.1: File too large\n" in server.errors()


@MODES
def test_too_many_open_files(tmp_path: Path, mode: list[str]) -> None:
    """The association that has its connection goes on, and so does the next object when there are descriptors again."""
    with ours(tmp_path / "out", mode) as server, Requestor(server.port) as peer:
        pid = server.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        peer.associate(CONTEXTS)
        assert store(peer, "1.1") == "0000"
        for expected in ("A700", "0000"):
            used = max(map(int, os.listdir(f"/proc/{pid}/fd"))) + 1
            few = (used, before[1]) if expected == "A700" else before
            resource.prlimit(pid, resource.RLIMIT_NOFILE, few)
            assert store(peer, "1.2") == expected

        assert names(server) == ["CT.1.1", "CT.1.2"]
        assert "/CT.1.2: Too many open files\n" in server.errors()


def test_too_many_open_files_from_the_first_object_on(tmp_path: Path) -> None:
    """What a module takes that is loaded when it is first needed counts too: here the dictionary, for implicit VR."""
    implicit = "1.2.840.10008.1.2"
    data = b"".join(
        Syntax(explicit=False).element(tag, "UI", value)
        for tag, value in ((0x00080016, CT_IMAGE_STORAGE), (0x00080018, "1.1"))
    )
    with ours(tmp_path / "out") as server, Requestor(server.port) as peer:
        pid = server.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        peer.associate([Context(1, CT_IMAGE_STORAGE, (implicit,))])
        used = max(map(int, os.listdir(f"/proc/{pid}/fd"))) + 1
        outcomes = []
        for more in (*range(10), None):
            few = before if more is None else (used + more, before[1])
            resource.prlimit(pid, resource.RLIMIT_NOFILE, few)
            outcomes.append(peer.store(1, CT_IMAGE_STORAGE, "1.1", data).outcome)
        peer.release()

        assert outcomes[0] == "A700"
        assert outcomes[-1] == "0000"
        assert set(outcomes) == {"A700", "0000"}
        assert names(server) == ["CT.1.1"]
        assert server.errors().count(": Too many open files\n") == outcomes.count("A700")


@MODES
def test_a_name_that_is_too_long(tmp_path: Path, mode: list[str]) -> None:
    """An extension of the user may leave too little room for a long UID."""
    long = "1." + "2" * 62
    with (
        ours(tmp_path / "out", [*mode, "-fe", "x" * 200]) as server,
        Requestor(server.port) as peer,
    ):
        peer.associate(CONTEXTS)
        assert store(peer, long) == "A700"
        assert store(peer, "1.2") == "0000"

        assert names(server) == [f"CT.1.2{'x' * 200}"]
        assert ": File name too long\n" in server.errors()


@contextmanager
def unprivileged(place: Path) -> Iterator[Server]:
    """Run the program as a user to whom permissions mean something."""
    drop = f"os.setgroups([]); os.setgid({NOGROUP}); os.setuid({NOBODY}); " if IS_ROOT else ""
    if IS_ROOT:
        os.chown(place / "files", NOBODY, NOGROUP)
    python = public_python()
    command = [python, "-c", f"import os, sys; {drop}os.execv(sys.argv[1], sys.argv[1:])"]
    environment = {**our_environment(), "PYTHONPATH": str(place / "src")}
    with running([*command, python, "-m", "storescp"], place, [], environment) as server:
        yield server


def test_missing_permissions() -> None:
    """Taken away and given back while it runs."""
    with (
        public_directory() as public,
        unprivileged(public) as server,
        Requestor(server.port) as peer,
    ):
        peer.associate(CONTEXTS)
        server.directory.chmod(0o500)
        assert store(peer, "1.1") == "A700"
        server.directory.chmod(0o755)
        assert store(peer, "1.1") == "0000"

        assert names(server) == ["CT.1.1"]
        assert "/CT.1.1: Permission denied\n" in server.errors()


def test_a_quota(tmp_path: Path) -> None:
    """The disk has room, but not for this directory."""
    disk, place = tmp_path / "disk", tmp_path / "out" / "files"
    place.mkdir(parents=True)
    has_quota = IS_ROOT and make_file_system(
        disk,
        (
            ("mkfs.btrfs", "-q", str(disk)),
            ("mount", "-o", "loop", str(disk), str(place)),
            ("btrfs", "quota", "enable", str(place)),
            ("btrfs", "qgroup", "limit", "2M", str(place)),
        ),
    )
    try:
        with ours(tmp_path / "out") as server, Requestor(server.port) as peer:
            if not has_quota:
                limit_file_size(server.process.pid, 2 * MEGABYTE)  # has the like effect
            peer.associate(CONTEXTS)
            assert store(peer, "1.1", MEGABYTE) == "0000"
            assert store(peer, "1.2", 3 * MEGABYTE) == "A700"
            assert store(peer, "1.3") == "0000"
            peer.release()

            assert names(server) == ["CT.1.1", "CT.1.3"]
            reason = "Disk quota exceeded" if has_quota else "File too large"
            assert f"/CT.1.2: {reason}\n" in server.errors()
    finally:
        if os.path.ismount(place):
            subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_that_fails_after_the_fact(tmp_path: Path) -> None:
    """With `--fsync` an error that shows only when data go to the disk is a failure; the peer keeps its object.

    The disk is a file on a full file system: it takes data into memory, and cannot write them.
    """
    store_of_disk, place = tmp_path / "store", tmp_path / "out" / "files"
    place.mkdir(parents=True)
    with tmpfs(store_of_disk, "size=3m") as is_mounted:
        disk = store_of_disk / "disk"
        if not is_mounted or not make_file_system(
            disk,
            (
                ("mkfs.ext4", "-q", "-O", "^has_journal", "-E", "nodiscard", str(disk)),
                ("mount", "-o", "loop,errors=continue", str(disk), str(place)),
            ),
        ):
            return  # `storage/test_failures.py` has it at the seam
        try:
            fill(store_of_disk / "filler")
            with ours(tmp_path / "out", ["--fsync"]) as server, Requestor(server.port) as peer:
                peer.associate(CONTEXTS)
                assert store(peer, "1.1", 4 * MEGABYTE) == "A700"

                assert names(server) == []
                # Which of them is a matter of the kernel's version.
                assert re.search(
                    "/CT.1.1: (Input/output error|No space left on device)\n", server.errors()
                )
        finally:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


def make_file_system(disk: Path, commands: Sequence[Sequence[str]]) -> bool:
    """Make a file system in a sparse file with these commands; False if one of them is missing or not allowed."""
    with disk.open("wb") as file:
        file.truncate(128 * MEGABYTE)
    for program, *arguments in commands:
        path = find_tool(program)
        if path is None:
            return False
        if subprocess.run([path, *arguments], capture_output=True, check=False).returncode != 0:
            return False
    return True
