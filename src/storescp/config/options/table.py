"""The table of options: the one place that says how options are spelled, what they take, mean and exclude.

Parsing and checking (`command_line`), the usage text and the option page of the documentation (`usage`) are made from it.
A row states facts about one option. What concerns several follows the table: in which order the alternatives of a block
are looked at, and in which order everything is evaluated, which decides the error that is reported when there are several.
"""

from collections.abc import Callable, Iterator
from enum import Enum, IntEnum
from typing import NamedTuple

from storescp.config.choices import (
    BIG_ENDIAN_FIRST,
    LITTLE_ENDIAN_FIRST,
    LOCAL_BYTE_ORDER_FIRST,
    MEGABYTE,
    CRLCheck,
    GroupLength,
    IPVersion,
    KeyFormat,
    LogLevel,
    Mode,
    PeerAuthentication,
    Request,
    SecurityProfile,
    SequenceLength,
    SortBy,
    Sorting,
)
from storescp.log.levels import LogMask
from storescp.uids import (
    ACCEPT_ALL,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)


class Feature(Enum):
    """What an OpenSSL library may lack; an option that needs it is then unknown."""

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
    """What the usage text says, with its line breaks."""
    field: str
    """Which field of `CommandLine` it fills; for a request to print something, the request's name."""
    sets: object = True
    """What the field becomes if the option takes no values."""
    values: str = ""
    """The values as the usage text shows them."""
    takes: tuple[Kind, ...] = ()
    """The values as they are read. What is read becomes the field, several as a tuple."""
    make: Callable[..., object] | None = None
    """Makes the field from what was read, where that is not the same."""
    block: str = ""
    """Of options in one block only one can be in force. Options for one field form one, unless told otherwise."""
    default: bool = False
    """In force if no option of the block is given."""
    cumulative: bool = False
    """Every occurrence counts; the field is a tuple."""
    request: Request | None = None
    not_with: tuple[str, ...] = ()
    only_with: tuple[str, ...] = ()
    feature: Feature | None = None
    called: str = ""
    """By which name messages call it, where that is not its own."""

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


def _seconds(number: int) -> int:
    """Return a duration that system calls take: 2**31 - 1 seconds are 68 years."""
    return min(number, 0x7FFFFFFF)


def _time_limit(number: int) -> int | None:
    """Return a duration, or `None` for the numbers that mean no limit."""
    return _seconds(number) if number > 0 else None


def _megabytes(number: int) -> int:
    return number * MEGABYTE


def _sort_by(what: SortBy) -> Callable[[str], Sorting]:
    return lambda prefix: Sorting(what, prefix)


VERBOSE_MODE = "verbose mode"
"""A condition on the loggers rather than on another option."""

_VERBOSITY = "--verbose, --debug or --quiet"
_SORTING = "--sort-conc-studies, --sort-on-study-uid or --sort-on-patientname"
_STUDY_ENDS = (
    "--sort-conc-studies, --sort-on-study-uid, --sort-on-patientname, "
    "--exec-on-eostudy or --rename-on-eostudy"
)
_SIDE_BY_SIDE = "--workers, --state-directory or --parallel-studies"
_TLS = ("--enable-tls",)
_NOT_BIT_PRESERVING = ("--bit-preserving",)
_NOT_WHILE_OTHERS_RECEIVE = ("--fork", "--inetd")  # a process then sees a part of a study only


def _prefer(long: str, short: str, description: str, uid: str) -> Option:
    return Option(long, short, description, "transfer_syntaxes", sets=(uid, *LITTLE_ENDIAN_FIRST))


_COMPRESSED = (
    _prefer("--prefer-lossless", "+xs", "prefer default JPEG lossless TS", "1.2.840.10008.1.2.4.70"),
    _prefer("--prefer-jpeg8", "+xy", "prefer default JPEG lossy TS for 8 bit data", "1.2.840.10008.1.2.4.50"),
    _prefer("--prefer-jpeg12", "+xx", "prefer default JPEG lossy TS for 12 bit data", "1.2.840.10008.1.2.4.51"),
    _prefer("--prefer-j2k-lossless", "+xv", "prefer JPEG 2000 lossless TS", "1.2.840.10008.1.2.4.90"),
    _prefer("--prefer-j2k-lossy", "+xw", "prefer JPEG 2000 lossy TS", "1.2.840.10008.1.2.4.91"),
    _prefer("--prefer-jls-lossless", "+xt", "prefer JPEG-LS lossless TS", "1.2.840.10008.1.2.4.80"),
    _prefer("--prefer-jls-lossy", "+xu", "prefer JPEG-LS lossy TS", "1.2.840.10008.1.2.4.81"),
    _prefer("--prefer-mpeg2", "+xm", "prefer MPEG2 Main Profile @ Main Level TS", "1.2.840.10008.1.2.4.100"),
    _prefer("--prefer-mpeg2-high", "+xh", "prefer MPEG2 Main Profile @ High Level TS", "1.2.840.10008.1.2.4.101"),
    _prefer("--prefer-mpeg4", "+xn", "prefer MPEG4 AVC/H.264 HP / Level 4.1 TS", "1.2.840.10008.1.2.4.102"),
    _prefer("--prefer-mpeg4-bd", "+xl", "prefer MPEG4 AVC/H.264 BD-compatible TS", "1.2.840.10008.1.2.4.103"),
    _prefer("--prefer-mpeg4-2-2d", "+x2", "prefer MPEG4 AVC/H.264 HP / Level 4.2 TS (2D)", "1.2.840.10008.1.2.4.104"),
    _prefer("--prefer-mpeg4-2-3d", "+x3", "prefer MPEG4 AVC/H.264 HP / Level 4.2 TS (3D)", "1.2.840.10008.1.2.4.105"),
    _prefer("--prefer-mpeg4-2-st", "+xo", "prefer MPEG4 AVC/H.264 Stereo HP / Level 4.2 TS", "1.2.840.10008.1.2.4.106"),
    _prefer("--prefer-hevc", "+x4", "prefer HEVC/H.265 Main Profile / Level 5.1 TS", "1.2.840.10008.1.2.4.107"),
    _prefer("--prefer-hevc10", "+x5", "prefer HEVC/H.265 Main 10 Profile / L5.1 TS", "1.2.840.10008.1.2.4.108"),
    _prefer("--prefer-rle", "+xr", "prefer RLE lossless TS", "1.2.840.10008.1.2.5"),
)  # fmt: skip

_PREFERENCES = (
    Option(
        "--prefer-uncompr", "+x=", "prefer explicit VR local byte order (default)",
        "transfer_syntaxes", sets=LOCAL_BYTE_ORDER_FIRST, default=True,
    ),
    Option(
        "--prefer-little", "+xe", "prefer explicit VR little endian TS",
        "transfer_syntaxes", sets=LITTLE_ENDIAN_FIRST,
    ),
    Option(
        "--prefer-big", "+xb", "prefer explicit VR big endian TS",
        "transfer_syntaxes", sets=BIG_ENDIAN_FIRST,
    ),
    *_COMPRESSED,
    _prefer(
        "--prefer-deflated", "+xd", "prefer deflated expl. VR little endian TS",
        DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    ),
    Option(
        "--implicit", "+xi", "accept implicit VR little endian TS only",
        "transfer_syntaxes", sets=(IMPLICIT_VR_LITTLE_ENDIAN,),
    ),
    Option(
        "--accept-all", "+xa", "accept all supported transfer syntaxes",
        "transfer_syntaxes", sets=ACCEPT_ALL,
    ),
)  # fmt: skip

_NOT_WITH_CONFIG_FILE = (*(option.long for option in _PREFERENCES[1:]), "--promiscuous")

_NOT_WITH_CONVERSION = (
    "--accept-all",
    "--bit-preserving",
    *(option.long for option in _COMPRESSED),
)
"""Compressed data sets are not converted, so nobody shall expect it."""

_LEVELS = (
    ("fatal", LogLevel.FATAL),
    ("error", LogLevel.ERROR),
    ("warn", LogLevel.WARN),
    ("info", LogLevel.INFO),
    ("debug", LogLevel.DEBUG),
    ("trace", LogLevel.TRACE),
    ("off", LogLevel.OFF),
    ("all", LogLevel.TRACE),
)

_GENERAL = Group(
    "general options:",
    (
        Section(
            "",
            (
                Option(
                    "--help", "-h", "print this help text and exit",
                    "help", request=Request.HELP,
                ),
                Option(
                    "--version", "", "print version information and exit",
                    "version", request=Request.VERSION,
                ),
                Option(
                    "--arguments", "", "print expanded command line arguments",
                    "arguments",
                ),
                Option(
                    "--quiet", "-q", "quiet mode, print no warnings and errors",
                    "log_level", sets=LogLevel.FATAL, block="verbosity",
                ),
                Option(
                    "--verbose", "-v", "verbose mode, print processing details",
                    "log_level", sets=LogLevel.INFO, block="verbosity",
                ),
                Option(
                    "--debug", "-d", "debug mode, print debug information",
                    "log_level", sets=LogLevel.DEBUG, block="verbosity",
                ),
                Option(
                    "--log-level", "-ll", "use level l for the logger",
                    "log_level",
                    values="[l]evel: string constant\n(fatal, error, warn, info, debug, trace)",
                    takes=(Word(_LEVELS, "Invalid log level for --log-level option"),),
                    not_with=(_VERBOSITY,),
                ),
                Option(
                    "--log-config", "-lc", "use config file f for the logger",
                    "log_config", values="[f]ilename: string", takes=(TEXT,),
                    not_with=("--log-level", _VERBOSITY),
                ),
                Option(
                    "--verbose-pc", "+v", "show presentation contexts in verbose mode",
                    "verbose_pc", only_with=(VERBOSE_MODE,),
                ),
            ),
        ),
    ),
)  # fmt: skip

_PROCESSES = Group(
    "multi-process options:",
    (
        Section(
            "",
            (
                Option(
                    "--single-process", "", "single process mode (default)",
                    "fork", sets=False, default=True,
                ),
                Option(
                    "--fork", "", "fork child process for each association",
                    "fork",
                ),
                Option(
                    "--max-associations", "", "limit number of parallel associations to m",
                    "max_associations",
                    values="[m]ax: integer (default: unlimited)", takes=(Number(1),),
                    only_with=("--fork",),
                ),
            ),
        ),
    ),
)  # fmt: skip

_NETWORK = Group(
    "network options:",
    (
        Section(
            "IP protocol version:",
            (
                Option(
                    "--ipv4", "-i4", "use IPv4 only (default)",
                    "ip_version", sets=IPVersion.IPV4, default=True,
                ),
                Option(
                    "--ipv6", "-i6", "use IPv6 only",
                    "ip_version", sets=IPVersion.IPV6,
                ),
                Option(
                    "--ip-auto", "-i0", "use IPv6/IPv4 dual stack",
                    "ip_version", sets=IPVersion.DUAL,
                ),
            ),
        ),
        Section(
            "association negotiation profile from configuration file:",
            (
                Option(
                    "--config-file", "-xf", "use profile p from config file f",
                    "config_file",
                    values="[f]ilename, [p]rofile: string", takes=(TEXT, TEXT),
                    not_with=_NOT_WITH_CONFIG_FILE,
                ),
            ),
        ),
        Section("preferred network transfer syntaxes (not with --config-file):", _PREFERENCES),
        Section(
            "network host access control (tcp wrapper):",
            (
                Option(
                    "--access-full", "-ac", "accept connections from any host (default)",
                    "access_control", sets=False, default=True,
                ),
                Option(
                    "--access-control", "+ac", "enforce host access control rules",
                    "access_control",
                ),
            ),
        ),
        Section(
            "other network options:",
            (
                Option(
                    "--inetd", "-id", "run from inetd super server (not with --fork)",
                    "inetd", not_with=("--fork",),
                ),
                Option(
                    "--socket-timeout", "-ts", "timeout for network socket (0 for none)",
                    "socket_timeout",
                    values="[s]econds: integer (default: 60)", takes=(Number(-1, signed=True),),
                    make=_time_limit,
                ),
                Option(
                    "--acse-timeout", "-ta", "timeout for ACSE messages",
                    "acse_timeout",
                    values="[s]econds: integer (default: 30)", takes=(Number(1, signed=True),),
                    make=_seconds,
                ),
                Option(
                    "--dimse-timeout", "-td", "timeout for DIMSE messages",
                    "dimse_timeout",
                    values="[s]econds: integer (default: unlimited)",
                    takes=(Number(1, signed=True),),
                    make=_seconds,
                ),
                Option(
                    "--aetitle", "-aet", "set my AE title (default: STORESCP)",
                    "aetitle", values="[a]etitle: string", takes=(TEXT,),
                ),
                Option(
                    "--max-pdu", "-pdu", "set max receive pdu to n bytes (default: 16384)",
                    "max_pdu",
                    values="[n]umber of bytes: integer (4096..131072)",
                    takes=(Number(4096, 131072),),
                ),
                Option(
                    "--disable-host-lookup", "-dhl", "disable hostname lookup",
                    "host_lookup", sets=False,
                ),
                Option(
                    "--refuse", "", "refuse association",
                    "refuse",
                ),
                Option(
                    "--reject", "", "reject association if no implement. class UID",
                    "reject",
                ),
                Option(
                    "--ignore", "", "ignore store data, receive but do not store",
                    "ignore",
                ),
                Option(
                    "--sleep-after", "", "sleep s seconds after store (default: 0)",
                    "sleep_after",
                    values="[s]econds: integer", takes=(Number(0),), make=_seconds,
                ),
                Option(
                    "--sleep-during", "", "sleep s seconds during store (default: 0)",
                    "sleep_during",
                    values="[s]econds: integer", takes=(Number(0),), make=_seconds,
                ),
                Option(
                    "--abort-after", "",
                    "abort association after receipt of C-STORE-RQ\n(but before sending response)",
                    "abort_after",
                ),
                Option(
                    "--abort-during", "", "abort association during receipt of C-STORE-RQ",
                    "abort_during",
                ),
                Option(
                    "--promiscuous", "-pm",
                    "promiscuous mode, accept unknown SOP classes\n(not with --config-file)",
                    "promiscuous",
                ),
                Option(
                    "--uid-padding", "-up", "silently correct space-padded UIDs",
                    "uid_padding",
                ),
            ),
        ),
    ),
)  # fmt: skip

_SECURITY = Group(
    "transport layer security (TLS) options:",
    (
        Section(
            "transport protocol stack:",
            (
                Option(
                    "--disable-tls", "-tls", "use normal TCP/IP connection (default)",
                    "tls", sets=None, default=True,
                ),
                Option(
                    "--enable-tls", "+tls", "use authenticated secure TLS connection",
                    "tls",
                    values="[p]rivate key file, [c]ertificate file: string", takes=(TEXT, TEXT),
                ),
            ),
        ),
        Section(
            "private key password (only with --enable-tls):",
            (
                Option(
                    "--std-passwd", "+ps", "prompt user to type password on stdin (default)",
                    "key_password", sets=None, default=True, only_with=_TLS,
                ),
                Option(
                    "--use-passwd", "+pw", "use specified password",
                    "key_password",
                    values="[p]assword: string ",  # the reference prints this blank
                    takes=(TEXT,), only_with=_TLS,
                ),
                Option(
                    "--null-passwd", "-pw", "use empty string as password",
                    "key_password", sets="", only_with=_TLS,
                ),
            ),
        ),
        Section(
            "key and certificate file format:",
            (
                Option(
                    "--pem-keys", "-pem", "read keys and certs as PEM file (default)",
                    "key_format", sets=KeyFormat.PEM, default=True, only_with=_TLS,
                ),
                Option(
                    "--der-keys", "-der", "read keys and certificates as DER file",
                    "key_format", sets=KeyFormat.DER, only_with=_TLS,
                ),
            ),
        ),
        Section(
            "certification authority:",
            (
                Option(
                    "--add-cert-file", "+cf", "add certificate file to list of certificates",
                    "certificate_files", values="[f]ilename: string", takes=(TEXT,),
                    cumulative=True, only_with=_TLS,
                ),
                Option(
                    "--add-cert-dir", "+cd", "add certificates in d to list of certificates",
                    "certificate_directories", values="[d]irectory: string", takes=(TEXT,),
                    cumulative=True, only_with=_TLS,
                ),
                Option(
                    "--add-crl-file", "+crl",
                    "add certificate revocation list file\n(implies --enable-crl-vfy)",
                    "crl_files", values="[f]ilename: string", takes=(TEXT,),
                    cumulative=True, only_with=_TLS,
                ),
                Option(
                    "--enable-crl-vfy", "+crv", "enable leaf CRL verification",
                    "crl_check", sets=CRLCheck.LEAF, only_with=_TLS,
                ),
                Option(
                    "--enable-crl-all", "+cra", "enable full chain CRL verification",
                    "crl_check", sets=CRLCheck.CHAIN, only_with=_TLS,
                ),
            ),
        ),
        Section(
            "security profile:",
            (
                Option(
                    "--list-profiles", "+ph", "list supported TLS profiles and exit",
                    "list_profiles", request=Request.LIST_PROFILES,
                ),
                Option(
                    "--profile-8996", "+pg", "BCP 195 RFC 8996 TLS Profile (default)",
                    "security_profile", sets=SecurityProfile.RFC_8996, default=True, only_with=_TLS,
                ),
                Option(
                    "--profile-8996-mod", "+pm", "Modified BCP 195 RFC 8996 TLS Profile",
                    "security_profile", sets=SecurityProfile.RFC_8996_MODIFIED, only_with=_TLS,
                    feature=Feature.AES_CCM,
                ),
                Option(
                    "--profile-bcp195-nd", "+py", "Non-downgrading BCP 195 TLS Profile (retired)",
                    "security_profile", sets=SecurityProfile.BCP_195_NON_DOWNGRADING, only_with=_TLS,
                ),
                Option(
                    "--profile-bcp195", "+px", "BCP 195 TLS Profile (retired)",
                    "security_profile", sets=SecurityProfile.BCP_195, only_with=_TLS,
                ),
                Option(
                    "--profile-bcp195-ex", "+pz", "Extended BCP 195 TLS Profile (retired)",
                    "security_profile", sets=SecurityProfile.BCP_195_EXTENDED, only_with=_TLS,
                ),
                Option(
                    "--profile-basic", "+pb",
                    "Basic TLS Secure Transport Connection Profile\n(retired)",
                    "security_profile", sets=SecurityProfile.BASIC, only_with=_TLS,
                    feature=Feature.TRIPLE_DES,
                ),
                Option(
                    "--profile-aes", "+pa",
                    "AES TLS Secure Transport Connection Profile\n(retired)",
                    "security_profile", sets=SecurityProfile.AES, only_with=_TLS,
                    called="--profile-basic",  # a slip of the reference that its message keeps
                ),
                Option(
                    "--profile-null", "+pn",
                    "Authenticated unencrypted communication\n(retired, was used in IHE ATNA)",
                    "security_profile", sets=SecurityProfile.NULL, only_with=_TLS,
                    feature=Feature.NULL_CIPHERS,
                ),
            ),
        ),
        Section(
            "ciphersuite:",
            (
                Option(
                    "--list-ciphers", "+cc", "list supported TLS ciphersuites and exit",
                    "list_ciphers", request=Request.LIST_CIPHERS,
                ),
                Option(
                    "--cipher", "+cs",
                    "add ciphersuite to list of negotiated suites\n(not with --profile-bcp195-ex)",
                    "ciphers", values="[c]iphersuite name: string", takes=(TEXT,),
                    cumulative=True, only_with=_TLS, not_with=("--profile-bcp195-ex",),
                ),
                Option(
                    "--dhparam", "+dp", "read DH parameters for DH/DSS ciphersuites",
                    "dh_parameters", values="[f]ilename: string", takes=(TEXT,), only_with=_TLS,
                ),
            ),
        ),
        Section(
            "server name indication:",
            (
                Option(
                    "--no-sni", "", "do not use SNI (default)",
                    "no_sni", not_with=("--expect-sni",),
                ),
                Option(
                    "--expect-sni", "", "expect requests for server name s",
                    "expected_sni", values="[s]erver name: string", takes=(TEXT,),
                ),
            ),
        ),
        Section(
            "pseudo random generator:",
            (
                Option(
                    "--seed", "+rs", "seed random generator with contents of f",
                    "seed", values="[f]ilename: string", takes=(TEXT,), only_with=_TLS,
                ),
                Option(
                    "--write-seed", "+ws", "write back modified seed (only with --seed)",
                    "write_seed", only_with=(*_TLS, "--seed"),
                ),
                Option(
                    "--write-seed-file", "+wf", "write modified seed to file f",
                    "write_seed_file",
                    values="[f]ilename: string (only with --seed)", takes=(TEXT,),
                    block="write_seed", only_with=(*_TLS, "--seed"),
                ),
            ),
        ),
        Section(
            "peer authentication:",
            (
                Option(
                    "--require-peer-cert", "-rc", "verify peer cert, fail if absent (default)",
                    "peer_authentication", sets=PeerAuthentication.REQUIRE, default=True,
                    only_with=_TLS,
                ),
                Option(
                    "--verify-peer-cert", "-vc", "verify peer certificate if present",
                    "peer_authentication", sets=PeerAuthentication.VERIFY, only_with=_TLS,
                ),
                Option(
                    "--ignore-peer-cert", "-ic", "don't verify peer certificate",
                    "peer_authentication", sets=PeerAuthentication.IGNORE, only_with=_TLS,
                ),
            ),
        ),
    ),
)  # fmt: skip

_OUTPUT = Group(
    "output options:",
    (
        Section(
            "general:",
            (
                Option(
                    "--output-directory", "-od", "write received objects to existing directory d",
                    "output_directory",
                    values='[d]irectory: string (default: ".")', takes=(TEXT,),
                    make=lambda directory: directory or ".",
                ),
            ),
        ),
        Section(
            "bit preserving mode:",
            (
                Option(
                    "--normal", "-B", "allow implicit format conversions (default)",
                    "bit_preserving", sets=False, default=True,
                ),
                Option(
                    "--bit-preserving", "+B", "write data exactly as read",
                    "bit_preserving",
                ),
            ),
        ),
        Section(
            "output file format:",
            (
                Option(
                    "--write-file", "+F", "write file format (default)",
                    "write_dataset", sets=False, default=True,
                ),
                Option(
                    "--write-dataset", "-F", "write data set without file meta information",
                    "write_dataset",
                ),
            ),
        ),
        Section(
            "output transfer syntax (not with --bit-preserving or compressed transmission):",
            (
                Option(
                    "--write-xfer-same", "+t=", "write with same TS as input (default)",
                    "output_transfer_syntax", sets=None, default=True,
                ),
                Option(
                    "--write-xfer-little", "+te", "write with explicit VR little endian TS",
                    "output_transfer_syntax", sets=EXPLICIT_VR_LITTLE_ENDIAN,
                    not_with=_NOT_WITH_CONVERSION,
                ),
                Option(
                    "--write-xfer-big", "+tb", "write with explicit VR big endian TS",
                    "output_transfer_syntax", sets=EXPLICIT_VR_BIG_ENDIAN,
                    not_with=_NOT_WITH_CONVERSION,
                ),
                Option(
                    "--write-xfer-implicit", "+ti", "write with implicit VR little endian TS",
                    "output_transfer_syntax", sets=IMPLICIT_VR_LITTLE_ENDIAN,
                    not_with=_NOT_WITH_CONVERSION,
                ),
                Option(
                    "--write-xfer-deflated", "+td", "write with deflated expl. VR little endian TS",
                    "output_transfer_syntax", sets=DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
                    not_with=_NOT_WITH_CONVERSION,
                ),
            ),
        ),
        Section(
            "post-1993 value representations (not with --bit-preserving):",
            (
                Option(
                    "--enable-new-vr", "+u", "enable support for new VRs (UN/UT) (default)",
                    "new_vr", default=True, not_with=_NOT_BIT_PRESERVING,
                ),
                Option(
                    "--disable-new-vr", "-u", "disable support for new VRs, convert to OB",
                    "new_vr", sets=False, not_with=_NOT_BIT_PRESERVING,
                ),
            ),
        ),
        Section(
            "group length encoding (not with --bit-preserving):",
            (
                Option(
                    "--group-length-recalc", "+g=", "recalculate group lengths if present (default)",
                    "group_length", sets=GroupLength.RECALCULATE, default=True,
                    not_with=_NOT_BIT_PRESERVING,
                ),
                Option(
                    "--group-length-create", "+g", "always write with group length elements",
                    "group_length", sets=GroupLength.CREATE, not_with=_NOT_BIT_PRESERVING,
                ),
                Option(
                    "--group-length-remove", "-g", "always write without group length elements",
                    "group_length", sets=GroupLength.REMOVE, not_with=_NOT_BIT_PRESERVING,
                ),
            ),
        ),
        Section(
            "length encoding in sequences and items (not with --bit-preserving):",
            (
                Option(
                    "--length-explicit", "+e", "write with explicit lengths (default)",
                    "sequence_length", sets=SequenceLength.EXPLICIT, default=True,
                    not_with=_NOT_BIT_PRESERVING,
                ),
                Option(
                    "--length-undefined", "-e", "write with undefined lengths",
                    "sequence_length", sets=SequenceLength.UNDEFINED,
                    not_with=_NOT_BIT_PRESERVING,
                ),
            ),
        ),
        Section(
            "data set trailing padding (not with --write-dataset or --bit-preserving):",
            (
                Option(
                    "--padding-off", "-p", "no padding (default)",
                    "padding", sets=None, default=True,
                ),
                Option(
                    "--padding-create", "+p",
                    "align file on multiple of f bytes and items\non multiple of i bytes",
                    "padding",
                    values="[f]ile-pad [i]tem-pad: integer", takes=(Number(0), Number(0)),
                    not_with=("--write-dataset", *_NOT_BIT_PRESERVING),
                ),
            ),
        ),
        Section(
            "handling of defined length UN elements:",
            (
                Option(
                    "--retain-un", "-uc", "retain elements as UN (default)",
                    "convert_un", sets=False, default=True,
                ),
                Option(
                    "--convert-un", "+uc", "convert to real VR if known",
                    "convert_un",
                ),
            ),
        ),
        Section(
            "deflate compression level (only with --write-xfer-deflated/same):",
            (
                Option(
                    "--compression-level", "+cl", "0=uncompressed, 1=fastest, 9=best compression",
                    "compression_level",
                    values="[l]evel: integer (default: 6)", takes=(Number(0, 9),),
                    only_with=("--write-xfer-deflated or --write-xfer-same",),
                ),
            ),
        ),
        Section(
            "sorting into subdirectories (not with --bit-preserving):",
            (
                Option(
                    "--sort-conc-studies", "-ss", "sort studies using prefix p and a timestamp",
                    "sorting", values="[p]refix: string", takes=(TEXT,), make=_sort_by(SortBy.TIMESTAMP),
                    not_with=_NOT_BIT_PRESERVING,
                ),
                Option(
                    "--sort-on-study-uid", "-su",
                    "sort studies using prefix p and the Study\nInstance UID",
                    "sorting", values="[p]refix: string", takes=(TEXT,), make=_sort_by(SortBy.STUDY_UID),
                    not_with=_NOT_BIT_PRESERVING,
                ),
                Option(
                    "--sort-on-patientname", "-sp",
                    "sort studies using the Patient's Name and\na timestamp",
                    "sorting", sets=Sorting(SortBy.PATIENT_NAME), not_with=_NOT_BIT_PRESERVING,
                ),
            ),
        ),
        Section(
            "filename generation:",
            (
                Option(
                    "--default-filenames", "-uf", "generate filename from instance UID (default)",
                    "unique_filenames", sets=False, default=True,
                ),
                Option(
                    "--unique-filenames", "+uf", "generate unique filenames",
                    "unique_filenames",
                ),
                Option(
                    "--timenames", "-tn", "generate filename from creation time",
                    "timenames", not_with=("--unique-filenames",),
                ),
                Option(
                    "--filename-extension", "-fe", "append e to all filenames",
                    "filename_extension", values="[e]xtension: string", takes=(TEXT,),
                ),
            ),
        ),
    ),
)  # fmt: skip

_EVENTS = Group(
    "event options:",
    (
        Section(
            "",
            (
                Option(
                    "--exec-on-reception", "-xcr",
                    "execute command c after having received and\nprocessed one C-STORE-RQ message",
                    "exec_on_reception", values="[c]ommand: string", takes=(TEXT,),
                ),
                Option(
                    "--exec-on-eostudy", "-xcs",
                    "execute command c after having received and\n"
                    "processed all C-STORE-RQ messages that belong\nto one study",
                    "exec_on_eostudy", values="[c]ommand: string", takes=(TEXT,),
                    not_with=_NOT_WHILE_OTHERS_RECEIVE, only_with=(_SORTING,),
                ),
                Option(
                    "--rename-on-eostudy", "-rns",
                    "having received and processed all C-STORE-RQ\n"
                    "messages that belong to one study, rename\noutput files according to certain pattern",
                    "rename_on_eostudy",
                    not_with=_NOT_WHILE_OTHERS_RECEIVE, only_with=(_SORTING,),
                ),
                Option(
                    "--eostudy-timeout", "-tos",
                    "specifies a timeout of t seconds for\nend-of-study determination",
                    "eostudy_timeout",
                    values="[t]imeout: integer", takes=(Number(0, signed=True),), make=_seconds,
                    only_with=(_STUDY_ENDS,),
                ),
                Option(
                    "--exec-sync", "-xs", "execute command synchronously in foreground",
                    "exec_sync",
                ),
            ),
        ),
    ),
)  # fmt: skip

_EXTENSIONS = Group(
    "extensions of this implementation:",
    (
        Section(
            "",
            (
                Option(
                    "--hosts-allow", "",
                    "read the rules that allow from f instead of\n"
                    "/etc/hosts.allow (only with --access-control)",
                    "hosts_allow", values="[f]ilename: string", takes=(TEXT,),
                    only_with=("--access-control",),
                ),
                Option(
                    "--hosts-deny", "",
                    "read the rules that deny from f instead of\n"
                    "/etc/hosts.deny (only with --access-control)",
                    "hosts_deny", values="[f]ilename: string", takes=(TEXT,),
                    only_with=("--access-control",),
                ),
                Option(
                    "--fsync", "",
                    "have file and directory on disk before success\nis sent",
                    "fsync",
                ),
                Option(
                    "--inflate-limit", "",
                    "refuse deflated data sets that inflate to more\nthan m megabytes",
                    "inflate_limit",
                    values="[m]egabytes: integer (default: 4096)", takes=(Number(1),),
                    make=_megabytes,
                ),
            ),
        ),
        Section(
            "log:",
            (
                Option(
                    "--log-json", "",
                    "write the log as JSON, one object a line",
                    "log_json", not_with=("--log-config",),
                ),
                Option(
                    "--log-mask", "",
                    "mask identifiers in a log that is JSON",
                    "log_masks",
                    values="[w]hat: string constant\n(patients, peers, uids)",
                    takes=(
                        Word(
                            tuple((mask.value, mask) for mask in LogMask),
                            "Invalid value for --log-mask option",
                        ),
                    ),
                    cumulative=True, only_with=("--log-json or --log-config",),
                ),
            ),
        ),
        Section(
            "before receiving:",
            (
                Option(
                    "--check", "",
                    "tell whether everything that the other\noptions need is there, and exit",
                    "mode", sets=Mode.CHECK,
                ),
                Option(
                    "--conformance", "",
                    "print the DICOM Conformance Statement for the\nother options, and exit",
                    "mode", sets=Mode.CONFORMANCE,
                ),
            ),
        ),
        Section(
            "limits:",
            (
                Option(
                    "--idle-timeout", "",
                    "abort associations that are idle for s seconds\n"
                    "(0 for none; default: as --socket-timeout, and\n"
                    "none with --eostudy-timeout)",
                    "idle_timeout",
                    values="[s]econds: integer", takes=(Number(0),), make=_seconds,
                ),
                Option(
                    "--max-request-size", "",
                    "read association requests of up to b bytes",
                    "max_request_size",
                    values="[b]ytes: integer (default: 1048576)",
                    takes=(Number(4096, 0x7FFFFFFF),),
                ),
                Option(
                    "--max-command-size", "",
                    "read command sets of up to b bytes",
                    "max_command_size",
                    values="[b]ytes: integer (default: 65536)",
                    takes=(Number(1024, 0x7FFFFFFF),),
                ),
                Option(
                    "--max-object-size", "",
                    "refuse objects whose file would be larger than\nm megabytes",
                    "max_object_size",
                    values="[m]egabytes: integer (default: unlimited)", takes=(Number(1),),
                    make=_megabytes,
                ),
                Option(
                    "--min-free-space", "",
                    "refuse objects while less than m megabytes are\n"
                    "free in the output directory's file system",
                    "min_free_space",
                    values="[m]egabytes: integer (default: 0)", takes=(Number(0),),
                    make=_megabytes,
                ),
                Option(
                    "--peer-associations", "",
                    "limit number of parallel associations of one\naddress to m (only with --fork or --workers)",
                    "peer_associations",
                    values="[m]ax: integer (default: unlimited)", takes=(Number(1),),
                    only_with=("--fork or --workers",),
                ),
                Option(
                    "--peer-connections", "",
                    "limit number of connections of one address to m",
                    "peer_connections",
                    values="[m]ax: integer (default: unlimited)", takes=(Number(1),),
                    not_with=("--inetd",),
                ),
            ),
        ),
        Section(
            "privileges:",
            (
                Option(
                    "--user", "",
                    "become user u, and group g, once the port is open",
                    "user", values="[u]ser: string (u or u:g)", takes=(TEXT,),
                ),
                Option(
                    "--umask", "",
                    "take permissions m from all files that are made",
                    "umask", values="[m]ask: octal digits (default: as inherited)",
                    takes=(Octal(0o77),),
                ),
            ),
        ),
        Section(
            "peers that are allowed (default: all):",
            (
                Option(
                    "--allow-calling", "", "let calling AE title a associate",
                    "allow_calling", values="[a]etitle: string", takes=(TEXT,), cumulative=True,
                ),
                Option(
                    "--allow-calling-file", "", "let the calling AE titles in f associate",
                    "allow_calling_files", values="[f]ilename: string", takes=(TEXT,),
                    cumulative=True,
                ),
                Option(
                    "--allow-called", "", "answer to called AE title a",
                    "allow_called", values="[a]etitle: string", takes=(TEXT,), cumulative=True,
                ),
                Option(
                    "--allow-called-file", "", "answer to the called AE titles in f",
                    "allow_called_files", values="[f]ilename: string", takes=(TEXT,),
                    cumulative=True,
                ),
                Option(
                    "--allow-address", "", "let address or network a connect",
                    "allow_addresses", values="[a]ddress: string (10.1.2.3, 10.1.0.0/16)",
                    takes=(TEXT,), cumulative=True,
                ),
                Option(
                    "--allow-address-file", "", "let the addresses and networks in f connect",
                    "allow_address_files", values="[f]ilename: string", takes=(TEXT,),
                    cumulative=True,
                ),
            ),
        ),
        Section(
            "monitoring:",
            (
                Option(
                    "--http", "",
                    "serve a status page, metrics and JSON on address\na (default: 127.0.0.1), port p",
                    "http", values="[a:]p: string", takes=(Address(),), not_with=("--inetd",),
                ),
                Option(
                    "--http-host", "",
                    "let the page be asked for by the name n, too",
                    "http_hosts", values="[n]ame: string", takes=(TEXT,), cumulative=True,
                    only_with=("--http",),
                ),
                Option(
                    "--http-token-file", "",
                    "give facts only to whom has the token in f",
                    "http_token_file", values="[f]ilename: string", takes=(TEXT,),
                    only_with=("--http",),
                ),
                Option(
                    "--progress", "",
                    "show on standard error what is being received,\nlive if it is a terminal",
                    "progress", not_with=("--inetd",),
                ),
                Option(
                    "--show-identifiers", "",
                    "show names of patients, UIDs and directories,\ntoo",
                    "show_identifiers", only_with=("--http or --progress",),
                ),
            ),
        ),
        Section(
            "parallel reception:",
            (
                Option(
                    "--workers", "",
                    "serve up to n associations at once, in n processes",
                    "workers", values="[n]umber: integer (default: see --fork)",
                    takes=(Number(1, 1024),), not_with=_NOT_WHILE_OTHERS_RECEIVE,
                ),
                Option(
                    "--queue-limit", "",
                    "reject peers while n others wait for a worker",
                    "queue_limit", values="[n]umber: integer (default: 512)",
                    takes=(Number(0, 512),), only_with=("--workers",),
                ),
                Option(
                    "--parallel-studies", "",
                    "end each study for itself, whatever else arrives\n"
                    "(with --workers and --state-directory: always)",
                    "parallel_studies", not_with=_NOT_WHILE_OTHERS_RECEIVE,
                ),
                Option(
                    "--state-directory", "",
                    "remember studies and commands in d, so that they\nsurvive the end of the program",
                    "state_directory", values="[d]irectory: string", takes=(TEXT,),
                    not_with=_NOT_WHILE_OTHERS_RECEIVE,
                ),
                Option(
                    "--eostudy-hold", "",
                    "end a study s seconds after its last object even\n"
                    "if an association that brought objects of it is\nstill open",
                    "eostudy_hold", values="[s]econds: integer (default: 3600)",
                    takes=(Number(0),), make=_seconds, only_with=(_SIDE_BY_SIDE,),
                ),
                Option(
                    "--exec-parallel", "",
                    "run up to n commands at once",
                    "exec_parallel", values="[n]umber: integer (default: 4)",
                    takes=(Number(1, 1024),), only_with=(_SIDE_BY_SIDE,),
                ),
                Option(
                    "--exec-timeout", "",
                    "end commands that run for more than s seconds",
                    "exec_timeout", values="[s]econds: integer (default: 3600)",
                    takes=(Number(1),), make=_seconds, only_with=(_SIDE_BY_SIDE,),
                ),
                Option(
                    "--exec-attempts", "",
                    "start a command that fails up to n times",
                    "exec_attempts", values="[n]umber: integer (default: 6)",
                    takes=(Number(1),), only_with=(_SIDE_BY_SIDE,),
                ),
                Option(
                    "--exec-pause", "",
                    "start it again after s seconds, and after twice\n"
                    "as long each further time, up to an hour",
                    "exec_pause", values="[s]econds: integer (default: 10)",
                    takes=(Number(0),), make=_seconds, only_with=(_SIDE_BY_SIDE,),
                ),
                Option(
                    "--list-failed", "",
                    "print the commands in state directory d that were\ngiven up, and exit",
                    "list_failed", request=Request.LIST_FAILED,
                    values="[d]irectory: string", takes=(TEXT,),
                ),
                Option(
                    "--retry-failed", "",
                    "have these commands started again, by a receiver\n"
                    "that runs or at its next start, and exit",
                    "retry_failed", request=Request.RETRY_FAILED,
                    values="[d]irectory: string", takes=(TEXT,),
                ),
            ),
        ),
        Section(
            "events:",
            (
                Option(
                    "--events", "",
                    "write events to f, one JSON object a line\n(-: standard output)",
                    "events", values="[f]ilename: string", takes=(TEXT,),
                ),
            ),
        ),
    ),
)  # fmt: skip

GROUPS = (_GENERAL, _PROCESSES, _NETWORK, _SECURITY, _OUTPUT, _EVENTS, _EXTENSIONS)


def options() -> Iterator[Option]:
    """Yield all rows in the order of the usage text."""
    for group in GROUPS:
        for section in group.sections:
            yield from section.options


EXTENSIONS = frozenset(
    option.long for section in _EXTENSIONS.sections for option in section.options
)
"""The options that DCMTK's storescp does not have, by their long names."""


def option_names(condition: str) -> list[str]:
    """Return the options in a condition such as "--a, --b or --c"."""
    return condition.replace(" or ", ", ").split(", ")


BY_NAME = {name: option for option in options() for name in (option.long, option.short) if name}
"""Options by both of their names."""

_LOOK_UP_ORDER = {
    "verbosity": ("--debug", "--verbose", "--quiet"),
    "security_profile": (
        "--profile-8996", "--profile-8996-mod", "--profile-bcp195", "--profile-bcp195-nd",
        "--profile-bcp195-ex", "--profile-basic", "--profile-aes", "--profile-null",
    ),
    "peer_authentication": ("--require-peer-cert", "--ignore-peer-cert", "--verify-peer-cert"),
}  # fmt: skip
"""Blocks whose alternatives are not looked at in the order of the table. It decides which errors are seen."""


def _blocks() -> dict[str, tuple[Option, ...]]:
    blocks: dict[str, tuple[Option, ...]] = {}
    for option in options():
        if option.request is None:
            blocks[option.block_name] = (*blocks.get(option.block_name, ()), option)
    for name, order in _LOOK_UP_ORDER.items():
        blocks[name] = tuple(BY_NAME[long] for long in order)
    return blocks


BLOCKS = _blocks()
"""The alternatives of each block in the order in which they are looked at."""


class Stage(IntEnum):
    """The parts of the evaluation, between which the program acts on what is known so far."""

    PROCESSES = 1
    LOGGING = 2
    NETWORK = 3
    STORAGE = 4
    SECURITY = 5


EVALUATION = {
    Stage.PROCESSES: ("mode", "inetd", "fork", "max_associations", "umask"),
    Stage.LOGGING: (
        "verbosity", "log_level", "log_config", "arguments", "log_json", "log_masks",
        "workers",
    ),
    Stage.NETWORK: (
        "verbose_pc", "transfer_syntaxes", "socket_timeout", "acse_timeout", "dimse_timeout",
        "aetitle", "max_pdu", "host_lookup", "refuse", "reject", "ignore", "sleep_after",
        "sleep_during", "abort_after", "abort_during", "promiscuous", "uid_padding", "ip_version",
        "config_file", "max_request_size",
    ),
    Stage.STORAGE: (
        "access_control", "output_directory", "bit_preserving", "write_dataset",
        "output_transfer_syntax", "new_vr", "group_length", "sequence_length", "padding",
        "convert_un", "compression_level", "sorting", "unique_filenames", "filename_extension",
        "timenames", "exec_on_reception", "exec_on_eostudy", "rename_on_eostudy",
        "eostudy_timeout", "exec_sync",
        "hosts_allow", "hosts_deny", "fsync", "inflate_limit",
        "http", "http_hosts", "http_token_file", "progress", "show_identifiers",
        "idle_timeout", "max_command_size", "max_object_size", "min_free_space",
        "peer_associations", "peer_connections", "allow_calling", "allow_calling_files",
        "allow_called", "allow_called_files", "allow_addresses", "allow_address_files",
        "user",
        "events",
        "queue_limit", "state_directory", "parallel_studies", "eostudy_hold", "exec_parallel",
        "exec_timeout", "exec_attempts", "exec_pause",
    ),
    Stage.SECURITY: (
        "tls", "key_password", "key_format", "dh_parameters", "seed", "write_seed",
        "peer_authentication", "security_profile", "no_sni", "expected_sni", "certificate_files",
        "certificate_directories", "crl_files", "crl_check", "ciphers",
    ),
}  # fmt: skip
"""The order in which blocks are evaluated: the first error found is the one reported."""
