"""`--fork`: a process of its own for each association, which harms no other and leaves nothing behind."""

import os
import signal
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.end_to_end.burden import altered, impatient, unfinished
from tests.end_to_end.conversation import CONTEXTS, associated, data_set, store, wait_until
from tests.end_to_end.processes import children, has_ended
from tests.peers import clients, samples
from tests.peers.authority import Authority, save
from tests.peers.requestor import (
    CT_IMAGE_STORAGE,
    Requestor,
    associate_request,
    echo_command,
    message,
    store_command,
)
from tests.peers.servers import Server, our_environment, ours, running

RECORDER = Path(__file__).parents[1] / "peers" / "load_recorder.py"


def staff(server: Server) -> list[int]:
    """Return the server's child processes, zombies among them."""
    return children(server.process.pid)


def begin_object(peer: Requestor, server: Server, instance: str) -> None:
    """Send an object but for its end, and wait until there is an unfinished file."""
    before = len(unfinished(server.directory))
    whole = message(1, store_command(CT_IMAGE_STORAGE, instance), data_set(instance))
    peer.send(whole[:-10])
    wait_until(lambda: len(unfinished(server.directory)) == before + 1)


def echo(server: Server) -> None:
    with Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        peer.send(message(3, echo_command()))
        assert peer.receive_response().elements[0x0900] == b"\0\0"
        peer.release()


def test_stuck_children_do_not_stop_others(tmp_path: Path) -> None:
    """Peers that fall silent, wherever they are, keep nobody else waiting."""
    with ours(tmp_path / "out", ["--fork"]) as server:
        within_request, within_object, idle = (Requestor(server.port) for _ in range(3))
        within_request.send(b"\1\0\0\0\1\0\0\1")
        within_object.associate(CONTEXTS)
        begin_object(within_object, server, "1.1")
        idle.associate(CONTEXTS)
        wait_until(lambda: len(staff(server)) >= 2)  # who has not asked may wait outside

        for _ in range(3):
            echo(server)
        for peer in (within_request, within_object, idle):
            peer.close()


def test_a_limit_lets_the_next_one_wait(tmp_path: Path) -> None:
    """Of three clients the third is served as soon as one of the first two has left."""
    options = ["--fork", "--max-associations", "2", "-v"]
    with ours(tmp_path / "out", options) as server:
        first, second, third = (Requestor(server.port) for _ in range(3))
        first.associate(CONTEXTS)
        second.associate(CONTEXTS)
        wait_until(lambda: "Maximum number of associations reached" in server.errors())
        assert len(staff(server)) == 2

        assert store(first, "1.1") == "0000"
        first.release()
        third.associate(CONTEXTS)
        assert store(third, "1.3") == "0000"
        assert store(second, "1.2") == "0000"
        second.release()
        third.release()

        assert sorted(server.files()) == ["CT.1.1", "CT.1.2", "CT.1.3"]
        assert (
            "I: Maximum number of associations reached, waiting for child process to terminate\n"
            in server.errors()
        )


def test_a_limit_costs_no_time(tmp_path: Path) -> None:
    """The end of a child is noticed at once, not when somebody looks again."""
    with ours(tmp_path / "out", ["--fork", "--max-associations", "1"]) as server:
        peers = [Requestor(server.port, timeout=5) for _ in range(20)]
        for peer in peers:
            peer.associate(CONTEXTS)
            peer.release()  # half a second each would not do


def test_a_child_that_is_free_serves_the_next(tmp_path: Path) -> None:
    """One is enough for associations that follow each other, and no command of theirs stays as a zombie."""
    options = ["--fork", "--max-associations", "2", "-xcr", "true"]
    with ours(tmp_path / "out", options) as server:
        with associated(server) as first, associated(server) as second:
            first.release()
            second.release()
        both = staff(server)
        for number in range(10):
            with associated(server) as peer:
                assert store(peer, f"1.{number}") == "0000"
                peer.release()
        assert staff(server) == both
        assert not any(map(children, both))


def test_children_leave_when_nobody_needs_them(tmp_path: Path) -> None:
    """They are waited for as soon as they end, while nothing else happens."""
    with impatient(tmp_path / "out") as server:
        for number in range(3):
            with associated(server) as peer:
                assert store(peer, f"1.{number}") == "0000"
                peer.release()
            wait_until(lambda: not staff(server))
        echo(server)


def test_not_many_children_wait_for_work(tmp_path: Path) -> None:
    """Those that served last are kept."""
    with impatient(tmp_path / "out", free_for=30, free_at_most=2) as server, ExitStack() as stack:
        peers = [stack.enter_context(associated(server)) for _ in range(5)]
        assert len(staff(server)) == 5
        for peer in peers:
            peer.release()
        wait_until(lambda: len(staff(server)) == 2)
        echo(server)


def test_each_association_is_a_world_of_its_own(tmp_path: Path) -> None:
    """A study that goes on in the next association begins anew there, whoever serves it: as after a fork."""
    options = ["--fork", "--max-associations", "1", "-ss", "s", "-v"]
    with ours(tmp_path / "out", options) as server:
        for number in range(2):
            with associated(server) as peer:
                assert store(peer, f"1.{number}") == "0000"
                assert store(peer, f"2.{number}") == "0000"
                peer.release()
            assert len(staff(server)) == 1
        said = server.errors()
        assert said.count("created new subdirectory") == 2
        assert "using existing subdirectory" not in said


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_child_that_is_killed_harms_nobody(number: signal.Signals, tmp_path: Path) -> None:
    """Other associations go on, its unfinished file goes away at once, and the log says what happened."""
    with ours(tmp_path / "out", ["--fork"]) as server:
        victim, other = Requestor(server.port), Requestor(server.port)
        victim.associate(CONTEXTS)
        [doomed] = staff(server)
        other.associate(CONTEXTS)
        begin_object(victim, server, "1.1")
        begin_object(other, server, "1.2")

        os.kill(doomed, number)
        assert victim.receive_response().kind == (7 if number == signal.SIGTERM else 0)
        wait_until(lambda: len(unfinished(server.directory)) == 1)
        rest = message(1, store_command(CT_IMAGE_STORAGE, "1.2"), data_set("1.2"))[-10:]
        other.send(rest)
        assert other.receive_response().elements[0x0900] == b"\0\0"
        other.release()
        victim.close()
        echo(server)

        wait_until(lambda: doomed not in staff(server))
        assert sorted(server.files()) == ["CT.1.2"]
        wait_until(lambda: not list(server.directory.glob(".storescp*")))
        said = f"E: child process {doomed} was ended by {number.name}\n"
        assert (said in server.errors()) == (number != signal.SIGTERM)


def test_children_outlive_their_parent(tmp_path: Path) -> None:
    """As with the reference, who is being served when the parent is terminated is served to the end."""
    with ours(tmp_path / "out", ["--fork"]) as server:
        peer = Requestor(server.port)
        peer.associate(CONTEXTS)

        [serving] = staff(server)
        assert server.stop() == -signal.SIGTERM
        assert store(peer, "1.2.3") == "0000"
        assert peer.release() == 6
        assert list(server.files()) == ["CT.1.2.3"]
        wait_until(partial(has_ended, serving))  # there is nobody who could give it more to do


def test_children_without_work_end_with_their_parent(tmp_path: Path) -> None:
    """However that ends."""
    with ours(tmp_path / "out", ["--fork"]) as server:
        echo(server)
        [free] = staff(server)
        server.process.kill()
        wait_until(partial(has_ended, free))


def test_no_room_for_another_process(tmp_path: Path) -> None:
    """Who cannot be served is told by the end of the connection, and the log by an error; the next one is served."""
    change = """
forks = [OSError(11, "Resource temporarily unavailable"), None]
fork = supervisor.fork_flushed
def sometimes():
    if forks and (error := forks.pop(0)):
        raise error
    return fork()
supervisor.fork_flushed = sometimes
"""
    with altered(tmp_path / "out", change, ["--fork"]) as server:
        with Requestor(server.port) as peer:
            assert peer.exchange(associate_request(CONTEXTS)).kind == 0
        echo(server)
        said = "E: Cannot create association sub-process: Resource temporarily unavailable\n"
        assert server.errors().count(said) == 1


def test_no_room_for_those_that_wait(tmp_path: Path) -> None:
    """Each of them is told, not the first one only."""
    change = """
fork, forks = supervisor.fork_flushed, [1]
def once():
    if not forks:
        raise OSError(11, "Resource temporarily unavailable")
    return forks.pop() and fork()
supervisor.fork_flushed = once
"""
    options = ["--fork", "--max-associations", "1"]
    with altered(tmp_path / "out", change, options) as server, associated(server):
        waiting = [Requestor(server.port) for _ in range(3)]
        for peer in waiting:
            peer.send(associate_request(CONTEXTS))
        os.kill(staff(server)[0], signal.SIGKILL)
        for peer in waiting:
            assert peer.receive_pdu()[0] == 0
            peer.close()


def test_a_child_that_dies_at_once(tmp_path: Path) -> None:
    """No other one is made in its place, which might go on for ever: its peer's connection ends."""
    change = """
from storescp.serve.receiver import Receiver
begin_work = Receiver.begin_work
def fail(self):
    if not os.path.exists("healthy"):
        os._exit(3)
    begin_work(self)
Receiver.begin_work = fail
"""
    with altered(tmp_path / "out", change, ["--fork"]) as server:
        for _ in range(3):
            with Requestor(server.port) as peer:
                assert peer.exchange(associate_request(CONTEXTS)).kind == 0
        wait_until(lambda: server.errors().count("failed with exit status 3\n") == 3)
        assert not staff(server)
        Path(f"/proc/{server.process.pid}/cwd/healthy").touch()
        echo(server)


def test_a_free_child_that_is_killed_is_not_missed(tmp_path: Path) -> None:
    """The next peer is served by another one."""
    with ours(tmp_path / "out", ["--fork"]) as server:
        echo(server)
        [free] = staff(server)
        os.kill(free, signal.SIGKILL)
        echo(server)
        wait_until(lambda: f"child process {free} was ended by SIGKILL" in server.errors())
        assert free not in staff(server)


@pytest.mark.parametrize(
    "options",
    [["+xa", "-d"], ["+xa", "-sp"], ["+xa", "-tn"], ["+ti", "+xe"]],
    ids=" ".join,
)
@pytest.mark.interop
def test_children_load_nothing(options: list[str], tmp_path: Path) -> None:
    """What a child needs was loaded before the fork, whatever it is sent."""
    authority = Authority()
    trusted = save(tmp_path / "ca.pem", authority.certificate)
    key, certificate = authority.issue("server").save(tmp_path)
    client_key, client_certificate = authority.issue("client").save(tmp_path)
    record = tmp_path / "record"
    (tmp_path / "allow").write_text("ALL: ALL\n")
    paths = clients.write_files(samples.of_pydicom(), tmp_path / "sent")
    usual = clients.write_files(
        [sample for sample in samples.of_pydicom() if clients.is_usual(sample)], tmp_path / "usual"
    )
    secured = ["+tls", key, certificate, "+cf", trusted]
    guarded = ["+ac", "--hosts-allow", str(tmp_path / "allow")]

    for name, security in (("plain", []), ("secured", [*secured, *guarded])):
        command = [sys.executable, str(RECORDER), str(record)]
        with running(
            command, tmp_path / name, ["--fork", *options, *security], our_environment()
        ) as server:
            identity = ["+tls", client_key, client_certificate, "+cf", trusted]
            if security:
                clients.storescu(server.port, usual, *identity)
            else:
                clients.dcmsend(server.port, paths)
            assert server.files()
            served = staff(server)
            server.stop()
            for child in served:
                wait_until(partial(has_ended, child))

    loaded = record.read_text().splitlines()
    assert len(loaded) >= 2
    assert not any(loaded)
