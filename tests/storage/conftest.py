"""What several tests of storing need."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest import mock

import pytest

from storescp.storage.files import rename_noreplace
from storescp.storage.studies.memory_store import MemoryStore
from storescp.storage.studies.sqlite_store import SQLiteStore
from storescp.storage.studies.study_store import StudyStore
from tests.storage.system_calls import as_on_nfs


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StudyStore]:
    """Each kind of store of studies, empty."""
    with closing(
        MemoryStore() if request.param == "memory" else SQLiteStore(str(tmp_path / "state"))
    ) as store:
        yield store


@pytest.fixture(params=["local", "nfs"])
def each_file_system(request: pytest.FixtureRequest) -> Iterator[str]:
    """File systems that know RENAME_NOREPLACE, and those that do not."""
    if request.param == "local":
        yield "local"
        return
    with mock.patch.object(rename_noreplace, "_renameat2", return_value=as_on_nfs):
        yield "nfs"
