"""Names of unfinished files, and how to tell from them whether anybody is still writing.

A name says which start of which machine, which mark on the output directory (`claim`) and which
process made the file: `BOOT-HOST-CLAIM-PROCESS-NUMBER.part`.
"""

import os
import re
import zlib
from dataclasses import dataclass
from typing import Self

from storescp.storage.files.directory_lock import NO_LOCK, is_claimed

_DAY_SECONDS = 86400

_hidden_name = re.compile(r"([0-9a-f]{8})-([0-9a-f]{8})-([0-9a-f]{1,16})-[0-9]+-[0-9]+\.part")


@dataclass(frozen=True, slots=True)
class FileOwner:
    """The process that makes, or made, unfinished files."""

    boot: str
    """Start of the operating system, the same for all of its containers."""
    host: str
    """Name of the machine or container."""
    claim: int
    """Mark on the output directory, `NO_LOCK` if there could be none."""

    @classmethod
    def on_this_machine(cls, claim: int) -> Self:
        return cls(_digest(_boot_id()), _digest(os.fsencode(os.uname().nodename)), claim)

    @property
    def knows_boot(self) -> bool:
        """True if the system has told its boot ID; a sandbox may hide it."""
        return self.boot != _digest(b"")

    @property
    def hidden_names(self) -> str:
        """Template of the names of its files, to be filled with the process id and a number by `%`."""
        return f"{self.boot}-{self.host}-{self.claim:x}-%d-%d.part"

    def is_gone(self, directory: str, modified: float, now: float) -> bool:
        """Tell whether nobody will go on with a file of this receiver.

        Args:
            directory: the output directory.
            modified: when the file was last written to, seconds since 1970.
            now: seconds since 1970.
        """
        here = self.on_this_machine(self.claim)
        if self.boot == here.boot and self.claim != NO_LOCK:
            return not is_claimed(directory, self.claim)
        if (
            self.boot != here.boot
            and self.host == here.host
            and self.knows_boot
            and here.knows_boot
        ):
            return True
        # Another machine that shares the directory, or one that had no way to mark it. No time
        # limit of a receiver lets a transfer stand still for a day.
        return modified < now - _DAY_SECONDS


def made_by(name: str) -> FileOwner | None:
    """Return the receiver that made a file; None if the name is none of ours."""
    match = _hidden_name.fullmatch(name)
    return FileOwner(match[1], match[2], int(match[3], 16)) if match else None


def _boot_id() -> bytes:
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _digest(text: bytes) -> str:
    return f"{zlib.crc32(text):08x}"
