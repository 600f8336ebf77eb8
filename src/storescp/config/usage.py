"""The texts that are printed instead of receiving: usage, version, lists, usage errors; and the option page of the docs.

Their layout is the reference's, since people's scripts and eyes know it. `python -m storescp.config.usage` prints the page.
"""

import os
import sys
from collections.abc import Iterable, Iterator

from storescp import __version__
from storescp.compilation import form
from storescp.config.choices import MEGABYTE, CommandLine
from storescp.config.features import tls_features
from storescp.config.options.rows import Features, Group, Number, Octal, Option, Section
from storescp.config.options.table import BLOCKS, GROUPS, option_names
from storescp.log.levels import LogLevel

IDENTIFICATION = "$dcmtk: storescp v3.7.0 2025-12-15 $"
"""Identification that scripts look for: the release whose command line and behaviour this program follows."""

HEADER = f"{IDENTIFICATION}\n\nstorescp: DICOM storage (C-STORE) SCP\n"

_USAGE = """\
usage: storescp [options] [port]

parameters:
  port                           tcp/ip port number to listen on

"""

_IN_MEGABYTES = frozenset({"inflate_limit", "max_object_size", "min_free_space"})
"""Fields in bytes whose options count megabytes."""

_LONG_WIDTH = 21
_SHORT_WIDTH = 6
_INDENT = 2


def error(text: str) -> str:
    """Return what is printed for a usage error."""
    return f"{HEADER}error: {text}\n"


# Usage


def usage(*, features: Features = tls_features) -> str:
    """Return the answer to `--help`."""
    offered = features()
    groups = (_usage_of_group(group, offered) for group in GROUPS)
    return f"{HEADER}{_USAGE}{''.join(groups)}\n"


def _usage_of_group(group: Group, offered: frozenset[object]) -> str:
    lines = [group.title]
    long_width = max(_LONG_WIDTH, *(len(option.long) for option in _options(group)))
    for section in group.sections:
        indent, short_width = _INDENT, _SHORT_WIDTH
        if section.title:
            lines.append(" " * indent + section.title)
            indent, short_width = 2 * _INDENT, _SHORT_WIDTH - _INDENT
        for option in section.options:
            if option.feature is None or option.feature in offered:
                names = f"{option.short:{short_width}}  {option.long:{long_width}}  "
                lines += _aside(" " * indent + names, _text(option))
    return "\n".join((*lines, ""))


def _options(group: Group) -> Iterator[Option]:
    return (option for section in group.sections for option in section.options)


def _text(option: Option) -> Iterator[str]:
    if option.values:
        yield from option.values.split("\n")
    yield from option.description.split("\n")


def _aside(first: str, text: Iterable[str]) -> Iterator[str]:
    """Put lines of text to the right of something that stands in the first of them only."""
    for line in text:
        yield first + line
        first = " " * len(first)


# Version and lists


def version() -> str:
    """Return the answer to `--version`."""
    return "".join(
        (
            HEADER,
            "\n",
            _host(),
            f"{implementation()}\n",
            f"Data sets: read by {form().value}\n",
            "\nExternal libraries used:\n",
            *(f"- {library}\n" for library in _libraries()),
        )
    )


def implementation() -> str:
    """Return the line that names this program and its interpreter."""
    return f"Implementation: storescp {__version__}, Python {sys.version.split()[0]}"


def host_text(lines: Iterable[str]) -> str:
    """Return lines about this machine's libraries, with the header and the host information in front."""
    listed = "".join(f"{line}\n" for line in lines)
    return f"{HEADER}\n{_host()}{listed}"


def _host() -> str:
    """Return the lines about the machine and the program's capabilities."""
    system = os.uname()
    return (
        f"Host type: {system.machine}-{system.sysname}\n"
        f"{_character_encoding()}"
        "Build options: threads lfs builtin-dict dcmdictpath private-tags char-conv\n"
    )


def _character_encoding() -> str:
    """Return the line about the locale's codeset, or nothing if the environment names no valid locale."""
    import locale

    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "")
    except locale.Error:
        return ""
    codeset = locale.nl_langinfo(locale.CODESET)
    locale.setlocale(locale.LC_CTYPE, before)
    return f"Character encoding: {codeset or 'system default (unknown)'}\n"


def _libraries() -> Iterator[str]:
    # Only whoever asks for them pays for loading the libraries.
    import importlib.metadata
    import ssl
    import zlib

    yield f"ZLIB, Version {zlib.ZLIB_RUNTIME_VERSION}"
    yield ssl.OPENSSL_VERSION
    try:
        yield f"pydicom, Version {importlib.metadata.version('pydicom')}"
    except importlib.metadata.PackageNotFoundError:
        yield "pydicom, not installed"


# The option page of the documentation

_INTRODUCTION = """\
# Options

<!-- Made by `python -m storescp.config.usage` from the table in src/storescp/config/options/table.py; change that. -->

    storescp [options] [port]

`port` is the TCP port to listen on, 1 to 65535; it is required unless `--inetd` is given.

Options and the port may stand in any order. Values are arguments of their own (`--max-pdu 16384`, never
`--max-pdu=16384`), and whatever follows an option that takes a value is that value. Of options that exclude each other
silently, marked with the same letter in the column *one of*, the rightmost wins; *default* marks the one that is in
force if none is given. An argument `@file` is replaced by the arguments in that file: white space separates them,
single or double quotes enclose it, and there are neither escapes nor comments.

A command line that cannot be accepted ends the program with exit code 1 and a line `error: …` on standard error.
"""


def option_page() -> str:
    """Return the option page of the documentation, in Markdown."""
    return "".join((_INTRODUCTION, *(_page_of_group(group) for group in GROUPS)))


def _page_of_group(group: Group) -> str:
    parts = [f"\n## {_heading(group.title)}\n"]
    for section in group.sections:
        if section.title:
            parts.append(f"\n### {_heading(section.title)}\n")
        parts.append(_table(section))
    return "".join(parts)


def _heading(title: str) -> str:
    title = title.removesuffix(":")
    return title[:1].upper() + title[1:]


def _table(section: Section) -> str:
    letters = _block_letters(section)
    lines = [
        "",
        "| option | short | values | default | one of | meaning | conditions |",
        "|---|---|---|---|---|---|---|",
    ]
    for option in section.options:
        cells = (
            f"`{option.long}`",
            f"`{option.short}`" if option.short else "",
            " ".join(option.values.split()),
            _default(option),
            letters.get(option.block_name, ""),
            " ".join(option.description.split()),
            conditions(option),
        )
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join((*lines, ""))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _block_letters(section: Section) -> dict[str, str]:
    """Return a letter for each block of several options."""
    blocks = dict.fromkeys(option.block_name for option in section.options)
    several = [block for block in blocks if len(BLOCKS.get(block, ())) > 1]
    return {block: chr(ord("a") + number) for number, block in enumerate(several)}


def _default(option: Option) -> str:
    if option.default:
        return "default"
    if option.request or not option.takes or len(BLOCKS[option.block_name]) > 1:
        return ""
    value: object = getattr(CommandLine(), option.field)
    match value:
        case None if "default: " in option.description:
            return ""
        case None | ():
            return "none"
        case LogLevel():
            return value.name.lower()
        case int() if option.field in _IN_MEGABYTES:
            return str(value // MEGABYTE)
        case "":
            return "empty"
        case _:
            return f"`{value}`"


def conditions(option: Option) -> str:
    """Return when an option can be given, and with which values, in Markdown."""
    parts = [_limits(kind) for kind in option.takes if isinstance(kind, Number)][:1]
    parts += [f"at most {kind.maximum:o}" for kind in option.takes if isinstance(kind, Octal)]
    if option.not_with:
        others = (name for condition in option.not_with for name in option_names(condition))
        parts.append(f"not with {', '.join(f'`{name}`' for name in others)}")
    parts += [f"only with {_code(others)}" for others in option.only_with]
    if option.cumulative:
        parts.append("may be repeated")
    if option.feature is not None:
        parts.append(f"exists only if OpenSSL offers {option.feature.value}")
    return "; ".join(parts)


def _limits(number: Number) -> str:
    if number.maximum is None:
        return f"at least {number.minimum}"
    return f"{number.minimum} to {number.maximum}"


def _code(condition: str) -> str:
    """Mark the names of options in a condition as code."""
    words = (
        word if not word.startswith("--") else f"`{word.rstrip(',')}`{',' * word.endswith(',')}"
        for word in condition.split(" ")
    )
    return " ".join(words)


if __name__ == "__main__":
    sys.stdout.write(option_page())
