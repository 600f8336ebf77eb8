"""The DICOM Conformance Statement, PS3.2 annex A, in Markdown, for exactly the options given: `--conformance`.

Written from the settings with which the program would receive, and where negotiation decides, by asking it: requests
are made up, and what `negotiate` answers is what is stated. So there is no second list that could say something else.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from storescp import __version__
from storescp.dataset.encoding import Encoding, GroupLength, SequenceLength
from storescp.errors import (
    CannotUnderstand,
    ConfigurationError,
    IdentityMismatch,
    InvalidMessage,
    InvalidPDU,
    OutOfResources,
    ProtocolError,
    StatusError,
    UnexpectedPDU,
)
from storescp.printable import printable
from storescp.serve.accept.settings import IPVersion
from storescp.serve.reporting.parameter_dump import status_name
from storescp.serve.settings import ReceiverSettings
from storescp.serve.tls.choices import CRLChecks, PeerAuthentication
from storescp.serve.tls.settings import TLSSettings
from storescp.storage.naming.rules import ByPatientName, ByStudyUID, ByTimestamp, FileNames, Flat
from storescp.storage.reception import SUCCESS
from storescp.storage.settings import StorageSettings
from storescp.uid_names import UID_NAMES
from storescp.uids import (
    APPLICATION_CONTEXT,
    STORAGE_PREFIXES,
    TRANSFER_SYNTAXES,
    VERIFICATION,
    Kind,
)
from storescp.upper_layer.admission import Admission
from storescp.upper_layer.association import UnexpectedFirstPDU
from storescp.upper_layer.negotiation import Policy, negotiate
from storescp.upper_layer.pdu import (
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    AsynchronousOperations,
    ContextResult,
    InvalidAssociatePDU,
    ProposedContext,
    RoleSelection,
    UserIdentity,
    UserInformation,
)

_MEGABYTE = 1 << 20


def statement(receiver_settings: ReceiverSettings, tls: TLSSettings | None) -> str:
    """Return the statement.

    Args:
        receiver_settings: everything that steers reception.
        tls: what was chosen about transport layer security; None: plain TCP.

    Raises:
        ConfigurationError: with what was chosen about TLS nothing could be received.
    """
    parts = (
        _cover(),
        _overview(receiver_settings, tls),
        _introduction(),
        _networking(receiver_settings, tls),
        _media(receiver_settings.storage),
        _character_sets(receiver_settings.storage),
        _security(receiver_settings, tls),
        _annexes(receiver_settings),
    )
    lines = (line for part in parts for line in part)
    # Tables end and headings begin with an empty line: one is enough.
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n") + "\n"


# 0 to 3: what it is


def _cover() -> Iterator[str]:
    yield "# DICOM Conformance Statement: storescp"
    yield ""
    yield from _table(
        ("product", "version", "role"),
        [("storescp", __version__, "DICOM Storage SCP: receives composite objects, stores files")],
    )
    yield "Made by `storescp --conformance` for the options that stood beside it; other options, another statement."


def _overview(receiver_settings: ReceiverSettings, tls: TLSSettings | None) -> Iterator[str]:
    policy = receiver_settings.policy
    yield from _heading(2, "1 Conformance Statement Overview")
    yield "The application receives composite objects over the network and stores each as a file. It never opens"
    yield "associations, and answers Verification."
    yield ""
    storage = [uid for uid in policy.transfer_syntaxes if uid != VERIFICATION]
    rows = [("Transfer", f"{len(storage)} SOP classes, section 4.2.1.1", "no", "yes")]
    if policy.unknown_abstract_syntaxes is not None:
        rows.append(("Transfer", "any abstract syntax that is in no list", "no", "yes"))
    if VERIFICATION in policy.transfer_syntaxes:
        rows.append(("Verification", "Verification", "no", "yes"))
    yield from _table(("service", "SOP classes", "user (SCU)", "provider (SCP)"), rows)
    transport = "plain TCP" if tls is None else f"TLS, {tls.profile.title}"
    yield (
        f"Transport: {transport}. Media interchange: none. Every association is refused."
        if (policy.refuse)
        else f"Transport: {transport}. Media interchange: none."
    )


def _introduction() -> Iterator[str]:
    yield from _heading(2, "3 Introduction")
    yield "The structure is that of PS3.2 annex A; there is no section 2, since a table of contents of so short a text"
    yield "helps nobody. Terms are those of PS3.4, PS3.7 and PS3.8. Conformance alone does not guarantee that two"
    yield "applications work together: test them before use."


# 4: networking


def _networking(receiver_settings: ReceiverSettings, tls: TLSSettings | None) -> Iterator[str]:
    yield from _heading(2, "4 Networking")
    yield from _heading(3, "4.1 Implementation Model")
    yield "A peer opens an association and sends objects with C-STORE. Each is written to a hidden file, which gets its"
    yield "name, complete, before the response with status Success is sent. There is one application entity."
    yield from _after_storage(receiver_settings)
    yield from _heading(3, "4.2 AE Specification")
    yield from _heading(4, "4.2.1 Storage SCP")
    yield from _sop_classes(receiver_settings.policy)
    yield from _association_policies(receiver_settings)
    yield from _heading(5, "4.2.1.3 Association Initiation Policy")
    yield "Associations are never initiated."
    yield from _acceptance(receiver_settings)
    yield from _interfaces(receiver_settings, tls)
    yield from _configuration(receiver_settings)


def _after_storage(receiver_settings: ReceiverSettings) -> Iterator[str]:
    storage = receiver_settings.storage
    if storage.exec_on_reception is not None:
        yield "A command of the site follows each object."
    if storage.rename_on_eostudy:
        yield "The files of a study are renamed when it is complete."
    if storage.exec_on_eostudy is not None:
        yield "A command of the site follows each study."
    if receiver_settings.studies_in_parallel is not None:
        end = receiver_settings.studies_in_parallel.end_of_study
        yield f"Each study counts as complete {end.timeout:g} s after its last object, as soon as no association that brought"
        yield f"objects of it is open, but {end.longest_hold:g} s after its last object at the latest."
    elif storage.eostudy_timeout is not None:
        yield f"A study counts as complete {storage.eostudy_timeout:g} s after its last object, or with the next study."


def _sop_classes(policy: Policy) -> Iterator[str]:
    yield from _heading(5, "4.2.1.1 SOP Classes")
    lists = _transfer_syntax_lists(policy)
    rows = [
        (_sop_class_name(uid), f"`{uid}`", _role(policy, uid), lists[syntaxes])
        for uid, syntaxes in policy.transfer_syntaxes.items()
    ]
    yield from _table(("SOP class", "UID", "role of this application", "transfer syntaxes"), rows)
    if policy.unknown_abstract_syntaxes is not None:
        yield "Abstract syntaxes that neither this table nor the registry of PS3.6 knows, private ones among them, are"
        yield f"accepted as SCP, with transfer syntaxes {lists[policy.unknown_abstract_syntaxes]}, and stored as they are."


def _transfer_syntax_lists(policy: Policy) -> dict[tuple[str, ...], str]:
    """Return a letter, or a few, for each list of transfer syntaxes that is in use."""
    used = list(policy.transfer_syntaxes.values())
    if policy.unknown_abstract_syntaxes is not None:
        used.append(policy.unknown_abstract_syntaxes)
    return {syntaxes: _letters(number) for number, syntaxes in enumerate(dict.fromkeys(used))}


def _letters(number: int) -> str:
    """Return A to Z, AA, AB, … as spreadsheets count."""
    rest, last = divmod(number, 26)
    return (_letters(rest - 1) if rest else "") + chr(ord("A") + last)


def _role(policy: Policy, uid: str) -> str:
    """Return the roles of this side, by asking for all that a requester can propose, PS3.7 D.3.3.4."""
    plain = _ask(policy, uid)
    proposed = UserInformation(
        implementation_class_uid="1.2", roles=(RoleSelection(uid, scu=True, scp=True),)
    )
    selected = _ask(policy, uid, proposed)
    parts = []
    if _is_accepted(plain):
        parts.append("SCP")
    if isinstance(selected, AAssociateAC) and selected.user_information.roles:
        # What is granted are the roles of the requester; ours are the opposite.
        granted = selected.user_information.roles[0]
        roles = [name for name, given in (("SCP", granted.scu), ("SCU", granted.scp)) if given]
        parts.append(f"by role selection {' and '.join(roles)}")
    return ", ".join(parts) or "none"


def _is_accepted(answer: AAssociateAC | AAssociateRJ) -> bool:
    return (
        isinstance(answer, AAssociateAC) and answer.contexts[0].result == ContextResult.ACCEPTANCE
    )


def _ask(
    policy: Policy,
    abstract_syntax: str,
    information: UserInformation = UserInformation(implementation_class_uid="1.2"),  # noqa: B008  (frozen)
) -> AAssociateAC | AAssociateRJ:
    """Return what would be answered to somebody who proposes all that is wanted of an abstract syntax."""
    syntaxes = policy.transfer_syntaxes.get(abstract_syntax, ())
    request = replace(
        _REQUEST,
        contexts=(ProposedContext(1, abstract_syntax, syntaxes),),
        user_information=information,
    )
    return negotiate(request, replace(policy, refuse=False))


_REQUEST = AAssociateRQ(
    called_ae_title="CALLED",
    calling_ae_title="CALLING",
    application_context=APPLICATION_CONTEXT,
    contexts=(ProposedContext(1, VERIFICATION, ("1.2.840.10008.1.2",)),),
    user_information=UserInformation(implementation_class_uid="1.2"),
)
"""An ordinary request; others are made by changing one thing of it."""


def _association_policies(receiver_settings: ReceiverSettings) -> Iterator[str]:
    policy, timeouts = receiver_settings.policy, receiver_settings.timeouts
    admission = _admission(receiver_settings)
    called, calling = admission.called_ae_titles, admission.calling_ae_titles
    yield from _heading(5, "4.2.1.2 Association Policies")
    yield from _heading(6, "4.2.1.2.1 General")
    yield from _table(
        ("subject", "value"),
        [
            ("application context name", f"`{APPLICATION_CONTEXT}`"),
            ("called AE title", _titles(called)),
            ("calling AE title", _titles(calling)),
            ("maximum length of PDUs received", f"{policy.maximum_length} bytes"),
            ("maximum length of an A-ASSOCIATE-RQ", f"{policy.maximum_request_length} bytes"),
            ("maximum length of PDUs sent", "as the peer announces"),
            (
                "maximum length of a command set",
                f"{receiver_settings.maximum_command_length} bytes",
            ),
        ],
    )
    yield "Time limits:"
    yield ""
    yield from _table(
        ("what", "limit"),
        [
            (
                "from the connection to a complete A-ASSOCIATE-RQ (ARTIM)",
                _seconds(timeouts.acse),
            ),
            ("until the peer closes after release, rejection or abort", _seconds(timeouts.acse)),
            ("each receive or send", _seconds(timeouts.socket)),
            ("the next fragment of a data set", _seconds(timeouts.dimse)),
            ("the next command of an association", _seconds(timeouts.idle)),
        ],
    )
    yield from _heading(6, "4.2.1.2.2 Number of Associations")
    yield _number_of_associations(receiver_settings)
    yield from _heading(6, "4.2.1.2.3 Asynchronous Nature")
    yield _asynchronous(policy)
    yield from _heading(6, "4.2.1.2.4 Implementation Identifying Information")
    yield from _table(
        ("subject", "value"),
        [
            ("Implementation Class UID", f"`{policy.implementation_class_uid}`"),
            ("Implementation Version Name", policy.implementation_version_name),
        ],
    )


def _admission(receiver_settings: ReceiverSettings) -> Admission:
    """Return who is let in from an address that is."""
    return (
        Admission()
        if receiver_settings.peer_admission is None
        else receiver_settings.peer_admission.admission("")
    )


def _titles(allowed: frozenset[str] | None) -> str:
    if allowed is None:
        return "any"
    return ", ".join(f"`{title}`" for title in sorted(allowed)) or "none: everybody is rejected"


def _seconds(limit: float | None) -> str:
    return "none" if limit is None else f"{limit:g} s"


def _number_of_associations(receiver_settings: ReceiverSettings) -> str:
    if receiver_settings.connected is not None:
        return "One; the program serves the connection with which a super server starts it."
    worker_settings = receiver_settings.worker_settings
    if worker_settings is None:
        number = "One at a time; further ones wait until it ends."
    elif worker_settings.workers is None:
        number = "Not limited: a process serves each association."
    elif worker_settings.on_demand:
        number = f"At most {worker_settings.workers} at a time; further ones wait."
    else:
        limit = worker_settings.queue_limit
        rejected = "" if limit is None else f"; {limit} wait at most, and more are rejected"
        number = f"{worker_settings.workers} at a time; further ones wait{rejected}."
    return number + _limits_of_peers(receiver_settings)


def _limits_of_peers(receiver_settings: ReceiverSettings) -> str:
    if receiver_settings.peer_admission is None:
        return ""
    limits, text = receiver_settings.peer_admission.limits, ""
    if limits.associations is not None:
        text += f" Of one address at most {limits.associations} associations at a time; further ones are rejected."
    if limits.connections is not None:
        text += f" Of one address at most {limits.connections} connections at a time; further ones are closed."
    return text


def _asynchronous(policy: Policy) -> str:
    window = AsynchronousOperations(invoked=0, performed=0)
    answer = negotiate(
        replace(
            _REQUEST,
            user_information=replace(_REQUEST.user_information, asynchronous_operations=window),
        ),
        replace(policy, refuse=False),
    )
    if isinstance(answer, AAssociateAC) and (
        granted := answer.user_information.asynchronous_operations
    ):
        return (
            f"Operations invoked: {granted.invoked}; performed: {granted.performed} (0: no limit)."
        )
    return (
        "Not negotiated: a peer's proposal is not answered, which means one operation at a time, PS3.7 D.3.3.3."
        " Responses come in the order of the requests."
    )


def _acceptance(receiver_settings: ReceiverSettings) -> Iterator[str]:
    policy = receiver_settings.policy
    yield from _heading(5, "4.2.1.4 Association Acceptance Policy")
    if policy.refuse:
        yield "Every association is rejected, for tests; what follows would hold otherwise."
        yield ""
    yield from _heading(6, "4.2.1.4.1 Presentation Contexts")
    yield "Of the transfer syntaxes that a peer proposes, the first one of these lists is taken, whatever the peer's order."
    yield "A context whose abstract syntax is not listed is refused with result 3, one without common transfer syntax with"
    yield "result 4, PS3.8 9.3.3.2; the association is accepted even if no context is."
    yield ""
    for syntaxes, letters in _transfer_syntax_lists(policy).items():
        yield f"List {letters}:"
        yield ""
        yield from _table(
            ("preference", "transfer syntax", "UID"),
            [
                (str(number), _transfer_syntax_name(uid), f"`{uid}`")
                for number, uid in enumerate(syntaxes, 1)
            ],
        )
    yield from _heading(6, "4.2.1.4.2 Role, Extended and User Identity Negotiation")
    yield from _further_negotiation(policy)
    yield from _heading(6, "4.2.1.4.3 Rejection")
    yield from _table(
        ("request", "answer", "result, source, reason"),
        [
            (what, *_answer(request, policy, admission))
            for what, request, admission in _odd_requests(_admission(receiver_settings))
        ],
    )
    yield from _heading(6, "4.2.1.4.4 Abort")
    yield from _table(
        ("situation", "source, reason of the A-ABORT"),
        [(what, _abort(error)) for error, what in _ABORTS.items()],
    )
    yield from _heading(6, "4.2.1.4.5 SOP Specific Conformance")
    yield from _storage_conformance(receiver_settings.storage)


def _odd_requests(admission: Admission) -> Iterator[tuple[str, AAssociateRQ, Admission]]:
    """Yield requests, and who is let in when they come."""
    called, calling = admission.called_ae_titles, admission.calling_ae_titles
    ordinary = replace(
        _REQUEST,
        called_ae_title=min(called, default="CALLED") if called is not None else "CALLED",
        calling_ae_title=min(calling, default="CALLING") if calling is not None else "CALLING",
    )
    yield "an ordinary one", ordinary, admission
    yield "protocol version without bit 0", replace(ordinary, protocol_version=2), admission
    other = replace(ordinary, application_context="1.2.3")
    yield "another application context name", other, admission
    nameless = replace(ordinary, user_information=UserInformation())
    yield "no Implementation Class UID", nameless, admission
    yield "empty called AE title", replace(ordinary, called_ae_title=""), admission
    yield "empty calling AE title", replace(ordinary, calling_ae_title=""), admission
    unknown = "\\"  # which no AE title can be
    if called is not None:
        yield "another called AE title", replace(ordinary, called_ae_title=unknown), admission
    if calling is not None:
        yield "another calling AE title", replace(ordinary, calling_ae_title=unknown), admission


def _answer(request: AAssociateRQ, policy: Policy, admission: Admission) -> tuple[str, str]:
    match negotiate(request, replace(policy, admission=admission)):
        case AAssociateRJ() as rejection:
            return "A-ASSOCIATE-RJ", f"{rejection.result}, {rejection.source}, {rejection.reason}"
        case AAssociateAC():
            return "A-ASSOCIATE-AC", ""


_ABORTS: dict[type[ProtocolError], str] = {
    InvalidAssociatePDU: "an A-ASSOCIATE-RQ that cannot be understood, or has no presentation contexts",
    UnexpectedFirstPDU: "the connection begins with another PDU than A-ASSOCIATE-RQ",
    UnexpectedPDU: "a PDU that is not allowed at this point, PS3.8 table 9-10",
    InvalidPDU: "a PDU that cannot be understood, or is longer than announced",
    InvalidMessage: "a message that cannot be understood, or a command other than C-STORE and C-ECHO",
}


def _abort(error: type[ProtocolError]) -> str:
    return f"{int(error.abort_source)}, {int(error.abort_reason)}"


def _further_negotiation(policy: Policy) -> Iterator[str]:
    if policy.roles:
        yield "SCP/SCU role selection is answered for the SOP classes whose role says so in section 4.2.1.1, and ignored"
        yield "for the others."
    else:
        yield "SCP/SCU role selection is not answered: peers are SCU."
    if policy.extended_negotiation:
        yield ""
        yield "SOP Class Extended Negotiation is answered for accepted presentation contexts:"
        yield ""
        yield from _table(
            ("SOP class", "application information"),
            [
                (_sop_class_name(uid), f"`{information.hex(' ') or 'empty'}`")
                for uid, information in policy.extended_negotiation
            ],
        )
    else:
        yield "SOP Class Extended Negotiation is not answered, Common Extended Negotiation neither."
    yield _user_identity(policy)


def _user_identity(policy: Policy) -> str:
    identity = UserIdentity(kind=1, response_requested=True, primary=b"name")
    answer = negotiate(
        replace(
            _REQUEST, user_information=replace(_REQUEST.user_information, user_identity=identity)
        ),
        replace(policy, refuse=False),
    )
    if isinstance(answer, AAssociateAC) and answer.user_information.user_identity_answer is None:
        return "User identities are neither checked nor answered."
    return "User identities are answered."


def _storage_conformance(storage: StorageSettings) -> Iterator[str]:
    yield f"Level of conformance: {_level(storage)}."
    yield ""
    yield from _stored(storage)
    yield ""
    yield "Statuses of C-STORE:"
    yield ""
    yield from _table(
        ("status", "meaning", "when"),
        [
            (f"{SUCCESS:04X}", status_name(SUCCESS), _success(storage)),
            *(
                (f"{error.status:04X}", status_name(error.status), when)
                for error, when in _failures(storage)
            ),
        ],
    )
    yield "The association goes on after each of them. C-ECHO is answered with 0000 (Success)."


def _level(storage: StorageSettings) -> str:
    if storage.ignore:
        return "none, objects are received and forgotten"
    if storage.bit_preserving:
        return "2 (full), every data set is stored byte for byte as it was received, private attributes included"
    return "2 (full), all attributes are stored, private ones included"


def _success(storage: StorageSettings) -> str:
    if storage.ignore:
        return "the object was received; nothing is stored"
    if storage.durable:
        return "the file is complete under its name, and both are on the disk (fsync)"
    return "the file is complete under its name"


_WHEN: dict[type[StatusError], str] = {
    OutOfResources: "the file cannot be written, and nothing is stored; or the data set is empty, inflates to more than is"
    " allowed, or cannot be put in order",
    IdentityMismatch: "the data set names another SOP class or instance than the command. The file is kept",
    CannotUnderstand: "the data set cannot be parsed, is cut or damaged, is not in the transfer syntax of its presentation"
    " context, or lacks what names its directory: nothing is stored, and Error Comment (0000,0902) says why; or it lacks SOP"
    " Class or Instance UID: the file is kept",
}
"""Meaning of each status. Tests compare it with the classes of errors."""


def _failures(storage: StorageSettings) -> Iterator[tuple[type[StatusError], str]]:
    for error, when in _WHEN.items():
        if error is not OutOfResources:
            if not storage.bit_preserving:  # else nothing is parsed, so that nothing is found
                yield error, when
            continue
        reasons = ["the file cannot be written"] if storage.bit_preserving else [when]
        if storage.maximum_size is not None:
            reasons.append(
                f"the file would have more than {storage.maximum_size // _MEGABYTE} megabytes"
            )
        if storage.reserve:
            reasons.append(
                f"less than {storage.reserve // _MEGABYTE} megabytes are free on the disk"
            )
        yield error, "; or ".join(reasons)


def _stored(storage: StorageSettings) -> Iterator[str]:
    rows = [("file format", _file_format(storage))]
    if not storage.bit_preserving:
        rows += _encoding(storage.encoding)
    rows += [("directories", _directories(storage)), ("file names", _file_names(storage))]
    rows.append(("an instance that is sent again", _again(storage)))
    yield from _table(("subject", "value"), rows)


def _file_format(storage: StorageSettings) -> str:
    if storage.ignore:
        return "no files"
    return "DICOM file, PS3.10" if storage.with_meta else "data set without File Meta Information"


def _encoding(encoding: Encoding) -> Iterator[tuple[str, str]]:
    written = encoding.transfer_syntax
    yield "transfer syntax", "as received" if written is None else _transfer_syntax_name(written)
    lengths = {
        SequenceLength.EXPLICIT: "explicit lengths",
        SequenceLength.UNDEFINED: "undefined lengths",
    }
    yield "sequences and items", lengths[encoding.sequence_length]
    groups = {
        GroupLength.RECALCULATE: "recalculated where present",
        GroupLength.CREATE: "always written",
        GroupLength.REMOVE: "never written",
    }
    yield "group lengths", groups[encoding.group_length]
    if encoding.padding is not None:
        yield "padding", f"files to {encoding.padding[0]}, items to {encoding.padding[1]} bytes"
    yield "VRs newer than 1993", "written" if encoding.new_vr else "written as OB"
    yield (
        "VR UN",
        "converted where the dictionary has the VR" if encoding.convert_un else "retained",
    )
    if encoding.maximum_inflated is not None:
        limit = encoding.maximum_inflated // _MEGABYTE
        yield "deflated data sets", f"inflate to at most {limit} megabytes"


def _directories(storage: StorageSettings) -> str:
    match storage.rules.layout:
        case Flat():
            return "one for all"
        case ByStudyUID():
            return "one for each study, named by its Study Instance UID (0020,000D)"
        case ByTimestamp():
            return "one for each study, named by the time at which it began"
        case ByPatientName():
            return "one for each study, named by Patient's Name (0010,0010) and the time at which it began"


def _file_names(storage: StorageSettings) -> str:
    names = {
        FileNames.FROM_INSTANCE_UID: "kind of object and SOP Instance UID",
        FileNames.UNIQUE: "kind of object and a new UID",
        FileNames.FROM_TIME: "time of reception and kind of object",
    }
    extension = storage.rules.extension
    return names[storage.rules.file_names] + (f", then `{extension}`" if extension else "")


def _again(storage: StorageSettings) -> str:
    if storage.rules.file_names is FileNames.FROM_INSTANCE_UID:
        return "replaces the older file of its directory"
    return "is stored beside the older one"


def _interfaces(receiver_settings: ReceiverSettings, tls: TLSSettings | None) -> Iterator[str]:
    versions = {
        IPVersion.IPV4: "IPv4",
        IPVersion.IPV6: "IPv6",
        IPVersion.BOTH: "IPv6 and IPv4",
    }
    yield from _heading(3, "4.3 Network Interfaces")
    if receiver_settings.connected is not None:
        yield "Associations come through a super server (inetd), which decides about addresses and ports."
        return
    port = (
        f"TCP port {receiver_settings.port}"
        if receiver_settings.port
        else "the TCP port named at the start"
    )
    yield f"{versions[receiver_settings.ip_version]}, all interfaces, {port}, {'plain' if tls is None else 'with TLS'}."
    page = None if receiver_settings.monitoring is None else receiver_settings.monitoring.page
    if page is not None:
        yield f"A status page for people and machines is served by HTTP at {page.address}, port {page.port}."
    if receiver_settings.host_lookup:
        yield "Names of peers are looked up in the system's name service (DNS), for the log and for access rules."


def _configuration(receiver_settings: ReceiverSettings) -> Iterator[str]:
    yield from _heading(3, "4.4 Configuration")
    yield "Everything is chosen by options when the program starts, and nothing else: there is no mapping of AE titles to"
    yield "addresses, since none is needed to receive. This statement is that of the values in force."
    yield f"Received objects are written below `{printable(receiver_settings.storage.rules.directory)}`."


# 5 and 6: media, character sets


def _media(storage: StorageSettings) -> Iterator[str]:
    yield from _heading(2, "5 Media Interchange")
    yield "None: no DICOMDIR is written or read."
    if storage.with_meta and not storage.ignore:
        yield "Stored files have the format of PS3.10 section 7."


def _character_sets(storage: StorageSettings) -> Iterator[str]:
    yield from _heading(2, "6 Support of Character Sets")
    yield "All: text is stored in the character set in which it was received, and Specific Character Set (0008,0005) with it."
    if isinstance(storage.rules.layout, ByPatientName):
        yield "For names of directories, patients' names in the character sets of PS3.3 C.12.1.1.2 are transliterated to ASCII."


# 7: security


def _security(receiver_settings: ReceiverSettings, tls: TLSSettings | None) -> Iterator[str]:
    yield from _heading(2, "7 Security")
    yield from _heading(3, "7.1 Security Profiles")
    if tls is None:
        yield "None. Associations are neither encrypted nor authenticated: use a network that is protected by other means."
    else:
        yield from _transport_security(tls)
    yield from _heading(3, "7.2 Association Level Security")
    yield from _access(receiver_settings)
    yield from _heading(3, "7.3 Application Level Security")
    yield "None. Digital signatures in data sets are stored, not verified."


def _transport_security(tls: TLSSettings) -> Iterator[str]:
    # Loading OpenSSL is for whoever asks for TLS.
    from storescp.serve.tls import offer as tls_offer
    from storescp.serve.tls.profiles import GROUPS, check_addition

    offered = tls_offer.offered_suites()
    for name in tls.additional_suites:
        for finding in check_addition(tls.profile, name, offered):
            if finding.refuses:
                raise ConfigurationError(finding.text)
    suites = tls_offer.preferred_suites(tls.profile, tls.additional_suites, offered)
    retired = ", retired" if tls.profile.retired else ""
    yield (
        f"{tls.profile.title} (PS3.15 annex B{retired})."
        if (tls.profile.requires != "TLS_RSA_WITH_NULL_SHA")
        else f"{tls.profile.title} (of IHE ATNA, retired): nothing is encrypted."
    )
    yield ""
    versions = tls_offer.versions(tls.profile, suites)
    yield from _table(
        ("subject", "value"),
        [
            ("versions", ", ".join(versions)),
            ("peers", _peer_authentication(tls.peer_authentication)),
            ("revocation", _revocation(tls)),
            ("server name indication", _server_name(tls.expected_server_name)),
            ("application protocol (ALPN)", "`dicom`, or none"),
            ("key exchange groups", ", ".join(GROUPS) + ", as far as OpenSSL has them"),
            ("renegotiation", "refused"),
        ],
    )
    yield "Cipher suites, the preferred ones first:"
    yield ""
    tls13 = tls_offer.tls13_suites(tls.profile) if "TLS 1.3" in versions else []
    yield from _table(
        ("cipher suite", "versions"),
        [
            *((f"`{name}`", "TLS 1.3") for name in tls13),
            *((f"`{name}`", "TLS 1.2 and older") for name in suites),
        ],
    )


def _peer_authentication(asked: PeerAuthentication) -> str:
    match asked:
        case PeerAuthentication.REQUIRED:
            return "must show a certificate that can be verified"
        case PeerAuthentication.VERIFIED:
            return "may show a certificate, which must then be one that can be verified"
        case PeerAuthentication.IGNORED:
            return "are not asked for a certificate"


def _revocation(tls: TLSSettings) -> str:
    checks = tls.crl_checks or (CRLChecks.LEAF if tls.crl_files else None)
    match checks:
        case CRLChecks.LEAF:
            return "peers' certificates are looked up in revocation lists"
        case CRLChecks.CHAIN:
            return "all certificates of a chain are looked up in revocation lists"
        case None:
            return "not checked"


def _server_name(expected: str | None) -> str:
    if expected is None:
        return "any name, or none"
    return f"only `{printable(expected)}`"


def _access(receiver_settings: ReceiverSettings) -> Iterator[str]:
    control, peer_admission = receiver_settings.access_control, receiver_settings.peer_admission
    if peer_admission is not None and peer_admission.lists.networks is not None:
        networks = ", ".join(f"`{network}`" for network in peer_admission.lists.networks)
        yield f"Addresses that are let in: {networks or 'none'}. Others are disconnected without a word."
    elif control is None:
        yield "Any host may connect."
    if control is None:
        return
    yield (
        f"Hosts are let in by the rules of `{printable(control.allow)}` and `{printable(control.deny)}`, hosts_access(5),"
        " service name `storescp`. Who is refused is disconnected without a word."
    )


# 8: annexes


def _annexes(receiver_settings: ReceiverSettings) -> Iterator[str]:
    storage = receiver_settings.storage
    yield from _heading(2, "8 Annexes")
    yield from _heading(3, "8.1 IOD Contents")
    yield "No instances are created, and no attributes are added to those received or removed from them."
    if not storage.bit_preserving and storage.encoding.group_length is not GroupLength.RECALCULATE:
        yield "Group lengths (gggg,0000) are the exception."
    yield from _heading(3, "8.2 Attributes Used")
    used = ["SOP Class UID (0008,0016)", "SOP Instance UID (0008,0018)"]
    match storage.rules.layout:
        case Flat():
            pass
        case ByPatientName():
            used += [
                "Study Instance UID (0020,000D)",
                "Patient's Name (0010,0010)",
                "Specific Character Set (0008,0005)",
            ]
        case ByStudyUID() | ByTimestamp():
            used.append("Study Instance UID (0020,000D)")
    if storage.bit_preserving:
        yield "None: data sets are not looked at."
    else:
        yield f"{', '.join(used)}; they must be present."
    yield from _heading(3, "8.3 Standard Extended, Specialized and Private SOP Classes")
    known = sum(uid in STORAGE_PREFIXES for uid in receiver_settings.policy.transfer_syntaxes)
    others = [
        uid
        for uid in receiver_settings.policy.transfer_syntaxes
        if uid not in UID_NAMES and uid != VERIFICATION
    ]
    yield f"{known} of the SOP classes of section 4.2.1.1 are storage SOP classes that the program knows by itself."
    if others:
        yield f"Private ones: {', '.join(f'`{uid}`' for uid in others)}."
    yield from _heading(3, "8.4 Private Transfer Syntaxes")
    lists = _transfer_syntax_lists(receiver_settings.policy)
    private = {
        uid for syntaxes in lists for uid in syntaxes if not uid.startswith("1.2.840.10008.")
    }
    yield f"{', '.join(f'`{uid}`' for uid in sorted(private)) or 'None'}."


# Names and layout


def _sop_class_name(uid: str) -> str:
    return UID_NAMES.get(uid, "not registered")


def _transfer_syntax_name(uid: str) -> str:
    syntax = TRANSFER_SYNTAXES.get(uid)
    if syntax is None:
        return "not known: negotiated, but an object in it aborts the association"
    if syntax.kind is Kind.NOT_IMPLEMENTED:
        return f"{syntax.name} (negotiated, not implemented)"
    return syntax.name


def _heading(level: int, title: str) -> Iterator[str]:
    yield ""
    yield f"{'#' * level} {title}"
    yield ""


def _table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (headings, ("---",) * len(headings), *rows):
        cells = (printable(cell).replace("|", "\\|") for cell in row)
        yield f"| {' | '.join(cells)} |"
    yield ""
