"""What the logging machinery says about itself."""

import sys
from io import StringIO

import pytest

from storescp.log.log4cplus.diagnostics import Diagnostics, boolean, integer


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (True, "true"),
        (True, "TRUE"),
        (False, "False"),
        (True, "1"),
        (True, "-1"),
        (True, "+2"),
        (False, "0"),
        (None, "yes"),
        (None, "on"),
        (None, ""),
        (None, "1 2"),
    ],
)
def test_booleans_are_words_or_integers(expected: bool | None, text: str) -> None:
    """Anything but true, false and integers leaves the default."""
    read = {boolean(text, default=True), boolean(text, default=False)}

    assert read == ({True, False} if expected is None else {expected})


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (10, "10"),
        (-3, "-3"),
        (3, "+3"),
        (7, "007"),
        (2147483647, "2147483647"),
        (None, "2147483648"),
        (None, "99999999999999999999999"),
        (None, "10KB"),
        (None, "--1"),
        (None, "1.5"),
        (None, "٣"),
        (None, ""),
    ],
)
def test_integers_have_nothing_behind_them(expected: int | None, text: str) -> None:
    """Decimal integers of 32 bits are read, everything else is none."""
    assert expected == integer(text)


def test_complaints_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Errors and warnings are on standard error, whatever becomes of the log."""
    complaints = Diagnostics()

    complaints.error("one")
    complaints.warn("two")
    complaints.debug("three")

    assert tuple(capsys.readouterr()) == ("", "log4cplus:ERROR one\nlog4cplus:WARN two\n")


def test_quiet_mode_suppresses_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """In quiet mode nothing is said, not even in debug mode."""
    complaints = Diagnostics(quiet=True, debug=True)

    complaints.error("one")
    complaints.warn("two")
    complaints.debug("three")

    assert tuple(capsys.readouterr()) == ("", "")


@pytest.mark.parametrize(
    ("expected", "environment"),
    [
        ((False, False), {}),
        ((True, False), {"DCMTK_LOG4CPLUS_LOGLOG_QUIETMODE": "1"}),
        ((False, True), {"DCMTK_LOG4CPLUS_LOGLOG_DEBUGENABLED": "true"}),
        ((False, False), {"DCMTK_LOG4CPLUS_LOGLOG_QUIETMODE": "yes"}),
    ],
)
def test_environment_decides_at_first(
    expected: tuple[bool, bool], environment: dict[str, str]
) -> None:
    """Two environment variables switch quiet mode and debug messages."""
    complaints = Diagnostics.of_environment(environment)

    assert expected == (complaints.quiet, complaints.debugging)


def test_debug_messages_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """Debug messages have a prefix of their own."""
    Diagnostics(debug=True).debug("appender console")

    assert capsys.readouterr().out == "log4cplus: appender console\n"


def test_complaining_never_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is nowhere left to complain to, nothing happens."""
    closed = StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    monkeypatch.setattr(sys, "stdout", closed)
    complaints = Diagnostics(debug=True)

    complaints.error("one")
    complaints.debug("two")
