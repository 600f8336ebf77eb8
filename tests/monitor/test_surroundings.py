"""What is seen of disk, certificate and database."""

import os
import sqlite3
from pathlib import Path

import pytest

from storescp.monitor.surroundings import HostProbe, HostStatusSettings


def look(whereabouts: HostStatusSettings, **more: object) -> HostProbe:
    return HostProbe(whereabouts, expiry=lambda *_: None, **more)  # type: ignore[arg-type]


def test_a_directory_with_room_is_no_obstacle(tmp_path: Path) -> None:
    """Free and whole size are told."""
    seen = look(HostStatusSettings(str(tmp_path)))()

    assert seen.disk_problem == ""
    assert 0 < (seen.disk_free or 0) <= (seen.disk_size or 0)


def test_a_directory_that_is_gone_is_an_obstacle(tmp_path: Path) -> None:
    """So it is if it comes back, until somebody looks again."""
    now = 0.0
    seeing = look(HostStatusSettings(str(tmp_path / "gone")), clock=lambda: now)
    assert (
        seeing().disk_problem
        == "the output directory cannot be looked at: No such file or directory"
    )

    (tmp_path / "gone").mkdir()
    now = 1.0
    assert seeing().disk_problem != ""
    now = 2.5
    assert seeing().disk_problem == ""


def test_less_room_than_the_receiver_needs_is_an_obstacle(tmp_path: Path) -> None:
    """It refuses objects then; unless it ignores them anyhow."""
    everything = 1 << 62

    full = look(HostStatusSettings(str(tmp_path), least_free=everything))()
    ignoring = look(HostStatusSettings(str(tmp_path), least_free=everything, writes=False))()

    assert full.disk_problem.startswith("the disk is full: ")
    assert ignoring.disk_problem == ""


def test_a_directory_that_may_not_be_written_is_an_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver could not store anything."""
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere

    seen = look(HostStatusSettings(str(tmp_path)))()
    assert seen.disk_problem == "the output directory cannot be written to"


def test_a_certificate_is_read_when_its_file_changes(tmp_path: Path) -> None:
    """Not each time, and not from a file that is not there."""
    now = 0.0
    read: list[tuple[str, bool]] = []

    def expiry(path: str, is_der: bool) -> float:
        read.append((path, is_der))
        return 100.0 * len(read)

    path = tmp_path / "cert.pem"
    whereabouts = HostStatusSettings(
        str(tmp_path), certificate_file=str(path), certificate_is_der=True
    )
    seeing = HostProbe(whereabouts, expiry=expiry, clock=lambda: now)
    assert seeing().certificate_expiry is None

    path.write_text("one")
    now = 10.0
    assert seeing().certificate_expiry == 100.0
    now = 20.0
    assert seeing().certificate_expiry == 100.0
    path.write_text("two")
    os.utime(path, (1, 1))
    now = 30.0
    assert seeing().certificate_expiry == 200.0
    assert read == [(str(path), True)] * 2


def test_a_database_must_be_readable(tmp_path: Path) -> None:
    """One that is not there or none at all is an obstacle."""
    path = tmp_path / "a state? 100%.db"
    assert look(HostStatusSettings(str(tmp_path), database=str(path)))().database_problem != ""

    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE studies (uid)")
    connection.commit()
    connection.close()
    assert look(HostStatusSettings(str(tmp_path), database=str(path)))().database_problem == ""

    path.write_bytes(b"x" * 5000)
    assert look(HostStatusSettings(str(tmp_path), database=str(path)))().database_problem != ""
