"""The running program has and gives no more permissions than it must."""

import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.conversation import CONTEXTS, data_set, store, wait_until
from tests.end_to_end.processes import children
from tests.peers.another_user import (
    IS_ROOT,
    NOBODY,
    NOGROUP,
    privileged_port,
    public_directory,
    public_python,
)
from tests.peers.requestor import CT_IMAGE_STORAGE, Requestor, message, store_command
from tests.peers.servers import is_listening, our_command, our_environment, ours


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.lstat().st_mode))


@pytest.mark.parametrize(
    ("options", "expected", "directory"),
    [
        (["--umask", "0"], "0o666", "0o777"),
        (["--umask", "022"], "0o644", "0o755"),
        (["--umask", "27"], "0o640", "0o750"),
        (["--umask", "0077"], "0o600", "0o700"),
    ],
)
def test_files_have_what_the_umask_leaves(
    tmp_path: Path, options: list[str], expected: str, directory: str
) -> None:
    """Of 0666, so no executable bit; directories of 0777. That of a study as all others."""
    with ours(tmp_path / "out", [*options, "-su", "s"]) as server, Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        assert store(peer, "1.2.3") == "0000"

        assert mode(server.directory / "s_1.9" / "CT.1.2.3") == expected
        assert mode(server.directory / "s_1.9") == directory


def test_the_umask_is_inherited_and_holds_for_log_files(tmp_path: Path) -> None:
    """Without the option as the reference has it; with it for whatever is made, from the first file on."""
    configuration = tmp_path / "logger.cfg"
    configuration.write_text(
        "log4cplus.rootLogger = INFO, file\n"
        "log4cplus.appender.file = log4cplus::FileAppender\n"
        f"log4cplus.appender.file.File = {tmp_path}/log\n"
    )
    before = os.umask(0o007)
    try:
        with ours(tmp_path / "a") as server, Requestor(server.port) as peer:
            peer.associate(CONTEXTS)
            assert store(peer, "1.2.3") == "0000"
            assert mode(server.directory / "CT.1.2.3") == "0o660"
        with ours(tmp_path / "b", ["-lc", str(configuration), "--umask", "077"]):
            assert mode(tmp_path / "log") == "0o600"
    finally:
        os.umask(before)


def test_what_is_unfinished_is_private(tmp_path: Path) -> None:
    """Whatever the umask is, only the receiver's user gets to a file that has no name yet."""
    with ours(tmp_path / "out", ["--umask", "0"]) as server, Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        whole = message(1, store_command(CT_IMAGE_STORAGE, "1.1"), data_set("1.1"))
        peer.send(whole[:-10])
        wait_until(lambda: bool(list(server.directory.rglob("*"))))

        (hidden,) = server.directory.iterdir()
        assert hidden.name == f".storescp-{os.geteuid()}"
        assert mode(hidden) == "0o700"


def test_the_preamble_is_zero(tmp_path: Path) -> None:
    """128 zero bytes: nothing that a loader of programs would take for one."""
    with ours(tmp_path / "out") as server, Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        assert store(peer, "1.2.3") == "0000"

        assert server.files()["CT.1.2.3"][:132] == bytes(128) + b"DICM"


# -- another user ----------------------------------------------------------------------------------------------------


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that every user can enter, with the program in it and what it needs."""
    with public_directory() as path:
        yield path


def start(public: Path, *options: str) -> tuple[subprocess.Popen[str], int]:
    """Start the program on a privileged port."""
    port = privileged_port()
    command = [public_python(), "-m", "storescp", "-od", str(public / "files"), *options, str(port)]
    environment = {**our_environment(), "PYTHONPATH": str(public / "src")}
    process = subprocess.Popen(
        command, env=environment, cwd=public, stderr=subprocess.PIPE, text=True
    )
    return process, port


def test_who_may_not_become_another_does_not_go_on(tmp_path: Path) -> None:
    """Better no service than one with more power than was asked for."""
    done = subprocess.run(
        [*our_command(), "--user", "no-such-user", "-od", str(tmp_path), "11112"],
        env=our_environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == ("F: cannot become user no-such-user: there is no user 'no-such-user'\n")


@pytest.mark.parametrize(
    "options", [[], ["--fork"], ["--http", "0"]], ids=["single", "fork", "page"]
)
def test_privileges_are_given_up_once_the_port_is_open(public: Path, options: list[str]) -> None:
    """Root is needed for the port, and for nothing after that; files belong to the user."""
    if not IS_ROOT:
        # Who is not root has nothing to give up, and may not become another.
        with subprocess.Popen(
            [
                *our_command(),
                "--user",
                f"{NOBODY}:{NOGROUP}",
                "-od",
                str(public / "files"),
                *options,
                "11112",
            ],
            env=our_environment(),
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert "Operation not permitted" in process.communicate(timeout=20)[1]
            assert process.returncode == 1
        return
    os.chown(public / "files", NOBODY, NOGROUP)
    process, port = start(public, "--user", f"{NOBODY}:{NOGROUP}", "--umask", "027", *options)
    try:
        wait_until(lambda: is_listening(process.pid, port) and uids(process.pid) == {str(NOBODY)})
        status = process_status(process.pid)
        with Requestor(port) as peer:
            peer.associate(CONTEXTS)
            assert store(peer, "1.2.3") == "0000"
            others = children(process.pid)
            assert all(uids(child) == {str(NOBODY)} for child in others)
            assert bool(others) == bool(options)
            peer.release()

        assert set(status["Gid"].split()) == {str(NOGROUP)}
        assert status["Groups"].split() == [str(NOGROUP)]
        assert status["CapPrm"].strip("0\t") == ""
        (stored,) = (public / "files").glob("CT*")
        assert (stored.stat().st_uid, stored.stat().st_gid) == (NOBODY, NOGROUP)
        assert mode(stored) == "0o640"
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def test_a_user_who_may_not_write_is_no_use(public: Path) -> None:
    """That the output directory is for root only is found at the start."""
    process, _ = start(public, "--user", f"{NOBODY}:{NOGROUP}")
    message = process.communicate(timeout=20)[1]

    assert process.returncode == 1
    assert (
        "may not write to the output directory" if IS_ROOT else "insufficient privileges"
    ) in message


def process_status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":", 1) for line in lines)


def uids(pid: int) -> set[str]:
    return set(process_status(pid)["Uid"].split())
