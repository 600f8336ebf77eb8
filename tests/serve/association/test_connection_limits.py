"""Which time limit ended a connection, and which option allows more: without a network."""

import logging
from pathlib import Path

import pytest

from storescp.dataset.encoding import Encoding
from storescp.serve.association.connection import Connection, Disturbances, End
from storescp.serve.association.deadlines import Timeouts
from storescp.serve.process.signals import Signals
from storescp.serve.reporting.association_reporter import AssociationReporter
from storescp.storage.naming.rules import Rules
from storescp.storage.settings import StorageSettings
from storescp.storage.store_scp import StoreSCP
from storescp.uids import EXPLICIT_VR_LITTLE_ENDIAN
from storescp.upper_layer.negotiation import storage_policy


class Silent:
    """A transport whose peer sends the begin of a request and no more; waiting takes simulated time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._left = b"\1\0\0\0\0\x64\0\1"
        self._limit: float | None = None

    def receive_into(self, room: memoryview) -> int:
        if self._left:
            count = len(self._left)
            room[:count], self._left = self._left, b""
            return count
        assert self._limit is not None
        self.now += self._limit
        raise TimeoutError

    def receive_ready(self, _: memoryview) -> int | None:
        return None

    def send_all(self, data: bytes) -> None:
        raise AssertionError(data)

    def set_timeout(self, seconds: float | None) -> None:
        self._limit = seconds

    def fileno(self) -> int:
        return -1

    def part(self) -> None:
        """Nothing to say."""

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize(
    ("timeouts", "took", "said"),
    [
        (Timeouts(socket=60, acse=30), 30, "within 30 s"),
        (Timeouts(socket=None, acse=30), 30, "--acse-timeout"),
        (Timeouts(socket=60, acse=30), 30, "--acse-timeout"),
        (Timeouts(socket=1, acse=30), 1, "within 1 s"),
        (Timeouts(socket=1, acse=30), 1, "--socket-timeout"),
        (Timeouts(socket=30, acse=30), 30, "--acse-timeout"),
    ],
)
def test_no_complete_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, timeouts: Timeouts, took: float, said: str
) -> None:
    """The shorter of two limits ends it, and is named."""
    caplog.set_level(logging.INFO, "dcmtk.apps.storescp")
    transport = Silent()
    policy = storage_policy((EXPLICIT_VR_LITTLE_ENDIAN,))
    connection = Connection(
        transport,
        "10.1.2.3",
        policy,
        StoreSCP(StorageSettings(Rules(str(tmp_path)), Encoding()), lambda _: None),
        Signals(),
        AssociationReporter("10.1.2.3", policy),
        timeouts=timeouts,
        disturbances=Disturbances(),
        clock=lambda: transport.now,
    )

    assert connection.serve() is End.CLOSED
    assert transport.now == took
    assert said in caplog.messages[-1]
