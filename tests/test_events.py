"""Events as values and as lines of JSON."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storescp.events import (
    MAXIMUM_LINE_BYTES,
    NAMES,
    AssociationRejected,
    CommandFailed,
    Event,
    ObjectStored,
    Party,
    Stopping,
    decode,
    encode,
    timestamp,
)

PARTY = Party("19ab-1", "scanner", "CT1", "ARCHIVE")
STORED = ObjectStored(
    status="0000",
    sop_class_uid="1.2",
    sop_instance_uid="1.2.3",
    modality="CT",
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    study_instance_uid=None,
    patient_name="Grün^Anna",
    file="out/CT.1.2.3",
    bytes=1234,
    duration=0.0123456789,
)


def test_a_line_holds_what_is_known() -> None:
    """Name, time, process, association and fact in one object; fields without a value are left out."""
    line = encode(Event(1700000000.9996, 42, PARTY, STORED))

    assert line == (
        b'{"event":"object-stored","time":"2023-11-14T22:13:20.999Z","pid":42,'
        b'"association":"19ab-1","peer":"scanner","calling_ae_title":"CT1","called_ae_title":"ARCHIVE",'
        b'"status":"0000","sop_class_uid":"1.2","sop_instance_uid":"1.2.3","modality":"CT",'
        b'"transfer_syntax_uid":"1.2.840.10008.1.2.1","patient_name":"Gr\\u00fcn^Anna",'
        b'"file":"out/CT.1.2.3","bytes":1234,"duration":0.012346}\n'
    )


def test_an_event_comes_back_from_its_line() -> None:
    """What was encoded is decoded, but for the precision of times."""
    event = Event(1700000000.125, 42, PARTY, STORED._replace(duration=0.5))

    assert decode(encode(event)) == event
    assert decode(encode(event)).name == "object-stored"
    assert decode(encode(Event(1.0, 1, None, Stopping("SIGTERM")))).party is None


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b'"x"', b'{"event":"nonsense"}', b"\xff"])
def test_other_lines_are_no_events(line: bytes) -> None:
    """A line that is none of ours is a ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011
        decode(line)


@given(st.text(st.characters(), max_size=3000), st.text(st.characters(), max_size=3000))
def test_any_text_makes_one_short_ascii_line(command: str, why: str) -> None:
    """Whatever a peer or a file system puts into a text, the line stays one, and short enough for a pipe."""
    line = encode(Event(1.0, 1, PARTY, CommandFailed("object", command, why)))

    assert len(line) <= MAXIMUM_LINE_BYTES
    assert line.isascii()
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert not any(byte < 0x20 for byte in line[:-1])
    assert json.loads(line)["event"] == "command-failed"


def test_long_texts_are_cut_and_say_so() -> None:
    """Up to 1024 characters stay; if the line is too long nevertheless, 64, and `truncated` is true."""
    long = json.loads(encode(Event(1.0, 1, None, CommandFailed("object", "x" * 2000, "why"))))
    longer = json.loads(encode(Event(1.0, 1, None, CommandFailed("object", "é" * 2000, "why"))))

    assert long["command"] == "x" * 1023 + "…"
    assert "truncated" not in long
    assert longer["command"] == "é" * 63 + "…"
    assert longer["truncated"] is True


def test_bytes_that_are_no_text_are_written_as_escapes() -> None:
    """Half a surrogate pair, as file names may hold, is spelled out: JSON has to be Unicode."""
    fields = json.loads(encode(Event(1.0, 1, None, STORED._replace(file="a\udcffb"))))

    assert fields["file"] == "a\\udcffb"


def test_times_are_rfc_3339_in_utc() -> None:
    """Milliseconds are cut, not rounded into the next second."""
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(1767225599.9999) == "2025-12-31T23:59:59.999Z"
    assert timestamp(1767225600.0) == "2026-01-01T00:00:00.000Z"


def test_every_event_and_field_is_documented() -> None:
    """docs/events.md has a heading for each event, and below it, or below one it refers to, each of its fields."""
    page = (Path(__file__).parents[1] / "docs" / "events.md").read_text(encoding="utf-8")
    headings = set(re.findall(r"[a-z-]+", " ".join(re.findall(r"^### (.*)$", page, re.MULTILINE))))
    fields = set(re.findall(r"`([a-z_]+)`", page))

    assert headings == set(NAMES.values())
    assert {name for fact in NAMES for name in fact._fields} | set(Party._fields) <= fields


def test_a_rejection_is_told_with_source_and_reason() -> None:
    """The three numbers of the A-ASSOCIATE-RJ stand beside the sentence."""
    fields = json.loads(encode(Event(1.0, 1, PARTY, AssociationRejected(1, 1, 7, "who?"))))

    assert (fields["result"], fields["source"], fields["reason"]) == (1, 1, 7)
