"""Time limits as values: which applies, for how long, and which has passed."""

import pytest

from storescp.serve.association.deadlines import Deadlines, Timeouts, Wait
from storescp.serve.association.minimum_rate import TooSlow
from storescp.serve.reporting.time_limit import TimeLimit

ARTIM, SOCKET, DIMSE, IDLE, STUDY = TimeLimit

REQUEST, PDU, DATA_SET, DATA_SET_PDU, COMMAND = "request", "PDU", "data set", "its PDU", "command"
"""What a connection waits for: the rest of its A-ASSOCIATE-RQ; the rest of a PDU; the next fragment of a data set, or the
rest of its PDU; the next command."""


def deadlines(timeouts: Timeouts, state: str) -> Deadlines:
    """Return the limits of a connection that was accepted at 100 s, and established at 110 s if it is."""
    limits = Deadlines(timeouts, 100.0)
    if state != REQUEST:
        limits.established(110.0)
    return limits


def wait(limits: Deadlines, state: str, now: float, study_end: float | None = None) -> Wait:
    return limits.wait(
        now,
        within_pdu=state in (PDU, DATA_SET_PDU),
        within_object=state in (DATA_SET, DATA_SET_PDU),
        study_end=study_end,
    )


DEFAULT = Timeouts()
ALL = Timeouts(socket=20, acse=30, dimse=5, idle=40)
NONE = Timeouts(socket=None, acse=30, dimse=None, idle=None)


@pytest.mark.parametrize(
    ("timeouts", "state", "now", "study_end", "limit", "seconds"),
    [
        # Before there is an association: ARTIM, but a single receive has its limit, too.
        (DEFAULT, REQUEST, 100, None, ARTIM, 30),
        (DEFAULT, REQUEST, 125, None, ARTIM, 5),
        (DEFAULT, REQUEST, 130, None, ARTIM, 0.001),
        (DEFAULT, REQUEST, 200, None, ARTIM, 0.001),
        (ALL, REQUEST, 100, None, SOCKET, 20),
        (ALL, REQUEST, 115, None, ARTIM, 15),
        (NONE, REQUEST, 100, None, ARTIM, 30),
        (Timeouts(socket=30, acse=30), REQUEST, 100, None, ARTIM, 30),
        (ALL, REQUEST, 115, 116, ARTIM, 15),
        # A PDU that has begun.
        (ALL, PDU, 200, None, SOCKET, 20),
        (ALL, DATA_SET_PDU, 200, None, SOCKET, 20),
        (NONE, PDU, 200, None, SOCKET, None),
        # The next fragment of a data set; the study waits for the object.
        (ALL, DATA_SET, 200, None, DIMSE, 5),
        (DEFAULT, DATA_SET, 200, None, SOCKET, 60),
        (NONE, DATA_SET, 200, None, SOCKET, None),
        (ALL, DATA_SET, 200, 201, DIMSE, 5),
        # The next command, or the end of the study, whichever is first.
        (ALL, COMMAND, 200, None, IDLE, 40),
        (NONE, COMMAND, 200, None, IDLE, None),
        (ALL, COMMAND, 200, 210, STUDY, 10),
        (ALL, COMMAND, 200, 240, IDLE, 40),
        (ALL, COMMAND, 200, 190, STUDY, 0.001),
        (NONE, COMMAND, 200, 260, STUDY, 60),
        (ALL, PDU, 200, 210, STUDY, 10),
        (ALL, PDU, 200, 230, SOCKET, 20),
    ],
)
def test_which_limit_applies(
    timeouts: Timeouts,
    state: str,
    now: float,
    study_end: float | None,
    limit: TimeLimit,
    seconds: float | None,
) -> None:
    """The limit of what is waited for, or the end of the study; never zero, which would mean none."""
    found = wait(deadlines(timeouts, state), state, now, study_end)

    assert (found.limit, found.seconds) == (limit, seconds)


@pytest.mark.parametrize(
    ("timeouts", "state", "study_end", "at", "passed"),
    [
        (Timeouts(socket=10), REQUEST, None, 120, SOCKET),
        (DEFAULT, REQUEST, None, 130, ARTIM),
        (ALL, PDU, None, 220, SOCKET),
        (ALL, DATA_SET_PDU, None, 220, SOCKET),
        (ALL, DATA_SET, None, 205, DIMSE),
        (DEFAULT, DATA_SET, None, 260, SOCKET),
        # Idle since 110 s, for 40 s at most; the kernel's clock may be a little ahead of ours.
        (ALL, COMMAND, None, 150, IDLE),
        (ALL, COMMAND, None, 149.995, IDLE),
        (ALL, COMMAND, None, 149.9, None),
        (NONE, COMMAND, None, 9999, None),
        # The end of a study ends no association, unless the peer has been idle for too long as well.
        (ALL, COMMAND, 130, 130, STUDY),
        (ALL, COMMAND, 130, 150, IDLE),
        (ALL, PDU, 120, 150, STUDY),
        (NONE, COMMAND, 130, 9999, STUDY),
    ],
)
def test_which_limit_has_passed(
    timeouts: Timeouts, state: str, study_end: float | None, at: float, passed: TimeLimit | None
) -> None:
    """What a wait in vain means: a limit, or nothing yet."""
    limits = deadlines(timeouts, state)

    assert limits.passed(wait(limits, state, 110, study_end), at) is passed


def test_an_answer_starts_the_idle_time_anew() -> None:
    """From the response on, not from the last command."""
    limits = deadlines(ALL, COMMAND)
    limits.idle_since = 140

    assert limits.passed(wait(limits, COMMAND, 140), 150) is None
    assert limits.passed(wait(limits, COMMAND, 140), 180) is IDLE


def test_a_request_is_late_however_busy_the_peer_seems() -> None:
    """Until the association is accepted; then never again."""
    limits = Deadlines(ALL, 100)

    assert [limits.request_is_late(at) for at in (129, 130, 131)] == [False, True, True]
    limits.established(129)
    assert not limits.request_is_late(1000)


def test_a_byte_now_and_then_is_too_slow_for_what_is_under_way() -> None:
    """Not before there is an association, where ARTIM limits it, nor when the peer owes nothing."""
    limits = Deadlines(ALL, 100)
    for now in range(100, 200, 10):
        limits.received(1, now, under_way=True)
    limits.established(200)
    for now in range(200, 300, 10):
        limits.received(1, now, under_way=False)
    limits.received(1, 300, under_way=True)
    limits.received(1, 310, under_way=True)

    with pytest.raises(TooSlow):
        limits.received(1, 320, under_way=True)


@pytest.mark.parametrize(
    ("limit", "seconds"), [(ARTIM, 30), (SOCKET, 20), (DIMSE, 5), (IDLE, 40), (STUDY, None)]
)
def test_each_limit_has_its_setting(limit: TimeLimit, seconds: float | None) -> None:
    """And is named by its option."""
    assert ALL.of(limit) == seconds
    assert limit.value.startswith("--")
