"""The stream of events of the running program."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conversation import CONTEXTS, data_set, store, wait_until
from tests.peers.requestor import (
    CT_IMAGE_STORAGE,
    Context,
    Requestor,
    associate_request,
    message,
    store_command,
)
from tests.peers.servers import ours


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("mode", [[], ["--fork"]])
def test_an_association_is_told_from_its_begin_to_its_end(tmp_path: Path, mode: list[str]) -> None:
    """Accepted, objects stored and refused, released: one association, its names, its sums."""
    events = tmp_path / "events"
    with ours(tmp_path / "out", ["--events", str(events), "-su", "s", *mode]) as server:
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS, calling=b"SCANNER")
            assert store(peer, "1.1") == "0000"
            assert store(peer, "1.2", study="") == "C000"
            peer.release()
        wait_until(lambda: "association-released" in events.read_text())
        assert server.stop() == -signal.SIGTERM
        [file] = server.directory.rglob("CT*")

    told = [event for event in read(events) if "association" in event]
    first, stored, refused, last = told
    assert [event["event"] for event in told] == [
        "association-accepted",
        "object-stored",
        "object-refused",
        "association-released",
    ]
    assert {event["association"] for event in told} == {first["association"]}
    assert {event["calling_ae_title"] for event in told} == {"SCANNER"}
    assert (first["contexts_proposed"], first["contexts_accepted"]) == (2, 2)
    assert (stored["file"], stored["bytes"]) == (str(file), file.stat().st_size)
    assert (stored["sop_instance_uid"], stored["study_instance_uid"]) == ("1.1", "1.9")
    assert (stored["modality"], stored["status"]) == ("CT", "0000")
    assert refused["status"] == "C000"
    assert "StudyInstanceUID (0020,000d) absent or empty" in refused["why"]
    assert (last["objects"], last["bytes"]) == (1, stored["bytes"])
    assert [event["event"] for event in read(events) if "association" not in event] == (
        ["listening", "stopping"] if mode else ["listening", "study-complete", "stopping"]
    )


def test_ends_of_all_kinds_are_told(tmp_path: Path) -> None:
    """Rejections have source and reason; aborts say by whom; what is no DICOM is refused."""
    events = tmp_path / "events"
    with ours(tmp_path / "out", ["--events", str(events)]) as server:
        for request in (associate_request(CONTEXTS, called=b" "), b"GET / HTTP/1.0\r\n\r\n"):
            with Requestor(server.port) as peer:
                peer.exchange(request)
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS)
            peer.abort()
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS)
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS)
            peer.send(bytes([9, 0, 0, 0, 0, 0]))
            peer.receive_pdu()
        wait_until(lambda: events.read_text().count("association-aborted") == 3)

    told = [event for event in read(events) if event["event"] != "association-accepted"]
    rejected, refused, *aborted = [event for event in told if "association" in event]
    assert (rejected["event"], rejected["source"], rejected["reason"]) == (
        "association-rejected",
        1,
        7,
    )
    assert "sends no called AE title" in rejected["why"]
    assert "appears to be a web client (HTTP)" in refused["why"]
    assert (refused["event"], refused["cause"]) == ("connection-refused", "protocol")
    assert [event["by"] for event in aborted] == ["peer", "network", "us"]


def test_an_unfinished_object_is_named(tmp_path: Path) -> None:
    """An abort in the middle of an object says which one was lost."""
    events = tmp_path / "events"
    with ours(tmp_path / "out", ["--events", str(events)]) as server:
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS)
            whole = message(1, store_command(CT_IMAGE_STORAGE, "1.1"), data_set("1.1"))
            peer.send(whole[:-10])
        wait_until(lambda: "association-aborted" in events.read_text())

    [aborted] = [event for event in read(events) if event["event"] == "association-aborted"]
    assert aborted["unfinished_sop_instance_uid"] == "1.1"


def test_studies_and_commands_are_told(tmp_path: Path) -> None:
    """A study's end, its command, how commands end."""
    events = tmp_path / "events"
    options = ["--events", str(events), "-su", "s", "-xcr", "exit 3", "-xcs", "true", "-xs"]
    with ours(tmp_path / "out", options) as server:
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS)
            store(peer, "1.1", "1")
            store(peer, "2.1", "2")
            peer.release()
        server.stop()
        directory = server.directory

    told = read(events)
    studies = [event for event in told if event["event"] == "study-complete"]
    failed = [event for event in told if event["event"] == "command-failed"]
    ended = [event for event in told if event["event"] == "command-ended"]
    assert [(study["directory"], study["objects"], study["cause"]) for study in studies] == [
        (f"{directory}/s_1", 1, "next-study"),
        (f"{directory}/s_2", 1, "stop"),
    ]
    assert [(event["kind"], event["exit_status"]) for event in failed] == [("object", 3)] * 2
    assert [(event["kind"], event["command"]) for event in ended] == [("study", "true")] * 2
    assert {event["study_instance_uid"] for event in ended} == {"1", "2"}


def test_standard_output_carries_nothing_but_events(tmp_path: Path) -> None:
    """With `-` each line of standard output is an event, also in verbose mode."""
    with ours(tmp_path / "out", ["--events", "-", "-v"]) as server:
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS)
            store(peer, "1.1\x1b[2J\n")
            peer.release()
        server.stop()

        names = [json.loads(line)["event"] for line in server.output().splitlines()]
    assert names == [
        "listening",
        "association-accepted",
        "object-stored",
        "association-released",
        "stopping",
    ]


def test_a_reader_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    """The pipe is full, objects are received all the same."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with ours(tmp_path / "out", ["--events", str(pipe)]) as server:
        with Requestor(server.port) as peer:
            peer.associate(
                (Context(1, CONTEXTS[0].abstract_syntax, CONTEXTS[0].transfer_syntaxes),)
            )
            for number in range(300):
                assert store(peer, f"1.{number}") == "0000"
            peer.release()
        assert len(server.files()) == 300
    os.close(reading)
