"""Allow lists: AE titles and addresses, from the command line and from files that may change while we run.

A list without entries and files lets everybody in; one whose files are empty, nobody. On SIGHUP the files are read
again, before the next connection; if one of them cannot be used, all lists stay as they were.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeVar

from storescp.errors import ConfigurationError
from storescp.printable import printable
from storescp.serve.access.host_access import read
from storescp.upper_layer.admission import Admission

_logger = logging.getLogger("dcmtk.apps.storescp")

_LONGEST_AE_TITLE = 16

Network = IPv4Network | IPv6Network
_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True)
class AllowListSource:
    """One list, as the user gives it: entries, and files with an entry on each line."""

    entries: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.entries or self.files)


@dataclass(frozen=True, slots=True)
class AllowListSettings:
    """All lists, as the user gives them."""

    calling_ae_titles: AllowListSource = AllowListSource()
    called_ae_titles: AllowListSource = AllowListSource()
    addresses: AllowListSource = AllowListSource()


class AllowLists:
    """The lists in force."""

    def __init__(self, list_settings: AllowListSettings) -> None:
        """Read the lists.

        Raises:
            ConfigurationError: an entry is none, or a file cannot be read.
        """
        self._list_settings = list_settings
        self._is_stale = False
        self._read()

    def expire(self) -> None:
        """Have the files read again before the lists are used. Safe in a signal handler."""
        self._is_stale = True

    def renew(self) -> None:
        """Read the files again if that is due; if that fails, keep what there was."""
        if not self._is_stale:
            return
        self._is_stale = False
        try:
            self._read()
        except ConfigurationError as error:
            _logger.error("the lists of allowed peers stay as they were: %s", error)
        else:
            _logger.info("the lists of allowed peers were read anew")

    def _read(self) -> None:
        list_settings = self._list_settings
        # All or nothing: none is replaced before each of them could be read.
        calling = _load(list_settings.calling_ae_titles, ae_title)
        called = _load(list_settings.called_ae_titles, ae_title)
        networks = _load(list_settings.addresses, network)
        self._calling = None if calling is None else frozenset(calling)
        self._called = None if called is None else frozenset(called)
        self.networks = networks

    def has_address(self, address: str) -> bool:
        """Tell whether an address is in an allowed network."""
        if self.networks is None:
            return True
        host = plain(address)
        return any(host in allowed for allowed in self.networks)

    def admission(self, address: str) -> Admission:
        """Return what is asked of a requester at an address."""
        return Admission(self._calling, self._called, address=address)


def ae_title(text: str) -> str:
    """Return an AE title without the spaces around it, which do not count, PS3.5 6.2.

    Raises:
        ValueError: it is none; the text says why.
    """
    title = text.strip(" ")
    if not title:
        raise ValueError("an AE title has at least one character")
    if len(title) > _LONGEST_AE_TITLE:
        raise ValueError(f"an AE title has at most {_LONGEST_AE_TITLE} characters")
    if "\\" in title or not title.isprintable() or not _is_latin(title):
        raise ValueError("an AE title has no backslash, control or foreign characters")
    return title


def _is_latin(text: str) -> bool:
    # The standard allows ASCII only; titles are compared as Latin-1, in which they are decoded.
    return all(ord(character) <= 0xFF for character in text)


def network(text: str) -> Network:
    """Return an address, or a network in CIDR notation, as a network.

    Raises:
        ValueError: it is neither; the text says why.
    """
    return ip_network(text.strip().removeprefix("[").removesuffix("]"))


def plain(address: str) -> IPv4Address | IPv6Address:
    """Return an address of the system without its zone; one of IPv4 as such, also if it came in one of IPv6."""
    host = ip_address(address.partition("%")[0])
    if isinstance(host, IPv6Address) and host.ipv4_mapped is not None:
        return host.ipv4_mapped
    return host


def _load(allowed: AllowListSource, parse: Callable[[str], _Entry]) -> tuple[_Entry, ...] | None:
    """Return the entries of a list, None if there is no list.

    Raises:
        ConfigurationError: an entry is none, or a file cannot be read.
    """
    if not allowed:
        return None
    return tuple(
        _parse(entry, parse, source)
        for source, entries in (
            ("the command line", allowed.entries),
            *((path, _lines(path)) for path in allowed.files),
        )
        for entry in entries
    )


def _parse(entry: str, parse: Callable[[str], _Entry], source: str) -> _Entry:
    try:
        return parse(entry)
    except ValueError as error:
        raise ConfigurationError(
            f'cannot use "{printable(entry)}" of {source} for a list of those that are allowed:'
            f" {error}"
        ) from error


def _lines(path: str) -> Iterable[str]:
    """Return the lines of a file that say something: not those that are blank or begin with #.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        text = read(path).decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the list of those that are allowed, {path}: {error.strerror}"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"cannot read the list of those that are allowed, {path}: it is not text"
        ) from error
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
