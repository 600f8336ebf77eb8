"""Numbers and times in words."""

import pytest

from storescp.monitor.words import duration, number, size


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_449, "99.4 kB"),
        (99_999, "100 kB"),
        (999_400, "999 kB"),
        (999_500, "1.0 MB"),
        (12_345_678, "12.3 MB"),
        (5e18, "5000 PB"),
    ],
)
def test_sizes(count: float, expected: str) -> None:
    """Three digits and a unit."""
    assert expected == size(count)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-1, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (86399, "23 h 59 min"),
        (86400, "1 day"),
        (1e8, "1,157 days"),
    ],
)
def test_durations(seconds: float, expected: str) -> None:
    """The two greatest units."""
    assert expected == duration(seconds)


def test_numbers() -> None:
    """One is one."""
    assert [number(count, "study", "studies") for count in (0, 1, 1234)] == [
        "0 studies",
        "1 study",
        "1,234 studies",
    ]
