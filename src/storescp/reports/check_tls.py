"""The part of `--check` that is about TLS: whether files load and fit, and how long they are good."""

import os
import re
import stat
from datetime import datetime
from typing import Protocol

from storescp.printable import printable
from storescp.serve.tls import validity as tls_validity
from storescp.serve.tls.choices import PeerAuthentication
from storescp.serve.tls.context import ServerContext
from storescp.serve.tls.files import Passphrase
from storescp.serve.tls.openssl import library
from storescp.serve.tls.settings import TLSSettings
from storescp.serve.tls.validity import Certificate

EXPIRY_WARNING_DAYS = 30
"""Days before the end of a certificate from which on it is worth a warning."""

_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.r?[0-9]+").fullmatch
_LARGEST_KEY_FILE = 1 << 20


class Findings(Protocol):
    """Takes what is found."""

    def fine(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...

    def fail(self, text: str) -> None: ...


def examine(settings: TLSSettings, now: datetime, findings: Findings) -> None:
    """Load all that the settings name, as the start does, and look at dates.

    Raises:
        ConfigurationError: something that is needed cannot be used.
    """
    if settings.password is None and _has_password(settings.key_file):
        findings.warn(
            f"The private key {_path(settings.key_file)} has a password, which is asked for at the start: nobody may be"
            " there. Whether the key fits the certificate was not examined; give --use-passwd to have it done."
        )
    else:
        silent = Passphrase(library(), settings.password)
        silent.stop_asking()
        ServerContext(settings, passphrase=silent)
        findings.fine(
            f"TLS: the private key {_path(settings.key_file)} fits the certificate"
            f" {_path(settings.certificate_file)}."
        )
    _examine_secrecy(settings.key_file, findings)
    _examine_own(settings, now, findings)
    _examine_trust(settings, now, findings)
    _examine_revocation(settings, now, findings)


def _examine_secrecy(path: str, findings: Findings) -> None:
    """Look whether others than the owner and the group can read a private key, which a password may protect."""
    try:
        is_public = bool(os.stat(path).st_mode & stat.S_IROTH)
    except OSError:
        return  # the attempt to load it has said so
    if is_public and not _has_password(path):
        findings.warn(
            f"The private key {_path(path)} can be read by every user of this machine (chmod o= takes that away)."
        )


def _has_password(path: str) -> bool:
    """Tell whether a PEM file holds an encrypted key, RFC 7468 section 11, RFC 1421 4.6.1.1."""
    try:
        with open(path, "rb") as file:
            return b"ENCRYPTED" in file.read(_LARGEST_KEY_FILE)
    except OSError:
        return False


def _examine_own(settings: TLSSettings, now: datetime, findings: Findings) -> None:
    chain = tls_validity.certificates(settings.certificate_file, settings.file_format)
    if not chain:
        return  # the attempt to load it has said so
    own, *above = chain
    path = _path(settings.certificate_file)
    _examine_dates(own, f"The certificate {path}", "clients will refuse it", now, findings)
    for certificate in above:
        name = f"The intermediate certificate {certificate.subject} in {path}"
        _examine_dates(certificate, name, "clients will refuse the chain", now, findings)
    for certificate, issuer in zip(chain, above, strict=False):
        if not certificate.signed_by_next:
            findings.warn(
                f"In {path} the certificate {certificate.subject} is followed by {issuer.subject}, which is not its"
                f" issuer ({certificate.issuer}): clients may not find the way to the authority."
            )
    if not own.for_servers:
        findings.warn(f"The certificate {path} is not made for servers: clients may refuse it.")


def _examine_trust(settings: TLSSettings, now: datetime, findings: Findings) -> None:
    if settings.peer_authentication is PeerAuthentication.IGNORED:
        findings.fine("Clients need no certificate.")
        return
    for path in settings.trusted_files:
        for certificate in tls_validity.certificates(path, settings.file_format):
            name = f"The trusted certificate {certificate.subject} in {_path(path)}"
            _examine_dates(
                certificate, name, "clients that depend on it are refused", now, findings
            )
    for path in settings.trusted_directories:
        _examine_directory(path, findings)
    if settings.trusted_files or settings.trusted_directories:
        return
    findings.warn(
        "No authority is trusted: clients with a certificate are refused. Name one with --add-cert-file."
    )


def _examine_directory(path: str, findings: Findings) -> None:
    try:
        names = os.listdir(path)
    except OSError as error:
        findings.warn(
            f"The directory of trusted certificates {_path(path)} cannot be read: {error.strerror}."
        )
        return
    count = sum(_HASHED_NAME(name) is not None for name in names)
    if count:
        findings.fine(f"{count} names of certificates are in the directory {_path(path)}.")
    else:
        findings.warn(
            f"The directory {_path(path)} has no hashed names, so that no certificate in it is found:"
            f" openssl rehash {_path(path)}"
        )


def _examine_revocation(settings: TLSSettings, now: datetime, findings: Findings) -> None:
    for path in settings.crl_files:
        for revocations in tls_validity.revocation_lists(path, settings.file_format):
            name = f"The revocation list of {revocations.issuer} in {_path(path)}"
            until = revocations.next_update
            if until is None:
                findings.fine(f"{name} does not say until when it is good.")
            elif until <= now:
                findings.warn(
                    f"{name} is out of date since {_date(until)}: clients are refused until it is renewed."
                )
            else:
                findings.fine(f"{name} is good until {_date(until)}{_left(until, now)}.")


def _examine_dates(
    certificate: Certificate, name: str, consequence: str, now: datetime, findings: Findings
) -> None:
    if now < certificate.begins:
        findings.warn(
            f"{name} is not good before {_date(certificate.begins)}: until then {consequence}."
        )
    elif now >= certificate.ends:
        findings.warn(f"{name} has expired on {_date(certificate.ends)}: {consequence}.")
    elif days_left(certificate.ends, now) < EXPIRY_WARNING_DAYS:
        findings.warn(
            f"{name} expires on {_date(certificate.ends)}{_left(certificate.ends, now)}: have a new one made in time."
        )
    else:
        findings.fine(
            f"{name} is good until {_date(certificate.ends)}{_left(certificate.ends, now)}."
        )


def days_left(end: datetime, now: datetime) -> int:
    """Return the whole days until `end`."""
    return (end - now).days


def _left(end: datetime, now: datetime) -> str:
    days = days_left(end, now)
    return f" ({days} day{'s' * (days != 1)} left)"


def _date(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _path(path: str) -> str:
    return printable(os.path.abspath(path))
