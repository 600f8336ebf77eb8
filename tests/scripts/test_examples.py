"""Command lines in the documentation are accepted by the program, and its scripts do what the text says."""

import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.docs import ROOT, documents
from storescp.config.command_line import Evaluation, parse
from storescp.config.options.evaluation import Stage
from storescp.config.options.rows import Feature
from tests.peers.dicom import Syntax
from tests.peers.requestor import CT_IMAGE_STORAGE, Context, Requestor, message, store_command
from tests.peers.servers import ours

_FENCE = re.compile(r"^```sh.*?\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SHELL = frozenset({"|", "||", "&&", ">", "2>", "<", ";", "&"})
LITTLE = "1.2.840.10008.1.2.1"


def command_lines() -> Iterator[tuple[str, str]]:
    """Yield document and command line of every example that runs this program."""
    for document in documents():
        text = document.read_text(encoding="utf-8").replace("\\\n", " ")
        lines = [line[4:] for line in text.splitlines() if line.startswith("    ")]
        lines += [line for fence in _FENCE.findall(text) for line in fence.splitlines()]
        for line in lines:
            if re.match(r"\s*(?:/\S+/)?storescp\s(?!\[options\])", line):
                yield str(document.relative_to(ROOT)), line.strip()


def arguments(line: str) -> list[str]:
    """Return the arguments of a command line, up to where the shell goes on."""
    words = shlex.split(line, comments=True)[1:]
    end = next((number for number, word in enumerate(words) if word in _SHELL), len(words))
    return words[:end]


EXAMPLES = sorted(set(command_lines()))


@pytest.mark.parametrize(("document", "line"), EXAMPLES, ids=lambda value: str(value)[:60])
def test_command_lines_are_accepted(
    document: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No option is misspelt, lacks a value or contradicts another one."""
    assert document
    monkeypatch.chdir(tmp_path)
    Path("storescp.cfg").write_text("--verbose 11112")
    words = [word.replace("$OPTIONS", "--verbose") for word in arguments(line) if word != "…"]
    parsed = parse(words, features=lambda: frozenset(Feature))

    if parsed.request is None:
        Evaluation(parsed).run(Stage.SECURITY, verbose=True)


def test_there_are_examples() -> None:
    """They are found in the pages that have them, in indented and in fenced blocks."""
    found = {document for document, _ in EXAMPLES}

    assert {"README.md", "docs/how-to-use.md", "docs/howto-tls.md", "docs/howto-route.md"} <= found
    assert {"docs/howto-replace-dcmtk.md", "docs/howto-modality.md"} <= found
    assert len(EXAMPLES) > 40


def script(name: str) -> str:
    """Return a script of the page about routing."""
    page = (ROOT / "docs" / "howto-route.md").read_text(encoding="utf-8")
    found = re.search(rf"^```sh {name}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_studies_are_routed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line and the script of the page hand each study to where it belongs."""
    monkeypatch.chdir(tmp_path)
    Path("route").write_text(script("route"))
    Path("route").chmod(0o755)
    line = next(
        line
        for name, line in EXAMPLES
        if name.endswith("route.md") and " -tos 60 -xcs './route" in line
    )
    options = arguments(line.replace("-tos 60", "-tos 1").replace("-od incoming", ""))[:-1]
    syntax = Syntax()

    with ours(tmp_path, options) as server:
        with Requestor(server.port) as peer:
            peer.associate([Context(1, CT_IMAGE_STORAGE, (LITTLE,)), Context(3, OTHER, (LITTLE,))])
            for context, kind, study in ((1, CT_IMAGE_STORAGE, "1.2.1"), (3, OTHER, "1.2.2")):
                instance = f"{study}.9"
                data = (
                    syntax.element(0x00080016, "UI", kind)
                    + syntax.element(0x00080018, "UI", instance)
                    + syntax.element(0x0020000D, "UI", study)
                )
                peer.send(message(context, store_command(kind, instance), data))
                peer.receive_response()
            peer.release()
        end = time.monotonic() + 30
        while not all(Path(target).is_dir() for target in ("radiology", "others")):
            assert time.monotonic() < end, server.errors()
            time.sleep(0.05)
        server.stop()

    assert Path("radiology/study_1.2.1/CT.1.2.1.9").is_file()
    assert [path.name for path in Path("others/study_1.2.2").iterdir()] == ["SRe.1.2.2.9"]


OTHER = "1.2.840.10008.5.1.4.1.1.88.22"


@pytest.mark.parametrize("name", ["route", "forward"])
def test_scripts_can_be_read(name: str) -> None:
    """A shell has nothing against them."""
    process = subprocess.run(
        ["sh", "-n"], input=script(name), capture_output=True, text=True, check=False
    )

    assert (process.returncode, process.stderr) == (0, "")


def test_the_readme_runs(tmp_path: Path) -> None:
    """The first command line that people meet receives an object."""
    line = next(
        line for name, line in EXAMPLES if name == "README.md" and " -v -od incoming " in line
    )
    options = arguments(line.replace("-od incoming", ""))[:-1]

    with ours(tmp_path, options) as server, Requestor(server.port) as peer:
        peer.associate([Context(1, CT_IMAGE_STORAGE, (LITTLE,))])
        data = Syntax().element(0x00080016, "UI", CT_IMAGE_STORAGE) + Syntax().element(
            0x00080018, "UI", "1.2.3"
        )
        peer.send(message(1, store_command(CT_IMAGE_STORAGE, "1.2.3"), data))
        assert peer.receive_response().elements[0x0900] == b"\0\0"
        assert list(server.files()) == ["CT.1.2.3"]
