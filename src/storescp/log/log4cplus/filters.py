"""Filters of logging configuration files: they choose the events that an appender takes."""

import logging
from collections.abc import Callable
from enum import Enum

from storescp.log.appender import message_of
from storescp.log.levels import level_named
from storescp.log.log4cplus.diagnostics import Diagnostics
from storescp.log.log4cplus.properties import Properties


class FilterDecision(Enum):
    """Result of a filter for an event; neutral leaves the decision to the next filter."""

    ACCEPT = 1
    NEUTRAL = 0
    DENY = -1


Decide = Callable[[logging.LogRecord], FilterDecision]


class Chain(logging.Filter):
    """Asks filters in order until one decides; accepts what none decides about."""

    def __init__(self, filters: list[Decide]) -> None:
        super().__init__()
        self._filters = filters

    def filter(self, record: logging.LogRecord) -> bool:
        for decide in self._filters:
            decision = decide(record)
            if decision is not FilterDecision.NEUTRAL:
                return decision is FilterDecision.ACCEPT
        return True


def chain(properties: Properties, complaints: Diagnostics) -> Chain:
    """Return the filters numbered from 1 without a gap; unknown classes are complained about and left out."""
    filters = []
    number = 1
    while (key := str(number)) in properties:
        decide = make(properties.get(key), properties.below(key + "."))
        if decide is None:
            complaints.error(f"Appender::ctor()- Cannot find FilterFactory: {properties.get(key)}")
        else:
            filters.append(decide)
        number += 1
    return Chain(filters)


def make(class_name: str, properties: Properties) -> Decide | None:
    """Return the filter of a class, or None if there is no such class."""
    match class_name:
        case "log4cplus::spi::DenyAllFilter":
            return deny_all
        case "log4cplus::spi::LogLevelMatchFilter":
            return level_match(
                level_named(properties.get("LogLevelToMatch")), _on_match(properties)
            )
        case "log4cplus::spi::LogLevelRangeFilter":
            return level_range(
                level_named(properties.get("LogLevelMin")),
                level_named(properties.get("LogLevelMax")),
                FilterDecision.ACCEPT
                if _on_match(properties) is FilterDecision.ACCEPT
                else FilterDecision.NEUTRAL,
            )
        case "log4cplus::spi::StringMatchFilter":
            return string_match(properties.get("StringToMatch"), _on_match(properties))
        case _:
            return None


def _on_match(properties: Properties) -> FilterDecision:
    accept = properties.boolean("AcceptOnMatch", default=False)
    return FilterDecision.ACCEPT if accept else FilterDecision.DENY


def deny_all(_record: logging.LogRecord) -> FilterDecision:
    """Deny every event."""
    return FilterDecision.DENY


def level_match(level: int | None, on_match: FilterDecision) -> Decide:
    """Decide about events of one level."""
    return lambda record: on_match if record.levelno == level else FilterDecision.NEUTRAL


def level_range(least: int | None, most: int | None, inside: FilterDecision) -> Decide:
    """Deny events outside a range of levels; a limit that is None does not limit."""

    def decide(record: logging.LogRecord) -> FilterDecision:
        if least is not None and record.levelno < least:
            return FilterDecision.DENY
        if most is not None and record.levelno > most:
            return FilterDecision.DENY
        return inside

    return decide


def string_match(wanted: str, on_match: FilterDecision) -> Decide:
    """Decide about events whose message contains a text, unless that is empty."""
    return lambda record: (
        on_match if wanted and wanted in message_of(record) else FilterDecision.NEUTRAL
    )
