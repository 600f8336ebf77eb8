"""The interface of a storage SCP, as an association and the receiver use it."""

from typing import Protocol

from storescp.dimse.command import CStoreRQ
from storescp.storage.files.output_directory import OutputDirectory
from storescp.storage.reception import Outcome, Reception
from storescp.storage.studies.user_commands import PeerIdentity
from storescp.uids import TransferSyntax


class StorageSCP(Protocol):
    """Stores objects: `store_scp` follows one study at a time, `tracking_scp` several side by side."""

    @property
    def output(self) -> OutputDirectory:
        """Output directory of the files."""
        ...

    def begin(self, request: CStoreRQ, syntax: TransferSyntax, peer: PeerIdentity) -> Reception:
        """Return where the data set of a C-STORE-RQ goes."""
        ...

    def prepare(self) -> None:
        """Make what the next object will need, if it is like the last one. Never raises."""
        ...

    def put_away(self) -> None:
        """Remove what was made for the next object: there will be none. Never raises."""
        ...

    def after_response(self, outcome: Outcome, peer: PeerIdentity) -> None:
        """Do what follows an object, once its response was sent."""
        ...

    def deadline(self) -> float | None:
        """Return when `expire` is to be called next (monotonic clock); None: never."""
        ...

    def expire(self) -> None:
        """End studies whose time has come."""
        ...

    def end_association(self) -> None:
        """Leave no trace but the stored objects until the next association."""
        ...

    def forget_study(self) -> None:
        """Begin anew: the next association is a world of its own."""
        ...

    def close(self) -> None:
        """Let everything go, because the program ends."""
        ...
