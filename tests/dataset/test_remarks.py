"""Warnings about a data set."""

import pytest

from storescp.dataset.remarks import MOST_REMARKS, Postponed, Remarks


def test_a_hostile_data_set_cannot_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """After a number of lines one more says how many are missing."""
    remarks = Remarks()

    for number in range(1000):
        remarks.warn("remark %d", number)
    remarks.close()

    assert len(caplog.messages) == MOST_REMARKS + 1
    assert caplog.messages[0] == "remark 0"
    assert (
        caplog.messages[-1]
        == f"{1000 - MOST_REMARKS} more warnings about this data set are not shown"
    )
    assert {(record.name, record.levelname) for record in caplog.records} == {
        ("dcmtk.dcmdata", "WARNING")
    }


def test_few_remarks_need_no_summary(caplog: pytest.LogCaptureFixture) -> None:
    """A usual data set has its own lines only; a trial has none."""
    remarks, trial = Remarks(), Remarks(muted=True)

    remarks.warn("one")
    trial.warn("two")
    remarks.close()
    trial.close()

    assert caplog.messages == ["one"]


def test_postponed_remarks_come_in_the_order_of_their_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What ends first was read first; of what ends at once, the inner one. However many there are, few are kept."""
    remarks, postponed = Remarks(), Postponed()

    postponed.warn(10, 30, "outer %s", 1)
    postponed.warn(20, 30, "inner %s", 2)
    postponed.warn(0, 10, "first %s", 3)
    for number in range(1000, 100, -1):
        postponed.warn(number, number + 1, f"at {number} %s", 4)
    postponed.tell(remarks)
    remarks.close()

    assert caplog.messages[:5] == [
        "first (0000,0003)",
        "inner (0000,0002)",
        "outer (0000,0001)",
        "at 101 (0000,0004)",
        "at 102 (0000,0004)",
    ]
    assert len(caplog.messages) == MOST_REMARKS + 1
    assert caplog.messages[-1].startswith(f"{903 - MOST_REMARKS} more warnings")
