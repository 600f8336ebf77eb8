"""Levels, default output and what depends on levels alone."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from storescp.errors import ConfigurationError
from storescp.log import levels, setup
from storescp.log.levels import LogLevel
from tests.log.logging_state import restored_logging


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    with restored_logging():
        yield


def test_default_output_prefixes_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Level letter, colon and blank stand before every line; a message that ends with LF has an empty last line."""
    setup.configure(setup.LogSettings(level=LogLevel.TRACE))
    logger = logging.getLogger("dcmtk.apps.storescp")

    for level in (
        LogLevel.FATAL,
        LogLevel.ERROR,
        LogLevel.WARN,
        LogLevel.INFO,
        LogLevel.DEBUG,
        LogLevel.TRACE,
    ):
        logger.log(level, "one of %d\n", 6)
    logger.info("Parameters:\n  a\n\n  b")

    expected = "".join(f"{letter}: one of 6\n{letter}: \n" for letter in "FEWIDT")
    assert expected + "I: Parameters:\nI:   a\nI: \nI:   b\n" == capsys.readouterr().err


@pytest.mark.parametrize(
    ("expected", "level"),
    [
        ("F", LogLevel.FATAL),
        ("FE", LogLevel.ERROR),
        ("FEW", LogLevel.WARN),
        ("FEWI", LogLevel.INFO),
        ("FEWID", LogLevel.DEBUG),
        ("FEWIDT", LogLevel.TRACE),
        ("", LogLevel.OFF),
    ],
)
def test_root_level_decides(expected: str, level: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Events at or above the level of the root logger are printed, others are not."""
    setup.configure(setup.LogSettings(level=level))

    for each in (
        LogLevel.FATAL,
        LogLevel.ERROR,
        LogLevel.WARN,
        LogLevel.INFO,
        LogLevel.DEBUG,
        LogLevel.TRACE,
    ):
        logging.getLogger("dcmtk.dcmnet").log(each, "x")

    assert expected == "".join(line[0] for line in capsys.readouterr().err.splitlines())


@pytest.mark.parametrize("level", [LogLevel.FATAL, LogLevel.OFF, LogLevel.INFO])
def test_announcement_ignores_levels(level: int, capsys: pytest.CaptureFixture[str]) -> None:
    """`--arguments` is printed at level INFO also with `--quiet`."""
    setup.configure(setup.LogSettings(level=level))

    setup.announce("calling 'storescp' with 1 arguments: '11112' \n")

    assert capsys.readouterr().err == "I: calling 'storescp' with 1 arguments: '11112' \nI: \n"


@pytest.mark.parametrize(
    ("expected", "level"),
    [
        (True, LogLevel.OFF),
        (True, LogLevel.FATAL),
        (False, LogLevel.ERROR),
        (False, LogLevel.TRACE),
    ],
)
def test_usage_errors_fall_silent_above_error(expected: bool, level: int) -> None:
    """Usage errors are silenced by a root level above ERROR."""
    setup.configure(setup.LogSettings(level=level))

    assert expected == setup.usage_errors_are_silent()


@pytest.mark.parametrize(
    ("expected", "level"),
    [(False, LogLevel.WARN), (True, LogLevel.INFO), (False, LogLevel.DEBUG)],
)
def test_progress_wants_exactly_info(expected: bool, level: int) -> None:
    """The progress line appears with `--verbose`, not with `--debug`."""
    setup.configure(setup.LogSettings(level=level))

    assert expected == setup.progress_enabled()


def test_progress_level_is_inherited_and_can_be_set_apart() -> None:
    """The effective level of the progress logger counts, wherever it comes from."""
    setup.configure(setup.LogSettings(level=LogLevel.DEBUG))

    logging.getLogger("dcmtk.apps").setLevel(LogLevel.INFO)
    inherited = setup.progress_enabled()
    logging.getLogger(levels.PROGRESS).setLevel(LogLevel.WARN)

    assert (inherited, setup.progress_enabled()) == (True, False)


def test_configuring_again_replaces_the_first_set_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever was configured before does not print a second time, and its levels are forgotten."""
    setup.configure(setup.LogSettings(level=LogLevel.INFO))
    logging.getLogger("dcmtk.dcmnet").setLevel(LogLevel.DEBUG)
    logging.getLogger("dcmtk.dcmnet").propagate = False

    setup.configure(setup.LogSettings(level=LogLevel.INFO))
    logging.getLogger("dcmtk.dcmnet").debug("no")
    logging.getLogger("dcmtk.dcmnet").info("yes")

    assert capsys.readouterr().err == "I: yes\n"


def test_unusable_configuration_file_leaves_the_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error about the file can be logged, because the default set-up stays in force."""
    with pytest.raises(ConfigurationError) as reason:
        setup.configure(setup.LogSettings(configuration_file=str(tmp_path / "missing")))
    logging.getLogger("dcmtk.apps.storescp").critical("%s", reason.value)

    assert capsys.readouterr().err.startswith("F: cannot read logging configuration file: ")


def test_file_is_checked_in_the_words_of_the_reference(tmp_path: Path) -> None:
    """The check of `--log-config` gives the text of the usage error."""
    expected = "Specified --log-config file does not exist"

    assert expected == setup.check_file(str(tmp_path / "missing"))


def test_default_set_up_does_not_load_the_configuration_file_modules() -> None:
    """Whoever needs no configuration file does not wait for its modules."""
    code = (
        "import sys; from storescp.log import setup; setup.configure(setup.LogSettings());"
        "print(*[name for name in sys.modules if '.log_' in name or name in ('socket', 'fcntl')])"
    )
    source = Path(setup.__file__).parents[2]

    result = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(source)},
        capture_output=True,
        check=True,
    )

    assert result.stdout == b"\n"


def test_program_started_as_module_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m storescp` has `storescp` for the variable `appname`."""
    monkeypatch.setattr(sys, "argv", ["/lib/storescp/__main__.py"])
    as_module = setup.program_name()
    monkeypatch.setattr(sys, "argv", ["/usr/bin/storescp2"])

    assert (as_module, setup.program_name()) == ("storescp", "storescp2")
