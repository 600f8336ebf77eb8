"""The dictionary from tags to VRs: the standard's (PS3.6, from pydicom) or dictionaries given by the user.

Besides the VRs of the standard there are five that only dictionaries know; what they become is
decided where a data set is read, because it depends on other elements:

- `xs`: US or SS,
- `ox`: OB or OW,
- `px`: OB or OW, Pixel Data,
- `lt`: US, SS or OW, look-up tables,
- `up`: UL, an offset in a DICOMDIR,

and `na`, the delimiters' want of a VR.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from types import MappingProxyType

from storescp.dataset.element import DELIMITERS

UNKNOWN_KEYWORD = "Unknown Tag & Data"

LARGEST_CACHE = 0x10000  # tags; a peer can name four milliards


class Parity(Enum):
    """Parity of the numbers of a range."""

    ANY = "any"
    EVEN = "even"
    ODD = "odd"

    def admits(self, number: int) -> bool:
        """Tell whether `number` is of this parity."""
        return self is Parity.ANY or (number & 1) == (self is Parity.ODD)


@dataclass(frozen=True, slots=True)
class NumberRange:
    """Group or element numbers, both ends included."""

    low: int
    high: int
    parity: Parity = Parity.ANY

    def __contains__(self, number: int) -> bool:
        return self.low <= number <= self.high and self.parity.admits(number)


@dataclass(frozen=True, slots=True)
class TagRange:
    """A dictionary entry for many tags."""

    groups: NumberRange
    elements: NumberRange
    vr: str
    creator: bytes | None = None  # of a private entry
    keyword: str = ""


class Dictionary:
    """Answers which VR a tag has. A single tag's entry wins over any range."""

    def __init__(
        self,
        singles: Mapping[int, str],
        ranges: Sequence[TagRange] = (),
        private: Mapping[tuple[bytes, int], str] | None = None,
        keywords: Mapping[int, str] | None = None,
    ) -> None:
        """Take entries as they are.

        Args:
            singles: tag to VR.
            ranges: searched in this order, the first that matches counts.
            private: creator and tag to VR; the tag is exact or has only the low byte of its
                element, for an entry that holds in any block that the creator reserves.
            keywords: tag to the attribute's keyword, for messages.
        """
        self._singles = singles
        self._ranges = [entry for entry in ranges if entry.creator is None]
        self._private = private or {}
        self._private_ranges = [entry for entry in ranges if entry.creator is not None]
        self._keywords = keywords or {}
        self._cache: dict[int, str | None] = {}
        self.vr_codes: dict[int, int] = {}
        """VRs as numbers, of tags whose VR depends on nothing else; lookups add to it."""
        self.knows_private_elements = bool(self._private or self._private_ranges)

    def vr(self, tag: int) -> str | None:
        """The VR of an element that is not known to belong to a private creator."""
        try:
            return self._cache[tag]
        except KeyError:
            found = self._look_up(tag)
            if len(self._cache) < LARGEST_CACHE:
                self._cache[tag] = found
            return found

    def note_code(self, tag: int, vr: int) -> None:
        """Keep the VR of a tag as a number."""
        if len(self.vr_codes) < LARGEST_CACHE:
            self.vr_codes[tag] = vr

    def private_vr(self, creator: bytes, tag: int) -> str | None:
        """The VR of a private element, by the creator that reserved its block, PS3.5 7.8.1."""
        private = self._private
        found = private.get((creator, tag)) or private.get((creator, tag & 0xFFFF00FF))
        if found is not None:
            return found
        group, element = tag >> 16, tag & 0xFFFF
        for entry in self._private_ranges:
            if (
                entry.creator == creator
                and group in entry.groups
                and (element in entry.elements or element & 0xFF in entry.elements)
            ):
                return entry.vr
        return None

    def keyword(self, tag: int, creator: bytes | None = None) -> str:
        """The attribute's keyword, as messages show it.

        Args:
            tag: of the element.
            creator: the private creator of the block of a private element, if it is known.
        """
        return self._known_keyword(tag, creator) or UNKNOWN_KEYWORD

    def _known_keyword(self, tag: int, creator: bytes | None) -> str | None:
        found = self._keywords.get(tag)
        if found is not None or creator is not None:
            return found
        group, element = tag >> 16, tag & 0xFFFF
        for entry in self._ranges:
            if group in entry.groups and element in entry.elements:
                return entry.keyword
        return None

    def _look_up(self, tag: int) -> str | None:
        found = self._singles.get(tag)
        if found is not None:
            return found
        group, element = tag >> 16, tag & 0xFFFF
        for entry in self._ranges:
            if group in entry.groups and element in entry.elements:
                return entry.vr
        if not element:
            return "UL"  # PS3.5 7.2: group length; known to every dictionary
        return "na" if tag in DELIMITERS else None


_PYDICOM_AMBIGUOUS = {
    "US or SS": "xs",
    "OB or OW": "ox",
    "US or OW": "lt",
    "US or SS or OW": "lt",
    "NONE": "na",
}

# Where pydicom's dictionary (of PS3.6 2024) and the reference's (of PS3.6 2026b) part ways.
_NOT_IN_THE_REFERENCE = (0x00080202, 0x00180061, 0x00189445, 0x00280020, 0x04000315, 0x300A0782)
_OTHER_VRS = MappingProxyType(
    {
        "px": "7FE00010",
        "up": "00041200 00041202 00041400 00041420 00041504",  # offsets inside a DICOMDIR
        # Retired elements that pydicom has as ranges of elements, the reference as single ones.
        "AT": "00280413 00280803 00280808",
        "LO": "00280412",
        "US": """
            00280410 00280411 00280802 00280804 10000010 10000011 10000012 10000013 10000014
            10000015 10100004
        """,
        "CS": "00280800",
    }
)
_NEWER_ATTRIBUTES = MappingProxyType(
    {
        "CS": """
            00144105 0014601B 0014601C 0014601E 0014601F 00146029 0014602C 0014602D 00146031
            00146037 00146044 0014604A 0014604D 00146050 00146053 0014605A 0014605B 0014605C
            0014605E 00146060 00189391 00221629 00221633 00480304 30040082 30040084 300A02EC
        """,
        "DS": """
            00146002 00146003 00146004 00146005 00146006 00146008 00146009 0014600A 0014600B
            0014600D 0014600E 00146010 00146011 00146013 00146014 00146015 00146016 00146019
            0014601A 00146021 00146022 00146023 00146024 00146027 0014602A 00146030 00146032
            00146033 00146035 00146041 00146042 00146046 00146047 00146048 00146049 0014604C
            0014604E 0014604F 00146051 00146056 00146057 0014605D 0014605F 0040B038
        """,
        "DT": "0040A034 0040A035 0040B034 0040B036",
        "FL": "00221623 0040B042 00660005 300A039B 300A039C",
        "IS": "00221634 0040B03A 0040B03E",
        "LO": "00144103 00146028 00146039 0014603A 0014603D 0014603F 00146040 0040B03F",
        "LT": "00100012 0040B03B",
        "OB": "00144109",
        "OD": "0014410C",
        "OF": "0014410B",
        "OW": "0014410A",
        "SL": "00144108",
        "SQ": """
            00060001 0008001D 0008114C 0008114D 00081301 00081302 00081303 00081304 00100011
            00100014 00100015 00100041 00100043 00100044 00100046 00144101 00144106 00146001
            00146007 0014600C 0014600F 00146012 00146017 00146018 0014601D 00146026 0014602B
            0014602E 00146034 00146038 0014603C 0014603E 00146052 00146059 00189390 00189392
            00221627 00221632 0040B030 0040B031 0040B033 0040B035 0040B037 0040B039 0040B03C
            0040B040 0040B041 00440110 30020136 30040016 30040020 30040021 30040022 30040023
            30040024 30040080 30040081 30040083
        """,
        "ST": "00146025 0014602F 00146036 0014603B 00146045",
        "UC": "00102162",
        "UR": "00100047",
        "US": "00144102 00144104 00144107 0040B032 0040B03D",
        "UT": "00100013 00100016 00100042 00100045 00146043",
        "UV": "00146020",
    }
)

_ANY_ELEMENT = NumberRange(0x0000, 0x0000)
_CREATORS = NumberRange(0x0010, 0x00FF)
_BUILT_IN_RANGES = (
    # PS3.5 7.8.1: private creators, legal ones and those of groups that the standard forbids.
    TagRange(NumberRange(0x0009, 0xFFFF, Parity.ODD), _CREATORS, "LO", keyword="PrivateCreator"),
    TagRange(
        NumberRange(0x0001, 0x0007, Parity.ODD), _CREATORS, "LO", keyword="IllegalPrivateCreator"
    ),
    TagRange(
        NumberRange(0x0001, 0x0007, Parity.ODD),
        _ANY_ELEMENT,
        "UL",
        keyword="IllegalGroupLength",
    ),
    TagRange(NumberRange(0x0000, 0xFFFF), _ANY_ELEMENT, "UL", keyword="GenericGroupLength"),
    TagRange(
        NumberRange(0x0020, 0x0020),
        NumberRange(0x3100, 0x31FF, Parity.EVEN),
        "CS",
        keyword="RETIRED_SourceImageIDs",
    ),
)


def _keyword(entry: tuple[str, str, str, str, str]) -> str:
    """Return the keyword of an entry of pydicom's, with the reference's mark of what is retired."""
    _, _, _, retired, keyword = entry
    return f"RETIRED_{keyword}" if retired else keyword


@cache
def standard() -> Dictionary:
    """The dictionary of the standard: pydicom's, corrected to agree with the reference's.

    The first call imports pydicom.
    """
    from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary

    singles = {
        tag: _PYDICOM_AMBIGUOUS.get(entry[0], entry[0]) for tag, entry in DicomDictionary.items()
    }
    for tag in _NOT_IN_THE_REFERENCE:
        singles.pop(tag, None)
    for table in (_NEWER_ATTRIBUTES, _OTHER_VRS):
        for vr, tags in table.items():
            singles.update((int(tag, 16), vr) for tag in tags.split())
    repeating = (
        TagRange(
            NumberRange(int(mask[:2] + "00", 16), int(mask[:2] + "FF", 16), Parity.EVEN),
            NumberRange(int(mask[4:], 16), int(mask[4:], 16)),
            _PYDICOM_AMBIGUOUS.get(entry[0], entry[0]),
            keyword=_keyword(entry),
        )
        for mask, entry in RepeatersDictionary.items()
        if mask[2:4] == "xx"  # the curves, overlays and variable pixel data of PS3.5 7.6
    )
    keywords = {tag: _keyword(entry) for tag, entry in DicomDictionary.items()}
    return Dictionary(singles, (*_BUILT_IN_RANGES, *repeating), keywords=keywords)
