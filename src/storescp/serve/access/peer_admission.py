"""Admission of peers: allow lists, and limits for each address."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from storescp.serve.access.allow_lists import AllowLists
from storescp.serve.reporting import explanations
from storescp.upper_layer.admission import Admission


@dataclass(frozen=True, slots=True)
class PeerLimits:
    """Limits of one address at a time; None: no limit."""

    associations: int | None = None
    connections: int | None = None


class Refusal(NamedTuple):
    """Reason for closing a connection at once."""

    cause: str
    """Cause, as named in events."""
    why: str


class PeerAdmission:
    """Lets connections and associations in, and counts those that other processes serve."""

    def __init__(self, lists: AllowLists, limits: PeerLimits) -> None:
        self.lists = lists
        self.limits = limits
        # From something unique to an address, and whether it may become an association. Children end in a signal
        # handler, in the middle of anything: entries are put in and taken out at one stroke, not counted up and down.
        self._served: dict[object, tuple[str, bool]] = {}

    def expire(self) -> None:
        """Have files read again before they are used. Safe in a signal handler."""
        self.lists.expire()

    def refusal(self, address: str, waiting: int) -> Refusal | None:
        """Return why a connection from an address is not let in, None if it is.

        `waiting` tells how many connections it has that nobody serves at the moment.
        """
        self.lists.renew()
        if not self.lists.has_address(address):
            return Refusal(
                "address", explanations.address_not_allowed(address, self.lists.networks or ())
            )
        limit = self.limits.connections
        if limit is None:
            return None
        there = waiting + sum(1 for peer, _ in list(self._served.values()) if peer == address)
        if there < limit:
            return None
        return Refusal("address-limit", explanations.too_many_connections(address, there))

    def admission(self, address: str) -> Admission:
        """Return what is asked of the requester on a connection that is going to be served."""
        self.lists.renew()
        admission = self.lists.admission(address)
        limit = self.limits.associations
        if limit is not None:
            there = sum(1 for peer, may in list(self._served.values()) if may and peer == address)
            if there >= limit:
                return replace(admission, open_associations=there)
        return admission

    def enter(self, admission: Admission) -> Callable[[], None]:
        """Count a connection that another process serves; return what to call when it has ended."""
        key = object()
        self._served[key] = (admission.address, admission.open_associations is None)
        return lambda: self._leave(key)

    def _leave(self, key: object) -> None:
        self._served.pop(key, None)
