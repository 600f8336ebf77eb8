"""Measures the data path below the data set: PDUs to fragments, commands decoded and answered.

    PYTHONPATH=src python bench/fragments.py

No system call is measured. Each line is the median and the best of many rounds, in microseconds.
"""

import statistics
import time
from collections.abc import Callable

from storescp.dimse.command import (
    CStoreRQ,
    decode_request,
    encode_store_request,
    encode_store_response,
)
from storescp.dimse.message import MessageReader
from storescp.uids import APPLICATION_CONTEXT
from storescp.upper_layer import pdata
from storescp.upper_layer.association import Association
from storescp.upper_layer.negotiation import negotiate, storage_policy
from storescp.upper_layer.pdu import (
    AAssociateRQ,
    ProposedContext,
    UserInformation,
)
from storescp.upper_layer.pdu import (
    decode_request as decode_associate_request,
)

ROUNDS = 200
CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
POLICY = storage_policy((EXPLICIT, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2"))
REQUEST = AAssociateRQ(
    "STORESCP",
    "BENCH",
    APPLICATION_CONTEXT,
    tuple(ProposedContext(number * 2 + 1, CT, (EXPLICIT,)) for number in range(128)),
    UserInformation(16384, "1.2.3"),
)
STORE = CStoreRQ(1, CT, "1.2.826.0.1.3680043.8.498.10086246837624937452984357034", context_id=1)


def nothing() -> None:
    """Prepare nothing."""


def report(
    name: str, count: int, run: Callable[[], object], prepare: Callable[[], object] = nothing
) -> None:
    """Print what one of `count` things done by `run` costs; `prepare` is not measured."""
    times = []
    for _ in range(ROUNDS):
        prepare()
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) / count * 1e6)
    print(f"{name:45} {statistics.median(times):8.2f} {min(times):8.2f}")


def feed(association: Association, data: bytes) -> None:
    """Let the association receive and understand the data."""
    while data:
        room = association.buffer()
        part, data = data[: len(room)], data[len(room) :]
        room[: len(part)] = part
        for _ in association.receive(len(part)):
            pass


def established() -> Association:
    """Return an association that has received enough to have its full buffer."""
    association = Association(POLICY)
    feed(association, REQUEST.encode())
    feed(association, pdata.encode(1, 0, bytes(16000)) * 2)
    return association


def split(length: int) -> None:
    """Measure the way from PDUs to fragments, without and with the checks of the message layer."""
    association = established()
    pdu = pdata.encode(1, 0, bytes(length))
    count = 700_000 // len(pdu)
    data = pdu * count

    def prepare() -> None:
        association.release_views()
        association.buffer()[: len(data)] = data

    def fragments() -> None:
        for _ in association.receive(len(data)):
            pass

    reader = MessageReader({1})
    reader.command_fragment(1, pdata.COMMAND | pdata.LAST, memoryview(encode_store_request(STORE)))

    def checked() -> None:
        take = reader.data_fragment
        for event in association.receive(len(data)):
            if isinstance(event, tuple):
                take(*event)

    report(f"PDU of {length} bytes to fragment", count, fragments, prepare)
    report(f"PDU of {length} bytes to checked fragment", count, checked, prepare)


def main() -> None:
    """Run everything."""
    print(f"{'µs for each':45} {'median':>8} {'best':>8}")
    for length in (16372, 4084, 2):
        split(length)
    command_set = encode_store_request(STORE)
    reader = MessageReader({1})
    view = memoryview(command_set)

    def message() -> None:
        reader.command_fragment(1, pdata.COMMAND | pdata.LAST, view)
        reader.data_fragment(1, pdata.LAST, view)

    report("C-STORE-RQ decoded", 1, lambda: decode_request(command_set))
    report("C-STORE-RQ and last fragment read", 1, message)
    report("C-STORE-RSP encoded", 1, lambda: encode_store_response(STORE, 0))
    request = REQUEST.encode()[6:]
    report("A-ASSOCIATE-RQ of 128 contexts decoded", 1, lambda: decode_associate_request(request))
    report("… negotiated and answered", 1, lambda: negotiate(REQUEST, POLICY).encode())


if __name__ == "__main__":
    main()
