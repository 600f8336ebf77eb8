"""A process ends with the one that forked it, also when that was killed."""

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress

from tests.peers.servers import our_environment

TIED = """
import os, sys, time
from storescp.process_tie import end_with_parent
parent = os.getpid()
if os.fork() == 0:
    end_with_parent(parent)
    os.write(1, b"%d\\n" % os.getpid())
    time.sleep(60)
os.wait()
"""

ORPHAN = """
import os, time
from storescp.process_tie import end_with_parent
end_with_parent(1 << 30)
time.sleep(60)
"""


def test_a_child_ends_when_its_parent_is_killed() -> None:
    """The kernel tells it: SIGKILL leaves the parent no time for that."""
    with subprocess.Popen(
        [sys.executable, "-c", TIED], stdout=subprocess.PIPE, env=our_environment()
    ) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        parent.wait(timeout=10)

        ended, _, _ = select.select([child], [], [], 10)

        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(child, signal.SIGKILL)
        os.close(child)
    assert ended


def test_a_parent_that_is_gone_already_counts() -> None:
    """What happened between the fork and the call is not missed."""
    done = subprocess.run(
        [sys.executable, "-c", ORPHAN], env=our_environment(), timeout=20, check=False
    )

    assert done.returncode == -signal.SIGTERM
