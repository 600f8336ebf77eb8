"""The running program: who is served, what follows an object, how it ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.end_to_end.conversation import CONTEXTS, data_set, store, wait_until
from tests.peers.requestor import (
    CT_IMAGE_STORAGE,
    Requestor,
    echo_command,
    message,
    store_command,
)
from tests.peers.servers import our_environment, ours, running


def test_silent_clients_keep_nobody_waiting(tmp_path: Path) -> None:
    """Connections that say nothing wait outside while others are served."""
    with ours(tmp_path / "out") as server:
        silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]

        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS)
            assert store(peer, "1.2.3") == "0000"
            peer.release()
        for connection in silent:
            connection.close()

        assert list(server.files()) == ["CT.1.2.3"]


def test_a_peer_that_does_not_close_keeps_nobody_waiting(tmp_path: Path) -> None:
    """After the release it is the peer's turn to close; the next peer is served meanwhile."""
    with ours(tmp_path / "out") as server:
        first = Requestor(server.port)
        first.associate(CONTEXTS)
        first.release()

        with Requestor(server.port) as second:
            second.associate(CONTEXTS)
            second.send(message(3, echo_command()))
            assert second.receive_response().elements[0x0900] == b"\0\0"
            second.release()
        first.close()


def test_a_stuck_child_does_not_stop_others(tmp_path: Path) -> None:
    """Under `--fork` each association has its own process, and more wait only if there is a limit."""
    with ours(tmp_path / "out", ["--fork", "--max-associations", "2"]) as server:
        stuck = Requestor(server.port)
        stuck.associate(CONTEXTS)
        for number in range(3):
            with Requestor(server.port) as peer:
                peer.associate(CONTEXTS)
                assert store(peer, f"1.2.{number}") == "0000"
                peer.release()
        stuck.close()

        assert sorted(server.files()) == ["CT.1.2.0", "CT.1.2.1", "CT.1.2.2"]


def test_commands_follow_objects_and_studies(tmp_path: Path) -> None:
    """A study ends with an object of another one: files are renamed, then the command runs."""
    log = tmp_path / "log"
    options = [
        *("-su", "s", "-rns", "-xs"),
        *("-xcr", f"echo object #p/#f #a $STORESCP_SOP_INSTANCE_UID >> {log}"),
        *("-xcs", f"echo study #p $(ls #p) >> {log}"),
    ]
    with ours(tmp_path / "out", options) as server:
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS)
            for instance, study in (("1.1", "1"), ("1.2", "1"), ("2.1", "2")):
                assert store(peer, instance, study) == "0000"
            peer.release()
        out = server.directory

        wait_until(lambda: log.exists() and len(log.read_text().splitlines()) == 4)
        assert log.read_text().splitlines() == [
            f"object {out}/s_1/CT.1.1 PEER 1.1",
            f"object {out}/s_1/CT.1.2 PEER 1.2",
            f"object {out}/s_2/CT.2.1 PEER 2.1",
            f"study {out}/s_1 CT000001 CT000002",
        ]


def test_the_log_names_the_file_that_was_written(tmp_path: Path) -> None:
    """With `--timenames` a name may be taken: the log has the one that was free."""
    with ours(tmp_path / "out", ["-tn", "-v"]) as server:
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS)
            for number in range(30):
                assert store(peer, f"1.{number}") == "0000"
            peer.release()

        stored = {str(server.directory / name) for name in server.files()}
        logged = [line for line in server.errors().splitlines() if "storing DICOM file" in line]
        assert stored == {line.rpartition(": ")[2] for line in logged}
        assert len(stored) == 30


def test_a_study_ends_by_time_whatever_probes_come(tmp_path: Path) -> None:
    """Connections and echoes do not put the end of a study off."""
    log = tmp_path / "log"
    options = ["-su", "s", "-tos", "1", "-xcs", f"echo study >> {log}"]
    with ours(tmp_path / "out", options) as server, Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        store(peer, "1.1", "1")
        end = time.monotonic() + 20
        while not log.exists():
            assert time.monotonic() < end
            peer.send(message(3, echo_command()))
            peer.receive_response()
            socket.create_connection(("127.0.0.1", server.port)).close()
            time.sleep(0.05)
        peer.release()


def test_the_study_under_way_ends_with_the_program(tmp_path: Path) -> None:
    """A termination does not lose the end of the last study."""
    log = tmp_path / "log"
    with ours(tmp_path / "out", ["-su", "s", "-xs", "-xcs", f"echo study #p >> {log}"]) as server:
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS)
            store(peer, "1.1", "1")
            peer.release()
        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(10) == -signal.SIGTERM
        assert log.read_text() == f"study {server.directory}/s_1\n"


def test_termination_aborts_the_association_in_hand(tmp_path: Path) -> None:
    """The peer gets an A-ABORT, the unfinished object leaves nothing, the signal is the reason of the end."""
    with ours(tmp_path / "out") as server, Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        whole = message(1, store_command(CT_IMAGE_STORAGE, "1.1"), data_set("1.1"))
        peer.send(whole[:-10])
        wait_until(lambda: bool(list(server.directory.rglob("*"))))
        server.process.send_signal(signal.SIGTERM)

        assert peer.receive_response().kind == 7
        assert server.process.wait(10) == -signal.SIGTERM
        assert not list(server.directory.rglob("*"))


def test_one_association_from_a_super_server(tmp_path: Path) -> None:
    """With `--inetd` the connection is standard input, and the program ends with the association."""
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname(), timeout=20)
    accepted, _ = listener.accept()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-m", "storescp", "--inetd", "-od", str(tmp_path)],
        stdin=accepted.fileno(),
        env=environment,
    ) as process:
        accepted.close()
        with Requestor(0, connection=client) as peer:
            peer.associate(CONTEXTS)
            assert store(peer, "1.2.3") == "0000"
            peer.release()
        listener.close()

        assert process.wait(20) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["CT.1.2.3"]


def test_a_taken_port_is_an_error(tmp_path: Path) -> None:
    """Start-up fails with the system's words and exit code 1, and a second line says which port it is."""
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "storescp", "-od", str(tmp_path), str(port)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr == (
        "E: cannot create network: 0006:031c TCP Initialization Error: Address already in use\n"
        f"E: Another program listens on port {port}; `ss -lntp` shows which.\n"
    )


def test_a_mistake_of_ours_ends_one_association_only(tmp_path: Path) -> None:
    """Whatever is raised where nobody expects it: it is logged, the object is gone, the next peer is served."""
    script = """
import storescp.storage.store_scp as store_scp
real = store_scp.StoreSCP.place
def place(self, attributes):
    if attributes.sop_instance_uid == b"1.2.666":
        raise ZeroDivisionError("nobody expects it")
    return real(self, attributes)
store_scp.StoreSCP.place = place
from storescp.cli import main
main()
"""
    command = [sys.executable, "-c", script]
    for number, mode in enumerate(([], ["--fork"])):
        with running(command, tmp_path / f"out{number}", mode, our_environment()) as server:
            with Requestor(server.port) as peer:
                peer.associate(CONTEXTS)
                assert store(peer, "1.2.3") == "0000"
                peer.send(
                    message(1, store_command(CT_IMAGE_STORAGE, "1.2.666"), data_set("1.2.666"))
                )
                assert peer.receive_response().outcome == "CLOSED"
            with Requestor(server.port) as peer:
                peer.associate(CONTEXTS)
                assert store(peer, "1.2.4") == "0000"
                peer.release()

            assert sorted(server.files()) == ["CT.1.2.3", "CT.1.2.4"]
            assert "internal error, association dropped" in server.errors()
            assert "ZeroDivisionError: nobody expects it" in server.errors()
