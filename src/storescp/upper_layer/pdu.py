"""The PDUs that open and end an association, PS3.8 9.3 and annex D, PS3.7 annex D.3.3: frozen values.

Each knows how to `encode` itself; `decode` reads the variable field of any of them. P-DATA-TF, which carries
the data, is in `pdata`. Which PDU may come when, and what is answered, is for `association` and `negotiation`.

Text is Latin-1, so that every byte has its character and comes back as the same byte. A UID ends at its first
NUL; an AE title too, and its trailing blanks do not count. Reserved fields are not tested, PS3.8 9.3.1.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from storescp import conditions
from storescp.errors import InvalidPDU
from storescp.upper_layer.log_notes import WARN, LogNote, network

MAXIMUM_TRANSFER_SYNTAXES = 128
"""Maximum number in one presentation context, as the reference counts."""
MAXIMUM_UID_LENGTH = 64

pack_header = struct.Struct(">BxI").pack  # PS3.8 9.3.1: PDU type, PDU length
unpack_header = struct.Struct(">BxI").unpack_from
HEADER_LENGTH = 6
_pack_item = struct.Struct(">BxH").pack  # PS3.8 9.3.2.1: item type, item length
_unpack_item = struct.Struct(">BxH").unpack_from
_FIXED_FIELDS = struct.Struct(">H2x16s16s32x")  # PS3.8 9.3.2: protocol version, called, calling
_CONTEXT = struct.Struct(">BxBx")  # PS3.8 9.3.2.2, 9.3.3.2: context ID, result
_MAXIMUM_NOTES = 20
"""A request has room for thousands of wrong items; nobody reads as many lines."""

_LONG = struct.Struct(">I")
_SHORT = struct.Struct(">H")
_TWO_SHORTS = struct.Struct(">HH")
_REJECT = struct.Struct(">xBBB")  # PS3.8 9.3.4: result, source, reason
_ABORT = struct.Struct(">xxBB")  # PS3.8 9.3.8: source, reason


class PDUType(IntEnum):
    """First byte of a PDU, PS3.8 9.3.1."""

    A_ASSOCIATE_RQ = 1
    A_ASSOCIATE_AC = 2
    A_ASSOCIATE_RJ = 3
    P_DATA_TF = 4
    A_RELEASE_RQ = 5
    A_RELEASE_RP = 6
    A_ABORT = 7


class _Item(IntEnum):
    """First byte of an item or sub-item, PS3.8 9.3.2 and D.1, PS3.7 D.3.3."""

    APPLICATION_CONTEXT = 0x10
    PROPOSED_CONTEXT = 0x20
    ANSWERED_CONTEXT = 0x21
    ABSTRACT_SYNTAX = 0x30
    TRANSFER_SYNTAX = 0x40
    USER_INFORMATION = 0x50
    MAXIMUM_LENGTH = 0x51
    IMPLEMENTATION_CLASS_UID = 0x52
    ASYNCHRONOUS_OPERATIONS = 0x53
    ROLE_SELECTION = 0x54
    IMPLEMENTATION_VERSION_NAME = 0x55
    EXTENDED_NEGOTIATION = 0x56
    COMMON_EXTENDED_NEGOTIATION = 0x57
    USER_IDENTITY = 0x58
    USER_IDENTITY_ANSWER = 0x59


class InvalidAssociatePDU(InvalidPDU):
    """An A-ASSOCIATE PDU that cannot be understood; the peer is told, PS3.8 9.3.8."""

    abort_source = 2  # service provider
    abort_reason = 6  # invalid PDU parameter value


class AbortSource(IntEnum):
    """Source of an abort, PS3.8 9.3.8."""

    SERVICE_USER = 0
    SERVICE_PROVIDER = 2


class ContextResult(IntEnum):
    """Result for a proposed presentation context, PS3.8 9.3.3.2."""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


class ProposedContext(NamedTuple):
    """A presentation context of an A-ASSOCIATE-RQ, PS3.8 9.3.2.2."""

    context_id: int
    abstract_syntax: str | None
    transfer_syntaxes: tuple[str, ...]

    def encode(self) -> bytes:
        """Return the item."""
        syntax = self.abstract_syntax
        return _item(
            _Item.PROPOSED_CONTEXT,
            _CONTEXT.pack(self.context_id, 0)
            + (b"" if syntax is None else _text_item(_Item.ABSTRACT_SYNTAX, syntax))
            + b"".join(_text_item(_Item.TRANSFER_SYNTAX, uid) for uid in self.transfer_syntaxes),
        )


@dataclass(frozen=True, slots=True)
class AnsweredContext:
    """A presentation context of an A-ASSOCIATE-AC, PS3.8 9.3.3.2.

    The abstract syntax is not sent; it is kept for the log and the storage.
    """

    context_id: int
    result: int
    transfer_syntax: str
    abstract_syntax: str | None = field(default=None, compare=False)

    def encode(self) -> bytes:
        """Return the item."""
        return _item(
            _Item.ANSWERED_CONTEXT,
            _CONTEXT.pack(self.context_id, self.result)
            + _text_item(_Item.TRANSFER_SYNTAX, self.transfer_syntax),
        )


class AsynchronousOperations(NamedTuple):
    """Asynchronous operations window, PS3.7 D.3.3.3."""

    invoked: int
    performed: int


class RoleSelection(NamedTuple):
    """SCP/SCU role selection of the requester for one abstract syntax, PS3.7 D.3.3.4."""

    sop_class_uid: str
    scu: bool
    scp: bool


class ExtendedNegotiation(NamedTuple):
    """SOP class extended negotiation, PS3.7 D.3.3.5."""

    sop_class_uid: str
    information: bytes


class CommonExtendedNegotiation(NamedTuple):
    """SOP class common extended negotiation, PS3.7 D.3.3.6."""

    sop_class_uid: str
    service_class_uid: str
    related_sop_class_uids: tuple[str, ...] = ()


class UserIdentity(NamedTuple):
    """User identity of an A-ASSOCIATE-RQ, PS3.7 D.3.3.7.1."""

    kind: int
    response_requested: bool
    primary: bytes
    secondary: bytes = b""


@dataclass(frozen=True, slots=True)
class UserInformation:
    """The user information item, PS3.8 annex D.1 and PS3.7 annex D.3.3.

    `maximum_length` counts as the standard does: a PDU without its 6 byte header, 0 for unlimited.
    """

    maximum_length: int = 0
    implementation_class_uid: str = ""
    asynchronous_operations: AsynchronousOperations | None = None
    roles: tuple[RoleSelection, ...] = ()
    implementation_version_name: str = ""
    extended_negotiation: tuple[ExtendedNegotiation, ...] = ()
    common_extended_negotiation: tuple[CommonExtendedNegotiation, ...] = ()
    user_identity: UserIdentity | None = None
    user_identity_answer: bytes | None = None

    def encode(self) -> bytes:
        """Return the item, its sub-items in the order of their types.

        Raises:
            ValueError: it is longer than an item can be, 65535 bytes.
        """
        return _item(_Item.USER_INFORMATION, b"".join(self._sub_items()))

    def _sub_items(self) -> Iterator[bytes]:
        yield _item(_Item.MAXIMUM_LENGTH, _LONG.pack(self.maximum_length))
        if self.implementation_class_uid:
            yield _text_item(_Item.IMPLEMENTATION_CLASS_UID, self.implementation_class_uid)
        if window := self.asynchronous_operations:
            value = _TWO_SHORTS.pack(window.invoked, window.performed)
            yield _item(_Item.ASYNCHRONOUS_OPERATIONS, value)
        for role in self.roles:
            value = _counted_text(role.sop_class_uid) + bytes((role.scu, role.scp))
            yield _item(_Item.ROLE_SELECTION, value)
        if self.implementation_version_name:
            yield _text_item(_Item.IMPLEMENTATION_VERSION_NAME, self.implementation_version_name)
        for extended in self.extended_negotiation:
            value = _counted_text(extended.sop_class_uid) + extended.information
            yield _item(_Item.EXTENDED_NEGOTIATION, value)
        for common in self.common_extended_negotiation:
            related = b"".join(map(_counted_text, common.related_sop_class_uids))
            yield _item(
                _Item.COMMON_EXTENDED_NEGOTIATION,
                _counted_text(common.sop_class_uid)
                + _counted_text(common.service_class_uid)
                + _counted(related),
            )
        if identity := self.user_identity:
            yield _item(
                _Item.USER_IDENTITY,
                bytes((identity.kind, identity.response_requested))
                + _counted(identity.primary)
                + _counted(identity.secondary),
            )
        if self.user_identity_answer is not None:
            yield _item(_Item.USER_IDENTITY_ANSWER, _counted(self.user_identity_answer))


@dataclass(frozen=True, slots=True)
class AAssociateRQ:
    """A-ASSOCIATE-RQ, PS3.8 9.3.2."""

    called_ae_title: str
    calling_ae_title: str
    application_context: str
    contexts: tuple[ProposedContext, ...]
    user_information: UserInformation = UserInformation()
    protocol_version: int = 1
    notes: tuple[LogNote, ...] = field(default=(), compare=False)
    """Log notes about oddities of the PDU."""

    def encode(self) -> bytes:
        """Return the PDU."""
        return _associate(PDUType.A_ASSOCIATE_RQ, self, self.contexts)


@dataclass(frozen=True, slots=True)
class AAssociateAC:
    """A-ASSOCIATE-AC, PS3.8 9.3.3."""

    called_ae_title: str
    calling_ae_title: str
    application_context: str
    contexts: tuple[AnsweredContext, ...]
    user_information: UserInformation = UserInformation()
    protocol_version: int = 1
    notes: tuple[LogNote, ...] = field(default=(), compare=False)
    """Log notes about the decision."""

    def encode(self) -> bytes:
        """Return the PDU."""
        return _associate(PDUType.A_ASSOCIATE_AC, self, self.contexts)


@dataclass(frozen=True, slots=True)
class AAssociateRJ:
    """A-ASSOCIATE-RJ, PS3.8 9.3.4."""

    result: int
    source: int
    reason: int
    notes: tuple[LogNote, ...] = field(default=(), compare=False)
    """Log notes about the decision."""

    def encode(self) -> bytes:
        """Return the PDU."""
        return _pdu(PDUType.A_ASSOCIATE_RJ, _REJECT.pack(self.result, self.source, self.reason))


@dataclass(frozen=True, slots=True)
class AReleaseRQ:
    """A-RELEASE-RQ, PS3.8 9.3.6."""

    def encode(self) -> bytes:
        """Return the PDU."""
        return _pdu(PDUType.A_RELEASE_RQ, bytes(4))


@dataclass(frozen=True, slots=True)
class AReleaseRP:
    """A-RELEASE-RP, PS3.8 9.3.7."""

    def encode(self) -> bytes:
        """Return the PDU."""
        return _pdu(PDUType.A_RELEASE_RP, bytes(4))


@dataclass(frozen=True, slots=True)
class AAbort:
    """A-ABORT, PS3.8 9.3.8."""

    source: int = AbortSource.SERVICE_USER
    reason: int = 0

    def encode(self) -> bytes:
        """Return the PDU."""
        return _pdu(PDUType.A_ABORT, _ABORT.pack(self.source, self.reason))


PDU = AAssociateRQ | AAssociateAC | AAssociateRJ | AReleaseRQ | AReleaseRP | AAbort
"""Every PDU but P-DATA-TF."""


def decode(pdu_type: int, variable_field: bytes | memoryview) -> PDU:
    """Return the PDU of this type, given what follows its 6 byte header.

    Raises:
        InvalidAssociatePDU: an A-ASSOCIATE PDU with a length that does not fit, a presentation context
            without a transfer syntax or with more than 128, a UID of more than 64 bytes.
        InvalidPDU: an A-ASSOCIATE-RJ that is too short, or a type that is none of these.
    """
    match pdu_type:
        case PDUType.A_ASSOCIATE_RQ:
            return decode_request(bytes(variable_field))
        case PDUType.A_ASSOCIATE_AC:
            return _decode_acceptance(bytes(variable_field))
        case PDUType.A_ASSOCIATE_RJ:
            if len(variable_field) < _REJECT.size:
                raise InvalidPDU(
                    f"A-ASSOCIATE-RJ of {len(variable_field)} bytes",
                    condition=conditions.ILLEGAL_PDU_LENGTH,
                )
            return AAssociateRJ(*_REJECT.unpack_from(variable_field))
        case PDUType.A_RELEASE_RQ:
            return AReleaseRQ()
        case PDUType.A_RELEASE_RP:
            return AReleaseRP()
        case PDUType.A_ABORT:
            # An A-ABORT means what it says at any length: no byte of it changes what is to be done.
            return AAbort(*_ABORT.unpack(bytes(variable_field[:4]).ljust(4, b"\0")))
        case _:
            raise InvalidPDU(
                f"Unrecognized PDU type: {pdu_type:02x}", condition=conditions.UNRECOGNIZED_PDU_TYPE
            )


def decode_request(variable_field: bytes) -> AAssociateRQ:
    """Return the A-ASSOCIATE-RQ, PS3.8 9.3.2.

    Raises:
        InvalidAssociatePDU: see `decode`.
    """
    version, called, calling = _fixed_fields(variable_field)
    application_context = ""
    contexts: list[ProposedContext] = []
    user = _UserInformationReader()
    for item_type, value in _items(variable_field[_FIXED_FIELDS.size :]):
        match item_type:
            case _Item.APPLICATION_CONTEXT:
                application_context = _uid(value)
            case _Item.PROPOSED_CONTEXT:
                contexts.append(_proposed_context(value))
            case _Item.USER_INFORMATION:
                user.read(value)
            case _:
                pass  # PS3.8 9.3.1: unknown items are skipped
    if not contexts:
        raise InvalidAssociatePDU(
            "DUL Illegal associate PDU. No presentation context",
            condition=conditions.ILLEGAL_PDU_LENGTH,
        )
    return AAssociateRQ(
        called_ae_title=called,
        calling_ae_title=calling,
        application_context=application_context,
        contexts=tuple(contexts),
        user_information=user.result(),
        protocol_version=version,
        notes=user.notes,
    )


def _decode_acceptance(variable_field: bytes) -> AAssociateAC:
    version, called, calling = _fixed_fields(variable_field)
    application_context = ""
    contexts: list[AnsweredContext] = []
    user = _UserInformationReader()
    for item_type, value in _items(variable_field[_FIXED_FIELDS.size :]):
        match item_type:
            case _Item.APPLICATION_CONTEXT:
                application_context = _uid(value)
            case _Item.ANSWERED_CONTEXT:
                contexts.append(_answered_context(value))
            case _Item.USER_INFORMATION:
                user.read(value)
            case _:
                pass
    return AAssociateAC(
        called_ae_title=called,
        calling_ae_title=calling,
        application_context=application_context,
        contexts=tuple(contexts),
        user_information=user.result(),
        protocol_version=version,
        notes=user.notes,
    )


class _UserInformationReader:
    """Collects the sub-items of the user information items; of what may come once, the last counts."""

    def __init__(self) -> None:
        self.notes: tuple[LogNote, ...] = ()
        self._maximum_length = 0
        self._implementation_class_uid = ""
        self._window: AsynchronousOperations | None = None
        self._roles: list[RoleSelection] = []
        self._version_name = ""
        self._extended: list[ExtendedNegotiation] = []
        self._common: list[CommonExtendedNegotiation] = []
        self._identity: UserIdentity | None = None
        self._identity_answer: bytes | None = None

    def result(self) -> UserInformation:
        """Return what was read."""
        return UserInformation(
            maximum_length=self._maximum_length,
            implementation_class_uid=self._implementation_class_uid,
            asynchronous_operations=self._window,
            roles=tuple(self._roles),
            implementation_version_name=self._version_name,
            extended_negotiation=tuple(self._extended),
            common_extended_negotiation=tuple(self._common),
            user_identity=self._identity,
            user_identity_answer=self._identity_answer,
        )

    def read(self, user_information: bytes) -> None:
        """Read one user information item; sub-items of unknown types are skipped."""
        for item_type, value in _items(user_information):
            match item_type:
                case _Item.MAXIMUM_LENGTH:
                    self._maximum_length = self._read_maximum_length(value)
                case _Item.IMPLEMENTATION_CLASS_UID:
                    self._implementation_class_uid = _uid(value)
                case _Item.ASYNCHRONOUS_OPERATIONS if len(value) == _TWO_SHORTS.size:
                    self._window = AsynchronousOperations(*_TWO_SHORTS.unpack(value))
                case _Item.ROLE_SELECTION:
                    self._roles.append(_role_selection(value))
                case _Item.IMPLEMENTATION_VERSION_NAME:
                    self._version_name = _uid(value)
                case _Item.EXTENDED_NEGOTIATION:
                    parts = _uid_and_rest(value, "extended negotiation item")
                    self._extended.append(ExtendedNegotiation(*parts))
                case _Item.COMMON_EXTENDED_NEGOTIATION:
                    self._common.extend(_common_extended_negotiation(value))
                case _Item.USER_IDENTITY:
                    self._identity = _user_identity(value)
                case _Item.USER_IDENTITY_ANSWER:
                    self._identity_answer, _ = _take_counted(value)
                case _:
                    pass

    def _read_maximum_length(self, value: bytes) -> int:
        """Return the number in the first four bytes, or in fewer if the item is too short: some peers fill it up."""
        if len(value) != _LONG.size and len(self.notes) < _MAXIMUM_NOTES:
            text = f"Invalid length ({len(value)}) for maximum length item, must be 4"
            self.notes = (*self.notes, network(WARN, text))
        return int.from_bytes(value[: _LONG.size], "big")


def _fixed_fields(variable_field: bytes) -> tuple[int, str, str]:
    """Return protocol version, called and calling AE title."""
    if len(variable_field) < _FIXED_FIELDS.size:
        raise InvalidAssociatePDU(
            f"DUL Illegal associate PDU. Got {len(variable_field)} bytes of data."
            f" The minimum allowed size is {_FIXED_FIELDS.size}.",
            condition=conditions.ILLEGAL_PDU_LENGTH,
        )
    version, called, calling = _FIXED_FIELDS.unpack_from(variable_field)
    return version, _ae_title(called), _ae_title(calling)


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and value of each item, PS3.8 9.3.2."""
    position, end = 0, len(data)
    while position < end:
        if end - position < 4:
            raise _too_short("subitem", end - position - 4, 0)
        item_type, length = _unpack_item(data, position)
        start = position + 4
        position = start + length
        if position > end:
            raise InvalidAssociatePDU(
                f"DUL Illegal subitem. Got {end - start + 4} bytes of data with a length field"
                f" of {length} (data before length field is not included in length field).",
                condition=conditions.ILLEGAL_PDU_LENGTH,
            )
        yield item_type, data[start:position]


def _proposed_context(value: bytes) -> ProposedContext:
    if len(value) < _CONTEXT.size:
        raise _too_short("presentation context", len(value), _CONTEXT.size)
    context_id, _ = _CONTEXT.unpack_from(value)
    abstract_syntax = None
    transfer_syntaxes: list[str] = []
    for item_type, uid in _items(value[_CONTEXT.size :]):
        match item_type:
            case _Item.ABSTRACT_SYNTAX:
                abstract_syntax = _uid(uid)
            case _Item.TRANSFER_SYNTAX:
                transfer_syntaxes.append(_uid(uid))
            case _:
                pass
    if not 1 <= len(transfer_syntaxes) <= MAXIMUM_TRANSFER_SYNTAXES:
        raise InvalidAssociatePDU(condition=conditions.CONTEXT_TRANSLATION_FAILURE)
    return ProposedContext(context_id, abstract_syntax, tuple(transfer_syntaxes))


def _answered_context(value: bytes) -> AnsweredContext:
    if len(value) < _CONTEXT.size:
        raise _too_short("presentation context", len(value), _CONTEXT.size)
    context_id, result = _CONTEXT.unpack_from(value)
    transfer_syntax = ""
    for item_type, uid in _items(value[_CONTEXT.size :]):
        if item_type == _Item.TRANSFER_SYNTAX:
            transfer_syntax = _uid(uid)
    return AnsweredContext(context_id, result, transfer_syntax)


def _role_selection(value: bytes) -> RoleSelection:
    uid, roles = _uid_and_rest(value, "SCU-SCP role list UID")
    if len(roles) < 2:
        raise _too_short("SCU-SCP role list", len(value), len(value) - len(roles) + 2)
    return RoleSelection(uid, scu=roles[0] != 0, scp=roles[1] != 0)


def _common_extended_negotiation(value: bytes) -> Iterable[CommonExtendedNegotiation]:
    """Return the negotiation, or nothing if it cannot be read: it is never answered, PS3.7 D.3.3.6."""
    try:
        sop_class_uid, rest = _uid_and_rest(value)
        service_class_uid, rest = _uid_and_rest(rest)
        related, _ = _take_counted(rest)
        uids = tuple(_uids(related))
    except InvalidAssociatePDU:
        return ()
    return (CommonExtendedNegotiation(sop_class_uid, service_class_uid, uids),)


def _uids(data: bytes) -> Iterator[str]:
    """Yield UIDs, each behind a two byte length."""
    position = 0
    while position < len(data):
        # No UID that counts is longer than this; the copy stays small however many there are.
        value, _ = _take_counted(data[position : position + _SHORT.size + MAXIMUM_UID_LENGTH])
        yield _uid(value)
        position += _SHORT.size + len(value)


def _user_identity(value: bytes) -> UserIdentity:
    if len(value) < 6:
        raise InvalidAssociatePDU(
            f"DUL user identity rq length {len(value) + 4}. Need at least 10 bytes",
            condition=conditions.ILLEGAL_PDU_LENGTH,
        )
    primary, rest = _take_counted(value[2:])
    secondary, _ = _take_counted(rest)
    return UserIdentity(value[0], value[1] != 0, primary, secondary)


def _take_counted(data: bytes, what: str = "sub-item") -> tuple[bytes, bytes]:
    """Return the value behind a two byte length, and what follows it; `what` it is about is for errors."""
    if len(data) < _SHORT.size:
        raise _too_short(what, len(data), _SHORT.size)
    (length,) = _SHORT.unpack_from(data)
    stop = _SHORT.size + length
    if stop > len(data):
        raise InvalidAssociatePDU(
            f"DUL Illegal {what}. Got {len(data)} bytes of data with a length field of"
            f" {length} (data before length field is not included in length field).",
            condition=conditions.ILLEGAL_PDU_LENGTH,
        )
    return data[_SHORT.size : stop], data[stop:]


def _uid_and_rest(data: bytes, what: str = "sub-item") -> tuple[str, bytes]:
    value, rest = _take_counted(data, what)
    return _uid(value), rest


def _uid(value: bytes) -> str:
    """Return a UID, or another name that obeys the same limit."""
    if len(value) > MAXIMUM_UID_LENGTH:
        raise InvalidAssociatePDU(
            f"DUL illegal subitem length {len(value)}."
            f" Maximum allowed size is {MAXIMUM_UID_LENGTH}.",
            condition=conditions.ILLEGAL_PDU_LENGTH,
        )
    return value.partition(b"\0")[0].decode("latin-1")


def _ae_title(value: bytes) -> str:
    return value.partition(b"\0")[0].rstrip(b" ").decode("latin-1")


def _too_short(what: str, length: int, minimum: int) -> InvalidAssociatePDU:
    """Return the error for an item whose value is too short; the reference counts its header, too."""
    return InvalidAssociatePDU(
        f"DUL Illegal {what}. Got {length + 4} bytes of data."
        f" The minimum allowed size is {minimum + 4}.",
        condition=conditions.ILLEGAL_PDU_LENGTH,
    )


def _associate(
    pdu_type: PDUType,
    pdu: AAssociateRQ | AAssociateAC,
    contexts: Iterable[ProposedContext | AnsweredContext],
) -> bytes:
    called, calling = (
        title.encode("latin-1")[:16].ljust(16)
        for title in (pdu.called_ae_title, pdu.calling_ae_title)
    )
    return _pdu(
        pdu_type,
        _FIXED_FIELDS.pack(pdu.protocol_version, called, calling)
        + _text_item(_Item.APPLICATION_CONTEXT, pdu.application_context)
        + b"".join(context.encode() for context in contexts)
        + pdu.user_information.encode(),
    )


def _pdu(pdu_type: PDUType, variable_field: bytes) -> bytes:
    return pack_header(pdu_type, len(variable_field)) + variable_field


def _item(item_type: _Item, value: bytes) -> bytes:
    if len(value) > 0xFFFF:
        raise ValueError(f"an item of {len(value)} bytes cannot be sent")
    return _pack_item(item_type, len(value)) + value


def _text_item(item_type: _Item, text: str) -> bytes:
    return _item(item_type, text.encode("latin-1"))


def _counted(value: bytes) -> bytes:
    return _SHORT.pack(len(value)) + value


def _counted_text(text: str) -> bytes:
    return _counted(text.encode("latin-1"))
