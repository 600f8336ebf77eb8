"""Specific Character Set: bytes to text, PS3.3 C.12.1.1.2 and PS3.5 6.1.2.

pydicom decodes nearly the same repertoire, but importing it takes 0.2 s and 20 MB, paid again by
every forked child that meets its first name outside of ASCII, and it warns where a receiver must
find a way. It serves as the tests' second opinion.
"""

import codecs
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

_AS_LATIN_1 = "storescp.as-latin-1"


_PAIRS = frozenset({"gb18030", "gbk", "gb2312", "euc_kr", "shift_jis"})
"""Codecs in which a byte from 80H on takes the next one with it, be that a letter."""

_letter = re.compile(rb"[A-Za-z]")
_high = re.compile(rb"[\x80-\xff]+")
_LATIN_1_LETTERS = frozenset(range(0xC0, 0x100)) - {0xD7, 0xF7}


def _as_latin_1(error: UnicodeError) -> tuple[str, int]:
    """Take letters that are not of their character set for Latin-1: most devices that mislabel use it.

    A name that is cut within its last character, and right up to there, has a gap: U+FFFD.
    """
    if not isinstance(error, UnicodeDecodeError):
        raise error
    value, start, end = error.object, error.start, error.end
    before = value[:start]
    if value[start] not in _LATIN_1_LETTERS or (end == len(value) and not before.isascii()):
        try:
            before.decode(error.encoding)
        except UnicodeDecodeError:
            pass  # it was not right up to here
        else:
            return "\ufffd", end
    return value[start:end].decode("latin-1"), end


codecs.register_error(_AS_LATIN_1, _as_latin_1)


def decode(value: bytes, character_set: str, *, strict: bool = True) -> str:
    r"""Return the text of `value` under the values of Specific Character Set, separated by `\`.

    Defined terms are recognised in the misspellings that devices produce (`ISO-IR 100`). Escape
    sequences count whether or not Specific Character Set announces them. Unless `strict`, bytes that
    are not of their set count as Latin-1, and an unknown escape sequence becomes U+FFFD.

    Raises:
        LookupError: the first value is no defined term.
        UnicodeError: `value` is not text in this character set, or looks as if it was not.
    """
    errors = "strict" if strict else _AS_LATIN_1
    first = _noise.sub("", character_set.split("\\", 1)[0].upper())
    if (codec := _STAND_ALONE.get(first)) is not None:
        return _decode(value, codec, errors)
    initial = _INITIAL[first.removeprefix("ISO").removeprefix("2022").removeprefix("IR")]
    if initial == "ascii" and not strict:
        initial = "latin-1"
    if b"\x1b" not in value:
        return _decode(value, initial, errors)
    return "".join(_code_extended(value, initial, errors))


def _decode(value: bytes, codec: str, errors: str) -> str:
    if codec in _PAIRS and _looks_like_latin_1(value):
        if errors == "strict":
            raise UnicodeError("letters within a word that is Latin-1")
        codec = "latin-1"
    return value.decode(codec, errors)


def _looks_like_latin_1(value: bytes) -> bool:
    r"""Tell whether a value of a set of byte pairs is rather a word with umlauts or accents.

    Where `\xfcl` is a character of the set, `M\xfcller` can be decoded; but nobody writes a single Chinese
    character between Latin letters. In what is of the set, bytes from 80H on stand in pairs, and are not so few.
    """
    high = _high.findall(value)
    return (
        bool(high)
        and all(len(run) == 1 and run[0] in _LATIN_1_LETTERS for run in high)
        and len(_letter.findall(value)) >= 2 * len(high)
    )


def _code_extended(value: bytes, initial: str, errors: str) -> Iterator[str]:
    """Decode a value with escape sequences, PS3.5 6.1.2.5."""
    left_half, right_half = b"", initial
    for piece in _escape.split(value):
        if piece in _RIGHT_HALF:
            right_half = _RIGHT_HALF[piece]
            if errors == _AS_LATIN_1:
                errors = "replace"  # a sender that escapes to a set knows it
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
                yield _decode(part, right_half, errors)
