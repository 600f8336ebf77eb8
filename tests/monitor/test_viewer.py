"""The pipe between the receiver and its viewers, and the loop on the other side."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from storescp.best_effort_output import BestEffortWriter
from storescp.events import Event, EventsDropped, Listening
from storescp.monitor.viewer import Viewer, Watch, _report_of_loss
from storescp.monitor.wire import END, Unpacker, pack
from tests.monitor.events import ACCEPTED, event, party, stored
from tests.peers.servers import our_environment

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    yield reading, writing
    for descriptor in (reading, writing):
        with suppress(OSError):  # the test may have closed it
            os.close(descriptor)


def watched(watch: Watch, *, until: float = 10.0) -> None:
    """Watch until the receiver ends."""
    end = time.monotonic() + until

    def tick() -> float:
        assert time.monotonic() < end, "the watch does not end"
        return 0.01

    watch.run(tick)


def test_events_arrive_in_the_model_and_at_observers(pipe: Pipe) -> None:
    """Records may be cut anywhere."""
    reading, writing = pipe
    events = [event(ACCEPTED, party(), pid=os.getpid()), event(stored(), party(), pid=os.getpid())]
    data = b"".join(map(pack, events))
    watch = Watch(reading, os.getppid())
    seen: list[Event] = []
    watch.observers.append(seen.append)

    for part in (data[:50], data[50:133], data[133:]):
        os.write(writing, part)
        watch.catch_up()
    os.close(writing)
    watched(watch)

    assert [each.fact for each in seen] == [each.fact for each in events]
    assert watch.model.associations["a1"].objects == 1


def test_the_watch_ends_with_the_receiver_even_if_the_pipe_stays_open(pipe: Pipe) -> None:
    """A child of the receiver may live on for a while, and hold it."""
    watched(Watch(pipe[0], receiver=os.getpid()))  # who is not our parent


def test_a_record_without_content_ends_the_watch(pipe: Pipe) -> None:
    """Children of the receiver may hold the pipe open."""
    reading, writing = pipe
    os.write(writing, pack(event(ACCEPTED, party(), pid=os.getpid())) + END)
    watch = Watch(reading, os.getppid())

    watched(watch)

    assert len(watch.model.associations) == 1


def test_associations_of_processes_that_are_gone_are_closed(pipe: Pipe) -> None:
    """They ended without a word."""
    reading, writing = pipe
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    os.write(writing, pack(event(ACCEPTED, party("gone"), pid=child.pid)))
    os.write(writing, pack(event(ACCEPTED, party("here"), pid=os.getpid())))
    watch = Watch(reading, os.getppid())
    watch.catch_up()
    assert set(watch.model.associations) == {"gone", "here"}

    watch._look_around()

    assert set(watch.model.associations) == {"here"}


def test_a_mistake_in_a_view_ends_neither_the_watch_nor_other_views(
    pipe: Pipe, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged."""
    reading, writing = pipe
    watch = Watch(reading, os.getppid())

    def fail(_: Event) -> None:
        raise RuntimeError("a mistake")

    watch.observers.append(fail)
    os.write(writing, pack(event(Listening(104, "1.0", "single"))))
    os.close(writing)
    watched(watch)

    assert watch.model.listening is not None
    assert "a mistake" in caplog.text


def test_nobody_waits_for_a_viewer_that_does_not_read(pipe: Pipe) -> None:
    """What does not fit is dropped, and the number is the next thing that it hears."""
    reading, writing = pipe
    viewer = Viewer("test", lambda _: None)
    viewer._writer = BestEffortWriter(writing, waits=False, make_report=_report_of_loss)
    record = pack(event(stored(), party()))
    for _ in range(1000):
        viewer.write(record)

    received = os.read(reading, 1 << 20)
    viewer.write(record)
    received += os.read(reading, 1 << 20)

    facts = [each.fact for each in Unpacker().feed(received)]
    dropped = sum(fact.dropped for fact in facts if isinstance(fact, EventsDropped))
    assert dropped > 0
    assert facts.count(stored()) == 1001 - dropped
    assert facts[-1] == stored()


def test_a_viewer_that_is_gone_disturbs_nobody(pipe: Pipe) -> None:
    """Its events are dropped."""
    reading, writing = pipe
    viewer = Viewer("test", lambda _: None)
    viewer._writer = BestEffortWriter(writing, waits=False, make_report=_report_of_loss)
    os.close(reading)

    viewer.write(pack(event(stored(), party())))

    assert viewer._writer.lost == 1


SCRIPT = """
import os, sys, time
from storescp.monitor.viewer import Viewer, Viewers

order = []
def view(watch):
    if sys.argv[1] == "fail":
        raise RuntimeError("a mistake")
    watch.run(lambda: 10.0)
    os.write(1, b"the last word\\n")

viewers = Viewers([Viewer("view", view, started=lambda: order.append("started"),
                          ended=lambda orderly: order.append(f"ended {orderly}"))])
viewers.start()
if sys.argv[1] == "fail":
    while "ended False" not in order:
        viewers.reap()
        time.sleep(0.01)
child = os.fork()
if child == 0:
    viewers.reap()
    viewers.close()  # the business of another process
    os._exit(0)
os.waitpid(child, 0)
viewers.close()
os.write(1, " ".join(order).encode())
"""


@pytest.mark.parametrize(
    ("mode", "output", "error"),
    [
        ("work", "the last word\nstarted ended True", ""),
        ("fail", "started ended False", "the view has ended, reception goes on without it"),
    ],
)
def test_a_viewer_has_the_last_word_and_its_end_is_noticed(
    mode: str, output: str, error: str
) -> None:
    """What was changed for it is undone once, whenever it ends, and by the receiver's process alone."""
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, mode],
        env=our_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    assert output == ended.stdout
    assert error in ended.stderr
