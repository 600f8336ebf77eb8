"""The name of a process, for those who look at several of them: `ps -o pid,comm`."""

from contextlib import suppress

WORKER = "storescp-worker"
STUDIES = "storescp-study"
PAGE = "storescp-page"
KEEPER = "storescp-keeper"
DISPLAY = "storescp-show"
COMMANDS = "storescp-cmds"


def name_process(name: str) -> None:
    """Name this process, with 15 characters at most (proc(5), comm); nothing happens where that is not possible."""
    with suppress(OSError), open("/proc/self/comm", "wb") as file:
        file.write(name.encode())
