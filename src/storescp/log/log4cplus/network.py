"""Appenders that send events to other processes: the system log, log4cplus and log4j servers.

Host names are looked up once, at start-up. Sockets never block: what cannot be sent at once is lost, because the
receiver of images must not wait for a receiver of messages.
"""

import contextlib
import logging
import os
import select
import socket
import struct
import sys
import time

from storescp.log.appender import encode, message_of
from storescp.log.levels import LogLevel, level_name
from storescp.log.log4cplus.appender import ConfiguredAppender
from storescp.log.log4cplus.diagnostics import Diagnostics
from storescp.log.log4cplus.layouts import fully_qualified_name
from storescp.log.log4cplus.properties import Properties

Address = str | tuple[object, ...]

SYSTEM_LOG = "/var/run/syslog" if sys.platform == "darwin" else "/dev/log"

_NAMES = "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp".split()  # noqa: SIM905
FACILITIES = {name: number for number, name in enumerate(_NAMES)} | {
    f"local{number}": 16 + number for number in range(8)
}
"""RFC 5424 table 1, under the names that syslog(3) gives them."""

_MAXIMUM_DATAGRAM_BYTES = 65507  # UDP over IPv4
_CONNECT_WAIT_SECONDS = (
    0.1  # seconds to wait for a new connection; if it takes longer, later events will find it
)
_RETRY_SECONDS = 5.0  # seconds

_XML = str.maketrans(
    {chr(code): "\N{REPLACEMENT CHARACTER}" for code in range(32) if chr(code) not in "\t\n\r"}
    | {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
)


class DatagramAppender(ConfiguredAppender):
    """Sends each event as one datagram, cut to what fits."""

    def __init__(self, complaints: Diagnostics, family: int, address: Address) -> None:
        super().__init__(complaints)
        self._address = address
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.settimeout(0)

    def append(self, text: str, record: logging.LogRecord) -> None:
        data = encode(self.datagram(text, record))[:_MAXIMUM_DATAGRAM_BYTES]
        try:
            self._socket.sendto(data, self._address)
        except OSError as error:
            self.complain(f"Cannot send to log server {self._address}: {error.strerror}")
        else:
            self.recovered()

    def datagram(self, text: str, record: logging.LogRecord) -> str:  # noqa: ARG002
        """Return the text to send for an event that the layout made `text`."""
        return text

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()


class LocalSysLogAppender(DatagramAppender):
    """Hands events to the system log of this host, as syslog(3) does."""

    def __init__(self, complaints: Diagnostics, path: str, *, facility: int, ident: str) -> None:
        super().__init__(complaints, socket.AF_UNIX, path)
        self._facility = facility
        self._ident = ident

    def datagram(self, text: str, record: logging.LogRecord) -> str:
        moment = time.strftime("%b %e %H:%M:%S", time.localtime(record.created))
        return f"<{priority(self._facility, record.levelno)}>{moment} {self._ident}: {text}"


class RemoteSysLogAppender(DatagramAppender):
    """Sends events to a system log server, RFC 5424 over UDP."""

    def __init__(
        self, complaints: Diagnostics, family: int, address: Address, *, facility: int, ident: str
    ) -> None:
        super().__init__(complaints, family, address)
        self._facility = facility
        self._host = fully_qualified_name()
        # RFC 5424 6.2.5: at most 48 visible characters, a hyphen for none.
        self._ident = (
            "".join(letter if "!" <= letter <= "~" else "_" for letter in ident)[:48] or "-"
        )

    def datagram(self, text: str, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        return (
            f"<{priority(self._facility, record.levelno)}>1 {moment}.{int(record.msecs):03}Z"
            f" {self._host} {self._ident} {os.getpid()} {record.name} - {text}"
        )


class Log4jAppender(DatagramAppender):
    """Sends events as XML elements of log4j."""

    def datagram(self, text: str, record: logging.LogRecord) -> str:
        def escaped(value: str) -> str:
            return value.translate(_XML)

        return (
            f'<log4j:event logger="{escaped(record.name)}" level="{level_name(record.levelno)}"'
            f' timestamp="{int(record.created * 1000)}" thread="{record.thread}">'
            f"<log4j:message>{escaped(text)}</log4j:message><log4j:NDC></log4j:NDC>"
            f'<log4j:locationInfo class="" file="{escaped(record.pathname)}"'
            f' method="{escaped(record.funcName or "")}" line="{record.lineno}"/></log4j:event>'
        )


class SocketAppender(ConfiguredAppender):
    """Sends events to a log4cplus server over TCP. Without connection they are dropped."""

    def __init__(
        self, complaints: Diagnostics, addresses: list[tuple[int, Address]], server_name: str
    ) -> None:
        super().__init__(complaints)
        self._addresses = addresses
        self._server_name = server_name
        self._socket: socket.socket | None = None
        self._connected = False
        self._unsent = b""
        self._retry_at = 0.0
        self._process = os.getpid()
        self._is_ready()

    def append(self, text: str, record: logging.LogRecord) -> None:  # noqa: ARG002
        if (
            self._process != os.getpid()
        ):  # a child that wrote to the same stream would tear its parent's events
            self._process = os.getpid()
            self._disconnect(retry_at=0.0)
        if self._is_ready():
            self._send(self._unsent)
        if self._is_ready() and not self._unsent:
            self._send(event_bytes(self._server_name, record))

    def close(self) -> None:
        """Close the connection."""
        self._disconnect(retry_at=0.0)
        super().close()

    def _is_ready(self) -> bool:
        """Connect, if it is time to, and tell whether there is a connection."""
        try:
            if self._socket is None and time.monotonic() >= self._retry_at:
                self._connect()
            elif self._socket is not None and not self._connected:
                self._finish_connecting(self._socket, 0.0)
        except OSError:
            self._addresses = self._addresses[1:] + self._addresses[:1]
            self._disconnect(retry_at=time.monotonic() + _RETRY_SECONDS)
            self.complain("SocketAppender::ConnectorThread::run()- Cannot connect to server")
        return self._connected

    def _connect(self) -> None:
        if not self._addresses:
            raise OSError("the server's name is unknown")
        family, address = self._addresses[0]
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            self._socket.connect(address)
        self._finish_connecting(self._socket, _CONNECT_WAIT_SECONDS)

    def _finish_connecting(self, connection: socket.socket, patience: float) -> None:
        poll = select.poll()
        poll.register(connection, select.POLLOUT)
        if not poll.poll(patience * 1000):
            return
        error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        self._connected = True
        self.recovered()

    def _send(self, data: bytes) -> None:
        """Send what the connection takes and remember the rest, so that no event is torn."""
        if self._socket is None or not data:
            return
        try:
            self._unsent = data[self._socket.send(data) :]
        except BlockingIOError:
            self._unsent = data
        except OSError:
            self._disconnect(retry_at=time.monotonic() + _RETRY_SECONDS)

    def _disconnect(self, *, retry_at: float) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._connected, self._unsent = None, False, b""
        self._retry_at = retry_at


def event_bytes(server_name: str, record: logging.LogRecord) -> bytes:
    """Return an event as a log4cplus server reads it: version 3, characters of 8 bits, then the fields."""
    seconds, fraction = divmod(int(record.created * 1_000_000), 1_000_000)
    body = (
        b"\x03\x01"
        + _counted(server_name)
        + _counted(record.name)
        + struct.pack(">I", library_level(record.levelno))
        + _counted("")
        + _counted(message_of(record))
        + _counted(str(record.thread))
        + struct.pack(">II", seconds & 0xFFFFFFFF, fraction)
        + _counted(record.pathname)
        + struct.pack(">I", record.lineno)
        + _counted(record.funcName or "")
    )
    return struct.pack(">I", len(body)) + body


def _counted(text: str) -> bytes:
    data = encode(text)
    return struct.pack(">I", len(data)) + data


def library_level(level: int) -> int:
    """Return the number that the reference's library has for a level."""
    return 0 if level <= LogLevel.TRACE else level * 1000


def priority(facility: int, level: int) -> int:
    """Return facility and severity of an event as RFC 5424 6.2.1 wants them."""
    if level > LogLevel.FATAL:
        severity = 1  # alert
    elif level >= LogLevel.FATAL:
        severity = 2  # critical
    elif level >= LogLevel.ERROR:
        severity = 3
    elif level >= LogLevel.WARN:
        severity = 4
    elif level >= LogLevel.INFO:
        severity = 6
    else:
        severity = 7  # debug
    return facility * 8 + severity


def make(class_name: str, properties: Properties, complaints: Diagnostics) -> ConfiguredAppender:
    """Return the network appender of a class."""
    match class_name:
        case "log4cplus::SocketAppender":
            host, port = properties.get("host"), properties.integer("port", 9998)
            addresses = resolve(host, port, socket.SOCK_STREAM, complaints)
            return SocketAppender(complaints, addresses, properties.get("ServerName"))
        case "log4cplus::Log4jUdpAppender":
            host, port = properties.get("host", "localhost"), properties.integer("port", 5000)
            for family, address in resolve(host, port, socket.SOCK_DGRAM, complaints)[:1]:
                return Log4jAppender(complaints, family, address)
        case _:
            if "host" not in properties or not properties.get("host"):
                return _local_system_log(properties, complaints)
            host, port = properties.get("host"), properties.integer("port", 514)
            facility, ident = _facility(properties, complaints), properties.get("ident")
            for family, address in resolve(host, port, socket.SOCK_DGRAM, complaints)[:1]:
                return RemoteSysLogAppender(
                    complaints, family, address, facility=facility, ident=ident
                )
    return ConfiguredAppender(complaints)  # writes nothing


def _local_system_log(properties: Properties, complaints: Diagnostics) -> ConfiguredAppender:
    return LocalSysLogAppender(
        complaints,
        SYSTEM_LOG,
        facility=_facility(properties, complaints),
        ident=properties.get("ident") or "storescp",
    )


def _facility(properties: Properties, complaints: Diagnostics) -> int:
    name = properties.get("facility", "user")
    if name.lower() not in FACILITIES:
        complaints.error(f"Unknown syslog facility: {name}")
    return FACILITIES.get(name.lower(), FACILITIES["user"])


def resolve(
    host: str, port: int, kind: socket.SocketKind, complaints: Diagnostics
) -> list[tuple[int, Address]]:
    """Return the addresses of a host with their families; none, with a complaint, if it is unknown."""
    try:
        answers = socket.getaddrinfo(host or None, port, type=kind)
    except (OSError, ValueError) as error:  # ValueError: a name that IDNA does not allow
        complaints.error(f"Cannot resolve log server {host}: {error}")
        return []
    return [(family, address) for family, _, _, _, address in answers]
