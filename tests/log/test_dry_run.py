"""A rehearsal of a logging configuration finds what the real thing would complain about, and opens nothing."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from storescp.errors import ConfigurationError
from storescp.log import setup
from storescp.log.dry_run import DryRun, rehearse
from storescp.log.levels import LogLevel
from storescp.log.log4cplus import factory
from tests.log.logging_state import restored_logging


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    """Leave logging as it was."""
    with restored_logging():
        yield


def rehearsed(tmp_path: Path, text: str) -> DryRun:
    path = tmp_path / "log.cfg"
    path.write_text(text)
    return rehearse(str(path))


def test_files_are_told_and_not_made(tmp_path: Path) -> None:
    """Every file appender's file is known, one behind an asynchronous appender too; lock files are not made."""
    wanted = {f"{tmp_path}/{name}" for name in "abc"}
    rehearsal = rehearsed(
        tmp_path,
        f"""log4cplus.rootLogger = INFO, A, B, C, D, E
        log4cplus.appender.A = log4cplus::FileAppender
        log4cplus.appender.A.File = {tmp_path}/a
        log4cplus.appender.A.UseLockFile = true
        log4cplus.appender.B = log4cplus::RollingFileAppender
        log4cplus.appender.B.File = {tmp_path}/b
        log4cplus.appender.C = log4cplus::AsyncAppender
        log4cplus.appender.C.Appender = log4cplus::DailyRollingFileAppender
        log4cplus.appender.C.Appender.File = {tmp_path}/c
        log4cplus.appender.D = log4cplus::ConsoleAppender
        log4cplus.appender.E = log4cplus::SysLogAppender
        """,
    )

    assert rehearsal.complaints == []
    assert set(rehearsal.files) == wanted
    assert [path.name for path in tmp_path.iterdir()] == ["log.cfg"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("log4cplus.appender.A = Nonsense", "Cannot find AppenderFactory: Nonsense"),
        ("log4cplus.appender.A = log4cplus::FileAppender", "Invalid filename"),
        ("log4cplus.logger.x = INFO, Z", "Invalid appender: Z"),
        ("log4cplus.appender.N.layout = Nonsense", 'Cannot find LayoutFactory: "Nonsense"'),
    ],
)
def test_complaints(tmp_path: Path, line: str, expected: str) -> None:
    """What the real thing complains about is found."""
    text = (
        "log4cplus.rootLogger = INFO, N\n"
        "log4cplus.appender.N = log4cplus::FileAppender\n"
        f"log4cplus.appender.N.File = {tmp_path}/n\n{line}\n"
    )

    rehearsal = rehearsed(tmp_path, text)

    assert any(expected in complaint for complaint in rehearsal.complaints)


def test_what_would_stop_the_start(tmp_path: Path) -> None:
    """A root logger without a valid level is an error."""
    with pytest.raises(ConfigurationError, match="no valid level"):
        rehearsed(tmp_path, "log4cplus.rootLogger = NONSENSE, A\n")


def test_nothing_stays(tmp_path: Path) -> None:
    """After a rehearsal the log is what it was without a configuration file."""
    setup.configure(setup.LogSettings(level=LogLevel.ERROR))
    last_resort = logging.lastResort

    rehearsed(
        tmp_path,
        "log4cplus.rootLogger = DEBUG, N\nlog4cplus.appender.N = log4cplus::NullAppender\n"
        "log4cplus.logger.dcmtk.apps = TRACE\nlog4cplus.additivity.dcmtk.apps = false\n",
    )

    assert logging.getLogger().level == LogLevel.ERROR
    assert logging.getLogger("dcmtk.apps").level == logging.NOTSET
    assert logging.getLogger("dcmtk.apps").propagate
    assert logging.lastResort is last_resort


def test_all_classes_can_be_made(tmp_path: Path) -> None:
    """The list of classes is that of the appenders that there are."""
    from storescp.log.log4cplus.diagnostics import Diagnostics
    from storescp.log.log4cplus.properties import Properties

    for name in factory.CLASSES:
        properties = Properties({"File": str(tmp_path / "f"), "host": "127.0.0.1", "port": "9"})
        appender = factory.make(name, properties, Diagnostics(quiet=True))
        assert appender is not None
        appender.close()
