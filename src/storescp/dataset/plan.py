"""What can be decided about a transcoding before its first byte. Plans are made once and shared."""

from functools import lru_cache

from storescp.dataset.dictionary import Dictionary
from storescp.dataset.element import (
    DATA_SET_TRAILING_PADDING,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    PATIENT_NAME,
    PIXEL_DATA,
    PIXEL_REPRESENTATION,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    SPECIFIC_CHARACTER_SET,
    STUDY_INSTANCE_UID,
    VOI_LUT_SEQUENCE,
    VRS,
    WAVEFORM_BITS_ALLOCATED,
    Layout,
    Value,
)
from storescp.dataset.encoding import Encoding, GroupLength, SequenceLength
from storescp.uids import TRANSFER_SYNTAXES, Kind, TransferSyntax

# How the fast paths take a value that is written as it came; anything else is looked at closely.
SHORT, SHORT_ANY, SHORT_TEXT, SHORT_UID, LONG, LONG_ANY, LONG_TEXT, SEQUENCE = range(1, 9)
LOOK_CLOSELY = 0

NOTED_INSIDE = frozenset({SOP_CLASS_UID, SOP_INSTANCE_UID})
"""Tags of what storing asks for (`Attributes`) and looks for in sequences, too; they count only as UIDs."""
NOTED_AT_TOP = NOTED_INSIDE | {SPECIFIC_CHARACTER_SET, PATIENT_NAME, STUDY_INSTANCE_UID}
"""Tags of all that storing asks for."""
_CONTEXT = frozenset({PIXEL_REPRESENTATION, WAVEFORM_BITS_ALLOCATED})
_STRUCTURE = frozenset({VOI_LUT_SEQUENCE, PIXEL_DATA, DATA_SET_TRAILING_PADDING})
WAVEFORM_TAGS = frozenset({0x54001010, 0x5400100A, 0x54000110, 0x54000112})
# Attributes whose VR of US or SS follows Pixel Representation; the others are US.
SIGNED_LIKE_PIXELS = frozenset(
    {
        0x00280106,
        0x00280107,
        0x00280108,
        0x00280109,
        0x00280120,
        0x00280121,
        0x00283002,
        0x00409211,
        0x00409216,
        0x00603004,
        0x00603006,
        0x00189810,
    }
)

TAGS_OF_STRUCTURE = _STRUCTURE
DEPENDENT_TAGS = _CONTEXT | SIGNED_LIKE_PIXELS | WAVEFORM_TAGS
"""What other elements' VRs depend on, in implicit VR, and the elements whose VRs depend on others."""
TAGS_LOOKED_AT = NOTED_INSIDE | _CONTEXT | _STRUCTURE
"""What the walk looks at closely wherever it stands."""


def layout_of(syntax: TransferSyntax) -> Layout:
    """How headers lie in data sets of a transfer syntax."""
    if not syntax.explicit_vr:
        return IMPLICIT_LITTLE_ENDIAN
    return EXPLICIT_LITTLE_ENDIAN if syntax.little_endian else EXPLICIT_BIG_ENDIAN


class Plan:
    """How data sets of one transfer syntax are read and written."""

    def __init__(self, received: TransferSyntax, encoding: Encoding, *, settled: bool) -> None:
        """Decide all that follows from the transfer syntax and the options.

        `settled`: the data set was written by a first pass, so that values are final.
        """
        self.received = received
        self.written = TRANSFER_SYNTAXES.get(encoding.transfer_syntax or received.uid, received)
        self.settled = settled
        self.read = layout_of(received)
        self.write = layout_of(self.written)
        self.same_layout = self.read is self.write
        self.encapsulated = received.kind is Kind.ENCAPSULATED
        self.can_encapsulate = self.written.kind is Kind.ENCAPSULATED
        self.explicit_lengths = encoding.sequence_length is SequenceLength.EXPLICIT
        self.new_vr = encoding.new_vr
        self.convert_un = encoding.convert_un and not settled

        of_file, of_items = encoding.padding or (0, 0)
        # The reference skips this whole step where a number is odd.
        finishing = not (of_file & 1 or of_items & 1)
        self.drops_padding = finishing
        self.file_padding, self.item_padding = (of_file, of_items) if finishing else (0, 0)
        lengths = encoding.group_length
        self.creates_group_lengths = finishing and lengths is GroupLength.CREATE
        self.removes_group_lengths = finishing and lengths is GroupLength.REMOVE
        self.keeps_group_lengths = not finishing
        # Whether elements can be written that were not looked at (`familiar`): what is created or kept of
        # group lengths concerns more than one of them.
        self.knows_stretches = (
            not settled and not self.creates_group_lengths and not self.keeps_group_lengths
        )
        explicit = self.same_layout and not self.read.implicit_vr
        self.usual = NOTED_AT_TOP | {PIXEL_DATA} if explicit else frozenset()
        # Whether items can be written that were not looked into (`shapes`).
        self.knows_shapes = (
            (self.same_layout or not self.read.implicit_vr)
            and not settled
            and not self.creates_group_lengths
            and not self.item_padding
        )

        self.specials_at_top = tuple(sorted(NOTED_AT_TOP | _CONTEXT | _STRUCTURE))
        self.specials = tuple(sorted(TAGS_LOOKED_AT))
        self.specials_known = tuple(sorted(_CONTEXT | _STRUCTURE))  # both UIDs are known already
        self.kinds = {
            self.read.short_length.unpack(vr.name.encode())[0]: self._kind(vr.name)
            for vr in VRS.values()
        }

    def _kind(self, name: str) -> int:
        """How the fast path takes values of a VR, explicit VR."""
        vr = VRS[name]
        if vr.value is Value.SEQUENCE:
            return SEQUENCE
        if (vr.recent and not self.new_vr) or (name == "UN" and self.convert_un):
            return LOOK_CLOSELY
        if self.settled or vr.value is Value.WORDS:
            return LONG_ANY if vr.long else SHORT_ANY
        kinds = {
            Value.TEXT: (SHORT_TEXT, LONG_TEXT),
            Value.UID: (SHORT_UID, LONG_TEXT),
            Value.BINARY: (SHORT, LONG),
        }
        return kinds[vr.value][vr.long]


@lru_cache(maxsize=64)
def plan_for(received: TransferSyntax, encoding: Encoding, *, settled: bool = False) -> Plan:
    """The plan for a transfer syntax and options; made at its first use."""
    return Plan(received, encoding, settled=settled)


_AMBIGUOUS_KINDS = {"xs": SHORT, "ox": SHORT, "px": SHORT_ANY, "lt": SHORT_ANY, "up": SHORT}


def implicit_kind(dictionary: Dictionary, tag: int) -> int:
    """How the fast path takes values of a tag, implicit VR (all headers are short)."""
    if tag & 0x10000 and dictionary.knows_private_elements:
        return LOOK_CLOSELY  # depends on the private creators of the item
    name = dictionary.vr(tag) or "UN"
    if name in _AMBIGUOUS_KINDS:
        return _AMBIGUOUS_KINDS[name]
    if name not in VRS:
        return LOOK_CLOSELY
    value = VRS[name].value
    kinds = {
        Value.TEXT: SHORT_TEXT,
        Value.UID: SHORT_UID,
        Value.BINARY: SHORT,
        Value.WORDS: SHORT_ANY,
        Value.SEQUENCE: SEQUENCE,
    }
    return kinds[value]
