"""sanitising: the table of what is kept."""

import string

import pytest

from storescp.storage.naming.sanitise import sanitise

KEPT = string.ascii_letters + string.digits + " -.:@_"


@pytest.mark.parametrize("code", range(256))
def test_each_byte_is_kept_or_becomes_one_underscore(code: int) -> None:
    """Letters, digits, blank and `- . : @ _` are kept; every other byte becomes `_`."""
    expected = (chr(code), False) if chr(code) in KEPT else ("_", True)

    assert expected == sanitise(chr(code))


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("../../etc/x", ".._.._etc_x"),
        ("1.2;3", "1.2_3"),
        ("$x`y`", "_x_y_"),
        ("é", "_"),
        ("Ã©", "__"),
        ("a\nb\0", "a_b_"),
    ],
)
def test_unusual_characters_are_replaced_one_by_one(text: str, clean: str) -> None:
    """The text keeps its length, and the caller learns that it changed."""
    assert (clean, True) == sanitise(text)


@pytest.mark.parametrize("text", ["", "1.2.3", "a:b@c", ".."])
def test_usual_text_stays(text: str) -> None:
    """Nothing is changed without need, not even `..`."""
    assert (text, False) == sanitise(text)
