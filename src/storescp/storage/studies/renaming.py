"""Files of a finished study get short names: `CT000001`, `CT000002`, `MR000003`."""

import logging
import os
import re
from collections.abc import Iterable

from storescp.storage.files.output_directory import fsync_directory
from storescp.storage.files.rename_noreplace import rename_new
from storescp.storage.studies.current_study import StudyFile

_logger = logging.getLogger("dcmtk.apps.storescp")

_numbered = re.compile(r"..([0-9]{6,})")


def rename_study(directory: str, files: Iterable[StudyFile], *, durable: bool = False) -> None:
    """Rename the files of a study in their order; existing files are never replaced.

    Numbers follow those that the directory holds from earlier rounds of the study. A file that
    cannot be renamed keeps its name and costs a number; the log says so, and if the names cannot be brought to disk.
    """
    number = last_number(directory)
    for file in files:
        number = _rename(directory, file, number + 1)
    if durable:
        try:
            fsync_directory(directory)
        except FileNotFoundError:
            return  # it was moved away: each file has said so
        except OSError as error:
            _logger.error("cannot bring names of files to disk: %s: %s", directory, error.strerror)


def _rename(directory: str, file: StudyFile, number: int) -> int:
    """Give a file the first free number from `number` on; return the number that was used up."""
    source = os.path.join(directory, file.name)
    while True:
        target = os.path.join(directory, f"{file.letters}{number:06}")
        try:
            rename_new(source, target)
        except FileExistsError:
            number += 1
        except OSError:
            _logger.warning("cannot rename file '%s' to '%s'", source, target)
            return number
        else:
            return number


def last_number(directory: str) -> int:
    """Return the greatest number in the directory, 0 if there is none."""
    try:
        matches = map(_numbered.fullmatch, os.listdir(directory))
        return max((int(match[1]) for match in matches if match), default=0)
    except OSError:
        return 0
