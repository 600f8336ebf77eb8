"""Layouts of logging configuration files: they give an event its form."""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from storescp.log.appender import message_of
from storescp.log.levels import level_name
from storescp.log.log4cplus.diagnostics import Diagnostics
from storescp.log.log4cplus.properties import Properties

if TYPE_CHECKING:
    from storescp.log.json_lines import Masks


DEFAULT_DATE = "%Y-%m-%d %H:%M:%S"

Conversion = Callable[[logging.LogRecord, str], str]
"""Makes a piece of output from an event and the line of its message in hand."""

_MAXIMUM_WIDTH = 4096  # of a field; more is a slip of the pen, and would be memory


class InvalidLayout(Exception):
    """A layout that cannot be made from its properties."""


class SimpleLayout(logging.Formatter):
    """`LEVEL - MESSAGE`, once for all lines of a message."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{level_name(record.levelno)} - {message_of(record)}\n"


class TTCCLayout(logging.Formatter):
    """`TIME [THREAD] LEVEL LOGGER <> - MESSAGE`, once for all lines of a message."""

    def __init__(self, date_format: str, *, utc: bool) -> None:
        super().__init__()
        self._time = date(date_format, utc=utc) if date_format else _milliseconds

    def format(self, record: logging.LogRecord) -> str:
        text = message_of(record)
        level = level_name(record.levelno)
        return f"{self._time(record, text)} [{record.thread}] {level} {record.name} <> - {text}\n"


class PatternLayout(logging.Formatter):
    """A pattern with conversions, by default applied to each line of a message."""

    def __init__(self, conversions: list[Conversion], *, each_line: bool) -> None:
        super().__init__()
        self._conversions = conversions
        self._each_line = each_line

    def format(self, record: logging.LogRecord) -> str:
        text = message_of(record)
        lines = text.split("\n") if self._each_line else [text]
        return "".join(
            conversion(record, line) for line in lines for conversion in self._conversions
        )


def make(
    class_name: str,
    properties: Properties,
    complaints: Diagnostics,
    masks: "Masks | None" = None,
) -> logging.Formatter | None:
    """Return the layout of a class; None for an unknown class.

    Raises:
        InvalidLayout: a property that the class needs is missing.
    """
    match class_name:
        case "log4cplus::SimpleLayout":
            return SimpleLayout()
        case "log4cplus::TTCCLayout":
            return TTCCLayout(
                properties.get("DateFormat"), utc=properties.boolean("Use_gmtime", default=False)
            )
        case "log4cplus::PatternLayout":
            return PatternLayout(
                parse_pattern(_pattern(properties, complaints), complaints),
                each_line=properties.boolean("FormatEachLine", default=True),
            )
        case "storescp::JSONLayout":
            from storescp.log.json_lines import JSONLayout  # most files do without

            return JSONLayout(masks)
        case _:
            return None


def _pattern(properties: Properties, complaints: Diagnostics) -> str:
    if "Pattern" in properties:
        complaints.warn(
            'PatternLayout- the "Pattern" property has been deprecated.  Use "ConversionPattern" instead.'
        )
    pattern = properties.get("ConversionPattern", properties.get("Pattern"))
    if pattern or "ConversionPattern" in properties or "Pattern" in properties:
        return pattern
    complaints.error("ConversionPattern not specified in properties")
    raise InvalidLayout("ConversionPattern not specified in properties")


def parse_pattern(pattern: str, complaints: Diagnostics) -> list[Conversion]:
    """Compile a conversion pattern; what is wrong in it is complained about and stays in the output as it is."""
    if not pattern:
        complaints.warn("PatternLayout pattern is empty.  Using default...")
        return [_message]
    return _PatternParser(pattern, complaints).parse()


class _PatternParser:
    """Reads `%[-][min][.max]letter[{option}]`; `_position` is the number of characters read."""

    def __init__(self, pattern: str, complaints: Diagnostics) -> None:
        self._pattern = pattern
        self._complaints = complaints
        self._position = 0
        self._conversions: list[Conversion] = []

    def parse(self) -> list[Conversion]:
        while self._position < len(self._pattern):
            self._literal()
            if self._position < len(self._pattern):
                self._conversion()
        return self._conversions

    def _literal(self) -> None:
        """Read up to a percent sign that something follows; twice the sign is one."""
        text = ""
        while character := self._pattern[self._position : self._position + 1]:
            if character == "%" and self._pattern[self._position + 1 :]:
                if self._pattern[self._position + 1] != "%":
                    break
                self._position += 1
            text += character
            self._position += 1
        self._add_literal(text)

    def _conversion(self) -> None:
        start = self._position
        self._position += 1
        left = False
        while self._next_is("-"):
            self._position += 1
            left = True
        least = self._number()
        most = None
        if self._next_is("."):
            self._position += 1
            most = self._number()
        letter = self._pattern[self._position : self._position + 1]
        self._position += 1
        if letter == "":
            self._add_literal(self._pattern[start:])
        elif most is None and self._pattern[self._position - 2] == ".":
            self._complaints.error(
                f"Error occurred in position {self._position}.\n"
                f' Was expecting digit, instead got char "{letter}".'
            )
            self._add_literal(self._pattern[start : self._position])
        elif letter in _WITH_OPTION:
            self._add(_WITH_OPTION[letter](self._option()), least or 0, most, left=left)
        elif letter in _PLAIN:
            self._add(_PLAIN[letter], least or 0, most, left=left)
        elif letter == "H":
            self._add(_constant(fully_qualified_name()), least or 0, most, left=left)
        else:
            self._complaints.error(
                f"Unexpected char [{letter}] at position {self._position} in conversion pattern."
            )
            self._add_literal(self._pattern[start : self._position])

    def _next_is(self, character: str) -> bool:
        return self._pattern.startswith(character, self._position)

    def _number(self) -> int | None:
        start = self._position
        while self._pattern[self._position : self._position + 1] in _DIGITS:
            self._position += 1
        digits = self._pattern[start : self._position]
        return min(int(digits[:9]), _MAXIMUM_WIDTH) if digits else None

    def _option(self) -> str:
        if not self._next_is("{"):
            return ""
        end = self._pattern.find("}", self._position)
        if end < 0:
            self._complaints.error(
                f"No matching '}}' found in conversion pattern string \"{self._pattern}\""
            )
            self._position = len(self._pattern)
            return ""
        option = self._pattern[self._position + 1 : end]
        self._position = end + 1
        return option

    def _add_literal(self, text: str) -> None:
        if text:
            self._conversions.append(_constant(text))

    def _add(self, conversion: Conversion, least: int, most: int | None, *, left: bool) -> None:
        if least or most is not None:
            conversion = _padded(conversion, least, most, left=left)
        self._conversions.append(conversion)


_DIGITS = frozenset("0123456789")


def _padded(conversion: Conversion, least: int, most: int | None, *, left: bool) -> Conversion:
    def padded(record: logging.LogRecord, line: str) -> str:
        text = conversion(record, line)
        if most is not None and len(text) > most:
            return text[len(text) - most :]
        return text.ljust(least) if left else text.rjust(least)

    return padded


def _constant(text: str) -> Conversion:
    return lambda _record, _line: text


def _message(_record: logging.LogRecord, line: str) -> str:
    return line


def _milliseconds(record: logging.LogRecord, _line: str) -> str:
    return str(int(record.relativeCreated))


def _logger_name(option: str) -> Conversion:
    """Return the whole name, or with a positive number as many of its last components."""
    digits = option[: len(option) - len(option.lstrip("0123456789"))]
    count = int(digits[:9] or "0")
    return lambda record, _line: ".".join(record.name.split(".")[-count:])


def date(pattern: str, *, utc: bool) -> Conversion:
    """Return the time of an event by a strftime pattern.

    In addition to what strftime knows, `%q` are milliseconds, `%Q` milliseconds with three decimals and `%s`
    seconds since 1970.
    """
    convert = time.gmtime if utc else time.localtime

    def formatted(record: logging.LogRecord, _line: str) -> str:
        microseconds = int(record.created * 1_000_000)
        seconds, fraction = divmod(microseconds, 1_000_000)
        values = {
            "q": f"{fraction // 1000:03}",
            "Q": f"{fraction // 1000:03}.{fraction % 1000:03}",
            "s": str(seconds),
        }
        return time.strftime(_fill_in(pattern, values), convert(seconds))

    try:
        time.strftime(pattern, time.gmtime(0))
    except ValueError:  # a pattern that the platform does not take
        return date(DEFAULT_DATE, utc=utc)
    return formatted


def _fill_in(pattern: str, values: dict[str, str]) -> str:
    pieces = pattern.split("%%")  # so that what is left of a percent sign begins a conversion
    for letter, value in values.items():
        pieces = [piece.replace("%" + letter, value) for piece in pieces]
    return "%%".join(pieces)


def fully_qualified_name() -> str:
    """Return the name of this host with its domain. Asks the resolver, so only set-up may call it."""
    import socket  # wanted for few configurations

    name = socket.gethostname()
    try:
        answers = socket.getaddrinfo(name, None, flags=socket.AI_CANONNAME)
    except OSError:
        return name
    return next((canonical for *_, canonical, _ in answers if canonical), name)


def host_name() -> str:
    """Return the name of this host, not fully qualified."""
    return os.uname().nodename


_PLAIN: dict[str, Conversion] = {
    "m": _message,
    "n": _constant("\n"),
    "p": lambda record, _line: level_name(record.levelno),
    "P": lambda record, _line: level_name(record.levelno)[0],
    "r": _milliseconds,
    "t": lambda record, _line: str(record.thread),
    "T": lambda _record, _line: str(threading.get_native_id()),
    "i": lambda _record, _line: str(os.getpid()),
    "h": _constant(host_name()),
    "F": lambda record, _line: record.pathname,
    "b": lambda record, _line: record.filename,
    "L": lambda record, _line: str(record.lineno),
    "l": lambda record, _line: f"{record.pathname}:{record.lineno}",
    "M": lambda record, _line: record.funcName or "",
    "x": _constant(""),  # the diagnostic contexts are never filled
}
_WITH_OPTION: dict[str, Callable[[str], Conversion]] = {
    "c": _logger_name,
    "d": lambda option: date(option or DEFAULT_DATE, utc=True),
    "D": lambda option: date(option or DEFAULT_DATE, utc=False),
    "X": lambda _option: _constant(""),
}
