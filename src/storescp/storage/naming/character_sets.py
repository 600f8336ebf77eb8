"""Specific Character Set: bytes to text, PS3.3 C.12.1.1.2 and PS3.5 6.1.2.

pydicom decodes nearly the same repertoire, but importing it takes 0.2 s and 20 MB, paid again by
every forked child that meets its first name outside of ASCII, and it warns where a receiver must
find a way. It serves as the tests' second opinion.
"""

import re
from collections.abc import Iterator

_STAND_ALONE = {
    "ISOIR192": "utf-8",
    "UTF8": "utf-8",
    "GB18030": "gb18030",
    "GBK": "gbk",
    "ISO2022GBK": "gbk",
}

_SINGLE_BYTE = {
    "100": "latin-1",
    "101": "iso8859-2",
    "109": "iso8859-3",
    "110": "iso8859-4",
    "126": "iso8859-7",
    "127": "iso8859-6",
    "138": "iso8859-8",
    "144": "iso8859-5",
    "148": "iso8859-9",
    "166": "tis-620",
    "203": "iso8859-15",
    # JIS X 0201. Its katakana are single bytes in Shift JIS; what else Shift JIS knows is not of
    # this set, but is what receives its name from Japanese devices that never heard of ISO 2022.
    "13": "shift_jis",
}

_INITIAL = {
    "": "ascii",
    "6": "ascii",
    "87": "ascii",
    "159": "ascii",
    "149": "euc_kr",
    "58": "gb2312",
    **_SINGLE_BYTE,
}

# PS3.3 tables C.12-3 and C.12-4: what a code extension puts into G1 (bytes from 80H on)
_RIGHT_HALF = {
    b"\x1b-A": "latin-1",
    b"\x1b-B": "iso8859-2",
    b"\x1b-C": "iso8859-3",
    b"\x1b-D": "iso8859-4",
    b"\x1b-F": "iso8859-7",
    b"\x1b-G": "iso8859-6",
    b"\x1b-H": "iso8859-8",
    b"\x1b-L": "iso8859-5",
    b"\x1b-M": "iso8859-9",
    b"\x1b-T": "tis-620",
    b"\x1b-b": "iso8859-15",
    b"\x1b)I": "shift_jis",
    b"\x1b$)C": "euc_kr",
    b"\x1b$)A": "gb2312",
}

# … and into G0. The Japanese sets are two bytes from 21H to 7EH; Python's codecs want to see the
# escape sequence.
_LEFT_HALF = {
    b"\x1b(B": "",
    b"\x1b(J": "",
    b"\x1b$B": "iso2022_jp",
    b"\x1b$(D": "iso2022_jp_2",
}

_escape = re.compile(rb"(\x1b(?:\$[()].|[($)-].|\$B))", re.DOTALL)
_delimiter = re.compile(rb"([\^=\\\r\n\t\f])")
_noise = re.compile(r"[^A-Z0-9]")


def decode(value: bytes, character_set: str, *, strict: bool = True) -> str:
    r"""Return the text of `value` under the values of Specific Character Set, separated by `\`.

    Defined terms are recognised in the misspellings that devices produce (`ISO-IR 100`). Escape
    sequences count whether or not Specific Character Set announces them. Unless `strict`, what
    cannot be decoded becomes U+FFFD, and bytes outside of a set that is ASCII count as Latin-1.

    Raises:
        LookupError: the first value is no defined term.
        UnicodeError: `value` is not text in this character set.
    """
    errors = "strict" if strict else "replace"
    first = _noise.sub("", character_set.split("\\", 1)[0].upper())
    if (codec := _STAND_ALONE.get(first)) is not None:
        return value.decode(codec, errors)
    initial = _INITIAL[first.removeprefix("ISO").removeprefix("2022").removeprefix("IR")]
    if initial == "ascii" and not strict:
        initial = "latin-1"
    if b"\x1b" not in value:
        return value.decode(initial, errors)
    return "".join(_code_extended(value, initial, errors))


def _code_extended(value: bytes, initial: str, errors: str) -> Iterator[str]:
    """Decode a value with escape sequences, PS3.5 6.1.2.5."""
    left_half, right_half = b"", initial
    for piece in _escape.split(value):
        if piece in _RIGHT_HALF:
            right_half = _RIGHT_HALF[piece]
        elif piece in _LEFT_HALF:
            left_half = piece if _LEFT_HALF[piece] else b""
        elif piece.startswith(b"\x1b"):
            if errors == "strict":
                raise UnicodeError(f"escape sequence {piece!r}")
            yield "\ufffd"
        elif left_half:
            yield (left_half + piece).decode(_LEFT_HALF[left_half], errors)
        else:
            for part in _delimiter.split(piece):
                # PS3.5 6.1.2.5.3: a delimiter brings the initial set back. If that is ASCII, bytes
                # from 80H on could mean nothing, so devices that forget to switch again are helped.
                if _delimiter.fullmatch(part) and initial != "ascii":
                    right_half = initial
                yield part.decode(right_half, errors)
