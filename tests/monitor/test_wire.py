"""Records of events in a pipe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storescp.events import CommandFailed, Event, EventsDropped, Party
from storescp.monitor.wire import END, MAXIMUM_RECORD_BYTES, Unpacker, pack
from tests.monitor.events import ACCEPTED, LOST, RELEASED, event, party, stored

EVENTS = [
    event(ACCEPTED, party()),
    event(stored(None, patient=None, modality=None), party(), after=0.123456789),
    event(stored("1.2\n\0\udcff"), Party("a", "\u202e", None, None)),
    event(EventsDropped(17)),
    event(LOST, party()),
    event(RELEASED, party()),
]


def test_what_goes_in_comes_out() -> None:
    """To the last bit, wherever the stream is cut."""
    stream = b"".join(map(pack, EVENTS))

    assert list(Unpacker().feed(stream)) == EVENTS
    for cut in range(len(stream)):
        unpacker = Unpacker()
        assert [*unpacker.feed(stream[:cut]), *unpacker.feed(stream[cut:])] == EVENTS


def test_nothing_comes_after_the_end() -> None:
    """The receiver has said its last word."""
    unpacker = Unpacker()

    assert list(unpacker.feed(pack(EVENTS[0]) + END + pack(EVENTS[1]))) == EVENTS[:1]
    assert unpacker.ended
    assert list(unpacker.feed(pack(EVENTS[1]))) == []


@given(st.text(), st.text(), st.text())
def test_any_text_is_a_record(command: str, why: str, title: str) -> None:
    """Whatever a peer or a user has put into it."""
    told = Event(1.5, 7, party(title=title), CommandFailed("object", command, why))

    assert list(Unpacker().feed(pack(told))) == [told]


@pytest.mark.parametrize("text", ["x" * 5000, "\u00e9" * 3000, "\U0001f600" * 2000])
def test_a_record_is_never_longer_than_a_pipe_takes_at_once(text: str) -> None:
    """Its texts are cut then; what is short stays whole."""
    fact = CommandFailed("object", text, "exit status 3", 3, 8)

    record = pack(Event(1.5, 7, party(), fact))

    assert len(record) <= MAXIMUM_RECORD_BYTES
    (read,) = Unpacker().feed(record)
    assert read == Event(1.5, 7, party(), fact._replace(command=text[:63] + "…"))
