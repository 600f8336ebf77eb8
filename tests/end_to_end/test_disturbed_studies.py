"""Whoever accepts waits for nobody: a locked record, stopped processes, slow files, much that is due at once."""

import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from storescp.process_name import STUDIES, WORKER
from storescp.storage.studies.jobs import Retries
from storescp.storage.studies.sqlite_store import SQLiteStore
from storescp.storage.studies.study_store import Job, Round, StoredFile
from storescp.storage.studies.tracker import EndOfStudy, Sender, Tracker
from tests.end_to_end.conversation import CONTEXTS, associated, store, wait_until
from tests.end_to_end.processes import of_kind
from tests.end_to_end.side_by_side import side_by_side
from tests.peers.requestor import Requestor, associate_request
from tests.peers.servers import Server, our_environment, ours, running

_REQUEST = associate_request(CONTEXTS)
MODES: tuple[tuple[str, list[str]], ...] = (("workers", ["--workers", "2"]), ("one process", []))
ECHO_SECONDS = 1.0
REFUSAL_SECONDS = 8.0


def echo(server: Server) -> float:
    """Return the seconds that a verification takes, from the connection to the end of the association."""
    begun = time.monotonic()
    with Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        assert peer.echo(3).status == 0
        peer.release()
    return time.monotonic() - begun


class Echoes:
    """Verifications one after the other, as long as something else goes on."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._over = False
        self.seconds: list[float] = []

    @classmethod
    @contextmanager
    def during(cls, server: Server) -> Iterator["Echoes"]:
        echoes = cls(server)
        thread = threading.Thread(target=echoes._run)
        thread.start()
        try:
            yield echoes
        finally:
            echoes._over = True
            thread.join()
        assert echoes.seconds
        assert max(echoes.seconds) < ECHO_SECONDS

    def _run(self) -> None:
        while not self._over:
            self.seconds.append(echo(self._server))
            time.sleep(0.05)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Have another program write to the record, and not come to an end."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        database.execute("ROLLBACK")
        database.close()


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_a_locked_record_refuses_objects_and_nothing_else(tmp_path: Path) -> None:
    """A700 within 8 s, echoes within 1 s; afterwards all is as if nothing had been, and the study ends once."""
    side_by_side(
        (name, partial(_refuse_while_locked, tmp_path / name, mode)) for name, mode in MODES
    )


def _refuse_while_locked(out: Path, mode: list[str]) -> None:
    options = [
        *mode,
        "--state-directory",
        "state",
        "-su",
        "s",
        "-tos",
        "1",
        "-xcs",
        "echo #p >>log",
    ]
    with ours(out, options) as server:
        with associated(server) as peer:
            assert store(peer, "1.1", "1") == "0000"
            with locked(out / "state" / "state.sqlite"):
                if mode:
                    with Echoes.during(server):
                        begun = time.monotonic()
                        assert store(peer, "1.2", "1") == "A700"
                        assert time.monotonic() - begun < REFUSAL_SECONDS
                else:  # whoever receives is the one that accepts
                    begun = time.monotonic()
                    assert store(peer, "1.2", "1") == "A700"
                    assert time.monotonic() - begun < REFUSAL_SECONDS
                peer.release()
                assert echo(server) < ECHO_SECONDS
            assert echo(server) < ECHO_SECONDS
        with associated(server) as peer:
            assert store(peer, "1.3", "1") == "0000"
            peer.release()
        wait_until(lambda: bool(lines(out / "log")))

        assert lines(out / "log") == [f"{server.directory}/s_1"]
        assert {"s_1/CT.1.1", "s_1/CT.1.3"} <= server.files().keys()


def test_a_release_that_cannot_be_recorded_is_tried_again(tmp_path: Path) -> None:
    """A worker that is free holds nothing: the study ends in its time, not at the end of the longest hold."""
    out = tmp_path / "out"
    options = [
        *("--workers", "1", "--state-directory", "state", "-su", "s", "-tos", "1"),
        *("--eostudy-hold", "3600", "-xcs", "echo #p >>log"),
    ]
    with ours(out, options) as server:
        with associated(server) as peer:
            assert store(peer, "1.1", "1") == "0000"
            with locked(out / "state" / "state.sqlite"):
                peer.release()
                assert echo(server) < ECHO_SECONDS  # it is free, though its record is not made

        wait_until(lambda: bool(lines(out / "log")))
        assert "it is tried again" in server.errors()


def _has_lock(pid: int, path: Path) -> bool:
    """Tell whether a process holds a lock on a file, by proc(5), locks."""
    inode = f":{path.stat().st_ino} "
    return any(
        f" {pid} " in line and inode in line and "POSIX" in line and "->" not in line
        for line in lines(Path("/proc/locks"))
    )


def _stop_with_lock(server: Server, pids: list[int], lock: Path) -> int:
    """Stop one of these processes while it holds the lock; return it."""
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            if _has_lock(pid, lock):
                return pid
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.0007)
    raise AssertionError(f"nobody was met with the lock: {server.errors()}")


class Stream:
    """Objects that are stored one after the other by one sender, which connects again if it has to."""

    def __init__(self, server: Server, study: str) -> None:
        self._server = server
        self._study = study
        self._over = False
        self.stored: list[str] = []
        self.statuses: set[str] = set()
        self.longest = 0.0

    @classmethod
    @contextmanager
    def to(cls, server: Server, study: str) -> Iterator["Stream"]:
        stream = cls(server, study)
        thread = threading.Thread(target=stream._run)
        thread.start()
        try:
            yield stream
        finally:
            stream._over = True
            thread.join(30)
            assert not thread.is_alive()

    def _run(self) -> None:
        number = 0
        while not self._over:
            with suppress(OSError), Requestor(self._server.port, timeout=20) as peer:
                if peer.exchange(_REQUEST).kind != 2:
                    continue
                while not self._over:
                    number += 1
                    instance = f"{self._study}.{number}"
                    begun = time.monotonic()
                    try:
                        status = store(peer, instance, self._study)
                    except KeyError:  # the connection has ended
                        break
                    self.longest = max(self.longest, time.monotonic() - begun)
                    self.statuses.add(status)
                    if status == "0000":
                        self.stored.append(instance)
                else:
                    peer.release()


def test_a_worker_that_is_stopped_with_the_lock_is_replaced(tmp_path: Path) -> None:
    """It is killed after 3 s; others store again, echoes are answered all the time, nothing acknowledged is lost."""
    out = tmp_path / "out"
    options = ["--workers", "4", "--state-directory", "state", "-su", "s", "-tos", "3600"]
    with ours(out, options) as server, Stream.to(server, "1") as one, Stream.to(server, "2") as two:
        wait_until(lambda: bool(one.stored and two.stored))
        workers = of_kind(server.process.pid, WORKER)
        victim = _stop_with_lock(server, workers, out / "state" / "state.sqlite-lock")
        with Echoes.during(server):
            wait_until(lambda: victim not in of_kind(server.process.pid, WORKER), 6)
            before = len(one.stored), len(two.stored)
            wait_until(
                lambda: len(one.stored) > before[0] + 10 and len(two.stored) > before[1] + 10
            )
        wait_until(lambda: len(of_kind(server.process.pid, WORKER)) == 4)
        files = server.files()

    assert f"worker process {victim} was ended by SIGKILL" in server.errors()
    for stream in (one, two):
        assert stream.statuses <= {"0000", "A700"}
        assert stream.longest < REFUSAL_SECONDS
        assert {f"s_{name[0]}/CT.{name}" for name in stream.stored[:50]} <= files.keys()


def test_the_process_that_ends_studies_is_replaced(tmp_path: Path) -> None:
    """Killed, or stopped with the lock: reception goes on, the next one ends the studies."""
    side_by_side(
        (
            f"{name} {number.name}",
            partial(_replace_finisher, tmp_path / f"{name} {number.name}", mode, number),
        )
        for name, mode in MODES
        for number in (signal.SIGSTOP, signal.SIGKILL)
    )


def _replace_finisher(out: Path, mode: list[str], number: signal.Signals) -> None:
    options = [
        *mode,
        "--state-directory",
        "state",
        "-su",
        "s",
        "-tos",
        "1",
        "-xcs",
        "echo #p >>log",
    ]
    with ours(out, options) as server, Stream.to(server, "1") as stream:
        wait_until(lambda: bool(stream.stored))
        [process] = of_kind(server.process.pid, STUDIES)
        if number == signal.SIGKILL:
            os.kill(process, number)
        else:
            _stop_with_lock(server, [process], out / "state" / "state.sqlite-lock")
        wait_until(lambda: process not in of_kind(server.process.pid, STUDIES))
        wait_until(lambda: bool(of_kind(server.process.pid, STUDIES)))
        before = len(stream.stored)
        wait_until(lambda: len(stream.stored) > before + 10)
        stream._over = True

        wait_until(lambda: bool(lines(out / "log")))
        assert lines(out / "log") == [f"{server.directory}/s_1"]
        assert stream.statuses <= {"0000", "A700"}
        assert "was ended by SIGKILL: it is started again" in server.errors()


def test_a_study_with_slow_files_keeps_no_other_waiting(tmp_path: Path) -> None:
    """1,000 renames of 5 ms: echoes within 1 s, objects of other studies at once, its own late, and all of it right."""
    out = tmp_path / "out"
    options = ["--workers", "2", "-su", "s", "-tos", "1", "-rns", "-xcs", "echo #p >>log"]
    command = [sys.executable, "-m", "tests.end_to_end.slow_renames", "0.005"]
    environment = our_environment()
    environment["PYTHONPATH"] += os.pathsep + str(Path(__file__).parents[2])
    with running(command, out, options, environment) as server:
        with associated(server) as peer:
            for number in range(1000):
                assert store(peer, f"1.{number}", "1") == "0000"
            peer.release()
        undisturbed = _seconds_of_a_hundred(server, "3")
        wait_until(lambda: (server.directory / "s_1" / "CT000001").exists())
        with Echoes.during(server), associated(server) as peer:
            disturbed = _seconds_of_a_hundred(server, "2")
            assert disturbed < 2 * undisturbed + 0.5  # echoes take their part, too
            assert not lines(out / "log")
            peer.release()
            wait_until(lambda: len(lines(out / "log")) == 3, 40)

        names = [f"s_1/CT{number:06}" for number in range(1, 1001)]
        assert [name for name in server.files() if name.startswith("s_1/")] == names


def _seconds_of_a_hundred(server: Server, study: str) -> float:
    """Store a hundred objects of a study, and return the time that this has taken."""
    begun = time.monotonic()
    with associated(server) as peer:
        for number in range(100):
            assert store(peer, f"{study}.{number}", study) == "0000"
        peer.release()
    return time.monotonic() - begun


def prepared(directory: Path, fill: Callable[[Tracker], None]) -> None:
    """Make a state as an earlier start has left it."""
    directory.mkdir(parents=True)
    store_ = SQLiteStore(str(directory / "state.sqlite"))
    fill(Tracker(store_, EndOfStudy(1.0), Retries()))
    store_.close()


def test_many_commands_that_wait_at_a_start_keep_nobody_waiting(tmp_path: Path) -> None:
    """Of 10,000 short ones; they run a few at a time while echoes are answered."""
    out = tmp_path / "out"

    def fill(tracker: Tracker) -> None:
        names = ("calling", "called", "address", "status", "sop_class", "sop_instance")
        values = tuple((name, "0000") for name in names)
        with tracker._store.transaction():
            for number in range(10_000):
                tracker._store.add_job(Job(str(number), "object", None, "echo >>log", values, 0.0))

    prepared(out / "state", fill)
    options = ["--workers", "2", "--state-directory", "state", "-xcr", "true"]
    with ours(out, options) as server, Echoes.during(server):
        wait_until(lambda: len(lines(out / "log")) > 500)


def test_many_studies_that_end_together_keep_nobody_waiting(tmp_path: Path) -> None:
    """Of 3,000; all end, each once, while echoes are answered and objects stored."""
    out = tmp_path / "out"
    log = out / "events"

    def fill(tracker: Tracker) -> None:
        sender = Sender("a", "1")
        with tracker._store.transaction():
            for number in range(3000):
                directory = out / "files" / str(number)
                new = Round(0, f"1.{number}", 1, str(directory), f"{number}", 0.0)
                one = tracker._store.add_round(new)
                tracker._store.add_file(one.key, StoredFile("CT.1", "CT"), 0.0, sender.peer)

    prepared(out / "state", fill)
    options = ["--workers", "2", "--state-directory", "state", "-su", "s", "-tos", "1"]
    with ours(out, [*options, "--events", "events"]) as server:
        with Echoes.during(server), associated(server) as peer:
            longest = 0.0
            for number in range(100):
                begun = time.monotonic()
                assert store(peer, f"9.{number}", "9") == "0000"
                longest = max(longest, time.monotonic() - begun)
            peer.release()
            wait_until(lambda: sum("study-complete" in line for line in lines(log)) == 3001, 40)

        assert longest < ECHO_SECONDS


def test_a_command_that_runs_does_not_keep_the_program_from_ending(tmp_path: Path) -> None:
    """Within five seconds after SIGTERM, the port at once; with a state directory it runs again at the next start."""
    modes = [
        ["--workers", "2"],
        ["--workers", "2", "-xs"],
        ["--workers", "2", "--state-directory", "state"],
        ["--workers", "2", "--state-directory", "state", "-xs"],
        ["--parallel-studies"],
        ["--parallel-studies", "-xs"],
        ["--state-directory", "state"],
        ["-xs"],
        ["--fork"],
        ["--fork", "-xs"],
        [],
    ]
    names = [
        f"{association} {' '.join(mode)}" for mode in modes for association in ("open", "over")
    ]
    assert len(names) == len(set(names))
    side_by_side(
        (name, partial(_end_with_command, tmp_path / name, name.split()[1:], name.split()[0]))
        for name in names
    )


def _end_with_command(out: Path, mode: list[str], association: str) -> None:
    options = [*mode, "-xcr", "echo $$ >>log; exec sleep 45"]
    with ours(out, options) as server, associated(server) as peer:
        assert store(peer, "1.1") == "0000"
        wait_until(lambda: bool(lines(out / "log")))
        if association == "over":
            peer.send(bytes([5, 0, 0, 0, 0, 4, 0, 0, 0, 0]))  # the answer may have to wait
        server.process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        wait_until(lambda: _is_refused(server.port), 1.0)

        assert server.process.wait(20) == -signal.SIGTERM
        assert time.monotonic() - begun < 6.5

    command = int(lines(out / "log")[0])
    if "--state-directory" in mode:
        with ours(out, options) as server:
            wait_until(lambda: len(lines(out / "log")) == 2)
            os.kill(int(lines(out / "log")[1]), signal.SIGKILL)  # or the end takes its time again
    for pid in [command, *map(int, lines(out / "log"))]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _is_refused(port: int) -> bool:
    try:
        Requestor(port, timeout=1).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False
