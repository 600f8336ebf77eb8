"""Write the pages that are made from the code, and check that no document links to nothing."""

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)
_CODE = re.compile(r"^(```.*?^```|(    [^\n]*\n)+)", re.MULTILINE | re.DOTALL)


def documents() -> list[Path]:
    """Return all Markdown files of the repository that people read."""
    return sorted(
        path
        for pattern in ("*.md", "docs/**/*.md", "changes/*.md", "bench/*.md", "contrib/**/*.md")
        for path in ROOT.glob(pattern)
    )


def broken_links(document: Path) -> Iterator[str]:
    """Yield the links of a document that lead to no file, or to no heading of it."""
    for target in _LINK.findall(_CODE.sub("", document.read_text(encoding="utf-8"))):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        if not path.exists() or (anchor and anchor not in anchors(path)):
            yield f"{document.relative_to(ROOT)}: {target}"


def anchors(document: Path) -> set[str]:
    """Return the anchors that the headings of a document make."""
    headings = _HEADING.findall(document.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in headings}


@cache
def made() -> dict[str, str]:
    """Return what is made from the code: name of the file, content."""
    from scripts import architecture, completion, manual, manual_japanese
    from storescp.config import settings
    from storescp.config.choices import CommandLine
    from storescp.config.usage import option_page
    from storescp.reports import conformance

    defaults = CommandLine()
    receiver_settings = settings.receiver_settings(defaults, settings.policy(defaults), None)
    return {
        "docs/options.md": option_page(),
        "docs/conformance.md": conformance.statement(receiver_settings, None),
        "docs/house.svg": architecture.picture(),
        "contrib/man/storescp.1": manual.page(),
        "contrib/man/ja/storescp.1": manual_japanese.page(),
        "contrib/completion/storescp.bash": completion.bash(),
        "contrib/completion/_storescp": completion.zsh(),
        "contrib/completion/storescp.fish": completion.fish(),
    }


def main() -> int:
    """Write what is made from the code and report broken links; 1 if there are any."""
    for name, text in made().items():
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(text, encoding="utf-8")
    broken = [link for document in documents() for link in broken_links(document)]
    sys.stderr.writelines(f"broken link in {link}\n" for link in broken)
    return bool(broken)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # to find the other scripts
    sys.exit(main())
