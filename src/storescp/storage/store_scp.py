"""One C-STORE after another: data set → transcoder → hidden file → final name → status → what follows.

PS3.4 annex B. A `Reception` lives as long as one data set; `StoreSCP` as long as the process, because the study under
way outlives associations. Nothing here knows of sockets, and whoever wants to know the time passes a clock.
"""

import logging
import time
from collections.abc import Callable

from storescp.dataset.dictionary import Dictionary, standard
from storescp.dataset.encoding import Attributes, Output
from storescp.dataset.familiar import Memory
from storescp.dataset.transcoder import Transcoder
from storescp.dimse.command import CStoreRQ
from storescp.errors import OutOfResources
from storescp.storage.files.instance_file import InstanceFile
from storescp.storage.files.output_directory import OutputDirectory
from storescp.storage.naming.rules import Flat, study_directory, study_uid
from storescp.storage.reception import (
    NOWHERE,
    BitPreservingReception,
    NormalReception,
    Outcome,
    Reception,
)
from storescp.storage.settings import Storing
from storescp.storage.studies.current_study import Study, StudyTracker
from storescp.storage.studies.renaming import rename_study
from storescp.storage.studies.user_commands import Command, Peer, on_end_of_study, on_reception
from storescp.uids import TransferSyntax

_logger = logging.getLogger("dcmtk.apps.storescp")


_MANY = 8
"""Objects in an association after which more are expected."""

_FRESH = 0.001
"""Seconds in which a file made ahead is taken to be there still: to ask takes one twentieth of a small object's time."""


class StoreSCP:
    """Stores objects, and follows the study that is under way."""

    def __init__(
        self,
        storing: Storing,
        run: Callable[[Command], None],
        dictionary: Callable[[], Dictionary] = standard,
        *,
        announce: Callable[[Study, str], None] | None = None,
        wall_clock: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to store.

        Args:
            storing: what is done with objects.
            run: runs a command of the user.
            dictionary: gives the data dictionary.
            announce: is told of a complete study, and whether a `timeout`, the `next-study` or a `stop` ended it.
            wall_clock: seconds since 1970, for names.
            clock: seconds, monotonic, for the end of a study.
        """
        self.storing = storing
        self.output = OutputDirectory(
            storing.rules.directory,
            durable=storing.durable,
            maximum_size=storing.maximum_size,
            reserve=storing.reserve,
        )
        self.wall_clock = wall_clock
        self.clock = clock
        self.dictionary = dictionary
        self.memory = Memory()
        self._run = run
        self._announce = announce
        self._studies = StudyTracker(
            timeout=storing.eostudy_timeout, keep_names=storing.rename_on_eostudy
        )
        self._peer = Peer("", "", "")
        self._syntax: TransferSyntax | None = None
        self._prepared: tuple[TransferSyntax, Transcoder] | None = None
        self._spare: InstanceFile | None = None
        self._spare_since = 0.0
        self._begun = 0  # objects of this association

    def begin(self, request: CStoreRQ, syntax: TransferSyntax, peer: Peer) -> Reception:
        """Return where the data set of a C-STORE-RQ goes."""
        self._peer = peer
        self._syntax = syntax
        if self.storing.bit_preserving:
            return BitPreservingReception(self, request, syntax, peer)
        return NormalReception(self, request, syntax, peer)

    def prepare(self) -> None:
        """Make what the next object will need, if it is like the last one: the peer is busy with it. Never raises."""
        if self._syntax is None:
            return
        try:  # no `suppress` here: on the hot path a context manager is too dear
            if self._prepared is None and not self.storing.bit_preserving:
                self._prepared = self._syntax, self.transcoder(self._syntax, NOWHERE)
            if self._begun >= _MANY and self._spare is None and not self.storing.ignore:
                self._spare = InstanceFile(self.output)
                self._spare_since = self.clock()
        except (OutOfResources, OSError, ImportError):
            return  # whoever needs it meets the error again, and has somebody to tell

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
            is_fresh = self.clock() - self._spare_since < _FRESH
            try:
                usable = (is_fresh or file.is_there) and self.output.has_reserve()
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
        return Transcoder(
            syntax,
            self.storing.encoding,
            output,
            dictionary=self.dictionary,
            memory=self.memory,
        )

    def after_response(self, outcome: Outcome, peer: Peer) -> None:
        """Do what follows an object, once its response was sent."""
        template = self.storing.exec_on_reception
        if template is not None and outcome.received is not None:
            self._run(on_reception(template, outcome.received, peer))
        if outcome.ended is not None:
            self._follow(outcome.ended, "next-study")

    def deadline(self) -> float | None:
        """Return when the study under way ends if no object of it comes (clock); None: never."""
        return self._studies.deadline

    def expire(self) -> None:
        """End the study under way if its time has come."""
        if (ended := self._studies.expire(self.clock())) is not None:
            self._follow(ended, "timeout")

    def end_association(self) -> None:
        """Leave no trace but the stored objects until the next association."""
        self._begun = 0
        self.put_away()
        self.output.tidy()

    def forget_study(self) -> None:
        """Begin anew: the next association is a world of its own."""
        self._studies.finish()

    def close(self) -> None:
        """End the study under way, because the program ends."""
        if (ended := self._studies.finish()) is not None:
            self._follow(ended, "stop")
        self.end_association()
        self.output.close()

    def place(self, attributes: Attributes) -> tuple[str, str | None, Study | None]:
        """Return the directory for an object, its study, and the study that it ended.

        Raises:
            CannotUnderstand: the object names no study, or its directory cannot be had.
        """
        rules = self.storing.rules
        if isinstance(rules.layout, Flat):
            return rules.directory, None, None
        uid = study_uid(attributes.study_instance_uid)
        directory = self._studies.directory_of(uid)
        if directory is not None:
            # Somebody may have moved it away, with what was in it.
            self.output.restore_study_directory(directory)
            return directory, uid, None
        name = study_directory(
            rules.layout,
            uid,
            attributes.patient_name,
            attributes.specific_character_set,
            self.wall_clock(),
        )
        directory = self.output.make_study_directory(name)
        return directory, uid, self._studies.begin(uid, directory, self.clock())

    def note_stored(self, name: str, prefix: str) -> None:
        """Note a file of the study under way."""
        self._studies.stored(name, prefix, self.clock())

    def _follow(self, study: Study, cause: str) -> None:
        """A study is complete: rename first, so that the command finds the final names."""
        if self.storing.rename_on_eostudy:
            rename_study(study.directory, study.files, durable=self.storing.durable)
        if self._announce is not None:
            self._announce(study, cause)
        if self.storing.exec_on_eostudy is not None:
            self._run(on_end_of_study(self.storing.exec_on_eostudy, study, self._peer))
