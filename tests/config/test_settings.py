"""What command lines become: every setting by the contract of the part that it steers."""

import logging
import os
import shlex
import socket
from pathlib import Path
from typing import Any

import pytest

from storescp.config import settings
from storescp.config.choices import CommandLine
from storescp.config.command_line import Evaluation, parse
from storescp.config.options.evaluation import Stage
from storescp.dataset.encoding import GroupLength, SequenceLength
from storescp.errors import ConfigurationError, NetworkUnavailable
from storescp.serve.association.connection import Disturbances
from storescp.serve.association.deadlines import Timeouts
from storescp.serve.settings import ReceiverSettings
from storescp.serve.tls.choices import CRLChecks, FileFormat, PeerAuthentication
from storescp.storage.naming.rules import (
    ByPatientName,
    ByStudyUID,
    ByTimestamp,
    FileNames,
    Flat,
    Layout,
)
from storescp.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

PORT = "11112"


def command_line(text: str) -> CommandLine:
    evaluation = Evaluation(parse([*shlex.split(text), PORT], features=frozenset))
    return evaluation.run(Stage.SECURITY, verbose=True)


def receiver_settings(text: str) -> ReceiverSettings:
    chosen = command_line(text)
    return settings.receiver_settings(chosen, settings.policy(chosen), None)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ("", FileNames.FROM_INSTANCE_UID),
        ("+uf", FileNames.UNIQUE),
        ("+uf -uf", FileNames.FROM_INSTANCE_UID),
        ("+uf -uf -tn", FileNames.FROM_TIME),
    ],
)
def test_where_file_names_come_from(options: str, names: FileNames) -> None:
    """The last of two alternatives counts; the time, if it is asked for."""
    assert receiver_settings(options).storage.rules.file_names is names


@pytest.mark.parametrize(
    ("options", "layout"),
    [
        ("", Flat()),
        ("-ss archive", ByTimestamp("archive")),
        ("-su archive/st", ByStudyUID("archive/st")),
        ("-sp", ByPatientName()),
    ],
)
def test_layout(options: str, layout: Layout) -> None:
    """Each way of sorting has its own type."""
    assert receiver_settings(options).storage.rules.layout == layout


@pytest.mark.parametrize("option", ["-ss", "-su"])
def test_prefix_that_leads_out_of_the_output_directory(option: str) -> None:
    """It is refused before anything is received."""
    with pytest.raises(ConfigurationError, match="would lead out of the output directory"):
        receiver_settings(f"{option} ../x")


@pytest.mark.parametrize(
    ("options", "attribute", "value"),
    [
        ("", "bit_preserving", False),
        ("+B", "bit_preserving", True),
        ("-F", "with_meta", False),
        ("+F", "with_meta", True),
        ("--ignore", "ignore", True),
        ("--fsync", "durable", True),
        ("--max-object-size 3", "maximum_size", 3 << 20),
        ("--min-free-space 5", "reserve", 5 << 20),
        ("-xcr 'echo #f'", "exec_on_reception", "echo #f"),
        ("-su p -rns", "rename_on_eostudy", True),
        ("-su p -tos 7", "eostudy_timeout", 7),
    ],
)
def test_what_is_done_with_objects(options: str, attribute: str, value: Any) -> None:
    """Options of storing, in the units of their settings."""
    assert getattr(receiver_settings(options).storage, attribute) == value


@pytest.mark.parametrize(
    ("options", "attribute", "value"),
    [
        ("", "transfer_syntax", None),
        ("+te", "transfer_syntax", EXPLICIT_VR_LITTLE_ENDIAN),
        ("+ti", "transfer_syntax", IMPLICIT_VR_LITTLE_ENDIAN),
        ("+g", "group_length", GroupLength.CREATE),
        ("-g", "group_length", GroupLength.REMOVE),
        ("-e", "sequence_length", SequenceLength.UNDEFINED),
        ("-u", "new_vr", False),
        ("+p 16 8", "padding", (16, 8)),
        ("--inflate-limit 2", "maximum_inflated", 2 << 20),
    ],
)
def test_how_data_sets_are_written(options: str, attribute: str, value: Any) -> None:
    """Options of the encoding."""
    assert getattr(receiver_settings(options).storage.encoding, attribute) == value


@pytest.mark.parametrize(
    ("options", "timeouts"),
    [
        ("", Timeouts(socket=60, acse=30, dimse=None, idle=60)),
        ("-ts 5 -ta 6 -td 7", Timeouts(socket=5, acse=6, dimse=7, idle=5)),
        ("-ts 0", Timeouts(socket=None, acse=30, dimse=None, idle=None)),
        ("--idle-timeout 9", Timeouts(socket=60, acse=30, dimse=None, idle=9)),
        ("--idle-timeout 0", Timeouts(socket=60, acse=30, dimse=None, idle=None)),
        ("-su p -tos 7", Timeouts(socket=60, acse=30, dimse=None, idle=None)),
        ("-su p -tos 7 --workers 2", Timeouts(socket=60, acse=30, dimse=None, idle=60)),
    ],
)
def test_time_limits(options: str, timeouts: Timeouts) -> None:
    """An idle association is limited as the socket is, but not where the end of a study is waited for."""
    assert receiver_settings(options).timeouts == timeouts


def test_disturbances() -> None:
    """They go to the association as they are."""
    expected = Disturbances(sleep_after=1, sleep_during=2, abort_after=True, abort_during=False)

    assert (
        receiver_settings("--sleep-after 1 --sleep-during 2 --abort-after").disturbances == expected
    )


def test_an_odd_pdu_size_is_rounded_down() -> None:
    """PS3.8 does not ask for it; the reference does so."""
    assert settings.policy(command_line("-pdu 16385")).maximum_length == 16384


@pytest.mark.parametrize(
    ("options", "workers", "on_demand", "queue_limit"),
    [
        ("--fork", None, True, None),
        ("--fork --max-associations 3", 3, True, None),
        ("--workers 4", 4, False, None),
        ("--workers 4 --queue-limit 0", 4, False, 0),
    ],
)
def test_processes(
    options: str, workers: int | None, on_demand: bool, queue_limit: int | None
) -> None:
    """With both options several associations are served at once, by one kind of supervisor."""
    worker_settings = receiver_settings(options).worker_settings

    assert worker_settings is not None
    assert (workers, on_demand, queue_limit) == (
        worker_settings.workers,
        worker_settings.on_demand,
        worker_settings.queue_limit,
    )


def test_one_process_without_options() -> None:
    """As in the reference: one association at a time, one study at a time, nobody shut out."""
    chosen = receiver_settings("")

    absent = "worker_settings studies_in_parallel monitoring access_control peer_admission user events".split()  # noqa: SIM905
    assert [name for name in absent if getattr(chosen, name) is not None] == []


def test_no_studies_without_sorting_or_commands() -> None:
    """There is nothing that should be remembered of them, though several processes receive."""
    assert receiver_settings("--workers 2").studies_in_parallel is None
    assert receiver_settings("--workers 2 -su p").studies_in_parallel is not None
    assert receiver_settings("--workers 2 -xcr true").studies_in_parallel is not None


def test_studies_in_parallel_end_by_time() -> None:
    """No other study ends one, so a minute of silence does, unless told otherwise."""
    usual = receiver_settings("--parallel-studies -su p").studies_in_parallel
    told = receiver_settings("--parallel-studies -su p -tos 5").studies_in_parallel

    assert usual is not None
    assert told is not None
    assert (usual.end_of_study.timeout, told.end_of_study.timeout) == (60, 5)


def test_output_directory_is_absolute_where_it_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next start may be in another working directory."""
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("out").mkdir()

    assert receiver_settings("-od out").storage.rules.directory == "out"
    remembered = receiver_settings("-od out -su p --state-directory state").storage.rules.directory
    assert remembered == str(tmp_path / "out")


def test_tls_settings() -> None:
    """All that the options say, under the names of the settings."""
    chosen = settings.tls(
        command_line("+tls key.pem cert.pem -der +crl crl.pem +crv -vc +cf ca.pem +pw secret")
    )

    assert chosen is not None
    assert (
        chosen.key_file,
        chosen.certificate_file,
        chosen.password,
    ) == ("key.pem", "cert.pem", "secret")
    assert chosen.file_format is FileFormat.DER
    assert chosen.crl_checks is CRLChecks.LEAF
    assert chosen.peer_authentication is PeerAuthentication.VERIFIED
    assert chosen.trusted_files == ("ca.pem",)


def test_plain_tcp_without_tls() -> None:
    """Nothing of TLS is loaded for it."""
    assert settings.tls(command_line("")) is None


def test_output_directory_that_is_none(tmp_path: Path) -> None:
    """It is found at the start rather than with the first object."""
    missing = tmp_path / "missing"

    with pytest.raises(ConfigurationError, match="missing"):
        settings.check_output_directory(receiver_settings(f"-od {missing}").storage)


def test_receiver_warns_of_an_odd_pdu_size(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the reference's words, under the reference's logger."""
    for name in ("LISTEN_FDS", "NOTIFY_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    chosen = command_line(f"-pdu 16385 -od {tmp_path}")

    with caplog.at_level(logging.WARNING, "dcmtk.dcmnet"):
        settings.receiver(chosen, settings.policy(chosen), None)

    assert caplog.messages == ["ASSOC: PDV receive length 16385 is odd (using 16384)"]


def test_privileged_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that this user may not have is refused at once, and not only when it is opened."""

    def refuse(_: object) -> socket.socket:
        raise NetworkUnavailable("cannot listen") from PermissionError()

    monkeypatch.setattr(settings, "bind", refuse)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    evaluation = Evaluation(parse(["104"], features=frozenset))
    chosen = evaluation.run(Stage.SECURITY, verbose=True)

    with pytest.raises(ConfigurationError, match="port"):
        settings.check_privileges(chosen)
