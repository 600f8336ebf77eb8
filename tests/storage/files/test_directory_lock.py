"""claim: a mark that lasts as long as its processes."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

from storescp.storage.files.directory_lock import NO_LOCK, DirectoryLock, is_claimed

HOLD = """
import sys, os
from storescp.storage.files.directory_lock import DirectoryLock
claim = DirectoryLock(sys.argv[1])
if sys.argv[2] == "fork" and os.fork() == 0:
    os.close(0)
    os.close(1)
    os.read(int(sys.argv[3]), 1)
    os._exit(0)
print(claim.number, flush=True)
sys.stdin.read(1)
"""


def hold(directory: Path, *arguments: str, **options: tuple[int, ...]) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "src")}
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory), *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=options.get("pass_fds", ()),
    )


def number_of(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def finish(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()


def test_claim_lasts_until_it_is_closed(tmp_path: Path) -> None:
    """Others see it, and nothing lies in the directory."""
    claim = DirectoryLock(str(tmp_path))

    assert claim.number != NO_LOCK
    assert is_claimed(str(tmp_path), claim.number)
    assert not is_claimed(str(tmp_path), claim.number ^ 1)
    assert not os.listdir(tmp_path)
    claim.close()
    claim.close()
    assert not is_claimed(str(tmp_path), claim.number)


def test_claims_of_several_receivers_differ(tmp_path: Path) -> None:
    """One that ends leaves the other's alone."""
    one, other = DirectoryLock(str(tmp_path)), DirectoryLock(str(tmp_path))
    one.close()

    assert not is_claimed(str(tmp_path), one.number)
    assert is_claimed(str(tmp_path), other.number)
    other.close()


def test_claim_of_a_killed_process_is_gone(tmp_path: Path) -> None:
    """Without anybody's doing."""
    process = hold(tmp_path, "")
    number = number_of(process)

    assert is_claimed(str(tmp_path), number)
    finish(process)
    assert not is_claimed(str(tmp_path), number)


def test_claim_is_shared_by_forked_children(tmp_path: Path) -> None:
    """It ends with the last of them, even if the parent was killed."""
    reading, writing = os.pipe()
    process = hold(tmp_path, "fork", str(reading), pass_fds=(reading,))
    number = number_of(process)
    finish(process)

    assert is_claimed(str(tmp_path), number)
    os.close(reading)
    os.close(writing)
    for _ in range(200):
        if not is_claimed(str(tmp_path), number):
            return
        subprocess.run(["sleep", "0.02"], check=True)
    raise AssertionError("the child holds on")


def test_claim_knows_when_the_directory_was_replaced(tmp_path: Path) -> None:
    """A new directory of the same path is another one."""
    directory = tmp_path / "out"
    directory.mkdir()
    claim = DirectoryLock(str(directory))

    assert claim.holds()
    directory.rename(tmp_path / "old")
    assert not claim.holds()
    directory.mkdir()
    assert not claim.holds()
    claim.close()
    assert not claim.holds()


def test_where_there_can_be_no_claim_nobody_is_declared_dead(tmp_path: Path) -> None:
    """A missing directory, or a file system without such locks: in doubt, somebody is alive."""
    missing = DirectoryLock(str(tmp_path / "missing"))
    with mock.patch.object(fcntl, "fcntl", side_effect=OSError):
        without_locks = DirectoryLock(str(tmp_path))
        assert is_claimed(str(tmp_path), 5)

    assert [missing.number, without_locks.number] == [NO_LOCK, NO_LOCK]
    assert is_claimed(str(tmp_path / "missing"), 5)
    missing.close()
    without_locks.close()
