"""PDUs of association, release and abort: PS3.8 9.3, PS3.7 annex D."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storescp.errors import InvalidPDU, ProtocolError
from storescp.upper_layer.pdu import (
    PDU,
    AAbort,
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    AnsweredContext,
    AReleaseRP,
    AReleaseRQ,
    AsynchronousOperations,
    CommonExtendedNegotiation,
    ExtendedNegotiation,
    InvalidAssociatePDU,
    PDUType,
    ProposedContext,
    RoleSelection,
    UserIdentity,
    UserInformation,
    decode,
    decode_request,
)

FIXED = b"\x00\x01\x00\x00STORESCP        SCU             " + bytes(32)
APPLICATION = b"\x10\x00\x00\x151.2.840.10008.3.1.1.1"
CONTEXT = b"\x20\x00\x00\x2e\x01\x00\x00\x00\x30\x00\x00\x111.2.840.10008.1.1\x40\x00\x00\x111.2.840.10008.1.2"
REQUEST_FIELD = FIXED + APPLICATION + CONTEXT + b"\x50\x00\x00\x08\x51\x00\x00\x04\x00\x00\x40\x00"

uids = st.text("0123456789.", max_size=64)
titles = st.text("ABCxyz 9_", min_size=1, max_size=16).map(lambda title: title.rstrip())
blobs = st.binary(max_size=40)
shorts = st.integers(0, 0xFFFF)
user_information = st.builds(
    UserInformation,
    maximum_length=st.integers(0, 0xFFFFFFFF),
    implementation_class_uid=uids,
    asynchronous_operations=st.none() | st.builds(AsynchronousOperations, shorts, shorts),
    roles=st.lists(st.builds(RoleSelection, uids, st.booleans(), st.booleans())).map(tuple),
    implementation_version_name=uids,
    extended_negotiation=st.lists(st.builds(ExtendedNegotiation, uids, blobs)).map(tuple),
    common_extended_negotiation=st.lists(
        st.builds(CommonExtendedNegotiation, uids, uids, st.lists(uids).map(tuple))
    ).map(tuple),
    user_identity=st.none()
    | st.builds(UserIdentity, st.integers(0, 255), st.booleans(), blobs, blobs),
    user_identity_answer=st.none() | blobs,
)
requests = st.builds(
    AAssociateRQ,
    called_ae_title=titles,
    calling_ae_title=titles,
    application_context=uids,
    contexts=st.lists(
        st.builds(
            ProposedContext,
            st.integers(0, 255),
            st.none() | uids,
            st.lists(uids, min_size=1, max_size=5).map(tuple),
        ),
        min_size=1,
        max_size=5,
    ).map(tuple),
    user_information=user_information,
    protocol_version=shorts,
)
acceptances = st.builds(
    AAssociateAC,
    called_ae_title=titles,
    calling_ae_title=titles,
    application_context=uids,
    contexts=st.lists(
        st.builds(
            AnsweredContext, st.integers(0, 255), st.integers(0, 4), uids, abstract_syntax=st.none()
        ),
        max_size=5,
    ).map(tuple),
    user_information=user_information,
    protocol_version=shorts,
)
octets = st.integers(0, 255)
pdus: st.SearchStrategy[PDU] = st.one_of(
    requests,
    acceptances,
    st.builds(AAssociateRJ, octets, octets, octets),
    st.just(AReleaseRQ()),
    st.just(AReleaseRP()),
    st.builds(AAbort, octets, octets),
)


def item(item_type: int, value: bytes) -> bytes:
    """Return an item, PS3.8 9.3.2."""
    return bytes((item_type, 0)) + len(value).to_bytes(2, "big") + value


def request_with(*items: bytes, user: bytes = b"") -> AAssociateRQ:
    """Return what is decoded from a request with a context, further items and user sub-items."""
    return decode_request(FIXED + APPLICATION + CONTEXT + b"".join(items) + item(0x50, user))


@settings(deadline=None, max_examples=100)
@given(pdus)
def test_round_trip(pdu: PDU) -> None:
    """What was encoded is decoded to the same value, and the header fits."""
    data = pdu.encode()

    assert pdu == decode(data[0], data[6:])
    assert len(data) - 6 == int.from_bytes(data[2:6], "big")


@settings(deadline=None, max_examples=200)
@given(
    octets, st.binary(max_size=300) | st.binary(max_size=200).map(lambda tail: REQUEST_FIELD + tail)
)
def test_any_bytes(pdu_type: int, field: bytes) -> None:
    """Whatever the bytes, they are decoded, or refused with an error of this project."""
    with suppress(ProtocolError):
        assert decode(pdu_type, field)


@settings(deadline=None, max_examples=200)
@given(requests, st.data())
def test_damaged_requests(request: AAssociateRQ, data: st.DataObject) -> None:
    """A request with one byte changed, or cut off anywhere, is decoded or refused."""
    field = bytearray(request.encode()[6:])
    field[data.draw(st.integers(0, len(field) - 1))] = data.draw(octets)
    del field[data.draw(st.integers(0, len(field))) :]

    with suppress(InvalidAssociatePDU):
        assert decode_request(bytes(field)).contexts


def test_request_bytes() -> None:
    """An A-ASSOCIATE-RQ of known bytes, both ways."""
    request = AAssociateRQ(
        "STORESCP",
        "SCU",
        "1.2.840.10008.3.1.1.1",
        (ProposedContext(1, "1.2.840.10008.1.1", ("1.2.840.10008.1.2",)),),
        UserInformation(16384),
    )

    assert request == decode_request(REQUEST_FIELD)
    assert (
        b"\x01\x00\x00\x00\x00" + bytes((len(REQUEST_FIELD),)) + REQUEST_FIELD == request.encode()
    )


@pytest.mark.parametrize(
    ("pdu", "data"),
    [
        (AAssociateRJ(1, 2, 3), b"\x03\x00\x00\x00\x00\x04\x00\x01\x02\x03"),
        (AReleaseRQ(), b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00"),
        (AReleaseRP(), b"\x06\x00\x00\x00\x00\x04\x00\x00\x00\x00"),
        (AAbort(2, 6), b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x06"),
    ],
)
def test_small_pdu_bytes(pdu: PDU, data: bytes) -> None:
    """The small PDUs have the bytes of PS3.8 9.3.4 to 9.3.8."""
    assert data == pdu.encode()
    assert pdu == decode(data[0], data[6:])


def test_acceptance_bytes() -> None:
    """An A-ASSOCIATE-AC has its user sub-items in the order of the reference: 51H, 52H, 54H, 55H, 56H."""
    acceptance = AAssociateAC(
        "STORESCP",
        "SCU",
        "1.2.840.10008.3.1.1.1",
        (AnsweredContext(1, 0, "1.2.840.10008.1.2"),),
        UserInformation(
            16384,
            "1.2.3",
            roles=(RoleSelection("1.2", scu=True, scp=False),),
            implementation_version_name="NAME",
            extended_negotiation=(ExtendedNegotiation("1.4", b"\x07\x08"),),
        ),
    )

    assert acceptance.encode() == (
        b"\x02\x00\x00\x00\x00\xad" + FIXED + APPLICATION + b"\x21\x00\x00\x19"
        b"\x01\x00\x00\x00"
        b"\x40\x00\x00\x11"
        b"1.2.840.10008.1.2"
        b"\x50\x00\x00\x2f"
        b"\x51\x00\x00\x04"
        b"\x00\x00\x40\x00"
        b"\x52\x00\x00\x05"
        b"1.2.3"
        b"\x54\x00\x00\x07"
        b"\x00\x03"
        b"1.2"
        b"\x01\x00"
        b"\x55\x00\x00\x04"
        b"NAME"
        b"\x56\x00\x00\x07"
        b"\x00\x03"
        b"1.4"
        b"\x07\x08"
    )


@pytest.mark.parametrize("field", [b"", b"\x00\x00\x02", bytes(8)])
def test_abort_of_any_length(field: bytes) -> None:
    """An A-ABORT is one whatever its length: missing fields count as 0."""
    assert isinstance(decode(PDUType.A_ABORT, field), AAbort)


@pytest.mark.parametrize("pdu_type", [PDUType.A_RELEASE_RQ, PDUType.A_RELEASE_RP])
def test_release_of_any_length(pdu_type: int) -> None:
    """The length of a release is not checked."""
    assert decode(pdu_type, b"") == decode(pdu_type, bytes(8))


@pytest.mark.parametrize("pdu_type", [0, 4, 8, 0x47, 255])
def test_unknown_type(pdu_type: int) -> None:
    """A type that is none of these is an error that shows it in hexadecimal, as the reference does."""
    with pytest.raises(InvalidPDU, match=f"^0006:0321 Unrecognized PDU type: {pdu_type:02x}$"):
        decode(pdu_type, b"")


def test_short_rejection() -> None:
    """An A-ASSOCIATE-RJ without its fields is invalid."""
    with pytest.raises(InvalidPDU, match="A-ASSOCIATE-RJ of 3 bytes"):
        decode(PDUType.A_ASSOCIATE_RJ, bytes(3))


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        (b"  A\xe9B           ", "  A\xe9B"),
        (b"ABC\x00DEF         ", "ABC"),
        (b"ABC  \x00          ", "ABC"),
        (b"0123456789ABCDEF", "0123456789ABCDEF"),
        (b" " * 16, ""),
        (b"\x00ABC            ", ""),
        (b"AB\t             ", "AB\t"),
    ],
)
def test_ae_titles(raw: bytes, title: str) -> None:
    """AE titles end at the first NUL and lose trailing blanks; all else is kept, byte for byte."""
    request = decode_request(FIXED[:4] + raw[:16] + FIXED[20:] + APPLICATION + CONTEXT)

    assert title == request.called_ae_title


def test_uids_end_at_nul() -> None:
    """What follows the first NUL of a UID does not count; a blank does."""
    context = item(
        0x20,
        b"\x03\x00\x00\x00"
        + item(0x30, b"1.2\x00xyz")
        + item(0x40, b"1.2 ")
        + item(0x40, b"1.3\x00"),
    )

    assert request_with(context).contexts[1] == ProposedContext(3, "1.2", ("1.2 ", "1.3"))


def test_unknown_items_are_skipped() -> None:
    """Items of unknown types are skipped on every level."""
    context = item(0x20, b"\x03\x00\x00\x00" + item(0x77, b"?") + item(0x40, b"1.2"))

    request = request_with(item(0x99, b"abc"), context, user=item(0x60, b"zz"))

    assert request.contexts[1] == ProposedContext(3, None, ("1.2",))


def test_the_last_of_several_counts() -> None:
    """Of items that may come once, the last counts."""
    context = item(
        0x20, b"\x03\x00\x00\x00" + item(0x30, b"1") + item(0x30, b"2") + item(0x40, b"3")
    )
    user = item(0x51, b"\x00\x00\x00\x01") + item(0x52, b"1.1") + item(0x52, b"2.2")

    request = request_with(
        item(0x10, b"1.2.3"), context, item(0x50, item(0x51, b"\x00\x00\x00\x02")), user=user
    )

    assert request.application_context == "1.2.3"
    assert request.contexts[1].abstract_syntax == "2"
    assert request.user_information == UserInformation(1, "2.2")


def test_missing_items() -> None:
    """Application context and user information may be missing: what they say is empty, or no limit."""
    request = decode_request(FIXED + CONTEXT)

    assert request.application_context == ""
    assert request.user_information == UserInformation(0)


@pytest.mark.parametrize("count", [1, 128])
def test_number_of_transfer_syntaxes(count: int) -> None:
    """A presentation context has 1 to 128 transfer syntaxes."""
    context = item(0x20, b"\x03\x00\x00\x00" + item(0x40, b"1.2") * count)

    assert request_with(context).contexts[1].transfer_syntaxes == ("1.2",) * count


@pytest.mark.parametrize(
    ("value", "maximum_length"),
    [
        (b"", 0),
        (b"\x40", 0x40),
        (b"\x40\x00", 0x4000),
        (b"\x00\x40\x00", 0x4000),
        (b"\x00\x00\x20\x00\x09", 0x2000),
        (b"\x00\x00\x20\x00\x00\x00", 0x2000),
    ],
)
@pytest.mark.parametrize("following", [b"", item(0x52, b"1.2.3")])
def test_maximum_length_item_of_another_length(
    value: bytes, maximum_length: int, following: bytes
) -> None:
    """What it holds counts, as far as there are four bytes, and there is a warning; wherever the item stands."""
    request = request_with(user=item(0x51, value) + following)

    assert request.user_information.maximum_length == maximum_length
    assert [note.text for note in request.notes] == [
        f"Invalid length ({len(value)}) for maximum length item, must be 4"
    ]


def test_warnings_about_maximum_length_items() -> None:
    """There is one for each, but not thousands."""
    two = request_with(user=item(0x51, b"") + item(0x51, b"\x01"))
    many = request_with(user=item(0x51, b"") * 1000)

    assert [note.text[15:18] for note in two.notes] == ["(0)", "(1)"]
    assert len(many.notes) == 20


def test_ignored_sub_items() -> None:
    """What is never answered may be malformed: asynchronous operations, common extended negotiation."""
    request = request_with(
        user=item(0x53, b"\x00\x01\x00") + item(0x57, b"\x00\x50ab") + item(0x57, b"\x00")
    )

    assert request.user_information == UserInformation()


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (
            b"abcd",
            "DUL Illegal associate PDU. Got 4 bytes of data. The minimum allowed size is 68.",
        ),
        (FIXED, "No presentation context"),
        (FIXED + APPLICATION, "No presentation context"),
        (
            FIXED + CONTEXT + b"\x10\x00",
            "DUL Illegal subitem. Got 2 bytes of data. The minimum allowed size is 4.",
        ),
        (
            FIXED + CONTEXT + b"\x10\x00\x00\x64abc",
            "Got 7 bytes of data with a length field of 100",
        ),
        (
            FIXED + item(0x10, b"1" * 65),
            "DUL illegal subitem length 65. Maximum allowed size is 64.",
        ),
        (FIXED + item(0x20, b"\x01\x00"), "Got 6 bytes of data. The minimum allowed size is 8."),
        (FIXED + item(0x20, b"\x01\x00\x00\x00"), "DUL Presentation Context translation failure"),
        (
            FIXED + item(0x20, b"\x01\x00\x00\x00" + item(0x40, b"1") * 129),
            "DUL Presentation Context translation failure",
        ),
        (FIXED + item(0x20, b"\x01\x00\x00\x00\x30\x00\x00\x501.2"), "length field of 80"),
        (
            FIXED + item(0x20, b"\x01\x00\x00\x00" + item(0x40, b"1" * 65)),
            "illegal subitem length 65",
        ),
        (FIXED + item(0x20, b"\x01\x00\x00\x00" + item(0x30, b"1" * 64 + b"\x00")), "length 65"),
        (FIXED + item(0x50, b"\x51\x00\x00\x64" + bytes(4)), "length field of 100"),
        (FIXED + item(0x50, item(0x52, b"1" * 65)), "illegal subitem length 65"),
        (FIXED + item(0x50, item(0x55, b"1" * 70)), "illegal subitem length 70"),
        (FIXED + item(0x50, item(0x54, b"")), "The minimum allowed size is"),
        (
            FIXED + item(0x50, item(0x54, b"\x00\x201.2")),
            "DUL Illegal SCU-SCP role list UID. Got 5 bytes of data with a length field of 32",
        ),
        (
            FIXED + item(0x50, item(0x54, b"\x00\x03" + b"1.2" + b"\x01")),
            "DUL Illegal SCU-SCP role list.",
        ),
        (
            FIXED + item(0x50, item(0x56, b"\x00\x501.2")),
            "DUL Illegal extended negotiation item. Got 5 bytes of data with a length field of 80",
        ),
        (FIXED + item(0x50, item(0x56, b"\x00")), "The minimum allowed size is"),
        (
            FIXED + item(0x50, item(0x58, b"")),
            "DUL user identity rq length 4. Need at least 10 bytes",
        ),
        (FIXED + item(0x50, item(0x58, b"\x01\x01\x00\x50abc")), "length field of 80"),
    ],
)
def test_malformed_requests(field: bytes, text: str) -> None:
    """A malformed request is an error that says what is wrong, and that is answered with A-ABORT 2, 6."""
    with pytest.raises(InvalidAssociatePDU) as caught:
        decode_request(field)

    assert text in str(caught.value)
    assert (caught.value.abort_source, caught.value.abort_reason) == (2, 6)


@pytest.mark.parametrize(
    "field",
    [b"", FIXED + item(0x21, b"\x01\x00"), FIXED + item(0x21, bytes(4) + item(0x40, b"1" * 65))],
)
def test_malformed_acceptances(field: bytes) -> None:
    """A malformed A-ASSOCIATE-AC is an error."""
    with pytest.raises(InvalidAssociatePDU):
        decode(PDUType.A_ASSOCIATE_AC, field)


def test_unknown_items_of_acceptances_are_skipped() -> None:
    """Items of unknown types in an A-ASSOCIATE-AC are skipped on every level."""
    context = item(0x21, b"\x01\x00\x03\x00" + item(0x41, b"?"))

    acceptance = decode(PDUType.A_ASSOCIATE_AC, FIXED + item(0x99, b"") + context)

    assert isinstance(acceptance, AAssociateAC)
    assert acceptance.contexts == (AnsweredContext(1, 3, ""),)


def test_many_related_classes_cost_little() -> None:
    """An item full of empty UIDs is read in a time that its length bounds."""
    value = b"\x00\x00\x00\x00" + (60000).to_bytes(2, "big") + bytes(60000)

    request = request_with(*(item(0x50, item(0x57, value)) for _ in range(5)))

    assert (
        len(request.user_information.common_extended_negotiation[4].related_sop_class_uids) == 30000
    )


def test_item_too_long_to_send() -> None:
    """User information that does not fit an item cannot be encoded."""
    information = UserInformation(
        extended_negotiation=tuple(ExtendedNegotiation("1.2", bytes(1024)) for _ in range(64))
    )

    with pytest.raises(ValueError, match="cannot be sent"):
        information.encode()
