"""Slots of the last hour, and the rate of the moment."""

import pytest

from storescp.monitor.throughput import SLOT_SECONDS, SLOTS, Rate, Slot, Throughput

NOW = 1_800_000_005.0


def test_objects_are_counted_in_the_slot_that_they_fall_into() -> None:
    """The newest slot is the last, and slots begin at multiples of their length."""
    throughput = Throughput()

    throughput.add(100, NOW)
    throughput.add(50, NOW + 1)
    throughput.add(7, NOW + SLOT_SECONDS)

    slots = throughput.slots(NOW + SLOT_SECONDS)
    assert slots[-2:] == [Slot(2, 150), Slot(1, 7)]
    assert sum(slot.objects for slot in slots) == 3
    assert len(slots) == SLOTS
    assert (
        throughput.start(NOW + SLOT_SECONDS)
        == 1_800_000_000 + SLOT_SECONDS - (SLOTS - 1) * SLOT_SECONDS
    )


def test_slots_move_on_without_objects() -> None:
    """Time passes whether something comes or not, and after an hour nothing is left."""
    throughput = Throughput()
    throughput.add(100, NOW)

    assert throughput.slots(NOW + 3 * SLOT_SECONDS)[-4] == Slot(1, 100)
    assert throughput.slots(NOW + (SLOTS - 1) * SLOT_SECONDS)[0] == Slot(1, 100)
    assert throughput.slots(NOW + SLOTS * SLOT_SECONDS) == [Slot(0, 0)] * SLOTS
    assert throughput.slots(NOW + 10 * SLOTS * SLOT_SECONDS) == [Slot(0, 0)] * SLOTS


def test_a_clock_that_is_put_back_loses_nothing_that_is_of_the_last_hour() -> None:
    """A little: objects count in the newest slot. By hours: what was counted is of another time."""
    throughput = Throughput()
    throughput.add(100, NOW)

    throughput.add(1, NOW - 5 * SLOT_SECONDS)
    assert throughput.slots(NOW)[-1] == Slot(2, 101)

    throughput.add(1, NOW - 2 * SLOTS * SLOT_SECONDS)
    assert throughput.slots(NOW - 2 * SLOTS * SLOT_SECONDS)[-1] == Slot(1, 1)
    assert sum(slot.objects for slot in throughput.slots(NOW - 2 * SLOTS * SLOT_SECONDS)) == 1


def test_a_steady_stream_has_its_rate_from_the_start() -> None:
    """1 MB each 0.1 s are 10 MB/s, after a second as after a minute."""
    rate = Rate(NOW)
    for count in range(1, 601):
        rate.add(1_000_000, NOW + count / 10)
        if count in (10, 50, 600):
            assert rate.at(NOW + count / 10) == pytest.approx(10e6, rel=0.1)


def test_the_rate_fades() -> None:
    """Half a minute after the last object there is next to nothing."""
    rate = Rate(NOW)
    for count in range(100):
        rate.add(1_000_000, NOW + count / 10)

    assert rate.at(NOW + 40) < 0.01 * rate.at(NOW + 10)
    assert rate.at(NOW - 100) > 0  # the clock was put back
