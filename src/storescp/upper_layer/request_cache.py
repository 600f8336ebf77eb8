"""Requests that come again: a device asks for its associations with the same bytes each time.

What was decoded and answered once would be decoded and answered so again, docs/decisions/0010. Kept are requests that
were accepted, unless they hold secrets. Who may associate at the moment is asked each time.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from storescp.upper_layer.negotiation import Policy, negotiate
from storescp.upper_layer.pdu import (
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    ContextResult,
    decode_request,
)

if TYPE_CHECKING:
    from storescp.upper_layer.admission import Admission

_MAXIMUM_REQUESTS = 16
_MAXIMUM_REQUEST_BYTES = 32 * 1024
"""Bytes of a request that is kept: twice of what 128 contexts with the usual transfer syntaxes take."""


class AcceptedContext(NamedTuple):
    """Abstract and transfer syntax that were agreed for a presentation context ID."""

    abstract_syntax: str
    transfer_syntax: str


class Answered(NamedTuple):
    """A request and what is answered to it. Shared by associations: nobody changes it."""

    request: AAssociateRQ
    answer: AAssociateAC | AAssociateRJ
    encoded: bytes
    contexts: Mapping[int, AcceptedContext]
    """Accepted presentation contexts by their IDs."""


class RequestCache:
    """The requests that a process has accepted, and the answers; the oldest one makes room for a new one."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Policy, Answered]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def answer(self, variable_field: bytes, policy: Policy) -> Answered:
        """Return the A-ASSOCIATE-RQ of which this is the variable field, and the answer to it.

        Raises:
            InvalidAssociatePDU: see `decode`.
        """
        admission = policy.admission
        rest = policy if admission is None else replace(policy, admission=None)
        known = self._known.get(variable_field)
        if known is not None and known[0] == rest and _admits(admission, known[1].request):
            return known[1]
        answered = _answer(decode_request(variable_field), policy)
        if (
            len(variable_field) <= _MAXIMUM_REQUEST_BYTES
            and isinstance(answered.answer, AAssociateAC)
            and answered.request.user_information.user_identity is None  # passwords
        ):
            if len(self._known) >= _MAXIMUM_REQUESTS:
                del self._known[next(iter(self._known))]
            self._known[variable_field] = rest, answered
        return answered


def _admits(admission: "Admission | None", request: AAssociateRQ) -> bool:
    if admission is None:
        return True
    from storescp.upper_layer.admission import refusal  # asked for by options that few use

    return refusal(request, admission) is None


def _answer(request: AAssociateRQ, policy: Policy) -> Answered:
    given = negotiate(request, policy)
    contexts = {}
    if isinstance(given, AAssociateAC):
        contexts = {
            context.context_id: AcceptedContext(
                context.abstract_syntax or "", context.transfer_syntax
            )
            for context in given.contexts
            if context.result == ContextResult.ACCEPTANCE
        }
    return Answered(request, given, given.encode(), MappingProxyType(contexts))
