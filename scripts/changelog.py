"""Gather the fragments in changes/ under a version in CHANGELOG.md: `changelog.py VERSION`."""

import datetime
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("added", "changed", "deprecated", "removed", "fixed", "security")
_NAME = re.compile(rf"[a-z0-9-]+\.({'|'.join(KINDS)})\.md")
_VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")


def fragments(directory: Path) -> dict[str, list[Path]]:
    """Return the fragments of each kind, by name.

    Raises:
        ValueError: a file is not named `TOPIC.KIND.md`.
    """
    found: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    for path in sorted(directory.iterdir()):
        if path.name == "README.md":
            continue
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise ValueError(f"{path}: not named TOPIC.KIND.md with a KIND of {', '.join(KINDS)}")
        found[match[1]].append(path)
    return found


def section(version: str, date: datetime.date, found: dict[str, list[Path]]) -> str:
    """Return the section of a version: a heading per kind, an entry per fragment."""
    parts = [f"## {version} ({date.isoformat()})\n"]
    for kind, paths in found.items():
        if paths:
            parts.append(f"\n### {kind.capitalize()}\n\n")
            parts += [_entry(path.read_text(encoding="utf-8")) for path in paths]
    return "".join(parts)


def _entry(text: str) -> str:
    text = text.replace("](../", "](")  # links lead from the fragment's directory, not from here
    return "- " + "\n  ".join(text.strip().splitlines()) + "\n"


def insert(changelog: str, new: str) -> str:
    """Return the changelog with a section before the newest one."""
    start = changelog.find("\n## ")
    if start < 0:
        return f"{changelog.rstrip()}\n\n{new}"
    return f"{changelog[:start].rstrip()}\n\n{new}{changelog[start:]}"


def main() -> int:
    """Write the changelog and remove the fragments."""
    if len(sys.argv) != 2 or not _VERSION.fullmatch(sys.argv[1]):
        sys.stderr.write("usage: changelog.py VERSION, or: make changelog VERSION=1.2.3\n")
        return 1
    found = fragments(ROOT / "changes")
    if not any(found.values()):
        sys.stderr.write("changes/ holds no fragments\n")
        return 1
    changelog = ROOT / "CHANGELOG.md"
    today = datetime.datetime.now(datetime.UTC).date()
    new = section(sys.argv[1], today, found)
    changelog.write_text(insert(changelog.read_text(encoding="utf-8"), new), encoding="utf-8")
    for paths in found.values():
        for path in paths:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
