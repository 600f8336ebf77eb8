"""A state directory's database as an earlier release has written it."""

import sqlite3
from contextlib import closing
from pathlib import Path

_DUMP = Path(__file__).parent.parent / "data" / "state-0.1.0.sql"


def write_old_state(path: Path) -> None:
    """Make the database of release 0.1.0."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(_DUMP.read_text())


def schema_of(path: Path) -> tuple[int, set[str]]:
    """Return the version of a database, and what it consists of as SQL."""
    with closing(sqlite3.connect(path)) as database:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        rows = database.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")
        return version, {sql for (sql,) in rows}
