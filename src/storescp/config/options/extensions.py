"""Options that DCMTK's storescp does not have."""

from storescp.config.choices import Mode, Request
from storescp.config.options.rows import (
    NOT_WHILE_OTHERS_RECEIVE,
    SIDE_BY_SIDE,
    TEXT,
    Address,
    Group,
    Number,
    Octal,
    Option,
    Section,
    Word,
    megabytes,
    seconds,
)
from storescp.log.levels import LogMask

EXTENSION_OPTIONS = Group(
    "extensions of this implementation:",
    (
        Section(
            "",
            (
                Option(
                    "--hosts-allow", "",
                    "read allow rules from f instead of\n"
                    "/etc/hosts.allow (only with --access-control)",
                    "hosts_allow", values="[f]ilename: string", takes=(TEXT,),
                    only_with=("--access-control",),
                ),
                Option(
                    "--hosts-deny", "",
                    "read deny rules from f instead of\n"
                    "/etc/hosts.deny (only with --access-control)",
                    "hosts_deny", values="[f]ilename: string", takes=(TEXT,),
                    only_with=("--access-control",),
                ),
                Option(
                    "--fsync", "",
                    "flush file and directory to disk before sending\nsuccess",
                    "fsync",
                ),
                Option(
                    "--inflate-limit", "",
                    "refuse deflated data sets that inflate to more\nthan m megabytes",
                    "inflate_limit",
                    values="[m]egabytes: integer (default: 4096)", takes=(Number(1),),
                    make=megabytes,
                ),
            ),
        ),
        Section(
            "log:",
            (
                Option(
                    "--log-json", "",
                    "write the log as JSON, one object per line",
                    "log_json", not_with=("--log-config",),
                ),
                Option(
                    "--log-mask", "",
                    "mask identifiers in the JSON log",
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
                    "check that everything the other options need is\navailable, and exit",
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
                    values="[s]econds: integer", takes=(Number(0),), make=seconds,
                ),
                Option(
                    "--max-request-size", "",
                    "limit association requests to b bytes",
                    "max_request_size",
                    values="[b]ytes: integer (default: 1048576)",
                    takes=(Number(4096, 0x7FFFFFFF),),
                ),
                Option(
                    "--max-command-size", "",
                    "limit command sets to b bytes",
                    "max_command_size",
                    values="[b]ytes: integer (default: 65536)",
                    takes=(Number(1024, 0x7FFFFFFF),),
                ),
                Option(
                    "--max-object-size", "",
                    "refuse objects whose file would be larger than\nm megabytes",
                    "max_object_size",
                    values="[m]egabytes: integer (default: unlimited)", takes=(Number(1),),
                    make=megabytes,
                ),
                Option(
                    "--min-free-space", "",
                    "refuse objects while less than m megabytes are\n"
                    "free in the output directory's file system",
                    "min_free_space",
                    values="[m]egabytes: integer (default: 0)", takes=(Number(0),),
                    make=megabytes,
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
                    "change to user u and group g once the port is open",
                    "user", values="[u]ser: string (u or u:g)", takes=(TEXT,),
                ),
                Option(
                    "--umask", "",
                    "remove permissions m from all created files",
                    "umask", values="[m]ask: octal digits (default: as inherited)",
                    takes=(Octal(0o77),),
                ),
            ),
        ),
        Section(
            "allowed peers (default: all):",
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
                    "also accept requests with Host: n",
                    "http_hosts", values="[n]ame: string", takes=(TEXT,), cumulative=True,
                    only_with=("--http",),
                ),
                Option(
                    "--http-token-file", "",
                    "require the bearer token in file f for status data",
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
                    "also show names of patients, UIDs and\ndirectories",
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
                    takes=(Number(1, 1024),), not_with=NOT_WHILE_OTHERS_RECEIVE,
                ),
                Option(
                    "--queue-limit", "",
                    "reject peers while n others wait for a worker",
                    "queue_limit", values="[n]umber: integer (default: 512)",
                    takes=(Number(0, 512),), only_with=("--workers",),
                ),
                Option(
                    "--parallel-studies", "",
                    "end each study independently of others\n"
                    "(always with --workers and --state-directory)",
                    "parallel_studies", not_with=NOT_WHILE_OTHERS_RECEIVE,
                ),
                Option(
                    "--state-directory", "",
                    "keep studies and commands in d across restarts",
                    "state_directory", values="[d]irectory: string", takes=(TEXT,),
                    not_with=NOT_WHILE_OTHERS_RECEIVE,
                ),
                Option(
                    "--eostudy-hold", "",
                    "end a study s seconds after its last object even\n"
                    "if an association that sent objects of it is\nstill open",
                    "eostudy_hold", values="[s]econds: integer (default: 3600)",
                    takes=(Number(0),), make=seconds, only_with=(SIDE_BY_SIDE,),
                ),
                Option(
                    "--exec-parallel", "",
                    "run up to n commands at once",
                    "exec_parallel", values="[n]umber: integer (default: 4)",
                    takes=(Number(1, 1024),), only_with=(SIDE_BY_SIDE,),
                ),
                Option(
                    "--exec-timeout", "",
                    "end commands that run for more than s seconds",
                    "exec_timeout", values="[s]econds: integer (default: 3600)",
                    takes=(Number(1),), make=seconds, only_with=(SIDE_BY_SIDE,),
                ),
                Option(
                    "--exec-attempts", "",
                    "start a failing command up to n times",
                    "exec_attempts", values="[n]umber: integer (default: 6)",
                    takes=(Number(1),), only_with=(SIDE_BY_SIDE,),
                ),
                Option(
                    "--exec-pause", "",
                    "restart it after s seconds, then after twice as\n"
                    "long each time, up to an hour",
                    "exec_pause", values="[s]econds: integer (default: 10)",
                    takes=(Number(0),), make=seconds, only_with=(SIDE_BY_SIDE,),
                ),
                Option(
                    "--list-failed", "",
                    "print the commands in state directory d that were\ngiven up, and exit",
                    "list_failed", request=Request.LIST_FAILED,
                    values="[d]irectory: string", takes=(TEXT,),
                ),
                Option(
                    "--retry-failed", "",
                    "start these commands again, in the running\n"
                    "receiver or at its next start, and exit",
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
                    "write events to f, one JSON object per line\n(-: standard output)",
                    "events", values="[f]ilename: string", takes=(TEXT,),
                ),
            ),
        ),
    ),
)  # fmt: skip
