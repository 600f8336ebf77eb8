"""Targets of DIMSE, PS3.7: command sets, and messages put together from fragments."""

from collections.abc import Iterable

from storescp.dimse.command import (
    CCancelRQ,
    CEchoRQ,
    CStoreRQ,
    RefusedCommand,
    decode,
    decode_request,
    encode_cancel_request,
    encode_echo_request,
    encode_echo_response,
    encode_store_request,
    encode_store_response,
)
from storescp.dimse.message import MAXIMUM_COMMAND_LENGTH, MessageReader
from storescp.errors import InvalidMessage
from storescp.serve.reporting import parameter_dump
from tests.fuzz.target import Target, check_log

_CT = "1.2.840.10008.5.1.4.1.1.2"
_ECHO = encode_echo_request(CEchoRQ(1, "1.2.840.10008.1.1"))
_STORE = encode_store_request(CStoreRQ(2, _CT, "1.2.3", 0, "MOVER", 7))
_CONTEXTS = (1, 3)
_WORDS = (
    *(
        b"\0\0" + element.to_bytes(2, "little") + b"\2\0\0\0"
        for element in (0, 2, 0x100, 0x110, 0x120, 0x700, 0x800, 0x900, 0x1000, 0x1030, 0x1031)
    ),
    *(b"\xff\xff\xff\xff", b"\1\1", b"\x30\0", b"\1\x80"),
)


def run_command(data: bytes) -> None:
    """A command set is understood or refused, and what was understood is answered and logged."""
    try:
        decode(data)
        request = decode_request(data, 1)
    except RefusedCommand as refusal:
        notes = refusal.notes
        check_log(str(refusal))
    else:
        notes = request.notes
        _answer(request)
    check_log(*(note.text for note in notes))
    assert len(notes) <= 32


def _answer(request: CEchoRQ | CStoreRQ) -> None:
    if isinstance(request, CStoreRQ):
        assert len(request.affected_sop_instance_uid) <= 64
        answer = encode_store_response(request, 0xA700)
    else:
        answer = encode_echo_response(request)
    assert len(answer) < 300, "the answer outgrows the request"
    decode(answer)
    check_log(parameter_dump.incoming(request), parameter_dump.outgoing(request, 0xA700))


def run_message(data: bytes) -> None:
    """Fragments make a message or end the association; no more than the limit is kept of a command set."""
    reader = MessageReader(_CONTEXTS)
    position = 0
    try:
        while position + 4 <= len(data):
            context_id, header, length, times = data[position : position + 4]
            value = memoryview(data)[position + 4 : position + 4 + length]
            position += 4 + length
            for _ in range(times or 1):
                if header & 1:
                    request = reader.command_fragment(context_id, header, value)
                    assert reader.expects_data == isinstance(request, CStoreRQ)
                else:
                    reader.data_fragment(context_id, header, value)
                assert len(reader._command) <= MAXIMUM_COMMAND_LENGTH
    except InvalidMessage as error:
        check_log(reader.explain(error))


def _fragment(context_id: int, header: int, value: bytes, times: int = 1) -> bytes:
    return bytes((context_id, header, len(value), times)) + value


def _message_seeds() -> Iterable[bytes]:
    yield _fragment(1, 3, _ECHO) * 2
    yield _fragment(3, 3, _STORE) + _fragment(3, 0, bytes(20), 3) + _fragment(3, 2, b"")
    yield _fragment(3, 1, _STORE[:30]) + _fragment(3, 3, _STORE[30:]) + _fragment(1, 2, b"")
    yield _fragment(3, 1, bytes(250), 255) * 2
    yield _fragment(3, 1, b"", 255)


COMMANDS = Target(
    "command",
    run_command,
    lambda: (
        _ECHO,
        _STORE,
        encode_cancel_request(CCancelRQ(3)),
        encode_store_response(CStoreRQ(2, _CT, "1.2.3"), 0),
        _STORE[:20] + _STORE,
    ),
    weight=4,
    largest=1024,
    words=_WORDS,
)
MESSAGES = Target("message", run_message, _message_seeds, weight=2, largest=1024, words=_WORDS)
