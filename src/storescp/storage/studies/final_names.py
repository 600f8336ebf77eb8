"""The files of a finished round get their final names: `CT000001`, `CT000002`, `MR000003`; also after a crash midway.

The final names of all files are recorded before the first file gets its own. So a process that continues sees what was done.
"""

import logging
import os
from collections.abc import Iterator

from storescp.errors import OutOfResources
from storescp.storage.files.output_directory import fsync_directory
from storescp.storage.files.rename_noreplace import rename_new
from storescp.storage.studies.renaming import last_number
from storescp.storage.studies.study_store import Round, StoredFile
from storescp.storage.studies.tracker import Tracker

_logger = logging.getLogger("dcmtk.apps.storescp")


def give_final_names(tracker: Tracker, round_: Round, *, durable: bool = False) -> None:
    """Rename all files of a round; see `rename_files`."""
    for _ in rename_files(tracker, round_, durable=durable):
        pass


def rename_files(tracker: Tracker, round_: Round, *, durable: bool = False) -> Iterator[None]:
    """Rename the files of a round in the order in which they came, one at each step of the iterator.

    Existing files are never replaced. Numbers follow those that the directory holds from earlier rounds. A file that
    cannot be renamed keeps its name and costs a number; the log says so. Whoever stops midway begins anew: what is done
    already stays done.

    Raises:
        OutOfResources: the record cannot be made, or the names cannot be brought to disk.
    """
    files = tracker.files(round_)
    if not any(file.final for file in files):
        number = last_number(round_.directory)
        files = [
            file._replace(final=f"{file.letters}{number + count:06}")
            for count, file in enumerate(files, 1)
        ]
        tracker.name_files(round_, [(file.name, file.final) for file in files])
    for file in files:
        if file.final:
            _rename(tracker, round_, file)
            yield
    if durable:
        try:
            fsync_directory(round_.directory)
        except FileNotFoundError:
            return  # somebody has moved it away, with what was in it
        except OSError as error:
            raise OutOfResources(
                f"cannot bring names in {round_.directory} to disk: {error.strerror}",
                identifies=True,
            ) from error


def _rename(tracker: Tracker, round_: Round, file: StoredFile) -> None:
    """Give a file its name, or the next one that is free."""
    source = os.path.join(round_.directory, file.name)
    while True:
        target = os.path.join(round_.directory, file.final)
        try:
            rename_new(source, target)
        except FileExistsError:
            if not os.path.lexists(source):
                return  # it has its name already
            number = max(last_number(round_.directory), int(file.final[len(file.letters) :])) + 1
            file = file._replace(final=f"{file.letters}{number:06}")
            tracker.name_files(round_, [(file.name, file.final)])
        except FileNotFoundError:
            if not os.path.lexists(target):
                _logger.warning("cannot rename file '%s' to '%s'", source, target)
            return
        except OSError:
            _logger.warning("cannot rename file '%s' to '%s'", source, target)
            tracker.name_files(round_, [(file.name, "")])
            return
        else:
            return
