"""Values that change: trimmed, swapped, cut anywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storescp.dataset.cursor import Cursor
from storescp.dataset.element import LO, UN
from storescp.dataset.encoding import Encoding
from storescp.dataset.header import HeaderWriter
from storescp.dataset.plan import plan_for
from storescp.dataset.values import LONGEST_RUN, TEXTS, Swapped, Trimmed, swapped
from storescp.dataset.values import UIDS as UID_VALUES
from storescp.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    TRANSFER_SYNTAXES,
)
from tests.dataset.memory_output import MemoryOutput
from tests.dataset.support import UIDS, element, implicit, transcode


@pytest.mark.parametrize(
    ("received", "written"),
    [
        (b"AB", b"AB"),
        (b"ABC ", b"ABC "),
        (b"ABC", b"ABC "),
        (b"ABC\0", b"ABC "),
        (b"AB \0", b"AB"),
        (b"\0\0", b""),
        (b" AB ", b" AB "),
        (b"A\0B ", b"A\0B "),
        (b"AB\n\n", b"AB\n\n"),
        (b"A \\B   ", b"A \\B"),
    ],
)
def test_text(received: bytes, written: bytes) -> None:
    """Blanks and NULs leave the end, one blank makes the length even."""
    assert TEXTS.trimmed(received) == written


@pytest.mark.parametrize(
    ("received", "written"),
    [
        (b"1.2.3 ", b"1.2.3\0"),
        (b" 1.2.3", b"1.2.3\0"),
        (b"1.2.3\0\0\0", b"1.2.3\0"),
        (b"1.2\0 3", b"1.2\0003\0"),
        (b" \t\n\v\f\r", b""),
    ],
)
def test_uids(received: bytes, written: bytes) -> None:
    """White space leaves UIDs, one NUL makes the length even."""
    assert UID_VALUES.trimmed(received) == written


@pytest.mark.parametrize(
    ("unit", "received", "written"),
    [
        (2, b"abc", b"bac"),
        (4, b"abcdef", b"dcbaef"),
        (8, b"abcdefgh", b"hgfedcba"),
        (4, b"ab", b"ab"),
    ],
)
def test_swapping(unit: int, received: bytes, written: bytes) -> None:
    """Units are reversed; a rest shorter than a unit stays, however the value is cut."""
    assert bytes(swapped(received, unit)) == written

    output = MemoryOutput()
    cursor = Cursor(output)
    sink = Swapped(cursor, unit)
    for byte in received:
        sink.feed(bytes([byte]))
    sink.finish()
    cursor.send()
    assert output.data == written


def _trimmed(value: bytes, step: int, length: int | None = None) -> bytes:
    output = MemoryOutput()
    cursor = Cursor(output)
    plan = plan_for(TRANSFER_SYNTAXES[IMPLICIT_VR_LITTLE_ENDIAN], Encoding())
    sink = Trimmed(
        cursor,
        HeaderWriter(plan, cursor),
        plan,
        0x00100020,
        (LO, UN),
        len(value) if length is None else length,
        TEXTS,
        {},
        lambda: None,
    )
    for start in range(0, len(value), step):
        sink.feed(value[start : start + step])
    sink.finish()
    cursor.send()
    return output.data


@given(value=st.text(" \0ab").map(str.encode), step=st.integers(1, 5))
def test_long_text_is_trimmed_like_short(value: bytes, step: int) -> None:
    """In pieces or as a whole: the same bytes."""
    assert _trimmed(value, step) == implicit(0x00100020, TEXTS.trimmed(value))


NEAR_THE_LIMIT = [65533, 65534, 65535, 65536, 65537]


@pytest.mark.parametrize("text", NEAR_THE_LIMIT)
@pytest.mark.parametrize("blanks", [0, 1, 2, 3, LONGEST_RUN, 3 * LONGEST_RUN + 1])
def test_values_around_the_longest_16_bit_length(text: int, blanks: int) -> None:
    """A value that is trimmed to 65534 bytes keeps its VR, a longer one becomes UN."""
    length = text + blanks
    received = UIDS_IMPLICIT + implicit(0x00100020, b"x" * text + b" " * blanks)
    kept = TEXTS.trimmed(b"x" * text)
    vr = "LO" if len(kept) <= 65534 else "UN"

    for step in (0, 4000, 70_000):
        result = transcode(
            IMPLICIT_VR_LITTLE_ENDIAN,
            received,
            Encoding(transfer_syntax=EXPLICIT_VR_LITTLE_ENDIAN),
            step=step,
        )
        assert result.data == UIDS + element(0x00100020, vr, kept), (length, step)


UIDS_IMPLICIT = implicit(0x00080016, b"1.2.840.10008.5.1.4.1.1.2\0") + implicit(
    0x00080018, b"1.2.3.4.5\0"
)


def test_long_uid_is_cleaned_in_pieces() -> None:
    """White space and NULs leave a UI value of any length."""
    value = (b"1.2 \t" * 2000) + b"\0" * 200_000 + b"3" + b"\0" * 200_001

    for step in (0, 7777):
        result = transcode(
            IMPLICIT_VR_LITTLE_ENDIAN, UIDS_IMPLICIT + implicit(0x0020000D, value), step=step
        )
        assert result.data == UIDS_IMPLICIT + implicit(0x0020000D, UID_VALUES.trimmed(value))


@pytest.mark.parametrize("syntax", ["implicit", "explicit"])
def test_a_long_run_of_blanks_inside_a_text_stays(syntax: str) -> None:
    """Blanks that are followed by something are written as they came, however many."""
    value = b"a" + b" \0" * LONGEST_RUN + b"b"
    data = (
        UIDS_IMPLICIT + implicit(0x00402000, value)
        if syntax == "implicit"
        else UIDS + element(0x0040A160, "UT", value)
    )
    uid = IMPLICIT_VR_LITTLE_ENDIAN if syntax == "implicit" else EXPLICIT_VR_LITTLE_ENDIAN

    result = transcode(uid, data, step=5000)

    assert result.data == data
    assert result.passes == 1


@pytest.mark.parametrize(
    ("vr", "received", "written"),
    [
        ("US", b"abc", b"ba\0c"),
        ("UL", b"abc", b"\0cba"),
        ("UL", b"abcde", b"dcbae\0"),
        ("FD", b"abcdefg", b"\0gfedcba"),
        ("SL", b"abcdefg", b"dcba\0gfe"),
        ("US", b"ab" * 50 + b"c", b"ba" * 50 + b"\0c"),
        ("OW", b"abc", b"bac"),
    ],
)
@pytest.mark.parametrize("step", [0, 1, 5])
def test_an_odd_value_is_padded_before_its_bytes_change_places(
    vr: str, received: bytes, written: bytes, step: int
) -> None:
    """As DCMTK does it: the byte that pads a value is part of its last unit."""
    found = transcode(
        EXPLICIT_VR_LITTLE_ENDIAN,
        element(0x00111010, vr, received),
        Encoding(transfer_syntax=EXPLICIT_VR_BIG_ENDIAN),
        step=step,
    ).data

    assert found == element(0x00111010, vr, written, big_endian=True)
