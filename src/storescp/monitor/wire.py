"""Events on their way from the receiver's processes to a viewer: records in a pipe, for nobody else's eyes.

The lines of `--events` are made to be read by anybody; to make one takes as long as to receive a small object. Here both
ends are the same program, so a record is what `marshal` makes of a tuple, with its length in front.
"""

import marshal
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from storescp.events import NAMES, Event, Fact, Party

MAXIMUM_RECORD_BYTES = 4096
"""Bytes of a record: what a pipe takes whole or not at all (PIPE_BUF)."""

END = b"\0\0"
"""A record without content: the receiver ends."""

_CUT_TEXT = 64
"""Characters of a text in a record that would be too long otherwise."""

_MARSHAL_VERSION = 2
"""Version of marshal's format: the next one looks up each object, in case it comes twice."""

_LENGTH = struct.Struct("=H")
_FACTS: tuple[Callable[..., Fact], ...] = tuple(NAMES)
_CODES = {fact: code for code, fact in enumerate(NAMES)}


def pack(event: Event) -> bytes:
    """Return an event as a record."""
    when, pid, party, fact = event
    whose = None if party is None else tuple(party)
    code = _CODES[type(fact)]
    content = marshal.dumps((when, pid, whose, code, tuple(fact)), _MARSHAL_VERSION)
    if len(content) > MAXIMUM_RECORD_BYTES - _LENGTH.size:
        whose = None if whose is None else _cut(whose)
        content = marshal.dumps((when, pid, whose, code, _cut(fact)), _MARSHAL_VERSION)
    return _LENGTH.pack(len(content)) + content


def _cut(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(
        value[: _CUT_TEXT - 1] + "…" if isinstance(value, str) and len(value) > _CUT_TEXT else value
        for value in values
    )


class Unpacker:
    """Turns what comes out of the pipe into events."""

    def __init__(self) -> None:
        self._rest = b""
        self.ended = False
        """True if the receiver has announced its end."""

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield the events that are complete now; records may be cut anywhere."""
        data = self._rest + data
        position = 0
        while len(data) - position >= _LENGTH.size and not self.ended:
            (length,) = _LENGTH.unpack_from(data, position)
            stop = position + _LENGTH.size + length
            if stop > len(data):
                break
            if length == 0:
                self.ended = True
            else:
                yield _event(data[position + _LENGTH.size : stop])
            position = stop
        self._rest = data[position:]


def _event(content: bytes) -> Event:
    when, pid, party, code, fact = marshal.loads(content)
    return Event(when, pid, None if party is None else Party(*party), _FACTS[code](*fact))
