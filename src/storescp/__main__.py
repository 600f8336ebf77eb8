"""The command `storescp`, and `python -m storescp`: starts the program where it can run.

Old versions of Python understand this module, so that they say what is needed instead of reporting a mistake in the code.
"""

import sys

_OLDEST_PYTHON = (3, 11)


def main() -> None:
    """Run the program and end the process with its exit code."""
    if sys.platform != "linux":
        sys.exit(f"storescp: this program runs on Linux; it uses what {sys.platform} does not have")
    if sys.version_info < _OLDEST_PYTHON:
        needed = ".".join(map(str, _OLDEST_PYTHON))
        sys.exit(f"storescp: Python {needed} or later is needed; this is {sys.version.split()[0]}")
    from storescp.cli import main as run

    run()


if __name__ == "__main__":
    main()
