"""bench.processor: the processors' time of a server, with all its processes."""

import subprocess
import sys

from bench.processor import processor_seconds

WORK = "import time; end = time.process_time() + 0.2\nwhile time.process_time() < end: pass\n"
RUN_CHILD = (
    f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WORK!r}], check=True)\n"
)
START_CHILD = (
    "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c',"
    f" {WORK + 'print(flush=True); input()'!r}], stdin=0); child.wait()"
)


def taken(code: str) -> float:
    """Return the processor's time of a program after it has written a line."""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seconds = processor_seconds(process.pid)
        process.kill()
    return seconds


def test_work_of_a_process() -> None:
    """What it did itself."""
    assert 0.2 <= taken(WORK + "print(flush=True); input()") < 2


def test_work_of_children() -> None:
    """What children did that have ended, and what those did that are there, each once."""
    assert 0.2 <= taken(RUN_CHILD + "print(flush=True); input()") < 2
    assert 0.2 <= taken(START_CHILD) < 2


def test_no_such_process() -> None:
    """A process that is gone has no time."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()

    assert processor_seconds(process.pid) == 0
