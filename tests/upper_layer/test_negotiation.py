"""Answers to association requests: PS3.8 9.3.3 and 9.3.4, PS3.7 D.3.3, and what the reference makes of them."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storescp.uids import ACCEPT_ALL, STORAGE_PREFIXES, VERIFICATION
from storescp.upper_layer.negotiation import (
    Policy,
    Role,
    longest_value,
    negotiate,
    reported_longest_value,
    storage_policy,
)
from storescp.upper_layer.pdu import (
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    AnsweredContext,
    ExtendedNegotiation,
    ProposedContext,
    RoleSelection,
    UserInformation,
    decode,
)
from tests.upper_layer.requestor import CT, EXPLICIT, IMPLICIT, POLICY, REQUEST

BIG_ENDIAN = "1.2.840.10008.1.2.2"
JPEG = "1.2.840.10008.1.2.4.50"
WORKLIST = "1.2.840.10008.5.1.4.31"
NOTHING_LEFT = (
    "setting accepted SCP/SCU role to NONE, i.e. both role fields are 0"
    " in SCP/SCU role selection sub-item"
)
BOTH_ZERO = "DULFSM: both role fields are 0 in SCP/SCU role selection sub-item"
ONLY_SCP = (
    "ASSOC: SCP/SCU role selection failed, Default role (i.e. SCU) proposed"
    " but only SCP role configured for acceptance"
)


def proposing(*contexts: ProposedContext, roles: tuple[RoleSelection, ...] = ()) -> AAssociateRQ:
    """Return a request with these contexts and role selections."""
    return replace(
        REQUEST,
        contexts=contexts,
        user_information=replace(REQUEST.user_information, roles=roles),
    )


def accepted(request: AAssociateRQ, policy: Policy = POLICY) -> AAssociateAC:
    """Return the acceptance of a request."""
    answer = negotiate(request, policy)
    assert isinstance(answer, AAssociateAC)
    return answer


def results(policy: Policy, *contexts: ProposedContext) -> list[tuple[int, int, str]]:
    """Return context ID, result and transfer syntax of each answer."""
    return [
        (context.context_id, context.result, context.transfer_syntax)
        for context in accepted(proposing(*contexts), policy).contexts
    ]


def rejected(request: AAssociateRQ, policy: Policy = POLICY) -> tuple[int, int, int, str]:
    """Return result, source, reason and log line of the rejection of a request."""
    answer = negotiate(request, policy)
    assert isinstance(answer, AAssociateRJ)
    return answer.result, answer.source, answer.reason, answer.notes[0].text


def test_acceptance() -> None:
    """The acceptance returns the titles, one answer per context, and says who this side is."""
    assert accepted(REQUEST) == AAssociateAC(
        called_ae_title="STORESCP",
        calling_ae_title="SCU",
        application_context="1.2.840.10008.3.1.1.1",
        contexts=(AnsweredContext(1, 0, IMPLICIT), AnsweredContext(3, 0, EXPLICIT)),
        user_information=UserInformation(
            maximum_length=16384,
            implementation_class_uid="1.2.276.0.7230010.3.0.3.7.0",
            implementation_version_name="OFFIS_DCMTK_370",
        ),
    )


def test_own_order_decides() -> None:
    """The first transfer syntax of the own list that was proposed is taken, whatever the requester prefers."""
    policy = Policy({CT: (JPEG, EXPLICIT, BIG_ENDIAN, IMPLICIT)})

    assert results(
        policy,
        ProposedContext(1, CT, (IMPLICIT, BIG_ENDIAN, EXPLICIT)),
        ProposedContext(3, CT, (IMPLICIT, BIG_ENDIAN)),
        ProposedContext(5, CT, (IMPLICIT, "1.2.3", JPEG)),
    ) == [(1, 0, EXPLICIT), (3, 0, BIG_ENDIAN), (5, 0, JPEG)]


def test_refused_contexts() -> None:
    """Unknown abstract syntaxes give result 3, unknown transfer syntaxes 4, with implicit VR as filler."""
    assert results(
        POLICY,
        ProposedContext(1, WORKLIST, (IMPLICIT,)),
        ProposedContext(3, CT, (JPEG, "")),
        ProposedContext(5, None, (IMPLICIT,)),
        ProposedContext(7, "", (IMPLICIT,)),
        ProposedContext(9, f"{CT} ", (IMPLICIT,)),
    ) == [(1, 3, IMPLICIT), (3, 4, IMPLICIT), (5, 3, IMPLICIT), (7, 3, IMPLICIT), (9, 3, IMPLICIT)]


def test_order_and_ids_of_contexts() -> None:
    """The answers keep the order of the request; any ID will do."""
    contexts = [ProposedContext(number, CT, (IMPLICIT,)) for number in (9, 0, 4, 255)]

    assert [answer[0] for answer in results(POLICY, *contexts)] == [9, 0, 4, 255]


MR = "1.2.840.10008.5.1.4.1.1.4"


@pytest.mark.parametrize(
    ("proposals", "result", "transfer_syntax"),
    [
        ([(CT, EXPLICIT), ("9.9", IMPLICIT)], 0, EXPLICIT),
        ([("9.9", IMPLICIT), (CT, EXPLICIT)], 0, EXPLICIT),
        ([(CT, EXPLICIT), (CT, "1.2.3")], 0, EXPLICIT),
        ([(CT, "1.2.3"), (CT, EXPLICIT)], 0, EXPLICIT),
        ([(CT, EXPLICIT), (VERIFICATION, IMPLICIT)], 0, EXPLICIT),
        ([(CT, IMPLICIT), (VERIFICATION, EXPLICIT)], 0, IMPLICIT),
        ([(VERIFICATION, EXPLICIT), (CT, IMPLICIT)], 0, IMPLICIT),
        ([(VERIFICATION, EXPLICIT), (VERIFICATION, IMPLICIT)], 0, EXPLICIT),
        ([(CT, EXPLICIT), (MR, IMPLICIT)], 0, EXPLICIT),
        ([(CT, IMPLICIT), (MR, EXPLICIT)], 0, EXPLICIT),
        ([(CT, IMPLICIT), (VERIFICATION, EXPLICIT), (MR, BIG_ENDIAN)], 0, BIG_ENDIAN),
        ([("9.9", IMPLICIT), (CT, "1.2.3")], 4, IMPLICIT),
        ([(CT, "1.2.3"), ("9.9", IMPLICIT)], 4, IMPLICIT),
        ([("9.9", IMPLICIT), ("8.8", IMPLICIT)], 3, IMPLICIT),
    ],
)
def test_duplicate_ids(proposals: list[tuple[str, str]], result: int, transfer_syntax: str) -> None:
    """A context ID proposed twice has one answer, in the first one's place: the best of all."""
    contexts = [ProposedContext(1, uid, (syntax,)) for uid, syntax in proposals]
    other = ProposedContext(3, VERIFICATION, (IMPLICIT,))
    policy = storage_policy((EXPLICIT, BIG_ENDIAN, IMPLICIT))

    assert results(policy, contexts[0], other, *contexts[1:]) == [
        (1, result, transfer_syntax),
        (3, 0, IMPLICIT),
    ]


def test_duplicate_ids_of_unknown_classes() -> None:
    """With the promiscuous policy an unknown class overrules a known one that has the same context ID."""
    policy = storage_policy((EXPLICIT, BIG_ENDIAN, IMPLICIT), promiscuous=True)

    assert results(
        policy,
        ProposedContext(1, "9.9", (BIG_ENDIAN,)),
        ProposedContext(1, CT, (EXPLICIT,)),
        ProposedContext(1, "9.9", (IMPLICIT,)),
    ) == [(1, 0, BIG_ENDIAN)]


def test_nothing_acceptable() -> None:
    """An association without any acceptable context is accepted all the same."""
    assert results(POLICY, ProposedContext(1, WORKLIST, (IMPLICIT,))) == [(1, 3, IMPLICIT)]


def test_storage_policy() -> None:
    """Verification and the 202 storage classes have the same list; others are refused."""
    policy = storage_policy((EXPLICIT, IMPLICIT))

    assert len(policy.transfer_syntaxes) == 203 == len(STORAGE_PREFIXES) + 1
    assert results(
        policy,
        ProposedContext(1, VERIFICATION, (IMPLICIT, EXPLICIT)),
        ProposedContext(3, CT, (IMPLICIT,)),
        ProposedContext(5, WORKLIST, (IMPLICIT,)),
        ProposedContext(7, "1.2.3", (IMPLICIT,)),
    ) == [(1, 0, EXPLICIT), (3, 0, IMPLICIT), (5, 3, IMPLICIT), (7, 3, IMPLICIT)]


def test_promiscuous_policy() -> None:
    """The promiscuous policy accepts what nobody knows, and refuses what is known as no storage class."""
    policy = storage_policy((EXPLICIT, IMPLICIT), promiscuous=True)

    assert results(
        policy,
        ProposedContext(1, "1.2.3", (IMPLICIT,)),
        ProposedContext(3, "1.2.3", (JPEG,)),
        ProposedContext(5, WORKLIST, (IMPLICIT,)),
        ProposedContext(7, CT, (IMPLICIT,)),
        ProposedContext(9, f"{VERIFICATION} ", (IMPLICIT,)),
        ProposedContext(11, "1.2.840.10008.1.3.10", (IMPLICIT,)),
        ProposedContext(13, None, (IMPLICIT,)),
    ) == [
        (1, 0, IMPLICIT),
        (3, 4, IMPLICIT),
        (5, 3, IMPLICIT),
        (7, 0, IMPLICIT),
        (9, 0, IMPLICIT),
        (11, 3, IMPLICIT),
        (13, 0, IMPLICIT),
    ]


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.sampled_from(ACCEPT_ALL), unique=True, max_size=6),
    st.lists(st.sampled_from((*ACCEPT_ALL, "1.2.3")), min_size=1, max_size=8),
)
def test_any_proposal(preferred: list[str], proposed: list[str]) -> None:
    """The accepted transfer syntax is in both lists, and none that is comes before it in the own one."""
    [(_, result, transfer_syntax)] = results(
        Policy({CT: tuple(preferred)}), ProposedContext(1, CT, tuple(proposed))
    )

    common = [uid for uid in preferred if uid in proposed]
    assert (result, transfer_syntax) == ((0, common[0]) if common else (4, IMPLICIT))


@pytest.mark.parametrize("version", [0, 2, 0xFFFE])
def test_protocol_version(version: int) -> None:
    """Bit 0 of the protocol version must be set; this is looked at before all else."""
    request = replace(REQUEST, protocol_version=version, called_ae_title="")

    text = (
        "Receiving Association failed: 0006:0322 DUL Unsupported peer protocol"
        f" {version:04x}; expected 0001 in parseAssociate"
    )
    assert rejected(request, replace(POLICY, refuse=True)) == (1, 2, 2, text)


@pytest.mark.parametrize("version", [1, 3, 0xFFFF])
def test_higher_protocol_versions(version: int) -> None:
    """PS3.8 9.3.2: other bits than bit 0 are not tested; the answer is version 1."""
    assert accepted(replace(REQUEST, protocol_version=version)).protocol_version == 1


def test_refuse() -> None:
    """With `refuse`, every association is refused without a reason, before its contents are looked at."""
    request = replace(REQUEST, application_context="", called_ae_title="")

    assert rejected(request, replace(POLICY, refuse=True)) == (
        1,
        1,
        1,
        "Refusing Association (forced via command line)",
    )


@pytest.mark.parametrize("name", ["", "1.2.3", "1.2.840.10008.3.1.1.1 "])
def test_application_context(name: str) -> None:
    """Any application context but DICOM's is refused."""
    request = replace(REQUEST, application_context=name, called_ae_title="")

    assert rejected(request) == (
        1,
        1,
        2,
        f"Association Rejected: Bad Application Context Name: {name}",
    )


def test_required_implementation_class() -> None:
    """With `require_implementation_class`, a request without implementation class UID is refused."""
    policy = replace(POLICY, require_implementation_class=True)
    anonymous = replace(REQUEST, user_information=UserInformation(), called_ae_title="")

    assert rejected(anonymous, policy) == (
        1,
        1,
        1,
        "Association Rejected: No Implementation Class UID provided",
    )
    assert accepted(REQUEST, policy)
    assert accepted(replace(anonymous, called_ae_title="X"))


@pytest.mark.parametrize(
    ("called", "calling", "reason", "name"),
    [("", "", 7, "Called"), ("", "SCU", 7, "Called"), ("STORESCP", "", 3, "Calling")],
)
def test_empty_ae_titles(called: str, calling: str, reason: int, name: str) -> None:
    """An empty AE title is not recognized, PS3.8 9.3.4; the reference says nothing at all."""
    request = replace(REQUEST, called_ae_title=called, calling_ae_title=calling)

    assert rejected(request) == (1, 1, reason, f"Illegal service parameter: {name} AP Title")


@pytest.mark.parametrize(
    ("configured", "proposed", "result", "role", "notes"),
    [
        (None, None, 0, None, []),
        (None, (0, 0), 0, None, [BOTH_ZERO]),
        (None, (1, 0), 0, None, []),
        (None, (0, 1), 0, None, []),
        (None, (1, 1), 0, None, []),
        (Role.SCU, None, 0, None, []),
        (Role.SCU, (0, 0), 0, (1, 0), [BOTH_ZERO]),
        (Role.SCU, (1, 0), 0, (1, 0), []),
        (Role.SCU, (0, 1), 0, (0, 0), [NOTHING_LEFT]),
        (Role.SCU, (1, 1), 0, (1, 0), []),
        (Role.SCP, None, 2, None, [ONLY_SCP]),
        (Role.SCP, (0, 0), 0, (0, 1), [BOTH_ZERO]),
        (Role.SCP, (1, 0), 0, (0, 0), [NOTHING_LEFT]),
        (Role.SCP, (0, 1), 0, (0, 1), []),
        (Role.SCP, (1, 1), 0, (0, 1), []),
        (Role.BOTH, None, 0, None, []),
        (Role.BOTH, (0, 0), 0, (1, 1), [BOTH_ZERO]),
        (Role.BOTH, (1, 0), 0, (1, 0), []),
        (Role.BOTH, (0, 1), 0, (0, 1), []),
        (Role.BOTH, (1, 1), 0, (1, 1), []),
    ],
)
def test_roles(
    configured: Role | None,
    proposed: tuple[int, int] | None,
    result: int,
    role: tuple[int, int] | None,
    notes: list[str],
) -> None:
    """Roles are negotiated as the reference does, for every entry of a profile and every proposal."""
    policy = replace(POLICY, roles={CT: configured} if configured else {})
    selection = (RoleSelection(CT, *map(bool, proposed)),) if proposed else ()

    answer = accepted(proposing(ProposedContext(1, CT, (EXPLICIT,)), roles=selection), policy)

    assert answer.contexts[0].result == result
    assert answer.contexts[0].transfer_syntax == (IMPLICIT if result else EXPLICIT)
    assert answer.user_information.roles == ((RoleSelection(CT, *map(bool, role)),) if role else ())
    assert [note.text for note in answer.notes] == notes
    assert {note.logger for note in answer.notes} <= {"dcmtk.dcmnet"}
    assert [note.level for note in answer.notes] == [40 if result else 30 for _ in notes]


def test_one_role_for_each_context() -> None:
    """Two accepted contexts of one class give two role selections; the first proposal for it counts."""
    policy = replace(POLICY, roles={CT: Role.BOTH, VERIFICATION: Role.SCU})
    scu, scp = RoleSelection(CT, scu=True, scp=False), RoleSelection(CT, scu=False, scp=True)
    contexts = (
        ProposedContext(1, CT, (EXPLICIT,)),
        ProposedContext(3, CT, ("1.2.3",)),
        ProposedContext(5, CT, (EXPLICIT,)),
    )

    answer = accepted(
        proposing(*contexts, roles=(scu, scp, scu._replace(sop_class_uid="1.2.3"))), policy
    )

    assert answer.user_information.roles == (scu, scu)


def test_many_odd_contexts_do_not_flood_the_log() -> None:
    """A request that repeats an oddity thousands of times is answered with few words."""
    policy = replace(POLICY, roles={CT: Role.SCP})

    answer = accepted(proposing(*[ProposedContext(1, CT, (EXPLICIT,))] * 5000), policy)

    assert len(answer.notes) <= 300
    assert len(answer.encode()) < 400


def test_extended_negotiation() -> None:
    """Configured information is sent for classes with an accepted context, in configured order."""
    policy = replace(
        POLICY,
        extended_negotiation=((CT, b"\x01"), ("1.2.3", b"\x02"), (VERIFICATION, b"\x03\x04")),
    )

    both = accepted(REQUEST, policy).user_information.extended_negotiation
    one = accepted(
        proposing(
            ProposedContext(1, CT, ("1.2.3",)), ProposedContext(3, VERIFICATION, (IMPLICIT,))
        ),
        policy,
    ).user_information.extended_negotiation

    assert both == (
        ExtendedNegotiation(CT, b"\x01"),
        ExtendedNegotiation(VERIFICATION, b"\x03\x04"),
    )
    assert one == (ExtendedNegotiation(VERIFICATION, b"\x03\x04"),)


def test_extended_negotiation_is_not_answered_without_profile() -> None:
    """What the requester says about extended negotiation has no effect."""
    request = replace(
        REQUEST,
        user_information=UserInformation(extended_negotiation=(ExtendedNegotiation(CT, b"x"),)),
    )

    assert accepted(request).user_information.extended_negotiation == ()


def test_extended_negotiation_beyond_an_item() -> None:
    """What does not fit the user information item is left out; the rest is a valid answer."""
    classes = {f"1.2.{number}": (IMPLICIT,) for number in range(100)}
    policy = Policy(classes, extended_negotiation=tuple((uid, bytes(1024)) for uid in classes))
    contexts = [ProposedContext(n, uid, (IMPLICIT,)) for n, uid in enumerate(classes)]

    data = accepted(proposing(*contexts), policy).encode()

    decoded = decode(data[0], data[6:])
    assert isinstance(decoded, AAssociateAC)
    assert len(decoded.user_information.extended_negotiation) == 63


def test_answer_is_no_amplifier() -> None:
    """A request with tens of thousands of contexts has an answer of at most 256."""
    contexts = (ProposedContext(number % 256, None, ("",)) for number in range(30000))

    assert len(accepted(proposing(*contexts)).encode()) < 256 * 29 + 300


ODD = "ASSOC: PDV send length {} is odd (using {})"
DEFAULT = "ASSOC: PDV send length {} (using default)"
SMALL = "ASSOC: PDV send length too small, using DUL to split larger PDVs."


@pytest.mark.parametrize(
    ("maximum", "longest", "reported", "notes"),
    [
        (0, 131060, 131060, []),
        (16384, 16372, 16372, []),
        (16383, 16370, 16370, [ODD.format(16383, 16382)]),
        (131071, 131058, 131058, [ODD.format(131071, 131070)]),
        (131072, 131060, 131060, []),
        (131075, 131060, 131060, []),
        (0xFFFFFFFF, 131060, 131060, []),
        (4095, 4082, 4082, [ODD.format(4095, 4094)]),
        (24, 12, 12, []),
        (22, 10, 4084, [SMALL]),
        (15, 2, 4084, [ODD.format(15, 14), SMALL]),
        (14, 2, 4084, [SMALL]),
        (13, 0, 4084, [ODD.format(13, 12), DEFAULT.format(0)]),
        (1, -12, 4084, [ODD.format(1, 0), DEFAULT.format(-12)]),
    ],
)
def test_longest_value(maximum: int, longest: int, reported: int, notes: list[str]) -> None:
    """How much fits in a PDV for the peer, and what the reference says about it."""
    information = replace(REQUEST.user_information, maximum_length=maximum)

    assert longest_value(maximum) == longest
    assert reported_longest_value(maximum) == reported
    assert [
        note.text for note in accepted(replace(REQUEST, user_information=information)).notes
    ] == notes
