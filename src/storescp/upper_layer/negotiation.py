"""The answer to an A-ASSOCIATE-RQ, PS3.8 7.1, 9.3.3, 9.3.4 and annex D, PS3.7 annex D.3.3. Pure."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING

from storescp import conditions
from storescp.printable import printable
from storescp.uids import (
    APPLICATION_CONTEXT,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    IMPLICIT_VR_LITTLE_ENDIAN,
    STORAGE_PREFIXES,
    VERIFICATION,
)
from storescp.upper_layer.log_notes import ERROR, INFO, WARN, LogNote, application, network
from storescp.upper_layer.pdu import (
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    AnsweredContext,
    ContextResult,
    ExtendedNegotiation,
    ProposedContext,
    RoleSelection,
    UserInformation,
)

if TYPE_CHECKING:
    from storescp.upper_layer.admission import Admission

DEFAULT_MAXIMUM_LENGTH = 16384
LARGEST_MAXIMUM_LENGTH = 131072
SMALLEST_MAXIMUM_LENGTH = 4096
DEFAULT_MAXIMUM_REQUEST_LENGTH = 1048576

_PDV_OVERHEAD = 12
"""Bytes that the reference subtracts from a maximum length: also the 6 of the PDU header, which do not count."""
_SHORT_VALUE = 12
"""Values shorter than this are cut by a lower layer of the reference, which then speaks of its default."""
_LONGEST_ITEM = 4 + 0xFFFF

_MAXIMUM_NOTES = 300
"""Enough for every context ID; a request that repeats its oddities must not flood the log."""

_PERMANENT = 1
_BY_USER = 1  # UL service-user
_BY_ACSE = 2  # UL service-provider, ACSE related function
_NO_REASON_GIVEN = 1
_APPLICATION_CONTEXT_NOT_SUPPORTED = 2
_CALLING_AE_TITLE_NOT_RECOGNIZED = 3
_CALLED_AE_TITLE_NOT_RECOGNIZED = 7
_PROTOCOL_VERSION_NOT_SUPPORTED = 2


class Role(Enum):
    """The roles that a profile grants to the requester for one abstract syntax, PS3.7 D.3.3.4: SCU, SCP."""

    SCU = (True, False)
    SCP = (False, True)
    BOTH = (True, True)


@dataclass(frozen=True, slots=True)
class Policy:
    """Policy of this side: what it accepts, and what it states about itself."""

    transfer_syntaxes: Mapping[str, tuple[str, ...]]
    """Abstract syntax → transfer syntaxes, the preferred ones first."""
    unknown_abstract_syntaxes: tuple[str, ...] | None = None
    """The same for abstract syntaxes that are not in `known_uids`; None refuses them."""
    known_uids: Container[str] = ()
    roles: Mapping[str, Role] = field(default_factory=lambda: MappingProxyType({}))
    """Abstract syntax → roles, from a profile."""
    extended_negotiation: tuple[tuple[str, bytes], ...] = ()
    """Abstract syntax and information of the sub-items to answer, from a profile."""
    maximum_length: int = DEFAULT_MAXIMUM_LENGTH
    """Maximum length of a received PDU in bytes, without its 6-byte header; announced and enforced."""
    maximum_request_length: int = DEFAULT_MAXIMUM_REQUEST_LENGTH
    """Maximum length of an A-ASSOCIATE-RQ in bytes, without its header."""
    implementation_class_uid: str = IMPLEMENTATION_CLASS_UID
    implementation_version_name: str = IMPLEMENTATION_VERSION_NAME
    refuse: bool = False
    """True if every association is refused."""
    require_implementation_class: bool = False
    """True if an association without implementation class UID is refused."""
    profile: str = ""
    """Name and file of the profile that this comes from, for explanations."""
    admission: "Admission | None" = None
    """Terms of admission; None: everybody is admitted."""


def storage_policy(
    transfer_syntaxes: tuple[str, ...],
    *,
    promiscuous: bool = False,
    maximum_length: int = DEFAULT_MAXIMUM_LENGTH,
    maximum_request_length: int = DEFAULT_MAXIMUM_REQUEST_LENGTH,
    refuse: bool = False,
    require_implementation_class: bool = False,
) -> Policy:
    """Return the policy without a profile: Verification and the storage classes, all with the same list.

    Args:
        transfer_syntaxes: The preferred ones first.
        promiscuous: Whether abstract syntaxes that are not known at all are accepted, too.
        maximum_length: Of a PDU, in bytes; see `Policy`.
        maximum_request_length: Of an A-ASSOCIATE-RQ, in bytes.
        refuse: Whether every association is refused.
        require_implementation_class: Whether an association without implementation class UID is refused.
    """
    return Policy(
        transfer_syntaxes=dict.fromkeys((VERIFICATION, *STORAGE_PREFIXES), transfer_syntaxes),
        unknown_abstract_syntaxes=transfer_syntaxes if promiscuous else None,
        known_uids=_known_uids() if promiscuous else (),
        maximum_length=maximum_length,
        maximum_request_length=maximum_request_length,
        refuse=refuse,
        require_implementation_class=require_implementation_class,
    )


def _known_uids() -> Container[str]:
    from storescp.uid_names import UID_NAMES  # a large table, wanted by one option

    return UID_NAMES


def negotiate(request: AAssociateRQ, policy: Policy) -> AAssociateAC | AAssociateRJ:
    """Return the answer to an A-ASSOCIATE-RQ."""
    return _refusal(request, policy) or _acceptance(request, policy)


def longest_value(maximum_length: int) -> int:
    """Return how long the value of a PDV to a peer may be, given the maximum length that it announced.

    Less than 2 says that nothing can be sent. The reference counts the 6 bytes of the PDU header in, which
    the standard does not; a peer that counts like that is served as well.
    """
    if not 0 < maximum_length < LARGEST_MAXIMUM_LENGTH:
        maximum_length = LARGEST_MAXIMUM_LENGTH
    return maximum_length // 2 * 2 - _PDV_OVERHEAD


def reported_longest_value(maximum_length: int) -> int:
    """Return the number that the reference logs as `Max Send PDV`: that of `longest_value`, or its default."""
    usable = longest_value(maximum_length)
    return usable if usable >= _SHORT_VALUE else SMALLEST_MAXIMUM_LENGTH - _PDV_OVERHEAD


def _refusal(request: AAssociateRQ, policy: Policy) -> AAssociateRJ | None:
    """Return the rejection of the whole association, if there is a reason, PS3.8 9.3.4."""
    version = request.protocol_version
    if not version & 1:
        return _rejection(
            _BY_ACSE,
            _PROTOCOL_VERSION_NOT_SUPPORTED,
            application(
                ERROR,
                f"Receiving Association failed: {conditions.UNSUPPORTED_PEER_PROTOCOL.line()}"
                f" {version:04x}; expected 0001 in parseAssociate",
            ),
        )
    if policy.refuse:
        note = application(INFO, "Refusing Association (forced via command line)")
        return _rejection(_BY_USER, _NO_REASON_GIVEN, note)
    name = request.application_context
    if name != APPLICATION_CONTEXT:
        note = application(
            INFO, f"Association Rejected: Bad Application Context Name: {printable(name)}"
        )
        return _rejection(_BY_USER, _APPLICATION_CONTEXT_NOT_SUPPORTED, note)
    if (
        policy.require_implementation_class
        and not request.user_information.implementation_class_uid
    ):
        note = application(INFO, "Association Rejected: No Implementation Class UID provided")
        return _rejection(_BY_USER, _NO_REASON_GIVEN, note)
    if not request.called_ae_title:
        note = application(ERROR, "Illegal service parameter: Called AP Title")
        return _rejection(_BY_USER, _CALLED_AE_TITLE_NOT_RECOGNIZED, note)
    if not request.calling_ae_title:
        note = application(ERROR, "Illegal service parameter: Calling AP Title")
        return _rejection(_BY_USER, _CALLING_AE_TITLE_NOT_RECOGNIZED, note)
    if policy.admission is None:
        return None
    from storescp.upper_layer.admission import refusal  # asked for by options that few use

    return refusal(request, policy.admission)


def _rejection(source: int, reason: int, note: LogNote) -> AAssociateRJ:
    return AAssociateRJ(_PERMANENT, source, reason, notes=(note,))


def _acceptance(request: AAssociateRQ, policy: Policy) -> AAssociateAC:
    notes: list[LogNote] = []
    proposed_roles: dict[str, RoleSelection] = {}
    for selection in request.user_information.roles:
        proposed_roles.setdefault(selection.sop_class_uid, selection)

    answers: dict[int, AnsweredContext] = {}
    granted: dict[int, RoleSelection | None] = {}
    for context in request.contexts:
        answer, role = _negotiate_role(_answer(context, policy), policy, proposed_roles, notes)
        former = answers.get(answer.context_id)
        if former is None or _rank(answer, policy) >= _rank(former, policy):
            answers[answer.context_id] = answer
            granted[answer.context_id] = role
    notes.extend(_notes_on_maximum_length(request.user_information.maximum_length))
    contexts = tuple(answers.values())
    return AAssociateAC(
        called_ae_title=request.called_ae_title,
        calling_ae_title=request.calling_ae_title,
        application_context=APPLICATION_CONTEXT,
        contexts=contexts,
        user_information=_extend(
            UserInformation(
                maximum_length=policy.maximum_length,
                implementation_class_uid=policy.implementation_class_uid,
                roles=tuple(role for role in granted.values() if role),
                implementation_version_name=policy.implementation_version_name,
            ),
            policy,
            contexts,
        ),
        notes=tuple(notes[:_MAXIMUM_NOTES]),
    )


def _answer(context: ProposedContext, policy: Policy) -> AnsweredContext:
    """Return the answer to one presentation context, roles apart.

    The order of preference is this side's; that of the requester does not count.
    """
    syntax = context.abstract_syntax
    preferred = _transfer_syntaxes(syntax, policy)
    if preferred is None:
        return _refused(context.context_id, ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, syntax)
    for transfer_syntax in preferred:
        if transfer_syntax in context.transfer_syntaxes:
            return AnsweredContext(
                context.context_id, ContextResult.ACCEPTANCE, transfer_syntax, syntax
            )
    return _refused(context.context_id, ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED, syntax)


def _transfer_syntaxes(abstract_syntax: str | None, policy: Policy) -> tuple[str, ...] | None:
    """Return the transfer syntaxes for an abstract syntax, None if it is not acceptable.

    A missing abstract syntax counts as an empty one: with the promiscuous mode an unknown class like others.
    """
    uid = abstract_syntax or ""
    known = policy.transfer_syntaxes.get(uid)
    if known is None and uid not in policy.known_uids:
        return policy.unknown_abstract_syntaxes
    return known


def _refused(
    context_id: int, result: ContextResult, abstract_syntax: str | None
) -> AnsweredContext:
    # PS3.8 9.3.3.2: the transfer syntax of a refused context is not significant, but it is there.
    return AnsweredContext(context_id, result, IMPLICIT_VR_LITTLE_ENDIAN, abstract_syntax)


def _rank(answer: AnsweredContext, policy: Policy) -> tuple[int, int]:
    """Return what an answer is worth when a context ID was proposed twice: only the best one is given.

    PS3.8 9.3.2.2 forbids it and says no more. The reference negotiates Verification, then the storage classes,
    then unknown ones, and later ones overrule earlier ones; each in the order of the own transfer syntaxes.
    """
    match answer.result:
        case ContextResult.ACCEPTANCE:
            preferred = _transfer_syntaxes(answer.abstract_syntax, policy) or ()
            wish = -preferred.index(answer.transfer_syntax)
            if answer.abstract_syntax not in policy.transfer_syntaxes:
                return 5, wish
            return (3 if answer.abstract_syntax == VERIFICATION else 4), wish
        case ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED:
            return 1, 0
        case _:
            return 2, 0


def _negotiate_role(
    answer: AnsweredContext,
    policy: Policy,
    proposed_roles: Mapping[str, RoleSelection],
    notes: list[LogNote],
) -> tuple[AnsweredContext, RoleSelection | None]:
    """Return the answer to the context, roles considered, and the role selection to be sent, PS3.7 D.3.3.4."""
    if answer.result != ContextResult.ACCEPTANCE:
        return answer, None
    syntax = answer.abstract_syntax or ""
    proposed = proposed_roles.get(syntax)
    configured = policy.roles.get(syntax)
    neither = proposed is not None and not (proposed.scu or proposed.scp)
    if neither:
        notes.append(
            network(WARN, "DULFSM: both role fields are 0 in SCP/SCU role selection sub-item")
        )
    if configured is None:
        return answer, None
    if proposed is None:
        if configured is not Role.SCP:
            return answer, None
        notes.append(
            network(
                ERROR,
                "ASSOC: SCP/SCU role selection failed, Default role (i.e. SCU) proposed"
                " but only SCP role configured for acceptance",
            )
        )
        return _refused(answer.context_id, ContextResult.NO_REASON, syntax), None
    scu, scp = configured.value
    if not neither:
        scu, scp = scu and proposed.scu, scp and proposed.scp
    if not (scu or scp):
        notes.append(
            network(
                WARN,
                "setting accepted SCP/SCU role to NONE, i.e. both role fields are 0"
                " in SCP/SCU role selection sub-item",
            )
        )
    return answer, RoleSelection(syntax, scu=scu, scp=scp)


def _extend(
    information: UserInformation, policy: Policy, contexts: Iterable[AnsweredContext]
) -> UserInformation:
    """Return the user information with the extended negotiation of accepted classes, PS3.7 D.3.3.5."""
    if not policy.extended_negotiation:
        return information
    accepted = {
        context.abstract_syntax
        for context in contexts
        if context.result == ContextResult.ACCEPTANCE
    }
    extended = []
    # An item ends at 65535 bytes. A profile can hold more than that; the rest is left unanswered.
    room = _LONGEST_ITEM - len(information.encode())
    for uid, value in policy.extended_negotiation:
        if uid in accepted and (room := room - 6 - len(uid) - len(value)) >= 0:
            extended.append(ExtendedNegotiation(uid, value))
    return replace(information, extended_negotiation=tuple(extended))


def _notes_on_maximum_length(maximum_length: int) -> Iterator[LogNote]:
    """Yield what the reference says about a maximum length that it would not like to use."""
    if not 0 < maximum_length < LARGEST_MAXIMUM_LENGTH:
        return
    even = maximum_length // 2 * 2
    usable = even - _PDV_OVERHEAD
    if even != maximum_length:
        text = f"ASSOC: PDV send length {maximum_length} is odd (using {even})"
        yield network(WARN, text)
    if usable < 1:
        yield network(WARN, f"ASSOC: PDV send length {usable} (using default)")
    elif usable < _SHORT_VALUE:
        text = "ASSOC: PDV send length too small, using DUL to split larger PDVs."
        yield network(WARN, text)
