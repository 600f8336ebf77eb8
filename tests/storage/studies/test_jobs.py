"""Jobs as values, and the pauses between the attempts of a command."""

from hypothesis import given
from hypothesis import strategies as st

from storescp.storage.studies.jobs import Retries


def test_pauses_double_up_to_a_limit() -> None:
    """10, 20, 40 … and at most an hour."""
    retries = Retries(attempts=12, first_pause=10.0, longest_pause=3600.0)

    pauses = [retries.pause_after(attempts) for attempts in range(1, 13)]

    assert pauses == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, None]


@given(st.integers(1, 100_000), st.integers(1, 100_000), st.floats(0, 1e6))
def test_any_schedule_ends(attempts: int, most: int, pause: float) -> None:
    """However often: a pause within the limit, or none."""
    found = Retries(most, pause).pause_after(attempts)

    assert (found is None) == (attempts >= most)
    assert found is None or 0 <= found <= 3600
