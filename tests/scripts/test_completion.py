"""Completion of command lines, made from the table of options: each shell offers what may follow."""

import os
import pty
import select
import subprocess
import time
from pathlib import Path

import pytest

from scripts.completion import bash, fish, values_of, zsh
from storescp.config.options.rows import Word
from storescp.config.options.table import BY_NAME, options
from tests.peers.tools import require_tool

LEVELS = {"fatal", "error", "warn", "info", "debug", "trace", "off", "all"}

CASES = [
    # words of the command line, the last one to be completed; what is offered
    (["--conf"], {"--config-file", "--conformance"}),
    (["--output-d"], {"--output-directory"}),
    (["+x"], {name for name in BY_NAME if name.startswith("+x")}),
    (["+x=", "--accept"], {"--accept-all"}),
    (["-v", "--accept"], {"--accept-all"}),
    (["-ll", ""], LEVELS),
    (["--log-level", "de"], {"debug"}),
    (["-lc", "su"], {"sub", "subfile"}),
    (["-od", "su"], {"sub"}),
    (["+tls", "sub", "subf"], {"subfile"}),  # the second value is a file as well
    (["+tls", "sub", "subfile", "--accept"], {"--accept-all"}),
    (["-xf", "subfile", "su"], set()),  # a profile is no file
    (["-xf", "subfile", "p", "--accept"], {"--accept-all"}),
    (["-aet", "--accept"], set()),  # what follows an option is its value
    (["--max-pdu", "su"], set()),
]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "subfile").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))


def run(shell: str, script: str) -> list[str]:
    """Run a script; return the lines of its output."""
    options = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}
    process = subprocess.run(
        [require_tool(shell), *options[shell], "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.stderr == ""
    return process.stdout.splitlines()


def quoted(words: list[str]) -> str:
    return " ".join(f"'{word}'" for word in words)


def test_values_of_options() -> None:
    """What completes a value follows from how the table shows it."""
    kinds = {option.long: values_of(option) for option in options() if option.takes}

    assert kinds["--config-file"] == ("file", "text")
    assert kinds["--enable-tls"] == ("file", "file")
    assert kinds["--output-directory"] == ("directory",)
    assert kinds["--add-cert-dir"] == ("directory",)
    assert kinds["--exec-on-reception"] == ("command",)
    assert kinds["--padding-create"] == ("text", "text")
    assert kinds["--aetitle"] == ("text",)
    for option in options():
        assert len(values_of(option)) == len(option.takes)
        if option.takes and isinstance(option.takes[0], Word):
            assert kinds[option.long][0].startswith("=")


def name_of(value: list[str] | set[str]) -> str:
    """Return the same name in every process, which the order of a set is not."""
    return str(sorted(value) if isinstance(value, set) else value)[:40]


@pytest.mark.interop
@pytest.mark.parametrize(("words", "offered"), CASES, ids=name_of)
def test_bash(words: list[str], offered: set[str]) -> None:
    """The function that bash calls offers the right words."""
    cut = [part for word in words for part in (("+x", "=") if word == "+x=" else (word,))]

    lines = run(
        "bash",
        f"{bash()}\nCOMP_WORDS=(storescp {quoted(cut)}); COMP_CWORD={len(cut)}\n"
        '_storescp; for word in "${COMPREPLY[@]}"; do echo "$word"; done',
    )

    assert set(lines) == offered


@pytest.mark.interop
def test_bash_for_real(tmp_path: Path) -> None:
    """In a terminal the Tab key completes options, directories and words."""
    (tmp_path / "completion").write_text(bash())
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["PS1"] = "$ "
        os.execv(require_tool("bash"), ["bash", "--norc", "--noprofile", "-i"])
    try:
        os.write(
            terminal,
            b"source ./completion; storescp() { printf '[%s]' \"$@\"; echo ended; }\n"
            b"storescp --output-d\t./su\t -ll tr\t +x=\t 11112\n",
        )
        seen = b""
        end = time.monotonic() + 30
        while b"]ended\r" not in seen:
            assert time.monotonic() < end, seen
            if select.select([terminal], [], [], 1)[0]:
                seen += os.read(terminal, 4096)
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)

    assert b"[--output-directory][./sub/][-ll][trace][+x=][11112]ended" in seen


@pytest.mark.interop
@pytest.mark.parametrize(("words", "offered"), CASES, ids=name_of)
def test_zsh(words: list[str], offered: set[str]) -> None:
    """The function that zsh calls asks for the right words; how they are shown is zsh's affair."""
    prelude = """\
_files() { [[ $1 == -/ ]] && print -l -- $PREFIX*(N/) || print -l -- $PREFIX*(N) }
_describe() { local entry; for entry in ${(P)3}; do print -- ${entry%%:*}; done }
compadd() { shift; print -l -- $@ }
_message() { }
compset() { }
complete_it() {
"""
    lines = run(
        "zsh",
        f"{prelude}{zsh()}\n}}\nwords=(storescp {quoted(words)}); CURRENT={len(words) + 1}\n"
        f"PREFIX='{words[-1]}'; complete_it",
    )

    assert {line for line in lines if line.startswith(words[-1])} == offered


@pytest.mark.interop
def test_zsh_syntax(tmp_path: Path) -> None:
    """The whole function can be read, and says which command it is for."""
    (tmp_path / "_storescp").write_text(zsh())

    assert run("zsh", "zsh -n ./_storescp") == []
    assert zsh().startswith("#compdef storescp\n")


@pytest.mark.interop
@pytest.mark.parametrize(("words", "offered"), CASES, ids=name_of)
def test_fish(words: list[str], offered: set[str], tmp_path: Path) -> None:
    """Fish, asked for completions, offers the right words."""
    (tmp_path / "storescp.fish").write_text(fish())
    line = " ".join(["storescp", *words])

    lines = run("fish", f"source storescp.fish; complete -C '{line}'")

    assert {line.split("\t")[0].rstrip("/") for line in lines} == offered
