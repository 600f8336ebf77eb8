"""Supplies receptions with hidden files and transcoders. Some are made ahead, while the peer is busy."""

import time
from collections.abc import Callable

from storescp.dataset.dictionary import Dictionary, standard
from storescp.dataset.encoding import Output
from storescp.dataset.plan import Plan, plan_for
from storescp.dataset.transcoder import Transcoder
from storescp.dimse.command import CStoreRQ
from storescp.errors import OutOfResources
from storescp.storage.files.instance_file import InstanceFile
from storescp.storage.files.output_directory import OutputDirectory
from storescp.storage.reception import (
    NOWHERE,
    BitPreservingReception,
    Destination,
    NormalReception,
    Reception,
    Studies,
)
from storescp.storage.settings import StorageSettings
from storescp.storage.studies.user_commands import PeerIdentity
from storescp.uids import TransferSyntax

_OBJECTS_BEFORE_SUPPLY = 8
"""Objects in an association after which more are expected."""

_FRESH_SECONDS = 0.001
"""Seconds in which a file made ahead is taken to be there still: to ask takes one twentieth of a small object's time."""


class InstanceSupply:
    """Makes receptions, and what they need, for the associations of one process."""

    def __init__(
        self,
        storage: StorageSettings,
        dictionary: Callable[[], Dictionary] = standard,
        *,
        wall_clock: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to make them.

        Args:
            storage: what is done with objects.
            dictionary: gives the data dictionary.
            wall_clock: seconds since 1970, for names.
            clock: seconds, monotonic.
        """
        self.storage = storage
        self.output = OutputDirectory(
            storage.rules.directory,
            durable=storage.durable,
            maximum_size=storage.maximum_size,
            reserve=storage.reserve,
        )
        self.unsorted = Destination(storage.rules.directory)
        self.wall_clock = wall_clock
        self.clock = clock
        self.dictionary = dictionary
        self._plans: dict[str, Plan] = {}  # by UID, as settings take long to look up
        self._syntax: TransferSyntax | None = None
        self._prepared: tuple[TransferSyntax, Transcoder] | None = None
        self._spare: InstanceFile | None = None
        self._spare_since = 0.0
        self._begun = 0  # objects of this association

    def begin(
        self, studies: Studies, request: CStoreRQ, syntax: TransferSyntax, peer: PeerIdentity
    ) -> Reception:
        """Return where the data set of a C-STORE-RQ goes."""
        self._syntax = syntax
        if self.storage.bit_preserving:
            return BitPreservingReception(self, studies, request, syntax, peer)
        return NormalReception(self, studies, request, syntax, peer)

    def prepare(self) -> None:
        """Make what the next object will need, if it is like the last one: the peer is busy with it. Never raises."""
        if self._syntax is None:
            return
        try:  # no `suppress` here: on the hot path a context manager is too expensive
            if self._prepared is None and not self.storage.bit_preserving:
                self._prepared = self._syntax, self.transcoder(self._syntax, NOWHERE)
            if (
                self._begun >= _OBJECTS_BEFORE_SUPPLY
                and self._spare is None
                and not self.storage.ignore
            ):
                self._spare = InstanceFile(self.output)
                self._spare_since = self.clock()
        except (OutOfResources, OSError, ImportError):
            return  # the next reception meets the error again, and can report it

    def put_away(self) -> None:
        """Remove the file that was made for the next object: there will be none. Never raises."""
        if self._spare is not None:
            self._spare.discard()
            self._spare = None

    def new_file(self, header: bytes) -> InstanceFile:
        """Return a file in the making.

        Raises:
            OutOfResources: it cannot be created.
        """
        self._begun += 1
        if self._spare is not None:
            file, self._spare = self._spare, None
            is_fresh = self.clock() - self._spare_since < _FRESH_SECONDS
            try:
                usable = (is_fresh or file.is_there) and (
                    not self.storage.reserve or self.output.has_reserve()
                )
            except OSError:  # a network file system may say so if it is gone
                usable = False
            if usable:
                file.header = header
                return file
            file.discard()
        return InstanceFile(self.output, header)

    def transcoder(self, syntax: TransferSyntax, output: Output) -> Transcoder:
        """Return what writes a data set to `output`.

        Raises:
            OSError, ImportError: a module that it needs cannot be loaded.
        """
        prepared, self._prepared = self._prepared, None
        if prepared is not None and prepared[0] is syntax:
            prepared[1].redirect(output)
            return prepared[1]
        encoding = self.storage.encoding
        plan = self._plans.get(syntax.uid)
        if plan is None:
            plan = self._plans[syntax.uid] = plan_for(syntax, encoding)
        return Transcoder(syntax, encoding, output, dictionary=self.dictionary, plan=plan)

    def end_association(self) -> None:
        """Leave no trace but the stored objects until the next association."""
        self._begun = 0
        self.put_away()
        self.output.tidy()
