"""How events look."""

import logging
import os
import re
import socket
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storescp.log.levels import LogLevel
from storescp.log.log4cplus import layouts
from storescp.log.log4cplus.diagnostics import Diagnostics
from storescp.log.log4cplus.layouts import InvalidLayout, PatternLayout, SimpleLayout, parse_pattern
from storescp.log.log4cplus.properties import parse
from tests.log.logging_state import event

NOON = 1795521600.460339  # 2026-11-24 12:00:00.460339 UTC


def formatted(pattern: str, record: logging.LogRecord | None = None) -> str:
    layout = PatternLayout(parse_pattern(pattern, Diagnostics()), each_line=True)
    return layout.format(record or event(created=NOON))


@pytest.mark.parametrize(
    ("expected", "pattern"),
    [
        ("Association Received\n", "%m%n"),
        ("INFO", "%p"),
        ("I", "%P"),
        ("dcmtk.apps.storescp", "%c"),
        ("storescp", "%c{1}"),
        ("apps.storescp", "%c{2}"),
        ("dcmtk.apps.storescp", "%c{9}"),
        ("dcmtk.apps.storescp", "%c{0}"),
        ("dcmtk.apps.storescp", "%c{-1}"),
        ("dcmtk.apps.storescp", "%c{}"),
        ("storescp", "%c{1x}"),
        ("/src/serve/listener.py", "%F"),
        ("listener.py", "%b"),
        ("42", "%L"),
        ("/src/serve/listener.py:42", "%l"),
        ("run", "%M"),
        ("[][]", "[%x][%X{a}]"),
        ("%", "%%"),
        ("%p", "%%p"),
        ("100%", "100%"),
        ("2026-11-24 12:00:00", "%d"),
        ("12:00", "%d{%H:%M}"),
        ("2026-11-24 12:00:00", "%d{}"),
        ("460 460.339 1795521600", "%d{%q %Q %s}"),
        ("%q 12", "%d{%%q %H}"),
        ("[ INFO][INFO ][FO][INFO]", "[%5p][%-5p][%.2p][%2p]"),
        ("[FO][FO]", "[%9.2p][%-9.2p]"),  # what was cut is not filled up
        ("[]", "[%.0p]"),
        ("[                INFO]", "[%020p]"),
        ("INFO{foo}", "%p{foo}"),
        ("\\tAssociation Received", "\\t%m"),
    ],
)
def test_conversions(expected: str, pattern: str) -> None:
    """Every conversion prints what the reference prints."""
    assert expected == formatted(pattern)


def test_conversions_about_this_process() -> None:
    """Process, thread, host and run time are those of the event or of this process."""
    record = event()

    printed = formatted("%i %t %T %h %r", record)

    assert printed == (
        f"{os.getpid()} {threading.get_ident()} {threading.get_native_id()} {os.uname().nodename}"
        f" {int(record.relativeCreated)}"
    )


def test_local_time_differs_from_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """`%D` is in local time."""
    monkeypatch.setattr("time.localtime", lambda seconds: time.gmtime(seconds + 3600))

    assert formatted("%d{%H} %D{%H}") == "12 13"


@pytest.mark.parametrize("pattern", ["%d{\udce4}", "%d{a\0b}"])
def test_dates_that_the_platform_refuses(pattern: str) -> None:
    """A date pattern that strftime refuses does not cost the event."""
    assert formatted("%m" + pattern).startswith("Association Received")


def test_fully_qualified_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """`%H` asks the resolver when the pattern is read, not for every event."""
    calls = []

    def look_up(*_: object, **__: object) -> list[tuple[object, ...]]:
        calls.append(1)
        return [(2, 1, 6, "", ("127.0.1.1", 0)), (2, 2, 17, "ct.example.org", ("127.0.1.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    layout = PatternLayout(parse_pattern("%H", Diagnostics()), each_line=True)

    assert layout.format(event()) + layout.format(event()) == "ct.example.org" * 2
    assert calls == [1]


def test_unknown_own_name_is_left_unqualified(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that cannot look up itself is shown by its plain name."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    assert layouts.fully_qualified_name() == socket.gethostname()


@pytest.mark.parametrize(
    ("expected", "complaint", "pattern"),
    [
        ("%y!", "Unexpected char [y] at position 2 in conversion pattern.", "%y!"),
        ("%-5.3y", "Unexpected char [y] at position 6 in conversion pattern.", "%-5.3y"),
        ("%5%", "Unexpected char [%] at position 3 in conversion pattern.", "%5%"),
        ("%5-m", "Unexpected char [-] at position 3 in conversion pattern.", "%5-m"),
        (
            "%.pI",
            'Error occurred in position 3.\n Was expecting digit, instead got char "p".',
            "%.p%P",
        ),
        (
            "I2026-11-24 12:00:00",
            "No matching '}' found in conversion pattern string \"%P%d{abc%p\"",
            "%P%d{abc%p",
        ),
        ("I%5", None, "%P%5"),
        ("I%-", None, "%P%-"),
        ("I%5.", None, "%P%5."),
        ("I%", None, "%P%"),
    ],
)
def test_mistakes_stay_in_the_output(
    expected: str, complaint: str | None, pattern: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong conversion is complained about and printed as it is written."""
    assert expected == formatted(pattern)
    assert capsys.readouterr().err == (f"log4cplus:ERROR {complaint}\n" if complaint else "")


def test_empty_pattern_prints_the_message_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a pattern messages run into each other, as with the reference."""
    assert formatted("") == "Association Received"
    assert capsys.readouterr().err == (
        "log4cplus:WARN PatternLayout pattern is empty.  Using default...\n"
    )


@pytest.mark.parametrize(
    ("expected", "extra"),
    [
        ("I: one\nI: \nI: two\nI: \n", ""),
        ("I: one\n\ntwo\n\n", "\nFormatEachLine=false"),
        ("I: one\nI: \nI: two\nI: \n", "\nFormatEachLine=no"),
    ],
)
def test_lines_are_formatted_one_by_one_by_default(expected: str, extra: str) -> None:
    """Each line of a message goes through the pattern, an empty last line too, unless that is switched off."""
    properties = parse("ConversionPattern=%P: %m%n" + extra)
    layout = layouts.make("log4cplus::PatternLayout", properties, Diagnostics())

    assert layout is not None
    assert expected == layout.format(event("one\n\ntwo\n"))


def test_old_name_of_the_pattern_is_deprecated(capsys: pytest.CaptureFixture[str]) -> None:
    """`Pattern` works with a warning, and not beside `ConversionPattern`."""
    alone = layouts.make("log4cplus::PatternLayout", parse("Pattern=<%m>"), Diagnostics())
    beside = layouts.make(
        "log4cplus::PatternLayout", parse("Pattern=<%m>\nConversionPattern=%P"), Diagnostics()
    )

    assert alone is not None
    assert beside is not None
    assert (alone.format(event()), beside.format(event())) == ("<Association Received>", "I")
    assert capsys.readouterr().err.count("has been deprecated") == 2


def test_pattern_layout_needs_a_pattern(capsys: pytest.CaptureFixture[str]) -> None:
    """Without its pattern the layout cannot be made."""
    with pytest.raises(InvalidLayout):
        layouts.make("log4cplus::PatternLayout", parse(""), Diagnostics())

    assert capsys.readouterr().err == (
        "log4cplus:ERROR ConversionPattern not specified in properties\n"
    )


def test_simple_layout_prefixes_the_message_once() -> None:
    """The simple layout does not look at lines."""
    assert SimpleLayout().format(event("one\ntwo")) == "INFO - one\ntwo\n"


@pytest.mark.parametrize(
    ("expected", "properties"),
    [
        (r"\d+ \[\d+\] WARN dcmtk.dcmnet <> - text\n", ""),
        (
            r"12:00:00,460 \[\d+\] WARN dcmtk.dcmnet <> - text\n",
            "DateFormat=%H:%M:%S,%q\nUse_gmtime=1",
        ),
    ],
)
def test_ttcc_layout(expected: str, properties: str) -> None:
    """Time or run time, thread, level, logger, an empty context, message."""
    layout = layouts.make("log4cplus::TTCCLayout", parse(properties), Diagnostics())

    assert layout is not None
    record = event("text", level=LogLevel.WARN, logger="dcmtk.dcmnet", created=NOON)
    assert re.fullmatch(expected, layout.format(record))


def test_unknown_layout_is_none() -> None:
    """Class names are exact."""
    assert layouts.make("SimpleLayout", parse(""), Diagnostics()) is None


@given(st.text(alphabet="%-.0159mpPcdDXHnyz{}[] ", max_size=30))
def test_any_pattern_prints_something_bounded(pattern: str) -> None:
    """Whatever the pattern, an event can be formatted, and a wide field does not eat the memory."""
    conversions = parse_pattern(pattern, Diagnostics(quiet=True))

    assert len(PatternLayout(conversions, each_line=True).format(event())) < 100_000
