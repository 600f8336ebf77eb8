"""What must not keep a start from failing early, nor one SIGTERM from ending everything."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from storescp.process_name import PAGE, STUDIES, WORKER
from tests.end_to_end.conversation import associated, store, wait_until
from tests.end_to_end.processes import children, has_ended, of_kind
from tests.peers.servers import (
    Server,
    free_port,
    is_listening,
    our_command,
    our_environment,
    ours,
)


@pytest.mark.parametrize("mode", [["--workers", "1"], []], ids=["workers", "one process"])
def test_a_second_receiver_is_refused_before_it_opens_its_port(
    tmp_path: Path, mode: list[str]
) -> None:
    """A state directory has one receiver; nobody connects to the other one, to wait in vain."""
    state = tmp_path / "state"
    options = [*mode, "--state-directory", str(state), "-su", "s"]
    with ours(tmp_path / "out", options) as server:
        port = free_port()
        with (tmp_path / "log").open("wb") as log:
            second = subprocess.Popen(
                [*our_command(), "-od", str(tmp_path), *options, str(port)],
                env=our_environment(),
                stderr=log,
            )
        was_open = False
        while second.poll() is None:
            was_open = was_open or is_listening(second.pid, port)
            time.sleep(0.02)

        assert second.returncode == 1
        assert "is in use by another receiver" in (tmp_path / "log").read_text()
        assert not was_open
        with associated(server) as peer:
            assert store(peer, "1.1", "1") == "0000"
            peer.release()


@pytest.mark.parametrize(
    "mode",
    [["--workers", "2", "--state-directory", "state"], ["--fork"], []],
    ids=["workers", "fork", "one process"],
)
def test_a_log_that_nobody_reads_does_not_keep_the_program(tmp_path: Path, mode: list[str]) -> None:
    """Its pipe is full: objects are stored, and one SIGTERM ends all processes."""
    files = tmp_path / "files"
    files.mkdir()
    port = free_port()
    process = subprocess.Popen(
        [*our_command(), "-d", *mode, "-od", str(files), "-su", "s", str(port)],
        env=our_environment(),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        wait_until(lambda: is_listening(process.pid, port))
        server = Server(port, files, process, Path(os.devnull), Path(os.devnull))
        for number in range(3):
            with associated(server) as peer:
                for instance in range(20):
                    assert store(peer, f"1.{number}.{instance}", "1") == "0000"
                peer.release()
        others = children(process.pid)
        process.send_signal(signal.SIGTERM)

        assert process.wait(9) == -signal.SIGTERM
        wait_until(lambda: all(has_ended(other) for other in others), 9)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.mark.parametrize("kind", [WORKER, STUDIES, PAGE])
def test_one_request_ends_all_though_a_process_is_stopped(tmp_path: Path, kind: str) -> None:
    """SIGTERM ends the program in some seconds, and leaves no process, whichever was stopped."""
    port = free_port()
    options = ["--workers", "2", "--state-directory", "state", "-su", "s", "--http", str(port)]
    with ours(tmp_path / "out", options) as server:
        wait_until(lambda: bool(of_kind(server.process.pid, kind)))
        everybody = children(server.process.pid)
        os.kill(of_kind(server.process.pid, kind)[0], signal.SIGSTOP)
        begun = time.monotonic()
        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(20) == -signal.SIGTERM
        assert time.monotonic() - begun < 9
        wait_until(lambda: all(has_ended(one) for one in everybody), 3)


def test_a_peer_that_comes_at_the_end_is_refused(tmp_path: Path) -> None:
    """The port is closed at once, while a command still has its five seconds."""
    with ours(tmp_path / "out", ["--workers", "1", "-xcr", "touch begun; sleep 3"]) as server:
        with associated(server) as peer:
            assert store(peer, "1.1") == "0000"
            peer.release()
        wait_until((tmp_path / "out" / "begun").exists)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not is_listening(server.process.pid, server.port), 1)

        with contextlib.closing(socket.socket()) as late:
            assert late.connect_ex(("127.0.0.1", server.port)) != 0
        assert server.process.poll() is None
        assert server.process.wait(9) == -signal.SIGTERM
