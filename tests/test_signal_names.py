"""Names of signals."""

import signal

import pytest

from storescp.signal_names import signal_name


@pytest.mark.parametrize(
    ("number", "name"),
    [(9, "SIGKILL"), (signal.SIGRTMIN, "SIGRTMIN"), (40, "signal 40"), (200, "signal 200")],
)
def test_every_number_has_a_name(number: int, name: str) -> None:
    """Also those of real-time signals, of which the system names two."""
    assert signal_name(number) == name
