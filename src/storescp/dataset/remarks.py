"""Warnings about a data set: few, whatever a peer sends."""

import logging

logger = logging.getLogger("dcmtk.dcmdata")

MOST_REMARKS = 20


class Remarks:
    """Logs what is odd about one data set, up to a limit, and then how much more there was."""

    __slots__ = ("_muted", "count")

    def __init__(self, *, muted: bool = False) -> None:
        self.count = 0
        """How many there were."""
        self._muted = muted

    def warn(self, message: str, *arguments: object) -> None:
        """Log a warning in logging's own format."""
        self.count += 1
        if not self._muted and self.count <= MOST_REMARKS:
            logger.warning(message, *arguments)

    def close(self) -> None:
        """Tell how many warnings were held back."""
        if self.count > MOST_REMARKS and not self._muted:
            held_back = self.count - MOST_REMARKS
            logger.warning("%d more warnings about this data set are not shown", held_back)
            self.count = 0
