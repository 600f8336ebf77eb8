"""Targets of what administrators write: profiles, logging, dictionaries, access rules, command files.

Nobody attacks a server with those, but a mistake in one must be told in words.
"""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from storescp.config import dictionaries, profile
from storescp.config.command_line import Evaluation, UsageError, parse
from storescp.config.options.evaluation import Stage
from storescp.config.options.table import options
from storescp.errors import ConfigurationError
from storescp.log.appender import Appender
from storescp.log.json_lines import Masks
from storescp.log.log4cplus import appender, factory
from storescp.log.log4cplus import configuration as log_configuration
from storescp.log.log4cplus import properties as log_properties
from storescp.log.log4cplus.diagnostics import Diagnostics
from storescp.serve.access.allow_lists import AllowLists, AllowListSettings, AllowListSource
from storescp.serve.access.rules import Client, FileTooLarge, RuleEnvironment, decide
from tests.fuzz.scratch import scratch
from tests.fuzz.target import Choices, Target, check_log
from tests.log.logging_state import event, restored_logging


def run_profile(data: bytes) -> None:
    """A profile is read, or the first mistake is told."""
    try:
        configuration = profile.parse(data)
    except ConfigurationError:
        return
    for name in configuration.profiles:
        with contextlib.suppress(ConfigurationError):
            assert configuration.profile(name).transfer_syntaxes


_PROFILE = b"""
[[TransferSyntaxes]]
[Uncompressed]
TransferSyntax1 = LocalEndianExplicit
TransferSyntax2 = 1.2.840.10008.1.2
[[PresentationContexts]]
[Storage]
PresentationContext1 = CTImageStorage\\Uncompressed
PresentationContext2 = VerificationSOPClass\\Uncompressed
[[SCPSCURoleSelection]]
[Roles]
Role1 = CTImageStorage\\Both
[[ExtendedNegotiation]]
[Extended]
ExtendedNegotiation1 = CTImageStorage\\0A0b
[[Profiles]]
[Default]
PresentationContexts = Storage
SCPSCURoleSelection = Roles
ExtendedNegotiation = Extended
"""


class _Elsewhere(contextlib.AbstractContextManager[None]):
    """Files, sockets and names of the system are out of reach; appenders that want them are kept from it."""

    def __enter__(self) -> None:
        self._make = factory._make
        factory._make = self._harmless

    def __exit__(self, *_: object) -> None:
        factory._make = self._make

    def _harmless(
        self,
        class_name: str,
        properties: log_properties.Properties,
        complaints: Diagnostics,
        masks: Masks | None,
    ) -> appender.ConfiguredAppender | None:
        elsewhere = log_properties.Properties(
            {
                **properties.values,
                **{key: scratch() + "/log" for key in ("File", "LockFile") if key in properties},
                **{key: "127.0.0.1" for key in ("host", "syslogHost") if key in properties},
            }
        )
        return self._make(class_name, elsewhere, complaints, masks)


def run_logging(data: bytes) -> None:
    """A logging configuration is put into force, with complaints, or refused; then everything can be logged."""
    text = data.decode("utf-8", "surrogateescape")
    complaints = Diagnostics(quiet=True)
    known = set(logging.Logger.manager.loggerDict)
    with restored_logging(), _Elsewhere():
        try:
            properties = log_properties.expand(
                log_properties.parse(text), {"HOME": "/root", "A": "${A}"}, complaints
            )
            log_configuration.apply(properties.below(log_properties.PREFIX), complaints)
            root = logging.getLogger()
            for handler in [h for h in root.handlers if isinstance(h, Appender)]:
                handler.handle(event("peer said \ud800\n\x1b[0m"))
        except ConfigurationError:
            pass
    for name in set(logging.Logger.manager.loggerDict) - known:
        del logging.Logger.manager.loggerDict[name]


_LOGGING = (
    b"""log4cplus.rootLogger = INFO, console, file
log4cplus.appender.console = log4cplus::ConsoleAppender
log4cplus.appender.console.layout = log4cplus::PatternLayout
log4cplus.appender.console.layout.ConversionPattern = %D{%Y-%m-%d %H:%M:%S.%q} %-5.10p %c{2} %m%n
""",
    b"""log4cplus.rootLogger = DEBUG, f
log4cplus.appender.f = log4cplus::RollingFileAppender
log4cplus.appender.f.File = ${HOME}/log
log4cplus.appender.f.MaxFileSize = 200KB
log4cplus.appender.f.MaxBackupIndex = 3
log4cplus.appender.f.Append = false
log4cplus.appender.f.layout = log4cplus::TTCCLayout
""",
    b"""log4cplus.rootLogger = WARN, a
log4cplus.logger.dcmtk = TRACE, a
log4cplus.additivity.dcmtk = false
log4cplus.appender.a = log4cplus::AsyncAppender
log4cplus.appender.a.Appender = log4cplus::NullAppender
log4cplus.appender.a.filters.1 = log4cplus::spi::LogLevelRangeFilter
log4cplus.appender.a.filters.1.LogLevelMin = INFO
""",
    b"""log4cplus.rootLogger = INFO, s
log4cplus.appender.s = log4cplus::SysLogAppender
log4cplus.appender.s.host = localhost
log4cplus.appender.s.facility = LOCAL0
""",
    b"A=${B}\nB=${A}\nlog4cplus.rootLogger=${A}\n",
)


def run_dictionary(data: bytes) -> None:
    """Lines of a dictionary are entries or told to be wrong; every tag then has a VR or none."""
    dictionary = dictionaries.DictionaryFiles()
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            entry = dictionaries.parse_line(line, "file", number)
            if entry is not None:
                dictionary.add(entry)
                tag = (entry.group.low << 16 | entry.element.low) & 0xFFFFFFFF
                dictionary.vr(tag)
                dictionary.private_vr(entry.creator or b"", tag)
        except dictionaries.InvalidLine:
            continue
    dictionary.vr(0x00100010)


_DICTIONARY = b"""# comment
(0010,0010)\tPN\tPatientName\t1\tDICOM
(0020-o-00ff,3100-31ff)\tOW\tSource\t1-n\tDICOM
(0009,"A MAKER",01)\tLO\tPrivate\t1\tPrivateTag
(7fe0-u-7fff,0010)\tox\tPixelData\t2-2n\tDICOM
(0000-FFFF,0000)\tUL\tLength\n
"""


def run_access(data: bytes) -> None:
    """Rules let a client in or keep it out, and complain in words; no file is read without end."""
    choices = Choices(data)
    client = choices.pick(
        (
            Client("pacs.example.org", "192.0.2.7"),
            Client("unknown", "2001:db8::1"),
            Client("a\nb", "::ffff:192.0.2.7"),
        )
    )
    files = dict(zip(("allow", "deny", "/a", "/b"), choices.rest().split(b"\xff"), strict=False))
    reads = 0

    def read(name: str) -> bytes:
        nonlocal reads
        reads += 1
        assert reads <= 8 + len(data), "files are read again and again"
        if name == "/large":
            raise FileTooLarge(27, "File too large", name)
        if name not in files:
            raise FileNotFoundError(2, "No such file", name)
        return files[name]

    def execute(command: bytes, _: object) -> int:
        if command.startswith(b"late"):
            raise TimeoutError("too late")
        return len(command) % 3

    decision = decide(
        client, "allow", "deny", RuleEnvironment(read, execute, lambda group, _: group == b"net")
    )
    assert isinstance(decision.granted, bool)
    assert len(decision.complaints) <= 2 * len(data) + 4


_ACCESS = (
    b"\0ALL: .example.org EXCEPT bad.example.org\n\xffALL: ALL\n",
    b"\0storescp: 192.0.2.0/255.255.255.0 : spawn echo %a %c %h %% : allow\n\xffALL: ALL: aclexec x %q\n",
    b"\1storescp@[::1]: [2001:db8::]/32 \\\n : severity local0.info\n\xffstorescp: /a @net KNOWN\n\xff/b 192.*\xff/a",
    b"\2ALL: ?.* : setenv A b : linger 5 : rfc931 10 : umask 022 : keepalive\n\xffALL: late",
)


def run_command_file(data: bytes) -> None:
    """A command file makes a command line, or what is wrong with it is told as a usage error."""
    name = scratch() + "/commands"
    Path(name).write_bytes(data)
    try:
        parsed = parse(["@" + name])
        parsed.arguments_text("storescp")
        if parsed.request is None:
            evaluation = Evaluation(parsed)
            for stage in Stage:
                evaluation.run(stage, verbose=len(data) % 2 == 0)
    except (UsageError, ConfigurationError) as error:
        str(error)


def _command_files() -> Iterator[bytes]:
    yield b"-v -od /tmp 'a b' 11112\n+xa \"-xcr\" 'echo #p/#f' --fork"
    yield b"+B 104 -su study -rns --exec-sync -tos 10"
    yield b"+p 64 0x10 -to 30 -ta 030 -pdu 131072 +cl 9 11112"
    for option in options():
        yield " ".join((option.long, *("1",) * len(option.takes), "11112")).encode()


def run_allow_list(data: bytes) -> None:
    """A list of those that are allowed is read, or what is wrong is told; it lets nobody in by mistake."""
    name = scratch() + "/allowed"
    Path(name).write_bytes(data)
    listed = AllowListSource(files=(name,))
    for list_settings in (
        AllowListSettings(addresses=listed),
        AllowListSettings(calling_ae_titles=listed),
    ):
        try:
            lists = AllowLists(list_settings)
        except ConfigurationError as error:
            check_log(str(error))
            continue
        if list_settings.addresses:
            assert lists.has_address("192.0.2.77") in (False, b"/" in data or b"192.0.2.77" in data)
        else:
            assert lists.admission("192.0.2.77").calling_ae_titles is not None


PROFILES = Target(
    "profile",
    run_profile,
    lambda: (_PROFILE,),
    words=(b"[[", b"]]", b"\\", b"1", b"2", b"\n", b" = ", b"Role", b"EXTENDEDNEGOTIATION1"),
)
LOGGING = Target(
    "logging",
    run_logging,
    lambda: _LOGGING,
    words=(
        *(b"${", b"}", b"%d{%", b"%-20.30", b"log4cplus.", b".layout", b"log4cplus::", b"Appender"),
        *(
            b"PatternLayout",
            b"TTCCLayout",
            b"DailyRollingFileAppender",
            b"Schedule=",
            b"Threshold=",
        ),
        *(b"StringMatchFilter", b"%E{", b"%x", b"%q", b"%Q", b"UseLockFile=1", b"BufferSize="),
    ),
)
DICTIONARIES = Target(
    "dictionary",
    run_dictionary,
    lambda: (_DICTIONARY,),
    words=(b"(", b")", b",", b"-", b"-o-", b"-u-", b"-e-", b"\t", b'"', b"0x", b"1-n", b"xs"),
)
ALLOW_LISTS = Target(
    "allow_list",
    run_allow_list,
    lambda: (
        b"# all\n192.0.2.0/24\n2001:db8::/32\n[::1]\n",
        b"CT1\nMR 2\n",
        b"\xef\xbb\xbf10.0.0.1\n",
    ),
    words=(b"/", b"0", b"::", b"\n", b"#", b"\xef\xbb\xbf", b"]", b"%", b"."),
)
ACCESS_RULES = Target(
    "access_rules",
    run_access,
    lambda: _ACCESS,
    words=(
        *(b"ALL", b" EXCEPT ", b"LOCAL", b"PARANOID", b"[::", b"]/64", b"\\\n", b"/large", b"%%"),
        *(
            b": twist ",
            b": banners /x",
            b": nice",
            b": user root",
            b"*?*",
            b"@",
            b"\xff",
            b": deny",
        ),
    ),
)
COMMAND_FILES = Target(
    "command_file",
    run_command_file,
    lambda: tuple(_command_files()),
    words=(b"'", b'"', b"@", b"-", b"+", b"0x", b"-0", b" 99999999999999999999 ", b"\0", b"\n"),
)
