"""Warnings about a data set: few, whatever a peer sends."""

import logging

logger = logging.getLogger("dcmtk.dcmdata")

MOST_REMARKS = 20


class Remarks:
    """Logs what is odd about one data set, up to a limit, and then how much more there was."""

    __slots__ = ("_count", "_muted")

    def __init__(self, *, muted: bool = False) -> None:
        self._count = 0
        self._muted = muted

    def warn(self, message: str, *arguments: object) -> None:
        """Log a warning in logging's own format."""
        if self._muted:
            return
        self._count += 1
        if self._count <= MOST_REMARKS:
            logger.warning(message, *arguments)

    def close(self) -> None:
        """Tell how many warnings were held back."""
        if self._count > MOST_REMARKS:
            held_back = self._count - MOST_REMARKS
            logger.warning("%d more warnings about this data set are not shown", held_back)
            self._count = 0
