"""One connection around one association, with a transport in memory."""

import errno
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from storescp.dataset.encoding import Encoding
from storescp.serve.association.connection import Connection, Disturbances, End, Timeouts
from storescp.serve.process.signals import Signals
from storescp.storage.naming.rules import ByStudyUID, Flat, Layout, Rules
from storescp.storage.settings import StorageSettings
from storescp.storage.store_scp import StoreSCP
from storescp.storage.studies.user_commands import Command
from storescp.upper_layer.negotiation import storage_policy
from tests.end_to_end.conversation import CONTEXTS, data_set
from tests.peers.requestor import (
    CT_IMAGE_STORAGE,
    associate_request,
    message,
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
) -> End:
    """Serve the peer of a transport, and end the study that is under way."""
    storage = StorageSettings(
        Rules(str(directory), layout=layout or Flat()),
        Encoding(),
        exec_on_reception="object #f",
        exec_on_eostudy="study #p" if layout else None,
    )
    scp = StoreSCP(storage, run)
    connection = Connection(
        transport,
        "peer",
        storage_policy((LITTLE,)),
        scp,
        Signals(),
        timeouts=Timeouts(),
        disturbances=Disturbances(),
        clock=transport.clock,
    )
    end = connection.serve()
    scp.end_association()
    return end


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
