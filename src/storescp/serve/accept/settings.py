"""How many associations are served at once."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How many associations are served, and how many peers wait."""

    workers: int | None
    """Workers at most; None, on demand: as many as there are associations."""
    on_demand: bool = False
    """Whether workers come when they are needed, go when they are not, and outlive their supervisor."""
    queue_limit: int | None = None
    """Peers that wait for a worker at most; more are rejected. None: as many as there is room for."""


class IPVersion(Enum):
    """Which kinds of peers can connect."""

    IPV4 = "4"
    IPV6 = "6"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where and how to listen."""

    port: int
    ip_version: IPVersion = IPVersion.IPV4
