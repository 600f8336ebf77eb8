"""Several associations at once, and studies that end each for itself: the running program."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from storescp.process_name import WORKER
from tests.end_to_end.conversation import CONTEXTS, associated, data_set, store, wait_until
from tests.end_to_end.processes import children, has_ended, of_kind
from tests.peers.requestor import (
    ASSOCIATE_RJ,
    CT_IMAGE_STORAGE,
    Requestor,
    associate_request,
    message,
    store_command,
)
from tests.peers.servers import Server, our_command, our_environment, ours

COMMAND_LOG = "log"


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def events(path: Path, name: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in lines(path)]
    return [event for event in found if event["event"] == name]


def test_as_many_associations_as_workers_are_served_at_once(tmp_path: Path) -> None:
    """A third peer waits until one of two has gone; one that stalls costs one place."""
    with ours(tmp_path / "out", ["--workers", "2"]) as server:
        with associated(server) as stalled, associated(server) as second:
            whole = message(1, store_command(CT_IMAGE_STORAGE, "1.1"), data_set("1.1"))
            stalled.send(whole[:-10])
            third = Requestor(server.port)
            third.send(associate_request(CONTEXTS))
            assert store(second, "1.2") == "0000"
            second.release()
            kind, _ = third.receive_pdu()
            assert kind == 2
            assert store(third, "1.3") == "0000"
            third.release()

        assert {"CT.1.2", "CT.1.3"} <= server.files().keys()
        assert "CT.1.1" not in server.files()


def test_silent_peers_and_probes_cost_no_worker(tmp_path: Path) -> None:
    """One worker serves while twenty connections say nothing, and others come and go."""
    with ours(tmp_path / "out", ["--workers", "1"]) as server:
        silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
        for number in range(3):
            socket.create_connection(("127.0.0.1", server.port)).close()
            with associated(server) as peer:
                assert store(peer, f"1.{number}") == "0000"
                peer.release()
        for connection in silent:
            connection.close()

        assert len(server.files()) == 3


def test_more_than_the_queue_holds_are_rejected(tmp_path: Path) -> None:
    """Rejected-transient, by the service provider, temporary congestion; told as an event; the others are served."""
    log = tmp_path / "events"
    options = ["--workers", "1", "--queue-limit", "1", "--events", str(log)]
    with ours(tmp_path / "out", options) as server, associated(server) as served:
        waiting = Requestor(server.port)
        waiting.send(associate_request(CONTEXTS))
        wait_until(lambda: _is_asked(server))
        with Requestor(server.port) as surplus:
            answer = surplus.exchange(associate_request(CONTEXTS))
            assert (answer.kind, answer.fields) == (ASSOCIATE_RJ, (2, 3, 1))
        served.release()
        assert waiting.receive_pdu()[0] == 2
        waiting.release()

    [rejected] = events(log, "association-rejected")
    assert (rejected["result"], rejected["source"], rejected["reason"]) == (2, 3, 1)
    assert "all workers are busy" in rejected["why"]


def _is_asked(server: Server) -> bool:
    """Tell whether the bytes of a second connection have been acknowledged and the supervisor had time to see them."""
    time.sleep(0.05)  # it has nothing else to do; the queue cannot be seen from here
    return server.process.poll() is None


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    """Its peer's connection ends; its study is not held any more; the next peer is served."""
    log = tmp_path / "events"
    options = ["--workers", "1", "-su", "s", "-tos", "1", "--events", str(log)]
    with ours(tmp_path / "out", options) as server, associated(server) as peer:
        assert store(peer, "1.1", "1") == "0000"
        [worker] = of_kind(server.process.pid, WORKER)
        os.kill(worker, signal.SIGKILL)
        assert peer.receive_pdu()[0] == 0
        wait_until(lambda: bool(events(log, "study-complete")))
        with associated(server) as second:
            assert store(second, "2.1", "2") == "0000"
            second.release()

        assert worker not in children(server.process.pid)
        assert f"worker process {worker} was ended by SIGKILL" in server.errors()


def test_workers_end_with_their_supervisor(tmp_path: Path) -> None:
    """Also if it is killed: nobody keeps the port, or an association, that nobody supervises."""
    with ours(tmp_path / "out", ["--workers", "2"]) as server, associated(server) as peer:
        workers = of_kind(server.process.pid, WORKER)
        others = children(server.process.pid)
        server.process.kill()

        assert peer.receive_response().kind in {0, 7}
        wait_until(lambda: all(has_ended(other) for other in others))
        assert len(workers) == 2


def test_termination_aborts_the_associations_in_hand(tmp_path: Path) -> None:
    """All peers get an A-ABORT; unfinished objects leave nothing; the signal is the reason of the end."""
    with ours(tmp_path / "out", ["--workers", "2"]) as server:
        with associated(server) as first, associated(server) as second:
            whole = message(1, store_command(CT_IMAGE_STORAGE, "1.1"), data_set("1.1"))
            first.send(whole[:-10])
            wait_until(lambda: bool(list(server.directory.rglob("*"))))
            server.process.send_signal(signal.SIGTERM)

            assert first.receive_response().kind == 7
            assert second.receive_response().kind == 7
        assert server.process.wait(20) == -signal.SIGTERM
        assert not list(server.directory.rglob("*"))


STUDY_OPTIONS = (
    *("-su", "s", "-rns", "-tos", "1", "--events", "events"),
    *("-xcr", f"echo object $STORESCP_SOP_INSTANCE_UID $(ls #p/#f) >> {COMMAND_LOG}"),
    *("-xcs", f"echo study #p $STORESCP_ROUND $STORESCP_OBJECTS $(ls #p) >> {COMMAND_LOG}"),
)
"""Relative to the directory in which the server runs."""


@pytest.mark.parametrize(
    "mode",
    [
        ["--workers", "2"],
        ["--workers", "2", "--state-directory", "state", "--fsync"],
        ["--parallel-studies"],
        ["--state-directory", "state"],
    ],
    ids=["workers", "workers with state", "one process", "one process with state"],
)
def test_interleaved_studies_end_each_for_itself(tmp_path: Path, mode: list[str]) -> None:
    """Renamed, announced and followed by their command, once all is there; a study that comes back is round 2."""
    out = tmp_path / "out"
    with ours(out, [*mode, *STUDY_OPTIONS]) as server:
        with associated(server) as peer:
            for number in range(6):
                study = str(number % 2)
                assert store(peer, f"{study}.{number}", study) == "0000"
            peer.release()
        wait_until(lambda: sum(line.startswith("study") for line in lines(out / "log")) == 2)
        with associated(server) as peer:
            assert store(peer, "0.0", "0") == "0000"
            peer.release()
        wait_until(lambda: sum(line.startswith("study") for line in lines(out / "log")) == 3)

        files = f"{server.directory}/s_"
        logged = lines(out / "log")
        assert sorted(line for line in logged if line.startswith("object")) == sorted(
            f"object {number % 2}.{number} {files}{number % 2}/CT.{number % 2}.{number}"
            for number in (0, 0, 1, 2, 3, 4, 5)
        )
        assert sorted(line for line in logged if line.startswith("study")) == [
            f"study {files}0 1 3 CT000001 CT000002 CT000003",
            f"study {files}0 2 1 CT000001 CT000002 CT000003 CT000004",
            f"study {files}1 1 3 CT000001 CT000002 CT000003",
        ]
    told = events(out / "events", "study-complete")
    assert [(one["study_instance_uid"], one["round"], one["cause"]) for one in told[2:]] == [
        ("0", 2, "timeout")
    ]
    assert len({one["id"] for one in told}) == 3


@pytest.mark.parametrize("layout", [["-ss", "s"], ["-sp"]])
def test_studies_by_time_share_no_directory(tmp_path: Path, layout: list[str]) -> None:
    """Eight that begin at once have eight; two associations with objects of one study share its directory."""
    with ours(tmp_path / "out", ["--workers", "2", *layout]) as server:
        with associated(server) as first, associated(server) as second:
            for number in range(8):
                peers = (first, second) if number % 2 else (second, first)
                for of, peer in enumerate(peers):
                    command = store_command(CT_IMAGE_STORAGE, f"{number}.{of}")
                    peer.send(message(1, command, data_set(f"{number}.{of}", str(number))))
                for peer in peers:
                    assert peer.receive_response().status == 0
            first.release()
            second.release()
        directories: dict[str, set[str]] = {}
        for name in server.files():
            directory, _, file = name.partition("/")
            directories.setdefault(directory, set()).add(file)

    assert sorted(map(sorted, directories.values())) == [
        [f"CT.{number}.0", f"CT.{number}.1"] for number in range(8)
    ]


def test_what_was_open_ends_after_a_kill(tmp_path: Path) -> None:
    """Rounds go on after SIGKILL with another start, in time, and once."""
    out = tmp_path / "out"
    options = ["--workers", "2", "--state-directory", "state", *STUDY_OPTIONS]
    options[options.index("-tos") + 1] = "2"
    with ours(out, options) as server:
        with associated(server) as peer:
            store(peer, "1.1", "1")
            store(peer, "1.2", "1")
            server.process.kill()
            server.process.wait()
        assert not events(out / "events", "study-complete")
    with ours(out, options) as server:
        wait_until(lambda: any(line.startswith("study") for line in lines(out / "log")))
        time.sleep(0.5)  # nothing more is to come

        [complete] = events(out / "events", "study-complete")
        assert (complete["objects"], complete["round"]) == (2, 1)
        assert sorted(server.files()) == ["s_1/CT000001", "s_1/CT000002"]
        study = [line for line in lines(out / "log") if line.startswith("study")]
        assert study == [f"study {server.directory}/s_1 1 2 CT000001 CT000002"]


def ask(option: str, state: Path) -> str:
    done = subprocess.run(
        [*our_command(), option, str(state)],
        env=our_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_a_command_that_fails_is_tried_again_listed_and_started_again(tmp_path: Path) -> None:
    """After its attempts it is kept; `--retry-failed` has the running receiver start it again, under the same id."""
    out, state = tmp_path / "out", tmp_path / "out" / "state"
    options = [
        *("--workers", "1", "--state-directory", "state", "--events", "events"),
        *("--exec-attempts", "2", "--exec-pause", "0"),
        *("-xcr", "echo $STORESCP_ID $STORESCP_ATTEMPT >> log; test -e good || exit 3"),
    ]
    with ours(out, options) as server:
        with associated(server) as peer:
            store(peer, "1.1")
            peer.release()
        wait_until(lambda: len(events(out / "events", "command-failed")) == 2)
        listed = ask("--list-failed", state)
        first, second = events(out / "events", "command-failed")
        (out / "good").touch()
        assert ask("--retry-failed", state) == "1 commands will be started again\n"
        wait_until(lambda: bool(events(out / "events", "command-ended")))
        assert ask("--list-failed", state) == ""

    assert listed.startswith(f"{first['id']}  object  ")
    assert "/CT.1.1  2 attempts  exit status 3  echo" in listed
    assert (first["attempt"], first["next_attempt_in"]) == (1, 0)
    assert "next_attempt_in" not in second
    assert lines(out / "log") == [f"{first['id']} {attempt}" for attempt in (1, 2, 1)]


@pytest.mark.parametrize(
    "mode", [["--workers", "1"], ["--parallel-studies"], ["--workers", "1", "-xs"]]
)
def test_a_command_that_ends_by_a_signal_without_a_name_costs_itself(
    tmp_path: Path, mode: list[str]
) -> None:
    """It has failed, is tried again and is given up, as others are; and it ends no process of the receiver."""
    out = tmp_path / "out"
    options = [
        *(*mode, "--state-directory", "state", "-su", "s", "-tos", "1", "--events", "events"),
        *(
            "--exec-attempts",
            "2",
            "--exec-pause",
            "0",
            "-xcs",
            "kill -40 $$",
            "-xcr",
            "kill -41 $$",
        ),
    ]
    with ours(out, options) as server:
        before = children(server.process.pid)
        with associated(server) as peer:
            store(peer, "1.1", "1")
            peer.release()
        wait_until(lambda: len(events(out / "events", "command-failed")) == 4)

        assert set(before) <= set(children(server.process.pid))
        assert "internal error" not in server.errors()
    reasons = sorted(one["why"] for one in events(out / "events", "command-failed"))
    assert reasons == ["ended by signal 40"] * 2 + ["ended by signal 41"] * 2
    assert len(ask("--list-failed", out / "state").splitlines()) == 2


def test_reception_waits_for_commands_only_if_asked_to(tmp_path: Path) -> None:
    """With `--exec-sync` the next object is taken when the command of the one before has ended."""
    command = ["-xcr", "sleep 0.3; echo #f >> log"]
    for mode, done in (([], 0), (["--exec-sync"], 2)):
        out = tmp_path / f"out{done}"
        with ours(out, ["--workers", "1", *mode, *command]) as server:
            with associated(server) as peer:
                for number in range(3):
                    assert store(peer, f"1.{number}") == "0000"
                assert len(lines(out / "log")) >= done
                if not done:
                    assert len(lines(out / "log")) < 2
                peer.release()
            wait_until(lambda out=out: len(lines(out / "log")) == 3)  # type: ignore[misc]


@pytest.mark.parametrize(
    "mode", [["--workers", "2"], ["--parallel-studies"]], ids=["workers", "one"]
)
def test_nobody_is_let_in_while_the_command_of_a_study_runs(
    tmp_path: Path, mode: list[str]
) -> None:
    """With `--exec-sync`: an association that is asked for meanwhile begins when the command has ended."""
    out = tmp_path / "out"
    command = ["-xs", "-su", "s", "-tos", "1", "-xcs", "touch begun; sleep 1.5; touch ended"]
    with ours(out, [*mode, *command]) as server:
        with associated(server) as peer:
            assert store(peer, "1.1", "1") == "0000"
            peer.release()
        wait_until((out / "begun").exists)
        with associated(server) as peer:
            assert (out / "ended").exists()
            assert store(peer, "2.1", "2") == "0000"
            peer.release()


def test_commands_are_few_at_a_time_and_end_in_time(tmp_path: Path) -> None:
    """No more than allowed run at once; one that takes too long is ended with all that it started."""
    out = tmp_path / "out"
    options = [
        *("--workers", "1", "--exec-parallel", "2", "--exec-timeout", "1", "--exec-attempts", "1"),
        *("--events", "events", "-xcr", "echo $$ >> log; sleep 60 & wait"),
    ]
    with ours(out, options) as server:
        with associated(server) as peer:
            for number in range(3):
                store(peer, f"1.{number}")
            peer.release()
        wait_until(lambda: len(lines(out / "log")) == 2)
        time.sleep(0.3)
        assert len(lines(out / "log")) == 2
        wait_until(lambda: len(events(out / "events", "command-failed")) == 3)

    assert {event["why"] for event in events(out / "events", "command-failed")} == {
        "longer than 1 s"
    }


def test_two_receivers_do_not_share_a_state_directory(tmp_path: Path) -> None:
    """A program that asks about it may look; a receiver may not start."""
    from storescp.errors import ConfigurationError
    from storescp.serve.studies.state_directory import StateDirectory

    first = StateDirectory(str(tmp_path / "state"))
    with pytest.raises(ConfigurationError, match="in use by another receiver"):
        StateDirectory(str(tmp_path / "state"), patience=0.1)
    first.close()
    StateDirectory(str(tmp_path / "state"), patience=0.1).close()


def state_directory_of(pid: int) -> Path:
    """Return the directory in which a receiver has its mark."""
    descriptors = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            descriptors.append(os.readlink(path))
    [mark] = [name for name in descriptors if name.endswith("/in-use")]
    return Path(mark).parent


def test_the_commands_of_objects_come_before_the_end_of_their_study(tmp_path: Path) -> None:
    """Also when the program ends: they are slow, and find their file under the name that they are given."""
    out = tmp_path / "out"
    options = [
        *("--workers", "1", "-su", "s", "-rns", "-xcs", "echo study $(ls #p) >> log"),
        *("-xcr", "sleep 0.2; ls #p/#f > /dev/null && echo object #f >> log"),
    ]
    with ours(out, options) as server:
        with associated(server) as peer:
            for number in range(6):
                store(peer, f"1.{number}", "1")
            peer.release()
        assert server.stop(limit=40) == -signal.SIGTERM

    *objects, study = lines(out / "log")
    assert sorted(objects) == [f"object CT.1.{number}" for number in range(6)]
    assert study == "study " + " ".join(f"CT{number:06}" for number in range(1, 7))


def test_what_is_not_kept_is_removed(tmp_path: Path) -> None:
    """Without `--state-directory` the end of the program ends all studies, and leaves no database."""
    out = tmp_path / "out"
    options = ["--workers", "1", *STUDY_OPTIONS]
    options[options.index("-tos") + 1] = "100"
    with ours(out, options) as server:
        with associated(server) as peer:
            store(peer, "1.1", "1")
            peer.release()
        state = state_directory_of(server.process.pid)
        assert state.is_dir()
        assert server.stop(limit=20) == -signal.SIGTERM

    [complete] = events(out / "events", "study-complete")
    assert complete["cause"] == "stop"
    assert [line.split()[0] for line in lines(out / "log")] == ["object", "study"]
    assert not state.exists()
