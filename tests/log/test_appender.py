"""What all appenders do: message and traceback, and failures that cost nothing but the event."""

import logging
import sys
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper

import pytest

from storescp.log import appender, setup
from storescp.log.levels import LogLevel
from tests.log.logging_state import event, restored_logging


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    with restored_logging():
        yield


def test_errors_print_their_traceback_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback is printed with the prefix, too, so that no line of the log lacks its level."""
    setup.configure(setup.LogSettings())

    try:
        raise OSError("broken")
    except OSError:
        logging.getLogger("dcmtk.apps.storescp").exception("failed")

    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "E: failed"
    assert lines[-1] == "E: OSError: broken"
    assert all(line.startswith("E: ") for line in lines)


def test_arguments_that_do_not_fit_are_printed_beside_the_message() -> None:
    """A defective log call costs no association."""
    record = logging.LogRecord("x", LogLevel.INFO, "x", 1, "%d objects", ("many",), None)

    assert appender.message_of(record) == "%d objects ('many',)"


@pytest.mark.parametrize("stream", ["closed", "absent", "full"])
def test_nothing_is_raised_where_nothing_can_be_written(
    stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A closed, missing or full standard error does not reach the receiving path."""
    setup.configure(setup.LogSettings())
    match stream:
        case "closed":
            file = TextIOWrapper(BytesIO())
            file.close()
            monkeypatch.setattr(sys, "stderr", file)
        case "absent":
            monkeypatch.setattr(sys, "stderr", None)
        case _:
            monkeypatch.setattr(sys, "stderr", open("/dev/full", "w", encoding="utf-8"))  # noqa: SIM115

    logging.getLogger("dcmtk.apps.storescp").error("lost")

    if stream == "full":
        sys.stderr.close()  # nothing is left to be written


def test_appender_without_a_place_to_write_to_drops_events() -> None:
    """The root of all appenders writes nothing and raises nothing."""
    appender.Appender().handle(event())
