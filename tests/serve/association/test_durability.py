"""`--fsync`: data and names are on disk before the peer hears of success, in this order, in every layout and mode."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from storescp.dataset.encoding import Encoding
from storescp.events import ObjectStored
from storescp.serve.association.connection import Connection, Disturbances
from storescp.serve.association.deadlines import Timeouts
from storescp.serve.process.signals import Signals
from storescp.serve.reporting.association_reporter import AssociationReporter
from storescp.serve.reporting.event_hub import EventHub
from storescp.storage.naming.rules import ByStudyUID, Flat, Layout, Rules
from storescp.storage.settings import StorageSettings
from storescp.storage.store_scp import StoreSCP
from storescp.upper_layer.negotiation import storage_policy
from tests.end_to_end.conversation import CONTEXTS, data_set
from tests.peers.requestor import (
    CT_IMAGE_STORAGE,
    P_DATA,
    RELEASE_REQUEST,
    associate_request,
    decode_command_set,
    message,
    store_command,
)
from tests.storage.system_calls import watched


class Wire:
    """A transport that holds what the peer sends, and notes when it is sent something."""

    def __init__(self, pieces: Iterable[bytes], steps: list[str]) -> None:
        self._pieces = iter(pieces)
        self._steps = steps

    def receive_into(self, room: memoryview) -> int:
        piece = next(self._pieces, b"")
        room[: len(piece)] = piece
        return len(piece)

    def receive_ready(self, room: memoryview) -> int | None:
        return self.receive_into(room)

    def send_all(self, data: bytes) -> None:
        if data[0] == P_DATA:
            status = decode_command_set(data[12:])[0x0900]
            self._steps.append("success" if status == b"\0\0" else "failure")

    def set_timeout(self, seconds: float | None) -> None:
        pass

    def part(self) -> None:
        pass

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        pass


def steps_of(
    directory: Path,
    layout: Layout,
    *,
    bit_preserving: bool,
    durable: bool,
    listen: Callable[[EventHub, list[str]], None] | None = None,
) -> list[str]:
    """Return what happens, in order, when two objects are stored."""
    steps: list[str] = []

    def before(_: int, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "fsync":
            path = Path(os.readlink(f"/proc/self/fd/{arguments[0]}"))
            what = "file" if path.suffix == ".part" else os.path.relpath(path, directory)
            steps.append(f"fsync {what}")
        elif name in ("rename", "renameat2"):
            steps.append("rename")

    scp = StoreSCP(
        StorageSettings(
            Rules(directory=str(directory), layout=layout),
            Encoding(),
            bit_preserving=bit_preserving,
            durable=durable,
        ),
        lambda _: None,
    )
    pieces = (
        associate_request(CONTEXTS),
        *(
            message(1, store_command(CT_IMAGE_STORAGE, instance), data_set(instance))
            for instance in ("1.1", "1.2")
        ),
        RELEASE_REQUEST,
    )
    hub = None
    if listen is not None:
        hub = EventHub()
        listen(hub, steps)
    policy = storage_policy(("1.2.840.10008.1.2.1",))
    connection = Connection(
        Wire(pieces, steps),
        "peer",
        policy,
        scp,
        Signals(),
        AssociationReporter("peer", policy, hub=hub),
        timeouts=Timeouts(),
        disturbances=Disturbances(),
    )
    with watched(before):
        connection.serve()
    scp.close()
    return steps


@pytest.mark.parametrize("bit_preserving", [False, True], ids=["normal", "bits"])
def test_data_then_name_then_success(tmp_path: Path, bit_preserving: bool) -> None:
    """The file's data, its name, the directory that has the name; only then the response."""
    steps = steps_of(tmp_path, Flat(), bit_preserving=bit_preserving, durable=True)

    assert steps == ["fsync file", "rename", "fsync .", "success"] * 2


def test_the_directory_of_a_study_has_a_name_too(tmp_path: Path) -> None:
    """It is brought to disk once, before the first object of it."""
    steps = steps_of(tmp_path, ByStudyUID("s"), bit_preserving=False, durable=True)

    object_steps = ["fsync file", "rename", "fsync s_1.9", "success"]
    assert steps == ["fsync .", *object_steps, *object_steps]


def test_without_it_the_system_decides_when(tmp_path: Path) -> None:
    """As the reference: success means that the system has the object."""
    steps = steps_of(tmp_path, Flat(), bit_preserving=False, durable=False)

    assert steps == ["rename", "success"] * 2


def test_an_event_is_on_record_before_the_peer_knows(tmp_path: Path) -> None:
    """What the peer does not send again has been written to the stream of events."""

    def listen(hub: EventHub, steps: list[str]) -> None:
        hub.write_to(lambda line: steps.append("line") if b"object-stored" in line else None)

    steps = steps_of(tmp_path, Flat(), bit_preserving=False, durable=False, listen=listen)

    assert steps == ["rename", "line", "success"] * 2


def test_who_only_looks_on_is_told_after_the_peer(tmp_path: Path) -> None:
    """A page costs no time while the peer waits."""

    def listen(hub: EventHub, steps: list[str]) -> None:
        hub.observe(
            lambda event: steps.append("shown") if isinstance(event.fact, ObjectStored) else None
        )

    steps = steps_of(tmp_path, Flat(), bit_preserving=False, durable=False, listen=listen)

    assert steps == ["rename", "success", "shown"] * 2
