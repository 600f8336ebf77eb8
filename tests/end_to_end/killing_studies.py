"""Kill and stop processes of a receiver of studies side by side: `python -m tests.end_to_end.killing_studies --kills 500`.

Each process is a victim at some time: the main process, workers, the one that ends studies, the page and its keeper, or
all of them at once; by SIGKILL, or by SIGSTOP for up to five seconds. Senders send all the while. In the end every
object that was acknowledged is there once, whole; every study was announced with all of its objects, each round under
one identifier, and its command has run. Nothing but A700 was ever answered to an object that was refused.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from storescp.process_name import KEEPER, PAGE, STUDIES, WORKER
from tests.end_to_end.killing import Load, study_of
from tests.end_to_end.processes import of_kind
from tests.peers.dicom import split_file
from tests.peers.servers import free_port, is_listening, our_command, our_environment

MAIN, ALL = "main", "all"
KINDS = (WORKER, WORKER, STUDIES, STUDIES, PAGE, KEEPER, MAIN, ALL)
LONGEST_STOP = 5.0
_BYTES_PER_STRIKE = 500_000
"""Of objects, on an average: 250 MB in a run of 500 strikes."""
_LOOK_SECONDS = 3.0
"""A process that ended is there again by then, but where it has ended several times."""
_START_SECONDS = 40.0
_END_SECONDS = 90.0


@dataclass
class Tally:
    """What was survived."""

    kills: Counter[str] = field(default_factory=Counter)
    stops: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    """Strikes for which there was no process of their kind, and none came in time; others were made instead."""
    acknowledged: int = 0
    refused: int = 0
    rounds: int = 0
    commands: int = 0

    def __str__(self) -> str:
        return (
            f"killed {dict(self.kills)}, stopped {dict(self.stops)}, missed {dict(self.missed)}:"
            f" {self.acknowledged} objects acknowledged,"
            f" {self.refused} refused, {self.rounds} rounds of studies, {self.commands} runs of their commands"
        )


class StudyCampaign:
    """One output and one state directory, and what happens to the processes that use them."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.tally = Tally()
        self._directory = directory
        self._files = directory / "files"
        self._files.mkdir(parents=True)
        self._chance = random.Random(seed)
        self._log = directory / "log.txt"
        self._port = free_port()
        self._page = free_port()
        self._load = Load(self._port, seed)
        self._process = self._start()

    def run(self, kills: int) -> Tally:
        """Kill or stop so many times, let everything come to its end, and check."""
        self._load.start()
        try:
            for number in range(kills):
                self._load.allowed_bytes = (number + 1) * _BYTES_PER_STRIKE
                time.sleep(self._chance.uniform(0.02, 0.4))
                while not self._strike():
                    assert self.tally.missed.total() <= kills, f"{self.tally}"
            self._load.finish()
            self._wait_for_ends()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._check()
        return self.tally

    def _start(self) -> "subprocess.Popen[bytes]":
        options = (
            *("--workers", "2", "--state-directory", "state", "-su", "study", "-rns", "-tos", "1"),
            *("--events", "events", "--http", str(self._page)),
            *("-xcs", "echo $STORESCP_ID >> commands"),
            *("--exec-pause", "1", "--exec-attempts", "100"),
        )
        limit = time.monotonic() + _START_SECONDS
        while True:
            with self._log.open("ab") as log:
                process = subprocess.Popen(
                    [*our_command(), "-od", str(self._files), *options, str(self._port)],
                    cwd=self._directory,
                    env=our_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            while process.poll() is None:
                if is_listening(process.pid, self._port):
                    return process
                time.sleep(0.01)
            # The ports may still be those of processes that are just ending.
            assert time.monotonic() < limit, self._log.read_text()[-2000:]

    def _find(self, kind: str) -> list[int]:
        """Return the processes of a kind; a moment later, where the last one was struck just now."""
        limit = time.monotonic() + _LOOK_SECONDS
        while not (found := of_kind(self._process.pid, kind)) and time.monotonic() < limit:
            time.sleep(0.01)
        return found

    def _strike(self) -> bool:
        """Strike once; tell whether there was a process to strike."""
        kind = self._chance.choice(KINDS)
        if kind == ALL:
            os.killpg(self._process.pid, signal.SIGKILL)
        elif kind == MAIN:
            self._process.kill()
        else:
            found = self._find(kind)
            try:
                victim = self._chance.choice(found)
                if self._chance.random() < 0.2:
                    self._stop(victim, kind)
                    return True
                os.kill(victim, signal.SIGKILL)
            except (IndexError, ProcessLookupError):  # none was found, or it has just ended
                self.tally.missed[kind] += 1
                return False
        self.tally.kills[kind] += 1
        if kind in (MAIN, ALL):
            self._process.wait()
            self._process = self._start()
        return True

    def _stop(self, victim: int, kind: str) -> None:
        os.kill(victim, signal.SIGSTOP)
        self.tally.stops[kind] += 1
        time.sleep(self._chance.uniform(0, LONGEST_STOP))
        with suppress(ProcessLookupError):  # it was killed because it had the lock
            os.kill(victim, signal.SIGCONT)

    def _complete(self) -> Iterator[dict[str, object]]:
        """Yield the events of studies that are complete; most events are of objects, and are not kept."""
        path = self._directory / "events"
        if not path.exists():
            return
        with path.open(errors="replace") as lines:
            for line in lines:
                if "study-complete" in line:
                    with suppress(ValueError):  # cut by a kill
                        yield json.loads(line)

    def _commands(self) -> list[str]:
        path = self._directory / "commands"
        return path.read_text().split() if path.exists() else []

    def _announced(self) -> dict[str, dict[object, tuple[object, object]]]:
        """Return the announced rounds of each study: number and objects by identifier."""
        studies: dict[str, dict[object, tuple[object, object]]] = defaultdict(dict)
        for event in self._complete():
            if event.get("event") == "study-complete":
                told = event["round"], event["objects"]
                before = studies[str(event["study_instance_uid"])].setdefault(event["id"], told)
                assert before == told, "one identifier, two rounds"
        return studies

    def _wait_for_ends(self) -> None:
        limit = time.monotonic() + _END_SECONDS
        while time.monotonic() < limit:
            announced = self._announced()
            tokens = {token for rounds in announced.values() for token in rounds}
            missing = self._studies() - announced.keys()
            if not missing and tokens <= set(self._commands()) and self._are_all_counted(announced):
                return
            time.sleep(0.5)
        raise AssertionError(f"studies do not end: {self._log.read_text()[-3000:]}")

    def _studies(self) -> set[str]:
        return {study_of(instance) for instance in self._load.acknowledged}

    def _are_all_counted(self, announced: dict[str, dict[object, tuple[object, object]]]) -> bool:
        wanted = Counter(study_of(instance) for instance in self._load.acknowledged)
        return all(
            sum(int(str(objects)) for _, objects in announced[study].values()) >= count
            for study, count in wanted.items()
        )

    def _check(self) -> None:
        assert {text.rpartition(": ")[2] for text in self._load.refused} <= {"A700"}
        announced = self._announced()
        for study, rounds in announced.items():
            numbers = [number for number, _ in rounds.values()]
            assert len(numbers) == len(set(numbers)), f"{study}: one round, two identifiers"
        found: Counter[str] = Counter()
        for path in self._files.rglob("*"):
            if path.is_file() and ".storescp-" not in str(path):
                found[self._check_file(path)] += 1
        assert not self._load.acknowledged - found.keys(), "acknowledged and lost"
        assert max(found.values(), default=1) == 1, "an object has two names"
        self.tally.acknowledged = len(self._load.acknowledged)
        self.tally.refused = len(self._load.refused)
        self.tally.rounds = sum(map(len, announced.values()))
        self.tally.commands = len(self._commands())

    def _check_file(self, path: Path) -> str:
        """Check that a file is whole; return whose it is."""
        instance = str(pydicom.dcmread(path).SOPInstanceUID)
        _, data = split_file(path.read_bytes())
        assert data == self._load.expected(instance), path
        return instance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", type=Path, default=Path("/dev/shm"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        tally = StudyCampaign(Path(directory), arguments.seed).run(arguments.kills)
    sys.stdout.write(f"{tally}\n")


if __name__ == "__main__":
    main()
