"""Where a walk is: in the data set, in a sequence, in an item, among the fragments of Pixel Data."""

from typing import TYPE_CHECKING

from storescp.dataset.familiar import NO_GROUP
from storescp.dataset.shapes import Shapes

if TYPE_CHECKING:
    from storescp.dataset.fast_path import Run

NEVER = 1 << 63  # the end of what has no length

ELEMENTS, ITEMS, FRAGMENTS = range(3)  # what a level consists of


class Level:
    """The data set, a sequence, an item or encapsulated pixel data that is being read."""

    __slots__ = (
        "begun",
        "content",
        "creators",
        "end",
        "group",
        "group_length_position",
        "group_length_value",
        "group_start",
        "implicit",
        "last",
        "length",
        "pixel_representation",
        "run",
        "sequence_end",
        "shapes",
        "specials",
        "start",
        "stop",
        "watch",
        "waveform_bits",
    )

    def __init__(
        self, content: int, end: int, start: int, length: int, *, implicit: bool = False
    ) -> None:
        self.content = content
        self.implicit = implicit  # VR, and little endian
        self.end = end  # offset in the input, NEVER if undefined
        self.stop = end  # where the fast path may not pass
        self.start = start  # of the content, position in the output
        self.length = length  # in its length field in the output
        self.shapes: Shapes | None = None  # that the items of a sequence have, if they are learned
        self.begun = NEVER  # the item's header, offset in the input, if it is to be learned

    def begin_elements(
        self, run: "Run | None", specials: tuple[int, ...], sequence_end: int
    ) -> None:
        """Prepare for elements, which sequences do not have."""
        self.run = run  # the fast path, if there is one
        self.specials = specials  # tags that must be looked at closely, ascending
        self.sequence_end = sequence_end  # of the sequence around, where this item goes beyond it
        if sequence_end < self.stop:
            self.stop = sequence_end
        self.last = -1  # the largest tag so far
        self.watch = specials[0]  # the next tag that must be looked at closely
        self.group = NO_GROUP  # whose group length waits for its value
        self.group_length_position = 0
        self.group_length_value = -1
        self.group_start = 0
        self.pixel_representation = 0
        self.waveform_bits = 0
        self.creators: dict[int, bytes] | None = None
