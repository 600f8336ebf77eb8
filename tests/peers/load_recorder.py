"""Runs the program and notes what its forked children load: `load_recorder.py RECORD ARGUMENT...`.

Each child appends a line to RECORD when it ends: the modules that it had to load itself.
"""

import os
import sys
from typing import NoReturn

from storescp import cli


def main() -> NoReturn:
    """Run the program with fork() and _exit() watched."""
    record = sys.argv.pop(1)
    fork, leave = os.fork, os._exit

    def watched_fork() -> int:
        before = set(sys.modules)
        pid = fork()
        if pid == 0:

            def note_and_leave(code: int) -> NoReturn:
                with open(record, "a") as file:
                    file.write(" ".join(sorted(set(sys.modules) - before)) + "\n")
                leave(code)

            os._exit = note_and_leave  # type: ignore[assignment]  # calls it by position
        return pid

    os.fork = watched_fork
    cli.main()


if __name__ == "__main__":
    main()
