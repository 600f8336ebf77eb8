"""What peers call themselves and their objects, and what others plant where objects go: none of it leads astray.

Every UID, AE title and name that reaches a path, a command, a log line or a file name; and links.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.burden import next_peer_is_served
from tests.end_to_end.conversation import CONTEXTS, LITTLE, data_set, store
from tests.peers.dicom import Syntax
from tests.peers.requestor import (
    CT_IMAGE_STORAGE,
    Context,
    Requestor,
    associate_request,
    user_information,
)
from tests.peers.servers import Server, ours

SYNTAX = Syntax()
HOSTILE = (
    "..",
    "../../../escaped",
    "/dev/null",
    "/tmp/../escaped",
    "..\\..\\escaped",
    "1.2\0.3",
    "1.2\nE: forged",
    "1.2\r\nE: forged\r\n",
    "\x1b[2J\x1b]0;forged\x07",
    "\x9b2J\x85E: forged",
    "7" * 70,
    "-rf",
    "--help",
    ".",
    ".storescp-0",
    ".bashrc",
    "~root",
    "CON",
    "NUL.txt",
    "`touch escaped`",
    "$(touch escaped)",
    "'; touch escaped; '",
    '"; touch escaped; "',
    "| touch escaped",
    "a b  *?[x]{y,z}!1 &",
    "#p#f#a#c#r",
    "%s%n%(x)s{0}",
    "${HOME}",
    "\xff\xfe\xe4",
)
SORTING: dict[str, tuple[str, ...]] = {
    "flat": (),
    "by study": ("-su", "study"),
    "by study, without prefix": ("-su", ""),
    "by patient": ("-sp",),
    "by time, renamed": ("-ss", "t", "-rns"),
    "bit-preserving": ("+B",),
    "timed names": ("-tn",),
    "forking": ("--fork", "-su", "study"),
}
harmless = re.compile(r"[0-9A-Za-z .:@_-]+").fullmatch
log_line = re.compile(r"[TDIWEF]: [^\0-\x1f\x7f-\x9f]*").fullmatch


def hostile_objects(text: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield class, instance and data set of objects that have `text` in one place or another."""
    raw = text.encode("latin-1")
    raw += b" " * (len(raw) % 2)
    usual = {
        0x00080005: ("CS", b"ISO_IR 100"),
        0x00080016: ("UI", CT_IMAGE_STORAGE.encode() + b"\0"),
        0x00080018: ("UI", b"1.2.3\0"),
        0x00100010: ("PN", b"Doe^Jane"),
        0x0020000D: ("UI", b"1.9\0"),
    }
    for tag, (vr, _) in usual.items():
        elements = {**usual, tag: (vr, raw), 0x00100010: ("PN", b"M\xfc\xff ")}
        if tag == 0x00100010:
            elements[tag] = (vr, raw)
        data = b"".join(SYNTAX.element(at, *value) for at, value in sorted(elements.items()))
        yield CT_IMAGE_STORAGE, text[:64] if tag == 0x00080018 else "1.2.3", data
    yield text[:64], "1.2.3", data_set("1.2.3")


def noted(values: str, path: Path) -> str:
    """Return a command that adds a line with the values, at once: children of `--fork` run theirs side by side."""
    return f"line=$(printf '<%s>' {values}); printf '%s\\n' \"$line\" >> {path}"


@pytest.mark.parametrize("sorting", SORTING)
def test_hostile_names(sorting: str, tmp_path: Path) -> None:
    """In a UID, an AE title or a name: no path, no command, no log line is other than it should be."""
    commands = tmp_path / "commands"
    options = ["-d", "-pm", "-xcr", noted('"#p" "#f" #a #c #r', commands)]
    options += ["--exec-sync", *SORTING[sorting]]
    if "--fork" not in options and ("-su" in options or "-ss" in options):
        options += ["-xcs", noted('"#p" #a #c #r', commands)]
    with ours(tmp_path / "out", options) as server:
        for text in HOSTILE:
            title = text[:16].encode("latin-1")
            request = associate_request(
                (*CONTEXTS, Context(5, text, (LITTLE,)), Context(7, CT_IMAGE_STORAGE, (text,))),
                called=title,
                calling=title,
                user=user_information(implementation_class=text, version_name=text[:16]),
            )
            for sop_class, instance, data in hostile_objects(text):
                with Requestor(server.port) as peer:
                    if peer.exchange(request).kind == 2:
                        peer.store(1, sop_class, instance, data)
        next_peer_is_served(server)
    stored = [
        path for path in server.directory.rglob("*") if not path.name.startswith(".storescp-")
    ]
    assert len(stored) > 20
    for path in stored:
        assert harmless(path.name), path
        assert not path.is_symlink()
        assert len(path.name) <= 255
    assert {path.name for path in tmp_path.iterdir()} == {"out", "commands"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("files", "stdout.txt", "stderr.txt")
    }
    for line in commands.read_text(errors="surrogateescape").splitlines():
        assert re.fullmatch(r"(<[0-9A-Za-z ./:@_-]*>)+", line), line
    log = server.stderr.read_bytes().decode("utf-8")
    assert "forged" in log
    for line in log.removesuffix("\n").split("\n"):
        assert log_line(line), line
        assert not line[3:].startswith("E: forged"), line


def stored_as(server: Server, instance: str, study: str = "1.9") -> str:
    with Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        status = store(peer, instance, study)
        peer.release()
    return status


def test_planted_links(tmp_path: Path) -> None:
    """A link in the output directory is replaced or refused, and never followed."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with ours(tmp_path / "out") as server:
        files = server.directory
        (files / "CT.1.1").symlink_to(victim)
        (files / "CT.1.2").symlink_to(elsewhere)
        (files / "CT.1.3").symlink_to(tmp_path / "nowhere")
        (files / "CT.1.4").mkdir()
        os.mkfifo(files / "CT.1.5")
        os.link(victim, files / "CT.1.6")

        outcomes = [stored_as(server, f"1.{number}") for number in range(1, 7)]

        assert outcomes == ["0000", "0000", "0000", "A700", "0000", "0000"]
        for number in (1, 2, 3, 5, 6):
            path = files / f"CT.1.{number}"
            assert path.is_file()
            assert not path.is_symlink()
            assert path.stat().st_nlink == 1
    assert victim.read_bytes() == b"precious"
    assert not list(elsewhere.iterdir())
    assert not (tmp_path / "nowhere").exists()


def test_a_planted_link_for_a_study(tmp_path: Path) -> None:
    """Its objects are refused, as where there is a file; other studies are stored."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with ours(tmp_path / "out", ["-su", "study"]) as server:
        (server.directory / "study_1.9").symlink_to(elsewhere)
        (server.directory / "study_1.8").write_bytes(b"")

        assert stored_as(server, "1.1", "1.9") == "C000"
        assert stored_as(server, "1.2", "1.8") == "A700"
        assert stored_as(server, "1.3", "1.7") == "0000"
    assert not list(elsewhere.iterdir())


OF_SOMEBODY_ELSE = ["of somebody else"] if os.geteuid() == 0 else []  # only root can give one away


@pytest.mark.parametrize("kind", ["link", "dangling link", "file", *OF_SOMEBODY_ELSE])
def test_a_planted_hidden_directory(kind: str, tmp_path: Path) -> None:
    """Where unfinished files would lie, nothing is written that is not ours: A700 until it is gone."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with ours(tmp_path / "out") as server:
        hidden = server.directory / f".storescp-{os.geteuid()}"
        if kind == "link":
            hidden.symlink_to(elsewhere)
        elif kind == "dangling link":
            hidden.symlink_to(tmp_path / "nowhere")
        elif kind == "file":
            hidden.write_bytes(b"")
        else:
            hidden.mkdir()
            os.chown(hidden, 65534, 65534)

        assert stored_as(server, "1.1") == "A700"
        (hidden.rmdir if hidden.is_dir() and not hidden.is_symlink() else hidden.unlink)()
        assert stored_as(server, "1.2") == "0000"
        assert list(server.files()) == ["CT.1.2"]
    assert not list(elsewhere.iterdir())
    assert not (tmp_path / "nowhere").exists()
