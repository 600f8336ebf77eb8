"""Kill the receiver at random moments under load, and look what is on disk: `python -m tests.end_to_end.killing`.

After each kill every object that was acknowledged must be there, byte for byte and readable by pydicom, and so must
everything else that bears a final name: an object is there whole or not at all. The next start removes what was
unfinished. A run is the same sequence of delays and victims for the same seed; what the machine makes of it is not.
"""

import argparse
import io
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from tests.end_to_end.burden import unfinished
from tests.end_to_end.processes import children
from tests.peers.dicom import Syntax, split_file
from tests.peers.requestor import (
    CT_IMAGE_STORAGE,
    Context,
    Requestor,
    associate_request,
    message,
    store_command,
)
from tests.peers.servers import free_port, is_listening, our_command, our_environment

MODES: dict[str, tuple[str, ...]] = {
    "normal": (),
    "forking": ("--fork",),
    "studies, renamed": ("-su", "study", "-rns"),
    "studies, forking": ("--fork", "-su", "study"),
    "bit-preserving": ("+B",),
    "on disk": ("--fsync", "-tn"),
    "workers": ("--workers", "2"),
    "workers, studies": ("--workers", "2", "-su", "study", "-rns"),
    "patients, big endian": ("-sp", "+tb"),
}
LITTLE = "1.2.840.10008.1.2.1"
SIZES = (0, 1_000, 20_000, 60_000, 400_000, 1_500_000)
_REQUEST = associate_request([Context(1, CT_IMAGE_STORAGE, (LITTLE,))])
_SMALL_BYTES = 1_000
_SMALL_PAUSE_SECONDS = 0.02  # or they would be many instead of large
SENDERS = 3
LONGEST_DELAY = 0.3
LONGEST_COMMIT = 0.001
_START_LIMIT = 30.0


@dataclass
class Load:
    """Senders that send until nobody listens, and what was acknowledged to them."""

    port: int
    seed: int
    allowed_bytes: float = math.inf
    """Once so many were sent, objects are small and come slowly: a long run is not to fill what it stores into, which may be memory."""
    sent: dict[str, int] = field(default_factory=dict)
    """Size of each object, from which `expected` makes it again: the objects themselves would be gigabytes."""
    acknowledged: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    """Failure statuses: there must be none."""
    all_sent: threading.Event = field(default_factory=threading.Event)
    """The last byte of an object is on its way, its response is not here."""
    _sent_bytes: int = 0
    _over: bool = False
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for number in range(SENDERS):
            thread = threading.Thread(target=self._send, args=(number,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def finish(self) -> None:
        """The receiver is gone: let the senders find out."""
        self._over = True
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive(), "a sender hangs"

    def expected(self, instance: str) -> bytes:
        """Return the data set that was sent."""
        return object_of(instance, study_of(instance), self.sent[instance])

    def _choose_size(self, chance: random.Random) -> int:
        size = chance.choice(SIZES)
        if self._sent_bytes < self.allowed_bytes:
            return size
        time.sleep(_SMALL_PAUSE_SECONDS)
        return min(size, _SMALL_BYTES)

    def _send(self, sender: int) -> None:
        chance = random.Random(self.seed * 100 + sender)
        number = 0
        while not self._over:
            time.sleep(0.001)  # nobody may listen
            with suppress(OSError), Requestor(self.port, timeout=15) as peer:
                if peer.exchange(_REQUEST).kind != 2:
                    continue
                for _ in range(chance.randint(1, 8)):
                    number += 1
                    instance = f"1.2.{self.seed}.{sender}.{number}"
                    if not self._store(peer, instance, self._choose_size(chance)):
                        break
                else:
                    peer.release()

    def _store(self, peer: Requestor, instance: str, size: int) -> bool:
        self.sent[instance] = size
        self._sent_bytes += size
        data = self.expected(instance)
        peer.send(message(1, store_command(CT_IMAGE_STORAGE, instance), data))
        self.all_sent.set()
        response = peer.receive_response()
        if response.outcome == "0000":
            self.acknowledged.add(instance)
            return True
        if response.kind == 4:
            self.refused.append(f"{instance}: {response.outcome}")
        return False


def study_of(instance: str) -> str:
    """Return the study that a sender puts an object into: three objects each."""
    *_, sender, number = instance.split(".")
    return f"1.9.{sender}.{int(number) // 3}"


def object_of(instance: str, study: str, size: int, syntax: Syntax | None = None) -> bytes:
    """Return a data set of some `size` bytes, all of which tell which object they belong to."""
    syntax = syntax or Syntax()
    pattern = instance.encode() + b"/"
    pixels = (pattern * (size // len(pattern) + 1))[: size // 2 * 2]
    return b"".join(
        (
            syntax.element(0x00080016, "UI", CT_IMAGE_STORAGE),
            syntax.element(0x00080018, "UI", instance),
            syntax.element(0x00100010, "PN", "Doe^Jane"),
            syntax.element(0x0020000D, "UI", study),
            syntax.element(0x7FE00010, "OB", pixels),
        )
    )


@dataclass
class Tally:
    """What was survived."""

    kills: int = 0
    acknowledged: int = 0
    unfinished: int = 0
    """Files that a kill left behind, and the next start removed."""
    unacknowledged: int = 0
    """Whole objects whose acknowledgement was not sent, or not received, any more."""

    def add(self, other: "Tally") -> None:
        self.kills += other.kills
        self.acknowledged += other.acknowledged
        self.unfinished += other.unfinished
        self.unacknowledged += other.unacknowledged


class Campaign:
    """Kills in one mode, one after the other in one output directory."""

    def __init__(self, mode: str, directory: Path, seed: int) -> None:
        self.tally = Tally()
        self._mode = mode
        self._options = MODES[mode]
        self._files = directory / "files"
        self._files.mkdir(parents=True)
        self._chance = random.Random(seed)
        self._seed = seed
        self._log = directory / "log.txt"

    def kill(self) -> None:
        """Start, load, kill, look; start again and look what is left."""
        process, port = self._start()
        try:
            assert not self._unfinished(), "the start has not removed what was unfinished"
            self._seed += 1
            load = Load(port, self._seed)
            load.start()
            time.sleep(self._chance.uniform(0, LONGEST_DELAY))
            if self._chance.random() < 0.5:
                # Aim at the commit, which is short.
                load.all_sent.clear()
                load.all_sent.wait(5)
                time.sleep(self._chance.uniform(0, LONGEST_COMMIT))
            self._kill(process)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        load.finish()
        assert not load.refused, load.refused
        self._check(load)

    def end(self) -> None:
        """Start and stop once more: nothing unfinished stays."""
        process, _ = self._start()
        assert not self._unfinished(), "the start has not removed what was unfinished"
        process.terminate()
        process.wait(20)
        assert not list(self._files.rglob(".storescp-*"))

    def _start(self) -> tuple["subprocess.Popen[bytes]", int]:
        for _ in range(5):
            port = free_port()
            with self._log.open("ab") as log:
                process = subprocess.Popen(
                    [*our_command(), "-od", str(self._files), *self._options, str(port)],
                    env=our_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            limit = time.monotonic() + _START_LIMIT
            while process.poll() is None:
                if is_listening(process.pid, port) and self._is_ready(process.pid):
                    return process, port
                assert time.monotonic() < limit, "it does not start"
                time.sleep(0.002)
        raise AssertionError(self._log.read_text())

    def _is_ready(self, pid: int) -> bool:
        """Tell whether it waits for connections: only then it has removed what was left."""
        with suppress(OSError):
            return "poll" in Path(f"/proc/{pid}/wchan").read_text() or (
                Path(f"/proc/{pid}/syscall").read_text().split()[0] == "7"
            )
        return False

    def _kill(self, process: "subprocess.Popen[bytes]") -> None:
        """Kill the process, a child of it, or all of them; a parent goes on without the child."""
        if {"--fork", "--workers"} & {*self._options} and self._chance.random() < 0.4:
            others = children(process.pid)
            if others:
                with suppress(ProcessLookupError):
                    os.kill(self._chance.choice(others), signal.SIGKILL)
                time.sleep(self._chance.uniform(0, LONGEST_DELAY / 3))
        if self._chance.random() < 0.5:
            process.kill()
            time.sleep(self._chance.uniform(0, LONGEST_DELAY / 3))  # its children go on
        os.killpg(process.pid, signal.SIGKILL)

    def _unfinished(self) -> list[str]:
        return unfinished(self._files)

    def _check(self, load: Load) -> None:
        found = set()
        self.tally.kills += 1
        self.tally.acknowledged += len(load.acknowledged)
        self.tally.unfinished += len(self._unfinished())
        for path in self._files.rglob("*"):
            if path.is_dir() or path.suffix == ".part":
                continue
            found.add(self._check_file(path, load))
            path.unlink()
        lost = load.acknowledged - found
        assert not lost, f"acknowledged and lost: {sorted(lost)}"
        self.tally.unacknowledged += len(found - load.acknowledged)

    def _check_file(self, path: Path, load: Load) -> str:
        """Check that a file is whole; return whose it is."""
        content = path.read_bytes()
        read = pydicom.dcmread(io.BytesIO(content))
        instance = str(read.SOPInstanceUID)
        assert instance == read.file_meta.MediaStorageSOPInstanceUID
        _, data = split_file(content)
        if "+tb" in self._options:
            study = str(read.StudyInstanceUID)
            length = len(read.get("PixelData", b"") or b"")
            assert data == object_of(instance, study, length, Syntax(order=">")), path
            assert len(data) == len(load.expected(instance)), path
        else:
            assert data == load.expected(instance), path
        return instance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", type=Path, default=Path("/dev/shm"))
    arguments = parser.parse_args()
    total = Tally()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        for number, mode in enumerate(MODES):
            share = arguments.kills // len(MODES) + (number < arguments.kills % len(MODES))
            campaign = Campaign(
                mode, Path(directory) / str(number), arguments.seed + 10_000 * number
            )
            for _ in range(share):
                campaign.kill()
            campaign.end()
            total.add(campaign.tally)
            sys.stdout.write(f"{mode}: {campaign.tally}\n")
            sys.stdout.flush()
    sys.stdout.write(f"all: {total}\n")


if __name__ == "__main__":
    main()
