"""Store an object again and again, and be killed before each system call in turn.

Run by test_crash.py as a program of its own, because it forks. Arguments: scenario, directory, and whether the file
system is as NFS (`nfs`) or not (`local`).
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from storescp.storage.files.output_directory import OutputDirectory
from tests.storage.scenarios import SCENARIOS, Scenario, another_file_system
from tests.storage.system_calls import watched

_pid, _kill, _writev, _exit = os.getpid, os.kill, os.writev, os._exit


def killed_at(step: int, scenario: Scenario, directory: Path, scratch: Path, *, nfs: bool) -> bool:
    """Let a child be killed before a call, or in the middle of a `writev`; tell if it was."""
    child = os.fork()
    if child == 0:

        def before(number: int, name: str, arguments: Sequence[Any]) -> None:
            if number == step:
                if name == "writev":
                    descriptor, chunks = arguments
                    _writev(descriptor, [bytes(chunks[0])[: len(chunks[0]) // 2]])
                _kill(_pid(), signal.SIGKILL)

        with watched(before, nfs=nfs):
            scenario.store(str(directory), str(scratch))
        _exit(0)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        assert status == 0, status
    return os.WIFSIGNALED(status)


def main(name: str, parent: Path, *, nfs: bool) -> None:
    scenario, step = SCENARIOS[name], 0
    scratch = Path(tempfile.mkdtemp(dir=another_file_system(parent)))
    while True:
        directory = parent / str(step)
        directory.mkdir()
        scenario.prepare(directory)
        killed = killed_at(step, scenario, directory, scratch, nfs=nfs)
        scenario.check(directory)
        with watched(lambda *_: None, nfs=nfs):
            scenario.restart(str(directory))
        scenario.check(directory)
        for path in (directory, directory / "study", scratch):
            OutputDirectory(str(path)).remove_leftovers(time.time())
        hidden = [path for path in directory.rglob("*") if path.name.startswith(".")]
        assert not hidden, (step, hidden)
        assert not os.listdir(scratch), step
        scenario.check_names(directory)
        if not killed:
            break
        shutil.rmtree(directory)
        step += 1
    scratch.rmdir()
    assert step >= 2, step
    sys.stdout.write(f"{step}\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), nfs=sys.argv[3] == "nfs")
