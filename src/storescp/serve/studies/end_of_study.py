"""Ends studies and runs commands when they are due: the duty of one process for all.

The order for a study: it is marked as ending, so that no object enters it; its files get their final names; it is
announced; its command becomes a job, and the study is open for another round. Killed in between, the next process goes
on from the mark, so that each of it happens at least once.

A pass is bounded, in studies, in renames, in commands and in time, so that messages are heard between two of them, and a
study with many files, or on a slow file system, does not keep the others waiting. What fails is tried again. A mistake
of ours in one study or one command costs that one: it is logged, it counts as a failed attempt, the rest goes on.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storescp.errors import CannotRecord, OutOfResources, StateLost
from storescp.serve.studies import pending_commands
from storescp.serve.studies.command_pool import CommandPool, Ended
from storescp.serve.studies.job_results import JobResults
from storescp.storage.settings import StorageSettings
from storescp.storage.studies import jobs
from storescp.storage.studies.final_names import rename_files
from storescp.storage.studies.study_store import Job, Round
from storescp.storage.studies.tracker import Tracker
from storescp.storage.studies.uptime import UpTime

if TYPE_CHECKING:
    from storescp.serve.reporting.event_hub import EventHub

_logger = logging.getLogger("dcmtk.apps.storescp")

_LONGEST_PAUSE_SECONDS = 0.25
"""Time between looks at what other processes have brought, while anything is open."""
_IDLE_PAUSE_SECONDS = 1.0
_PAUSE_AFTER_FAILURE_SECONDS = 1.0
_SAVE_TIME_SECONDS = 10.0
_COMPLAINT_SECONDS = 60.0
"""Time between log lines that say the same of the record."""

_STUDIES_AT_ONCE = 4
"""ParallelStudies that are marked as ending at most: objects that come for one meanwhile have to wait."""
_RENAMES_PER_TURN = 64
"""Files of one study that are renamed before it is the turn of the next study."""
_PASS_SECONDS = 0.1
"""Time after which a pass leaves the rest to the next one."""

_ATTEMPTS = 6
"""Maximum number of failed attempts to rename a study's files; then the remaining files keep their names."""
_LONGEST_STUDY_PAUSE_SECONDS = 60.0


@dataclass(slots=True)
class _Ending:
    """A study that is ending: how far it has come, and how often it has failed."""

    one: Round
    renames: Iterator[None] | None = None
    failures: int = 0
    not_before: float = 0.0
    is_announced: bool = False


class StudyFinisher:
    """Looks what is due, and does it."""

    def __init__(
        self,
        tracker: Tracker,
        uptime: UpTime,
        storage: StorageSettings,
        pool: CommandPool,
        *,
        is_kept: bool = False,
        pauses_reception: Callable[[], None] | None = None,
        resumes_reception: Callable[[], None] = lambda: None,
        fails: Callable[[str], None] = lambda _: None,
        hub: "EventHub | None" = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            tracker: follows studies and commands.
            uptime: its time.
            storage: what is done at the end of a study.
            pool: runs commands.
            is_kept: whether studies and commands are remembered beyond the end of the program.
            pauses_reception: has no association accepted from now on, because the command of a study starts;
                None: reception does not wait for commands.
            resumes_reception: has associations accepted again.
            fails: says that the record is lost, so that there is no going on.
            hub: is told of it.
            clock: seconds, monotonic.
        """
        self._tracker = tracker
        self._uptime = uptime
        self._storage = storage
        self._pool = pool
        self._is_kept = is_kept
        self._pauses_reception = pauses_reception
        self._resumes_reception = resumes_reception
        self._fails = fails
        self._is_paused = False
        self._hub = hub
        self._results = JobResults(tracker, uptime, hub)
        self._clock = clock
        self._next = 0.0
        self._saved = 0.0
        self._ending: dict[int, _Ending] = {}
        self._turn = 0
        self._ended: deque[Ended] = deque()  # commands whose end is not recorded yet
        self._starts_commands = True
        self._is_resumed = False
        self._complained = float("-inf")

    # -- a pass ------------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Do some of what is due; never waits for long, never raises."""
        try:
            if not self._is_resumed:
                # The process before this one may have been killed.
                self._tracker.resume(self._uptime())
                self._is_resumed = True
            self._note_ends()
            has_more = self._end_studies()
            self._start_commands()
            self._next = self._clock() if has_more else self._find_next()
            self._complain(None)
        except StateLost as error:
            self._fails(str(error))
            self._next = float("inf")
        except OutOfResources as error:
            self._complain(error)
            self._next = self._clock() + _PAUSE_AFTER_FAILURE_SECONDS
        except Exception:  # a mistake here must not end what all studies rely on
            _logger.exception("internal error at the end of studies")
            self._next = self._clock() + _PAUSE_AFTER_FAILURE_SECONDS

    def next_step(self) -> float:
        """Return when to call `step` again, unless something happens before (clock)."""
        return self._next

    @property
    def descriptor(self) -> int:
        """Descriptor that becomes readable when a command has ended."""
        return self._pool.descriptor

    def lost(self, pid: int) -> None:
        """Drop the holds of a process that is gone.

        Raises:
            OutOfResources: that cannot be noted now.
        """
        self._tracker.lost(str(pid))

    def stop(self) -> None:
        """Start no command from now on; those that run go on."""
        self._starts_commands = False

    def end(self, limit: float) -> None:
        """Come to an end by `limit` (clock): wait for what runs if the rest is remembered, else end all studies."""
        if self._is_kept:
            self._wind_down(limit)
        else:
            self._end_all(limit)

    def _find_next(self) -> float:
        now = self._clock()
        if not len(self._pool) and self._tracker.is_idle():
            return now + _IDLE_PAUSE_SECONDS
        if now >= self._saved + _SAVE_TIME_SECONDS:
            self._saved = now
            self._tracker.save_time(self._uptime())
        return now + _LONGEST_PAUSE_SECONDS

    def _complain(self, error: OutOfResources | None) -> None:
        """Log that the record cannot be made, and once that it can; not every second."""
        now = self._clock()
        if error is None:
            if self._complained > float("-inf"):
                _logger.warning("the record of studies can be made again")
                self._complained = float("-inf")
        elif now >= self._complained + _COMPLAINT_SECONDS:
            self._complained = now
            _logger.error("studies do not end and commands do not start: %s", error)

    # -- studies -----------------------------------------------------------------------------------------------------

    def _end_studies(self) -> bool:
        """Go on with the studies that are due; tell whether some of that is left to be done at once."""
        now = self._clock()
        # What we have made a mistake with comes again later, and nobody waits for it.
        later = {key for key, ending in self._ending.items() if ending.not_before > now}
        rounds = self._tracker.end_due(self._uptime(), most=_STUDIES_AT_ONCE, skip=later)
        keys = {one.key for one in rounds} | later
        self._ending = {key: ending for key, ending in self._ending.items() if key in keys}
        limit = now + _PASS_SECONDS
        # A study that was held for too long may have two: one after the other.
        first: dict[str, int] = {}
        for one in rounds:
            first[one.study] = min(one.number, first.get(one.study, one.number))
        # Another one is the first each time: where the time of a pass is too short for all, all of them get on.
        self._turn += 1
        for place in range(len(rounds)):
            one = rounds[(place + self._turn) % len(rounds)]
            ending = self._ending.setdefault(one.key, _Ending(one))
            if self._clock() >= limit:
                break
            if one.number == first[one.study]:
                self._go_on(ending, limit)
        return bool(rounds)

    def _go_on(self, ending: _Ending, limit: float) -> None:
        """Rename some files of a study; announce it and add its command when all of them have their names."""
        try:
            if not self._rename_some(ending, limit):
                return
            if not ending.is_announced:
                self._announce(ending.one)
                ending.is_announced = True
            self._complete(ending.one)
            del self._ending[ending.one.key]
        except CannotRecord:
            ending.renames = None
            raise
        except Exception as error:
            ending.renames = None
            ending.failures += 1
            pause = min(2.0 ** (ending.failures - 1), _LONGEST_STUDY_PAUSE_SECONDS)
            ending.not_before = self._clock() + pause
            _logger.error(
                "the study in %s cannot be ended, next attempt in %g s: %s",
                ending.one.directory,
                pause,
                error,
                exc_info=not isinstance(error, OutOfResources),  # then it is a mistake of ours
            )

    def _rename_some(self, ending: _Ending, limit: float) -> bool:
        """Rename until it is another one's turn; tell whether all is done."""
        if not self._storage.rename_on_eostudy or ending.failures >= _ATTEMPTS:
            return True
        if ending.renames is None:
            ending.renames = rename_files(self._tracker, ending.one, durable=self._storage.durable)
        for _ in range(_RENAMES_PER_TURN):
            try:
                next(ending.renames)
            except StopIteration:
                return True
            if self._clock() >= limit:
                break
        return False

    def _announce(self, round_: Round) -> None:
        _logger.info(
            "study complete: %s (round %d, %d objects)",
            round_.directory,
            round_.number,
            round_.objects,
        )
        if self._hub is not None:
            from storescp.events import StudyComplete

            self._hub.tell(
                StudyComplete(
                    round_.study,
                    round_.directory,
                    round_.objects,
                    round_.cause,
                    round_.number,
                    round_.token,
                )
            )

    def _complete(self, round_: Round) -> None:
        template = self._storage.exec_on_eostudy
        now = self._uptime()
        job = None if template is None else jobs.study_job(template, round_, now)
        self._tracker.complete(round_, now, job)

    # -- commands ----------------------------------------------------------------------------------------------------

    def _note_ends(self) -> None:
        self._ended.extend(self._pool.collect())
        while self._ended:
            try:
                self._results.ended(self._ended[0])
            except OutOfResources:
                raise  # it is noted another time
            except Exception:
                _logger.exception("internal error, the end of a command is not noted")
            self._ended.popleft()
        if self._is_paused and not len(self._pool):
            self._resumes_reception()
            self._is_paused = False

    def _start_commands(self) -> None:
        for _ in range(self._pool.free_places if self._starts_commands else 0):
            job = self._tracker.start_next(self._uptime())
            if job is None:
                return
            self._start(job)
        # What could not start has ended, and makes room.
        self._ended.extend(self._pool.collect())

    def _start(self, job: Job) -> None:
        """Start a command; one that we make a mistake with has failed."""
        try:
            if self._pauses_reception is not None and job.kind == "study":
                self._pauses_reception()
                self._is_paused = True
            command = jobs.command(job)
            pid = self._pool.start(job, command)
            if pid is not None:
                self._results.started(job, command.line, pid)
        except Exception as error:
            _logger.exception("internal error, a command is not started")
            self._ended.append(Ended(job, None, f"internal error: {error!r}", None, 0.0))

    # -- the end of the program --------------------------------------------------------------------------------------

    def _wind_down(self, limit: float) -> None:
        """Wait for the commands that run, and ask those to end that have not by `limit` (clock).

        They run again at the next start, as do those whose end could not be recorded.
        """
        self.stop()
        while self._wait_for_commands(limit):
            pass
        try:
            interrupted = self._pool.give_up()
            for job in interrupted:
                self._tracker.put_back(job, self._uptime())
            self._tracker.save_time(self._uptime())
            count, first = self._tracker.waiting_commands(pending_commands.MAXIMUM_NAMED)
            if count:
                _logger.log(
                    logging.WARNING if interrupted else logging.INFO,
                    "%s",
                    pending_commands.kept(
                        count,
                        list({job.key: job for job in [*interrupted, *first]}.values()),
                        len(interrupted),
                    ),
                )
        except OutOfResources as error:
            _logger.error("%s", error)

    def _wait_for_commands(self, limit: float) -> bool:
        """Wait a moment for commands to end, and note it; tell whether there are more, and there is time."""
        try:
            self._note_ends()
        except OutOfResources as error:
            self._complain(error)
        if not len(self._pool) and not self._ended:
            return False
        left = limit - self._clock()
        if left > 0:
            self._pool.wait(min(left, 0.1))
        return left > 0

    def _end_all(self, limit: float) -> None:
        """End all studies and run their commands by `limit` (clock), because nobody will remember them.

        Commands that still run then go on by themselves; the log says if there are any, or some that did not start.
        """
        # Those of objects first: they find their files under the names that they were given. Half of the time is left
        # to the studies.
        self._run_commands((self._clock() + limit) / 2)
        try:
            self._end_all_studies(limit)
            self._run_commands(limit)
            running = self._pool.forget()
            if running:
                _logger.error("%s", pending_commands.running_on(running))
            count, first = self._tracker.waiting_commands(pending_commands.MAXIMUM_NAMED)
            if count:
                _logger.error("%s", pending_commands.lost(count, first))
        except OutOfResources as error:
            _logger.error("%s", error)

    def _end_all_studies(self, limit: float) -> None:
        while self._tracker.end_all(most=_STUDIES_AT_ONCE):
            self._end_studies()
            if self._clock() >= limit:
                left = self._tracker.left_rounds()
                if left:
                    _logger.error("%s", pending_commands.not_ended(left))
                return

    def _run_commands(self, limit: float) -> None:
        """Run what is due until it is done, or the time is over; start the rest that has room in any case."""
        while True:
            try:
                self._note_ends()
                self._start_commands()
                due = self._tracker.next_command()
                if not len(self._pool) and (due is None or due > self._uptime()):
                    return
            except OutOfResources as error:
                self._complain(error)
            left = limit - self._clock()
            if left <= 0:
                return
            self._pool.wait(min(left, 0.05))
