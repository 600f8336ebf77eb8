"""One C-STORE after another: data set → transcoder → hidden file → final name → status → what follows.

PS3.4 annex B. A `Reception` lives as long as one data set; `StoreSCP` as long as the process, because the study under
way outlives associations. Nothing here knows of sockets, and whoever wants to know the time passes a clock.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from storescp.dataset import file_meta
from storescp.dataset.dictionary import Dictionary, standard
from storescp.dataset.encoding import Attributes, Encoding, Output
from storescp.dataset.familiar import Memory
from storescp.dataset.transcoder import Transcoder
from storescp.dimse.command import CStoreRQ
from storescp.errors import CannotUnderstand, IdentityMismatch, OutOfResources, StatusError
from storescp.storage.files.instance_file import InstanceFile
from storescp.storage.files.output_directory import OutputDirectory
from storescp.storage.naming.rules import Flat, Rules, file_name, study_directory, study_uid
from storescp.storage.naming.unique_uid import unique_uid
from storescp.storage.studies.current_study import Study, StudyTracker
from storescp.storage.studies.renaming import rename_study
from storescp.storage.studies.user_commands import (
    Command,
    Peer,
    ReceivedObject,
    on_end_of_study,
    on_reception,
)
from storescp.uids import (
    BIT_PRESERVING_VERSION_NAME,
    IMPLEMENTATION_VERSION_NAME,
    TransferSyntax,
)

_logger = logging.getLogger("dcmtk.apps.storescp")

SUCCESS = 0x0000

_MANY = 8
"""Objects in an association after which more are expected."""

_FRESH = 0.001
"""Seconds in which a file made ahead is taken to be there still: to ask takes one twentieth of a small object's time."""

_Fed = TypeVar("_Fed")

_NO_SOP_CLASS = b"1.2.276.0.7230010.3.1.0.1"
"""What File Meta Information names if the data set does not, as the reference has it."""


@dataclass(frozen=True, slots=True)
class Storing:
    """What is done with received objects."""

    rules: Rules
    encoding: Encoding
    bit_preserving: bool = False
    """Whether bytes are written as they come."""
    with_meta: bool = True
    """Whether preamble and File Meta Information precede the data set, PS3.10 7.1."""
    ignore: bool = False
    """Whether objects are received and forgotten."""
    durable: bool = False
    """Whether success means that file and directory are on disk."""
    maximum_size: int | None = None
    """Of a file, in bytes; larger objects are refused."""
    reserve: int = 0
    """Bytes that must be free in the file system; else objects are refused before anything is written."""
    exec_on_reception: str | None = None
    exec_on_eostudy: str | None = None
    rename_on_eostudy: bool = False
    eostudy_timeout: float | None = None
    """Seconds after its last object in which a study ends; None: never."""


class Outcome(NamedTuple):
    """What became of an object."""

    status: int
    """For the C-STORE-RSP, PS3.4 table B.2-1."""
    received: ReceivedObject | None = None
    """What a command may follow; None if nothing was stored."""
    ended: Study | None = None
    """The study that this object of another one ended."""
    attributes: Attributes | None = None
    """What the data set says of itself; None if it was not parsed."""
    size: int | None = None
    """Of the file, in bytes."""
    error: StatusError | None = None
    """If nothing was stored: the reason."""
    study_round: int | None = None
    """How often its study has begun, where that is known."""


class Reception(Protocol):
    """One data set on its way."""

    def feed(self, fragment: memoryview) -> None:
        """Take the next fragment; views of it are kept until `flush` or `finish`.

        Raises:
            InvalidDataSet: it cannot be parsed.
        """
        ...

    def feed_all(self, fragments: Sequence[memoryview]) -> None:
        """Take the next fragments, as `feed` takes each of them."""
        ...

    def flush(self) -> None:
        """Write what was kept."""
        ...

    def finish(self) -> Outcome:
        """Store the object, now that all of it has come.

        Raises:
            InvalidDataSet: it cannot be parsed.
        """
        ...

    def discard(self) -> None:
        """Forget the object; leaves no file. Never raises."""
        ...


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
            return _BitPreserving(self, request, syntax, peer)
        return _Normal(self, request, syntax, peer)

    def prepare(self) -> None:
        """Make what the next object will need, if it is like the last one: the peer is busy with it. Never raises."""
        if self._syntax is None:
            return
        try:  # no `suppress` here: on the hot path a context manager is too dear
            if self._prepared is None and not self.storing.bit_preserving:
                self._prepared = self._syntax, self.transcoder(self._syntax, _NOWHERE)
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


class _Discard:
    """Takes a data set that is not to be written."""

    def write(self, chunk: bytes | memoryview) -> None:
        """Forget it."""

    def write_all(self, chunks: Sequence[memoryview], length: int) -> None:
        """Forget them."""

    def patch(self, position: int, data: bytes) -> None:
        """Forget it."""


_NOWHERE = _Discard()


class _InstanceReception:
    """What receptions of both modes have in common: a file in the making, and failures."""

    def __init__(
        self, scp: StoreSCP, request: CStoreRQ, syntax: TransferSyntax, peer: Peer, header: bytes
    ) -> None:
        self._scp = scp
        self._storing = scp.storing
        self._request = request
        self._syntax = syntax
        self._peer = peer
        self._name = file_name(
            scp.storing.rules,
            request.affected_sop_class_uid,
            request.affected_sop_instance_uid,
            scp.wall_clock(),
        )
        self._failure: StatusError | None = None
        self._file: InstanceFile | None = None
        if not scp.storing.ignore:
            try:
                self._file = scp.new_file(header)
            except OutOfResources as error:
                self._fail(error)

    def flush(self) -> None:
        if self._file is not None:
            try:
                self._file.flush()
            except OutOfResources as error:
                self._fail(error)

    def discard(self) -> None:
        if self._file is not None:
            self._file.discard()
            self._file = None

    def _fail(self, error: StatusError) -> None:
        """The object will not be stored; what is left of it is received and forgotten."""
        self._failure = error
        self.discard()

    def _refused(self, error: StatusError, directory: str | None = None) -> Outcome:
        """Give up the object: log why, and leave nothing."""
        self.discard()
        path = f"{directory or self._storing.rules.directory}/{self._name.text}"
        if isinstance(error, OutOfResources):
            _logger.error("cannot write DICOM file: %s: %s", path, error)
        else:
            _logger.error("%s", error)
        return Outcome(error.status, error=error)

    def _received(
        self, status: int, directory: str | None, name: str | None, study: str | None = None
    ) -> ReceivedObject:
        request = self._request
        return ReceivedObject(
            request.affected_sop_class_uid,
            request.affected_sop_instance_uid,
            status,
            directory,
            name,
            study,
        )


def _cannot_load(error: OSError | ImportError) -> OutOfResources:
    """Return the failure where a module, loaded when it is first needed, cannot be: it takes descriptors and memory."""
    return OutOfResources((isinstance(error, OSError) and error.strerror) or str(error))


class _BitPreserving(_InstanceReception):
    """Writes the data set as it comes: nothing is parsed, nothing is checked."""

    def __init__(
        self, scp: StoreSCP, request: CStoreRQ, syntax: TransferSyntax, peer: Peer
    ) -> None:
        header = b""
        if scp.storing.with_meta:
            header = file_meta.encode(
                request.affected_sop_class_uid,
                request.affected_sop_instance_uid,
                syntax.uid,
                peer.calling_ae_title,
                version_name=BIT_PRESERVING_VERSION_NAME,
            )
        super().__init__(scp, request, syntax, peer, header)

    def feed(self, fragment: memoryview) -> None:
        if self._file is not None:
            try:
                self._file.write(fragment)
            except OutOfResources as error:
                self._fail(error)

    def feed_all(self, fragments: Sequence[memoryview]) -> None:
        if self._file is not None:
            try:
                self._file.write_all(fragments, sum(map(len, fragments)))
            except OutOfResources as error:
                self._fail(error)

    def finish(self) -> Outcome:
        if self._failure is not None:
            return self._refused(self._failure)
        if self._file is None:
            return Outcome(SUCCESS, self._received(SUCCESS, None, None))
        directory = self._storing.rules.directory
        try:
            stored = self._file.commit(directory, self._name, look=False)
        except OutOfResources as error:
            return self._refused(error)
        received = self._received(SUCCESS, directory, stored.name)
        return Outcome(SUCCESS, received, size=self._file.size)


class _Normal(_InstanceReception):
    """Parses the data set and writes it anew, as far as it is not the same anyhow."""

    def __init__(
        self, scp: StoreSCP, request: CStoreRQ, syntax: TransferSyntax, peer: Peer
    ) -> None:
        self._written = scp.storing.encoding.transfer_syntax or syntax.uid
        self._calling_ae_title = peer.calling_ae_title
        # What the command says is right for every object that is what it should be.
        header = self._encode_header(
            scp.storing, request.affected_sop_class_uid, request.affected_sop_instance_uid
        )
        super().__init__(scp, request, syntax, peer, header)
        self._header = header
        self._made_uid = b""
        try:
            self._transcoder = scp.transcoder(syntax, self._file or _NOWHERE)
        except (OSError, ImportError) as error:
            self._fail(_cannot_load(error))

    def feed(self, fragment: memoryview) -> None:
        if self._failure is None:
            self._feed(self._transcoder.feed, fragment)

    def feed_all(self, fragments: Sequence[memoryview]) -> None:
        if self._failure is None:
            self._feed(self._transcoder.feed_all, fragments)

    def _feed(self, take: Callable[[_Fed], None], fed: _Fed) -> None:
        try:
            take(fed)
        except StatusError as error:
            self._fail(error)
        except (OSError, ImportError) as error:
            self._fail(_cannot_load(error))

    def finish(self) -> Outcome:
        if self._failure is not None:
            return self._refused(self._failure)
        try:
            attributes = self._transcoder.finish(self._header_length)
            if self._file is None:
                received = self._received(SUCCESS, None, None)
                return Outcome(SUCCESS, received, attributes=attributes)
            return self._store(self._file, attributes)
        except OutOfResources as error:
            if self._storing.ignore:  # what cannot be written need not be
                return Outcome(SUCCESS, self._received(SUCCESS, None, None))
            return self._refused(error)
        except StatusError as error:
            return self._refused(error)
        except (OSError, ImportError) as error:
            return self._refused(_cannot_load(error))

    def _store(self, file: InstanceFile, attributes: Attributes) -> Outcome:
        """Complete the file: header, order, place, name."""
        status = self._check_identity(attributes)
        if status != SUCCESS:
            self._header_length(attributes)  # only padding has asked for it so far
        file = self._in_order(file)
        if file.header != self._header:
            file.header = self._header
        directory, study, ended = self._scp.place(attributes)
        path = f"{directory}/{self._name.text}"
        if not self._name.stem:
            _logger.info("storing DICOM file: %s", path)
        try:
            stored = file.commit(directory, self._name)
        except OutOfResources as error:
            refused = self._refused(error, directory)
            return refused._replace(ended=ended)
        if self._name.stem:  # which name was free is known only now
            path = stored.path
            _logger.info("storing DICOM file: %s", path)
        if stored.replaced:
            _logger.warning("DICOM file already exists, overwriting: %s", path)
        if status == CannotUnderstand.status:
            _logger.error("bad DICOM file: %s", path)
        if study is not None:
            self._scp.note_stored(stored.name, self._name.prefix)
        received = self._received(status, directory, stored.name, study)
        return Outcome(status, received, ended, attributes, file.size)

    def _in_order(self, file: InstanceFile) -> InstanceFile:
        """Return the file itself, or another one where one pass was not enough."""
        while self._transcoder.needs_second_pass:
            with file:  # which is not the one to keep
                self._file = another = InstanceFile(self._scp.output, self._header)
                self._transcoder.rewrite(file, another)
            file = another
        return file

    def _check_identity(self, attributes: Attributes) -> int:
        """Return the status for what the data set says it is, against what the command said."""
        sop_class, instance = attributes.sop_class_uid, attributes.sop_instance_uid
        if sop_class is None or instance is None:
            return CannotUnderstand.status
        request = self._request
        if (
            sop_class.decode("latin-1") != request.affected_sop_class_uid
            or instance.decode("latin-1") != request.affected_sop_instance_uid
        ):
            return IdentityMismatch.status
        return SUCCESS

    def _header_length(self, attributes: Attributes) -> int:
        """Make the header that tells what the data set is; return its length in bytes."""
        if self._check_identity(attributes) == SUCCESS:
            return len(self._header)
        sop_class, instance = attributes.sop_class_uid, attributes.sop_instance_uid
        if sop_class is None:
            sop_class = _NO_SOP_CLASS
        if instance is None:
            # One for this object, however often it is asked for.
            self._made_uid = instance = self._made_uid or unique_uid().encode()
        self._header = self._encode_header(
            self._storing, sop_class.decode("latin-1"), instance.decode("latin-1")
        )
        return len(self._header)

    def _encode_header(self, storing: Storing, sop_class: str, instance: str) -> bytes:
        if not storing.with_meta:
            return b""
        return file_meta.encode(
            sop_class,
            instance,
            self._written,
            self._calling_ae_title,
            version_name=IMPLEMENTATION_VERSION_NAME,
        )
