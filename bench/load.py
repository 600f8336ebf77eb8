"""The load generator: sends prepared C-STORE messages over one association and times them.

Run as `python -m bench.load`, one process per association, driven over its standard streams: it reads
an order in JSON, associates, prints "ready", waits for a line, sends, and prints what it measured. All
PDUs of all objects lie prepared in one buffer, in which only the numbers that end UIDs are changed:
one system call sends an object, and the sender costs a small part of any receiver (README of bench/).
"""

import json
import random
import socket
import struct
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.peers.requestor import ASSOCIATE_AC, RELEASE_REQUEST, Context, associate_request

_unpack_pdu = struct.Struct(">BxI").unpack_from
_SUCCESS = b"\0\0\0\x09\x02\0\0\0\0\0"
"""(0000,0900) with 0000H, as it stands in a C-STORE-RSP."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Where an object's PDUs are in the file, where in the file the digits of its UIDs are, and its presentation context."""

    start: int
    end: int
    instance_at: tuple[int, ...]
    study_at: tuple[int, ...]
    context: int
    abstract_syntax: str
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Order:
    """What to send where."""

    port: int
    file: str
    """Name of the file with the PDUs of all objects."""
    objects: tuple[Prepared, ...]
    """They are sent in turn, again and again."""
    shuffled: bool
    """Whether each time in another order."""
    first: int
    """Number of the first object; those of parallel associations must not overlap."""
    count: int
    limit: float
    """Seconds after which no further object is sent."""
    objects_per_study: int
    """0: all in one study."""
    objects_per_association: int
    """0: all in one association; else they follow each other."""
    tls: bool
    late: bool
    """Whether to associate only when told to send: a server may serve fewer at a time than there are."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was sent, and when; times of the system's monotonic clock, which processes share."""

    objects: int
    failures: int
    bytes: int
    start: float
    end: float


def main() -> None:
    """Carry out the order on standard input."""
    order = read_order(sys.stdin.readline())
    stream = bytearray(Path(order.file).read_bytes())
    turns = in_turn(order)
    if order.late:
        _wait_for_start()
    start = time.monotonic()
    peer = _associate(order, turns)
    if not order.late:
        _wait_for_start()
        start = time.monotonic()
    whole = Measured(0, 0, 0, start, start)
    while True:
        part = _send(
            peer, order, stream, turns[whole.objects :], whole.objects, start + order.limit
        )
        peer.sendall(RELEASE_REQUEST)
        peer.recv(10)
        peer.close()
        whole = Measured(
            whole.objects + part.objects,
            whole.failures + part.failures,
            whole.bytes + part.bytes,
            start,
            part.end,
        )
        if whole.objects >= order.count or whole.end >= start + order.limit:
            break
        peer = _associate(order, turns[whole.objects :])
    print(json.dumps(asdict(whole)), flush=True)


def _wait_for_start() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def _connect(order: Order) -> socket.socket:
    peer = socket.create_connection(("127.0.0.1", order.port), 120)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not order.tls:
        return peer
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(peer)


def _associate(order: Order, turns: list[Prepared]) -> socket.socket:
    """Open an association for the objects that it will carry."""
    peer = _connect(order)
    offered = {
        one.context: Context(one.context, one.abstract_syntax, (one.transfer_syntax,))
        for one in turns[: order.objects_per_association or None]
    }
    peer.sendall(associate_request(offered.values()))
    answer = peer.recv(65536)
    if answer[0] != ASSOCIATE_AC:
        raise ConnectionError(f"no association: {answer.hex()}")
    return peer


def _send(
    peer: socket.socket,
    order: Order,
    stream: bytearray,
    turns: list[Prepared],
    already: int,
    end: float,
) -> Measured:
    """Send the objects of one association, after those that were sent already, until `end`."""
    send, receive_into, clock = peer.sendall, peer.recv_into, time.monotonic
    whole = memoryview(stream)
    response = bytearray(4096)
    view = memoryview(response)
    failures = size = 0
    sent = already
    study_size = order.objects_per_study or order.count
    start = now = clock()
    for one in turns[: order.objects_per_association or None]:
        if now >= end:
            break
        number = b"%d" % (order.first + sent)
        for at in one.instance_at:
            stream[at : at + len(number)] = number
        if sent % study_size == 0:
            for other in order.objects:
                for at in other.study_at:
                    stream[at : at + len(number)] = number
        send(whole[one.start : one.end])
        received = receive_into(response)
        while 0 < received < 6 or received < 6 + _unpack_pdu(response)[1]:
            received += receive_into(view[received:]) or _closed()
        if response.find(_SUCCESS, 12, received) < 0:
            failures += 1
        sent += 1
        size += one.end - one.start
        now = clock()
    return Measured(sent - already, failures, size, start, now)


def _closed() -> int:
    raise ConnectionError("the server closed the connection")


def in_turn(order: Order) -> list[Prepared]:
    """Return which object is sent when; shuffled or not, each comes as often as any other, but for one time."""
    noise = random.Random(order.first)
    turns: list[Prepared] = []
    while len(turns) < order.count:
        turns += (
            noise.sample(order.objects, len(order.objects)) if order.shuffled else order.objects
        )
    return turns[: order.count]


def read_order(text: str) -> Order:
    """Read what a load generator is told."""
    read = json.loads(text)
    return Order(**{**read, "objects": tuple(Prepared(**each) for each in read["objects"])})


def read_measured(text: str) -> Measured:
    """Read what a load generator printed last."""
    return Measured(**json.loads(text))


if __name__ == "__main__":
    main()
