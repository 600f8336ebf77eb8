"""A file that has got its name, while it is not sure yet that it may stay.

An older file of the name keeps a hidden link for that time. So what is at the name can be put back as it was, at one
stroke, when the object that came turns out not to be stored after all.
"""

import contextlib
import logging
import os

from storescp.storage.files.output_directory import OutputDirectory, fsync_directory

_logger = logging.getLogger("dcmtk.apps.storescp")


class Placement:
    """The name of one file; ends with `settle` or `withdraw`.

    Attributes:
        path: of the file, once it has its name; empty before.
    """

    __slots__ = ("_closes_output", "_descriptor", "_older", "_output", "_place", "path")

    def __init__(self, output: OutputDirectory, place: int, descriptor: int) -> None:
        """Begin before the file gets its name.

        Args:
            output: where it was made.
            place: descriptor of the hidden directory.
            descriptor: of the file, for `Placement` to close: as long as it is open, no other file is taken for it.
        """
        self._output = output
        self._place = place
        self._descriptor = descriptor
        self._older = ""
        self.path = ""
        self._closes_output = False

    def keep_older(self, path: str) -> None:
        """Give what is at a path a hidden link, because another file is about to take its name.

        Where that cannot be, the older file is gone with its name: file systems without links, or files of other users.
        """
        name = self._output.hidden_name()
        try:
            os.link(path, name, dst_dir_fd=self._place, follow_symlinks=False)
        except OSError:
            return
        self._output.retain()
        self._older = name

    def close_with(self) -> None:
        """Have the output directory closed at the end, which was opened for this file only."""
        self._closes_output = True

    def settle(self) -> None:
        """The new file stays: the older one goes. Never raises."""
        if self._older:
            self._drop_older()
        self._end()

    def withdraw(self) -> None:
        """The new file goes: the older one has its name again, or none has. Never raises.

        If another one has come to that name meanwhile, it stays.
        """
        try:
            if self.path and self._is_there():
                self._put_back()
        except OSError as error:
            _logger.error("cannot take back %s: %s", self.path, error.strerror)
        if self._older:
            self._drop_older()
        self._end()

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.lstat(self.path), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def _put_back(self) -> None:
        if self._older:
            os.rename(self._older, self.path, src_dir_fd=self._place)
        else:
            os.unlink(self.path)
        if self._output.durable:
            fsync_directory(os.path.dirname(self.path))

    def _drop_older(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._older, dir_fd=self._place)
        self._output.release()
        self._older = ""

    def _end(self) -> None:
        if self._closes_output:
            self._output.close()
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            try:  # for each object: no `suppress` here, which is too expensive
                os.close(descriptor)
            except OSError:
                return  # nothing was written to it
