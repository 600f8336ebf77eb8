"""What is remembered of studies, associations and commands, and the interface of whatever remembers it.

The values say what there is to know, `StudyStore` how to keep it. Stores decide nothing: `tracker` does, within their
transactions. There are two, `memory_store` and `sqlite_store`, with one test suite for both. A server database for
several machines would be the third: it has to provide transactions that exclude each other, and in `time` a clock
that all machines agree on.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from enum import IntEnum
from typing import NamedTuple, Protocol

from storescp.storage.hooks import Peer


class RoundState(IntEnum):
    """How far a round of a study has come."""

    OPEN = 0
    """Objects are expected."""
    ENDING = 1
    """Files get their final names; nobody else touches the study meanwhile."""
    COMPLETE = 2
    """It was announced, its command is a job."""


class Round(NamedTuple):
    """A study from its first object to its end; what comes later opens another round."""

    key: int
    """Identifies it within the store."""
    study: str
    """Study Instance UID, one character per byte."""
    number: int
    """1 for the first round of the study."""
    directory: str
    token: str
    """Random: identifies the round everywhere, for those who see its end more than once."""
    last_object: float
    """Time of the tracker (`tracker.Tracker`)."""
    state: RoundState = RoundState.OPEN
    objects: int = 0
    """Files, each counted once."""
    cause: str = ""
    """What ended it."""
    calling_ae_title: str = ""
    called_ae_title: str = ""
    calling_address: str = ""
    """Who sent the last object."""


class StoredFile(NamedTuple):
    """A file of a round."""

    name: str
    letters: str
    """First two characters of the modality prefix."""
    final: str = ""
    """The name that it has, or is to have, after the end of the round; empty: none was given."""


class JobState(IntEnum):
    """How far a command has come. Those that ended well are forgotten."""

    WAITING = 0
    RUNNING = 1
    FAILED = 2
    """It failed too often, and is kept to be looked at."""


class Job(NamedTuple):
    """A command of the user that is to be run at least once."""

    key: str
    """Identifies it everywhere; the same each time it runs."""
    kind: str
    """`object` or `study`."""
    round_key: int | None
    template: str
    """The command line before its placeholders are replaced."""
    values: tuple[tuple[str, str], ...]
    """What the command is about; see `jobs`."""
    due: float
    """Not before this time of the tracker."""
    state: JobState = JobState.WAITING
    attempts: int = 0
    """How often it was started."""
    why: str = ""
    """How the last attempt failed."""


class StudyStore(Protocol):
    """Keeps rounds, their files, who holds them open, and jobs. All methods but `close` are called in a transaction."""

    def transaction(self) -> AbstractContextManager[object]:
        """Begin a transaction; it counts as a whole, or if an exception leaves the block, not at all.

        Transactions of all users of the store come one after the other. When the block is left, the changes are as
        durable as the store was asked to make them.

        Raises:
            OutOfResources: the store cannot be read or written.
        """
        ...

    def close(self) -> None:
        """Let go of the store; what it keeps stays, and the next transaction takes it up again."""
        ...

    # -- time

    def time(self) -> float:
        """Return the latest time that was saved, or in which an object came, 0 at first."""
        ...

    def save_time(self, now: float) -> None:
        """Save the time, unless a later one is saved already."""
        ...

    # -- rounds

    def find_round(self, study: str) -> Round | None:
        """Return the latest round of a study."""
        ...

    def add_round(self, new: Round) -> Round:
        """Add a round; return it with its key."""
        ...

    def save_round(self, changed: Round) -> None:
        """Replace a round by another value with its key."""
        ...

    def remove_round(self, key: int) -> None:
        """Remove a round with its files and holds."""
        ...

    def open_rounds(self, before: float | None = None) -> list[Round]:
        """Return rounds that are open, those with the oldest `last_object` first.

        Args:
            before: those only whose last object is not younger.
        """
        ...

    def ending_rounds(self) -> list[Round]:
        """Return rounds that are ending, in the same order."""
        ...

    def has_unfinished(self) -> bool:
        """Tell whether there is a round that is not complete."""
        ...

    def forget_complete(self, before: float) -> None:
        """Remove complete rounds whose last object is older."""
        ...

    # -- files

    def add_file(self, round_key: int, file: StoredFile, now: float, peer: Peer) -> bool:
        """Add a file that came from a peer to a round, unless it has one of that name; False if the round is not open.

        It is counted, and the round has its last object now. Called for each object: the less it does, the better.
        """
        ...

    def files(self, round_key: int) -> list[StoredFile]:
        """Return the files of a round in the order in which they came."""
        ...

    def name_file(self, round_key: int, name: str, final: str) -> None:
        """Note the final name of a file."""
        ...

    def empty_round(self, round_key: int) -> None:
        """Forget the files and holds of a round."""
        ...

    # -- holds: associations that keep a round from ending

    def hold(self, round_key: int, association: str, owner: str) -> None:
        """Note that an association, served by a process, may bring more objects of a round."""
        ...

    def is_held(self, round_key: int) -> bool:
        """Tell whether any association does."""
        ...

    def drop_holds(self, *, association: str | None = None, owner: str | None = None) -> None:
        """Forget what an association holds, or all associations of a process, or all of all."""
        ...

    # -- jobs

    def add_job(self, new: Job) -> None:
        """Add a job behind all others."""
        ...

    def save_job(self, changed: Job) -> None:
        """Replace a job by another value with its key; its place stays."""
        ...

    def remove_job(self, key: str) -> None:
        """Forget a job."""
        ...

    def jobs(self, state: JobState, *, due: float | None = None, most: int = -1) -> list[Job]:
        """Return jobs of a state in their order.

        Args:
            state: which.
            due: those only whose time has come by then.
            most: not more than that; -1: all.
        """
        ...

    def next_due(self) -> float | None:
        """Return when the first waiting job is due."""
        ...

    def jobs_of(self, round_key: int) -> list[Job]:
        """Return the jobs of a round, in any state."""
        ...


def first_attempts(jobs: Iterable[Job]) -> bool:
    """Tell whether a job among these has never ended."""
    return any(
        job.state is not JobState.FAILED and job.attempts - (job.state is JobState.RUNNING) == 0
        for job in jobs
    )
