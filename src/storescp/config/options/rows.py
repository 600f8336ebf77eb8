"""Rows of the option table: what kinds of values there are, what a row says."""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from storescp.config.choices import MEGABYTE, Request


class Feature(Enum):
    """Feature that an OpenSSL library may lack; an option that needs it is then unknown."""

    TRIPLE_DES = "3DES"
    NULL_CIPHERS = "NULL ciphersuites"
    AES_CCM = "AES-CCM"


Features = Callable[[], frozenset[Feature]]
"""Asked only when an option needs to know: loading OpenSSL takes longer than parsing a command line."""


class Text(NamedTuple):
    """A value taken as it is, also when it is empty."""


class Number(NamedTuple):
    """An integer with its limits, both included. Signed ones may have a prefix for octal or hexadecimal."""

    minimum: int
    maximum: int | None = None
    signed: bool = False


class Word(NamedTuple):
    """One of a few names, in upper or lower case; anything else gets the complaint."""

    meanings: tuple[tuple[str, object], ...]
    complaint: str


class Address(NamedTuple):
    """A port, or an address, a colon and a port. An address of IPv6 stands in brackets."""


class Octal(NamedTuple):
    """Permission bits in octal digits, as commands of the system take them."""

    maximum: int


Kind = Text | Number | Word | Octal | Address

TEXT = Text()


class Option(NamedTuple):
    """One option: a row of the table.

    Conflicts and dependencies are written as messages show them: one option, or several as in "--a, --b or --c".
    """

    long: str
    short: str
    description: str
    """Description in the usage text, with its line breaks."""
    field: str
    """Field of `CommandLine` that the option fills; for a request to print something, the request's name."""
    sets: object = True
    """Value of the field if the option takes no values."""
    values: str = ""
    """The values as the usage text shows them."""
    takes: tuple[Kind, ...] = ()
    """The values as they are read. What is read becomes the field, several as a tuple."""
    make: Callable[..., object] | None = None
    """Makes the field from what was read, where that is not the same."""
    block: str = ""
    """Name of the block of which only one option can be in force; by default the options for one field form a block."""
    default: bool = False
    """True if the option is in force if no option of its block is given."""
    cumulative: bool = False
    """Every occurrence counts; the field is a tuple."""
    request: Request | None = None
    not_with: tuple[str, ...] = ()
    only_with: tuple[str, ...] = ()
    feature: Feature | None = None
    called: str = ""
    """Name in messages, if it differs from the option's own."""

    @property
    def block_name(self) -> str:
        return self.block or self.field


class Section(NamedTuple):
    """A sub-group of the usage text; without a title the only one of its group."""

    title: str
    options: tuple[Option, ...]


class Group(NamedTuple):
    """A group of the usage text."""

    title: str
    sections: tuple[Section, ...]


def seconds(number: int) -> int:
    """Return a duration that system calls take: 2**31 - 1 seconds are 68 years."""
    return min(number, 0x7FFFFFFF)


def time_limit(number: int) -> int | None:
    """Return a duration, or `None` for the numbers that mean no limit."""
    return seconds(number) if number > 0 else None


def megabytes(number: int) -> int:
    return number * MEGABYTE


VERBOSE_MODE = "verbose mode"
"""A condition on the loggers rather than on another option."""

VERBOSITY = "--verbose, --debug or --quiet"
SORTING = "--sort-conc-studies, --sort-on-study-uid or --sort-on-patientname"
STUDY_ENDS = (
    "--sort-conc-studies, --sort-on-study-uid, --sort-on-patientname, "
    "--exec-on-eostudy or --rename-on-eostudy"
)
SIDE_BY_SIDE = "--workers, --state-directory or --parallel-studies"
TLS = ("--enable-tls",)
NOT_BIT_PRESERVING = ("--bit-preserving",)
NOT_WHILE_OTHERS_RECEIVE = ("--fork", "--inetd")  # a process then sees a part of a study only
