"""What a fuzz target is: bytes of anybody's choice, fed to one part of the program.

A target raises nothing but an `AssertionError` for a promise that was broken, or whatever undocumented
exception came out of the part. What the part is documented to raise, the target takes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Target:
    """One part of the program under attack."""

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    """Inputs to start from: well-formed ones, which chance would never find."""
    weight: int = 1
    """Its share of a campaign."""
    largest: int = 4096
    """Bytes of the largest input."""
    changes: int = 1500
    """How many random changes are tried in the tests: few if it is slow."""
    words: tuple[bytes, ...] = ()
    """What is worth inserting."""


class Choices:
    """The first bytes of an input choose, the rest is what is fed."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def byte(self) -> int:
        """Return the next byte, 0 if there is none."""
        self._position += 1
        return self._data[self._position - 1] if self._position <= len(self._data) else 0

    def pick(self, things: tuple[T, ...]) -> T:
        """Return one of several."""
        return things[self.byte() % len(things)]

    def rest(self) -> bytes:
        """Return what is left."""
        return self._data[self._position :]


def check_log(*texts: str) -> None:
    """Check that log messages neither forge lines of other programs nor steer a terminal."""
    for text in texts:
        assert not any(
            character < " " or "\x7f" <= character < "\xa0" for character in text.replace("\n", "")
        ), f"a control character reaches the log: {text!r}"
