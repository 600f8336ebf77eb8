"""Events as values, and their lines of JSON: the stream of `--events` and of everything that watches the receiver.

An `Event` says when and where, whose association it is, and one fact. Facts are the types below; their names and
fields are documented in docs/events.md and do not change: programs of others read them. Nothing here does I/O.
"""

import json
import time
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

MAXIMUM_LINE_BYTES = 4096
"""Bytes of a line at most: what a pipe takes whole or not at all (PIPE_BUF)."""

_MAXIMUM_TEXT_BYTES = 1024
_CUT_TEXT = 64
"""Characters of any one text, and where the line would be too long nevertheless."""


class Party(NamedTuple):
    """An association, or a connection on its way to become one, and whose it is."""

    association: str
    """Unique across processes and restarts; sorts by time."""
    peer: str
    """Calling presentation address: a host name up to its first dot, or a numeric address."""
    calling_ae_title: str | None = None
    called_ae_title: str | None = None
    """AE titles of sender and receiver; None until they are known."""


class Listening(NamedTuple):
    """The program takes connections."""

    port: int
    version: str
    processes: str
    """`single`, `fork` or `workers`."""
    workers: int | None = None


class Stopping(NamedTuple):
    """The program was asked to end."""

    signal: str


class ConnectionRefused(NamedTuple):
    """A connection did not become an association, for a reason of ours."""

    cause: str
    """`address`, `address-limit`, `host-rules`, `tls-handshake`, `timeout` or `protocol`."""
    why: str


class AssociationAccepted(NamedTuple):
    """An A-ASSOCIATE-AC was sent."""

    contexts_proposed: int
    contexts_accepted: int
    implementation_class_uid: str
    implementation_version_name: str
    maximum_length: int
    """Maximum length of PDUs that the peer takes, in bytes; 0: no limit."""
    tls: bool
    why: str | None = None
    """Reasons for refused presentation contexts, if some were refused."""


class AssociationRejected(NamedTuple):
    """An A-ASSOCIATE-RJ was sent, PS3.8 9.3.4."""

    result: int
    source: int
    reason: int
    why: str


class AssociationReleased(NamedTuple):
    """The peer asked to end the association."""

    objects: int
    bytes: int
    duration: float


class AssociationAborted(NamedTuple):
    """The association ended otherwise."""

    by: str
    """`peer`, `us`, or `network` if the connection was lost."""
    why: str
    objects: int
    bytes: int
    duration: float
    unfinished_sop_instance_uid: str | None = None
    """The object that was on its way."""


class ObjectStored(NamedTuple):
    """An object was received and, unless objects are ignored, has its final name.

    With `--events`, success or a warning is about to be sent; where it is only shown, it has been sent.
    """

    status: str
    """Status of the C-STORE-RSP, four hexadecimal digits."""
    sop_class_uid: str
    sop_instance_uid: str
    modality: str | None
    """Modality prefix of the SOP class."""
    transfer_syntax_uid: str
    """Transfer syntax in which the object was received."""
    study_instance_uid: str | None
    patient_name: str | None
    file: str | None
    """Path; None if objects are ignored."""
    bytes: int | None
    """Transfer syntax of the file."""
    duration: float
    """Seconds since the C-STORE-RQ."""
    why: str | None = None
    """Reason for a status other than success."""
    round: int | None = None
    """Number of times that its study has begun, where studies are received side by side."""
    reason: str | None = None
    """Same as `why`, without values that identify a patient."""


class ObjectRefused(NamedTuple):
    """An object was not stored, and the peer is told so."""

    status: str
    sop_class_uid: str
    sop_instance_uid: str
    modality: str | None
    transfer_syntax_uid: str
    why: str
    duration: float
    reason: str | None = None
    """Same as `why`, without values that identify a patient."""


class StudyComplete(NamedTuple):
    """A study has ended: its files have their final names, its command is next."""

    study_instance_uid: str
    directory: str
    objects: int
    cause: str
    """`timeout`, `next-study`, `stop` or `cap`."""
    round: int | None = None
    id: str | None = None
    """The same if the round is announced again, and in the environment of its command."""


class CommandStarted(NamedTuple):
    """A command of the user was started."""

    kind: str
    """`object` or `study`."""
    command: str
    command_pid: int
    study_instance_uid: str | None = None
    """Study Instance UID; None where objects are not sorted."""
    id: str | None = None
    attempt: int | None = None


class CommandEnded(NamedTuple):
    """A command of the user ended well."""

    kind: str
    command: str
    command_pid: int
    duration: float
    study_instance_uid: str | None = None
    id: str | None = None
    attempt: int | None = None


class CommandFailed(NamedTuple):
    """A command of the user could not start, or ended otherwise."""

    kind: str
    command: str
    why: str
    exit_status: int | None = None
    command_pid: int | None = None
    study_instance_uid: str | None = None
    id: str | None = None
    attempt: int | None = None
    next_attempt_in: float | None = None
    """Seconds; None: it will not be tried again."""


class EventsDropped(NamedTuple):
    """A reader did not keep up, and so many events never reached it."""

    dropped: int


Fact = (
    Listening
    | Stopping
    | ConnectionRefused
    | AssociationAccepted
    | AssociationRejected
    | AssociationReleased
    | AssociationAborted
    | ObjectStored
    | ObjectRefused
    | StudyComplete
    | CommandStarted
    | CommandEnded
    | CommandFailed
    | EventsDropped
)

NAMES: dict[type[Fact], str] = {
    Listening: "listening",
    Stopping: "stopping",
    ConnectionRefused: "connection-refused",
    AssociationAccepted: "association-accepted",
    AssociationRejected: "association-rejected",
    AssociationReleased: "association-released",
    AssociationAborted: "association-aborted",
    ObjectStored: "object-stored",
    ObjectRefused: "object-refused",
    StudyComplete: "study-complete",
    CommandStarted: "command-started",
    CommandEnded: "command-ended",
    CommandFailed: "command-failed",
    EventsDropped: "events-dropped",
}
"""Value of `event` for each type of fact."""

_FACTS = {name: fact for fact, name in NAMES.items()}


class Event(NamedTuple):
    """Something that happened."""

    time: float
    """Seconds since 1970."""
    pid: int
    """The process that it happened in."""
    party: Party | None
    """The association that it belongs to."""
    fact: Fact

    @property
    def name(self) -> str:
        """Name of the event in the stream."""
        return NAMES[type(self.fact)]


def encode(event: Event) -> bytes:
    """Return an event as a line of JSON: ASCII, at most `MAXIMUM_LINE_BYTES` bytes, fields without a value left out.

    Control characters and all that is not ASCII are escaped. Texts are cut to 1024 characters; if the line is too long
    nevertheless, to 64, and the field `truncated` is true.
    """
    fact = event.fact
    head = f'{{"event":"{NAMES[type(fact)]}","time":"{timestamp(event.time)}","pid":{event.pid}'
    party = "" if event.party is None else _party(event.party)
    text = f"{head}{party}{_members(fact, _MAXIMUM_TEXT_BYTES)}}}"
    if len(text) >= MAXIMUM_LINE_BYTES:
        party = "" if event.party is None else _members(event.party, _CUT_TEXT)
        text = f'{head}{party}{_members(fact, _CUT_TEXT)},"truncated":true}}'
    return text.encode("ascii") + b"\n"


_KEYS = {part: tuple(f',"{name}":' for name in part._fields) for part in (Party, *NAMES)}
_encode_text = json.encoder.encode_basestring_ascii


def _members(part: Party | Fact, longest: int) -> str:
    """Return the fields that have a value as members of a JSON object, each behind a comma.

    Written out, because a line is made for each object, and a dictionary for the library's encoder costs more.
    """
    members = []
    for key, value in zip(_KEYS[type(part)], part, strict=True):
        if value is None:
            continue
        if isinstance(value, str):
            encoded = _text(value, longest)
        elif isinstance(value, float):
            encoded = repr(round(value, 6))
        elif value is True or value is False:
            encoded = "true" if value else "false"
        else:
            encoded = str(value)
        members.append(key + encoded)
    return "".join(members)


def _text(value: str, longest: int) -> str:
    if len(value) > longest:
        value = value[: longest - 1] + "…"
    encoded = _encode_text(value)
    if "\\ud" in encoded:
        # Bytes of file names that are no UTF-8: half a surrogate pair is no Unicode text.
        encoded = _encode_text(value.encode("utf-8", "backslashreplace").decode("utf-8"))
    return encoded


@lru_cache(maxsize=64)
def _party(party: Party) -> str:
    """Return the members of an association, which are the same for all of its objects."""
    return _members(party, _MAXIMUM_TEXT_BYTES)


def decode(line: bytes) -> Event:
    """Return the event that a line of `encode` tells.

    Raises:
        ValueError: it is no such line.
    """
    try:
        fields = json.loads(line)
        kind = _FACTS[fields["event"]]
        party = None
        if "association" in fields:
            party = Party(**{name: fields.get(name) for name in Party._fields})
        fact = kind(**{name: fields.get(name) for name in kind._fields})
        when = datetime.fromisoformat(fields["time"]).timestamp()
        return Event(when, fields["pid"], party, fact)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no event: {line[:100]!r}") from error


def _make_timestamp() -> Callable[[float], str]:
    latest = (0, "")

    def timestamp(seconds: float) -> str:
        """Return a time as RFC 3339 has it, UTC, with milliseconds: `2026-01-31T23:59:59.123Z`."""
        nonlocal latest
        whole, milliseconds = divmod(int(seconds * 1000), 1000)
        if latest[0] != whole:  # dozens of events fall into one second
            latest = (whole, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)))
        return f"{latest[1]}.{milliseconds:03}Z"

    return timestamp


timestamp = _make_timestamp()
