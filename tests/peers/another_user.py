"""The program run by a user who may do nothing in particular: where it is, and with which Python."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import sample

import prometheus_client
import pydicom
import pytest

import storescp

IS_ROOT = os.geteuid() == 0
NOBODY, NOGROUP = 4000000001, 4000000002
"""A user and a group that no machine knows."""


@contextmanager
def public_directory() -> Iterator[Path]:
    """Make a directory that every user can enter, with the program and what it needs in `src`, and `files`."""
    path = Path(tempfile.mkdtemp())  # the directories of pytest are for this user only
    path.chmod(0o755)
    needless = shutil.ignore_patterns("__pycache__", "tests", "test_files", "palettes")
    dictionary = Path(pydicom.__file__).parent
    metadata = dictionary.parent.glob("pydicom-*.dist-info")
    metrics = Path(prometheus_client.__file__).parent
    for source in (Path(storescp.__file__).parent, dictionary, metrics, *metadata):
        shutil.copytree(source, path / "src" / source.name, ignore=needless)
    (path / "files").mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def public_python() -> str:
    """Return a Python that every user can run; who is not root makes nobody another user."""
    if not IS_ROOT:
        return sys.executable
    script = "import sys; assert sys.version_info >= (3, 11); print(sys.executable)"
    for candidate in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"):
        if not os.path.exists(candidate):
            continue
        try:
            done = subprocess.run(
                [candidate, "-I", "-c", script],
                user=NOBODY,
                group=NOGROUP,
                extra_groups=[],
                capture_output=True,
                text=True,
                check=False,
            )
        except PermissionError:
            continue
        if done.returncode == 0:
            return done.stdout.strip()
    pytest.fail("no Python that every user can run; Debian's will do")


def privileged_port() -> int:
    """Return a port below 1024 that is free."""
    for port in sample(range(600, 1024), 424):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    pytest.fail("all ports are taken")
