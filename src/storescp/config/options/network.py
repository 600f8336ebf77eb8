"""General, multi-process and network options."""

from storescp.config.choices import (
    BIG_ENDIAN_FIRST,
    LITTLE_ENDIAN_FIRST,
    LOCAL_BYTE_ORDER_FIRST,
    Request,
)
from storescp.config.options.rows import (
    TEXT,
    VERBOSE_MODE,
    VERBOSITY,
    Group,
    Number,
    Option,
    Section,
    Word,
    seconds,
    time_limit,
)
from storescp.log.levels import LogLevel
from storescp.serve.accept.settings import IPVersion
from storescp.uids import ACCEPT_ALL, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN


def _prefer(long: str, short: str, description: str, uid: str) -> Option:
    return Option(long, short, description, "transfer_syntaxes", sets=(uid, *LITTLE_ENDIAN_FIRST))


COMPRESSED = (
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
    *COMPRESSED,
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

GENERAL_OPTIONS = Group(
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
                    not_with=(VERBOSITY,),
                ),
                Option(
                    "--log-config", "-lc", "use config file f for the logger",
                    "log_config", values="[f]ilename: string", takes=(TEXT,),
                    not_with=("--log-level", VERBOSITY),
                ),
                Option(
                    "--verbose-pc", "+v", "show presentation contexts in verbose mode",
                    "verbose_pc", only_with=(VERBOSE_MODE,),
                ),
            ),
        ),
    ),
)  # fmt: skip

PROCESS_OPTIONS = Group(
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

NETWORK_OPTIONS = Group(
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
                    "ip_version", sets=IPVersion.BOTH,
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
                    make=time_limit,
                ),
                Option(
                    "--acse-timeout", "-ta", "timeout for ACSE messages",
                    "acse_timeout",
                    values="[s]econds: integer (default: 30)", takes=(Number(1, signed=True),),
                    make=seconds,
                ),
                Option(
                    "--dimse-timeout", "-td", "timeout for DIMSE messages",
                    "dimse_timeout",
                    values="[s]econds: integer (default: unlimited)",
                    takes=(Number(1, signed=True),),
                    make=seconds,
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
                    values="[s]econds: integer", takes=(Number(0),), make=seconds,
                ),
                Option(
                    "--sleep-during", "", "sleep s seconds during store (default: 0)",
                    "sleep_during",
                    values="[s]econds: integer", takes=(Number(0),), make=seconds,
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
