"""Events as tests of the monitor make them up."""

from storescp.events import (
    AssociationAborted,
    AssociationAccepted,
    AssociationReleased,
    Event,
    Fact,
    ObjectStored,
    Party,
)

START = 1_800_000_000.0
CT = "1.2.840.10008.5.1.4.1.1.2"
LITTLE = "1.2.840.10008.1.2.1"

ACCEPTED = AssociationAccepted(3, 2, "1.2.3", "PEER_1", 16384, tls=False)
RELEASED = AssociationReleased(1, 1000, 1.0)
LOST = AssociationAborted("network", "the connection was lost", 1, 1000, 2.0)


def party(name: str = "a1", title: str = "CT1", peer: str = "10.0.0.7") -> Party:
    """Return whose association it is."""
    return Party(name, peer, title, "STORESCP")


def event(fact: Fact, whose: Party | None = None, *, after: float = 0.0, pid: int = 100) -> Event:
    """Return an event so many seconds after the start."""
    return Event(START + after, pid, whose, fact)


def stored(
    study: str | None = "1.9",
    *,
    modality: str | None = "CT",
    patient: str | None = "DOE^JOHN",
    size: int = 1000,
    duration: float = 0.002,
) -> ObjectStored:
    """Return that an object was stored."""
    file = "/in/s_1.9/CT.1.2.3.4"
    return ObjectStored(
        "0000", CT, "1.2.3.4", modality, LITTLE, study, patient, file, size, duration
    )
