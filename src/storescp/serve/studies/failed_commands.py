"""Commands that were given up: to be listed, and started again. A receiver may be running on the state directory."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager

from storescp.errors import ConfigurationError, OutOfResources
from storescp.printable import printable
from storescp.serve.studies.state_directory import DATABASE
from storescp.storage.studies.jobs import Retries, description
from storescp.storage.studies.sqlite_store import SQLiteStore
from storescp.storage.studies.study_store import Job
from storescp.storage.studies.tracker import EndOfStudy, Tracker

_BATCH = 1000


def list_failed(directory: str) -> str:
    """Return a line for each: identifier, kind, what it is about, attempts, reason, command.

    Raises:
        ConfigurationError: the state cannot be read.
    """
    try:
        with _tracker(directory) as tracker:
            lines = [f"{printable(description(job))}\n" for job in _failed_jobs(tracker)]
    except OutOfResources as error:
        raise ConfigurationError(str(error)) from error
    return "".join(lines)


def _failed_jobs(tracker: Tracker) -> Iterator[Job]:
    """Return them in batches: a receiver that is running waits no longer than one takes."""
    place = 0
    while batch := tracker.failed_jobs(place, _BATCH):
        yield from batch
        place = batch[-1].place


def retry_failed(directory: str) -> str:
    """Have all of them started again; return how many in words.

    Raises:
        ConfigurationError: the state cannot be changed.
    """
    try:
        with _tracker(directory) as tracker:
            number = tracker.retry_failed()
    except OutOfResources as error:
        raise ConfigurationError(str(error)) from error
    return f"{number} commands will be started again\n"


@contextmanager
def _tracker(directory: str) -> Iterator[Tracker]:
    path = os.path.join(directory, DATABASE)
    if not os.path.exists(path):
        raise ConfigurationError(f"there is no state in {directory}")
    # A receiver of an earlier version may be running: it knows its own schema only.
    with closing(SQLiteStore(path, upgrade=False)) as store:
        yield Tracker(store, EndOfStudy(), Retries())
