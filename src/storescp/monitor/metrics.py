"""The facts of the model in Prometheus' text format, for `/metrics`.

Collected when asked for, from the one model that has seen the events of all processes: so the numbers are right with
`--fork` as without, and counting costs nothing that the page does not cost already.
"""

import os
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, exposition
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from storescp.monitor.model import DURATIONS, Model
from storescp.monitor.report import obstacles
from storescp.monitor.surroundings import HostStatus

_BY_TITLE = ["calling_ae_title"]


class Metrics:
    """Makes the text."""

    def __init__(
        self,
        model: Model,
        look: Callable[[], HostStatus],
        *,
        receiver: int | None = None,
    ) -> None:
        """Prepare.

        Args:
            model: what is counted.
            look: tells of disk and certificate.
            receiver: process of which memory, time and descriptors are told, if any.
        """
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Collector(model, look))
        if receiver is not None and os.path.isdir("/proc"):
            ProcessCollector(registry=self._registry, pid=lambda: receiver)

    def __call__(self) -> tuple[str, bytes]:
        """Return content type and text."""
        return exposition.CONTENT_TYPE_PLAIN_0_0_4, exposition.generate_latest(self._registry)


class _Collector(Collector):
    def __init__(self, model: Model, look: Callable[[], HostStatus]) -> None:
        self._model = model
        self._look = look

    def collect(self) -> Iterator[Metric]:
        model, surroundings = self._model, self._look()
        yield _gauge(
            "storescp_ready",
            "Whether objects are taken: the port is open, disk and database are usable.",
            float(not obstacles(model, surroundings)),
        )
        yield _gauge("storescp_start_time_seconds", "When the program was started.", model.started)
        if model.listening is not None:
            yield InfoMetricFamily(
                "storescp", "The program.", value={"version": model.listening.version}
            )
        yield _gauge("storescp_associations", "Open associations.", len(model.associations))
        yield from self._by_calling_ae_title()
        yield from self._what_went_wrong()
        yield self._durations()
        yield _gauge(
            "storescp_open_studies",
            "Studies whose end was not announced yet, of those that are remembered.",
            sum(study.completed is None for study in model.studies.values()),
        )
        yield _counter(
            "storescp_studies_completed",
            "Studies, or rounds of studies, whose end was announced.",
            ["cause"],
            {(cause,): count for cause, count in model.studies_completed.items()},
        )
        yield from self._commands()
        yield from _surroundings(surroundings)

    def _by_calling_ae_title(self) -> Iterator[Metric]:
        titles = self._model.by_calling_ae_title.items()
        yield _counter(
            "storescp_associations_accepted",
            "Associations that were accepted.",
            _BY_TITLE,
            {(title,): totals.associations for title, totals in titles},
        )
        yield _counter(
            "storescp_objects_stored",
            "Objects that were stored.",
            _BY_TITLE,
            {(title,): totals.objects for title, totals in titles},
        )
        yield _counter(
            "storescp_object_bytes_stored",
            "Bytes of the files that were stored.",
            _BY_TITLE,
            {(title,): totals.bytes for title, totals in titles},
        )
        yield _counter(
            "storescp_objects_refused",
            "Objects that were not stored.",
            _BY_TITLE,
            {(title,): totals.refused for title, totals in titles},
        )

    def _what_went_wrong(self) -> Iterator[Metric]:
        model = self._model
        yield _counter(
            "storescp_object_failures",
            "Objects that were not stored, by the status of the response.",
            ["status"],
            {(status,): count for status, count in model.refused_by_status.items()},
        )
        yield _counter(
            "storescp_associations_rejected",
            "Associations that were rejected, by the fields of the A-ASSOCIATE-RJ.",
            ["result", "source", "reason"],
            {
                (str(result), str(source), str(reason)): count
                for (result, source, reason), count in model.rejected.items()
            },
        )
        yield _counter(
            "storescp_associations_aborted",
            "Associations that ended without a release, by who ended them.",
            ["by"],
            {(by,): count for by, count in model.aborted.items()},
        )
        yield _counter(
            "storescp_connections_refused",
            "Connections that did not become associations.",
            ["cause"],
            {(cause,): count for cause, count in model.connections_refused.items()},
        )
        yield _counter(
            "storescp_events_dropped",
            "Events that were lost on their way here: the other numbers are too small by them.",
            [],
            {(): model.events_dropped},
        )

    def _durations(self) -> Metric:
        family = HistogramMetricFamily(
            "storescp_object_duration_seconds",
            "From the request to store an object to its response.",
        )
        buckets, count = [], 0
        for bound, here in zip((*map(str, DURATIONS), "+Inf"), self._model.durations, strict=True):
            count += here
            buckets.append((bound, float(count)))
        family.add_metric([], buckets, self._model.total_duration)
        return family

    def _commands(self) -> Iterator[Metric]:
        commands = self._model.commands
        running = GaugeMetricFamily(
            "storescp_commands_running", "Commands of the user that run.", labels=["kind"]
        )
        for kind, counts in commands.items():
            running.add_metric([kind], counts.running)
        yield running
        yield _counter(
            "storescp_commands",
            "Commands of the user that have ended; repeated: failed, and started again later.",
            ["kind", "result"],
            {
                (kind, result): count
                for kind, counts in commands.items()
                for result, count in (
                    ("ended", counts.ended),
                    ("failed", counts.failed),
                    ("repeated", counts.repeated),
                )
            },
        )


def _surroundings(surroundings: HostStatus) -> Iterator[Metric]:
    for name, text, value in (
        ("storescp_disk_free_bytes", "Room for objects.", surroundings.disk_free),
        (
            "storescp_disk_size_bytes",
            "Size of the disk that has the objects.",
            surroundings.disk_size,
        ),
        (
            "storescp_certificate_expiry_timestamp_seconds",
            "When the server's certificate ends.",
            surroundings.certificate_expiry,
        ),
    ):
        if value is not None:
            yield _gauge(name, text, value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, labels: list[str], counts: dict[tuple[str, ...], int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in counts.items():
        family.add_metric(list(values), count)
    return family
