"""The lock of a store: limits of waiting, and holders that stand still."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from storescp.storage.studies.store_lock import LockHolder, StoreLock


@contextmanager
def child(act: Callable[[], None]) -> Iterator[int]:
    """Run `act` in a forked child, which is killed at the end."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(0)
    try:
        yield pid
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


def holding(path: Path, holder: LockHolder | None, then: Callable[[StoreLock], None]) -> None:
    lock = StoreLock(str(path), holder)
    lock.acquire(1.0)
    path.with_suffix(".held").touch()
    then(lock)


def wait_for(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.005)


def stop_here(_: StoreLock) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def sleep_long(_: StoreLock) -> None:
    time.sleep(60)


def test_locks_exclude_each_other(tmp_path: Path) -> None:
    """One process at a time has it; it can be had again once that has let it go, or has ended."""
    done = tmp_path / "done"

    def hold_for_a_while(lock: StoreLock) -> None:
        wait_for(done.exists)
        lock.release()
        time.sleep(60)

    lock = StoreLock(str(tmp_path / "lock"))
    with child(lambda: holding(tmp_path / "lock", None, hold_for_a_while)):
        wait_for((tmp_path / "lock.held").exists)
        with pytest.raises(TimeoutError):
            lock.acquire(0.05)
        done.touch()
        lock.acquire(5.0)
        lock.release()
    (tmp_path / "lock.held").unlink()
    with child(lambda: holding(tmp_path / "lock", None, lambda _: None)) as pid:
        wait_for((tmp_path / "lock.held").exists)
        os.waitpid(pid, 0)
        lock.acquire(5.0)
    lock.close()


def test_waiting_has_a_limit(tmp_path: Path) -> None:
    """As long as the caller has patience, and not much longer."""
    holder = LockHolder()
    with child(lambda: holding(tmp_path / "lock", None, sleep_long)):
        wait_for((tmp_path / "lock.held").exists)
        lock = StoreLock(str(tmp_path / "lock"), holder)
        begun = time.monotonic()

        with pytest.raises(TimeoutError, match="others had it"):
            lock.acquire(0.3)

        assert 0.3 <= time.monotonic() - begun < 1.0
        lock.close()


@pytest.mark.parametrize("then", [stop_here, sleep_long])
def test_a_holder_that_stands_still_is_killed(
    tmp_path: Path, then: Callable[[StoreLock], None]
) -> None:
    """After three seconds, stopped or asleep; who waits then has the lock, also over several calls."""
    holder = LockHolder()
    with child(lambda: holding(tmp_path / "lock", holder, then)) as pid:
        wait_for((tmp_path / "lock.held").exists)
        lock = StoreLock(str(tmp_path / "lock"), holder)
        begun = time.monotonic()
        for _ in range(20):
            with suppress(TimeoutError):
                lock.acquire(0.5)
                break

        assert 2.9 <= time.monotonic() - begun < 5.0
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL
        lock.close()


def test_a_holder_that_goes_on_is_not_killed(tmp_path: Path) -> None:
    """It says so while it waits for something itself."""

    def goes_on(lock: StoreLock) -> None:
        for _ in range(100):
            time.sleep(0.05)
            lock.go_on()

    holder = LockHolder()
    with child(lambda: holding(tmp_path / "lock", holder, goes_on)) as pid:
        wait_for((tmp_path / "lock.held").exists)
        lock = StoreLock(str(tmp_path / "lock"), holder)

        with pytest.raises(TimeoutError):
            lock.acquire(4.0)

        assert os.waitpid(pid, os.WNOHANG) == (0, 0)
        lock.close()


def test_who_works_is_given_more_time() -> None:
    """A long transaction is not taken for a stopped process; one of half a minute is."""
    holder = LockHolder()

    def work() -> None:
        holder.note(1)
        while True:
            pass

    with child(work) as pid:
        wait_for(lambda: holder.read() == 1)

        assert not holder.kill(pid, 29.0)
        assert os.waitpid(pid, os.WNOHANG) == (0, 0)
        assert holder.kill(pid, 30.0)


def test_only_children_of_the_receiver_are_killed(tmp_path: Path) -> None:
    """Whoever else has that number by now, or holds the lock, is left alone; and nobody kills itself."""
    holder = LockHolder()
    noted = tmp_path / "pid"

    def grandchild() -> None:
        pid = os.fork()
        if pid:
            noted.write_text(str(pid))
        time.sleep(60)

    with child(grandchild):
        wait_for(lambda: noted.exists() and bool(noted.read_text()))
        pid = int(noted.read_text())
        try:
            assert not holder.kill(pid, 100.0)
            assert not holder.kill(os.getpid(), 100.0)
            assert not holder.kill(0, 100.0)
            os.kill(pid, 0)
        finally:
            os.kill(pid, signal.SIGKILL)


def test_a_holder_that_was_stopped_before_it_said_anything_is_killed(tmp_path: Path) -> None:
    """The kernel knows who has the lock."""
    holder = LockHolder()
    with child(lambda: holding(tmp_path / "lock", None, stop_here)) as pid:
        wait_for((tmp_path / "lock.held").exists)
        lock = StoreLock(str(tmp_path / "lock"), holder)

        lock.acquire(6.0)

        assert os.waitpid(pid, 0)[1] == signal.SIGKILL
        lock.close()
