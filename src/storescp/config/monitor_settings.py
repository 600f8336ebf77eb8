"""The options about the status page and the progress display become settings."""

import ipaddress
import logging
import os
import stat

from storescp.config.choices import CommandLine, HTTPAddress
from storescp.errors import ConfigurationError
from storescp.monitor.progress import Progress
from storescp.monitor.settings import MonitorSettings
from storescp.monitor.status_page import StatusPage
from storescp.monitor.surroundings import HostStatusSettings
from storescp.serve.tls.choices import FileFormat

_logger = logging.getLogger("dcmtk.apps.storescp")

_MAXIMUM_TOKEN_BYTES = 4096


def settings(command_line: CommandLine, database: str | None) -> MonitorSettings:
    """Return what is shown of the receiver.

    Args:
        command_line: the options.
        database: what remembers studies, if anything does.

    Raises:
        ConfigurationError: the token cannot be had.
    """
    identifiers = command_line.show_identifiers
    page = None
    if command_line.http is not None:
        page = _page(command_line, command_line.http, database)
    return MonitorSettings(page, Progress(identifiers) if command_line.progress else None)


def _page(command_line: CommandLine, address: HTTPAddress, database: str | None) -> StatusPage:
    token = None
    if command_line.http_token_file is not None:
        token = read_token(command_line.http_token_file)
    elif not _is_loopback(address.address):
        _logger.warning(
            "The status page is shown to everybody who reaches %s; --http-token-file protects it",
            address.address,
        )
    return StatusPage(
        address.address,
        address.port,
        HostStatusSettings(
            command_line.output_directory,
            writes=not command_line.ignore,
            least_free=command_line.min_free_space,
            certificate_file=None if command_line.tls is None else command_line.tls[1],
            certificate_is_der=command_line.key_format is FileFormat.DER,
            database=database,
        ),
        token=token,
        names=tuple(name.lower().removesuffix(".") for name in command_line.http_hosts),
        identifiers=command_line.show_identifiers,
    )


def read_token(path: str) -> str:
    """Return the token in a file, without the white space around it.

    Raises:
        ConfigurationError: there is none that can be sent in a header field.
    """
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_mode & stat.S_IROTH:
                _logger.warning("The token in %s can be read by every user of this machine", path)
            data = file.read(_MAXIMUM_TOKEN_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"cannot read the token file {path}: {error.strerror}") from error
    token = data.strip().decode("latin-1")
    if (
        not token
        or len(data) > _MAXIMUM_TOKEN_BYTES
        or not token.isascii()
        or not token.isprintable()
    ):
        raise ConfigurationError(
            f"the token file {path} does not hold one line of printable ASCII characters"
        )
    return token


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
