"""Text from a peer on its way into a file name, a command line or a log line."""

import re

_unusual = re.compile(r"[^0-9A-Za-z .:@_-]")


def sanitise(text: str) -> tuple[str, bool]:
    """Return `text` with every unusual character replaced by `_`, and whether any was.

    Kept are ASCII letters and digits, blank, `-`, `.`, `:`, `@` and `_`. One character of `text`
    stands for one byte that was received, so that each byte becomes one `_`.
    """
    clean, count = _unusual.subn("_", text)
    return clean, count > 0
