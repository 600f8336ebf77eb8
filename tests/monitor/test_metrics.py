"""/metrics, as the Prometheus client's own parser reads it."""

import os

from prometheus_client.parser import text_string_to_metric_families

from storescp.events import (
    AssociationRejected,
    CommandEnded,
    CommandStarted,
    ConnectionRefused,
    EventsDropped,
    Fact,
    Listening,
    ObjectRefused,
    StudyComplete,
)
from storescp.monitor.metrics import Metrics
from storescp.monitor.model import DURATIONS, OTHER, Limits, Model
from storescp.monitor.surroundings import HostStatus
from tests.monitor.events import ACCEPTED, CT, LITTLE, LOST, START, event, party, stored

SURROUNDINGS = HostStatus(10**9, 10**10, "", 1.9e9, "")
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(model: Model, surroundings: HostStatus = SURROUNDINGS) -> Samples:
    """Return values by name and labels."""
    kind, text = Metrics(model, lambda: surroundings)()
    assert kind.startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(found: Samples, metric: str, **labels: str) -> float:
    return found[metric, frozenset(labels.items())]


def test_everything_is_counted() -> None:
    """Each fact has its time series."""
    model = Model(START)
    facts: tuple[Fact, ...] = (
        Listening(104, "1.0", "fork"),
        ConnectionRefused("host-rules", ""),
        AssociationRejected(1, 1, 7, ""),
        ACCEPTED,
        stored(size=700, duration=0.004),
        stored(size=300, duration=0.2),
        ObjectRefused("A700", CT, "1", "CT", LITTLE, "", 1),
        CommandStarted("study", "x", 7),
        CommandStarted("study", "x", 8),
        CommandEnded("study", "x", 7, 1),
        StudyComplete("1.9", "/in", 2, "timeout"),
        EventsDropped(5),
    )
    for fact in facts:
        model.observe(event(fact, party()))

    found = samples(model)

    assert value(found, "storescp_ready") == 1
    assert value(found, "storescp_info", version="1.0") == 1
    assert value(found, "storescp_associations") == 1
    assert value(found, "storescp_associations_accepted_total", calling_ae_title="CT1") == 1
    assert value(found, "storescp_objects_stored_total", calling_ae_title="CT1") == 2
    assert value(found, "storescp_object_bytes_stored_total", calling_ae_title="CT1") == 1000
    assert value(found, "storescp_objects_refused_total", calling_ae_title="CT1") == 1
    assert value(found, "storescp_object_failures_total", status="A700") == 1
    rejected = {"result": "1", "source": "1", "reason": "7"}
    assert value(found, "storescp_associations_rejected_total", **rejected) == 1
    assert value(found, "storescp_connections_refused_total", cause="host-rules") == 1
    assert value(found, "storescp_studies_completed_total", cause="timeout") == 1
    assert value(found, "storescp_open_studies") == 0
    assert value(found, "storescp_commands_running", kind="study") == 1
    assert value(found, "storescp_commands_total", kind="study", result="ended") == 1
    assert value(found, "storescp_commands_total", kind="study", result="failed") == 0
    assert value(found, "storescp_events_dropped_total") == 5
    assert value(found, "storescp_disk_free_bytes") == 1e9
    assert value(found, "storescp_certificate_expiry_timestamp_seconds") == 1.9e9
    assert value(found, "storescp_start_time_seconds") == START

    model.observe(event(LOST, party()))
    assert value(samples(model), "storescp_associations_aborted_total", by="network") == 1


def test_times_of_objects_are_a_histogram() -> None:
    """Its classes are cumulative, and the last has them all."""
    model = Model(START)
    for duration in (0.0005, 0.003, 0.2, 1000.0):
        model.observe(event(stored(duration=duration), party()))

    found = samples(model)

    name = "storescp_object_duration_seconds"
    counts = [value(found, f"{name}_bucket", le=str(bound)) for bound in DURATIONS]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (1, 3)
    assert value(found, f"{name}_bucket", le="+Inf") == value(found, f"{name}_count") == 4
    assert value(found, f"{name}_sum") == 1000.2035


def test_hostile_titles_are_labels_and_nothing_else() -> None:
    """Quotes, backslashes, line feeds, braces and other scripts come out as they went in, made printable."""
    titles = ['A"} 1', "B\\n", "C\nstorescp_ready 0", "D\r# EOF", "\u00e9\u00ff{}", "E\x85\x00"]
    model = Model(START)
    for title in titles:
        model.observe(event(ACCEPTED, party(title=title)))

    found = samples(model)

    name = "storescp_associations_accepted_total"
    labels = {dict(labels)["calling_ae_title"] for metric, labels in found if metric == name}
    assert labels == {
        'A"} 1',
        "B\\n",
        "C\\nstorescp_ready 0",
        "D\\r# EOF",
        "\u00e9\u00ff{}",
        "E\\x85\\x00",
    }
    assert value(found, "storescp_ready") == 0


def test_the_number_of_time_series_is_bounded() -> None:
    """Titles beyond the limit are one."""
    model = Model(START, Limits(calling_ae_titles=3))
    for count in range(100):
        model.observe(event(ACCEPTED, party(title=f"T{count}")))

    found = samples(model)

    name = "storescp_associations_accepted_total"
    assert sum(metric == name for metric, _ in found) == 4
    assert value(found, name, calling_ae_title=OTHER) == 97


def test_what_is_not_known_is_left_out() -> None:
    """No certificate, no disk, no version: no sample that says 0."""
    found = samples(Model(START), HostStatus(None, None, "gone", None, ""))

    names = {name for name, _ in found}
    assert not names & {
        "storescp_disk_free_bytes",
        "storescp_certificate_expiry_timestamp_seconds",
        "storescp_info",
    }


def test_memory_and_time_of_the_receiver_are_told() -> None:
    """Of its process, not of the one that serves the metrics."""
    text = Metrics(Model(START), lambda: SURROUNDINGS, receiver=os.getppid())()[1].decode()

    assert "process_resident_memory_bytes" in text
