"""Remembers studies and commands as long as the process lives."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from storescp.storage.hooks import Peer
from storescp.storage.study_store import Job, JobState, Round, RoundState, StoredFile

_ABSENT = object()


class MemoryStore:
    """A `StudyStore` of one process. What a transaction changed is undone if it fails, but for the order of what it removed."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._time = 0.0
        self._last_key = 0
        self._rounds: dict[int, Round] = {}
        self._latest: dict[str, int] = {}  # round by study
        self._unfinished: dict[int, None] = {}
        self._files: dict[int, dict[str, StoredFile]] = {}
        self._holds: dict[int, dict[str, str]] = {}  # owner by round and association
        self._jobs: dict[str, Job] = {}
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Begin a transaction."""
        time, last_key = self._time, self._last_key
        try:
            yield
        except BaseException:
            self._time, self._last_key = time, last_key
            for table, key, value in reversed(self._undo):
                if value is _ABSENT:
                    table.pop(key, None)
                else:
                    table[key] = value
            raise
        finally:
            self._undo.clear()

    def close(self) -> None:
        """Do nothing."""

    def _set(self, table: dict[Any, Any], key: object, value: object) -> None:
        self._undo.append((table, key, table.get(key, _ABSENT)))
        table[key] = value

    def _remove(self, table: dict[Any, Any], key: object) -> None:
        if key in table:
            self._undo.append((table, key, table.pop(key)))

    # -- time

    def time(self) -> float:
        return self._time

    def save_time(self, now: float) -> None:
        self._time = max(self._time, now)

    # -- rounds

    def find_round(self, study: str) -> Round | None:
        key = self._latest.get(study)
        return None if key is None else self._rounds[key]

    def add_round(self, new: Round) -> Round:
        self._last_key += 1
        added = new._replace(key=self._last_key)
        self._set(self._latest, added.study, added.key)
        self.save_round(added)
        return added

    def save_round(self, changed: Round) -> None:
        self._set(self._rounds, changed.key, changed)
        if changed.state is RoundState.COMPLETE:
            self._remove(self._unfinished, changed.key)
        else:
            self._set(self._unfinished, changed.key, None)

    def remove_round(self, key: int) -> None:
        removed = self._rounds[key]
        for table in (self._rounds, self._unfinished, self._files, self._holds):
            self._remove(table, key)
        others = [other.key for other in self._rounds.values() if other.study == removed.study]
        if others:
            self._set(self._latest, removed.study, max(others))
        else:
            self._remove(self._latest, removed.study)

    def open_rounds(self, before: float | None = None) -> list[Round]:
        found = self._unfinished_in(RoundState.OPEN)
        return [one for one in found if before is None or one.last_object <= before]

    def ending_rounds(self) -> list[Round]:
        return self._unfinished_in(RoundState.ENDING)

    def _unfinished_in(self, state: RoundState) -> list[Round]:
        found = (self._rounds[key] for key in self._unfinished)
        chosen = [one for one in found if one.state is state]
        return sorted(chosen, key=lambda one: (one.last_object, one.key))

    def has_unfinished(self) -> bool:
        return bool(self._unfinished)

    def forget_complete(self, before: float) -> None:
        for one in list(self._rounds.values()):
            if one.state is RoundState.COMPLETE and one.last_object < before:
                self.remove_round(one.key)

    # -- files

    def _table_of(self, tables: dict[int, Any], key: int) -> dict[Any, Any]:
        table: dict[Any, Any] | None = tables.get(key)
        if table is None:
            table = {}
            self._set(tables, key, table)
        return table

    def add_file(self, round_key: int, file: StoredFile, now: float, peer: Peer) -> bool:
        one = self._rounds.get(round_key)
        if one is None or one.state is not RoundState.OPEN:
            return False
        table = self._table_of(self._files, round_key)
        new = file.name not in table
        if new:
            self._set(table, file.name, file)
        changed = one._replace(
            last_object=now,
            objects=one.objects + new,
            calling_ae_title=peer.calling_ae_title,
            called_ae_title=peer.called_ae_title,
            calling_address=peer.calling_address,
        )
        self._set(self._rounds, round_key, changed)
        self.save_time(now)
        return True

    def files(self, round_key: int) -> list[StoredFile]:
        return list(self._files.get(round_key, {}).values())

    def name_file(self, round_key: int, name: str, final: str) -> None:
        table = self._table_of(self._files, round_key)
        self._set(table, name, table[name]._replace(final=final))

    def empty_round(self, round_key: int) -> None:
        self._remove(self._files, round_key)
        self._remove(self._holds, round_key)

    # -- holds

    def hold(self, round_key: int, association: str, owner: str) -> None:
        self._set(self._table_of(self._holds, round_key), association, owner)

    def is_held(self, round_key: int) -> bool:
        return bool(self._holds.get(round_key))

    def drop_holds(self, *, association: str | None = None, owner: str | None = None) -> None:
        for table in self._holds.values():
            for held_by, served_by in list(table.items()):
                if (association is None or held_by == association) and (
                    owner is None or served_by == owner
                ):
                    self._remove(table, held_by)

    # -- jobs

    def add_job(self, new: Job) -> None:
        self._set(self._jobs, new.key, new)

    def save_job(self, changed: Job) -> None:
        self._set(self._jobs, changed.key, changed)

    def remove_job(self, key: str) -> None:
        self._remove(self._jobs, key)

    def jobs(self, state: JobState, *, due: float | None = None, most: int = -1) -> list[Job]:
        found = (
            job
            for job in self._jobs.values()
            if job.state is state and (due is None or job.due <= due)
        )
        return list(found if most < 0 else islice(found, most))

    def next_due(self) -> float | None:
        return min(
            (job.due for job in self._jobs.values() if job.state is JobState.WAITING), default=None
        )

    def jobs_of(self, round_key: int) -> list[Job]:
        return [job for job in self._jobs.values() if job.round_key == round_key]
