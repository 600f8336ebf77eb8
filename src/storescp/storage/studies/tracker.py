"""Studies that are received side by side, when each of them ends, and which commands are due. Pure but for its store.

    open ──enter, stored…──→ open ──due──→ ending ──files renamed, announced──→ complete, its command is a job

Each study ends for itself: when no object of it has come for a while, and no association that brought objects of it
is still open; a limit keeps a forgotten association from holding it for ever. What comes later opens another round.
Associations and commands have no other influence: echoes and connections are not known here.

Time is an argument: seconds in which the receiver was running. A clock on the wall may step, and while the receiver is
down nobody can send, so that the time without objects says nothing about a study; see `uptime`. What is to survive is
in the store, and each method is one transaction: a process may be killed between any two of them, and another one goes
on, which calls `recover` first.
"""

import secrets
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from storescp.storage.studies.jobs import Retries
from storescp.storage.studies.study_store import (
    PATIENCE_SECONDS,
    Job,
    JobState,
    Round,
    RoundState,
    StoredFile,
    StudyStore,
)
from storescp.storage.studies.user_commands import PeerIdentity

_BATCH = 500
"""Rows that one transaction changes at most, where there may be many: others wait for their turn meanwhile."""


_RENAMING_SECONDS = 1.0
"""Time after which a command is looked at again whose file is getting its final name."""


@dataclass(frozen=True, slots=True)
class EndOfStudy:
    """Time limits of studies, in seconds after the last object."""

    timeout: float = 60.0
    longest_hold: float = 3600.0
    """It then ends even if an association that brought objects of it is still open."""
    remembered: float = 90 * 86400.0
    """Time for which a study is remembered; one that comes later begins with round 1 again."""


class Sender(NamedTuple):
    """Sender of objects: peer, association, and the process that serves it."""

    association: str
    owner: str
    peer: PeerIdentity = PeerIdentity("", "", "")


class Unfinished(NamedTuple):
    """Work that an earlier receiver has left."""

    studies: int
    commands: int


class Tracker:
    """Follows studies and commands; several processes may have one each on the same store."""

    def __init__(
        self,
        store: StudyStore,
        end_of_study: EndOfStudy,
        retries: Retries,
        make_token: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        """Follow what the store holds.

        Args:
            store: where everything is remembered.
            end_of_study: when studies end.
            retries: when failed commands are tried again.
            make_token: makes a unique identifier.
        """
        self._store = store
        self._rule = end_of_study
        self._retries = retries
        self._make_token = make_token

    # -- at start

    def recover(self, now: float, *, patience: float = PATIENCE_SECONDS) -> Unfinished:
        """Take over what another receiver on this store has left, and return it: no association is open, no command runs."""
        with self._store.transaction(patience):
            self._store.save_time(now)
            self._store.drop_holds()
            self._store.check_all_rounds()
            for job in self._store.jobs(JobState.RUNNING):
                # It may have ended, and nobody knows how: at least once is twice now and then.
                self._store.save_job(job._replace(state=JobState.WAITING, due=now))
            return Unfinished(self._store.count_unfinished(), self._store.count_waiting())

    def resume(self, now: float) -> None:
        """Take over from a process that ran commands and was killed: associations may be open, and their processes live.

        What ran, and is not run by a process that receives, is to be run again; unless that was the last attempt, so
        that a command which ends its receiver is given up like others.
        """
        with self._store.transaction():
            for job in self._store.jobs(JobState.RUNNING):
                if "owner" in dict(job.values):
                    continue
                if self._retries.pause_after(job.attempts) is None:
                    why = "it was not known to have ended when the process that ran it did"
                    self._store.save_job(job._replace(state=JobState.FAILED, why=why))
                else:
                    self._store.save_job(job._replace(state=JobState.WAITING, due=now))
                self._check_again(job.round_key)

    def time(self, *, patience: float = PATIENCE_SECONDS) -> float:
        """Return the latest time that is known here."""
        with self._store.transaction(patience):
            return self._store.time()

    def save_time(self, now: float) -> None:
        """Remember the time, so that it goes on from there after a restart; forget what is long over."""
        with self._store.transaction():
            self._store.save_time(now)
            self._store.forget_complete(now - self._rule.remembered, _BATCH)

    # -- objects

    def enter(
        self,
        study: str,
        directory: str | None,
        sender: Sender,
        now: float,
        *,
        patience: float = PATIENCE_SECONDS,
    ) -> Round | None:
        """Return the open round of a study, which `sender` holds open from now on; begin one if need be.

        Args:
            study: Study Instance UID.
            directory: of a round that begins here; None: do not begin one.
            sender: the sender of an object of it.
            now: the time.
            patience: seconds to wait for other users of the store.

        Returns:
            The round; None if there is none and `directory` is None. A round that is ending is returned as it is,
            and not held: a worker with an object of it waits and asks again.
        """
        with self._store.transaction(patience):
            latest = self._store.find_round(study)
            if latest is not None and latest.state is RoundState.ENDING:
                return latest
            if latest is None or latest.state is RoundState.COMPLETE:
                if directory is None:
                    return None
                latest = self._begin(study, latest, directory, now)
            self._store.hold(latest.key, sender.association, sender.owner)
            return latest

    def _begin(self, study: str, before: Round | None, directory: str, now: float) -> Round:
        number = before.number + 1 if before is not None else 1
        token = self._make_token()
        return self._store.add_round(
            Round(0, study, number, directory, token, now, next_check=now + self._rule.timeout)
        )

    def stored(
        self,
        entered: Round,
        file: StoredFile,
        sender: Sender,
        now: float,
        make_job: Callable[[Round], Job | None] = lambda _: None,
        *,
        patience: float = PATIENCE_SECONDS,
    ) -> Round:
        """Note that an object has its file, and the command that follows it; return the round that it belongs to.

        Usually that is the round that was entered. If that has ended nevertheless, because it was held for too long,
        it is the one that is open now, or a new one in the same directory; the sender holds it open, too.
        """
        current = entered
        with self._store.transaction(patience):
            if not self._store.add_file(current.key, file, now, sender.peer):
                current = self._enter_again(entered, sender, now)
                self._store.add_file(current.key, file, now, sender.peer)
            if (job := make_job(current)) is not None:
                self._store.add_job(job)
            return current

    def _enter_again(self, entered: Round, sender: Sender, now: float) -> Round:
        """Return the round in place of one that has ended since it was entered."""
        current = self._store.find_round(entered.study)
        if current is None or current.state is not RoundState.OPEN:
            current = self._begin(entered.study, current, entered.directory, now)
        self._store.hold(current.key, sender.association, sender.owner)
        return current

    def released(self, association: str, *, patience: float = PATIENCE_SECONDS) -> None:
        """Note that an association is over."""
        while self._drop_holds(association=association, patience=patience):
            pass

    def lost(self, owner: str) -> None:
        """Note that a process is gone, and its associations with it."""
        while self._drop_holds(owner=owner):
            pass
        with self._store.transaction():
            for job in self._store.jobs(JobState.RUNNING):
                if dict(job.values).get("owner") == owner:
                    self._store.save_job(job._replace(state=JobState.WAITING))
                    self._check_again(job.round_key)

    def _drop_holds(
        self,
        *,
        association: str | None = None,
        owner: str | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> bool:
        """Drop some of the holds; tell whether there may be more."""
        with self._store.transaction(patience):
            held = self._store.drop_holds(association=association, owner=owner, most=_BATCH)
            for key in set(held):
                self._check_again(key)
        return len(held) == _BATCH

    # -- end of study

    def end_due(self, now: float, most: int = _BATCH, skip: Collection[int] = ()) -> list[Round]:
        """Return rounds that are ending, those that end now among them, oldest first.

        Rounds that were entered but got no object end without a trace. The work is that of the rounds whose time has
        come: one that has to wait for something is looked at again when that has happened.

        Args:
            now: the time.
            most: how many rounds are returned, and no more are then ending. If any is, there may be more to end.
            skip: keys of ending rounds that do not count: something is wrong with them, and others do not wait for it.
        """
        with self._store.transaction():
            all_ending = self._store.ending_rounds(most + len(skip))
            ending = [round_ for round_ in all_ending if round_.key not in skip][:most]
            ended: list[Round] = []
            looks = 0
            # One that is looked at is none of those to be looked at any more, whatever was found.
            while (left := most - len(ending) - len(ended)) > 0 and looks < _BATCH:
                open_rounds = self._store.rounds_to_check(now, min(left, _BATCH - looks))
                if not open_rounds:
                    break
                looks += len(open_rounds)
                found = [self._end_if_due(open_round, now) for open_round in open_rounds]
                ended += [round_ for round_ in found if round_ is not None]
            if ended:
                self._store.save_time(now)
            return ending + sorted(ended, key=lambda round_: round_.last_object)

    def _end_if_due(self, open_round: Round, now: float) -> Round | None:
        """End a round whose time has come; else note when to look again."""
        end = self._end_of(open_round)
        if now < end:
            self._store.check_round(open_round.key, end)
            return None
        cap = self._cap_of(open_round)
        held = self._store.is_held(open_round.key)
        # Commands find their object under the name that they were given.
        if now < cap and (held or self._store.has_first_attempts(open_round.key)):
            self._store.check_round(open_round.key, cap)
            return None
        return self._end(open_round, "cap" if held else "timeout")

    def _end_of(self, open_round: Round) -> float:
        return open_round.last_object + self._rule.timeout

    def _cap_of(self, open_round: Round) -> float:
        return open_round.last_object + max(self._rule.timeout, self._rule.longest_hold)

    def _check_again(self, key: int | None) -> None:
        """Have a round looked at when its time comes: what it has waited for may have happened."""
        if key is not None:
            self._store.hasten_check(key, self._rule.timeout)

    def next_check(self) -> float | None:
        """Return the time before which no round ends, unless something happens; None: none is open."""
        with self._store.transaction():
            return self._store.next_check()

    def end_all(self, most: int = -1) -> list[Round]:
        """End all rounds, because no later receiver continues them; return those that are ending.

        Args:
            most: how many rounds end; when they are complete, call again, until none is left. -1: all.
        """
        with self._store.transaction():
            self._store.drop_holds()
            ending = self._store.ending_rounds(most)
            while not ending and (open_rounds := self._store.open_rounds(most)):
                ended = [self._end(open_round, "stop") for open_round in open_rounds]
                ending = [round_ for round_ in ended if round_ is not None]
            return ending

    def _end(self, round_: Round, cause: str) -> Round | None:
        if round_.objects == 0:
            self._store.remove_round(round_.key)
            return None
        ending = round_._replace(state=RoundState.ENDING, cause=cause)
        self._store.save_round(ending)
        return ending

    def left_rounds(self) -> list[Round]:
        """Return the rounds with objects that have not come to their end, those that are ending first."""
        with self._store.transaction():
            rounds = [*self._store.ending_rounds(), *self._store.open_rounds()]
        return [round_ for round_ in rounds if round_.objects]

    def is_idle(self) -> bool:
        """Tell whether there is neither a round that will end nor a command that waits."""
        with self._store.transaction():
            return not self._store.has_unfinished() and self._store.next_due() is None

    def files(self, round_: Round) -> list[StoredFile]:
        """Return the files of a round in the order in which they came."""
        with self._store.transaction():
            return self._store.files(round_.key)

    def name_files(self, round_: Round, names: Iterable[tuple[str, str]]) -> None:
        """Note which final names files are to get, before they get them."""
        with self._store.transaction():
            for name, final in names:
                self._store.name_file(round_.key, name, final)

    def complete(self, round_: Round, now: float, job: Job | None = None) -> None:
        """A round has ended, its files have their final names: open the study for another one, and add its command."""
        self._tell_final_names(round_)
        with self._store.transaction():
            self._store.save_time(now)
            self._store.save_round(round_._replace(state=RoundState.COMPLETE))
            self._store.drop_holds_on(round_.key)
            if job is not None:
                self._store.add_job(job)
        self._forget_files(round_)

    def _tell_final_names(self, round_: Round) -> None:
        """Have commands that wait for another attempt find their files."""
        place = 0
        while True:
            with self._store.transaction():
                batch = self._store.jobs_of(round_.key, after=place, most=_BATCH)
                for job in batch:
                    final = self._store.final_name(round_.key, dict(job.values).get("file", ""))
                    if final:
                        values = tuple((dict(job.values) | {"file": final}).items())
                        self._store.save_job(job._replace(values=values))
            if len(batch) < _BATCH:
                return
            place = batch[-1].place

    def _forget_files(self, round_: Round) -> None:
        forgotten = _BATCH
        while forgotten == _BATCH:
            with self._store.transaction():
                forgotten = self._store.drop_files(round_.key, _BATCH)

    # -- commands

    def add_job(self, job: Job, *, patience: float = PATIENCE_SECONDS) -> None:
        """Add a command that belongs to no study."""
        with self._store.transaction(patience):
            self._store.add_job(job)

    def start_next(self, now: float) -> Job | None:
        """Return a command that is due, which counts as running from now on; None: nothing is due.

        One about a file that is just getting its final name waits until it has it, and is told that.
        """
        with self._store.transaction():
            for _ in range(_BATCH):
                job = next(iter(self._store.due_jobs(now, most=1)), None)
                if job is None:
                    return None
                round_ = None if job.round_key is None else self._store.get_round(job.round_key)
                if round_ is not None and round_.state is RoundState.ENDING:
                    self._store.save_job(job._replace(due=now + _RENAMING_SECONDS))
                    continue
                self._store.save_time(now)
                started = job._replace(state=JobState.RUNNING, attempts=job.attempts + 1)
                self._store.save_job(started)
                return started
        return None

    def succeeded(self, job: Job) -> None:
        """A command has ended well."""
        with self._store.transaction():
            self._store.remove_job(job.key)
            self._after_attempt(job)

    def failed(self, job: Job, why: str, now: float) -> float | None:
        """A command has failed; return the seconds after which it is tried again, None: it is kept as failed."""
        pause = self._retries.pause_after(job.attempts)
        with self._store.transaction():
            self._store.save_time(now)
            # Its file may have got another name while it ran.
            current = self._store.find_job(job.key) or job
            self._store.save_job(
                current._replace(state=JobState.FAILED, why=why)
                if pause is None
                else current._replace(state=JobState.WAITING, due=now + pause, why=why)
            )
            self._after_attempt(job)
        return pause

    def put_back(self, job: Job, now: float) -> None:
        """A command was asked to end because the program ends: it is run again, and this was no attempt."""
        with self._store.transaction():
            current = self._store.find_job(job.key) or job
            self._store.save_job(
                current._replace(state=JobState.WAITING, attempts=job.attempts - 1, due=now)
            )

    def _after_attempt(self, job: Job) -> None:
        """A study waits for the first attempts of its commands."""
        key = job.round_key
        if job.attempts == 1 and key is not None and not self._store.has_first_attempts(key):
            self._check_again(key)

    def next_command(self) -> float | None:
        """Return when the next command is due; None: none waits."""
        with self._store.transaction():
            return self._store.next_due()

    def waiting_commands(self, most: int) -> tuple[int, list[Job]]:
        """Return how many commands wait, due or not, and the first of them, so many at most."""
        with self._store.transaction():
            return self._store.count_waiting(), self._store.jobs(JobState.WAITING, most=most)

    def failed_jobs(self, after: int = 0, most: int = -1) -> list[Job]:
        """Return commands that were given up, those behind a place."""
        with self._store.transaction():
            return self._store.jobs(JobState.FAILED, after=after, most=most)

    def retry_failed(self) -> int:
        """Have all commands that were given up tried again as if for the first time; return how many."""
        with self._store.transaction():
            return self._store.retry_failed()
