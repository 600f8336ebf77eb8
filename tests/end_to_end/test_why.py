"""Who is refused is told in the log and in events, in the same words."""

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.peers.dicom import Syntax
from tests.peers.requestor import (
    CT_IMAGE_STORAGE,
    Context,
    Requestor,
    associate_request,
    message,
    store_command,
)
from tests.peers.servers import Server, ours

LITTLE, JPEG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.70"
CONTEXTS = (Context(1, CT_IMAGE_STORAGE, (LITTLE,)),)


def nothing_in_common(server: Server) -> None:
    with Requestor(server.port) as peer:
        peer.associate([Context(1, CT_IMAGE_STORAGE, (JPEG,)), Context(3, "1.2.3", (LITTLE,))])
        peer.release()


def connect(server: Server) -> None:
    with Requestor(server.port) as peer:
        peer.exchange(associate_request(CONTEXTS))


def behind_a_balancer(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as balancer:
        balancer.sendall(bytes.fromhex("0d0a0d0a000d0a515549540a") + b"\x21\x11\0\x0c" + bytes(12))
        balancer.recv(1)


def object_without_study(server: Server) -> None:
    syntax = Syntax()
    with Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        data = syntax.element(0x00080016, "UI", CT_IMAGE_STORAGE)
        peer.send(message(1, store_command(CT_IMAGE_STORAGE, "1.2.3"), data))
        peer.receive_response()
        peer.release()


def stall(server: Server) -> None:
    with Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        whole = message(1, store_command(CT_IMAGE_STORAGE, "1.2.3"), bytes(1000))
        peer.send(whole[:-500])
        peer.receive_pdu()


def idle(server: Server) -> None:
    with Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        peer.receive_pdu()


def silence(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.settimeout(30)
        connection.recv(1)


@pytest.mark.parametrize(
    ("options", "traffic", "event", "expected"),
    [
        ([], nothing_in_common, "association-accepted", "Nothing of what was proposed is accepted"),
        (["--reject", "--refuse"], connect, "association-rejected", "started with --refuse"),
        (["+ac", "--hosts-deny", "deny"], connect, "connection-refused", "line 1 of deny decides"),
        (["-su", "s"], object_without_study, "object-refused", "do not sort (--sort-on-study-uid"),
        (["-ts", "1"], stall, "association-aborted", "did not continue within 1 s"),
        (["--idle-timeout", "1"], idle, "association-aborted", "was idle for 1 s"),
        ([], behind_a_balancer, "connection-refused", "a balancer that speaks the PROXY protocol"),
        (["-ta", "1"], silence, "connection-refused", "--acse-timeout allows more time"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_log_and_events_agree(
    options: list[str],
    traffic: Callable[[Server], None],
    event: str,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sentence of an event stands in the log, behind `Why:`."""
    monkeypatch.chdir(tmp_path)
    Path("deny").write_text("storescp: ALL\n")
    Path("allow").touch()
    if "+ac" in options:
        options = [*options, "--hosts-allow", "allow"]
    with ours(tmp_path, ["-v", "--events", str(tmp_path / "events"), *options]) as server:
        traffic(server)
        end = time.monotonic() + 20
        while not (found := [each for each in told(tmp_path) if each["event"] == event]):
            assert time.monotonic() < end, server.errors()
            time.sleep(0.02)
        server.stop()

    why = found[0]["why"]
    said = [line[8:] for line in server.errors().splitlines() if line[1:].startswith(": Why: ")]
    assert expected in why
    assert " ".join(said) == why


def told(directory: Path) -> list[dict[str, Any]]:
    events = directory / "events"
    return [json.loads(line) for line in events.read_text().splitlines()] if events.exists() else []
