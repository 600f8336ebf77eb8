"""Warnings about a data set, in limited number."""

import heapq
import logging

from storescp.dataset.element import tag_name

logger = logging.getLogger("dcmtk.dcmdata")

MOST_REMARKS = 20


class Remarks:
    """Logs what is odd about one data set, up to a limit, and then how much more there was."""

    __slots__ = ("_muted", "count")

    def __init__(self, *, muted: bool = False) -> None:
        self.count = 0
        """Number of warnings that there were."""
        self._muted = muted

    def warn(self, message: str, *arguments: object) -> None:
        """Log a warning in logging's own format."""
        self.count += 1
        if not self._muted and self.count <= MOST_REMARKS:
            logger.warning(message, *arguments)

    def inform(self, message: str, *arguments: object) -> None:
        """Log what is worth to know, and no fault."""
        if not self._muted:
            logger.info(message, *arguments)

    def close(self) -> None:
        """Tell how many warnings were held back."""
        if self.count > MOST_REMARKS and not self._muted:
            held_back = self.count - MOST_REMARKS
            logger.warning("%d more warnings about this data set are not shown", held_back)
            self.count = 0


class Postponed:
    """Warnings that are found in another order than that of a parser that reads on."""

    __slots__ = ("_count", "_first")

    def __init__(self) -> None:
        self._count = 0
        self._first: list[tuple[int, int, str, int]] = []  # a heap with the last of them on top

    def warn(self, begin: int, end: int, message: str, tag: int) -> None:
        """Note a warning about the element between two positions: it is due when all of that was read."""
        self._count += 1
        entry = (-end, begin, message, tag)
        if len(self._first) < MOST_REMARKS:
            heapq.heappush(self._first, entry)
        else:
            heapq.heappushpop(self._first, entry)

    def tell(self, remarks: Remarks) -> None:
        """Log them from first to last."""
        for _, _, message, tag in sorted(self._first, reverse=True):
            remarks.warn(message, tag_name(tag))
        remarks.count += self._count - len(self._first)
