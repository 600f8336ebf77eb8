"""Names of processes."""

import os
from pathlib import Path

import pytest

from storescp import process_name

NAMES = sorted(value for name, value in vars(process_name).items() if name.isupper())


def test_each_kind_has_a_name_that_is_seen_whole() -> None:
    """The system cuts what is longer than 15 characters."""
    assert len(NAMES) == len(set(NAMES)) == 6
    assert max(map(len, NAMES)) <= 15


@pytest.mark.parametrize("name", NAMES)
def test_a_process_has_its_name(name: str) -> None:
    """As ps(1) shows it."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        process_name.name_process(name)
        os.write(writing, Path("/proc/self/comm").read_bytes())
        os._exit(0)
    os.waitpid(pid, 0)

    assert os.read(reading, 100) == f"{name}\n".encode()
    os.close(reading)
    os.close(writing)
