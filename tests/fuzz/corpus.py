"""The saved corpus: a text file per target, an input a line in hexadecimal; `#` begins a comment."""

from collections.abc import Iterator
from pathlib import Path

DIRECTORY = Path(__file__).parent / "corpus"


def read(name: str) -> Iterator[bytes]:
    """Yield the saved inputs of a target."""
    path = DIRECTORY / f"{name}.txt"
    if path.exists():
        for line in path.read_text().splitlines():
            if text := line.partition("#")[0].strip():
                yield bytes.fromhex(text)
