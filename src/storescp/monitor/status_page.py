"""The status page of `--http`: a server of its own process, fed by events."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from storescp.errors import ConfigurationError
from storescp.monitor import http_server
from storescp.monitor.http_answers import Access, Sources, answer, own_names
from storescp.monitor.http_request import HTTPRequest
from storescp.monitor.report import obstacles, report
from storescp.monitor.surroundings import HostProbe, HostStatusSettings
from storescp.monitor.viewer import Viewer, Watch
from storescp.process_name import PAGE

if TYPE_CHECKING:
    import socket

T = TypeVar("T")

_logger = logging.getLogger("dcmtk.apps.storescp")

_CACHE_SECONDS = 0.25
"""Seconds for which facts hold: many clients together cost little more than one."""


@dataclass(frozen=True, slots=True)
class StatusPage:
    """Settings of the status page."""

    address: str
    port: int
    whereabouts: HostStatusSettings
    token: str | None = None
    names: tuple[str, ...] = ()
    """Names in the Host field that are ours, besides the machine's."""
    identifiers: bool = False
    """True if identifiers of patients are shown."""


def status_page(settings: StatusPage, expiry: Callable[[str, bool], float | None]) -> Viewer:
    """Return the viewer that serves the page; it has the port, but is not started yet.

    Args:
        settings: what steers it.
        expiry: reads the end of a certificate from its file; the second argument tells if it is DER.

    Raises:
        ConfigurationError: the port cannot be had.
    """
    with _explained(settings):
        listening = http_server.listen(settings.address, settings.port)
    _logger.info("Status page: %s", url(settings.address, listening.getsockname()[1]))
    return Viewer(
        "status page",
        lambda watch: _serve(watch, listening, settings, expiry),
        process_name=PAGE,
        is_kept=True,
        started=listening.close,
    )


def check_port(settings: StatusPage) -> None:
    """Take the port and give it back.

    Raises:
        ConfigurationError: it cannot be had.
    """
    with _explained(settings):
        http_server.bind(settings.address, settings.port).close()


def url(address: str, port: int) -> str:
    """Return where the page is found."""
    return f"http://[{address}]:{port}/" if ":" in address else f"http://{address}:{port}/"


@contextmanager
def _explained(settings: StatusPage) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = url(settings.address, settings.port)
        raise ConfigurationError(
            f"cannot serve the status page at {where}: {error.strerror}"
        ) from error


def _serve(
    watch: Watch,
    listening: "socket.socket",
    settings: StatusPage,
    expiry: Callable[[str, bool], float | None],
) -> None:
    # Only this process needs it, and it takes longer to load than all the rest.
    from storescp.monitor.metrics import Metrics

    look = HostProbe(settings.whereabouts, expiry=expiry)
    sources = Sources(
        facts=_remembered(
            lambda: report(watch.model, look(), time.time(), identifiers=settings.identifiers)
        ),
        metrics=_remembered(Metrics(watch.model, look, receiver=watch.receiver)),
        obstacles=lambda: obstacles(watch.model, look()),
    )

    def respond(request: HTTPRequest) -> bytes:
        watch.catch_up()
        return answer(request, access, sources)

    access = Access(settings.token, (*own_names(), *settings.names))
    server = http_server.HTTPServer(listening, watch.selector, respond)

    def tick() -> float:
        server.expire()
        deadline = server.deadline()
        return 60.0 if deadline is None else deadline - time.monotonic()

    watch.run(tick)


def _remembered(make: Callable[[], T]) -> Callable[[], T]:
    """Return what calls `make` only if its last result is no longer fresh."""
    made: T | None = None
    until = 0.0

    def facts() -> T:
        nonlocal made, until
        now = time.monotonic()
        if made is None or now >= until:
            made, until = make(), now + _CACHE_SECONDS
        return made

    return facts
