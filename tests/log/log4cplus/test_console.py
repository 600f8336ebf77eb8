"""The simple appenders: console, none, and one that hands on."""

import logging
import sys
from io import BytesIO, TextIOWrapper

import pytest

from storescp.log import appender as log_appender
from storescp.log.levels import LogLevel
from storescp.log.log4cplus import factory
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
