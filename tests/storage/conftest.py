"""What several tests of storing need."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from storescp.storage.memory_store import MemoryStore
from storescp.storage.sqlite_store import SQLiteStore
from storescp.storage.study_store import StudyStore


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StudyStore]:
    """Each kind of store of studies, empty."""
    with closing(
        MemoryStore() if request.param == "memory" else SQLiteStore(str(tmp_path / "state"))
    ) as store:
        yield store
