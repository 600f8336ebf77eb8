"""Target of the whole path: a peer's bytes → association → messages → files, log lines and commands.

Only the socket is missing. What must hold besides the want of exceptions: files lie in the output directory
under harmless names, nothing unfinished stays, a success has its file, and no control character of the
peer's reaches the log or a command line.
"""

import contextlib
import logging
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import product

from storescp.serve.association.connection import Connection, Disturbances
from storescp.serve.association.deadlines import Timeouts
from storescp.serve.process.signals import Signals
from storescp.serve.reporting.association_reporter import AssociationReporter
from storescp.storage.naming.rules import (
    ByPatientName,
    ByStudyUID,
    ByTimestamp,
    FileNames,
    Flat,
    Layout,
    Rules,
)
from storescp.storage.settings import StorageSettings
from storescp.storage.store_scp import StoreSCP
from storescp.storage.studies.user_commands import Command
from storescp.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from storescp.upper_layer.negotiation import storage_policy
from tests.dataset.support import UIDS, element
from tests.fuzz.data_sets import encoding_of
from tests.fuzz.scratch import scratch
from tests.fuzz.target import Choices, Target, check_log
from tests.peers.requestor import (
    ABORT_REQUEST,
    CT_IMAGE_STORAGE,
    RELEASE_REQUEST,
    VERIFICATION,
    Context,
    associate_request,
    command_set,
    echo_command,
    p_data,
    pdv,
    short,
)

_LAYOUTS: tuple[Layout, ...] = (
    Flat(),
    ByStudyUID("study"),
    ByStudyUID(""),
    ByTimestamp("t"),
    ByPatientName(),
)
_POLICY = storage_policy((EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN))
_CONTEXTS = (
    Context(1, CT_IMAGE_STORAGE, (EXPLICIT_VR_LITTLE_ENDIAN,)),
    Context(3, CT_IMAGE_STORAGE, (IMPLICIT_VR_LITTLE_ENDIAN,)),
    Context(5, VERIFICATION, (IMPLICIT_VR_LITTLE_ENDIAN,)),
)
_harmless = re.compile(r"[0-9A-Za-z .:@_-]*").fullmatch
_command = re.compile(
    r'run (\S+/files\S*|#p) ([0-9A-Za-z .:@_-]+|#f) ("[0-9A-Za-z .:@_-]*" ?){3}'
).fullmatch


class Peer:
    """A transport at whose other end a script is played."""

    def __init__(self, stream: bytes, piece: int, *, falls_silent: bool) -> None:
        self.sent = bytearray()
        self._stream = stream
        self._piece = piece
        self._falls_silent = falls_silent

    def receive_into(self, room: memoryview) -> int:
        count = min(len(room), self._piece, len(self._stream))
        room[:count], self._stream = self._stream[:count], self._stream[count:]
        if not count and self._falls_silent:
            raise TimeoutError("nothing more")
        return count

    def receive_ready(self, room: memoryview) -> int | None:
        return self.receive_into(room)

    def send_all(self, data: bytes) -> None:
        self.sent += data
        assert len(self.sent) < 1 << 20

    def set_timeout(self, seconds: float | None) -> None:
        assert seconds is None or seconds > 0

    def fileno(self) -> int:
        return -1

    def part(self) -> None:
        """Nothing to say."""

    def close(self) -> None:
        """Nothing to close."""


class _Log(logging.Handler):
    """Looks at every line."""

    def emit(self, record: logging.LogRecord) -> None:
        check_log(record.getMessage())


@cache
def _log() -> _Log:
    return _Log()


@contextlib.contextmanager
def _watched_log() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers, last_resort = root.level, root.handlers[:], logging.lastResort
    root.handlers[:] = [_log()]
    root.setLevel(1)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.lastResort = last_resort


def run(data: bytes) -> None:
    """Whatever a peer does, it gets answers, and only whole files with harmless names stay."""
    choices = Choices(data)
    mode, flags, piece = choices.byte(), choices.byte(), choices.byte()
    directory = scratch() + "/files"
    storage = StorageSettings(
        Rules(directory, _LAYOUTS[mode % 5], tuple(FileNames)[mode // 5 % 3]),
        encoding_of(choices),
        bit_preserving=flags & 3 == 3,
        with_meta=not flags & 4,
        ignore=flags & 24 == 24,
        exec_on_reception="run #p #f #a #c #r",
        rename_on_eostudy=bool(mode % 5 in (1, 2) and flags & 32),
        eostudy_timeout=None if flags & 64 else 10.0,
    )
    peer = Peer(_script(choices.rest()), piece * 16 + 1, falls_silent=bool(flags & 128))
    now = iter(range(1_700_000_000, 1_800_000_000))
    commands: list[Command] = []
    os.mkdir(directory)
    try:
        with _watched_log():
            store = StoreSCP(
                storage, commands.append, wall_clock=lambda: 1.7e9, clock=lambda: float(next(now))
            )
            connection = Connection(
                peer,
                "peer.example.org",
                _POLICY,
                store,
                Signals(),
                AssociationReporter("peer.example.org", _POLICY),
                timeouts=Timeouts(socket=60.0, acse=1e9, dimse=5.0, idle=20.0),
                disturbances=Disturbances(),
                clock=lambda: float(next(now)),
            )
            connection.serve()
            store.end_association()
            store.close()
        stored = _check_files(directory)
        assert bool(stored) or not commands or storage.ignore, "a success has no file"
        for command in commands:
            assert _command(command.line), command.line
            assert "\0" not in "".join(command.environment.values())
    finally:
        shutil.rmtree(directory)


def _check_files(directory: str) -> list[str]:
    stored = []
    for path, directories, files in os.walk(directory):
        for name in (*directories, *files):
            assert _harmless(name), f"a name that is not harmless: {name!r}"
            assert not name.startswith(".storescp-"), f"{name} stays"
            assert len(name) <= 255
        stored += [os.path.join(path, name) for name in files]
    return stored


def _script(data: bytes) -> bytes:
    """Play a script: operations of a byte each, with a length of two bytes and what is sent."""
    stream = bytearray()
    position = 0
    while position + 3 <= len(data):
        operation = data[position]
        length = int.from_bytes(data[position + 1 : position + 3], "big") & 0x7FF
        value = data[position + 3 : position + 3 + length]
        position += 3 + length
        context = 1 + 2 * (operation >> 4 & 3)
        match operation & 15:
            case 0:
                stream += value
            case 1 | 8:
                stream += associate_request(
                    _CONTEXTS, calling=value[:16], called=value[16:32] or b"X"
                )
            case 2:
                stream += p_data(pdv(context, 3, value))
            case 3 | 9:
                stream += p_data(pdv(context, 2, value))
            case 4:
                stream += p_data(pdv(context, 0, value))
            case 5 | 10 | 11:
                stream += p_data(pdv(context, 3, _store(value)))
            case 6:
                stream += p_data(pdv(context, 3, echo_command()))
            case 7:
                stream += RELEASE_REQUEST
            case _:
                stream += ABORT_REQUEST
    return bytes(stream)


def _store(instance: bytes) -> bytes:
    return command_set(
        (
            (0x0002, CT_IMAGE_STORAGE.encode() + b"\0"),
            (0x0100, short(1)),
            (0x0110, short(7)),
            (0x0700, short(0)),
            (0x0800, short(1)),
            (0x1000, instance + b"\0" * (len(instance) % 2)),
        )
    )


def _step(operation: int, value: bytes = b"") -> bytes:
    return bytes((operation,)) + len(value).to_bytes(2, "big") + value


def _seeds() -> Iterable[bytes]:
    hello = _step(1, b"SCU".ljust(16) + b"SCP")
    data_sets = (
        UIDS + element(0x00100010, "PN", b"Doe^Jane") + element(0x0020000D, "UI", b"1.9\0"),
        UIDS
        + element(0x00080005, "CS", b"ISO_IR 192")
        + element(0x00100010, "PN", "Mü^../\n".encode())
        + element(0x0020000D, "UI", b"../../x\n"),
    )
    for mode, flags, data in product(range(15), (0, 3, 32 + 128), data_sets):
        yield (
            bytes((mode, flags, 255, 0, 0))
            + hello
            + _step(5, b"1.2.3.4.5")
            + _step(3, data)
            + (_step(5, b"../\x1b\n") + _step(4, data) + _step(3, data[:20]) + _step(7))
        )
    yield (
        bytes((0, 0, 1, 0, 0))
        + _step(1, b"A\nE: x\x1b[2J/..;`id`")
        + _step(0x25 & 0x2F, b"")
        + _step(6)
        + _step(15)
    )
    yield bytes((1, 0, 1, 0, 0)) + hello + _step(2, echo_command()[:50]) + _step(0x36, b"")


WORDS = (
    *(b"..", b"/", b"\0", b"\n", b"\x1b[2J", b"-rf", b"`id`", b"$(id)", b"'", b'"', b";", b"con"),
    *(_step(5, b"1.2.3.4.5"), _step(3), _step(7), _step(6), UIDS),
    element(0x0020000D, "UI", b"1.9\0"),
    element(0x00100010, "PN", b"A"),
)
CONNECTIONS = Target("connection", run, _seeds, weight=4, largest=1024, changes=500, words=WORDS)
