"""A logging configuration file put into force: appenders made, loggers given their levels and appenders.

The file format is that of log4cplus as DCMTK uses it. What is wrong in a file is complained about on standard error
and otherwise left out; only what would leave the server without any idea of what to log stops it.
"""

import logging
import os
import re
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from storescp.errors import ConfigurationError
from storescp.log.appender import Appender, remove_appenders
from storescp.log.levels import LogLevel, level_named
from storescp.log.log4cplus import factory, layouts
from storescp.log.log4cplus import properties as log_properties
from storescp.log.log4cplus.diagnostics import Diagnostics
from storescp.log.log4cplus.properties import Properties

if TYPE_CHECKING:
    from storescp.log.json_lines import Masks


class NoAppender(logging.Handler):
    """Takes the events for which there is no appender; complains about the first of them."""

    def __init__(self, complaints: Diagnostics) -> None:
        super().__init__()
        self._complaints = complaints
        self._complained = False

    def emit(self, record: logging.LogRecord) -> None:
        if not self._complained:
            self._complained = True
            self._complaints.error(f"No appenders could be found for logger ({record.name}).")
            self._complaints.error("Please initialize the log4cplus system properly.")


def configure(path: str, program: str, masks: "Masks | None" = None) -> None:
    """Read a configuration file and set up logging accordingly; `masks` are those of layouts for machines.

    Raises:
        ConfigurationError: the file cannot be read, its variables refer to themselves, or the root logger has no level.
    """
    complaints = Diagnostics.of_environment(os.environ)
    properties = read(path, program, complaints)
    complaints.debugging = properties.boolean("configDebug", default=complaints.debugging)
    complaints.quiet = properties.boolean("quietMode", default=complaints.quiet)
    apply(properties, complaints, partial(factory.make, masks=masks))
    complaints.quiet = logging.getLogger().level > LogLevel.ERROR


def read(path: str, program: str, complaints: Diagnostics) -> Properties:
    """Return what a configuration file says, its variables replaced.

    Raises:
        ConfigurationError: the file cannot be read, or its variables refer to themselves.
    """
    variables = predefined(program, time.localtime())
    written = Properties({**log_properties.read(path).values, **variables})
    expanded = log_properties.expand(written, os.environ, complaints)
    return expanded.below(log_properties.PREFIX)


def predefined(program: str, now: time.struct_time) -> dict[str, str]:
    """Return the variables that every file may use."""
    return {
        "appname": program,
        "date": time.strftime("%Y%m%d", now),
        "time": time.strftime("%H%M%S", now),
        "pid": str(os.getpid()),
        "hostname": layouts.host_name(),
    }


Make = Callable[[str, Properties, Diagnostics], Appender | None]


def apply(properties: Properties, complaints: Diagnostics, make: Make = factory.make) -> None:
    """Make all appenders and set up all loggers."""
    root_value = properties.get("rootLogger")
    check_root_level(root_value)
    appenders = make_appenders(properties.below("appender."), complaints, make)
    logging.lastResort = NoAppender(complaints)
    set_up(logging.getLogger(), root_value, appenders, complaints)
    loggers = properties.below("logger.")
    for name in loggers:
        if name not in {
            "",
            "root",
        }:  # to Python these are the root logger, to the reference they are not
            set_up(logging.getLogger(name), loggers.get(name), appenders, complaints)
    additivity = properties.below("additivity.")
    for name in additivity:
        logging.getLogger(name).propagate = additivity.boolean(name, default=True)
    close_unused(appenders)


def check_root_level(value: str) -> None:
    """Refuse a root logger without level.

    Raises:
        ConfigurationError: it has none.
    """
    levels = words(value)[:1]
    if levels and level_named(levels[0]) is None:
        raise ConfigurationError(
            f'logging configuration: log4cplus.rootLogger has no valid level: "{levels[0]}"'
        )


def make_appenders(
    properties: Properties, complaints: Diagnostics, make: Make = factory.make
) -> dict[str, Appender]:
    """Make the appender of every name."""
    appenders = {}
    for name in properties:
        if "." in name:  # a property of an appender
            continue
        class_name = properties.get(name)
        complaints.debug(f"appender {name}: {class_name}")
        appender = make(class_name, properties.below(f"{name}."), complaints)
        if appender is None:
            complaints.error(
                "PropertyConfigurator::configureAppenders()- Cannot find AppenderFactory: "
                + class_name
            )
        else:
            appenders[name] = appender
    return appenders


def set_up(
    logger: logging.Logger, value: str, appenders: dict[str, Appender], complaints: Diagnostics
) -> None:
    """Give a logger the level and the appenders that `LEVEL, APPENDER, …` names, instead of those it has."""
    if not words(value):
        complaints.error(
            "PropertyConfigurator::configureLogger()- Invalid config string"
            f'(Logger = {logger.name}): "{value}"'
        )
        return
    level, *names = words(value)
    complaints.debug(f"logger {logger.name}: {value}")
    logger.setLevel(level_named(level) or logging.NOTSET)
    remove_appenders(logger)
    for name in names:
        if name in appenders:
            logger.addHandler(appenders[name])
        else:
            complaints.error(f"PropertyConfigurator::configureLogger()- Invalid appender: {name}")


def words(value: str) -> list[str]:
    """Split at runs of commas, without blanks; behind the last comma nothing needs to follow."""
    parts = re.split(",+", value.replace(" ", ""))
    return parts if parts[-1] else parts[:-1]


def close_unused(appenders: dict[str, Appender]) -> None:
    """Close the appenders that no logger took."""
    known = logging.Logger.manager.loggerDict.values()
    loggers = [logging.getLogger(), *(each for each in known if isinstance(each, logging.Logger))]
    used = {handler for logger in loggers for handler in logger.handlers}
    for appender in appenders.values():
        if appender not in used:
            appender.close()
