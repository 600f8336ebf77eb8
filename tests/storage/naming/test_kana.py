"""kana: Hepburn."""

import pytest

from storescp.storage.naming.kana import romanise_kana


@pytest.mark.parametrize(
    ("kana", "latin"),
    [
        ("やまだ^たろう", "yamada^tarou"),
        ("ヤマダ", "yamada"),
        ("きょう", "kyou"),
        ("しゃちょう", "shachou"),
        ("じゅん", "jun"),
        ("がっこう", "gakkou"),
        ("まっちゃ", "matcha"),
        ("サッポロ", "sapporo"),
        ("シャーロック", "sharokku"),
        ("ウィリアム", "wiriamu"),
        ("ジェーン", "jen"),
        ("チェ", "che"),
        ("ファ", "fa"),
        ("ヴァ", "va"),
        ("ティ", "ti"),
        ("テュ", "tyu"),
        ("クヮ", "kwa"),
        ("イェ", "ye"),
        ("カァ", "kaa"),
        ("っあ", "a"),
        ("ャ", "ya"),
        ("ン", "n"),
        ("ンャ", "nya"),
        ("ッ", ""),
        ("ー", ""),
        ("山ノ内", "山no内"),
        ("Sato", "Sato"),
    ],
)
def test_kana_is_written_as_hepburn_does(kana: str, latin: str) -> None:
    """Contractions, doubled consonants and long vowels are joined; other text stays."""
    assert latin == romanise_kana(kana)


def test_every_syllable_has_letters() -> None:
    """No kana of the two blocks is unknown."""
    blocks = [*range(ord("ぁ"), ord("ゖ") + 1), *range(ord("ァ"), ord("ヺ") + 1)]

    romanised = {chr(code): romanise_kana(chr(code)) for code in blocks}

    assert {"っ", "ッ"} == {kana for kana, latin in romanised.items() if not latin}
    assert all(latin.isascii() for latin in romanised.values())
