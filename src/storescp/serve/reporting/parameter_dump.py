"""Dumps of associations and messages for the log: texts of several lines, in DCMTK's layout.

Pure functions; who calls them has looked whether anybody wants to read the result. Every value that a peer chose is
made harmless, and no password is shown.
"""

from collections.abc import Iterable, Iterator

from storescp.dimse.command import CEchoRQ, CStoreRQ
from storescp.printable import printable
from storescp.upper_layer.negotiation import Policy, Role
from storescp.upper_layer.pdu import (
    AAssociateAC,
    AAssociateRQ,
    AnsweredContext,
    ContextResult,
    ExtendedNegotiation,
    ProposedContext,
    UserIdentity,
)

_WIDTH = 65

_RESULTS = {
    ContextResult.ACCEPTANCE: "Accepted",
    ContextResult.USER_REJECTION: "User Rejection",
    ContextResult.NO_REASON: "No Reason",
    ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED: "Abstract Syntax Not Supported",
    ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED: "Transfer Syntaxes Not Supported",
}
_ROLES = {Role.SCU: "SCU", Role.SCP: "SCP", Role.BOTH: "SCP/SCU", None: "Default"}

# PS3.7 D.3.3.7: kinds of user identity. What may be used to log in elsewhere is not shown.
_IDENTITIES = {1: "Username", 2: "Username/Password", 3: "Kerberos", 4: "SAML", 5: "JWT"}
_SECRETS = {3: "Kerberos Service Ticket", 4: "SAML Assertion", 5: "JSON Web Token"}

_PRIORITIES = {0: "medium", 1: "high", 2: "low"}  # PS3.7 annex E.1-1, (0000,0700)
_FAILURES = {  # PS3.4 table B.2-1: the digits written as xx or xxx there do not count
    0xA700: "Refused: Out of resources",
    0xA900: "Error: Data Set does not match SOP Class",
    0xC000: "Error: Cannot understand",
}


def request(proposed: AAssociateRQ, policy: Policy) -> str:
    """Return the parameters of an association as it is requested."""
    contexts = (line for context in proposed.contexts for line in _proposed(context, proposed))
    return "\n".join(_parameters("A-ASSOCIATE-RQ", proposed, policy, "", contexts, ()))


def acceptance(proposed: AAssociateRQ, answer: AAssociateAC, policy: Policy) -> str:
    """Return the parameters of an association as it is accepted.

    Like in the reference, the accepted role is what the profile grants. What became of it is in the A-ASSOCIATE-AC.
    """
    contexts = (
        line for context in answer.contexts for line in _answered(context, proposed, policy)
    )
    return "\n".join(
        _parameters(
            "A-ASSOCIATE-AC",
            proposed,
            policy,
            answer.called_ae_title,
            contexts,
            answer.user_information.extended_negotiation,
        )
    )


def incoming(command: CEchoRQ | CStoreRQ) -> str:
    """Return a request that was received."""
    lines = [
        _field("Presentation Context ID", command.context_id),
        _field("Message ID", command.message_id),
    ]
    match command:
        case CEchoRQ():
            lines = [_field("Message Type", "C-ECHO RQ"), *lines, _field("Data Set", "none")]
        case CStoreRQ():
            lines = [_field("Message Type", "C-STORE RQ"), *lines, *_store_fields(command)]
    return _message("INCOMING", lines)


def outgoing(command: CEchoRQ | CStoreRQ, status: int) -> str:
    """Return the response with which a request is answered, which the reference does not show."""
    lines = [
        _field("Presentation Context ID", command.context_id),
        _field("Message ID Being Responded To", command.message_id),
    ]
    match command:
        case CEchoRQ():
            lines.insert(0, _field("Message Type", "C-ECHO RSP"))
        case CStoreRQ():
            lines.insert(0, _field("Message Type", "C-STORE RSP"))
            lines += _instance_fields(command)
    lines += [
        _field("Data Set", "none"),
        _field("DIMSE Status", f"0x{status:04x}: {status_name(status)}"),
    ]
    return _message("OUTGOING", lines)


def status_name(status: int) -> str:
    """Return the meaning of a status of C-STORE or C-ECHO, PS3.4 table B.2-1."""
    if status == 0:
        return "Success"
    for mask in (0xFF00, 0xF000):
        if meaning := _FAILURES.get(status & mask):
            return meaning
    return "Unknown Status Code (non-standard)"


def _parameters(
    title: str,
    proposed: AAssociateRQ,
    policy: Policy,
    responding: str,
    contexts: Iterable[str],
    accepted: tuple[ExtendedNegotiation, ...],
) -> Iterator[str]:
    theirs = proposed.user_information
    yield _heading(f"BEGIN {title}")
    yield f"Our Implementation Class UID:      {policy.implementation_class_uid}"
    yield f"Our Implementation Version Name:   {policy.implementation_version_name}"
    yield f"Their Implementation Class UID:    {printable(theirs.implementation_class_uid)}"
    yield f"Their Implementation Version Name: {printable(theirs.implementation_version_name)}"
    yield f"Application Context Name:    {printable(proposed.application_context)}"
    yield f"Calling Application Name:    {printable(proposed.calling_ae_title)}"
    yield f"Called Application Name:     {printable(proposed.called_ae_title)}"
    yield f"Responding Application Name: {printable(responding)}"
    yield f"Our Max PDU Receive Size:    {policy.maximum_length}"
    yield f"Their Max PDU Receive Size:  {theirs.maximum_length}"
    yield "Presentation Contexts:"
    yield from contexts
    yield from _negotiation("Requested Extended Negotiation:", theirs.extended_negotiation)
    yield from _negotiation("Accepted Extended Negotiation: ", accepted)
    yield from _identity(theirs.user_identity)
    yield "User Identity Negotiation Response:  none"
    yield _heading(f"END {title}")


def _proposed(context: ProposedContext, proposed: AAssociateRQ) -> Iterator[str]:
    yield f"  Context ID:        {context.context_id} (Proposed)"
    yield f"    Abstract Syntax: {_uid(context.abstract_syntax or '')}"
    yield f"    Proposed SCP/SCU Role: {_proposed_role(context.abstract_syntax, proposed)}"
    yield "    Proposed Transfer Syntax(es):"
    for transfer_syntax in context.transfer_syntaxes:
        yield f"      {_uid(transfer_syntax)}"


def _answered(context: AnsweredContext, proposed: AAssociateRQ, policy: Policy) -> Iterator[str]:
    syntax = context.abstract_syntax or ""
    # A context refused for its roles has met the profile's roles, too.
    judged = context.result in {ContextResult.ACCEPTANCE, ContextResult.NO_REASON}
    yield f"  Context ID:        {context.context_id} ({_RESULTS[ContextResult(context.result)]})"
    yield f"    Abstract Syntax: {_uid(syntax)}"
    yield f"    Proposed SCP/SCU Role: {_proposed_role(syntax, proposed)}"
    yield f"    Accepted SCP/SCU Role: {_ROLES[policy.roles.get(syntax) if judged else None]}"
    if context.result == ContextResult.ACCEPTANCE:
        yield f"    Accepted Transfer Syntax: {_uid(context.transfer_syntax)}"


def _proposed_role(abstract_syntax: str | None, proposed: AAssociateRQ) -> str:
    """Return the first role proposed for an abstract syntax; neither role counts as both."""
    for selection in proposed.user_information.roles:
        if selection.sop_class_uid == abstract_syntax:
            if selection.scu == selection.scp:
                return _ROLES[Role.BOTH]
            return _ROLES[Role((selection.scu, selection.scp))]
    return _ROLES[None]


def _negotiation(title: str, items: tuple[ExtendedNegotiation, ...]) -> Iterator[str]:
    if not items:
        yield f"{title} none"
        return
    yield title.rstrip()
    for item in items:
        name = _name(item.sop_class_uid) or "Unknown-UID"
        yield f"  ={name} ({printable(item.sop_class_uid)})"
        yield f"    [{', '.join(f'0x{byte:02x}' for byte in item.information)}]"


def _identity(identity: UserIdentity | None) -> Iterator[str]:
    if identity is None:
        yield "Requested User Identity Negotiation: none"
        return
    yield "Requested User Identity Negotiation:"
    yield f"  Authentication mode {identity.kind}: {_IDENTITIES.get(identity.kind, 'Unknown')}"
    if identity.kind in {1, 2}:
        yield f"  Username: [{printable(identity.primary.decode('utf-8', 'backslashreplace'))}]"
    if identity.kind == 2:
        yield f"  Password (not dumped) length: {len(identity.secondary)}"
    if secret := _SECRETS.get(identity.kind):
        yield f"  {secret} (not dumped) length: {len(identity.primary)}"
    yield f"  Positive Response requested: {'Yes' if identity.response_requested else 'No'}"


def _store_fields(command: CStoreRQ) -> Iterator[str]:
    yield from _instance_fields(command)
    yield _field("Data Set", "present")
    yield _field("Priority", _PRIORITIES.get(command.priority, ""))
    if command.move_originator_ae_title is not None:
        yield _field("Move Originator AE Title", printable(command.move_originator_ae_title))
    if command.move_originator_message_id is not None:
        yield _field("Move Originator ID", command.move_originator_message_id)


def _instance_fields(command: CStoreRQ) -> Iterator[str]:
    uid = command.affected_sop_class_uid
    yield _field("Affected SOP Class UID", _name(uid) or printable(uid))
    yield _field("Affected SOP Instance UID", printable(command.affected_sop_instance_uid))


def _message(direction: str, lines: Iterable[str]) -> str:
    return "\n".join(
        [_heading(f"{direction} DIMSE MESSAGE"), *lines, _heading("END DIMSE MESSAGE")]
    )


def _field(name: str, value: str | int) -> str:
    return f"{name:<30}: {value}"


def _heading(text: str) -> str:
    """Centre a text in a ruled line."""
    room = _WIDTH - len(text) - 2
    return f"{'=' * ((room + 1) // 2)} {text} {'=' * (room // 2)}"


def _uid(uid: str) -> str:
    name = _name(uid)
    return f"={name}" if name else printable(uid)


def _name(uid: str) -> str | None:
    from storescp.uid_names import UID_NAMES  # a large table that only this kind of log wants

    return UID_NAMES.get(uid)
