"""The syntax of logging configuration files."""

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storescp.errors import ConfigurationError
from storescp.log.log4cplus.diagnostics import Diagnostics
from storescp.log.log4cplus.properties import Properties, check_file, expand, parse, read


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ({}, ""),
        ({"a": "b"}, "a=b"),
        ({"a": "b"}, "a = b\r\n"),
        ({"a": "b c"}, " \t a\t =\t b c \t\n"),
        ({"a": "b=c"}, "a=b=c"),
        ({"a": ""}, "a="),
        ({"": "b"}, "=b"),
        ({}, "nothing here"),
        ({}, "# a=b\n   # c=d"),
        ({"a": "b # c"}, "a = b # c"),
        ({"a": "2"}, "a=1\na=2"),
        ({"a": "1", "A": "2"}, "a=1\nA=2"),
        ({"a": "b\\"}, "a=b\\\nc"),
        ({"[x]": "y"}, "[x]=y"),
        ({"a": "b\x85c"}, "a=b\x85c"),
    ],
)
def test_a_line_is_a_property(expected: dict[str, str], text: str) -> None:
    """Lines are split at the first equals sign and trimmed; there are comments, but no continuations."""
    assert expected == parse(text).values


def test_properties_come_in_byte_order() -> None:
    """Keys are processed in the order of their bytes, not of the file."""
    assert list(parse("b=1\nB=2\na.b=3\na=4\né=5")) == ["B", "a", "a.b", "b", "é"]


def test_values_have_types_and_prefixes() -> None:
    """Booleans and integers that cannot be read leave the default; keys can be looked at below a prefix."""
    properties = parse("x.a=1\nx.b=true\nx.c=maybe\ny=2").below("x.")

    assert properties.values == {"a": "1", "b": "true", "c": "maybe"}
    assert (properties.integer("a", 9), properties.integer("c", 9)) == (1, 9)
    assert (properties.boolean("b", default=False), properties.boolean("c", default=True)) == (
        True,
        True,
    )
    assert "a" in properties
    assert "y" not in properties
    assert properties.get("y", "none") == "none"


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("plain", "plain"),
        ("one", "${a}"),
        ("<one>", "<${a}>"),
        ("oneone", "${a}${a}"),
        ("one", "${b}"),  # looked through again
        ("here", "${HOME}"),
        ("one", "${both}"),  # the file before the environment
        ("fallback", "${empty}"),  # an empty property does not count
        ("${nowhere}", "${nowhere}"),
        ("${nowhere}one", "${nowhere}${a}"),
        ("${a${a}}", "${a${a}}"),  # a name ends at the first brace
        ("$a {a}", "$a {a}"),
        ("whole", "${log4cplus.key}"),
    ],
)
def test_variables_are_replaced(expected: str, text: str) -> None:
    """A variable is a property of the file or else of the environment; otherwise the text stays."""
    written = {"a": "one", "b": "${a}", "both": "one", "empty": "", "log4cplus.key": "whole"}
    environment = {"HOME": "here", "both": "two", "empty": "fallback"}

    result = expand(Properties({**written, "text": text}), environment, Diagnostics())

    assert expected == result.get("text")


def test_variables_are_replaced_in_keys() -> None:
    """A key may hold a variable, too."""
    result = expand(parse("log4cplus.appender.${name}=x\nname=file"), {}, Diagnostics())

    assert result.values == {"log4cplus.appender.file": "x", "name": "file"}


def test_expanded_keys_are_variables() -> None:
    """A value may name a key that comes to be only by its own variable."""
    result = expand(parse("a=${k.b}\nk.${n}=x\nn=b"), {}, Diagnostics())

    assert result.values == {"a": "x", "k.b": "x", "n": "b"}


def test_keys_do_not_unfold_for_ever() -> None:
    """Keys that wait for each other, one after the other, are given up at some time."""
    text = "\n".join(f"v{n:03}${{v{n + 1:03}x}}=x" for n in range(150))

    with pytest.raises(ConfigurationError, match="keys refer to themselves, or to too many others"):
        expand(parse(text + "\nv150x=x"), {}, Diagnostics())


def test_missing_brace_is_complained_about(capsys: pytest.CaptureFixture[str]) -> None:
    """Without its closing brace the text stays as it was written."""
    result = expand(parse("a=%m${b%n"), {}, Diagnostics())

    assert result.values == {"a": "%m${b%n"}
    assert capsys.readouterr().err == (
        'log4cplus:ERROR "%m${b%n" has no closing brace. Opening brace at position 2.\n'
    )


@pytest.mark.parametrize(("count", "is_too_many"), [(999, False), (1000, True)])
def test_the_number_of_variables_is_limited(count: int, *, is_too_many: bool) -> None:
    """So are those that refer to themselves: a text is looked through so often, and then given up."""
    properties = parse(f"text={'${a}' * count}\na=x")

    if is_too_many:
        with pytest.raises(ConfigurationError, match="are too many, or refer to themselves"):
            expand(properties, {}, Diagnostics())
    else:
        assert expand(properties, {}, Diagnostics()).get("text") == "x" * count


@pytest.mark.parametrize(("size", "is_too_long"), [(1 << 19, False), (1 << 19 | 1, True)])
def test_variables_do_not_fill_the_memory(size: int, *, is_too_long: bool) -> None:
    """What a text becomes has a limit of a megabyte."""
    properties = parse(f"text=${{a}}${{a}}\na={'x' * size}")

    if is_too_long:
        with pytest.raises(ConfigurationError, match="are too many, or refer to themselves"):
            expand(properties, {}, Diagnostics())
    else:
        assert len(expand(properties, {}, Diagnostics()).get("text")) == 2 * size


@given(st.text(alphabet="ab=${} #\n\r\t\\", max_size=200))
def test_any_text_is_a_file(text: str) -> None:
    """Whatever is in a file, it is read, or refused with the error for it."""
    with contextlib.suppress(ConfigurationError):
        expand(parse(text), {"a": "x"}, Diagnostics(quiet=True))


@pytest.mark.parametrize(
    ("expected", "content"),
    [
        (None, "log4cplus.rootLogger = INFO"),
        (None, "log4cplus.rootLogger="),
        ("does not contain any settings", ""),
        ("does not contain any settings", "# log4cplus.rootLogger = INFO\nx\n"),
        ("does not contain any valid settings", "rootLogger = INFO"),
        ("does not contain any valid settings", "=x"),
        ("does not set up log4cplus.rootLogger", "log4cplus.logger.dcmtk = INFO"),
    ],
)
def test_file_must_set_up_the_root_logger(
    expected: str | None, content: str, tmp_path: Path
) -> None:
    """What is missing in a file as a whole is a usage error."""
    file = tmp_path / "log.cfg"
    file.write_text(content)

    assert check_file(str(file)) == (expected and f"Specified --log-config file {expected}")


def test_file_must_exist(tmp_path: Path) -> None:
    """A directory and an empty name are no file."""
    expected = "Specified --log-config file does not exist"

    assert [check_file(str(tmp_path / "none")), check_file(str(tmp_path)), check_file("")] == (
        [expected] * 3
    )


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be opened is reported as that, and as an error if it is to be used."""
    file = tmp_path / "log.cfg"
    file.write_text("log4cplus.rootLogger = INFO")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)  # chmod would not stop root

    assert check_file(str(file)) == "Specified --log-config file cannot be read"
    with pytest.raises(ConfigurationError, match="Permission denied"):
        read(str(file))


def test_bytes_that_are_no_text_survive(tmp_path: Path) -> None:
    """A file in another encoding than UTF-8 can be used; its bytes come back as they were."""
    file = tmp_path / "log.cfg"
    file.write_bytes(b"name=M\xfcller\n")

    assert os.fsencode(read(str(file)).get("name")) == b"M\xfcller"
