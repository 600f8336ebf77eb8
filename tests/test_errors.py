"""Each error has the answer that its peer gets."""

import pytest

from storescp import errors
from storescp.errors import (
    CannotRecord,
    CannotUnderstand,
    ConfigurationError,
    IdentityMismatch,
    InvalidDataSet,
    InvalidMessage,
    InvalidPDU,
    Limit,
    OutOfResources,
    ProtocolError,
    StateLost,
    StatusError,
    StorescpError,
    UnexpectedPDU,
)


def _subclasses(error: type[StorescpError]) -> set[type[StorescpError]]:
    return {error}.union(*(_subclasses(each) for each in error.__subclasses__()))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OutOfResources, 0xA700),
        (CannotRecord, 0xA700),
        (StateLost, 0xA700),
        (IdentityMismatch, 0xA900),
        (CannotUnderstand, 0xC000),
        (InvalidDataSet, 0xC000),
    ],
)
def test_statuses(error: type[StatusError], status: int) -> None:
    """PS3.4 table B.2-1: refused, error, cannot understand."""
    assert error.status == status


@pytest.mark.parametrize(
    ("error", "source", "reason"),
    [
        (ProtocolError, 0, 0),
        (InvalidPDU, 0, 0),
        (UnexpectedPDU, 2, 2),
        (InvalidMessage, 0, 0),
    ],
)
def test_aborts(error: type[ProtocolError], source: int, reason: int) -> None:
    """PS3.8 9.3.8: a PDU that is not expected is the service provider's business (AA-8), all else the user's."""
    assert (error.abort_source, error.abort_reason) == (source, reason)


def test_every_error_of_the_package_is_one_of_these() -> None:
    """A class that is public here and is an exception has the common root."""
    public = [
        each
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, Exception) and not name.startswith("_")
    ]

    assert public
    assert [each for each in public if not issubclass(each, StorescpError)] == []
    assert all(hasattr(each, "status") for each in _subclasses(OutOfResources))


def test_a_limit_and_a_secret_go_with_the_error() -> None:
    """Who reports it can name the option, and knows whether the text may be shown."""
    plain = CannotUnderstand("x")
    special = OutOfResources("out/Doe^John", limit=Limit.FREE_SPACE, identifies=True)

    assert (plain.limit, plain.identifies) == (None, False)
    assert (special.limit, special.identifies) == (Limit.FREE_SPACE, True)
    assert str(special) == "out/Doe^John"
    assert not issubclass(ConfigurationError, StatusError)
