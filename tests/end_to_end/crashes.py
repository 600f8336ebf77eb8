"""Clients that send interleaved studies while the receiver is killed and started again, and what has to hold then.

`python -m tests.end_to_end.crashes [SEED]` is the full run: 8 clients, 20 studies of 50 objects, 5 ends.
"""

import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.end_to_end.conversation import CONTEXTS, data_set
from tests.end_to_end.processes import children
from tests.peers.requestor import CT_IMAGE_STORAGE, Requestor, message, store_command
from tests.peers.servers import (
    ServerFailed,
    free_port,
    is_listening,
    our_command,
    our_environment,
)

ANNOUNCEMENTS = "announcements"
_ANNOUNCE = (
    'echo "$STORESCP_ID $STORESCP_ATTEMPT $STORESCP_STUDY_INSTANCE_UID $STORESCP_ROUND'
    f' $STORESCP_OBJECTS $(echo $(ls #p))" >> {ANNOUNCEMENTS}'
)
_LONGEST = 240.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything."""

    clients: int = 8
    studies: int = 20
    objects: int = 50
    ends: int = 5
    workers: int = 4
    timeout: int = 2
    late: int = 3
    """Objects of each study that come when it has ended already."""
    pause: float = 0.004
    """Seconds between two objects of a client, at random up to twice as long."""


@dataclass(slots=True)
class Receiver:
    """The program, which can be killed and started again."""

    directory: Path
    port: int
    options: Sequence[str]
    starts: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return once it listens."""
        self.starts += 1
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*our_command(), *self.options, str(self.port)],
                cwd=self.directory,
                env=our_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        limit = time.monotonic() + 60
        while not is_listening(self.process.pid, self.port):
            if self.process.poll() is not None or time.monotonic() > limit:
                raise ServerFailed((self.directory / "log").read_text()[-2000:])
            time.sleep(0.01)

    def end(self, how: str) -> None:
        """End it: by `SIGTERM`, by `SIGKILL` of its first process, or by `SIGKILL` of `all`."""
        assert self.process is not None
        pid = self.process.pid
        others = children(pid)
        self.process.send_signal(signal.SIGTERM if how == "SIGTERM" else signal.SIGKILL)
        if how == "all":
            for other in others:  # they may be gone already: they end with their parent
                with contextlib.suppress(ProcessLookupError):
                    os.kill(other, signal.SIGKILL)
        self.process.wait(60)


@dataclass(slots=True)
class Sent:
    """What clients have to send, and what was acknowledged."""

    waiting: list[tuple[str, str]]
    lock: threading.Lock = field(default_factory=threading.Lock)
    acknowledged: set[tuple[str, str]] = field(default_factory=set)
    resent: int = 0
    associations: int = 0
    broken: int = 0

    def take(self) -> tuple[str, str] | None:
        with self.lock:
            return self.waiting.pop() if self.waiting else None

    def give_back(self, instance: tuple[str, str]) -> None:
        with self.lock:
            self.waiting.append(instance)
            self.resent += 1


def client(sent: Sent, port: int, plan: Plan, seed: int) -> None:
    """Send what is waiting, over associations of some objects each; what is not acknowledged is sent again."""
    chance = random.Random(seed)
    limit = time.monotonic() + _LONGEST
    while time.monotonic() < limit:
        current = sent.take()
        if current is None:
            return
        try:
            with Requestor(port) as peer:
                peer.associate(CONTEXTS, calling=b"CLIENT%d" % (seed % 100))
                sent.associations += 1
                for _ in range(chance.randrange(1, 30)):
                    study, instance = current
                    command = store_command(CT_IMAGE_STORAGE, instance)
                    peer.send(message(1, command, data_set(instance, study)))
                    response = peer.receive_response()
                    if response.outcome != "0000":
                        raise ConnectionError(response.outcome)
                    with sent.lock:
                        sent.acknowledged.add(current)
                    current = None
                    time.sleep(chance.uniform(0, 2 * plan.pause))
                    if (current := sent.take()) is None:
                        break
                peer.release()
        except OSError:
            sent.broken += 1
            time.sleep(0.02)
        finally:
            if current is not None:
                sent.give_back(current)


@contextlib.contextmanager
def _clients(sent: Sent, port: int, plan: Plan, seed: int) -> Iterator[None]:
    threads = [
        threading.Thread(target=client, args=(sent, port, plan, seed * 100 + number))
        for number in range(plan.clients)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join()


@dataclass(frozen=True, slots=True)
class Announcement:
    """A line that the command of a study wrote."""

    id: str
    attempt: int
    study: str
    round: int
    objects: int
    files: frozenset[str]


def announcements(directory: Path) -> list[Announcement]:
    """Return the lines in the order in which they were written."""
    path = directory / ANNOUNCEMENTS
    found = []
    for line in path.read_text().splitlines() if path.exists() else ():
        identifier, attempt, study, number, objects, *files = line.split()
        found.append(
            Announcement(
                identifier, int(attempt), study, int(number), int(objects), frozenset(files)
            )
        )
    return found


def run(directory: Path, plan: Plan, seed: int, *options: str) -> str:
    """Send, kill, start again, and check; return what happened in a line.

    Raises:
        AssertionError: something was lost, or said too early.
    """
    chance = random.Random(seed)
    files = directory / "files"
    files.mkdir(parents=True)
    receiver = Receiver(
        directory,
        free_port(),
        [
            *("--workers", str(plan.workers), "--state-directory", "state", "-od", "files"),
            *("-su", "s", "-rns", "-tos", str(plan.timeout), "-xcs", _ANNOUNCE),
            *("--events", "events", *options),
        ],
    )
    wanted = [
        (f"1.{study}", f"1.{study}.{number}")
        for study, number in itertools.product(range(plan.studies), range(plan.objects))
    ]
    chance.shuffle(wanted)
    late = [one for one in wanted if int(one[1].rpartition(".")[2]) < plan.late]
    sent = Sent([one for one in wanted if one not in late])
    ways = itertools.cycle(("SIGKILL", "all", "SIGTERM"))
    receiver.start()
    try:
        _send(sent, receiver, plan, chance, list(itertools.islice(ways, plan.ends - 1)))
        _wait_for(lambda: _is_announced(directory, plan, plan.objects - plan.late))
        sent.waiting.extend(late)
        _send(sent, receiver, plan, chance, list(itertools.islice(ways, 1)))
        assert sent.acknowledged == set(wanted)
        _wait_for(lambda: _is_announced(directory, plan, plan.objects))
    finally:
        receiver.end("SIGTERM")
    said = announcements(directory)
    check(directory, plan, sent.acknowledged, said)
    rounds = len({one.id for one in said})
    return (
        f"{len(wanted)} objects of {plan.studies} studies by {plan.clients} clients over"
        f" {sent.associations} associations, {plan.ends} ends, {receiver.starts} starts:"
        f" {sent.broken} associations broken, {sent.resent} objects sent again,"
        f" {rounds} rounds announced, {len(said) - rounds} commands repeated"
    )


def _send(
    sent: Sent, receiver: Receiver, plan: Plan, chance: random.Random, ways: Sequence[str]
) -> None:
    """Have the clients send all that waits, and end the receiver some times meanwhile."""
    before, total = _progress(sent), len(sent.waiting)
    with _clients(sent, receiver.port, plan, chance.randrange(1000)):
        for number, way in enumerate(ways, 1):
            due = before + total * number // (len(ways) + 1)
            _wait_for(lambda due=due: _progress(sent) >= due)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.05))
            receiver.end(way)
            receiver.start()


def _progress(sent: Sent) -> int:
    with sent.lock:
        return len(sent.acknowledged)


def _wait_for(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + _LONGEST
    while not condition():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.01)


def _is_announced(directory: Path, plan: Plan, objects: int) -> bool:
    """Tell whether the latest round of every study names so many files."""
    latest = {one.study: one for one in sorted(announcements(directory), key=lambda one: one.round)}
    return len(latest) == plan.studies and all(len(one.files) >= objects for one in latest.values())


def check(
    directory: Path,
    plan: Plan,
    acknowledged: set[tuple[str, str]],
    said: Sequence[Announcement],
) -> None:
    """Assert that nothing is missing, nothing was said too early, and repetitions say that they are."""
    files = directory / "files"
    on_disk: dict[str, dict[str, str]] = {}
    for path in files.rglob("*"):
        if path.is_file():
            instance = _instance(path.read_bytes())
            on_disk.setdefault(path.parent.name, {})[path.name] = instance
    # Every acknowledged object is there, under a final name.
    for study, instance in acknowledged:
        assert instance in on_disk[f"s_{study}"].values(), instance
    for directory_name, names in on_disk.items():
        assert directory_name.startswith("s_"), directory_name
        assert all(name.startswith("CT0") for name in names), names
    for study in {study for study, _ in acknowledged}:
        of_study = [one for one in said if one.study == study]
        # Rounds are numbered without gaps, and each has one identifier.
        rounds = {one.round: one.id for one in of_study}
        assert sorted(rounds) == list(range(1, len(rounds) + 1)), study
        assert {(one.round, one.id) for one in of_study} == set(rounds.items())
        # The last round was said when all was there; what was said before that has a later one.
        last = max(of_study, key=lambda one: one.round)
        assert last.files == set(on_disk[f"s_{study}"]), study
        assert sum(one.objects for one in {o.round: o for o in of_study}.values()) >= plan.objects
    _check_events(directory, acknowledged, said)


def _instance(content: bytes) -> str:
    """Return the SOP Instance UID of the data set, the last in the file."""
    start = content.rindex(b"\x08\x00\x18\x00UI")
    length = int.from_bytes(content[start + 6 : start + 8], "little")
    return content[start + 8 : start + 8 + length].rstrip(b"\0").decode()


def _check_events(
    directory: Path, acknowledged: set[tuple[str, str]], said: Sequence[Announcement]
) -> None:
    """Assert that the stream of events tells the same."""
    told = []
    for line in (directory / "events").read_text().splitlines():
        with contextlib.suppress(ValueError):  # a kill may tear the last line of a process
            told.append(json.loads(line))
    stored = Counter(
        (event["study_instance_uid"], event["sop_instance_uid"])
        for event in told
        if event["event"] == "object-stored"
    )
    complete = {event["id"] for event in told if event["event"] == "study-complete"}
    assert acknowledged <= set(stored)
    assert {one.id for one in said} <= complete


def main() -> None:
    """Do the full run."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    with tempfile.TemporaryDirectory() as directory:
        begun = time.monotonic()
        text = run(Path(directory) / "run", Plan(), seed)
        sys.stdout.write(f"seed {seed}: {text}; {time.monotonic() - begun:.0f} s\n")


if __name__ == "__main__":
    main()
