"""Target of the status page: requests of whoever can reach its port."""

import json
from collections.abc import Iterable

from storescp.monitor.http_answers import Access, Sources, answer, refuse
from storescp.monitor.http_request import MAXIMUM_HEAD_BYTES, RequestRefused, parse
from storescp.monitor.report import PARTS
from tests.fuzz.target import Choices, Target

_SOURCES = Sources(
    facts=lambda: {part: ["secret"] for part in PARTS},
    metrics=lambda: ("text/plain; version=0.0.4", b"secret 1\n"),
    obstacles=lambda: ["secret"],
)


def run(data: bytes) -> None:
    """A request is answered or refused, alike wherever it is cut, and facts only to who has the token."""
    choices = Choices(data)
    step = choices.byte() + 1
    stream = choices.rest()
    whole = _answer(stream)
    received, cut = b"", None
    for start in range(0, len(stream), step):
        received += stream[start : start + step]
        cut = _answer(received)
        if cut is not None:
            break
    assert (whole is None) == (cut is None), "whether it is a request depends on where it is cut"
    for given in (whole, cut):
        if given is not None:
            _check(given, stream)


def _answer(received: bytes) -> bytes | None:
    access = Access("t0ken", ("pacs.example.org",))
    try:
        request = parse(received)
        return None if request is None else answer(request, access, _SOURCES)
    except RequestRefused as refusal:
        return refuse(refusal)


def _check(given: bytes, asked: bytes) -> None:
    head, _, body = given.partition(b"\r\n\r\n")
    first, *fields = head.decode("ascii").split("\r\n")
    assert first.startswith("HTTP/1.1 ")
    names = dict(field.split(": ", 1) for field in fields)
    assert names["Connection"] == "close"
    assert int(names["Content-Length"]) == len(body) or not body
    assert b"secret" not in body or b"t0ken" in asked, "facts without the token"
    if names["Content-Type"] == "application/json" and body:
        json.loads(body)


def _seeds() -> Iterable[bytes]:
    for path in (
        b"/",
        b"/api/status",
        b"/api/",
        b"/metrics",
        b"/healthz",
        b"/readyz",
        b"/%2e%2e/x",
    ):
        yield b"\5GET " + path + b" HTTP/1.1\r\nHost: pacs.example.org:8080\r\n\r\n"
    yield b"\xffHEAD /api/status HTTP/1.1\r\nHost: [::1]\r\nAuthorization: Bearer t0ken\r\n\r\n"
    yield b"\0POST /api HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"
    yield b"\x40GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + bytes(100) + b"\r\n\r\n"
    yield b"\xffGET /" + b"a" * (MAXIMUM_HEAD_BYTES + 10)


HTTP = Target(
    "http",
    run,
    _seeds,
    largest=MAXIMUM_HEAD_BYTES + 100,
    words=(
        b"\r\n",
        b"\r\n\r\n",
        b"Host: ",
        b"Authorization: ",
        b"Bearer t0ken",
        b"%2f",
        b"[",
        b" ",
    ),
)
