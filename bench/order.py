"""Measures what elements out of order cost beside the same data set in order: processor time, all passes included.

    PYTHONPATH=src:. python bench/order.py

Each line is the best of many rounds; the last column is the ratio. Only the level that is out of order is written anew.
"""

import logging
import time

from storescp.dataset.transcoder import Encoding, Transcoder
from storescp.uids import EXPLICIT_VR_LITTLE_ENDIAN, TRANSFER_SYNTAXES
from tests.dataset.memory_output import MemoryOutput
from tests.dataset.support import UIDS, element, item, sequence

_SECONDS = 2.0  # per line
_PDV_SIZE = 16_378

_NUMBER = element(0x00080050, "SH", b"A1")
_STUDY_UID = element(0x0020000D, "UI", b"1.2.3.4\0")


def _processor_time(data: bytes) -> float:
    """Return the least processor time that a data set took, in seconds."""
    view = memoryview(data)
    fragments = [view[at : at + _PDV_SIZE] for at in range(0, len(view), _PDV_SIZE)]
    best = float("inf")
    end = time.process_time() + _SECONDS
    while time.process_time() < end:
        start = time.process_time()
        output = MemoryOutput()
        transcoder = Transcoder(TRANSFER_SYNTAXES[EXPLICIT_VR_LITTLE_ENDIAN], Encoding(), output)
        for fragment in fragments:
            transcoder.feed(fragment)
        transcoder.finish(lambda _: 0)
        while transcoder.needs_second_pass:
            another = MemoryOutput()
            transcoder.rewrite(output, another)
            output = another
        best = min(best, time.process_time() - start)
    return best


def _frames(count: int) -> bytes:
    frame = item(
        sequence(0x00209113, item(element(0x00200032, "DS", b"1.5\\2.5\\3.5 ")))
        + sequence(0x00289110, item(element(0x00280030, "DS", b"0.5\\0.5 ")))
    )
    return sequence(0x52009230, *[frame] * count)


def _nested(depth: int, width: int) -> bytes:
    data = element(0x00400280, "ST", b"innermost ")
    for _ in range(depth):
        data = element(0x00080100, "SH", b"ab") + sequence(0x00400275, *[item(data)] * width)
        width = 1
    return data


def main() -> None:
    """Print a line for each kind of data set."""
    logging.disable(logging.CRITICAL)
    pixels = element(0x7FE00010, "OW", bytes(2_000_000))
    kinds = {
        "100 elements, 2 kB": b"".join(
            element(0x00400300 + number, "LO", b"some text ") for number in range(100)
        ),
        "300 frames, 36 kB": _frames(300),
        "30,000 frames, 3.5 MB": _frames(30_000),
        "60 levels deep, 4 kB": _nested(60, 1),
        "60 levels deep, 10,000 items, 3 MB": _nested(60, 10_000),
        "pixels, 2 MB": pixels,
    }
    print(f"{'':36}{'in order':>10}{'not':>10}{'ratio':>8}")
    for name, rest in kinds.items():
        in_order = _processor_time(UIDS + _NUMBER + _STUDY_UID + rest)
        out_of_order = _processor_time(UIDS + _STUDY_UID + _NUMBER + rest)
        print(
            f"{name:36}{in_order * 1e3:8.2f}ms{out_of_order * 1e3:8.2f}ms{out_of_order / in_order:8.2f}"
        )


if __name__ == "__main__":
    main()
