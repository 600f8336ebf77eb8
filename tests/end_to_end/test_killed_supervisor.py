"""The main process is killed: those that serve associations end in peace."""

import os
import signal
from pathlib import Path

import pytest

from tests.end_to_end.conversation import CONTEXTS, store, wait_until
from tests.end_to_end.processes import children, has_ended
from tests.peers.requestor import Requestor
from tests.peers.servers import ours


@pytest.mark.parametrize("options", [["--fork"], ["--workers", "2"]], ids=" ".join)
@pytest.mark.parametrize("ending", ["release", "abort", "close"])
def test_killed_before_it_hears_of_the_end(options: list[str], ending: str, tmp_path: Path) -> None:
    """It does not read any more that an association has ended: the child logs no error, and ends."""
    with ours(tmp_path, ["-v", *options]) as server:
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS)
            assert store(peer, "1.2") == "0000"
            wait_until(lambda: bool(children(server.process.pid)))
            processes = children(server.process.pid)
            server.process.send_signal(signal.SIGSTOP)

            getattr(peer, ending)()
        wait_until(
            lambda: (
                server.errors().count("Association Release")
                + server.errors().count("Association Aborted")
                == 1
            )
        )
        server.process.kill()
        server.process.wait()

        wait_until(lambda: all(has_ended(pid) for pid in processes))
        assert "error" not in server.errors()


@pytest.mark.parametrize("options", [["--fork"], ["--workers", "2"]], ids=" ".join)
def test_killed_while_a_child_waits(options: list[str], tmp_path: Path) -> None:
    """A child that waits for the next association ends without a word."""
    with ours(tmp_path, ["-v", *options]) as server:
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS)
            peer.release()
        wait_until(lambda: "Association Release" in server.errors())
        processes = children(server.process.pid)
        before = server.errors()

        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()

        wait_until(lambda: all(has_ended(pid) for pid in processes))
        assert server.errors() == before
