"""The PROXY protocol is told apart by its first bytes."""

import pytest

from storescp.proxy_protocol import begins_proxy_protocol

VERSION_2 = bytes.fromhex("0d0a0d0a000d0a515549540a")


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY ",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 104\r\n",
        b"PROXY UNKNOWN\r\n",
        VERSION_2,
        VERSION_2 + b"\x21\x11\0\x0c",
        VERSION_2[:6],
    ],
)
def test_both_versions(data: bytes) -> None:
    """The word and a space, or the signature, whatever follows, and where only its first six bytes have come."""
    assert begins_proxy_protocol(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"P",
        b"PROXY",
        b"PROPFIND / HTTP/1.1\r\n",
        b"\r\n\r\n",
        b"\r\n\r\n\0\r\nQUIZ\n",
        b"\1\0\0\0\0\4",
    ],
)
def test_anything_else(data: bytes) -> None:
    """What is too short to be sure is something else, too."""
    assert not begins_proxy_protocol(data)
