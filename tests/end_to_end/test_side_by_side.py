"""Cases side by side: all run, and a failure says whose it is."""

import threading

import pytest

from tests.end_to_end.side_by_side import side_by_side


def test_cases_run_at_the_same_time() -> None:
    """So many as are asked for: each waits here for the others."""
    barrier = threading.Barrier(3)

    def meet() -> None:
        barrier.wait(10)

    side_by_side([(str(number), meet) for number in range(3)], 3)

    assert not barrier.broken


def test_a_failure_is_named_and_costs_no_other_case() -> None:
    """All cases run to their end; what failed says which case it was."""
    ran = []

    def fail() -> None:
        raise AssertionError("wrong")

    with pytest.raises(ExceptionGroup, match="1 of 3 cases failed") as caught:
        side_by_side(
            [("a", lambda: ran.append("a")), ("b", fail), ("c", lambda: ran.append("c"))], 1
        )

    assert ran == ["a", "c"]
    assert [error.__notes__ for error in caught.value.exceptions] == [["case: b"]]
