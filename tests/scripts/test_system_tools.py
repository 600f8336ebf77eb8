"""The programs that the tests run: named before they are installed, and asked for where there is a terminal."""

import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.peers.debian import SCRIPTS, Debian
from tests.peers.terminal import Terminal
from tests.peers.tools import require_tool

# What `want` says: a command, the packages that bring it, and whether they start a daemon.
WANTED = [
    (words[0], words[1], words[2:] == ["daemon"])
    for words in (
        line.split("want ", 1)[1].replace("'", "").split()
        for line in (SCRIPTS / "system-tools").read_text().splitlines()
        if re.match(r" +(is_there \S+ \|\| )?want ", line)
    )
]
DAEMONS = [package for _, package, daemon in WANTED if daemon]


@pytest.fixture
def debian(tmp_path: Path) -> Debian:
    """A Debian without any of the programs; its packages bring them."""
    debian = Debian(tmp_path)
    for command, package, _ in WANTED:
        debian.add_command(command, "", package=package)
    return debian


def test_everything_is_installed(debian: Debian) -> None:
    """All packages are installed, daemons as such, and success is reported."""
    result = debian.run("system-tools")

    assert result.returncode == 0
    assert sorted(debian.installed_packages()) == sorted({package for _, package, _ in WANTED})
    assert "openbsd-inetd" in DAEMONS
    assert debian.calls("systemctl")[0] == f"systemctl disable {DAEMONS[0]}.service"


def test_it_says_first_what_it_will_install(debian: Debian) -> None:
    """Packages, daemons among them, and how to decline are named before anything happens."""
    lines = debian.run("system-tools").stdout.splitlines()

    assert all(f" {package}" in lines[0] for _, package, _ in WANTED)
    assert lines[1] == f"Daemons among them, which will not be started: {' '.join(DAEMONS)}"
    assert "make test SYSTEM_TOOLS=no" in lines[2]
    assert lines[3].startswith("Installing with apt-get:")


def test_in_ci_it_does_not_ask(debian: Debian) -> None:
    """With CI set, it installs without a question even where there is a terminal."""
    debian.environment["CI"] = "true"
    terminal = Terminal([str(SCRIPTS / "system-tools")], debian.root, debian.command())

    status = terminal.process.wait(timeout=60)
    terminal.close()

    assert status == 0
    assert "Installing" in terminal.everything()[0]
    assert debian.installed_packages()


@pytest.mark.parametrize(
    ("answer", "installs"), [("\n", True), ("y\n", True), ("n\n", False), ("\x04", False)]
)
def test_on_a_terminal_it_asks(debian: Debian, answer: str, *, installs: bool) -> None:
    """Whoever says no, or nothing, gets nothing installed; return says yes."""
    terminal = Terminal([str(SCRIPTS / "system-tools")], debian.root, debian.command())
    deadline = time.monotonic() + 30
    while not any("Install them?" in line for line in terminal.screen()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert debian.calls("apt-get") == []

    terminal.type(answer)
    status = terminal.process.wait(timeout=60)
    terminal.close()

    assert (status == 0) is installs
    assert bool(debian.calls("apt-get")) is installs


def test_who_declines(debian: Debian) -> None:
    """SYSTEM_TOOLS=no installs nothing, and what is missing is told."""
    debian.environment["SYSTEM_TOOLS"] = "no"

    result = debian.run("system-tools")

    assert result.returncode == 1
    assert debian.calls("apt-get") == []
    assert result.stderr.startswith("system-tools: missing here: dcmtk tcpd ")


def test_what_cannot_be_installed_is_no_success(debian: Debian) -> None:
    """A failure of apt-get is told, and the exit code says that something is missing."""
    (debian.root / "broken").touch()

    result = debian.run("system-tools")

    assert result.returncode == 1
    assert "E: Unable to locate package" in result.stderr
    assert "system-tools: could not install the packages" in result.stderr


def test_a_package_without_its_program_is_no_success(debian: Debian) -> None:
    """What counts is that the program is there, not what apt-get says."""
    (debian.root / "packages/mandoc/mandoc").unlink()

    result = debian.run("system-tools")

    assert result.returncode == 1
    assert result.stderr.startswith("system-tools: missing here: mandoc ")


def test_xinetd_keeps_its_place(debian: Debian) -> None:
    """Where xinetd is installed, no other super server is."""
    debian.add_command("xinetd", "")

    debian.run("system-tools")

    assert "openbsd-inetd" not in debian.installed_packages()


def test_all_is_there(debian: Debian) -> None:
    """Where nothing is missing, nothing is said or done."""
    for command, _, _ in WANTED:
        debian.add_command(command, "")

    result = debian.run("system-tools")

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert debian.calls("apt-get") == []


@pytest.mark.parametrize("works", [True, False])
def test_the_stamp_means_success(debian: Debian, *, works: bool) -> None:
    """`make` goes on in any case, but only what was installed is not tried again."""
    if not works:
        (debian.root / "broken").touch()
    venv = debian.root / "venv"
    venv.mkdir()
    (venv / ".installed").touch()

    result = subprocess.run(
        [require_tool("make"), "-C", SCRIPTS.parent, f"VENV={venv}", f"{venv}/.tooled"],
        env=debian.command(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert result.returncode == 0
    assert (venv / ".tooled").exists() is works
