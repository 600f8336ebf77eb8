"""Common properties of appenders, and the simple ones."""

import logging

import pytest

from storescp.log import appender as log_appender
from storescp.log.log4cplus import factory
from storescp.log.log4cplus.diagnostics import Diagnostics
from storescp.log.log4cplus.properties import parse
from tests.log.logging_state import event


def make(class_name: str, properties: str = "") -> log_appender.Appender:
    appender = factory.make(f"log4cplus::{class_name}", parse(properties), Diagnostics())
    assert appender is not None
    return appender


def send(appender: log_appender.Appender, record: logging.LogRecord) -> None:
    """Give an event to an appender as a logger does: if its level is reached."""
    if record.levelno >= appender.level:
        appender.handle(record)
        appender.flush()


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


@pytest.mark.parametrize(
    "class_name",
    ["log4cplus::NTEventLogAppender", "ConsoleAppender", "dcmtk::log4cplus::ConsoleAppender", ""],
)
def test_unknown_classes(class_name: str) -> None:
    """Class names are exact; those of Windows do not exist here."""
    assert factory.make(class_name, parse(""), Diagnostics()) is None
