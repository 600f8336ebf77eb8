"""A logging configuration file put into force for a moment, without opening what it names: for `--check`."""

import logging
from dataclasses import dataclass, field

from storescp.log import setup
from storescp.log.appender import Appender
from storescp.log.log4cplus import configuration, factory
from storescp.log.log4cplus.diagnostics import Diagnostics
from storescp.log.log4cplus.properties import Properties

_SIDE_EFFECTS = frozenset({"UseLockFile", "LockFile"})


@dataclass(slots=True)
class DryRun:
    """The effect of a file, and its mistakes."""

    complaints: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    """Names of the files that would be written to."""

    def make(
        self, class_name: str, properties: Properties, complaints: Diagnostics
    ) -> Appender | None:
        """Make an appender that goes nowhere but has the properties of the one asked for."""
        if class_name not in factory.CLASSES:
            return None
        if class_name in factory.FILE_CLASSES:
            if path := properties.get("File"):
                self.files.append(path)
            else:
                complaints.error("Invalid filename")
        if class_name == factory.ASYNC_CLASS and (wrapped := properties.get("Appender")):
            self.make(wrapped, properties.below("Appender."), complaints)
        harmless = {key: properties.get(key) for key in properties if key not in _SIDE_EFFECTS}
        return factory.make("log4cplus::NullAppender", Properties(harmless), complaints)


class _KeptDiagnostics(Diagnostics):
    """Keeps complaints instead of writing them."""

    def __init__(self, complaints: list[str]) -> None:
        super().__init__()
        self._kept = complaints

    def _complain(self, kind: str, text: str) -> None:
        if kind in {"ERROR", "WARN"}:
            self._kept.append(text)


def rehearse(path: str) -> DryRun:
    """Read a file and set up logging by it; then log as before, with the default set-up.

    Raises:
        ConfigurationError: the program would not start with it.
    """
    rehearsal = DryRun()
    complaints = _KeptDiagnostics(rehearsal.complaints)
    last_resort, level = logging.lastResort, logging.getLogger().level
    try:
        properties = configuration.read(path, setup.program_name(), complaints)
        configuration.apply(properties, complaints, rehearsal.make)
    finally:
        logging.lastResort = last_resort
        setup.configure(setup.LogSettings(level=level))
    return rehearsal
