"""Studies received side by side: connects their store, the process that ends them, and the storage of their objects.

They are remembered in the state directory if there is one, else in a directory that lasts as long as the program. Each
process that stores objects makes the record of them itself; one process of its own ends studies and runs commands
(`study_process`), so that nobody who accepts connections has to wait for either. A database server for several machines
would be chosen here.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from storescp.dataset.dictionary import Dictionary
from storescp.errors import ConfigurationError, OutOfResources
from storescp.serve.process.children import Children
from storescp.serve.process.signals import Signals
from storescp.serve.studies.command_pool import (
    CommandPool,
    CommandSettings,
    Ended,
    end_group,
    run_to_its_end,
)
from storescp.serve.studies.end_of_study import StudyFinisher
from storescp.serve.studies.job_results import JobResults
from storescp.serve.studies.state_directory import StateDirectory, remove_leftovers
from storescp.serve.studies.study_process import Reports, StudyProcess
from storescp.storage.settings import StorageSettings
from storescp.storage.studies import jobs
from storescp.storage.studies.jobs import Retries
from storescp.storage.studies.sqlite_store import SQLiteStore
from storescp.storage.studies.store_lock import LockHolder
from storescp.storage.studies.study_store import Job
from storescp.storage.studies.tracker import EndOfStudy, Tracker
from storescp.storage.studies.uptime import UpTime
from storescp.storage.tracking_scp import TrackingStoreSCP

if TYPE_CHECKING:
    from storescp.serve.reporting.event_hub import EventHub

_logger = logging.getLogger("dcmtk.apps.storescp")

_START_PATIENCE_SECONDS = 30.0
"""Time to wait for other programs that look into the record, before anybody can connect."""
_LEAST_END_SECONDS = 1.0
"""Time that the end of studies has in any case, however long workers took to end."""


@dataclass(frozen=True, slots=True)
class ParallelStudySettings:
    """Settings for receiving studies side by side."""

    state_directory: str | None = None
    """State directory; None: the state ends with the program."""
    end_of_study: EndOfStudy = field(default_factory=EndOfStudy)
    retries: Retries = field(default_factory=Retries)
    running: CommandSettings = field(default_factory=CommandSettings)
    exec_sync: bool = False


class ParallelStudies:
    """The studies and commands of one receiver, of which it takes over what an earlier start has left."""

    def __init__(
        self,
        settings: ParallelStudySettings,
        storage: StorageSettings,
        dictionary: Callable[[], Dictionary],
        signals: Signals,
        children: Children,
        hub: "EventHub | None" = None,
        *,
        leave: Callable[[], None] = lambda: None,
    ) -> None:
        """Open the state directory; nothing runs yet.

        Args:
            settings: how studies are received.
            storage: what is done with objects.
            dictionary: gives the data dictionary.
            signals: the signals of this process.
            children: the children of this process.
            hub: is told of what happens.
            leave: lets go, in a process that does not receive, of what the receiver has, such as sockets.

        Raises:
            ConfigurationError: the state directory cannot be had.
        """
        self._settings = settings
        self._storage = storage
        self._dictionary = dictionary
        self._signals = signals
        self._hub = hub
        self._leave = leave
        # Also where this state is kept: the start before may have had other options.
        remove_leftovers(time.time())
        self._state = StateDirectory(settings.state_directory, durable=storage.durable)
        self._store = SQLiteStore(
            self._state.database,
            durable=storage.durable,
            kept=settings.state_directory is not None,
            holder=LockHolder(),
        )
        self._tracker = Tracker(self._store, settings.end_of_study, settings.retries)
        try:
            self._uptime = UpTime(self._tracker.time(patience=_START_PATIENCE_SECONDS))
            left = self._tracker.recover(self._uptime(), patience=_START_PATIENCE_SECONDS)
        except OutOfResources as error:
            raise ConfigurationError(str(error)) from error
        if any(left):
            _logger.info(
                "Resumed from %s: open studies: %d, commands to run: %d", self._state.path, *left
            )
        self._process = StudyProcess(
            lambda reports: self._make_finisher(reports, children),
            children,
            leave=self._leave_receiver,
        )
        self.descriptor = self._process.descriptor
        """Descriptor that becomes readable when `tend` has something to do."""

    def start(self) -> None:
        """Start the process that ends studies.

        Raises:
            ConfigurationError: the system has no room for it.
        """
        try:
            self._process.start()
        except OSError as error:
            raise ConfigurationError(f"cannot start a process: {error.strerror}") from error

    # -- the main process

    def tend(self) -> None:
        """See to the process that ends studies. Never waits, never raises."""
        self._process.tend()

    def next_turn(self) -> float | None:
        """Return when to call `tend` (`time.monotonic`), None: when `descriptor` is readable."""
        return self._process.next_turn()

    @property
    def pauses_reception(self) -> bool:
        """True if no association may be accepted now, because of `--exec-sync`."""
        return self._process.is_pausing

    @property
    def failure(self) -> str:
        """Reason why the program cannot go on; empty: it can."""
        return self._process.failure

    def lost(self, pid: int) -> None:
        """Note that a process which received is gone. Never waits."""
        self._process.lost(pid)

    def stop(self) -> None:
        """Note that the program ends. Commands that will run at the next start are not started any more."""
        if self._settings.state_directory is not None:
            self._process.stop()

    def close(self) -> None:
        """End: bring to an end what will not be remembered, and let go of the rest."""
        now = time.monotonic()
        self._process.end(max(self._signals.stop_deadline or now, now + _LEAST_END_SECONDS))
        self._store.close()
        self._state.close()

    # -- processes that receive

    def scp(self) -> TrackingStoreSCP:
        """Return what stores objects in the main process, which sees to the end of studies between two of them."""
        return self._scp(self._process.tend, self._process.next_turn)

    def in_child(self) -> TrackingStoreSCP:
        """Return what stores objects in a worker."""
        return self._scp(lambda: None, lambda: None)

    def _scp(
        self, step: Callable[[], None], next_step: Callable[[], float | None]
    ) -> TrackingStoreSCP:
        return TrackingStoreSCP(
            self._storage,
            self._tracker,
            self._uptime,
            self._dictionary,
            run_at_once=self._run_at_once if self._settings.exec_sync else None,
            notify=self._process.nudge,
            step=step,
            next_step=next_step,
        )

    def _run_at_once(self, job: Job) -> Callable[[], None] | None:
        """Run a command to its end; return what makes the record of that, None: the next start will run it again."""
        command = jobs.command(job)
        results = JobResults(self._tracker, self._uptime, self._hub)
        begun = time.monotonic()
        pid, why, code = run_to_its_end(
            command,
            self._settings.running.time_limit,
            lambda: self._signals.stop_deadline,
            lambda pid: results.started(job, command.line, pid),
        )
        if why is None:
            if pid is not None and self._settings.state_directory is not None:
                end_group(pid)
            _logger.warning("command '%s' still runs: the program ends without it", command.line)
            return None
        ended = Ended(job, pid, why, code, time.monotonic() - begun)
        return lambda: results.ended(ended)

    # -- the process that ends studies

    def _leave_receiver(self) -> None:
        self._leave()
        if self._hub is not None:
            self._hub.in_child()

    def _make_finisher(self, reports: Reports, children: Children) -> StudyFinisher:
        settings = self._settings
        running = settings.running
        if settings.exec_sync:
            running = replace(running, at_once=1)
        return StudyFinisher(
            self._tracker,
            self._uptime,
            self._storage,
            CommandPool(children, running),
            is_kept=settings.state_directory is not None,
            pauses_reception=reports.pause_reception if settings.exec_sync else None,
            resumes_reception=reports.resume_reception,
            fails=reports.failed,
            hub=self._hub,
        )
