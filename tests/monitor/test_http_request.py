"""Request heads: bytes in, a request or a refusal out."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storescp.monitor.http_request import MAXIMUM_HEAD_BYTES, HTTPRequest, RequestRefused, parse

HOST = b"Host: localhost:8080\r\n"
PLAIN = b"GET /api/status?now HTTP/1.1\r\n" + HOST + b"Accept:\t*/* \r\n\r\n"


def refusal(data: bytes) -> int:
    with pytest.raises(RequestRefused) as caught:
        parse(data)
    return caught.value.status


def test_a_request_has_method_path_host_and_fields() -> None:
    """The query is left out, names of fields are in lower case, values without blanks around."""
    expected = HTTPRequest(
        "GET", "/api/status", "localhost:8080", {"host": "localhost:8080", "accept": "*/*"}
    )

    assert parse(PLAIN) == expected
    assert parse(PLAIN + b"more") == expected


def test_a_part_of_a_request_is_not_a_request_yet() -> None:
    """However it is cut."""
    for end in range(len(PLAIN)):
        assert parse(PLAIN[:end]) is None


def test_escapes_in_the_path_are_decoded() -> None:
    """They are UTF-8, RFC 3986 2.5."""
    request = parse(b"HEAD /a%20b%C3%A9 HTTP/1.1\r\n" + HOST + b"\r\n")

    assert request is not None
    assert (request.path, request.is_head) == ("/a b\u00e9", True)


def test_http_1_0_needs_no_host() -> None:
    """Probes speak it; browsers do not."""
    request = parse(b"GET /healthz HTTP/1.0\r\n\r\n")

    assert request is not None
    assert request.host == ""


@pytest.mark.parametrize(
    ("status", "data"),
    [
        (400, b"GET / HTTP/1.1\r\n\r\n"),  # no Host
        (400, b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n"),
        (400, b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"GET http://localhost/ HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"GET /%ff HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"GET / SPDY/3\r\n" + HOST + b"\r\n"),
        (400, b"GET / HTTP/1.1\r\n" + HOST + b" folded: x\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\n" + HOST + b"no colon\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\n" + HOST + b"Space : x\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\n" + HOST + b"Nul: a\0b\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\n" + HOST + b"Bare: a\nInjected: b\r\n\r\n"),
        (400, b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n"),  # TLS
        (405, b"POST / HTTP/1.1\r\n" + HOST + b"\r\n"),
        (405, b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n"),
        (413, b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello"),
        (413, b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"),
        (431, b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 64 + b"\r\n"),
        (431, b"GET / HTTP/1.1\r\n" + HOST + b"A: " + b"b" * MAXIMUM_HEAD_BYTES + b"\r\n\r\n"),
        (431, b"x" * MAXIMUM_HEAD_BYTES),
        (505, b"GET / HTTP/2.0\r\n" + HOST + b"\r\n"),
    ],
)
def test_what_is_not_served_is_refused(status: int, data: bytes) -> None:
    """Each with the status that says why, RFC 9110 15.5."""
    assert status == refusal(data)


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda tail: PLAIN[:-2] + tail))
def test_whatever_the_bytes_only_refusals_come_out(data: bytes) -> None:
    """No other exception, whatever a client sends."""
    with suppress(RequestRefused):
        assert parse(data + b"\r\n\r\n") is not None
