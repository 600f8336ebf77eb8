"""The SCP that follows one study at a time: objects in, files, commands and ended studies out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from storescp.dataset.encoding import Encoding
from storescp.dimse.command import CStoreRQ
from storescp.errors import CannotUnderstand, IdentityMismatch
from storescp.storage.naming.rules import ByStudyUID, Layout, Rules
from storescp.storage.reception import Outcome
from storescp.storage.settings import StorageSettings
from storescp.storage.store_scp import StoreSCP
from storescp.storage.studies.current_study import CurrentStudy
from storescp.storage.studies.user_commands import Command, PeerIdentity
from storescp.uids import EXPLICIT_VR_LITTLE_ENDIAN, TRANSFER_SYNTAXES
from tests.peers.requestor import CT_IMAGE_STORAGE

PEER = PeerIdentity("CT1", "ARCHIVE", "scanner")
SYNTAX = TRANSFER_SYNTAXES[EXPLICIT_VR_LITTLE_ENDIAN]


def element(group: int, number: int, vr: str, value: str) -> bytes:
    text = value.encode() + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    return (
        group.to_bytes(2, "little")
        + number.to_bytes(2, "little")
        + vr.encode()
        + len(text).to_bytes(2, "little")
        + text
    )


def data_set(instance: str, study: str) -> bytes:
    return (
        element(0x0008, 0x0016, "UI", CT_IMAGE_STORAGE)
        + element(0x0008, 0x0018, "UI", instance)
        + element(0x0020, 0x000D, "UI", study)
    )


class Scene:
    """An SCP with a clock that is set; what it has run and announced."""

    def __init__(self, directory: Path, layout: Layout | None = None, **settings: Any) -> None:
        self.now = 0.0
        self.commands: list[Command] = []
        self.announced: list[tuple[str, str]] = []
        rules = Rules(str(directory)) if layout is None else Rules(str(directory), layout)
        self.scp = StoreSCP(
            StorageSettings(rules, Encoding(), **settings),
            self.commands.append,
            announce=self._announce,
            wall_clock=lambda: 0.0,
            clock=lambda: self.now,
        )

    def _announce(self, study: CurrentStudy, cause: str) -> None:
        self.announced.append((study.uid, cause))

    def receive(self, instance: str, study: str = "1.2", announced: str | None = None) -> Outcome:
        """Have an object stored; the command names it `announced`, if that is something else."""
        request = CStoreRQ(1, CT_IMAGE_STORAGE, announced or instance)
        reception = self.scp.begin(request, SYNTAX, PEER)
        data = data_set(instance, study)
        reception.feed(memoryview(data[:20]))
        reception.flush()
        reception.feed(memoryview(data[20:]))
        outcome = reception.finish()
        self.scp.after_response(outcome, PEER)
        return outcome


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path, ByStudyUID("s"), eostudy_timeout=10.0)
    yield scene
    scene.scp.close()


def names(directory: Path) -> list[str]:
    """Return the files of a directory, without those that are hidden."""
    found = (path.relative_to(directory) for path in directory.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if not any(p.startswith(".") for p in path.parts))


def test_an_object_becomes_a_file(tmp_path: Path) -> None:
    """Named by kind and instance; its outcome says where it is, and how large."""
    scene = Scene(tmp_path)

    outcome = scene.receive("1.2.3")
    scene.scp.close()

    assert outcome.status == 0
    assert names(tmp_path) == ["CT.1.2.3"]
    assert outcome.size == (tmp_path / "CT.1.2.3").stat().st_size
    assert dcmread(tmp_path / "CT.1.2.3").SOPInstanceUID == "1.2.3"


def test_the_next_study_ends_the_one_before(scene: Scene, tmp_path: Path) -> None:
    """It is announced after the response to the first object of the other one."""
    scene.receive("1.1", "1.2")
    scene.receive("1.2", "1.2")
    assert scene.announced == []

    scene.receive("2.1", "1.3")

    assert scene.announced == [("1.2", "next-study")]
    assert names(tmp_path) == ["s_1.2/CT.1.1", "s_1.2/CT.1.2", "s_1.3/CT.2.1"]


def test_silence_ends_a_study(scene: Scene) -> None:
    """Ten seconds after its last object, neither sooner nor twice."""
    scene.receive("1.1")
    scene.now = 5.0
    scene.receive("1.2")

    for scene.now in (14.9, 15.0, 30.0):
        scene.scp.expire()

    assert scene.announced == [("1.2", "timeout")]
    assert scene.scp.deadline() is None


def test_the_end_of_the_program_ends_a_study(scene: Scene) -> None:
    """Whoever waits for its end hears of it."""
    scene.receive("1.1")

    scene.scp.close()

    assert scene.announced == [("1.2", "stop")]


def test_a_forgotten_study_is_not_announced(scene: Scene) -> None:
    """As where each association is a process of its own."""
    scene.receive("1.1")

    scene.scp.forget_study()
    scene.scp.close()

    assert scene.announced == []


def test_commands_follow_objects_and_studies(tmp_path: Path) -> None:
    """With the file of the object, and the directory of the study."""
    scene = Scene(
        tmp_path,
        ByStudyUID("s"),
        exec_on_reception="archive #p/#f",
        exec_on_eostudy="close #p",
    )
    scene.receive("1.1")
    scene.scp.close()

    reception, end = scene.commands
    assert reception.environment["STORESCP_EVENT"] == "object"
    assert end.environment["STORESCP_EVENT"] == "study"
    assert {value for value in reception.environment.values() if "s_1.2" in value}


def test_files_are_renamed_before_the_command_runs(tmp_path: Path) -> None:
    """So that it finds their final names."""
    scene = Scene(tmp_path, ByStudyUID("s"), rename_on_eostudy=True, exec_on_eostudy="close #p")
    seen: list[list[str]] = []
    scene.scp._run = lambda _: seen.append(names(tmp_path))
    scene.receive("1.1")
    scene.receive("1.2")

    scene.scp.close()

    assert seen == [["s_1.2/CT000001", "s_1.2/CT000002"]]


def test_an_object_that_is_another_one(scene: Scene, tmp_path: Path) -> None:
    """It is stored under the name of the command, and the sender gets a warning status, as the reference does."""
    outcome = scene.receive("1.1", announced="9.9")

    assert outcome.status == IdentityMismatch.status
    assert names(tmp_path) == ["s_1.2/CT.9.9"]


def test_an_object_that_names_no_study(tmp_path: Path) -> None:
    """It cannot be sorted, so it is refused and leaves nothing."""
    scene = Scene(tmp_path, ByStudyUID("s"))

    outcome = scene.receive("1.1", "")
    scene.scp.close()

    assert outcome.status == CannotUnderstand.status
    assert names(tmp_path) == []
    assert scene.announced == []


def test_what_is_ignored_leaves_no_file(tmp_path: Path) -> None:
    """The sender hears of success all the same."""
    scene = Scene(tmp_path, ignore=True)

    outcome = scene.receive("1.1")
    scene.scp.close()

    assert outcome.status == 0
    assert names(tmp_path) == []
