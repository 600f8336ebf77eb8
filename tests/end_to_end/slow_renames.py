"""The program on a file system that takes its time to rename: `python -m tests.end_to_end.slow_renames SECONDS OPTIONS…`.

The delay is put where final names are given, so that everything above it is as it always is.
"""

import os
import sys
import time

from storescp import cli
from storescp.storage.files.rename_noreplace import rename_new
from storescp.storage.studies import final_names


def main() -> None:
    """Run the program with slow renames."""
    seconds = float(sys.argv.pop(1))
    rename = rename_new

    def rename_slowly(source: str, target: str, *, source_directory: int | None = None) -> None:
        time.sleep(seconds)
        rename(source, target, source_directory=source_directory)

    setattr(final_names, "rename_new", rename_slowly)  # noqa: B010  (it is imported there)
    sys.argv[0] = os.path.basename(sys.argv[0])
    cli.main()


if __name__ == "__main__":
    main()
