"""The log for machines: one JSON object a line, with what it is about, and without what is masked."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storescp.events import Party
from storescp.log import setup
from storescp.log.context import CURRENT, LogContext
from storescp.log.json_lines import JSONLayout, Masks
from storescp.log.levels import LogLevel, LogMask
from storescp.log.log4cplus import layouts
from storescp.log.log4cplus.diagnostics import Diagnostics
from storescp.log.log4cplus.properties import Properties
from tests.log.logging_state import event, restored_logging
from tests.peers.dicom import Syntax
from tests.peers.requestor import (
    CT_IMAGE_STORAGE,
    Context,
    Requestor,
    associate_request,
    message,
    store_command,
)
from tests.peers.servers import ours

LITTLE = "1.2.840.10008.1.2.1"


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    """Leave logging and its context as they were."""
    with restored_logging():
        yield
    CURRENT.wanted = False
    CURRENT.clear()


def context() -> LogContext:
    made = LogContext()
    made.party = Party("19ab-01", "ct1", "CT1", "ARCHIVE")
    made.aliases = ("10.1.2.3", "ct1.example.org")
    made.sop_class_uid, made.sop_instance_uid = CT_IMAGE_STORAGE, "1.2.3.4"
    return made


def line(text: str, *masked: LogMask, about: LogContext | None = None) -> dict[str, Any]:
    layout = JSONLayout(Masks(masked, b"secret"), about or LogContext())
    formatted = layout.format(event(text, created=1.5))
    assert formatted.endswith("\n")
    assert formatted.count("\n") == 1
    assert formatted.isascii()
    fields = json.loads(formatted)
    assert isinstance(fields, dict)
    return fields


def test_fields() -> None:
    """Time, level, logger, process and message; nothing where nothing is known."""
    assert line("Association Received") == {
        "time": "1970-01-01T00:00:01.500Z",
        "level": "info",
        "logger": "dcmtk.apps.storescp",
        "pid": event().process,
        "message": "Association Received",
    }


def test_what_it_is_about() -> None:
    """Of an association and an object what is known."""
    fields = line("storing", about=context())

    assert {name: fields[name] for name in list(fields)[5:]} == {
        "association": "19ab-01",
        "peer": "ct1",
        "calling_ae_title": "CT1",
        "called_ae_title": "ARCHIVE",
        "sop_class_uid": CT_IMAGE_STORAGE,
        "sop_instance_uid": "1.2.3.4",
    }


def test_hostile_text() -> None:
    """Lines, control characters and bytes that are no text are escaped."""
    fields = line("a\nE: forged\x1b[31m\u202e\udcff")

    assert fields["message"] == "a\nE: forged\x1b[31m\u202e\\udcff"


@pytest.mark.parametrize(
    ("mask", "text", "gone", "kept"),
    [
        (
            LogMask.PATIENTS,
            "storing DICOM file: in/DOE JOHN_20261126_104512123/CT.1.2.3.4",
            ["DOE", "JOHN"],
            ["in/", "_20261126_104512123/CT.1.2.3.4"],
        ),
        (LogMask.UIDS, "storing DICOM file: in/CT.1.2.3.4.dcm", ["1.2.3.4"], ["in/CT.", ".dcm"]),
        (LogMask.UIDS, "of 1.2.840.10008.1.2 and 2.25.77", ["2.25.77"], ["1.2.840.10008.1.2 and"]),
        (LogMask.UIDS, "v3.7.0, 30 s, 10.1.2.3", [], ["v3.7.0, 30 s, 10.1.2.3"]),
        (
            LogMask.PEERS,
            'denied connection from ct1.example.org (10.1.2.3), "CT1" of ct1',
            ["ct1", "10.1.2.3", "CT1"],
            ["denied connection from masked-", " of masked-"],
        ),
        (LogMask.PEERS, "from 10.9.9.9 to CT12 and ACT1", ["10.9.9.9"], [" to CT12 and ACT1"]),
    ],
)
def test_masks_in_messages(mask: LogMask, text: str, gone: list[str], kept: list[str]) -> None:
    """What identifies is replaced wherever it stands, what does not stays."""
    masked = line(text, mask, about=context())["message"]

    assert not any(part in masked for part in gone)
    assert all(part in masked for part in kept)
    assert line(text, about=context())["message"] == text


def test_masks_in_fields() -> None:
    """Fields are masked like the message, with the same pseudonyms; SOP classes identify nobody."""
    fields = line("CT1 1.2.3.4", *LogMask, about=context())

    assert fields["message"] == f"{fields['calling_ae_title']} {fields['sop_instance_uid']}"
    assert fields["sop_class_uid"] == CT_IMAGE_STORAGE
    for name in ("peer", "calling_ae_title", "called_ae_title", "sop_instance_uid"):
        assert re.fullmatch("masked-[0-9a-f]{12}", fields[name])
    assert fields["association"] == "19ab-01"


def test_pseudonyms_cannot_be_looked_up() -> None:
    """Each process has its own."""
    about = context()

    assert Masks([LogMask.PEERS]).peer("CT1") != Masks([LogMask.PEERS]).peer("CT1")
    assert Masks().peer(about.party.calling_ae_title if about.party else None) == "CT1"


def test_layout_of_configuration_files() -> None:
    """Any appender can have it."""
    layout = layouts.make("storescp::JSONLayout", Properties({}), Diagnostics())

    assert isinstance(layout, JSONLayout)
    assert CURRENT.wanted


def test_option(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard error gets objects, and masks are those that were asked for."""
    setup.configure(setup.LogSettings(LogLevel.INFO, json=True, masks=(LogMask.UIDS,)))
    logging.getLogger("dcmtk.apps.storescp").info("of %s", "1.2.3.4")

    assert json.loads(capsys.readouterr().err)["message"].startswith("of masked-")


def objects_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(each) for each in text.splitlines()]


@pytest.mark.parametrize("mode", [[], ["--fork"]], ids=["one process", "fork"])
def test_the_running_program(mode: list[str], tmp_path: Path) -> None:
    """Every line is JSON; those of an association say which, those of an object say how it ended and how long it took."""
    syntax = Syntax()
    data = syntax.element(0x00080016, "UI", CT_IMAGE_STORAGE) + syntax.element(
        0x00080018, "UI", "1.2.3.4.7"
    )
    with ours(tmp_path, ["-v", "--log-json", "--log-mask", "peers", *mode]) as server:
        with Requestor(server.port) as peer:
            peer.associate([Context(1, CT_IMAGE_STORAGE, (LITTLE,))], calling=b"SCANNER")
            for instance in ("1.2.3.4.7", "1.2.3.4.8"):
                peer.send(message(1, store_command(CT_IMAGE_STORAGE, instance), data))
                peer.receive_response()
            peer.release()
        with Requestor(server.port) as peer:
            peer.exchange(associate_request([], calling=b"SCANNER"))
        server.stop()
        told = objects_of(server.errors())

    good, bad = [each for each in told if each["message"] == "Response sent"]
    (ended,) = [each for each in told if each["message"] == "Association ended"]
    (explained,) = [each for each in told if "Why: The object 1.2.3.4.8" in each["message"]]
    assert (good["status"], good["sop_instance_uid"]) == ("0000", "1.2.3.4.7")
    assert (bad["status"], bad["sop_instance_uid"]) == ("A900", "1.2.3.4.8")
    assert 0 < good["duration"] < 10
    assert good["bytes"] == (tmp_path / "files" / "CT.1.2.3.4.7").stat().st_size
    assert (ended["objects"], ended["association"]) == (2, good["association"])
    assert explained["association"] == good["association"]
    assert "sop_instance_uid" not in ended
    assert "SCANNER" not in server.errors()
    assert good["calling_ae_title"] in explained["message"]
    assert all(set(each) >= {"time", "level", "logger", "pid", "message"} for each in told)
    assert {each["association"] for each in told if "association" in each} > {good["association"]}


def test_text_is_as_before(tmp_path: Path) -> None:
    """Without the option no line is added."""
    with ours(tmp_path, ["-v"]) as server:
        with Requestor(server.port) as peer:
            peer.associate([Context(1, CT_IMAGE_STORAGE, (LITTLE,))])
            peer.release()
        server.stop()

    assert "Association ended" not in server.errors()
    assert server.errors().splitlines()[1:2] == ["I: Association Received"]


def test_configuration_files_mask_as_the_options_say(tmp_path: Path) -> None:
    """Every layout of the process, that of a wrapped appender too, has the same pseudonyms."""
    appenders = {"plain": "FileAppender", "wrapped": "AsyncAppender"}
    lines = [f"log4cplus.rootLogger=INFO, {', '.join(appenders)}"]
    for name, class_name in appenders.items():
        prefix = f"log4cplus.appender.{name}"
        lines.append(f"{prefix}=log4cplus::{class_name}")
        if class_name == "AsyncAppender":
            prefix += ".Appender"
            lines.append(f"{prefix}=log4cplus::FileAppender")
        lines += [f"{prefix}.File={tmp_path / name}", f"{prefix}.layout=storescp::JSONLayout"]
    (tmp_path / "log.cfg").write_text("\n".join(lines))

    setup.configure(
        setup.LogSettings(configuration_file=str(tmp_path / "log.cfg"), masks=(LogMask.UIDS,))
    )
    logging.getLogger("dcmtk.apps.storescp").info("of 1.2.3.4")

    messages = {json.loads((tmp_path / name).read_text())["message"] for name in appenders}
    assert len(messages) == 1
    assert messages.pop().startswith("of masked-")
