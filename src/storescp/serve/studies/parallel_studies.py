"""Studies received side by side: puts together who remembers them, who ends them, and who stores their objects.

Where they are remembered: in the state directory if there is one; else, if several processes have to share it, in a
directory that lasts as long as they do; else in memory. A database server for several machines would be chosen here.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from storescp.dataset.dictionary import Dictionary
from storescp.errors import ConfigurationError, OutOfResources
from storescp.serve.process.children import Children
from storescp.serve.studies.command_pool import CommandPool, CommandSettings
from storescp.serve.studies.end_of_study import StudyFinisher
from storescp.serve.studies.state_directory import StateDirectory
from storescp.storage.settings import StorageSettings
from storescp.storage.studies.jobs import Retries
from storescp.storage.studies.memory_store import MemoryStore
from storescp.storage.studies.sqlite_store import SQLiteStore
from storescp.storage.studies.tracker import EndOfStudy, Tracker
from storescp.storage.studies.uptime import UpTime
from storescp.storage.tracking_scp import TrackingStoreSCP

if TYPE_CHECKING:
    from storescp.serve.reporting.event_hub import EventHub

_logger = logging.getLogger("dcmtk.apps.storescp")

_LAST_COMMANDS_SECONDS = 5.0
"""Seconds that running commands have when the program ends; those that are not done run again at its next start."""


@dataclass(frozen=True, slots=True)
class ParallelStudySettings:
    """How studies are received side by side."""

    shared: bool = False
    """Whether several processes receive."""
    state_directory: str | None = None
    """Where it is remembered; None: nowhere beyond the end of the program."""
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
        children: Children,
        hub: "EventHub | None" = None,
    ) -> None:
        """Open the state directory; nothing runs yet.

        Args:
            settings: how studies are received.
            storage: what is done with objects.
            dictionary: gives the data dictionary.
            children: the children of this process.
            hub: is told of what happens.

        Raises:
            ConfigurationError: the state directory cannot be had.
        """
        self._settings = settings
        self._storage = storage
        self._dictionary = dictionary
        self._state: StateDirectory | None = None
        self._store: MemoryStore | SQLiteStore = MemoryStore()
        if settings.shared or settings.state_directory is not None:
            self._state = StateDirectory(settings.state_directory, durable=storage.durable)
            self._store = SQLiteStore(self._state.database, durable=storage.durable)
        self._tracker = Tracker(self._store, settings.end_of_study, settings.retries)
        try:
            self._uptime = UpTime(self._tracker.time())
            self._tracker.recover(self._uptime())
        except OutOfResources as error:
            raise ConfigurationError(str(error)) from error
        self._pool = CommandPool(children, settings.running)
        self._study_finisher = StudyFinisher(
            self._tracker,
            self._uptime,
            storage,
            self._pool,
            synchronous=settings.running if settings.exec_sync else None,
            hub=hub,
        )
        self.step = self._study_finisher.step
        self.next_step = self._study_finisher.next_step

    def scp(self) -> TrackingStoreSCP:
        """Return what stores objects in this process."""
        return self._scp(self.step, self.next_step)

    def before_fork(self) -> None:
        """Let go of what a child must not have; it comes back when it is needed."""
        self._store.close()

    def in_child(self, notify: Callable[[], None]) -> TrackingStoreSCP:
        """Return what stores objects in a process that was forked, and calls `notify` when there is something to do."""
        return self._scp(notify, lambda: None)

    def _scp(
        self, step: Callable[[], None], next_step: Callable[[], float | None]
    ) -> TrackingStoreSCP:
        return TrackingStoreSCP(
            self._storage,
            self._tracker,
            self._uptime,
            self._dictionary,
            run_at_once=self._study_finisher.run_at_once if self._settings.exec_sync else None,
            step=step,
            next_step=next_step,
        )

    @property
    def descriptor(self) -> int:
        """What becomes readable when `step` has something to do."""
        return self._pool.descriptor

    def lost(self, pid: int) -> None:
        """A process that received is gone."""
        try:
            self._tracker.lost(str(pid))
        except OutOfResources as error:
            _logger.error("%s", error)

    def close(self) -> None:
        """The program ends: bring to an end what will not be remembered, and let go of the rest."""
        try:
            self._bring_to_an_end()
        except OutOfResources as error:
            _logger.error("%s", error)
        self._store.close()
        if self._state is not None:
            self._state.close()

    def _bring_to_an_end(self) -> None:
        if self._settings.state_directory is None:
            self._study_finisher.end_all()
            return
        limit = time.monotonic() + _LAST_COMMANDS_SECONDS
        while self._study_finisher.finish_running() and time.monotonic() < limit:
            time.sleep(0.01)
        self._tracker.save_time(self._uptime())
