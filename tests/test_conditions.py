"""DCMTK's conditions: one table, and nowhere else."""

import re
from pathlib import Path

import storescp
from storescp import conditions
from storescp.conditions import Condition
from storescp.errors import InvalidMessage, InvalidPDU


def test_a_condition_is_a_line_of_the_log() -> None:
    """Its number, and its own text or another one."""
    assert conditions.NETWORK_CLOSED.line() == "0006:0310 DUL network closed"
    assert conditions.RECEIVE_FAILED.line("DIMSE: Odd Fragment Length: 3") == (
        "0006:020d DIMSE: Odd Fragment Length: 3"
    )


def test_each_has_a_number_of_its_own() -> None:
    """Which is how the log is searched."""
    found = vars(conditions).values()
    codes = [each.code for each in found if isinstance(each, Condition)]

    assert len(codes) > 30
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch("[0-9a-f]{4}:[0-9a-f]{4}", code) for code in codes)


def test_numbers_stand_in_the_table_only() -> None:
    """No other module spells one out."""
    source = Path(storescp.__file__).parent

    assert [
        path.name
        for path in source.rglob("*.py")
        if path.name != "conditions.py"
        and re.search(r"\b00(?:01|06|0b):[0-9a-f]{4}\b", path.read_text())
    ] == []


def test_an_error_has_its_condition_and_its_detail() -> None:
    """What is found out about an error is not read from its text, which is what the log says."""
    bare = InvalidPDU(condition=conditions.NETWORK_CLOSED)
    layered = InvalidMessage(
        "DIMSE: Command PDV Expected",
        condition=conditions.UNEXPECTED_PDV_TYPE,
        within=(conditions.RECEIVE_FAILED.line(),),
    )
    own = InvalidPDU("Unexpected P-DATA-TF PDU")

    assert (bare.condition, bare.detail) == (conditions.NETWORK_CLOSED, "DUL network closed")
    assert str(bare) == "0006:0310 DUL network closed"
    assert (layered.condition, layered.detail) == (
        conditions.UNEXPECTED_PDV_TYPE,
        "DIMSE: Command PDV Expected",
    )
    assert str(layered) == (
        "0006:020d DIMSE Failed to receive message\n0006:020f DIMSE: Command PDV Expected"
    )
    assert (own.condition, own.detail, str(own)) == (None, *["Unexpected P-DATA-TF PDU"] * 2)
