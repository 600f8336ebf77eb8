"""Responses to requests. Pure but for the facts, which are fetched when they are needed.

Nothing can be changed through this server, and no other site's pages can read from it: there is no CORS, and a request
must name us by an address, by `localhost`, or by a name that we know. A page of another site whose name was made to
point here ("DNS rebinding") names us by its own name, and is refused.
"""

import hmac
import ipaddress
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from importlib.resources import files

from storescp.monitor.http_request import HTTPRequest, RequestRefused
from storescp.monitor.report import PARTS, Facts

_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"

_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The browser loads nothing but our own files, and runs nothing that is not in one of them."""

_ALWAYS = {
    "Connection": "close",
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Access:
    """Requests that are answered."""

    token: str | None = None
    """Bearer token that requests for status data must carry; None: no token is needed."""
    names: tuple[str, ...] = ()
    """Names in the Host field that are ours, besides `localhost`, this machine's and all addresses."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Sources of the facts."""

    facts: Callable[[], Facts]
    """All parts of the report."""
    metrics: Callable[[], tuple[str, bytes]]
    """Content type and text."""
    obstacles: Callable[[], list[str]]
    """Obstacles that keep the receiver from taking objects."""


def own_names() -> tuple[str, ...]:
    """Return the names that this machine has by its own account."""
    name = socket.gethostname().lower()
    return tuple({name, name.partition(".")[0]} - {""})


def answer(request: HTTPRequest, access: Access, sources: Sources) -> bytes:
    """Return the answer, head and body."""
    try:
        _check_host(request.host, access)
        kind, body, status = _find(request, access, sources)
    except RequestRefused as refusal:
        return refuse(refusal, head_only=request.is_head)
    return _encode(status, kind, body, head_only=request.is_head)


def refuse(refusal: RequestRefused, *, head_only: bool = False) -> bytes:
    """Return the answer to a request that is not served."""
    more = {}
    if refusal.status == HTTPStatus.METHOD_NOT_ALLOWED:
        more["Allow"] = "GET, HEAD"
    elif refusal.status == HTTPStatus.UNAUTHORIZED:
        more["WWW-Authenticate"] = 'Bearer realm="storescp"'
    return _encode(refusal.status, _TEXT, f"{refusal}\n".encode(), more, head_only=head_only)


def _check_host(host: str, access: Access) -> None:
    """Refuse requests that were made to another name, RFC 9110 7.2."""
    if not host:
        return  # HTTP/1.0, which no browser speaks
    name = host.rpartition("]")[0].removeprefix("[") if "[" in host else host.partition(":")[0]
    name = name.lower().removesuffix(".")
    if name == "localhost" or name in access.names:
        return
    try:
        ipaddress.ip_address(name)
    except ValueError:
        raise RequestRefused(
            HTTPStatus.MISDIRECTED_REQUEST,
            "this server is not known by that name; --http-host makes it known",
        ) from None


def _check_token(request: HTTPRequest, access: Access) -> None:
    if access.token is None:
        return
    scheme, _, credentials = request.fields.get("authorization", "").partition(" ")
    known = hmac.compare_digest(credentials.strip().encode(), access.token.encode())
    if scheme.lower() != "bearer" or not known:
        raise RequestRefused(HTTPStatus.UNAUTHORIZED, "a token is needed: Authorization: Bearer …")


def _find(request: HTTPRequest, access: Access, sources: Sources) -> tuple[str, bytes, int]:
    """Return content type, body and status."""
    path = request.path
    if path in _FILES:
        name, kind = _FILES[path]
        return kind, _file(name), HTTPStatus.OK
    if path == "/healthz":
        return _TEXT, b"ok\n", HTTPStatus.OK
    if path == "/readyz":
        return _readiness(request, access, sources)
    if path == "/metrics":
        _check_token(request, access)
        kind, text = sources.metrics()
        return kind, text, HTTPStatus.OK
    if path in ("/api", "/api/") or path.startswith("/api/"):
        _check_token(request, access)
        return _JSON, _api(path.removeprefix("/api").strip("/"), sources), HTTPStatus.OK
    raise RequestRefused(HTTPStatus.NOT_FOUND, "there is nothing of that name")


def _readiness(request: HTTPRequest, access: Access, sources: Sources) -> tuple[str, bytes, int]:
    """Tell whether objects are taken; what is in the way only to whom may know."""
    obstacles = sources.obstacles()
    if not obstacles:
        return _TEXT, b"ready\n", HTTPStatus.OK
    text = "not ready\n"
    try:
        _check_token(request, access)
        text += "".join(f"{obstacle}\n" for obstacle in obstacles)
    except RequestRefused:
        pass
    return _TEXT, text.encode(), HTTPStatus.SERVICE_UNAVAILABLE


def _api(name: str, sources: Sources) -> bytes:
    if name == "":
        found: object = [f"/api/{part}" for part in ("status", *PARTS)]
    elif name == "status":
        found = sources.facts()
    elif name in PARTS:
        found = sources.facts()[name]
    else:
        raise RequestRefused(
            HTTPStatus.NOT_FOUND, "there is nothing of that name; /api lists what there is"
        )
    return json.dumps(found, separators=(",", ":")).encode() + b"\n"


@cache
def _file(name: str) -> bytes:
    return files("storescp.monitor").joinpath("page", name).read_bytes()


def _encode(
    status: int,
    kind: str,
    body: bytes,
    more: dict[str, str] | None = None,
    *,
    head_only: bool,
) -> bytes:
    fields = {
        "Content-Type": kind,
        "Content-Length": str(len(body)),
        **_ALWAYS,
        **(more or {}),
    }
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in fields.items()
    )
    return head.encode("ascii") + b"\r\n" + (b"" if head_only else body)
