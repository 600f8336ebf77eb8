"""The container file: what it copies exists, what it starts is valid, and the program is a good first process."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storescp.config.command_line import Evaluation, parse
from storescp.config.options.evaluation import Stage
from tests.end_to_end.conversation import CONTEXTS, store, wait_until
from tests.peers.requestor import ABORT, Requestor
from tests.peers.servers import free_port, is_listening, our_command, our_environment
from tests.peers.tools import require_tool

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "contrib" / "container" / "Containerfile").read_text()


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.*)$", TEXT, re.MULTILINE)


def test_what_is_copied_exists() -> None:
    """And it is all that a build needs, as pyproject.toml names it."""
    copied = [
        word
        for line in instructions("COPY")
        if not line.startswith("--from")
        for word in line.split()[:-1]
    ]

    assert all((ROOT / name).exists() for name in copied)
    assert set(copied) == {"pyproject.toml", "README.md", "LICENSE", "contrib", "scripts", "src"}


def test_the_command_line_is_valid() -> None:
    """It stores in the volume, and listens on the port that is exposed, as a user that is a number but not 0."""
    (arguments,) = (json.loads(line) for line in instructions("CMD"))

    command_line = Evaluation(parse(arguments)).run(Stage.SECURITY)

    assert instructions("VOLUME") == [command_line.output_directory]
    assert instructions("EXPOSE") == [str(command_line.port)]
    (user,) = instructions("USER")
    assert re.fullmatch("[1-9][0-9]*:[1-9][0-9]*", user)


def new_namespace() -> list[str]:
    """Return what runs a command as the first process of a new process id namespace.

    Where that is not allowed, the command says of itself that it is process 1, which is nearly as good.
    """
    namespace = [require_tool("unshare"), "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        namespace[1:1] = ["--user", "--map-root-user"]
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode == 0:
        return [*namespace, *our_command()]
    script = (
        "import os; own = os.getpid(); get = os.getpid;"
        " os.getpid = lambda: 1 if get() == own else get(); from storescp.cli import main; main()"
    )
    return [require_tool("env"), our_command()[0], "-c", script]


@contextmanager
def first_process(directory: Path, port: int) -> Iterator[int]:
    """Run the program as the first process of a container; yield its number outside."""
    command = new_namespace()
    options = ["-xcr", "sh -c '(sleep 0.1; exit 3) &'", "-od", str(directory)]
    process = subprocess.Popen([*command, *options, str(port)], env=our_environment())
    try:
        wait_until(lambda: any(is_listening(pid, port) for pid in descendants(process.pid)))
        first, *_ = descendants(process.pid)
        yield first if "--pid" in command else process.pid
        assert process.wait(10) in (128 + signal.SIGTERM, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()


def descendants(pid: int) -> Iterator[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in map(int, children):
        yield child
        yield from descendants(child)


def test_it_is_a_good_first_process(tmp_path: Path) -> None:
    """It receives, reaps what commands leave behind, and ends at once and in order when the container is stopped."""
    port = free_port()
    with first_process(tmp_path, port) as pid, Requestor(port) as peer:
        peer.associate(CONTEXTS)
        for number in range(3):
            assert store(peer, f"1.2.{number}") == "0000"
        wait_until(
            lambda: len(list(descendants(pid))) == 2
        )  # receiver, command starter; no zombies

        os.kill(pid, signal.SIGTERM)

        assert peer.receive_response().kind == ABORT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["CT.1.2.0", "CT.1.2.1", "CT.1.2.2"]
