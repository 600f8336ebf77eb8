"""Everything that can go wrong with a peer's input, each with the answer the peer gets.

StorescpError
├── ConfigurationError      start-up fails: a fatal log line and an exit code
│   └── NetworkUnavailable  the port cannot be had: an error to the log, as the reference has it
├── HandshakeFailed         no TLS connection came about; an alert was sent, the connection is closed
├── ProtocolError           the association ends with an A-ABORT, PS3.8 9.3.8
│   ├── InvalidPDU          a PDU that cannot be understood
│   ├── UnexpectedPDU       a PDU that this state does not allow (AA-8)
│   └── InvalidMessage      a DIMSE message that cannot be understood or is not served
└── StatusError             the C-STORE-RSP carries a failure status, PS3.4 annex B
    ├── OutOfResources      A700
    ├── IdentityMismatch    A900
    └── CannotUnderstand    C000
        ├── InvalidDataSet       a data set that cannot be parsed
        └── WrongTransferSyntax  a data set in another transfer syntax than it was announced in
"""

from enum import Enum, auto
from typing import ClassVar

from storescp.conditions import Condition


class Limit(Enum):
    """A limit, chosen or left at its default, without which the error would not have occurred."""

    OBJECT_SIZE = auto()
    FREE_SPACE = auto()
    INFLATED_SIZE = auto()
    PDU_LENGTH = auto()
    REQUEST_LENGTH = auto()
    COMMAND_LENGTH = auto()
    SORTING = auto()


class StorescpError(Exception):
    """Root of all errors of this package."""

    limit: Limit | None = None
    """The choice that makes it an error, if there is one."""
    identifies: bool = False
    """True if the text may tell who a patient is: it holds a path, or values of the data set."""

    def __init__(
        self, *arguments: object, limit: Limit | None = None, identifies: bool = False
    ) -> None:
        super().__init__(*arguments)
        if identifies:
            self.identifies = True
        if limit is not None:
            self.limit = limit


class ConfigurationError(StorescpError):
    """The requested settings cannot be put into force. The text is logged as fatal; the program ends with 1."""


class NetworkUnavailable(ConfigurationError):
    """The port cannot be listened on. Its text is logged as an error; the program ends with 1."""


class HandshakeFailed(StorescpError):
    """No TLS connection came about; the transport connection is to be closed.

    The text has the reference's code and words; a note says plainly what happened and what to do.
    """


class ProtocolError(StorescpError):
    """The peer broke the protocol; the association is aborted.

    `abort_source` and `abort_reason` are the fields of the A-ABORT PDU, PS3.8 9.3.8. The text of the error is what DCMTK
    logs of it.
    """

    abort_source: ClassVar[int] = 0
    abort_reason: ClassVar[int] = 0

    def __init__(
        self,
        detail: str = "",
        *,
        condition: Condition | None = None,
        within: tuple[str, ...] = (),
        limit: Limit | None = None,
    ) -> None:
        """Note what is wrong.

        Args:
            detail: what is wrong, in words; by default those of the condition.
            condition: what DCMTK calls it; None: it has no name there.
            within: lines that DCMTK logs before it, of the layers above, the highest first.
            limit: the choice that makes it an error, if there is one.
        """
        super().__init__(detail, limit=limit)
        self.detail = detail or (condition.text if condition is not None else "")
        self.condition = condition
        self.within = within

    def __str__(self) -> str:
        own = self.detail if self.condition is None else self.condition.line(self.detail)
        return "\n".join((*self.within, own))


class InvalidPDU(ProtocolError):
    """A PDU that cannot be understood, PS3.8 9.3."""


class UnexpectedPDU(ProtocolError):
    """A PDU that the present state does not allow, PS3.8 table 9-10, AA-8."""

    abort_source = 2  # service provider
    abort_reason = 2  # unexpected PDU


class InvalidMessage(ProtocolError):
    """A DIMSE message that cannot be understood or is not served, PS3.7."""


class StatusError(StorescpError):
    """An object that is not stored, or not as the peer asked; the association goes on.

    `status` is the value of (0000,0900) in the C-STORE-RSP, PS3.4 table B.2-1.
    """

    status: ClassVar[int]


class OutOfResources(StatusError):
    """The object cannot be written."""

    status = 0xA700


class CannotRecord(OutOfResources):
    """The object cannot be recorded in the state."""


class StateLost(CannotRecord):
    """The state is gone or damaged: no object can be recorded until the program is started again."""


class IdentityMismatch(StatusError):
    """The data set is not of the class or not the instance that the command names."""

    status = 0xA900


class CannotUnderstand(StatusError):
    """The data set lacks what is needed to store it, or is damaged."""

    status = 0xC000


class InvalidDataSet(CannotUnderstand):
    """A data set that cannot be parsed, PS3.5 section 7."""


class WrongTransferSyntax(CannotUnderstand):
    """A data set that is not in the transfer syntax of its presentation context, PS3.5 section 10."""
