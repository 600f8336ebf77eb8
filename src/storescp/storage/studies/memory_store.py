"""Remembers studies and commands as long as the process lives."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Generic, TypeVar

from storescp.storage.studies.due_queue import DueQueue
from storescp.storage.studies.study_store import (
    PATIENCE_SECONDS,
    Job,
    JobState,
    Round,
    RoundState,
    StoredFile,
    is_first_attempt,
)
from storescp.storage.studies.user_commands import PeerIdentity

_Group = TypeVar("_Group")
_Member = TypeVar("_Member")

_ABSENT = object()


class _Groups(Generic[_Group, _Member]):
    """Members of groups, in the order in which they came."""

    __slots__ = ("_groups",)

    def __init__(self) -> None:
        self._groups: dict[_Group, dict[_Member, None]] = {}

    def add(self, group: _Group, member: _Member) -> None:
        self._groups.setdefault(group, {})[member] = None

    def discard(self, group: _Group, member: _Member) -> None:
        members = self._groups.get(group)
        if members is not None and member in members:
            del members[member]
            if not members:
                del self._groups[group]

    def of(self, group: _Group) -> dict[_Member, None]:
        return self._groups.get(group, {})


class MemoryStore:
    """A `StudyStore` of one process. What a transaction changed is undone if it fails, but for the order of what it removed.

    All there is to know is in five tables. What finds it fast is derived from them, with each change of a row.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._time = 0.0
        self._last_key = 0
        self._last_place = 0
        self._rounds: dict[int, Round] = {}
        self._files: dict[int, dict[str, StoredFile]] = {}
        self._holds: dict[tuple[int, str], str] = {}  # owner by round and association
        self._jobs: dict[str, Job] = {}
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []
        # Derived:
        self._rounds_of_study: _Groups[str, int] = _Groups()
        self._in_state = {state: DueQueue[int]() for state in RoundState}
        self._holds_of_round: _Groups[int, tuple[int, str]] = _Groups()
        self._holds_of_association: _Groups[str, tuple[int, str]] = _Groups()
        self._holds_of_owner: _Groups[str, tuple[int, str]] = _Groups()
        self._waiting: DueQueue[str] = DueQueue()
        self._by_place: dict[JobState, DueQueue[str]] = {
            state: DueQueue() for state in (JobState.RUNNING, JobState.FAILED)
        }
        self._jobs_of_round: _Groups[int, str] = _Groups()
        self._first_attempts: _Groups[int, str] = _Groups()
        self._derive: dict[int, Callable[[Any, Any, Any], None]] = {
            id(self._rounds): self._derive_from_round,
            id(self._holds): self._derive_from_hold,
            id(self._jobs): self._derive_from_job,
        }

    @contextmanager
    def transaction(self, patience: float = PATIENCE_SECONDS) -> Iterator[None]:  # noqa: ARG002
        """Begin a transaction."""
        time, last_key, last_place = self._time, self._last_key, self._last_place
        try:
            yield
        except BaseException:
            self._time, self._last_key, self._last_place = time, last_key, last_place
            for table, key, value in reversed(self._undo):
                self._put(table, key, value)
            raise
        finally:
            self._undo.clear()

    def close(self) -> None:
        """Do nothing."""

    # -- rows

    def _set(self, table: dict[Any, Any], key: object, value: object) -> None:
        self._undo.append((table, key, table.get(key, _ABSENT)))
        self._put(table, key, value)

    def _remove(self, table: dict[Any, Any], key: object) -> None:
        if key in table:
            self._set(table, key, _ABSENT)

    def _put(self, table: dict[Any, Any], key: object, value: object) -> None:
        old = table.get(key)
        if value is _ABSENT:
            table.pop(key, None)
        else:
            table[key] = value
        if (derive := self._derive.get(id(table))) is not None:
            derive(key, old, table.get(key))

    def _derive_from_round(self, key: int, old: Round | None, new: Round | None) -> None:
        if old is not None and (new is None or new.state is not old.state):
            self._in_state[old.state].drop(key)
        elif old is not None and new is not None and new.state is RoundState.OPEN:
            if new.next_check != old.next_check:
                self._in_state[new.state].put(key, new.next_check, key)
            return  # as for each object
        if new is None:
            if old is not None:
                self._rounds_of_study.discard(old.study, key)
            return
        if old is None:
            self._rounds_of_study.add(new.study, key)
        when = new.next_check if new.state is RoundState.OPEN else new.last_object
        self._in_state[new.state].put(key, when, key)

    def _derive_from_hold(self, key: tuple[int, str], old: str | None, new: str | None) -> None:
        round_key, association = key
        if old is not None:
            self._holds_of_owner.discard(old, key)
        if new is None:
            self._holds_of_association.discard(association, key)
            self._holds_of_round.discard(round_key, key)
        else:
            self._holds_of_association.add(association, key)
            self._holds_of_round.add(round_key, key)
            self._holds_of_owner.add(new, key)

    def _derive_from_job(self, key: str, old: Job | None, new: Job | None) -> None:
        for state, queue in self._by_place.items():
            if new is not None and new.state is state:
                queue.put(key, new.place, new.place)
            else:
                queue.drop(key)
        if new is not None and new.state is JobState.WAITING:
            self._waiting.put(key, new.due, new.place)
        else:
            self._waiting.drop(key)
        if old is not None and old.round_key is not None:
            self._first_attempts.discard(old.round_key, key)
            if new is None:
                self._jobs_of_round.discard(old.round_key, key)
        if new is not None and new.round_key is not None:
            self._jobs_of_round.add(new.round_key, key)
            if is_first_attempt(new):
                self._first_attempts.add(new.round_key, key)

    # -- time

    def time(self) -> float:
        return self._time

    def save_time(self, now: float) -> None:
        self._time = max(self._time, now)

    # -- rounds

    def find_round(self, study: str) -> Round | None:
        key = max(self._rounds_of_study.of(study), default=None)
        return None if key is None else self._rounds[key]

    def get_round(self, key: int) -> Round | None:
        return self._rounds.get(key)

    def add_round(self, new: Round) -> Round:
        self._last_key += 1
        added = new._replace(key=self._last_key)
        self._set(self._rounds, added.key, added)
        return added

    def save_round(self, changed: Round) -> None:
        self._set(self._rounds, changed.key, changed)

    def remove_round(self, key: int) -> None:
        self._remove(self._rounds, key)
        self._remove(self._files, key)
        self.drop_holds_on(key)

    def open_rounds(self, most: int = -1) -> list[Round]:
        return self.rounds_to_check(math.inf, most)

    def rounds_to_check(self, now: float, most: int = -1) -> list[Round]:
        return [self._rounds[key] for key in self._in_state[RoundState.OPEN].first(now, most)]

    def check_round(self, key: int, when: float) -> None:
        self._set(self._rounds, key, self._rounds[key]._replace(next_check=when))

    def hasten_check(self, key: int, seconds: float) -> None:
        round_ = self._rounds.get(key)
        if round_ is not None and round_.state is RoundState.OPEN:
            self.check_round(key, min(round_.next_check, round_.last_object + seconds))

    def check_all_rounds(self) -> None:
        for open_round in self.open_rounds():
            self.check_round(open_round.key, 0.0)

    def next_check(self) -> float | None:
        return self._in_state[RoundState.OPEN].next_due()

    def ending_rounds(self, most: int = -1) -> list[Round]:
        ending = self._in_state[RoundState.ENDING].first(math.inf, most)
        return [self._rounds[key] for key in ending]

    def count_unfinished(self) -> int:
        return len(self._in_state[RoundState.OPEN]) + len(self._in_state[RoundState.ENDING])

    def has_unfinished(self) -> bool:
        unfinished = (RoundState.OPEN, RoundState.ENDING)
        return any(self._in_state[state].next_due() is not None for state in unfinished)

    def forget_complete(self, before: float, most: int = -1) -> None:
        complete = self._in_state[RoundState.COMPLETE]
        for key in complete.first(math.nextafter(before, -math.inf), most):
            self.remove_round(key)

    # -- files

    def _files_of(self, key: int) -> dict[str, StoredFile]:
        if key not in self._files:
            self._set(self._files, key, {})
        return self._files[key]

    def add_file(self, round_key: int, file: StoredFile, now: float, peer: PeerIdentity) -> bool:
        round_ = self._rounds.get(round_key)
        if round_ is None or round_.state is not RoundState.OPEN:
            return False
        table = self._files_of(round_key)
        new = file.name not in table
        if new:
            self._set(table, file.name, file)
        changed = round_._replace(
            last_object=now,
            objects=round_.objects + new,
            calling_ae_title=peer.calling_ae_title,
            called_ae_title=peer.called_ae_title,
            calling_address=peer.calling_address,
        )
        self._set(self._rounds, round_key, changed)
        self.save_time(now)
        return True

    def files(self, round_key: int) -> list[StoredFile]:
        return list(self._files.get(round_key, {}).values())

    def final_name(self, round_key: int, name: str) -> str:
        file = self._files.get(round_key, {}).get(name)
        return "" if file is None else file.final

    def name_file(self, round_key: int, name: str, final: str) -> None:
        table = self._files_of(round_key)
        self._set(table, name, table[name]._replace(final=final))

    def drop_files(self, round_key: int, most: int = -1) -> int:
        table = self._files.get(round_key, {})
        names = list(islice(table, None if most < 0 else most))
        for name in names:
            self._remove(table, name)
        if not table:
            self._remove(self._files, round_key)
        return len(names)

    # -- holds

    def hold(self, round_key: int, association: str, owner: str) -> None:
        self._set(self._holds, (round_key, association), owner)

    def is_held(self, round_key: int) -> bool:
        return bool(self._holds_of_round.of(round_key))

    def drop_holds(
        self, *, association: str | None = None, owner: str | None = None, most: int = -1
    ) -> list[int]:
        holds: dict[tuple[int, str], Any] = self._holds
        if association is not None:
            holds = self._holds_of_association.of(association)
        elif owner is not None:
            holds = self._holds_of_owner.of(owner)
        dropped = list(islice(holds, None if most < 0 else most))
        for key in dropped:
            self._remove(self._holds, key)
        return [round_key for round_key, _ in dropped]

    def drop_holds_on(self, round_key: int) -> None:
        for key in list(self._holds_of_round.of(round_key)):
            self._remove(self._holds, key)

    # -- jobs

    def add_job(self, new: Job) -> Job:
        self._last_place += 1
        added = new._replace(place=self._last_place)
        self._set(self._jobs, added.key, added)
        return added

    def find_job(self, key: str) -> Job | None:
        return self._jobs.get(key)

    def save_job(self, changed: Job) -> None:
        if (old := self._jobs.get(changed.key)) is not None:
            self._set(self._jobs, changed.key, changed._replace(place=old.place))

    def remove_job(self, key: str) -> None:
        self._remove(self._jobs, key)

    def jobs(self, state: JobState, *, after: int = 0, most: int = -1) -> list[Job]:
        if state is JobState.WAITING:
            keys = self._waiting.first(math.inf)
        else:
            keys = self._by_place[state].first(math.inf)
        return self._in_order(keys, after, most)

    def due_jobs(self, now: float, most: int = -1) -> list[Job]:
        return [self._jobs[key] for key in self._waiting.first(now, most)]

    def count_waiting(self) -> int:
        return len(self._waiting)

    def next_due(self) -> float | None:
        return self._waiting.next_due()

    def jobs_of(self, round_key: int, *, after: int = 0, most: int = -1) -> list[Job]:
        return self._in_order(list(self._jobs_of_round.of(round_key)), after, most)

    def _in_order(self, keys: list[str], after: int, most: int) -> list[Job]:
        jobs = (self._jobs[key] for key in keys)
        behind = sorted((job for job in jobs if job.place > after), key=lambda job: job.place)
        return behind if most < 0 else behind[:most]

    def has_first_attempts(self, round_key: int) -> bool:
        return bool(self._first_attempts.of(round_key))

    def retry_failed(self) -> int:
        failed = self.jobs(JobState.FAILED)
        for job in failed:
            self.save_job(job._replace(state=JobState.WAITING, attempts=0, due=0.0))
        return len(failed)
