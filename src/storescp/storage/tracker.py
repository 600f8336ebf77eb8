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
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from storescp.storage.hooks import Peer
from storescp.storage.schedule import Retries
from storescp.storage.study_store import (
    Job,
    JobState,
    Round,
    RoundState,
    StoredFile,
    StudyStore,
    first_attempts,
)


@dataclass(frozen=True, slots=True)
class EndOfStudy:
    """When a study ends, in seconds after its last object."""

    timeout: float = 60.0
    longest_hold: float = 3600.0
    """It then ends even if an association that brought objects of it is still open."""
    remembered: float = 90 * 86400.0
    """What comes after that begins with round 1 again."""


class Sender(NamedTuple):
    """Who brings objects, on which association, and which process serves it."""

    association: str
    owner: str
    peer: Peer = Peer("", "", "")


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
            make_token: makes an identifier that nobody else makes.
        """
        self._store = store
        self._rule = end_of_study
        self._retries = retries
        self._make_token = make_token

    # -- at start

    def recover(self, now: float) -> None:
        """Take over what another receiver on this store has left: no association is open, no command runs."""
        with self._store.transaction():
            self._store.save_time(now)
            self._store.drop_holds()
            for job in self._store.jobs(JobState.RUNNING):
                # It may have ended, and nobody knows how: at least once is twice now and then.
                self._store.save_job(job._replace(state=JobState.WAITING, due=now))

    def time(self) -> float:
        """Return the latest time that is known here."""
        with self._store.transaction():
            return self._store.time()

    def save_time(self, now: float) -> None:
        """Remember the time, so that it goes on from there after a restart; forget what is long over."""
        with self._store.transaction():
            self._store.save_time(now)
            self._store.forget_complete(now - self._rule.remembered)

    # -- objects

    def enter(self, study: str, directory: str | None, sender: Sender, now: float) -> Round | None:
        """Return the open round of a study, which `sender` holds open from now on; begin one if need be.

        Args:
            study: Study Instance UID.
            directory: of a round that begins here; None: do not begin one.
            sender: who brings an object of it.
            now: the time.

        Returns:
            The round; None if there is none and `directory` is None. A round that is ending is returned as it is,
            and not held: whoever has an object of it waits and asks again.
        """
        with self._store.transaction():
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
        return self._store.add_round(Round(0, study, number, directory, self._make_token(), now))

    def stored(
        self,
        entered: Round,
        file: StoredFile,
        sender: Sender,
        now: float,
        make_job: Callable[[Round], Job | None] = lambda _: None,
    ) -> Round:
        """Note that an object has its file, and the command that follows it; return the round that it belongs to.

        Usually that is the round that was entered. If that has ended nevertheless, because it was held for too long,
        it is the one that is open now, or a new one in the same directory; the sender holds it open, too.
        """
        current = entered
        with self._store.transaction():
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

    def released(self, association: str) -> None:
        """Note that an association is over."""
        with self._store.transaction():
            self._store.drop_holds(association=association)

    def lost(self, owner: str) -> None:
        """Note that a process is gone, and its associations with it."""
        with self._store.transaction():
            self._store.drop_holds(owner=owner)
            for job in self._store.jobs(JobState.RUNNING):
                if dict(job.values).get("owner") == owner:
                    self._store.save_job(job._replace(state=JobState.WAITING))

    # -- end of study

    def end_due(self, now: float) -> list[Round]:
        """Return rounds that are ending, those that end now among them, oldest first.

        Rounds that were entered but got no object end without a trace.
        """
        with self._store.transaction():
            ending = self._store.ending_rounds()
            if ended := self._end_those_due(now):
                self._store.save_time(now)
            return ending + ended

    def _end_those_due(self, now: float) -> list[Round]:
        all_ended = []
        for one in self._store.open_rounds(before=now - self._rule.timeout):
            capped = one.last_object <= now - max(self._rule.timeout, self._rule.longest_hold)
            held = self._store.is_held(one.key)
            if held and not capped:
                continue
            if first_attempts(self._store.jobs_of(one.key)) and not capped:
                continue  # commands find their object under the name that they were given
            if ended := self._end(one, "cap" if held else "timeout"):
                all_ended.append(ended)
        return all_ended

    def end_all(self) -> list[Round]:
        """End all rounds, because nobody will go on with them; return those that are ending."""
        with self._store.transaction():
            self._store.drop_holds()
            ending = self._store.ending_rounds()
            ended = [self._end(one, "stop") for one in self._store.open_rounds()]
            return ending + [one for one in ended if one is not None]

    def _end(self, one: Round, cause: str) -> Round | None:
        if one.objects == 0:
            self._store.remove_round(one.key)
            return None
        ending = one._replace(state=RoundState.ENDING, cause=cause)
        self._store.save_round(ending)
        return ending

    def is_idle(self) -> bool:
        """Tell whether there is neither a round that will end nor a command that waits."""
        with self._store.transaction():
            return not self._store.has_unfinished() and self._store.next_due() is None

    def files(self, one: Round) -> list[StoredFile]:
        """Return the files of a round in the order in which they came."""
        with self._store.transaction():
            return self._store.files(one.key)

    def name_files(self, one: Round, names: Iterable[tuple[str, str]]) -> None:
        """Note which final names files are to get, before they get them."""
        with self._store.transaction():
            for name, final in names:
                self._store.name_file(one.key, name, final)

    def complete(self, one: Round, now: float, job: Job | None = None) -> None:
        """A round has ended, its files have their final names: open the study for another one, and add its command."""
        with self._store.transaction():
            self._store.save_time(now)
            self._store.save_round(one._replace(state=RoundState.COMPLETE))
            finals = {file.name: file.final for file in self._store.files(one.key) if file.final}
            for other in self._store.jobs_of(one.key):
                self._store.save_job(_renamed(other, finals))
            self._store.empty_round(one.key)
            if job is not None:
                self._store.add_job(job)

    # -- commands

    def add_job(self, job: Job) -> None:
        """Add a command that belongs to no study."""
        with self._store.transaction():
            self._store.add_job(job)

    def start_next(self, now: float) -> Job | None:
        """Return a command that is due, which counts as running from now on; None: nothing is due."""
        with self._store.transaction():
            for job in self._store.jobs(JobState.WAITING, due=now, most=1):
                self._store.save_time(now)
                started = job._replace(state=JobState.RUNNING, attempts=job.attempts + 1)
                self._store.save_job(started)
                return started
        return None

    def succeeded(self, job: Job) -> None:
        """A command has ended well."""
        with self._store.transaction():
            self._store.remove_job(job.key)

    def failed(self, job: Job, why: str, now: float) -> float | None:
        """A command has failed; return the seconds after which it is tried again, None: it is kept as failed."""
        pause = self._retries.pause_after(job.attempts)
        with self._store.transaction():
            self._store.save_time(now)
            self._store.save_job(
                job._replace(state=JobState.FAILED, why=why)
                if pause is None
                else job._replace(state=JobState.WAITING, due=now + pause, why=why)
            )
        return pause

    def next_command(self) -> float | None:
        """Return when the next command is due; None: none waits."""
        with self._store.transaction():
            return self._store.next_due()

    def failed_jobs(self) -> list[Job]:
        """Return the commands that were given up."""
        with self._store.transaction():
            return self._store.jobs(JobState.FAILED)

    def retry_failed(self) -> int:
        """Have all commands that were given up tried again as if for the first time; return how many."""
        with self._store.transaction():
            failed = self._store.jobs(JobState.FAILED)
            for job in failed:
                self._store.save_job(job._replace(state=JobState.WAITING, attempts=0, due=0.0))
            return len(failed)


def _renamed(job: Job, finals: dict[str, str]) -> Job:
    """Return a job with the name that its file has now."""
    values = dict(job.values)
    final = finals.get(values.get("file", ""))
    if final is None:
        return job
    return job._replace(values=tuple((values | {"file": final}).items()))
