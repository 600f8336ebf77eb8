"""Commands that follow an object or a study: their text and their environment.

Pure: commands are run by others. What replaces a placeholder is sanitised, because a shell will
read it; environment variables carry the same values as they are.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from storescp.printable import printable
from storescp.storage.naming.sanitise import sanitise
from storescp.storage.studies.current_study import CurrentStudy

_logger = logging.getLogger("dcmtk.apps.storescp")


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """Identity of the sender; one character per received byte."""

    calling_ae_title: str
    called_ae_title: str
    calling_address: str
    """Calling presentation address: a host name up to its first dot, or a numeric address."""


class ReceivedObject(NamedTuple):
    """An object that was received, and unless objects are ignored, stored."""

    sop_class_uid: str
    sop_instance_uid: str
    status: int
    """Status of the C-STORE-RSP; an object with 0xA900 or 0xC000 may have been stored as well."""
    directory: str | None = None
    """Path of the directory it is in, None if objects are ignored."""
    file_name: str | None = None
    study_instance_uid: str | None = None
    """Study Instance UID; None where objects are not sorted."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command line for the shell, with its environment."""

    line: str
    environment: Mapping[str, str]
    """Variables in addition to those of this process."""


def on_reception(template: str, received: ReceivedObject, peer: PeerIdentity) -> Command:
    """Return the command that follows a received object.

    Replaced are, in this order, `#p` (directory), `#f` (file name), `#a` (calling AE title), `#c`
    (called AE title) and `#r` (calling presentation address), wherever they stand; `#p` and `#f`
    stay if the object was not written to a file.
    """
    line = template
    if received.directory is not None and received.file_name is not None:
        line = line.replace("#p", received.directory).replace("#f", received.file_name)
    return Command(
        _with_peer(line, peer),
        _environment(
            peer,
            {"EVENT": "object", "STATUS": f"{received.status:04X}"},
            {"DIRECTORY": received.directory, "FILE": received.file_name},
            {
                "SOP_CLASS_UID": received.sop_class_uid,
                "SOP_INSTANCE_UID": received.sop_instance_uid,
                "STUDY_INSTANCE_UID": received.study_instance_uid,
            },
        ),
    )


def on_end_of_study(template: str, study: CurrentStudy, peer: PeerIdentity) -> Command:
    """Return the command that follows a finished study.

    Replaced are, in this order, `#p` (directory of the study), `#a`, `#c` and `#r`, those of the
    current or last association.
    """
    return Command(
        _with_peer(template.replace("#p", study.directory), peer),
        _environment(
            peer,
            {"EVENT": "study", "OBJECTS": str(study.objects)},
            {"DIRECTORY": study.directory},
            {"STUDY_INSTANCE_UID": study.uid},
        ),
    )


def _with_peer(line: str, peer: PeerIdentity) -> str:
    for placeholder, name, value in (
        ("#a", "calling aetitle", peer.calling_ae_title),
        ("#c", "called aetitle", peer.called_ae_title),
        ("#r", "calling presentation address", peer.calling_address),
    ):
        clean, changed = sanitise(value)
        if changed:
            _logger.warning(
                'Sanitized unusual characters in %s, converted from "%s" to "%s".',
                name,
                printable(value),
                clean,
            )
        line = line.replace(placeholder, f'"{clean}"')
    return line


def _environment(peer: PeerIdentity, *values: Mapping[str, str | None]) -> dict[str, str]:
    """Return the variables: texts and paths of our own, then those that a peer sent."""
    *own, sent = values
    variables = {name: value for group in own for name, value in group.items() if value is not None}
    sent = {
        "CALLING_AE_TITLE": peer.calling_ae_title,
        "CALLED_AE_TITLE": peer.called_ae_title,
        "CALLING_ADDRESS": peer.calling_address,
        **sent,
    }
    variables |= {name: _as_received(value) for name, value in sent.items() if value is not None}
    return {f"STORESCP_{name}": value for name, value in variables.items()}


def _as_received(text: str) -> str:
    """Return text so that a child process finds the very bytes of the peer in its environment.

    But for NUL, which no variable can hold.
    """
    return os.fsdecode(text.encode("latin-1", "replace")).replace("\0", "")
