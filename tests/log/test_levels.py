"""Names of levels."""

from collections.abc import Iterator

import pytest

from storescp.log import levels
from storescp.log.levels import LogLevel
from tests.log.logging_state import restored_logging


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    with restored_logging():
        yield


@pytest.mark.parametrize(
    ("expected", "name"),
    [
        (LogLevel.FATAL, "fatal"),
        (LogLevel.ERROR, "Error"),
        (LogLevel.WARN, "WARN"),
        (LogLevel.INFO, "info"),
        (LogLevel.DEBUG, "debug"),
        (LogLevel.TRACE, "trace"),
        (LogLevel.OFF, "off"),
        (LogLevel.TRACE, "all"),
        (None, "notset"),
        (None, ""),
        (None, "warning"),
    ],
)
def test_levels_have_names_in_any_case(expected: int | None, name: str) -> None:
    """The names of `--log-level` are known, `off` and `all` too, and nothing else is."""
    assert expected == levels.level_named(name)


@pytest.mark.parametrize(
    ("expected", "level"),
    [
        ("FATAL", 60),
        ("FATAL", 50),
        ("ERROR", 45),
        ("WARN", 30),
        ("INFO", 20),
        ("TRACE", 5),
        ("TRACE", 1),
    ],
)
def test_level_without_name_counts_as_the_next_lower(expected: str, level: int) -> None:
    """Levels that other packages invent are shown as the next lower level."""
    assert expected == levels.level_name(level)
