"""Commands of the user, a few at a time, each for a limited time."""

import os
import select
import time
from collections.abc import Callable

import pytest

from storescp.serve.process.children import Children
from storescp.serve.studies.command_pool import CommandPool, CommandSettings, Ended, run_to_its_end
from storescp.storage.studies.study_store import Job
from storescp.storage.studies.user_commands import Command


def job(key: str) -> Job:
    return Job(key, "object", None, "", (), 0.0)


def collect(pool: CommandPool, number: int) -> list[Ended]:
    """Return so many ends, as they come."""
    ended: list[Ended] = []
    limit = time.monotonic() + 20
    while len(ended) < number:
        assert time.monotonic() < limit
        ended += pool.collect()
        time.sleep(0.005)
    return ended


def test_ends_are_collected_with_their_reasons() -> None:
    """Well, with an exit status, by a signal, not at all."""
    pool = CommandPool(Children(), CommandSettings(at_once=10))
    for line in ("exit 0", "exit 3", "kill -9 $$", "nul\0"):
        pool.start(job(line), Command(line, {}))

    ended = {one.job.key: (one.why, one.exit_status) for one in collect(pool, 4)}

    assert ended == {
        "exit 0": ("", 0),
        "exit 3": ("exit status 3", 3),
        "kill -9 $$": ("ended by SIGKILL", None),
        "nul\0": ("embedded null byte", None),
    }
    assert len(pool) == 0


def test_there_is_room_for_a_few() -> None:
    """It is there again when one has ended, and whoever waits can see it."""
    children = Children()
    pool = CommandPool(children, CommandSettings(at_once=2))
    reading, writing = os.pipe()
    for key in ("a", "b"):
        assert pool.has_room
        pool.start(job(key), Command(f"read x < /proc/{os.getpid()}/fd/{reading}", {}))
    assert not pool.has_room

    os.write(writing, b"x\nx\n")
    os.close(writing)
    limit = time.monotonic() + 20
    while len(pool):
        assert time.monotonic() < limit
        children.reap()
    assert select.select([pool.descriptor], [], [], 0)[0]
    assert pool.has_room
    assert len(pool.collect()) == 2
    os.close(reading)


def test_a_command_has_the_variables_and_no_signals_ignored() -> None:
    """What it is about is in its environment; SIGPIPE ends what it starts, as usual."""
    pid, why, code = run_to_its_end(
        Command(
            'test "$STORESCP_ID" = 7 && ! yes | true 2>/dev/null || exit 0', {"STORESCP_ID": "7"}
        ),
        10.0,
    )

    assert pid is not None
    assert (why, code) == ("", 0)


@pytest.mark.parametrize("synchronous", [False, True])
@pytest.mark.parametrize("line", ["sleep 60", "trap '' TERM; sleep 60; true"])
def test_a_command_that_takes_too_long_is_ended(
    line: str, synchronous: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First by request, then by force, with all that it started."""
    monkeypatch.setattr("storescp.serve.studies.command_pool._TERMINATION_GRACE_SECONDS", 0.1)
    begun = time.monotonic()
    if synchronous:
        _, why, _ = run_to_its_end(Command(line, {}), 0.1)
    else:
        pool = CommandPool(Children(), CommandSettings(time_limit=0.1))
        pool.start(job("a"), Command(line, {}))
        assert pool.deadline() is not None
        [ended] = collect(pool, 1)
        why = ended.why

    assert why == "longer than 0.1 s"
    assert time.monotonic() - begun < 30


def test_an_ended_command_leaves_a_deadline_to_nobody() -> None:
    """Nothing is waited for when nothing runs."""
    pool = CommandPool(Children(), CommandSettings())
    actions: list[Callable[[], object]] = [pool.deadline, pool.collect]

    assert [action() for action in actions] == [None, []]
