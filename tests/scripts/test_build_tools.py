"""What compiles the package: installed where that can be done, never a reason to fail."""

from pathlib import Path

import pytest

from tests.peers.debian import Debian

HEADER = "usr/include/python3.11/Python.h"


@pytest.fixture
def debian(tmp_path: Path) -> Debian:
    """A Debian with Python 3.11, without a compiler and headers."""
    debian = Debian(tmp_path)
    debian.add_command(
        "python3",
        'case $2 in *CC*) echo gcc ;; *) echo "$DPKG_ROOT/usr/include/python3.11" ;; esac',
    )
    debian.add_command("gcc", "", package="gcc")
    brings = f'mkdir -p "$DPKG_ROOT/usr/include/python3.11"; touch "$DPKG_ROOT/{HEADER}"'
    debian.add_command("ar", "", package="libc6-dev")
    # The package's file cannot lie in bin/: this stands for what dpkg does.
    apt_get = debian.root / "bin" / "apt-get"
    apt_get.write_text(f"{apt_get.read_text()}\ncase $* in *libpython3.11-dev*) {brings} ;; esac\n")
    return debian


def test_compiler_and_headers_are_installed(debian: Debian) -> None:
    """What is missing is named before, with a way to decline, and installed."""
    result = debian.run("build-tools", "python3")

    assert result.returncode == 0
    assert result.stdout.startswith(
        "storescp is faster compiled. apt-get will install what compiles it: gcc libc6-dev libpython3.11-dev\n"
        "To decline: make SYSTEM_TOOLS=no"
    )
    assert debian.installed_packages() == ["gcc", "libc6-dev", "libpython3.11-dev"]
    assert result.stderr == ""


@pytest.mark.parametrize("environment", [{"SYSTEM_TOOLS": "no"}, {"APT": "broken"}])
def test_it_goes_on_without_them(debian: Debian, environment: dict[str, str]) -> None:
    """Declined or impossible, one line says what is missing and how to get it, and the exit code is 0."""
    debian.environment.update(environment)
    if "APT" in environment:
        (debian.root / "broken").touch()

    result = debian.run("build-tools", "python3")

    assert result.returncode == 0
    assert result.stderr.splitlines()[-1] == (
        "build-tools: not compiled without: gcc libc6-dev libpython3.11-dev"
        " (on Debian and Ubuntu: sudo apt-get install gcc libc6-dev libpython3.11-dev)"
    )


def test_nothing_is_done_where_all_is_there(debian: Debian) -> None:
    """A compiler and the headers: not a word."""
    debian.add_command("gcc", "")
    (debian.root / HEADER).parent.mkdir(parents=True)
    (debian.root / HEADER).touch()

    result = debian.run("build-tools", "python3")

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert debian.calls("apt-get") == []


def test_headers_of_another_python_are_its_own(debian: Debian) -> None:
    """No package is installed for an interpreter that no package brought."""
    debian.add_command("gcc", "")
    debian.add_command(
        "python3", "case $2 in *CC*) echo gcc ;; *) echo /opt/include/python3.11 ;; esac"
    )

    result = debian.run("build-tools", "python3")

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
