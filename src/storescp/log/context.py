"""Whose association and which object the log is about at the moment: for logs that machines read.

A process serves one association at a time, and its log is one: so is this. It is kept only if such a log is wanted;
`serve.reporting.event_emitter` keeps it, `log.json_lines` reads it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storescp.events import Party


class LogContext:
    """What every line of the log is about until further notice."""

    __slots__ = ("aliases", "party", "sop_class_uid", "sop_instance_uid", "wanted")

    def __init__(self) -> None:
        self.wanted = False
        """Whether there is a log that needs it."""
        self.party: Party | None = None
        self.aliases: tuple[str, ...] = ()
        """What the peer is called otherwise: its number, its whole name."""
        self.sop_class_uid: str | None = None
        self.sop_instance_uid: str | None = None

    def clear(self) -> None:
        """Forget the association: what follows is about the program."""
        self.party = self.sop_class_uid = self.sop_instance_uid = None
        self.aliases = ()


CURRENT = LogContext()
