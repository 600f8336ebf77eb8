"""Where the program can start, and what it is built on."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.peers.servers import our_environment

ROOT = Path(__file__).resolve().parents[1]
START = ROOT / "src" / "storescp" / "__main__.py"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def start_elsewhere(change: str) -> subprocess.CompletedProcess[str]:
    """Start the program in an interpreter that says that it is another one, and lacks what others lack."""
    script = (
        "import runpy, sys\n"
        f"{change}\n"
        "sys.modules['fcntl'] = None\n"
        "sys.argv = ['storescp', '--version']\n"
        "runpy.run_module('storescp', run_name='__main__')\n"
    )
    return subprocess.run(
        [sys.executable, "-c", script],
        env=our_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("platform", ["darwin", "freebsd14", "win32"])
def test_other_systems(platform: str) -> None:
    """A sentence, and no traceback."""
    result = start_elsewhere(f"sys.platform = {platform!r}")

    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == (
        f"storescp: this program runs on Linux; it uses what {platform} does not have\n"
    )


def test_old_versions_of_python() -> None:
    """A sentence that names the oldest version that will do, which is that of the package."""
    result = start_elsewhere("sys.version_info = (3, 10, 4)")

    assert result.returncode == 1
    assert re.fullmatch(
        r"storescp: Python 3\.11 or later is needed; this is [0-9.]+\S*\n", result.stderr
    )
    assert PROJECT["requires-python"] == ">=3.11"


@pytest.mark.parametrize("version", [(3, 7), (3, 8), (3, 10)])
def test_old_versions_understand_the_start(version: tuple[int, int]) -> None:
    """Or they would report a mistake in the code."""
    ast.parse(START.read_text(), feature_version=version)


def test_the_command_begins_there() -> None:
    """The command that an installation leaves starts like `python -m storescp`."""
    assert PROJECT["scripts"] == {"storescp": "storescp.__main__:main"}


def test_private_modules_of_others_are_bounded() -> None:
    """Whoever uses a private module uses the versions in which it was seen."""
    private = {
        found[1]
        for path in (ROOT / "src").rglob("*.py")
        for found in re.finditer(r"^\s*(?:from|import) (\w+)\._\w+", path.read_text(), re.MULTILINE)
    }

    assert private == {"pydicom"}
    for name in private:
        (dependency,) = [each for each in PROJECT["dependencies"] if re.match(rf"{name}\b", each)]
        assert "<" in dependency
