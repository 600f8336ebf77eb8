"""What tests about logging share: events to format, and logging put back as it was."""

import contextlib
import logging
from collections.abc import Iterator

from storescp.config import logs


@contextlib.contextmanager
def restored_logging() -> Iterator[None]:
    """Take down what the block sets up."""
    root = logging.getLogger()
    level, last_resort = root.level, logging.lastResort
    try:
        yield
    finally:
        logs.reset()
        root.setLevel(level)
        logging.lastResort = last_resort


def event(
    message: str = "Association Received",
    *,
    level: int = logs.INFO,
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
