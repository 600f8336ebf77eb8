"""The state of a running receiver: who has it open, and what becomes of it."""

import os
import signal
from pathlib import Path

from tests.end_to_end.conversation import associated, store, wait_until
from tests.end_to_end.processes import children, holds_lock
from tests.peers.servers import Server, ours


def test_each_worker_holds_the_locks_of_the_state(tmp_path: Path) -> None:
    """Also one that replaces another: so no other program can take the log away from under its records."""
    state = tmp_path / "state"
    options = ["--workers", "2", "--state-directory", str(state), "-su", "s"]
    with ours(tmp_path / "out", options) as server:
        first, second = _workers_at_work(server)
        assert holds_lock(first, state / "state.sqlite-shm")
        assert holds_lock(second, state / "state.sqlite-shm")
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: len(set(children(server.process.pid)) - {first}) == 2)

        third = (set(_workers_at_work(server)) - {second}).pop()
        assert holds_lock(third, state / "state.sqlite-shm")


def _workers_at_work(server: Server) -> list[int]:
    """Have both of two workers store an object; return them."""
    with associated(server) as one, associated(server) as other:
        assert store(one, "1.1", "1") == "0000"
        assert store(other, "2.1", "2") == "0000"
        return children(server.process.pid)
