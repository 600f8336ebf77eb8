"""Everybody who is refused gets a sentence: what came, what would have been accepted, which option changes it."""

import errno
import sqlite3
from collections.abc import Callable
from dataclasses import replace

import pytest

from storescp import conditions
from storescp.dataset.encoding import Attributes
from storescp.dimse import command
from storescp.dimse.command import CStoreRQ
from storescp.errors import (
    CannotRecord,
    CannotUnderstand,
    IdentityMismatch,
    InvalidDataSet,
    InvalidMessage,
    InvalidPDU,
    Limit,
    OutOfResources,
    ProtocolError,
    StateLost,
    StatusError,
    UnexpectedPDU,
    WrongTransferSyntax,
)
from storescp.serve.reporting import explanations
from storescp.uids import ACCEPT_ALL, APPLICATION_CONTEXT
from storescp.upper_layer.admission import Admission
from storescp.upper_layer.association import NotDICOM, RequestTooLarge, UnexpectedFirstPDU
from storescp.upper_layer.negotiation import Policy, Role, negotiate, storage_policy
from storescp.upper_layer.pdu import (
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    AnsweredContext,
    InvalidAssociatePDU,
    ProposedContext,
    RoleSelection,
    UserInformation,
)

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
JPEG, MPEG = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.100"
CT, MR, FIND = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.2.1.1",
)
POLICY = storage_policy((EXPLICIT, IMPLICIT))
REQUEST = AAssociateRQ(
    "ARCHIVE",
    "CT1",
    APPLICATION_CONTEXT,
    (ProposedContext(1, CT, (IMPLICIT,)),),
    UserInformation(implementation_class_uid="1.2.3"),
)
HOSTILE = "X\nE: forged\x1b[31m\u202e"


def is_harmless(sentence: str) -> bool:
    """Whether it is one line of printable text that ends as sentences do."""
    return sentence.isprintable() and sentence.endswith(".") and sentence[0] != "."


@pytest.mark.parametrize(
    ("change", "policy", "expected"),
    [
        (
            {},
            {"refuse": True},
            '"CT1" at 10.0.0.1 was rejected, like every peer: the receiver was started with --refuse, which is for tests.',
        ),
        (
            {"user_information": UserInformation()},
            {"require_implementation_class": True},
            (
                '"CT1" at 10.0.0.1 sends no Implementation Class UID, which --reject requires: correct the sender, or'
                " start without --reject."
            ),
        ),
        (
            {"application_context": "1.2.3"},
            {},
            (
                '"CT1" at 10.0.0.1 asks for the application context "1.2.3"; DICOM has only 1.2.840.10008.3.1.1.1. It is not a'
                " DICOM application, or a defective one: no option admits it."
            ),
        ),
        (
            {"protocol_version": 2},
            {},
            (
                '"CT1" at 10.0.0.1 speaks another version of the DICOM upper layer protocol (0002, not 0001): no option admits'
                " it."
            ),
        ),
        (
            {"calling_ae_title": ""},
            {},
            "10.0.0.1 sends no calling AE title: set one in the configuration of the sender. No option admits it.",
        ),
        (
            {"called_ae_title": ""},
            {},
            (
                '"CT1" at 10.0.0.1 sends no called AE title: set one in the configuration of the sender. No option'
                " admits it."
            ),
        ),
        (
            {},
            {"admission": Admission(frozenset({"MR2", "MR1"}))},
            (
                '"CT1" at 10.0.0.1 is not on the list of allowed calling AE titles ("MR1" and "MR2"): add it with'
                " --allow-calling or to the file of --allow-calling-file, or correct the title in the configuration of the"
                " sender."
            ),
        ),
        (
            {},
            {"admission": Admission(None, frozenset({"PACS"}))},
            (
                '"CT1" at 10.0.0.1 calls the AE title "ARCHIVE", but only "PACS" are answered: correct the called AE title in'
                " the configuration of the sender, or add it with --allow-called or to the file of --allow-called-file."
            ),
        ),
        (
            {},
            {"admission": Admission(open_associations=3)},
            (
                '"CT1" at 10.0.0.1 has 3 associations already, the maximum for one address: it may retry when one of'
                " them has ended. --peer-associations allows more."
            ),
        ),
    ],
)
def test_rejections(change: dict[str, object], policy: dict[str, object], expected: str) -> None:
    """Every rejection that negotiation can decide on is explained."""
    request = replace(REQUEST, **change)  # type: ignore[arg-type]
    chosen = replace(POLICY, **policy)  # type: ignore[arg-type]
    answer = negotiate(request, chosen)
    assert isinstance(answer, AAssociateRJ)

    assert explanations.rejected(request, answer, chosen, "10.0.0.1") == expected


def test_reserved_rejections() -> None:
    """A rejection that nobody has words for is told by its numbers."""
    sentence = explanations.rejected(REQUEST, AAssociateRJ(1, 3, 1), POLICY, "10.0.0.1")

    assert sentence == '"CT1" at 10.0.0.1 was rejected (source 3, reason 1, PS3.8 9.3.4).'


def explained(policy: Policy, *contexts: ProposedContext, **information: object) -> list[str]:
    user = replace(REQUEST.user_information, **information)  # type: ignore[arg-type]
    request = replace(REQUEST, contexts=contexts, user_information=user)
    answer = negotiate(request, policy)
    assert isinstance(answer, AAssociateAC)
    sentences = explanations.refused_contexts(request, answer, policy)
    assert all(map(is_harmless, sentences))
    return sentences


def test_nothing_is_refused() -> None:
    """Where everything is accepted there is nothing to say."""
    assert explained(POLICY, ProposedContext(1, CT, (IMPLICIT,))) == []


def test_no_common_transfer_syntax() -> None:
    """What the sender offers and what is accepted are named, and the option that accepts it."""
    assert explained(
        POLICY, ProposedContext(1, CT, (JPEG,)), ProposedContext(3, MR, (IMPLICIT,))
    ) == [
        (
            "For CTImageStorage (1.2.840.10008.5.1.4.1.1.2) the sender offers only JPEG Lossless, Non-hierarchical, 1st Order"
            " Prediction; accepted are Little Endian Explicit and Little Endian Implicit. --accept-all accepts it; or let the"
            " sender offer one of these, too."
        )
    ]


def test_one_sentence_for_one_reason() -> None:
    """Contexts that are refused for the same reason share a sentence, which stays readable."""
    contexts = [
        ProposedContext(2 * number + 1, uid, (JPEG,))
        for number, uid in enumerate(list(POLICY.transfer_syntaxes)[:20])
    ]

    first, second = explained(POLICY, *contexts)

    assert first == "Nothing of what was proposed is accepted, so that no object can come this way."
    assert " and 15 more the sender offers only " in second


def test_accepted_another_time() -> None:
    """A sender that proposes a class for each transfer syntax is told that one of them did."""
    (sentence,) = explained(
        POLICY, ProposedContext(1, CT, (JPEG,)), ProposedContext(3, CT, (EXPLICIT,))
    )

    assert (
        "The sender proposed it another time, with one of these, and that was accepted." in sentence
    )


def test_transfer_syntaxes_that_no_option_accepts() -> None:
    """Then a profile can."""
    policy = storage_policy(ACCEPT_ALL)
    *_, sentence = explained(policy, ProposedContext(1, CT, ("1.2.3.4", HOSTILE)))

    assert 'offers only "1.2.3.4" and "X\\nE: forged\\x1b[31m\\u202e"; accepted are ' in sentence
    assert sentence.endswith("only a profile (--config-file) can add its own.")
    assert "and 31 more." in sentence


def test_classes_that_are_not_stored() -> None:
    """A registered class needs a profile, an unknown one the promiscuous mode."""
    _, registered, unknown = explained(
        POLICY,
        ProposedContext(1, FIND, (IMPLICIT,)),
        ProposedContext(3, "1.2.3", (IMPLICIT,)),
        ProposedContext(5, None, (IMPLICIT,)),
    )

    assert registered == (
        "FINDPatientRootQueryRetrieveInformationModel (1.2.840.10008.5.1.4.1.2.1.1) is not a storage SOP class."
        " Accepted: 202 storage SOP classes, which --conformance lists. Only a profile (--config-file) can add it."
    )
    assert unknown.startswith("1.2.3 and a missing abstract syntax is unknown. Accepted: 202")
    assert "--promiscuous" in unknown


PROFILE = Policy({CT: (EXPLICIT,), MR: (IMPLICIT,)}, roles={MR: Role.SCP}, profile="CTs of /p.cfg")


def test_profiles() -> None:
    """With a profile, it is the profile that has to change."""
    _, by_class, by_syntax, by_role = explained(
        PROFILE,
        ProposedContext(1, FIND, (IMPLICIT,)),
        ProposedContext(3, CT, (JPEG,)),
        ProposedContext(5, MR, (IMPLICIT,)),
    )

    assert by_class.endswith(
        "is not in the profile CTs of /p.cfg, which has CTImageStorage (1.2.840.10008.5.1.4.1.1.2) and MRImageStorage"
        " (1.2.840.10008.5.1.4.1.1.4): add it there."
    )
    assert by_syntax.endswith("or add its own to the profile CTs of /p.cfg.")
    assert by_role == (
        "For MRImageStorage (1.2.840.10008.5.1.4.1.1.4) the profile CTs of /p.cfg grants the role of SCP only, for which the"
        " sender did not ask (SCP/SCU role selection): let the profile say SCU or BOTH."
    )


def test_roles_that_were_asked_for() -> None:
    """A role that was asked for, but is not the one, is told from one that was not."""
    answer = AAssociateAC("A", "B", APPLICATION_CONTEXT, (_refused(1, 2, MR),))
    roles = (RoleSelection(MR, scu=True, scp=False),)
    request = replace(REQUEST, user_information=UserInformation(roles=roles))

    assert "has to ask otherwise" in explanations.refused_contexts(request, answer, PROFILE)[-1]


def _refused(number: int, result: int, syntax: str) -> AnsweredContext:
    return AnsweredContext(number, result, IMPLICIT, syntax)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (
            explanations.host("10.0.0.1", "ct1.example.org", "/etc/hosts.allow", "line 3 of /etc/hosts.deny decides"),
            ("The host access rules do not let 10.0.0.1 (ct1.example.org) in: line 3 of /etc/hosts.deny decides. A line"
            ' "storescp: 10.0.0.1" in /etc/hosts.allow admits it, and without --access-control every host is admitted.'),
        ),
        (
            explanations.address_not_allowed("10.0.0.1", ("10.1.0.0/16", "::1/128")),
            ("10.0.0.1 is not an allowed address (10.1.0.0/16 and ::1/128): add it with --allow-address or"
            " to the file of --allow-address-file."),
        ),
        (
            explanations.address_not_allowed("10.0.0.1", ()),
            ("10.0.0.1 is not an allowed address (none): add it with --allow-address or to the file of"
            " --allow-address-file."),
        ),
        (
            explanations.too_many_connections("10.0.0.1", 7),
            "10.0.0.1 has 7 connections already, the maximum for one address: --peer-connections allows more.",
        ),
        (
            explanations.busy("10.0.0.1"),
            (
                "10.0.0.1 was rejected temporarily: all workers are busy and the queue is full. It may retry."
                " --workers serves more at a time, --queue-limit lets more wait."
            ),
        ),
        (
            explanations.silent("10.0.0.1", 30),
            ("10.0.0.1 connected, but sent no complete A-ASSOCIATE-RQ within 30 s. It may be a monitor or a port"
            " scanner; if it is a sender, see its log, and the network in between. --acse-timeout allows more time."),
        ),
        (
            explanations.stalled("CT1", 7.5, "--dimse-timeout"),
            ("CT1 stopped in the middle of an object or message, and did not continue within 7.5 s: look at the sender and the network in between."
            " --dimse-timeout allows more time."),
        ),
        (
            explanations.idle("CT1", 60),
            ("CT1 was idle for 60 s on an open association: configure the sender to release associations that it does not"
            " need. --idle-timeout allows more time."),
        ),
    ],
)  # fmt: skip
def test_connections(sentence: str, expected: str) -> None:
    """Hosts, addresses and silent peers."""
    assert sentence == expected


def refused_by(decode: Callable[[bytes], object], data: bytes) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        decode(data)
    return caught.value


def not_dicom(*beginning: int) -> NotDICOM:
    error = NotDICOM("Unrecognized PDU type: 00", condition=conditions.UNRECOGNIZED_PDU_TYPE)
    error.beginning = bytes(beginning)
    return error


FIND_RQ = bytes.fromhex(
    "00000000 04000000 1e000000 00000001 02000000 2000 00001001 02000000 0100 00000008 02000000 0100"
)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (not_dicom(0x16), "CT1 attempts TLS, which this receiver does not offer: start it with --enable-tls, or"),
        (not_dicom(ord("G")), "CT1 appears to be a web client (HTTP): this port is for DICOM."),
        (not_dicom(*b"PROXY TCP4 10.0.0"), "CT1 is a balancer that speaks the PROXY protocol, which this receiver does not know: turn that off in the balancer for this port."),
        (not_dicom(*b"\r\n\r\n\0\r\nQUIT\n\x21\x11"), "CT1 is a balancer that speaks the PROXY protocol"),
        (not_dicom(*b"PROPFIND / HTTP"), "CT1 appears to be a web client (HTTP)"),
        (not_dicom(*b"\r\n\r\n"), "CT1 does not speak DICOM: its data start with the byte 0x0d."),
        (not_dicom(0xFF), "CT1 does not speak DICOM: its data start with the byte 0xff. It may be"),
        (RequestTooLarge(9999999), "CT1 sent more than is allowed: A-ASSOCIATE PDU too large. --max-request-size allows"),
        (
            InvalidPDU(
                "DUL Illegal PDU Length 99999.  Max expected 16384",
                condition=conditions.ILLEGAL_PDU_LENGTH, limit=Limit.PDU_LENGTH,
            ),
            "CT1 sent more than is allowed: DUL Illegal PDU Length 99999.  Max expected 16384. --max-pdu allows longer ones",
        ),
        (InvalidMessage("b", condition=conditions.RECEIVE_FAILED, within=("a",), limit=Limit.COMMAND_LENGTH), "CT1 sent more than is allowed: b. --max-command-size"),
        (InvalidAssociatePDU("no context", condition=conditions.ILLEGAL_PDU_LENGTH), "The request of CT1 for an association cannot be understood (no context)"),
        (UnexpectedFirstPDU("Unexpected P-DATA-TF PDU"), "CT1 does not start with an A-ASSOCIATE-RQ (Unexpected P"),
        (UnexpectedPDU("Unexpected A-ASSOCIATE-RQ PDU"), "CT1 broke the DICOM upper layer protocol, PS3.8 (Unexpected A-ASS"),
        (InvalidPDU(condition=conditions.NETWORK_CLOSED), "CT1 broke the DICOM upper layer protocol, PS3.8 (DUL network closed)"),
        (InvalidMessage("DIMSE: Odd Fragment Length: 3", condition=conditions.RECEIVE_FAILED), "CT1 sent a message that DICOM does not allow (DIMSE: Odd"),
        (
            refused_by(lambda data: command.decode_request(data, 1), FIND_RQ),
            "CT1 requests a service other than storage (C-STORE) and verification (C-ECHO)",
        ),
        (InvalidPDU(""), "CT1 broke the DICOM upper layer protocol, PS3.8 ()"),
    ],
)  # fmt: skip
def test_broken_protocol(error: ProtocolError, expected: str) -> None:
    """What the peer broke is told without codes, and which option would have allowed it."""
    sentence = explanations.broken(error, "CT1")

    assert sentence.startswith(expected)
    assert is_harmless(sentence)


STORE = CStoreRQ(1, CT, "1.2.3.4")


def caused(error: StatusError, number: int) -> StatusError:
    error.__cause__ = OSError(number, "text")
    return error


def told(error: StatusError, name: str) -> StatusError:
    cause = sqlite3.OperationalError("text")
    cause.sqlite_errorname = name
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (caused(OutOfResources("No space left on device"), errno.ENOSPC), "No space left on device. Make room on the disk."),
        (caused(OutOfResources("Permission denied"), errno.EACCES), "Permission denied. Let the user that the receiver runs"),
        (caused(OutOfResources("Unheard of"), errno.ELOOP), "Unheard of. Look at the output directory (--output-directory)"),
        (OutOfResources("larger than 1 megabytes", limit=Limit.OBJECT_SIZE), "larger than 1 megabytes. --max-object-size"),
        (OutOfResources("less than 1 megabytes", limit=Limit.FREE_SPACE), "less than 1 megabytes. Make room, or lower --min"),
        (OutOfResources("inflates", limit=Limit.INFLATED_SIZE), "inflates. --inflate-limit allows more."),
        (CannotUnderstand("no UID", limit=Limit.SORTING), "no UID. Correct the sender, or do not sort (--sort-on-study"),
        (CannotUnderstand("stray bytes"), "stray bytes. Send it again; if that does not help, correct the sender."),
        (InvalidDataSet("Invalid tag"), "Invalid tag. Send it again; if that does not help, correct the sender. If no"),
        (InvalidDataSet(HOSTILE), "X\\nE: forged"),
        (WrongTransferSyntax("compressed"), "compressed. Correct the sender: what it calls "),
        (CannotUnderstand(HOSTILE), "X\\nE: forged"),
        (caused(StateLost("no such file"), errno.ENOENT), "no such file. The state directory (--state-directory) or its data"),
        (caused(CannotRecord("full"), errno.ENOSPC), "full. Make room on the disk."),
        (caused(CannotRecord("unheard of"), errno.ENOTBLK), "unheard of. Look at the state directory (--state-directory)"),
        (told(CannotRecord("full"), "SQLITE_FULL"), "full. Make room on the disk of the state directory (--state-directory)."),
        (told(CannotRecord("locked"), "SQLITE_BUSY"), "locked. Another program has the database in the state directory"),
        (told(StateLost("damaged"), "SQLITE_CORRUPT"), "damaged. Look at the state directory (--state-directory)"),
        (CannotRecord("too late"), "too late. Look at the state directory (--state-directory)"),
    ],
)  # fmt: skip
def test_refused_objects(error: StatusError, expected: str) -> None:
    """Which object, why, and what to do about it."""
    sentence = explanations.refused_object(error, STORE, "1.2.840.10008.1.2.1", "CT1")

    assert sentence.startswith(f"The object 1.2.3.4 of CT1 was not stored: {expected}")
    assert is_harmless(sentence)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            CannotUnderstand("no UID", limit=Limit.SORTING),
            ": no UID. Correct the sender, or",
        ),
        (CannotUnderstand("stray bytes"), ": stray bytes. Send it again; if"),
        (CannotUnderstand("/in/DOE: is a link", identifies=True), ". Send it again; if"),
        (
            caused(OutOfResources("cannot write /in/DOE", identifies=True), errno.ENOSPC),
            ": text. Make room on the disk.",
        ),
        (
            CannotUnderstand('"../DOE" leads out', limit=Limit.SORTING, identifies=True),
            ". Correct the",
        ),
        (CannotUnderstand(HOSTILE), "X\\nE: forged"),
    ],
)
def test_reasons_fit_for_everybody(error: StatusError, expected: str) -> None:
    """Why an object was not stored, and what to do, without which and whose object it is."""
    sentence = explanations.refused_object_reason(error, "1.2.840.10008.1.2.1")

    assert sentence.startswith("The object was not stored")
    assert expected in sentence
    assert "DOE" not in sentence
    assert is_harmless(sentence)


@pytest.mark.parametrize(
    "error", [InvalidDataSet("x"), WrongTransferSyntax("x"), CannotUnderstand("x")]
)
def test_no_advice_to_store_what_nobody_can_read(error: StatusError) -> None:
    """The cure is named, and the transfer syntax that the sender should not use: --bit-preserving would only hide it."""
    sentence = explanations.refused_object(error, STORE, "1.2.840.10008.1.2", "CT1")

    assert "--bit-preserving" not in sentence
    if type(error) is not CannotUnderstand:
        assert "Little Endian Implicit" in sentence
        assert "do not accept that transfer syntax from it" in sentence
        assert "(--config-file)" in sentence


def test_every_limit_has_its_option() -> None:
    """No limit is told without the option that changes it, except where no option does."""
    for limit in Limit:
        sentence = explanations.refused_object(
            OutOfResources("x", limit=limit), STORE, "1.2.840.10008.1.2.1", "CT1"
        )
        assert " --" in sentence or "(--" in sentence


@pytest.mark.parametrize(
    ("source", "reason", "expected"),
    [
        (0, 0, "The application of CT1 aborted the association (A-ABORT, source 0, reason 0)"),
        (2, 0, "The DICOM layer of CT1 aborted the association (A-ABORT, source 2, reason 0: reason not specified)"),
        (2, 1, "(A-ABORT, source 2, reason 1: unrecognized PDU)"),
        (2, 6, "(A-ABORT, source 2, reason 6: invalid PDU parameter value)"),
        (2, 3, "(A-ABORT, source 2, reason 3: a reason that the standard does not know)"),
        (1, 0, "CT1 aborted the association (A-ABORT, source 1, reason 0), and does not say in a known way"),
    ],
)  # fmt: skip
def test_who_of_a_peer_has_aborted(source: int, reason: int, expected: str) -> None:
    """PS3.8 9.3.8: its application, or the layer below, which may have a reason."""
    assert expected in explanations.aborted_by_peer("CT1", source, reason)


def test_reasons_of_doubtful_objects() -> None:
    """Which of the UIDs differ, but not their values, which may be anything."""
    both = Attributes(b"DOE^JOHN", b"DOE^JOHN")

    sentence = explanations.doubtful_object_reason(IdentityMismatch.status, STORE, both)
    assert sentence == (
        "The object was stored, but answered with status A900: it was announced with another SOP Class UID and another SOP"
        " Instance UID than it has. Have the sender corrected; with --bit-preserving it is not looked at."
    )
    sentence = explanations.doubtful_object_reason(CannotUnderstand.status, STORE, None)
    assert "answered with status C000: its data set lacks the SOP Class UID (0008,0016)" in sentence


def test_doubtful_objects() -> None:
    """An object that was kept, but is not what was announced."""
    other = Attributes(MR.encode(), b"1.2.3.4")
    both = Attributes(MR.encode(), b"9\n")

    sentence = explanations.doubtful_object(IdentityMismatch.status, STORE, other, "CT1")
    assert sentence == (
        f"The object 1.2.3.4 of CT1 was stored, but answered with status A900: it was announced with the SOP Class UID {CT}"
        f" but has {MR}. Have the sender corrected; with --bit-preserving it is not looked at."
    )
    sentence = explanations.doubtful_object(IdentityMismatch.status, STORE, both, "CT1")
    assert (
        f"the SOP Class UID {CT} but has {MR}, and the SOP Instance UID 1.2.3.4 but has 9\\n. Have"
        in sentence
    )
    sentence = explanations.doubtful_object(CannotUnderstand.status, STORE, None, "CT1")
    assert (
        "answered with status C000: its data set lacks the SOP Class UID (0008,0016) or" in sentence
    )


def test_peers_are_called_by_what_is_known() -> None:
    """A title if there is one, and the address; nothing in them is believed."""
    assert explanations.sender(" CT1 ", "10.0.0.1") == '"CT1" at 10.0.0.1'
    assert explanations.sender("", "10.0.0.1") == "10.0.0.1"
    assert explanations.sender(HOSTILE, HOSTILE).isprintable()
