"""Host access control with real files and commands."""

import logging
import os
import time
from pathlib import Path

import pytest

from storescp.serve.access import host_access
from storescp.serve.access.host_access import AccessControl
from storescp.serve.access.rules import Client, FileTooLarge
from tests.end_to_end.processes import has_ended

PACS = Client("pacs.example.org", "10.1.2.3")


def control(directory: Path, allow: str | None, deny: str | None = "ALL: ALL\n") -> AccessControl:
    for name, rules in (("hosts.allow", allow), ("hosts.deny", deny)):
        if rules is not None:
            (directory / name).write_text(rules)
    return AccessControl(str(directory / "hosts.allow"), str(directory / "hosts.deny"), 2.0)


def test_defaults_are_the_files_of_the_system() -> None:
    """Without a word from the user the system's rules apply."""
    assert AccessControl() == AccessControl("/etc/hosts.allow", "/etc/hosts.deny", 10.0)


def test_rules_decide(tmp_path: Path) -> None:
    """A client is let in or not, by files that may be absent."""
    assert host_access.check(control(tmp_path, None, None), PACS).granted
    assert not host_access.check(control(tmp_path, None), PACS).granted
    assert host_access.check(control(tmp_path, "storescp: .example.org\n"), PACS).granted


def test_complaints_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is wrong with the rules is a warning in the log, with file and line."""
    rules = control(tmp_path, "x\nstorescp: ALL: foo\n")

    assert not host_access.check(rules, PACS).granted
    assert caplog.record_tuples == [
        ("dcmtk.dcmnet", logging.WARNING, f'warning: {rules.allow}, line 1: missing ":" separator'),
        ("dcmtk.dcmnet", logging.WARNING, f'error: {rules.allow}, line 2: bad option name: "foo"'),
    ]


def test_refusals_are_worded_as_by_the_reference() -> None:
    """The log says who was refused."""
    assert host_access.refusal(PACS) == (
        "Receiving Association failed: 0006:0324 TCP wrapper: denied connection from "
        "pacs.example.org (10.1.2.3)"
    )
    assert host_access.refusal(Client("a\nI: b", "::1")).endswith(r"from a\nI: b (::1)")


def test_commands_run(tmp_path: Path) -> None:
    """Commands of rules see the client and their variables, and decide."""
    out = tmp_path / "out"
    rules = control(
        tmp_path,
        f"storescp: ALL: setenv WHO %n: spawn echo %a $WHO >{out}: aclexec test %d = storescp\n",
    )

    assert host_access.check(rules, PACS).granted
    assert out.read_text() == "10.1.2.3 pacs.example.org\n"


def test_commands_have_the_null_device_and_a_status() -> None:
    """Commands neither read nor write the server's streams; their exit status is known."""
    assert host_access.run_command(b"read x; echo $?; echo error >&2", {}, 5) == 0
    assert host_access.run_command(b"exit 3", {}, 5) == 3
    assert host_access.run_command(b"kill -9 $$", {}, 5) == -9
    assert host_access.run_command(b'test "$A" = "b c"', {b"A": b"b c"}, 5) == 0
    assert host_access.run_command(b"sleep 60 &", {}, 5) == 0
    with pytest.raises(ValueError, match="null"):
        host_access.run_command(b"a\0b", {}, 5)


def test_commands_that_hang_are_killed(tmp_path: Path) -> None:
    """A command that takes too long ends with all that it started."""
    file = tmp_path / "pid"
    start = time.perf_counter()

    with pytest.raises(TimeoutError, match=r"killed after 0\.3 s"):
        host_access.run_command(f"sleep 60 & echo $! >{file}; wait".encode(), {}, 0.3)

    assert time.perf_counter() - start < 20
    deadline = time.monotonic() + 10
    while not has_ended(int(file.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_commands_are_waited_for_without_pidfd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system cannot tell of a child's end, it is asked for it again and again."""
    monkeypatch.delattr(os, "pidfd_open", raising=False)

    assert host_access.run_command(b"sleep 0.05; exit 4", {}, 10) == 4
    with pytest.raises(TimeoutError):
        host_access.run_command(b"sleep 60", {}, 0.1)


def test_reading(tmp_path: Path) -> None:
    """Directories and pipes without a writer are empty; large files are refused."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"\n" * (host_access.MAXIMUM_FILE_SIZE + 1))
    (tmp_path / "small").write_bytes(b"\n" * host_access.MAXIMUM_FILE_SIZE)

    assert host_access.read(str(tmp_path)) == b""
    assert host_access.read(str(tmp_path / "pipe")) == b""
    assert len(host_access.read(str(tmp_path / "small"))) == host_access.MAXIMUM_FILE_SIZE
    with pytest.raises(FileTooLarge):
        host_access.read(str(tmp_path / "large"))
    for missing in (str(tmp_path / "missing"), "a\0b"):
        with pytest.raises(FileNotFoundError):
            host_access.read(missing)


def test_netgroups_are_asked_of_the_system() -> None:
    """A netgroup that does not exist has no members."""
    assert host_access.in_netgroup(b"no-such-netgroup", b"localhost") is False
