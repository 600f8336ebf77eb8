"""The process that starts commands: everything is started and told, nothing of the receiver's is kept, and it ends with it."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from storescp.serve.process.children import Children
from storescp.serve.process.command_starter import CommandStarter
from storescp.serve.studies.user_command import CommandRunner


@dataclass
class Heard:
    """What a follower was told."""

    line: str = ""
    said: list[tuple[str, object]] = field(default_factory=list)
    pid: int = 0

    def started(self, pid: int) -> None:
        self.pid = pid
        self.said.append(("started", pid > 0))

    def failed(self, why: str) -> None:
        self.said.append(("failed", why))

    def ended(self, pid: int, status: int) -> None:
        self.said.append(("ended", os.waitstatus_to_exitcode(status)))
        assert pid


@dataclass
class Starting:
    """A starter, and what it told of lines that nobody followed."""

    starter: CommandStarter
    unfollowed: list[Heard]

    def collect_until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            self.starter.collect()
            time.sleep(0.005)


@pytest.fixture
def starting() -> Iterator[Starting]:
    """A starter that runs, and ends with the test."""
    unfollowed: list[Heard] = []

    def follow(line: str) -> Heard:
        unfollowed.append(Heard(line))
        return unfollowed[-1]

    before = signal.signal(signal.SIGCHLD, lambda *_: None)
    starter = CommandStarter(follow)
    starter.start(lambda: None)
    yield Starting(starter, unfollowed)
    starter.close()
    signal.signal(signal.SIGCHLD, before)


def test_a_follower_hears_of_everything(starting: Starting, tmp_path: Path) -> None:
    """That it runs, and how it ended; variables are added to the environment."""
    heard = Heard()

    assert starting.starter.request(
        f"echo $WHAT$HOME > {tmp_path}/out; exit 3", {"WHAT": "a"}, heard
    )
    starting.collect_until(lambda: len(heard.said) == 2)

    assert heard.said == [("started", True), ("ended", 3)]
    assert (tmp_path / "out").read_text() == f"a{os.environ.get('HOME', '')}\n"


def test_without_a_follower_failures_are_told(starting: Starting, tmp_path: Path) -> None:
    """Of what ends well nothing is heard; exit status, signal, and what cannot start are told with the line."""
    for line in ("true", "exit 4", "kill -KILL $$", f"touch {tmp_path}/done", "a\0b"):
        assert starting.starter.request(line, {}, None)
    starting.collect_until(lambda: len(starting.unfollowed) == 3 and (tmp_path / "done").exists())

    told = {heard.line: heard.said for heard in starting.unfollowed}
    assert told["exit 4"] == [("ended", 4)]
    assert told["kill -KILL $$"] == [("ended", -signal.SIGKILL)]
    assert [kind for kind, _ in told["a\0b"]] == ["failed"]


def test_a_request_that_is_too_long_is_left_to_the_receiver(starting: Starting) -> None:
    """It is not taken, and the next one is."""
    heard = Heard()

    assert not starting.starter.request("true", {"LONG": "x" * 100_000}, Heard())
    assert starting.starter.request("true", {}, heard)
    starting.collect_until(lambda: len(heard.said) == 2)


def test_a_command_gets_signals_as_usual(starting: Starting, tmp_path: Path) -> None:
    """The starter ignores those that are for the receiver; its commands do not."""
    heard = Heard()
    line = f"grep SigIgn /proc/self/status > {tmp_path}/ignored; sleep 60"
    starting.starter.request(line, {}, heard)
    starting.collect_until(lambda: (tmp_path / "ignored").exists() and heard.pid > 0)

    starter = int(Path(f"/proc/{heard.pid}/stat").read_text().rpartition(")")[2].split()[1])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(starter, number)
    os.kill(heard.pid, signal.SIGTERM)
    starting.collect_until(lambda: len(heard.said) == 2)

    ignored = int((tmp_path / "ignored").read_text().split()[1], 16)
    assert not ignored & sum(
        1 << number - 1
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD)
    )
    assert heard.said[1] == ("ended", -signal.SIGTERM)


def test_nothing_of_the_receiver_is_kept(tmp_path: Path) -> None:
    """Neither the starter nor a command has a descriptor that the receiver had."""
    starter = CommandStarter(Heard)
    heard = Heard()
    with (tmp_path / "secret").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)
        starter.start(lambda: None)
        starter.request(f"ls -l /proc/self/fd /proc/$PPID/fd > {tmp_path}/open", {}, heard)
        Starting(starter, []).collect_until(lambda: len(heard.said) == 2)
    starter.close()

    assert "secret" not in (tmp_path / "open").read_text()


def test_what_comes_first_in_it(tmp_path: Path) -> None:
    """What it is to do first, such as giving privileges up, is done before any command."""
    starter = CommandStarter(Heard)

    def prepare() -> None:
        os.umask(0o077)

    starter.start(prepare)
    starter.request(f"touch {tmp_path}/file", {}, None)
    starter.close()

    end = time.monotonic() + 10
    while not (tmp_path / "file").exists():
        assert time.monotonic() < end
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_close_waits_for_starts() -> None:
    """All that was requested runs then, and the starter is gone."""
    heard = [Heard() for _ in range(20)]
    starter = CommandStarter(Heard)
    starter.start(lambda: None)

    for one in heard:
        starter.request("sleep 20", {}, one)
    starter.close()

    assert all(one.said[0] == ("started", True) for one in heard)
    for one in heard:  # they go on
        os.kill(one.pid, signal.SIGKILL)


def test_a_starter_that_was_killed(starting: Starting, caplog: pytest.LogCaptureFixture) -> None:
    """The receiver says so, and starts commands itself."""
    heard = Heard()
    starting.starter.request("sleep 0.1; kill -KILL $PPID; sleep 0.1", {}, heard)

    with caplog.at_level(logging.ERROR, "dcmtk.apps.storescp"):
        starting.collect_until(
            lambda: "the process that starts commands has ended or hangs" in caplog.text
        )

    assert not starting.starter.request("true", {}, Heard())


def test_a_starter_that_hangs(starting: Starting, caplog: pytest.LogCaptureFixture) -> None:
    """Reception waits a moment for it, and goes on without it."""
    heard = Heard()
    starting.starter.request("sleep 60", {}, heard)
    starting.collect_until(lambda: heard.pid > 0)
    starter = int(Path(f"/proc/{heard.pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(starter, signal.SIGSTOP)

    begun = time.monotonic()
    with caplog.at_level(logging.ERROR, "dcmtk.apps.storescp"):
        taken = [starting.starter.request("true", {}, None) for _ in range(200)]

    assert not taken[-1]
    assert time.monotonic() - begun < 30
    assert "has ended or hangs" in caplog.text
    os.kill(starter, signal.SIGKILL)
    os.kill(heard.pid, signal.SIGKILL)


PARENT = """
import os, sys, time
from storescp.serve.process.command_starter import CommandStarter
starter = CommandStarter(lambda line: None)
starter.start(lambda: None)
for number in range(5):
    starter.request(f"echo {number} $PPID >> " + sys.argv[1], {}, None)
os.kill(os.getpid(), 9)
"""


def test_it_ends_with_the_receiver(tmp_path: Path) -> None:
    """However that ends; what it had requested is started first."""
    out = tmp_path / "out"

    done = subprocess.run([sys.executable, "-c", PARENT, str(out)], check=False, timeout=30)

    assert done.returncode == -signal.SIGKILL
    end = time.monotonic() + 10
    while not out.exists() or out.read_text().count("\n") < 5:
        assert time.monotonic() < end
        time.sleep(0.01)
    starter = int(out.read_text().split()[1])
    while (
        Path(f"/proc/{starter}/cmdline").exists() and Path(f"/proc/{starter}/cmdline").read_bytes()
    ):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_commands_of_a_receiver(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With a starter, failures are the same log lines as without."""
    commands = CommandRunner(Children(), synchronous=False)
    before = signal.signal(signal.SIGCHLD, lambda *_: None)
    commands.use_starter(lambda: None)

    with caplog.at_level(logging.WARNING, "dcmtk.apps.storescp"):
        commands.run("exit 3", {})
        commands.run("true", {"HUGE": "x" * (1 << 23)})
        commands.run(f"echo $WHAT > {tmp_path}/out", {"WHAT": "ok"})
        end = time.monotonic() + 10
        while len(caplog.records) < 2 or not (tmp_path / "out").exists():
            assert time.monotonic() < end
            commands.collect()
            time.sleep(0.005)
        commands.close()
    signal.signal(signal.SIGCHLD, before)

    texts = sorted(record.getMessage() for record in caplog.records)
    assert texts[0].startswith("cannot execute command 'true'")
    assert texts[1] == "command 'exit 3' failed with exit status 3"
