"""The syntax of logging configuration files: properties, and variables in them."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from storescp.errors import ConfigurationError
from storescp.log.log4cplus.diagnostics import Diagnostics, boolean, integer

PREFIX = "log4cplus."

_BLANKS = " \t\v\f\r"
_MAXIMUM_REPLACEMENTS = (
    1000  # in one text; far beyond any sane file, so variables go round in circles
)
_MAXIMUM_LENGTH = 1 << 20
_MAXIMUM_PASSES = 100


@dataclass(frozen=True, slots=True)
class Properties:
    """Keys and values; iteration goes in byte order of the keys, as the reference processes them."""

    values: Mapping[str, str]

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.values, key=lambda key: key.encode("utf-8", "surrogatepass")))

    def get(self, key: str, default: str = "") -> str:
        return self.values.get(key, default)

    def boolean(self, key: str, *, default: bool) -> bool:
        return boolean(self.get(key), default=default)

    def integer(self, key: str, default: int) -> int:
        number = integer(self.get(key))
        return default if number is None else number

    def below(self, prefix: str) -> "Properties":
        """Return the properties whose keys start with a prefix, without it."""
        return Properties(
            {
                key.removeprefix(prefix): value
                for key, value in self.values.items()
                if key.startswith(prefix)
            }
        )


def parse(text: str) -> Properties:
    """Read properties: a line each, `#` for comments, no continuation, the last line with a key counts."""
    values: dict[str, str] = {}
    for line in text.split("\n"):
        content = line.strip(_BLANKS)
        key, equals, value = content.partition("=")
        if equals and not content.startswith("#"):
            values[key.rstrip(_BLANKS)] = value.strip(_BLANKS)
    return Properties(values)


def read(path: str) -> Properties:
    """Read a file; raises ConfigurationError if that is not possible."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return parse(file.read())
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"cannot read logging configuration file: {path}: {error}"
        ) from error


def check_file(path: str) -> str | None:
    """Tell what keeps a file from being a logging configuration, as the text of a usage error, or None."""
    if not os.path.isfile(path):
        return "Specified --log-config file does not exist"
    try:
        properties = read(path)
    except ConfigurationError:
        return "Specified --log-config file cannot be read"
    if not properties.values:
        return "Specified --log-config file does not contain any settings"
    if not properties.below(PREFIX).values:
        return "Specified --log-config file does not contain any valid settings"
    if PREFIX + "rootLogger" not in properties:
        return "Specified --log-config file does not set up log4cplus.rootLogger"
    return None


def expand(
    properties: Properties, environment: Mapping[str, str], complaints: Diagnostics
) -> Properties:
    """Replace `${NAME}` in all keys and values by the property or else the environment variable NAME.

    Raises:
        ConfigurationError: variables refer to themselves without end, or there are more than anybody needs.
    """
    for _ in range(_MAXIMUM_PASSES):
        expanded = _expand_once(properties, environment, complaints)
        if expanded == properties:
            return expanded
        # Once more: an expanded key may be the variable that a value before it was missing.
        properties = expanded
    raise ConfigurationError(
        "logging configuration: keys refer to themselves, or to too many others"
    )


def _expand_once(
    properties: Properties, environment: Mapping[str, str], complaints: Diagnostics
) -> Properties:
    values = dict(properties.values)
    for key in properties:
        expanded_key = _replace_variables(key, values, environment, complaints)
        expanded_value = _replace_variables(values[key], values, environment, complaints)
        if expanded_key != key:
            del values[key]
        values[expanded_key] = expanded_value
    return Properties(values)


def _replace_variables(
    text: str, values: Mapping[str, str], environment: Mapping[str, str], complaints: Diagnostics
) -> str:
    """Replace from left to right; what was inserted is looked through again."""
    result, position = text, 0
    for _ in range(_MAXIMUM_REPLACEMENTS):
        start = result.find("${", position)
        if start < 0:
            return result
        end = result.find("}", start)
        if end < 0:
            complaints.error(f'"{result}" has no closing brace. Opening brace at position {start}.')
            return text
        name = result[start + 2 : end]
        if replacement := values.get(name) or environment.get(name, ""):
            result = result[:start] + replacement + result[end + 1 :]
            position = start
        else:
            position = end + 1
        if len(result) > _MAXIMUM_LENGTH:
            break
    raise ConfigurationError(
        f'logging configuration: variables in "{text}" are too many, or refer to themselves'
    )
