"""Ways to store an object, to be interrupted at every step."""

import os
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from storescp.dataset.encoding import Encoding
from storescp.dimse.command import CStoreRQ
from storescp.storage.files.instance_file import InstanceFile
from storescp.storage.files.output_directory import OutputDirectory
from storescp.storage.naming.rules import ByStudyUID, FileName, FileNames, Rules, file_name
from storescp.storage.settings import StorageSettings
from storescp.storage.studies.current_study import StudyFile
from storescp.storage.studies.final_names import give_final_names
from storescp.storage.studies.jobs import Retries
from storescp.storage.studies.renaming import rename_study
from storescp.storage.studies.sqlite_store import SQLiteStore
from storescp.storage.studies.study_store import StoredFile
from storescp.storage.studies.tracker import EndOfStudy, Sender, Tracker
from storescp.storage.studies.user_commands import PeerIdentity
from storescp.storage.tracking_scp import TrackingStoreSCP
from storescp.uids import TRANSFER_SYNTAXES
from tests.end_to_end.conversation import data_set

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = TRANSFER_SYNTAXES["1.2.840.10008.1.2.1"]
NOW = 1_700_000_000.123
HEADER = b"HEADER"
DATA = [b"a" * 1000, b"b" * 3000, b"c" * 10]
NEW = HEADER + b"".join(DATA)
OLD = b"an older file, complete"
LONG = HEADER * 3 + b"".join(DATA)

BY_UID = file_name(Rules(), CT, "1.2.3", NOW)
BY_TIME = file_name(Rules(file_names=FileNames.FROM_TIME), CT, "1.2.3", NOW)
BY_ODD_UID = file_name(Rules(), CT, "1/2", NOW)


@dataclass(frozen=True)
class Scenario:
    """What was there, what is done, and what may be there afterwards."""

    store: Callable[[str, str], None]
    """Takes a directory, and one that is on another file system if possible."""
    before: dict[str, bytes]
    after: dict[str, bytes]
    """Every file that may bear a name, with its only content."""
    replaced: frozenset[str] = frozenset()
    """Older files that may give way to a new one of `after`."""
    begin: Callable[[str], None] = lambda _: None
    """Prepares what is not a file of the directory."""
    restart: Callable[[str], None] = lambda _: None
    """What the next start does with the directory."""
    final: bool = True
    """Whether each object then has one name, and no more."""

    def prepare(self, directory: Path) -> None:
        for name, content in self.before.items():
            (directory / name).parent.mkdir(exist_ok=True)
            (directory / name).write_bytes(content)
        self.begin(str(directory))

    def check_names(self, directory: Path) -> None:
        """Raise an AssertionError if an object has more than one name after the next start."""
        files = [path for path in directory.rglob("*") if path.is_file()]
        inodes = [path.stat().st_ino for path in files]
        assert not self.final or len(set(inodes)) == len(inodes), files

    def check(self, directory: Path) -> None:
        """Raise an AssertionError unless all files are complete and no older one is lost."""
        found = {
            str(path.relative_to(directory)): path.read_bytes()
            for path in directory.rglob("*")
            if path.is_file() and ".storescp-" not in str(path)
        }
        allowed = {**self.before, **self.after}
        for name, content in found.items():
            assert content in {allowed.get(name), self.before.get(name)}, (name, content)
        kept = [content for name, content in self.before.items() if name not in self.replaced]
        for content in kept:
            assert content in found.values(), content


def _store(directory: str, name: FileName, *, durable: bool = False) -> None:
    output = OutputDirectory(directory, durable=durable)
    try:
        with InstanceFile(output, HEADER) as file:
            file.write(DATA[0])
            file.flush()
            file.write(DATA[1])
            file.write(DATA[2])
            file.commit(directory, name)
    finally:
        output.close()


def _store_and_record(directory: str, *, recorded: bool, elsewhere: str | None = None) -> None:
    """Store an object whose record is made then, or cannot be made."""
    output = OutputDirectory(elsewhere or directory, durable=True)
    try:
        with InstanceFile(output, HEADER) as file:
            for chunk in DATA:
                file.write(chunk)
            stored = file.commit(directory, BY_UID, keep=True)
        assert stored.placement is not None
        if recorded:
            stored.placement.settle()
        else:
            stored.placement.withdraw()
    finally:
        output.close()


def _store_in_study(directory: str, _: str) -> None:
    output = OutputDirectory(directory, durable=True)
    try:
        with InstanceFile(output, HEADER) as file:
            for chunk in DATA:
                file.write(chunk)
            file.commit(output.make_study_directory("study"), BY_UID)
    finally:
        output.close()


def _store_with_long_header(directory: str, _: str) -> None:
    output = OutputDirectory(directory)
    try:
        with InstanceFile(output, HEADER) as file:
            file.write(DATA[0])
            file.flush()
            file.header = HEADER * 3
            file.write(DATA[1])
            file.write(b"?" * len(DATA[2]))
            file.flush()
            file.patch(4000, DATA[2])
            file.commit(directory, BY_UID)
    finally:
        output.close()


def _store_elsewhere(directory: str, scratch: str) -> None:
    output = OutputDirectory(scratch)
    try:
        with InstanceFile(output, HEADER) as file:
            for chunk in DATA:
                file.write(chunk)
            file.commit(directory, BY_UID)
    finally:
        output.close()


def another_file_system(directory: Path) -> str | None:
    """Return a directory on another file system than this one, None if none is at hand."""
    here = directory.stat().st_dev
    places = ("/dev/shm", "/var/tmp", "/run")
    return next((place for place in places if os.stat(place).st_dev != here), None)


def _rename(directory: str, _: str) -> None:
    rename_study(directory, [StudyFile("CT.1", "CT"), StudyFile("MR.2", "MR")])


def _tracker(directory: str) -> tuple[SQLiteStore, Tracker]:
    store = SQLiteStore(f"{directory}.state")
    return store, Tracker(store, EndOfStudy(0.0), Retries())


def _end_round(directory: str) -> None:
    """Have a study end that consists of two files."""
    store, tracker = _tracker(directory)
    sender = Sender("a", "1")
    entered = tracker.enter("1.2", directory, sender, 0.0)
    assert entered is not None
    for name in ("CT.1", "MR.2"):
        tracker.stored(entered, StoredFile(name, name[:2]), sender, 0.0)
    tracker.released("a")
    assert len(tracker.end_due(0.0)) == 1
    store.close()


def _complete_round(directory: str) -> None:
    """Rename what is to be renamed."""
    store, tracker = _tracker(directory)
    with closing(store):
        for ending in tracker.end_due(0.0):
            give_final_names(tracker, ending, durable=True)
            tracker.complete(ending, 0.0)


def _receive(directory: str) -> None:
    """Receive an object of a study and make its record, as a worker does."""
    store, tracker = _tracker(directory)
    storage = StorageSettings(Rules(directory, ByStudyUID("s")), Encoding(), durable=True)
    scp = TrackingStoreSCP(storage, tracker, lambda: 0.0)
    try:
        reception = scp.begin(
            CStoreRQ(1, CT, "1.2.3"), EXPLICIT, PeerIdentity("CT1", "ARCHIVE", "scanner")
        )
        reception.feed(memoryview(data_set("1.2.3", "1")))
        reception.finish()
        scp.end_association()
    finally:
        scp.close()
        store.close()


def _received() -> bytes:
    """Return the file of that object."""
    with tempfile.TemporaryDirectory() as directory:
        os.mkdir(f"{directory}/out")
        _receive(f"{directory}/out")
        return Path(directory, "out", "s_1", "CT.1.2.3").read_bytes()


def _go_on(directory: str) -> None:
    """Start anew on what is there."""
    store, tracker = _tracker(directory)
    tracker.recover(0.0)
    store.close()


SCENARIOS = {
    "new": Scenario(lambda d, _: _store(d, BY_UID), {}, {"CT.1.2.3": NEW}),
    "durable": Scenario(lambda d, _: _store(d, BY_UID, durable=True), {}, {"CT.1.2.3": NEW}),
    "again": Scenario(
        lambda d, _: _store(d, BY_UID),
        {"CT.1.2.3": OLD},
        {"CT.1.2.3": NEW},
        frozenset({"CT.1.2.3"}),
    ),
    "recorded": Scenario(
        lambda d, _: _store_and_record(d, recorded=True),
        {"CT.1.2.3": OLD},
        {"CT.1.2.3": NEW},
        frozenset({"CT.1.2.3"}),
    ),
    "not recorded": Scenario(
        lambda d, _: _store_and_record(d, recorded=False),
        {"CT.1.2.3": OLD},
        {"CT.1.2.3": NEW},
        frozenset({"CT.1.2.3"}),
    ),
    "new and not recorded": Scenario(
        lambda d, _: _store_and_record(d, recorded=False), {}, {"CT.1.2.3": NEW}
    ),
    "elsewhere and not recorded": Scenario(
        lambda d, scratch: _store_and_record(d, recorded=False, elsewhere=scratch),
        {"CT.1.2.3": OLD},
        {"CT.1.2.3": NEW},
        frozenset({"CT.1.2.3"}),
    ),
    "received and recorded": Scenario(
        lambda d, _: _receive(d),
        {"s_1/CT.1.2.3": OLD},
        {"s_1/CT.1.2.3": _received()},
        frozenset({"s_1/CT.1.2.3"}),
        restart=_go_on,
    ),
    "by time": Scenario(
        lambda d, _: _store(d, BY_TIME),
        {"20231114221320123.CT": OLD},
        {"20231114221320123_0000.CT": NEW},
    ),
    "odd UID": Scenario(lambda d, _: _store(d, BY_ODD_UID), {"CT.1_2": OLD}, {"CT.1_2_0000": NEW}),
    "study": Scenario(_store_in_study, {}, {"study/CT.1.2.3": NEW}),
    "long header": Scenario(_store_with_long_header, {}, {"CT.1.2.3": LONG}),
    "elsewhere": Scenario(_store_elsewhere, {}, {"CT.1.2.3": NEW}),
    "rename": Scenario(
        _rename,
        {"CT.1": b"one", "MR.2": b"two", "CT000007": OLD},
        {"CT000008": b"one", "MR000009": b"two"},
        final=False,  # nobody remembers the study
    ),
    "final names": Scenario(
        lambda d, _: _complete_round(d),
        {"CT.1": b"one", "MR.2": b"two", "CT000007": OLD},
        {"CT000008": b"one", "MR000009": b"two"},
        begin=_end_round,
        restart=_complete_round,
    ),
}
