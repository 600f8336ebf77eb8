"""Numbers and times as people read them, for the terminal; the page has its own."""

import time

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def size(count: float) -> str:
    """Return a number of bytes: `0 B`, `12.3 MB`."""
    unit = 0
    while count >= 999.5 and unit < len(_UNITS) - 1:
        count /= 1000
        unit += 1
    digits = 0 if unit == 0 or count >= 99.5 else 1
    return f"{count:.{digits}f} {_UNITS[unit]}"


def duration(seconds: float) -> str:
    """Return a duration: `5 s`, `2 min 5 s`, `3 h 20 min`, `4 days`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return number(whole // 86400, "day", "days")


def number(count: int, one: str, many: str) -> str:
    """Return a number of things: `1 object`, `1,234 objects`."""
    return f"{count:,} {one if count == 1 else many}"


def clock(seconds: float) -> str:
    """Return a time of the day, here."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))
