"""Lines about what happens, for outputs that are no terminal."""

from storescp.events import (
    AssociationRejected,
    CommandFailed,
    ConnectionRefused,
    Event,
    Fact,
    Listening,
    ObjectRefused,
    StudyComplete,
)
from storescp.monitor.model import Model
from storescp.monitor.plain_lines import INTERVAL_SECONDS, PlainLines
from tests.monitor.events import ACCEPTED, CT, LITTLE, LOST, RELEASED, START, event, party, stored


class Told:
    """What was said about events."""

    def __init__(self, *, identifiers: bool = False) -> None:
        self.model = Model(START)
        self._lines = PlainLines(self.model, identifiers=identifiers)

    def __call__(self, told: Event) -> list[str]:
        self.model.observe(told)
        return [_without_time(line) for line in self._lines.lines(told)]

    def later(self, seconds: float) -> list[str]:
        return [_without_time(line) for line in self._lines.due(START + seconds)]


def _without_time(line: str) -> str:
    time, _, rest = line.partition(" ")
    assert len(time) == 8
    assert rest.endswith("\n")
    return rest.removesuffix("\n")


def test_each_turn_of_an_association_has_a_line() -> None:
    """Who it was, and what it brought."""
    told = Told()

    assert told(event(Listening(104, "1.0", "single"))) == ["listening on port 104"]
    assert told(event(ACCEPTED, party())) == ["CT1 (10.0.0.7): association accepted"]
    assert told(event(stored("1.1"), party())) == []
    assert told(event(RELEASED, party())) == [
        "CT1 (10.0.0.7): association released, 1 object, 1.0 kB in 1 s"
    ]
    assert told(event(StudyComplete("1.1", "/in", 2, "timeout"))) == [
        "study no. 1 complete, 2 objects"
    ]


def test_what_is_refused_or_fails_is_said_with_its_reason() -> None:
    """But nothing that identifies a patient, unless it is asked for."""
    uid = "1.3.12.2.1107.5"
    facts: list[tuple[Fact, str]] = [
        (ConnectionRefused("timeout", "said nothing"), "connection refused: said nothing"),
        (AssociationRejected(1, 1, 7, "not us"), "association rejected: not us"),
        (
            ObjectRefused("C000", CT, uid, "CT", LITTLE, f"{uid} is bad", 1),
            "object refused, status C000: The data set cannot be understood.",
        ),
        (
            CommandFailed("study", f"x {uid}", "exit status 3"),
            "command about a study failed: exit status 3",
        ),
        (
            LOST._replace(why=f"within {uid}"),
            "association aborted by network, 1 object, 1.0 kB in 2 s: within (UID)",
        ),
    ]
    facts += [
        (ACCEPTED._replace(why="only JPEG"), "association accepted: only JPEG"),
        (
            stored()._replace(status="A900", why=f"not {uid}"),
            "object stored, status A900: The data set is not what the request said it is.",
        ),
    ]
    told, open_told = Told(), Told(identifiers=True)

    for fact, expected in facts:
        assert told(event(fact, party())) == [f"CT1 (10.0.0.7): {expected}"]
    assert uid in open_told(event(facts[2][0], party()))[0]
    assert open_told(event(StudyComplete(uid, "/in", 1, "stop"))) == [
        f"study {uid} complete, 1 object"
    ]


def test_an_association_that_goes_on_is_told_of_now_and_then() -> None:
    """As long as it brings something."""
    told = Told()
    told(event(ACCEPTED, party()))
    told(event(stored(), party(), after=1))
    assert told.later(INTERVAL_SECONDS - 1) == []

    (line,) = told.later(INTERVAL_SECONDS)
    assert line.startswith("CT1 (10.0.0.7): receiving, 1 object, 1.0 kB, ")
    assert told.later(2 * INTERVAL_SECONDS) == []

    told(event(stored(), party(), after=2 * INTERVAL_SECONDS))
    assert len(told.later(2 * INTERVAL_SECONDS)) == 1
    told(event(RELEASED, party(), after=3 * INTERVAL_SECONDS))
    assert told.later(4 * INTERVAL_SECONDS) == []


def test_peers_texts_steer_nothing() -> None:
    """A line is a line."""
    told = Told()

    assert told(event(ACCEPTED, party(title="A\nB\x1b[2J", peer="h\r"))) == [
        r"A\nB\x1b[2J (h\r): association accepted"
    ]
