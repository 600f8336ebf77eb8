"""Measures the whole way of an object without a network: bytes in, a file in memory, the response out.

    PYTHONPATH=src:. python bench/path.py [part of a line's name]

A transport that has everything prepared stands where the socket is. Each line is the median and the best of many
rounds, in microseconds an object; the last ones are the system calls alone, as `bench.floor` makes them.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial

from bench.objects import FIRST_NUMBER, INSTANCE, Template, templates
from storescp.dataset.encoding import Encoding
from storescp.serve.association.connection import Connection, Disturbances
from storescp.serve.association.deadlines import Timeouts
from storescp.serve.process.signals import Signals
from storescp.serve.reporting.association_reporter import AssociationReporter
from storescp.storage.naming.rules import ByStudyUID, Rules
from storescp.storage.settings import StorageSettings
from storescp.storage.store_scp import StoreSCP
from storescp.uids import EXPLICIT_VR_LITTLE_ENDIAN
from storescp.upper_layer.association import AssociationCaches
from storescp.upper_layer.negotiation import storage_policy
from tests.peers.requestor import RELEASE_REQUEST, Context, associate_request
from tests.peers.samples import ct_slice

CACHES = AssociationCaches()
ROUNDS = 15
OBJECTS = {"3 kB": 400, "36 kB": 200, "0.5 MB": 30}
EDGES = {"3 kB": 16, "36 kB": 128, "0.5 MB": 512}
ELEMENTS = {"3 kB": 100, "36 kB": 150, "0.5 MB": 150}
MODES: dict[str, Callable[[str], StorageSettings]] = {
    "+B": lambda directory: StorageSettings(Rules(directory), Encoding(), bit_preserving=True),
    "normal": lambda directory: StorageSettings(Rules(directory), Encoding()),
    "-su": lambda directory: StorageSettings(Rules(directory, ByStudyUID("study")), Encoding()),
}


class PreparedTransport:
    """Plays a peer that sends `count` objects and releases; every receive gives as much as there is room for."""

    def __init__(self, prepared: Template, count: int) -> None:
        self._stream = bytearray(prepared.stream)
        self._instance_at = prepared.instance_at
        self._request = associate_request(
            [Context(1, prepared.abstract_syntax, (prepared.transfer_syntax,))]
        )
        self._left = memoryview(self._request)
        self._count = count
        self._number = FIRST_NUMBER
        self.responses = 0

    def receive_into(self, room: memoryview) -> int:
        size = min(len(room), len(self._left))
        room[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def receive_ready(self, room: memoryview) -> int | None:
        return self.receive_into(room)

    def send_all(self, _: bytes) -> None:
        self.responses += 1
        if self.responses > self._count:
            self._left = memoryview(RELEASE_REQUEST)
            return
        number = b"%d" % self._number
        self._number += 1
        for at in self._instance_at:
            self._stream[at : at + len(number)] = number
        self._left = memoryview(self._stream)

    def set_timeout(self, seconds: float | None) -> None:
        """Nothing takes any time here."""

    def fileno(self) -> int:
        return -1

    def part(self) -> None:
        """Nobody to part from."""

    def close(self) -> None:
        """Nothing to close."""


def receive(
    directory: str, mode: Callable[[str], StorageSettings], prepared: Template, count: int
) -> None:
    """Receive `count` objects over one association of a process that has served others before."""
    transport = PreparedTransport(prepared, count)
    store = StoreSCP(mode(directory), run=lambda _: None)
    policy = storage_policy((EXPLICIT_VR_LITTLE_ENDIAN,))
    Connection(
        transport,
        "localhost",
        policy,
        store,
        Signals(),
        AssociationReporter("localhost", policy),
        timeouts=Timeouts(),
        disturbances=Disturbances(),
        caches=CACHES,
    ).serve()
    store.close()
    assert transport.responses == count + 2


def bare_calls(directory: str, prepared: Template, count: int) -> None:
    """Open, writev, close, rename."""
    for number in range(count):
        hidden = f"{directory}/.{number}"
        descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        os.writev(descriptor, [prepared.stream])
        os.close(descriptor)
        os.rename(hidden, f"{directory}/CT.{INSTANCE}.{number}")


def report(name: str, count: int, run: Callable[[str], object]) -> None:
    """Print what one of `count` objects costs; each round has an empty directory."""
    if len(sys.argv) > 1 and sys.argv[1] not in name:
        return
    times = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
            start = time.perf_counter()
            run(directory)
            times.append((time.perf_counter() - start) / count * 1e6)
    print(f"{name:30} {statistics.median(times):8.1f} {min(times):8.1f}", flush=True)


def main() -> None:
    """Print all lines."""
    print(f"{'µs an object':30} {'median':>8} {'best':>8}")
    for size, count in OBJECTS.items():
        [prepared] = templates([ct_slice(EDGES[size], INSTANCE, elements=ELEMENTS[size])])
        for name, mode in MODES.items():
            run = partial(receive, mode=mode, prepared=prepared, count=count)
            report(f"{size}, {name}", count, run)
        report(f"{size}, bare calls", count, partial(bare_calls, prepared=prepared, count=count))


if __name__ == "__main__":
    main()
