"""Data sets that resemble those before: what is made of them is the same, and it is found faster."""

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storescp.dataset.dictionary import Dictionary
from storescp.dataset.familiar import LONGEST_ROUTE, Memory
from storescp.dataset.plan import Plan, plan_for
from storescp.dataset.transcoder import Encoding, GroupLength
from storescp.errors import InvalidDataSet, StatusError
from storescp.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    TRANSFER_SYNTAXES,
)
from tests.dataset.support import (
    JPEG,
    UIDS,
    Transcoded,
    element,
    encoding_of,
    implicit,
    item,
    sequence,
    transcode,
)


def _plan() -> Plan:
    """The plan in use: other tests may have displaced an earlier one."""
    return plan_for(TRANSFER_SYNTAXES[EXPLICIT_VR_LITTLE_ENDIAN], Encoding())


def _slice(number: int, *, patient: bytes = b"Doe^John", position: bytes = b"1.5 ") -> bytes:
    """A data set of a series, as many attributes the same as differ."""
    return b"".join(
        [
            element(0x00080005, "CS", b"ISO_IR 100"),
            element(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.2\0"),
            element(0x00080018, "UI", b"1.2.3.%04d" % number),
            element(0x00080020, "DA", b"20240131"),
            element(0x00080060, "CS", b"CT"),
            element(0x00080070, "LO", b"Shoe Maker"),
            sequence(0x00081140, item(element(0x00081150, "UI", b"1.2.840.1\0"), undefined=True)),
            element(0x00100010, "PN", patient),
            element(0x00100020, "LO", b"4711"),
            element(0x00180050, "DS", b"0.625 "),
            element(0x0020000D, "UI", b"1.2.3.9\0"),
            element(0x00200013, "IS", b"%d" % number + b" " * (len(b"%d" % number) % 2)),
            element(0x00200032, "DS", position),
            element(0x00280010, "US", b"\0\2"),
            element(0x00280011, "US", b"\0\2"),
            element(0x00280103, "US", b"\0\0"),
            element(0x7FE00010, "OW", bytes(64)),
        ]
    )


def _stretches(memory: Memory) -> list[tuple[int, int]]:
    familiar = memory.of(_plan())
    assert familiar is not None
    return sorted((stretch.first, stretch.last) for stretch in familiar.stretches.values())


def _same(one: Transcoded, other: Transcoded) -> bool:
    attributes = ("sop_class_uid", "sop_instance_uid", "study_instance_uid", "patient_name")
    return one.data == other.data and all(
        getattr(one.attributes, name) == getattr(other.attributes, name)
        for name in (*attributes, "specific_character_set")
    )


def _check(data: bytes, memory: Memory, step: int = 0) -> None:
    usual = EXPLICIT_VR_LITTLE_ENDIAN
    assert _same(transcode(usual, data), transcode(usual, data, memory=memory, step=step))


def test_what_a_series_has_in_common_is_learned() -> None:
    """After three slices, the stretches are all but the elements that differ, and Pixel Data."""
    memory = Memory()

    for number in range(3):
        _check(_slice(number), memory)

    assert _stretches(memory) == [
        (0x00080005, 0x00080016),
        (0x00080020, 0x0020000D),
        (0x00200032, 0x00280103),
    ]


def test_known_elements_are_not_looked_at() -> None:
    """What a stretch covers is written as rehearsed, and its attributes are noted."""
    memory = Memory()
    for number in range(3):
        transcode(EXPLICIT_VR_LITTLE_ENDIAN, _slice(number), memory=memory)
    familiar = memory.of(_plan())
    assert familiar is not None
    for key, stretch in familiar.stretches.items():
        familiar.stretches[key] = stretch._replace(written=b"rehearsed")

    result = transcode(EXPLICIT_VR_LITTLE_ENDIAN, _slice(4), memory=memory)

    assert result.data.count(b"rehearsed") == 3
    assert result.attributes.patient_name == b"Doe^John"
    assert result.attributes.specific_character_set == b"ISO_IR 100"
    assert result.attributes.sop_instance_uid == b"1.2.3.0004"


def test_a_stretch_that_differs_is_cut() -> None:
    """An element that begins to vary divides its stretch, and nothing else is forgotten."""
    memory = Memory()
    for number in range(3):
        _check(_slice(number), memory)

    _check(_slice(3, position=b"-11.25"), memory)
    _check(_slice(4, patient=b"Doe^Jane"), memory)

    assert _stretches(memory) == [
        (0x00080005, 0x00080016),
        (0x00080020, 0x00081140),
        (0x00100020, 0x0020000D),
        (0x00280010, 0x00280103),
    ]


def test_other_data_sets_make_it_forget() -> None:
    """Where nearly all differs, everything is forgotten, and learned anew after a while."""
    memory = Memory()

    def other(number: int) -> bytes:
        return UIDS + b"".join(
            element(0x00100000 + tag, "LO", b"%02d%02d" % (number, tag)) for tag in range(1, 40)
        )

    for _ in range(4):
        _check(other(0), memory)
    learned = _stretches(memory)
    _check(other(1), memory)
    forgotten = _stretches(memory)
    for _ in range(8):
        _check(other(1), memory)

    assert [len(learned), len(forgotten), len(_stretches(memory))] == [1, 0, 1]


def _on_its_way() -> Memory:
    """A memory that knows the way through the data sets of a series."""
    memory = Memory()
    for number in (98, 99, 100, 101, 102):
        _check(_slice(number, position=b"%d.5" % number + b" " * (number > 99)), memory)
    assert _route(memory)
    return memory


def _route(memory: Memory) -> list[int]:
    """The tags at which the steps of the way end that is expected."""
    familiar = memory.of(_plan())
    assert familiar is not None
    return [step.last for step in familiar.route]


def test_the_way_through_a_series_is_learned() -> None:
    """It leads over stretches and the elements between them, up to Pixel Data, whatever lengths these have."""
    memory = _on_its_way()

    assert _route(memory) == [
        *(0x00080016, 0x00080018, 0x0020000D, 0x00200013, 0x00200032, 0x00280103)
    ]
    familiar = memory.of(_plan())
    assert familiar is not None
    way = familiar.route
    first = way[0].stretch
    assert first is not None
    familiar.route = (way[0]._replace(stretch=first._replace(written=b"rehearsed")), *way[1:])
    result = transcode(EXPLICIT_VR_LITTLE_ENDIAN, _slice(100, position=b"-1000.25"), memory=memory)
    assert result.data.startswith(b"rehearsed")
    assert result.attributes.sop_instance_uid == b"1.2.3.0100"
    assert familiar.route[1:] == way[1:]


@pytest.mark.parametrize(
    "position",
    [
        *(b"", b"1 ", b"1   ", b"1\0", b"1 \0 ", b"\0\0", b"  ", b"123", b"\0"),
        b"1.5\\2.5\\3.5" * 30 + b"   ",
    ],
)
@pytest.mark.parametrize("step", [0, 100, 101])
def test_what_is_not_plain_on_the_way_is_looked_at(position: bytes, step: int) -> None:
    """Values that are written otherwise than they came; and the way is known for the next data set."""
    memory = _on_its_way()

    _check(_slice(12, position=position), memory, step)
    _check(_slice(13), memory, step)


@pytest.mark.parametrize(
    ("tag", "replacement"),
    [
        ("08001800", element(0x00080018, "UI", b"1.2 .3\0\0")),
        ("08001800", element(0x00080018, "UI", b"1.2.3\0\0\0")),
        ("08001800", element(0x00080018, "UI", b"")),
        ("08001800", element(0x00080018, "LO", b"1.2.3 ")),
        ("08001800", b""),
        ("20001300", b""),
        ("20001300", element(0x00200013, "US", b"\1\0")),
        ("20001300", element(0x00200012, "IS", b"1 ") + element(0x00200013, "IS", b"2 ")),
        ("20001300", element(0x00200013, "IS", b"1 ") * 2),
        ("20001300", element(0x00080001, "LO", b"ab")),
        ("20001300", element(0x00200013, "IS", b"1 ") + b"\x13\0 \0"),
        ("20001300", element(0x00200000, "UL", bytes(4)) + element(0x00200013, "IS", b"1 ")),
    ],
)
def test_who_leaves_the_way_is_walked_with(tag: str, replacement: bytes) -> None:
    """Other elements than expected, none, twice, out of order: nothing is made of it that would not be made without."""
    memory = _on_its_way()
    data = _slice(12)
    start = data.index(bytes.fromhex(tag))
    end = start + 8 + int.from_bytes(data[start + 6 : start + 8], "little")
    data = data[:start] + replacement + data[end:]

    outcomes: list[object] = []
    for known in (None, memory):
        try:
            outcomes.append(transcode(EXPLICIT_VR_LITTLE_ENDIAN, data, memory=known).data)
        except (InvalidDataSet, StatusError) as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]
    _check(_slice(13), memory)


def test_the_way_is_followed_to_the_end_of_a_fragment() -> None:
    """Wherever that cuts a header or a value."""
    memory = _on_its_way()
    head = _slice(12).index(b"\xe0\x7f")

    for step in range(8, head + 1):
        _check(_slice(12), memory, step)
        _check(_slice(13), memory)  # as a fragment that is short may have changed what is known


@pytest.mark.parametrize("uid", [b"1.2 .3", b"1.23 ", b"1.2\t\0", b"1.23\0\0", b"\0\0", b""])
def test_a_uid_on_the_way_that_is_not_plain_is_looked_at(uid: bytes) -> None:
    """It loses white space, as any UID does, though nobody wants to know it."""
    memory = Memory()

    def data(uid: bytes, number: int) -> bytes:
        pixels = b"\x28\0\x10\0"
        return _slice(number).replace(pixels, element(0x00200052, "UI", uid) + pixels, 1)

    for number in range(5):
        _check(data(b"1.2.%d\0" % number, number), memory)
    assert 0x00200052 in _route(memory)
    _check(data(uid, 12), memory)
    _check(data(b"1.2.13", 13), memory)


def test_the_way_begins_where_the_elements_do() -> None:
    """What stands in front of the first one is looked at once."""
    memory = _on_its_way()
    way = _route(memory)

    _check(element(0xFFFCFFFC, "OB", bytes(4)) + _slice(12), memory)

    assert _route(memory) == way


def test_a_way_that_is_left_often_is_forgotten() -> None:
    """And another one is found, of which no more is kept than is worth it."""
    memory = _on_its_way()

    def other(number: int) -> bytes:
        more = b"".join(element(0x00210010 + tag, "LO", b"%04d" % number) for tag in range(300))
        return _slice(number).replace(element(0x00280010, "US", b"\0\2"), more)

    for number in range(12):
        _check(other(number), memory)

    assert len(_route(memory)) == LONGEST_ROUTE


def test_pauses_grow() -> None:
    """Data sets that have nothing in common are compared more and more rarely."""
    memory = Memory()
    familiar = memory.of(_plan())
    assert familiar is not None
    recorded = []
    for number in range(200):
        recorded.append(familiar._rest <= 0)
        _check(element(0x00080018, "UI", b"1.%04d" % number), memory)

    assert recorded[:3] == [False, True, True]
    assert sum(recorded) == 2 * 5  # after pauses of 1, 1, 4, 16 and 64


@pytest.mark.parametrize(
    "odd_one",
    [
        element(0x00100000, "UL", b"\4\0\0\0"),
        element(0x00283010, "SQ", b""),
        element(0x00100030, "ZZ", b"\0\0\0\0"),
        element(0x00100030, "LO", b"abc"),
        element(0x00030010, "LO", b"ab"),
        element(0xFFFF0010, "LO", b"ab"),
        sequence(0x00080006, item(element(0x00080016, "UI", b"1.2\0"))),
    ],
    ids=[
        "group length",
        "VOI LUT",
        "non-standard VR",
        "odd length",
        "low group",
        "high group",
        "UID inside",
    ],
)
def test_what_leaves_a_trace_is_walked_each_time(
    odd_one: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Group lengths, elements of structure, remarks and notes of items are never part of a stretch."""
    front = b"".join(element(0x00080020 + tag, "LO", b"ab") for tag in range(9))
    tag = int.from_bytes(odd_one[:2], "little") << 16 | int.from_bytes(odd_one[2:4], "little")
    data = (odd_one + UIDS + front) if tag < 0x00080016 else (UIDS + front + odd_one)
    memory = Memory()
    caplog.set_level(logging.WARNING)

    for _ in range(5):
        caplog.clear()
        transcode(EXPLICIT_VR_LITTLE_ENDIAN, data)
        expected = [record.getMessage() for record in caplog.records]
        caplog.clear()
        _check(data, memory)
        assert [record.getMessage() for record in caplog.records][len(expected) :] == expected

    assert _stretches(memory)
    assert not any(first <= tag <= last for first, last in _stretches(memory))


def test_group_lengths_around_stretches_are_right() -> None:
    """A group length is computed over what a stretch writes, and over what comes between."""
    values = [element(0x00100010 + tag, "LO", b"a   ") for tag in range(8)]
    memory = Memory()

    for number in range(6):
        group = b"".join(values) + element(0x00100FFF, "LO", b"%d   " % number)
        head = UIDS + element(0x00100000, "UL", b"\0\0\0\0") + group
        _check(head + element(0x00180050, "DS", b"1   "), memory)

    assert (0x00100010, 0x00100017) in _stretches(memory)


def test_no_stretches_where_group_lengths_are_created() -> None:
    """Each element counts for its group's length, so none is passed."""
    encoding = Encoding(group_length=GroupLength.CREATE)

    assert Memory().of(plan_for(TRANSFER_SYNTAXES[EXPLICIT_VR_LITTLE_ENDIAN], encoding)) is None


def test_signed_pixels_count_in_implicit_vr() -> None:
    """Smallest Image Pixel Value is SS or US by Pixel Representation, stretch or not."""

    def head(signed: int) -> bytes:
        same = [implicit(0x00280010 + tag, b"\1\0") for tag in range(2)]
        pixels = [implicit(0x00280103, bytes([signed, 0])), implicit(0x00280106, b"\0\0")]
        return b"".join([*same, *pixels, *(implicit(0x00281050 + tag, b"12") for tag in range(4))])

    memory, encoding = Memory(), Encoding(transfer_syntax=EXPLICIT_VR_LITTLE_ENDIAN)
    written = [
        transcode(IMPLICIT_VR_LITTLE_ENDIAN, head(signed), encoding, memory=memory).data
        for signed in (0, 0, 0, 0, 1, 0, 1)
    ]

    assert [b"SS" in data for data in written] == [False] * 4 + [True, False, True]


def test_private_creators_are_minded() -> None:
    """With private elements in the dictionary, a VR depends on a creator: nothing is passed."""
    dictionary = Dictionary({0x00090010: "LO"}, private={(b"MAKER", 0x00091001): "US"})
    memory = Memory()
    encoding = Encoding(transfer_syntax=EXPLICIT_VR_LITTLE_ENDIAN)

    def data(creator: bytes) -> bytes:
        more = b"".join(implicit(0x00091010 + tag, b"ab") for tag in range(5))
        return implicit(0x00090010, creator) + implicit(0x00091001, b"ab") + more

    written = [
        transcode(
            IMPLICIT_VR_LITTLE_ENDIAN,
            data(creator),
            encoding,
            dictionary=lambda: dictionary,
            memory=memory,
        ).data
        for creator in (b"MAKER ", b"MAKER ", b"MAKER ", b"OTHER ", b"MAKER ")
    ]

    assert [b"US" in data for data in written] == [True, True, True, False, True]


SYNTAXES = [EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, JPEG]
OPTIONS = ["", "-e", "-g", "-u", "+uc", "+p 512 64", "+te", "+tb", "+ti", "+td"]
VALUES = [b"", b"12", b"1 ", b"12  ", b"1.2.3\0", b"\0\0", b"a\0", b"abcd"]
VRS = ["LO", "UI", "DS", "US", "OW", "UN", "UT", "AT", "FD"]
TAGS = [0x00080005, 0x00080016, 0x00080018, 0x00080060, 0x00090010, 0x00091001, 0x00100010]
TAGS += [0x00100020, 0x0020000D, 0x00280103, 0x00280106, 0x00281050, 0x00400007, 0xFFFCFFFC]


@st.composite
def _series(draw: st.DrawFn, *, big_endian: bool, implicit_vr: bool) -> list[bytes]:
    """Data sets of the same elements, each of which differs in a few."""

    def one(tag: int) -> bytes:
        value = draw(st.sampled_from(VALUES))
        if implicit_vr:
            return implicit(tag, value)
        if tag == 0x00400007 and not big_endian:
            content = element(0x00080100, "SH", value) + element(0x00080102, "SH", b"ab")
            undefined = draw(st.booleans())
            return sequence(tag, item(content, undefined=undefined), undefined=undefined)
        return element(tag, draw(st.sampled_from(VRS)), value, big_endian=big_endian)

    elements = {tag: one(tag) for tag in TAGS}
    found = []
    for _ in range(draw(st.integers(4, 12))):
        for tag in draw(st.lists(st.sampled_from(TAGS), max_size=3)):
            elements[tag] = one(tag)
        left_out = draw(st.sets(st.sampled_from(TAGS), max_size=2))
        order = list(TAGS)
        if not draw(st.integers(0, 9)):
            order.reverse()
        found.append(b"".join(elements[tag] for tag in order if tag not in left_out))
    return found


@settings(max_examples=300, deadline=None)
@given(data=st.data(), syntax=st.sampled_from(SYNTAXES), options=st.sampled_from(OPTIONS))
def test_memory_changes_nothing(data: st.DataObject, syntax: str, options: str) -> None:
    """A series gives the same bytes, attributes and errors with a memory as without one."""
    series = data.draw(
        _series(
            big_endian=syntax == EXPLICIT_VR_BIG_ENDIAN,
            implicit_vr=syntax == IMPLICIT_VR_LITTLE_ENDIAN,
        )
    )
    memory, encoding = Memory(), encoding_of(options)

    def outcome(received: bytes, memory: Memory | None, step: int) -> object:
        try:
            result = transcode(syntax, received, encoding, step=step, memory=memory)
        except (InvalidDataSet, StatusError) as error:
            return type(error), str(error)
        return result.data, result.attributes, result.passes

    for received in series:
        step = data.draw(st.sampled_from([0, 0, 50, 101]))
        assert outcome(received, None, step) == outcome(received, memory, step)
