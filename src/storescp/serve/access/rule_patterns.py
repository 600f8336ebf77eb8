"""Patterns of host access rules, hosts_access(5): lists, names, numbers, networks, wildcards.

Texts are bytes, compared as ASCII without case. Nothing here reads files or asks the network; the
time to compare grows with the length of the pattern.
"""

import re
import socket
from collections.abc import Callable

DAEMON = b"storescp"
UNKNOWN = b"unknown"

_PARANOID = b"paranoid"
_NUMERIC = b"0123456789./"
_WORDS = re.compile(rb"[^, \t\r\n]+").findall
_INTEGER = re.compile(rb"[ \t\n\v\f\r]*([+-]?[0-9]+)").match


def list_matches(text: bytes, test: Callable[[bytes], bool]) -> bool:
    """Return whether a list of patterns with EXCEPT between them matches.

    What follows an EXCEPT is a list itself, with its own exceptions.
    """
    lists: list[list[bytes]] = [[]]
    for word in _WORDS(text):
        if word.upper() == b"EXCEPT":
            lists.append([])
        else:
            lists[-1].append(word)
    count = next(
        (number for number, words in enumerate(lists) if not any(map(test, words))), len(lists)
    )
    return count % 2 == 1


def matches_daemon(pattern: bytes) -> bool:
    daemon, host = split_at(pattern, b"@", 1)
    return matches(daemon, DAEMON) and (host is None or _SERVER.matches(host))


class Host:
    """An endpoint that host patterns are compared with."""

    __slots__ = ("_ipv4", "_ipv6", "_name", "_shown_address", "address", "name")

    def __init__(self, name: bytes, address: bytes) -> None:
        self.name = name
        self.address = address
        self._name = _without_mapping(name)
        self._shown_address = _without_mapping(address)
        self._ipv4 = _dotted_quad(self._shown_address)
        self._ipv6 = _ipv6(self._shown_address)

    @property
    def has_name(self) -> bool:
        return self.name.lower() not in (UNKNOWN, _PARANOID)

    def matches(self, pattern: bytes) -> bool:
        word = pattern.upper()
        if word == b"KNOWN":
            return self.has_name and self.address.lower() != UNKNOWN
        if word == b"LOCAL":
            return self.has_name and b"." not in self.name
        net, mask = split_at(pattern, b"/")
        if mask is not None:
            return self._is_in(net, mask)
        if _is_bracketed(pattern) and not _is_wildcard(pattern):
            number = _ipv6(pattern[1:-1])
            return number is not None and number in (self._ipv6, _ipv6(self._name))
        return matches(pattern, self._shown_address) or (
            bool(pattern.strip(_NUMERIC)) and matches(pattern, self._name)
        )

    def _is_in(self, net: bytes, mask: bytes) -> bool:
        if self._ipv4 is not None:
            bits = _dotted_quad(mask)
            if bits is None:
                bits = _ipv4_mask(to_int(mask))
            return bits is not None and self._ipv4 & bits == _dotted_quad(net)
        if self._ipv6 is None or not _is_bracketed(net):
            return False
        length, other = to_int(mask), _ipv6(net[1:-1])
        if other is None or not 0 <= length <= 128:
            return False
        return (self._ipv6 ^ other) >> (128 - length) == 0


def matches(pattern: bytes, text: bytes) -> bool:
    """Return whether a pattern, not a network, matches a name or a number."""
    pattern, text = pattern.lower(), text.lower()
    if _is_wildcard(pattern):
        return _matches_wildcard(pattern, text)
    if pattern.startswith(b"."):
        return text.endswith(pattern) and len(text) > len(pattern)
    if pattern == b"all":
        return True
    if pattern == b"known":
        return text != UNKNOWN
    if pattern.endswith(b"."):
        return text.startswith(pattern)
    return pattern == text


def _is_wildcard(pattern: bytes) -> bool:
    return b"*" in pattern or b"?" in pattern


def _matches_wildcard(pattern: bytes, text: bytes) -> bool:
    """Compare with `*` and `?`, in time that grows with the sum of the lengths, not their product.

    Bit n of `states` says that the first n characters of the pattern, stars aside, may have matched
    what was read of the text.
    """
    literals = pattern.replace(b"*", b"")
    if len(literals) > len(text):
        return False
    stars = 0
    places = dict.fromkeys(text, 0)
    anywhere = 0
    position = 0
    for character in pattern:
        if character == ord("*"):
            stars |= 1 << position
            continue
        if character == ord("?"):
            anywhere |= 1 << position
        elif character in places:
            places[character] |= 1 << position
        position += 1
    states = 1
    for character in text:
        states = (states & (places[character] | anywhere)) << 1 | states & stars
    return bool(states >> len(literals) & 1)


def split_at(text: bytes, delimiter: bytes, start: int = 0) -> tuple[bytes, bytes | None]:
    """Split at the first delimiter outside brackets at or behind `start`; None: there is none."""
    position = text.find(delimiter, start)
    bracket = min(
        (at for at in (text.find(b"[", start), text.find(b"]", start)) if at >= 0), default=-1
    )
    if 0 <= bracket < position:
        position = _find_outside_brackets(text, delimiter, bracket)
    if position < 0:
        return text, None
    return text[:position], text[position + 1 :]


def _find_outside_brackets(text: bytes, delimiter: bytes, start: int) -> int:
    depth = 0
    for found in re.finditer(rb"[\[\]" + delimiter + rb"]", text[start:]):
        if found[0] == b"[":
            depth += 1
        elif found[0] == b"]":
            depth -= 1
        elif depth == 0:
            return start + found.start()
    return -1


def _is_bracketed(pattern: bytes) -> bool:
    return pattern.startswith(b"[") and pattern.endswith(b"]")


def _without_mapping(address: bytes) -> bytes:
    """Return the IPv4 address of an IPv4-mapped IPv6 address, anything else as it is."""
    prefix, number = address[:7], address[7:]
    if prefix.lower() == b"::ffff:" and _dotted_quad(number) is not None:
        return number
    return address


def _dotted_quad(text: bytes) -> int | None:
    if sum(map(bool, text.split(b"."))) != 4:
        return None
    try:
        number = int.from_bytes(socket.inet_aton(text.decode("ascii")), "big")
    except (OSError, ValueError):
        return None
    return None if number == 0xFFFFFFFF else number


def _ipv4_mask(length: int) -> int | None:
    return (0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF if 1 <= length <= 32 else None


def _ipv6(text: bytes) -> int | None:
    """Return the number of an IPv6 address; its scope only has to exist."""
    try:
        found = socket.getaddrinfo(
            text, None, socket.AF_INET6, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST
        )
        address = str(found[0][4][0]).partition("%")[0]
        return int.from_bytes(socket.inet_pton(socket.AF_INET6, address), "big")
    except (OSError, ValueError):
        return None


def to_int(text: bytes) -> int:
    """Return what C's atoi makes of a text: 0 if it does not begin with a number, 32 bits of it."""
    found = _INTEGER(text)
    digits = found[1][:40] if found else b"0"
    number = max(-(1 << 63), min(int(digits), (1 << 63) - 1))
    return (number + (1 << 31)) % (1 << 32) - (1 << 31)


def to_text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


_SERVER = Host(UNKNOWN, UNKNOWN)
"""Rules may speak of the server's endpoint, of which nothing is told."""
