"""leftovers: whose file is it, and is he alive."""

from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from storescp.storage.files.directory_lock import NO_LOCK, DirectoryLock
from storescp.storage.files.leftovers import FileOwner, made_by

NOW = 1_700_000_000.0
HOUR, DAY = 3600, 86400


def test_names_tell_their_maker() -> None:
    """What `hidden_names` writes, `made_by` reads."""
    receiver = FileOwner.on_this_machine(0x1234)

    assert receiver == made_by(receiver.hidden_names % (77, 5))


@pytest.mark.parametrize(
    "name",
    ["CT.1.2.3", "", "x.part", "0000000-00000000-1-1-1.part", "00000000-00000000-1-1-1.part\n"],
)
def test_other_names_are_nobodys(name: str) -> None:
    """Only names of our own making are understood."""
    assert made_by(name) is None


def test_receiver_lives_as_long_as_its_claim(tmp_path: Path) -> None:
    """However old its files are."""
    claim = DirectoryLock(str(tmp_path))
    receiver = FileOwner.on_this_machine(claim.number)

    assert not receiver.is_gone(str(tmp_path), NOW - 10 * DAY, NOW)
    claim.close()
    assert receiver.is_gone(str(tmp_path), NOW, NOW)


@pytest.mark.parametrize(
    ("boot", "host", "claim", "age", "gone"),
    [
        ("another", "this", 5, 0, True),  # this machine, before it was started again
        ("another", "another", 5, HOUR, False),  # another one that shares the directory
        ("another", "another", 5, 2 * DAY, True),
        ("another", "another", NO_LOCK, HOUR, False),
        ("this", "this", NO_LOCK, HOUR, False),  # it could not mark the directory
        ("this", "another", NO_LOCK, 2 * DAY, True),
        ("unknown", "this", 5, HOUR, False),  # in a sandbox that hides which start it is
        ("unknown", "this", 5, 2 * DAY, True),
        ("this", "another", 5, 0, True),  # a container of this machine that is no more
    ],
)
def test_where_claims_do_not_reach_time_decides(
    tmp_path: Path, boot: str, host: str, claim: int, age: int, gone: bool
) -> None:
    """Other machines' files are left alone for a day."""
    receiver = FileOwner.on_this_machine(claim)
    if boot == "another":
        receiver = replace(receiver, boot="11111111")
    if boot == "unknown":
        receiver = replace(receiver, boot="00000000")
    if host == "another":
        receiver = replace(receiver, host="00000000")

    assert gone == receiver.is_gone(str(tmp_path), NOW - age, NOW)


def test_machine_without_boot_id_is_survived() -> None:
    """Where /proc is not mounted."""
    with mock.patch("builtins.open", side_effect=FileNotFoundError):
        receiver = FileOwner.on_this_machine(1)

    assert len(receiver.boot) == 8
    assert not receiver.knows_boot
    assert FileOwner.on_this_machine(1).knows_boot
