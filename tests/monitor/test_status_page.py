"""The status page as a viewer: its port, where it is found, and how often facts are gathered."""

import socket
from pathlib import Path

import pytest

from storescp.errors import ConfigurationError
from storescp.monitor.status_page import StatusPage, _remembered, check_port, url
from storescp.monitor.surroundings import HostStatusSettings


def settings(port: int, address: str = "127.0.0.1") -> StatusPage:
    return StatusPage(address, port, HostStatusSettings(str(Path.cwd())))


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", "http://127.0.0.1:8080/"), ("::1", "http://[::1]:8080/")],
)
def test_where_it_is_found(address: str, expected: str) -> None:
    """An address of IPv6 stands in brackets, RFC 3986 3.2.2."""
    assert url(address, 8080) == expected


def test_a_port_that_is_free_is_given_back() -> None:
    """The check leaves it as it was."""
    with socket.create_server(("127.0.0.1", 0)) as before:
        port = before.getsockname()[1]

    check_port(settings(port))
    check_port(settings(port))


def test_a_port_that_is_taken() -> None:
    """The reason names the page's address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(ConfigurationError) as caught:
            check_port(settings(port))

    assert str(caught.value) == (
        f"cannot serve the status page at http://127.0.0.1:{port}/: Address already in use"
    )


def test_facts_hold_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many clients together cost little more than one."""
    times = [100.0, 100.24, 100.25, 100.4, 101.0]
    clock = iter(times)
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    made = iter(range(10))
    facts = _remembered(lambda: next(made))

    results = [facts() for _ in times]

    assert results == [0, 0, 1, 1, 2]
