"""Settings of reception."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from storescp.dimse.message import MAXIMUM_COMMAND_LENGTH
from storescp.serve.accept.settings import IPVersion
from storescp.serve.association.connection import Disturbances
from storescp.serve.association.deadlines import Timeouts
from storescp.storage.settings import StorageSettings
from storescp.upper_layer.negotiation import Policy

if TYPE_CHECKING:
    from storescp.monitor.settings import MonitorSettings
    from storescp.serve.accept.settings import WorkerSettings
    from storescp.serve.access.host_access import AccessControl
    from storescp.serve.access.peer_admission import PeerAdmission
    from storescp.serve.process.privileges import User
    from storescp.serve.studies.parallel_studies import ParallelStudySettings


@dataclass(frozen=True, slots=True)
class ReceiverSettings:
    """Settings of reception."""

    policy: Policy
    storage: StorageSettings
    timeouts: Timeouts
    disturbances: Disturbances
    port: int
    ip_version: IPVersion = IPVersion.IPV4
    connected: int | None = None
    """Descriptor of the one connection to serve, from inetd; None: listen."""
    maximum_command_length: int = MAXIMUM_COMMAND_LENGTH
    """Maximum length of a command set, in bytes."""
    host_lookup: bool = True
    access_control: "AccessControl | None" = None
    """The rules about hosts; None: everybody is let in."""
    peer_admission: "PeerAdmission | None" = None
    """The lists of those that are allowed, and limits for each address; None: everybody is let in."""
    user: "User | None" = None
    """User to change to once the port is open; None: no change."""
    verbose_contexts: bool = False
    announces: bool = False
    """True if the log says more than DCMTK's: that the port is open, and which work is resumed."""
    exec_sync: bool = False
    events: str | None = None
    """File for events, `-` for standard output; None: no file."""
    monitoring: "MonitorSettings | None" = None
    """Settings of status page and display; None: neither."""
    worker_settings: "WorkerSettings | None" = None
    """Several associations at once, each in a process of its own; None: one, in this process."""
    studies_in_parallel: "ParallelStudySettings | None" = None
    """Each study ends for itself; None: there is one study at a time, as in the reference."""

    @property
    def forks(self) -> bool:
        """True if each association has a process of its own, as with `--fork`."""
        return self.worker_settings is not None and self.worker_settings.on_demand

    @property
    def starts_commands_apart(self) -> bool:
        """True if a process of its own starts the user's commands: nobody waits for them, and no other process starts them."""
        has_commands = self.storage.exec_on_reception or self.storage.exec_on_eostudy
        return (
            has_commands is not None
            and not self.exec_sync
            and self.worker_settings is None
            and self.studies_in_parallel is None
            and self.connected is None
        )
