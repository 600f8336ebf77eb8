"""Associations that follow each other: the hidden directory stays between them, and goes a moment after the last one."""

from pathlib import Path

from tests.end_to_end.conversation import CONTEXTS, store, wait_until
from tests.peers.requestor import Requestor
from tests.peers.servers import Server, ours


def associate(server: Server, instance: str) -> None:
    """Send one object over an association, and see the server's side closed."""
    with Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        assert store(peer, instance) == "0000"
        peer.release()


def hidden(server: Server) -> list[Path]:
    return list(server.directory.glob(".storescp-*"))


def test_the_hidden_directory_goes_after_a_burst(tmp_path: Path) -> None:
    """Whether one association came or many, nothing but the objects is there soon after the last."""
    with ours(tmp_path) as server:
        for burst in (1, 3, 20):
            for number in range(burst):
                associate(server, f"1.2.{burst}.{number}")
            wait_until(lambda: not hidden(server), 5)

        assert len(server.files()) == 24


def test_the_hidden_directory_may_be_removed_in_a_burst(tmp_path: Path) -> None:
    """Somebody who tidies up between two associations loses nothing."""
    with ours(tmp_path) as server:
        for number in range(10):
            associate(server, f"1.2.{number}")
            for place in hidden(server):
                if not list(place.iterdir()):
                    place.rmdir()

        assert len(server.files()) == 10


def test_nothing_is_left_when_the_program_ends_in_a_burst(tmp_path: Path) -> None:
    """The end tidies up, too."""
    with ours(tmp_path) as server:
        for number in range(5):
            associate(server, f"1.2.{number}")
        server.stop()

        assert hidden(server) == []
