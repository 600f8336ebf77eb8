"""The program: arguments → settings → receiver; messages and exit codes.

The order in which things are looked at is the reference's, because it decides which of several mistakes is reported.
"""

import fcntl
import logging
import os
import sys
from typing import NoReturn

from storescp.best_effort_output import StandardStream, open_standard_descriptors
from storescp.compilation import form
from storescp.config import usage as texts
from storescp.config.choices import CommandLine, Mode, Request
from storescp.config.command_line import Evaluation, Parsed, UsageError, parse
from storescp.config.options.evaluation import Stage
from storescp.errors import ConfigurationError, NetworkUnavailable
from storescp.log import setup

_logger = logging.getLogger("dcmtk.apps.storescp")

_CANNOT_PREPARE_INETD = 99


def main() -> NoReturn:
    """Run the program and end the process with its exit code."""
    code = _run(sys.argv)
    logging.shutdown()
    sys.exit(code)


def _run(argv: list[str]) -> int:
    try:
        parsed = parse(argv[1:])
        if parsed.request is not None:
            return _print(_answer(parsed.request, parsed))
        return _receive(argv[0], parsed)
    except UsageError as error:
        if not (error.quiet and setup.usage_errors_are_silent()):
            StandardStream("stderr").write(texts.error(str(error)))
        return 1
    except ConfigurationError as error:
        level = logging.ERROR if isinstance(error, NetworkUnavailable) else logging.CRITICAL
        for text in (str(error), *getattr(error, "__notes__", ())):
            _logger.log(level, "%s", text)
        return 1


def _print(text: str, exit_code: int = 0) -> int:
    """Print what was asked for; return the exit code."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except AttributeError:  # the program was started without standard output
        return exit_code
    except OSError as error:
        # Or Python would try again at its end, and have an exit code of its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(
            error, BrokenPipeError
        ):  # `storescp --help | head`: nobody reads the rest
            StandardStream("stderr").write(f"storescp: cannot write: {error.strerror}\n")
            return 1
    return exit_code


def _answer(request: Request, parsed: Parsed) -> str:
    """Return the text that an exclusive option asks for."""
    match request:
        case Request.HELP:
            return texts.usage()
        case Request.VERSION:
            return texts.version()
        case Request.LIST_CIPHERS:
            from storescp.serve.tls import offer as tls_offer

            return texts.host_text(tls_offer.list_ciphers())
        case Request.LIST_PROFILES:
            from storescp.serve.tls import offer as tls_offer

            return texts.host_text(tls_offer.list_profiles())
        case Request.LIST_FAILED:
            from storescp.serve.studies import failed_commands

            return failed_commands.list_failed(parsed.request_value())
        case Request.RETRY_FAILED:
            from storescp.serve.studies import failed_commands

            return failed_commands.retry_failed(parsed.request_value())


def _receive(program: str, parsed: Parsed) -> int:
    evaluation = Evaluation(parsed)
    command_line = evaluation.run(Stage.PROCESSES)
    if command_line.mode is not Mode.RECEIVE:
        return _tell(evaluation, command_line.mode)
    if command_line.umask is not None:
        os.umask(command_line.umask)  # before any file is made, those of the log among them
    connected = None
    if command_line.inetd:
        try:
            connected = _take_standard_input()
        except OSError:
            return _CANNOT_PREPARE_INETD
    else:
        open_standard_descriptors()
    command_line = evaluation.run(Stage.LOGGING)
    _configure_logging(command_line)
    if command_line.arguments:
        setup.announce(parsed.arguments_text(program))
    command_line = evaluation.run(Stage.NETWORK, verbose=_logger.isEnabledFor(logging.INFO))
    # Only now: whoever asks for help, or made a mistake, need not wait for these to be loaded.
    from storescp.config import settings

    policy = settings.policy(command_line)
    command_line = evaluation.run(Stage.STORAGE)
    _logger.debug("%s\n", texts.IDENTIFICATION)
    command_line = evaluation.run(Stage.SECURITY)
    return settings.receiver(command_line, policy, connected).run(_introduce)


def _introduce() -> None:
    """Say which implementation this is."""
    if _logger.isEnabledFor(logging.INFO):
        _logger.info("%s; data sets are read by %s", texts.implementation(), form().value)


def _tell(evaluation: Evaluation, mode: Mode) -> int:
    """Say what would be received, or whether it would be, and receive nothing."""
    command_line = evaluation.run(Stage.LOGGING)
    setup.configure(setup.LogSettings(level=command_line.log_level))
    # A log configuration decides itself how much is logged.
    verbose = command_line.log_level <= logging.INFO or command_line.log_config is not None
    command_line = evaluation.run(Stage.SECURITY, verbose=verbose)
    from storescp.config import settings

    if mode is Mode.CHECK:
        from storescp.reports import check

        report = check.examine(command_line)
        return _print(report.text(), report.exit_code)
    from storescp.reports import conformance

    connected = 0 if command_line.inetd else None  # it is not looked at
    receiver_settings = settings.receiver_settings(
        command_line, settings.policy(command_line), connected
    )
    return _print(conformance.statement(receiver_settings, settings.tls(command_line)))


def _configure_logging(command_line: CommandLine) -> None:
    path = command_line.log_config
    if path is not None and (complaint := setup.check_file(path)) is not None:
        raise UsageError(complaint)
    setup.configure(
        setup.LogSettings(
            level=command_line.log_level,
            configuration_file=path,
            json=command_line.log_json,
            tells_processes=command_line.workers is not None,
            masks=command_line.log_masks,
        )
    )


def _take_standard_input() -> int:
    """Return the connection that inetd gives as standard input, and cut the standard streams off.

    Raises:
        OSError: there is no standard input, or no null device.
    """
    # Not one of the three, which it would get where the program was started without them.
    connected = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 3)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    if nothing > 2:
        os.close(nothing)
    return connected
