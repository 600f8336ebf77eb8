"""The head of an HTTP/1.1 request, RFC 9112: bytes in, a value or a refusal out. No I/O.

Only what a browser, a scraper or a probe sends is understood: GET and HEAD, without a body. Everything else is
answered with the status that says so, and never kept.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

MAXIMUM_HEAD_BYTES = 8192
"""Bytes of request line and fields together."""

_MAXIMUM_FIELDS = 64

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_FIELD_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110 5.5
_TARGET = re.compile(rb"[\x21-\x7e]+")


class RequestRefused(Exception):
    """The request is not served; the answer is `status`."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class HTTPRequest:
    """A parsed HTTP request."""

    method: str
    path: str
    """Decoded, without the query."""
    host: str
    """Host field of the request, with or without a port; empty in HTTP/1.0."""
    fields: dict[str, str] = field(default_factory=dict)
    """Header fields by their names in lower case."""

    @property
    def is_head(self) -> bool:
        """True if the body of the answer is not wanted."""
        return self.method == "HEAD"


def parse(data: bytes) -> HTTPRequest | None:
    """Return the request whose head is in `data`; None if it is not complete yet.

    Raises:
        Refusal: it will never be one that is served.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if len(data) >= MAXIMUM_HEAD_BYTES:
            raise RequestRefused(431, "the request's header fields are too large")
        return None
    if end + 4 > MAXIMUM_HEAD_BYTES:
        raise RequestRefused(431, "the request's header fields are too large")
    line, *rest = data[:end].split(b"\r\n")
    method, path, version = _request_line(line)
    fields = _fields(rest)
    host = fields.get("host", "")
    if not host and version != b"HTTP/1.0":
        raise RequestRefused(400, "no Host field")
    if fields.get("content-length", "0") != "0" or "transfer-encoding" in fields:
        raise RequestRefused(413, "requests with a body are not served")
    return HTTPRequest(method, path, host, fields)


def _request_line(line: bytes) -> tuple[str, str, bytes]:
    parts = line.split(b" ")
    if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]) or not _TARGET.fullmatch(parts[1]):
        raise RequestRefused(400, "no request line")
    method, target, version = parts
    if not re.fullmatch(rb"HTTP/1\.\d", version):
        raise RequestRefused(
            505 if version.startswith(b"HTTP/") else 400, "HTTP/1.1 is spoken here"
        )
    if method not in (b"GET", b"HEAD"):
        raise RequestRefused(405, "only GET and HEAD are served: nothing can be changed from here")
    if not target.startswith(b"/"):
        raise RequestRefused(400, "the request's target is not a path")
    try:
        path = unquote_to_bytes(target.partition(b"?")[0]).decode()
    except UnicodeDecodeError:
        raise RequestRefused(400, "the request's target is not UTF-8") from None
    return method.decode(), path, version


def _fields(lines: list[bytes]) -> dict[str, str]:
    if len(lines) > _MAXIMUM_FIELDS:
        raise RequestRefused(431, "the request has too many header fields")
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not _TOKEN.fullmatch(name) or not _FIELD_VALUE.fullmatch(value):
            raise RequestRefused(400, "a header field that is none")
        key = name.decode().lower()
        if key in fields and key in ("host", "content-length", "authorization"):
            raise RequestRefused(400, f"two fields {key}")
        fields[key] = value.decode("latin-1").strip(" \t")
    return fields
