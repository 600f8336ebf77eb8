"""Settings of the status page and the display."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storescp.monitor.viewer import Viewers

if TYPE_CHECKING:
    from storescp.monitor.progress import Progress
    from storescp.monitor.status_page import StatusPage


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """Settings of everything that is shown to people."""

    page: "StatusPage | None" = None
    progress: "Progress | None" = None


def viewers(monitoring: MonitorSettings, expiry: Callable[[str, bool], float | None]) -> Viewers:
    """Return the viewers, which are not started yet.

    Args:
        monitoring: what is asked for.
        expiry: reads the end of a certificate from its file; the second argument tells if it is DER.

    Raises:
        ConfigurationError: the port of the page cannot be had.
    """
    wanted = []
    if monitoring.page is not None:
        from storescp.monitor.status_page import status_page

        wanted.append(status_page(monitoring.page, expiry))
    if monitoring.progress is not None:
        from storescp.monitor.progress import progress

        wanted.append(progress(monitoring.progress))
    return Viewers(wanted)
