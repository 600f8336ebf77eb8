"""Appenders that send events to other processes."""

import logging
import os
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from storescp.log import appender as log_appender
from storescp.log.levels import LogLevel
from storescp.log.log4cplus import factory, network
from storescp.log.log4cplus.diagnostics import Diagnostics
from storescp.log.log4cplus.network import LocalSysLogAppender, SocketAppender, event_bytes
from storescp.log.log4cplus.properties import parse
from tests.log.logging_state import event, run_python

NOON = 1795521600.460339  # 2026-11-24 12:00:00.460339 UTC


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    """A socket for datagrams."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        yield receiver


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A listening socket."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


def make(class_name: str, properties: str = "") -> log_appender.Appender:
    appender = factory.make(f"log4cplus::{class_name}", parse(properties), Diagnostics())
    assert appender is not None
    return appender


def address(listener: socket.socket) -> str:
    return f"host=127.0.0.1\nport={listener.getsockname()[1]}\n"


# -- system log ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "level"),
    [
        (7, LogLevel.TRACE),
        (7, LogLevel.DEBUG),
        (6, LogLevel.INFO),
        (4, LogLevel.WARN),
        (3, LogLevel.ERROR),
        (2, LogLevel.FATAL),
        (1, LogLevel.OFF),
    ],
)
def test_severities(expected: int, level: int) -> None:
    """Levels become severities of RFC 5424 table 2, behind the facility."""
    assert network.priority(19, level) == 19 * 8 + expected


def test_remote_system_log(receiver: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """One datagram in the form of RFC 5424 for each event, its text as the layout made it."""
    monkeypatch.setattr(network, "fully_qualified_name", lambda: "ct.example.org")
    appender = make(
        "SysLogAppender",
        address(receiver) + "ident=myident\nfacility=LOCAL3\nlayout=log4cplus::SimpleLayout",
    )

    appender.handle(event("Association Received", created=NOON))
    appender.close()

    assert receiver.recv(65536).decode() == (
        f"<158>1 2026-11-24T12:00:00.460Z ct.example.org myident {os.getpid()}"
        " dcmtk.apps.storescp - INFO - Association Received\n"
    )


@pytest.mark.parametrize(
    ("expected", "ident"),
    [("-", ""), ("my_id", "my id"), ("x" * 48, "x" * 60), ("M_ller", "Müller")],
)
def test_remote_identification_is_a_word(
    expected: str, ident: str, receiver: socket.socket
) -> None:
    """RFC 5424 6.2.5: the name of the program is a word of at most 48 visible characters, or a hyphen."""
    appender = make("SysLogAppender", address(receiver) + f"ident={ident}")

    appender.handle(event())
    appender.close()

    assert expected == receiver.recv(65536).decode().split(" ")[3]


def test_local_system_log(tmp_path: Path) -> None:
    """The local system log gets what syslog(3) would send."""
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        receiver.settimeout(10)
        appender = LocalSysLogAppender(Diagnostics(), path, facility=3, ident="storescp")
        appender.setFormatter(logging.Formatter("%(message)s"))

        appender.handle(event("text", level=LogLevel.ERROR))
        appender.close()

        assert re.fullmatch(
            r"<27>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d storescp: text",
            receiver.recv(65536).decode(),
        )


def test_local_system_log_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a system log events are dropped, with one complaint."""
    path = str(tmp_path / "log")
    monkeypatch.setattr(network, "SYSTEM_LOG", path)
    appender = make("SysLogAppender", "host=")

    appender.handle(event())
    appender.handle(event())
    appender.close()

    assert capsys.readouterr().err == (
        f"log4cplus:ERROR Cannot send to log server {path}: No such file or directory\n"
    )


@pytest.mark.parametrize(
    ("expected", "name"),
    [
        (1, "user"),
        (1, "USER"),
        (10, "authpriv"),
        (11, "ftp"),
        (23, "Local7"),
        (0, "kern"),
        (9, "cron"),
    ],
)
def test_facilities(expected: int, name: str, receiver: socket.socket) -> None:
    """Facilities have the names of syslog(3), in any case."""
    appender = make("SysLogAppender", address(receiver) + f"facility={name}")

    appender.handle(event())
    appender.close()

    assert receiver.recv(65536).startswith(f"<{expected * 8 + 6}>1 ".encode())


def test_unknown_facility(receiver: socket.socket, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown facility is complained about, and `user` is used."""
    appender = make("SysLogAppender", address(receiver) + "facility=nonsense")

    appender.handle(event())
    appender.close()

    assert receiver.recv(65536).startswith(b"<14>1 ")
    assert capsys.readouterr().err == "log4cplus:ERROR Unknown syslog facility: nonsense\n"


# -- log4j -----------------------------------------------------------------------------------------


def test_log4j_event(receiver: socket.socket) -> None:
    """One XML element for each event; characters that XML does not allow are replaced."""
    appender = make(
        "Log4jUdpAppender",
        address(receiver)
        + "layout=log4cplus::PatternLayout\nlayout.ConversionPattern=%p <&]]> \"'%m",
    )

    appender.handle(event("a\tb\x1b", created=NOON))
    appender.close()

    text = receiver.recv(65536).decode()
    element = ElementTree.fromstring(text.replace("log4j:", ""))
    assert element.attrib == {
        "logger": "dcmtk.apps.storescp",
        "level": "INFO",
        "timestamp": "1795521600460",
        "thread": str(threading.get_ident()),
    }
    assert [(child.tag, child.text) for child in element] == [
        ("message", "INFO <&]]> \"'a\tb\N{REPLACEMENT CHARACTER}"),
        ("NDC", None),
        ("locationInfo", None),
    ]
    assert element[2].attrib == {
        "class": "",
        "file": "/src/serve/listener.py",
        "method": "run",
        "line": "42",
    }


def test_datagrams_are_cut_to_what_fits(receiver: socket.socket) -> None:
    """A message longer than a datagram is cut, not dropped."""
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    appender = make("Log4jUdpAppender", address(receiver))

    appender.handle(event("x" * 100_000))
    appender.close()

    assert len(receiver.recv(100_000)) == 65507


@pytest.mark.parametrize("class_name", ["SysLogAppender", "Log4jUdpAppender", "SocketAppender"])
def test_unknown_host_is_complained_about(
    class_name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that cannot be looked up gets nothing; the program goes on."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    appender = make(class_name, "host=log.example.invalid")

    appender.handle(event())
    appender.close()

    assert capsys.readouterr().err.splitlines()[0] == (
        "log4cplus:ERROR Cannot resolve log server log.example.invalid:"
        " [Errno -2] Name or service not known"
    )


# -- log4cplus server ------------------------------------------------------------------------------


def test_event_as_a_server_reads_it() -> None:
    """Length, version, character size, then names, level, message, thread, time and place."""
    record = event("text", level=LogLevel.WARN, created=NOON)

    def counted(text: str) -> bytes:
        return struct.pack(">I", len(text)) + text.encode()

    body = b"".join(
        [
            b"\x03\x01",
            counted("SRV"),
            counted("dcmtk.apps.storescp"),
            struct.pack(">I", 30000),
            counted(""),
            counted("text"),
            counted(str(threading.get_ident())),
            struct.pack(">II", 1795521600, 460339),
            counted("/src/serve/listener.py"),
            struct.pack(">I", 42),
            counted("run"),
        ]
    )
    assert event_bytes("SRV", record) == struct.pack(">I", len(body)) + body


@pytest.mark.parametrize(
    ("expected", "level"), [(0, LogLevel.TRACE), (10000, LogLevel.DEBUG), (60000, LogLevel.OFF)]
)
def test_levels_of_the_library(expected: int, level: int) -> None:
    """A server knows levels by the numbers of its own library."""
    assert expected == network.library_level(level)


def read_events(connection: socket.socket, count: int) -> list[bytes]:
    """Read whole events, without their lengths."""
    with connection.makefile("rb") as file:
        return [file.read(*struct.unpack(">I", file.read(4))) for _ in range(count)]


def test_socket_appender_sends_events(server: socket.socket) -> None:
    """Events go to the server over one connection."""
    appender = make("SocketAppender", address(server) + "ServerName=SRV")
    connection, _ = server.accept()

    appender.handle(event("one"))
    appender.handle(event("two"))

    with connection:
        connection.settimeout(10)
        assert [b"one" in data or b"two" in data for data in read_events(connection, 2)] == [
            True
        ] * 2
    appender.close()


def test_server_that_is_down_is_tried_again(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Events are dropped with one complaint until the server is up."""
    monkeypatch.setattr(network, "_RETRY_SECONDS", 0.0)
    properties = address(server)
    port = server.getsockname()[1]
    server.close()
    appender = make("SocketAppender", properties)

    appender.handle(event("lost"))
    with socket.create_server(("127.0.0.1", port)) as again:
        again.settimeout(10)
        appender.handle(event("kept"))
        connection, _ = again.accept()
        with connection:
            connection.settimeout(10)
            assert b"kept" in read_events(connection, 1)[0]
    appender.close()

    assert capsys.readouterr().err == (
        "log4cplus:ERROR SocketAppender::ConnectorThread::run()- Cannot connect to server\n"
    )


def test_server_that_is_down_is_not_tried_for_every_event(server: socket.socket) -> None:
    """Within the delay no attempt is made."""
    properties = address(server)
    port = server.getsockname()[1]
    server.close()
    appender = make("SocketAppender", properties)

    with socket.create_server(("127.0.0.1", port)) as again:
        again.settimeout(0.05)
        appender.handle(event("lost"))
        with pytest.raises(TimeoutError):
            again.accept()
    appender.close()


def test_connection_that_breaks_costs_events_only(server: socket.socket) -> None:
    """A server that goes away is no error."""
    appender = make("SocketAppender", address(server))
    connection, _ = server.accept()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()

    for _ in range(3):
        appender.handle(event("lost"))
    appender.close()


def test_server_that_does_not_read_does_not_block(server: socket.socket) -> None:
    """When the connection takes no more, events are dropped; the one begun is ended first."""
    appender = make("SocketAppender", address(server))
    connection, _ = server.accept()
    begin = time.monotonic()

    for number in range(300):
        appender.handle(event(f"{number} " + "x" * 100_000))

    assert time.monotonic() - begin < 10
    assert isinstance(appender, SocketAppender)
    assert appender._unsent
    received = bytearray()
    connection.settimeout(10)
    while appender._unsent:
        received += connection.recv(1 << 20)
        appender.handle(event("y"))
    appender.close()
    with connection:
        while data := connection.recv(1 << 20):
            received += data
    position = 0
    while position < len(received):
        position += 4 + struct.unpack_from(">I", received, position)[0]
    assert position == len(received)


def test_slow_connection_is_finished_later(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is not made at once is looked at again by the next event."""
    monkeypatch.setattr(select, "poll", _NeverReady)
    appender = make("SocketAppender", address(server))
    appender.handle(event("lost"))
    monkeypatch.undo()

    appender.handle(event("kept"))
    connection, _ = server.accept()
    with connection:
        connection.settimeout(10)
        assert b"kept" in read_events(connection, 1)[0]
    appender.close()


class _NeverReady:
    def register(self, *_: object) -> None:
        pass

    def poll(self, _timeout: float) -> list[object]:
        return []


def test_child_makes_a_connection_of_its_own(server: socket.socket) -> None:
    """Parent and child do not write into the same stream."""
    run_python(
        """
        appender = factory.make("log4cplus::SocketAppender", properties, Diagnostics())
        appender.handle(event("parent"))
        if not os.fork():
            appender.handle(event("child"))
            appender.close()
            os._exit(0)
        os.wait()
        appender.handle(event("parent"))
        appender.close()
        """,
        address(server),
    )

    received = []
    for _ in range(2):
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as file:
            received.append(file.read())
    assert [(data.count(b"parent"), data.count(b"child")) for data in received] == [(2, 0), (0, 1)]
