"""Lexical form of an association configuration file: bytes → super-sections, sections, entries.

DCMTK reads these files with a character automaton, not line by line, and existing files rely on its
habits: headings and keys may be broken over lines, an indented line continues the value above it,
and only a `#` in the first column starts a comment. What the entries mean is `profile`'s business.

Every byte is looked at a fixed number of times, whatever the file.
"""

import re
from dataclasses import dataclass, field

_COMMENT = re.compile(rb"^#[^\n]*\n?", re.MULTILINE)
_SPACE = re.compile(rb"[ \t\n]*")
_OPENING = re.compile(rb"\[[ \t\n]*")
_NAME_CHARACTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_DROPPED = bytes(code for code in range(256) if code not in _NAME_CHARACTERS)
_UPPER = bytes(range(256)).upper()


@dataclass(slots=True)
class ProfileSection:
    """A section, `[Name]`; of a key that is there twice the first value counts."""

    name: str
    entries: dict[str, bytes] = field(default_factory=dict)


def parse(data: bytes) -> dict[str, list[ProfileSection]]:
    """Return the sections of each super-section, `[[Name]]`, in the order of the file.

    Of super-sections with the same name only the first counts. Sections outside a super-section and
    keys outside a section are dropped. Names are upper case.
    """
    text = _normalise(data)
    supersections: dict[str, list[ProfileSection]] = {}
    sections: list[ProfileSection] | None = None
    section: ProfileSection | None = None
    position = _skip_space(text, 0)
    while position < len(text):
        if text.startswith(b"[", position):
            level, name, position = _heading(text, position)
            if level > 1:
                sections, section = [], None
                supersections.setdefault(name, sections)
            elif sections is not None:
                section = ProfileSection(name)
                sections.append(section)
        else:
            key, value, position = _entry(text, position)
            if section is not None:
                section.entries.setdefault(key, value)
        position = _skip_space(text, position)
    return supersections


def _normalise(data: bytes) -> bytes:
    """Return the text with one kind of line end, without NULs and without comment lines."""
    text = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\0", b" ")
    return _COMMENT.sub(b"", text)


def _heading(text: bytes, position: int) -> tuple[int, str, int]:
    """Return level and name of the heading at `position`, and the position behind it."""
    level = 0
    while opening := _OPENING.match(text, position):
        level += 1
        position = opening.end()
    end = _find(text, b"]", position)
    name = _clean(text[position:end])
    position = end + 1
    for _ in range(level - 1):
        if position >= len(text):
            break
        position = _find(text, b"]", position) + 1
    return level, name, position


def _entry(text: bytes, position: int) -> tuple[str, bytes, int]:
    """Return key and value at `position`, and the position behind; a last key may lack its value."""
    end = _find(text, b"=", position)
    key = _clean(text[position:end])
    lines = []
    position = end + 1
    while True:
        end = _find(text, b"\n", position)
        lines.append(text[position:end])
        position = _skip_space(text, end)
        if position == len(text) or text.startswith(b"\n", position - 1):
            break
    lines[0] = lines[0].lstrip(b" \t")
    return key, b"\n".join(lines).strip(b"\n"), position


def _find(text: bytes, character: bytes, position: int) -> int:
    found = text.find(character, position)
    return len(text) if found < 0 else found


def _skip_space(text: bytes, position: int) -> int:
    space = _SPACE.match(text, position)
    return space.end() if space else position


def _clean(name: bytes) -> str:
    return name.translate(_UPPER, _DROPPED).decode("ascii")
