"""How much of the processors' time a server has had, with all its processes (Linux)."""

import os
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def processor_seconds(pid: int) -> float:
    """Return the seconds, in user mode and in the kernel, that a process and its descendants have had so far.

    Those that have ended count once their parent has waited for them, in ticks of usually 10 ms.
    """
    try:
        return _own(pid) + _reaped(pid) + sum(map(processor_seconds, _children(pid)))
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _own(pid: int) -> float:
    """Return the time of all threads that are there."""
    threads = (_PROC / str(pid) / "task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def _reaped(pid: int) -> float:
    """Return the time of children that were waited for: fields 16 and 17 of proc_pid_stat(5)."""
    fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / _TICKS_A_SECOND


def _children(pid: int) -> list[int]:
    return [
        int(child)
        for thread in (_PROC / str(pid) / "task").iterdir()
        for child in (thread / "children").read_text().split()
    ]
