"""The state of the receiver, gathered from its events.

Pure: the time is that of the events, or passed in. Memory is bounded whatever peers do: of each kind so many are kept,
the oldest go, and calling AE titles beyond a limit are counted together. Texts are made printable as they come in, so
that no view has to think of it; which of them may be shown is decided by `report`.
"""

import re
from bisect import bisect_left
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from storescp.events import (
    AssociationAborted,
    AssociationAccepted,
    AssociationRejected,
    AssociationReleased,
    CommandEnded,
    CommandFailed,
    CommandStarted,
    ConnectionRefused,
    Event,
    EventsDropped,
    Listening,
    ObjectRefused,
    ObjectStored,
    Party,
    Stopping,
    StudyComplete,
)
from storescp.monitor.throughput import Rate, Throughput
from storescp.printable import printable

OTHER = "other"
"""Under which calling AE titles beyond the limit are counted."""

DURATIONS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
)
"""Upper bounds of the classes in which the times that objects took are counted, in seconds."""

_VARYING = re.compile(r'"[^"]*"|[0-9]+(?:[.:,][0-9]+)*')
"""Parts of a text that name an object, a file or a moment: without them, texts about one problem are equal."""

_MAXIMUM_TEXT_CHARACTERS = 300
_MAXIMUM_REASON_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Maximum number of each that is kept."""

    associations: int = 500
    studies: int = 200
    problems: int = 100
    examples: int = 3
    """Maximum number of examples of each problem."""
    calling_ae_titles: int = 100
    commands: int = 1000
    openings_of_a_study: int = 50
    """Associations that are remembered to have brought objects of one study."""


@dataclass(slots=True)
class OpenAssociation:
    """An association that is open."""

    identifier: str
    peer: str
    calling_ae_title: str
    called_ae_title: str
    pid: int
    tls: bool
    since: float
    rate: Rate
    last: float
    """Time at which it last brought something."""
    objects: int = 0
    bytes: int = 0
    refused: int = 0
    study: "MonitoredStudy | None" = None
    """Study of the object that is being received."""


@dataclass(slots=True)
class CommandCounts:
    """Counts of user commands."""

    running: int = 0
    ended: int = 0
    failed: int = 0
    """Commands that will not be started again."""
    repeated: int = 0
    """Failed attempts after which they are started again."""
    failing: bool = False
    """True if the last that ended has failed."""


@dataclass(slots=True)
class MonitoredStudy:
    """A study of which objects were received."""

    number: int
    """Counted from the start of the program."""
    uid: str
    patient: str
    calling_ae_title: str
    first: float
    last: float
    """Times at which the first and the last object were received."""
    objects: int = 0
    bytes: int = 0
    round: int = 1
    """Grows when objects come after the study was complete."""
    completed: float | None = None
    """Time at which its end was announced; None: it is open."""
    cause: str = ""
    modalities: Counter[str] = field(default_factory=Counter)
    """Objects by modality."""
    directory: str = ""
    brought_by: set[str] = field(default_factory=set)
    """Open associations that brought objects of it."""
    commands: CommandCounts = field(default_factory=CommandCounts)


class Example(NamedTuple):
    """One of the times when a problem occurred."""

    time: float
    why: str


@dataclass(slots=True)
class Problem:
    """Something that was refused or failed; the same thing that happens to the same peer again counts up."""

    kind: str
    """Name of the event."""
    peer: str
    calling_ae_title: str
    called_ae_title: str
    detail: str
    """Status, cause, who aborted, how many presentation contexts were accepted."""
    reason: str
    """Reason without identifiers of patients, if it is known."""
    first: float
    last: float
    count: int = 0
    examples: deque[Example] = field(default_factory=deque)
    """Texts of the last occurrences, where they differ; the newest is the last."""

    @property
    def why(self) -> str:
        """Text of the last occurrence."""
        return self.examples[-1].why


class ProblemKey(NamedTuple):
    """Key of a problem: the kind of event, and the peer."""

    kind: str
    peer: str
    calling_ae_title: str
    called_ae_title: str
    detail: str
    pattern: str
    """The reason, without what is different each time."""


@dataclass(slots=True)
class Totals:
    """Counts since the start, for one calling AE title."""

    associations: int = 0
    objects: int = 0
    bytes: int = 0
    refused: int = 0
    aborted: int = 0
    last: float = 0.0


class Model:
    """Everything that views show, kept up to date by `observe`."""

    def __init__(self, now: float, limits: Limits = Limits()) -> None:
        """Begin when the program begins."""
        self.limits = limits
        self.started = now
        self.listening: Listening | None = None
        self.stopping = False
        self.restarted: float | None = None
        """Start of this model in place of one whose process was killed, in seconds since 1970: earlier counts are lost."""
        self.associations: dict[str, OpenAssociation] = {}
        self.studies: OrderedDict[str, MonitoredStudy] = OrderedDict()
        """Studies by Study Instance UID; the study with the newest object is the last."""
        self.problems: OrderedDict[ProblemKey, Problem] = OrderedDict()
        """Problems by kind and peer; the newest is the last."""
        self.throughput = Throughput()
        self.by_calling_ae_title: dict[str, Totals] = {}
        self.refused_by_status: Counter[str] = Counter()
        self.rejected: Counter[tuple[int, int, int]] = Counter()
        """Associations by result, source and reason of the A-ASSOCIATE-RJ."""
        self.aborted: Counter[str] = Counter()
        """Associations by who ended them."""
        self.connections_refused: Counter[str] = Counter()
        self.studies_completed: Counter[str] = Counter()
        """Rounds of studies by what ended them."""
        self.commands: dict[str, CommandCounts] = {}
        """Commands by kind."""
        self.durations = [0] * (len(DURATIONS) + 1)
        self.total_duration = 0.0
        self.events_dropped = 0
        self._studies_seen = 0
        self._running: dict[tuple[int, int], list[CommandCounts]] = {}
        self._take: dict[type, Callable[[Event, Any], None]] = {
            Listening: self._listening,
            Stopping: self._stopping,
            ConnectionRefused: self._connection_refused,
            AssociationAccepted: self._accepted,
            AssociationRejected: self._rejected,
            AssociationReleased: self._released,
            AssociationAborted: self._aborted,
            ObjectStored: self._stored,
            ObjectRefused: self._object_refused,
            StudyComplete: self._study_complete,
            CommandStarted: self._command_started,
            CommandEnded: self._command_ended,
            CommandFailed: self._command_failed,
            EventsDropped: self._dropped,
        }

    def observe(self, event: Event) -> None:
        """Take note of what has happened. Kinds that are not known here are passed over."""
        take = self._take.get(type(event.fact))
        if take is not None:
            take(event, event.fact)

    def rate(self, now: float) -> float:
        """Return the bytes a second that come at the moment."""
        return sum(association.rate.at(now) for association in self.associations.values())

    def processes(self) -> set[int]:
        """Return the processes that serve the open associations."""
        return {association.pid for association in self.associations.values()}

    def forget_processes(self, gone: Collection[int]) -> None:
        """Close the associations of processes that ended without a word."""
        for association in list(self.associations.values()):
            if association.pid in gone:
                self._close(association.identifier)

    # -- the program -------------------------------------------------------------------------------------------------

    def _listening(self, event: Event, fact: Listening) -> None:
        self.listening = fact
        self.started = event.time
        self.stopping = False

    def _stopping(self, _event: Event, _fact: Stopping) -> None:
        self.stopping = True

    def _dropped(self, _event: Event, fact: EventsDropped) -> None:
        self.events_dropped += fact.dropped

    # -- associations ------------------------------------------------------------------------------------------------

    def _accepted(self, event: Event, fact: AssociationAccepted) -> None:
        if event.party is None:
            return
        self._open(event, event.party, tls=fact.tls)
        totals = self._totals(event.party)
        totals.associations += 1
        totals.last = event.time
        if fact.why:
            accepted = f"{fact.contexts_accepted} of {fact.contexts_proposed}"
            self._problem(event, accepted, fact.why)

    def _open(self, event: Event, party: Party, *, tls: bool) -> OpenAssociation:
        # A process serves one at a time: the end of the one before was lost.
        self.forget_processes({event.pid})
        if len(self.associations) >= self.limits.associations:
            self._close(next(iter(self.associations)))
        opened = self.associations[party.association] = OpenAssociation(
            party.association,
            _text(party.peer),
            _text(party.calling_ae_title),
            _text(party.called_ae_title),
            event.pid,
            tls,
            event.time,
            Rate(event.time),
            event.time,
        )
        return opened

    def _close(self, identifier: str) -> None:
        association = self.associations.pop(identifier, None)
        if association is not None:
            for study in self.studies.values():
                study.brought_by.discard(identifier)

    def _released(self, event: Event, _fact: AssociationReleased) -> None:
        if event.party is not None:
            self._close(event.party.association)

    def _aborted(self, event: Event, fact: AssociationAborted) -> None:
        self.aborted[_text(fact.by)] += 1
        if event.party is not None:
            totals = self._totals(event.party)
            totals.aborted += 1
            totals.last = event.time
            self._close(event.party.association)
        self._problem(event, fact.by, fact.why)

    def _rejected(self, event: Event, fact: AssociationRejected) -> None:
        self.rejected[fact.result, fact.source, fact.reason] += 1
        self._problem(event, "", fact.why)

    def _connection_refused(self, event: Event, fact: ConnectionRefused) -> None:
        self.connections_refused[_text(fact.cause)] += 1
        self._problem(event, fact.cause, fact.why)

    # -- objects and studies -----------------------------------------------------------------------------------------

    def _stored(self, event: Event, fact: ObjectStored) -> None:
        now, size = event.time, fact.bytes or 0
        self.throughput.add(size, now)
        self.durations[bisect_left(DURATIONS, fact.duration)] += 1
        self.total_duration += fact.duration
        if fact.why:
            self._problem(event, fact.status, fact.why, fact.reason)
        if event.party is None:
            return
        totals = self._totals(event.party)
        totals.objects += 1
        totals.bytes += size
        totals.last = now
        association = self.associations.get(event.party.association)
        if association is None:  # events were lost
            association = self._open(event, event.party, tls=False)
        association.objects += 1
        association.bytes += size
        association.last = now
        association.rate.add(size, now)
        association.study = study = self._study(fact, association, now)
        if study is not None:
            study.objects += 1
            study.bytes += size
            study.last = now
            study.modalities[fact.modality or "OT"] += 1

    def _study(
        self, fact: ObjectStored, association: OpenAssociation, now: float
    ) -> MonitoredStudy | None:
        """Return the study of an object, a new one if need be; it is the newest now."""
        if not fact.study_instance_uid:
            return None
        uid = _text(fact.study_instance_uid)
        study = self.studies.get(uid)
        if study is None:
            if len(self.studies) >= self.limits.studies:
                self._forget_study()
            self._studies_seen += 1
            study = self.studies[uid] = MonitoredStudy(
                self._studies_seen,
                uid,
                _text(fact.patient_name),
                association.calling_ae_title,
                now,
                now,
                directory=_text(fact.file).rpartition("/")[0],
            )
        elif association.study is not study:
            self.studies.move_to_end(uid)
        if study.completed is not None:
            study.completed = None
            study.round += 1
        if fact.round is not None:
            study.round = fact.round
        if len(study.brought_by) < self.limits.openings_of_a_study:
            study.brought_by.add(association.identifier)
        return study

    def _forget_study(self) -> None:
        """Make room: the oldest that is complete goes, or the oldest."""
        oldest = next(
            (uid for uid, study in self.studies.items() if study.completed is not None),
            next(iter(self.studies)),
        )
        forgotten = self.studies.pop(oldest)
        for association in self.associations.values():
            if association.study is forgotten:
                association.study = None

    def _object_refused(self, event: Event, fact: ObjectRefused) -> None:
        self.refused_by_status[_text(fact.status)] += 1
        if event.party is not None:
            totals = self._totals(event.party)
            totals.refused += 1
            totals.last = event.time
            association = self.associations.get(event.party.association)
            if association is not None:
                association.refused += 1
                association.last = event.time
        self._problem(event, fact.status, fact.why, fact.reason)

    def _study_complete(self, event: Event, fact: StudyComplete) -> None:
        self.studies_completed[_text(fact.cause)] += 1
        study = self.studies.get(_text(fact.study_instance_uid))
        if study is not None:
            study.completed = event.time
            study.cause = _text(fact.cause)
            study.directory = _text(fact.directory)
            study.round = fact.round or study.round

    # -- commands ----------------------------------------------------------------------------------------------------

    def _command_started(self, event: Event, fact: CommandStarted) -> None:
        study = self._study_of(fact.study_instance_uid)
        if len(self._running) >= self.limits.commands:  # its end was lost
            for commands in self._running.pop(next(iter(self._running))):
                commands.running -= 1
        counts = self._counts(fact.kind, study)
        self._running[event.pid, fact.command_pid] = counts
        for commands in counts:
            commands.running += 1

    def _command_ended(self, event: Event, fact: CommandEnded) -> None:
        for commands in self._ended(event, fact):
            commands.ended += 1
            commands.failing = False

    def _command_failed(self, event: Event, fact: CommandFailed) -> None:
        for commands in self._ended(event, fact):
            commands.failing = True
            if fact.next_attempt_in is None:
                commands.failed += 1
            else:
                commands.repeated += 1
        self._problem(event, fact.kind, fact.why)

    def _ended(self, event: Event, fact: CommandEnded | CommandFailed) -> list[CommandCounts]:
        """Return where its end is counted; it runs no more."""
        counts = self._counts(fact.kind, self._study_of(fact.study_instance_uid))
        if fact.command_pid is None or (event.pid, fact.command_pid) not in self._running:
            return counts  # it could not start, or its start was lost
        counts = self._running.pop((event.pid, fact.command_pid))
        for commands in counts:
            commands.running -= 1
        return counts

    def _counts(self, kind: str, study: MonitoredStudy | None) -> list[CommandCounts]:
        of_kind = self.commands.setdefault(_text(kind), CommandCounts())
        return [of_kind] if study is None else [of_kind, study.commands]

    def _study_of(self, uid: str | None) -> MonitoredStudy | None:
        """Return the study that a command is about."""
        return self.studies.get(_text(uid)) if uid else None

    # -- what all of them need ---------------------------------------------------------------------------------------

    def _totals(self, party: Party) -> Totals:
        title = _text(party.calling_ae_title)
        totals = self.by_calling_ae_title.get(title)
        if totals is None:
            if len(self.by_calling_ae_title) >= self.limits.calling_ae_titles:
                title = OTHER
            totals = self.by_calling_ae_title.setdefault(title, Totals())
        return totals

    def _problem(self, event: Event, detail: str, why: str, reason: str | None = None) -> None:
        """Note what was refused or failed. If it is known, it moves to the end."""
        party = event.party or Party("", "", "", "")
        key = ProblemKey(
            event.name,
            _text(party.peer),
            _text(party.calling_ae_title),
            _text(party.called_ae_title),
            _text(detail),
            _pattern(_text(reason or why, _MAXIMUM_REASON_CHARACTERS)),
        )
        problem = self.problems.get(key)
        if problem is None:
            if len(self.problems) >= self.limits.problems:
                self._forget_problem()
            problem = self.problems[key] = Problem(
                *key[:-1], _text(reason, _MAXIMUM_REASON_CHARACTERS), event.time, event.time
            )
        self.problems.move_to_end(key)
        problem.count += 1
        problem.last = event.time
        example = Example(event.time, _text(why, _MAXIMUM_REASON_CHARACTERS))
        if problem.examples and problem.why == example.why:
            problem.examples.pop()
        problem.examples.append(example)
        if len(problem.examples) > self.limits.examples:
            problem.examples.popleft()

    def _forget_problem(self) -> None:
        """Make room: of the peer that has most problems, the oldest goes, so that nobody pushes out those of others."""
        peers = Counter(key.peer for key in self.problems)
        most = max(peers.values())
        del self.problems[next(key for key in self.problems if peers[key.peer] == most)]


def _pattern(why: str) -> str:
    """Return what several reasons have in common that differ in numbers, UIDs, and names in quotes."""
    return _VARYING.sub("*", why)


def _text(text: str | None, longest: int = _MAXIMUM_TEXT_CHARACTERS) -> str:
    """Return a text as it may be shown."""
    if not text:
        return ""
    return printable(text if len(text) <= longest else text[: longest - 1] + "…")
