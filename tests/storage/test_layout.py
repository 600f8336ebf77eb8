"""The parts of storage together: which objects under which rules end in which files."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from storescp.errors import StatusError
from storescp.storage.files.instance_file import InstanceFile
from storescp.storage.files.output_directory import OutputDirectory
from storescp.storage.naming.rules import (
    ByPatientName,
    ByStudyUID,
    ByTimestamp,
    FileNames,
    Flat,
    Rules,
    file_name,
    study_directory,
    study_uid,
)
from storescp.storage.studies.current_study import CurrentStudy, CurrentStudyTracker
from storescp.storage.studies.renaming import rename_study

CT, SR, UNKNOWN = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.88.11", "1.2.9"
DRAFT = "1.2.840.10008.5.1.4.1.1.88.1"  # SR_t
NOW = 1_700_000_000.123
T, D = "20231114221320123", "20231114_221320123"
BY_TIME = FileNames.FROM_TIME


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@dataclass(frozen=True)
class Object:
    """What arrives: class, instance, study, patient."""

    sop_class: str
    instance: str
    study: bytes | None = None
    patient: bytes | None = b"Doe^John"


@dataclass
class Receiver:
    """Stores objects as a receiver does, and ends studies."""

    rules: Rules
    rename: bool = False
    now: float = NOW
    statuses: list[int] = field(default_factory=list)
    ended: list[CurrentStudy] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.output = OutputDirectory(self.rules.directory)
        self.tracker = CurrentStudyTracker(keep_names=self.rename)

    def receive(self, received: Object) -> None:
        before = len(self.ended)
        try:
            self._store(received)
        except StatusError as error:
            self.statuses.append(error.status)
        else:
            self.statuses.append(0)
        for study in self.ended[before:]:
            self._end(study)

    def _store(self, received: Object) -> None:
        name = file_name(self.rules, received.sop_class, received.instance, self.now)
        with InstanceFile(self.output) as file:
            file.write(f"{received.sop_class} {received.instance}".encode())
            stored = file.commit(self._directory(received), name)
        self.tracker.stored(stored.name, name.prefix, self.now)

    def _directory(self, received: Object) -> str:
        layout = self.rules.layout
        if isinstance(layout, Flat):
            return self.output.path
        uid = study_uid(received.study)
        directory = self.tracker.directory_of(uid)
        if directory is None:
            name = study_directory(layout, uid, received.patient, None, self.now)
            directory = self.output.make_study_directory(name)
            ended = self.tracker.begin(uid, directory, self.now)
            self.ended += [ended] if ended else []
        return directory

    def _end(self, study: CurrentStudy) -> None:
        if self.rename:
            rename_study(study.directory, study.files)

    def finish(self) -> None:
        study = self.tracker.finish()
        if study:
            self._end(study)
        self.output.close()


def receive(rules: Rules, objects: list[Object], *, rename: bool = False) -> Receiver:
    receiver = Receiver(rules, rename)
    for received in objects:
        receiver.receive(received)
    receiver.output.tidy()
    return receiver


def files(directory: Path) -> list[str]:
    return sorted(
        str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()
    )


@pytest.mark.parametrize(
    ("rules", "objects", "expected"),
    [
        ({}, [Object(CT, "1.1")], ["CT.1.1"]),
        ({"extension": ".dcm"}, [Object(CT, "1.1")], ["CT.1.1.dcm"]),
        ({}, [Object(UNKNOWN, "1.1")], ["UNKNOWN.1.1"]),
        (
            {"file_names": BY_TIME},
            [Object(CT, "1.1")] * 4,
            [f"{T}.CT", f"{T}_0000.CT", f"{T}_0001.CT", f"{T}_0002.CT"],
        ),
        (
            {"file_names": BY_TIME, "extension": ".dcm"},
            [Object(CT, "1.1")] * 2,
            [f"{T}.CT.dcm", f"{T}_0000.CT.dcm"],
        ),
        (
            {"layout": ByStudyUID("p")},
            [
                Object(CT, "1.1", b"1.2.3"),
                Object(CT, "1.2", b"1.2.4"),
                Object(CT, "1.3", b"1.2.3"),
            ],
            ["p_1.2.3/CT.1.1", "p_1.2.3/CT.1.3", "p_1.2.4/CT.1.2"],
        ),
        ({"layout": ByStudyUID("")}, [Object(CT, "1.1", b"1.1")], ["1.1/CT.1.1"]),
        ({"layout": ByStudyUID("p")}, [Object(CT, "1.1", b"1/2")], ["p_1_2/CT.1.1"]),
        ({"layout": ByStudyUID("p")}, [Object(CT, "1.1", b"1.1\\2.2")], ["p_1.1/CT.1.1"]),
        ({"layout": ByTimestamp("p")}, [Object(CT, "1.1", b"1.1")], [f"p_{D}/CT.1.1"]),
        (
            {"layout": ByTimestamp("")},
            [Object(CT, "1.1", b"1.1"), Object(CT, "1.2", b"1.2")],
            [f"{D}/CT.1.1", f"{D}/CT.1.2"],
        ),
        (
            {"layout": ByPatientName()},
            [Object(CT, "1.1", b"1.1", b"Doe^John=X")],
            [f"Doe_John_X_{D}/CT.1.1"],
        ),
        (
            {"layout": ByPatientName()},
            [Object(CT, "1.1", b"1.1", None)],
            [f"ANONYMOUS_{D}/CT.1.1"],
        ),
        (
            {"layout": ByPatientName()},  # the name of the study's first object counts
            [Object(CT, "1.1", b"1.1", b"A"), Object(CT, "1.2", b"1.1", b"B")],
            [f"A_{D}/CT.1.1", f"A_{D}/CT.1.2"],
        ),
    ],
)
def test_objects_end_in_their_files(
    rules: dict[str, object], objects: list[Object], expected: list[str], tmp_path: Path
) -> None:
    """With the clock standing still."""
    receiver = receive(Rules(str(tmp_path), **rules), objects)  # type: ignore[arg-type]  # by row

    assert expected == files(tmp_path)
    assert receiver.statuses == [0] * len(objects)


@pytest.mark.parametrize(
    ("extension", "names"),
    [
        ("", ["CT000001", "SR000002", "UN000003", "SR000004"]),
        (".dcm", ["CT000001", "SR000002", "UN000003", "SR000004"]),
        ("_abcdefghi", ["CT000001", "SR000002", "UN000003", "SR000004"]),
    ],
)
@pytest.mark.parametrize("file_names", FileNames)
def test_finished_study_is_renamed(
    tmp_path: Path, file_names: FileNames, extension: str, names: list[str]
) -> None:
    """In order of arrival; the study that has just begun is not, until it ends, too."""
    rules = Rules(str(tmp_path), ByStudyUID("q"), file_names, extension)
    receiver = receive(
        rules,
        [
            Object(CT, "1.1", b"S1"),
            Object(SR, "1.2", b"S1"),
            Object(UNKNOWN, "1.3", b"S1"),
            Object(DRAFT, "1.4", b"S1"),
            Object(CT, "1.5", b"S2"),
        ],
        rename=True,
    )

    assert sorted(names) == sorted(os.listdir(tmp_path / "q_S1"))
    (last,) = os.listdir(tmp_path / "q_S2")
    assert last.endswith(extension)
    receiver.finish()
    assert os.listdir(tmp_path / "q_S2") == ["CT000001"]


@pytest.mark.parametrize("study", [None, b"", b"..", b"."])
def test_study_that_cannot_be_sorted_is_c000_each_time(tmp_path: Path, study: bytes | None) -> None:
    """And its next object is not let through; the study before goes on."""
    receiver = receive(
        Rules(str(tmp_path), ByStudyUID("")),
        [
            Object(CT, "1.1", study),
            Object(CT, "1.2", study),
            Object(CT, "1.3", b"1.2"),
            Object(CT, "1.4", study),
            Object(CT, "1.5", b"1.2"),
        ],
    )

    assert receiver.statuses == [0xC000, 0xC000, 0, 0xC000, 0]
    assert files(tmp_path) == ["1.2/CT.1.3", "1.2/CT.1.5"]
    assert not receiver.ended


def test_study_whose_directory_cannot_be_made_is_c000_each_time(tmp_path: Path) -> None:
    """Its objects do not get into the directory of another study."""
    receiver = receive(
        Rules(str(tmp_path), ByStudyUID("p")),
        [
            Object(CT, "1.1", b"1.2"),
            Object(CT, "1.2", b"9" * 300),
            Object(CT, "1.3", b"9" * 300),
            Object(CT, "1.4", b"1.2"),
        ],
    )

    assert receiver.statuses == [0, 0xC000, 0xC000, 0]
    assert files(tmp_path) == ["p_1.2/CT.1.1", "p_1.2/CT.1.4"]


def test_file_in_place_of_a_study_directory_is_a700(tmp_path: Path) -> None:
    """It counts as existing, as in the reference, but nothing can be stored in it."""
    (tmp_path / "p_1.2").touch()

    receiver = receive(Rules(str(tmp_path), ByStudyUID("p")), [Object(CT, "1.1", b"1.2")])

    assert receiver.statuses == [0xA700]


@pytest.mark.parametrize("layout", [ByStudyUID("s"), ByTimestamp("s"), ByPatientName()])
def test_interleaved_studies_lose_nothing(
    tmp_path: Path, layout: ByStudyUID | ByTimestamp | ByPatientName
) -> None:
    """A, B, A, B, renamed at each change: every object is there once."""
    receiver = Receiver(Rules(str(tmp_path), layout), rename=True)
    for number in range(40):
        receiver.now += 0.001 * (number % 3)
        receiver.receive(Object(CT, f"1.{number}", b"A" if number % 2 else b"B"))
    receiver.finish()

    contents = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(contents) == sorted(f"{CT} 1.{number}" for number in range(40))
    assert all(path.name.startswith("CT0000") for path in tmp_path.rglob("CT*"))
    assert len(receiver.ended) == 39


@pytest.mark.parametrize("file_names", FileNames)
@pytest.mark.parametrize(
    "instance", ["..", "../../x", "a/b", "-rf", "x" * 64, "\n", "\0", "CON", "a\\b", ".storescp-0"]
)
def test_hostile_instance_uids_stay_in_the_directory(
    tmp_path: Path, file_names: FileNames, instance: str
) -> None:
    """One file, where it belongs."""
    directory = tmp_path / "out"
    directory.mkdir()

    receive(Rules(str(directory), file_names=file_names), [Object(CT, instance)])

    assert len(files(directory)) == 1
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize(
    "study",
    [b"../x", b"../../../../tmp/x", b"/x", b"-rf", b"a\nb", b".storescp-0", b"\xff", b"x" * 64],
)
def test_hostile_study_uids_stay_in_the_directory(tmp_path: Path, study: bytes) -> None:
    """Stored within the directory, or refused."""
    directory = tmp_path / "out"
    directory.mkdir()

    receiver = receive(Rules(str(directory), ByStudyUID("")), [Object(CT, "1.1", study)])

    assert os.listdir(tmp_path) == ["out"]
    assert len(files(directory)) == receiver.statuses.count(0)
    assert receiver.statuses in ([0], [0xC000])
