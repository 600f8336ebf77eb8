"""bench.runner: the load generator sends what it is told, to the program under test."""

from pathlib import Path

import pytest

from bench.objects import INSTANCE, templates
from bench.runner import send, write_parcel
from bench.workload import Workload
from tests.peers.samples import ct_slice
from tests.peers.servers import ours


@pytest.mark.parametrize(("associations", "objects"), [(1, 0), (3, 0), (2, 1), (1, 7)])
def test_all_objects_arrive(associations: int, objects: int, tmp_path: Path) -> None:
    """Each load generator sends its objects under UIDs of their own, in one or more associations; each is stored."""
    workload = Workload(
        "test",
        lambda: (ct_slice(16, INSTANCE),),
        count=20,
        entrants=(),
        goals=(),
        associations=associations,
        objects_per_association=objects,
        limit=30,
    )
    parcel = write_parcel(templates(workload.samples()), tmp_path / "objects")

    with ours(tmp_path / "ours", ["--fork"]) as server:
        measured = send(server.port, workload, parcel, 1)

        assert [(20, 0)] * associations == [(one.objects, one.failures) for one in measured]
        assert 20 * associations == len(server.files())
