"""Configuration files put into force."""

import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storescp.errors import ConfigurationError
from storescp.log import setup
from storescp.log.levels import LogLevel
from storescp.log.log4cplus import configuration
from storescp.log.log4cplus.diagnostics import Diagnostics
from tests.log.logging_state import event, restored_logging, run_python

CONSOLE = """
log4cplus.appender.c = log4cplus::ConsoleAppender
log4cplus.appender.c.logToStdErr = true
log4cplus.appender.c.ImmediateFlush = true
log4cplus.appender.c.layout = log4cplus::PatternLayout
log4cplus.appender.c.layout.ConversionPattern = %P %c{1} %m%n
"""
HOWTO = Path(__file__).resolve().parents[3] / "docs" / "howto-logging.md"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    with restored_logging():
        yield


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["/usr/bin/storescp"])


def configure(text: str) -> None:
    Path("log.cfg").write_text(text)
    setup.configure(setup.LogSettings(level=LogLevel.FATAL, configuration_file="log.cfg"))


def say(text: str, level: int = LogLevel.INFO, logger: str = "dcmtk.apps.storescp") -> None:
    logging.getLogger(logger).log(level, text)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("I storescp x\nW dcmnet x\n", "log4cplus.rootLogger = INFO, c"),
        ("I storescp x\nW dcmnet x\n", "log4cplus.rootLogger=info,c,,"),
        ("W dcmnet x\n", "log4cplus.rootLogger = WARN, c"),
        ("", "log4cplus.rootLogger = OFF, c"),
        (
            "D storescp x\nI storescp x\nD dcmnet x\nW dcmnet x\n",
            "log4cplus.rootLogger = ALL, c",
        ),
        # a level is tested only where an event enters
        (
            "D storescp x\nI storescp x\n",
            "log4cplus.rootLogger = ERROR, c\nlog4cplus.logger.dcmtk.apps = DEBUG",
        ),
        # no level of its own: that of the nearest ancestor
        (
            "I storescp x\nW dcmnet x\n",
            "log4cplus.rootLogger = INFO, c\nlog4cplus.logger.dcmtk.dcmnet = INHERITED",
        ),
        # appenders of a logger and of its ancestors get it
        (
            "I storescp x\nW dcmnet x\nW dcmnet x\n",
            "log4cplus.rootLogger = INFO, c\nlog4cplus.logger.dcmtk.dcmnet = INHERITED, c, c",
        ),
        # until one is not additive
        (
            "I storescp x\nW dcmnet x\n",
            "log4cplus.rootLogger=INFO,c\nlog4cplus.logger.dcmtk.dcmnet=,c\nlog4cplus.additivity.dcmtk.dcmnet=false",
        ),
        (
            "I storescp x\nW dcmnet x\nW dcmnet x\n",
            "log4cplus.rootLogger=INFO,c\nlog4cplus.logger.dcmtk.dcmnet=,c\nlog4cplus.additivity.dcmtk.dcmnet=nonsense",
        ),
        # the root logger has no other name
        (
            "I storescp x\nW dcmnet x\n",
            "log4cplus.rootLogger = INFO, c\nlog4cplus.logger.root = FATAL\nlog4cplus.logger. = FATAL",
        ),
    ],
)
def test_levels_and_appenders_of_loggers(
    expected: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Levels, inheritance and additivity are those of the reference."""
    configure(text + CONSOLE)

    for logger in ("dcmtk.apps.storescp", "dcmtk.dcmnet"):
        say("x", LogLevel.DEBUG, logger)
        say("x", LogLevel.INFO if "apps" in logger else LogLevel.WARN, logger)

    assert tuple(capsys.readouterr()) == ("", expected)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (
            "PropertyConfigurator::configureLogger()- Invalid appender: nobody",
            "log4cplus.rootLogger = INFO, nobody, c",
        ),
        (
            "PropertyConfigurator::configureLogger()- Invalid appender: \tc",
            "log4cplus.rootLogger = INFO, \tc, c",
        ),
        (
            "PropertyConfigurator::configureAppenders()- Cannot find AppenderFactory: log4cplus::Funny",
            "log4cplus.rootLogger = INFO, c\nlog4cplus.appender.x = log4cplus::Funny",
        ),
        (
            'PropertyConfigurator::configureLogger()- Invalid config string(Logger = dcmtk.x): ""',
            "log4cplus.rootLogger = INFO, c\nlog4cplus.logger.dcmtk.x = ",
        ),
    ],
)
def test_mistakes_are_complained_about(
    expected: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong is left out, the rest works."""
    configure(text + CONSOLE)

    say("x")

    assert capsys.readouterr().err == f"log4cplus:ERROR {expected}\nI storescp x\n"


def test_empty_root_logger_keeps_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    """A root logger without value goes on as before the file was read: standard error, level INFO."""
    configure("log4cplus.rootLogger =")

    say("x")
    say("x", LogLevel.DEBUG)

    assert capsys.readouterr().err == (
        "log4cplus:ERROR PropertyConfigurator::configureLogger()-"
        ' Invalid config string(Logger = root): ""\nI: x\n'
    )


@pytest.mark.parametrize("value", ["VERBOSE, c", ", c", "INHERITED, c", "NOTSET"])
def test_what_is_no_level_of_the_root_logger(value: str) -> None:
    """The error names it."""
    with pytest.raises(ConfigurationError, match="rootLogger has no valid level"):
        configuration.check_root_level(value)


def test_root_logger_needs_a_level(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without level the root logger is refused, and nothing of the file is done."""
    monkeypatch.setattr(configuration, "level_named", lambda _: None)

    with pytest.raises(ConfigurationError, match="rootLogger has no valid level"):
        configure(
            "log4cplus.rootLogger = INFO, f\nlog4cplus.appender.f = log4cplus::FileAppender\n"
            "log4cplus.appender.f.File = made"
        )
    say("x", LogLevel.FATAL)

    assert capsys.readouterr().err == "F: x\n"
    assert not Path("made").exists()


def test_variables_refer_to_the_program(tmp_path: Path) -> None:
    """Name of the program, date, time, process and host can be used, and not redefined."""
    configure(
        "pid = 1\nlog4cplus.rootLogger = INFO, f\nlog4cplus.appender.f = log4cplus::FileAppender\n"
        "log4cplus.appender.f.File = ${appname}-${pid}-${hostname}-${date}.log"
    )

    names = [path.name for path in tmp_path.iterdir() if path.suffix == ".log"]
    assert names == [f"storescp-{os.getpid()}-{os.uname().nodename}-{time.strftime('%Y%m%d')}.log"]


def test_predefined_variables() -> None:
    """Date and time are written in digits."""
    now = time.strptime("2026-01-02 03:04:05", "%Y-%m-%d %H:%M:%S")

    variables = configuration.predefined("storescp", now)

    assert (variables["date"], variables["time"]) == ("20260102", "030405")


def test_appenders_that_nobody_uses_are_made_and_closed() -> None:
    """An appender makes its file even if no logger has it."""
    configure(
        "log4cplus.rootLogger = INFO\nlog4cplus.appender.f = log4cplus::FileAppender\n"
        "log4cplus.appender.f.File = unused.log"
    )

    assert Path("unused.log").read_text() == ""
    opened = [os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
    assert os.path.realpath("unused.log") not in opened


def test_settings_of_the_library_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """`configDebug` tells what is set up, `quietMode` suppresses complaints while the file is processed."""
    configure(
        "log4cplus.configDebug = true\nlog4cplus.rootLogger = INFO, c\nlog4cplus.logger.dcmtk.x = WARN"
        + CONSOLE
    )
    told = capsys.readouterr().out
    configure("log4cplus.quietMode = true\nlog4cplus.rootLogger = INFO, nobody")

    assert told == (
        "log4cplus: appender c: log4cplus::ConsoleAppender\n"
        "log4cplus: logger root: INFO, c\n"
        "log4cplus: logger dcmtk.x: WARN\n"
    )
    assert tuple(capsys.readouterr()) == ("", "")


def test_complaints_fall_silent_with_the_root_level(capsys: pytest.CaptureFixture[str]) -> None:
    """A root level above ERROR silences later complaints, not those about the file."""
    configure(
        "log4cplus.rootLogger = FATAL, f, nobody\nlog4cplus.appender.f = log4cplus::FileAppender\n"
        "log4cplus.appender.f.File = /dev/full"
    )
    say("x", LogLevel.FATAL)

    assert capsys.readouterr().err == (
        "log4cplus:ERROR PropertyConfigurator::configureLogger()- Invalid appender: nobody\n"
    )


def test_quiet_mode_can_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An environment variable suppresses complaints until the file has been processed."""
    monkeypatch.setenv("DCMTK_LOG4CPLUS_LOGLOG_QUIETMODE", "true")

    configure("log4cplus.rootLogger = INFO, nobody")

    assert tuple(capsys.readouterr()) == ("", "")


def test_events_without_appender_are_complained_about_once(tmp_path: Path) -> None:
    """The first event that finds no appender is worth a complaint, and Python's own last resort is silent."""
    (tmp_path / "log.cfg").write_text("log4cplus.rootLogger = INFO")

    printed = run_python(
        """
        import logging
        from storescp.log import setup
        sys.stderr = sys.stdout
        setup.configure(setup.LogSettings(configuration_file="log.cfg"))
        logging.getLogger("dcmtk.apps.storescp").error("one")
        logging.getLogger("dcmtk.dcmnet").error("two")
        """
    )

    assert printed == (
        "log4cplus:ERROR No appenders could be found for logger (dcmtk.apps.storescp).\n"
        "log4cplus:ERROR Please initialize the log4cplus system properly.\n"
    )


def test_announcement_goes_to_the_configured_appenders(capsys: pytest.CaptureFixture[str]) -> None:
    """`--arguments` is printed by the appenders of the root logger, whatever its level."""
    configure("log4cplus.rootLogger = ERROR, c" + CONSOLE)

    setup.announce("calling")

    assert tuple(capsys.readouterr()) == ("", "I root calling\n")


def test_progress_follows_the_file() -> None:
    """The level of the progress logger can be set apart, as sample files do."""
    configure("log4cplus.rootLogger = DEBUG\nlog4cplus.logger.dcmtk.apps.storescp.progress = INFO")

    assert setup.progress_enabled()


@pytest.mark.parametrize("name", ["logger.cfg", "filelog.cfg"])
@pytest.mark.interop
def test_sample_files_of_the_reference_work(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The files that come with DCMTK can be used as they are."""
    sample = Path("/etc/dcmtk") / name
    # A system without DCMTK gets the same settings, without the comments.
    text = sample.read_text() if sample.exists() else SAMPLES[name]

    configure(text)
    say("to the file only", LogLevel.DEBUG)
    say("to both", LogLevel.ERROR)
    setup.reset()

    out, err = capsys.readouterr()
    assert err == ""
    # `logToStderr` in these files is no property, so the console is standard output
    assert re.fullmatch(r"\d\d:\d\d:\d\d ERROR: to both\n", out)
    lines = (tmp_path / "storescp.log").read_text().splitlines()
    assert [line[23:] for line in lines] == {
        "logger.cfg": [" DEBUG: to the file only", " ERROR: to both"],
        "filelog.cfg": [" DEBUG - storescp - to the file only", " ERROR - storescp - to both"],
    }[name]


@pytest.mark.parametrize("name", ["logger.cfg", "filelog.cfg"])
def test_settings_of_the_sample_files(name: str, tmp_path: Path) -> None:
    """What those files set up works, wherever they are from."""
    configure(SAMPLES[name])
    say("x", LogLevel.DEBUG)
    setup.reset()

    assert (tmp_path / "storescp.log").read_text().endswith("x\n")


SAMPLES = {
    "logger.cfg": """
log4cplus.rootLogger = DEBUG, console, logfile
log4cplus.appender.console = log4cplus::ConsoleAppender
log4cplus.appender.console.Threshold = INFO
log4cplus.appender.console.logToStderr = true
log4cplus.appender.console.ImmediateFlush = true
log4cplus.appender.console.layout = log4cplus::PatternLayout
log4cplus.appender.console.layout.ConversionPattern = %D{%H:%M:%S} %5p: %m%n
log4cplus.appender.logfile = log4cplus::FileAppender
log4cplus.appender.logfile.File = ${appname}.log
log4cplus.appender.logfile.Append = true
log4cplus.appender.logfile.ImmediateFlush = true
log4cplus.appender.logfile.layout = log4cplus::PatternLayout
log4cplus.appender.logfile.layout.ConversionPattern = %D{%Y-%m-%d %H:%M:%S.%q} %5p: %m%n
log4cplus.logger.dcmtk.apps.storescp.progress = INFO
log4cplus.logger.dcmtk.dcmnet.responses = INFO
""",
    "filelog.cfg": """
log4cplus.rootLogger = DEBUG, console, logfile
log4cplus.appender.console = log4cplus::ConsoleAppender
log4cplus.appender.console.Threshold = ERROR
log4cplus.appender.console.logToStderr = true
log4cplus.appender.console.ImmediateFlush = true
log4cplus.appender.console.layout = log4cplus::PatternLayout
log4cplus.appender.console.layout.ConversionPattern = %D{%H:%M:%S} %5p: %m%n
log4cplus.appender.logfile = log4cplus::RollingFileAppender
log4cplus.appender.logfile.File = ${appname}.log
log4cplus.appender.logfile.Append = true
log4cplus.appender.logfile.ImmediateFlush = true
log4cplus.appender.logfile.MaxFileSize = 5MB
log4cplus.appender.logfile.MaxBackupIndex = 10
log4cplus.appender.logfile.layout = log4cplus::PatternLayout
log4cplus.appender.logfile.layout.ConversionPattern = %D{%Y-%m-%d %H:%M:%S.%q} %5p - %-8c{1} - %m%n
""",
}


def test_example_of_the_documentation(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The example in the how-to does what the text around it says."""
    (example,) = re.findall(r"```properties\n(.*?)```", HOWTO.read_text(), re.DOTALL)
    configure(example.replace("/var/log/storescp", str(tmp_path)))

    say("Association Received")
    say("DICOM file already exists", LogLevel.WARN)
    say("detail", LogLevel.DEBUG, "dcmtk.dcmnet")
    say("detail", LogLevel.DEBUG, "dcmtk.dcmdata")
    setup.reset()

    assert capsys.readouterr().err == "W: DICOM file already exists\n"
    lines = (tmp_path / "storescp.log").read_text().splitlines()
    assert [line[24:] for line in lines] == [
        f"{os.getpid()}  INFO dcmtk.apps.storescp Association Received",
        f"{os.getpid()}  WARN dcmtk.apps.storescp DICOM file already exists",
    ]
    assert (tmp_path / "network.log").read_text().endswith(" DEBUG detail\n")


def test_no_appender_takes_events_directly(capsys: pytest.CaptureFixture[str]) -> None:
    """The last resort complains about the first event only."""
    handler = configuration.NoAppender(Diagnostics())

    handler.handle(event(logger="a"))
    handler.handle(event(logger="b"))

    assert capsys.readouterr().err.splitlines() == [
        "log4cplus:ERROR No appenders could be found for logger (a).",
        "log4cplus:ERROR Please initialize the log4cplus system properly.",
    ]
