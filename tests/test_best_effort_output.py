"""Output that reception does not depend on: broken, full, slow, and whole again."""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from storescp.best_effort_output import BestEffortWriter, StandardStream

LINE = b"x" * 99 + b"\n"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def pipe(opened: ExitStack, *, blocking: bool) -> tuple[int, int]:
    reading, writing = os.pipe()
    os.set_blocking(writing, blocking)
    opened.callback(os.close, writing)
    return reading, writing


def full_device(opened: ExitStack) -> int:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    opened.callback(os.close, descriptor)
    return descriptor


def pipe_without_reader(opened: ExitStack) -> int:
    reading, writing = pipe(opened, blocking=True)
    os.close(reading)
    return writing


def full_pipe(opened: ExitStack, *, blocking: bool) -> int:
    reading, writing = pipe(opened, blocking=False)
    opened.callback(os.close, reading)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, LINE)
    os.set_blocking(writing, blocking)
    return writing


def closed_descriptor(opened: ExitStack) -> int:
    _, writing = pipe(opened, blocking=True)
    closed = os.dup(writing)
    os.close(closed)
    return closed


def socket_without_reader(opened: ExitStack) -> int:
    ours, theirs = socket.socketpair()
    opened.enter_context(ours)
    theirs.close()
    return ours.fileno()


def full_socket(opened: ExitStack) -> int:
    ours, theirs = map(opened.enter_context, socket.socketpair())
    assert theirs.fileno() >= 0
    ours.settimeout(0)
    with suppress(BlockingIOError):
        while True:
            ours.send(LINE)
    ours.settimeout(None)
    return ours.fileno()


BROKEN: dict[str, Callable[[ExitStack], int]] = {
    "full device": full_device,
    "pipe without reader": pipe_without_reader,
    "full pipe": lambda opened: full_pipe(opened, blocking=True),
    "full pipe, not blocking": lambda opened: full_pipe(opened, blocking=False),
    "closed descriptor": closed_descriptor,
    "socket without reader": socket_without_reader,
    "full socket": full_socket,
}


@pytest.mark.parametrize(
    ("name", "waits"),
    # Whoever does not wait has opened the descriptor itself.
    [
        (name, waits)
        for name in BROKEN
        for waits in (True, False)
        if waits or name != "closed descriptor"
    ],
)
def test_nothing_is_raised_or_awaited_for_long(name: str, waits: bool, opened: ExitStack) -> None:
    """A thousand lines for output that takes nothing are lost and counted, within the bound of the test suite."""
    writer = BestEffortWriter(BROKEN[name](opened), waits=waits)

    written = [writer.write(LINE) for _ in range(1000)]

    assert not any(written)
    assert writer.lost == 1000


def test_a_loss_is_reported_before_the_next_line(opened: ExitStack) -> None:
    """The report has the number of lines that were lost, once."""
    reading, writing = pipe(opened, blocking=False)
    opened.callback(os.close, reading)
    writer = BestEffortWriter(writing, waits=False, make_report=lambda lost: b"%-99d\n" % lost)
    taken = 0
    while writer.write(LINE):
        taken += 1
    writer.write(LINE)
    assert os.read(reading, 1 << 20) == LINE * taken

    assert [writer.write(b"one\n"), writer.write(b"two\n")] == [True, True]

    assert os.read(reading, 1 << 20) == b"%-99d\none\ntwo\n" % 2


def test_a_slow_reader_has_a_share_of_the_time(opened: ExitStack) -> None:
    """What may be waited for is used up, and grows again by a twentieth of the time that passes."""
    clock = Clock()
    reading, writing = pipe(opened, blocking=True)
    opened.callback(os.close, reading)
    writer = BestEffortWriter(writing, clock=clock)
    waits: list[int] = []

    class Poll:
        """Has been ready for nobody, after all of the time."""

        def poll(self, milliseconds: int) -> list[tuple[int, int]]:
            if milliseconds:
                waits.append(milliseconds)
                clock.now += milliseconds / 1000
            return []

    writer._poll = Poll()  # type: ignore[assignment]
    for moment in (0.0, 0.6, 2.5):
        clock.now = max(clock.now, moment)
        writer.lost = 0
        writer.write(LINE)

    assert waits == pytest.approx([500, 5, 95], abs=1)


def test_a_line_that_was_torn_ends_before_the_next() -> None:
    """Output that takes a part of a line has its other lines whole."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    writer = BestEffortWriter(writing, waits=False)
    capacity = 0
    while writer.write(b"y" * 4095 + b"\n"):
        capacity += 4096
    os.read(reading, 4096)
    long = b"z" * 8191 + b"\n"

    assert not writer.write(long)
    left = os.read(reading, 1 << 20)
    assert writer.write(b"next\n")

    assert left == (b"y" * 4095 + b"\n") * (capacity // 4096 - 1) + b"z" * 4096
    assert os.read(reading, 1 << 20) == b"\nnext\n"
    os.close(reading)
    os.close(writing)


def test_a_long_line_reaches_a_reader_whole(opened: ExitStack) -> None:
    """What is longer than a pipe takes at once is written in parts, in order."""
    ours, theirs = map(opened.enter_context, socket.socketpair())
    line = bytes(range(256)) * 100

    assert BestEffortWriter(ours.fileno()).write(line)

    received = b""
    while len(received) < len(line):
        received += theirs.recv(1 << 16)
    assert received == line


@pytest.mark.parametrize("kind", ["absent", "closed", "without descriptor", "full"])
def test_a_standard_stream_that_takes_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is raised, whatever stands in its place."""
    stream = None
    if kind == "full":
        stream = open("/dev/full", "w", encoding="utf-8")  # noqa: SIM115
    elif kind != "absent":
        stream = TextIOWrapper(BytesIO())
        if kind == "closed":
            stream.close()
    monkeypatch.setattr(sys, "stdout", stream)

    StandardStream("stdout").write("lost\n")

    if stream is not None and kind != "closed":
        stream.close()


def test_a_standard_stream_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text goes where the stream of that name goes at the moment."""
    output = StandardStream("stdout")

    for name in ("one", "two"):
        with (tmp_path / name).open("w", encoding="utf-8") as file:
            monkeypatch.setattr(sys, "stdout", file)
            output.write(f"{name}\n")

    assert [(tmp_path / name).read_text() for name in ("one", "two")] == ["one\n", "two\n"]


def test_characters_beyond_the_encoding_are_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream that cannot encode a character gets its escape sequence, and the rest of the line."""
    with (tmp_path / "log").open("w", encoding="ascii", errors="strict") as file:
        monkeypatch.setattr(sys, "stderr", file)

        StandardStream("stderr").write("name: 山\n")

    assert (tmp_path / "log").read_bytes() == b"name: \\u5c71\n"
