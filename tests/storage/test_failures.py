"""Success means stored: whatever the system refuses, the answer is a failure, the log says why, and nothing is left."""

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from storescp.dataset.encoding import Encoding
from storescp.dimse.command import CStoreRQ
from storescp.storage.naming.rules import ByStudyUID, Flat, Layout, Rules
from storescp.storage.reception import Outcome
from storescp.storage.settings import StorageSettings
from storescp.storage.store_scp import StoreSCP
from storescp.storage.studies.user_commands import PeerIdentity
from storescp.uids import TRANSFER_SYNTAXES
from tests.peers.dicom import Syntax
from tests.peers.requestor import CT_IMAGE_STORAGE
from tests.storage.system_calls import watched

LITTLE = TRANSFER_SYNTAXES["1.2.840.10008.1.2.1"]
LOGGER = "dcmtk.apps.storescp"
REASONS = {
    "disk full": errno.ENOSPC,
    "quota": errno.EDQUOT,
    "read-only": errno.EROFS,
    "input/output error": errno.EIO,
    "permission": errno.EACCES,
    "not permitted": errno.EPERM,
    "file-size limit": errno.EFBIG,
    "too many open files": errno.EMFILE,
    "too many open files in all": errno.ENFILE,
    "no memory": errno.ENOMEM,
    "stale file handle": errno.ESTALE,
}
STEPS = ("open", "writev", "fsync", "close", "renameat2 or rename")
"""What an object costs, each of which may be refused."""
MODES = {
    "normal": StorageSettings(Rules(), Encoding()),
    "bit-preserving": StorageSettings(Rules(), Encoding(), bit_preserving=True),
    "by study": StorageSettings(Rules(layout=ByStudyUID("s")), Encoding()),
}


def data_set(instance: str) -> bytes:
    syntax = Syntax()
    return b"".join(
        (
            syntax.element(0x00080016, "UI", CT_IMAGE_STORAGE),
            syntax.element(0x00080018, "UI", instance),
            syntax.element(0x0020000D, "UI", "1.9"),
        )
    )


@contextmanager
def storage(directory: Path, mode: StorageSettings, *, durable: bool = True) -> Iterator[StoreSCP]:
    rules = Rules(directory=str(directory), layout=mode.rules.layout)
    scp = StoreSCP(
        StorageSettings(rules, mode.encoding, bit_preserving=mode.bit_preserving, durable=durable),
        lambda _: None,
    )
    yield scp
    scp.close()


def receive(scp: StoreSCP, instance: str) -> Outcome:
    """Do what a C-STORE does."""
    request = CStoreRQ(1, CT_IMAGE_STORAGE, instance)
    reception = scp.begin(request, LITTLE, PeerIdentity("PEER", "US", "10.1.2.3"))
    data = data_set(instance)
    reception.feed(memoryview(data)[:50])
    reception.flush()
    reception.feed(memoryview(data)[50:])
    return reception.finish()


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.rglob("*") if path.is_file())


def failing(step: str, number: int) -> Any:
    """Refuse the first call of a kind that has to do with an object."""
    failed: list[str] = []

    def before(_: int, name: str, arguments: tuple[Any, ...]) -> None:
        if failed or name not in step:
            return
        if name == "open" and not str(arguments[0]).endswith(".part"):
            return
        failed.append(name)
        raise OSError(number, os.strerror(number))

    return before


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("reason", REASONS)
def test_no_step_may_fail_unnoticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: str, step: str, reason: str
) -> None:
    """A700, or C000 for a study directory that cannot be had; the reason in the log; no file; the next one succeeds."""
    caplog.set_level(logging.ERROR, LOGGER)
    number = REASONS[reason]
    with storage(tmp_path, MODES[mode]) as scp:
        assert receive(scp, "1.1").status == 0
        with watched(failing(step, number)):
            outcome = receive(scp, "1.2")

        assert outcome.status == 0xA700
        assert outcome.received is None
        assert files(tmp_path) == ["CT.1.1"]
        directory = tmp_path if mode != "by study" else _where(step, tmp_path)
        assert caplog.messages == [
            f"cannot write DICOM file: {directory}/CT.1.2: {os.strerror(number)}"
        ]
        assert receive(scp, "1.2").status == 0
    assert files(tmp_path) == ["CT.1.1", "CT.1.2"]


def _where(step: str, directory: Path) -> Path:
    """Return the directory that the log names: which study it is is known only when all was received."""
    return directory if step in ("open", "writev") else directory / "s_1.9"


@pytest.mark.parametrize("layout", [Flat(), ByStudyUID("s")], ids=["flat", "by study"])
def test_a_name_that_is_only_half_on_disk_is_no_success(tmp_path: Path, layout: Layout) -> None:
    """With `--fsync`, the name counts too: if the directory cannot be brought to disk, the peer has to send again."""
    synchronised = []

    def before(_: int, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "fsync":
            synchronised.append(os.readlink(f"/proc/self/fd/{arguments[0]}"))
            if os.path.isdir(synchronised[-1]) and "CT.1.2" in files(tmp_path):
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    with storage(tmp_path, StorageSettings(Rules(layout=layout), Encoding())) as scp:
        assert receive(scp, "1.1").status == 0
        with watched(before):
            assert receive(scp, "1.2").status == 0xA700

        assert receive(scp, "1.2").status == 0


@pytest.mark.parametrize("reason", REASONS)
def test_a_study_directory_that_cannot_be_made(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, reason: str
) -> None:
    """C000, as the reference has it; the next object of the study gets its directory."""
    caplog.set_level(logging.ERROR, LOGGER)
    number = REASONS[reason]

    def before(_: int, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "mkdir" and str(arguments[0]).endswith("s_1.9"):
            raise OSError(number, os.strerror(number))

    with storage(tmp_path, MODES["by study"]) as scp:
        with watched(before):
            assert receive(scp, "1.2").status == 0xC000
        assert files(tmp_path) == []
        assert caplog.messages == [
            f"could not create subdirectory for study: {tmp_path}/s_1.9: {os.strerror(number)}"
        ]

        assert receive(scp, "1.2").status == 0
