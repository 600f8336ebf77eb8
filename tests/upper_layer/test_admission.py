"""Who may associate: PS3.8 9.3.4, results, sources and reasons."""

from dataclasses import replace

import pytest

from storescp.upper_layer.admission import Admission, refusal
from storescp.upper_layer.negotiation import negotiate
from storescp.upper_layer.pdu import AAssociateAC, AAssociateRJ
from tests.upper_layer.requestor import POLICY, REQUEST

ADDRESS = "10.1.2.3"
"""The requester: its calling AE title is SCU, it calls STORESCP."""


def rejected(admission: Admission, **changes: str) -> tuple[int, int, int, str] | None:
    """Return result, source, reason and log line; None if there is no objection."""
    answer = refusal(
        replace(REQUEST, **changes),  # type: ignore[arg-type]  # titles only
        replace(admission, address=ADDRESS),
    )
    if answer is None:
        return None
    (note,) = answer.notes
    return answer.result, answer.source, answer.reason, note.text


def test_without_lists_everybody_is_let_in() -> None:
    """An admission that asks for nothing refuses nobody."""
    assert rejected(Admission()) is None


def test_calling_ae_title() -> None:
    """Rejected permanently, by the service-user: calling AE title not recognized."""
    assert rejected(Admission(frozenset({"CT1", "SCU"}))) is None
    assert rejected(Admission(frozenset({"CT1"}))) == (
        *(1, 1, 3),
        (
            'Association Rejected: calling AE title "SCU" at 10.1.2.3'
            " is not on the list of those that are allowed"
        ),
    )


def test_called_ae_title() -> None:
    """Rejected permanently, by the service-user: called AE title not recognized."""
    assert rejected(Admission(None, frozenset({"STORESCP"}))) is None
    assert rejected(Admission(None, frozenset({"ARCHIVE"}))) == (
        *(1, 1, 7),
        (
            'Association Rejected: called AE title "STORESCP", asked for by "SCU" at 10.1.2.3,'
            " is none of ours"
        ),
    )


def test_associations_of_one_address() -> None:
    """Rejected transiently, by the presentation related function: local limit exceeded."""
    assert rejected(Admission(open_associations=4)) == (
        *(2, 3, 2),
        (
            'Association Rejected: "SCU" at 10.1.2.3 has 4 associations already,'
            " as many as one address may have"
        ),
    )


def test_what_does_not_change_by_waiting_is_said_first() -> None:
    """A peer that is not allowed is not told to try again."""
    everything = Admission(frozenset({"CT1"}), frozenset({"ARCHIVE"}), 4)

    assert (rejected(everything) or ())[:3] == (1, 1, 3)
    assert (rejected(replace(everything, calling_ae_titles=None)) or ())[:3] == (1, 1, 7)


@pytest.mark.parametrize("title", [" SCU", "SCU ", "  SCU  "])
def test_spaces_around_titles_do_not_count(title: str) -> None:
    """PS3.5 6.2: leading and trailing spaces are not significant."""
    assert rejected(Admission(frozenset({"SCU"})), calling_ae_title=title) is None


@pytest.mark.parametrize("title", ["scu", "SC", "SCU1", "S CU", ""])
def test_titles_are_compared_whole_and_with_case(title: str) -> None:
    """Nothing that is only like an allowed title is let in."""
    assert (rejected(Admission(frozenset({"SCU"})), calling_ae_title=title) or ())[:3] == (1, 1, 3)


def test_titles_cannot_forge_log_lines() -> None:
    """Control characters of a title are escaped in the note."""
    answer = rejected(Admission(frozenset({"SCU"})), calling_ae_title="X\nE: forged\x1b[31m")

    assert answer is not None
    assert '"X\\nE: forged\\x1b[31m"' in answer[3]


def test_the_negotiation_asks() -> None:
    """A policy with an admission rejects with it, and accepts who is let in; other refusals come first."""
    strict = replace(POLICY, admission=Admission(frozenset({"CT1"}), address=ADDRESS))

    answer = negotiate(REQUEST, strict)
    assert isinstance(answer, AAssociateRJ)
    assert (answer.result, answer.source, answer.reason) == (1, 1, 3)
    answer = negotiate(replace(REQUEST, application_context="1.2"), strict)
    assert isinstance(answer, AAssociateRJ)
    assert (answer.result, answer.source, answer.reason) == (1, 1, 2)
    assert isinstance(negotiate(replace(REQUEST, calling_ae_title="CT1"), strict), AAssociateAC)
