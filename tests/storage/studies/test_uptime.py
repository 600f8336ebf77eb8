"""The time that goes by while the program runs, or the machine."""

from storescp.storage.studies.uptime import UpTime


def test_time_goes_on_from_where_it_was() -> None:
    """Whatever the clock below says, which starts anew with the machine."""
    now = 5000.0
    uptime = UpTime(100.0, lambda: now)
    assert uptime() == 100.0
    now = 5002.5
    assert uptime() == 102.5
    now = 3.0  # another start of the machine
    assert UpTime(102.5, lambda: now)() == 102.5
