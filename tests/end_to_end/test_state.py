"""The state of a running receiver: who has it open, and what becomes of it."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from storescp.process_name import STUDIES, WORKER
from tests.end_to_end.conversation import associated, store, wait_until
from tests.end_to_end.processes import children, has_ended, holds_lock, of_kind
from tests.peers.servers import Server, free_port, our_command, our_environment, ours
from tests.storage.old_state import write_old_state


def test_each_worker_holds_the_locks_of_the_state(tmp_path: Path) -> None:
    """Also one that replaces another, and the process that ends studies: so no other program can take the log away from under its records."""
    state = tmp_path / "state"
    options = ["--workers", "2", "--state-directory", str(state), "-su", "s"]
    with ours(tmp_path / "out", options) as server:
        first, second = _workers_at_work(server)
        assert holds_lock(first, state / "state.sqlite-shm")
        assert holds_lock(second, state / "state.sqlite-shm")
        [studies] = of_kind(server.process.pid, STUDIES)
        wait_until(lambda: holds_lock(studies, state / "state.sqlite-shm"))
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: len(set(of_kind(server.process.pid, WORKER)) - {first}) == 2)

        third = (set(_workers_at_work(server)) - {second}).pop()
        assert holds_lock(third, state / "state.sqlite-shm")


def _workers_at_work(server: Server) -> list[int]:
    """Have both of two workers store an object; return them."""
    with associated(server) as one, associated(server) as other:
        assert store(one, "1.1", "1") == "0000"
        assert store(other, "2.1", "2") == "0000"
        return of_kind(server.process.pid, WORKER)


def test_a_state_directory_of_release_0_1_0_keeps_working(tmp_path: Path) -> None:
    """Commands that were given up are listed, studies end, commands run: without anybody's doing."""
    state = tmp_path / "state"
    state.mkdir()
    write_old_state(state / "state.sqlite")
    listed = _run("--list-failed", str(state))
    assert (listed.returncode, listed.stdout.split()[:2]) == (0, ["b2" * 16, "object"])

    options = ["--state-directory", str(state), "-su", "s", "-rns", "--events", "events"]
    command = ["-xcs", 'echo "$STORESCP_ID $STORESCP_ATTEMPT" >> log']
    log, events = tmp_path / "out" / "log", tmp_path / "out" / "events"
    with ours(tmp_path / "out", [*options, *command]):
        wait_until(lambda: log.exists() and len(log.read_text().splitlines()) == 1)
    told = [json.loads(line) for line in events.read_text().splitlines()]

    assert log.read_text() == f"{'1' * 32} 1\n"
    [study] = [event for event in told if event["event"] == "study-complete"]
    assert (study["study_instance_uid"], study["round"], study["id"]) == ("1.2", 1, "1" * 32)


def test_a_state_directory_of_a_later_release_is_refused(tmp_path: Path) -> None:
    """With a sentence, at the start and by those that look into it; nothing in it is changed."""
    database = tmp_path / "state.sqlite"
    with closing(sqlite3.connect(database)) as later:
        later.execute("PRAGMA user_version = 99")
    before = database.read_bytes()
    for options in (
        ("--state-directory", str(tmp_path), "-od", str(tmp_path), "-su", "s", str(free_port())),
        ("--list-failed", str(tmp_path)),
        ("--retry-failed", str(tmp_path)),
    ):
        refused = _run(*options)
        assert refused.returncode == 1
        assert "a later version of this program has written it" in refused.stderr
    assert database.read_bytes() == before


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*our_command(), *arguments],
        env=our_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("then", ["the same", "a state directory"])
def test_without_a_state_directory_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """The state is private, where the service manager says; killed, it is removed by the next start, else at the end."""
    place = tmp_path / "run"
    place.mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(place))
    options = ["--workers", "2", "-su", "s"]
    kept = [] if then == "the same" else ["--state-directory", str(tmp_path / "state")]
    with ours(tmp_path / "out", options) as server, associated(server) as peer:
        assert store(peer, "1.1", "1") == "0000"
        [left] = place.iterdir()
        assert left.stat().st_mode & 0o777 == 0o700
        workers = children(server.process.pid)
        server.process.kill()
        wait_until(lambda: all(has_ended(worker) for worker in workers))
    assert left.exists()

    with ours(tmp_path / "again", [*options, *kept]) as server, associated(server) as peer:
        assert store(peer, "1.1", "1") == "0000"
        assert len(list(place.iterdir())) == (0 if kept else 1)
        assert not left.exists()
        peer.release()
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("workers", [["--workers", "2"], []], ids=["workers", "one process"])
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "not kept"])
def test_a_state_that_is_gone_ends_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: list[str], kept: bool
) -> None:
    """Said once, with exit code 1 for a service manager to start it again; nothing is acknowledged without a record."""
    place = tmp_path / "run"
    place.mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(place))
    state = ["--state-directory", str(place / "state")] if kept else ["--parallel-studies"]
    if workers and not kept:
        state = []
    with ours(tmp_path / "out", [*workers, *state, "-su", "s"]) as server:
        with associated(server) as peer:
            assert store(peer, "1.1", "1") == "0000"
            [directory] = place.iterdir()
            shutil.rmtree(directory)
            if not workers:  # there nobody looks before the association is over
                time.sleep(
                    0.15
                )  # a database that was there is taken to be there for a tenth of a second
                assert store(peer, "1.2", "1") == "A700"
                peer.release()
            assert server.process.wait(20) == 1

        assert "cannot keep record" in server.errors()
        said = [line for line in server.errors().splitlines() if line.startswith("F: ")]
        assert len(said) == 1
        assert not list(place.rglob("state.sqlite"))


def test_who_has_the_state_open_holds_locks_of_its_own(tmp_path: Path) -> None:
    """Of all processes of a receiver with everything on; those that have nothing to do with the state do not have it."""
    state = tmp_path / "state"
    options = ["--workers", "2", "--state-directory", str(state), "-su", "s", "-tos", "1"]
    options += ["-xcs", "true", "--http", str(free_port())]
    with ours(tmp_path / "out", options) as server:
        _workers_at_work(server)
        shared = state / "state.sqlite-shm"
        processes = [server.process.pid, *children(server.process.pid)]
        has_it = {pid for pid in processes if _has_open(pid, shared)}

        assert has_it == {pid for pid in processes if holds_lock(pid, shared)}
        workers = of_kind(server.process.pid, WORKER)
        assert set(workers) <= has_it < set(processes)


def _has_open(pid: int, path: Path) -> bool:
    return any(
        os.readlink(descriptor) == str(path)
        for descriptor in Path(f"/proc/{pid}/fd").iterdir()
        if descriptor.is_symlink()
    )
