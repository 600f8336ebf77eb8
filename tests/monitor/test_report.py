"""The facts as plain values, with and without what identifies patients."""

import json

import pytest

from storescp.events import (
    CommandFailed,
    ConnectionRefused,
    Fact,
    Listening,
    ObjectRefused,
    Stopping,
    StudyComplete,
)
from storescp.monitor.model import Model
from storescp.monitor.report import PARTS, obstacles, report
from storescp.monitor.surroundings import HostStatus
from tests.monitor.events import ACCEPTED, CT, LITTLE, LOST, START, event, party, stored

FINE = HostStatus(10**9, 10**10, "", None, "")
REASON = "The object was not stored: No space left on device. Make room on the disk."
UID = "1.3.12.2.1107.5.1.4.99"


def seen() -> Model:
    """Return a model of a receiver with a patient in every corner."""
    model = Model(START)
    path = f"/in/DOE^JOHN_x/CT.{UID}"
    facts: tuple[Fact, ...] = (
        Listening(104, "1.0", "single"),
        ACCEPTED,
        stored(UID),
        ObjectRefused(
            "A700",
            CT,
            UID,
            "CT",
            LITTLE,
            f"cannot write {path}: No space left on device",
            1,
            REASON,
        ),
        StudyComplete(UID, "/in/DOE^JOHN_x", 1, "timeout"),
        CommandFailed("study", f"run {path}", f"exit status 3, study {UID}", 3, 7, UID),
        stored(UID),
        LOST._replace(unfinished_sop_instance_uid=UID, why=f"lost within {UID}"),
    )
    for fact in facts:
        model.observe(event(fact, party(), after=1))
    return model


def test_nothing_that_identifies_a_patient_is_in_it_unless_asked_for() -> None:
    """No name, no UID of a study or an object, no path; with the option they are there."""
    hidden = json.dumps(report(seen(), FINE, START + 2, identifiers=False))
    shown = json.dumps(report(seen(), FINE, START + 2, identifiers=True))

    for secret in ("DOE", UID, "/in/"):
        assert secret not in hidden
        assert secret in shown


def test_reasons_stay_understandable_without_identifiers() -> None:
    """What the standard and the system say is said."""
    problems = report(seen(), FINE, START + 2, identifiers=False)["problems"]

    assert [(problem["kind"], problem["why"]) for problem in problems] == [
        ("connection lost", "lost within (UID)"),
        ("command failed", "exit status 3, study (UID)"),
        ("object refused", REASON),
    ]


def test_without_a_reason_fit_to_be_shown_the_status_is_explained() -> None:
    """An event of another version has none; what it says of the object is left out."""
    model = Model(START)
    model.observe(event(ObjectRefused("A700", CT, UID, "CT", LITTLE, f"/in/DOE/{UID}", 1), party()))
    model.observe(event(ObjectRefused("C000", CT, UID, "CT", LITTLE, "DOE^JOHN", 1), party()))
    model.observe(event(stored()._replace(status="A900", why="it is DOE^JOHN"), party()))

    problems = report(model, FINE, START, identifiers=False)["problems"]

    assert [(problem["kind"], problem["why"]) for problem in problems] == [
        ("object doubtful", "The data set is not what the request said it is."),
        ("object refused", "The data set cannot be understood."),
        ("object refused", "Out of resources: the object could not be written."),
    ]


@pytest.mark.parametrize("identifiers", [True, False])
def test_examples_of_a_problem(*, identifiers: bool) -> None:
    """The last times, the newest first; what was said then only with identifiers."""
    model = Model(START)
    for number in range(4):
        why = f"The object {UID}.{number} was not stored"
        refused = ObjectRefused("C000", CT, UID, "CT", LITTLE, why, 1, REASON)
        model.observe(event(refused, party(), after=number))

    (problem,) = report(model, FINE, START, identifiers=identifiers)["problems"]

    assert problem["count"] == 4
    expected = [
        {"time": START + number, "why": f"The object {UID}.{number} was not stored"}
        for number in (3, 2, 1)
    ]
    if not identifiers:
        expected = [{"time": example["time"]} for example in expected]
        assert problem["why"] == REASON
    assert problem["examples"] == expected


def test_uids_of_the_standard_are_no_identifiers() -> None:
    """A transfer syntax that was not accepted may be named."""
    model = Model(START)
    model.observe(event(ConnectionRefused("protocol", f"no {CT}, but {UID}"), party()))

    (problem,) = report(model, FINE, START, identifiers=False)["problems"]
    assert problem["why"] == f"no {CT}, but (UID)"


def test_studies_tell_their_state_and_round() -> None:
    """Receiving while a peer may bring more; waiting when none is there; complete when announced."""
    model = Model(START)
    model.observe(event(ACCEPTED, party()))
    model.observe(event(stored("1.1"), party()))

    def states() -> list[tuple[str, int]]:
        studies = report(model, FINE, START, identifiers=False)["studies"]
        return [(study["state"], study["round"]) for study in studies]

    assert states() == [("receiving", 1)]
    model.observe(event(LOST, party()))
    assert states() == [("waiting", 1)]
    model.observe(event(StudyComplete("1.1", "/in", 1, "timeout")))
    assert states() == [("complete", 1)]
    model.observe(event(stored("1.1"), party()))
    model.observe(event(stored("1.2"), party()))
    assert states() == [("receiving", 1), ("receiving", 2)]


def test_all_parts_are_there_and_add_up() -> None:
    """Totals are those of all calling AE titles."""
    facts = report(seen(), FINE, START + 2, identifiers=False)

    assert tuple(facts) == PARTS
    assert facts["totals"]["objects"] == 2
    assert facts["totals"]["by_calling_ae_title"]["CT1"]["objects"] == 2
    assert sum(facts["throughput"]["objects"]) == 2
    assert sum(facts["throughput"]["bytes"]) == facts["totals"]["bytes"] == 2000
    assert facts["totals"]["commands"] == {
        "study": {"running": 0, "ended": 0, "failed": 1, "repeated": 0, "failing": True}
    }
    assert facts["receiver"]["port"] == 104


@pytest.mark.parametrize(
    ("disk", "database", "expected"),
    [
        ("", "", []),
        ("the disk is full", "", ["the disk is full"]),
        ("", "the database cannot be read", ["the database cannot be read"]),
    ],
)
def test_obstacles_are_what_keeps_objects_from_being_taken(
    disk: str, database: str, expected: list[str]
) -> None:
    """Disk and database, and a receiver that does not listen."""
    surroundings = HostStatus(1, 1, disk, None, database)
    model = Model(START)
    assert obstacles(model, surroundings) == ["the receiver does not listen yet", *expected]

    model.observe(event(Listening(104, "1.0", "single")))
    assert obstacles(model, surroundings) == expected

    model.observe(event(Stopping("SIGTERM")))
    assert obstacles(model, surroundings) == ["the receiver is ending", *expected]
