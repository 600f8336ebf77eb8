"""A service class user on a raw socket, which sends exactly the bytes it is given.

Nothing is encoded anew, checked or repaired on the way, so the same bytes can go to two servers and
wrong ones can go to either. Clauses are those of PS3.8 unless said otherwise.
"""

import contextlib
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
IMPLEMENTATION_CLASS = "1.2.826.0.1.3680043.9.3811.99"
IMPLEMENTATION_VERSION = "PEER"
VERIFICATION = "1.2.840.10008.1.1"
CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
RELEASE_REQUEST = bytes([RELEASE_RQ, 0, 0, 0, 0, 4, 0, 0, 0, 0])
ABORT_REQUEST = bytes([ABORT, 0, 0, 0, 0, 4, 0, 0, 0, 0])

C_STORE_RQ, C_ECHO_RQ = 0x0001, 0x0030
COMMAND, LAST = 1, 2  # message control header, PS3.8 E.2
NO_DATA_SET = 0x0101


@dataclass(frozen=True, slots=True)
class Context:
    """A presentation context to propose."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for an A-ASSOCIATE-RQ.

    `kind` is the type of the PDU, 0 if the connection was closed without one. `fields` are the fixed
    fields of an A-ASSOCIATE-RJ or A-ABORT: result, source, reason, or source, reason.
    """

    kind: int
    fields: tuple[int, ...] = ()
    called: bytes = b""
    calling: bytes = b""
    contexts: tuple[tuple[int, int, str], ...] = ()
    """Presentation context ID, result, transfer syntax, in the order of the answer."""
    user_items: tuple[tuple[int, bytes], ...] = ()

    @property
    def accepted(self) -> dict[int, str]:
        """The accepted presentation contexts' transfer syntaxes."""
        return {number: syntax for number, result, syntax in self.contexts if result == 0}

    @property
    def maximum_length(self) -> int:
        """The longest P-DATA-TF that the peer takes; 0 is without limit."""
        for kind, value in self.user_items:
            if kind == 0x51:
                return int.from_bytes(value, "big")
        return 0


def item(kind: int, value: bytes) -> bytes:
    """Encode an item or sub-item: type, reserved, length of 16 bits."""
    return struct.pack(">BxH", kind, len(value)) + value


def pdu(kind: int, body: bytes) -> bytes:
    """Encode a PDU: type, reserved, length of 32 bits."""
    return struct.pack(">BxI", kind, len(body)) + body


def context_item(context: Context) -> bytes:
    """Encode a presentation context item, 9.3.2.2."""
    syntaxes = b"".join(item(0x40, syntax.encode()) for syntax in context.transfer_syntaxes)
    return item(
        0x20, bytes([context.id, 0, 0, 0]) + item(0x30, context.abstract_syntax.encode()) + syntaxes
    )


def user_information(
    maximum_length: int | None = 16384,
    implementation_class: str | None = IMPLEMENTATION_CLASS,
    version_name: str | None = IMPLEMENTATION_VERSION,
    more: Iterable[bytes] = (),
) -> bytes:
    """Encode a user information item, 9.3.2.3; None leaves a sub-item out."""
    parts = []
    if maximum_length is not None:
        parts.append(item(0x51, maximum_length.to_bytes(4, "big")))
    if implementation_class is not None:
        parts.append(item(0x52, implementation_class.encode()))
    if version_name is not None:
        parts.append(item(0x55, version_name.encode()))
    return item(0x50, b"".join([*parts, *more]))


def associate_request(
    contexts: Iterable[Context],
    *,
    called: bytes = b"ANY-SCP",
    calling: bytes = b"PEER",
    protocol_version: int = 1,
    application_context: str | None = APPLICATION_CONTEXT,
    user: bytes | None = None,
) -> bytes:
    """Encode an A-ASSOCIATE-RQ, 9.3.2; `user` is a whole user information item."""
    body = struct.pack(">H2x16s16s32x", protocol_version, called.ljust(16), calling.ljust(16))
    if application_context is not None:
        body += item(0x10, application_context.encode())
    body += b"".join(context_item(context) for context in contexts)
    return pdu(ASSOCIATE_RQ, body + (user_information() if user is None else user))


def items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and value of the items that `data` consists of."""
    position = 0
    while position < len(data):
        kind, length = struct.unpack_from(">BxH", data, position)
        yield kind, data[position + 4 : position + 4 + length]
        position += 4 + length


def decode_answer(kind: int, body: bytes) -> Answer:
    """Take apart what a server sent instead of, or as, an A-ASSOCIATE-AC."""
    if kind == ASSOCIATE_RJ:
        return Answer(kind, tuple(body[1:4]))
    if kind == ABORT:
        return Answer(kind, tuple(body[2:4]))
    if kind != ASSOCIATE_AC:
        return Answer(kind)
    contexts = []
    user: list[tuple[int, bytes]] = []
    for item_kind, value in items(body[68:]):
        if item_kind == 0x21:
            syntax = next((v for k, v in items(value[4:]) if k == 0x40), b"")
            contexts.append((value[0], value[2], syntax.decode()))
        elif item_kind == 0x50:
            user.extend(items(value))
    return Answer(kind, (), body[4:20], body[20:36], tuple(contexts), tuple(user))


def command_set(elements: Iterable[tuple[int, bytes]], *, group_length: bool = True) -> bytes:
    """Encode a command set (PS3.7 6.3.1): implicit VR little endian; elements of group 0000, in the order given."""
    body = b"".join(
        struct.pack("<HHI", 0, number, len(value)) + value for number, value in elements
    )
    if not group_length:
        return body
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def uid(text: str) -> bytes:
    """Encode a UID, padded to even length with NUL (PS3.5 9.1)."""
    value = text.encode("latin-1")
    return value + b"\0" * (len(value) % 2)


def short(value: int) -> bytes:
    """Encode an unsigned short, little endian."""
    return struct.pack("<H", value)


def store_command(
    sop_class: str,
    sop_instance: str,
    *,
    message_id: int = 1,
    priority: int = 0,
    data_set_type: int = 1,
    more: Iterable[tuple[int, bytes]] = (),
) -> bytes:
    """Encode a C-STORE-RQ, PS3.7 9.3.1.1."""
    return command_set(
        [
            (0x0002, uid(sop_class)),
            (0x0100, short(C_STORE_RQ)),
            (0x0110, short(message_id)),
            (0x0700, short(priority)),
            (0x0800, short(data_set_type)),
            (0x1000, uid(sop_instance)),
            *more,
        ]
    )


def echo_command(message_id: int = 1, sop_class: str = VERIFICATION) -> bytes:
    """Encode a C-ECHO-RQ, PS3.7 9.3.5.1."""
    return command_set(
        [
            (0x0002, uid(sop_class)),
            (0x0100, short(C_ECHO_RQ)),
            (0x0110, short(message_id)),
            (0x0800, short(NO_DATA_SET)),
        ]
    )


def pdv(context_id: int, control_header: int, value: bytes) -> bytes:
    """Encode a presentation data value item, 9.3.5.1."""
    return struct.pack(">IBB", len(value) + 2, context_id, control_header) + value


def p_data(*pdvs: bytes) -> bytes:
    """Encode a P-DATA-TF, 9.3.5."""
    return pdu(P_DATA, b"".join(pdvs))


def message(
    context_id: int,
    command: bytes,
    data: bytes | None = None,
    *,
    pdv_size: int = 16372,
    together: bool = False,
) -> bytes:
    """Encode a message in P-DATA-TFs with one PDV of at most `pdv_size` bytes of data each.

    With `together` the command's PDV travels in the first PDU of the data set.
    """
    first = pdv(context_id, COMMAND | LAST, command)
    if data is None:
        return p_data(first)
    pieces = [data[start : start + pdv_size] for start in range(0, len(data), pdv_size)] or [b""]
    values = [pdv(context_id, 0, piece) for piece in pieces[:-1]]
    values.append(pdv(context_id, LAST, pieces[-1]))
    if together:
        return p_data(first, values[0]) + b"".join(map(p_data, values[1:]))
    return p_data(first) + b"".join(map(p_data, values))


@dataclass(frozen=True, slots=True)
class Response:
    """How a message ended.

    `kind` is P_DATA for a response, ABORT, RELEASE_RP, another PDU type, or 0 where the connection
    was closed. `elements` is the command set: element number to value.
    """

    kind: int
    context_id: int = 0
    elements: dict[int, bytes] = field(default_factory=dict)
    reason: tuple[int, ...] = ()

    @property
    def status(self) -> int:
        """(0000,0900)."""
        return int.from_bytes(self.elements[0x0900], "little")

    @property
    def outcome(self) -> str:
        """The status as four hex digits, or what came instead of a response."""
        if self.kind == P_DATA:
            return f"{self.status:04X}"
        return {ABORT: "ABORT", 0: "CLOSED", RELEASE_RP: "RELEASED"}.get(self.kind, str(self.kind))


def decode_command_set(data: bytes) -> dict[int, bytes]:
    """Return the elements of a command set, number to value, in order."""
    elements: dict[int, bytes] = {}
    position = 0
    while position < len(data):
        _, number, length = struct.unpack_from("<HHI", data, position)
        elements[number] = data[position + 8 : position + 8 + length]
        position += 8 + length
    return elements


class Requestor:
    """One transport connection, and at most one association on it. Closes at the end of a `with`.

    Every wait is limited by `timeout` (seconds); a server that takes longer raises TimeoutError.
    """

    def __init__(
        self,
        port: int,
        host: str = "127.0.0.1",
        *,
        timeout: float = 20.0,
        connection: socket.socket | None = None,
    ) -> None:
        """Connect, unless there is a connection already."""
        self._socket = connection or socket.create_connection((host, port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._message_id = 0
        self.answer = Answer(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

    def close(self) -> None:
        """Close the connection without a word."""
        self._socket.close()

    def finish_sending(self) -> None:
        """Close the sending direction only, unless the server closed both already."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def send(self, data: bytes) -> None:
        """Send bytes. A server that closed already shows in what is received next, not here."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)

    def receive_pdu(self) -> tuple[int, bytes]:
        """Return type and body of the next PDU, (0, b"") if the connection was closed."""
        header = self._receive(6)
        if len(header) < 6:
            return 0, b""
        kind, length = struct.unpack(">BxI", header)
        return kind, self._receive(length)

    def _receive(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            try:
                piece = self._socket.recv(count - len(data))
            except ConnectionResetError:
                piece = b""
            if not piece:
                break
            data += piece
        return bytes(data)

    def exchange(self, request: bytes) -> Answer:
        """Send the bytes of an association request and return what came back."""
        self.send(request)
        self.answer = decode_answer(*self.receive_pdu())
        return self.answer

    def associate(self, contexts: Sequence[Context], *, calling: bytes = b"PEER") -> Answer:
        """Request an association.

        Raises:
            ConnectionError: it was not accepted.
        """
        answer = self.exchange(associate_request(contexts, calling=calling))
        if answer.kind != ASSOCIATE_AC:
            raise ConnectionError(f"no association: {answer}")
        return answer

    def receive_response(self) -> Response:
        """Return the next command set, or how the association ended instead."""
        command = b""
        while True:
            kind, body = self.receive_pdu()
            if kind == ABORT:
                return Response(kind, reason=tuple(body[2:4]))
            if kind != P_DATA:
                return Response(kind)
            position = 0
            while position < len(body):
                length, context_id, control = struct.unpack_from(">IBB", body, position)
                command += body[position + 6 : position + 4 + length]
                position += 4 + length
                if control & LAST:
                    return Response(P_DATA, context_id, decode_command_set(command))

    def next_message_id(self) -> int:
        """Return 1, 2, 3 and so on, at most 65535."""
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def echo(self, context_id: int = 1) -> Response:
        """Send a C-ECHO-RQ and return what came back."""
        self.send(message(context_id, echo_command(self.next_message_id())))
        return self.receive_response()

    def store(
        self,
        context_id: int,
        sop_class: str,
        sop_instance: str,
        data: bytes,
        *,
        pdv_size: int = 16372,
        together: bool = False,
    ) -> Response:
        """Send a C-STORE-RQ with a data set and return what came back."""
        command = store_command(sop_class, sop_instance, message_id=self.next_message_id())
        self.send(message(context_id, command, data, pdv_size=pdv_size, together=together))
        return self.receive_response()

    def release(self) -> int:
        """Release the association, close, and return the type of the PDU that answered."""
        self.send(RELEASE_REQUEST)
        kind, _ = self.receive_pdu()
        self._socket.close()
        return kind

    def abort(self) -> None:
        """Abort the association and close."""
        self.send(ABORT_REQUEST)
        self._socket.close()
