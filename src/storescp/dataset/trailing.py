"""Bytes behind the last element of a data set that can be left out: zero bytes and delimiters of nothing."""

from storescp.dataset.element import ITEM_DELIMITER
from storescp.dataset.remarks import Remarks
from storescp.errors import CannotUnderstand, InvalidDataSet, StorescpError


class Trailing:
    """Counts them. Nothing is lost without them, and the reference stores what precedes them, too."""

    def __init__(self) -> None:
        self.is_over = False
        """True if they were elements after all."""
        self._zeros = 0
        self._delimiters: set[int] = set()

    @property
    def has_only_zeros(self) -> bool:
        """True if there was no delimiter so far."""
        return not self._delimiters

    def note_zeros(self, count: int) -> None:
        """Count zero bytes."""
        self._zeros += count

    def note_delimiter(self, tag: int) -> None:
        """Note an Item or Sequence Delimitation Item."""
        self._delimiters.add(tag)

    def end(self) -> int:
        """Stop counting: this is not the end of the data set. Returns how many zero bytes there were."""
        zeros, self._zeros = self._zeros, 0
        self.is_over = True
        return zeros

    def error(self, tag: int) -> StorescpError:
        """Return what is wrong where something else follows, or precedes nothing: the element with this tag."""
        if ITEM_DELIMITER in self._delimiters or tag == ITEM_DELIMITER:
            return CannotUnderstand("an Item Delimitation Item outside of any item")
        return InvalidDataSet("Item Delimitation Item missing")

    def tell(self, remarks: Remarks) -> None:
        """Warn of what was left out. One zero byte pads the last fragment of an odd data set, PS3.8 annex E."""
        if self._zeros > 1:
            remarks.warn("%d zero bytes behind the last element, left out", self._zeros)
        for tag in sorted(self._delimiters):
            remarks.warn(
                "%s behind the last element, left out",
                "an Item Delimitation Item"
                if tag == ITEM_DELIMITER
                else "a Sequence Delimitation Item",
            )
