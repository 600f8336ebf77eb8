"""Who hears of what happens: nobody by default, a stream of events, and in which process."""

import json
from pathlib import Path
from typing import Any

import pytest

from storescp.dataset.encoding import Encoding
from storescp.serve.accept.settings import WorkerSettings
from storescp.serve.association.connection import Disturbances
from storescp.serve.association.deadlines import Timeouts
from storescp.serve.observers import Observers
from storescp.serve.settings import ReceiverSettings
from storescp.storage.naming.rules import Rules
from storescp.storage.settings import StorageSettings
from storescp.storage.studies.current_study import CurrentStudy
from storescp.upper_layer.negotiation import storage_policy


class Acceptor:
    """Takes note of what is to be watched."""

    def __init__(self) -> None:
        self.watched: list[int] = []

    def watch(self, descriptor: int, _: object) -> None:
        self.watched.append(descriptor)


def settings(directory: Path, **changes: Any) -> ReceiverSettings:
    return ReceiverSettings(
        storage_policy(("1.2.840.10008.1.2.1",)),
        StorageSettings(Rules(str(directory)), Encoding()),
        Timeouts(),
        Disturbances(),
        104,
        **changes,
    )


def test_nobody_costs_nothing(tmp_path: Path) -> None:
    """There is no hub, and no process; each step may be taken all the same."""
    observers = Observers(settings(tmp_path))

    observers.start_viewers(lambda: pytest.fail("there is nothing to start"))
    observers.open(Acceptor(), 104)  # type: ignore[arg-type]
    observers.in_child()
    observers.study_complete(CurrentStudy("1.9", "/out/s", 0.0), "timeout")
    observers.reap()
    observers.close(15)

    assert observers.hub is None
    assert not observers.has_viewers


@pytest.mark.parametrize(
    ("workers", "processes", "number"),
    [
        (None, "single", None),
        (WorkerSettings(2), "workers", 2),
        (WorkerSettings(None, on_demand=True), "fork", None),
    ],
)
def test_begin_and_end_are_told(
    workers: WorkerSettings | None, processes: str, number: int | None, tmp_path: Path
) -> None:
    """Where the receiver listens and how, a study that is complete, and what ended it."""
    path, acceptor = tmp_path / "events", Acceptor()
    observers = Observers(settings(tmp_path, events=str(path), worker_settings=workers))

    observers.open(acceptor, 11112)  # type: ignore[arg-type]
    observers.study_complete(CurrentStudy("1.9", "/out/s", 0.0), "timeout")
    observers.close(15)

    listening, complete, stopping = map(json.loads, path.read_text().splitlines())
    assert (listening["event"], listening["port"]) == ("listening", 11112)
    assert (listening["processes"], listening.get("workers")) == (processes, number)
    assert (complete["event"], complete["cause"]) == ("study-complete", "timeout")
    assert (stopping["event"], stopping["signal"]) == ("stopping", "SIGTERM")
    assert acceptor.watched == []  # nobody in this process wants those of others
