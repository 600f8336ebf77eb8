"""The port: sockets that listen, and what every accepted one needs."""

import errno
import logging
import os
import socket

from storescp import conditions
from storescp.errors import NetworkUnavailable
from storescp.serve.accept.settings import IPVersion, ListenAddress

_logger = logging.getLogger("dcmtk.apps.storescp")

_BACKLOG = 4096
"""Connections that the system completes while we are busy. It may allow fewer: net.core.somaxconn."""


def listen(bound: socket.socket, listening: ListenAddress) -> None:
    """Open the port that a socket is bound to: connections are taken from now on.

    Raises:
        NetworkUnavailable: another program has it; the socket is closed.
    """
    try:
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise _unavailable(error, listening) from error
    bound.settimeout(0)


def bind(listening: ListenAddress) -> socket.socket:
    """Return a socket that has the port, but does not listen yet.

    Raises:
        NetworkUnavailable: the port cannot be had.
    """
    family = socket.AF_INET if listening.ip_version is IPVersion.IPV4 else socket.AF_INET6
    listener = None
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            only = listening.ip_version is IPVersion.IPV6
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        listener.bind(("" if family == socket.AF_INET else "::", listening.port))
    except OSError as error:
        if listener is not None:
            listener.close()
        raise _unavailable(error, listening) from error
    return listener


def _unavailable(error: OSError, listening: ListenAddress) -> NetworkUnavailable:
    unavailable = NetworkUnavailable(
        f"cannot create network: {conditions.TCP_INITIALIZATION_ERROR.line()}: {error.strerror}"
    )
    if error.errno == errno.EADDRINUSE:
        unavailable.add_note(
            f"Another program listens on port {listening.port}; `ss -lntp` shows which."
        )
    else:
        unavailable.add_note(f"This is about port {listening.port}.")
    return unavailable


def prepare(connected: socket.socket) -> None:
    """Set what every accepted socket needs.

    Nagle's algorithm would hold back a response until the peer acknowledges the one before, some 40 ms each.
    `TCP_BUFFER_LENGTH` in the environment, in kilobytes, sets the kernel's buffers as it does for DCMTK.
    """
    connected.settimeout(None)
    try:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if (size := os.environ.get("TCP_BUFFER_LENGTH", "")).isdigit():
            for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                connected.setsockopt(socket.SOL_SOCKET, buffer, min(int(size), 1 << 20) * 1024)
    except OSError as error:
        # A peer that has already gone; the first receive will say so.
        _logger.debug("cannot set socket options: %s", error)
