"""Records of studies, associations and commands, and the interface of a store for them.

The values say what there is to know, `StudyStore` how to keep it. Stores decide nothing: `tracker` does, within their
transactions. There are two, `memory_store` and `sqlite_store`, with one test suite for both. A server database for
several machines would be the third: it has to provide transactions that exclude each other, and in `time` a clock
that all machines agree on.
"""

from contextlib import AbstractContextManager
from enum import IntEnum
from typing import NamedTuple, Protocol

from storescp.storage.studies.user_commands import PeerIdentity

PATIENCE_SECONDS = 1.0
"""Default time that a transaction waits for others. No peer waits for a transaction with this limit."""


class RoundState(IntEnum):
    """State of a round of a study."""

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
    """Cause of its end."""
    calling_ae_title: str = ""
    called_ae_title: str = ""
    calling_address: str = ""
    """Sender of the last object."""
    next_check: float = 0.0
    """Time of the tracker from which on an open round may have to end; the tracker looks at it no sooner."""


class StoredFile(NamedTuple):
    """A file of a round."""

    name: str
    letters: str
    """First two characters of the modality prefix."""
    final: str = ""
    """The name that it has, or is to have, after the end of the round; empty: none was given."""


class JobState(IntEnum):
    """State of a command. Commands that succeeded are forgotten."""

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
    """Values for the command; see `jobs`."""
    due: float
    """Earliest start, in the tracker's time."""
    state: JobState = JobState.WAITING
    attempts: int = 0
    """Number of starts."""
    why: str = ""
    """Reason for the failure of the last attempt."""
    place: int = 0
    """Order among all jobs; given by the store."""


class StudyStore(Protocol):
    """Keeps rounds, their files, the associations that hold them open, and jobs. All methods but `close` are called in a transaction."""

    def transaction(self, patience: float = PATIENCE_SECONDS) -> AbstractContextManager[object]:
        """Begin a transaction; it counts as a whole, or if an exception leaves the block, not at all.

        Transactions of all users of the store come one after the other. When the block is left, the changes are as
        durable as the store was asked to make them.

        Args:
            patience: seconds to wait for other users.

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

    def get_round(self, key: int) -> Round | None:
        """Return the round with a key."""
        ...

    def open_rounds(self, most: int = -1) -> list[Round]:
        """Return open rounds, those with the earliest `next_check` first.

        Args:
            most: how many at most; -1: all.
        """
        ...

    def rounds_to_check(self, now: float, most: int = -1) -> list[Round]:
        """Return those of the open rounds whose `next_check` has come, in the same order; looks at no others."""
        ...

    def check_round(self, key: int, when: float) -> None:
        """Set the `next_check` of a round."""
        ...

    def hasten_check(self, key: int, seconds: float) -> None:
        """Set the `next_check` of a round to so many seconds after its last object, if it is open and that is sooner."""
        ...

    def check_all_rounds(self) -> None:
        """Set the `next_check` of all open rounds to 0."""
        ...

    def next_check(self) -> float | None:
        """Return the earliest `next_check` of an open round; None: none is open."""
        ...

    def ending_rounds(self, most: int = -1) -> list[Round]:
        """Return rounds that are ending, those with the oldest `last_object` first."""
        ...

    def count_unfinished(self) -> int:
        """Return how many rounds are not complete."""
        ...

    def has_unfinished(self) -> bool:
        """Tell whether there is a round that is not complete."""
        ...

    def forget_complete(self, before: float, most: int = -1) -> None:
        """Remove complete rounds whose last object is older, with what is left of them; so many at a time."""
        ...

    # -- files

    def add_file(self, round_key: int, file: StoredFile, now: float, peer: PeerIdentity) -> bool:
        """Add a file that came from a peer to a round, unless it has one of that name; False if the round is not open.

        It is counted, and the round has its last object now. Called for each object: the less it does, the better.
        """
        ...

    def files(self, round_key: int) -> list[StoredFile]:
        """Return the files of a round in the order in which they came."""
        ...

    def final_name(self, round_key: int, name: str) -> str:
        """Return the final name of a file; empty: it has none, or is not known."""
        ...

    def name_file(self, round_key: int, name: str, final: str) -> None:
        """Note the final name of a file."""
        ...

    def drop_files(self, round_key: int, most: int = -1) -> int:
        """Forget files of a round, so many at a time; return how many that were."""
        ...

    # -- holds: associations that keep a round from ending

    def hold(self, round_key: int, association: str, owner: str) -> None:
        """Note that an association, served by a process, may bring more objects of a round."""
        ...

    def is_held(self, round_key: int) -> bool:
        """Tell whether any association does."""
        ...

    def drop_holds(
        self, *, association: str | None = None, owner: str | None = None, most: int = -1
    ) -> list[int]:
        """Forget what an association holds, or all associations of a process, or all of all.

        Returns:
            Keys of the rounds that were held, so many at a time, each once or more.
        """
        ...

    def drop_holds_on(self, round_key: int) -> None:
        """Forget the holders of a round."""
        ...

    # -- jobs

    def add_job(self, new: Job) -> Job:
        """Add a job behind all others; return it with its place."""
        ...

    def find_job(self, key: str) -> Job | None:
        """Return a job."""
        ...

    def save_job(self, changed: Job) -> None:
        """Replace a job by another value with its key; its place stays."""
        ...

    def remove_job(self, key: str) -> None:
        """Forget a job."""
        ...

    def jobs(self, state: JobState, *, after: int = 0, most: int = -1) -> list[Job]:
        """Return jobs of a state in their order.

        Args:
            state: which.
            after: those behind this place only.
            most: how many at most; -1: all.
        """
        ...

    def due_jobs(self, now: float, most: int = -1) -> list[Job]:
        """Return waiting jobs whose time has come, those that are due for longest first; looks at no others."""
        ...

    def count_waiting(self) -> int:
        """Return how many jobs wait."""
        ...

    def next_due(self) -> float | None:
        """Return when the first waiting job is due."""
        ...

    def jobs_of(self, round_key: int, *, after: int = 0, most: int = -1) -> list[Job]:
        """Return the jobs of a round, in any state, in their order."""
        ...

    def has_first_attempts(self, round_key: int) -> bool:
        """Tell whether a job of a round waits or runs for the first time."""
        ...

    def retry_failed(self) -> int:
        """Have all jobs that are `FAILED` wait as if they were new, due at once; return how many."""
        ...


def is_first_attempt(job: Job) -> bool:
    """Tell whether a job waits or runs for the first time."""
    return (job.state, job.attempts) in {(JobState.WAITING, 0), (JobState.RUNNING, 1)}
