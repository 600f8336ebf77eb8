# cython: language_level=3, boundscheck=True, wraparound=False, overflowcheck=True, annotation_typing=False
"""Group lengths: those that came, those that are created, and what they are in the end. PS3.5 7.2."""

from storescp.dataset.cursor import Cursor
from storescp.dataset.element import UL, UNDEFINED_LENGTH
from storescp.dataset.header import HeaderWriter
from storescp.dataset.level import Level
from storescp.dataset.limits import NO_GROUP
from storescp.dataset.plan import Plan
from storescp.dataset.remarks import Remarks
from storescp.dataset.rewriting import Rewriting


class GroupLengths:
    """Follows the groups of a level, and gives each its length where it ends."""

    def __init__(
        self,
        plan: Plan,
        cursor: Cursor,
        headers: HeaderWriter,
        rewriting: Rewriting,
        remarks: Remarks,
    ) -> None:
        self._plan = plan
        self._cursor = cursor
        self._headers = headers
        self._rewriting = rewriting
        self._remarks = remarks

    def take(
        self, level: Level, position: int, size: int, tag: int, vr: int, length: int, clean: bool
    ) -> int:
        """Take a group length element. Returns where it ends, or the fragment.

        `clean`: whether its header may stay.
        """
        plan, cursor = self._plan, self._cursor
        if plan.removes_group_lengths or plan.creates_group_lengths:
            return self._rewriting.discard(position, size, length)
        if tag > level.last:
            level.last = tag
        else:
            level.disordered = True
        value = position + size
        if vr != UL:
            self._remarks.warn("DcmItem: Group Length with VR other than UL found, corrected")
        elif length == 4 and clean:
            level.has_group_lengths = True
            level.group = tag >> 16
            level.group_length_value = cursor.u32(value, level.little_endian)
            level.group_length_place = cursor.place(value)
            level.group_start = level.group_length_place + 4
            return value + 4
        self.create(level, position, tag >> 16)
        cursor.start = position
        return self._rewriting.discard(position, size, length)

    def create(self, level: Level, position: int, group: int) -> None:
        """Write a group length element whose value is not yet known, in front of `position`."""
        cursor = self._cursor
        cursor.flush(position)
        self._headers.element(group << 16, UL, 4)
        level.has_group_lengths = True
        level.group = group
        level.group_length_place = cursor.place(position)
        level.group_length_value = -1
        level.group_start = level.group_length_place + 4
        cursor.put32(0, True)

    def settle(self, level: Level, position: int) -> None:
        """Give the group that ends here its length."""
        if level.group == NO_GROUP:
            return
        level.group = NO_GROUP
        length = self._cursor.place(position) - level.group_start
        if length != level.group_length_value:
            self._cursor.flush(position)
            self._headers.length(level.group_length_place, min(length, UNDEFINED_LENGTH))
