"""The table of options is consistent in itself and complete."""

import re
import types
import typing
from collections import Counter

import pytest

from storescp.config.choices import LITTLE_ENDIAN_FIRST, MEGABYTE, CommandLine
from storescp.config.command_line import Evaluation, parse
from storescp.config.options.evaluation import EVALUATION, Stage
from storescp.config.options.rows import VERBOSE_MODE, Address, Feature, Number, Octal, Option, Word
from storescp.config.options.table import BLOCKS, BY_NAME, GROUPS, option_names, options
from storescp.uids import ACCEPT_ALL

ROWS = tuple(options())
SETTINGS = tuple(option for option in ROWS if option.request is None)
HINTS = typing.get_type_hints(CommandLine)
NEEDED = {  # what makes an option acceptable that depends on another, or that has a conflict by itself
    "--verbose-pc": [],
    "--log-mask": ["--log-json"],
    "--max-associations": ["--fork"],
    "--peer-associations": ["--fork"],
    "--exec-on-eostudy": ["-sp"],
    "--rename-on-eostudy": ["-sp"],
    "--eostudy-timeout": ["-sp"],
    "--hosts-allow": ["+ac"],
    "--hosts-deny": ["+ac"],
    "--http-host": ["--http", "8080"],
    "--http-token-file": ["--http", "8080"],
    "--show-identifiers": ["--progress"],
    "--queue-limit": ["--workers", "2"],
    "--eostudy-hold": ["--workers", "2"],
    "--exec-parallel": ["--workers", "2"],
    "--exec-timeout": ["--workers", "2"],
    "--exec-attempts": ["--workers", "2"],
    "--exec-pause": ["--workers", "2"],
}


def every(option: Option) -> str:
    return option.long


def values_for(option: Option) -> list[str]:
    """Return acceptable values."""
    has_range = option.long in {"--max-pdu", "--max-request-size", "--max-command-size"}
    samples = {
        Number: "5000" if has_range else "7",
        Word: "uids" if option.long == "--log-mask" else "info",
        Octal: "027",
        Address: "8080",
    }
    return [samples.get(type(kind), "text") for kind in option.takes]


def evaluated(option: Option) -> CommandLine:
    """Return the command line with nothing but an option and what it needs."""
    needed = NEEDED.get(option.long, [])
    if "--enable-tls" in option.only_with:
        needed = ["+tls", "key", "cert"]
    if "--seed" in option.only_with:
        needed = [*needed, "+rs", "seed"]
    arguments = [*needed, option.long, *values_for(option), "104"]
    return Evaluation(parse(arguments, features=lambda: frozenset(Feature))).run(
        Stage.SECURITY, verbose=True
    )


def matches(value: object, hint: object) -> bool:
    """Tell whether a value is of an annotated type, as far as this table needs to know."""
    if isinstance(hint, types.UnionType):
        return any(matches(value, one) for one in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        arguments = [one for one in typing.get_args(hint) if one is not Ellipsis]
        return isinstance(value, tuple) and all(isinstance(one, arguments[0]) for one in value)
    return type(value) is hint


def test_names_are_unique() -> None:
    """No two options share a name; BY_NAME knows each by both."""
    names = [name for option in ROWS for name in (option.long, option.short) if name]

    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert set(names) == set(BY_NAME)


@pytest.mark.parametrize("option", ROWS, ids=every)
def test_names_are_options(option: Option) -> None:
    """Names start with a sign that no digit follows, or the parser would take them for parameters."""
    assert option.long.startswith("--")
    assert not option.short or (option.short[0] in "+-" and not option.short[1].isdigit())


@pytest.mark.parametrize("option", ROWS, ids=every)
def test_values_are_described_by_letter(option: Option) -> None:
    """There is a value description if and only if there are values, with a bracketed letter for each."""
    assert len(option.takes) == option.values.count("[")


@pytest.mark.parametrize("option", ROWS, ids=every)
def test_printed_range_is_the_one_checked(option: Option) -> None:
    """Where the usage text shows a range, it is the range of the number."""
    if ".." in option.values:
        (number,) = option.takes

        assert isinstance(number, Number)
        assert f"({number.minimum}..{number.maximum})" in option.values


@pytest.mark.parametrize("option", SETTINGS, ids=every)
def test_option_fills_its_field_with_the_right_type(option: Option) -> None:
    """What a row makes is what the field is annotated with."""
    value = getattr(evaluated(option), option.field)

    assert matches(value, HINTS[option.field]), value


@pytest.mark.parametrize("option", SETTINGS, ids=every)
def test_default_is_said_once(option: Option) -> None:
    """The alternative marked as default, and no other, says so, and sets what the field is without it."""
    said = option.description.endswith("(default)")

    assert said == (option.default or option.long == "--no-sni")
    if option.default:
        assert getattr(CommandLine(), option.field) == getattr(evaluated(option), option.field)


SAID = re.compile(r"\(default: (\d+)\)")


@pytest.mark.parametrize("option", [row for row in SETTINGS if SAID.search(row.values)], ids=every)
def test_default_in_the_values_is_that_of_the_field(option: Option) -> None:
    """The number that the help shows as an option's default is in force without the option."""
    said = SAID.search(option.values)
    unit = MEGABYTE if option.values.startswith("[m]egabytes") else 1

    assert said is not None
    default = getattr(CommandLine(), option.field)
    assert default is None or int(said[1]) * unit == default  # None: whoever uses it decides


def test_printed_defaults_are_those_of_the_fields() -> None:
    """The defaults that descriptions show are the ones in force."""
    nothing = Evaluation(parse(["104"])).run(Stage.SECURITY)

    assert (
        nothing.socket_timeout,
        nothing.acse_timeout,
        nothing.dimse_timeout,
    ) == (60, 30, None)
    assert (
        nothing.aetitle,
        nothing.max_pdu,
        nothing.output_directory,
        nothing.compression_level,
    ) == ("STORESCP", 16384, ".", 6)
    assert nothing == CommandLine(port=104)


@pytest.mark.parametrize("option", ROWS, ids=every)
def test_conditions_name_options(option: Option) -> None:
    """Conflicts and dependencies refer to rows of the table."""
    names = [
        name
        for condition in (*option.not_with, *option.only_with)
        if condition != VERBOSE_MODE
        for name in option_names(condition)
    ]

    assert set(names) <= {row.long for row in ROWS}


def test_every_block_is_evaluated_once() -> None:
    """The order of evaluation has all blocks and nothing else."""
    evaluated_blocks = [block for blocks in EVALUATION.values() for block in blocks]

    assert sorted(BLOCKS) == sorted(evaluated_blocks)
    assert list(Stage) == list(EVALUATION)


def test_every_option_is_in_a_block() -> None:
    """Blocks have all options that set something; those looked at in an order of their own, too."""
    in_blocks = [option.long for block in BLOCKS.values() for option in block]

    assert sorted(option.long for option in SETTINGS) == sorted(in_blocks)


def test_blocks_have_one_default_at_most() -> None:
    """An alternative in force without being given must be the only one."""
    assert all(sum(option.default for option in block) <= 1 for block in BLOCKS.values())


def test_every_field_is_filled_by_an_option() -> None:
    """CommandLine has no field that no option can change, but the port and what all options say together."""
    assert {option.field for option in SETTINGS} | {"port", "extended"} == set(CommandLine._fields)


def test_extensions_stand_at_the_end() -> None:
    """Options that the reference does not have are the last group."""
    assert GROUPS[-1].title == "extensions of this implementation:"
    assert all(not option.short for section in GROUPS[-1].sections for option in section.options)


@pytest.mark.parametrize(
    ("option", "preferred"),
    [
        ("+xs", ".4.70"),
        ("+xy", ".4.50"),
        ("+xx", ".4.51"),
        ("+xv", ".4.90"),
        ("+xw", ".4.91"),
        ("+xt", ".4.80"),
        ("+xu", ".4.81"),
        ("+xm", ".4.100"),
        ("+xh", ".4.101"),
        ("+xn", ".4.102"),
        ("+xl", ".4.103"),
        ("+x2", ".4.104"),
        ("+x3", ".4.105"),
        ("+xo", ".4.106"),
        ("+x4", ".4.107"),
        ("+x5", ".4.108"),
        ("+xr", ".5"),
        ("+xd", ".1.99"),
    ],
)
def test_preference_comes_before_the_uncompressed_syntaxes(option: str, preferred: str) -> None:
    """A preferred transfer syntax is accepted in addition to the three uncompressed ones."""
    expected = (f"1.2.840.10008.1.2{preferred}", *LITTLE_ENDIAN_FIRST)

    assert expected == evaluated(BY_NAME[option]).transfer_syntaxes


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("+xe", (".1", ".2", "")),
        ("+xb", (".2", ".1", "")),
        ("+xi", ("",)),
        ("+xa", tuple(uid.removeprefix("1.2.840.10008.1.2") for uid in ACCEPT_ALL)),
    ],
)
def test_other_preferences(option: str, expected: tuple[str, ...]) -> None:
    """The other lists of transfer syntaxes are the reference's."""
    uids = tuple(f"1.2.840.10008.1.2{suffix}" for suffix in expected)

    assert uids == evaluated(BY_NAME[option]).transfer_syntaxes
