"""Text that came from a peer, made fit for a log line or a terminal.

An AE title or a UID may hold any byte. Printed as it is, a line feed forges log lines and an escape sequence
steers the terminal of whoever reads them.
"""

_HARMLESS_SPACES = (
    "\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}"  # in person names; not "printable" to Python
)


def printable(text: str) -> str:
    r"""Escape control characters, line separators, text direction marks and undecodable bytes.

    They are written as in a Python literal: `\n`, `\x1b`, `\u202e`. A backslash stays as it is, because values
    with several parts are full of them; so the result is for reading, not for reading back.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character in _HARMLESS_SPACES
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
