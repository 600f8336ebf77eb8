"""Peers' values in log lines: nothing in them may end the line or steer the terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storescp.printable import printable


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("", ""),
        ("STORESCU", "STORESCU"),
        (" leading and trailing ", " leading and trailing "),
        (r"a\b", r"a\b"),
        (r"MY SCU\nI: Association Release", "MY SCU\nI: Association Release"),
        (r"\r\t\x00", "\r\t\0"),
        (r"\x1b[2J", "\x1b[2J"),
        (r"\x9b31m", "\x9b31m"),
        (r"\u2028\u2029", "\u2028\u2029"),
        (r"\u202egpj.exe", "\u202egpj.exe"),
        (r"\udcff", "\udcff"),
        ("山田\u3000太郎", "山田\u3000太郎"),
        ("Müller\u00a0A", "Müller\u00a0A"),
    ],
)
def test_control_characters_are_escaped(expected: str, text: str) -> None:
    """Control characters, line separators, direction marks and undecodable bytes are written as escapes."""
    assert expected == printable(text)


@given(st.text())
def test_result_is_one_harmless_line(text: str) -> None:
    """Whatever comes in, one line comes out that can be encoded and holds nothing but visible characters."""
    result = printable(text)

    result.encode()
    assert len(result.splitlines()) <= 1
    assert all(letter.isprintable() or letter in "\u00a0\u3000" for letter in result)
