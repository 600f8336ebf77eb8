"""Command sets: PS3.7 9.3 and annex E, and what the reference makes of odd ones."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storescp.dimse.command import (
    CCancelRQ,
    CEchoRQ,
    CEchoRSP,
    Command,
    CStoreRQ,
    CStoreRSP,
    RefusedCommand,
    decode,
    decode_request,
    encode_cancel_request,
    encode_echo_request,
    encode_echo_response,
    encode_store_request,
    encode_store_response,
)

CLASS = b"\x00\x00\x02\x00\x12\x00\x00\x001.2.840.10008.1.1\x00"
ECHO = b"\x00\x00\x00\x01\x02\x00\x00\x00\x30\x00"
STORE = b"\x00\x00\x00\x01\x02\x00\x00\x00\x01\x00"
MESSAGE_ID = b"\x00\x00\x10\x01\x02\x00\x00\x00\x07\x00"
PRIORITY = b"\x00\x00\x00\x07\x02\x00\x00\x00\x00\x00"
NO_DATA = b"\x00\x00\x00\x08\x02\x00\x00\x00\x01\x01"
DATA = b"\x00\x00\x00\x08\x02\x00\x00\x00\x00\x00"
INSTANCE = b"\x00\x00\x00\x10\x06\x00\x00\x001.2.3\x00"
VERIFICATION = "1.2.840.10008.1.1"

uids = st.text("0123456789.", min_size=1, max_size=64)
shorts = st.integers(0, 0xFFFF)


def element(tag: int, value: bytes) -> bytes:
    """Return an element of group 0."""
    return b"\x00\x00" + tag.to_bytes(2, "little") + len(value).to_bytes(4, "little") + value


def refusal(command_set: bytes) -> tuple[str, list[tuple[str, int, str]]]:
    """Return text and notes of the error that a command set causes."""
    with pytest.raises(RefusedCommand) as caught:
        decode_request(command_set)
    assert (caught.value.abort_source, caught.value.abort_reason) == (0, 0)
    return str(caught.value), [(note.logger, note.level, note.text) for note in caught.value.notes]


@settings(deadline=None, max_examples=100)
@given(
    st.builds(
        CStoreRQ,
        message_id=shorts,
        affected_sop_class_uid=uids,
        affected_sop_instance_uid=uids,
        priority=shorts,
        move_originator_ae_title=st.none() | st.text("ABC_", min_size=1, max_size=16),
        move_originator_message_id=st.none() | shorts,
        context_id=st.just(0),
        notes=st.just(()),
    ),
    shorts,
)
def test_store_round_trip(request: CStoreRQ, status: int) -> None:
    """Request and response of C-STORE survive encoding; every length in them is even."""
    assert decode_request(encode_store_request(request)) == request
    assert decode(encode_store_response(request, status)) == CStoreRSP(
        request.message_id,
        request.affected_sop_class_uid,
        request.affected_sop_instance_uid,
        status,
    )
    assert len(encode_store_request(request)) % 2 == 0
    assert len(encode_store_response(request, status)) % 2 == 0


@settings(deadline=None, max_examples=50)
@given(shorts, uids)
def test_echo_round_trip(message_id: int, uid: str) -> None:
    """Request and response of C-ECHO survive encoding."""
    request = CEchoRQ(message_id, uid)

    assert decode_request(encode_echo_request(request)) == request
    assert decode(encode_echo_response(request)) == CEchoRSP(message_id, uid, 0)


def test_cancel_round_trip() -> None:
    """C-CANCEL-RQ survives encoding."""
    assert decode(encode_cancel_request(CCancelRQ(7))) == CCancelRQ(7)


def test_echo_response_bytes() -> None:
    """A C-ECHO-RSP has the elements of the reference, in its order, with a correct group length."""
    assert encode_echo_response(CEchoRQ(7, VERIFICATION)) == (
        b"\x00\x00\x00\x00"
        b"\x04\x00\x00\x00"
        b"\x42\x00\x00\x00" + CLASS + b"\x00\x00\x00\x01"
        b"\x02\x00\x00\x00"
        b"\x30\x80"
        b"\x00\x00\x20\x01"
        b"\x02\x00\x00\x00"
        b"\x07\x00" + NO_DATA + b"\x00\x00\x00\x09"
        b"\x02\x00\x00\x00"
        b"\x00\x00"
    )


def test_store_response_bytes() -> None:
    """A C-STORE-RSP has the elements of the reference, in its order, with a correct group length."""
    request = CStoreRQ(7, VERIFICATION, "1.2.3")

    assert encode_store_response(request, 0xA700) == (
        b"\x00\x00\x00\x00"
        b"\x04\x00\x00\x00"
        b"\x50\x00\x00\x00" + CLASS + b"\x00\x00\x00\x01"
        b"\x02\x00\x00\x00"
        b"\x01\x80"
        b"\x00\x00\x20\x01"
        b"\x02\x00\x00\x00"
        b"\x07\x00" + NO_DATA + b"\x00\x00\x00\x09"
        b"\x02\x00\x00\x00"
        b"\x00\xa7" + INSTANCE
    )


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("Invalid tag", b"Invalid tag "),
        ("even text.", b"even text."),
        ("x" * 63, b"x" * 63 + b" "),
        ("x" * 64, b"x" * 64),
        ("x" * 200, b"x" * 64),
        ("a\\b", b"a/b "),
        ("a\nb\x1b[2J", b"a?b?[2J "),
        ("M\xfcller \u4e2d", b"M?ller ?"),
    ],
)
def test_error_comment(comment: str, expected: bytes) -> None:
    """It is one LO of the default repertoire, PS3.7 annex C.4, in its place, and counted."""
    request = CStoreRQ(7, VERIFICATION, "1.2.3")
    element = b"\x00\x00\x02\x09" + len(expected).to_bytes(4, "little") + expected

    plain = encode_store_response(request, 0xC000)
    commented = encode_store_response(request, 0xC000, comment)

    length = int.from_bytes(plain[8:12], "little") + len(element)
    assert commented == (
        plain[:8]
        + length.to_bytes(4, "little")
        + plain[12:].removesuffix(INSTANCE)
        + element
        + INSTANCE
    )


@pytest.mark.parametrize(("uid", "encoded"), [("", b""), ("1.23", b"1.23"), ("\xe9", b"\xe9\x00")])
def test_uids_in_responses(uid: str, encoded: bytes) -> None:
    """UIDs are returned as they are, padded to even length."""
    response = encode_store_response(CStoreRQ(1, uid, uid), 0)

    assert response.endswith(element(0x1000, encoded))
    assert element(0x0002, encoded) in response


def test_store_request() -> None:
    """A C-STORE-RQ as most requesters send it."""
    originator = element(0x1030, b"MOVER ") + element(0x1031, b"\x09\x00")

    request = decode_request(
        element(0, b"\x00\x00\x00\x00")
        + (CLASS + STORE + MESSAGE_ID + PRIORITY + DATA + INSTANCE + originator),
        context_id=5,
    )

    assert request == CStoreRQ(
        message_id=7,
        affected_sop_class_uid=VERIFICATION,
        affected_sop_instance_uid="1.2.3",
        move_originator_ae_title="MOVER",
        move_originator_message_id=9,
        context_id=5,
    )
    assert request.notes == ()


@settings(deadline=None, max_examples=300)
@given(
    uids,
    uids,
    st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), max_size=2),
    st.binary(max_size=9),
)
def test_usual_request_is_read_as_any_other(
    sop_class: str, instance: str, changes: list[tuple[int, int]], extra: bytes
) -> None:
    """The short way that most requests take leads to the same request, or to the same refusal, as the long one."""
    command_set = bytearray(encode_store_request(CStoreRQ(7, sop_class, instance, 1)) + extra)
    for position, byte in changes:
        command_set[position % len(command_set)] = byte

    assert outcome(decode_request, bytes(command_set)) == outcome(decode, bytes(command_set))


def outcome(read: Callable[[bytes], Command], command_set: bytes) -> object:
    """Return the command, or what is said against it; `decode_request` alone refuses what is not served."""
    try:
        command = read(command_set)
    except RefusedCommand as refused:
        return None if "Bad command type" in str(refused) else (str(refused), refused.notes)
    return command if isinstance(command, CStoreRQ | CEchoRQ) else None


@pytest.mark.parametrize("data_set_type", [b"\x00\x00", b"\x01\x00", b"\x02\x01", b"\xff\xff"])
def test_data_follow(data_set_type: bytes) -> None:
    """Any data set type but 0101H says that data follow."""
    data = element(0x0800, data_set_type)

    assert decode_request(CLASS + STORE + MESSAGE_ID + PRIORITY + data + INSTANCE)


@pytest.mark.parametrize(
    "extra",
    [
        element(0x5000, b"1.2.3.4 "),
        b"\x08\x00\x18\x00\x04\x00\x00\x001.2 ",
        b"\x00\x00\x00\x00",
        bytes(7),
        element(0x1031, b""),
    ],
)
def test_extra_elements(extra: bytes) -> None:
    """Unknown elements, those of other groups and a few bytes at the end are ignored."""
    request = decode_request(CLASS + ECHO + MESSAGE_ID + NO_DATA + extra)

    assert request == CEchoRQ(7, VERIFICATION)
    assert request.notes == ()


@pytest.mark.parametrize("length", [b"", b"\x07\x00\x00\x00", b"\xff\xff\xff\xff"])
def test_group_length_is_not_relied_upon(length: bytes) -> None:
    """A wrong group length does no harm."""
    assert decode_request(element(0, length) + CLASS + ECHO + MESSAGE_ID + NO_DATA)


def test_empty_move_originator() -> None:
    """Elements of the move originator may be there and empty."""
    request = decode_request(
        CLASS
        + STORE
        + MESSAGE_ID
        + PRIORITY
        + DATA
        + INSTANCE
        + element(0x1030, b"")
        + element(0x1031, b"")
    )

    assert isinstance(request, CStoreRQ)
    assert request.move_originator_ae_title == ""
    assert request.move_originator_message_id is None


@pytest.mark.parametrize(
    ("value", "number"), [(b"\x05", 5), (b"\x05\x01", 0x105), (b"\x05\x00\x06\x00", 5)]
)
def test_numbers_of_odd_length(value: bytes, number: int) -> None:
    """Of a number the first two bytes count; one byte is a number, too."""
    request = decode_request(CLASS + ECHO + element(0x0110, value) + NO_DATA)

    assert request.message_id == number


def test_elements_out_of_order() -> None:
    """Elements out of order are accepted with a warning for each."""
    request = decode_request(NO_DATA + MESSAGE_ID + ECHO + CLASS)

    assert request._replace(notes=()) == CEchoRQ(7, VERIFICATION)
    assert [tuple(note) for note in request.notes] == [
        (
            "dcmtk.dcmdata",
            30,
            f"DcmItem: Dataset not in ascending tag order, at element (0000,{tag})",
        )
        for tag in ("0110", "0100", "0002")
    ]


def test_duplicate_elements() -> None:
    """The first of two elements with the same tag counts, with a warning."""
    request = decode_request(CLASS + ECHO + STORE + MESSAGE_ID + NO_DATA)

    assert request._replace(notes=()) == CEchoRQ(7, VERIFICATION)
    assert [note.text for note in request.notes] == [
        "DcmItem: Element (0000,0100) found twice in one data set or item, ignoring second entry"
    ]


def test_disorder_does_not_flood_the_log() -> None:
    """A command set that is all disorder is reported with a few warnings."""
    request = decode_request(CLASS + ECHO + MESSAGE_ID + NO_DATA + MESSAGE_ID * 3000)

    assert len(request.notes) == 16


SPACES_REMOVED = (
    "DcmUniqueIdentifier: Element AffectedSOPClassUID (0000,0002) contains one or more"
    " space characters, which were removed"
)


@pytest.mark.parametrize(
    ("value", "uid", "warned"),
    [
        (b"1.2.3\x00", "1.2.3", False),
        (b"1.2\x00.3", "1.2", False),
        (b"\x001.2", "", False),
        (b"", "", False),
        (b"1.2.3 ", "1.2.3", True),
        (b" 1.2 .\t3\r\n\v\f", "1.2.3", True),
        (b"1.2\x00  ", "1.2", False),
        (b"  ", "", True),
        (b"\xe9/..", "\xe9/..", False),
        (b"1\x1c2\xa03\x85", "1\x1c2\xa03\x85", False),
        (b"1" * 64, "1" * 64, False),
        (b"1" * 64 + b"  ", "1" * 64, True),
    ],
)
def test_uids(value: bytes, uid: str, warned: bool) -> None:
    """UIDs end at the first NUL and lose white space, with a warning; no other check is made."""
    request = decode_request(element(0x0002, value) + ECHO + MESSAGE_ID + NO_DATA)

    assert request.affected_sop_class_uid == uid
    assert [tuple(note) for note in request.notes] == [
        (
            "dcmtk.dcmdata",
            30,
            SPACES_REMOVED,
        )
    ] * warned


PARSE_FAILED = "0006:020b DIMSE: Command Parse Failed: Element: (0000,{}) {}"


@pytest.mark.parametrize(
    ("command_set", "text"),
    [
        (ECHO + MESSAGE_ID + NO_DATA, PARSE_FAILED.format("0002", "AffectedSOPClassUID")),
        (CLASS + ECHO + NO_DATA, PARSE_FAILED.format("0110", "MessageID")),
        (CLASS + ECHO + MESSAGE_ID, PARSE_FAILED.format("0800", "CommandDataSetType")),
        (STORE + MESSAGE_ID + PRIORITY + DATA + INSTANCE, PARSE_FAILED.format("0002", "AffectedSOPClassUID")),
        (CLASS + STORE + PRIORITY + DATA + INSTANCE, PARSE_FAILED.format("0110", "MessageID")),
        (CLASS + STORE + MESSAGE_ID + DATA + INSTANCE, PARSE_FAILED.format("0700", "Priority")),
        (CLASS + STORE + MESSAGE_ID + PRIORITY + INSTANCE, PARSE_FAILED.format("0800", "CommandDataSetType")),
        (CLASS + STORE + MESSAGE_ID + PRIORITY + DATA, PARSE_FAILED.format("1000", "AffectedSOPInstanceUID")),
        (CLASS + ECHO + element(0x0110, b"") + NO_DATA, PARSE_FAILED.format("0110", "MessageID")),
        (element(0x0002, b"1" * 66) + ECHO + MESSAGE_ID + NO_DATA, PARSE_FAILED.format("0002", "AffectedSOPClassUID")),
        (
            CLASS + STORE + MESSAGE_ID + PRIORITY + DATA + element(0x1000, b"1" * 65 + b"\x00"),
            PARSE_FAILED.format("1000", "AffectedSOPInstanceUID"),
        ),
        (CLASS + MESSAGE_ID + NO_DATA, "0006:020b DIMSE_parseCmdObject: Missing CommandField"),
        (CLASS + element(0x0100, b""), "0006:020b DIMSE_parseCmdObject: Missing CommandField"),
        (b"", "0006:020b DIMSE_parseCmdObject: Missing CommandField"),
        (b"abcd", "0006:020b DIMSE_parseCmdObject: Missing CommandField"),
        (
            CLASS + ECHO + MESSAGE_ID + b"\x00\x00\x00\x08" b"\x14\x00\x00\x00" b"\x01\x01",
            "0006:020d DIMSE: receiveCommand: cmdSet->read() Failed\n0001:0004 Invalid stream",
        ),
        (
            CLASS + ECHO + MESSAGE_ID + NO_DATA + b"\x00\x00\x00\x50" b"\xff\xff\xff\xff",
            "0006:020d DIMSE: receiveCommand: cmdSet->read() Failed\n0001:0004 Invalid stream",
        ),
        (element(0x0100, b"\x34\x12"), "0006:0201 DIMSE_parseCmdObject: Invalid Command Message: 0x1234"),
        (element(0x0100, b"\x02\x80"), "0006:0201 DIMSE_parseCmdObject: Invalid Command Message: 0x8002"),
    ],
)  # fmt: skip
def test_unusable_commands(command_set: bytes, text: str) -> None:
    """What lacks something or cannot be parsed is refused, with the reference's text and no warning."""
    assert refusal(command_set) == (text, [])


@pytest.mark.parametrize(
    ("command_set", "warning"),
    [
        (CLASS + ECHO + MESSAGE_ID + DATA, "C-Echo RQ: DataSetType != NULL"),
        (
            CLASS + STORE + MESSAGE_ID + PRIORITY + NO_DATA + INSTANCE,
            "C-Store RQ: DataSetType == NULL",
        ),
        (
            CLASS + STORE + MESSAGE_ID + PRIORITY + DATA + element(0x1000, b"\x00a"),
            "C-Store RQ: AffectedSOPInstanceUID: bad size",
        ),
    ],
)
def test_badly_formed_commands(command_set: bytes, warning: str) -> None:
    """What contradicts itself is refused with a warning."""
    assert refusal(command_set) == (
        "0006:0203 DIMSE Badly formed message",
        [("dcmtk.dcmnet", 30, warning)],
    )


def test_blank_instance_uid() -> None:
    """An instance UID of white space is refused, with both warnings."""
    _, notes = refusal(CLASS + STORE + MESSAGE_ID + PRIORITY + DATA + element(0x1000, b"  "))

    assert [logger for logger, _, _ in notes] == ["dcmtk.dcmdata", "dcmtk.dcmnet"]


UNSERVED = [0x0010, 0x0020, 0x0021, 0x0100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0150]


@pytest.mark.parametrize("command_field", [*UNSERVED, *(0x8000 | field for field in UNSERVED)])
def test_unserved_commands(command_field: int) -> None:
    """Commands that exist and are not served are refused and named."""
    command_set = CLASS + element(0x0100, command_field.to_bytes(2, "little"))

    text = f"Expected C-ECHO or C-STORE request but received DIMSE command 0x{command_field:04x}"
    assert refusal(command_set) == (
        "0006:0201 DIMSE Bad command type",
        [("dcmtk.apps.storescp", 40, text)],
    )


@pytest.mark.parametrize(
    ("command_set", "number"),
    [
        (encode_cancel_request(CCancelRQ(1)), "0x0fff"),
        (encode_store_response(CStoreRQ(1, "1", "2"), 0), "0x8001"),
        (encode_echo_response(CEchoRQ(1, "1")), "0x8030"),
    ],
)
def test_no_requests(command_set: bytes, number: str) -> None:
    """What a requester gets, or sends to cancel, is no request to be served."""
    text, [(_, _, note)] = refusal(command_set)

    assert text == "0006:0201 DIMSE Bad command type"
    assert note.endswith(number)


def test_responses_without_uids() -> None:
    """PS3.7 does not require the UIDs in responses."""
    answered = element(0x0120, b"\x01\x00") + element(0x0900, b"\x00\x00")

    assert decode(element(0x0100, b"\x01\x80") + answered) == CStoreRSP(1, "", "", 0)
    assert decode(element(0x0100, b"\x30\x80") + answered) == CEchoRSP(1, "", 0)


@settings(deadline=None, max_examples=200)
@given(
    st.binary(max_size=100)
    | st.lists(
        st.one_of(
            st.sampled_from([CLASS, ECHO, STORE, MESSAGE_ID, PRIORITY, NO_DATA, DATA, INSTANCE]),
            st.builds(element, st.sampled_from([0, 2, 0x100, 0x110, 0x800, 0x1000]), st.binary()),
        )
    ).map(b"".join)
)
def test_any_bytes(command_set: bytes) -> None:
    """Whatever the bytes, a request comes out or a RefusedCommand."""
    with suppress(RefusedCommand):
        assert decode_request(command_set)
