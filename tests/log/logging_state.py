"""What tests about logging share: events to format, and logging put back as it was."""

import contextlib
import logging
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from storescp.log import setup
from storescp.log.levels import LogLevel


@contextlib.contextmanager
def restored_logging() -> Iterator[None]:
    """Take down what the block sets up."""
    root = logging.getLogger()
    level, last_resort = root.level, logging.lastResort
    try:
        yield
    finally:
        setup.reset()
        root.setLevel(level)
        logging.lastResort = last_resort


def event(
    message: str = "Association Received",
    *,
    level: int = LogLevel.INFO,
    logger: str = "dcmtk.apps.storescp",
    created: float | None = None,
) -> logging.LogRecord:
    """Return an event as the logger makes it."""
    record = logging.LogRecord(
        logger, level, "/src/serve/listener.py", 42, message, None, None, "run"
    )
    if created is not None:
        record.created = created
        record.msecs = created % 1 * 1000
    return record


def run_python(code: str, properties: str = "") -> str:
    """Run code in a process of its own, which may fork, and return what it prints on standard output.

    The code finds modules and names that tests of appenders use; `properties` are those of an appender.
    """
    preamble = f"""
import os, sys, time
from storescp.log.log4cplus import appender as appenders, factory
from storescp.log.log4cplus.diagnostics import Diagnostics
from storescp.log.log4cplus.properties import parse
from tests.log.logging_state import event
properties = parse({properties!r})
"""
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(
        [sys.executable, "-c", preamble + textwrap.dedent(code)],
        env={"PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=60,
    ).stdout
