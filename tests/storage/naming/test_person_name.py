"""person_name: the reference's table for ASCII and Latin-1, readable ASCII for all else."""

import logging
import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storescp.storage.naming.person_name import directory_text, transliterate

LATIN_1 = {
    **dict.fromkeys(b"\xc0\xc1\xc2\xc3\xc5\xc6", "A"),
    0xC4: "Ae",
    0xC7: "C",
    **dict.fromkeys(range(200, 204), "E"),
    **dict.fromkeys(range(204, 208), "I"),
    0xD0: "D",
    0xD1: "N",
    **dict.fromkeys(b"\xd2\xd3\xd4\xd5\xd8", "O"),
    0xD6: "Oe",
    **dict.fromkeys(range(217, 220), "U"),
    0xDC: "Ue",
    0xDD: "Y",
    0xDF: "ss",
    **dict.fromkeys(b"\xe0\xe1\xe2\xe3\xe5\xe6", "a"),
    0xE4: "ae",
    0xE7: "c",
    **dict.fromkeys(range(232, 236), "e"),
    **dict.fromkeys(range(236, 240), "i"),
    0xF0: "d",
    0xF1: "n",
    **dict.fromkeys(b"\xf2\xf3\xf4\xf5\xf8", "o"),
    0xF6: "oe",
    **dict.fromkeys(range(249, 252), "u"),
    0xFC: "ue",
    0xFD: "y",
    0xFF: "y",
}
KEPT = string.ascii_letters + string.digits


@pytest.mark.parametrize("byte", [byte for byte in range(256) if byte != ord("\\")])
@pytest.mark.parametrize("character_set", [None, b"", b"ISO_IR 100"])
def test_each_byte_of_latin_1_is_mapped(byte: int, character_set: bytes | None) -> None:
    """Letters and digits stay, letters with marks lose them, everything else becomes `_`."""
    expected = chr(byte) if chr(byte) in KEPT else LATIN_1.get(byte, "_")

    assert f"x{expected}x" == directory_text(b"x%cx" % byte, character_set)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"Doe^John^^Dr", "Doe_John__Dr"),
        (b"Doe^John=X", "Doe_John_X"),
        (b"  Doe", "__Doe"),
        (b"Doe  ", "Doe"),
        (b"^^^^", "____"),
        (b"A\\B", "A"),
        (b"A \\B", "A"),
        (b"../../etc", "______etc"),
        (b"-rf", "_rf"),
        (b"a\nb\0c", "a_b_c"),
        ("Müller".encode(), "MA_ller"),
    ],
)
@pytest.mark.parametrize("character_set", [None, b"ISO_IR 100"])
def test_names_are_mapped_as_the_reference_does(
    name: bytes, text: str, character_set: bytes | None
) -> None:
    """Nothing is removed or shortened but values after the first, and blanks at its end."""
    assert text == directory_text(name, character_set)


@pytest.mark.parametrize("name", [None, b"", b"   ", b"\\B", b"\0"])
def test_without_a_name_the_patient_is_anonymous(
    name: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Absent and empty names are replaced, with a warning."""
    assert directory_text(name, None) == "ANONYMOUS"

    assert caplog.record_tuples == [
        (
            "dcmtk.apps.storescp",
            logging.WARNING,
            "element PatientName (0010,0010) absent or empty in data set, using 'ANONYMOUS' instead",
        )
    ]


# PS3.3 C.12.1.1.2, and the examples of PS3.5 annexes H to K
@pytest.mark.parametrize(
    ("character_set", "name", "text"),
    [
        ("ISO_IR 192", "Müller^Jürgen", "Mueller_Juergen"),
        ("ISO_IR 192", "Mu\u0308ller", "Mueller"),
        ("ISO_IR 192", "Wang^XiaoDong=王^小東=", "Wang_XiaoDong"),
        ("ISO_IR 192", "=王^小東=", "Wang_XiaoDong"),
        ("ISO_IR 192", "王^小東", "Wang_XiaoDong"),
        ("ISO_IR 192", "^^^^=山田^太郎=やまだ^たろう", "yamada_tarou"),
        ("ISO_IR 192", "佐々木", "ZuoZuoMu"),
        ("ISO_IR 192", "Nguyễn^Văn Đức", "Nguyen_Van_Duc"),
        ("ISO_IR 192", "محمّد", "mhmd"),
        ("ISO_IR 192", "A\u200f\u0301B", "AB"),
        ("ISO_IR 192", "a\u2014b", "a_b"),
        ("ISO_IR 192", "^\u3000=^", "__"),
        ("GB18030", "Zhang^XiaoDong=张^小东", "Zhang_XiaoDong"),
        ("GB18030", "张^小东", "Zhang_XiaoDong"),
        ("GBK", "张^小东", "Zhang_XiaoDong"),
    ],
)
def test_names_in_unicode_and_chinese_sets_are_readable(
    character_set: str, name: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The alphabetic group counts, else the phonetic, else the ideographic one; all in ASCII."""
    codec = "utf-8" if character_set.endswith("192") else character_set

    assert text == directory_text(name.encode(codec), character_set.encode())
    assert not caplog.records


@pytest.mark.parametrize(
    ("character_set", "name", "text"),
    [
        (b"ISO_IR 101", b"Wa\xb3\xeasa^Lech", "Walesa_Lech"),
        (b"ISO_IR 109", b"\xdea\xfdal", "Saual"),
        (b"ISO_IR 110", b"\xd0\xf1", "Dn"),
        (b"ISO_IR 126", b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Dionysios"),
        (b"ISO_IR 127", b"\xe2\xc8\xc7\xe6\xea^\xe4\xe6\xd2\xc7\xd1", "qbany_lnzar"),
        (b"ISO_IR 138", b"\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4", "srvn_dvvrh"),
        (b"ISO_IR 144", b"\xbb\xee\xdace\xdc\xd1yp\xd3", "Lyukcembypg"),
        (b"ISO_IR 144", b"\xc9\xe3\xda\xd8\xdd\xec\xcc", "Shchukin"),
        (b"ISO_IR 148", b"\xc7avu\xfeo\xf0lu", "Cavusoglu"),
        (b"ISO_IR 166", b"\xb9\xd2\xc1\xca\xa1\xd8\xc5", "namskul"),
        (b"ISO_IR 203", b"C\xbdur", "Coeur"),
        (b"ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "yamada_tarou"),
        (
            b"\\ISO 2022 IR 87",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
            "Yamada_Tarou",
        ),
        (b"\\ISO 2022 IR 87", b"=\x1b$B==;3\x1b(B", "ShiShan"),
        (
            b"ISO 2022 IR 13\\ISO 2022 IR 87",
            b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
            "yamada_tarou",
        ),
        (
            b"\\ISO 2022 IR 149",
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
            "Hong_Gildong",
        ),
        (b"\\ISO 2022 IR 149", b"\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf", "Hong_GilDong"),
        (b"\\ISO 2022 IR 58", b"\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=", "Zhang_XiaoDong"),
        (b"ISO 2022 IR 100", b"M\xfcller", "Mueller"),
        (b"ISO_IR 192\0", b"M\xc3\xbcller", "Mueller"),
    ],
)
def test_names_in_other_sets_are_readable(
    character_set: bytes, name: bytes, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each repertoire of PS3.3 C.12.1.1.2 is transliterated, without a warning."""
    assert text == directory_text(name, character_set)
    assert not caplog.records


# Every set that bytes of Latin-1 may be mislabelled as, PS3.3 C.12.1.1.2
NOT_LATIN_1 = [
    b"ISO_IR 192",
    b"GB18030",
    b"GBK",
    b"ISO_IR 13",
    b"ISO 2022 IR 13\\ISO 2022 IR 87",
    b"ISO 2022 IR 149",
    b"\\ISO 2022 IR 149",
    b"ISO 2022 IR 58",
    b"\\ISO 2022 IR 58",
    b"\\ISO 2022 IR 87",
    b"ISO 2022 IR 6\\ISO 2022 IR 100",
    b"ISO_IR 127",
    b"ISO_IR 138",
    b"ISO_IR 166",
    b"ISO_IR 6",
    b"ISO_IR 999",
]


LATIN_1_NAMES = {
    b"M\xfcller": "Mueller",
    b"M\xfcller^J\xfcrgen": "Mueller_Juergen",
    b"Andr\xe9": "Andre",
    b"Garc\xeda^Jos\xe9": "Garcia_Jose",
    b"Stra\xdfner^Max": "Strassner_Max",
}
SINGLE_BYTE_SETS = (b"ISO_IR 127", b"ISO_IR 138", b"ISO_IR 166")
"""Sets in which all of these are letters, but for FCH."""


@pytest.mark.parametrize(
    ("name", "text", "character_set"),
    [
        (name, text, character_set)
        for name, text in LATIN_1_NAMES.items()
        for character_set in NOT_LATIN_1
        if character_set not in SINGLE_BYTE_SETS or b"\xfc" in name
    ],
)
def test_latin_1_under_another_name(
    name: bytes, text: str, character_set: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What is invalid in the declared set is tried as Latin-1, as the reference has it; with its warning."""
    assert directory_text(name, character_set) == text
    assert [message.partition(" (")[0] for message in caplog.messages] == [
        "Patient name not in Latin-1"
    ]


@pytest.mark.parametrize(
    ("character_set", "name", "text"),
    [
        (b"ISO_IR 192", b"M\xfcller^J\xc3\xb6rg", "Mueller_Joerg"),
        (b"ISO_IR 192", b"M\xfcller^Max=" + "王^小".encode(), "Mueller_Max"),
        (b"ISO 2022 IR 149", b"M\xfcller=\x1b$)C\xd1\xce", "Mueller"),
        (b"\\ISO 2022 IR 87", b"M\xfcller=\x1b$B;3ED\x1b(B", "Mueller"),
        (b"GB18030", "张小".encode("gb18030") + b"\xff", "ZhangXiao_"),
        (b"ISO_IR 192", b"L^Ha\xff", "L_Hay"),
        (b"ISO_IR 127", b"Ha\xff", "Hay"),
        (b"ISO 2022 IR 100", b"M\x1bQller", "M_Qller"),
    ],
)
def test_latin_1_beside_what_is_declared(character_set: bytes, name: bytes, text: str) -> None:
    """Only the bytes that are invalid count as Latin-1; what is right stays."""
    assert directory_text(name, character_set) == text


@pytest.mark.parametrize("character_set", ["gb18030", "gbk"])
@pytest.mark.parametrize("name", ["朱^镕基", "Zhu^Rongji=朱^镕基", "A张", "Dr 张^小", "张A", "乗"])
def test_pairs_are_not_taken_for_umlauts(
    name: str, character_set: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Some Chinese characters have a Latin letter for their second half."""
    directory_text(name.encode(character_set), character_set.upper().encode())

    assert not caplog.records


def test_backslash_within_a_character_separates_nothing() -> None:
    """In GB18030 a backslash can be the second half of a character."""
    assert b"\\" in "乗".encode("gb18030")

    assert directory_text("乗\\李".encode("gb18030"), b"GB18030") == "Cheng"


def test_the_warning_forges_no_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    """Line ends and escape sequences in a character set are spelled out."""
    directory_text(b"M\xfcller", b"X\nE: forged\x1b[2J")

    assert r"(charset: X\nE: forged\x1b[2J)" in caplog.messages[0]


@pytest.mark.parametrize("character_set", [b"ISO_IR 999", b"ISO_IR 6", b"?"])
@pytest.mark.parametrize(
    ("name", "text"), [(b"M\xfcller", "Mueller"), ("Müller".encode(), "Mueller")]
)
def test_unknown_set_is_guessed_with_a_warning(
    name: bytes, text: str, character_set: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Bytes that their character set does not explain count as UTF-8 or as Latin-1."""
    assert text == directory_text(name, character_set)

    assert [
        f"Patient name not in Latin-1 (charset: {character_set.decode()}), ASCII dir name may be broken"
    ] == caplog.messages


@pytest.mark.parametrize(
    ("character_set", "name", "text"),
    [
        (b"ISO_IR 192", b"M\xc3\xbcll\xc3", "Muell_"),
        (b"GB18030", b"A\x81", "A_"),
        (b"\\ISO 2022 IR 87", b"A\x1b$(XB", "A_B"),
    ],
)
def test_broken_text_has_gaps_but_no_mojibake(
    character_set: bytes, name: bytes, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A name cut within a character keeps what can be read."""
    assert text == directory_text(name, character_set)
    assert len(caplog.records) == 1


def test_what_vanishes_leaves_the_patient_anonymous() -> None:
    """A name of invisible characters is none."""
    assert directory_text("\u200f".encode(), b"ISO_IR 192") == "ANONYMOUS"


def test_endless_names_take_bounded_time() -> None:
    """Of a name that is too long for any directory, the end is not looked at."""
    assert len(transliterate("ж" * 1_000_000)) < 10_000


@settings(max_examples=200)
@given(
    st.one_of(st.binary(), st.text().map(str.encode)),
    st.sampled_from(
        [
            None,
            b"",
            b"ISO_IR 100",
            b"ISO_IR 192",
            b"GB18030",
            b"\\ISO 2022 IR 87",
            b"ISO_IR 13",
            b"\xff",
        ]
    ),
)
def test_whatever_the_bytes_the_text_is_safe(name: bytes, character_set: bytes | None) -> None:
    """The result is never empty and has letters, digits and `_` only."""
    assert re.fullmatch("[0-9A-Za-z_]+", directory_text(name, character_set))
