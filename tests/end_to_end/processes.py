"""Processes of a running server, as Linux shows them."""

from contextlib import suppress
from pathlib import Path


def children(pid: int) -> list[int]:
    """Return the children of a process, zombies among them."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def of_kind(pid: int, name: str) -> list[int]:
    """Return the living descendants of a process that are named so; see `storescp.process_name`."""
    found = []
    for child in descendants(pid):
        with suppress(OSError):
            if Path(f"/proc/{child}/comm").read_text() == f"{name}\n" and not has_ended(child):
                found.append(child)
    return found


def descendants(pid: int) -> list[int]:
    """Return the children of a process, and theirs."""
    found = []
    with suppress(OSError):
        for child in children(pid):
            found += [child, *descendants(child)]
    return found


def has_ended(pid: int) -> bool:
    """Tell whether there is no such process, or only what is left of it until somebody has waited for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "XZ"
    except OSError:
        return True


def holds_lock(pid: int, path: Path) -> bool:
    """Tell whether a process holds a lock of its own (fcntl, not flock) on a file."""
    inode = f":{path.stat().st_ino}"
    rows = (line.split() for line in Path("/proc/locks").read_text().splitlines())
    return any(
        row[1] == "POSIX" and row[4] == str(pid) and row[5].endswith(inode)
        for row in rows
        if row[1] != "->"  # who waits
    )
