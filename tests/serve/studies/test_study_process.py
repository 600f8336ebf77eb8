"""The process that ends studies: started, started again, spoken to, and ended, without anybody waiting for it."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from storescp.errors import OutOfResources
from storescp.serve.process.children import Children
from storescp.serve.studies.study_process import Reports, StudyProcess
from tests.end_to_end.processes import has_ended


class Work:
    """Notes in a file what it is asked for; what it is told to do it does once the file is there."""

    def __init__(self, reports: Reports, directory: Path) -> None:
        self._reports = reports
        self._directory = directory
        self._woken, _ = os.pipe()
        self._note("made")

    @property
    def descriptor(self) -> int:
        return self._woken

    def _note(self, what: str) -> None:
        with (self._directory / "notes").open("a") as file:
            file.write(f"{what}\n")

    def step(self) -> None:
        for name, action in (
            ("pause", self._reports.pause_reception),
            ("resume", self._reports.resume_reception),
            ("fail", lambda: self._reports.failed("gone")),
            ("crash", self._crash),
        ):
            if (self._directory / name).exists():
                (self._directory / name).unlink()
                action()
                self._note(f"{name} done")

    def _crash(self) -> None:
        raise RuntimeError("a mistake")

    def next_step(self) -> float:
        return time.monotonic() + 0.05

    def lost(self, pid: int) -> None:
        if (self._directory / "locked").exists():
            raise OutOfResources("locked")
        self._note(f"lost {pid}")

    def stop(self) -> None:
        self._note("stop")

    def end(self, limit: float) -> None:
        self._note(f"end in {round(limit - time.monotonic())}")


class Scene:
    """A process, and what it has noted."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.children = Children()
        self.process = StudyProcess(
            lambda reports: Work(reports, directory),
            self.children,
            leave=lambda: None,
        )

    def notes(self) -> list[str]:
        path = self.directory / "notes"
        return path.read_text().splitlines() if path.exists() else []

    def order(self, what: str) -> None:
        (self.directory / what).touch()

    def wait(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        """Do as the main process does, until it is so."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.notes()
            self.children.reap()
            begun = time.monotonic()
            self.process.tend()
            assert time.monotonic() - begun < 0.5
            time.sleep(0.01)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    scene.process.start()
    yield scene
    if scene.process.pid:
        with suppress(ProcessLookupError):
            os.kill(scene.process.pid, signal.SIGKILL)
        os.waitpid(scene.process.pid, 0)
    for end in (scene.process._ours, scene.process._theirs):
        end.close()


def test_a_worker_that_is_gone_is_told_until_it_is_confirmed(scene: Scene) -> None:
    """Also if it cannot be noted at once."""
    scene.order("locked")
    scene.process.lost(7)
    time.sleep(0.2)
    assert scene.notes() == ["made"]

    (scene.directory / "locked").unlink()

    scene.wait(lambda: "lost 7" in scene.notes() and not scene.process._lost)


def test_a_process_that_is_killed_is_started_again(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """After a second; it is told again what the one before had not confirmed, and the log says so."""
    scene.wait(lambda: scene.notes() == ["made"])
    scene.order("locked")
    scene.process.lost(7)
    first = scene.process.pid
    os.kill(first, signal.SIGKILL)
    (scene.directory / "locked").unlink()

    scene.wait(lambda: "lost 7" in scene.notes())

    assert scene.process.pid not in (0, first)
    assert scene.notes().count("made") == 2
    assert caplog.messages == [
        "the process that ends studies was ended by SIGKILL: it is started again"
    ]


def test_a_process_that_fails_is_started_again(scene: Scene) -> None:
    """A mistake that it does not survive costs a second."""
    scene.wait(lambda: scene.notes() == ["made"])
    scene.order("crash")

    scene.wait(lambda: scene.notes() == ["made", "made"])


def test_nobody_waits_for_a_process_that_is_stopped(scene: Scene) -> None:
    """Neither with messages that do not fit, nor with nudges; they arrive when it goes on."""
    scene.wait(lambda: scene.notes() == ["made"])
    os.kill(scene.process.pid, signal.SIGSTOP)
    begun = time.monotonic()
    for number in range(5000):
        scene.process.nudge()
        scene.process.lost(number)
    assert time.monotonic() - begun < 2
    assert scene.process.next_turn() is not None

    os.kill(scene.process.pid, signal.SIGCONT)

    scene.wait(lambda: not scene.process._lost, 20)
    assert sum(note.startswith("lost") for note in scene.notes()) == 5000


def test_reception_is_paused_and_resumed(scene: Scene) -> None:
    """The process goes on when the main process has confirmed that nobody is accepted."""
    scene.order("pause")
    scene.wait(lambda: scene.process.is_pausing)
    scene.wait(lambda: "pause done" in scene.notes(), 0.9)

    scene.order("resume")

    scene.wait(lambda: not scene.process.is_pausing)


def test_a_state_that_is_lost_is_reported(scene: Scene) -> None:
    """With the reason."""
    scene.order("fail")

    scene.wait(lambda: scene.process.failure == "gone")


def test_it_ends_when_it_is_told_to(scene: Scene) -> None:
    """After what it was told before, in its time; and the main process knows."""
    pid = scene.process.pid
    scene.process.stop()
    scene.process.end(time.monotonic() + 3)

    assert scene.notes() == ["made", "stop", "end in 3"]
    assert has_ended(pid)


def test_one_that_was_killed_just_then_is_started_for_its_last_work(scene: Scene) -> None:
    """What has to be done at the end is done."""
    scene.wait(lambda: scene.notes() == ["made"])
    os.kill(scene.process.pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while scene.process.pid and time.monotonic() < end:
        scene.children.reap()

    scene.process.end(time.monotonic() + 3)

    assert scene.notes() == ["made", "made", "end in 3"]


def test_one_that_does_not_end_is_killed(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """A second after its time."""
    os.kill(scene.process.pid, signal.SIGSTOP)
    begun = time.monotonic()

    scene.process.end(begun + 0.2)

    assert 1.1 < time.monotonic() - begun < 4
    assert caplog.messages[0] == "the process that ends studies does not end: it is killed"


def test_it_dies_with_the_main_process(tmp_path: Path) -> None:
    """However that ends."""
    main = os.fork()
    if main == 0:
        scene = Scene(tmp_path)
        scene.process.start()
        (tmp_path / "pid").write_text(str(scene.process.pid))
        time.sleep(60)
        os._exit(0)
    end = time.monotonic() + 10
    while not (tmp_path / "notes").exists() and time.monotonic() < end:
        time.sleep(0.01)
    pid = int((tmp_path / "pid").read_text())
    os.kill(main, signal.SIGKILL)
    os.waitpid(main, 0)

    while not has_ended(pid):
        assert time.monotonic() < end
        time.sleep(0.01)
