"""Explanations of refusals, in a sentence for the people who run the receiver.

Each says what came, what would have been accepted, and which option changes it. Pure functions from what was decided to
text; whatever a peer chose is made harmless. Options are named, though only `config` defines how they are spelled: a hint
that does not say what to type helps nobody. Failed TLS handshakes have their words in `tls.advice`.
"""

import errno
from collections.abc import Collection, Iterable, Iterator, Sequence

from storescp.dataset.encoding import Attributes
from storescp.dimse.command import CStoreRQ, NotServed
from storescp.errors import (
    CannotRecord,
    IdentityMismatch,
    InvalidDataSet,
    InvalidMessage,
    Limit,
    ProtocolError,
    StatusError,
    WrongTransferSyntax,
)
from storescp.printable import printable
from storescp.proxy_protocol import begins_proxy_protocol
from storescp.uids import ACCEPT_ALL, APPLICATION_CONTEXT, TRANSFER_SYNTAXES, VERIFICATION
from storescp.upper_layer.association import NotDICOM, UnexpectedFirstPDU
from storescp.upper_layer.negotiation import Policy
from storescp.upper_layer.pdu import (
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    ContextResult,
    InvalidAssociatePDU,
    RoleSelection,
)

_MAXIMUM_NAMED = 5
"""So many of a list are named; a sentence is not a table."""

_TLS_HANDSHAKE = 0x16  # RFC 8446 5.1: ContentType
_HTTP = frozenset(b"GPHODCT")  # the first letters of its methods, RFC 9110 9.3
_REJECTED_BY_USER, _REJECTED_BY_ACSE, _REJECTED_BY_PRESENTATION = 1, 2, 3  # PS3.8 9.3.4

_LIMITS = {
    Limit.OBJECT_SIZE: "--max-object-size allows larger ones",
    Limit.FREE_SPACE: "make room, or lower --min-free-space",
    Limit.INFLATED_SIZE: "--inflate-limit allows more",
    Limit.PDU_LENGTH: "--max-pdu allows longer ones, but a sender has to keep to what is announced",
    Limit.REQUEST_LENGTH: "--max-request-size allows longer ones",
    Limit.COMMAND_LENGTH: "--max-command-size allows longer ones",
    Limit.SORTING: "correct the sender, or do not sort (--sort-on-study-uid and the like)",
}

_ABORT_REASONS = {
    0: "reason not specified",
    1: "unrecognized PDU",
    2: "unexpected PDU",
    4: "unrecognized PDU parameter",
    5: "unexpected PDU parameter",
    6: "invalid PDU parameter value",
}
"""PS3.8 9.3.8, of source 2, the service provider."""

_LACKS_UIDS = "its data set lacks the SOP Class UID (0008,0016) or the SOP Instance UID (0008,0018)"
_ADVICE_ABOUT_UIDS = "Have the sender corrected; with --bit-preserving it is not looked at."

_SYSTEM = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room, or have the quota raised",
    errno.EACCES: "let the user that the receiver runs as write there",
    errno.EPERM: "let the user that the receiver runs as write there",
    errno.EROFS: "the file system is mounted for reading only",
    errno.EMFILE: "too many files are open: raise the limit of the system (ulimit -n)",
    errno.ENFILE: "too many files are open: raise the limit of the system",
    errno.ENOENT: "the output directory (--output-directory) is gone",
    errno.EIO: "the disk is failing: look at the system's log",
}

_STATE = "look at the state directory (--state-directory) and the disk that it is on"
_STATE_SYSTEM = {
    **_SYSTEM,
    errno.ENOENT: "the state directory (--state-directory) or its database is gone: start the receiver again",
    errno.ESTALE: "the state directory (--state-directory) or its database is gone: start the receiver again",
    errno.ETIMEDOUT: "another program may have the database in the state directory (--state-directory) locked: end it",
}
_STATE_DATABASE = {
    "SQLITE_FULL": "make room on the disk of the state directory (--state-directory)",
    "SQLITE_BUSY": "another program has the database in the state directory (--state-directory) locked: end it",
}
"""Sentences by the name of SQLite's result code."""


def rejected(request: AAssociateRQ, answer: AAssociateRJ, policy: Policy, address: str) -> str:
    """Return why a whole association was rejected, PS3.8 9.3.4."""
    who = _who(request.calling_ae_title, address)
    admission = policy.admission
    match answer.source, answer.reason:
        case _ if policy.refuse and answer.source == _REJECTED_BY_USER:
            return f"{who} was rejected, like every peer: the receiver was started with --refuse, which is for tests."
        case 1, 1:
            return (
                f"{who} sends no Implementation Class UID, which --reject requires: correct the sender, or start"
                " without --reject."
            )
        case 1, 2:
            return (
                f'{who} asks for the application context "{printable(request.application_context)}"; DICOM has only'
                f" {APPLICATION_CONTEXT}. It is not a DICOM application, or a defective one: no option admits it."
            )
        case 1, 3 if not request.calling_ae_title.strip():
            return f"{who} sends no calling AE title: set one in the configuration of the sender. No option admits it."
        case 1, 3 if admission is not None:
            return (
                f"{who} is not on the list of allowed calling AE titles"
                f" ({_titles(admission.calling_ae_titles)}): add it with --allow-calling or to the file of"
                " --allow-calling-file, or correct the title in the configuration of the sender."
            )
        case 1, 7 if not request.called_ae_title.strip():
            return (
                f"{who} sends no called AE title: set one in the configuration of the sender. No option admits"
                " it."
            )
        case 1, 7 if admission is not None:
            return (
                f'{who} calls the AE title "{printable(request.called_ae_title.strip())}", but only'
                f" {_titles(admission.called_ae_titles)} are answered: correct the called AE title in the configuration"
                " of the sender, or add it with --allow-called or to the file of --allow-called-file."
            )
        case 2, 2:
            return (
                f"{who} speaks another version of the DICOM upper layer protocol ({request.protocol_version:04x}, not"
                " 0001): no option admits it."
            )
        case 3, 2 if admission is not None:
            return (
                f"{who} has {admission.open_associations} associations already, the maximum for one address: it may"
                " retry when one of them has ended. --peer-associations allows more."
            )
        case source, reason:
            return f"{who} was rejected (source {source}, reason {reason}, PS3.8 9.3.4)."


def refused_contexts(request: AAssociateRQ, answer: AAssociateAC, policy: Policy) -> list[str]:
    """Return why presentation contexts were refused; those for the same reason share a sentence."""
    offered = {context.context_id: context.transfer_syntaxes for context in request.contexts}
    accepted: set[str] = set()
    groups: dict[tuple[int, tuple[str, ...], bool], list[str]] = {}
    for context in answer.contexts:
        if context.result == ContextResult.ACCEPTANCE:
            accepted.add(context.abstract_syntax or "")
    for context in answer.contexts:
        if context.result != ContextResult.ACCEPTANCE:
            uid = context.abstract_syntax or ""
            syntaxes = offered.get(context.context_id, ())
            by_syntaxes = context.result == ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
            key = (context.result, syntaxes if by_syntaxes else (), uid in accepted)
            groups.setdefault(key, []).append(uid)
    sentences = list(_context_sentences(groups, request.user_information.roles, policy))
    if sentences and not accepted:
        sentences.insert(
            0, "Nothing of what was proposed is accepted, so that no object can come this way."
        )
    return sentences


def _context_sentences(
    groups: dict[tuple[int, tuple[str, ...], bool], list[str]],
    roles: Sequence[RoleSelection],
    policy: Policy,
) -> Iterator[str]:
    for (result, syntaxes, otherwise), uids in groups.items():
        match result:
            case ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED:
                yield from _unknown_classes(uids, policy)
            case ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED:
                yield _no_common_syntax(uids, syntaxes, policy, otherwise=otherwise)
            case _:
                asked = {role.sop_class_uid for role in roles}.intersection(uids)
                yield (
                    f"For {_classes(uids)} {_source(policy)} grants the role of SCP only, for which the sender"
                    f" {'has to ask otherwise' if asked else 'did not ask'} (SCP/SCU role selection): let the profile say"
                    " SCU or BOTH."
                )


def _unknown_classes(uids: Sequence[str], policy: Policy) -> Iterator[str]:
    if policy.profile:
        yield (
            f"{_classes(uids)} is not in {_source(policy)}, which has {_accepted_classes(policy)}: add it there."
        )
        return
    registered = [uid for uid in uids if _registered_name(uid)]
    unknown = [uid for uid in uids if not _registered_name(uid)]
    if registered:
        yield (
            f"{_classes(registered)} {'is not a storage SOP class' if len(registered) == 1 else 'are not storage SOP classes'}. Accepted: {_accepted_classes(policy)}. Only a profile (--config-file)"
            " can add it."
        )
    if unknown:
        yield (
            f"{_classes(unknown)} is unknown. Accepted: {_accepted_classes(policy)}. Start with --promiscuous to store"
            " unknown SOP classes, or add it in a profile (--config-file)."
        )


def _no_common_syntax(
    uids: Sequence[str], offered: Sequence[str], policy: Policy, *, otherwise: bool
) -> str:
    wanted = policy.transfer_syntaxes.get(uids[0], policy.unknown_abstract_syntaxes) or ()
    text = f"For {_classes(uids)} the sender offers only {_syntaxes(offered)}; accepted are {_syntaxes(wanted)}."
    if otherwise:
        text += " The sender proposed it another time, with one of these, and that was accepted."
    if policy.profile:
        return (
            f"{text} Let the sender offer one of these, too, or add its own to {_source(policy)}."
        )
    if set(ACCEPT_ALL).intersection(offered):
        return f"{text} --accept-all accepts it; or let the sender offer one of these, too."
    return f"{text} Let the sender offer one of these, too; only a profile (--config-file) can add its own."


# -- before there is an association --------------------------------------------------------------------------------------


def host(address: str, name: str, allow: str, decided_by: str) -> str:
    """Return why the host access rules refuse a host.

    Args:
        address: of the peer.
        name: what reverse lookup says.
        allow: name of the file of the rules that allow.
        decided_by: file and line of the rule, or what else decided.
    """
    also = f" ({printable(name)})" if name != address else ""
    return (
        f'The host access rules do not let {address}{also} in: {printable(decided_by)}. A line "storescp: {address}" in'
        f" {printable(allow)} admits it, and without --access-control every host is admitted."
    )


def address_not_allowed(address: str, networks: Collection[object]) -> str:
    """Return why an address may not connect."""
    return (
        f"{address} is not an allowed address ({_some(map(str, networks))}): add it with --allow-address"
        " or to the file of --allow-address-file."
    )


def too_many_connections(address: str, count: int) -> str:
    """Return why an address may not have another connection."""
    return f"{address} has {count} connections already, the maximum for one address: --peer-connections allows more."


def busy(address: str) -> str:
    """Return why a connection was rejected although nothing is wrong with it."""
    return (
        f"{address} was rejected temporarily: all workers are busy and the queue is full. It may retry. --workers serves"
        " more at a time, --queue-limit lets more wait."
    )


def silent(address: str, seconds: float, option: str = "--acse-timeout") -> str:
    """Return why a connection was closed whose peer never asked for an association, within the time of an option."""
    return (
        f"{address} connected, but sent no complete A-ASSOCIATE-RQ within {seconds:g} s. It may be a monitor or"
        f" a port scanner; if it is a sender, see its log, and the network in between. {option} allows more time."
    )


# -- when the protocol is broken -----------------------------------------------------------------------------------------


def broken(error: ProtocolError, who: str) -> str:
    """Return why an association or a connection was aborted because of what the peer sent."""
    said = _detail(error)
    if error.limit is not None:
        return f"{who} sent more than is allowed: {said}. {_sentence(_LIMITS[error.limit])}"
    match error:
        case NotDICOM(beginning=beginning) if beginning:
            return _no_dicom(beginning, who)
        case InvalidAssociatePDU():
            return (
                f"The request of {who} for an association cannot be understood ({said}): correct the sender. No option"
                " admits it."
            )
        case UnexpectedFirstPDU():
            return (
                f"{who} does not start with an A-ASSOCIATE-RQ ({said}): correct the sender. No option admits"
                " it."
            )
        case NotServed():
            return (
                f"{who} requests a service other than storage (C-STORE) and verification (C-ECHO)"
                f" ({said}): this receiver has no other. Send such requests to another application."
            )
        case InvalidMessage():
            return f"{who} sent a message that DICOM does not allow ({said}): correct the sender. No option changes that."
        case _:
            return (
                f"{who} broke the DICOM upper layer protocol, PS3.8 ({said}): correct the sender, and check the"
                " network in between. No option changes that."
            )


def _no_dicom(beginning: bytes, who: str) -> str:
    first = beginning[0]
    if first == _TLS_HANDSHAKE:
        return (
            f"{who} attempts TLS, which this receiver does not offer: start it with --enable-tls, or disable TLS in the"
            " sender."
        )
    if begins_proxy_protocol(beginning):
        return (
            f"{who} is a balancer that speaks the PROXY protocol, which this receiver does not know: turn that off in the"
            " balancer for this port."
        )
    if first in _HTTP:
        return f"{who} appears to be a web client (HTTP): this port is for DICOM."
    return (
        f"{who} does not speak DICOM: its data start with the byte {first:#04x}. It may be a monitor or a port"
        " scanner; if it is a sender, look at its configuration."
    )


def stalled(who: str, seconds: float | None, option: str) -> str:
    """Return why an association was aborted in the middle of an object."""
    limit = "" if seconds is None else f" within {seconds:g} s"
    return (
        f"{who} stopped in the middle of an object or message, and did not continue{limit}: look at the sender and the network in between. {option}"
        " allows more time."
    )


def idle(who: str, seconds: float) -> str:
    """Return why an association was aborted on which nothing happened."""
    return (
        f"{who} was idle for {seconds:g} s on an open association: configure the sender to release associations that it does"
        " not need. --idle-timeout allows more time."
    )


def aborted_by_peer(who: str, source: int, reason: int) -> str:
    """Return who of a peer has aborted an association, and why, as far as the A-ABORT tells, PS3.8 9.3.8."""
    fields = f"A-ABORT, source {source}, reason {reason}"
    match source:
        case 0:
            return f"The application of {who} aborted the association ({fields}), which gives no reason: look at its log."
        case 2:
            said = _ABORT_REASONS.get(reason, "a reason that the standard does not know")
            return (
                f"The DICOM layer of {who} aborted the association ({fields}: {said}): look at its log, and at this"
                " receiver's with --debug."
            )
        case _:
            return f"{who} aborted the association ({fields}), and does not say in a known way which part of it did: look at its log."


# -- when an object is refused -------------------------------------------------------------------------------------------


def refused_object(error: StatusError, request: CStoreRQ, transfer_syntax: str, who: str) -> str:
    """Return why an object was not stored, which came in a transfer syntax."""
    what = f"The object {printable(request.affected_sop_instance_uid)} of {who} was not stored"
    advice = _advice_about_object(error, transfer_syntax)
    return f"{what}: {printable(_what_was_wrong(error))}. {advice}"


def refused_object_reason(error: StatusError, transfer_syntax: str) -> str:
    """Return why an object was not stored, without what tells whose it is: fit for a status page."""
    cause = error.__cause__
    said = _what_was_wrong(error)
    if error.identifies:
        said = (isinstance(cause, OSError) and cause.strerror) or ""
    what = "The object was not stored" + (f": {printable(said)}" if said else "")
    return f"{what}. {_advice_about_object(error, transfer_syntax)}"


def _what_was_wrong(error: StatusError) -> str:
    return str(error).rstrip(".")


def _advice_about_object(error: StatusError, transfer_syntax: str) -> str:
    """Return what to do about an object that was not stored."""
    cause = error.__cause__
    if error.limit is not None:
        return _sentence(_LIMITS[error.limit])
    if isinstance(error, CannotRecord):
        advice = _STATE
        if isinstance(cause, OSError):
            advice = _STATE_SYSTEM.get(cause.errno or 0, _STATE)
        elif (name := getattr(cause, "sqlite_errorname", None)) is not None:
            advice = _STATE_DATABASE.get(name, _STATE)
        return _sentence(advice)
    if isinstance(cause, OSError) and cause.errno in _SYSTEM:
        return _sentence(_SYSTEM[cause.errno])
    if isinstance(cause, OSError):
        return "Look at the output directory (--output-directory) and the disk that it is on."
    syntax = _syntaxes([transfer_syntax])
    match error:
        case WrongTransferSyntax():
            return (
                f"Correct the sender: what it calls {syntax} is something else. Until then do not accept that transfer"
                " syntax from it, so that it has to call its objects what they are: a profile (--config-file) can leave it out."
            )
        case InvalidDataSet():
            return (
                "Send it again; if that does not help, correct the sender. If no object of this sender can be read"
                f" in {syntax}, do not accept that transfer syntax from it, so that it has to use another: a profile"
                " (--config-file) can leave it out."
            )
        case _:
            return "Send it again; if that does not help, correct the sender."


def doubtful_object(status: int, request: CStoreRQ, attributes: Attributes | None, who: str) -> str:
    """Return why an object was answered with a failure although its file was kept."""
    said = _LACKS_UIDS
    if status == IdentityMismatch.status and attributes is not None:
        differences = (
            f"the {name} {printable(was)} but has {printable(found)}"
            for name, was, found in _differing_uids(request, attributes)
        )
        said = f"it was announced with {', and '.join(differences)}"
    return (
        f"The object {printable(request.affected_sop_instance_uid)} of {who} was stored, but answered with status"
        f" {status:04X}: {said}. {_ADVICE_ABOUT_UIDS}"
    )


def doubtful_object_reason(status: int, request: CStoreRQ, attributes: Attributes | None) -> str:
    """Return why an object was answered with a failure, without what tells whose it is: fit for a status page."""
    said = _LACKS_UIDS
    if status == IdentityMismatch.status and attributes is not None:
        names = [name for name, _, _ in _differing_uids(request, attributes)]
        said = f"it was announced with another {' and another '.join(names)} than it has"
    return f"The object was stored, but answered with status {status:04X}: {said}. {_ADVICE_ABOUT_UIDS}"


def _differing_uids(request: CStoreRQ, attributes: Attributes) -> Iterator[tuple[str, str, str]]:
    """Yield what the request says otherwise than the data set: the UID's name, and the values of both."""
    for name, was, value in (
        ("SOP Class UID", request.affected_sop_class_uid, attributes.sop_class_uid),
        ("SOP Instance UID", request.affected_sop_instance_uid, attributes.sop_instance_uid),
    ):
        found = _latin(value)
        if was != found:
            yield name, was, found


def _latin(value: bytes | None) -> str:
    return (value or b"").decode("latin-1")


# -- words ---------------------------------------------------------------------------------------------------------------


def sender(calling_ae_title: str, address: str) -> str:
    """Return how a sentence calls a peer."""
    return _who(calling_ae_title, address)


def _who(calling_ae_title: str, address: str) -> str:
    title = calling_ae_title.strip()
    return f'"{printable(title)}" at {printable(address)}' if title else printable(address)


def _titles(allowed: Iterable[str] | None) -> str:
    return _some(f'"{printable(title)}"' for title in sorted(allowed or ()))


def _some(things: Iterable[str]) -> str:
    """Return a list in words, cut to a readable length."""
    listed = list(dict.fromkeys(things))
    if len(listed) > _MAXIMUM_NAMED:
        return f"{', '.join(listed[:_MAXIMUM_NAMED])} and {len(listed) - _MAXIMUM_NAMED} more"
    if len(listed) > 1:
        return f"{', '.join(listed[:-1])} and {listed[-1]}"
    return listed[0] if listed else "none"


def _classes(uids: Iterable[str]) -> str:
    return _some(_class(uid) for uid in uids)


def _class(uid: str) -> str:
    if not uid:
        return "a missing abstract syntax"
    name = _registered_name(uid)
    return f"{name} ({uid})" if name else printable(uid)


def _registered_name(uid: str) -> str | None:
    from storescp.uid_names import UID_NAMES  # a large table that only refused contexts want

    return UID_NAMES.get(uid)


def _accepted_classes(policy: Policy) -> str:
    classes = [uid for uid in policy.transfer_syntaxes if uid != VERIFICATION]
    if len(classes) <= _MAXIMUM_NAMED:
        return _classes(policy.transfer_syntaxes)
    return f"{len(classes)} storage SOP classes, which --conformance lists"


def _syntaxes(uids: Iterable[str]) -> str:
    return _some(
        syntax.name if (syntax := TRANSFER_SYNTAXES.get(uid)) else f'"{printable(uid)}"'
        for uid in uids
    )


def _source(policy: Policy) -> str:
    return f"the profile {printable(policy.profile)}"


def _detail(error: ProtocolError) -> str:
    """Return what is wrong, in words."""
    return printable(error.detail).rstrip(".")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
