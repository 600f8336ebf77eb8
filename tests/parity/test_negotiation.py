"""Negotiation: the same proposals to DCMTK's storescp and to ours get the same answers, field by field."""

import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.peers.requestor import (
    ASSOCIATE_AC,
    RELEASE_REQUEST,
    VERIFICATION,
    Answer,
    Context,
    Requestor,
    associate_request,
    item,
    user_information,
)
from tests.peers.servers import Server, dcmtk, dcmtk_version, ours

pytestmark = pytest.mark.interop

LITTLE, BIG, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
PREFERENCES = (
    "+x= +xe +xb +xs +xy +xx +xv +xw +xt +xu +xm +xh +xn +xl +x2 +x3 +xo +x4 +x5 +xr +xd +xi +xa"
)
OTHERS = (
    "",
    "-pm",
    "-pm +xa",
    "-pdu 4096",
    "-pdu 131072",
    "-pdu 4097",
    "--refuse",
    "--reject",
    "-aet ME",
    "-up",
    "+xa -td 5 -ta 7 -ts 9",
)

# Accepted since a version later than 3.6.7, which is what is installed.
NEW_TRANSFER_SYNTAXES = frozenset(
    [
        "1.2.840.10008.1.2.1.98",
        *(f"1.2.840.10008.1.2.4.{number}.1" for number in range(100, 107)),
        *(f"1.2.840.10008.1.2.4.{number}" for number in (110, 111, 112, 201, 202, 203)),
        "1.2.840.10008.1.2.8.1",
    ]
)
COMMON_TRANSFER_SYNTAXES = (
    LITTLE,
    BIG,
    IMPLICIT,
    DEFLATED,
    "1.2.840.10008.1.2.5",
    *(f"1.2.840.10008.1.2.4.{end}" for end in (50, 51, 57, 70, 80, 81, 90, 91, 92, 93)),
    *(f"1.2.840.10008.1.2.4.{end}" for end in range(100, 109)),
    "1.2.3.4",
    LITTLE + " ",
    "x",
)
ABSTRACT_SYNTAXES = (
    VERIFICATION,
    *(f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("2", "4", "7", "1.1", "6.1", "88.11", "104.1")),
    "1.2.840.10008.5.1.1.27",  # retired storage
    "1.2.840.10008.5.1.4.1.2.2.1",  # query: known, but no storage
    "1.2.840.10008.5.1.4.31",
    LITTLE,  # known, but no SOP class
    "1.2.3.4.5.6",
    "private",
    VERIFICATION + " ",
)


@st.composite
def contexts(draw: st.DrawFn) -> list[Context]:
    """Draw presentation contexts: mostly with odd IDs, but not always; each ID once."""
    numbers = draw(
        st.lists(st.integers(0, 255), min_size=1, max_size=4, unique=True)
        | st.lists(
            st.integers(0, 127).map(lambda n: 2 * n + 1), min_size=1, max_size=8, unique=True
        )
    )
    syntaxes = st.lists(
        st.sampled_from(COMMON_TRANSFER_SYNTAXES), min_size=1, max_size=6, unique=True
    ).map(tuple)
    return [
        Context(number, draw(st.sampled_from(ABSTRACT_SYNTAXES)), draw(syntaxes))
        for number in numbers
    ]


def _sub_item(kind: int, value: bytes) -> st.SearchStrategy[list[bytes]]:
    return st.sampled_from([[], [item(kind, value)]])


_CLASS = b"1.2.840.10008.5.1.4.1.1.2"
user_items = st.builds(
    lambda length, implementation, version, *more: user_information(
        length, implementation, version, [part for parts in more for part in parts]
    ),
    st.sampled_from([None, 0, 14, 4096, 16384, 200_000, 0xFFFFFFFF]),
    st.sampled_from([None, "", "1.2.3", "1.2.840.113619.6.336"]),
    st.sampled_from([None, "", "SOMEBODY_1.0"]),
    _sub_item(0x53, b"\0\x02\0\x03"),
    _sub_item(0x54, struct.pack(">H", len(_CLASS)) + _CLASS + b"\x01\x00"),
    _sub_item(0x56, struct.pack(">H", len(_CLASS)) + _CLASS + b"\x02\x00\x01\x00"),
    _sub_item(0x58, b"\x01\x01\0\x03joe\0\0"),
    _sub_item(0x5F, b"unknown"),
)
titles = st.sampled_from(
    [
        b"ANY-SCP",
        b"STORESCP",
        b"A",
        b"  LEADING",
        b"SIXTEEN_LETTERS_",
        b"LOW er",
        b"\xe4\xf6",
        b"X\0Y",
    ]
)
requests = st.builds(
    associate_request,
    contexts(),
    called=titles,
    calling=titles,
    protocol_version=st.sampled_from([1, 1, 1, 1, 3, 0xFFFF]),
    application_context=st.sampled_from(
        ["1.2.840.10008.3.1.1.1"] * 6 + ["1.2.840.10008.3.1.1.2", "1.2.840.10008.3.1.1.1 "]
    ),
    user=user_items,
)


@pytest.mark.parametrize("options", [*PREFERENCES.split(), *OTHERS])
def test_generated_proposals(options: str, tmp_path: Path) -> None:
    """Whatever is proposed, the answers are equal but for the implementation that they name."""
    with (
        ours(tmp_path / "ours", options.split()) as mine,
        dcmtk(tmp_path / "dcmtk", options.split()) as theirs,
        ThreadPoolExecutor(2) as pool,
    ):

        @settings(
            max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), database=None
        )
        @given(requests)
        def answers_are_equal(request: bytes) -> None:
            one, other = pool.map(lambda server: ask(server, request), (mine, theirs))

            assert comparable(other) == comparable(one)

        answers_are_equal()


def ask(server: Server, request: bytes) -> Answer:
    """Request an association and release it if there is one."""
    with Requestor(server.port) as peer:
        answer = peer.exchange(request)
        if answer.kind == ASSOCIATE_AC:
            peer.send(RELEASE_REQUEST)
            peer.receive_pdu()
        return answer


def comparable(answer: Answer) -> Answer:
    """Take the implementation out of an answer, but keep that it was named."""
    return replace(
        answer,
        user_items=tuple(
            (kind, b"" if kind in (0x52, 0x55) else value) for kind, value in answer.user_items
        ),
    )


@pytest.mark.parametrize("options", ["", "-pm"])
def test_every_registered_uid(options: str, tmp_path: Path) -> None:
    """Of all registered UIDs the same are accepted, but for those that DCMTK learnt after 3.6.7."""
    from pydicom._uid_dict import UID_dictionary

    uids = sorted(UID_dictionary)
    with (
        ours(tmp_path / "ours", options.split()) as mine,
        dcmtk(tmp_path / "dcmtk", options.split()) as theirs,
    ):
        our_results = results(mine, [(uid, LITTLE) for uid in uids])
        their_results = results(theirs, [(uid, LITTLE) for uid in uids])

    different = {uid for uid in uids if our_results[uid, LITTLE] != their_results[uid, LITTLE]}
    if options:
        # What 3.6.7 does not know is accepted there, and refused once it is known as no storage class.
        assert all(their_results[uid, LITTLE] == 0 for uid in different)
        assert different.isdisjoint(ABSTRACT_SYNTAXES)
    else:
        # New storage classes.
        assert all(our_results[uid, LITTLE] == 0 for uid in different)
        assert len(different) <= 16


def test_every_transfer_syntax(tmp_path: Path) -> None:
    """With `+xa` the same transfer syntaxes are accepted, but for those that DCMTK learnt after 3.6.7."""
    from pydicom._uid_dict import UID_dictionary

    uids = sorted(uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax")
    pairs = [(VERIFICATION, uid) for uid in uids]
    with ours(tmp_path / "ours", ["+xa"]) as mine, dcmtk(tmp_path / "dcmtk", ["+xa"]) as theirs:
        our_results, their_results = results(mine, pairs), results(theirs, pairs)

    different = {pair[1] for pair in pairs if our_results[pair] != their_results[pair]}
    learnt = NEW_TRANSFER_SYNTAXES & set(uids) if dcmtk_version() < (3, 6, 9) else set()
    assert learnt == different


def results(server: Server, pairs: list[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Propose pairs of abstract and transfer syntax, many at a time, and return the result of each."""
    found: dict[tuple[str, str], int] = {}
    for start in range(0, len(pairs), 100):
        some = pairs[start : start + 100]
        proposal = [Context(2 * n + 1, pair[0], (pair[1],)) for n, pair in enumerate(some)]
        answer = ask(server, associate_request(proposal))
        by_number = {number: result for number, result, _ in answer.contexts}
        found |= {pair: by_number[2 * n + 1] for n, pair in enumerate(some)}
    return found
