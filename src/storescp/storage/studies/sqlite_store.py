"""Remembers studies and commands in a SQLite database that several processes share, and that survives them.

A transaction is in the write-ahead log when it ends: what a killed process had committed is there. Whether it is on
disk then, too, is the caller's choice, as it is for files. Locks of the database are polled, with pauses that grow to
a tenth of a second; so transactions of the receiver exclude each other by a lock of their own first (`store_lock`).
Whoever waits does so for a limited time: for the other processes of the receiver, and for other programs that look into
the database.
"""

import errno
import json
import math
import os
import sqlite3
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from storescp.errors import CannotRecord, StateLost
from storescp.storage.files.output_directory import fsync_directory
from storescp.storage.studies.store_lock import LockHolder, StoreLock
from storescp.storage.studies.study_store import (
    PATIENCE_SECONDS,
    Job,
    JobState,
    Round,
    RoundState,
    StoredFile,
)
from storescp.storage.studies.user_commands import PeerIdentity

VERSION = 2
"""Version of the schema, in `PRAGMA user_version`."""

_BUSY_SECONDS = 0.05
"""Time in which SQLite asks again for a database that another program has, before we say that we go on."""

_LOOK_SECONDS = 0.1
"""Time in which a database that was there is taken to be there still: to ask takes a twentieth of a transaction."""

# No index of what changes with each object: when to look at a round is a column of its own.
_SCHEMA = """
CREATE TABLE clock (one INTEGER PRIMARY KEY CHECK (one = 1), now REAL NOT NULL);
INSERT INTO clock VALUES (1, 0);
CREATE TABLE rounds (
    key INTEGER PRIMARY KEY AUTOINCREMENT, study TEXT NOT NULL, number INTEGER NOT NULL,
    directory BLOB NOT NULL, token TEXT NOT NULL, last_object REAL NOT NULL, state INTEGER NOT NULL,
    objects INTEGER NOT NULL, cause TEXT NOT NULL, calling_ae_title TEXT NOT NULL,
    called_ae_title TEXT NOT NULL, calling_address TEXT NOT NULL
);
CREATE INDEX rounds_of_study ON rounds (study, number);
CREATE INDEX ending_rounds ON rounds (key) WHERE state = 1;
CREATE INDEX complete_rounds ON rounds (last_object) WHERE state = 2;
CREATE TABLE files (
    round INTEGER NOT NULL, name BLOB NOT NULL, letters TEXT NOT NULL, final BLOB NOT NULL,
    came REAL NOT NULL, PRIMARY KEY (round, name)
) WITHOUT ROWID;
CREATE TABLE holds (
    round INTEGER NOT NULL, association TEXT NOT NULL, owner TEXT NOT NULL,
    PRIMARY KEY (round, association)
) WITHOUT ROWID;
CREATE INDEX holds_of_association ON holds (association);
CREATE TABLE jobs (
    place INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    round INTEGER, details TEXT NOT NULL, due REAL NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL
);
CREATE INDEX waiting_jobs ON jobs (due) WHERE state = 0;
CREATE INDEX jobs_of_round ON jobs (round);
"""

_SINCE_2 = """
ALTER TABLE rounds ADD COLUMN next_check REAL NOT NULL DEFAULT 0;
CREATE INDEX open_rounds_by_check ON rounds (next_check) WHERE state = 0;
CREATE INDEX running_jobs ON jobs (place) WHERE state = 1;
CREATE INDEX failed_jobs ON jobs (place) WHERE state = 2;
CREATE INDEX first_attempts ON jobs (round) WHERE state = 0 AND attempts = 0 OR state = 1 AND attempts = 1;
"""

_UPGRADES = {
    0: f"{_SCHEMA}{_SINCE_2}",
    1: f"DROP INDEX IF EXISTS open_rounds; DROP INDEX IF EXISTS jobs_by_state;{_SINCE_2}",
}
"""Steps from the schema of a version, 0 for none, to this one. Version 1: release 0.1.0."""

_ROUND = (
    "key, study, number, directory, token, last_object, state, objects, cause,"
    " calling_ae_title, called_ae_title, calling_address, next_check"
)
_JOB = "key, kind, round, details, due, state, attempts, place"

_FOR_GOOD = frozenset(
    (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP)
)
_DAMAGED = frozenset((sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_READONLY))
"""Failures of the system and of SQLite after which the state is lost to this process."""

_Result = TypeVar("_Result")

_UNREADABLE = "its record cannot be read"


class SQLiteStore:
    """A `StudyStore` in a file. Each process opens it for itself, after its fork.

    SQLite's locks belong to the process that took them. A child that went on with its parent's connection, or opened
    another one beside it, would hold none of them: another program could take the log away from under it. So the store
    is closed before every fork; the next transaction opens it again.
    """

    def __init__(
        self,
        path: str,
        *,
        durable: bool = False,
        kept: bool = True,
        upgrade: bool = True,
        holder: LockHolder | None = None,
    ) -> None:
        """Remember the path; it is opened with the first transaction.

        Args:
            path: of the database, which is made if it does not exist. Its directory has to be on a local disk.
            durable: whether a transaction is on disk when it ends.
            kept: whether the database outlives its processes; else nothing waits for a disk.
            upgrade: whether a database of an earlier version gets the schema of this one; else it is used as it is,
                which suffices to look for commands that were given up, and to have them tried again.
            holder: shows the processes of a receiver which of them stands still; None: this is another program.
        """
        self._path = path
        self._durable = durable and kept
        self._kept = kept
        self._upgrade = upgrade
        self._database: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # device and inode, once it was opened
        self._looks_again = 0.0  # at the file (monotonic clock)
        self._holder = holder
        self._lock: StoreLock | None = None
        self._patience = PATIENCE_SECONDS
        this = weakref.ref(self)

        def let_go() -> None:
            if (store := this()) is not None:
                store.close()

        os.register_at_fork(before=let_go)

    def transaction(self, patience: float = PATIENCE_SECONDS) -> Self:
        """Begin a transaction."""
        self._patience = patience
        return self

    def __enter__(self) -> None:
        # For each object: what is rarely needed is not prepared.
        begun = time.monotonic()
        try:
            database = self._open() if self._database is None else self._database
            lock = self._lock
            if lock is None:
                raise RuntimeError("there is no lock without a database")
            lock.acquire(self._patience)
            if begun >= self._looks_again:
                self._check_file()
            try:
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                until = begun + self._patience
                _when_free(lambda: database.execute("BEGIN IMMEDIATE"), lock, until)
        except (sqlite3.Error, OSError) as error:
            self._unlock()
            raise self._failure(error) from error

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        database = self._database
        try:
            if database is not None:
                database.execute("COMMIT" if exception is None else "ROLLBACK")
        except sqlite3.Error as error:
            if database is not None and database.in_transaction:
                with suppress(sqlite3.Error):
                    database.execute("ROLLBACK")
            raise self._failure(error) from error
        finally:
            self._unlock()
        if isinstance(exception, sqlite3.Error):
            raise self._failure(exception) from exception

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def _failure(self, error: sqlite3.Error | OSError) -> CannotRecord:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        kind = StateLost if self._is_lost(error) else CannotRecord
        return kind(f"cannot keep record in {self._path}: {reason}")

    def _is_lost(self, error: sqlite3.Error | OSError) -> bool:
        """Tell whether no later transaction will do better."""
        if isinstance(error, OSError):
            return error.errno in _FOR_GOOD
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code == sqlite3.SQLITE_CANTOPEN:  # or there are too many open files
            return not all(
                os.access(path, os.R_OK | os.W_OK)
                for path in (self._path, os.path.dirname(self._path) or ".")
            )
        return code in _DAMAGED

    def _check_file(self) -> None:
        """Make sure that the path leads to the database that was opened at first.

        Raises:
            OSError: it does not.
        """
        found = os.stat(self._path)
        if (found.st_dev, found.st_ino) != self._file:
            raise OSError(errno.ESTALE, "another database is in its place", self._path)
        self._looks_again = time.monotonic() + _LOOK_SECONDS

    def _open(self) -> sqlite3.Connection:
        # SQLite would make an empty one in place of one that is gone.
        if self._file is not None:
            self._check_file()
        self._lock = StoreLock(f"{self._path}-lock", self._holder)
        try:
            self._database = self._connect(self._lock)
        finally:
            if self._database is None:
                self._let_go_of_lock()
        return self._database

    def _connect(self, lock: StoreLock) -> sqlite3.Connection:
        previous = os.umask(0o077)  # names of patients may be in the names of directories
        try:
            database = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        finally:
            os.umask(previous)
        until = time.monotonic() + self._patience
        try:
            lock.acquire(self._patience)
            version = _when_free(lambda: _version_of(database), lock, until)
            _when_free(lambda: database.execute("PRAGMA journal_mode = WAL"), lock, until)
            synchronous = "FULL" if self._durable else "NORMAL"
            database.execute(f"PRAGMA synchronous = {synchronous if self._kept else 'OFF'}")
            if version < VERSION and self._upgrade:
                database.executescript(
                    f"BEGIN IMMEDIATE;{_UPGRADES[version]}PRAGMA user_version = {VERSION};COMMIT"
                )
            self._note_file()
        except (sqlite3.Error, OSError):
            database.close()
            raise
        finally:
            self._unlock()
        return database

    def _note_file(self) -> None:
        """Note which file the database is, and bring its name to disk if records are to be there."""
        if self._file is None:
            found = os.stat(self._path)
            if self._durable:
                fsync_directory(os.path.dirname(self._path) or ".")
            self._file = found.st_dev, found.st_ino

    def _let_go_of_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def close(self) -> None:
        """Let go of the database; the next transaction opens it again."""
        if self._database is not None:
            self._database.close()
            self._database = None
            self._let_go_of_lock()

    def _run(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if self._database is None:
            raise sqlite3.ProgrammingError("outside of a transaction")
        return self._database.execute(statement, values)

    # -- time

    def time(self) -> float:
        saved, last_object = self._run(
            "SELECT now, (SELECT max(last_object) FROM rounds) FROM clock"
        ).fetchone()
        return float(max(saved, last_object or 0.0))

    def save_time(self, now: float) -> None:
        self._run("UPDATE clock SET now = max(now, ?)", now)

    # -- rounds

    def find_round(self, study: str) -> Round | None:
        row = self._run(
            f"SELECT {_ROUND} FROM rounds WHERE study = ? ORDER BY number DESC LIMIT 1", study
        ).fetchone()
        return None if row is None else _round(row)

    def add_round(self, new: Round) -> Round:
        cursor = self._run(
            f"INSERT INTO rounds ({_ROUND}) VALUES (NULL{', ?' * (len(new) - 1)})",
            *_row_of_round(new)[1:],
        )
        return new._replace(key=cursor.lastrowid or 0)

    def save_round(self, changed: Round) -> None:
        self._run(
            f"UPDATE rounds SET ({_ROUND}) = (?{', ?' * (len(changed) - 1)}) WHERE key = ?",
            *_row_of_round(changed),
            changed.key,
        )

    def remove_round(self, key: int) -> None:
        self._run("DELETE FROM rounds WHERE key = ?", key)
        self.drop_files(key)
        self.drop_holds_on(key)

    def get_round(self, key: int) -> Round | None:
        row = self._run(f"SELECT {_ROUND} FROM rounds WHERE key = ?", key).fetchone()
        return None if row is None else _round(row)

    def open_rounds(self, most: int = -1) -> list[Round]:
        return self.rounds_to_check(math.inf, most)

    def rounds_to_check(self, now: float, most: int = -1) -> list[Round]:
        rows = self._run(
            f"SELECT {_ROUND} FROM rounds WHERE state = 0 AND next_check <= ?"
            " ORDER BY next_check, key LIMIT ?",
            now,
            most,
        )
        return [_round(row) for row in rows]

    def check_round(self, key: int, when: float) -> None:
        self._run("UPDATE rounds SET next_check = ? WHERE key = ?", when, key)

    def hasten_check(self, key: int, seconds: float) -> None:
        self._run(
            "UPDATE rounds SET next_check = last_object + ?1"
            " WHERE key = ?2 AND state = 0 AND next_check > last_object + ?1",
            seconds,
            key,
        )

    def check_all_rounds(self) -> None:
        self._run("UPDATE rounds SET next_check = 0 WHERE state = 0 AND next_check > 0")

    def next_check(self) -> float | None:
        when: float | None = self._run(
            "SELECT min(next_check) FROM rounds WHERE state = 0"
        ).fetchone()[0]
        return when

    def ending_rounds(self, most: int = -1) -> list[Round]:
        rows = self._run(
            f"SELECT {_ROUND} FROM rounds WHERE state = 1 ORDER BY last_object, key LIMIT ?", most
        )
        return [_round(row) for row in rows]

    def count_unfinished(self) -> int:
        return int(
            self._run(
                "SELECT (SELECT count(*) FROM rounds WHERE state = 0)"
                " + (SELECT count(*) FROM rounds WHERE state = 1)"
            ).fetchone()[0]
        )

    def has_unfinished(self) -> bool:
        (found,) = self._run(
            "SELECT EXISTS (SELECT 1 FROM rounds WHERE state = 0)"
            " OR EXISTS (SELECT 1 FROM rounds WHERE state = 1)"
        ).fetchone()
        return bool(found)

    def forget_complete(self, before: float, most: int = -1) -> None:
        old = self._run(
            "SELECT key FROM rounds WHERE state = 2 AND last_object < ? LIMIT ?", before, most
        ).fetchall()
        for (key,) in old:
            self.remove_round(key)

    # -- files

    def add_file(self, round_key: int, file: StoredFile, now: float, peer: PeerIdentity) -> bool:
        if self._database is None:
            raise sqlite3.ProgrammingError("outside of a transaction")
        execute = self._database.execute
        new = execute(
            "INSERT OR IGNORE INTO files VALUES (?, ?, ?, ?, ?)",
            (round_key, os.fsencode(file.name), file.letters, os.fsencode(file.final), now),
        ).rowcount
        open_round = execute(
            "UPDATE rounds SET last_object = ?, objects = objects + ?, calling_ae_title = ?,"
            " called_ae_title = ?, calling_address = ? WHERE key = ? AND state = 0",
            (
                now,
                new,
                peer.calling_ae_title,
                peer.called_ae_title,
                peer.calling_address,
                round_key,
            ),
        ).rowcount
        if not open_round and new:
            self._run(
                "DELETE FROM files WHERE round = ? AND name = ?", round_key, os.fsencode(file.name)
            )
        return open_round > 0

    def files(self, round_key: int) -> list[StoredFile]:
        rows = self._run(
            "SELECT name, letters, final FROM files WHERE round = ? ORDER BY came, name", round_key
        )
        return [
            StoredFile(os.fsdecode(name), letters, os.fsdecode(final))
            for name, letters, final in rows
        ]

    def final_name(self, round_key: int, name: str) -> str:
        row = self._run(
            "SELECT final FROM files WHERE round = ? AND name = ?", round_key, os.fsencode(name)
        ).fetchone()
        return "" if row is None else os.fsdecode(row[0])

    def name_file(self, round_key: int, name: str, final: str) -> None:
        self._run(
            "UPDATE files SET final = ? WHERE round = ? AND name = ?",
            os.fsencode(final),
            round_key,
            os.fsencode(name),
        )

    def drop_files(self, round_key: int, most: int = -1) -> int:
        return self._run(
            "DELETE FROM files WHERE round = ?1 AND name IN"
            " (SELECT name FROM files WHERE round = ?1 LIMIT ?2)",
            round_key,
            most,
        ).rowcount

    # -- holds

    def hold(self, round_key: int, association: str, owner: str) -> None:
        self._run("INSERT OR REPLACE INTO holds VALUES (?, ?, ?)", round_key, association, owner)

    def is_held(self, round_key: int) -> bool:
        return bool(self._run("SELECT 1 FROM holds WHERE round = ? LIMIT 1", round_key).fetchone())

    def drop_holds(
        self, *, association: str | None = None, owner: str | None = None, most: int = -1
    ) -> list[int]:
        select = "SELECT round, association FROM holds"
        if association is not None:
            rows = self._run(f"{select} WHERE association = ? LIMIT ?", association, most)
        elif owner is not None:
            rows = self._run(f"{select} WHERE owner = ? LIMIT ?", owner, most)
        else:
            rows = self._run(f"{select} LIMIT ?", most)
        dropped = rows.fetchall()
        for row in dropped:
            self._run("DELETE FROM holds WHERE round = ? AND association = ?", *row)
        return [round_key for round_key, _ in dropped]

    def drop_holds_on(self, round_key: int) -> None:
        self._run("DELETE FROM holds WHERE round = ?", round_key)

    # -- jobs

    def add_job(self, new: Job) -> Job:
        cursor = self._run(
            f"INSERT INTO jobs ({_JOB}) VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", *_row_of_job(new)
        )
        return new._replace(place=cursor.lastrowid or 0)

    def find_job(self, key: str) -> Job | None:
        row = self._run(f"SELECT {_JOB} FROM jobs WHERE key = ?", key).fetchone()
        return None if row is None else _job(row)

    def save_job(self, changed: Job) -> None:
        self._run(
            "UPDATE jobs SET (key, kind, round, details, due, state, attempts)"
            " = (?, ?, ?, ?, ?, ?, ?) WHERE key = ?",
            *_row_of_job(changed),
            changed.key,
        )

    def remove_job(self, key: str) -> None:
        self._run("DELETE FROM jobs WHERE key = ?", key)

    def jobs(self, state: JobState, *, after: int = 0, most: int = -1) -> list[Job]:
        # The state as text: an index of some rows is used only if it is seen that these are all that is asked for.
        rows = self._run(
            f"SELECT {_JOB} FROM jobs WHERE state = {int(state)} AND place > ?"
            " ORDER BY place LIMIT ?",
            after,
            most,
        )
        return [_job(row) for row in rows]

    def due_jobs(self, now: float, most: int = -1) -> list[Job]:
        rows = self._run(
            f"SELECT {_JOB} FROM jobs WHERE state = 0 AND due <= ? ORDER BY due, place LIMIT ?",
            now,
            most,
        )
        return [_job(row) for row in rows]

    def count_waiting(self) -> int:
        return int(self._run("SELECT count(*) FROM jobs WHERE state = 0").fetchone()[0])

    def next_due(self) -> float | None:
        due: float | None = self._run("SELECT min(due) FROM jobs WHERE state = 0").fetchone()[0]
        return due

    def jobs_of(self, round_key: int, *, after: int = 0, most: int = -1) -> list[Job]:
        rows = self._run(
            f"SELECT {_JOB} FROM jobs WHERE round = ? AND place > ? ORDER BY place LIMIT ?",
            round_key,
            after,
            most,
        )
        return [_job(row) for row in rows]

    def has_first_attempts(self, round_key: int) -> bool:
        # In the very words of the index.
        row = self._run(
            "SELECT 1 FROM jobs WHERE round = ?"
            " AND (state = 0 AND attempts = 0 OR state = 1 AND attempts = 1) LIMIT 1",
            round_key,
        ).fetchone()
        return row is not None

    def retry_failed(self) -> int:
        return self._run(
            "UPDATE jobs SET state = 0, attempts = 0, due = 0 WHERE state = 2"
        ).rowcount


def _version_of(database: sqlite3.Connection) -> int:
    """Return the version of a database's schema, 0 if it is new.

    Raises:
        sqlite3.DatabaseError: it is not known here; nothing was changed.
    """
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise sqlite3.DatabaseError(
            f"a later version of this program has written it (schema {version}, known here: {VERSION})"
        )
    return version


def _when_free(act: Callable[[], _Result], lock: StoreLock, until: float) -> _Result:
    """Do something as soon as no other program has the database to itself.

    Raises:
        sqlite3.Error: one has it still at `until` (`time.monotonic`), or it cannot be had at all.
    """
    while True:
        try:
            return act()
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() >= until:
                raise
            lock.go_on()  # processes that wait for us must not take us for dead


def _row_of_round(round_: Round) -> tuple[Any, ...]:
    # Paths are bytes that need not be text.
    return round_._replace(directory=os.fsencode(round_.directory))  # type: ignore[arg-type]


def _round(row: tuple[Any, ...]) -> Round:
    one = Round(*row)
    return one._replace(
        directory=os.fsdecode(one.directory),
        state=RoundState(one.state),
    )


def _row_of_job(job: Job) -> tuple[Any, ...]:
    details = json.dumps([job.template, job.values, job.why])
    return (job.key, job.kind, job.round_key, details, job.due, int(job.state), job.attempts)


def _job(row: tuple[Any, ...]) -> Job:
    key, kind, round_key, details, due, state, attempts, place = row
    try:
        template, values, why = json.loads(details)
        pairs = tuple((name, value) for name, value in values)
    except (ValueError, TypeError):
        # It is given up like one that always fails; others must not wait for it.
        template, pairs, why = "", (), _UNREADABLE
    return Job(key, kind, round_key, template, pairs, due, JobState(state), attempts, why, place)
