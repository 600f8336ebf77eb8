"""The duties of process 1."""

import os
import signal
import subprocess
import sys


def test_process_1_passes_signals_on_and_reaps_orphans() -> None:
    """In a container the first process ends as its child does, and leaves no zombie."""
    script = """
import os, sys, time
from storescp.serve.process.init import run_as_init
run_as_init()
os.system("(sleep 0.1 &)")
print("up", flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGTERM)

        assert process.wait(10) == -signal.SIGTERM
