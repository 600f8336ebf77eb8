"""Ends studies and runs commands when they are due: the part of reception in parallel that one process has for all.

The order for a study: it is marked as ending, so that no object enters it; its files get their final names; it is
announced; its command becomes a job, and the study is open for another round. Killed in between, the next start goes
on from the mark, so that each of it happens at least once.
"""

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from storescp.errors import OutOfResources
from storescp.serve.studies.command_pool import CommandPool, CommandSettings, Ended, run_to_its_end
from storescp.storage.settings import StorageSettings
from storescp.storage.studies import jobs
from storescp.storage.studies.final_names import give_final_names
from storescp.storage.studies.study_store import Job, Round
from storescp.storage.studies.tracker import Tracker
from storescp.storage.studies.uptime import UpTime

if TYPE_CHECKING:
    from storescp.serve.reporting.event_hub import EventHub

_logger = logging.getLogger("dcmtk.apps.storescp")

_BUSY_POLL_SECONDS = 0.25
"""Seconds between looks at what other processes have brought, while anything is open."""
_IDLE_POLL_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_SAVE_TIME_SECONDS = 10.0
_LAST_COMMANDS_SECONDS = 15.0
"""Seconds that commands have when the program ends for good: those of objects, then those of studies."""


class StudyFinisher:
    """Looks what is due, and does it."""

    def __init__(
        self,
        tracker: Tracker,
        uptime: UpTime,
        storage: StorageSettings,
        pool: CommandPool,
        *,
        synchronous: CommandSettings | None = None,
        hub: "EventHub | None" = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            tracker: follows studies and commands.
            uptime: its time.
            storage: what is done at the end of a study.
            pool: runs commands.
            synchronous: run commands one after the other, and wait for each; None: have the pool run them.
            hub: is told of it.
            clock: seconds, monotonic.
        """
        self._tracker = tracker
        self._uptime = uptime
        self._storage = storage
        self._pool = pool
        self._synchronous = synchronous
        self._hub = hub
        self._clock = clock
        self._next = 0.0
        self._saved = 0.0

    def step(self) -> None:
        """Do what is due."""
        try:
            for ended in self._pool.collect():
                self._finish(ended)
            for one in self._tracker.end_due(self._uptime()):
                self._end(one)
            self._start_commands()
            self._next = self._find_next()
        except OutOfResources as error:
            _logger.error("%s", error)
            self._next = self._clock() + _RETRY_SECONDS

    def next_step(self) -> float:
        """Return when to call `step` again, unless something happens before (clock)."""
        return self._next

    def _find_next(self) -> float:
        now = self._clock()
        if not len(self._pool) and self._tracker.is_idle():
            return now + _IDLE_POLL_SECONDS
        if now >= self._saved + _SAVE_TIME_SECONDS:
            self._saved = now
            self._tracker.save_time(self._uptime())
        return now + _BUSY_POLL_SECONDS

    # -- studies -----------------------------------------------------------------------------------------------------

    def _end(self, one: Round) -> None:
        if self._storage.rename_on_eostudy:
            give_final_names(self._tracker, one, durable=self._storage.durable)
        _logger.info(
            "study complete: %s (round %d, %d objects)", one.directory, one.number, one.objects
        )
        if self._hub is not None:
            from storescp.events import StudyComplete

            self._hub.tell(
                StudyComplete(
                    one.study, one.directory, one.objects, one.cause, one.number, one.token
                )
            )
        template = self._storage.exec_on_eostudy
        now = self._uptime()
        job = None if template is None else jobs.study_job(template, one, now)
        self._tracker.complete(one, now, job)

    def finish_running(self) -> int:
        """Note which commands have ended, start no others; return how many still run."""
        try:
            for ended in self._pool.collect():
                self._finish(ended)
        except OutOfResources as error:
            _logger.error("%s", error)
        return len(self._pool)

    def end_all(self) -> None:
        """End all studies and run their commands, because nobody will remember them."""
        # Those of objects first: they find their files under the names that they were given.
        self._run_commands_that_are_due()
        while rounds := self._tracker.end_all(most=100):
            for one in rounds:
                self._end(one)
        self._run_commands_that_are_due()
        if len(self._pool) or self._tracker.next_command() is not None:
            _logger.error("commands are left: they were not done when the program ended")

    def _run_commands_that_are_due(self) -> None:
        limit = self._clock() + _LAST_COMMANDS_SECONDS
        while self._clock() < limit:
            self.step()
            due = self._tracker.next_command()
            if not len(self._pool) and (due is None or due > self._uptime()):
                return
            time.sleep(0.01)

    # -- commands ----------------------------------------------------------------------------------------------------

    def _start_commands(self) -> None:
        while self._pool.has_room:
            job = self._tracker.start_next(self._uptime())
            if job is None:
                return
            if self._synchronous is not None:
                self.run_at_once(job)
                continue
            command = jobs.command(job)
            pid = self._pool.start(job, command)
            if pid is None:
                for ended in self._pool.collect():
                    self._finish(ended)
            else:
                self._tell_start(job, command.line, pid)

    def run_at_once(self, job: Job) -> None:
        """Run a command to its end."""
        command = jobs.command(job)
        rules = self._synchronous or CommandSettings()
        begun = self._clock()
        pid, why, code = run_to_its_end(command, rules.time_limit)
        if pid is not None:
            self._tell_start(job, command.line, pid)
        self._finish(Ended(job, pid, why, code, self._clock() - begun))

    def _finish(self, ended: Ended) -> None:
        job = ended.job
        if not ended.why:
            self._tracker.succeeded(job)
            self._tell_end(ended, None)
            return
        pause = self._tracker.failed(job, ended.why, self._uptime())
        line = jobs.command(job).line
        if pause is None:
            _logger.error(
                "command '%s' failed: %s; given up after %d attempts", line, ended.why, job.attempts
            )
        else:
            _logger.warning("command '%s' failed: %s; next attempt in %g s", line, ended.why, pause)
        self._tell_end(ended, pause)

    def _tell_start(self, job: Job, line: str, pid: int) -> None:
        if self._hub is not None:
            from storescp.events import CommandStarted

            study = dict(job.values).get("study")
            self._hub.tell(CommandStarted(job.kind, line, pid, study, job.key, job.attempts))

    def _tell_end(self, ended: Ended, pause: float | None) -> None:
        if self._hub is None:
            return
        from storescp.events import CommandEnded, CommandFailed

        job, line = ended.job, jobs.command(ended.job).line
        study = dict(job.values).get("study")
        if not ended.why:
            self._hub.tell(
                CommandEnded(
                    job.kind, line, ended.pid or 0, ended.duration, study, job.key, job.attempts
                )
            )
            return
        self._hub.tell(
            CommandFailed(
                job.kind,
                line,
                ended.why,
                ended.exit_status,
                ended.pid,
                study,
                job.key,
                job.attempts,
                pause,
            )
        )
