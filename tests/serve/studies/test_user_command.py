"""Commands of the user: run by the shell, waited for or reaped, failures in the log."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from storescp.serve.process.children import Children
from storescp.serve.studies.user_command import CommandRunner


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def _running(children: Children) -> int:
    children.reap()
    return len(children)


def test_a_synchronous_command_has_ended_when_run_returns(tmp_path: Path) -> None:
    """`--exec-sync` waits for the command."""
    CommandRunner(Children(), synchronous=True).run(
        f"sleep 0.1; echo $WHAT > {tmp_path}/out", {"WHAT": "ok"}
    )

    assert (tmp_path / "out").read_text() == "ok\n"


def test_an_asynchronous_command_is_reaped(tmp_path: Path) -> None:
    """Without `--exec-sync` the receiver goes on, and no zombie stays."""
    children = Children()

    CommandRunner(children, synchronous=False).run(f"echo done > {tmp_path}/out", {})
    wait_until(lambda: not _running(children))

    assert (tmp_path / "out").read_text() == "done\n"


def test_a_failing_command_is_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    """The exit status is reported; the reference ignores it."""
    with caplog.at_level(logging.WARNING, "dcmtk.apps.storescp"):
        CommandRunner(Children(), synchronous=True).run("exit 3", {})
        CommandRunner(Children(), synchronous=True).run("kill -KILL $$", {})

    assert [record.getMessage() for record in caplog.records] == [
        "command 'exit 3' failed with exit status 3",
        "command 'kill -KILL $$' was ended by SIGKILL",
    ]


def test_a_command_that_cannot_start_is_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    """A command longer than the system takes is reported, and nothing else happens."""
    with caplog.at_level(logging.ERROR, "dcmtk.apps.storescp"):
        CommandRunner(Children(), synchronous=True).run("true", {"HUGE": "x" * (1 << 23)})

    assert caplog.records[0].getMessage().startswith("cannot execute command 'true'")
