"""The protocol of service managers such as systemd: listening sockets are passed in, readiness and stopping are reported.

The protocols are those of sd_listen_fds(3) and sd_notify(3): environment variables, and datagrams of a few bytes.
"""

import logging
import os
import socket
from collections.abc import Callable, Mapping, MutableMapping

from storescp.errors import ConfigurationError

_logger = logging.getLogger("dcmtk.apps.storescp")

_FIRST_DESCRIPTOR = 3

Notify = Callable[[str], None]


def passes_socket(environment: Mapping[str, str]) -> bool:
    """Tell whether a service manager has passed sockets to this process."""
    return environment.get("LISTEN_PID") == str(os.getpid()) and "LISTEN_FDS" in environment


def take_socket(environment: MutableMapping[str, str]) -> socket.socket:
    """Return the listening socket that was passed, not blocking; commands of the user shall not know of it.

    Raises:
        ConfigurationError: there are several, or it is none to accept TCP connections from.
    """
    number = environment.pop("LISTEN_FDS", "")
    for name in ("LISTEN_PID", "LISTEN_FDNAMES"):
        environment.pop(name, None)
    if number != "1":
        raise ConfigurationError(
            f"the service manager passes {number or 'no'} sockets, but one is listened on:"
            " let its socket unit have one ListenStream"
        )
    try:
        passed = socket.socket(fileno=_FIRST_DESCRIPTOR)
    except OSError as error:
        raise ConfigurationError(
            f"cannot use the socket of the service manager: {error.strerror}"
        ) from error
    if passed.family not in (socket.AF_INET, socket.AF_INET6) or not _listens(passed):
        passed.close()
        raise ConfigurationError(
            "cannot use the socket of the service manager: it is none that listens for TCP connections"
        )
    passed.set_inheritable(inheritable=False)
    passed.settimeout(0)
    return passed


def _listens(passed: socket.socket) -> bool:
    return (
        passed.type == socket.SOCK_STREAM
        and passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) != 0
    )


def notifier(environment: MutableMapping[str, str]) -> Notify | None:
    """Return what tells the service manager about our state, None if it does not want to know."""
    address = environment.pop("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return None
    if address.startswith("@"):
        address = "\0" + address[1:]

    def notify(state: str) -> None:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(1)
                sender.sendto(state.encode(), address)
        except OSError as error:
            # Nobody is worse off than without a service manager.
            _logger.warning("cannot tell the service manager that %s: %s", state, error)

    return notify
