"""How many connections may wait."""

import resource
from unittest import mock

import pytest

from storescp.serve.accept.capacity import Capacity, capacity, raise_descriptor_limit


@pytest.mark.parametrize(
    ("descriptors", "secure", "expected"),
    [
        (8192, False, Capacity(2048, 2048)),
        (8192, True, Capacity(512, 2048)),
        (1024, False, Capacity(192, 192)),
        (1024, True, Capacity(192, 192)),
        (64, False, Capacity(1, 1)),
    ],
)
def test_as_many_wait_as_there_are_descriptors(
    descriptors: int, secure: bool, expected: Capacity
) -> None:
    """On both sides of an association, besides those that wait for a worker; fewer where each has a TLS handshake."""
    assert capacity(descriptors, secure=secure) == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((1024, 524288), (8192, 524288)),
        ((1024, 4096), (4096, 4096)),
        ((1024, resource.RLIM_INFINITY), (8192, resource.RLIM_INFINITY)),
        ((20000, 20000), (20000, 20000)),
    ],
)
def test_the_soft_limit_is_raised(before: tuple[int, int], after: tuple[int, int]) -> None:
    """Up to what is wanted, or allowed; one that is higher stays."""
    limits = [before]

    with (
        mock.patch.object(resource, "getrlimit", side_effect=lambda _: limits[-1]),
        mock.patch.object(resource, "setrlimit", side_effect=lambda _, new: limits.append(new)),
    ):
        assert raise_descriptor_limit() == after[0]

    assert limits[-1] == after


def test_a_sandbox_may_forbid_it() -> None:
    """Then it stays as it is."""
    with (
        mock.patch.object(resource, "getrlimit", return_value=(1024, 4096)),
        mock.patch.object(resource, "setrlimit", side_effect=PermissionError),
    ):
        assert raise_descriptor_limit() == 1024
