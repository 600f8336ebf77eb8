"""The checked command line becomes the settings of the parts, each a value beside the code that it steers."""

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from storescp.config import choices, dictionaries
from storescp.config.choices import CommandLine
from storescp.dataset.dictionary import Dictionary, standard
from storescp.dataset.encoding import Encoding
from storescp.errors import ConfigurationError, NetworkUnavailable
from storescp.printable import printable
from storescp.serve.accept.listening_socket import bind
from storescp.serve.accept.settings import ListenAddress
from storescp.serve.association.connection import Disturbances
from storescp.serve.association.deadlines import Timeouts
from storescp.serve.receiver import Receiver
from storescp.serve.settings import ReceiverSettings
from storescp.storage.naming.rules import (
    ByPatientName,
    ByStudyUID,
    ByTimestamp,
    FileNames,
    Flat,
    Layout,
    Rules,
)
from storescp.storage.settings import StorageSettings
from storescp.upper_layer.negotiation import Policy, storage_policy

if TYPE_CHECKING:
    import socket

    from storescp.monitor.settings import MonitorSettings
    from storescp.serve.accept.settings import WorkerSettings
    from storescp.serve.access.host_access import AccessControl
    from storescp.serve.access.peer_admission import PeerAdmission
    from storescp.serve.process.privileges import User
    from storescp.serve.process.service_manager import Notify
    from storescp.serve.studies.parallel_studies import ParallelStudySettings
    from storescp.serve.tls.context import Reloadable
    from storescp.serve.tls.settings import TLSSettings

_logger = logging.getLogger("dcmtk.apps.storescp")

_FIRST_UNPRIVILEGED_PORT = 1024


def policy(command_line: CommandLine) -> Policy:
    """Return what is accepted of associations; reads the profile, if one is named.

    Raises:
        ConfigurationError: the profile cannot be had.
    """
    maximum_length = command_line.max_pdu // 2 * 2
    if command_line.config_file is None:
        return storage_policy(
            command_line.transfer_syntaxes,
            promiscuous=command_line.promiscuous,
            maximum_length=maximum_length,
            maximum_request_length=command_line.max_request_size,
            refuse=command_line.refuse,
            require_implementation_class=command_line.reject,
        )
    from storescp.config import profile

    path, name = command_line.config_file
    chosen = profile.load(path, name)
    return Policy(
        transfer_syntaxes=chosen.transfer_syntaxes,
        roles=chosen.roles,
        extended_negotiation=chosen.extended_negotiation,
        profile=f"{name} of {path}",
        maximum_length=maximum_length,
        maximum_request_length=command_line.max_request_size,
        refuse=command_line.refuse,
        require_implementation_class=command_line.reject,
    )


def receiver(command_line: CommandLine, accepted: Policy, connected: int | None) -> Receiver:
    """Return the program's working part, once everything that it needs was found to be there.

    Raises:
        ConfigurationError: something is not.
    """
    listening, notify = _from_service_manager(command_line)
    if listening is None:
        check_privileges(command_line)
    given_dictionary = dictionary()
    if command_line.max_pdu % 2:
        logging.getLogger("dcmtk.dcmnet").warning(
            "ASSOC: PDV receive length %d is odd (using %d)",
            command_line.max_pdu,
            accepted.maximum_length,
        )
    chosen = receiver_settings(command_line, accepted, connected)
    check_output_directory(chosen.storage)
    return Receiver(
        chosen,
        dictionary=given_dictionary,
        transport_security=lambda: _tls(command_line),
        listening=listening,
        notify=notify,
    )


def _from_service_manager(
    command_line: CommandLine,
) -> "tuple[socket.socket | None, Notify | None]":
    """Return the listening socket that was passed to us, and how to tell that we are ready, if that is wanted.

    Raises:
        ConfigurationError: what was passed is of no use.
    """
    if not {"LISTEN_FDS", "NOTIFY_SOCKET"} & os.environ.keys():
        return None, None
    from storescp.serve.process import service_manager

    listening = None
    if not command_line.inetd and service_manager.passes_socket(os.environ):
        listening = service_manager.take_socket(os.environ)
    return listening, service_manager.notifier(os.environ)


def receiver_settings(
    command_line: CommandLine, accepted: Policy, connected: int | None
) -> ReceiverSettings:
    """Return everything that steers reception; reads the lists of allowed peers, if there are any.

    Raises:
        ConfigurationError: a value would lead objects astray, or a list cannot be had.
    """
    return ReceiverSettings(
        policy=accepted,
        storage=_storage(command_line),
        port=command_line.port,
        ip_version=command_line.ip_version,
        connected=connected,
        timeouts=_timeouts(command_line),
        maximum_command_length=command_line.max_command_size,
        disturbances=Disturbances(
            sleep_after=command_line.sleep_after,
            sleep_during=command_line.sleep_during,
            abort_after=command_line.abort_after,
            abort_during=command_line.abort_during,
        ),
        host_lookup=command_line.host_lookup,
        access_control=_access_control(command_line),
        peer_admission=_peer_admission(command_line),
        user=_user(command_line),
        announces=command_line.extended,
        verbose_contexts=command_line.verbose_pc,
        exec_sync=command_line.exec_sync or command_line.fork,
        events=command_line.events,
        monitoring=_monitoring(command_line),
        worker_settings=_worker_settings(command_line),
        studies_in_parallel=_studies_in_parallel(command_line),
    )


def check_privileges(command_line: CommandLine) -> None:
    """Refuse a port that this user may not have.

    Raises:
        ConfigurationError: it is one.
    """
    port = command_line.port
    if command_line.inetd or port >= _FIRST_UNPRIVILEGED_PORT or os.geteuid() == 0:
        return
    try:
        # A capability, or a setting of the system, may allow it to others than root: in containers that is usual.
        bind(ListenAddress(port, command_line.ip_version)).close()
    except NetworkUnavailable as error:
        if isinstance(error.__cause__, PermissionError):
            raise ConfigurationError(
                f"cannot listen on port {port}, insufficient privileges"
            ) from error


class _UserDictionary(Dictionary):
    """The user's dictionary files in place of the built-in dictionary."""

    def __init__(self, entries: dictionaries.DictionaryFiles) -> None:
        super().__init__({})
        self._entries = entries
        self.knows_private_elements = True

    def private_vr(self, creator: bytes, tag: int) -> str | None:
        return self._entries.private_vr(creator, tag)

    def _known_keyword(self, tag: int, creator: bytes | None) -> str | None:
        return self._entries.name(tag, creator)

    def _look_up(self, tag: int) -> str | None:
        return self._entries.vr(tag)


def dictionary() -> Callable[[], Dictionary]:
    """Return what gives the data dictionary; the built-in one is loaded when it is first needed."""
    entries = dictionaries.from_environment(os.environ)
    if entries is None:
        return standard
    of_user = _UserDictionary(entries)
    return lambda: of_user


def _timeouts(command_line: CommandLine) -> Timeouts:
    return Timeouts(
        socket=command_line.socket_timeout,
        acse=command_line.acse_timeout,
        dimse=command_line.dimse_timeout,
        idle=_idle_timeout(command_line),
    )


def _idle_timeout(command_line: CommandLine) -> int | None:
    if command_line.idle_timeout is not None:
        return command_line.idle_timeout or None
    if command_line.studies_in_parallel:
        return command_line.socket_timeout  # studies end without it, and it would keep its place
    # Where the end of a study is waited for, the reference lets associations idle.
    return None if command_line.eostudy_timeout is not None else command_line.socket_timeout


def _worker_settings(command_line: CommandLine) -> "WorkerSettings | None":
    if command_line.workers is None and not command_line.fork:
        return None
    from storescp.serve.accept.settings import WorkerSettings

    if command_line.fork:
        return WorkerSettings(command_line.max_associations, on_demand=True)
    return WorkerSettings(command_line.workers, queue_limit=command_line.queue_limit)


_EOSTUDY_TIMEOUT = 60
"""Default where studies are received side by side: no other study ends one, so time has to."""


def _studies_in_parallel(command_line: CommandLine) -> "ParallelStudySettings | None":
    """Return how studies are received side by side; None: not at all, or there is nothing to remember of them."""
    if not command_line.studies_in_parallel:
        return None
    if command_line.sorting is None and command_line.exec_on_reception is None:
        return None
    from storescp.serve.studies.command_pool import CommandSettings
    from storescp.serve.studies.parallel_studies import ParallelStudySettings
    from storescp.storage.studies.jobs import Retries
    from storescp.storage.studies.tracker import EndOfStudy

    timeout = command_line.eostudy_timeout
    return ParallelStudySettings(
        state_directory=command_line.state_directory,
        end_of_study=EndOfStudy(
            timeout=_EOSTUDY_TIMEOUT if timeout is None else timeout,
            longest_hold=command_line.eostudy_hold,
        ),
        retries=Retries(command_line.exec_attempts, command_line.exec_pause),
        running=CommandSettings(command_line.exec_parallel, command_line.exec_timeout),
        exec_sync=command_line.exec_sync,
    )


def _storage(command_line: CommandLine) -> StorageSettings:
    return StorageSettings(
        rules=Rules(
            directory=_output_directory(command_line),
            layout=_layout(command_line.sorting),
            file_names=_file_names(command_line),
            extension=command_line.filename_extension,
        ),
        encoding=Encoding(
            transfer_syntax=command_line.output_transfer_syntax,
            group_length=command_line.group_length,
            sequence_length=command_line.sequence_length,
            padding=command_line.padding,
            new_vr=command_line.new_vr,
            convert_un=command_line.convert_un,
            compression_level=command_line.compression_level,
            maximum_inflated=command_line.inflate_limit,
        ),
        bit_preserving=command_line.bit_preserving,
        with_meta=not command_line.write_dataset,
        ignore=command_line.ignore,
        durable=command_line.fsync,
        maximum_size=command_line.max_object_size,
        reserve=command_line.min_free_space,
        exec_on_reception=command_line.exec_on_reception,
        exec_on_eostudy=command_line.exec_on_eostudy,
        rename_on_eostudy=command_line.rename_on_eostudy,
        eostudy_timeout=command_line.eostudy_timeout,
    )


def _output_directory(command_line: CommandLine) -> str:
    if command_line.state_directory is None:
        return command_line.output_directory
    # It will be remembered, and the next start may be elsewhere.
    return os.path.abspath(command_line.output_directory)


def _file_names(command_line: CommandLine) -> FileNames:
    """Return where file names come from, after the options about them were weighed."""
    if command_line.timenames:
        return FileNames.FROM_TIME
    return FileNames.UNIQUE if command_line.unique_filenames else FileNames.FROM_INSTANCE_UID


def _layout(sorting: choices.Sorting | None) -> Layout:
    if sorting is None:
        return Flat()
    match sorting.by:
        case choices.SortBy.TIMESTAMP:
            return ByTimestamp(sorting.prefix)
        case choices.SortBy.STUDY_UID:
            return ByStudyUID(sorting.prefix)
        case choices.SortBy.PATIENT_NAME:
            return ByPatientName()


def check_output_directory(storage: StorageSettings) -> None:
    """Refuse an output directory that is none, or that objects cannot be written to.

    Raises:
        ConfigurationError: it is one.
    """
    directory = storage.rules.directory
    if not os.path.isdir(directory):
        raise _unusable(directory, "does not exist")
    if not storage.ignore and not os.access(directory, os.W_OK):
        raise _unusable(directory, "is not writeable")


def _unusable(directory: str, what: str) -> ConfigurationError:
    error = ConfigurationError(f"specified output directory {what}")
    error.add_note(f"It is {printable(os.path.abspath(directory))} (--output-directory).")
    return error


def _access_control(command_line: CommandLine) -> "AccessControl | None":
    if not command_line.access_control:
        return None
    from storescp.serve.access.host_access import AccessControl

    default = AccessControl()
    return AccessControl(
        allow=command_line.hosts_allow or default.allow,
        deny=command_line.hosts_deny or default.deny,
    )


def _peer_admission(command_line: CommandLine) -> "PeerAdmission | None":
    if not any(
        (
            command_line.allow_calling,
            command_line.allow_calling_files,
            command_line.allow_called,
            command_line.allow_called_files,
            command_line.allow_addresses,
            command_line.allow_address_files,
            command_line.peer_associations,
            command_line.peer_connections,
        )
    ):
        return None
    from storescp.serve.access.allow_lists import AllowLists, AllowListSettings, AllowListSource
    from storescp.serve.access.peer_admission import PeerAdmission, PeerLimits

    lists = AllowListSettings(
        calling_ae_titles=AllowListSource(
            command_line.allow_calling, command_line.allow_calling_files
        ),
        called_ae_titles=AllowListSource(
            command_line.allow_called, command_line.allow_called_files
        ),
        addresses=AllowListSource(command_line.allow_addresses, command_line.allow_address_files),
    )
    limits = PeerLimits(command_line.peer_associations, command_line.peer_connections)
    return PeerAdmission(AllowLists(lists), limits)


def _monitoring(command_line: CommandLine) -> "MonitorSettings | None":
    if command_line.http is None and not command_line.progress:
        return None
    from storescp.config import monitor_settings
    from storescp.serve.studies.state_directory import DATABASE

    database = None
    if command_line.state_directory is not None and _studies_in_parallel(command_line) is not None:
        database = os.path.abspath(os.path.join(command_line.state_directory, DATABASE))
    return monitor_settings.settings(command_line, database)


def _user(command_line: CommandLine) -> "User | None":
    if command_line.user is None:
        return None
    from storescp.serve.process import privileges

    return privileges.find(command_line.user)


def _tls(command_line: CommandLine) -> "Reloadable | None":
    chosen = tls(command_line)
    if chosen is None:
        return None
    from storescp.serve.tls.context import Reloadable

    return Reloadable(chosen)


def tls(command_line: CommandLine) -> "TLSSettings | None":
    """Return what was chosen about TLS; None: plain TCP."""
    return None if command_line.tls is None else _tls_settings(command_line, *command_line.tls)


def _tls_settings(command_line: CommandLine, key: str, certificate: str) -> "TLSSettings":
    from storescp.serve.tls import profiles as tls_profiles
    from storescp.serve.tls.settings import TLSSettings

    profile = next(
        profile
        for profile in tls_profiles.PROFILES
        if profile.title == command_line.security_profile.value
    )
    return TLSSettings(
        key_file=key,
        certificate_file=certificate,
        password=command_line.key_password,
        file_format=command_line.key_format,
        trusted_files=command_line.certificate_files,
        trusted_directories=command_line.certificate_directories,
        crl_files=command_line.crl_files,
        crl_checks=command_line.crl_check,
        profile=profile,
        additional_suites=command_line.ciphers,
        dh_parameter_file=command_line.dh_parameters,
        expected_server_name=command_line.expected_sni,
        seed_file=command_line.seed,
        written_seed_file=(
            command_line.seed if command_line.write_seed else command_line.write_seed_file
        ),
        peer_authentication=command_line.peer_authentication,
    )
