"""Each fact about a connection: its log lines, its sentence, its event, in one table."""

import errno
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from storescp import conditions
from storescp.dataset.encoding import Attributes
from storescp.dimse.command import CEchoRQ, CStoreRQ
from storescp.errors import HandshakeFailed, InvalidMessage, InvalidPDU, OutOfResources
from storescp.events import (
    AssociationAborted,
    AssociationAccepted,
    AssociationRejected,
    AssociationReleased,
    ConnectionRefused,
    Event,
    Fact,
    ObjectRefused,
    ObjectStored,
)
from storescp.log.context import CURRENT
from storescp.serve.reporting import association_reporter, event_emitter
from storescp.serve.reporting.association_reporter import AbortCause, AssociationReporter
from storescp.serve.reporting.event_hub import EventHub
from storescp.serve.reporting.time_limit import TimeLimit
from storescp.storage.reception import Outcome
from storescp.storage.studies.user_commands import ReceivedObject
from storescp.upper_layer.log_notes import WARN, application, dimse_warning
from storescp.upper_layer.negotiation import negotiate, storage_policy
from storescp.upper_layer.pdu import (
    AAbort,
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    decode_request,
)
from tests.end_to_end.conversation import CONTEXTS
from tests.peers.requestor import CT_IMAGE_STORAGE, Context, associate_request

LITTLE = "1.2.840.10008.1.2.1"
POLICY = storage_policy((LITTLE,))

STORE = CStoreRQ(7, CT_IMAGE_STORAGE, "1.2.3", context_id=1)
STORED = ReceivedObject(CT_IMAGE_STORAGE, "1.2.3", 0, "/out", "CT.1.2.3")

Lines = list[tuple[str, str]]
E, W, I = "E", "W", "I"  # noqa: E741  (as the log has it)


def request(*contexts: Context, called: bytes = b"ANY-SCP") -> AAssociateRQ:
    return decode_request(associate_request(contexts or CONTEXTS, called=called)[6:])


def answer(asked: AAssociateRQ) -> AAssociateAC:
    found = negotiate(asked, POLICY)
    assert isinstance(found, AAssociateAC)
    return found


class Told:
    """A reporter, and all that it says."""

    def __init__(self, caplog: pytest.LogCaptureFixture, *, observed: bool = True) -> None:
        self.facts: list[Fact] = []
        hub = EventHub() if observed else None
        if hub is not None:
            hub.observe(self._observe)
        self.reporter = AssociationReporter("10.1.2.3", POLICY, hub=hub)
        self._caplog = caplog

    def _observe(self, event: Event) -> None:
        self.facts.append(event.fact)

    def requested(self) -> AAssociateRQ:
        asked = request()
        self.reporter.requested(asked)
        return asked

    def established(self) -> "Told":
        asked = self.requested()
        self.reporter.accepted(answer(asked), 16372)
        return self.forget()

    def with_object(self) -> "Told":
        self.established().reporter.object_begun(STORE)
        return self.forget()

    def forget(self) -> "Told":
        self._caplog.clear()
        self.facts.clear()
        return self

    def lines(self) -> Lines:
        return [
            (record.levelname[0], record.getMessage())
            for record in self._caplog.records
            if record.levelno > logging.DEBUG
        ]


@pytest.fixture(autouse=True)
def at_level_info(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.INFO)
    yield
    CURRENT.clear()


Say = Callable[[Told], object]
UNDELIVERED = "object 1.2.3 is stored as /out/CT.1.2.3, but its sender was not told, and may send it again: reset"
BUSY = AAssociateRJ(2, 3, 1, notes=(application(WARN, "Association Rejected: busy"),))
RESET = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
UNSENT = "0006:031d TCP I/O Error (Connection reset by peer) occurred in routine:"
CLOSED = "0006:0310 DUL network closed"
GONE = "0006:0317 Peer aborted Association (or never connected)"

TABLE: dict[str, tuple[Say, Lines, str | None, type[Fact] | None]] = {
    # Before there is an association
    "not admitted": (
        lambda told: told.reporter.not_admitted("address", "10.1.2.3 is not among those."),
        [(W, "Connection from 10.1.2.3 closed")],
        "W: 10.1.2.3 is not among those.",
        ConnectionRefused,
    ),
    "host denied": (
        lambda told: told.reporter.host_denied("denied connection from x", "No rule."),
        [(E, "denied connection from x")],
        "E: No rule.",
        ConnectionRefused,
    ),
    "handshake failed": (
        lambda told: told.reporter.handshake_failed(handshake_failure()),
        [(E, "Receiving Association failed: 000b:090b TLS error: x"), (E, "in plain words")],
        None,
        ConnectionRefused,
    ),
    "silent": (
        lambda told: told.reporter.timed_out(TimeLimit.ARTIM, 30.0),
        [(E, "Receiving Association failed: 0006:031a DUL network read timeout")],
        "E: 10.1.2.3 connected, but sent no complete A-ASSOCIATE-RQ within 30 s.",
        ConnectionRefused,
    ),
    "a receive too late": (
        lambda told: told.reporter.timed_out(TimeLimit.SOCKET, 5.0),
        [(E, "Receiving Association failed: 0006:031a DUL network read timeout")],
        "E: 10.1.2.3 connected, but sent no complete A-ASSOCIATE-RQ within 5 s.",
        ConnectionRefused,
    ),
    "a probe": (
        lambda told: told.reporter.lost("closed by the peer"),
        [(I, "Association Received")],
        None,
        None,
    ),
    "broken off": (
        lambda told: told.reporter.lost("closed by the peer", header_received=True),
        [(E, f"Receiving Association failed: {CLOSED}")],
        None,
        None,
    ),
    "no DICOM": (
        lambda told: told.reporter.protocol_error(InvalidPDU("no PDU"), "no PDU"),
        [(E, "Receiving Association failed: no PDU")],
        "E: 10.1.2.3 broke the DICOM upper layer protocol, PS3.8 (no PDU)",
        ConnectionRefused,
    ),
    "too many": (
        lambda told: told.reporter.rejected(BUSY),
        [(W, "Association Rejected: busy")],
        "W: 10.1.2.3 ",
        AssociationRejected,
    ),
    # The association
    "requested": (
        lambda told: told.requested(),
        [(I, "Association Received")],
        None,
        None,
    ),
    "rejected": (
        lambda told: reject(told),
        [],
        'I: "PEER" at 10.1.2.3 sends no Implementation Class UID',
        AssociationRejected,
    ),
    "accepted, but gone": (
        lambda told: told.reporter.undelivered_answer(answer(told.requested()), RESET),
        [(I, "Association Received"), (E, f"{UNSENT} sendAssociationACTCP")],
        None,
        None,
    ),
    "rejected, but gone": (
        lambda told: told.reporter.undelivered_answer(BUSY, RESET),
        [
            (W, "Association Rejected: busy"),
            (E, f"Association Reject Failed: {UNSENT} sendAssociationRJTCP"),
        ],
        "W: 10.1.2.3 ",
        AssociationRejected,
    ),
    "accepted": (
        lambda told: told.reporter.accepted(answer(told.requested()), 16372),
        [
            (I, "Association Received"),
            (I, "Association Acknowledged (Max Send PDV: 16372)"),
        ],
        None,
        AssociationAccepted,
    ),
    "released": (
        lambda told: told.established().reporter.released(),
        [(I, "Association Release")],
        None,
        AssociationReleased,
    ),
    "released amid an object": (
        lambda told: told.with_object().reporter.released(),
        [
            (E, "Store SCP Failed: 0006:0319 DUL Peer Requested Release"),
            (I, "Association Release"),
        ],
        None,
        AssociationReleased,
    ),
    "aborted by the peer": (
        lambda told: told.established().reporter.aborted(AAbort(0, 0)),
        [(I, "Association Aborted")],
        None,
        AssociationAborted,
    ),
    "aborted by the peer amid an object": (
        lambda told: told.with_object().reporter.aborted(AAbort(2, 1)),
        [(E, f"Store SCP Failed: {GONE}"), (I, "Association Aborted")],
        None,
        AssociationAborted,
    ),
    "aborted by an option": (
        lambda told: told.with_object().reporter.aborted(AbortCause.OPTION),
        [(I, "ABORT initiated (due to command line options)")],
        None,
        AssociationAborted,
    ),
    "aborted to stop": (
        lambda told: told.established().reporter.aborted(AbortCause.STOP),
        [(I, "Association Aborted (the program was asked to end)")],
        None,
        AssociationAborted,
    ),
    "lost": (
        lambda told: told.with_object().reporter.lost("reset"),
        [(E, f"Store SCP Failed: {GONE}"), (I, "Association Aborted")],
        None,
        AssociationAborted,
    ),
    "protocol broken": (
        lambda told: told.with_object().reporter.protocol_error(
            InvalidMessage("odd", condition=conditions.RECEIVE_FAILED), "0006:020d odd"
        ),
        [
            (E, "Store SCP Failed: 0006:020d odd"),
            (E, "DIMSE failure (aborting association): 0006:020d odd"),
        ],
        'E: "PEER" at 10.1.2.3 sent a message that DICOM does not allow (odd)',
        AssociationAborted,
    ),
    "stalled within a PDU": (
        lambda told: told.established().reporter.timed_out(TimeLimit.SOCKET, 60.0, CLOSED),
        [(E, f"DIMSE failure (aborting association): {CLOSED}")],
        'E: "PEER" at 10.1.2.3 stopped in the middle of an object or message, and did not continue within 60 s:',
        AssociationAborted,
    ),
    "stalled within an object": (
        lambda told: told.with_object().reporter.timed_out(TimeLimit.SOCKET, 60.0),
        [(E, f"Store SCP Failed: {GONE}"), (I, "Association Aborted")],
        'E: "PEER" at 10.1.2.3 stopped in the middle',
        AssociationAborted,
    ),
    "no data in time": (
        lambda told: told.with_object().reporter.timed_out(TimeLimit.DIMSE, 5.0),
        [
            (E, f"Store SCP Failed: {conditions.NO_DATA_AVAILABLE.line()}"),
            (E, f"DIMSE failure (aborting association): {conditions.NO_DATA_AVAILABLE.line()}"),
        ],
        'E: "PEER" at 10.1.2.3 stopped in the middle',
        AssociationAborted,
    ),
    "idle": (
        lambda told: told.established().reporter.timed_out(TimeLimit.IDLE, 60.0),
        [(I, "Association Aborted")],
        'I: "PEER" at 10.1.2.3 was idle for 60 s on an open association',
        AssociationAborted,
    ),
    # Messages and objects
    "a remarkable message": (
        lambda told: told.established().reporter.noted([dimse_warning("odd")]),
        [(W, "DIMSE Warning: (PEER,ANY-SCP): odd")],
        None,
        None,
    ),
    "echo": (
        lambda told: told.established().reporter.echo_requested(CEchoRQ(3, "1.2.840.10008.1.1")),
        [(I, "Received Echo Request (MsgID 3)")],
        None,
        None,
    ),
    "store": (
        lambda told: told.established().reporter.object_begun(STORE),
        [(I, "Received Store Request (MsgID 7, CT)")],
        None,
        None,
    ),
    "store that is not served": (
        lambda told: told.established().reporter.store_requested(STORE),
        [(I, "Received Store Request (MsgID 7, CT)")],
        None,
        None,
    ),
    "stored": (
        lambda told: finished(told, Outcome(0, STORED, size=10)),
        [],
        None,
        ObjectStored,
    ),
    "stored with a complaint": (
        lambda told: finished(told, Outcome(0xA900, STORED, attributes=Attributes(), size=10)),
        [],
        'I: The object 1.2.3 of "PEER" at 10.1.2.3 was stored, but answered with status A900',
        ObjectStored,
    ),
    "refused": (
        lambda told: finished(told, Outcome(0xA700, error=OutOfResources("disk full"))),
        [],
        'E: The object 1.2.3 of "PEER" at 10.1.2.3 was not stored: disk full.',
        ObjectRefused,
    ),
    "undelivered": (
        lambda told: told.established().reporter.undelivered(STORED, OSError("reset")),
        [
            (
                W,
                UNDELIVERED,
            )
        ],
        None,
        None,
    ),
}


def handshake_failure() -> HandshakeFailed:
    error = HandshakeFailed("000b:090b TLS error: x")
    error.add_note("in plain words")
    return error


def reject(told: Told) -> None:
    told.requested()
    told.forget().reporter.rejected(AAssociateRJ(1, 1, 1))


def finished(told: Told, outcome: Outcome) -> None:
    told.with_object().reporter.object_finished(STORE, LITTLE, outcome)
    told.reporter.object_answered()


@pytest.mark.parametrize(("say", "lines", "sentence", "event"), TABLE.values(), ids=TABLE)
def test_a_fact_is_told_once_to_everybody(
    say: Say,
    lines: Lines,
    sentence: str | None,
    event: type[Fact] | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """DCMTK's lines of the log, then the sentence `Why:` if there is one; and one event at most."""
    told = Told(caplog)

    say(told)

    said = told.lines()
    explained = [f"{level}: {text[5:]}" for level, text in said if text.startswith("Why: ")]
    assert [line for line in said if not line[1].startswith("Why: ")] == lines
    assert [each[: len(sentence or "")] for each in explained] == ([sentence] if sentence else [])
    assert [type(fact) for fact in told.facts] == ([event] if event else [])


@pytest.mark.parametrize("say", [row[0] for row in TABLE.values()], ids=TABLE)
def test_nothing_is_made_for_nobody(
    say: Say, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a hub, and without a log for machines, no event is made."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("an event was made")

    monkeypatch.setattr(event_emitter, "EventEmitter", refuse)

    say(Told(caplog, observed=False))


def test_contexts_that_were_refused_are_explained(caplog: pytest.LogCaptureFixture) -> None:
    """With a sentence for each reason, which are in the event, too."""
    asked = request(Context(1, "1.2.3.4", (LITTLE,)), *CONTEXTS[1:])
    told = Told(caplog)
    told.reporter.requested(asked)

    told.reporter.accepted(answer(asked), 16372)

    [fact] = told.facts
    assert isinstance(fact, AssociationAccepted)
    assert fact.why is not None
    assert "1.2.3.4" in fact.why
    assert told.lines()[-1] == (I, f"Why: {fact.why}")


def test_a_request_of_another_version_is_not_received(caplog: pytest.LogCaptureFixture) -> None:
    """The note of the rejection says what is wrong."""
    told = Told(caplog)

    told.reporter.requested(replace(request(), protocol_version=2))

    assert told.lines() == []


def test_a_child_names_itself(caplog: pytest.LogCaptureFixture) -> None:
    """As the reference's children do."""
    AssociationReporter("x", POLICY, child_pid=77).requested(request())

    assert caplog.messages == ["Association Received in child process (pid: 77)"]


@pytest.mark.parametrize("keeps_records", [True, False])
def test_those_who_keep_records_know_before_the_peer(
    keeps_records: bool,
) -> None:
    """Who only looks on is told after the response, while the peer prepares its next object."""
    hub = EventHub()
    lines: list[bytes] = []
    if keeps_records:
        hub.write_to(lines.append)
    hub.observe(lambda _: lines.append(b"observed"))
    reporter = AssociationReporter("10.1.2.3", POLICY, hub=hub)
    reporter.object_begun(STORE)

    reporter.object_finished(STORE, LITTLE, Outcome(0, STORED, size=10))
    before = len(lines)
    reporter.object_answered()

    assert before == (2 if keeps_records else 0)
    assert len(lines) == (2 if keeps_records else 1)


def test_dots_are_shown_at_level_info_only(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither more nor less is what the reference looks for."""
    for level in (logging.INFO, logging.DEBUG, logging.WARNING):
        caplog.set_level(level, association_reporter._progress_logger.name)
        reporter = AssociationReporter("x", POLICY)
        reporter.object_begun(STORE)
        if reporter.shows_progress:
            reporter.fragment_received()
            reporter.data_set_received()

    assert capsys.readouterr().out == "RECV: .\n"


def test_the_end_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """The first word about it counts for events."""
    told = Told(caplog).established()

    told.reporter.aborted(AbortCause.OPTION)
    told.reporter.lost("reset")

    assert [type(fact) for fact in told.facts] == [AssociationAborted]
