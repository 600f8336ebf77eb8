"""Real clients against the real program: what they send is stored as DCMTK's storescp stores it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.peers import clients, samples
from tests.peers.servers import Server, dcmtk, ours

pytestmark = pytest.mark.interop

Send = Callable[[int, Sequence[Path]], object]


def _slices(count: int = 20) -> list[samples.Sample]:
    """Return a small series of CT slices."""
    return [samples.ct_slice(128, f"1.2.826.0.1.3680043.9.3811.98.{n + 1}") for n in range(count)]


def _uncompressed() -> list[samples.Sample]:
    return [sample for sample in samples.of_pydicom() if clients.is_usual(sample)]


def _storescu(port: int, paths: Sequence[Path]) -> None:
    clients.storescu(port, paths)


def _dcmsend(port: int, paths: Sequence[Path]) -> None:
    clients.dcmsend(port, paths)


SENDERS: dict[str, tuple[Send, tuple[str, ...], Callable[[], Sequence[samples.Sample]]]] = {
    "storescu": (_storescu, (), _uncompressed),
    "storescu, slices": (_storescu, (), _slices),
    "dcmsend": (_dcmsend, ("+xa",), samples.of_pydicom),
    "dcmsend, slices": (_dcmsend, (), _slices),
    "dcmsend, bit-preserving": (_dcmsend, ("+xa", "+B"), samples.of_pydicom),
    "pynetdicom, slices": (clients.pynetdicom, (), _slices),
}


@pytest.mark.parametrize("sender", SENDERS)
def test_same_files_as_dcmtk(sender: str, tmp_path: Path) -> None:
    """A directory of files arrives complete, and identical under dcmdump to what DCMTK's storescp stores."""
    send, options, objects = SENDERS[sender]
    paths = clients.write_files(objects(), tmp_path / "sent")

    with ours(tmp_path / "ours", options) as server:
        mine = _stored(server, send, paths)
    with dcmtk(tmp_path / "dcmtk", options) as server:
        theirs = _stored(server, send, paths)

    assert theirs
    assert list(theirs) == list(mine)
    scratch = tmp_path / "dump.dcm"
    for name, content in theirs.items():
        assert clients.dump(content, scratch) == clients.dump(mine[name], scratch)


def _stored(server: Server, send: Send, paths: Sequence[Path]) -> dict[str, bytes]:
    send(server.port, paths)
    return server.files()


def test_all_slices_arrive(tmp_path: Path) -> None:
    """Storescu finds success for each slice, and a file bears each one's name."""
    slices = _slices()
    paths = clients.write_files(slices, tmp_path / "sent")

    with ours(tmp_path / "ours") as server:
        result = clients.storescu(server.port, paths)

        assert result.returncode == 0, result.stderr + result.stdout
        assert sorted(f"CT.{one.sop_instance}" for one in slices) == sorted(server.files())


def test_pynetdicom_is_told_of_success(tmp_path: Path) -> None:
    """Status 0000 reaches pynetdicom for each object."""
    paths = clients.write_files(_slices(5), tmp_path / "sent")

    with ours(tmp_path / "ours") as server:
        assert clients.pynetdicom(server.port, paths) == [0] * 5


def test_echo(tmp_path: Path) -> None:
    """An echo by echoscu succeeds."""
    with ours(tmp_path / "ours") as server:
        result = clients.echoscu(server.port)

    assert result.returncode == 0, result.stderr + result.stdout


@pytest.mark.parametrize(
    ("proposed", "accepted"),
    [
        ("-xs", "+xs"),
        ("-xy", "+xy"),
        ("-xr", "+xr"),
        ("-xd", "+xd"),
        ("-xi", "+xi"),
        ("-xb", "+xb"),
    ],
)
def test_preferred_transfer_syntax(proposed: str, accepted: str, tmp_path: Path) -> None:
    """What storescu proposes first and the server prefers becomes the transfer syntax of the association."""
    paths = clients.write_files(_slices(2), tmp_path / "sent")

    with ours(tmp_path / "ours", [accepted]) as server:
        clients.storescu(server.port, paths, proposed)
        mine = server.files()
    with dcmtk(tmp_path / "dcmtk", [accepted]) as server:
        clients.storescu(server.port, paths, proposed)
        theirs = server.files()

    scratch = tmp_path / "dump.dcm"
    assert [clients.dump(content, scratch) for content in theirs.values()] == [
        clients.dump(content, scratch) for content in mine.values()
    ]
