"""The documents hold together: no link leads nowhere, no example is refused."""

import re
from pathlib import Path

import pytest

from scripts.docs import ROOT, broken_links, documents, made
from storescp import process_name


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links(document: Path) -> None:
    """Every relative link leads to a file, and to a heading if it names one."""
    assert not list(broken_links(document))


def test_a_broken_link_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing files and missing headings are told, links to elsewhere and code are not looked at."""
    monkeypatch.setattr("scripts.docs.ROOT", tmp_path)
    document = tmp_path / "a.md"
    document.write_text(
        "# One title\n[a](b.md) [b](a.md#one-title) [c](#two) [d](https://x.org)\n\n    [e](f.md)\n\n[g](h.md)\n"
    )

    assert list(broken_links(document)) == ["a.md: b.md", "a.md: #two", "a.md: h.md"]


@pytest.mark.parametrize("name", made())
def test_what_is_made_from_the_code_is_up_to_date(name: str) -> None:
    """The files that `make docs` writes are as it would write them now."""
    assert (ROOT / name).read_text(encoding="utf-8") == made()[name]


def test_the_tests_that_pages_name_exist() -> None:
    """What a page says is shown by `file::test` is a test of that file."""
    named = [
        (document, *reference)
        for document in documents()
        for reference in re.findall(r"`([\w/]+\.py)::(\w+)`", document.read_text())
    ]

    missing = [
        f"{document.name}: {path}::{test}"
        for document, path, test in named
        if not re.search(rf"^ *def {test}\(", _text(ROOT / "tests" / path), re.MULTILINE)
    ]
    assert named
    assert missing == []


def test_the_index_lists_all_decisions() -> None:
    """Each page once, in the order of the numbers, which are unique."""
    pages = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("*.md"))

    listed = re.findall(
        r"^\| \[(\d{4})\]\(decisions/(.*?)\)", _text(ROOT / "docs/index.md"), re.MULTILINE
    )
    numbers = [number for number, _ in listed]

    assert pages
    assert [name for _, name in listed] == pages
    assert numbers == [name[:4] for name in pages]
    assert len(set(numbers)) == len(numbers)


def test_the_table_of_processes_has_all() -> None:
    """Every name that a process gives itself is in the table of how-it-is-built."""
    names = {name for key, name in vars(process_name).items() if key.isupper()}

    table = re.findall(
        r"^\| `(storescp-\w+)` \|", _text(ROOT / "docs/how-it-is-built.md"), re.MULTILINE
    )

    assert names
    assert sorted(table) == sorted(names)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
