"""Patterns of host access rules."""

import fnmatch
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storescp.serve.access.rule_patterns import (
    Host,
    list_matches,
    matches,
    matches_daemon,
    split_at,
    to_int,
)

PACS = Host(b"pacs.example.org", b"10.1.2.3")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", False),
        (b"a", True),
        (b"A, b\tc\r", False),
        (b"x a", True),
        (b"a EXCEPT b", True),
        (b"a b EXCEPT a", False),
        (b"a except a Except a", True),
        (b"a EXCEPT a EXCEPT a EXCEPT a", False),
        (b"EXCEPT b a", False),
        (b"b EXCEPT a a", False),
        (b"a EXCEPT", True),
    ],
)
def test_lists(text: bytes, expected: bool) -> None:
    """A list matches if an element does, unless the list behind its EXCEPT does."""
    assert list_matches(text, lambda word: word == b"a") is expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (b"10.1.2.3", True),
        (b"10.1.", True),
        (b".2.3", True),
        (b"10.1", False),
        (b"PACS.example.org", True),
        (b"Pacs.", True),
        (b".ORG", True),
        (b"all", True),
        (b"known", True),
        (b"UNKNOWN", False),
        (b"LOCAL", False),
        (b"10.1.0.0/16", True),
        (b"10.1.0.0/255.255.0.0", True),
        (b"10.0.2.0/255.0.255.0", True),
        (b"10.1.2.3/24", False),
        (b"10.1.2.3/32", True),
        (b"10.1.2.3/255.255.255.255", False),
        (b"0.0.0.0/0", False),
        (b"0.0.0.0/33", False),
        (b"0.0.0.0/0.0.0.0", True),
        (b"10.1/16", False),
        (b"/16", False),
        (b"[::]/0", False),
        (b"[10.1.2.3]", False),
        (b"*.example.???", True),
        (b"10.*.3", True),
        (b".ex*", False),
        (b"", False),
        (b"[", False),
        (b"[]", False),
        (b"\xff", False),
    ],
)
def test_hosts(pattern: bytes, expected: bool) -> None:
    """Names, numbers, their beginnings and ends, networks and wildcards are compared."""
    assert PACS.matches(pattern) is expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (b"[2001:DB8:0::5]", True),
        (b"[2001:db8::6]", False),
        (b"[2001:db8::]/32", True),
        (b"[2001:db8:1::]/48", False),
        (b"[::]/0", True),
        (b"[2001:db8::5]/128", True),
        (b"[::]/129", False),
        (b"[::]/-1", False),
        (b"2001:*", True),
        (b"10.0.0.0/8", False),
        (b"LOCAL", True),
    ],
)
def test_ipv6_hosts(pattern: bytes, expected: bool) -> None:
    """IPv6 addresses stand in brackets; any notation of the same number matches."""
    assert Host(b"2001:db8::5", b"2001:db8::5").matches(pattern) is expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (b"10.1.0.0/16", True),
        (b"10.1.2.3", True),
        (b"[::ffff:10.1.2.3]", False),
        (b"[::ffff:0:0]/96", False),
    ],
)
def test_mapped_addresses(pattern: bytes, expected: bool) -> None:
    """An IPv4 client on an IPv6 socket is compared as IPv4."""
    assert Host(b"unknown", b"::ffff:10.1.2.3").matches(pattern) is expected


def test_daemons() -> None:
    """The daemon is storescp; the server's endpoint is unknown."""
    words = [b"StoreSCP", b"ALL", b"s*", b"storescp@UNKNOWN", b"KNOWN"]

    assert all(map(matches_daemon, words))
    assert not any(map(matches_daemon, [b"sshd", b"storescp@KNOWN", b"storescp@127.0.0.1", b"104"]))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (b"a:b:c", (b"a", b"b:c")),
        (b"[a:b]:c", (b"[a:b]", b"c")),
        (b"[[a]:b]:c", (b"[[a]:b]", b"c")),
        (b"a:[b:c", (b"a", b"[b:c")),
        (b"[a:b", (b"[a:b", None)),
        (b"a]:b", (b"a]:b", None)),
        (b"abc", (b"abc", None)),
    ],
)
def test_brackets_hide_delimiters(text: bytes, parts: tuple[bytes, bytes | None]) -> None:
    """Colons of IPv6 addresses do not separate, and a lost bracket hides the rest of its line."""
    assert split_at(text, b":") == parts


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"16", 16),
        (b"+16x", 16),
        (b"-1", -1),
        (b"x", 0),
        (b"", 0),
        (b"4294967312", 16),
        (b"9" * 99, -1),
    ],
)
def test_numbers_are_read_as_in_c(text: bytes, number: int) -> None:
    """Trailing text is ignored, and numbers are cut to 32 bits."""
    assert to_int(text) == number


@given(st.text("ab.*?", max_size=12), st.text("ab.", max_size=12))
def test_wildcards(pattern: str, text: str) -> None:
    """A star stands for anything, a question mark for one character."""
    if "*" not in pattern and "?" not in pattern:
        pattern += "*"
    expected = re.fullmatch(fnmatch.translate(pattern), text) is not None

    assert matches(pattern.encode(), text.encode()) is expected


def test_wildcards_take_little_time() -> None:
    """No pattern makes the comparison explode."""
    start = time.perf_counter()

    for _ in range(100):
        assert not matches(b"*a" * 120 + b"b", b"a" * 255)

    assert time.perf_counter() - start < 5


@given(st.binary(max_size=60))
def test_any_pattern_gives_an_answer(pattern: bytes) -> None:
    """Whatever the bytes of a pattern, it matches or does not."""
    assert PACS.matches(pattern) in (True, False)
    assert matches_daemon(pattern) in (True, False)
