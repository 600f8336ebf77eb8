"""The log as JSON, one object a line: `--log-json`, and a layout of logging configuration files.

Identifiers are masked on request: where the log has a patient, a peer or a UID, it then has a pseudonym, the same one for
the same identifier as long as the program runs, which nobody can take back.
"""

import hashlib
import hmac
import json
import logging
import os
import re
from collections.abc import Collection, Iterator
from typing import Any

from storescp.events import timestamp
from storescp.log.appender import StandardErrorAppender, message_of
from storescp.log.context import CURRENT, LogContext
from storescp.log.levels import LogMask, level_name

_REGISTERED = "1.2.840.10008."
"""UIDs of the standard, which identify nobody."""

_UID = re.compile(r"(?<![0-9])(?<![0-9]\.)[0-2](?:\.(?:0|[1-9][0-9]*)){2,}")
_IPV4 = re.compile(r"(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9.]*[0-9])")
# What `--sort-on-patientname` makes of a name: everything between a slash and the time, storage.naming.
_PATIENT_DIRECTORY = re.compile(r"(?<=/)[^/\n]+?(?=_[0-9]{8}_[0-9]{6,9}(?![0-9]))")

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Masks:
    """Puts pseudonyms in place of identifiers."""

    def __init__(self, masked: Collection[LogMask] = (), secret: bytes | None = None) -> None:
        """Mask what is in `masked`; `secret` makes pseudonyms that are the same every time, for tests."""
        self._masked = frozenset(masked)
        self._secret = os.urandom(32) if secret is None else secret

    def text(self, text: str, context: LogContext) -> str:
        """Return a message without what is to be masked."""
        if LogMask.PATIENTS in self._masked:
            text = _PATIENT_DIRECTORY.sub(self._replacement, text)
        if LogMask.UIDS in self._masked:
            text = _UID.sub(self._uid_replacement, text)
        if LogMask.PEERS in self._masked:
            for name in _names(context):
                found = rf"(?<![\w.]){re.escape(name)}(?!\w)(?!\.\w)"
                text = re.sub(found, self._replacement, text)
            text = _IPV4.sub(self._replacement, text)
        return text

    def peer(self, name: str | None) -> str | None:
        """Return an AE title or an address, masked if it is to be."""
        return self._pseudonym(name) if name and LogMask.PEERS in self._masked else name

    def uid(self, uid: str | None) -> str | None:
        """Return a UID, masked if it is to be and identifies something."""
        if uid and LogMask.UIDS in self._masked and not uid.startswith(_REGISTERED):
            return self._pseudonym(uid)
        return uid

    def _replacement(self, found: re.Match[str]) -> str:
        return self._pseudonym(found[0])

    def _uid_replacement(self, found: re.Match[str]) -> str:
        return self.uid(found[0]) or ""

    def _pseudonym(self, text: str) -> str:
        digest = hmac.new(self._secret, text.encode("utf-8", "surrogateescape"), hashlib.sha256)
        return f"masked-{digest.hexdigest()[:12]}"


def _names(context: LogContext) -> Iterator[str]:
    """Yield what the peer of the moment is called, the longest names first."""
    party = context.party
    known = (
        *context.aliases,
        *((party.peer, party.calling_ae_title, party.called_ae_title) if party else ()),
    )
    yield from sorted({name.strip() for name in known if name and name.strip()}, key=len)[::-1]


class JSONLayout(logging.Formatter):
    """An object for each event: time, level, logger, message, and what the event is about."""

    def __init__(self, masks: Masks | None = None, context: LogContext = CURRENT) -> None:
        """Make lines; all layouts of a process share `masks`, so that a pseudonym is the same in each. None: nothing is masked."""
        super().__init__()
        self._masks = masks if masks is not None else Masks()
        self._context = context
        context.wanted = True

    def format(self, record: logging.LogRecord) -> str:
        masks = self._masks
        fields: dict[str, Any] = {
            "time": timestamp(record.created),
            "level": level_name(record.levelno).lower(),
            "logger": record.name,
            "pid": record.process,
            "message": masks.text(message_of(record), self._context),
            **self._about(masks),
            **getattr(record, "facts", {}),
        }
        return f"{_encode({name: _plain(value) for name, value in fields.items() if value is not None})}\n"

    def _about(self, masks: Masks) -> dict[str, str | None]:
        context = self._context
        party = context.party
        if party is None:
            return {}
        return {
            "association": party.association,
            "peer": masks.peer(party.peer),
            "calling_ae_title": masks.peer(party.calling_ae_title),
            "called_ae_title": masks.peer(party.called_ae_title),
            "sop_class_uid": masks.uid(context.sop_class_uid),
            "sop_instance_uid": masks.uid(context.sop_instance_uid),
        }


def _plain(value: object) -> object:
    """Return a text without halves of surrogate pairs, which no JSON text may have."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return value


def standard_error(masks: Masks | None) -> StandardErrorAppender:
    """Return the appender of `--log-json`."""
    appender = StandardErrorAppender()
    appender.setFormatter(JSONLayout(masks))
    return appender
