"""Findings of the checks of certificates, keys and cipher suites, as data; the caller logs them."""

import logging
from typing import NamedTuple

FATAL = logging.CRITICAL


class Finding(NamedTuple):
    """A message for the log, and whether what it is about must not be used."""

    level: int
    text: str
    refuses: bool


def fatal(text: str) -> Finding:
    return Finding(FATAL, text, refuses=True)


def error(text: str) -> Finding:
    return Finding(logging.ERROR, text, refuses=True)


def warning(text: str) -> Finding:
    return Finding(logging.WARNING, text, refuses=False)
