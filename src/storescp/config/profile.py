"""Association negotiation profiles: what `--config-file FILE PROFILE` asks for.

The file names transfer syntaxes, presentation contexts, roles and extended negotiation data, and
puts them together to profiles; it is validated whole, also where the chosen profile does not look.
The chosen profile alone decides what is accepted (PS3.7 annex D.3). Negotiating is left to
`upper_layer.negotiation`, the lexical form of the file to `profile_syntax`.
"""

import functools
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from storescp.config import profile_syntax
from storescp.config.profile_syntax import ProfileSection
from storescp.errors import ConfigurationError
from storescp.upper_layer.negotiation import Role

MAXIMUM_FILE_SIZE = 1 << 20
"""Bytes; DCMTK's own example has 28 kB. What is longer is a mistake: a device, an image."""

_LONGEST_HEX = 2047  # digits; the reference's buffer for the data of an extended negotiation
_ILLEGAL = "Illegal call, perhaps wrong parameters"  # how the reference speaks of an empty part
_SPACE = b" \t\n\r\v\f"
_UPPER = bytes(range(256)).upper()


@dataclass(frozen=True, slots=True)
class NegotiationProfile:
    """The SOP classes and transfer syntaxes that a profile accepts.

    `transfer_syntaxes` holds the acceptable ones for each abstract syntax UID, best first; `roles`
    the roles by abstract syntax UID; `extended_negotiation` the application information to send
    for each accepted abstract syntax UID, in the order of sending.
    """

    transfer_syntaxes: Mapping[str, tuple[str, ...]]
    roles: Mapping[str, Role]
    extended_negotiation: tuple[tuple[str, bytes], ...]


def load(path: str, name: str) -> NegotiationProfile:
    """Return the profile `name` of the file at `path`.

    Raises:
        ConfigurationError: the file cannot be read, breaks a rule anywhere, does not have the
            profile, or has it in a form that is of no use to an SCP.
    """
    return parse(_read(path)).profile(name)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(MAXIMUM_FILE_SIZE + 1)
    except IsADirectoryError:
        return b""  # the reference opens it and finds nothing in it
    except (OSError, ValueError) as error:
        raise _unreadable(f"unable to open configuration file: {path}") from error
    if len(data) > MAXIMUM_FILE_SIZE:
        raise _unreadable(f"configuration file larger than {MAXIMUM_FILE_SIZE} bytes: {path}")
    return data


def parse(data: bytes) -> "Configuration":
    """Return the contents of a configuration file.

    Raises:
        ConfigurationError: the first breach of the rules, in the order in which they are checked.
    """
    supersections = profile_syntax.parse(data)
    configuration = Configuration()
    configuration.read_transfer_syntaxes(_required(supersections, "TRANSFERSYNTAXES"))
    configuration.read_contexts(_required(supersections, "PRESENTATIONCONTEXTS"))
    configuration.read_roles(supersections.get("SCPSCUROLESELECTION", []))
    configuration.read_extended_negotiation(supersections.get("EXTENDEDNEGOTIATION", []))
    configuration.read_profiles(_required(supersections, "PROFILES"))
    return configuration


def _required(supersections: dict[str, list[ProfileSection]], name: str) -> list[ProfileSection]:
    if name not in supersections:
        raise _unreadable(f"cannot find section [[{name}]] in config file")
    return supersections[name]


@dataclass(frozen=True, slots=True)
class _References:
    """The lists that a profile names."""

    contexts: str
    roles: str | None
    extended_negotiation: str | None


class Configuration:
    """The lists and profiles of one file."""

    __slots__ = ("_consistent", "contexts", "extended_negotiation", "profiles", "roles", "syntaxes")

    def __init__(self) -> None:
        self.syntaxes: dict[str, list[str]] = {}
        self.contexts: dict[str, list[tuple[str, str]]] = {}
        """Abstract syntax UID and name of the list of transfer syntaxes."""
        self.roles: dict[str, dict[str, Role]] = {}
        self.extended_negotiation: dict[str, dict[str, bytes]] = {}
        self.profiles: dict[str, _References] = {}
        self._consistent: set[tuple[int, str, str]] = set()

    def profile(self, name: str) -> NegotiationProfile:
        """Return the profile that is called `name`, in any case and spacing.

        Raises:
            ConfigurationError: there is none, or it lists an abstract syntax twice.
        """
        key = _reference(_encode(name))
        if key not in self.profiles:
            raise ConfigurationError(f"unknown configuration profile name: {key}")
        references = self.profiles[key]
        contexts = self.contexts[references.contexts]
        transfer_syntaxes = {
            abstract_syntax: tuple(dict.fromkeys(self.syntaxes[syntaxes]))
            for abstract_syntax, syntaxes in contexts
        }
        if len(transfer_syntaxes) < len(contexts):
            raise ConfigurationError(
                f"profile '{key}' is not valid for SCP use, duplicate abstract syntaxes found"
            )
        roles = {} if references.roles is None else self.roles[references.roles]
        extended_negotiation = (
            {}
            if references.extended_negotiation is None
            else self.extended_negotiation[references.extended_negotiation]
        )
        return NegotiationProfile(
            transfer_syntaxes, dict(roles), tuple(extended_negotiation.items())
        )

    def read_transfer_syntaxes(self, sections: list[ProfileSection]) -> None:
        for section in sections:
            for _, value in _numbered(section, "TRANSFERSYNTAX"):
                uid = _uid(value)
                if uid is None:
                    raise _unreadable(f"not a valid transfer syntax UID: {_text(value)}")
                self.syntaxes.setdefault(section.name, []).append(uid)

    def read_contexts(self, sections: list[ProfileSection]) -> None:
        for section in sections:
            for key, value in _numbered(section, "PRESENTATIONCONTEXT"):
                spelling, list_name = _two_parts(key, value)
                syntaxes = _reference(list_name)
                if syntaxes not in self.syntaxes:
                    raise _unreadable(f"transfer syntax key undefined: {syntaxes}")
                if not spelling:
                    raise _unreadable(_ILLEGAL)
                abstract_syntax = _abstract_syntax(spelling)
                self.contexts.setdefault(section.name, []).append((abstract_syntax, syntaxes))

    def read_roles(self, sections: list[ProfileSection]) -> None:
        for section in sections:
            for key, value in _numbered(section, "ROLE"):
                spelling, word = _two_parts(key, value)
                try:
                    role = Role[_text(word.upper())]
                except KeyError:
                    raise _unreadable(
                        f"syntax error: unknown role key in entry {key} in config file"
                    ) from None
                abstract_syntax = _abstract_syntax(spelling)
                roles = self.roles.setdefault(section.name, {})
                if abstract_syntax in roles:
                    raise _unreadable(
                        f"role selection defined twice for abstract syntax UID: {_text(spelling)}"
                    )
                roles[abstract_syntax] = role

    def read_extended_negotiation(self, sections: list[ProfileSection]) -> None:
        for section in sections:
            for key, value in _numbered(section, "EXTENDEDNEGOTIATION"):
                spelling, digits = _two_parts(key, value)
                information = _application_information(key, digits)
                abstract_syntax = _abstract_syntax(spelling)
                entries = self.extended_negotiation.setdefault(section.name, {})
                if abstract_syntax in entries:
                    raise _unreadable(
                        "extended negotiation defined twice for abstract syntax UID: "
                        + _text(spelling)
                    )
                entries[abstract_syntax] = information

    def read_profiles(self, sections: list[ProfileSection]) -> None:
        for section in sections:
            if "PRESENTATIONCONTEXTS" not in section.entries:
                raise _unreadable(
                    f"no PRESENTATIONCONTEXTS  entry in section {section.name} in config file"
                )
            contexts = _reference(section.entries["PRESENTATIONCONTEXTS"])
            if contexts not in self.contexts:
                raise _unreadable(f"presentation context key undefined: {contexts}")
            roles = extended_negotiation = None
            if "SCPSCUROLESELECTION" in section.entries:
                roles = _reference(section.entries["SCPSCUROLESELECTION"])
                if roles not in self.roles:
                    raise _unreadable(f"role selection key undefined: {roles}")
                self._check_consistency(contexts, roles, self.roles)
            if "EXTENDEDNEGOTIATION" in section.entries:
                extended_negotiation = _reference(section.entries["EXTENDEDNEGOTIATION"])
                if extended_negotiation not in self.extended_negotiation:
                    raise _unreadable(f"extended negotiation key undefined: {extended_negotiation}")
                self._check_consistency(contexts, extended_negotiation, self.extended_negotiation)
            if section.name in self.profiles:
                raise _unreadable(f"two profiles defined for key: {contexts}")
            self.profiles[section.name] = _References(contexts, roles, extended_negotiation)

    def _check_consistency(
        self, contexts: str, name: str, lists: Mapping[str, Mapping[str, object]]
    ) -> None:
        """Check that the list `name` speaks of abstract syntaxes of the context list only."""
        # Thousands of profiles may name the same two lists: each pair is compared once.
        pair = (id(lists), contexts, name)
        if pair in self._consistent:
            return
        known = {abstract_syntax for abstract_syntax, _ in self.contexts[contexts]}
        for abstract_syntax in lists[name]:
            if abstract_syntax not in known:
                raise _unreadable(
                    f"abstract syntax defined in role selection list '{name}' but not in "
                    f"presentation context list '{contexts}': {abstract_syntax}"
                )
        self._consistent.add(pair)


def _numbered(section: ProfileSection, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Yield keys and values of `prefix` 1, 2, 3… up to the first gap."""
    number = 1
    while (value := section.entries.get(key := f"{prefix}{number}")) is not None:
        yield key, value
        number += 1


def _two_parts(key: str, value: bytes) -> tuple[bytes, bytes]:
    first, separator, second = value.partition(b"\\")
    if not separator:
        raise _unreadable(f"syntax error: missing '\\' in entry {key} in config file")
    return first, second


def _abstract_syntax(spelling: bytes) -> str:
    uid = _uid(spelling)
    if uid is None:
        raise _unreadable(f"not a valid abstract syntax UID: {_text(spelling)}")
    return uid


def _uid(spelling: bytes) -> str | None:
    """Return the UID that is meant: by number, or by the name that logs use for it."""
    text = _text(spelling)
    uid = text if text[:1].isdigit() else _uids_by_name().get(text.removeprefix("="), text)
    return uid if uid and not uid.strip("0123456789.") else None


@functools.cache
def _uids_by_name() -> dict[str, str]:
    # Imported late: only who uses a profile pays for the table.
    from storescp.uid_names import SECOND_NAMES, UID_NAMES

    little, big = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
    local, opposite = (little, big) if sys.byteorder == "little" else (big, little)
    return {
        **{name: uid for uid, name in UID_NAMES.items()},
        **SECOND_NAMES,
        "LocalEndianExplicit": local,
        "OppositeEndianExplicit": opposite,
    }


def _application_information(key: str, digits: bytes) -> bytes:
    if not digits:
        raise _unreadable(_ILLEGAL)
    if len(digits) > _LONGEST_HEX:
        raise _unreadable(
            f"extended negotiation data too long, cannot handle > 1024 bytes in entry {key} "
            "in config file"
        )
    try:
        information = bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        information = b""
    # bytes.fromhex skips blanks, which are errors here: then there are too few bytes.
    if len(information) * 2 != len(digits):
        raise _unreadable(f"parse error in extended negotiation data in entry {key} in config file")
    return information


def _reference(name: bytes) -> str:
    """Return the name of a list or profile as references to it are compared."""
    return _text(name.translate(_UPPER, _SPACE))


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _unreadable(text: str) -> ConfigurationError:
    return ConfigurationError(f"cannot read config file: {text}")
