"""Blind mutation, the same for the same seed: what is left of fuzzing where there is no atheris."""

import random
from collections.abc import Iterator, Sequence

_NUMBERS = (b"\0", b"\1", b"\x7f", b"\x80", b"\xff", b"\0\0", b"\xff\xff", b"\xff\xff\xff\xff")


def mutations(
    seeds: Sequence[bytes], words: Sequence[bytes], largest: int, count: int, seed: int
) -> Iterator[bytes]:
    """Yield `count` inputs made of `seeds`, each changed in a few places."""
    chance = random.Random(seed)
    for _ in range(count):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 5)):
            _change(data, seeds, words, chance)
        yield bytes(data[:largest])


def _change(
    data: bytearray, seeds: Sequence[bytes], words: Sequence[bytes], chance: random.Random
) -> None:
    start = chance.randint(0, len(data))
    end = min(len(data), start + chance.choice((0, 1, 2, 4, 8, 32)))
    match chance.randrange(7):
        case 0:  # flip a bit
            if start < len(data):
                data[start] ^= 1 << chance.randrange(8)
        case 1:  # another byte
            if start < len(data):
                data[start] = chance.randrange(256)
        case 2:  # take out
            del data[start:end]
        case 3:  # repeat
            data[start:start] = data[start:end] * chance.choice((1, 2, 16))
        case 4:  # a word
            data[start:end] = chance.choice(words or _NUMBERS)
        case 5:  # a number
            number = chance.choice(_NUMBERS)
            data[start : start + len(number)] = number
        case _:  # cross with another one
            other = chance.choice(seeds)
            cut = chance.randint(0, len(other))
            data[start:] = other[cut:]
