"""The association and object that log lines are about at the moment, for a log for machines.

A process serves one association at a time, and its log is one: so is this. It is kept only if such a log is wanted;
`serve.reporting.event_emitter` keeps it, `log.json_lines` reads it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storescp.events import Party


class LogContext:
    """Association and object of all log lines until changed."""

    __slots__ = ("aliases", "party", "sop_class_uid", "sop_instance_uid", "wanted")

    def __init__(self) -> None:
        self.wanted = False
        """True if there is a log that needs it."""
        self.party: Party | None = None
        self.aliases: tuple[str, ...] = ()
        """Other names of the peer: its address, its full host name."""
        self.sop_class_uid: str | None = None
        self.sop_instance_uid: str | None = None

    def clear(self) -> None:
        """Forget the association: what follows is about the program."""
        self.party = self.sop_class_uid = self.sop_instance_uid = None
        self.aliases = ()


CURRENT = LogContext()
