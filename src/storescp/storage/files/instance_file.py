"""An instance file: it grows under a hidden name and gets its final one when it is complete.

Chunks are only collected until `flush`, which hands them to the kernel together; no byte is copied
here but where one is patched. What the system refuses is an `OutOfResources`, whose text is the
reason alone, for `cannot write DICOM file: PATH: REASON`.
"""

import contextlib
import errno
import os
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from storescp.errors import Limit, OutOfResources, StatusError
from storescp.storage.files.directory_lock import close_quietly
from storescp.storage.files.existing_file import stored_instance_uid
from storescp.storage.files.output_directory import OutputDirectory, fsync_directory
from storescp.storage.files.placement import Placement
from storescp.storage.files.rename_noreplace import rename_new
from storescp.storage.naming.rules import FileName

_IOV_MAX = 1024
"""Buffers per system call, Linux."""
_MAXIMUM_BUFFERED_BYTES = 4 << 20
_MAXIMUM_BUFFERED_CHUNKS = 16 * _IOV_MAX
"""Limits of data that are collected before they are written: inflated data and tiny chunks add up."""
_COPY_BYTES = 1 << 30


class StoredInstance(NamedTuple):
    """A complete instance file."""

    directory: str
    name: str
    replaced: bool
    """True if an older file of this name is gone, as far as anybody looked."""
    placement: Placement | None = None
    """Means of withdrawing the file, if that was asked for."""

    @property
    def path(self) -> str:
        return os.path.join(self.directory, self.name)


class InstanceFile:
    """A file in the making; leaving the `with` block without a commit removes it.

    Positions count from the first byte after the header, that is, of the data set.
    """

    __slots__ = (
        "_begun",
        "_descriptor",
        "_end",
        "_header",
        "_name",
        "_output",
        "_pending",
        "_place",
        "_starts",
        "_written",
    )

    def __init__(self, output: OutputDirectory, header: bytes = b"") -> None:
        """Create the hidden file.

        Args:
            output: where.
            header: what precedes the data set: preamble and File Meta Information, or nothing.

        Raises:
            OutOfResources: it cannot be created.
        """
        self._output = output
        self._header = header
        self._pending: list[bytes | bytearray | memoryview] = [header]
        self._starts: list[int] = []  # positions of the pending chunks, as far as a patch asked
        self._written = -len(header)  # position of the first pending byte
        self._end = 0  # position after the last one
        self._begun = False  # whether the header was flushed
        try:
            self._place, self._descriptor, self._name = output.open_hidden()
        except OSError as error:
            raise _out_of_resources(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.discard()

    def write(self, chunk: bytes | memoryview) -> None:
        """Append bytes; a view must stay valid until the next `flush`.

        Raises:
            OutOfResources: so much had been collected that it was flushed, and that failed.
        """
        self._pending.append(chunk)
        self._end += len(chunk)
        if (
            self._end - self._written > _MAXIMUM_BUFFERED_BYTES
            or len(self._pending) > _MAXIMUM_BUFFERED_CHUNKS
        ):
            self.flush()

    def write_all(self, chunks: Sequence[memoryview], length: int) -> None:
        """Append views, of so many bytes altogether; as `write` does each of them."""
        self._pending.extend(chunks)
        self._end += length
        if (
            self._end - self._written > _MAXIMUM_BUFFERED_BYTES
            or len(self._pending) > _MAXIMUM_BUFFERED_CHUNKS
        ):
            self.flush()

    def flush(self) -> None:
        """Write what was collected.

        Raises:
            OutOfResources: that failed, or the file would be larger than is allowed.
        """
        pending = self._pending
        if not pending:
            return
        if self._end + len(self._header) > self._output.maximum_size:
            raise OutOfResources(
                f"larger than {self._output.maximum_size >> 20} megabytes, which is the limit",
                limit=Limit.OBJECT_SIZE,
            )
        try:
            if len(pending) <= _IOV_MAX:
                written = os.writev(self._descriptor, pending)
                if written != self._end - self._written:
                    _write_rest(self._descriptor, pending, written)
            else:
                for first in range(0, len(pending), _IOV_MAX):
                    batch = pending[first : first + _IOV_MAX]
                    _write_rest(self._descriptor, batch, os.writev(self._descriptor, batch))
        except OSError as error:
            raise _out_of_resources(error) from error
        pending.clear()
        self._starts.clear()
        self._written = self._end
        self._begun = True

    def patch(self, position: int, data: bytes) -> None:
        """Overwrite bytes that were written before, flushed or not.

        Raises:
            OutOfResources: they cannot be written.
            ValueError: they were not written before.
        """
        if not 0 <= position <= self._end - len(data):
            raise ValueError(f"{len(data)} bytes at {position} of {self._end}")
        if position < self._written:
            there = data[: self._written - position]
            self._write_at(len(self._header) + position, there)
            position, data = position + len(there), data[len(there) :]
        if data:
            self._note_starts()
        while data:
            index = bisect_right(self._starts, position) - 1
            start, chunk = self._starts[index], self._pending[index]
            if not isinstance(chunk, bytearray):
                # A view shows the receive buffer, which is not ours to change.
                chunk = self._pending[index] = bytearray(chunk)
            here = data[: start + len(chunk) - position]
            chunk[position - start : position - start + len(here)] = here
            position, data = position + len(here), data[len(here) :]

    def _note_starts(self) -> None:
        """Note the start of each pending chunk: only patches need it."""
        noted = len(self._starts)
        position = self._starts[-1] + len(self._pending[noted - 1]) if noted else self._written
        for chunk in self._pending[noted:]:
            self._starts.append(position)
            position += len(chunk)

    def _write_at(self, offset: int, data: bytes) -> None:
        try:
            while data:
                written = os.pwrite(self._descriptor, data, offset)
                offset, data = offset + written, data[written:]
        except OSError as error:
            raise _out_of_resources(error) from error

    def read(self, position: int, length: int) -> bytes:
        """Return bytes that were written; fewer than `length` only at the end.

        Raises:
            OutOfResources: they cannot be read, or not be flushed before.
        """
        self.flush()
        pieces = []
        try:
            while length > 0:
                piece = os.pread(self._descriptor, length, len(self._header) + position)
                if not piece:
                    break
                pieces.append(piece)
                position, length = position + len(piece), length - len(piece)
        except OSError as error:
            raise _out_of_resources(error) from error
        return b"".join(pieces)

    @property
    def size(self) -> int:
        """Bytes of the file, once all of it is written."""
        return len(self._header) + self._end

    @property
    def is_there(self) -> bool:
        """True if the file still has a name: somebody may have removed it, with its directory."""
        return os.fstat(self._descriptor).st_nlink > 0

    @property
    def header(self) -> bytes:
        """Preamble and File Meta Information, which precede the data set."""
        return self._header

    @header.setter
    def header(self, header: bytes) -> None:
        """Put another one in its place.

        If the old one was flushed and is of another length, the kernel copies the file.

        Raises:
            OutOfResources: it cannot be written.
        """
        if not self._begun:
            self._pending[0] = header
            self._starts.clear()
            self._written = -len(header)
        elif len(header) == len(self._header):
            self._write_at(0, header)
        else:
            self._move_behind(header)
        self._header = header

    def _move_behind(self, header: bytes) -> None:
        with InstanceFile(self._output, header) as other:
            other.flush()
            try:
                _copy(self._descriptor, len(self._header), other._descriptor)
            except OSError as error:
                raise _out_of_resources(error) from error
            # The other one leaves with the old file, to remove it.
            self._descriptor, other._descriptor = other._descriptor, self._descriptor
            self._place, other._place = other._place, self._place
            self._name, other._name = other._name, self._name

    def commit(
        self,
        directory: str,
        name: FileName,
        *,
        look: bool = True,
        keep: bool = False,
        restore: Callable[[str], None] | None = None,
    ) -> StoredInstance:
        """Complete the file and give it its final name, at one stroke.

        When this returns, a reader finds the whole file. If it raises, the file is gone and an
        older one of the name is as it was; but if only bringing the name to disk failed (a durable
        output directory), the new file is there, unless it was asked to keep the older one.

        Args:
            directory: path of an existing directory.
            name: says whether an older file of this name is replaced or another name is taken.
            look: whether to look for an older file that is replaced, so as to tell.
            keep: whether to keep that; the caller ends the `placement` of what is returned.
            restore: makes the directory anew if it is gone, where somebody else may have moved it away.

        Raises:
            OutOfResources: the file cannot be written or cannot get this name.
            StatusError: the directory cannot be made anew.
        """
        self.flush()
        placement = None
        try:
            if self._output.durable:
                os.fsync(self._descriptor)
            if keep:
                placement = Placement(self._output, self._place, os.dup(self._descriptor))
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)  # NFS reports here what it could not write
            try:
                stored = self._place_at(directory, name, placement, look=look)
            except FileNotFoundError:
                if restore is None:
                    raise
                restore(directory)
                stored = self._place_at(directory, name, placement, look=look)
            placement = stored.placement  # on another file system it is another one
            self._forget()
            if self._output.durable:
                fsync_directory(directory)
        except (OSError, StatusError) as error:
            if placement is not None:
                placement.withdraw()
            if isinstance(error, OSError):
                raise _out_of_resources(error) from error
            raise
        return stored

    def discard(self) -> None:
        """Remove the file unless it was committed. Never raises."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            close_quietly(descriptor)
        if self._name:
            with contextlib.suppress(OSError):
                os.unlink(self._name, dir_fd=self._place)
            self._forget()

    def _forget(self) -> None:
        self._name = ""
        self._pending.clear()
        self._output.release()

    def _place_at(
        self, directory: str, name: FileName, placement: Placement | None, *, look: bool
    ) -> StoredInstance:
        try:
            stored = self._rename(directory, name, placement, look=look)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        else:
            if placement is not None:
                placement.path = f"{directory}/{stored.name}"
            return stored
        if placement is not None:
            placement.settle()  # it is another file that gets the name
        return self._copy_to(directory, name, keep=placement is not None)

    def _rename(
        self, directory: str, name: FileName, placement: Placement | None, *, look: bool
    ) -> StoredInstance:
        if "/" in name.text:  # from a file name extension
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name.text)
        if not name.stem:
            path = f"{directory}/{name.text}"
            replaced = (look or placement is not None) and os.access(
                path, os.F_OK, follow_symlinks=False
            )
            if replaced and placement is not None:
                placement.keep_older(path)
            os.rename(self._name, path, src_dir_fd=self._place)
            return StoredInstance(directory, name.text, replaced, placement)
        choices = name.choices()
        while True:
            text = next(choices)
            path = f"{directory}/{text}"
            try:
                rename_new(self._name, path, source_directory=self._place)
            except FileExistsError:
                if name.instance_uid and stored_instance_uid(path) == name.instance_uid:
                    if placement is not None:
                        placement.keep_older(path)
                    os.rename(self._name, path, src_dir_fd=self._place)
                    return StoredInstance(directory, text, replaced=True, placement=placement)
            else:
                return StoredInstance(directory, text, replaced=False, placement=placement)

    def _copy_to(self, directory: str, name: FileName, *, keep: bool) -> StoredInstance:
        """Commit to a directory on another file system: from a hidden place there."""
        if directory == self._output.path:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), directory)
        output = OutputDirectory(
            directory, durable=self._output.durable, reserve=self._output.reserve
        )
        output.remove_leftovers(time.time())
        placement = None
        source = os.open(self._name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=self._place)
        try:
            with InstanceFile(output) as copy:
                _copy(source, 0, copy._descriptor)
                stored = copy.commit(directory, name, keep=keep)
                placement = stored.placement
        finally:
            close_quietly(source)
            if placement is None:
                output.close()
            else:
                placement.close_with()
        with contextlib.suppress(OSError):
            os.unlink(self._name, dir_fd=self._place)
        return stored


def _out_of_resources(error: OSError) -> OutOfResources:
    return OutOfResources(error.strerror or str(error))


def _write_rest(
    descriptor: int, chunks: list[bytes | bytearray | memoryview], written: int
) -> None:
    """Write what is left of chunks, so many bytes of which were written at once."""
    for chunk in chunks:
        if written >= len(chunk):
            written -= len(chunk)
            continue
        rest = memoryview(chunk)[written:]
        written = 0
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def _copy(source: int, offset: int, target: int) -> None:
    """Append the rest of a file to another, in the kernel."""
    while copied := os.sendfile(target, source, offset, _COPY_BYTES):
        offset += copied
