"""DIMSE messages from PDVs, PS3.8 annex E and PS3.7 6.3: one command set, then the data set it announces.

The command set is collected, within a limit; the data set passes: its fragments are checked, not kept.
"""

from collections.abc import Container

from storescp import conditions
from storescp.dimse.command import CEchoRQ, CStoreRQ, decode_request
from storescp.errors import InvalidMessage, InvalidPDU, Limit, ProtocolError, UnexpectedPDU
from storescp.upper_layer.pdata import COMMAND, LAST

MAXIMUM_COMMAND_LENGTH = 64 * 1024
_MAXIMUM_EMPTY_FRAGMENTS = 1000
"""Maximum number of empty fragments of a command set: they bring it neither to its end nor to its size limit."""

_FAILED = (conditions.RECEIVE_FAILED.line(),)
_READ_FAILED = (conditions.READ_PDV_FAILED.line(),)
_NONE = -1


class MessageReader:
    """Reads the messages of one association, one after the other."""

    __slots__ = (
        "_command",
        "_command_context",
        "_contexts",
        "_data_context",
        "_empty_fragments",
        "_maximum_length",
    )

    def __init__(
        self, contexts: Container[int], maximum_command_length: int = MAXIMUM_COMMAND_LENGTH
    ) -> None:
        """Start with the accepted presentation context IDs and the limit of a command set, in bytes."""
        self._contexts = contexts
        self._maximum_length = maximum_command_length
        self._command = bytearray()
        self._command_context = _NONE
        self._data_context = _NONE
        self._empty_fragments = 0

    @property
    def expects_data(self) -> bool:
        """True if a data set, or the rest of one, comes next; else a command set."""
        return self._data_context != _NONE

    @property
    def within_command(self) -> bool:
        """True if a command set has begun and not ended."""
        return self._command_context != _NONE

    def command_fragment(
        self, context_id: int, control_header: int, value: memoryview
    ) -> CEchoRQ | CStoreRQ | None:
        """Take a fragment of a command set; return the request when it is complete.

        Raises:
            InvalidMessage: the fragment is not expected, or the request cannot be understood or is not served
                (a `RefusedCommand`, then).
        """
        length = len(value)
        if (
            context_id not in self._contexts
            or self._data_context != _NONE
            or not control_header & COMMAND
            or self._command_context not in (_NONE, context_id)
            or length & 1
            or len(self._command) + length > self._maximum_length
        ):
            raise self._command_error(context_id, control_header, length)
        if control_header & LAST and self._command_context == _NONE:
            command_set = bytes(value)
        else:
            self._command += value
            if not control_header & LAST:
                self._command_context = context_id
                if not value:
                    self._count_empty_fragment()
                return None
            command_set = bytes(self._command)
            self._command.clear()
            self._empty_fragments = 0
        self._command_context = _NONE
        request = decode_request(command_set, context_id)
        if isinstance(request, CStoreRQ):
            self._data_context = context_id
        return request

    def _count_empty_fragment(self) -> None:
        self._empty_fragments += 1
        if self._empty_fragments > _MAXIMUM_EMPTY_FRAGMENTS:
            raise InvalidMessage(
                f"DIMSE: Command set of more than {_MAXIMUM_EMPTY_FRAGMENTS} empty fragments",
                condition=conditions.RECEIVE_FAILED,
                within=_FAILED,
            )

    def data_fragment(self, context_id: int, control_header: int, value: memoryview) -> bool:
        """Check a fragment of a data set; return whether it is the last one.

        Raises:
            InvalidMessage: the fragment is not expected, of another presentation context, or of odd length.
        """
        if context_id != self._data_context or control_header & COMMAND or len(value) & 1:
            raise self._data_error(context_id, control_header, len(value))
        if control_header & LAST:
            self._data_context = _NONE
            return True
        return False

    def explain(self, error: ProtocolError) -> str:
        """Return the text of an error with what the reference's log puts in front of it in this situation."""
        if not isinstance(error, InvalidPDU | UnexpectedPDU):
            return str(error)
        before = _READ_FAILED if self.expects_data else (*_FAILED, *_READ_FAILED)
        return "\n".join((*before, str(error)))

    def _command_error(self, context_id: int, control_header: int, length: int) -> InvalidMessage:
        """Return the first of the objections, in the order in which the reference has them."""
        if context_id not in self._contexts:
            return _bad_context()
        if self.expects_data:
            return _unexpected_type()
        if not control_header & COMMAND:
            return InvalidMessage(
                "DIMSE: Command PDV Expected",
                condition=conditions.UNEXPECTED_PDV_TYPE,
                within=_FAILED,
            )
        if self._command_context not in (_NONE, context_id):
            return InvalidMessage(
                f"DIMSE: Different PresIDs inside Command Set:"
                f" {self._command_context} != {context_id}",
                condition=conditions.INVALID_PRESENTATION_CONTEXT_ID,
                within=_FAILED,
            )
        if length & 1:
            return _odd_length(length)
        return InvalidMessage(
            f"DIMSE: Command set of more than {self._maximum_length} bytes",
            limit=Limit.COMMAND_LENGTH,
            condition=conditions.RECEIVE_FAILED,
            within=_FAILED,
        )

    def _data_error(self, context_id: int, control_header: int, length: int) -> InvalidMessage:
        """Return the first of the objections, in the order in which the reference has them."""
        if context_id not in self._contexts:
            return _bad_context()
        if not self.expects_data:
            return InvalidMessage(
                "DIMSE: Command PDV Expected",
                condition=conditions.UNEXPECTED_PDV_TYPE,
                within=_FAILED,
            )
        if control_header & COMMAND:
            return _unexpected_type()
        if length & 1:
            return _odd_length(length)
        return InvalidMessage(
            "DIMSE: Presentation Contexts of Command and Data Differ",
            condition=conditions.INVALID_PRESENTATION_CONTEXT_ID,
        )


def _bad_context() -> InvalidMessage:
    return InvalidMessage(condition=conditions.BAD_PRESENTATION_CONTEXT_ID, within=_FAILED)


def _unexpected_type() -> InvalidMessage:
    return InvalidMessage(condition=conditions.UNEXPECTED_PDV_TYPE)


def _odd_length(length: int) -> InvalidMessage:
    return InvalidMessage(
        f"DIMSE: Odd Fragment Length: {length}", condition=conditions.RECEIVE_FAILED
    )
