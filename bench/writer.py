"""What an instance file costs: created, written, committed; against the system calls alone.

    python -m bench.writer [DIRECTORY ...]

Rounds are interleaved and medians printed, in microseconds per object.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

from storescp.storage.files.instance_file import InstanceFile
from storescp.storage.files.output_directory import OutputDirectory
from storescp.storage.naming.rules import FileNames, Rules, file_name

CT = "1.2.840.10008.5.1.4.1.1.2"
HEADER = bytes(330)
ROUNDS = 9
SIZES = {"3 kB": (3_000, 1), "36 kB": (36_000, 3), "0.5 MB": (524_288, 32)}

Store = Callable[[OutputDirectory, int, list[bytes]], None]


def store(output: OutputDirectory, number: int, chunks: list[bytes], rules: Rules) -> None:
    """Do what a C-STORE does to the file system."""
    name = file_name(rules, CT, f"1.2.3.{number}", 1_700_000_000 + number / 1000)
    with InstanceFile(output, HEADER) as file:
        for chunk in chunks:
            file.write(chunk)
        file.commit(output.path, name)


def by_uid(output: OutputDirectory, number: int, chunks: list[bytes]) -> None:
    store(output, number, chunks, Rules())


def by_time(output: OutputDirectory, number: int, chunks: list[bytes]) -> None:
    store(output, number, chunks, Rules(file_names=FileNames.FROM_TIME))


def floor(output: OutputDirectory, number: int, chunks: list[bytes]) -> None:
    """Open, writev, close, rename: hidden and atomic, and nothing else."""
    hidden = f"{output.path}/.{number}"
    descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    os.writev(descriptor, [HEADER, *chunks])
    os.close(descriptor)
    os.rename(hidden, f"{output.path}/CT.1.2.3.{number}")


def in_place(output: OutputDirectory, number: int, chunks: list[bytes]) -> None:
    """Open, writev, close under the final name, as the reference does."""
    descriptor = os.open(
        f"{output.path}/CT.1.2.3.{number}", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666
    )
    os.writev(descriptor, [HEADER, *chunks])
    os.close(descriptor)


def measure(store_one: Store, parent: str, chunks: list[bytes], count: int) -> float:
    """Return microseconds per object."""
    with tempfile.TemporaryDirectory(dir=parent) as directory:
        output = OutputDirectory(directory)
        start = time.perf_counter()
        for number in range(count):
            store_one(output, number, chunks)
        output.tidy()
        elapsed = time.perf_counter() - start
        output.close()
    return elapsed / count * 1e6


def main(parents: list[str]) -> None:
    ways: dict[str, Store] = {
        "names from UID": by_uid,
        "names from time": by_time,
        "hidden, bare calls": floor,
        "in place, bare calls": in_place,
    }
    for parent in parents:
        for size, (length, pieces) in SIZES.items():
            chunks = [bytes(length // pieces)] * pieces
            count = min(2000, 60_000_000 // length)
            times: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(ROUNDS):
                for name, way in ways.items():
                    times[name].append(measure(way, parent, chunks, count))
            for name, measured in times.items():
                print(f"{parent:12} {size:7} {name:22} {statistics.median(measured):8.1f} µs")


if __name__ == "__main__":
    main(sys.argv[1:] or ["/dev/shm", tempfile.gettempdir()])
