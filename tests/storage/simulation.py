"""Random schedules of studies, checked against a model: associations, objects, commands, crashes, clocks that step.

What ends studies and runs commands is the program's own (`StudyFinisher`), with real files but without a process: it is
killed at any of its steps, which are the transactions, renames, announcements and starts of commands, and another one
goes on; or everything is killed, and starts anew. What receives is played here, with a tracker as in each worker.

The model knows what was said to whom: which object was acknowledged, which associations are open, which round was
announced with which objects. It shares no code with the tracker. `python -m tests.storage.simulation SEEDS` runs as
many schedules as you like.
"""

import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from storescp.dataset.encoding import Encoding
from storescp.events import Fact, StudyComplete
from storescp.serve.studies.command_pool import CommandPool, Ended
from storescp.serve.studies.end_of_study import StudyFinisher
from storescp.storage.naming.rules import Rules
from storescp.storage.settings import StorageSettings
from storescp.storage.studies import final_names
from storescp.storage.studies.jobs import Retries, object_job
from storescp.storage.studies.memory_store import MemoryStore
from storescp.storage.studies.sqlite_store import SQLiteStore
from storescp.storage.studies.study_store import Job, Round, RoundState, StoredFile, StudyStore
from storescp.storage.studies.tracker import EndOfStudy, Sender, Tracker
from storescp.storage.studies.uptime import UpTime
from storescp.storage.studies.user_commands import Command, PeerIdentity, ReceivedObject

TIMEOUT, CAP = 10.0, 60.0
PROCESSES = 3


class Killed(BaseException):
    """The process that ends studies is gone, at this step."""


class _Stepped:
    """A store as the process that ends studies has it, which may be killed before and after each transaction."""

    def __init__(self, store: StudyStore, at_step: Callable[[], None]) -> None:
        self._store = store
        self._at_step = at_step

    @contextmanager
    def transaction(self, patience: float = 1.0) -> Iterator[None]:
        self._at_step()
        with self._store.transaction(patience):
            yield
        self._at_step()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class _Pool(CommandPool):
    """Commands that run as long as the simulation says."""

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation
        self.running: dict[int, Job] = {}
        self.over: list[Ended] = []
        self._last = 0

    def __len__(self) -> int:
        return len(self.running)

    @property
    def free_places(self) -> int:
        return 2 - len(self.running)

    def start(self, job: Job, command: Command) -> int:
        self._simulation.at_step()
        self._last += 1
        self._simulation.checked(lambda: self._simulation.begin_command(job, command))
        self.running[self._last] = job
        self._simulation.at_step()
        return self._last

    def collect(self) -> list[Ended]:
        over, self.over = self.over, []
        return over


class _Hub:
    """Hears what is announced."""

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation

    def tell(self, fact: Fact) -> None:
        if isinstance(fact, StudyComplete):
            self._simulation.at_step()
            self._simulation.checked(lambda: self._simulation.announced_now(fact))
            self._simulation.at_step()


@dataclass(slots=True)
class OpenRound:
    """What is known of a study that has not ended."""

    last_object: float = 0.0
    acknowledged: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    """Objects whose sender was never told what became of them."""
    holders: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Association:
    """An association, and the studies that it entered."""

    sender: Sender
    entered: dict[str, Round] = field(default_factory=dict)


class Simulation:
    """One schedule: acts at random, and asserts what has to hold after each act."""

    def __init__(
        self, seed: int, store: StudyStore, reopen: Callable[[], StudyStore], directory: Path
    ) -> None:
        self.random = random.Random(seed)
        self.store = store
        self.reopen = reopen
        self.directory = directory
        self.machine_clock = self.random.uniform(0, 1e6)
        self.associations: dict[str, Association] = {}
        self.open: dict[tuple[str, int], OpenRound] = {}  # by study and number
        self.announced: dict[str, tuple[str, int]] = {}  # study and number by token
        self.rounds: dict[str, int] = {}  # how many were announced
        self.delivered: dict[str, set[str]] = {}  # names of all announced objects by study
        self.acknowledged: dict[str, set[str]] = {}
        self.contents: dict[str, set[str]] = {}  # of all files that must be there, by study
        self.commands: dict[str, int] = {}  # runs that ended well, by key
        self.wanted: set[str] = set()
        self.sent: set[tuple[str, str]] = set()  # studies and names of objects
        self.again: set[tuple[str, str]] = set()  # more than once
        self.objects = self.kills = 0
        self.studies = self.random.choice([1, 3, 10, 40])
        self.renames = self.random.random() < 0.5
        self.deadly = False  # whether a step may be the last
        self.found: AssertionError | None = None
        self._start()

    # -- the receiver

    def _start(self) -> None:
        retries = Retries(10**9, 1.0, 1.0)
        self.tracker = Tracker(self.store, EndOfStudy(TIMEOUT, CAP), retries)
        self.now = UpTime(self.tracker.time(), lambda: self.machine_clock)
        self.tracker.recover(self.now())
        self._start_finisher()

    def _start_finisher(self) -> None:
        """Start the process that ends studies; commands of the one before may run, and nobody knows."""
        self.pool = _Pool(self)
        storage = StorageSettings(
            Rules(str(self.directory)),
            Encoding(),
            rename_on_eostudy=self.renames,
            exec_on_eostudy="true",
        )
        stepped = _Stepped(self.store, self.at_step)
        self.finisher = StudyFinisher(
            Tracker(stepped, EndOfStudy(TIMEOUT, CAP), Retries(10**9, 1.0, 1.0)),
            self.now,
            storage,
            self.pool,
            hub=_Hub(self),  # type: ignore[arg-type]
            clock=lambda: self.machine_clock,
        )

    def crash(self) -> None:
        """All processes are gone; the machine, its clock and perhaps a day later, start again."""
        before = self.now()
        self.machine_clock = self.random.choice([0.0, self.machine_clock, 1e9])
        self.store = self.reopen()
        self.associations.clear()
        for one in self.open.values():
            one.holders.clear()
        self._start()
        assert self.now() <= before + 1e-6

    def checked(self, check: Callable[[], None]) -> None:
        """Keep what a check finds: to the process that ends studies it is a mistake in one study, and no more."""
        try:
            check()
        except AssertionError as error:
            self.found = self.found or error
            raise

    def at_step(self) -> None:
        """A step of the process that ends studies has come: it may be the last one."""
        if self.deadly and self.random.random() < 0.01:
            raise Killed

    def step(self) -> None:
        """Have the process do some of its work; if it is killed, another one goes on, or all of it is killed."""
        self.deadly = True
        try:
            with self._renames_as_steps():
                self.finisher.step()
        except Killed:
            self.kills += 1
            self.deadly = False
            for job in self.pool.running.values():  # nobody knows how they end
                self._end_well(job, self.random.random())
            if self.random.random() < 0.3:
                self.crash()
            else:
                self._start_finisher()
        finally:
            self.deadly = False
        if self.found is not None:
            raise self.found

    @contextmanager
    def _renames_as_steps(self) -> Iterator[None]:
        rename = final_names.__dict__["rename_new"]

        def stepped(source: str, target: str, **more: Any) -> None:
            self.at_step()
            rename(source, target, **more)
            self.at_step()

        with mock.patch.object(final_names, "rename_new", stepped):
            yield

    # -- acts

    def run(self, steps: int) -> None:
        """Act so many times, then let everything come to its end, and check that nothing is missing."""
        acts: list[Callable[[], object]] = [self.store_object] * 10
        acts += [self.end_association, self.pass_time, self.step] * 3
        acts += [self.lose_process, self.end_command, self.end_command]
        for _ in range(steps):
            if self.random.random() < 0.01:
                self.crash()
            self.random.choice(acts)()
        for association in list(self.associations):
            self._release(association)
        for _ in range(400):
            kills = self.kills
            self.step()
            while self.pool.running:
                self.end_command()
            self._check_overdue()
            is_done = not self.open and not self.pool.over and self.tracker.is_idle()
            if is_done and self.kills == kills:
                break
            self.machine_clock += TIMEOUT / 10
        assert not self.open
        assert self.tracker.is_idle()
        for study, names in self.acknowledged.items():
            assert names <= self.delivered[study], study
        assert self.wanted == set(self.commands), self.wanted ^ set(self.commands)
        self._check_files()

    def _check_files(self) -> None:
        """Nothing that was acknowledged is missing, and no object has two names."""
        for study, wanted in self.contents.items():
            found = [path.read_text() for path in (self.directory / study).iterdir()]
            assert wanted <= set(found), study
            assert len(found) == len(set(found)), study

    def _check_overdue(self) -> None:
        for study, known in list(self.open.items()):
            overdue = self.now() - known.last_object >= 3 * TIMEOUT and not known.holders
            if overdue and not known.acknowledged | known.unsure:
                del self.open[study]  # entered, but no object came of it

    def store_object(self) -> None:
        """An association, old or new, brings an object of a study; sometimes it all ends in the middle."""
        association = self._some_association()
        study = f"1.{self.random.randrange(self.studies)}"
        self.objects += 1
        # Now and then an instance is sent again.
        name = f"CT.{self.objects if self.random.random() < 0.9 else self.objects // 2}"
        entered = association.entered.get(study)
        if entered is None:
            directory = self.directory / study
            entered = self.tracker.enter(study, None, association.sender, self.now())
            if entered is None:
                directory.mkdir(exist_ok=True)
                entered = self.tracker.enter(study, str(directory), association.sender, self.now())
            assert entered is not None
            if entered.state is RoundState.ENDING:
                return  # the object waits: here it is sent another time
            association.entered[study] = entered
            self.open.setdefault((study, entered.number), OpenRound(self.now()))
            self.open[study, entered.number].holders.add(association.sender.association)
        if self.random.random() < 0.01:
            self.crash()
            return
        content = f"{name}#{self.objects}"
        file = Path(entered.directory) / name
        before = file.read_text() if file.exists() else None
        file.write_text(content)
        if (study, name) in self.sent:
            self.again.add((study, name))
        self.sent.add((study, name))
        if before is not None:
            self.contents.setdefault(study, set()).discard(before)
        current = self.tracker.stored(
            entered,
            StoredFile(name, "CT"),
            association.sender,
            self.now(),
            (lambda one: self._job(one, name)) if self.random.random() < 0.1 else lambda _: None,
        )
        association.entered[study] = current
        one = self.open.setdefault((study, current.number), OpenRound())
        one.last_object = self.now()
        one.holders.add(association.sender.association)
        if self.random.random() < 0.01:
            one.unsure.add(name)  # recorded, but the response was never sent
            self.crash()
            return
        one.acknowledged.add(name)
        self.acknowledged.setdefault(study, set()).add(name)
        self.contents.setdefault(study, set()).add(content)

    def _job(self, one: Round, name: str) -> Job:
        key = f"o{self.objects}"
        self.wanted.add(key)
        received = ReceivedObject("1.2", name, 0, one.directory, name, one.study)
        return object_job(key, "true", received, PeerIdentity("", "", ""), one, self.now())

    def _some_association(self) -> Association:
        if self.associations and self.random.random() < 0.8:
            return self.random.choice(list(self.associations.values()))
        sender = Sender(f"a{self.random.random()}", str(self.random.randrange(PROCESSES)))
        association = self.associations[sender.association] = Association(sender)
        return association

    def end_association(self) -> None:
        """One of them is released or aborted."""
        if self.associations:
            self._release(self.random.choice(list(self.associations)))

    def _release(self, association: str) -> None:
        self.tracker.released(association)
        self._forget(association)

    def _forget(self, association: str) -> None:
        del self.associations[association]
        for one in self.open.values():
            one.holders.discard(association)

    def lose_process(self) -> None:
        """A worker dies, and its associations with it."""
        if self.random.random() < 0.2:
            owner = str(self.random.randrange(PROCESSES))
            self.tracker.lost(owner)
            for name, association in list(self.associations.items()):
                if association.sender.owner == owner:
                    self._forget(name)

    def pass_time(self) -> None:
        """Some time passes, now and then a lot of it."""
        self.machine_clock += self.random.choice([0.0, 0.5, 3.0, TIMEOUT, CAP])

    def announced_now(self, fact: StudyComplete) -> None:
        """A study was announced: check that against what is known of it."""
        assert fact.id is not None
        assert fact.round is not None
        token, study = fact.id, fact.study_instance_uid
        assert study is not None
        self.wanted.add(token)
        if token in self.announced:  # again, after a kill: the same, under the same identifier
            assert self.announced[token] == (study, fact.round)
            return
        one = self.store_round(study, fact.round)
        files = self.tracker.files(one)
        names = {file.name for file in files}
        for file in files:
            # What was sent again while a study that was held for too long got its names may have gone with that.
            if (study, file.name) not in self.again:
                assert Path(one.directory, file.final if self.renames else file.name).exists()
        known = self.open.pop((study, fact.round))
        self.announced[token] = (study, fact.round)
        self.rounds[study] = self.rounds.get(study, 0) + 1
        self.delivered.setdefault(study, set()).update(names)
        assert fact.round == self.rounds[study]
        assert known.acknowledged <= names <= known.acknowledged | known.unsure
        assert fact.objects == len(names) > 0
        now = self.now()
        assert now - known.last_object >= TIMEOUT - 1e-6, "too early"
        if known.holders:
            assert fact.cause == "cap"
            assert now - known.last_object >= CAP - 1e-6, "held"

    def store_round(self, study: str, number: int) -> Round:
        """Return a round that is ending."""
        with self.store.transaction():
            ending = self.store.ending_rounds()
        [found] = [one for one in ending if (one.study, one.number) == (study, number)]
        return found

    def begin_command(self, job: Job, command: Command) -> None:
        """A command starts: it finds its file under the name that it is told, and its study announced."""
        if job.kind == "study":
            assert job.key in self.announced
        else:
            environment = command.environment
            assert Path(environment["STORESCP_DIRECTORY"], environment["STORESCP_FILE"]).exists()

    def end_command(self) -> None:
        """A command ends, which may have failed."""
        if self.pool.running:
            pid, job = self.pool.running.popitem()
            outcome = self.random.random()
            self._end_well(job, outcome)
            why = "exit status 1" if outcome < 0.2 else ""
            self.pool.over.append(Ended(job, pid, why, 1 if why else 0, 0.0))

    def _end_well(self, job: Job, outcome: float) -> None:
        if outcome >= 0.2:
            self.commands[job.key] = self.commands.get(job.key, 0) + 1


def simulate_in_memory(seed: int, steps: int, directory: Path) -> Simulation:
    """Run a schedule on a store in memory, which here outlives the processes."""
    store = MemoryStore()
    simulation = Simulation(seed, store, lambda: store, _files(directory, seed))
    simulation.run(steps)
    return simulation


def simulate_in_database(seed: int, steps: int, directory: Path) -> Simulation:
    """Run a schedule on a database; after a crash another connection opens it."""
    path = str(directory / f"state-{seed}")
    opened = [SQLiteStore(path)]

    def reopen() -> SQLiteStore:
        opened[-1].close()
        opened.append(SQLiteStore(path))
        return opened[-1]

    simulation = Simulation(seed, opened[-1], reopen, _files(directory, seed))
    simulation.run(steps)
    opened[-1].close()
    return simulation


def _files(directory: Path, seed: int) -> Path:
    path = directory / f"files-{seed}"
    path.mkdir()
    return path


def main() -> None:
    """Run schedules, and say how much that was."""
    seeds = int(sys.argv[1])
    rounds = objects = kills = 0
    with tempfile.TemporaryDirectory() as directory:
        for seed in range(seeds):
            done = (
                simulate_in_database(seed, 400, Path(directory))
                if seed % 20 == 0
                else simulate_in_memory(seed, 400, Path(directory))
            )
            rounds += sum(done.rounds.values())
            objects += done.objects
            kills += done.kills
    sys.stdout.write(
        f"{seeds} schedules, {objects} objects, {rounds} rounds of studies, {kills} kills\n"
    )


if __name__ == "__main__":
    main()
