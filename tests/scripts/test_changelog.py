"""scripts/changelog.py: fragments become a section of the changelog."""

import datetime
from pathlib import Path

import pytest

from scripts.changelog import ROOT, fragments, insert, section


def test_fragments_are_grouped_by_kind(tmp_path: Path) -> None:
    """A section has a heading per kind in a fixed order, and an entry per fragment."""
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "names.fixed.md").write_text("Names are right.\n")
    (tmp_path / "tls.added.md").write_text("TLS.\nWith [keys](../docs/tls.md).\n")

    text = section("1.2.0", datetime.date(2024, 1, 31), fragments(tmp_path))

    assert text == (
        "## 1.2.0 (2024-01-31)\n"
        "\n### Added\n\n- TLS.\n  With [keys](docs/tls.md).\n"
        "\n### Fixed\n\n- Names are right.\n"
    )


def test_misnamed_fragment(tmp_path: Path) -> None:
    """A file that would never be gathered is an error."""
    (tmp_path / "names.repaired.md").write_text("x")

    with pytest.raises(ValueError, match=r"names\.repaired\.md"):
        fragments(tmp_path)


def test_newest_section_comes_first() -> None:
    """The new section stands before the older ones, behind the introduction."""
    assert insert("# Changelog\n\nAbout.\n", "## 1\n") == "# Changelog\n\nAbout.\n\n## 1\n"
    assert insert("# Changelog\n\n## 1\n", "## 2\n") == "# Changelog\n\n## 2\n\n## 1\n"


def test_our_fragments() -> None:
    """All fragments of this repository can be gathered."""
    assert fragments(ROOT / "changes")
