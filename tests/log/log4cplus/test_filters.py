"""Which events an appender takes."""

import pytest

from storescp.log.levels import LogLevel
from storescp.log.log4cplus.diagnostics import Diagnostics
from storescp.log.log4cplus.filters import chain
from storescp.log.log4cplus.properties import parse
from tests.log.logging_state import event

LEVELS = {
    "T": LogLevel.TRACE,
    "D": LogLevel.DEBUG,
    "I": LogLevel.INFO,
    "W": LogLevel.WARN,
    "E": LogLevel.ERROR,
}


def passing(text: str) -> str:
    """Return the letters of the levels at which `an event` passes the filters in `text`."""
    lines = text.replace("SPI", "log4cplus::spi::")
    filters = chain(parse(lines), Diagnostics())
    return "".join(
        letter for letter, level in LEVELS.items() if filters.filter(event("an event", level=level))
    )


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("TDIWE", ""),
        ("", "1=SPIDenyAllFilter"),
        ("TDWE", "1=SPILogLevelMatchFilter\n1.LogLevelToMatch=Info"),
        ("TDIWE", "1=SPILogLevelMatchFilter\n1.LogLevelToMatch=Info\n1.AcceptOnMatch=true"),
        (
            "I",
            "1=SPILogLevelMatchFilter\n1.LogLevelToMatch=INFO\n1.AcceptOnMatch=true\n2=SPIDenyAllFilter",
        ),
        ("TDIWE", "1=SPILogLevelMatchFilter\n1.LogLevelToMatch=nonsense"),
        ("TDIWE", "1=SPILogLevelMatchFilter"),
        ("IW", "1=SPILogLevelRangeFilter\n1.LogLevelMin=INFO\n1.LogLevelMax=WARN"),
        (
            "IW",
            "1=SPILogLevelRangeFilter\n1.LogLevelMin=INFO\n1.LogLevelMax=WARN\n1.AcceptOnMatch=1\n2=SPIDenyAllFilter",
        ),
        ("", "1=SPILogLevelRangeFilter\n1.LogLevelMin=INFO\n2=SPIDenyAllFilter"),
        ("IWE", "1=SPILogLevelRangeFilter\n1.LogLevelMin=INFO\n1.LogLevelMax=nonsense"),
        ("TDI", "1=SPILogLevelRangeFilter\n1.LogLevelMax=INFO"),
        ("", "1=SPIStringMatchFilter\n1.StringToMatch=n e"),
        ("TDIWE", "1=SPIStringMatchFilter\n1.StringToMatch=N E"),
        ("TDIWE", "1=SPIStringMatchFilter\n1.StringToMatch="),
        (
            "TDIWE",
            "1=SPIStringMatchFilter\n1.StringToMatch=event\n1.AcceptOnMatch=true\n2=SPIDenyAllFilter",
        ),
        # names of properties begin with a capital letter
        ("", "1=SPILogLevelRangeFilter\n1.acceptOnMatch=true\n2=SPIDenyAllFilter"),
        # reading stops at the first missing number
        ("TDIWE", "2=SPIDenyAllFilter"),
        ("TDIWE", "0=SPIDenyAllFilter\n01=SPIDenyAllFilter"),
    ],
)
def test_first_decision_counts(expected: str, text: str) -> None:
    """Filters are asked in order; what none of them decides about is accepted."""
    assert expected == passing(text)


def test_unknown_classes_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown filter is complained about, the others work."""
    assert passing("1=SPIFunnyFilter\n2=SPIDenyAllFilter\n") == ""
    assert capsys.readouterr().err == (
        "log4cplus:ERROR Appender::ctor()- Cannot find FilterFactory: log4cplus::spi::FunnyFilter\n"
    )
