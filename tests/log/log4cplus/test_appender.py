"""What appenders of configuration files have in common: one complaint about a failure, and taking turns."""

import contextlib
import fcntl
import logging
from pathlib import Path

import pytest

from storescp.log import appender as log_appender
from storescp.log.log4cplus import factory
from storescp.log.log4cplus.appender import ConfiguredAppender, LockFile
from storescp.log.log4cplus.diagnostics import Diagnostics
from storescp.log.log4cplus.properties import parse
from tests.log.logging_state import event, run_python


def make(class_name: str, properties: str = "") -> log_appender.Appender:
    appender = factory.make(f"log4cplus::{class_name}", parse(properties), Diagnostics())
    assert appender is not None
    return appender


def send(appender: log_appender.Appender, record: logging.LogRecord) -> None:
    """Give an event to an appender as a logger does: if its level is reached."""
    if record.levelno >= appender.level:
        appender.handle(record)
        appender.flush()


def test_failures_are_complained_about_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A failure is worth one complaint, and another one after it worked again."""
    appender = ConfiguredAppender(Diagnostics())

    appender.complain("one")
    appender.complain("two")
    appender.recovered()
    appender.complain("three")

    assert capsys.readouterr().err == "log4cplus:ERROR one\nlog4cplus:ERROR three\n"


def test_lock_file_is_made_and_left_free(tmp_path: Path) -> None:
    """Writers take turns by a lock file; between events it is free."""
    path = tmp_path / "lock"
    appender = make("ConsoleAppender", f"UseLockFile=true\nLockFile={path}")

    appender.handle(event())

    assert path.exists()
    with path.open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize(
    ("expected", "properties"),
    [
        ("lock", "UseLockFile=1\nLockFile={0}/lock"),
        ("", "LockFile={0}/lock"),
        ("", "UseLockFile=1"),
    ],
)
def test_lock_file_needs_two_properties(expected: str, properties: str, tmp_path: Path) -> None:
    """Without `UseLockFile`, or without a name, there is no lock file."""
    make("NullAppender", properties.format(tmp_path))

    assert expected == "".join(path.name for path in tmp_path.iterdir())


def test_lock_file_that_cannot_be_made(capsys: pytest.CaptureFixture[str]) -> None:
    """Without its lock file an appender works without turns."""
    send(make("ConsoleAppender", "UseLockFile=true\nLockFile=/nonexistent/lock"), event("text"))

    assert tuple(capsys.readouterr()) == (
        "INFO - text\n",
        "log4cplus:ERROR could not open or create file /nonexistent/lock\n",
    )


def test_lock_held_by_another_process_is_waited_for(tmp_path: Path) -> None:
    """A writer waits for its turn, but not for ever."""
    printed = run_python(
        f"""
        appenders.LOCK_WAIT_SECONDS = 0.05
        path = {str(tmp_path / "lock")!r}
        ready, done = os.pipe(), os.pipe()
        if not os.fork():
            with appenders.LockFile(path):
                os.write(ready[1], b"x")
                os.read(done[0], 1)
            os._exit(0)
        os.read(ready[0], 1)
        begin = time.monotonic()
        with appenders.LockFile(path):
            print(time.monotonic() - begin)
        os.write(done[1], b"x")
        os.wait()
        """
    )

    assert 0.05 <= float(printed) < 5


def test_file_system_without_locks_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are no locks events are written all the same."""

    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)

    with contextlib.ExitStack() as stack:
        stack.enter_context(LockFile(str(tmp_path / "lock")))
