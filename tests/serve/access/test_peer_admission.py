"""The gate: what it objects to, and what it counts."""

from storescp.serve.access.allow_lists import AllowLists, AllowListSettings, AllowListSource
from storescp.serve.access.peer_admission import PeerAdmission, PeerLimits
from storescp.serve.reporting import explanations

PEER, OTHER = "10.1.2.3", "10.1.2.4"


def peer_admission(limits: PeerLimits, addresses: tuple[str, ...] = ()) -> PeerAdmission:
    return PeerAdmission(
        AllowLists(AllowListSettings(addresses=AllowListSource(addresses))), limits
    )


def test_an_address_that_is_not_allowed() -> None:
    """Is objected to, whatever it has."""
    strict = peer_admission(PeerLimits(), (PEER,))

    assert strict.refusal(PEER, 100) is None
    assert strict.refusal(OTHER, 0) == (
        "address",
        explanations.address_not_allowed(OTHER, (f"{PEER}/32",)),
    )


def test_connections_that_wait_and_that_are_served_count() -> None:
    """Those of the same address, until they end."""
    limited = peer_admission(PeerLimits(connections=3))
    leave = limited.enter(limited.admission(PEER))

    assert limited.refusal(PEER, 1) is None
    assert limited.refusal(PEER, 2) == (
        "address-limit",
        explanations.too_many_connections(PEER, 3),
    )
    assert limited.refusal(OTHER, 2) is None
    leave()
    assert limited.refusal(PEER, 2) is None


def test_associations_count_until_they_end() -> None:
    """Those that are rejected for their number do not, else a peer that insists would never get in again."""
    limited = peer_admission(PeerLimits(associations=2))
    leave = [limited.enter(limited.admission(PEER)) for _ in range(2)]
    assert limited.admission(PEER).open_associations == 2
    assert limited.admission(OTHER).open_associations is None

    rejected = [limited.enter(limited.admission(PEER)) for _ in range(5)]
    leave[0]()

    assert limited.admission(PEER).open_associations is None
    for one in rejected:
        one()
    assert limited.admission(PEER).open_associations is None


def test_leaving_twice_does_no_harm() -> None:
    """A child may be reported twice, by a signal and by whoever started it."""
    limited = peer_admission(PeerLimits(connections=1))
    first, _ = limited.enter(limited.admission(PEER)), limited.enter(limited.admission(PEER))

    first()
    first()

    assert limited.refusal(PEER, 0) is not None
