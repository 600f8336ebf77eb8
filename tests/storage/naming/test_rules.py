"""naming: file names and study directories."""

import itertools
import logging
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storescp.errors import CannotUnderstand, ConfigurationError
from storescp.printable import printable
from storescp.storage.naming.rules import (
    ByPatientName,
    ByStudyUID,
    ByTimestamp,
    FileNames,
    Flat,
    Rules,
    Sorting,
    file_name,
    study_directory,
    study_uid,
)
from storescp.uids import STORAGE_PREFIXES

CT = "1.2.840.10008.5.1.4.1.1.2"
NOW = 1_700_000_000.123  # 2023-11-14 22:13:20.123 UTC
STAMP = "20231114221320123"
STUDY_STAMP = "20231114_221320123"
BY_TIME = Rules(file_names=FileNames.FROM_TIME)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("given", "directory"),
    [("", "."), (".", "."), ("out/", "out"), ("/out//", "/out"), ("/", "/"), ("a/../b", "a/../b")],
)
def test_output_directory_is_used_as_given(given: str, directory: str) -> None:
    """But for trailing slashes; nothing means the current directory."""
    assert directory == Rules(directory=given).directory


@pytest.mark.parametrize(
    ("uid", "name"),
    [
        ("1.2.3", "CT.1.2.3"),
        ("../../etc/x", "CT..._.._etc_x"),
        ("..", "CT..."),
        ("a:b@c", "CT.a:b@c"),
        ("1.2;3", "CT.1.2_3"),
        ("$x`y`", "CT._x_y_"),
        ("é", "CT._"),
        ("Ã©", "CT.__"),
        ("-rf", "CT.-rf"),
        ("=CTImageStorage", "CT._CTImageStorage"),
        ("\0\n\r\x1b", "CT.____"),
        ("1" * 64, "CT." + "1" * 64),
    ],
)
def test_default_name_is_prefix_and_sanitised_uid(
    uid: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With one warning if the UID had unusual characters."""
    result = file_name(Rules(), CT, uid, NOW)

    changed = result.text != f"CT.{uid}"
    warning = (
        "dcmtk.apps.storescp",
        logging.WARNING,
        (
            "Sanitized unusual characters in SOP Instance UID, "
            f'converted from "{printable(uid)}" to "{name.removeprefix("CT.")}".'
        ),
    )
    assert name == result.text
    assert caplog.record_tuples == ([warning] if changed else [])


@pytest.mark.parametrize(("uid", "prefix"), list(STORAGE_PREFIXES.items()))
def test_every_storage_class_has_its_prefix(uid: str, prefix: str) -> None:
    """In all modes; the first two characters serve for renaming."""
    assert f"{prefix}.1" == file_name(Rules(), uid, "1", NOW).text
    assert f"{STAMP}.{prefix}" == file_name(BY_TIME, uid, "1", NOW).text
    assert prefix == file_name(Rules(), uid, "1", NOW).prefix


@pytest.mark.parametrize("uid", ["1.2.9", "", "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.2 "])
def test_other_classes_are_unknown(uid: str) -> None:
    """Comparison is exact; Verification has no prefix either."""
    assert file_name(Rules(), uid, "1.1", NOW).text == "UNKNOWN.1.1"


@pytest.mark.parametrize(("extension", "name"), [(".dcm", "CT.1.1.dcm"), ("dcm", "CT.1.1dcm")])
def test_extension_is_appended_as_it_is(extension: str, name: str) -> None:
    """No dot is added."""
    assert name == file_name(Rules(extension=extension), CT, "1.1", NOW).text


def test_unique_name_has_a_uid_of_its_own() -> None:
    """`CT.X.` and a generated UID, whatever the instance is called."""
    rules = Rules(file_names=FileNames.UNIQUE, extension=".dcm")

    assert file_name(rules, CT, "../1", NOW, lambda: "2.25.1").text == "CT.X.2.25.1.dcm"
    assert file_name(rules, CT, "1", NOW) != file_name(rules, CT, "1", NOW)


def test_name_from_time_counts_on_when_taken() -> None:
    """No number at first, then four digits, more if needed; the extension stays at the end."""
    name = file_name(Rules(file_names=FileNames.FROM_TIME, extension=".dcm"), CT, "1", NOW)

    choices = list(itertools.islice(name.choices(), 10002))

    assert [f"{STAMP}.CT.dcm", f"{STAMP}_0000.CT.dcm", f"{STAMP}_0001.CT.dcm"] == choices[:3]
    assert f"{STAMP}_9999.CT.dcm" == choices[10000]
    assert f"{STAMP}_10000.CT.dcm" == choices[10001]
    assert name.text == choices[0]


@pytest.mark.parametrize("millisecond", range(1000))
def test_milliseconds_are_exact(millisecond: int) -> None:
    """The reference prints some of them one too low, for want of rounding."""
    name = file_name(BY_TIME, CT, "1", float(f"1700000000.{millisecond:03}")).text

    assert f"20231114221320{millisecond:03}.CT" == name


def test_local_time_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names carry the time of the machine's zone."""
    monkeypatch.setenv("TZ", "JST-9")
    time.tzset()

    assert file_name(BY_TIME, CT, "1", NOW).text == "20231115071320123.CT"


def test_only_safe_names_may_be_replaced() -> None:
    """What the UID fully tells is replaced; what it does not, never."""
    assert file_name(Rules(), CT, "1.2", NOW).stem == ""
    assert file_name(Rules(), CT, "1/2", NOW).stem == "CT.1_2"
    assert file_name(Rules(), CT, "1/2", NOW).instance_uid == "1/2"
    assert file_name(BY_TIME, CT, "1/2", NOW).instance_uid == ""


@pytest.mark.parametrize(
    ("value", "uid"),
    [
        (b"1.2.3", "1.2.3"),
        (b"1.1\\2.2", "1.1"),
        (b"1.2\0 3.4", "1.2"),
        (b" 1.2\t3 \0", "1.23"),
        (b"1/2", "1/2"),
        (b"\xe9", "é"),
        (b"..", ".."),
    ],
)
def test_study_uid_is_the_first_value_without_white_space(value: bytes, uid: str) -> None:
    """Cut at the first NUL; not yet sanitised."""
    assert uid == study_uid(value)


@pytest.mark.parametrize("value", [None, b"", b"  ", b"\\1.2", b"\0"])
def test_study_uid_is_needed(value: bytes | None) -> None:
    """Absent, empty, or not a text: C000."""
    with pytest.raises(CannotUnderstand) as caught:
        study_uid(value)

    assert str(caught.value) == ("element StudyInstanceUID (0020,000d) absent or empty in data set")


@pytest.mark.parametrize(
    ("layout", "uid", "patient", "name"),
    [
        (ByTimestamp("p"), "1.2", None, f"p_{STUDY_STAMP}"),
        (ByTimestamp(""), "1.2", None, STUDY_STAMP),
        (ByTimestamp("a/b"), "1.2", None, f"a/b_{STUDY_STAMP}"),
        (ByStudyUID("p"), "1.2.3", None, "p_1.2.3"),
        (ByStudyUID(""), "1.2.3", None, "1.2.3"),
        (ByStudyUID("p"), "1/2", None, "p_1_2"),
        (ByStudyUID("p"), "..", None, "p_.."),
        (ByPatientName(), "1.2", b"Doe^John", f"Doe_John_{STUDY_STAMP}"),
        (ByPatientName(), "1.2", b"Doe^John=X", f"Doe_John_X_{STUDY_STAMP}"),
        (ByPatientName(), "1.2", None, f"ANONYMOUS_{STUDY_STAMP}"),
        (ByPatientName(), "1.2", b"../..", f"______{STUDY_STAMP}"),
    ],
)
def test_study_directory_follows_the_layout(
    layout: Sorting, uid: str, patient: bytes | None, name: str
) -> None:
    """Prefix or patient, then UID or time."""
    assert name == study_directory(layout, uid, patient, None, NOW)


def test_a_warning_forges_no_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    """Line ends and escape sequences in UIDs are spelled out in the warning."""
    file_name(Rules(), CT, "1\r\nE: forged\x1b[2J", NOW)
    study_directory(ByStudyUID("p"), "1\nE: forged\x9b2J", None, None, NOW)

    instance, study = caplog.messages
    assert r'from "1\r\nE: forged\x1b[2J" to "1__E: forged__2J"' in instance
    assert r'from "1\nE: forged\x9b2J" to "1_E: forged_2J"' in study


def test_sanitised_study_uid_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """As for instances."""
    study_directory(ByStudyUID("p"), "1/2", None, None, NOW)

    assert caplog.messages == [
        'Sanitized unusual characters in Study Instance UID, converted from "1/2" to "1_2".'
    ]


@pytest.mark.parametrize("uid", [".", ".."])
def test_study_directory_is_never_the_output_directory_or_its_parent(uid: str) -> None:
    """Refused with C000."""
    with pytest.raises(CannotUnderstand) as caught:
        study_directory(ByStudyUID(""), uid, None, None, NOW)

    assert str(caught.value) == (
        f'Refusing to use subdirectory name "{uid}" derived from received attributes '
        "(would resolve to the output directory itself or its parent)"
    )


@pytest.mark.parametrize("kind", [ByStudyUID, ByTimestamp])
@pytest.mark.parametrize("prefix", ["/x/y", "..", "../x", "a/../../b", "/"])
def test_prefix_stays_within_the_output_directory(
    kind: type[ByStudyUID | ByTimestamp], prefix: str
) -> None:
    """A prefix that leads out is an error of the configuration."""
    with pytest.raises(ConfigurationError) as caught:
        kind(prefix)

    assert str(caught.value) == f'prefix "{prefix}" would lead out of the output directory'


@pytest.mark.parametrize("prefix", ["", "p", "a/b", "..a", "a..", " "])
def test_other_prefixes_are_allowed(prefix: str) -> None:
    """Dots are harmless within a name."""
    assert prefix == ByStudyUID(prefix).prefix


def test_flat_layout_is_the_default() -> None:
    """No sorting, names from instance UIDs, no extension."""
    assert Rules() == Rules(".", Flat(), FileNames.FROM_INSTANCE_UID, "")


def test_long_patient_names_leave_room_for_the_time() -> None:
    """The directory's name has 255 characters at most, and the time is whole."""
    name = study_directory(ByPatientName(), "1", b"x" * 1000, None, NOW)

    assert len(name) == 255
    assert name.endswith(f"x_{STUDY_STAMP}")


@given(st.text(st.characters(max_codepoint=255), min_size=1, max_size=64), st.binary())
def test_no_peer_leads_out_of_the_directory(uid: str, patient: bytes) -> None:
    """Whatever is received, names are one harmless component."""
    names = [file_name(Rules(), CT, uid, NOW).text]
    names.append(study_directory(ByPatientName(), uid, patient, b"ISO_IR 192", NOW))
    names.append(study_directory(ByStudyUID("p"), uid, patient, None, NOW))

    for name in names:
        assert name.isascii()
        assert name.isprintable()
        assert "/" not in name
        assert name not in {"", ".", ".."}
        assert not name.startswith(("-", "."))
