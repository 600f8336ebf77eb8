"""The manual page has every option, and formatters have nothing against it."""

import os
import re
import subprocess
import tomllib

import pytest

from scripts.docs import ROOT
from scripts.manual import page
from storescp.config.options.table import GROUPS, options
from tests.peers.tools import require_tool


def formatted(*command: str) -> tuple[str, str]:
    """Return the page as a formatter shows it, without overstriking, and what it complains about."""
    process = subprocess.run(
        command,
        input=page(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8", "GROFF_NO_SGR": "1"},
    )
    return re.sub(".\b", "", process.stdout), process.stderr


@pytest.mark.interop
@pytest.mark.parametrize(
    "command",
    [
        ("groff", "-man", "-Tascii", "-ww", "-rLL=200n"),
        ("mandoc", "-Tascii", "-W", "error", "-Owidth=200"),
    ],
    ids=lambda command: command[0],
)
def test_formatters_show_everything(command: tuple[str, ...]) -> None:
    """Every option is there with its names, its values and its text, and no formatter complains."""
    text, complaints = formatted(require_tool(command[0]), *command[1:])
    plain = " ".join(text.split())

    assert complaints == ""
    for option in options():
        names = ", ".join(name for name in (option.short, option.long) if name)
        assert " ".join(f"{names} {option.values}".split()) in plain
        assert " ".join(option.description.split())[1:] in plain
    for group in GROUPS:
        for section in group.sections:
            assert section.title.removesuffix(":")[1:] in plain


@pytest.mark.interop
def test_lint() -> None:
    """The macros are used as they are meant to be; only a date is missing, which would change with every build."""
    process = subprocess.run(
        [require_tool("mandoc"), "-Tlint", "-W", "warning"],
        input=page(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    complaints = [line for line in process.stdout.splitlines() if "missing date" not in line]
    assert complaints == []


def test_what_is_installed_exists() -> None:
    """The wheel brings the manual page and the completions to where programs look for them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]

    assert all((ROOT / source).is_file() for source in shared)
    assert set(shared.values()) >= {
        "share/man/man1/storescp.1",
        "share/man/ja/man1/storescp.1",
        "share/bash-completion/completions/storescp",
        "share/zsh/site-functions/_storescp",
        "share/fish/vendor_completions.d/storescp.fish",
    }
