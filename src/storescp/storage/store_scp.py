"""One C-STORE after another: data set → transcoder → hidden file → final name → status → what follows.

PS3.4 annex B. A `Reception` lives as long as one data set; `StoreSCP` as long as the process, because the study under
way outlives associations. Nothing here knows of sockets, and the clock is an argument.
"""

import time
from collections.abc import Callable

from storescp.dataset.dictionary import Dictionary, standard
from storescp.dataset.encoding import Attributes
from storescp.dimse.command import CStoreRQ
from storescp.storage.files.output_directory import OutputDirectory
from storescp.storage.instance_supply import InstanceSupply
from storescp.storage.naming.rules import Flat, study_directory, study_uid
from storescp.storage.reception import Destination, Outcome, Reception
from storescp.storage.settings import StorageSettings
from storescp.storage.studies.current_study import CurrentStudy, CurrentStudyTracker
from storescp.storage.studies.renaming import rename_study
from storescp.storage.studies.user_commands import (
    Command,
    PeerIdentity,
    on_end_of_study,
    on_reception,
)
from storescp.uids import TransferSyntax


class StoreSCP:
    """Stores objects, and follows the study that is under way."""

    def __init__(
        self,
        storage: StorageSettings,
        run: Callable[[Command], None],
        dictionary: Callable[[], Dictionary] = standard,
        *,
        announce: Callable[[CurrentStudy, str], None] | None = None,
        wall_clock: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to store.

        Args:
            storage: what is done with objects.
            run: runs a command of the user.
            dictionary: gives the data dictionary.
            announce: is told of a complete study, and whether a `timeout`, the `next-study` or a `stop` ended it.
            wall_clock: seconds since 1970, for names.
            clock: seconds, monotonic, for the end of a study.
        """
        self.may_fail = False
        """Nothing can fail: the state of the study is in memory."""
        self._storage = storage
        self._supply = InstanceSupply(storage, dictionary, wall_clock=wall_clock, clock=clock)
        self.prepare = self._supply.prepare
        """Makes what the next object will need; see `InstanceSupply.prepare`."""
        self.put_away = self._supply.put_away
        """Removes that; see `InstanceSupply.put_away`."""
        self._wall_clock = wall_clock
        self._clock = clock
        self._run = run
        self._announce = announce
        self._studies = CurrentStudyTracker(
            timeout=storage.eostudy_timeout, keep_names=storage.rename_on_eostudy
        )
        self.deadline = self._studies.deadline
        """Returns when the study under way ends if no object of it comes (clock); None: never."""
        self._peer = PeerIdentity("", "", "")

    @property
    def output(self) -> OutputDirectory:
        """Output directory of the files."""
        return self._supply.output

    def begin(self, request: CStoreRQ, syntax: TransferSyntax, peer: PeerIdentity) -> Reception:
        """Return where the data set of a C-STORE-RQ goes."""
        self._peer = peer
        return self._supply.begin(self, request, syntax, peer)

    def after_response(self, outcome: Outcome, peer: PeerIdentity) -> None:
        """Do what follows an object, once its response was sent."""
        template = self._storage.exec_on_reception
        if template is not None and outcome.received is not None:
            self._run(on_reception(template, outcome.received, peer))
        if outcome.ended is not None:
            self._follow(outcome.ended, "next-study")

    def expire(self) -> None:
        """End the study under way if its time has come."""
        if (ended := self._studies.expire(self._clock())) is not None:
            self._follow(ended, "timeout")

    def end_association(self) -> None:
        """Leave no trace but the stored objects until the next association."""
        self._supply.end_association()

    def forget_study(self) -> None:
        """Begin anew: the next association is a world of its own."""
        self._studies.finish()

    def close(self) -> None:
        """End the study under way, because the program ends."""
        if (ended := self._studies.finish()) is not None:
            self._follow(ended, "stop")
        self.end_association()
        self.output.close()

    def place(self, attributes: Attributes) -> Destination:
        """Return where an object goes, and the study that it ends.

        Raises:
            CannotUnderstand: the object names no study, or its directory cannot be had.
        """
        rules = self._storage.rules
        if isinstance(rules.layout, Flat):
            return self._supply.unsorted
        uid = study_uid(attributes.study_instance_uid)
        directory = self._studies.directory_of(uid)
        if directory is not None:
            # Somebody may have moved it away, with what was in it.
            self.output.restore_study_directory(directory)
            return Destination(directory, uid)
        name = study_directory(
            rules.layout,
            uid,
            attributes.patient_name,
            attributes.specific_character_set,
            self._wall_clock(),
        )
        directory = self.output.make_study_directory(name)
        return Destination(directory, uid, self._studies.begin(uid, directory, self._clock()))

    def record(
        self,
        outcome: Outcome,
        destination: Destination | None,
        prefix: str,
        peer: PeerIdentity,  # noqa: ARG002
    ) -> Outcome:
        """Note a file of the study under way."""
        received = outcome.received
        if (
            destination is not None
            and destination.study is not None
            and received is not None
            and received.file_name is not None
        ):
            self._studies.stored(received.file_name, prefix, self._clock())
        return outcome

    def _follow(self, study: CurrentStudy, cause: str) -> None:
        """A study is complete: rename first, so that the command finds the final names."""
        if self._storage.rename_on_eostudy:
            rename_study(study.directory, study.files, durable=self._storage.durable)
        if self._announce is not None:
            self._announce(study, cause)
        if self._storage.exec_on_eostudy is not None:
            self._run(on_end_of_study(self._storage.exec_on_eostudy, study, self._peer))
