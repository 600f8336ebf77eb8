"""`--progress` where there is no terminal: a line now and then. Pure: the texts are written by others."""

from collections.abc import Iterator

from storescp.events import (
    AssociationAborted,
    AssociationAccepted,
    AssociationRejected,
    AssociationReleased,
    CommandFailed,
    ConnectionRefused,
    Event,
    Listening,
    ObjectRefused,
    ObjectStored,
    StudyComplete,
)
from storescp.monitor.model import Model
from storescp.monitor.report import why
from storescp.monitor.words import clock, duration, number, size
from storescp.printable import printable

INTERVAL_SECONDS = 10.0
"""Seconds between two lines about an association that brings objects."""


class PlainLines:
    """Turns events into lines."""

    def __init__(self, model: Model, *, identifiers: bool) -> None:
        """Prepare.

        Args:
            model: has taken note of each event before it comes here.
            identifiers: whether what identifies patients is included.
        """
        self._model = model
        self._identifiers = identifiers
        self._reported: dict[str, tuple[float, int]] = {}
        """Time of the last line about each open association, and its number of objects then."""

    def lines(self, event: Event) -> Iterator[str]:
        """Yield what is to be said about an event."""
        if (text := self._text(event)) is not None:
            yield f"{clock(event.time)} {_who(event)}{text}\n"

    def due(self, now: float) -> Iterator[str]:
        """Yield what is to be said about associations that go on."""
        for association in self._model.associations.values():
            last, objects = self._reported.get(association.identifier, (association.since, 0))
            if now - last >= INTERVAL_SECONDS and association.objects > objects:
                self._reported[association.identifier] = now, association.objects
                yield (
                    f"{clock(now)} {association.calling_ae_title} ({association.peer}): receiving,"
                    f" {number(association.objects, 'object', 'objects')},"
                    f" {size(association.bytes)}, {size(association.rate.at(now))}/s\n"
                )
        for gone in self._reported.keys() - self._model.associations.keys():
            del self._reported[gone]

    def _text(self, event: Event) -> str | None:
        match event.fact:
            case Listening() as fact:
                return f"listening on port {fact.port}"
            case AssociationAccepted() as fact:
                return f"association accepted{self._why() if fact.why else ''}"
            case ObjectStored() as fact if fact.why:
                return f"object stored, status {fact.status}{self._why()}"
            case AssociationReleased() as fact:
                return f"association released, {_brought(fact)}"
            case AssociationAborted() as fact:
                return f"association aborted by {fact.by}, {_brought(fact)}{self._why()}"
            case AssociationRejected():
                return f"association rejected{self._why()}"
            case ConnectionRefused():
                return f"connection refused{self._why()}"
            case ObjectRefused() as fact:
                return f"object refused, status {fact.status}{self._why()}"
            case CommandFailed() as fact:
                return f"command about a {fact.kind} failed{self._why()}"
            case StudyComplete() as fact:
                return f"{self._study(fact)} complete, {number(fact.objects, 'object', 'objects')}"
            case _:
                return None

    def _why(self) -> str:
        """Return the reason of what has just gone wrong."""
        problem = next(reversed(self._model.problems.values()))
        text = problem.why if self._identifiers else why(problem)
        return f": {text}" if text else ""

    def _study(self, fact: StudyComplete) -> str:
        if self._identifiers:
            return f"study {printable(fact.study_instance_uid)}"
        study = self._model.studies.get(printable(fact.study_instance_uid))
        return "study" if study is None else f"study no. {study.number}"


def _who(event: Event) -> str:
    if event.party is None:
        return ""
    title, peer = printable(event.party.calling_ae_title or ""), printable(event.party.peer)
    return f"{title} ({peer}): " if title else f"{peer}: "


def _brought(fact: AssociationReleased | AssociationAborted) -> str:
    return (
        f"{number(fact.objects, 'object', 'objects')}, {size(fact.bytes)}"
        f" in {duration(fact.duration)}"
    )
