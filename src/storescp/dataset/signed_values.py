"""Values of VR US or SS by Pixel Representation (0028,0103), where a VR is looked up: PS3.5 A.1 and A.2.

The Pixel Representation that applies to an element is that of its own item, else that of the nearest level around
which has one, wherever in that level it stands. So a VR that is written before that is known is provisional: it is
what the levels around say so far, and is patched when a nearer one says otherwise.
"""

from array import array

from storescp.dataset.cursor import Cursor
from storescp.dataset.level import Level
from storescp.dataset.remarks import Remarks

MOST_PENDING = 0x10000
"""Provisional VRs of a data set; those beyond stay what they are."""

UNKNOWN = -1
"""Instead of a Pixel Representation that the level does not have so far."""


class SignedValues:
    """Remembers where provisional VRs are written, level by level."""

    def __init__(self, cursor: Cursor, remarks: Remarks) -> None:
        self._cursor = cursor
        self._remarks = remarks
        self._noted = 0

    def note_provisional(self, level: Level, place: int, *, signed: bool) -> None:
        """Note where in the output the VR of an element of this level is written."""
        self._noted += 1
        if self._noted > MOST_PENDING:
            if self._noted == MOST_PENDING + 1:
                self._remarks.warn(
                    "DcmItem: too many values before Pixel Representation (0028,0103),"
                    " VR of those that follow is US"
                )
            return
        if level.provisional is None:
            level.provisional = array("Q")
        level.provisional.append(place << 1 | signed)

    def note_representation(self, level: Level, representation: int) -> None:
        """Note the Pixel Representation of a level, and set right what was written before; the first one counts."""
        if level.own_representation != UNKNOWN:
            return
        level.own_representation = level.representation = representation
        provisional, level.provisional = level.provisional, None
        signed = representation == 1
        for entry in provisional or ():
            if bool(entry & 1) != signed:
                self._cursor.patch(entry >> 1, b"SS" if signed else b"US")

    def end(self, level: Level, around: Level) -> None:
        """Hand on what is still provisional at the end of a level."""
        if level.provisional is not None and around.own_representation == UNKNOWN:
            if around.provisional is None:
                around.provisional = level.provisional
            else:
                around.provisional.extend(level.provisional)
