"""Appenders of logging configuration files: their common properties, and the simple ones.

Files are in `log4cplus.file`, what sends to other processes in `log4cplus.network`; both are imported when a file asks for them.
No appender has a thread: a server that forks must not have any, and none of them makes the receiver wait for long.
"""

import logging
from typing import TYPE_CHECKING

from storescp.log.appender import Appender
from storescp.log.levels import level_named
from storescp.log.log4cplus import filters, layouts
from storescp.log.log4cplus.appender import ConfiguredAppender, LockFile
from storescp.log.log4cplus.console import AsyncAppender, ConsoleAppender, NullAppender
from storescp.log.log4cplus.diagnostics import Diagnostics
from storescp.log.log4cplus.properties import Properties

if TYPE_CHECKING:
    from storescp.log.json_lines import Masks

ASYNC_CLASS = "log4cplus::AsyncAppender"
FILE_CLASSES = frozenset(
    {
        "log4cplus::FileAppender",
        "log4cplus::RollingFileAppender",
        "log4cplus::DailyRollingFileAppender",
    }
)
_NETWORK_CLASSES = frozenset(
    {
        "log4cplus::SysLogAppender",
        "log4cplus::SocketAppender",
        "log4cplus::Log4jUdpAppender",
    }
)
CLASSES = frozenset(
    {
        "log4cplus::ConsoleAppender",
        "log4cplus::NullAppender",
        ASYNC_CLASS,
        *FILE_CLASSES,
        *_NETWORK_CLASSES,
    }
)
"""All that `make` can make."""

_MAXIMUM_NESTING = 16
"""Appenders that may hold one another; each takes a few frames of the stack to make and to use."""


def make(
    class_name: str,
    properties: Properties,
    complaints: Diagnostics,
    masks: "Masks | None" = None,
) -> Appender | None:
    """Return the appender of a class with all its properties set, or None if there is no such class."""
    appender = _make(class_name, properties, complaints, masks)
    if appender is not None:
        _set_common(appender, properties, complaints, masks)
    return appender


def _make(
    class_name: str, properties: Properties, complaints: Diagnostics, masks: "Masks | None"
) -> ConfiguredAppender | None:
    match class_name:
        case "log4cplus::ConsoleAppender":
            return ConsoleAppender(
                complaints,
                to_stderr=properties.boolean("logToStdErr", default=False),
                immediate_flush=properties.boolean("ImmediateFlush", default=False),
            )
        case "log4cplus::NullAppender":
            return NullAppender(complaints)
        case _ if class_name == ASYNC_CLASS:
            return AsyncAppender(complaints, _wrapped(properties, complaints, masks))
        case _ if class_name in FILE_CLASSES:
            from storescp.log.log4cplus import file as log_files

            return log_files.make(class_name, properties, complaints)
        case _ if class_name in _NETWORK_CLASSES:
            from storescp.log.log4cplus import network

            return network.make(class_name, properties, complaints)
        case _:
            return None


def _wrapped(
    properties: Properties, complaints: Diagnostics, masks: "Masks | None"
) -> Appender | None:
    class_name = properties.get("Appender")
    if not class_name:
        complaints.error("Unspecified appender for AsyncAppender.")
        return None
    if "Appender." * _MAXIMUM_NESTING + "Appender" in properties:
        complaints.error(f"More than {_MAXIMUM_NESTING} appenders in one another.")
        return None
    appender = make(class_name, properties.below("Appender."), complaints, masks)
    if appender is None:
        complaints.error(
            f"AsyncAppender::AsyncAppender() - Cannot find AppenderFactory: {class_name}"
        )
    return appender


def _set_common(
    appender: ConfiguredAppender,
    properties: Properties,
    complaints: Diagnostics,
    masks: "Masks | None",
) -> None:
    """Set layout, threshold, filters and lock file; an unusable layout makes the reference forget the rest."""
    appender.setFormatter(layouts.SimpleLayout())
    if "layout" in properties:
        try:
            layout = layouts.make(
                properties.get("layout"), properties.below("layout."), complaints, masks
            )
        except layouts.InvalidLayout as reason:
            complaints.error(f"Error while creating Layout: {reason}")
            return
        if layout is None:
            complaints.error(f'Cannot find LayoutFactory: "{properties.get("layout")}"')
            return
        appender.setFormatter(layout)
    appender.setLevel(level_named(properties.get("Threshold")) or logging.NOTSET)
    appender.addFilter(filters.chain(properties.below("filters."), complaints))
    if properties.boolean("UseLockFile", default=False):
        _set_lock(appender, properties, complaints)


def _set_lock(
    appender: ConfiguredAppender, properties: Properties, complaints: Diagnostics
) -> None:
    file = properties.get("File")
    if path := properties.get("LockFile", file and file + ".lock"):
        try:
            appender.turn = LockFile(path)
        except OSError:
            complaints.error(f"could not open or create file {path}")
