"""Notes how commands of the user ended: in the record, in the log and in the events."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from storescp.serve.studies.command_pool import Ended
from storescp.storage.studies import jobs
from storescp.storage.studies.study_store import Job
from storescp.storage.studies.tracker import Tracker

if TYPE_CHECKING:
    from storescp.serve.reporting.event_hub import EventHub

_logger = logging.getLogger("dcmtk.apps.storescp")


class JobResults:
    """Results of commands, as the process that runs them records them."""

    def __init__(self, tracker: Tracker, now: Callable[[], float], hub: "EventHub | None") -> None:
        """Prepare.

        Args:
            tracker: follows commands.
            now: its time.
            hub: takes the events; None: there are no observers.
        """
        self._tracker = tracker
        self._now = now
        self._hub = hub

    def started(self, job: Job, line: str, pid: int) -> None:
        """Tell that a command runs."""
        if self._hub is not None:
            from storescp.events import CommandStarted

            study = dict(job.values).get("study")
            self._hub.tell(CommandStarted(job.kind, line, pid, study, job.key, job.attempts))

    def ended(self, ended: Ended) -> None:
        """Make the record of a command that has ended, and tell of it.

        Raises:
            OutOfResources: the record cannot be made; nobody was told. It is to be tried again.
        """
        job = ended.job
        line = _line(job)
        if not ended.why:
            self._tracker.succeeded(job)
            self._tell_end(ended, line, None)
            return
        pause = self._tracker.failed(job, ended.why, self._now())
        if pause is None:
            _logger.error(
                "command '%s' failed: %s; given up after %d attempts", line, ended.why, job.attempts
            )
        else:
            _logger.warning("command '%s' failed: %s; next attempt in %g s", line, ended.why, pause)
        self._tell_end(ended, line, pause)

    def _tell_end(self, ended: Ended, line: str, pause: float | None) -> None:
        if self._hub is None:
            return
        from storescp.events import CommandEnded, CommandFailed

        job = ended.job
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


def _line(job: Job) -> str:
    """Return the command line of a job for people, also of one that cannot be parsed."""
    try:
        return jobs.command(job).line
    except (KeyError, ValueError):
        return job.template or job.key
