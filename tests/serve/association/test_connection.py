"""One connection around one association, with a transport in memory."""

import errno
import logging
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from storescp.dataset.encoding import Encoding
from storescp.serve.association.connection import Connection, Disturbances, End
from storescp.serve.association.deadlines import Timeouts
from storescp.serve.process.signals import Signals, Stopped
from storescp.serve.reporting.association_reporter import AssociationReporter
from storescp.storage.naming.rules import ByStudyUID, Flat, Layout, Rules
from storescp.storage.settings import StorageSettings
from storescp.storage.store_scp import StoreSCP
from storescp.storage.studies.user_commands import Command
from storescp.upper_layer.negotiation import storage_policy
from tests.end_to_end.conversation import CONTEXTS, data_set
from tests.peers.requestor import (
    ABORT,
    ABORT_REQUEST,
    ASSOCIATE_AC,
    CT_IMAGE_STORAGE,
    P_DATA,
    RELEASE_REQUEST,
    RELEASE_RP,
    associate_request,
    message,
    p_data,
    pdv,
    store_command,
    user_information,
)
from tests.serve.association.memory_transport import MemoryTransport

LITTLE = "1.2.840.10008.1.2.1"


def store_request(instance: str, study: str = "1.9") -> bytes:
    return message(1, store_command(CT_IMAGE_STORAGE, instance), data_set(instance, study))


def serve(
    transport: MemoryTransport,
    directory: Path,
    *,
    layout: Layout | None = None,
    run: Callable[[Command], None] = lambda _: None,
    disturbances: Disturbances | None = None,
    signals: Signals | None = None,
) -> End:
    """Serve the peer of a transport, and end the study that is under way."""
    storage = StorageSettings(
        Rules(str(directory), layout=layout or Flat()),
        Encoding(),
        exec_on_reception="object #f",
        exec_on_eostudy="study #p" if layout else None,
    )
    scp = StoreSCP(storage, run)
    policy = storage_policy((LITTLE,))
    connection = Connection(
        transport,
        "peer",
        policy,
        scp,
        signals or Signals(),
        AssociationReporter("peer", policy),
        timeouts=Timeouts(),
        disturbances=disturbances or Disturbances(),
        clock=transport.clock,
    )
    try:
        return connection.serve()
    finally:
        scp.end_association()


BROKEN = {
    "reset": ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
    "closed": BrokenPipeError(errno.EPIPE, "Broken pipe"),
    "timeout": TimeoutError("nothing taken within the time limit"),
    "TLS failure": ConnectionAbortedError(errno.ECONNABORTED, "000b:0017 OpenSSL I/O error"),
    "host unreachable": OSError(errno.EHOSTUNREACH, "No route to host"),
}


@pytest.mark.parametrize("error", BROKEN.values(), ids=BROKEN)
def test_a_stored_object_is_processed_though_its_sender_has_gone(
    error: OSError, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its command runs, the study before it ends, and a warning says that the sender does not know."""
    commands: list[str] = []

    def send(_: bytes) -> None:
        if len(transport.sent) == 2:
            raise error

    transport = MemoryTransport(
        [associate_request(CONTEXTS), store_request("1.1", "1"), store_request("1.2", "2")],
        send=send,
    )

    end = serve(
        transport,
        tmp_path,
        layout=ByStudyUID("s"),
        run=lambda command: commands.append(command.line),
    )

    assert end is End.CLOSED
    assert commands == ["object CT.1.1", "object CT.1.2", f"study {tmp_path}/s_1"]
    [warning] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.getMessage() == (
        f"object 1.2 is stored as {tmp_path}/s_2/CT.1.2, but its sender was not told, and may send it again: {error}"
    )


@pytest.mark.parametrize("error", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize(
    ("calling", "routine"),
    [(b"PEER", "sendAssociationACTCP"), (b"", "sendAssociationRJTCP")],
    ids=["accepted", "rejected"],
)
def test_an_answer_that_cannot_be_sent_is_no_probe(
    calling: bytes,
    routine: str,
    error: OSError,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The request is logged as received once, the failure as DCMTK does, and nothing waits for that peer."""
    caplog.set_level(logging.INFO)
    request = associate_request(CONTEXTS, calling=calling)

    def send(_: bytes) -> None:
        raise error

    end = serve(MemoryTransport([request, RELEASE_REQUEST], send=send), tmp_path)

    assert end is End.CLOSED
    assert caplog.messages.count("Association Received") == 1
    failure = [record for record in caplog.records if record.levelno == logging.ERROR][-1]
    assert failure.getMessage().endswith(
        f"0006:031d TCP I/O Error ({error.strerror or error}) occurred in routine: {routine}"
    )


def test_a_sender_that_can_be_told_nothing_has_its_object_processed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A maximum length in which no response fits ends the association, not what follows the object."""
    commands: list[str] = []
    request = associate_request(CONTEXTS, user=user_information(maximum_length=7))
    transport = MemoryTransport([request, store_request("1.1")])

    serve(transport, tmp_path, run=lambda command: commands.append(command.line))

    assert commands == ["object CT.1.1"]
    assert "its maximum PDU length is too small" in caplog.text


def outcome(pieces: list[bytes | float | OSError], directory: Path) -> tuple[End, list[int], float]:
    """Serve what a peer sends; return the end, the types of the PDUs that it was sent, and the simulated time."""
    transport = MemoryTransport(pieces)
    end = serve(transport, directory)
    return end, [pdu[0] for pdu in transport.sent], transport.now


REQUEST = associate_request(CONTEXTS)
STORE = store_request("1.1")
PARTIAL = p_data(pdv(1, 3, store_command(CT_IMAGE_STORAGE, "1.1"))) + p_data(
    pdv(1, 0, data_set("1.1")[:20])
)
AC, RP, DATA, ABORTED = ASSOCIATE_AC, RELEASE_RP, P_DATA, ABORT


@pytest.mark.parametrize(
    ("pieces", "end", "sent", "seconds"),
    [
        # Nothing, or not enough
        ([], End.CLOSED, [], 0),
        ([REQUEST[:20]], End.CLOSED, [], 0),
        ([100.0], End.CLOSED, [], 30),
        ([REQUEST[:20], 100.0], End.CLOSED, [], 30),
        ([b"GET / HTTP/1.0\r\n"], End.CLOSED, [], 0),
        # Established, and over
        ([REQUEST, RELEASE_REQUEST], End.LINGER, [AC, RP], 0),
        ([REQUEST + RELEASE_REQUEST], End.LINGER, [AC, RP], 0),
        ([REQUEST, ABORT_REQUEST], End.CLOSED, [AC], 0),
        ([REQUEST], End.CLOSED, [AC], 0),
        ([REQUEST, ConnectionResetError("reset")], End.CLOSED, [AC], 0),
        ([REQUEST, 100.0], End.LINGER, [AC, ABORTED], 60),
        # Objects
        ([REQUEST, STORE, RELEASE_REQUEST], End.LINGER, [AC, DATA, RP], 0),
        (
            [REQUEST, STORE, 59.0, STORE, 59.0, RELEASE_REQUEST],
            End.LINGER,
            [AC, DATA, DATA, RP],
            118,
        ),
        ([REQUEST, STORE[:-9], 100.0], End.LINGER, [AC, ABORTED], 60),
        ([REQUEST, PARTIAL, RELEASE_REQUEST], End.LINGER, [AC, RP], 0),
        ([REQUEST, STORE[:-9]], End.LINGER, [AC, ABORTED], 0),
        ([REQUEST, bytes((9, 0, 0, 0, 0, 0))], End.LINGER, [AC, ABORTED], 0),
        ([REQUEST, REQUEST], End.LINGER, [AC, ABORTED], 0),
    ],
)
def test_a_conversation(
    pieces: list[bytes | float | OSError],
    end: End,
    sent: list[int],
    seconds: float,
    tmp_path: Path,
) -> None:
    """What the peer gets, whether it is its turn to close, and how long that took."""
    assert outcome(pieces, tmp_path) == (end, sent, seconds)
    assert not [*tmp_path.rglob(".storescp-*")]


@pytest.mark.parametrize("size", [1, 7, 100])
def test_bytes_may_come_in_any_portions(size: int, tmp_path: Path) -> None:
    """The same happens however the network cuts them."""
    whole = REQUEST + STORE + RELEASE_REQUEST
    pieces = [whole[start : start + size] for start in range(0, len(whole), size)]

    assert outcome([*pieces], tmp_path) == (End.LINGER, [AC, DATA, RP], 0)
    assert [path.name for path in tmp_path.iterdir()] == ["CT.1.1"]


@pytest.mark.parametrize(
    ("disturbances", "sent", "stored"),
    [
        (Disturbances(abort_during=True), [AC, ABORTED], []),
        (Disturbances(abort_after=True), [AC, ABORTED], []),
        (Disturbances(), [AC, DATA], ["CT.1.1"]),
    ],
)
def test_disturbances(
    disturbances: Disturbances, sent: list[int], stored: list[str], tmp_path: Path
) -> None:
    """`--abort-during` and `--abort-after` abort, and leave nothing of the object."""
    transport = MemoryTransport([REQUEST, STORE])

    serve(transport, tmp_path, disturbances=disturbances)

    assert [pdu[0] for pdu in transport.sent] == sent
    assert [path.name for path in tmp_path.iterdir()] == stored


def test_a_request_to_stop_aborts(tmp_path: Path) -> None:
    """The peer gets an A-ABORT, the object under way leaves nothing, and who serves knows."""
    signals = Signals()

    class Stopping(MemoryTransport):
        def receive_into(self, room: memoryview) -> int:
            if not self._pieces:
                raise Stopped(signal.SIGTERM)
            return super().receive_into(room)

    transport = Stopping([REQUEST, STORE[:-9]])
    with pytest.raises(Stopped):
        serve(transport, tmp_path, signals=signals)

    assert [pdu[0] for pdu in transport.sent] == [AC, ABORTED]
    assert [path.name for path in tmp_path.iterdir()] == []
