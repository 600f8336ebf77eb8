"""The running program lets in those that are allowed, and tells the others why not."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.end_to_end.conversation import CONTEXTS, store, wait_until
from tests.peers.requestor import ASSOCIATE_AC, ASSOCIATE_RJ, Answer, Requestor, associate_request
from tests.peers.servers import Server, our_command, our_environment, ours


def asking(server: Server, calling: bytes, called: bytes = b"ANY-SCP") -> Answer:
    """Return what an association request is answered with."""
    with Requestor(server.port) as peer:
        return peer.exchange(associate_request(CONTEXTS, calling=calling, called=called))


def connection_from(address: str, port: int) -> socket.socket:
    """Connect from one of the addresses of this machine."""
    return socket.create_connection(("127.0.0.1", port), 20, source_address=(address, 0))


def is_closed(connection: socket.socket) -> bool:
    """Tell that the server closes without a word."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_calling_and_called_ae_titles(tmp_path: Path) -> None:
    """Refused with the reasons of the standard, and a sentence in the log; others are served."""
    options = ["--allow-calling", "CT1", "--allow-calling", "MR 1", "--allow-called", "STORE"]
    with ours(tmp_path / "out", options) as server:
        assert asking(server, b"CT1", b"STORE").kind == ASSOCIATE_AC
        assert asking(server, b"MR 1", b"STORE").kind == ASSOCIATE_AC
        assert asking(server, b"EVIL", b"STORE") == Answer(ASSOCIATE_RJ, (1, 1, 3))
        assert asking(server, b"CT1", b"OTHER") == Answer(ASSOCIATE_RJ, (1, 1, 7))

        wait_until(lambda: server.errors().count("\n") == 4)
        lines = server.errors().splitlines()
        assert [line for line in lines if not line.startswith("W: Why: ")] == [
            (
                'W: Association Rejected: calling AE title "EVIL" at 127.0.0.1'
                " is not on the list of those that are allowed"
            ),
            (
                'W: Association Rejected: called AE title "OTHER", asked for by "CT1" at 127.0.0.1,'
                " is none of ours"
            ),
        ]


def test_addresses(tmp_path: Path) -> None:
    """A connection from elsewhere is closed at once, without reading."""
    options = ["--allow-address", "127.0.0.2", "--allow-address", "127.1.0.0/16"]
    with ours(tmp_path / "out", options) as server:
        for address in ("127.0.0.2", "127.1.2.3"):
            with Requestor(0, connection=connection_from(address, server.port)) as peer:
                assert peer.associate(CONTEXTS).kind == ASSOCIATE_AC
        with connection_from("127.0.0.3", server.port) as refused:
            assert is_closed(refused)

        assert server.errors().splitlines() == [
            "W: Connection from 127.0.0.3 closed",
            (
                "W: Why: 127.0.0.3 is not an allowed address (127.0.0.2/32 and"
                " 127.1.0.0/16): add it with --allow-address or to the file of --allow-address-file."
            ),
        ]


def test_a_dual_stack_server_knows_ipv4_addresses(tmp_path: Path) -> None:
    """An entry of IPv4 holds for peers of IPv4, however the system writes their addresses."""
    options = ["--ip-auto", "--allow-address", "127.0.0.2"]
    with ours(tmp_path / "out", options) as server:
        with Requestor(0, connection=connection_from("127.0.0.2", server.port)) as peer:
            assert peer.associate(CONTEXTS).kind == ASSOCIATE_AC
        with connection_from("127.0.0.1", server.port) as refused:
            assert is_closed(refused)


def test_files_are_read_again_on_sighup(tmp_path: Path) -> None:
    """With `--fork` as without; a file with a mistake changes nothing."""
    for number, mode in enumerate(([], ["--fork"])):
        titles = tmp_path / f"titles{number}"
        titles.write_text("# scanners\nCT1\n")
        options = ["-v", "--allow-calling-file", str(titles), *mode]
        with ours(tmp_path / f"out{number}", options) as server:
            assert asking(server, b"CT2").fields == (1, 1, 3)
            titles.write_text("CT2\n")
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda server=server: asking(server, b"CT2").kind == ASSOCIATE_AC)  # type: ignore[misc]
            assert asking(server, b"CT1").fields == (1, 1, 3)
            titles.write_text("THIS TITLE IS TOO LONG\n")
            server.process.send_signal(signal.SIGHUP)
            wait_until(
                lambda server=server: (  # type: ignore[misc]
                    asking(server, b"CT2").kind == ASSOCIATE_AC and "stay as" in server.errors()
                )
            )

            assert server.process.poll() is None


def test_a_mistake_in_a_list_prevents_the_start(tmp_path: Path) -> None:
    """Nobody believes to be protected who is not."""
    titles = tmp_path / "titles"
    for options, text in (
        (["--allow-address", "10.1.2.3/8"], "10.1.2.3/8 has host bits set"),
        (["--allow-calling", "A\\B"], "backslash"),
        (["--allow-called-file", str(titles)], "No such file or directory"),
    ):
        done = run([*options, "-od", str(tmp_path), "11112"])

        assert done.returncode == 1
        assert text in done.stderr


def run(options: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*our_command(), *options],
        env=our_environment(),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_associations_of_one_address(tmp_path: Path) -> None:
    """One too many is rejected as local limit exceeded; others are served, and so is the peer, later."""
    options = ["--fork", "--peer-associations", "2"]
    with ours(tmp_path / "out", options) as server:
        peers = [Requestor(server.port) for _ in range(2)]
        for peer in peers:
            peer.associate(CONTEXTS)
        for _ in range(3):
            assert asking(server, b"CT1") == Answer(ASSOCIATE_RJ, (2, 3, 2))
        with Requestor(0, connection=connection_from("127.0.0.2", server.port)) as other:
            other.associate(CONTEXTS)
            assert store(other, "1.2.3") == "0000"
        peers[0].release()

        wait_until(lambda: asking(server, b"CT1").kind == ASSOCIATE_AC)
        peers[1].release()
        wait_until(
            lambda: (
                '"CT1" at 127.0.0.1 has 2 associations already, as many as one address may have'
                in server.errors()
            )
        )


def test_connections_of_one_address(tmp_path: Path) -> None:
    """One too many is closed; others are served, and so is the peer, later."""
    for number, mode in enumerate(([], ["--fork"])):
        options = ["--peer-connections", "3", *mode]
        with ours(tmp_path / f"out{number}", options) as server:
            first = Requestor(server.port)
            silent = [connection_from("127.0.0.1", server.port) for _ in range(2)]
            if mode:
                first.associate(CONTEXTS)  # and so is served elsewhere
            with connection_from("127.0.0.1", server.port) as refused:
                assert is_closed(refused)
            with Requestor(0, connection=connection_from("127.0.0.2", server.port)) as other:
                other.associate(CONTEXTS)
                assert store(other, "1.2.3") == "0000"
                other.release()
            first.close()
            for connection in silent:
                connection.close()

            wait_until(lambda server=server: asking(server, b"PEER").kind == ASSOCIATE_AC)  # type: ignore[misc]
            assert "127.0.0.1 has 3 connections already" in server.errors()


def test_events_tell_who_was_refused(tmp_path: Path) -> None:
    """Programs that read events learn the same."""
    events = tmp_path / "events"
    options = ["--events", str(events), "--allow-address", "127.0.0.1", "--allow-calling", "CT1"]
    with ours(tmp_path / "out", options) as server:
        assert asking(server, b"EVIL").fields == (1, 1, 3)
        with connection_from("127.0.0.3", server.port) as refused:
            assert is_closed(refused)

        wait_until(lambda: '"cause":"address"' in events.read_text().replace(" ", ""))
        told = events.read_text()
        assert "is not on the list of allowed calling AE titles" in told
        assert "127.0.0.3 is not an allowed address" in told


def test_inetd_has_allow_lists(tmp_path: Path) -> None:
    """A connection that a super server accepted is judged as well."""
    for address, served in (("127.0.0.1", True), ("127.0.0.2", False)):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = connection_from(address, listener.getsockname()[1])
            accepted, _ = listener.accept()
        options = ["--inetd", "--allow-address", "127.0.0.1", "-od", str(tmp_path)]
        with subprocess.Popen(
            [sys.executable, "-m", "storescp", *options],
            stdin=accepted.fileno(),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as process:
            accepted.close()
            with Requestor(0, connection=client) as peer:
                assert (peer.exchange(associate_request(CONTEXTS)).kind == ASSOCIATE_AC) == served
                peer.release()
            assert process.wait(20) == 0
