"""The Japanese manual page and README: names, values, defaults and files are those of the English ones."""

import re
import subprocess
from pathlib import Path

import pytest

from scripts import manual, manual_japanese
from scripts.docs import ROOT
from storescp.config.options.table import GROUPS, options
from tests.peers.tools import require_tool

ENGLISH, JAPANESE = manual.page(), manual_japanese.page()
_JAPANESE_LETTER = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")


def entries(page: str) -> dict[str, str]:
    """Return what a page says of each option: the line with its names to the text below."""
    found = re.findall(
        r"^\.TP\n\.B ([^\n]*\\-\\-[^\n]*)\n((?:[^.\n][^\n]*\n)+)", page, re.MULTILINE
    )
    return dict(found)


def names(line: str) -> str:
    return line.partition(" \\fI")[0]


def test_every_option_is_there() -> None:
    """With the same names, in the same order, and a text in Japanese; no text is left over."""
    assert [names(line) for line in entries(JAPANESE)] == [names(line) for line in entries(ENGLISH)]
    assert len(entries(JAPANESE)) == len(list(options()))
    assert manual_japanese.TEXTS.keys() == {option.long for option in options()}
    assert all(_JAPANESE_LETTER.search(text) for text in manual_japanese.TEXTS.values())


def test_every_title_is_there() -> None:
    """Of groups and sections; no other one is translated."""
    titles = {section.title for group in GROUPS for section in group.sections if section.title}

    assert manual_japanese.TITLES.keys() == titles | {group.title for group in GROUPS}


@pytest.mark.parametrize("line", list(entries(ENGLISH)), ids=names)
def test_values_defaults_and_limits_are_the_same(line: str) -> None:
    """Every number, file and name of an option that the English page has, the Japanese one has."""
    english = f"{line} {entries(ENGLISH)[line]}"
    (japanese,) = [
        f"{other} {text}"
        for other, text in entries(JAPANESE).items()
        if names(other) == names(line)
    ]

    def facts(text: str) -> tuple[list[str], list[str]]:
        text = text.replace("\\-", "-").replace("\\(dq", '"').replace("verbose mode", "--verbose")
        numbers = re.findall(r"(?<![\w./-])\d+(?!\.?[\w/]|-\w)", _without_words(text))
        return sorted(numbers), sorted(set(re.findall(r"(?<!\w)--[a-z0-9-]+|/etc/[a-z.]+", text)))

    assert facts(japanese) == facts(english)
    assert ("既定" in japanese) == ("default" in english.replace("Prefer default", ""))


def _without_words(text: str) -> str:
    """Leave out numbers that one language writes as words, or not at all: "1 つの" is "one" in English."""
    return re.sub(
        r"1 つの|1 行|最大 1 時間|(?<=毎回 )2 倍|1 個|8 進数|1 オブジェクト|BSD", "", text
    )


@pytest.mark.parametrize(
    "pattern",
    [r"\.nf\n(.*?)\.fi", r"^\.I (/.*)$", r"^\.BR? ([A-Z][A-Z_0-9, ]+?)(?: \.)?$", r"^(\d+|SIG[A-Z, SIGTERMINT]+)$", r"^\.BR (\w+ \(\d\))"],
    ids=["examples", "files", "variables", "exit codes and signals", "see also"],
)  # fmt: skip
def test_the_rest_is_the_same(pattern: str) -> None:
    """Examples, files, environment variables, exit codes, signals, other pages."""
    found = re.findall(
        pattern, JAPANESE, re.MULTILINE | re.DOTALL if ".nf" in pattern else re.MULTILINE
    )
    expected = re.findall(
        pattern, ENGLISH, re.MULTILINE | re.DOTALL if ".nf" in pattern else re.MULTILINE
    )

    assert found == expected
    assert found


@pytest.mark.interop
@pytest.mark.parametrize(
    "command",
    [
        ("groff", "-k", "-mja", "-man", "-Tutf8", "-ww", "-rLL=100n"),
        ("mandoc", "-K", "utf-8", "-Tutf8", "-W", "error"),
    ],
    ids=lambda command: command[0],
)
def test_formatters_have_nothing_against_it(command: tuple[str, ...]) -> None:
    """Neither of the two formatters that systems have complains."""
    process = subprocess.run(
        [require_tool(command[0]), *command[1:]],
        input=JAPANESE.encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert process.stderr.decode() == ""
    assert "受信" in process.stdout.decode()


def code(path: Path) -> list[str]:
    """Return the commands of a README, without comments."""
    lines = re.findall(r"^    (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [line.partition(" # ")[0].rstrip() for line in lines]


def test_readme() -> None:
    """Commands, links, and whatever stands between backquotes are those of the English README."""
    english, japanese = ROOT / "README.md", ROOT / "README.ja.md"

    def found(pattern: str, path: Path) -> set[str]:
        prose = re.sub(r"^    .*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        return set(re.findall(pattern, " ".join(prose.split())))

    link, file, quoted = r"<(http[^>]*)>", r"\]\(([^)]*)\)", r"`([^`]+)`"
    assert code(japanese) == code(english)
    assert found(link, japanese) == found(link, english)
    assert found(file, japanese) - {"README.md"} == found(file, english) - {"README.ja.md"}
    assert found(quoted, japanese) - {"man storescp"} <= found(quoted, english)
    headings = [
        re.findall("^#+ ", path.read_text(encoding="utf-8"), re.MULTILINE)
        for path in (japanese, english)
    ]
    assert headings[0] == headings[1]
