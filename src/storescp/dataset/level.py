# cython: language_level=3, annotation_typing=False
"""The levels of a walk: data set, sequence, item, fragments of Pixel Data."""

from array import array

from storescp.dataset.limits import ELEMENTS, NEVER, NO_GROUP
from storescp.dataset.offset_tables import OffsetTables


class Level:
    """The data set, a sequence, an item or encapsulated Pixel Data that is being read."""

    def __init__(self) -> None:
        self.open(ELEMENTS, 0, NEVER, 0, 0)
        self.implicit = False  # VR
        self.little_endian = True
        self.same_layout = False  # whether headers that are right may stay

    def open(self, content: int, tag: int, end: int, start: int, length: int) -> None:
        """Begin anew."""
        self.tag = tag  # of the sequence, or of the one around the item
        self.content = content
        self.end = end  # offset in the received data set, NEVER if undefined
        self.stop = end  # where an element is one too many: at the end of the sequence around, if that is earlier
        self.start = start  # place of the content in the output
        self.length = length  # in its length field in the output
        self.last = -1  # the largest tag so far
        self.watch = 0  # up to here no tag has a rule of its own
        self.watch_index = 0  # of that in the table of those that have
        self.group = NO_GROUP  # whose length waits for its value
        self.group_length_place = 0
        self.group_length_value = -1
        self.group_start = 0
        self.has_group_lengths = False
        self.disordered = False  # elements are out of order, or there twice
        self.rewritten = False  # something inside is to be written once more
        self.mutes = False  # whether nothing of the level is written
        self.waveform_bits = 0
        self.curve_representation = -1
        self.creators: dict[int, bytes] | None = None
        self.own_representation = -1  # Pixel Representation of the level; -1: none so far
        self.representation = (
            0  # that applies here as far as is known, of the level or those around
        )
        self.provisional: array[int] | None = (
            None  # VRs that depend on one that may come (`signed_values`)
        )
        self.offset_tables: OffsetTables | None = None  # of encapsulated Pixel Data here
        self.frames = -1  # Number of Frames; -1: none so far
        self.joins = (
            False  # whether fragments are one frame, so that nothing may be put between them
        )
        self.owes = False  # whether the last fragment waits for a byte that makes its length even
