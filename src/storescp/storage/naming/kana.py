"""Japanese syllables in Latin letters, as Hepburn writes them, without marks for long vowels."""

import re
from collections.abc import Iterator

_ROWS = {
    "": "アイウエオ",
    "k": "カキクケコ",
    "g": "ガギグゲゴ",
    "s": "サシスセソ",
    "z": "ザジズゼゾ",
    "t": "タチツテト",
    "d": "ダヂヅデド",
    "n": "ナニヌネノ",
    "h": "ハヒフヘホ",
    "b": "バビブベボ",
    "p": "パピプペポ",
    "m": "マミムメモ",
    "r": "ラリルレロ",
}
_SYLLABLES = {
    kana: consonant + vowel
    for consonant, row in _ROWS.items()
    for kana, vowel in zip(row, "aiueo", strict=True)
}
_SYLLABLES |= {
    "シ": "shi",
    "ジ": "ji",
    "チ": "chi",
    "ヂ": "ji",
    "ツ": "tsu",
    "ヅ": "zu",
    "フ": "fu",
}
_SYLLABLES |= {"ヤ": "ya", "ユ": "yu", "ヨ": "yo", "ワ": "wa", "ヰ": "i", "ヱ": "e", "ヲ": "o"}
_SYLLABLES |= {
    "ン": "n",
    "ヴ": "vu",
    "ヷ": "va",
    "ヸ": "vi",
    "ヹ": "ve",
    "ヺ": "vo",
    "ヵ": "ka",
    "ヶ": "ke",
}
_SMALL = dict(
    zip("ァィゥェォャュョヮ", ("a", "i", "u", "e", "o", "ya", "yu", "yo", "wa"), strict=True)
)
_GEMINATION, _LONG_VOWEL = "ッ", "ー"
_HIRAGANA_TO_KATAKANA = {code: code + 0x60 for code in range(ord("ぁ"), ord("ゖ") + 1)}

_run = re.compile("[ぁ-ゖァ-ヺー]+")


def romanise_kana(text: str) -> str:
    """Return `text` with each run of kana romanised: `きょう` → `kyou`, `サッポロ` → `sapporo`."""
    return _run.sub(lambda run: "".join(_syllables(run[0])), text)


def _syllables(run: str) -> Iterator[str]:
    """Yield the syllables of a run of kana, in Latin letters."""
    syllable, doubled = "", False
    for kana in run.translate(_HIRAGANA_TO_KATAKANA):
        if kana == _GEMINATION:
            yield syllable
            syllable, doubled = "", True
        elif kana in _SMALL:
            syllable = _contract(syllable, _SMALL[kana])
        elif kana != _LONG_VOWEL:
            yield syllable
            syllable, doubled = (_double(_SYLLABLES[kana]) if doubled else _SYLLABLES[kana]), False
    yield syllable


def _double(syllable: str) -> str:
    if syllable[0] in "aiueo":
        return syllable
    return ("t" if syllable.startswith("ch") else syllable[0]) + syllable


def _contract(syllable: str, small: str) -> str:
    """Join a syllable and the small kana after it: `ki` + `ya` → `kya`, `fu` + `a` → `fa`."""
    stem = syllable[:-1]
    if not syllable or syllable.endswith(("n", small)):
        return syllable + small
    if not stem:
        return {"u": "w", "i": "y"}.get(syllable, syllable) + small
    if stem.endswith(("sh", "ch", "j")):
        return stem + small.removeprefix("y")
    return stem + small
