"""unique_uid: UIDs derived from random UUIDs."""

import re
import uuid

from storescp.storage.naming.unique_uid import unique_uid


def test_uid_is_a_valid_uuid_derived_one() -> None:
    """The form is 2.25.N, N being a UUID of version 4, without leading zeros, below 64 characters."""
    uid = unique_uid()

    assert re.fullmatch(r"2\.25\.[1-9][0-9]*", uid)
    assert len(uid) <= 64
    number = uuid.UUID(int=int(uid.removeprefix("2.25.")))
    assert number.version == 4
    assert number.variant == uuid.RFC_4122


def test_uids_differ() -> None:
    """No two are alike."""
    assert len({unique_uid() for _ in range(1000)}) == 1000
