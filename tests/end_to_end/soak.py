"""Good and bad traffic for a long time: `python -m tests.end_to_end.soak --minutes 20`.

Senders store objects of studies that end, with commands that succeed, fail, or end by a signal; others break off, say
nothing, send what is no DICOM, ask and close at once, or are killed together with their worker. Memory, descriptors and
processes of the receiver are looked at all the while: they must be flat, once everything has been used.
"""

import argparse
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from storescp.process_name import STUDIES, WORKER
from tests.end_to_end.conversation import CONTEXTS, store
from tests.end_to_end.processes import descendants, of_kind
from tests.peers.requestor import (
    CT_IMAGE_STORAGE,
    Requestor,
    associate_request,
    message,
    store_command,
)
from tests.peers.servers import Server, free_port, ours

_REQUEST = associate_request(CONTEXTS)
OPTIONS = (
    *("--workers", "2", "--state-directory", "state", "-su", "study", "-rns", "-tos", "1"),
    *("--exec-pause", "0", "--exec-attempts", "2", "--queue-limit", "8"),
    *("-xcs", "case #p in *3) exit 1 ;; *4) kill -40 $$ ;; esac"),
)
_GROWTH, _GROWTH_BYTES = 1.1, 2 << 20
"""Memory may be this much larger in the end than when all had been used once."""


@dataclass(frozen=True)
class Sample:
    """What a receiver takes."""

    memory: int
    """Of all processes, in bytes, what they share counted once (proportional set size)."""
    descriptors: int
    processes: int


class Soak:
    """Traffic, and what it costs."""

    def __init__(self, server: Server, seed: int) -> None:
        self._server = server
        self._chance = random.Random(seed)
        self._over = False
        self._number = 0
        self._lock = threading.Lock()
        self.stored = 0
        self.samples: list[Sample] = []

    def run(self, seconds: float, every: float) -> None:
        """Send for so long, and take a sample every now and then."""
        acts: tuple[Callable[[], None], ...] = (
            self._send_study,
            self._send_study,
            self._break_off,
            self._say_nothing,
            self._talk_nonsense,
            self._ask_and_close,
        )
        threads = [threading.Thread(target=self._repeat, args=(act,)) for act in acts]
        threads.append(threading.Thread(target=self._repeat, args=(self._kill, 3.0)))
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(min(every, max(0.0, end - time.monotonic())))
            self.samples.append(sample(self._server.process.pid))
        self._over = True
        for thread in threads:
            thread.join(30)

    def _repeat(self, act: Callable[[], None], pause: float = 0.01) -> None:
        while not self._over:
            with suppress(OSError, KeyError, AssertionError):
                act()
            time.sleep(pause)

    def _next(self) -> int:
        with self._lock:
            self._number += 1
            return self._number

    def _send_study(self) -> None:
        number = self._next()
        with Requestor(self._server.port, timeout=20) as peer:
            peer.associate(CONTEXTS)
            for instance in range(5):
                if store(peer, f"1.{number}.{instance}", f"1.{number}") == "0000":
                    self.stored += 1
            peer.release()

    def _break_off(self) -> None:
        number = self._next()
        with Requestor(self._server.port, timeout=20) as peer:
            peer.associate(CONTEXTS)
            whole = message(1, store_command(CT_IMAGE_STORAGE, f"1.{number}"), b"\0" * 5000)
            peer.send(whole[: self._chance.randrange(len(whole))])

    def _say_nothing(self) -> None:
        with socket.create_connection(("127.0.0.1", self._server.port), 10):
            time.sleep(self._chance.random())

    def _talk_nonsense(self) -> None:
        with socket.create_connection(("127.0.0.1", self._server.port), 10) as peer:
            peer.sendall(self._chance.randbytes(500))
            peer.settimeout(1)
            peer.recv(100)

    def _ask_and_close(self) -> None:
        with Requestor(self._server.port, timeout=10) as peer:
            peer.send(_REQUEST)

    def _kill(self) -> None:
        found = of_kind(self._server.process.pid, self._chance.choice((WORKER, STUDIES)))
        if found:
            os.kill(self._chance.choice(found), signal.SIGKILL)

    def assert_flat(self) -> None:
        """Compare the last quarter of the samples with the second one, when everything had been used."""
        quarter = len(self.samples) // 4
        early, late = self.samples[quarter : 2 * quarter], self.samples[-quarter:]
        before, after = (median(each.memory for each in part) for part in (early, late))
        assert after <= max(before * _GROWTH, before + _GROWTH_BYTES), (before, after)
        for name in ("descriptors", "processes"):
            most = [max(getattr(each, name) for each in part) for part in (early, late)]
            assert most[1] <= most[0] * 1.2 + 4, (name, most)


def sample(pid: int) -> Sample:
    """Look at a receiver with all of its processes."""
    memory = descriptors = processes = 0
    for process in (pid, *descendants(pid)):
        with suppress(OSError):
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
            [pss] = [line for line in rollup.splitlines() if line.startswith("Pss:")]
            memory += int(pss.split()[1]) * 1024
            descriptors += len(os.listdir(f"/proc/{process}/fd"))
            processes += 1
    return Sample(memory, descriptors, processes)


def soak(directory: Path, seconds: float, every: float, seed: int = 1) -> Soak:
    """Soak a receiver, and check that it is flat and still serves."""
    with ours(directory, [*OPTIONS, "--http", str(free_port())]) as server:
        traffic = Soak(server, seed)
        traffic.run(seconds, every)
        time.sleep(2)  # what was killed last is started again
        traffic.assert_flat()
        with Requestor(server.port, timeout=20) as peer:
            peer.associate(CONTEXTS)
            assert peer.echo(3).status == 0
            peer.release()
    return traffic


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--directory", type=Path, default=Path("/dev/shm"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        done = soak(Path(directory), arguments.minutes * 60, 5)
    for one in done.samples[:: max(1, len(done.samples) // 20)]:
        sys.stdout.write(f"{one}\n")
    sys.stdout.write(f"{done.stored} objects stored, flat\n")


if __name__ == "__main__":
    main()
