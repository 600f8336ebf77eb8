"""One data set on its way into a file."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from storescp.dataset import file_meta
from storescp.dataset.encoding import Attributes, Output
from storescp.dataset.transcoder import Transcoder
from storescp.dimse.command import CStoreRQ
from storescp.errors import (
    CannotUnderstand,
    IdentityMismatch,
    InvalidDataSet,
    OutOfResources,
    StatusError,
)
from storescp.storage.files.instance_file import InstanceFile
from storescp.storage.files.output_directory import OutputDirectory
from storescp.storage.files.placement import Placement
from storescp.storage.naming.rules import file_name
from storescp.storage.naming.unique_uid import unique_uid
from storescp.storage.settings import StorageSettings
from storescp.storage.studies.current_study import CurrentStudy
from storescp.storage.studies.study_store import Job, Round
from storescp.storage.studies.user_commands import PeerIdentity, ReceivedObject
from storescp.uids import BIT_PRESERVING_VERSION_NAME, IMPLEMENTATION_VERSION_NAME, TransferSyntax

_logger = logging.getLogger("dcmtk.apps.storescp")


SUCCESS = 0x0000


_Fed = TypeVar("_Fed")

_NO_SOP_CLASS = b"1.2.276.0.7230010.3.1.0.1"
"""SOP Class UID in File Meta Information if the data set has none, same as the reference's."""


class Outcome(NamedTuple):
    """Result of a reception."""

    status: int
    """Status of the C-STORE-RSP, PS3.4 table B.2-1."""
    received: ReceivedObject | None = None
    """Object that a command may follow; None if nothing was stored."""
    ended: CurrentStudy | None = None
    """The study that this object of another one ended."""
    attributes: Attributes | None = None
    """Attributes of the data set; None if it was not parsed."""
    size: int | None = None
    """Size of the file in bytes."""
    error: StatusError | None = None
    """Reason, if nothing was stored."""
    study_round: int | None = None
    """Number of times that its study has begun, where that is known."""
    job: Job | None = None
    """The command that follows it, where commands are jobs."""


class Destination(NamedTuple):
    """Destination of an object."""

    directory: str
    study: str | None = None
    """Study Instance UID, where objects are sorted."""
    ended: CurrentStudy | None = None
    """The study that this object of another one ends."""
    study_round: Round | None = None
    """Round that the object belongs to, where studies are received in parallel."""
    restore: Callable[[str], None] | None = None
    """Makes the directory anew if it is gone."""


class Reception(Protocol):
    """One data set on its way."""

    def feed(self, fragment: memoryview) -> None:
        """Take the next fragment; views of it are kept until `flush` or `finish`.

        Of a data set that will not be stored, the rest is taken and forgotten.
        """
        ...

    def feed_all(self, fragments: Sequence[memoryview]) -> None:
        """Take the next fragments, as `feed` takes each of them."""
        ...

    def flush(self) -> None:
        """Write what was kept."""
        ...

    def finish(self) -> Outcome:
        """Store the object, now that all of it has come, or say why not."""
        ...

    def discard(self) -> None:
        """Forget the object; leaves no file. Never raises."""
        ...


class Supply(Protocol):
    """Supply of files and transcoders; see `instance_supply`."""

    @property
    def storage(self) -> StorageSettings:
        """Settings of storing."""
        ...

    @property
    def output(self) -> OutputDirectory:
        """Output directory of the files."""
        ...

    @property
    def unsorted(self) -> Destination:
        """Destination of objects that are not sorted by study."""
        ...

    @property
    def wall_clock(self) -> Callable[[], float]:
        """Seconds since 1970, for names."""
        ...

    def new_file(self, header: bytes) -> InstanceFile:
        """Return a file in the making.

        Raises:
            OutOfResources: it cannot be created.
        """
        ...

    def transcoder(self, syntax: TransferSyntax, output: Output) -> Transcoder:
        """Return what writes a data set to `output`.

        Raises:
            OSError, ImportError: a module that it needs cannot be loaded.
        """
        ...


class Studies(Protocol):
    """Knows where objects belong, and what was stored."""

    @property
    def may_fail(self) -> bool:
        """True if `record` may raise: an object that has its file must then be withdrawn.

        If it may not, `record` need not be called for an object that belongs to no study.
        """
        ...

    def place(self, attributes: Attributes) -> Destination:
        """Return where an object goes.

        Raises:
            CannotUnderstand: the object names no study, or its directory cannot be had.
            OutOfResources: the object cannot be recorded.
        """
        ...

    def record(
        self, outcome: Outcome, destination: Destination | None, prefix: str, peer: PeerIdentity
    ) -> Outcome:
        """Note what was stored; return what became of it then.

        Args:
            outcome: of an object that counts as received.
            destination: where it is; None: it was received and forgotten.
            prefix: what its file name says of its modality.
            peer: its sender.

        Raises:
            OutOfResources: it cannot be noted, and counts as not stored.
        """
        ...


class _Discard:
    """Takes a data set that is not to be written."""

    def write(self, chunk: bytes | memoryview) -> None:
        """Forget it."""

    def write_all(self, chunks: Sequence[memoryview], length: int) -> None:
        """Forget them."""

    def patch(self, position: int, data: bytes) -> None:
        """Forget it."""


NOWHERE = _Discard()


class _InstanceReception(ABC):
    """Base of both receptions: an unfinished file, failures, and the record at the end."""

    def __init__(
        self,
        supply: Supply,
        studies: Studies,
        request: CStoreRQ,
        peer: PeerIdentity,
        header: bytes,
    ) -> None:
        self._supply = supply
        self._studies = studies
        self._storage = supply.storage
        self._request = request
        self._peer = peer
        self._name = file_name(
            supply.storage.rules,
            request.affected_sop_class_uid,
            request.affected_sop_instance_uid,
            supply.wall_clock(),
        )
        self._failure: StatusError | None = None
        self._destination: Destination | None = None
        self._placement: Placement | None = None
        self._file: InstanceFile | None = None
        if not supply.storage.ignore:
            try:
                self._file = supply.new_file(header)
            except OutOfResources as error:
                self._fail(error)

    def finish(self) -> Outcome:
        outcome = self._finish() if self._failure is None else self._refused(self._failure)
        if outcome.received is None:
            return outcome
        studies, destination = self._studies, self._destination
        if studies.may_fail:
            return self._record_or_withdraw(outcome)
        if destination is None or destination is self._supply.unsorted:
            return outcome
        return studies.record(outcome, destination, self._name.prefix, self._peer)

    def _record_or_withdraw(self, outcome: Outcome) -> Outcome:
        """Note what was stored; take it back if that fails."""
        placement, self._placement = self._placement, None
        try:
            outcome = self._studies.record(
                outcome, self._destination, self._name.prefix, self._peer
            )
        except OutOfResources as error:
            if placement is not None:
                placement.withdraw()
            _logger.error("%s", error)
            return Outcome(error.status, error=error)
        except BaseException:
            if placement is not None:
                placement.withdraw()
            raise
        if placement is not None:
            placement.settle()
        return outcome

    @abstractmethod
    def _finish(self) -> Outcome:
        """Store the object."""

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
        """Give up the object: log why, and leave nothing.

        Why a data set cannot be parsed is for the network layer to say, as in the reference.
        """
        self.discard()
        path = f"{directory or self._storage.rules.directory}/{self._name.text}"
        if isinstance(error, OutOfResources):
            _logger.error("cannot write DICOM file: %s: %s", path, error)
        elif not isinstance(error, InvalidDataSet):
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


class BitPreservingReception(_InstanceReception):
    """Writes the data set as it comes: nothing is parsed, nothing is checked."""

    def __init__(
        self,
        supply: Supply,
        studies: Studies,
        request: CStoreRQ,
        syntax: TransferSyntax,
        peer: PeerIdentity,
    ) -> None:
        header = b""
        if supply.storage.with_meta:
            header = file_meta.encode(
                request.affected_sop_class_uid,
                request.affected_sop_instance_uid,
                syntax.uid,
                peer.calling_ae_title,
                version_name=BIT_PRESERVING_VERSION_NAME,
            )
        super().__init__(supply, studies, request, peer, header)

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

    def _finish(self) -> Outcome:
        if self._file is None:
            return Outcome(SUCCESS, self._received(SUCCESS, None, None))
        directory = self._storage.rules.directory
        self._destination = self._supply.unsorted
        try:
            stored = self._file.commit(
                directory, self._name, look=False, keep=self._studies.may_fail
            )
        except OutOfResources as error:
            return self._refused(error)
        self._placement = stored.placement
        received = self._received(SUCCESS, directory, stored.name)
        return Outcome(SUCCESS, received, size=self._file.size)


class NormalReception(_InstanceReception):
    """Parses the data set and writes it anew, as far as it is not the same anyhow."""

    def __init__(
        self,
        supply: Supply,
        studies: Studies,
        request: CStoreRQ,
        syntax: TransferSyntax,
        peer: PeerIdentity,
    ) -> None:
        self._written = supply.storage.encoding.transfer_syntax or syntax.uid
        self._calling_ae_title = peer.calling_ae_title
        # What the command says is right for every object that is what it should be.
        header = self._encode_header(
            supply.storage, request.affected_sop_class_uid, request.affected_sop_instance_uid
        )
        super().__init__(supply, studies, request, peer, header)
        self._header = header
        self._made_uid = b""
        try:
            self._transcoder = supply.transcoder(syntax, self._file or NOWHERE)
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

    def _finish(self) -> Outcome:
        try:
            attributes = self._transcoder.finish(self._header_length)
            if self._file is None:
                received = self._received(SUCCESS, None, None)
                return Outcome(SUCCESS, received, attributes=attributes)
            return self._store(self._file, attributes)
        except OutOfResources as error:
            if self._storage.ignore:  # what cannot be written need not be
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
        destination = self._destination = self._studies.place(attributes)
        directory = destination.directory
        path = f"{directory}/{self._name.text}"
        if not self._name.stem and _logger.isEnabledFor(logging.INFO):
            _logger.info("storing DICOM file: %s", path)
        try:
            stored = file.commit(
                directory,
                self._name,
                keep=self._studies.may_fail,
                restore=destination.restore,
            )
        except OutOfResources as error:
            refused = self._refused(error, directory)
            return refused._replace(ended=destination.ended)
        if self._name.stem:  # which name was free is known only now
            path = stored.path
            _logger.info("storing DICOM file: %s", path)
        if stored.replaced:
            _logger.warning("DICOM file already exists, overwriting: %s", path)
        if status == CannotUnderstand.status:
            _logger.error("bad DICOM file: %s", path)
        self._placement = stored.placement
        received = self._received(status, directory, stored.name, destination.study)
        return Outcome(status, received, destination.ended, attributes, file.size)

    def _in_order(self, file: InstanceFile) -> InstanceFile:
        """Return the file itself, or another one where one pass was not enough."""
        while self._transcoder.needs_second_pass:
            with file:  # which is not the one to keep
                self._file = another = InstanceFile(self._supply.output, self._header)
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
            self._storage, sop_class.decode("latin-1"), instance.decode("latin-1")
        )
        return len(self._header)

    def _encode_header(self, storage: StorageSettings, sop_class: str, instance: str) -> bytes:
        if not storage.with_meta:
            return b""
        return file_meta.encode(
            sop_class,
            instance,
            self._written,
            self._calling_ae_title,
            version_name=IMPLEMENTATION_VERSION_NAME,
        )
