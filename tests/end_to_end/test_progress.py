"""`--progress` of the running program: in a pseudo-terminal, and where there is none."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.processes import children, has_ended
from tests.end_to_end.test_status_page import CONTEXTS, store
from tests.peers.requestor import Requestor
from tests.peers.servers import free_port, is_listening, our_command, our_environment, ours
from tests.peers.terminal import Terminal


def wait_until(
    condition: Callable[[], bool], seen: Callable[[], object], seconds: float = 20
) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, seen()
        time.sleep(0.01)


@contextmanager
def shown(
    directory: Path, options: Sequence[str] = (), **size: int
) -> Iterator[tuple[Terminal, int]]:
    """Run the program in a terminal; yield that and the port."""
    directory.mkdir()
    port = free_port()
    terminal = Terminal(
        [*our_command(), "--progress", *options, "-od", str(directory), str(port)],
        directory,
        our_environment(),
        **size,
    )
    try:
        wait_until(lambda: is_listening(terminal.process.pid, port), terminal.screen)
        yield terminal, port
    finally:
        terminal.close()


@pytest.mark.parametrize("mode", [[], ["--fork"]], ids=["single", "fork"])
def test_each_association_is_shown_below_the_log(tmp_path: Path, mode: list[str]) -> None:
    """The log scrolls above it, whole and in order, and stays when the display is gone."""
    with shown(tmp_path / "out", [*mode, "-v"]) as (terminal, port):
        with Requestor(port) as peer:
            peer.associate(CONTEXTS, calling=b"CT_ROOM_1")
            for number in range(40):
                store(peer, f"1.2.{number}", "1.9")

            def line() -> list[str]:
                return "".join(terminal.screen()[-1:]).split()

            wait_until(lambda: line()[:1] == ["CT_ROOM_1"] and "40" in line(), terminal.screen)
            *_, summary, head, _ = terminal.screen()
            assert line()[:7] == ["CT_ROOM_1", "localhost", "ANY-SCP", "no.", "1:", "40", "CT"]
            assert summary.startswith(f"storescp, port {port}: 1 association, 40 objects, ")
            assert head.split()[0] == "from"
            assert terminal.cursor_is_hidden()
            peer.release()
        wait_until(lambda: "I: Association Release" in terminal.screen(), terminal.screen)

        terminal.process.send_signal(signal.SIGINT)
        assert terminal.process.wait(10) == -signal.SIGINT
        wait_until(lambda: not terminal.cursor_is_hidden(), terminal.screen)
        lines = terminal.everything()

    logged = [line for line in lines if line.startswith("I: storing DICOM file")]
    assert logged == [
        f"I: storing DICOM file: {tmp_path}/out/CT.1.2.{number}"[:100] for number in range(40)
    ]
    assert lines[-1].startswith("storescp: 1 association, 40 objects, ")
    assert not any(line.startswith(("CT_ROOM_1", "from ", "storescp, port")) for line in lines)


def test_failures_are_shown_and_peers_texts_steer_nothing(tmp_path: Path) -> None:
    """The last ones, with their reason."""
    with shown(tmp_path / "out", ["--refuse"]) as (terminal, port):
        with Requestor(port) as peer, pytest.raises(ConnectionError):
            peer.associate(CONTEXTS, calling=b"\x1b[2J[red]X")

        wait_until(
            lambda: any("was rejected" in line for line in terminal.screen()),
            terminal.screen,
        )
        assert r"\x1b[2J[red]X, localhost" in terminal.screen()[-1]


def test_commands_print_above_the_display(tmp_path: Path) -> None:
    """So does a line that does not end."""
    options = ["-xcr", "echo stored #f; printf unfinished"]
    with shown(tmp_path / "out", options) as (terminal, port), Requestor(port) as peer:
        peer.associate(CONTEXTS)
        store(peer, "1.2.1", "1.9")

        wait_until(lambda: "unfinished" in terminal.screen(), terminal.screen)
        assert terminal.screen()[:2] == ["stored CT.1.2.1", "unfinished"]
        peer.release()


def test_the_log_goes_to_the_terminal_when_the_display_is_killed(tmp_path: Path) -> None:
    """Reception goes on."""
    with shown(tmp_path / "out", ["-v"]) as (terminal, port):
        wait_until(lambda: bool(terminal.screen()), terminal.screen)
        [display] = children(terminal.process.pid)
        os.kill(display, signal.SIGKILL)
        wait_until(
            lambda: "E: the progress has ended, reception goes on without it" in terminal.screen(),
            terminal.screen,
        )

        with Requestor(port) as peer:
            peer.associate(CONTEXTS)
            store(peer, "1.2.1", "1.9")
            peer.release()
        wait_until(lambda: "I: Association Release" in terminal.screen(), terminal.screen)


def test_a_start_that_fails_leaves_its_message(tmp_path: Path) -> None:
    """The display goes, and the error stays."""
    with ours(tmp_path / "other") as other:
        terminal = Terminal(
            [*our_command(), "--progress", "-od", str(tmp_path), str(other.port)],
            tmp_path,
            our_environment(),
        )
        try:
            assert terminal.process.wait(20) == 1
            wait_until(
                lambda: any("Address already in use" in line for line in terminal.screen()),
                terminal.screen,
            )
            assert not terminal.cursor_is_hidden()
        finally:
            terminal.close()


def test_without_a_terminal_there_are_plain_lines(tmp_path: Path) -> None:
    """Nothing moves in them."""
    with ours(tmp_path / "out", ["--progress"]) as server:
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS, calling=b"CT1")
            store(peer, "1.2.1", "1.9")
            peer.release()
        wait_until(lambda: "released" in server.errors(), server.errors)
        server.stop()

        lines = [line.partition(" ")[2] for line in server.errors().splitlines()]
        size = sum(len(content) for content in server.files().values()) / 1000
        assert lines == [
            f"listening on port {server.port}",
            "CT1 (localhost): association accepted",
            f"CT1 (localhost): association released, 1 object, {size:.1f} kB in 0 s",
        ]


def test_it_goes_together_with_the_page(tmp_path: Path) -> None:
    """Each is a process of its own."""
    with ours(tmp_path / "out", ["--progress", "--http", "0", "--fork"]) as server:
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS, calling=b"CT1")
            peer.release()
        wait_until(lambda: "released" in server.errors(), server.errors)
        others = children(server.process.pid)
        assert server.stop() == -signal.SIGTERM

    assert len(others) == 3  # and the one that has served
    wait_until(lambda: all(map(has_ended, others)), lambda: str(others))
