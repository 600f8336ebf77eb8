"""Levels and set-up of logging: standard error by default, a configuration file on request.

Everything is logged through Python's `logging`, under the logger names of DCMTK. Its hierarchy, its additivity
and its rule that a level is tested only where an event enters are those of the reference. What only
`--log-config` needs lives in `log4cplus.configuration` and is imported only then.
"""

import logging
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storescp.log.appender import Appender, StandardErrorAppender, message_of, remove_appenders
from storescp.log.levels import PROGRESS, LogLevel, level_name

if TYPE_CHECKING:
    from storescp.log.json_lines import Masks
    from storescp.log.levels import LogMask


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Settings of the log."""

    level: int = LogLevel.WARN
    configuration_file: str | None = None
    """Decides about everything; `level` does not count then."""
    json: bool = False
    """True if lines are JSON."""
    tells_processes: bool = False
    """True if lines of other processes than this one begin with their process IDs."""
    masks: "tuple[LogMask, ...]" = ()
    """Identifiers that are masked where lines are JSON."""


def configure(settings: LogSettings) -> None:
    """Set up logging for this process, replacing what an earlier call set up.

    Raises:
        ConfigurationError: the configuration file cannot be used. Logging then works with the default set-up, so
            that the error itself can be logged.
    """
    reset()
    root = logging.getLogger()
    masks = _masks(settings)
    root.addHandler(_standard_error(settings, masks))
    root.setLevel(settings.level)
    if settings.json:
        # Dots on standard output would stand between the objects once both streams go to one file.
        logging.getLogger(PROGRESS).setLevel(LogLevel.WARN)
    if settings.configuration_file is not None:
        root.setLevel(LogLevel.INFO)
        # Most servers run without such a file and need not wait for these modules.
        from storescp.log.log4cplus import configuration

        configuration.configure(settings.configuration_file, program_name(), masks)


def _masks(settings: LogSettings) -> "Masks | None":
    if not settings.masks:
        return None
    from storescp.log.json_lines import Masks

    return Masks(settings.masks)


def _standard_error(settings: LogSettings, masks: "Masks | None") -> "Appender":
    if not settings.json:
        return StandardError(tells_processes=settings.tells_processes)
    from storescp.log import json_lines

    return json_lines.standard_error(masks)


def check_file(path: str) -> str | None:
    """Tell what keeps a logging configuration file from being one, in the reference's words, or None."""
    from storescp.log.log4cplus import properties

    return properties.check_file(path)


def reset() -> None:
    """Take down what `configure` set up; handlers of others, such as those of test tools, stay."""
    known = logging.Logger.manager.loggerDict.values()
    for logger in [
        logging.getLogger(),
        *(each for each in known if isinstance(each, logging.Logger)),
    ]:
        for appender in remove_appenders(logger):
            appender.close()
        if logger.name.partition(".")[0] == "dcmtk":
            logger.setLevel(logging.NOTSET)
            logger.propagate = True


def announce(text: str) -> None:
    """Log a message at level INFO through the root logger whatever its level is, as `--arguments` wants it."""
    root = logging.getLogger()
    root.handle(root.makeRecord("root", LogLevel.INFO, __file__, 0, text, (), None))


def usage_errors_are_silent() -> bool:
    """Tell whether the level of the root logger silences usage errors too."""
    return logging.getLogger().level > LogLevel.ERROR


def progress_enabled() -> bool:
    """Tell whether the progress line is wanted: if the level of its logger is INFO, neither more nor less."""
    return logging.getLogger(PROGRESS).getEffectiveLevel() == LogLevel.INFO


class StandardError(StandardErrorAppender):
    """The default: level letter, colon and blank in front of every line."""

    def __init__(self, *, tells_processes: bool = False) -> None:
        """Prepare to write; `tells_processes` adds the ID of the process to lines of others than this one."""
        super().__init__()
        self._silent_process = os.getpid() if tells_processes else None

    def format(self, record: logging.LogRecord) -> str:
        prefix = f"{level_name(record.levelno)[0]}: "
        if self._silent_process is not None and record.process != self._silent_process:
            prefix += f"[{record.process}] "
        return prefix + message_of(record).replace("\n", "\n" + prefix) + "\n"


def program_name() -> str:
    """Return how the program was called, without its directory."""
    name = os.path.basename(sys.argv[0])
    return "storescp" if name == "__main__.py" else name  # python -m storescp
