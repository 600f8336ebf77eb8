"""The report of `--check`: it says in sentences whether the program would start with these options.

What can be tried is tried with the code that the start runs, as the user that it becomes: files are loaded, the port is
taken and given back, the state directory and the files that are written to are opened. Nothing is listened on, run, or
left behind.
"""

import contextlib
import logging
import os
import re
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum

from storescp.compilation import Form, form
from storescp.config import settings
from storescp.config.choices import CommandLine
from storescp.errors import ConfigurationError, OutOfResources
from storescp.log import setup
from storescp.printable import printable
from storescp.reports.rehearsal import as_user, untouched
from storescp.serve.accept.listening_socket import bind
from storescp.serve.accept.settings import IPVersion, ListenAddress
from storescp.serve.access.peer_admission import PeerAdmission
from storescp.serve.process.privileges import check_may_write
from storescp.serve.reporting.event_file import STANDARD_OUTPUT, EventFile
from storescp.serve.settings import ReceiverSettings
from storescp.serve.studies.state_directory import MARK, StateDirectory
from storescp.storage.naming.rules import ByPatientName, ByStudyUID, ByTimestamp, Flat
from storescp.storage.settings import StorageSettings
from storescp.uids import TRANSFER_SYNTAXES, VERIFICATION
from storescp.upper_layer.negotiation import Policy

LOW_SPACE_BYTES = 1 << 30
"""Bytes; an output directory with less room is worth a warning: a few CT studies."""

_CONDITION = re.compile("^[0-9a-f]{4}:[0-9a-f]{4} ")
_GIGABYTE = 1 << 30
_SHELL = frozenset("$`(){};&|<>*?!\\\"'~")
_SHELL_WORDS = frozenset(
    [
        ".",
        ":",
        "alias",
        "case",
        "cd",
        "command",
        "echo",
        "eval",
        "exec",
        "exit",
        "export",
        "for",
        "if",
        "printf",
        "read",
        "set",
        "shift",
        "test",
        "time",
        "trap",
        "true",
        "type",
        "ulimit",
        "umask",
        "until",
        "wait",
        "while",
    ]
)


class Weight(Enum):
    """Effect of a remark on the start."""

    FINE = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was found."""

    remarks: tuple[tuple[Weight, str], ...]

    def count(self, weight: Weight) -> int:
        return sum(found is weight for found, _ in self.remarks)

    @property
    def exit_code(self) -> int:
        """0: it would start; 1: it would not; 2: it would, but there are warnings."""
        if self.count(Weight.ERROR):
            return 1
        return 2 if self.count(Weight.WARNING) else 0

    def text(self) -> str:
        """Return a line for each remark and a conclusion."""
        lines = [f"{weight.value + ':':<9}{text}" for weight, text in self.remarks]
        return "\n".join((*lines, self._conclusion(), ""))

    def _conclusion(self) -> str:
        errors, warnings = self.count(Weight.ERROR), self.count(Weight.WARNING)
        if errors:
            return (
                f"It would not start: {_number(errors, 'error')}, {_number(warnings, 'warning')}."
            )
        if warnings:
            return f"It would start, with {_number(warnings, 'warning')}."
        return "It would start."


@dataclass(slots=True)
class _Findings:
    remarks: list[tuple[Weight, str]] = field(default_factory=list)

    def fine(self, text: str) -> None:
        self.remarks.append((Weight.FINE, text))

    def warn(self, text: str) -> None:
        self.remarks.append((Weight.WARNING, text))

    def fail(self, text: str) -> None:
        self.remarks.append((Weight.ERROR, text))

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Make remarks of what is logged and raised meanwhile."""
        listener = _LogCollector(self)
        top = logging.getLogger("dcmtk")
        propagates, top.propagate = top.propagate, False
        top.addHandler(listener)
        try:
            yield
        except ConfigurationError as error:
            self.fail(" ".join((_sentence(str(error)), *getattr(error, "__notes__", ()))))
        finally:
            top.removeHandler(listener)
            top.propagate = propagates


class _LogCollector(logging.Handler):
    """Makes warnings of what the start would log."""

    def __init__(self, findings: _Findings) -> None:
        super().__init__(logging.WARNING)
        self._findings = findings

    def emit(self, record: logging.LogRecord) -> None:
        self._findings.warn(_sentence(record.getMessage()))


def examine(command_line: CommandLine, now: float | None = None) -> Report:
    """Look at everything that the options name, as of `now`, seconds since 1970."""
    findings = _Findings()
    _examine_log(command_line, findings)
    _tell_form(findings)
    policy = None
    with findings.trying():
        policy = settings.policy(command_line)
        _tell_policy(policy, command_line, findings)
    with findings.trying():
        settings.dictionary()
        if path := os.environ.get("DCMDICTPATH"):
            findings.fine(f"Data dictionaries are read from {printable(path)} (DCMDICTPATH).")
    _examine_port(command_line, findings)
    with findings.trying():
        receiver_settings = settings.receiver_settings(command_line, policy or Policy({}), None)
        _examine_output(receiver_settings.storage, findings)
        _examine_user(receiver_settings, findings)
        _examine_commands(receiver_settings.storage, findings)
        _examine_access(receiver_settings, findings)
        _examine_what_the_user_opens(receiver_settings, findings)
        _examine_page(receiver_settings, findings)
    with findings.trying():
        if (chosen := settings.tls(command_line)) is not None:
            from storescp.reports import check_tls

            moment = datetime.fromtimestamp(time.time() if now is None else now, UTC)
            check_tls.examine(chosen, moment, findings)
    return Report(tuple(findings.remarks))


def _tell_form(findings: _Findings) -> None:
    here = form()
    tell = findings.warn if here is Form.MIXED else findings.fine
    tell(f"Data sets are read by {here.value}.")


# What is accepted, where from


def _tell_policy(policy: Policy, command_line: CommandLine, findings: _Findings) -> None:
    classes = [uid for uid in policy.transfer_syntaxes if uid != VERIFICATION]
    echo = " and Verification" if VERIFICATION in policy.transfer_syntaxes else ""
    more = ", and whatever nobody knows" if policy.unknown_abstract_syntaxes is not None else ""
    source = ""
    if command_line.config_file is not None:
        path, name = command_line.config_file
        source = f" by profile {printable(name)} of {printable(path)}"
    findings.fine(
        f"It accepts {_number(len(classes), 'storage SOP class', 'es')}{echo}{more}{source}."
    )
    used = {uid for syntaxes in policy.transfer_syntaxes.values() for uid in syntaxes}
    for uid in sorted(used - TRANSFER_SYNTAXES.keys()):
        findings.warn(
            f"The profile accepts transfer syntax {printable(uid)}, which is not known here: objects in it abort"
            " their association."
        )
    if policy.refuse:
        findings.warn("Every association would be refused (--refuse).")


def _examine_port(command_line: CommandLine, findings: _Findings) -> None:
    if command_line.inetd:
        findings.fine("It serves the connection that a super server gives it (--inetd).")
        return
    with findings.trying():
        settings.check_privileges(command_line)
        version = command_line.ip_version
        bind(ListenAddress(command_line.port, version)).close()
        names = {IPVersion.IPV4: "IPv4", IPVersion.IPV6: "IPv6", IPVersion.BOTH: "IPv6 and IPv4"}
        findings.fine(f"Port {command_line.port} is free ({names[version]}, all interfaces).")


# Where objects go


def _examine_output(storage: StorageSettings, findings: _Findings) -> None:
    directory = storage.rules.directory
    with findings.trying():
        settings.check_output_directory(storage)
        if storage.ignore:
            findings.warn("Objects would be received and forgotten (--ignore).")
            return
        findings.fine(f"Objects are stored below {_path(directory)}, {_layout(storage)}.")
        _examine_room(storage, findings)


def _examine_user(receiver_settings: ReceiverSettings, findings: _Findings) -> None:
    user = receiver_settings.user
    if user is None:
        return
    if os.geteuid() not in {0, user.uid}:
        findings.fail(f"Only root can become user {printable(user.name)}.")
        return
    findings.fine(f"It becomes user {printable(user.name)} once the port is open.")


def _layout(storage: StorageSettings) -> str:
    match storage.rules.layout:
        case Flat():
            return "in one directory"
        case ByStudyUID():
            return "in a directory for each study, named by its UID"
        case ByTimestamp():
            return "in a directory for each study, named by the time"
        case ByPatientName():
            return "in a directory for each study, named by the patient"


def _examine_room(storage: StorageSettings, findings: _Findings) -> None:
    directory = storage.rules.directory
    room = os.statvfs(directory)
    free = room.f_bavail * room.f_frsize
    if free < storage.reserve:
        findings.warn(
            f"Only {free >> 20} megabytes are free in {_path(directory)}: objects are refused with status A700 until there"
            f" are {storage.reserve >> 20} (--min-free-space)."
        )
        return
    text = f"{free / _GIGABYTE:.1f} GB are free in {_path(directory)}."
    if free < LOW_SPACE_BYTES:
        findings.warn(f"Only {text} When the disk is full, objects are refused with status A700.")
    else:
        findings.fine(text)
    if room.f_files and not room.f_favail:  # some file systems do not count them
        findings.warn(
            f"{_path(directory)} can take no more files: the file system has no inodes left."
        )


def _examine_commands(storage: StorageSettings, findings: _Findings) -> None:
    for option, command in (
        ("--exec-on-reception", storage.exec_on_reception),
        ("--exec-on-eostudy", storage.exec_on_eostudy),
    ):
        if command is None:
            continue
        program = _program(command)
        if program is None:
            findings.fine(f"The shell runs the command of {option}: {printable(command)}")
        elif shutil.which(program) is not None:
            findings.fine(f"The command of {option} is there: {printable(program)}.")
        else:
            findings.warn(
                f"The command of {option} cannot be run: {printable(program)} is not there or not executable."
            )


def _program(command: str) -> str | None:
    """Return the program that a command line names; None where only a shell can tell."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if not words or "=" in words[0] or words[0] in _SHELL_WORDS or _SHELL.intersection(words[0]):
        return None
    return None if "#" in words[0] else words[0]


# Who may connect


def _examine_access(receiver_settings: ReceiverSettings, findings: _Findings) -> None:
    if receiver_settings.peer_admission is not None:
        _tell_lists(receiver_settings.peer_admission, findings)
    elif receiver_settings.access_control is None:
        findings.fine("Any host may connect.")
    if receiver_settings.access_control is None:
        return
    from storescp.serve.access.host_access import in_netgroup, read
    from storescp.serve.access.rules import Client, RuleEnvironment, decide, examine

    commands = []

    def note(command: bytes, _environment: object) -> int:
        commands.append(command)
        return 0

    control = receiver_settings.access_control
    surroundings = RuleEnvironment(read, note, in_netgroup)
    for path, missing in ((control.allow, "allows nobody"), (control.deny, "refuses nobody")):
        try:
            rules, complaints = examine(path, surroundings)
        except FileNotFoundError:
            findings.warn(f"There is no file {_path(path)}, which therefore {missing}.")
            continue
        except OSError as error:
            findings.warn(f"{_path(path)} cannot be read: {error.strerror}.")
            continue
        verb = "is" if rules == 1 else "are"
        findings.fine(f"{_number(rules, 'rule')} of {_path(path)} {verb} about storescp.")
        for complaint in complaints:
            findings.warn(f"Host access rules: {printable(complaint)}.")
    # An address for documentation, RFC 5737, which no rule of anybody names.
    decision = decide(Client("192.0.2.1", "192.0.2.1"), control.allow, control.deny, surroundings)
    if not commands:
        fate = "let in" if decision.granted else "refused"
        findings.fine(f"A host that no rule names, such as 192.0.2.1, is {fate}.")


def _tell_lists(peer_admission: PeerAdmission, findings: _Findings) -> None:
    admission = peer_admission.admission("")
    networks = peer_admission.lists.networks
    for what, allowed in (
        ("calling AE titles", admission.calling_ae_titles),
        ("called AE titles", admission.called_ae_titles),
        ("addresses", None if networks is None else map(str, networks)),
    ):
        if allowed is None:
            continue
        if names := ", ".join(sorted(allowed)):
            findings.fine(f"Only these {what} are let in: {names}.")
        else:
            findings.warn(f"The list of {what} is empty: everybody would be refused.")


# The log


def _examine_log(command_line: CommandLine, findings: _Findings) -> None:
    if command_line.log_config is None:
        return
    if (complaint := setup.check_file(command_line.log_config)) is not None:
        findings.fail(f"{complaint}: {_path(command_line.log_config)}.")
        return
    from storescp.log import dry_run

    with findings.trying():
        rehearsal = dry_run.rehearse(command_line.log_config)
        for complaint in rehearsal.complaints:
            findings.warn(f"{_path(command_line.log_config)}: {printable(complaint)}")
        for path in rehearsal.files:
            _examine_log_file(path, findings)


def _examine_what_the_user_opens(receiver_settings: ReceiverSettings, findings: _Findings) -> None:
    """Open what the start opens once it has become the user: as that user, and without leaving a trace."""
    user, storage = receiver_settings.user, receiver_settings.storage
    if user is not None and os.geteuid() not in {0, user.uid}:
        return  # nobody else can become that user, which was told

    def examine() -> list[tuple[Weight, str]]:
        found = _Findings()
        directory = storage.rules.directory
        if user is not None and os.path.isdir(directory) and not storage.ignore:
            with found.trying():
                check_may_write(user, directory)
        _examine_events(receiver_settings.events, found)
        _examine_state(receiver_settings, found)
        return found.remarks

    with findings.trying():
        findings.remarks.extend(as_user(user, examine))


def _examine_events(path: str | None, findings: _Findings) -> None:
    if path == STANDARD_OUTPUT:
        findings.fine("Events are written to standard output.")
    elif path is not None:
        with findings.trying(), untouched(path):
            EventFile(path).close()
            findings.fine(f"The stream of events goes to {_path(path)}.")


def _examine_state(receiver_settings: ReceiverSettings, findings: _Findings) -> None:
    """Look whether the state directory can be had, which is made if it does not exist, and what is in it read."""
    studies = receiver_settings.studies_in_parallel
    if studies is None or studies.state_directory is None:
        return
    path = studies.state_directory
    with findings.trying(), contextlib.ExitStack() as ends:
        with untouched(os.path.join(path, MARK)):  # it is still ours when it goes
            directory = StateDirectory(path, patience=0)
            ends.callback(directory.close)
            _examine_store(directory.database)
        findings.fine(f"What is known of studies is kept in {_path(path)}.")


def _examine_store(path: str) -> None:
    """Read what an earlier start has left.

    Raises:
        ConfigurationError: that is not possible.
    """
    if not os.path.exists(path):
        return
    from storescp.storage.studies.sqlite_store import SQLiteStore

    store = SQLiteStore(path, upgrade=False)
    try:
        with store.transaction():
            pass
    except OutOfResources as error:
        raise ConfigurationError(str(error)) from error
    finally:
        store.close()


def _examine_page(receiver_settings: ReceiverSettings, findings: _Findings) -> None:
    page = None if receiver_settings.monitoring is None else receiver_settings.monitoring.page
    if page is None:
        return
    from storescp.monitor.status_page import check_port, url

    with findings.trying():
        check_port(page)
        names = "with names of patients" if page.identifiers else "without names of patients"
        token = "for everybody" if page.token is None else "for requests with the token"
        findings.fine(f"The status page is at {url(page.address, page.port)}, {token}, {names}.")


def _examine_log_file(path: str, findings: _Findings) -> None:
    """Open a log file as its appender does; the program starts without it, too."""
    from storescp.log.log4cplus.diagnostics import Diagnostics
    from storescp.log.log4cplus.file import FileAppender, FileOptions

    class Listener(Diagnostics):
        def _complain(self, kind: str, text: str) -> None:  # noqa: ARG002
            findings.warn(f"The log cannot go to {_path(path)}, which cannot be opened.")

    before = len(findings.remarks)
    with untouched(path):
        FileAppender(Listener(), FileOptions(path)).close()
    if len(findings.remarks) == before:
        findings.fine(f"The log goes to {_path(path)}.")


# Words


def _path(path: str) -> str:
    """Return a path that can be read without knowing where the program was started."""
    return printable(os.path.abspath(path))


def _number(number: int, what: str, plural: str = "s") -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}{plural}"


def _sentence(text: str) -> str:
    """Return a message of the log as a sentence, without the reference's numbers of conditions."""
    text = _CONDITION.sub("", printable(text.strip()))
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
