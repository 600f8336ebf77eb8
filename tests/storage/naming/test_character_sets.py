"""character_sets: every defined term, code extensions, and pydicom as a second opinion."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.charset import convert_encodings, decode_bytes

from storescp.storage.naming.character_sets import decode

# The examples of PS3.5 annexes H, I, J and K, and a name in each single-byte set
EXAMPLES = [
    ("", b"Buc^Jerome", "Buc^Jerome"),
    ("ISO_IR 6", b"Buc^Jerome", "Buc^Jerome"),
    ("ISO_IR 100", b"Buc^J\xe9r\xf4me", "Buc^Jérôme"),
    ("ISO_IR 101", b"Wa\xb3\xeasa", "Wałęsa"),
    ("ISO_IR 109", b"\xdea\xfdal", "Ŝaŭal"),
    ("ISO_IR 110", b"\xd0\xf1", "Đņ"),
    ("ISO_IR 126", b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος"),
    ("ISO_IR 127", b"\xe2\xc8\xc7\xe6\xea^\xe4\xe6\xd2\xc7\xd1", "قباني^لنزار"),
    ("ISO_IR 138", b"\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4", "שרון^דבורה"),
    ("ISO_IR 144", b"\xbb\xee\xdace\xdc\xd1yp\xd3", "Люкceмбypг"),  # noqa: RUF001
    ("ISO_IR 148", b"\xc7avu\xfeo\xf0lu", "Çavuşoğlu"),
    ("ISO_IR 166", b"\xb9\xd2\xc1\xca\xa1\xd8\xc5", "นามสกุล"),
    ("ISO_IR 203", b"\xa4", "€"),
    ("ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    (
        "\\ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    (
        "ISO 2022 IR 13\\ISO 2022 IR 87",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎",
    ),
    ("\\ISO 2022 IR 159", b"\x1b$(D0!\x1b(B^A", "丂^A"),
    (
        "\\ISO 2022 IR 149",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동",
    ),
    (
        "\\ISO 2022 IR 58",
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
        "Zhang^XiaoDong=张^小东=",
    ),
    (
        "ISO_IR 192",
        "Wang^XiaoDong=王^小東=".encode(),
        "Wang^XiaoDong=王^小東=",
    ),
    ("GB18030", "Wang^XiaoDong=王^小东=".encode("gb18030"), "Wang^XiaoDong=王^小东="),
    ("GBK", "王^小东".encode("gbk"), "王^小东"),
    (
        "ISO 2022 IR 100\\ISO 2022 IR 144",
        b"J\xe9r\xf4me^\x1b-L\xbb\xee\xda",
        "Jérôme^Люк",
    ),
]


@pytest.mark.parametrize(("character_set", "value", "text"), EXAMPLES)
def test_defined_terms_are_decoded(character_set: str, value: bytes, text: str) -> None:
    """Each repertoire of PS3.3 C.12.1.1.2 gives its text."""
    assert text == decode(value, character_set)


@pytest.mark.parametrize(
    ("character_set", "value"),
    # pydicom does not know Latin-9, and leaves the escape sequences of GB2312 in the text.
    [(term, value) for term, value, _ in EXAMPLES if not term.endswith(("203", "58"))],
)
def test_pydicom_reads_the_same(character_set: str, value: bytes) -> None:
    """The standard's examples mean to us what they mean to pydicom."""
    encodings = convert_encodings(character_set.split("\\"))

    assert decode_bytes(value, encodings, {ord("^"), ord("=")}) == decode(value, character_set)


@pytest.mark.parametrize(
    "term",
    ["ISO-IR 100", "ISO_IR_100", "ISO IR 100", "iso_ir 100", "ISO 2022 IR 100", " ISO_IR 100"],
)
def test_misspelt_terms_are_understood(term: str) -> None:
    """Devices write defined terms in many ways."""
    assert decode(b"\xe9", term) == "é"


def test_delimiter_brings_the_initial_set_back() -> None:
    """PS3.5 6.1.2.5.3: after `^` the first value of Specific Character Set is in force again."""
    assert decode(b"\x1b-L\xbb^\xe9", "ISO_IR 100\\ISO 2022 IR 144") == "Л^é"


def test_forgotten_escape_after_delimiter_is_forgiven() -> None:
    """Where the initial set has no bytes from 80H on, the last set stays in force."""
    assert decode(b"\x1b$)C\xc8\xab^\xb1\xe6\xb5\xbf", "\\ISO 2022 IR 149") == "홍^길동"


def test_multi_byte_characters_may_contain_delimiters() -> None:
    r"""Half of a Chinese or Japanese character can look like `^`, `=` or a backslash."""
    text = "誠十飴"

    assert text == decode(text.encode("iso2022_jp"), "\\ISO 2022 IR 87")
    assert decode("瀄".encode("gb18030"), "GB18030") == "瀄"


@pytest.mark.parametrize("term", ["ISO_IR 999", "nonsense", "ISO 2022 IR 7"])
def test_unknown_terms_are_refused(term: str) -> None:
    """What is no defined term has no meaning that could be guessed here."""
    with pytest.raises(LookupError):
        decode(b"\xe9", term)


@pytest.mark.parametrize(
    ("character_set", "value", "lenient"),
    [
        ("ISO_IR 192", b"M\xc3\xbcll\xc3", "Müll\ufffd"),
        ("ISO_IR 6", b"M\xfcller", "Müller"),
        ("\\ISO 2022 IR 87", b"A\x1b$(XB", "A\ufffdB"),
        ("\\ISO 2022 IR 87", b"A\x1b", "A\x1b"),
        ("\\ISO 2022 IR 149", b"\x1b$)C\xc8", "\ufffd"),
    ],
)
def test_broken_text_is_refused_or_mended(character_set: str, value: bytes, lenient: str) -> None:
    """Strictly, it raises; leniently, what cannot be decoded is marked."""
    if lenient != "A\x1b":
        with pytest.raises(UnicodeError):
            decode(value, character_set)

    assert lenient == decode(value, character_set, strict=False)


@settings(max_examples=200)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=6),
            st.sampled_from(
                [b"\x1b$B", b"\x1b(B", b"\x1b$)C", b"\x1b-L", b"\x1b$(D", b"\x1b", b"^"]
            ),
        )
    ).map(b"".join),
    st.sampled_from([term for term, _, _ in EXAMPLES] + ["x", "\\", "ISO_IR 192\\ISO 2022 IR 87"]),
    st.booleans(),
)
def test_any_bytes_give_text_or_the_documented_errors(
    value: bytes, character_set: str, strict: bool
) -> None:
    """Only LookupError and UnicodeError come out, the latter only if strict."""
    try:
        decode(value, character_set, strict=strict)
    except LookupError:
        assert character_set == "x"
    except UnicodeError:
        assert strict
