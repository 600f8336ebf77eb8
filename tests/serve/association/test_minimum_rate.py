"""How slowly a peer may send what it has begun: in simulated time."""

import pytest

from storescp.serve.association.minimum_rate import MINIMUM_BYTES, MinimumRate, TooSlow


def test_a_byte_a_second_is_too_slow() -> None:
    """It is found out after one period."""
    pace = MinimumRate(60.0)
    for second in range(60):
        pace.received(1, float(second))

    with pytest.raises(TooSlow, match="60 bytes in 60 seconds"):
        pace.received(1, 60.0)


def test_enough_in_each_period_is_enough() -> None:
    """For hours."""
    pace = MinimumRate(60.0)
    for second in range(0, 7200, 10):
        pace.received(MINIMUM_BYTES // 5, float(second))


def test_one_good_period_does_not_serve_for_the_next() -> None:
    """Each counts for itself."""
    pace = MinimumRate(60.0)
    for second in range(0, 70, 10):
        pace.received(MINIMUM_BYTES - 1, float(second))

    for second in range(61, 120):
        pace.received(1, float(second))
    with pytest.raises(TooSlow):
        pace.received(1, 121.0)


def test_whoever_owes_nothing_is_not_watched() -> None:
    """A pause between messages begins no period, and ends one."""
    pace = MinimumRate(60.0)
    for hour in range(100):
        pace.received(1, hour * 3600.0)
        assert pace.watching
        pace.forget()
        assert not pace.watching


def test_no_period_is_no_limit() -> None:
    """As the time limit that it follows."""
    pace = MinimumRate(None)
    for second in range(100_000):
        pace.received(1, float(second))
