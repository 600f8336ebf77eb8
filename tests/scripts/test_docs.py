"""The documents hold together: no link leads nowhere, no example is refused."""

from pathlib import Path

import pytest

from scripts.docs import ROOT, broken_links, documents


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links(document: Path) -> None:
    """Every relative link leads to a file, and to a heading if it names one."""
    assert not list(broken_links(document))


def test_a_broken_link_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing files and missing headings are told, links to elsewhere and code are not looked at."""
    monkeypatch.setattr("scripts.docs.ROOT", tmp_path)
    document = tmp_path / "a.md"
    document.write_text(
        "# One title\n[a](b.md) [b](a.md#one-title) [c](#two) [d](https://x.org)\n\n    [e](f.md)\n"
    )

    assert list(broken_links(document)) == ["a.md: b.md", "a.md: #two"]
