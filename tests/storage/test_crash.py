"""Killed between any two steps: no partial file under a name, no leftovers after the next start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.storage.scenarios import SCENARIOS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("file_system", ["local", "nfs"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_at_any_step_nothing_is_lost_or_partial(
    scenario: str, file_system: str, tmp_path: Path
) -> None:
    """SIGKILL before each system call of storing, and in the midst of writing; also without RENAME_NOREPLACE."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}", "TZ": "UTC"}
    command = [sys.executable, "-m", "tests.storage.crash", scenario, str(tmp_path), file_system]

    child = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert child.returncode == 0, child.stderr
    assert int(child.stdout) >= 2
