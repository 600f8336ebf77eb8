"""Names of the files and directories of received instances.

Pure: names follow from identifiers, the rules and the time that is passed in. Nothing here looks
whether a name is free; `writer` does, when a file gets its name.
"""

import itertools
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from storescp.errors import CannotUnderstand, ConfigurationError, Limit
from storescp.printable import printable
from storescp.storage.naming.person_name import directory_text
from storescp.storage.naming.sanitise import sanitise
from storescp.storage.naming.unique_uid import unique_uid
from storescp.uids import modality_prefix

_logger = logging.getLogger("dcmtk.apps.storescp")

UNKNOWN = "UNKNOWN"
"""Modality prefix of SOP classes that have none."""

_NAME_MAX_BYTES = 255
"""Bytes in a file name, on every file system that matters (NAME_MAX)."""


def _check_prefix(prefix: str) -> None:
    if prefix.startswith("/") or ".." in prefix.split("/"):
        raise ConfigurationError(f'prefix "{prefix}" would lead out of the output directory')


@dataclass(frozen=True, slots=True)
class Flat:
    """All files in the output directory itself."""


@dataclass(frozen=True, slots=True)
class ByStudyUID:
    """A directory per study, named by its Study Instance UID.

    Raises:
        ConfigurationError: the prefix would lead out of the output directory.
    """

    prefix: str

    def __post_init__(self) -> None:
        _check_prefix(self.prefix)


@dataclass(frozen=True, slots=True)
class ByTimestamp:
    """A directory per study, named by the time of its first object.

    Raises:
        ConfigurationError: the prefix would lead out of the output directory.
    """

    prefix: str

    def __post_init__(self) -> None:
        _check_prefix(self.prefix)


@dataclass(frozen=True, slots=True)
class ByPatientName:
    """A directory per study, named by the patient and the time of its first object."""


Sorting = ByStudyUID | ByTimestamp | ByPatientName
Layout = Flat | Sorting


class FileNames(Enum):
    """Schemes of file names."""

    FROM_INSTANCE_UID = "from instance UID"
    UNIQUE = "unique"
    FROM_TIME = "from time"


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules for the directories and names of instances."""

    directory: str = "."
    """The output directory; trailing slashes do not count, and nothing means the current one."""
    layout: Layout = Flat()
    file_names: FileNames = FileNames.FROM_INSTANCE_UID
    extension: str = ""
    """Appended to file names as it is, without a dot of its own."""

    def __post_init__(self) -> None:
        directory = self.directory.rstrip("/") or ("/" if self.directory else ".")
        object.__setattr__(self, "directory", directory)


class FileName(NamedTuple):
    """The name that a file shall have, and what to do when it is taken."""

    text: str
    prefix: str
    """Modality prefix of the object's SOP class, `UNKNOWN` if it has none."""
    stem: str = ""
    """Empty: an older file of this name is replaced. Otherwise the part of `text` after which a
    number is inserted until a name is free."""
    instance_uid: str = ""
    """SOP Instance UID: with `stem`, an older file that holds this very instance is replaced nevertheless."""

    def choices(self) -> Iterator[str]:
        """Yield the names to try, best first: `T.CT`, `T_0000.CT`, `T_0001.CT`, and so on."""
        yield self.text
        rest = self.text[len(self.stem) :]
        for number in itertools.count():
            yield f"{self.stem}_{number:04}{rest}"


def file_name(
    rules: Rules,
    sop_class_uid: str,
    sop_instance_uid: str,
    now: float,
    make_uid: Callable[[], str] = unique_uid,
) -> FileName:
    """Return the name for the instance that a C-STORE-RQ announces.

    Args:
        rules: the mode and the extension.
        sop_class_uid: Affected SOP Class UID (0000,0002).
        sop_instance_uid: Affected SOP Instance UID (0000,1000), one character per byte.
        now: seconds since 1970 when the request was read.
        make_uid: makes a unique UID.
    """
    prefix = modality_prefix(sop_class_uid) or UNKNOWN
    match rules.file_names:
        case FileNames.FROM_INSTANCE_UID:
            return _from_instance_uid(prefix, sop_instance_uid, rules.extension)
        case FileNames.UNIQUE:
            return FileName(f"{prefix}.X.{make_uid()}{rules.extension}", prefix)
        case FileNames.FROM_TIME:
            stem = "".join(_local_time(now))
            return FileName(f"{stem}.{prefix}{rules.extension}", prefix, stem)


def _from_instance_uid(prefix: str, uid: str, extension: str) -> FileName:
    clean, changed = sanitise(uid)
    stem = f"{prefix}.{clean}"
    if not changed:
        return FileName(stem + extension, prefix)
    _logger.warning(
        'Sanitized unusual characters in SOP Instance UID, converted from "%s" to "%s".',
        printable(uid),
        clean,
    )
    # Another instance may have been sanitised to the same name: it must not be lost.
    return FileName(stem + extension, prefix, stem, uid)


def study_uid(value: bytes | None) -> str:
    """Return the Study Instance UID that sorting goes by, one character per byte.

    Args:
        value: value of (0020,000D) at the top level of the data set; None if absent or not a text.
            The first of several values counts, up to its first NUL and without white space.

    Raises:
        CannotUnderstand: there is none.
    """
    first = (value or b"").split(b"\\", 1)[0].split(b"\0", 1)[0]
    uid = b"".join(first.split()).decode("latin-1")
    if not uid:
        raise CannotUnderstand(
            "element StudyInstanceUID (0020,000d) absent or empty in data set", limit=Limit.SORTING
        )
    return uid


def study_directory(
    layout: Sorting,
    uid: str,
    patient_name: bytes | None,
    character_set: bytes | None,
    now: float,
) -> str:
    """Return the name, within the output directory, of the directory for a study that begins.

    Args:
        layout: the kind of name.
        uid: Study Instance UID as `study_uid` gives it.
        patient_name: value of (0010,0010) of the study's first object, None if absent.
        character_set: value of (0008,0005), None if absent.
        now: seconds since 1970 when the data set had been received.

    Raises:
        CannotUnderstand: the name would be that of the output directory itself, or of its parent.
    """
    match layout:
        case ByStudyUID(prefix):
            return _by_study_uid(prefix, uid)
        case ByTimestamp(prefix):
            return _prefixed(prefix, "_".join(_local_time(now)))
        case ByPatientName():
            stamp = "_".join(_local_time(now))
            # Longer names fail in DCMTK, and with them the whole study.
            name = directory_text(patient_name, character_set)[: _NAME_MAX_BYTES - 1 - len(stamp)]
            return f"{name}_{stamp}"


def _by_study_uid(prefix: str, uid: str) -> str:
    clean, changed = sanitise(uid)
    if changed:
        _logger.warning(
            'Sanitized unusual characters in Study Instance UID, converted from "%s" to "%s".',
            printable(uid),
            clean,
        )
    name = _prefixed(prefix, clean)
    if name in {"", os.curdir, os.pardir}:
        raise CannotUnderstand(
            f'Refusing to use subdirectory name "{name}" derived from received attributes '
            "(would resolve to the output directory itself or its parent)",
            limit=Limit.SORTING,
            identifies=True,
        )
    return name


def _prefixed(prefix: str, name: str) -> str:
    return f"{prefix}_{name}" if prefix else name


def _local_time(now: float) -> tuple[str, str]:
    """Return YYYYMMDD and hhmmssmmm."""
    # In whole microseconds first: as a float, .123 seconds is often a little less than that.
    seconds, microseconds = divmod(round(now * 1_000_000), 1_000_000)
    local = time.localtime(seconds)
    return (
        time.strftime("%Y%m%d", local),
        f"{time.strftime('%H%M%S', local)}{microseconds // 1000:03}",
    )
