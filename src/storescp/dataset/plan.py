# cython: language_level=3, annotation_typing=False
"""Decisions about a transcoding that need none of its bytes. Plans are made once and shared."""

import re
from functools import lru_cache

from storescp.dataset.encoding import Encoding, GroupLength, SequenceLength
from storescp.uids import TRANSFER_SYNTAXES, Kind, TransferSyntax

_VIDEO = re.compile(r"1\.2\.840\.10008\.1\.2\.4\.10[0-8]\b")
"""MPEG-2, MPEG-4, HEVC: PS3.5 A.4.5 to A.4.9."""


class Plan:
    """Rules for reading and writing data sets of one transfer syntax."""

    def __init__(self, received: TransferSyntax, encoding: Encoding) -> None:
        """Decide all that follows from the transfer syntax and the options."""
        self.written = TRANSFER_SYNTAXES.get(encoding.transfer_syntax or received.uid, received)
        self.reads_implicit = not received.explicit_vr
        self.reads_little_endian = received.little_endian or not received.explicit_vr
        self.implicit = not self.written.explicit_vr
        """True if implicit VR is written."""
        self.little_endian = self.written.little_endian or not self.written.explicit_vr
        """True if little endian is written."""
        self.encapsulated = received.kind is Kind.ENCAPSULATED
        self.is_video = _VIDEO.match(received.uid) is not None
        """True if Pixel Data is one stream, whatever the number of its frames."""
        self.can_encapsulate = self.written.kind is Kind.ENCAPSULATED
        self.explicit_lengths = encoding.sequence_length is SequenceLength.EXPLICIT
        self.new_vr = encoding.new_vr
        self.converts_un = encoding.convert_un

        of_file, of_items = encoding.padding or (0, 0)
        # The reference skips this whole step where a number is odd.
        finishing = not (of_file & 1 or of_items & 1)
        self.drops_padding = finishing
        self.file_padding, self.item_padding = (of_file, of_items) if finishing else (0, 0)
        lengths = encoding.group_length
        self.creates_group_lengths = finishing and lengths is GroupLength.CREATE
        self.removes_group_lengths = finishing and lengths is GroupLength.REMOVE
        self.keeps_group_lengths = not finishing


@lru_cache(maxsize=64)
def plan_for(received: TransferSyntax, encoding: Encoding) -> Plan:
    """The plan for a transfer syntax and options; made at its first use."""
    return Plan(received, encoding)
