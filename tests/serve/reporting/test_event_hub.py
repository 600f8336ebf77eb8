"""Events come together: in one process, and from many."""

import os
from collections.abc import Callable

from storescp.events import Event, EventsDropped, Stopping, encode
from storescp.serve.reporting.event_hub import EventHub


def in_child(hub: EventHub, act: Callable[[], None]) -> None:
    """Run `act` in a process forked as the receiver does it, to its end."""
    pid = os.fork()
    if pid == 0:
        try:
            hub.in_child()
            act()
        finally:
            os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def signals(events: list[Event]) -> list[str]:
    return [event.fact.signal for event in events if isinstance(event.fact, Stopping)]


def test_all_listeners_of_a_process_hear_it() -> None:
    """Writers get a line; observers and subscribers the value."""
    lines: list[bytes] = []
    observed: list[Event] = []
    subscribed: list[Event] = []
    hub = EventHub(clock=lambda: 5.0)
    hub.write_to(lines.append)
    hub.observe(observed.append)
    hub.subscribe(subscribed.append)

    hub.tell(Stopping("SIGTERM"))

    event = Event(5.0, os.getpid(), None, Stopping("SIGTERM"))
    assert lines == [encode(event)]
    assert observed == subscribed == [event]


def test_children_report_to_the_main_process() -> None:
    """A subscriber of the main process sees what happened in children, in their order."""
    subscribed: list[Event] = []
    hub = EventHub()
    hub.subscribe(subscribed.append)
    hub.share()

    def child() -> None:
        for number in range(100):
            hub.tell(Stopping(f"A{number}"))

    in_child(hub, child)
    in_child(hub, lambda: hub.tell(Stopping("B")))
    hub.receive()
    hub.close()

    assert signals(subscribed) == [*(f"A{number}" for number in range(100)), "B"]
    assert all(event.pid != os.getpid() for event in subscribed)


def test_a_child_has_no_subscribers() -> None:
    """What happens in a child reaches a subscriber once, through the main process."""
    subscribed: list[Event] = []
    hub = EventHub()
    hub.subscribe(subscribed.append)
    hub.share()
    reading, writing = os.pipe()

    def child() -> None:
        hub.tell(Stopping("A"))
        os.write(writing, str(len(subscribed)).encode())

    in_child(hub, child)

    assert os.read(reading, 10) == b"0"
    hub.close()
    assert signals(subscribed) == ["A"]
    os.close(reading)
    os.close(writing)


def test_nobody_waits_for_a_main_process_that_does_not_read() -> None:
    """A full pipe drops events; how many is the first event when there is room again."""
    subscribed: list[Event] = []
    hub = EventHub()
    hub.subscribe(subscribed.append)
    hub.share()
    reading, writing = os.pipe()
    told = 50_000

    def child() -> None:
        for number in range(told):
            hub.tell(Stopping(str(number)))
        os.write(writing, b"full")
        os.read(reading_2, 1)
        hub.tell(Stopping("after"))

    reading_2, writing_2 = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            hub.in_child()
            child()
        finally:
            os._exit(0)
    assert os.read(reading, 10) == b"full"
    hub.receive()
    os.write(writing_2, b"x")
    assert os.waitpid(pid, 0)[1] == 0
    hub.close()

    seen = signals(subscribed)
    dropped = sum(e.fact.dropped for e in subscribed if isinstance(e.fact, EventsDropped))
    assert seen[-1] == "after"
    assert seen[:-1] == [str(number) for number in range(len(seen) - 1)]
    assert dropped == told - (len(seen) - 1) > 0
    for descriptor in (reading, writing, reading_2, writing_2):
        os.close(descriptor)


def test_a_process_that_nobody_listens_to_makes_no_pipe() -> None:
    """Without subscribers nothing is shared; writers and observers need no pipe."""
    hub = EventHub()
    hub.write_to(lambda _: True)

    hub.share()

    assert hub.descriptor == -1


def test_what_a_listener_causes_is_told_after_it() -> None:
    """An event in the middle of another one, as a signal handler makes it, waits for its turn."""
    heard: list[Event] = []
    hub = EventHub()

    def observer(event: Event) -> None:
        if event.fact == Stopping("first"):
            hub.tell(Stopping("second"))
        heard.append(event)

    hub.observe(observer)

    hub.tell(Stopping("first"))

    assert signals(heard) == ["first", "second"]
