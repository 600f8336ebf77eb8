"""The facts of the model as plain values, as `/api` gives them and the page shows them; pure.

What identifies a patient is left out here, in one place, unless it was asked for: names, UIDs of studies and objects,
and paths, which hold either. A study is then known by its number.
"""

import re
from typing import Any

from storescp.monitor.model import CommandCounts, Model, MonitoredStudy, OpenAssociation, Problem
from storescp.monitor.surroundings import HostStatus
from storescp.monitor.throughput import SLOT_SECONDS

Facts = dict[str, Any]

_KINDS = {
    "association-accepted": "not all accepted",
    "association-rejected": "rejected",
    "connection-refused": "connection refused",
    "object-refused": "object refused",
    "object-stored": "object doubtful",
    "command-failed": "command failed",
}

_ABORTED = {
    "peer": "aborted by the peer",
    "us": "aborted by the receiver",
    "network": "connection lost",
}
"""Texts by the side that ended the association."""

_STATUSES = {
    "A7": "Out of resources: the object could not be written.",
    "A9": "The data set is not what the request said it is.",
    "C": "The data set cannot be understood.",
}
"""PS3.4 table B.2-1, by how the status begins."""

_INSTANCE_UID = re.compile(r"(?<![\d.])(?!1\.2\.840\.10008\.)[0-2](?:\.\d+){3,}")
"""A UID that is not one of the standard's own."""


def report(model: Model, surroundings: HostStatus, now: float, *, identifiers: bool) -> Facts:
    """Return everything, part by part.

    Args:
        model: what events have told.
        surroundings: what was seen besides.
        now: seconds since 1970.
        identifiers: whether what identifies patients is included.
    """
    return {
        "receiver": _receiver(model, surroundings, now, identifiers=identifiers),
        "associations": [
            _association(each, now, identifiers=identifiers) for each in model.associations.values()
        ],
        "throughput": _throughput(model, now),
        "studies": [
            _study(each, identifiers=identifiers) for each in reversed(model.studies.values())
        ],
        "problems": [
            _problem(each, identifiers=identifiers) for each in reversed(model.problems.values())
        ],
        "totals": _totals(model),
    }


PARTS = ("receiver", "associations", "throughput", "studies", "problems", "totals")


def obstacles(model: Model, surroundings: HostStatus) -> list[str]:
    """Say what keeps the receiver from taking objects; nothing: it is ready."""
    found = []
    if model.stopping:
        found.append("the receiver is ending")
    elif model.listening is None:
        found.append("the receiver does not listen yet")
    found += filter(None, (surroundings.disk_problem, surroundings.database_problem))
    return found


def _receiver(model: Model, surroundings: HostStatus, now: float, *, identifiers: bool) -> Facts:
    listening = model.listening
    return {
        "time": round(now, 3),
        "started": round(model.started, 3),
        "page_restarted": None if model.restarted is None else round(model.restarted, 3),
        "version": listening.version if listening else None,
        "port": listening.port if listening else None,
        "processes": listening.processes if listening else None,
        "workers": listening.workers if listening else None,
        "obstacles": obstacles(model, surroundings),
        "disk_free": surroundings.disk_free,
        "disk_size": surroundings.disk_size,
        "certificate_expiry": surroundings.certificate_expiry,
        "rate": round(model.rate(now)),
        "identifiers_shown": identifiers,
    }


def _association(association: OpenAssociation, now: float, *, identifiers: bool) -> Facts:
    study = association.study
    return {
        "association": association.identifier,
        "peer": association.peer,
        "calling_ae_title": association.calling_ae_title,
        "called_ae_title": association.called_ae_title,
        "tls": association.tls,
        "since": round(association.since, 3),
        "last": round(association.last, 3),
        "objects": association.objects,
        "bytes": association.bytes,
        "refused": association.refused,
        "rate": round(association.rate.at(now)),
        "study": None if study is None else study.number,
        **({"patient": study.patient} if identifiers and study is not None else {}),
    }


def _throughput(model: Model, now: float) -> Facts:
    slots = model.throughput.slots(now)
    return {
        "slot": SLOT_SECONDS,
        "start": model.throughput.start(now),
        "objects": [slot.objects for slot in slots],
        "bytes": [slot.bytes for slot in slots],
    }


def state(study: MonitoredStudy) -> str:
    """Return `complete` (its end was announced), `receiving` (a peer may bring more) or `waiting`."""
    if study.completed is not None:
        return "complete"
    return "receiving" if study.brought_by else "waiting"


def _study(study: MonitoredStudy, *, identifiers: bool) -> Facts:
    facts = {
        "study": study.number,
        "state": state(study),
        "round": study.round,
        "calling_ae_title": study.calling_ae_title,
        "objects": study.objects,
        "modalities": dict(sorted(study.modalities.items())),
        "bytes": study.bytes,
        "first": round(study.first, 3),
        "last": round(study.last, 3),
        "completed": None if study.completed is None else round(study.completed, 3),
        "cause": study.cause,
        "commands": _commands(study.commands),
    }
    if identifiers:
        facts |= {
            "patient": study.patient,
            "study_instance_uid": study.uid,
            "directory": study.directory,
        }
    return facts


def _commands(commands: CommandCounts) -> Facts:
    return {
        "running": commands.running,
        "ended": commands.ended,
        "failed": commands.failed,
        "repeated": commands.repeated,
        "failing": commands.failing,
    }


def _problem(problem: Problem, *, identifiers: bool) -> Facts:
    return {
        "kind": kind(problem),
        "peer": problem.peer,
        "calling_ae_title": problem.calling_ae_title,
        "called_ae_title": problem.called_ae_title,
        "detail": problem.detail,
        "why": problem.why if identifiers else why(problem),
        "count": problem.count,
        "examples": [
            {"time": round(time, 3), **({"why": text} if identifiers else {})}
            for time, text in reversed(problem.examples)
        ],
        "first": round(problem.first, 3),
        "last": round(problem.last, 3),
    }


def kind(problem: Problem) -> str:
    """Return what happened, in a word or two."""
    if problem.kind == "association-aborted":
        return _ABORTED.get(problem.detail, "aborted")
    return _KINDS.get(problem.kind, problem.kind)


def why(problem: Problem) -> str:
    """Return the reason without what may identify a patient: no paths, no UIDs of instances, no values of objects."""
    if problem.kind not in ("object-refused", "object-stored"):
        return _INSTANCE_UID.sub("(UID)", problem.why)
    if problem.reason:
        return _INSTANCE_UID.sub("(UID)", problem.reason)
    # What is said about the object itself may hold anything.
    return next(
        (text for start, text in _STATUSES.items() if problem.detail.startswith(start)),
        "The object was not stored.",
    )


def _totals(model: Model) -> Facts:
    every = model.by_calling_ae_title.values()
    return {
        "associations": sum(each.associations for each in every),
        "objects": sum(each.objects for each in every),
        "bytes": sum(each.bytes for each in every),
        "objects_refused": sum(model.refused_by_status.values()),
        "associations_rejected": sum(model.rejected.values()),
        "associations_aborted": sum(model.aborted.values()),
        "connections_refused": sum(model.connections_refused.values()),
        "studies_completed": sum(model.studies_completed.values()),
        "commands": {kind: _commands(each) for kind, each in sorted(model.commands.items())},
        "events_dropped": model.events_dropped,
        "by_calling_ae_title": {
            title: {
                "associations": each.associations,
                "objects": each.objects,
                "bytes": each.bytes,
                "objects_refused": each.refused,
                "associations_aborted": each.aborted,
                "last": round(each.last, 3),
            }
            for title, each in sorted(model.by_calling_ae_title.items())
        },
    }
