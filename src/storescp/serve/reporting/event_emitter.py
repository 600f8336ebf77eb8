"""Makes events of the facts about associations and commands, for the hub.

There is one object per connection or command, and only if the hub has observers.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping

from storescp.dimse.command import CStoreRQ
from storescp.events import (
    AssociationAborted,
    AssociationAccepted,
    AssociationRejected,
    AssociationReleased,
    CommandEnded,
    CommandFailed,
    CommandStarted,
    ConnectionRefused,
    Fact,
    ObjectRefused,
    ObjectStored,
    Party,
)
from storescp.log.context import CURRENT
from storescp.serve.reporting import explanations
from storescp.serve.reporting.event_hub import EventHub
from storescp.signal_names import signal_name
from storescp.storage.reception import Outcome
from storescp.uids import modality_prefix
from storescp.upper_layer.pdu import AAssociateAC, AAssociateRJ, AAssociateRQ, ContextResult

_logger = logging.getLogger("dcmtk.apps.storescp")


def new_association_id() -> str:
    """Return an identifier that no other association has, on this machine or elsewhere; it sorts by time."""
    return f"{int(time.time() * 1000):011x}-{os.urandom(5).hex()}"


class EventEmitter:
    """The voice of one connection."""

    def __init__(
        self,
        hub: EventHub | None,
        address: str,
        *,
        association: str | None = None,
        tls: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with a connection.

        Args:
            hub: where events go; None: only the log shall know.
            address: the peer's presentation address.
            association: its identifier, if it has one already.
            tls: whether the connection is encrypted.
            clock: seconds, monotonic.
        """
        self._hub = hub
        self._tls = tls
        self._clock = clock
        self._party = Party(association or new_association_id(), address)
        self._enter()
        self._accepted = False
        self._over = False
        self._begun = clock()
        self._object_begun = 0.0
        self._request: CStoreRQ | None = None
        self._objects = 0
        self._bytes = 0

    @property
    def keeps_records(self) -> bool:
        """True if events are written down, and not only shown."""
        return CURRENT.wanted or (self._hub is not None and self._hub.keeps_records)

    def _enter(self) -> None:
        if CURRENT.wanted:
            CURRENT.party = self._party

    def _tell(self, fact: Fact) -> None:
        if self._hub is not None:
            self._hub.tell(fact, self._party)

    def requested(self, request: AAssociateRQ) -> None:
        """Note the peer that requests an association."""
        self._party = self._party._replace(
            calling_ae_title=request.calling_ae_title, called_ae_title=request.called_ae_title
        )
        self._enter()

    def accepted(self, request: AAssociateRQ, answer: AAssociateAC, why: str | None) -> None:
        """Tell of an A-ASSOCIATE-AC, and why presentation contexts were refused in it."""
        self._accepted = True
        self._begun = self._clock()
        theirs = request.user_information
        granted = sum(context.result == ContextResult.ACCEPTANCE for context in answer.contexts)
        self._tell(
            AssociationAccepted(
                len(request.contexts),
                granted,
                theirs.implementation_class_uid,
                theirs.implementation_version_name,
                theirs.maximum_length,
                self._tls,
                why,
            )
        )

    def rejected(self, answer: AAssociateRJ, why: str) -> None:
        """Tell of an A-ASSOCIATE-RJ."""
        self._over = True
        self._tell(AssociationRejected(answer.result, answer.source, answer.reason, why))

    def refused(self, cause: str, why: str) -> None:
        """Tell that the connection will not become an association."""
        self._over = True
        self._tell(ConnectionRefused(cause, why))

    def released(self) -> None:
        """Tell that the peer has released the association."""
        self._over = True
        duration = self._clock() - self._begun
        self._log_end(duration)
        self._tell(AssociationReleased(self._objects, self._bytes, duration))

    def ended(self, by: str, why: str) -> None:
        """Tell of any other end; the first word about it counts.

        Args:
            by: `peer`, `us` or `network`.
            why: in words.
        """
        if self._over:
            return
        if not self._accepted:
            if by == "us":
                self.refused("protocol", why)
            self._over = True
            return
        self._over = True
        unfinished = self._request.affected_sop_instance_uid if self._request else None
        duration = self._clock() - self._begun
        self._log_end(duration)
        self._tell(AssociationAborted(by, why, self._objects, self._bytes, duration, unfinished))

    def _log_end(self, duration: float) -> None:
        if CURRENT.wanted:
            _log(
                "Association ended",
                objects=self._objects,
                bytes=self._bytes,
                duration=round(duration, 6),
            )

    # -- objects -----------------------------------------------------------------------------------------------------

    def begins(self, request: CStoreRQ) -> None:
        """Note that an object is on its way."""
        self._request = request
        self._object_begun = self._clock()
        if CURRENT.wanted:
            CURRENT.sop_class_uid = request.affected_sop_class_uid
            CURRENT.sop_instance_uid = request.affected_sop_instance_uid

    def finished(
        self, request: CStoreRQ, transfer_syntax: str, outcome: Outcome, why: str | None
    ) -> None:
        """Tell what became of it, and why, unless it was a success."""
        self._request = None
        duration = self._clock() - self._object_begun
        sop_class, instance = request.affected_sop_class_uid, request.affected_sop_instance_uid
        modality = modality_prefix(sop_class)
        status = f"{outcome.status:04X}"
        if CURRENT.wanted:
            _log("Response sent", status=status, duration=round(duration, 6), bytes=outcome.size)
            CURRENT.sop_class_uid = CURRENT.sop_instance_uid = None
        received = outcome.received
        if received is None:
            reason = None
            if outcome.error is not None:
                reason = explanations.refused_object_reason(outcome.error, transfer_syntax)
            refused = ObjectRefused(
                status, sop_class, instance, modality, transfer_syntax, why or "", duration, reason
            )
            self._tell(refused)
            return
        self._objects += 1
        self._bytes += outcome.size or 0
        path = None
        if received.directory is not None:
            path = f"{received.directory}/{received.file_name}"
        reason = None
        if why is not None:
            reason = explanations.doubtful_object_reason(
                outcome.status, request, outcome.attributes
            )
        study, patient = received.study_instance_uid, None
        if (attributes := outcome.attributes) is not None:
            study = study or _text(attributes.study_instance_uid)
            patient = _name(attributes.patient_name, attributes.specific_character_set)
        self._tell(
            ObjectStored(
                status,
                sop_class,
                instance,
                modality,
                transfer_syntax,
                study,
                patient,
                path,
                outcome.size,
                duration,
                why,
                outcome.study_round,
                reason,
            )
        )


def _log(text: str, **facts: object) -> None:
    """Log what a log for machines has in fields of its own; other logs have no such line."""
    _logger.info("%s", text, extra={"facts": facts})


class CommandEventEmitter:
    """The voice of one command of the user."""

    def __init__(self, hub: EventHub, command: str, variables: Mapping[str, str]) -> None:
        self._hub = hub
        self._command = command
        self._kind = variables.get("STORESCP_EVENT", "")
        self._study = variables.get("STORESCP_STUDY_INSTANCE_UID")

    def started(self, pid: int) -> None:
        """Tell that it runs."""
        self._hub.tell(CommandStarted(self._kind, self._command, pid, self._study))

    def ended(self, pid: int, status: int, duration: float) -> None:
        """Tell how it ended, by its wait status."""
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            self._hub.tell(CommandEnded(self._kind, self._command, pid, duration, self._study))
        elif code > 0:
            self.failed(f"exit status {code}", pid, code)
        else:
            self.failed(f"ended by {signal_name(-code)}", pid)

    def failed(self, why: str, pid: int | None = None, exit_status: int | None = None) -> None:
        """Tell that it failed, or could not even start."""
        self._hub.tell(CommandFailed(self._kind, self._command, why, exit_status, pid, self._study))


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _name(value: bytes | None, character_set: bytes | None) -> str | None:
    """Return a person's name as text, as well as it can be read."""
    if value is None or (value.isascii() and b"\x1b" not in value):
        return _text(value)
    from storescp.storage.naming import character_sets

    try:
        announced = (character_set or b"").decode("latin-1").strip(" \0")
        return character_sets.decode(value, announced, strict=False)
    except LookupError:
        return _text(value)
