"""Common properties of appenders, and the simple ones."""

import contextlib
import fcntl
import logging
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from storescp.log import appender as log_appender
from storescp.log.levels import LogLevel
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


@pytest.mark.parametrize(
    ("expected", "properties"),
    [
        (("INFO - text\n", ""), ""),
        (("", "INFO - text\n"), "logToStdErr=true\nImmediateFlush=true"),
        (("INFO - text\n", ""), "logToStderr=true"),  # not a property, though in sample files
        (("I text", ""), "layout=log4cplus::PatternLayout\nlayout.ConversionPattern=%P %m"),
        (("", ""), "Threshold=warn"),
        (("INFO - text\n", ""), "Threshold=nonsense"),
        (("", ""), "filters.1=log4cplus::spi::DenyAllFilter"),
    ],
)
def test_console_appender(
    expected: tuple[str, str], properties: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard output by default; layout, threshold and filters as for every appender."""
    send(make("ConsoleAppender", properties), event("text"))

    assert expected == tuple(capsys.readouterr())


def test_console_flushes_only_if_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output stays buffered without `ImmediateFlush`."""
    buffer = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(buffer))
    lazy, eager = make("ConsoleAppender"), make("ConsoleAppender", "ImmediateFlush=1")

    lazy.handle(event("one"))
    before = buffer.getvalue()
    eager.handle(event("two"))
    after = buffer.getvalue()
    lazy.flush()

    assert (before, after) == (b"", b"INFO - two\n")
    assert buffer.getvalue() == b"INFO - two\nINFO - one\n"


def test_console_that_is_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without standard output events are lost, nothing else happens."""
    appender = make("ConsoleAppender", "ImmediateFlush=1")
    closed = TextIOWrapper(BytesIO())
    closed.close()

    for stream in (None, closed):
        monkeypatch.setattr(sys, "stdout", stream)
        appender.handle(event())
        appender.flush()


def test_children_do_not_repeat_what_was_buffered() -> None:
    """What is buffered is written before a fork, so that it is not written by the child as well."""
    printed = run_python(
        """
        appender = factory.make("log4cplus::ConsoleAppender", properties, Diagnostics())
        appender.handle(event("parent"))
        if not os.fork():
            appender.handle(event("child"))
            appender.flush()
            os._exit(0)
        os.wait()
        """
    )

    assert printed == "INFO - parent\nINFO - child\n"


def test_unknown_layout_forgets_threshold_and_filters(capsys: pytest.CaptureFixture[str]) -> None:
    """With an unknown layout the simple one is used, and the other common properties do not count."""
    properties = "layout=log4cplus::Funny\nThreshold=ERROR\nfilters.1=log4cplus::spi::DenyAllFilter"

    send(make("ConsoleAppender", properties), event("text"))

    assert tuple(capsys.readouterr()) == (
        "INFO - text\n",
        'log4cplus:ERROR Cannot find LayoutFactory: "log4cplus::Funny"\n',
    )


def test_layout_that_cannot_be_made(capsys: pytest.CaptureFixture[str]) -> None:
    """A pattern layout without pattern is complained about twice, like in the reference."""
    send(make("ConsoleAppender", "layout=log4cplus::PatternLayout"), event("text"))

    assert tuple(capsys.readouterr()) == (
        "INFO - text\n",
        "".join(
            f"log4cplus:ERROR {prefix}ConversionPattern not specified in properties\n"
            for prefix in ("", "Error while creating Layout: ")
        ),
    )


def test_null_appender(capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is discarded."""
    make("NullAppender").handle(event())

    assert tuple(capsys.readouterr()) == ("", "")


def test_async_appender_hands_on(capsys: pytest.CaptureFixture[str]) -> None:
    """The wrapped appender gets the events, with its own layout and threshold."""
    appender = make(
        "AsyncAppender",
        "QueueLimit=10\nAppender=log4cplus::ConsoleAppender\nAppender.Threshold=WARN\n"
        "Appender.layout=log4cplus::PatternLayout\nAppender.layout.ConversionPattern=<%m>%n",
    )

    appender.handle(event("one"))
    appender.handle(event("two", level=LogLevel.ERROR))
    appender.close()

    assert capsys.readouterr().out == "<two>\n"


@pytest.mark.parametrize(
    ("expected", "properties"),
    [
        ("Unspecified appender for AsyncAppender.", ""),
        (
            "AsyncAppender::AsyncAppender() - Cannot find AppenderFactory: log4cplus::Funny",
            "Appender=log4cplus::Funny",
        ),
        (
            "More than 16 appenders in one another.",
            "\n".join(
                "Appender." * depth + "Appender=log4cplus::AsyncAppender" for depth in range(900)
            ),
        ),
    ],
)
def test_async_appender_without_appender(
    expected: str, properties: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without an appender to hand events to they are discarded."""
    appender = make("AsyncAppender", properties)

    appender.handle(event())
    appender.close()

    assert tuple(capsys.readouterr()) == ("", f"log4cplus:ERROR {expected}\n")


@pytest.mark.parametrize(
    "class_name",
    ["log4cplus::NTEventLogAppender", "ConsoleAppender", "dcmtk::log4cplus::ConsoleAppender", ""],
)
def test_unknown_classes(class_name: str) -> None:
    """Class names are exact; those of Windows do not exist here."""
    assert factory.make(class_name, parse(""), Diagnostics()) is None


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
