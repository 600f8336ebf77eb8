"""Stores objects of studies that are received side by side: each process receives, a `Tracker` has the view of all.

The order for an object: its study is entered, so that it cannot end; the file gets its name; the record is made; only
then is success sent. Where any of it fails, so does the object, and the sender sends it again.
"""

import contextlib
import logging
import os
import secrets
import time
from collections import deque
from collections.abc import Callable

from storescp.dataset.dictionary import Dictionary, standard
from storescp.dataset.encoding import Attributes
from storescp.dimse.command import CStoreRQ
from storescp.errors import CannotUnderstand, OutOfResources
from storescp.storage.files.output_directory import OutputDirectory
from storescp.storage.instance_supply import InstanceSupply
from storescp.storage.naming.rules import ByStudyUID, Flat, Sorting, study_directory, study_uid
from storescp.storage.reception import Destination, Outcome, Reception
from storescp.storage.settings import StorageSettings
from storescp.storage.studies.jobs import object_job
from storescp.storage.studies.study_store import Job, JobState, Round, RoundState, StoredFile
from storescp.storage.studies.tracker import Sender, Tracker
from storescp.storage.studies.user_commands import PeerIdentity, ReceivedObject
from storescp.uids import TransferSyntax

_logger = logging.getLogger("dcmtk.apps.storescp")

_PATIENCE_SECONDS = 7.0
"""Time that an object waits at most, in all, for the record and for the end of an earlier round of its study.

Senders give up after ten seconds, some of them: what cannot be recorded by then is refused while they listen.
"""
_PAUSE_SECONDS = 0.002
_AFTERWARDS_SECONDS = 0.2
"""Time that is waited for the record when an association is over: its process is wanted for the next one."""
_TRY_AGAIN_SECONDS = 0.5


class TrackingStoreSCP:
    """The storing part of one process; another process ends studies and runs commands (`serve.studies`)."""

    def __init__(
        self,
        storage: StorageSettings,
        tracker: Tracker,
        now: Callable[[], float],
        dictionary: Callable[[], Dictionary] = standard,
        *,
        run_at_once: Callable[[Job], Callable[[], None] | None] | None = None,
        notify: Callable[[], None] = lambda: None,
        step: Callable[[], None] = lambda: None,
        next_step: Callable[[], float | None] = lambda: None,
        wall_clock: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare to store.

        Args:
            storage: what is done with objects.
            tracker: follows the studies.
            now: the time of the tracker.
            dictionary: gives the data dictionary.
            run_at_once: runs the command of an object to its end, and returns what makes the record of that;
                None: others run it.
            notify: says that there is a new command. Never waits.
            step: is called between two objects when it is time. Never waits.
            next_step: returns when that is (clock), None: never.
            wall_clock: seconds since 1970, for names.
            clock: seconds, monotonic.
            sleep: waits.
        """
        self.may_fail = True
        """The record of an object is made when its file has its name."""
        self._storage = storage
        self._supply = InstanceSupply(storage, dictionary, wall_clock=wall_clock, clock=clock)
        self.prepare = self._supply.prepare
        """Makes what the next object will need; see `InstanceSupply.prepare`."""
        self.put_away = self._supply.put_away
        """Removes that; see `InstanceSupply.put_away`."""
        self._wall_clock = wall_clock
        self._clock = clock
        self._tracker = tracker
        self._now = now
        self._run_at_once = run_at_once
        self._notify = notify
        self._step = step
        self._next_step = next_step
        self._sleep = sleep
        self._sender = Sender("", "")
        self._entered: dict[str, Round] = {}
        self._patience = _PATIENCE_SECONDS  # what is left of it for the object in hand
        self._unsettled: deque[Callable[[], None]] = deque()  # what could not be recorded yet
        self._settle_at = 0.0

    @property
    def output(self) -> OutputDirectory:
        """Output directory of the files."""
        return self._supply.output

    def begin(self, request: CStoreRQ, syntax: TransferSyntax, peer: PeerIdentity) -> Reception:
        """Return where the data set of a C-STORE-RQ goes."""
        if not self._sender.association:
            self._sender = Sender(secrets.token_hex(8), str(os.getpid()), peer)
        self._patience = _PATIENCE_SECONDS
        return self._supply.begin(self, request, syntax, peer)

    def place(self, attributes: Attributes) -> Destination:
        """Return where an object goes: into the open round of its study.

        Raises:
            CannotUnderstand: the object names no study, or its directory cannot be had.
            OutOfResources: its study cannot be entered.
        """
        layout = self._storage.rules.layout
        if isinstance(layout, Flat):
            return self._supply.unsorted
        uid = study_uid(attributes.study_instance_uid)
        entered = self._entered.get(uid)
        if entered is None:
            entered = self._entered[uid] = self._enter(uid, layout, attributes)
        return Destination(entered.directory, uid, None, entered, self._make_sure_of)

    def record(
        self, outcome: Outcome, destination: Destination | None, prefix: str, peer: PeerIdentity
    ) -> Outcome:
        """Make the record of an object, and have its command follow.

        Raises:
            OutOfResources: the record cannot be made.
        """
        received = outcome.received
        if received is None:
            return outcome
        entered = None if destination is None else destination.study_round
        if entered is None or received.file_name is None:
            job = self._job(received, peer, None)
            if job is not None:
                self._tracker.add_job(job, patience=self._patience)
            return outcome._replace(job=job)
        job = None

        def make_job(current: Round) -> Job | None:
            nonlocal job
            job = self._job(received, peer, current)
            return job

        current = self._tracker.stored(
            entered,
            StoredFile(received.file_name, prefix[:2]),
            self._sender,
            self._now(),
            make_job,
            patience=self._patience,
        )
        if current is not entered:
            self._entered[current.study] = current
        # `_replace` takes three times as long, for each object.
        status, _, ended, attributes, size, error, _, _ = outcome
        return Outcome(status, received, ended, attributes, size, error, current.number, job)

    def _job(
        self, received: ReceivedObject, peer: PeerIdentity, entered: Round | None
    ) -> Job | None:
        """Return the command that follows an object."""
        template = self._storage.exec_on_reception
        if template is None:
            return None
        now, key = self._now(), secrets.token_hex(16)
        if self._run_at_once is None:
            return object_job(key, template, received, peer, entered, now)
        job = object_job(key, template, received, peer, entered, now, self._sender.owner)
        return job._replace(state=JobState.RUNNING, attempts=1)

    def after_response(self, outcome: Outcome, peer: PeerIdentity) -> None:  # noqa: ARG002
        """Do what follows an object, once its response was sent."""
        if (
            outcome.job is not None
            and self._run_at_once is not None
            and (note := self._run_at_once(outcome.job)) is not None
        ):
            self._settle(note)
        if outcome.job is not None:
            self._notify()
        due = self._next_step()
        if due is not None and self._clock() >= due:
            self._step()

    def deadline(self) -> float | None:
        """Return when `expire` is to be called next (clock); None: never."""
        return self._settle_at if self._unsettled else None

    def expire(self) -> None:
        """Make the records that could not be made before, if it is time; does not wait for long."""
        if self._unsettled and self._clock() >= self._settle_at:
            self._settle_all()

    def end_association(self) -> None:
        """Let the studies of the association go."""
        self._supply.end_association()
        if self._entered:
            self._entered.clear()
            association = self._sender.association
            self._settle(lambda: self._tracker.released(association, patience=_AFTERWARDS_SECONDS))
        self._sender = Sender("", "")

    def _settle(self, note: Callable[[], None]) -> None:
        """Make a record that nobody waits for; what cannot be recorded now is recorded later, in the same order."""
        self._unsettled.append(note)
        self._settle_all()

    def _settle_all(self) -> None:
        while self._unsettled:
            try:
                self._unsettled[0]()
            except OutOfResources as error:
                if not self._settle_at:
                    _logger.warning("%s; it is tried again", error)
                self._settle_at = self._clock() + _TRY_AGAIN_SECONDS
                return
            except Exception:  # a mistake of ours costs this record
                _logger.exception("internal error, a record is not made")
            self._unsettled.popleft()
        self._settle_at = 0.0

    def forget_study(self) -> None:
        """Do nothing: no study is that of a process."""

    def close(self) -> None:
        """Let everything go; studies go on."""
        self.end_association()
        self.output.close()

    # -- directories -------------------------------------------------------------------------------------------------

    def _enter(self, uid: str, layout: Sorting, attributes: Attributes) -> Round:
        """Return the open round of a study, whose directory is there.

        Raises:
            OutOfResources: the record cannot be made, or an earlier round of the study has not closed in time.
        """
        begun = self._clock()
        patience = self._patience

        def left() -> float:
            self._patience = max(0.0, patience - (self._clock() - begun))
            return self._patience

        while True:
            entered = self._tracker.enter(uid, None, self._sender, self._now(), patience=left())
            if entered is None:
                directory = self._make_directory(uid, layout, attributes)
                entered = self._tracker.enter(
                    uid, directory, self._sender, self._now(), patience=left()
                )
                if entered is None or entered.directory != directory:
                    self._give_back(directory)  # somebody else was first
            elif entered.state is RoundState.OPEN:
                self._make_sure_of(entered.directory)
            if entered is not None and entered.state is RoundState.OPEN:
                left()
                return entered
            if not left():
                raise OutOfResources(
                    f"the files of study {uid} are being renamed, which takes too long to wait for",
                    identifies=True,
                )
            self._sleep(_PAUSE_SECONDS)

    def _make_directory(self, uid: str, layout: Sorting, attributes: Attributes) -> str:
        name = study_directory(
            layout,
            uid,
            attributes.patient_name,
            attributes.specific_character_set,
            self._wall_clock(),
        )
        if isinstance(layout, ByStudyUID):
            return self.output.make_study_directory(name)
        number = 0
        while True:
            # Two studies may begin in one millisecond, and must not share a directory.
            try:
                return self.output.make_study_directory(
                    f"{name}_{number:04}" if number else name, new=True
                )
            except FileExistsError:
                number += 1

    def _make_sure_of(self, directory: str) -> None:
        """Make the directory of a round unless it is there, and if need be, have its name on disk.

        Raises:
            CannotUnderstand: it cannot be had any more.
        """
        if self._is_here(directory):
            self.output.make_study_directory(os.path.basename(directory))
        elif not os.path.isdir(directory):
            raise CannotUnderstand(
                f"the directory of the study is gone: {directory}", identifies=True
            )

    def _is_here(self, directory: str) -> bool:
        """Tell whether a directory is in our output directory; an earlier start may have had another one."""
        return directory == os.path.join(self.output.path, os.path.basename(directory))

    def _give_back(self, directory: str) -> None:
        with contextlib.suppress(OSError):  # it is in use
            os.rmdir(directory)
