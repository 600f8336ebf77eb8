"""The command line as types: the enums and values that the option table fills in.

How the options are spelled is the business of `options`; what is done about a choice, of the parts below `config`.
The values here are named tuples rather than dataclasses, because making the class is most of their cost: for
`CommandLine` 0.3 ms instead of 2.5, paid at each start, and a server started by inetd starts once per association.
"""

import sys
from enum import Enum
from typing import NamedTuple

from storescp.dataset.encoding import GroupLength, SequenceLength
from storescp.log.levels import LogLevel, LogMask
from storescp.serve.accept.settings import IPVersion
from storescp.serve.tls.choices import CRLChecks, FileFormat, PeerAuthentication, SecurityProfile
from storescp.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

MEGABYTE = 1 << 20

LITTLE_ENDIAN_FIRST = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
BIG_ENDIAN_FIRST = (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
LOCAL_BYTE_ORDER_FIRST = LITTLE_ENDIAN_FIRST if sys.byteorder == "little" else BIG_ENDIAN_FIRST


class Request(Enum):
    """A text to print instead of receiving. The order is the precedence among several of them."""

    HELP = "help"
    VERSION = "version"
    LIST_CIPHERS = "list ciphers"
    LIST_PROFILES = "list profiles"
    LIST_FAILED = "list failed"
    RETRY_FAILED = "retry failed"


class Mode(Enum):
    """Use of the settings."""

    RECEIVE = "receive"
    CONFORMANCE = "conformance"
    """State what is received, PS3.2."""
    CHECK = "check"
    """Tell whether receiving would start."""


class SortBy(Enum):
    """Attribute that names the subdirectories of studies."""

    TIMESTAMP = "timestamp"
    STUDY_UID = "Study Instance UID"
    PATIENT_NAME = "patient name"


class Sorting(NamedTuple):
    """A subdirectory per study."""

    by: SortBy
    prefix: str = ""


class HTTPAddress(NamedTuple):
    """Address of the status page."""

    address: str
    port: int


class CommandLine(NamedTuple):
    """The effective value of every option, checked. The fields' defaults are those of the options.

    Durations are in seconds; `None` stands for "no limit" or "not asked for".
    """

    # general
    log_level: LogLevel = LogLevel.WARN
    log_config: str | None = None
    arguments: bool = False
    verbose_pc: bool = False
    # processes
    port: int = 0
    fork: bool = False
    max_associations: int | None = None
    inetd: bool = False
    # network
    ip_version: IPVersion = IPVersion.IPV4
    config_file: tuple[str, str] | None = None
    """Name of the file, name of the profile in it."""
    transfer_syntaxes: tuple[str, ...] = LOCAL_BYTE_ORDER_FIRST
    """UIDs of the accepted transfer syntaxes, most wanted first."""
    access_control: bool = False
    socket_timeout: int | None = 60
    acse_timeout: int = 30
    dimse_timeout: int | None = None
    aetitle: str = "STORESCP"
    max_pdu: int = 16384
    """Maximum PDU length as given on the command line; the network's settings make an odd one even, with a warning."""
    host_lookup: bool = True
    refuse: bool = False
    reject: bool = False
    ignore: bool = False
    sleep_after: int = 0
    sleep_during: int = 0
    abort_after: bool = False
    abort_during: bool = False
    promiscuous: bool = False
    uid_padding: bool = False
    # transport layer security
    tls: tuple[str, str] | None = None
    """Names of the private key's and the certificate's file; `None`: plain TCP."""
    key_password: str | None = None
    """`None`: ask on standard input, if the key is encrypted."""
    key_format: FileFormat = FileFormat.PEM
    certificate_files: tuple[str, ...] = ()
    """These and the following lists are in the order of the command line."""
    certificate_directories: tuple[str, ...] = ()
    crl_files: tuple[str, ...] = ()
    crl_check: CRLChecks | None = None
    """`None`: leaf certificates, if there is a revocation list."""
    security_profile: SecurityProfile = SecurityProfile.RFC_8996
    ciphers: tuple[str, ...] = ()
    dh_parameters: str | None = None
    expected_sni: str | None = None
    no_sni: bool = False
    seed: str | None = None
    write_seed: bool = False
    """Write the seed back to its file; excludes the next one."""
    write_seed_file: str | None = None
    peer_authentication: PeerAuthentication = PeerAuthentication.REQUIRED
    # output
    output_directory: str = "."
    bit_preserving: bool = False
    write_dataset: bool = False
    """True if files have no File Meta Information."""
    output_transfer_syntax: str | None = None
    """UID; `None`: as received."""
    new_vr: bool = True
    group_length: GroupLength = GroupLength.RECALCULATE
    sequence_length: SequenceLength = SequenceLength.EXPLICIT
    padding: tuple[int, int] | None = None
    """Bytes: multiples of which files and items are made."""
    convert_un: bool = False
    compression_level: int = 6
    sorting: Sorting | None = None
    unique_filenames: bool = False
    timenames: bool = False
    filename_extension: str = ""
    # events
    exec_on_reception: str | None = None
    exec_on_eostudy: str | None = None
    rename_on_eostudy: bool = False
    eostudy_timeout: int | None = None
    exec_sync: bool = False
    # extensions of this implementation
    extended: bool = False
    """True if an option is given that DCMTK's storescp does not have. Only then does the log say more than DCMTK's."""
    mode: Mode = Mode.RECEIVE
    log_json: bool = False
    log_masks: tuple[LogMask, ...] = ()
    hosts_allow: str | None = None
    hosts_deny: str | None = None
    fsync: bool = False
    events: str | None = None
    """File name, `-` for standard output; `None`: nowhere."""
    workers: int | None = None
    queue_limit: int | None = None
    parallel_studies: bool = False
    state_directory: str | None = None
    eostudy_hold: int = 3600
    """Seconds."""
    exec_parallel: int = 4
    exec_timeout: int = 3600
    """Seconds."""
    exec_attempts: int = 6
    exec_pause: int = 10
    """Seconds."""
    inflate_limit: int = 4096 * MEGABYTE
    """Bytes of the largest data set that a deflated one may become."""
    idle_timeout: int | None = None
    """0: unlimited; `None`: as the reference has it, which depends on other options."""
    max_request_size: int = 1048576
    """Bytes of an A-ASSOCIATE-RQ, as the reference has it."""
    max_command_size: int = 65536
    max_object_size: int | None = None
    """Bytes of a file."""
    min_free_space: int = 0
    """Bytes."""
    peer_associations: int | None = None
    peer_connections: int | None = None
    allow_calling: tuple[str, ...] = ()
    allow_calling_files: tuple[str, ...] = ()
    allow_called: tuple[str, ...] = ()
    allow_called_files: tuple[str, ...] = ()
    allow_addresses: tuple[str, ...] = ()
    allow_address_files: tuple[str, ...] = ()
    http: HTTPAddress | None = None
    """`None`: no status page."""
    http_hosts: tuple[str, ...] = ()
    http_token_file: str | None = None
    progress: bool = False
    show_identifiers: bool = False
    user: str | None = None
    umask: int | None = None
    """`None`: as inherited."""

    @property
    def studies_in_parallel(self) -> bool:
        """True if each study ends for itself."""
        return self.workers is not None or self.state_directory is not None or self.parallel_studies
