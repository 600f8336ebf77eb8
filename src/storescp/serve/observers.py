"""Observers of the receiver: the hub of events, the stream of `--events`, and the processes that show events."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from storescp import __version__
from storescp.serve.accept.acceptor import Acceptor
from storescp.signal_names import signal_name
from storescp.storage.studies.current_study import CurrentStudy

if TYPE_CHECKING:
    from storescp.monitor.settings import MonitorSettings
    from storescp.monitor.viewer import Viewers
    from storescp.serve.reporting.event_hub import EventHub
    from storescp.serve.settings import ReceiverSettings


class Observers:
    """Those of one receiver; none of them costs anything if nobody wants to know."""

    def __init__(self, settings: "ReceiverSettings") -> None:
        """Prepare; processes are started later.

        Raises:
            ConfigurationError: the file for events cannot be opened, or the status page's port cannot be had.
        """
        self._settings = settings
        self._viewers = _viewers(settings.monitoring)
        self.hub = _hub(settings.events, self._viewers)
        """Hub that takes the events; None: there are no observers."""

    @property
    def has_viewers(self) -> bool:
        """True if there are processes that show events."""
        return self._viewers is not None

    def start_viewers(self, prepare: Callable[[], None]) -> None:
        """Start the processes that show what happens; `prepare` is what each does first.

        Raises:
            ConfigurationError: the system has no room for another process.
        """
        if self._viewers is not None:
            self._viewers.start(prepare)

    def close_viewers(self) -> None:
        """End these processes."""
        if self._viewers is not None:
            self._viewers.close()

    def reap(self) -> None:
        """Notice those that have ended; never waits."""
        if self._viewers is not None:
            self._viewers.reap()

    def open(self, acceptor: Acceptor, port: int) -> None:
        """Begin to tell what happens: that the port is open."""
        if self.hub is None:
            return
        from storescp.events import Listening

        workers = self._settings.worker_settings
        if workers is not None:
            self.hub.share()
        if self.hub.descriptor >= 0:
            acceptor.watch(self.hub.descriptor, self.hub.receive)
        if workers is None:
            self.hub.tell(Listening(port, __version__, "single", None))
        elif self._settings.forks:
            self.hub.tell(Listening(port, __version__, "fork", None))
        else:
            self.hub.tell(Listening(port, __version__, "workers", workers.workers))

    def in_child(self) -> None:
        """Go on in a process that was forked."""
        if self.hub is not None:
            self.hub.in_child()

    def study_complete(self, study: CurrentStudy, cause: str) -> None:
        """A study is complete."""
        if self.hub is not None:
            from storescp.events import StudyComplete

            self.hub.tell(StudyComplete(study.uid, study.directory, study.objects, cause))

    def close(self, number: int) -> None:
        """Tell of the end, by a signal, and end."""
        if self.hub is None:
            return
        from storescp.events import Stopping

        self.hub.tell(Stopping(signal_name(number)))
        self.hub.close()
        self.close_viewers()


def _hub(events: str | None, viewers: "Viewers | None") -> "EventHub | None":
    if events is None and viewers is None:
        return None
    from storescp.serve.reporting.event_file import STANDARD_OUTPUT, EventFile
    from storescp.serve.reporting.event_hub import EventHub

    if events == STANDARD_OUTPUT:
        # Dots for those who watch would stand between the lines.
        logging.getLogger("dcmtk.apps.storescp.progress").setLevel(logging.WARNING)
    hub = EventHub()
    if events is not None:
        hub.write_to(EventFile(events).write)
    if viewers is not None:
        hub.observe(viewers.tell)
    return hub


def _viewers(monitoring: "MonitorSettings | None") -> "Viewers | None":
    if monitoring is None:
        return None
    from storescp.monitor.settings import viewers

    return viewers(monitoring, _certificate_end)


def _certificate_end(path: str, is_der: bool) -> float | None:  # noqa: FBT001  (of a callable)
    """Return when the first certificate of a file ends, in seconds since 1970; None if it cannot be read."""
    from storescp.serve.tls import validity
    from storescp.serve.tls.choices import FileFormat

    found = validity.certificates(path, FileFormat.DER if is_der else FileFormat.PEM)
    return found[0].ends.timestamp() if found else None
