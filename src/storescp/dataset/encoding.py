"""Settings of the written data set, and the output that its bytes go to."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol


class GroupLength(Enum):
    """Treatment of group length elements (gggg,0000), PS3.5 7.2."""

    RECALCULATE = "recalculate"  # those that are there
    CREATE = "create"  # in every group of every level that is not empty
    REMOVE = "remove"


class SequenceLength(Enum):
    """Encoding of the end of sequences and items, PS3.5 7.5.1 and 7.5.2."""

    EXPLICIT = "explicit"  # by their length
    UNDEFINED = "undefined"  # by a delimiter


LARGEST_INFLATED = 1 << 32
"""Default limit of an inflated data set, in bytes: 4 GiB, what one element's length can name.

Raw deflate can swell by a factor of 1030, so 4 MB from a hostile peer could fill the disk with
4 GiB. Real deflated objects are far smaller; a factor is no limit, because an empty mask or
overlay compresses as well as a bomb does.
"""


@dataclass(frozen=True, slots=True)
class Encoding:
    """Choices in the encoding of a written data set. Defaults are the reference's."""

    transfer_syntax: str | None = None
    """UID of the transfer syntax to write; None: as received."""
    group_length: GroupLength = GroupLength.RECALCULATE
    sequence_length: SequenceLength = SequenceLength.EXPLICIT
    padding: tuple[int, int] | None = None
    """Bytes of which the file and each item's content are to be multiples; 0: not this one.

    None removes data set trailing padding. With an odd number group lengths and padding stay as
    received, as in the reference.
    """
    new_vr: bool = True
    """False: UN UT OF OD OL UR UC OV SV UV are written as OB."""
    convert_un: bool = False
    """True if elements of VR UN and defined length get the VR that the dictionary knows."""
    compression_level: int = 6
    """Compression level of a deflated transfer syntax, 0 to 9."""
    maximum_inflated: int | None = LARGEST_INFLATED
    """Most bytes that a deflated data set may inflate to; None: no limit."""


class Output(Protocol):
    """Destination of a data set's bytes. Positions count from its first byte."""

    def write(self, chunk: bytes | memoryview) -> None:
        """Append `chunk`, which may be a view into the receive buffer."""
        ...

    def write_all(self, chunks: Sequence[memoryview], length: int) -> None:
        """Append chunks, of so many bytes altogether."""
        ...

    def patch(self, position: int, data: bytes) -> None:
        """Overwrite bytes that were written before."""
        ...


class Source(Protocol):
    """Reads back what was written to an `Output`."""

    def read(self, position: int, length: int) -> bytes:
        """Up to `length` bytes at `position`; fewer only at the end."""
        ...


class Attributes(NamedTuple):
    """Attributes of a data set that storing needs, noted in passing.

    Values are as written, without their padding; None: absent, or not of a text VR (UIDs: not of
    VR UI); `b""`: present and empty. The UIDs of class and instance are searched at the top level,
    then inside sequences, depth first; the others at the top level. A value of more than 4096
    bytes is cut.
    """

    sop_class_uid: bytes | None = None
    sop_instance_uid: bytes | None = None
    study_instance_uid: bytes | None = None
    patient_name: bytes | None = None
    specific_character_set: bytes | None = None
