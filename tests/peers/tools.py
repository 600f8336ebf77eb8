"""Programs of the system that tests run: found, or the test is skipped (in CI: failed)."""

import os
import shutil

import pytest

# tcpdmatch lives where only administrators look.
_SEARCH_PATH = os.pathsep.join(
    [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
)


def find_tool(name: str) -> str | None:
    """Return the path of the program `name`, None if there is none.

    A virtual environment's programs are passed over: pynetdicom installs namesakes of DCMTK's.
    """
    directories = [
        directory
        for directory in _SEARCH_PATH.split(os.pathsep)
        if not os.path.exists(os.path.join(directory, os.pardir, "pyvenv.cfg"))
    ]
    return shutil.which(name, path=os.pathsep.join(directories))


def require_tool(name: str) -> str:
    """Return the path of the program `name`; skip the test if there is none, fail it in CI."""
    path = find_tool(name)
    if path is None:
        message = f"{name} is not installed; `make test` installs it where it may"
        if os.environ.get("CI", "") in ("", "0", "false"):
            pytest.skip(message)
        pytest.fail(message)
    return path
