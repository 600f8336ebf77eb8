"""The stream of events: files, pipes, rotation, readers that do not read."""

import json
import os
from pathlib import Path

import pytest

from storescp.errors import ConfigurationError
from storescp.events import Event, Stopping, encode
from storescp.serve.reporting.event_file import EventFile

LINE = encode(Event(1.0, 1, None, Stopping("SIGTERM")))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines_are_appended(tmp_path: Path) -> None:
    """What the file holds already stays."""
    path = tmp_path / "events"
    path.write_bytes(b"older\n")
    file = EventFile(str(path))

    assert file.write(LINE)
    file.close()

    assert path.read_bytes() == b"older\n" + LINE


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    """Within a second, as logrotate needs it; nothing is lost in between."""
    clock = Clock()
    path = tmp_path / "events"
    file = EventFile(str(path), clock=clock)
    file.write(LINE)
    path.rename(tmp_path / "old")
    file.write(LINE)
    clock.now = 1.5
    file.write(LINE)
    file.close()

    assert (tmp_path / "old").read_bytes() == LINE * 2
    assert path.read_bytes() == LINE


def test_a_full_pipe_does_not_wait_and_the_loss_is_told(tmp_path: Path) -> None:
    """Lines are dropped while nobody reads; then their number comes first."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    file = EventFile(str(path))
    taken = 0
    while file.write(LINE):
        taken += 1
    for _ in range(9):
        assert not file.write(LINE)

    received = os.read(reading, 1 << 20)
    assert file.write(LINE)
    received += os.read(reading, 1 << 20)
    os.close(reading)
    file.close()

    lines = [json.loads(line) for line in received.splitlines()]
    assert [line["event"] for line in lines] == ["stopping"] * taken + [
        "events-dropped",
        "stopping",
    ]
    assert lines[taken]["dropped"] == 10


def test_a_pipe_may_have_no_reader_yet(tmp_path: Path) -> None:
    """The program starts before whoever reads it."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    file = EventFile(str(path))

    file.write(LINE)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    assert os.read(reading, 1000) == LINE
    os.close(reading)
    file.close()


def test_a_file_that_cannot_be_opened_is_a_configuration_error(tmp_path: Path) -> None:
    """Start-up fails and says why."""
    with pytest.raises(ConfigurationError, match=r"cannot write events to .*: No such file"):
        EventFile(str(tmp_path / "missing" / "events"))
