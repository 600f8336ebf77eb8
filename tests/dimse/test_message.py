"""Messages from PDVs: PS3.8 annex E, PS3.7 6.3."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storescp.dimse.command import (
    CCancelRQ,
    CEchoRQ,
    CStoreRQ,
    RefusedCommand,
    encode_cancel_request,
    encode_echo_request,
    encode_store_request,
)
from storescp.dimse.message import MessageReader
from storescp.errors import InvalidMessage, InvalidPDU, UnexpectedPDU
from storescp.upper_layer.pdata import COMMAND, LAST

ECHO = CEchoRQ(1, "1.2.840.10008.1.1", context_id=1)
STORE = CStoreRQ(2, "1.2.840.10008.5.1.4.1.1.2", "1.2.3", context_id=3)
ECHO_SET = encode_echo_request(ECHO)
STORE_SET = encode_store_request(STORE)


def command(
    reader: MessageReader, value: bytes, context_id: int = 3, control_header: int = COMMAND | LAST
) -> CEchoRQ | CStoreRQ | None:
    """Give a command fragment to the reader."""
    return reader.command_fragment(context_id, control_header, memoryview(value))


def data(reader: MessageReader, value: bytes, context_id: int = 3, control_header: int = 0) -> bool:
    """Give a data fragment to the reader."""
    return reader.data_fragment(context_id, control_header, memoryview(value))


def new_reader() -> MessageReader:
    """Return a reader for contexts 1 and 3."""
    return MessageReader({1, 3})


def expecting_data() -> MessageReader:
    """Return a reader that has a C-STORE-RQ on context 3."""
    reader = new_reader()
    assert command(reader, STORE_SET) == STORE
    return reader


def test_echo() -> None:
    """A C-ECHO-RQ is a message of its own."""
    reader = new_reader()

    assert command(reader, ECHO_SET, 1) == ECHO
    assert not reader.expects_data
    assert command(reader, ECHO_SET, 1) == ECHO


def test_store() -> None:
    """After a C-STORE-RQ a data set is expected, up to its last fragment; then the next command."""
    reader = expecting_data()

    assert reader.expects_data
    assert not data(reader, b"ab")
    assert not data(reader, b"")
    assert data(reader, b"", control_header=LAST)
    assert not reader.expects_data
    assert command(reader, ECHO_SET, 1) == ECHO


def test_context_of_the_request() -> None:
    """The request bears the presentation context ID that its response will have."""
    request = command(new_reader(), ECHO_SET, 3)

    assert request is not None
    assert request.context_id == 3


def test_other_bits_of_the_control_header() -> None:
    """Bits of the message control header that have no meaning are not tested."""
    reader = new_reader()

    assert command(reader, STORE_SET, control_header=0xFF)
    assert data(reader, b"ab", control_header=0xFE)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(0, 40).map(lambda half: 2 * half), max_size=10), st.booleans())
def test_any_split(lengths: list[int], last_is_empty: bool) -> None:
    """However a command set is cut, also with empty fragments, the same request comes out."""
    reader = new_reader()
    rest = STORE_SET
    for length in lengths:
        value, rest = rest[:length], rest[length:]
        assert command(reader, value, control_header=COMMAND) is None
    if last_is_empty:
        command(reader, rest, control_header=COMMAND)
        rest = b""

    assert command(reader, rest) == STORE
    assert reader.expects_data


def message(error: pytest.ExceptionInfo[InvalidMessage]) -> str:
    """Return the last line of an error."""
    assert (error.value.abort_source, error.value.abort_reason) == (0, 0)
    return str(error.value).splitlines()[-1]


@pytest.mark.parametrize(
    ("context_id", "control_header", "value", "text"),
    [
        (5, COMMAND | LAST, ECHO_SET, "0006:0101 ASC Bad presentation context ID"),
        (5, 0, b"ab", "0006:0101 ASC Bad presentation context ID"),
        (3, 0, b"ab", "0006:020f DIMSE: Command PDV Expected"),
        (3, COMMAND, ECHO_SET[:21], "0006:020d DIMSE: Odd Fragment Length: 21"),
    ],
)
def test_wrong_fragments_where_a_command_is_expected(
    context_id: int, control_header: int, value: bytes, text: str
) -> None:
    """A refused or unknown context, data, or a fragment of odd length are no command."""
    with pytest.raises(InvalidMessage) as caught:
        command(new_reader(), value, context_id, control_header)

    assert message(caught) == text


@pytest.mark.parametrize(
    ("context_id", "control_header", "value", "text"),
    [
        (7, 0, b"ab", "0006:0101 ASC Bad presentation context ID"),
        (1, 0, b"ab", "0006:0206 DIMSE: Presentation Contexts of Command and Data Differ"),
        (1, 0, b"abc", "0006:020d DIMSE: Odd Fragment Length: 3"),
        (3, 0, b"abc", "0006:020d DIMSE: Odd Fragment Length: 3"),
        (3, COMMAND | LAST, ECHO_SET, "0006:020f DIMSE Unexpected PDV type"),
        (1, COMMAND | LAST, b"abc", "0006:020f DIMSE Unexpected PDV type"),
    ],
)
def test_wrong_fragments_where_data_are_expected(
    context_id: int, control_header: int, value: bytes, text: str
) -> None:
    """Another context, a command, or a fragment of odd length are no part of the data set."""
    with pytest.raises(InvalidMessage) as caught:
        data(expecting_data(), value, context_id, control_header)

    assert message(caught) == text


def test_command_given_where_data_are_expected() -> None:
    """A command is refused where data are expected, whichever way it is given."""
    with pytest.raises(InvalidMessage, match="Unexpected PDV type"):
        command(expecting_data(), ECHO_SET)


@pytest.mark.parametrize("header", [0, LAST])
def test_data_given_where_a_command_is_expected(header: int) -> None:
    """Data are refused where a command is expected, whichever way they are given."""
    with pytest.raises(InvalidMessage, match="Command PDV Expected"):
        data(new_reader(), b"ab", control_header=header)


def test_data_in_the_middle_of_a_command() -> None:
    """Data are refused as long as the command set is not complete."""
    reader = new_reader()
    command(reader, STORE_SET[:20], control_header=COMMAND)

    with pytest.raises(InvalidMessage, match="Command PDV Expected"):
        command(reader, STORE_SET[20:], control_header=LAST)


@pytest.mark.parametrize("first", [b"", STORE_SET[:20]])
def test_command_on_two_contexts(first: bytes) -> None:
    """All fragments of a command set are on one presentation context."""
    reader = new_reader()
    command(reader, first, context_id=3, control_header=COMMAND)

    with pytest.raises(InvalidMessage, match="Different PresIDs inside Command Set: 3 != 1"):
        command(reader, STORE_SET[len(first) :], context_id=1)


def test_unserved_command() -> None:
    """What is not served is refused, as soon as it is complete."""
    with pytest.raises(RefusedCommand, match="Bad command type"):
        command(new_reader(), encode_cancel_request(CCancelRQ(1)))


def test_endless_command() -> None:
    """A command set that does not end is refused at its limit."""
    reader = new_reader()

    for _ in range(64):
        assert command(reader, bytes(1024), control_header=COMMAND) is None
    with pytest.raises(InvalidMessage, match="Command set of more than 65536 bytes"):
        command(reader, bytes(2), control_header=COMMAND)


def test_own_limit() -> None:
    """The limit of a command set can be given; one of just this length passes."""
    assert command(MessageReader({3}, len(STORE_SET)), STORE_SET) == STORE
    with pytest.raises(InvalidMessage, match="Command set of more than"):
        command(MessageReader({3}, len(STORE_SET) - 2), STORE_SET)


def test_endless_empty_fragments() -> None:
    """Fragments without content neither fill the memory nor go on for ever; many are no harm."""
    reader = new_reader()
    for _ in range(3):
        for _ in range(1000):
            assert command(reader, b"", 1, control_header=COMMAND) is None
        assert command(reader, ECHO_SET, 1) == ECHO

    for _ in range(1000):
        command(reader, b"", control_header=COMMAND)
    with pytest.raises(InvalidMessage, match="more than 1000 empty fragments"):
        command(reader, b"", control_header=COMMAND)


def test_values_are_copied() -> None:
    """A command does not depend on the receive buffer: its memory may be used again."""
    reader = new_reader()
    memory = bytearray(STORE_SET)
    reader.command_fragment(3, COMMAND, memoryview(memory)[:40])
    memory[:40] = bytes(40)

    assert reader.command_fragment(3, COMMAND | LAST, memoryview(memory)[40:]) == STORE


def test_explain() -> None:
    """The text of an error is put into the reference's words for the situation."""
    error = InvalidPDU("0006:0307 PDU without any PDVs")
    read = f"0006:020c DIMSE Read PDV failed\n{error}"

    assert expecting_data().explain(error) == read
    assert new_reader().explain(error) == f"0006:020d DIMSE Failed to receive message\n{read}"
    assert new_reader().explain(UnexpectedPDU("x")).endswith("\nx")
    assert new_reader().explain(InvalidMessage("y")) == "y"


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 3, 5]),
            st.integers(0, 3),
            st.sampled_from([ECHO_SET, STORE_SET, STORE_SET[:20], STORE_SET[20:], b"", b"ab"])
            | st.binary(max_size=30),
        ),
        max_size=8,
    )
)
def test_any_fragments(fragments: list[tuple[int, int, bytes]]) -> None:
    """Whatever the fragments, nothing but an InvalidMessage comes out."""
    reader = new_reader()

    with suppress(InvalidMessage):
        for context_id, control_header, value in fragments:
            take = data if reader.expects_data else command
            take(reader, value, context_id, control_header)
