"""What a person sees: the same traffic to DCMTK's storescp and to ours gives the same log and the same progress."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers.dicom import IMPLICIT_LITTLE, Syntax
from tests.peers.requestor import (
    CT_IMAGE_STORAGE,
    LAST,
    VERIFICATION,
    Context,
    Requestor,
    associate_request,
    item,
    message,
    p_data,
    pdv,
    short,
    store_command,
    uid,
)
from tests.peers.servers import Server, dcmtk, ours

pytestmark = pytest.mark.interop

IMPLICIT = Syntax(explicit=False)
CONTEXTS = (
    Context(1, VERIFICATION, (IMPLICIT_LITTLE,)),
    Context(3, CT_IMAGE_STORAGE, (IMPLICIT_LITTLE,)),
    Context(5, "1.2.3", (IMPLICIT_LITTLE,)),
)
CONFIGURATION = """
log4cplus.rootLogger = WARN, console, file
log4cplus.logger.dcmtk.apps = INFO
log4cplus.logger.dcmtk.apps.storescp.progress = WARN
log4cplus.appender.console = log4cplus::ConsoleAppender
log4cplus.appender.console.logToStdErr = true
log4cplus.appender.console.ImmediateFlush = true
log4cplus.appender.console.filters.1 = log4cplus::spi::StringMatchFilter
log4cplus.appender.console.filters.1.StringToMatch = Echo
log4cplus.appender.file = log4cplus::FileAppender
log4cplus.appender.file.File = file.log
log4cplus.appender.file.layout = log4cplus::PatternLayout
log4cplus.appender.file.layout.ConversionPattern = [%5p] %c{2}: %m%n
"""


def data_set(instance: str, *, sop_class: str = CT_IMAGE_STORAGE) -> bytes:
    return (
        IMPLICIT.element(0x00080016, "UI", uid(sop_class))
        + IMPLICIT.element(0x00080018, "UI", uid(instance))
        + IMPLICIT.element(0x00100010, "PN", "DOE^JOHN")
        + IMPLICIT.element(0x0020000D, "UI", uid("1.2.3"))
    )


def objects(requestor: Requestor) -> None:
    """Send everything that a server may receive, good and bad."""
    requestor.associate(CONTEXTS)
    requestor.echo(1)
    for _ in range(2):
        requestor.store(3, CT_IMAGE_STORAGE, "1.2.3.4", data_set("1.2.3.4"))
    requestor.store(3, CT_IMAGE_STORAGE, "1.2.3.5", data_set("1.2.3.99"))
    requestor.store(3, "1.2.840.1", "1.2.3.6", IMPLICIT.element(0x00080060, "CS", "CT"))
    originator = store_command(
        CT_IMAGE_STORAGE, "1.2.3.7", priority=1, more=[(0x1030, b"MOVER "), (0x1031, short(9))]
    )
    requestor.send(p_data(pdv(3, 3, originator)))
    whole = data_set("1.2.3.7")
    requestor.send(p_data(pdv(3, 0, whole[:40])) + p_data(pdv(3, 0, whole[40:]), pdv(3, LAST, b"")))
    requestor.receive_response()
    requestor.release()


def nothing_acceptable(requestor: Requestor) -> None:
    requestor.associate(CONTEXTS[2:])
    requestor.release()


def abort(requestor: Requestor) -> None:
    requestor.associate(CONTEXTS)
    requestor.abort()


def silence(requestor: Requestor) -> None:
    requestor.associate(CONTEXTS)
    requestor.close()


def wrong_application(requestor: Requestor) -> None:
    requestor.exchange(associate_request(CONTEXTS, application_context="1.2.3.9"))


def refused(requestor: Requestor) -> None:
    requestor.exchange(associate_request(CONTEXTS))


def another_protocol(requestor: Requestor) -> None:
    requestor.send(b"GET / HTTP/1.0\r\n\r\n")
    requestor.receive_pdu()


def unknown_command(requestor: Requestor) -> None:
    requestor.associate(CONTEXTS)
    find = store_command(CT_IMAGE_STORAGE, "1.2.3").replace(
        b"\0\0\0\1\2\0\0\0\1\0", b"\0\0\0\1\2\0\0\0\x20\0"
    )
    requestor.send(message(3, find))
    requestor.receive_pdu()


@pytest.mark.parametrize(
    ("traffic", "options"),
    [
        (objects, "-v"),
        (objects, ""),
        (objects, "-q"),
        (objects, "-ll error"),
        (objects, "-v --ignore"),
        (objects, "-v -sp"),
        (objects, "-v -su study"),
        (objects, "-v --fork"),
        (objects, "-lc log.cfg"),
        (nothing_acceptable, "-v"),
        (abort, "-v"),
        (silence, "-v"),
        (wrong_application, "-v"),
        (refused, "-v --refuse"),
        (another_protocol, "-v"),
        (unknown_command, "-v"),
    ],
)
def test_same_traffic_gives_the_same_log(
    traffic: Callable[[Requestor], None], options: str, tmp_path: Path
) -> None:
    """Standard error, standard output and log files are equal, but for process IDs, time stamps and explanations."""
    seen = []
    for name, run in (("reference", dcmtk), ("ours", ours)):
        directory = tmp_path / name
        directory.mkdir()
        (directory / "log.cfg").write_text(CONFIGURATION)
        with run(directory, options.split()) as server:
            with Requestor(server.port) as requestor:
                traffic(requestor)
            settle(server)
            server.stop()
            seen.append(normalised(server))

    assert seen[0] == seen[1]


EXPLANATION = re.compile(r"^.*\b(?:Why|Implementation): .*\n", re.MULTILINE)
"""Why somebody was refused, and what receives, is what we say beyond the reference, docs/differences.md."""
INNER_LINES = re.compile(
    r"D: (?:DcmDataset::|DcmFileFormat::|DcmDataDictionary:|DUL:|setting network|PDU Type:|Parsing an|Constructing|Error while waiting|"
    r"  [0-9a-f]{2}(?:  [0-9a-f]{2})*$)"
)
"""What the reference's libraries tell of themselves at debug level."""
ITSELF = re.compile(r"v3\.\d\.\d \d{4}-\d\d-\d\d|1\.2\.276\.0\.7230010[0-9.]*|OFFIS_DCMTK_\d+")


@pytest.mark.parametrize("options", ["-d", "-d --fork", "-v +v", "-d +B", "-ll debug -su s"])
def test_dumps(options: str, tmp_path: Path) -> None:
    """Requests and messages are dumped alike; the reference's libraries say more of themselves."""
    seen = []
    for name, run in (("reference", dcmtk), ("ours", ours)):
        with run(tmp_path / name, options.split()) as server:
            with Requestor(server.port) as requestor:
                objects(requestor)
            settle(server)
            server.stop()
            text = ITSELF.sub("ITSELF", normalised(server)["stderr"])
        seen.append([line for line in text.splitlines() if not INNER_LINES.match(line)])

    assert seen[0] == seen[1]
    assert len(seen[1]) > 60


@pytest.mark.parametrize("name", ["logger.cfg", "filelog.cfg"])
def test_configuration_files_of_the_reference(name: str, tmp_path: Path) -> None:
    """DCMTK's own logging configuration works as it is: the same console, and but for debugging the same file."""
    seen = []
    for kind, run in (("reference", dcmtk), ("ours", ours)):
        directory = tmp_path / kind
        with run(directory, ["-lc", f"/etc/dcmtk/{name}"]) as server:
            with Requestor(server.port) as requestor:
                objects(requestor)
            settle(server)
            server.stop()
            console = without_times(normalised(server)["stdout"])
            file = without_times(EXPLANATION.sub("", (directory / "storescp.log").read_text()))
        assert server.errors() == ""
        assert any(" DEBUG" in line for line in file)
        files = [line.replace(str(server.directory), "DIRECTORY") for line in file]
        # With DEBUG enabled requests are told in several lines, of which the first are the same.
        seen.append((console, [line for line in files if " DEBUG" not in line]))

    assert seen[0] == seen[1]
    assert any("ERROR" in line for line in seen[0][0])
    assert any(" WARN" in line for line in seen[0][1])


def without_times(text: str) -> list[str]:
    """Return lines without the time that they begin with."""
    return [
        re.sub(r"^(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d(\.\d{3})? ", "TIME ", line)
        for line in text.splitlines()
    ]


def settle(server: Server) -> None:
    """Wait until the server has nothing more to say."""
    said = -1
    while said < len(server.errors() + server.output()):
        said = len(server.errors() + server.output())
        time.sleep(0.3)


def normalised(server: Server) -> dict[str, str]:
    file = server.stderr.parent / "file.log"
    texts = {
        "stderr": server.errors(),
        "stdout": server.output(),
        "file": file.read_text() if file.exists() else "",
    }
    return {
        name: re.sub(r"_\d{8}_\d{6,9}", "_TIME", re.sub(r"pid: \d+", "pid: N", text)).replace(
            str(server.directory), "DIRECTORY"
        )
        for name, text in texts.items()
        for text in (EXPLANATION.sub("", text),)
    }


@pytest.mark.parametrize(
    ("traffic", "options", "levels"),
    [
        (objects, "", []),
        (objects, "-v", ["I", "I", "I"]),
        (objects, "-v -su study", ["I", "I", "E"]),
        (objects, "-q", []),
        (nothing_acceptable, "", []),
        (nothing_acceptable, "-v", ["I", "I"]),
        (wrong_application, "-v", ["I"]),
        (refused, "--refuse", []),
        (another_protocol, "", ["E"]),
        (unknown_command, "", ["E"]),
        (abort, "-v", ["I"]),
    ],
)
def test_explanations_have_the_level_of_what_they_explain(
    traffic: Callable[[Requestor], None], options: str, levels: list[str], tmp_path: Path
) -> None:
    """Beside a line of the reference at its level, else at INFO: nobody sees one who saw nothing before."""
    with ours(tmp_path, options.split()) as server:
        with Requestor(server.port) as requestor:
            traffic(requestor)
        settle(server)
        server.stop()
        lines = [line for line in server.errors().splitlines() if "Why: " in line]

    assert [line[0] for line in lines] == levels
    assert all(line[1:].startswith(": Why: ") for line in lines)


@pytest.mark.parametrize("length", [0, 2, 3, 5, 8])
def test_maximum_length_items_of_a_wrong_length(length: int, tmp_path: Path) -> None:
    """Both accept the association, with the same warning."""
    wrong = item(0x51, bytes(length))
    user = item(0x50, wrong + item(0x52, b"1.2.3") + item(0x55, b"VERSION"))
    seen = []
    for name, run in (("reference", dcmtk), ("ours", ours)):
        with run(tmp_path / name) as server, Requestor(server.port) as requestor:
            answer = requestor.exchange(associate_request(CONTEXTS, user=user))
            requestor.release()
            settle(server)
            seen.append((answer.kind, normalised(server)["stderr"]))

    assert seen[0] == seen[1]
    assert f"W: Invalid length ({length}) for maximum length item" in seen[1][1]
