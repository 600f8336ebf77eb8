"""What requests are answered with."""

import json
from collections.abc import Mapping

import pytest

from storescp.monitor.http_answers import Access, Sources, answer, own_names, refuse
from storescp.monitor.http_request import HTTPRequest, RequestRefused
from storescp.monitor.report import PARTS

FACTS = {part: [part] for part in PARTS}


def ask(
    path: str,
    *,
    host: str = "127.0.0.1:8080",
    method: str = "GET",
    access: Access = Access(),  # noqa: B008  (frozen)
    obstacles: tuple[str, ...] = (),
    fields: Mapping[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """Return status, header fields and body of an answer."""
    sources = Sources(
        facts=lambda: dict(FACTS),
        metrics=lambda: ("text/plain; version=0.0.4", b"storescp_ready 1\n"),
        obstacles=lambda: list(obstacles),
    )
    head, _, body = answer(
        HTTPRequest(method, path, host, dict(fields or {})), access, sources
    ).partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body


def test_the_page_comes_with_all_that_it_needs() -> None:
    """And with nothing that is elsewhere: no address but our own is in it."""
    for path, kind in (
        ("/", "text/html; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ):
        status, fields, body = ask(path)
        assert (status, fields["Content-Type"]) == (200, kind)
        assert int(fields["Content-Length"]) == len(body) > 0
        others = body.replace(b"http://www.w3.org/2000/svg", b"")  # a name, not an address
        assert b"http:" not in others
        assert b"https:" not in others
        assert b"innerHTML" not in others


def test_every_answer_binds_the_browser() -> None:
    """Nothing from other hosts, nothing inline, no frames, no guessing of types."""
    for path in ("/", "/api/status", "/metrics", "/nothing", "/healthz"):
        _, fields, _ = ask(path)
        assert fields["Content-Security-Policy"].startswith(
            "default-src 'none'; script-src 'self';"
        )
        assert "unsafe" not in fields["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in fields["Content-Security-Policy"]
        assert fields["X-Content-Type-Options"] == "nosniff"
        assert fields["Cache-Control"] == "no-store"
        assert fields["Connection"] == "close"
        assert "Access-Control-Allow-Origin" not in fields


def test_head_is_the_answer_without_its_body() -> None:
    """With the length that the body would have, RFC 9110 9.3.2."""
    _, expected, body = ask("/")
    assert body

    assert ask("/", method="HEAD") == (200, expected, b"")
    assert ask("/nothing", method="HEAD")[2] == b""


def test_the_api_gives_the_whole_and_each_part() -> None:
    """As JSON; /api lists what there is."""
    assert json.loads(ask("/api/status")[2]) == FACTS
    assert json.loads(ask("/api")[2]) == ["/api/status", *(f"/api/{part}" for part in PARTS)]
    for part in PARTS:
        status, fields, body = ask(f"/api/{part}")
        assert (status, fields["Content-Type"]) == (200, "application/json")
        assert json.loads(body) == [part]
    for nothing in ("/api/nothing", "/api/status/more", "/apistatus", "/page", "/../page.js"):
        assert ask(nothing)[0] == 404


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.:8080",
        "127.0.0.1",
        "192.168.1.4:80",
        "[::1]:8080",
        "[fe80::1]",
        "pacs.example:443",
        "",
    ],
)
def test_addresses_and_known_names_are_ours(host: str) -> None:
    """No name of another site can point to an address literally."""
    assert ask("/", host=host, access=Access(names=("pacs.example",)))[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[evil]", "1.2.3"]
)
def test_other_names_are_refused(host: str) -> None:
    """A page of another site whose name points here reads nothing, whatever it asks for."""
    for path in ("/", "/api/status", "/metrics", "/healthz", "/readyz"):
        status, _, body = ask(path, host=host)
        assert status == 421
        assert b"--http-host" in body


def test_this_machine_is_known_by_its_own_name() -> None:
    """With its domain and without."""
    assert all(name == name.lower() and name for name in own_names())
    assert own_names()


def test_facts_need_the_token_if_there_is_one() -> None:
    """The page itself holds none, and probes need none."""
    access = Access(token="s3cret")
    for path in ("/api", "/api/status", "/metrics"):
        status, fields, body = ask(path, access=access)
        assert status == 401
        assert fields["WWW-Authenticate"] == 'Bearer realm="storescp"'
        assert b"ready" not in body
        for wrong in ("Bearer s3cre", "Bearer s3cret2", "Basic s3cret", "s3cret", "Bearer \xe9"):
            assert ask(path, access=access, fields={"authorization": wrong})[0] == 401
        for right in ("Bearer s3cret", "bearer  s3cret"):
            assert ask(path, access=access, fields={"authorization": right})[0] == 200
    for path in ("/", "/page.js", "/healthz", "/readyz"):
        assert ask(path, access=access)[0] == 200


def test_readiness_says_what_is_in_the_way() -> None:
    """But not to everybody, where a token protects the facts."""
    assert ask("/readyz") == (200, ask("/readyz")[1], b"ready\n")
    assert ask("/readyz", obstacles=("the disk is full",))[0] == 503
    assert ask("/readyz", obstacles=("the disk is full",))[2] == b"not ready\nthe disk is full\n"
    locked = ask("/readyz", obstacles=("the disk is full",), access=Access(token="x"))
    assert (locked[0], locked[2]) == (503, b"not ready\n")


def test_refusals_say_what_would_be_served() -> None:
    """A method that is not served comes with those that are, RFC 9110 15.5.6."""
    assert b"\r\nAllow: GET, HEAD\r\n" in refuse(RequestRefused(405, "only GET"))
    assert refuse(RequestRefused(431, "too large")).startswith(
        b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    )
