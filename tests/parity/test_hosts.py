"""Who calls: addresses, names, IP versions and the rules about hosts, in the running program."""

import contextlib
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.end_to_end.conversation import CONTEXTS, store, wait_until
from tests.peers.requestor import Requestor
from tests.peers.servers import Server, dcmtk, ours


def calling(server: Server, source: str, *, host: str = "127.0.0.1") -> Requestor:
    """Connect from an address of this machine."""
    return Requestor(
        server.port,
        connection=socket.create_connection(
            (host, server.port), 20, source_address=(source, 0) if source else None
        ),
    )


@pytest.mark.interop
@pytest.mark.parametrize("options", [[], ["-dhl"], ["--fork"]], ids=["", "-dhl", "--fork"])
def test_names_of_callers(options: list[str], tmp_path: Path) -> None:
    """The log and the placeholder `#r` show callers with and without a name as DCMTK's storescp does."""

    def seen(server: Server) -> tuple[list[str], list[str]]:
        for number, source in enumerate(("127.0.0.1", "127.0.0.3")):
            with calling(server, source) as peer:
                peer.associate(CONTEXTS)
                assert store(peer, f"1.{number}") == "0000"
                peer.release()
        said = server.directory.parent / "callers"
        wait_until(lambda: said.exists() and len(said.read_text().split()) == 2)
        callers = sorted(said.read_text().split())
        return re.findall(r"D: Association Received: .*", server.errors()), callers

    given = ["-d", "-xcr", "echo #r >> ../callers", *options]
    with (
        ours(tmp_path / "ours", _in(tmp_path / "ours", given)) as mine,
        dcmtk(tmp_path / "dcmtk", _in(tmp_path / "dcmtk", given)) as theirs,
        ThreadPoolExecutor(2) as pool,
    ):
        found, expected = pool.map(seen, (mine, theirs))

    assert expected == found
    assert len(found[0]) == 2


def _in(directory: Path, options: list[str]) -> list[str]:
    return [option.replace("../callers", str(directory / "callers")) for option in options]


@pytest.mark.parametrize(
    ("option", "reachable"),
    [
        ([], ["127.0.0.1"]),
        (["-i4"], ["127.0.0.1"]),
        (["-i6"], ["::1"]),
        (["-i0"], ["127.0.0.1", "::1"]),
    ],
    ids=["default", "-i4", "-i6", "-i0"],
)
def test_ip_versions(option: list[str], reachable: list[str], tmp_path: Path) -> None:
    """Each of the options lets in its kinds of peers, and no others."""
    callers = tmp_path / "callers"
    options = ["-dhl", "-xs", "-xcr", f"echo #r >> {callers}", *option]
    with ours(tmp_path / "out", options) as server:
        for host in ("127.0.0.1", "::1"):
            if host not in reachable:
                with pytest.raises(ConnectionRefusedError):
                    calling(server, "", host=host)
                continue
            with calling(server, "", host=host) as peer:
                peer.associate(CONTEXTS)
                assert store(peer, "1.2") == "0000"
                peer.release()

    mapped = "::ffff:" if option == ["-i0"] else ""
    expected = [mapped + host if "." in host else host for host in reachable]
    assert expected == callers.read_text().split()


@pytest.mark.parametrize("option", ["-i4", "-i0"])
def test_host_rules_by_name(option: str, tmp_path: Path) -> None:
    """A rule by name lets the same peers over IPv4 in, whichever kind of socket they come through."""
    allow, deny = tmp_path / "allow", tmp_path / "deny"
    allow.write_text("storescp: localhost\n")
    deny.write_text("ALL: ALL\n")

    with (
        ours(
            tmp_path / "out",
            ["+ac", "--hosts-allow", str(allow), "--hosts-deny", str(deny), option],
        ) as server,
        calling(server, "127.0.0.1") as peer,
    ):
        peer.associate(CONTEXTS)

        assert peer.echo(3).outcome == "0000"


@pytest.mark.parametrize("mode", [[], ["--fork"], ["-i0"]], ids=["single", "fork", "-i0"])
def test_host_rules(mode: list[str], tmp_path: Path) -> None:
    """Who is not let in is cut off without a word, and named in the log; rules are read anew each time."""
    allow, deny = tmp_path / "allow", tmp_path / "deny"
    allow.write_text("storescp: 127.0.0.3\n")
    deny.write_text("ALL: ALL\n")
    options = ["+ac", "-dhl", "--hosts-allow", str(allow), "--hosts-deny", str(deny), *mode]

    def is_served(source: str) -> bool:
        with calling(server, source) as peer, contextlib.suppress(ConnectionError):
            peer.associate(CONTEXTS)
            peer.release()
            return True
        return False

    with ours(tmp_path / "out", options) as server:
        assert not is_served("127.0.0.2")
        assert is_served("127.0.0.3")
        allow.write_text("storescp: 127.0.0.2\n")
        assert is_served("127.0.0.2")
        assert not is_served("127.0.0.3")

        mapped = "::ffff:" if mode == ["-i0"] else ""
        refusals = [
            "E: Receiving Association failed: 0006:0324 TCP wrapper:"
            f" denied connection from unknown ({mapped}127.0.0.{number})\n"
            for number in (2, 3)
        ]
        wait_until(lambda: server.errors().count("denied") == 2)
        said = server.errors().splitlines(keepends=True)
        assert [line for line in said if not line.startswith("E: Why:")] == refusals
