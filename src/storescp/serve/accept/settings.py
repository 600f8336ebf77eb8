"""Settings of listening and of workers."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Numbers of associations served at once, and of peers that may wait."""

    workers: int | None
    """Workers at most; None, on demand: as many as there are associations."""
    on_demand: bool = False
    """True if workers come when they are needed, go when they are not, and outlive their supervisor."""
    queue_limit: int | None = None
    """Peers that wait for a worker at most; more are rejected. None: as many as there is room for."""


class IPVersion(Enum):
    """IP versions of peers that can connect."""

    IPV4 = "4"
    IPV6 = "6"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Address and options of the listening socket."""

    port: int
    ip_version: IPVersion = IPVersion.IPV4
