"""The parser of arguments: it makes a checked `CommandLine`, with the reference's errors in the reference's order.

Two steps. `parse` looks at spelling only: command files are expanded, options and their values told from parameters. Then an
`Evaluation` takes the blocks of options in their fixed order, checks conflicts, dependencies and values of what it finds,
and fills the fields of `CommandLine`. It is run in stages, because the program acts in between: the standard streams of
a server started by inetd are given up after `Stage.PROCESSES`, logging is configured after `Stage.LOGGING`, the negotiation
profile is read after `Stage.NETWORK`. Whatever is found wrong later must not be found sooner.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from storescp.config.choices import CommandLine, HTTPAddress, Mode, Request
from storescp.config.features import tls_features
from storescp.config.options.evaluation import EVALUATION, Stage
from storescp.config.options.rows import (
    VERBOSE_MODE,
    Address,
    Features,
    Kind,
    Number,
    Octal,
    Option,
    Text,
    Word,
)
from storescp.config.options.table import BLOCKS, BY_NAME, EXTENSIONS, option_names
from storescp.errors import StorescpError

INETD_PORT = 1024
"""Port number that is assumed when the connection is standard input."""

LOOPBACK = "127.0.0.1"
"""Default address of the status page: this machine alone."""

_BLANKS = " \t\n\v\f\r"  # C's isspace()
_SEPARATORS = b" \t\n\r"
_QUOTES = b"\"'"
_LARGEST_UNSIGNED = (1 << 64) - 1
_LARGEST_SIGNED = (1 << 63) - 1


class UsageError(StorescpError):
    """The command line cannot be understood or contradicts itself. Its text is what follows `error: `; the program ends with 1.

    `quiet` tells that logging was configured before the error was found: it is then not printed if the root level is above ERROR.
    """

    def __init__(self, text: str, *, quiet: bool = False) -> None:
        super().__init__(text)
        self.quiet = quiet


class Given(NamedTuple):
    """An option as it stands on the command line."""

    option: Option
    values: tuple[str, ...]


class Parsed(NamedTuple):
    """A command line taken apart."""

    given: tuple[Given, ...]
    parameters: tuple[str, ...]
    expanded: tuple[str, ...]
    """All arguments, those of command files among them, options by their long names."""
    request: Request | None
    """A text to print instead of doing anything else."""

    def request_value(self) -> str:
        """Return the value of the option that asks for a text."""
        values = [one.values[-1] for one in self.given if one.option.request is self.request]
        return values[-1]

    def arguments_text(self, program: str) -> str:
        """Return the message of `--arguments`; `program` is its name as typed."""
        # An empty argument is counted but not shown, as in the reference.
        shown = "".join(f"'{argument}' " for argument in self.expanded if argument)
        return f"calling '{program}' with {len(self.expanded)} arguments: {shown}\n"


def parse(arguments: Sequence[str], *, features: Features = tls_features) -> Parsed:
    """Take a command line apart; `arguments` are those after the program's name.

    Raises UsageError: an unknown option, a missing value, too many parameters, an unreadable command file.
    """
    remaining = iter(list(_expanded(arguments)))
    given: list[Given] = []
    parameters: list[str] = []
    expanded: list[str] = []
    for argument in remaining:
        if not _is_option(argument):
            parameters.append(argument)
            expanded.append(argument)
            continue
        option = _look_up(argument, features)
        values = tuple(value for _, value in zip(option.takes, remaining, strict=False))
        if len(values) < len(option.takes):
            raise UsageError(f"Missing value for option {option.long}")
        given.append(Given(option, values))
        expanded += (option.long, *values)
    request = _requested(given) if expanded else Request.HELP
    if request is None and len(parameters) > 1:
        raise UsageError("Too many parameters")
    return Parsed(tuple(given), tuple(parameters), tuple(expanded), request)


def _is_option(argument: str) -> bool:
    return len(argument) > 1 and argument[0] in "+-" and argument[1] not in "0123456789"


def _look_up(argument: str, features: Features) -> Option:
    option = BY_NAME.get(argument)
    if option is None or (option.feature is not None and option.feature not in features()):
        raise UsageError(f"Unknown option {argument}")
    return option


def _requested(given: list[Given]) -> Request | None:
    requests = {one.option.request for one in given}
    return next((request for request in Request if request in requests), None)


# Command files


_MAXIMUM_COMMAND_FILE_BYTES = 1 << 17
"""Longest command file, in bytes: Linux's limit of one argument."""


def _expanded(arguments: Sequence[str]) -> Iterator[str]:
    for argument in arguments:
        if len(argument) > 1 and argument[0] == "@":
            yield from _read_command_file(argument[1:])
        else:
            yield argument


def _read_command_file(name: str) -> list[str]:
    try:
        with open(name, "rb") as file:
            content = file.read(_MAXIMUM_COMMAND_FILE_BYTES + 1)
    except IsADirectoryError:
        content = b""
    except (OSError, ValueError) as error:
        raise UsageError(f"Cannot open command file '{name}'") from error
    if len(content) > _MAXIMUM_COMMAND_FILE_BYTES:
        raise UsageError(
            f"Command file '{name}' is longer than {_MAXIMUM_COMMAND_FILE_BYTES} bytes"
        )
    return [os.fsdecode(word) for word in split(content)]


def split(content: bytes) -> list[bytes]:
    """Return the arguments in a command file.

    White space separates them; quotes enclose it. A closing quote ends the argument, an opening one does not begin one.
    There are neither escapes nor comments.
    """
    words: list[bytes] = []
    word = bytearray()
    position = 0
    while position < len(content):
        character = content[position : position + 1]
        position += 1
        if character in _QUOTES:
            end = content.find(character, position)
            word += content[position : end if end >= 0 else None]
            if end < 0:
                break
            words.append(bytes(word))
            word.clear()
            position = end + 1
        elif character not in _SEPARATORS:
            word += character
        elif word:
            words.append(bytes(word))
            word.clear()
    if word:
        words.append(bytes(word))
    # An argument is a C string.
    return [word.partition(b"\0")[0] for word in words]


# Values


def scan(text: str, *, prefixes: bool) -> int | None:
    """Return the integer at the beginning of a text, as C's scanf reads it; `None` if there is none.

    With `prefixes`, 0x stands before hexadecimal and 0 before octal digits (%li), else all are decimal (%lu).
    """
    digits = text.lstrip(_BLANKS)
    negative = digits.startswith("-")
    if digits.startswith(("+", "-")):
        digits = digits[1:]
    base, allowed = 10, "0123456789"
    if prefixes and digits[:2] in ("0x", "0X"):
        base, allowed = 16, "0123456789abcdefABCDEF"
        digits = "0" + digits[2:]
    elif prefixes and digits.startswith("0"):
        base, allowed = 8, "01234567"
    length = len(digits) - len(digits.lstrip(allowed))
    if length == 0:
        return None
    # More digits than these are too many for 64 bits anyway, and Python refuses to convert thousands.
    significant = digits[:length].lstrip("0")[:40] or "0"
    number = int(significant, base)
    return -number if negative else number


def _read(kind: Kind, text: str, option: Option) -> object:
    match kind:
        case Text():
            return text
        case Number():
            return _read_number(kind, text, option)
        case Word():
            for name, meaning in kind.meanings:
                if text.lower() == name:
                    return meaning
            raise UsageError(kind.complaint)
        case Address():
            return _read_address(text, option)
        case Octal():
            return _read_octal(kind, text, option)


def _read_address(text: str, option: Option) -> HTTPAddress:
    address, colon, port = text.rpartition(":")
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    elif ":" in address or (colon and not address):
        raise UsageError(f"Invalid value for option {option.long} ({text})")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise UsageError(f"Invalid value for option {option.long} ({text})")
    return HTTPAddress(address or LOOPBACK, int(port))


def _read_octal(kind: Octal, text: str, option: Option) -> int:
    # Not what C reads: 27 must not be thirty-three, nor 0x1f or 9 anything at all.
    if not text or text.strip("01234567"):
        raise UsageError(f"Invalid value for option {option.long} ({text})")
    number = int(text, 8)
    if number > kind.maximum:
        raise UsageError(f"Invalid value for option {option.long} (overflow: {text})")
    return number


def _read_number(kind: Number, text: str, option: Option) -> int:
    complaint = f"Invalid value for option {option.long}"
    number = scan(text, prefixes=kind.signed)
    if number is None or (not kind.signed and text.lstrip(_BLANKS).startswith("-")):
        raise UsageError(f"{complaint} ({text})" if text else complaint)
    if number < kind.minimum:
        raise UsageError(f"{complaint} (underflow: {text})")
    if kind.maximum is not None and number > kind.maximum:
        raise UsageError(f"{complaint} (overflow: {text})")
    return min(number, _LARGEST_SIGNED if kind.signed else _LARGEST_UNSIGNED)


def _read_port(text: str) -> int:
    number = scan(text, prefixes=False)
    if number is None:
        raise UsageError(f"Invalid parameter value {text}")
    if -_LARGEST_UNSIGNED <= number < 0:
        number += 1 << 64  # as an unsigned long wraps around
    if number == 0:
        raise UsageError(f"Invalid parameter value {text} (underflow)")
    if not 0 < number <= 65535:
        raise UsageError(f"Invalid parameter value {text} (overflow)")
    return number


# Evaluation


class Evaluation:
    """The evaluation of one parsed command line, stage by stage."""

    def __init__(self, parsed: Parsed) -> None:
        self._parsed = parsed
        self._positions: dict[str, list[int]] = {}  # of each given option, by its long name
        for position, given in enumerate(parsed.given):
            self._positions.setdefault(given.option.long, []).append(position)
        self._fields: dict[str, Any] = {  # what CommandLine will be made of
            "extended": not EXTENSIONS.isdisjoint(self._positions)
        }
        self._in_force: dict[str, Option | None] = {}  # by block, for the blocks evaluated so far
        self._done: set[Stage] = set()
        self._verbose = False

    def run(self, stage: Stage, *, verbose: bool = False) -> CommandLine:
        """Evaluate a stage, after those before it, and return what is known by now; the rest has default values.

        `verbose` tells `Stage.NETWORK` that the program's logger takes messages of level INFO.

        Raises UsageError: the first conflict, missing dependency or invalid value.
        """
        self._verbose = verbose
        for due in Stage:
            if due <= stage and due not in self._done:
                self._done.add(due)
                self._run(due)
        return CommandLine(**self._fields)

    def _run(self, stage: Stage) -> None:
        try:
            for block in EVALUATION[stage]:
                self._evaluate(block)
            if stage is Stage.PROCESSES:
                self._fields["port"] = self._port()
        except UsageError as error:
            error.quiet = stage > Stage.LOGGING
            raise

    def _evaluate(self, block: str) -> None:
        """Find the alternative of a block that is in force, and fill its field.

        Each is searched from the right end of the command line to the position of the one found before. So the rightmost
        wins, but one that it overrules is checked too if it is looked at earlier.
        """
        found = -1
        in_force = value = None
        for option in BLOCKS[block]:
            positions = self._positions.get(option.long, ())
            if positions and positions[-1] > found:
                found = positions[-1]
                self._check(option)
                in_force, value = option, self._value(option, positions)
        if in_force is not None:
            self._fields[in_force.field] = value
        self._in_force[block] = in_force

    def _check(self, option: Option) -> None:
        name = option.called or option.long
        for others in option.not_with:
            if self._holds(others):
                raise UsageError(f"{name} not allowed with {others}")
        for others in option.only_with:
            if not self._holds(others):
                raise UsageError(f"{name} only allowed with {others}")

    def _holds(self, condition: str) -> bool:
        if condition == VERBOSE_MODE:
            return self._verbose
        return any(self._is_in_force(BY_NAME[name]) for name in option_names(condition))

    def _is_in_force(self, option: Option) -> bool:
        """Tell whether an option counts: in force, or, until its block is evaluated, given at all."""
        if option.block_name not in self._in_force:
            return option.long in self._positions
        in_force = self._in_force[option.block_name]
        return option.default if in_force is None else in_force is option

    def _value(self, option: Option, positions: Sequence[int]) -> object:
        if not option.takes:
            return option.sets
        if option.cumulative:
            return tuple(self._read(option, position) for position in positions)
        return self._read(option, positions[-1])

    def _read(self, option: Option, position: int) -> object:
        texts = self._parsed.given[position].values
        values = [_read(kind, text, option) for kind, text in zip(option.takes, texts, strict=True)]
        if option.make is not None:
            return option.make(*values)
        return values[0] if len(values) == 1 else tuple(values)

    def _port(self) -> int:
        if self._fields.get("inetd"):
            return INETD_PORT
        if not self._parsed.parameters:
            if self._fields.get("mode") is Mode.CONFORMANCE:
                return 0  # what is received does not depend on it
            raise UsageError("Missing parameter port")
        return _read_port(self._parsed.parameters[0])
