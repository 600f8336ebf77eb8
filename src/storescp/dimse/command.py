"""Command sets, PS3.7 9.1, 9.3 and annex E: frozen values, decoded from and encoded to implicit VR little endian.

Served are C-ECHO and C-STORE; what a requester sends and gets (requests encoded, responses decoded) is here as
well. Text is Latin-1, so that every byte has its character and comes back as the same byte.
"""

import re
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from storescp import conditions
from storescp.conditions import Condition
from storescp.errors import InvalidMessage
from storescp.upper_layer.log_notes import ERROR, WARN, LogNote, application, data, dimse_warning

# PS3.7 E.1: tags of command elements. The group is 0 in all of them, so in little endian order a tag reads as
# one number: element number << 16.
_GROUP_LENGTH = 0x0000 << 16
_AFFECTED_SOP_CLASS_UID = 0x0002 << 16
_COMMAND_FIELD = 0x0100 << 16
_MESSAGE_ID = 0x0110 << 16
_MESSAGE_ID_BEING_RESPONDED_TO = 0x0120 << 16
_PRIORITY = 0x0700 << 16
_DATA_SET_TYPE = 0x0800 << 16
_STATUS = 0x0900 << 16
_ERROR_COMMENT = 0x0902 << 16
_AFFECTED_SOP_INSTANCE_UID = 0x1000 << 16
_MOVE_ORIGINATOR_AE_TITLE = 0x1030 << 16
_MOVE_ORIGINATOR_MESSAGE_ID = 0x1031 << 16

_NAMES = {
    _AFFECTED_SOP_CLASS_UID: "AffectedSOPClassUID",
    _MESSAGE_ID: "MessageID",
    _MESSAGE_ID_BEING_RESPONDED_TO: "MessageIDBeingRespondedTo",
    _PRIORITY: "Priority",
    _DATA_SET_TYPE: "CommandDataSetType",
    _STATUS: "Status",
    _AFFECTED_SOP_INSTANCE_UID: "AffectedSOPInstanceUID",
}

C_STORE_RQ = 0x0001
C_STORE_RSP = 0x8001
C_ECHO_RQ = 0x0030
C_ECHO_RSP = 0x8030
C_CANCEL_RQ = 0x0FFF
_OTHER_REQUESTS = frozenset(
    (0x0010, 0x0020, 0x0021, 0x0100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0150)
)
"""C-GET, C-FIND, C-MOVE and the N services; their responses have the highest bit set."""
_RESPONSE = 0x8000

NO_DATA_SET = 0x0101
DATA_SET_FOLLOWS = 0x0001

_MAXIMUM_UID_LENGTH = 64
_LONGEST_COMMENT = 64  # characters: VR LO
_MAXIMUM_NOTES = 16
"""Maximum number of notes on one command set: a disordered one must not flood the log."""

_unpack_element = struct.Struct("<II").unpack_from  # PS3.7 6.3.1: tag, length
_unpack_two_numbers = struct.Struct("<HH").unpack
_pack_number = struct.Struct("<H").pack
_pack_element = struct.Struct("<II").pack
_pack_short_element = struct.Struct("<IIH").pack
_pack_long_element = struct.Struct("<III").pack

# The C-STORE-RQ of nearly every peer: the elements of PS3.7 table 9.3-1 in their order, nothing odd about them, and
# no move originator. One look at it is a quarter of the work of taking it apart.
_match_usual_store_request = re.compile(
    rb"\0\0\0\0 \x04\0\0\0 .... "
    rb"\0\0\x02\0 (.)\0\0\0 (([0-9.]{1,64})\0?) "
    rb"\0\0\0\x01 \x02\0\0\0 \x01\0 "
    rb"\0\0\x10\x01 \x02\0\0\0 (..) "
    rb"\0\0\0\x07 \x02\0\0\0 (..) "
    rb"\0\0\0\x08 \x02\0\0\0 (?!\x01\x01).. "
    rb"\0\0\0\x10 (.)\0\0\0 (([0-9.]{1,64})\0?)".replace(b" ", b""),
    re.DOTALL,
).fullmatch


class RefusedCommand(InvalidMessage):
    """A command set that cannot be understood or is not served; `notes` are to be logged before it."""

    def __init__(
        self,
        detail: str,
        notes: tuple[LogNote, ...] = (),
        *,
        condition: Condition,
        within: tuple[str, ...] = (),
    ) -> None:
        super().__init__(detail, condition=condition, within=within)
        self.notes = notes


class NotServed(RefusedCommand):
    """A command of a service that is not offered here."""


class CEchoRQ(NamedTuple):
    """C-ECHO-RQ, PS3.7 9.3.5.1."""

    message_id: int
    affected_sop_class_uid: str
    context_id: int = 0
    notes: tuple[LogNote, ...] = ()


class CStoreRQ(NamedTuple):
    """C-STORE-RQ, PS3.7 9.3.1.1. `priority` is what the peer sent, be it defined or not."""

    message_id: int
    affected_sop_class_uid: str
    affected_sop_instance_uid: str
    priority: int = 0
    move_originator_ae_title: str | None = None
    move_originator_message_id: int | None = None
    context_id: int = 0
    notes: tuple[LogNote, ...] = ()


@dataclass(frozen=True, slots=True)
class CEchoRSP:
    """C-ECHO-RSP, PS3.7 9.3.5.2."""

    message_id_being_responded_to: int
    affected_sop_class_uid: str
    status: int


@dataclass(frozen=True, slots=True)
class CStoreRSP:
    """C-STORE-RSP, PS3.7 9.3.1.2."""

    message_id_being_responded_to: int
    affected_sop_class_uid: str
    affected_sop_instance_uid: str
    status: int


@dataclass(frozen=True, slots=True)
class CCancelRQ:
    """C-CANCEL-RQ, PS3.7 9.3.2.3."""

    message_id_being_responded_to: int


Command = CEchoRQ | CStoreRQ | CEchoRSP | CStoreRSP | CCancelRQ

_COMMAND_FIELDS: dict[type[Command], int] = {
    CEchoRSP: C_ECHO_RSP,
    CStoreRSP: C_STORE_RSP,
    CCancelRQ: C_CANCEL_RQ,
}


def decode_request(command_set: bytes, context_id: int = 0) -> CEchoRQ | CStoreRQ:
    """Return the request in a command set.

    Raises:
        RefusedCommand: it is none of the two that are served, lacks an element, or cannot be parsed.
    """
    usual = _match_usual_store_request(command_set)
    if usual is not None:
        class_length, sop_class, class_uid, message_id, priority, length, instance, uid = (
            usual.groups()
        )
        if class_length[0] == len(sop_class) and length[0] == len(instance):
            number, urgency = _unpack_two_numbers(message_id + priority)
            return CStoreRQ(
                number,
                class_uid.decode("ascii"),
                uid.decode("ascii"),
                urgency,
                None,
                None,
                context_id,
            )
    command = decode(command_set, context_id)
    match command:
        case CStoreRQ() | CEchoRQ():
            return command
        case _:
            raise _not_served(_COMMAND_FIELDS[type(command)])


def decode(command_set: bytes, context_id: int = 0) -> Command:
    """Return the command in a command set.

    Raises:
        RefusedCommand: it is none of `Command`, lacks an element, or cannot be parsed.
    """
    elements, notes = _elements(command_set)
    command_field = elements.get(_COMMAND_FIELD)
    if not command_field:
        raise RefusedCommand(
            "DIMSE_parseCmdObject: Missing CommandField",
            tuple(notes),
            condition=conditions.PARSE_FAILED,
        )
    match int.from_bytes(command_field[:2], "little"):
        case 0x0001:
            return _store_request(elements, notes, context_id)
        case 0x0030:
            return _echo_request(elements, notes, context_id)
        case 0x8001:
            return CStoreRSP(
                _number(elements, notes, _MESSAGE_ID_BEING_RESPONDED_TO),
                _optional_uid(elements, notes, _AFFECTED_SOP_CLASS_UID),
                _optional_uid(elements, notes, _AFFECTED_SOP_INSTANCE_UID),
                _number(elements, notes, _STATUS),
            )
        case 0x8030:
            return CEchoRSP(
                _number(elements, notes, _MESSAGE_ID_BEING_RESPONDED_TO),
                _optional_uid(elements, notes, _AFFECTED_SOP_CLASS_UID),
                _number(elements, notes, _STATUS),
            )
        case 0x0FFF:
            return CCancelRQ(_number(elements, notes, _MESSAGE_ID_BEING_RESPONDED_TO))
        case value:
            raise _not_served(value, notes)


def _store_request(elements: dict[int, bytes], notes: list[LogNote], context_id: int) -> CStoreRQ:
    sop_class_uid = _uid(elements, notes, _AFFECTED_SOP_CLASS_UID)
    message_id = _number(elements, notes, _MESSAGE_ID)
    priority = _number(elements, notes, _PRIORITY)
    data_set_type = _number(elements, notes, _DATA_SET_TYPE)
    sop_instance_uid = _uid(elements, notes, _AFFECTED_SOP_INSTANCE_UID)
    if data_set_type == NO_DATA_SET:
        raise _badly_formed("C-Store RQ: DataSetType == NULL", notes)
    if not sop_instance_uid:
        raise _badly_formed("C-Store RQ: AffectedSOPInstanceUID: bad size", notes)
    title = elements.get(_MOVE_ORIGINATOR_AE_TITLE)
    originator = elements.get(_MOVE_ORIGINATOR_MESSAGE_ID)
    return CStoreRQ(
        message_id,
        sop_class_uid,
        sop_instance_uid,
        priority,
        None if title is None else title.partition(b"\0")[0].strip(b" ").decode("latin-1"),
        int.from_bytes(originator[:2], "little") if originator else None,
        context_id,
        tuple(notes),
    )


def _echo_request(elements: dict[int, bytes], notes: list[LogNote], context_id: int) -> CEchoRQ:
    sop_class_uid = _uid(elements, notes, _AFFECTED_SOP_CLASS_UID)
    message_id = _number(elements, notes, _MESSAGE_ID)
    if _number(elements, notes, _DATA_SET_TYPE) != NO_DATA_SET:
        raise _badly_formed("C-Echo RQ: DataSetType != NULL", notes)
    return CEchoRQ(message_id, sop_class_uid, context_id, tuple(notes))


def _elements(command_set: bytes) -> tuple[dict[int, bytes], list[LogNote]]:
    """Return the values of the elements of group 0, and what is to be said about their order.

    The group length is not relied upon: it may be missing or wrong.
    """
    elements: dict[int, bytes] = {}
    notes: list[LogNote] = []
    previous = -1
    position, end = 0, len(command_set)
    while end - position >= 8:
        tag, length = _unpack_element(command_set, position)
        start = position + 8
        position = start + length
        if position > end:
            raise RefusedCommand(
                "",
                tuple(notes),
                condition=conditions.INVALID_STREAM,
                within=(
                    conditions.RECEIVE_FAILED.line("DIMSE: receiveCommand: cmdSet->read() Failed"),
                ),
            )
        if tag & 0xFFFF:
            continue
        if tag <= previous and len(notes) < _MAXIMUM_NOTES:
            notes.append(_note_on_order(tag, found_before=tag in elements))
        elements.setdefault(tag, command_set[start:position])
        previous = max(previous, tag)
    return elements, notes


def _note_on_order(tag: int, *, found_before: bool) -> LogNote:
    if found_before:
        return data(
            WARN,
            f"DcmItem: Element (0000,{tag >> 16:04x}) found twice in one data set or item,"
            " ignoring second entry",
        )
    return data(
        WARN, f"DcmItem: Dataset not in ascending tag order, at element (0000,{tag >> 16:04x})"
    )


def _number(elements: dict[int, bytes], notes: list[LogNote], tag: int) -> int:
    """Return a value of VR US; one of a single byte is taken as it is, of several values the first."""
    value = elements.get(tag)
    if not value:
        raise _missing(tag, notes)
    return int.from_bytes(value[:2], "little")


def _uid(elements: dict[int, bytes], notes: list[LogNote], tag: int) -> str:
    """Return a UID up to the first NUL and without white space, which some peers use as padding."""
    value = elements.get(tag)
    if value is None:
        raise _missing(tag, notes)
    value = value.partition(b"\0")[0]
    words = value.split()
    if words != [value]:
        bare = b"".join(words)
        if bare != value:
            text = (
                f"DcmUniqueIdentifier: Element {_NAMES[tag]} (0000,{tag >> 16:04x}) contains one or"
                " more space characters, which were removed"
            )
            notes.append(data(WARN, text))
        value = bare
    if len(value) > _MAXIMUM_UID_LENGTH:
        raise _missing(tag, notes)
    return value.decode("latin-1")


def _optional_uid(elements: dict[int, bytes], notes: list[LogNote], tag: int) -> str:
    """Return a UID, empty if absent: PS3.7 does not require those of responses."""
    return _uid(elements, notes, tag) if tag in elements else ""


def _missing(tag: int, notes: list[LogNote]) -> RefusedCommand:
    return RefusedCommand(
        f"DIMSE: Command Parse Failed: Element: (0000,{tag >> 16:04x}) {_NAMES[tag]}",
        tuple(notes),
        condition=conditions.PARSE_FAILED,
    )


def _badly_formed(reason: str, notes: list[LogNote]) -> RefusedCommand:
    warning = dimse_warning(reason)
    return RefusedCommand("", (*notes, warning), condition=conditions.BADLY_FORMED_MESSAGE)


def _not_served(command_field: int, notes: list[LogNote] | None = None) -> RefusedCommand:
    before = tuple(notes or ())
    request = command_field & ~_RESPONSE
    if request not in _OTHER_REQUESTS and request not in (C_STORE_RQ, C_ECHO_RQ, C_CANCEL_RQ):
        return RefusedCommand(
            f"DIMSE_parseCmdObject: Invalid Command Message: 0x{command_field:x}",
            before,
            condition=conditions.BAD_COMMAND_TYPE,
        )
    note = application(
        ERROR,
        f"Expected C-ECHO or C-STORE request but received DIMSE command 0x{command_field:04x}",
    )
    return NotServed("", (*before, note), condition=conditions.BAD_COMMAND_TYPE)


def encode_echo_response(request: CEchoRQ) -> bytes:
    """Return the command set of a C-ECHO-RSP with status 0000H, PS3.7 9.3.5.2."""
    return _command_set(
        _text(_AFFECTED_SOP_CLASS_UID, request.affected_sop_class_uid),
        _pack_short_element(_COMMAND_FIELD, 2, C_ECHO_RSP),
        _pack_short_element(_MESSAGE_ID_BEING_RESPONDED_TO, 2, request.message_id),
        _pack_short_element(_DATA_SET_TYPE, 2, NO_DATA_SET),
        _pack_short_element(_STATUS, 2, 0),
    )


def encode_store_response(request: CStoreRQ, status: int, comment: str = "") -> bytes:
    """Return the command set of a C-STORE-RSP, PS3.7 9.3.1.2.

    Args:
        request: what is answered.
        status: PS3.4 table B.2-1.
        comment: why it is no success, for the Error Comment, PS3.7 annex C.4: 64 characters of it are sent.
    """
    uid = request.affected_sop_instance_uid.encode("latin-1")
    if len(uid) % 2:
        uid += b"\0"
    before, after = _around_message_id(request.affected_sop_class_uid, status, len(uid), comment)
    return before + _pack_number(request.message_id) + after + uid


@lru_cache(maxsize=64)
def _around_message_id(
    sop_class_uid: str, status: int, uid_length: int, comment: str
) -> tuple[bytes, bytes]:
    """Return what stands before the message ID of a C-STORE-RSP, and what between it and the instance UID."""
    before = (
        _text(_AFFECTED_SOP_CLASS_UID, sop_class_uid)
        + _pack_short_element(_COMMAND_FIELD, 2, C_STORE_RSP)
        + _pack_element(_MESSAGE_ID_BEING_RESPONDED_TO, 2)
    )
    after = (
        _pack_short_element(_DATA_SET_TYPE, 2, NO_DATA_SET)
        + _pack_short_element(_STATUS, 2, status)
        + _error_comment(comment)
        + _pack_element(_AFFECTED_SOP_INSTANCE_UID, uid_length)
    )
    length = len(before) + 2 + len(after) + uid_length
    return _pack_long_element(_GROUP_LENGTH, 4, length) + before, after


def _error_comment(comment: str) -> bytes:
    """Return an Error Comment, VR LO: a single value of printable characters of the default repertoire."""
    text = comment.encode("ascii", "replace")[:_LONGEST_COMMENT].replace(b"\\", b"/").decode()
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return _text(_ERROR_COMMENT, printable, b" ") if comment else b""


def encode_echo_request(request: CEchoRQ) -> bytes:
    """Return the command set of a C-ECHO-RQ, PS3.7 9.3.5.1."""
    return _command_set(
        _text(_AFFECTED_SOP_CLASS_UID, request.affected_sop_class_uid),
        _pack_short_element(_COMMAND_FIELD, 2, C_ECHO_RQ),
        _pack_short_element(_MESSAGE_ID, 2, request.message_id),
        _pack_short_element(_DATA_SET_TYPE, 2, NO_DATA_SET),
    )


def encode_store_request(request: CStoreRQ) -> bytes:
    """Return the command set of a C-STORE-RQ, PS3.7 9.3.1.1."""
    title = request.move_originator_ae_title
    originator = request.move_originator_message_id
    return _command_set(
        _text(_AFFECTED_SOP_CLASS_UID, request.affected_sop_class_uid),
        _pack_short_element(_COMMAND_FIELD, 2, C_STORE_RQ),
        _pack_short_element(_MESSAGE_ID, 2, request.message_id),
        _pack_short_element(_PRIORITY, 2, request.priority),
        _pack_short_element(_DATA_SET_TYPE, 2, DATA_SET_FOLLOWS),
        _text(_AFFECTED_SOP_INSTANCE_UID, request.affected_sop_instance_uid),
        b"" if title is None else _text(_MOVE_ORIGINATOR_AE_TITLE, title, padding=b" "),
        b""
        if originator is None
        else _pack_short_element(_MOVE_ORIGINATOR_MESSAGE_ID, 2, originator),
    )


def encode_cancel_request(request: CCancelRQ) -> bytes:
    """Return the command set of a C-CANCEL-RQ, PS3.7 9.3.2.3."""
    return _command_set(
        _pack_short_element(_COMMAND_FIELD, 2, C_CANCEL_RQ),
        _pack_short_element(
            _MESSAGE_ID_BEING_RESPONDED_TO, 2, request.message_id_being_responded_to
        ),
        _pack_short_element(_DATA_SET_TYPE, 2, NO_DATA_SET),
    )


def _command_set(*elements: bytes) -> bytes:
    body = b"".join(elements)
    return _pack_long_element(_GROUP_LENGTH, 4, len(body)) + body


def _text(tag: int, text: str, padding: bytes = b"\0") -> bytes:
    value = text.encode("latin-1")
    if len(value) % 2:
        value += padding
    return _pack_element(tag, len(value)) + value
