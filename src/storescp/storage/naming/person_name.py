"""Patient's Name to the name of a directory: letters, digits and `_`, readable in any script.

ASCII and Latin-1 are mapped as DCMTK does it. Names in other character sets (PS3.3 C.12.1.1.2) are
decoded first, then written in ASCII letters: `docs/decisions/0008-transliteration.md`.
"""

import contextlib
import logging
import re
import unicodedata

from storescp.printable import printable
from storescp.storage.naming.character_sets import decode
from storescp.storage.naming.kana import romanise_kana

ANONYMOUS = "ANONYMOUS"

_logger = logging.getLogger("dcmtk.apps.storescp")

_LATIN_1_LETTERS = {
    "Ae": "Ä",
    "Oe": "Ö",
    "Ue": "Ü",
    "ae": "ä",
    "oe": "ö",
    "ue": "ü",
    "ss": "ß",
    "A": "ÀÁÂÃÅÆ",
    "C": "Ç",
    "D": "Ð",
    "E": "ÈÉÊË",
    "I": "ÌÍÎÏ",
    "N": "Ñ",
    "O": "ÒÓÔÕØ",
    "U": "ÙÚÛ",
    "Y": "Ý",
    "a": "àáâãåæ",
    "c": "ç",
    "d": "ð",
    "e": "èéêë",
    "i": "ìíîï",
    "n": "ñ",
    "o": "òóôõø",
    "u": "ùúû",
    "y": "ýÿ",
}
_LATIN_1 = {
    code: chr(code) if chr(code).isascii() and chr(code).isalnum() else "_" for code in range(256)
}
_LATIN_1 |= {ord(letter): text for text, letters in _LATIN_1_LETTERS.items() for letter in letters}

_MAXIMUM_CHARACTERS = 1024
"""Characters of a name that are looked at; a group of the standard has 64 (PS3.5 6.2, PN)."""

_repeated = re.compile("(.)々")
_quotes = str.maketrans("", "", "'`\"")


def directory_text(patient_name: bytes | None, character_set: bytes | None) -> str:
    """Return the text that stands for a patient in a directory name; never empty.

    Args:
        patient_name: value of (0010,0010), None if absent or not a text. The first of several
            values counts, without trailing blanks.
        character_set: value of Specific Character Set (0008,0005), None if absent.

    Warnings go to the log.
    """
    text = _ascii_text(patient_name or b"", (character_set or b"").decode("latin-1").strip(" \0"))
    if not text:
        _logger.warning(
            "element PatientName (0010,0010) absent or empty in data set, using '%s' instead",
            ANONYMOUS,
        )
    return text or ANONYMOUS


def _ascii_text(value: bytes, character_set: str) -> str:
    plain = value.isascii() and b"\x1b" not in value
    if plain or character_set in {"", "ISO_IR 100"}:
        return _first_value(value.decode("latin-1")).translate(_LATIN_1)
    try:
        name = decode(value, character_set)
    except (LookupError, UnicodeError):
        _logger.warning(
            "Patient name not in Latin-1 (charset: %s), ASCII dir name may be broken",
            printable(character_set),
        )
        name = _guess(value, character_set)
    return transliterate(_readable_group(_first_value(name)))


def _first_value(name: str) -> str:
    # The backslash can be half of a Chinese or Japanese character: this wants decoded text.
    return name.split("\\", 1)[0].rstrip(" \0")


def _guess(value: bytes, character_set: str) -> str:
    """Return what bytes that are not of their character set were probably meant to be."""
    if b"\x1b" not in value:
        with contextlib.suppress(UnicodeDecodeError):
            return value.decode()
    try:
        return decode(value, character_set, strict=False)
    except LookupError:
        return value.decode("latin-1")


def _readable_group(name: str) -> str:
    """Return the component group that reads best in ASCII, PS3.5 6.2.1.

    That is the alphabetic one, else the phonetic one, whose transliteration is a pronunciation,
    else the ideographic one.
    """
    groups = name.split("=", 2)
    for index in (0, 2, 1):
        if index < len(groups) and groups[index].strip("^ \u3000"):
            return groups[index]
    return groups[0]


def transliterate(text: str) -> str:
    """Return `text` in ASCII letters and digits, with `_` for anything else.

    What is not Latin-1 is romanised character by character, kana as Hepburn does it.
    """
    # NFKC also makes whole syllables of half-width katakana and their voicing marks.
    text = unicodedata.normalize("NFKC", text[:_MAXIMUM_CHARACTERS])
    text = _repeated.sub(r"\1\1", text)
    return romanise_kana(text).translate(_Romanisation())


class _Romanisation(dict[int, str]):
    """Code point to ASCII; an entry is made when it is wanted first."""

    def __init__(self) -> None:
        super().__init__(_LATIN_1)
        self[0x627] = "a"  # alif, where anyascii writes nothing

    def __missing__(self, code: int) -> str:
        from anyascii import anyascii  # few names want it, and it reads files

        character = chr(code)
        # Quotes stand for what has no letter here: hamza, ayin, the soft sign.
        text = anyascii(character).translate(_quotes).translate(_LATIN_1)
        if not text and unicodedata.category(character) not in {
            "Mn",
            "Me",
            "Cf",
            "Lm",
            "Lo",
            "Ll",
            "Lu",
        }:
            text = "_"
        self[code] = text
        return text
