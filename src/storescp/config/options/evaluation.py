"""Order in which options are evaluated: it decides which of several errors is reported."""

from enum import IntEnum

LOOK_UP_ORDER = {
    "verbosity": ("--debug", "--verbose", "--quiet"),
    "security_profile": (
        "--profile-8996", "--profile-8996-mod", "--profile-bcp195", "--profile-bcp195-nd",
        "--profile-bcp195-ex", "--profile-basic", "--profile-aes", "--profile-null",
    ),
    "peer_authentication": ("--require-peer-cert", "--ignore-peer-cert", "--verify-peer-cert"),
}  # fmt: skip
"""Blocks whose alternatives are not looked at in the order of the table. It decides which errors are seen."""


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
