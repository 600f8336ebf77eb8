"""Texts of the log about associations and messages, as the reference prints them."""

import re
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from storescp.dimse.command import CEchoRQ, CStoreRQ
from storescp.serve.reporting import parameter_dump
from storescp.upper_layer.negotiation import Policy, Role, negotiate, storage_policy
from storescp.upper_layer.pdu import (
    AAssociateAC,
    AAssociateRQ,
    ExtendedNegotiation,
    ProposedContext,
    RoleSelection,
    UserIdentity,
    UserInformation,
)
from tests.peers.servers import dcmtk

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
JPEG = "1.2.840.10008.1.2.4.50"

POLICY = storage_policy((EXPLICIT, IMPLICIT))


def proposal(
    *contexts: ProposedContext,
    information: UserInformation = UserInformation(16384, "1.2.3.4"),  # noqa: B008
    calling: str = "SCU",
) -> AAssociateRQ:
    return AAssociateRQ("STORESCP", calling, APPLICATION_CONTEXT, contexts, information)


def accepted(request: AAssociateRQ, policy: Policy = POLICY) -> AAssociateAC:
    answer = negotiate(request, policy)
    assert isinstance(answer, AAssociateAC)
    return answer


def test_request_lists_what_is_proposed() -> None:
    """The parameters of a request: both implementations, titles, sizes, contexts with their transfer syntaxes."""
    request = proposal(
        ProposedContext(1, CT, (EXPLICIT, IMPLICIT)),
        ProposedContext(3, "1.2.3", ("1.9.9",)),
        ProposedContext(251, None, (IMPLICIT,)),
        information=UserInformation(16384, "1.2.3.4", implementation_version_name="TEST"),
    )

    assert parameter_dump.request(request, POLICY).split("\n") == [
        "====================== BEGIN A-ASSOCIATE-RQ =====================",
        "Our Implementation Class UID:      1.2.276.0.7230010.3.0.3.7.0",
        "Our Implementation Version Name:   OFFIS_DCMTK_370",
        "Their Implementation Class UID:    1.2.3.4",
        "Their Implementation Version Name: TEST",
        "Application Context Name:    1.2.840.10008.3.1.1.1",
        "Calling Application Name:    SCU",
        "Called Application Name:     STORESCP",
        "Responding Application Name: ",
        "Our Max PDU Receive Size:    16384",
        "Their Max PDU Receive Size:  16384",
        "Presentation Contexts:",
        "  Context ID:        1 (Proposed)",
        "    Abstract Syntax: =CTImageStorage",
        "    Proposed SCP/SCU Role: Default",
        "    Proposed Transfer Syntax(es):",
        "      =LittleEndianExplicit",
        "      =LittleEndianImplicit",
        "  Context ID:        3 (Proposed)",
        "    Abstract Syntax: 1.2.3",
        "    Proposed SCP/SCU Role: Default",
        "    Proposed Transfer Syntax(es):",
        "      1.9.9",
        "  Context ID:        251 (Proposed)",
        "    Abstract Syntax: ",
        "    Proposed SCP/SCU Role: Default",
        "    Proposed Transfer Syntax(es):",
        "      =LittleEndianImplicit",
        "Requested Extended Negotiation: none",
        "Accepted Extended Negotiation:  none",
        "Requested User Identity Negotiation: none",
        "User Identity Negotiation Response:  none",
        "======================= END A-ASSOCIATE-RQ ======================",
    ]


def test_acceptance_tells_what_became_of_each_context() -> None:
    """The parameters of an acceptance: the responding title, and a result for each context."""
    request = proposal(
        ProposedContext(1, CT, (EXPLICIT,)),
        ProposedContext(3, "1.2.3", (IMPLICIT,)),
        ProposedContext(5, CT, (JPEG,)),
    )

    lines = parameter_dump.acceptance(request, accepted(request), POLICY).split("\n")

    assert lines[0] == "====================== BEGIN A-ASSOCIATE-AC ====================="
    assert lines[8] == "Responding Application Name: STORESCP"
    assert lines[12:-5] == [
        "  Context ID:        1 (Accepted)",
        "    Abstract Syntax: =CTImageStorage",
        "    Proposed SCP/SCU Role: Default",
        "    Accepted SCP/SCU Role: Default",
        "    Accepted Transfer Syntax: =LittleEndianExplicit",
        "  Context ID:        3 (Abstract Syntax Not Supported)",
        "    Abstract Syntax: 1.2.3",
        "    Proposed SCP/SCU Role: Default",
        "    Accepted SCP/SCU Role: Default",
        "  Context ID:        5 (Transfer Syntaxes Not Supported)",
        "    Abstract Syntax: =CTImageStorage",
        "    Proposed SCP/SCU Role: Default",
        "    Accepted SCP/SCU Role: Default",
    ]
    assert lines[-1] == "======================= END A-ASSOCIATE-AC ======================"


@pytest.mark.parametrize(
    ("expected", "roles"),
    [
        ("SCU", [(True, False)]),
        ("SCP", [(False, True)]),
        ("SCP/SCU", [(True, True)]),
        ("SCP/SCU", [(False, False)]),
        ("SCU", [(True, False), (False, True)]),
        ("Default", []),
    ],
)
def test_first_proposed_role_is_shown(expected: str, roles: list[tuple[bool, bool]]) -> None:
    """The role is that of the first selection for the class; neither role counts as both."""
    selections = tuple(RoleSelection(CT, scu=scu, scp=scp) for scu, scp in roles)
    request = proposal(
        ProposedContext(1, CT, (EXPLICIT,)), information=UserInformation(0, roles=selections)
    )

    assert f"    Proposed SCP/SCU Role: {expected}" in parameter_dump.request(
        request, POLICY
    ).split("\n")


def test_roles_of_the_profile_are_shown_as_accepted() -> None:
    """What the profile grants is shown, also where the context is refused for it; not where it was never asked."""
    policy = replace(POLICY, roles={CT: Role.BOTH, MR: Role.SCP, VERIFICATION: Role.SCU})
    request = proposal(
        ProposedContext(1, CT, (EXPLICIT,)),
        ProposedContext(3, MR, (EXPLICIT,)),
        ProposedContext(5, VERIFICATION, (JPEG,)),
    )

    lines = parameter_dump.acceptance(request, accepted(request, policy), policy).split("\n")

    assert [line.strip() for line in lines if "(" in line or "Accepted SCP" in line] == [
        "Context ID:        1 (Accepted)",
        "Accepted SCP/SCU Role: SCP/SCU",
        "Context ID:        3 (No Reason)",
        "Accepted SCP/SCU Role: SCP",
        "Context ID:        5 (Transfer Syntaxes Not Supported)",
        "Accepted SCP/SCU Role: Default",
    ]


def test_extended_negotiation_is_shown_in_bytes() -> None:
    """Requested and accepted information, unknown classes by a name that says so."""
    policy = replace(POLICY, extended_negotiation=((CT, b"\x02"),))
    request = proposal(
        ProposedContext(1, CT, (EXPLICIT,)),
        information=UserInformation(
            extended_negotiation=(
                ExtendedNegotiation(CT, b"\x00\xff"),
                ExtendedNegotiation("1.2.3", b""),
            )
        ),
    )

    lines = parameter_dump.acceptance(request, accepted(request, policy), policy).split("\n")

    assert lines[-11:-3] == [
        "Requested Extended Negotiation:",
        "  =CTImageStorage (1.2.840.10008.5.1.4.1.1.2)",
        "    [0x00, 0xff]",
        "  =Unknown-UID (1.2.3)",
        "    []",
        "Accepted Extended Negotiation:",
        "  =CTImageStorage (1.2.840.10008.5.1.4.1.1.2)",
        "    [0x02]",
    ]


@pytest.mark.parametrize(
    ("expected", "identity"),
    [
        (["1: Username", "Username: [user]"], UserIdentity(1, False, b"user")),
        (
            ["2: Username/Password", "Username: [user]", "Password (not dumped) length: 6"],
            UserIdentity(2, False, b"user", b"secret"),
        ),
        (
            ["3: Kerberos", "Kerberos Service Ticket (not dumped) length: 4"],
            UserIdentity(3, False, b"\0\1\2\3"),
        ),
        (["4: SAML", "SAML Assertion (not dumped) length: 7"], UserIdentity(4, False, b"<saml/>")),
        (["5: JWT", "JSON Web Token (not dumped) length: 3"], UserIdentity(5, False, b"jwt")),
        (["9: Unknown"], UserIdentity(9, False, b"secret")),
        (["1: Username", r"Username: [a\nI: b\xff]"], UserIdentity(1, False, b"a\nI: b\xff")),
    ],
)
def test_identity_is_shown_without_secrets(expected: list[str], identity: UserIdentity) -> None:
    """Kind and name of the user, but of passwords, tickets and tokens only the length."""
    request = proposal(information=UserInformation(user_identity=identity))

    lines = parameter_dump.request(request, POLICY).split("\n")

    assert lines[-3 - len(expected) : -2] == [
        f"  Authentication mode {expected[0]}",
        *(f"  {line}" for line in expected[1:]),
        "  Positive Response requested: No",
    ]


def test_peers_cannot_forge_lines() -> None:
    """Whatever a peer sends as title, name or UID, it stays in its line and steers no terminal."""
    request = proposal(
        ProposedContext(1, "1.2\r\nI: x", ("1.3\x1b[2J",)),
        information=UserInformation(0, "1\n2", implementation_version_name="a\nb"),
        calling="EVIL\nI: Association Release",
    )

    dump = parameter_dump.acceptance(request, accepted(request), POLICY) + parameter_dump.request(
        request, POLICY
    )

    assert r"Calling Application Name:    EVIL\nI: Association Release" in dump
    assert all(line.isprintable() for line in dump.split("\n"))
    assert not any(line.startswith("I: ") for line in dump.split("\n"))


def test_echo_request() -> None:
    """A C-ECHO-RQ with everything it says."""
    assert parameter_dump.incoming(CEchoRQ(7, VERIFICATION, 3)).split("\n") == [
        "===================== INCOMING DIMSE MESSAGE ====================",
        "Message Type                  : C-ECHO RQ",
        "Presentation Context ID       : 3",
        "Message ID                    : 7",
        "Data Set                      : none",
        "======================= END DIMSE MESSAGE =======================",
    ]


def test_store_request() -> None:
    """A C-STORE-RQ with everything it says, the move originator included."""
    command = CStoreRQ(
        2,
        CT,
        "1.2.3.4.5",
        priority=1,
        move_originator_ae_title="MOVER",
        move_originator_message_id=9,
        context_id=1,
    )

    assert parameter_dump.incoming(command).split("\n") == [
        "===================== INCOMING DIMSE MESSAGE ====================",
        "Message Type                  : C-STORE RQ",
        "Presentation Context ID       : 1",
        "Message ID                    : 2",
        "Affected SOP Class UID        : CTImageStorage",
        "Affected SOP Instance UID     : 1.2.3.4.5",
        "Data Set                      : present",
        "Priority                      : high",
        "Move Originator AE Title      : MOVER",
        "Move Originator ID            : 9",
        "======================= END DIMSE MESSAGE =======================",
    ]


@pytest.mark.parametrize(
    ("expected", "priority"), [("medium", 0), ("high", 1), ("low", 2), ("", 5)]
)
def test_priorities_have_names(expected: str, priority: int) -> None:
    """An undefined priority has none."""
    command = CStoreRQ(1, "1.2\n3", "1.2.3", priority)

    lines = parameter_dump.incoming(command).split("\n")

    assert f"Priority                      : {expected}" in lines
    assert r"Affected SOP Class UID        : 1.2\n3" in lines


def test_store_response() -> None:
    """A C-STORE-RSP with the meaning of its status."""
    command = CStoreRQ(2, CT, "1.2.3.4.5", context_id=1)

    assert parameter_dump.outgoing(command, 0xA700).split("\n") == [
        "===================== OUTGOING DIMSE MESSAGE ====================",
        "Message Type                  : C-STORE RSP",
        "Presentation Context ID       : 1",
        "Message ID Being Responded To : 2",
        "Affected SOP Class UID        : CTImageStorage",
        "Affected SOP Instance UID     : 1.2.3.4.5",
        "Data Set                      : none",
        "DIMSE Status                  : 0xa700: Refused: Out of resources",
        "======================= END DIMSE MESSAGE =======================",
    ]


def test_echo_response() -> None:
    """A C-ECHO-RSP names no instance."""
    assert parameter_dump.outgoing(CEchoRQ(7, VERIFICATION, 3), 0).split("\n")[1:-1] == [
        "Message Type                  : C-ECHO RSP",
        "Presentation Context ID       : 3",
        "Message ID Being Responded To : 7",
        "Data Set                      : none",
        "DIMSE Status                  : 0x0000: Success",
    ]


@pytest.mark.parametrize(
    ("expected", "status"),
    [
        ("Success", 0x0000),
        ("Refused: Out of resources", 0xA700),
        ("Refused: Out of resources", 0xA7FF),
        ("Error: Data Set does not match SOP Class", 0xA900),
        ("Error: Cannot understand", 0xC000),
        ("Error: Cannot understand", 0xC123),
        ("Unknown Status Code (non-standard)", 0x1234),
    ],
)
def test_statuses_have_names(expected: str, status: int) -> None:
    """Statuses are named by their class, PS3.4 table B.2-1."""
    assert expected == parameter_dump.status_name(status)


@pytest.mark.interop
def test_parameters_are_those_of_the_reference(tmp_path: Path) -> None:
    """DCMTK's storescp prints the same parameters for the same request."""
    request = proposal(
        ProposedContext(1, CT, (EXPLICIT, IMPLICIT)),
        ProposedContext(3, "1.2.840.10008.1.2.99", (IMPLICIT,)),
        ProposedContext(5, MR, (JPEG, "1.2.3")),
        ProposedContext(200, VERIFICATION, (IMPLICIT,)),
        information=UserInformation(
            12346,
            "1.2.3.4",
            roles=(
                RoleSelection(CT, scu=True, scp=False),
                RoleSelection(MR, scu=True, scp=True),
                RoleSelection(VERIFICATION, scu=False, scp=True),
            ),
            implementation_version_name="TEST",
            extended_negotiation=(
                ExtendedNegotiation(CT, bytes(range(20))),
                ExtendedNegotiation("1.2.3", b""),
            ),
            user_identity=UserIdentity(3, True, b"ticket"),
        ),
    )
    with (
        dcmtk(tmp_path, ["-d"]) as server,
        socket.create_connection(("127.0.0.1", server.port), 10) as connection,
    ):
        connection.sendall(request.encode())
        limit = time.monotonic() + 10
        while "END A-ASSOCIATE-AC" not in server.errors() and time.monotonic() < limit:
            time.sleep(0.01)
        printed = server.errors()

    dump = "\n".join(line.partition(": ")[2] for line in printed.split("\n"))
    dump = re.sub("(Our Implementation.*: +).*", r"\1(ours)", dump)
    policy = replace(
        POLICY, implementation_class_uid="(ours)", implementation_version_name="(ours)"
    )
    assert parameter_dump.request(request, policy) in dump
    assert parameter_dump.acceptance(request, accepted(request), policy) in dump
