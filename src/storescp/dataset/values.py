"""Values that are not written as they came, and too long to be looked at as a whole. PS3.5 6.2 and 7.3."""

from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from storescp.dataset.dictionary import Dictionary
from storescp.dataset.element import FLAGS, LARGEST_SHORT_LENGTH, LONG, TEXT, UID
from storescp.errors import StorescpError

if TYPE_CHECKING:
    from storescp.dataset.cursor import Cursor
    from storescp.dataset.header import HeaderWriter
    from storescp.dataset.plan import Plan
    from storescp.dataset.walk import Walk

LONGEST_RUN = 0x10000
"""Bytes of blanks that are kept until it is known whether they end the value."""

LookUp = Callable[[], Dictionary]
"""Gets the dictionary, when it is needed."""

_ARRAY_CODES = {2: "H", 4: "I", 8: "Q"}


@dataclass(frozen=True, slots=True)
class Trimming:
    """The bytes that a value loses, and the one that makes its length even."""

    removed: bytes  # anywhere
    trailing: bytes  # at the end, in any mixture
    pad: bytes

    def trimmed(self, value: bytes) -> bytes:
        """The value as it is written."""
        value = value.translate(None, self.removed).rstrip(self.trailing)
        return value + self.pad if len(value) & 1 else value


TEXTS = Trimming(removed=b"", trailing=b" \0", pad=b" ")
UIDS = Trimming(removed=b" \t\n\v\f\r", trailing=b"\0", pad=b"\0")
TRIMMINGS = {TEXT: TEXTS, UID: UIDS}


def swapped(value: bytes | memoryview, unit: int) -> memoryview:
    """The value with the bytes of each unit reversed; a rest shorter than a unit stays."""
    whole = len(value) - len(value) % unit
    units = array(_ARRAY_CODES[unit])
    units.frombytes(value[:whole])
    units.byteswap()
    if whole == len(value):
        return memoryview(units).cast("B")
    return memoryview(units.tobytes() + bytes(value[whole:]))


class Sink(Protocol):
    """Takes a value as it arrives."""

    def feed(self, piece: bytes | memoryview) -> None:
        """Take the next bytes; `piece` is valid during the call."""
        ...

    def finish(self) -> None:
        """The value is complete."""
        ...


class Discarded:
    """A value that is not written."""

    def feed(self, piece: bytes | memoryview) -> None:
        """Forget it."""

    def finish(self) -> None:
        """Nothing is left to do."""


DISCARDED = Discarded()


class Swapped:
    """A value written in the other byte order, cut anywhere."""

    def __init__(self, cursor: "Cursor", unit: int) -> None:
        self._cursor = cursor
        self._unit = unit
        self._rest = b""

    def feed(self, piece: bytes | memoryview) -> None:
        """Write all complete units."""
        if self._rest:
            piece = self._rest + bytes(piece)
        whole = len(piece) - len(piece) % self._unit
        self._cursor.write(swapped(piece[:whole], self._unit))
        self._rest = bytes(piece[whole:])

    def finish(self) -> None:
        """Write what is left of the last unit as it is."""
        self._cursor.write(self._rest)


class Tried:
    """A value that is written as it came, while it is tried whether it can be read."""

    def __init__(
        self,
        trial: "Walk",
        write: Callable[[bytes | memoryview], None],
        on_success: Callable[[], None],
    ) -> None:
        self._trial: Walk | None = trial
        self._write = write
        self._on_success = on_success

    def feed(self, piece: bytes | memoryview) -> None:
        """Write and try the next bytes."""
        self._write(piece)
        if self._trial is not None:
            try:
                self._trial.feed(memoryview(piece))
            except StorescpError:
                self._trial = None

    def finish(self) -> None:
        """The value is complete."""
        if self._trial is not None:
            with suppress(StorescpError):
                self._trial.finish(lambda _: 0)
                self._on_success()


@dataclass(frozen=True, slots=True)
class Cut:
    """A value that was written with more blanks at its end than it keeps in the second pass."""

    length: int
    vr: int
    pad: bytes


class Trimmed:
    """A value that loses blanks at its end, and is too long to be looked at as a whole.

    Blanks are kept until it is known whether something follows them. A run that is longer than
    anybody would keep in memory is written, and noted as a cut for the second pass if it turns
    out to be the end.

    The header comes with the value: a 16-bit length field may be too small for what is received
    and still large enough for what is left of it, so the first 64 KiB are held back until that
    is decided.
    """

    def __init__(
        self,
        cursor: "Cursor",
        headers: "HeaderWriter",
        plan: "Plan",
        tag: int,
        vrs: tuple[int, int],
        length: int,
        trimming: Trimming,
        cuts: dict[int, Cut],
        on_removed: Callable[[], None],
    ) -> None:
        """Prepare for a value of `length` bytes; `vrs`: as it should be, and where it is too long for that."""
        self._cursor = cursor
        self._headers = headers
        self._implicit = plan.implicit
        self._order: Literal["little", "big"] = "little" if plan.little_endian else "big"
        self._tag = tag
        self._vrs = vrs
        self._trimming = trimming
        self._cuts = cuts
        self._on_removed = on_removed
        self._removed = False
        self._run = bytearray()  # blanks that may be the end
        self._written_run = 0  # blanks that may be the end, already written
        self._held: bytearray | None = bytearray()  # until the header is decided
        self._vr = vrs[0]
        self._length = 0  # in the length field
        self._start = 0  # of the written value
        if self._implicit or FLAGS[vrs[0]] & LONG or length <= LARGEST_SHORT_LENGTH:
            self._decide(vrs[0], length + (length & 1))

    def feed(self, piece: bytes | memoryview) -> None:
        """Write what is certain not to be the end."""
        value = bytes(piece).translate(None, self._trimming.removed)
        self._removed = self._removed or len(value) != len(piece)
        kept = len(value.rstrip(self._trimming.trailing))
        if kept:
            self._flush_run()
            self._written_run = 0
            self._write(value[:kept])
        self._run += value[kept:]
        if len(self._run) > LONGEST_RUN:
            if self._held is not None:
                self._decide(self._vrs[1], 0)
            self._written_run += len(self._run)
            self._flush_run()

    def finish(self) -> None:
        """Pad the value and set its length right."""
        if self._removed:
            self._on_removed()
        if self._held is not None:
            self._decide(self._vrs[0], len(self._held) + (len(self._held) & 1))
        length = self._cursor.written() - self._start
        if self._written_run:
            kept = length - self._written_run
            pad = self._trimming.pad if kept & 1 else b""
            vr = self._vrs[kept > LARGEST_SHORT_LENGTH and not FLAGS[self._vrs[0]] & LONG]
            if not self._cursor.muted:
                self._cuts[self._start] = Cut(kept, vr, pad)
        elif length & 1:
            self._cursor.write(self._trimming.pad)
            length += 1
        if length != self._length:
            size = 4 if self._implicit or FLAGS[self._vr] & LONG else 2
            self._cursor.patch(self._start - size, length.to_bytes(size, self._order))

    def _write(self, piece: bytes) -> None:
        if self._held is None:
            self._cursor.write(piece)
            return
        self._held += piece
        if len(self._held) > LARGEST_SHORT_LENGTH:
            self._decide(self._vrs[1], 0)

    def _flush_run(self) -> None:
        run, self._run = bytes(self._run), bytearray()
        self._write(run)

    def _decide(self, vr: int, length: int) -> None:
        """Write the header, and what was held back for its sake."""
        self._vr = vr
        self._length = length
        self._headers.element(self._tag, vr, length)
        self._start = self._cursor.written()
        held, self._held = self._held, None
        if held:
            self._cursor.write(bytes(held))
