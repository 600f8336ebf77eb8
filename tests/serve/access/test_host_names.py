"""Names of peers by reverse lookup."""

import os
import socket
import threading
from collections.abc import Callable

import pytest

from storescp.serve.access.host_names import HostNames, presentation_address, reverse_lookup

Result = tuple[str, str] | Exception


def answering(*results: Result) -> Callable[[tuple[str, int], int], tuple[str, str]]:
    remaining = list(results)

    def getnameinfo(_: tuple[str, int], flags: int) -> tuple[str, str]:
        assert flags == socket.NI_NUMERICSERV
        result = remaining.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    return getnameinfo


BUSY = socket.gaierror(socket.EAI_AGAIN, "try again")
FAILED = socket.gaierror(socket.EAI_FAIL, "failed")


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([("ct1.example.org", "0")], "ct1.example.org"),
        ([BUSY, BUSY, ("ct1", "0")], "ct1"),
        ([BUSY] * 5, "unknown"),
        ([FAILED], "unknown"),
        ([OSError()], "unknown"),
        ([UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x")], "unknown"),
        ([("", "0")], "unknown"),
    ],
)
def test_reverse_lookup(
    monkeypatch: pytest.MonkeyPatch, results: list[Result], expected: str
) -> None:
    """A busy name server is asked again; whatever else goes wrong leaves the name unknown."""
    monkeypatch.setattr(socket, "getnameinfo", answering(*results))

    assert reverse_lookup("10.1.2.3") == expected


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("10.1.2.3", "10.1.2.3"),
        ("::ffff:0:1", "::ffff:0:1"),
        ("2001:db8::5", "2001:db8::5"),
    ],
)
def test_ipv4_through_a_socket_for_ipv6(
    monkeypatch: pytest.MonkeyPatch, address: str, asked: str
) -> None:
    """With --ip-auto, peers over IPv4 have the names that they have with --ipv4."""
    questions = []

    def getnameinfo(endpoint: tuple[str, int], _: int) -> tuple[str, str]:
        questions.append(endpoint[0])
        return "ct1.example.org", "0"

    monkeypatch.setattr(socket, "getnameinfo", getnameinfo)

    assert reverse_lookup(address) == "ct1.example.org"
    assert questions == [asked]


@pytest.mark.parametrize("address", ["", "junk", "10.1.2.3.4", "a\0b", "fe80::1%no-such-interface"])
def test_what_is_no_address_has_no_name(address: str) -> None:
    """No text makes the lookup fail with an error."""
    assert reverse_lookup(address) == "unknown"


@pytest.mark.parametrize(
    ("name", "address", "shown"),
    [
        ("ct1.example.org", "10.1.2.3", "ct1"),
        ("localhost", "127.0.0.1", "localhost"),
        ("127.0.0.3", "127.0.0.3", "127"),
        ("2001:db8::5", "2001:db8::5", "2001:db8::5"),
        ("unknown", "10.1.2.3", "10.1.2.3"),
        (".x", "10.1.2.3", "10.1.2.3"),
    ],
)
def test_presentation_address(name: str, address: str, shown: str) -> None:
    """A peer is shown by its name up to the first dot, by its number if it has no name."""
    assert presentation_address(name, address) == shown


class Resolver:
    """Answers when told to, and counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go = threading.Event()

    def __call__(self, address: str) -> str:
        self.asked.append(address)
        self.go.wait(20)
        return "unknown" if address == "nowhere" else f"name-of-{address}"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_names_are_kept_for_a_while() -> None:
    """An answer serves until its lifetime is over, a failure for a shorter time."""
    resolver, clock = Resolver(), Clock()
    resolver.go.set()
    names = HostNames(lookup=resolver, clock=clock, lifetime=60, retry_after=10)

    assert [names.name("a"), names.name("a"), names.name("nowhere")] == [
        "name-of-a",
        "name-of-a",
        "unknown",
    ]
    clock.now = 59
    assert [names.name("a"), names.name("nowhere")] == ["name-of-a", "unknown"]
    clock.now = 61
    assert names.name("a") == "name-of-a"

    assert resolver.asked == ["a", "nowhere", "nowhere", "a"]


def test_nobody_waits_for_long() -> None:
    """A lookup that hangs leaves the client unknown; its late answer serves the next time."""
    resolver, clock = Resolver(), Clock()
    names = HostNames(lookup=resolver, clock=clock, time_limit=0.01)

    assert [names.name("a"), names.name("a")] == ["unknown", "unknown"]
    assert resolver.asked == ["a"]
    resolver.go.set()
    with names._changed:
        assert names._changed.wait_for(lambda: not names._asked, 20)

    assert names.name("a") == "name-of-a"
    assert resolver.asked == ["a"]


def test_the_number_of_lookups_is_limited() -> None:
    """If all lookups hang, nobody waits any more and no threads are added."""
    resolver = Resolver()
    names = HostNames(lookup=resolver, time_limit=0.01, retry_after=0, workers=2)

    assert {names.name(address) for address in ("a", "b", "c", "d", "a")} == {"unknown"}

    assert sorted(resolver.asked) == ["a", "b"]
    resolver.go.set()


def test_no_threads_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the system has no thread left, the name is unknown, and asked for again."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    resolver = Resolver()
    resolver.go.set()
    names = HostNames(lookup=resolver)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        assert names.name("a") == "unknown"

    assert names.name("a") == "name-of-a"


def test_memory_is_limited() -> None:
    """What is kept does not grow with the number of peers."""
    names = HostNames(lookup=lambda address: address, capacity=10)

    assert [names.name(str(number)) for number in range(100)] == [
        str(number) for number in range(100)
    ]
    assert len(names._known) <= 10


def test_a_forked_process_knows_what_was_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that another process has looked up is not looked up again, a failure soon is."""
    resolver = Resolver()
    resolver.go.set()
    names = HostNames(lookup=resolver)
    names.learn("a", "name-of-a")
    names.learn("nowhere", "unknown")

    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)

    assert [names.name("a"), names.name("nowhere")] == ["name-of-a", "unknown"]
    assert resolver.asked == ["nowhere"]


def test_a_forked_process_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a child process no lookup is under way, and no lock is held."""
    resolver = Resolver()
    names = HostNames(lookup=resolver, time_limit=0.01)
    assert names.name("a") == "unknown"
    resolver.go.set()
    names._changed.acquire()

    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)

    assert HostNames(lookup=resolver).name("a") == "name-of-a"
    names._time_limit = 20
    assert names.name("a") == "name-of-a"
