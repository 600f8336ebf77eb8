"""The program as a function: arguments in; texts, log lines and the exit code out, or the receiver's life."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from storescp import cli
from storescp.config import settings
from storescp.config.choices import CommandLine
from storescp.config.usage import IDENTIFICATION
from storescp.errors import ConfigurationError, NetworkUnavailable
from storescp.upper_layer.negotiation import Policy
from tests.log.logging_state import restored_logging


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    with restored_logging():
        yield


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | None:
    """Return the exit code."""
    monkeypatch.setattr(sys, "argv", ["/usr/bin/storescp", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    code = ended.value.code
    assert code is None or isinstance(code, int)
    return code


@pytest.fixture
def lives(monkeypatch: pytest.MonkeyPatch) -> list[tuple[CommandLine, int | None]]:
    """Receivers that end at once with 0: what they were made from, and the connection of inetd."""
    made: list[tuple[CommandLine, int | None]] = []

    class Receiver:
        def run(self, introduce: Callable[[], None]) -> int:  # noqa: ARG002
            return 0

    def receiver(command_line: CommandLine, _: Policy, connected: int | None) -> Receiver:
        made.append((command_line, connected))
        return Receiver()

    monkeypatch.setattr(settings, "receiver", receiver)
    return made


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What scripts look for, on standard output."""
    code = run(monkeypatch, "--version")

    assert code == 0
    assert capsys.readouterr().out.startswith(IDENTIFICATION)


def test_usage_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The reference's sentence on standard error, exit code 1, and nothing received."""
    code = run(monkeypatch, "--nonsense", "11112")

    assert code == 1
    assert "Unknown option --nonsense" in capsys.readouterr().err


def test_receiving(
    lives: list[tuple[CommandLine, int | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver has all that the command line says; its exit code is the program's."""
    code = run(monkeypatch, "-aet", "ARCHIVE", "-B", "11112")

    assert code == 0
    assert [(made.port, made.aetitle, connected) for made, connected in lives] == [
        (11112, "ARCHIVE", None)
    ]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConfigurationError("no such directory"), "F: no such directory\n"),
        (NetworkUnavailable("the port is taken"), "E: the port is taken\n"),
    ],
)
def test_what_cannot_be_set_up(
    error: ConfigurationError,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Fatal, or an error where the reference has one; notes follow as lines of their own; exit code 1."""
    error.add_note("Look there.")

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(settings, "receiver", refuse)

    code = run(monkeypatch, "11112")

    assert code == 1
    assert capsys.readouterr().err == f"{line}{line[:3]}Look there.\n"


def test_the_umask_holds_before_any_file_is_made(
    lives: list[tuple[CommandLine, int | None]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """That of the log among them."""
    before = os.umask(0o022)
    (tmp_path / "log.cfg").write_text(
        "log4cplus.rootLogger=INFO, f\n"
        "log4cplus.appender.f=log4cplus::FileAppender\n"
        f"log4cplus.appender.f.File={tmp_path}/log\n"
    )
    try:
        run(monkeypatch, "--umask", "077", "-lc", str(tmp_path / "log.cfg"), "11112")
    finally:
        os.umask(before)

    assert len(lives) == 1
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_a_log_configuration_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Is a usage error, as it is to the reference."""
    code = run(monkeypatch, "-lc", "/nonexistent/log.cfg", "11112")

    assert code == 1
    assert "Specified --log-config file does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("write", "code", "complaint"),
    [
        (None, 0, ""),
        (BrokenPipeError(), 0, ""),
        (OSError(28, "No space left on device"), 1, "storescp: cannot write: No space left"),
    ],
    ids=["absent", "nobody reads", "full"],
)
def test_standard_output_that_takes_nothing(
    write: OSError | None,
    code: int,
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever reads no further is no error; a full disk is one; without the stream there is nothing to say."""
    reading, writing = os.pipe()

    class Stream:
        def write(self, _: str) -> None:
            assert write is not None
            raise write

        def flush(self) -> None:
            pass

        def fileno(self) -> int:
            return writing

    stream: Any = None if write is None else Stream()
    monkeypatch.setattr(sys, "stdout", stream)

    assert run(monkeypatch, "--help") == code
    assert complaint in capsys.readouterr().err
    is_null = os.fstat(writing).st_rdev == os.stat(os.devnull).st_rdev
    assert is_null is (write is not None)  # or Python would try again at its end
    os.close(reading)
    os.close(writing)
