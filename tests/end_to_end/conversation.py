"""What the tests of the running program say to it, and how they wait for what follows."""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.peers.dicom import Syntax
from tests.peers.requestor import (
    CT_IMAGE_STORAGE,
    VERIFICATION,
    Context,
    Requestor,
    message,
    store_command,
)
from tests.peers.servers import Server

LITTLE = "1.2.840.10008.1.2.1"
CONTEXTS = (Context(1, CT_IMAGE_STORAGE, (LITTLE,)), Context(3, VERIFICATION, (LITTLE,)))


@contextmanager
def associated(server: Server) -> Iterator[Requestor]:
    """Open an association; its connection is closed at the end, whether it was released or not."""
    with Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        yield peer


def data_set(instance: str, study: str = "1.9") -> bytes:
    syntax = Syntax()
    return b"".join(
        (
            syntax.element(0x00080016, "UI", CT_IMAGE_STORAGE),
            syntax.element(0x00080018, "UI", instance),
            syntax.element(0x0020000D, "UI", study),
        )
    )


def store(peer: Requestor, instance: str, study: str = "1.9") -> str:
    """Store an object and return the status, four hexadecimal digits."""
    peer.send(message(1, store_command(CT_IMAGE_STORAGE, instance), data_set(instance, study)))
    status = peer.receive_response().elements[0x0900]
    return f"{int.from_bytes(status, 'little'):04X}"


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@contextmanager
def many_descriptors(number: int) -> Iterator[None]:
    """Have enough of them for so many connections; skip the test where that is not allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < number + 500:
        pytest.skip("not enough descriptors for so many connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, number + 500), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
