"""Runs a workload: all entrants side by side, in interleaved rounds."""

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from json import dumps
from pathlib import Path
from statistics import median

from bench.load import Measured, Order, Prepared, read_measured
from bench.objects import FIRST_NUMBER, Template
from bench.peers import Peer
from bench.processor import processor_seconds
from bench.workload import Entrant, Measure, Workload
from tests.peers.servers import Server, ServerFailed, running

_ROUNDS_OF_A_START = 3
"""After so many rounds a server is started anew: where a process happens to lie in memory is worth 5 % to it or its peer."""


@dataclass(slots=True)
class Series:
    """What an entrant reached, round by round; memory at the end, in bytes.

    Objects a second, bytes a second, and the processors' seconds that the server took for an object.
    """

    entrant: Entrant
    rates: list[float] = field(default_factory=list)
    throughputs: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    memory: int = 0
    trouble: str = ""

    @property
    def rate(self) -> float:
        """The median of objects a second."""
        return median(self.rates)


@dataclass(slots=True)
class Result:
    """A workload and what its entrants reached, by title."""

    workload: Workload
    series: dict[str, Series]

    def ratio(self, entrant: str, reference: str, measure: Measure = Measure.RATE) -> float | None:
        """Return the median over the rounds of the ratio of two rates, or costs; None if one of them has none.

        Both of a round were measured within seconds of each other, so what the machine does meanwhile
        weighs on both.
        """
        mine, other = (self._rounds(title, measure) for title in (entrant, reference))
        if not mine or not other:
            return None
        return median(a / b for a, b in zip(mine, other, strict=False))

    def _rounds(self, title: str, measure: Measure) -> list[float]:
        series = self.series.get(title)
        if series is None:
            return []
        return series.rates if measure is Measure.RATE else series.costs


@dataclass(frozen=True, slots=True)
class Parcel:
    """The objects of a workload, in a file that the load generators read."""

    file: Path
    objects: tuple[Prepared, ...]


def write_parcel(templates: Sequence[Template], file: Path) -> Parcel:
    """Write the PDUs of all objects into one file."""
    objects, start = [], 0
    with file.open("wb") as stream:
        for each in templates:
            stream.write(each.stream)
            objects.append(
                Prepared(
                    start,
                    start + len(each.stream),
                    tuple(start + at for at in each.instance_at),
                    tuple(start + at for at in each.study_at),
                    each.context,
                    each.abstract_syntax,
                    each.transfer_syntax,
                )
            )
            start += len(each.stream)
    return Parcel(file, tuple(objects))


class Runner:
    """Runs workloads below a working directory in memory and one on disk."""

    def __init__(self, peers: dict[str, Peer], memory: Path, disk: Path) -> None:
        self._peers = peers
        self._memory = memory
        self._disk = disk

    def run(self, workload: Workload, templates: Sequence[Template], rounds: int) -> Result:
        """Send to all entrants of a workload in turn, for a number of rounds; all are started anew every few rounds."""
        parcel = write_parcel(templates, self._memory / "objects")
        present = [entrant for entrant in workload.entrants if entrant.peer in self._peers]
        result = Result(workload, {entrant.title: Series(entrant) for entrant in present})
        for first in range(1, rounds + 1, _ROUNDS_OF_A_START):
            counts = range(first, min(first + _ROUNDS_OF_A_START, rounds + 1))
            with ExitStack() as stack:
                servers = dict(self._start(result, stack))
                self._send_rounds(servers, result, parcel, (0, *counts))
                for title, server in servers.items():
                    series = result.series[title]
                    if server.process.poll() is None:
                        series.memory = max(series.memory, server.peak_memory())
            shutil.rmtree(self._root(workload), ignore_errors=True)
        parcel.file.unlink()
        return result

    def _root(self, workload: Workload) -> Path:
        return (self._disk if workload.on_disk else self._memory) / "servers"

    def _start(self, result: Result, stack: ExitStack) -> Iterator[tuple[str, Server]]:
        """Start those that have had no trouble yet; they end with the stack."""
        for number, series in enumerate(result.series.values()):
            peer = self._peers[series.entrant.peer]
            if series.trouble:
                continue
            directory = self._root(result.workload) / str(number)
            starting = running(peer.command, directory, series.entrant.options, peer.environment)
            try:
                yield series.entrant.title, stack.enter_context(starting)
            except ServerFailed as error:
                series.trouble = str(error)

    def _send_rounds(
        self,
        servers: dict[str, Server],
        result: Result,
        parcel: Parcel,
        counts: Iterable[int],
    ) -> None:
        """Send to each server in turn, once for each number of a round."""
        for count in counts:
            for title in _rotated(list(servers), count):
                series = result.series[title]
                if not series.trouble:
                    _round(series, servers[title], result.workload, parcel, count)


def _rotated(titles: list[str], by: int) -> list[str]:
    """Return the titles in another order each round, so that no one always follows the same one."""
    start = by % len(titles) if titles else 0
    return titles[start:] + titles[:start]


def _round(series: Series, server: Server, workload: Workload, parcel: Parcel, count: int) -> None:
    """Send to one server; round 0 warms up and does not count."""
    try:
        before = processor_seconds(server.process.pid)
        measured = send(server.port, workload, parcel, count)
        taken = processor_seconds(server.process.pid) - before
        stored = sum(path.is_file() for path in server.directory.rglob("*"))
    except (ConnectionError, OSError, ValueError) as error:
        series.trouble = f"{error} {server.errors()[-300:]}".strip()
        return
    finally:
        _empty(server.directory)
    sent = sum(part.objects for part in measured)
    if sum(part.failures for part in measured) or stored != sent:
        series.trouble = f"stored {stored} of {sent} objects: {server.errors()[-300:]}"
    elif count:
        seconds = max(part.end for part in measured) - min(part.start for part in measured)
        series.rates.append(sent / seconds)
        series.costs.append(taken / sent)
        series.throughputs.append(sum(part.bytes for part in measured) / seconds)


def send(port: int, workload: Workload, parcel: Parcel, count: int) -> list[Measured]:
    """Let load generators, one for each association, send at the same time.

    Raises:
        ConnectionError: a load generator failed; it said why on standard error.
    """
    warm_up = count == 0
    with ExitStack() as stack:
        generators = []
        for number in range(workload.associations):
            objects = max(1, workload.count // 10) if warm_up else workload.count
            order = Order(
                port=port,
                file=str(parcel.file),
                objects=parcel.objects,
                shuffled=workload.shuffled,
                first=FIRST_NUMBER + (count * workload.associations + number) * 1_000_000,
                count=objects,
                limit=workload.limit,
                objects_per_study=workload.objects_per_study,
                objects_per_association=workload.objects_per_association,
                tls=workload.tls,
                late=workload.late,
            )
            generators.append(stack.enter_context(_generator(order)))
        for generator in generators:
            if _line(generator) != "ready":
                raise ConnectionError("the load generator got no association")
        for generator in generators:
            assert generator.stdin is not None
            generator.stdin.write("go\n")
            generator.stdin.flush()
        measured = []
        for generator in generators:
            text = _line(generator)
            if not text:
                raise ConnectionError("the association was lost")
            measured.append(read_measured(text))
        return measured


@contextmanager
def _generator(order: Order) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "bench.load"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(dumps(asdict(order)) + "\n")
        process.stdin.flush()
        try:
            yield process
        finally:
            if sys.exc_info()[0] is not None:
                process.kill()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _empty(directory: Path) -> None:
    """Remove what a directory holds; the directory stays, servers may be in it, and remove what is theirs meanwhile."""
    for entry in directory.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
