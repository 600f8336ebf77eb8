"""What a service manager passes, and what it is told."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from storescp.errors import ConfigurationError
from storescp.serve.process import service_manager
from storescp.serve.process.service_manager import notifier, passes_socket, take_socket

Pass = Callable[[socket.socket], dict[str, str]]


@pytest.fixture
def pass_on(monkeypatch: pytest.MonkeyPatch) -> Pass:
    """Pass a socket as a service manager does, but with the number that it has; return the environment."""

    def pass_on(passed: socket.socket) -> dict[str, str]:
        monkeypatch.setattr(service_manager, "_FIRST_DESCRIPTOR", passed.detach())
        return {
            "LISTEN_PID": str(os.getpid()),
            "LISTEN_FDS": "1",
            "LISTEN_FDNAMES": "storescp.socket",
            "OTHER": "x",
        }

    return pass_on


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_listening_socket(pass_on: Pass, address: str) -> None:
    """Is taken once, is not blocking, is not for commands, and these are not told of it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.create_server((address, 0), family=family)
    port = listening.getsockname()[1]
    listening.set_inheritable(True)
    environment = pass_on(listening)
    assert passes_socket(environment)

    with take_socket(environment) as taken:
        assert taken.getsockname()[:2] == (address, port)
        assert taken.gettimeout() == 0
        assert not taken.get_inheritable()
    assert environment == {"OTHER": "x"}
    assert not passes_socket(environment)


def test_sockets_for_another_process_are_not_ours() -> None:
    """The variables may have been inherited by mistake."""
    assert not passes_socket({"LISTEN_PID": "1", "LISTEN_FDS": "1"})
    assert not passes_socket({"LISTEN_FDS": "1"})
    assert not passes_socket({"LISTEN_PID": str(os.getpid())})


@pytest.mark.parametrize("number", ["0", "2", "", "x"])
def test_there_is_one_socket(pass_on: Pass, number: str) -> None:
    """More or fewer are an error, not half a service."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        environment = {**pass_on(listening.dup()), "LISTEN_FDS": number}

        with pytest.raises(ConfigurationError, match="let its socket unit have one ListenStream"):
            take_socket(environment)
        os.close(service_manager._FIRST_DESCRIPTOR)


def test_what_cannot_be_accepted_from_is_an_error(pass_on: Pass, tmp_path: Path) -> None:
    """A connection (`Accept=yes`), another protocol, a local socket, no socket at all."""
    local = socket.socket(socket.AF_UNIX)
    local.bind(str(tmp_path / "local"))
    local.listen()
    for passed in (
        socket.socket(),
        socket.socket(type=socket.SOCK_DGRAM),
        local,
    ):
        with pytest.raises(ConfigurationError, match="none that listens for TCP connections"):
            take_socket(pass_on(passed))
    with (tmp_path / "file").open("w") as file:
        environment = pass_on(socket.socket())
        os.dup2(file.fileno(), service_manager._FIRST_DESCRIPTOR)
        with pytest.raises(ConfigurationError, match="cannot use the socket"):
            take_socket(environment)
        os.close(service_manager._FIRST_DESCRIPTOR)


@pytest.mark.parametrize("is_abstract", [False, True])
def test_notifications_are_datagrams(tmp_path: Path, is_abstract: bool) -> None:
    """To a path or to a name that is none, sd_notify(3)."""
    path = str(tmp_path / "notify")
    environment = {"NOTIFY_SOCKET": f"@{path}" if is_abstract else path}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{path}" if is_abstract else path)
        receiver.settimeout(5)
        notify = notifier(environment)
        assert notify is not None

        notify("READY=1")

        assert receiver.recv(100) == b"READY=1"
    assert environment == {}


def test_who_does_not_want_to_know_is_not_told() -> None:
    """No variable, no address, an address of a kind that we do not know."""
    assert notifier({}) is None
    assert notifier({"NOTIFY_SOCKET": ""}) is None
    assert notifier({"NOTIFY_SOCKET": "vsock:2:1"}) is None


def test_a_deaf_service_manager_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Reception goes on."""
    notify = notifier({"NOTIFY_SOCKET": str(tmp_path / "nothing")})
    assert notify is not None

    notify("READY=1")

    assert caplog.messages == [
        "cannot tell the service manager that READY=1: [Errno 2] No such file or directory"
    ]
