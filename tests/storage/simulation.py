"""Random schedules of a tracker, checked against a model: studies, associations, commands, crashes, clocks that step.

The model knows what was said to whom: which object was acknowledged, which associations are open, which round was
announced with which objects. It shares no code with the tracker. `python -m tests.storage.simulation SEEDS` runs as
many schedules as you like.
"""

import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from storescp.storage.studies.jobs import Retries
from storescp.storage.studies.memory_store import MemoryStore
from storescp.storage.studies.sqlite_store import SQLiteStore
from storescp.storage.studies.study_store import Job, Round, RoundState, StoredFile, StudyStore
from storescp.storage.studies.tracker import EndOfStudy, Sender, Tracker
from storescp.storage.studies.uptime import UpTime

TIMEOUT, CAP = 10.0, 60.0
PROCESSES = 3


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

    def __init__(self, seed: int, store: StudyStore, reopen: Callable[[], StudyStore]) -> None:
        self.random = random.Random(seed)
        self.store = store
        self.reopen = reopen
        self.machine_clock = self.random.uniform(0, 1e6)
        self.associations: dict[str, Association] = {}
        self.open: dict[str, OpenRound] = {}
        self.announced: dict[str, tuple[str, int]] = {}  # study and number by token
        self.rounds: dict[str, int] = {}  # how many were announced
        self.delivered: dict[str, set[str]] = {}  # names of all announced objects by study
        self.acknowledged: dict[str, set[str]] = {}
        self.commands: dict[str, int] = {}  # runs that ended well, by key
        self.wanted: set[str] = set()
        self.objects = 0
        self.studies = self.random.choice([1, 3, 10, 40])
        self._start()

    # -- the receiver

    def _start(self) -> None:
        self.tracker = Tracker(self.store, EndOfStudy(TIMEOUT, CAP), Retries(10**9, 1.0, 1.0))
        self.now = UpTime(self.tracker.time(), lambda: self.machine_clock)
        self.tracker.recover(self.now())

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

    # -- acts

    def run(self, steps: int) -> None:
        """Act so many times, then let everything come to its end, and check that nothing is missing."""
        acts: list[Callable[[], object]] = [self.store_object] * 10
        acts += [self.end_association, self.pass_time, self.finish] * 3
        acts += [self.lose_process, self.run_command, self.run_command]
        for _ in range(steps):
            if self.random.random() < 0.01:
                self.crash()
            self.random.choice(acts)()
        for association in list(self.associations):
            self._release(association)
        for _ in range(20):  # a crash while a command runs takes some of the time back
            while self.run_command():
                pass
            if not self.open:
                break
            self.machine_clock += TIMEOUT
            self.finish(whole=True)
        assert not self.open
        for study, names in self.acknowledged.items():
            assert names <= self.delivered[study], study
        assert self.wanted == set(self.commands)
        assert self.tracker.is_idle()

    def store_object(self) -> None:
        """An association, old or new, brings an object of a study; sometimes it all ends in the middle."""
        association = self._some_association()
        study = f"1.{self.random.randrange(self.studies)}"
        self.objects += 1
        # Now and then an instance is sent again.
        name = f"CT.{self.objects if self.random.random() < 0.9 else self.objects // 2}"
        entered = association.entered.get(study)
        if entered is None:
            entered = self.tracker.enter(study, None, association.sender, self.now())
            if entered is None:
                entered = self.tracker.enter(study, study, association.sender, self.now())
            assert entered is not None
            if entered.state is RoundState.ENDING:
                return  # the object waits: here it is sent another time
            association.entered[study] = entered
            self.open.setdefault(study, OpenRound(self.now()))
            self.open[study].holders.add(association.sender.association)
        if self.random.random() < 0.01:
            self.crash()
            return
        current = self.tracker.stored(
            entered,
            StoredFile(name, "CT"),
            association.sender,
            self.now(),
            self._job if self.random.random() < 0.1 else lambda _: None,
        )
        association.entered[study] = current
        one = self.open.setdefault(study, OpenRound())
        one.last_object = self.now()
        one.holders.add(association.sender.association)
        if self.random.random() < 0.01:
            one.unsure.add(name)  # recorded, but the response was never sent
            self.crash()
            return
        one.acknowledged.add(name)
        self.acknowledged.setdefault(study, set()).add(name)

    def _job(self, one: Round) -> Job:
        key = f"o{self.objects}"
        self.wanted.add(key)
        return Job(key, "object", one.key, "true", (), self.now())

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

    def finish(self, *, whole: bool = False) -> None:
        """End what is due, a few rounds at a time; sometimes it all ends in the middle."""
        now, most = self.now(), self.random.choice([1, 3, 1000])
        while due := self.tracker.end_due(now, most):
            assert len(due) <= most
            for one in due:
                self._announce(one, now)
                if not whole and self.random.random() < 0.02:
                    self.crash()
                    return
                key = f"s{one.token}"
                self.wanted.add(key)
                self.tracker.complete(one, now, Job(key, "study", one.key, "true", (), now))
                if not whole and self.random.random() < 0.02:
                    self.crash()
                    return
        waits = any(job.startswith("o") for job in self.wanted - set(self.commands))
        for study, known in list(self.open.items()):
            overdue = now - known.last_object >= TIMEOUT + 1e-6 and not known.holders
            if overdue and not known.acknowledged | known.unsure:
                del self.open[study]  # entered, but no object came of it
                continue
            assert not overdue or waits, f"{study} should have ended"

    def _announce(self, one: Round, now: float) -> None:
        names = {file.name for file in self.tracker.files(one)}
        if one.token in self.announced:  # again, after a crash: the same, under the same identifier
            assert self.announced[one.token] == (one.study, one.number)
            return
        known = self.open.pop(one.study)
        self.announced[one.token] = (one.study, one.number)
        self.rounds[one.study] = self.rounds.get(one.study, 0) + 1
        self.delivered.setdefault(one.study, set()).update(names)
        assert one.number == self.rounds[one.study]
        assert known.acknowledged <= names <= known.acknowledged | known.unsure
        assert one.objects == len(names) > 0
        assert now - known.last_object >= TIMEOUT - 1e-6, "too early"
        if known.holders:
            assert one.cause == "cap"
            assert now - known.last_object >= CAP - 1e-6, "held"

    def run_command(self) -> bool:
        """A command is run, which may fail, or be lost in a crash."""
        job = self.tracker.start_next(self.now())
        if job is None:
            self.machine_clock += 1.0
            job = self.tracker.start_next(self.now())
            if job is None:
                return False
        outcome = self.random.random()
        if outcome < 0.02:
            self.crash()
        elif outcome < 0.2:
            self.tracker.failed(job, "exit status 1", self.now())
        else:
            self.tracker.succeeded(job)
            self.commands[job.key] = self.commands.get(job.key, 0) + 1
            assert self.commands[job.key] == 1
        return True


def simulate_in_memory(seed: int, steps: int) -> Simulation:
    """Run a schedule on a store in memory, which here outlives the processes."""
    store = MemoryStore()
    simulation = Simulation(seed, store, lambda: store)
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

    simulation = Simulation(seed, opened[-1], reopen)
    simulation.run(steps)
    opened[-1].close()
    return simulation


def main() -> None:
    """Run schedules, and say how much that was."""
    seeds = int(sys.argv[1])
    rounds = objects = 0
    with tempfile.TemporaryDirectory() as directory:
        for seed in range(seeds):
            done = (
                simulate_in_database(seed, 400, Path(directory))
                if seed % 20 == 0
                else simulate_in_memory(seed, 400)
            )
            rounds += sum(done.rounds.values())
            objects += done.objects
    sys.stdout.write(f"{seeds} schedules, {objects} objects, {rounds} rounds of studies\n")


if __name__ == "__main__":
    main()
