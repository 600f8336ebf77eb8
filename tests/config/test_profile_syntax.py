"""The lexical form of association configuration files."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storescp.config.profile_syntax import parse


def tree(data: bytes) -> dict[str, list[tuple[str, dict[str, bytes]]]]:
    return {
        name: [(section.name, section.entries) for section in sections]
        for name, sections in parse(data).items()
    }


def value(data: bytes) -> bytes:
    """Return what key `K` of a section is given by `data`."""
    return tree(b"[[S]]\n[A]\n" + data)["S"][0][1]["K"]


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
def test_all_line_ends_are_read(line_end: bytes) -> None:
    """LF, CR and CR LF end a line alike."""
    data = line_end.join([b"[[S]]", b"[A]", b"K = 1", b"# comment", b"L = 2", b"  more", b""])

    assert tree(data) == {"S": [("A", {"K": b"1", "L": b"2\nmore"})]}


@pytest.mark.parametrize(
    "heading",
    [
        b"[[Transfer Syntaxes]]",
        b"[ [ transfer syntaxes ] ]",
        b"[[[transfersyntaxes]]]",
        b"[\n[TRANSFER.SYN\ntaxes]]",
    ],
)
def test_headings_are_normalised(heading: bytes) -> None:
    """Case, blanks, line ends and punctuation in a heading do not count; more than two brackets are two."""
    assert list(tree(heading)) == ["TRANSFERSYNTAXES"]


def test_text_may_follow_a_heading() -> None:
    """Headings, keys and values may stand on one line."""
    assert tree(b"[[S]] [A] K = v\n[B] L=w") == {"S": [("A", {"K": b"v"}), ("B", {"L": b"w"})]}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"K=v", b"v"),
        (b"K = v  \n", b"v  "),
        (b"K = = v=w", b"= v=w"),
        (b"k.\n = v", b"v"),
        (b"K = a\n\n \n b\nL = c", b"a\nb"),
        (b"K = a\n# comment\n\n  b", b"a\nb"),
        (b"K =\n  a", b"a"),
        (b"K =\nL = a", b""),
        (b"K = a # b", b"a # b"),
        (b"K = a\n # b\n", b"a\n# b"),
        (b"K = a\n   \n", b"a"),
        (b"K = a\0b", b"a b"),
        (b"K = a\nK = b", b"a"),
        (b"K = \xe9", b"\xe9"),
        (b"K", b""),
        (b"K = a\n [B]\n L = b", b"a\n[B]\nL = b"),
    ],
)
def test_values(data: bytes, expected: bytes) -> None:
    """A value goes on in indented lines, keeps blanks at line ends, and knows no trailing comments."""
    assert value(data) == expected


def test_a_line_without_equals_sign_joins_the_next_key() -> None:
    """A key reaches to the next `=`, over headings in between."""
    assert tree(b"[[S]]\n[A]\nfoo\n[B]\nK = v\n") == {"S": [("A", {"FOOBK": b"v"})]}


def test_an_unclosed_heading_eats_the_text_up_to_the_next_bracket() -> None:
    """Nothing checks that the brackets of a heading are in one line."""
    assert tree(b"[[S\n[A]\nK = v]\n[B]\nL = w") == {"SA": [("B", {"L": b"w"})]}


def test_orphans_and_second_supersections_are_dropped() -> None:
    """What is outside a section counts for nothing, nor does a second super-section of a name."""
    data = b"X=1\n[O]\nX=2\n[[S]]\nX=3\n[A]\nK=4\n[[T]]\nX=5\n[[s]]\n[B]\nX=6\n[[T]]\n[C]\n"

    assert tree(data) == {"S": [("A", {"K": b"4"})], "T": []}


def test_a_byte_order_mark_hides_the_first_heading() -> None:
    """A UTF-8 byte order mark begins a key, as in the reference."""
    assert tree(b"\xef\xbb\xbf[[S]]\n[A]\nK = v\n") == {}


@given(st.binary(max_size=200) | st.text("[]=#\n\r\t \\aA1\0", max_size=200).map(str.encode))
def test_any_bytes_are_read(data: bytes) -> None:
    """Whatever the bytes, the result is a tree of clean names."""
    for supersection, sections in parse(data).items():
        for name in [
            supersection,
            *(s.name for s in sections),
            *(k for s in sections for k in s.entries),
        ]:
            assert not name.strip("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


@pytest.mark.parametrize(
    "unit", [b"[", b"]", b"[]", b"[[a]]", b"=", b"a=\n", b"\n", b" \n", b"#\n", b"a=b\n c", b"\r"]
)
def test_time_is_linear(unit: bytes) -> None:
    """Half a megabyte of anything are read in well under a few seconds."""
    data = b"[[S]][A]" + unit * (500_000 // len(unit))

    start = time.perf_counter()
    parse(data)

    assert time.perf_counter() - start < 10
