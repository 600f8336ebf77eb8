"""The same messages through the same configuration file: DCMTK's storescp and our logging write the same."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.peers.servers import dcmtk
from tests.peers.tools import require_tool

PATTERNS = [
    "%p %P %c %m%n",
    "[%5p][%-5p][%.2p][%9.2p][%020p]%n",
    "[%c{1}][%c{2}][%c{0}][%c{9}][%c{x}][%c{-1}][%c{1x}][%c{}]%n",
    "[%20.3m][%-30m]%n",
    "[%x][%X{key}][%%][%h]%n",
    "%y %m%n",
    "[%-5.3y] [%5k] %m%n",
    "%.m|%5.x%m%n",
    "[%5%][%-.2%][%5-p][%--9p]%n",
    "%m%n%5",
    "%m%n%5.",
    "%m%n%",
    "%%%p%%%n",
    "\\t%p{foo}%m{9}[%n{x}]%n",
    "",
    "%m${APPLICATION}${nowhere}%n",
    "%m${nowhere%n",
    "%m${log4cplus.rootLogger}%n",
]
FILTERS = [
    "1=SPIDenyAllFilter",
    "1=SPILogLevelMatchFilter\n1.LogLevelToMatch=Info",
    "1=SPILogLevelMatchFilter\n1.LogLevelToMatch=INFO\n1.AcceptOnMatch=true\n2=SPIDenyAllFilter",
    "1=SPILogLevelMatchFilter\n1.LogLevelToMatch=nonsense\n1.AcceptOnMatch=true",
    "1=SPILogLevelRangeFilter\n1.LogLevelMin=INFO",
    "1=SPILogLevelRangeFilter\n1.LogLevelMax=DEBUG\n1.AcceptOnMatch=1\n2=SPIDenyAllFilter",
    "1=SPILogLevelRangeFilter\n1.logLevelMin=INFO\n1.LogLevelMin=nonsense",
    "1=SPIStringMatchFilter\n1.StringToMatch=Echo",
    "1=SPIStringMatchFilter\n1.StringToMatch=Echo\n1.AcceptOnMatch=true\n2=SPIDenyAllFilter",
    "1=SPIStringMatchFilter\n1.StringToMatch=\n2=SPINonsense\n3=SPIDenyAllFilter",
    "2=SPIDenyAllFilter",
]
OTHERS = [
    "Threshold=INFO",
    "Threshold=nonsense",
    "layout=log4cplus::Nonsense\nThreshold=FATAL",
    "layout=log4cplus::PatternLayout",
    "layout=log4cplus::PatternLayout\nlayout.Pattern=<%m>%n",
    "layout=log4cplus::PatternLayout\nlayout.FormatEachLine=false\nlayout.ConversionPattern=%p %m%n",
    "Append=true\nImmediateFlush=false\nBufferSize=5",
    "UseLockFile=true",
]

RAW = "%c\x1f%p\x1f%m\x1e%n"
"""Tells the messages of the reference, with several lines in one, so that they can be said again."""

REPLAY = """
import logging, sys
from storescp.log import levels, setup
sys.argv[0] = "/usr/bin/storescp"
setup.configure(setup.LogSettings(configuration_file=sys.argv[1]))
for message in sys.stdin.read().split("\\x1e\\n")[:-1]:
    logger, level, text = message.split("\\x1f")
    logging.getLogger(logger).log(levels.level_named(level), "%s", text)
"""


def appender(name: str, properties: str, class_name: str = "FileAppender") -> str:
    lines = [
        f"log4cplus::{class_name}",
        f".File={name}",
        *(f".{p}" for p in properties.split("\n")),
    ]
    prefix = f"log4cplus.appender.{name}"
    return "\n".join([f"{prefix}={lines[0]}", *(prefix + line for line in lines[1:])])


def configuration() -> str:
    """Return one file with an appender for each case, each with a log file of its own."""
    pattern = "layout=log4cplus::PatternLayout\nlayout.ConversionPattern="
    cases = {
        "raw": f"{pattern}{RAW}\nlayout.FormatEachLine=false",
        **{f"pattern{n:02}": pattern + text for n, text in enumerate(PATTERNS)},
        **{f"other{n:02}": text for n, text in enumerate(OTHERS)},
    }
    for number, text in enumerate(FILTERS):
        lines = text.replace("SPI", "log4cplus::spi::").split("\n")
        cases[f"filter{number:02}"] = "\n".join(f"filters.{line}" for line in lines)
    return "\n".join(
        [
            f"log4cplus.rootLogger = DEBUG, {', '.join(cases)}, nobody, rolled",
            *(appender(name, text) for name, text in cases.items()),
            appender("rolled", f"MaxFileSize=1\n{pattern}%m%n", "RollingFileAppender"),
            # Loggers: own levels, own appenders, with and without those of the ancestors.
            appender("net", f"{pattern}%c %m%n"),
            appender("app", f"{pattern}%c %m%n"),
            "log4cplus.logger.dcmtk.dcmnet = INHERITED, net",
            "log4cplus.additivity.dcmtk.dcmnet = true",
            "log4cplus.logger.dcmtk.apps = INFO",
            "log4cplus.logger.dcmtk.apps.storescp = ,app,,",
            "log4cplus.logger.dcmtk.dcmdata =",
            "log4cplus.appender.funny = log4cplus::FunnyAppender",
            "log4cplus.appender.bad = log4cplus::FileAppender",
            "log4cplus.appender.bad.File = /nonexistent/log",
            "APPLICATION = ${appname}",
            "",
        ]
    )


@pytest.mark.interop
def test_same_messages_give_same_files(tmp_path: Path) -> None:
    """Each appender's file is equal, byte by byte, and so are the complaints about the configuration."""
    reference, ours = tmp_path / "reference", tmp_path / "ours"
    ours.mkdir()
    text = configuration()
    (tmp_path / "log.cfg").write_text(text)

    with dcmtk(reference, ["-lc", str(tmp_path / "log.cfg")]) as server:
        subprocess.run([require_tool("echoscu"), "127.0.0.1", str(server.port)], check=True)
        # `rolled` is the last appender to get a message.
        while "Association Release" not in (reference / "rolled").read_text():
            time.sleep(0.01)
        server.stop()
        complaints = server.errors()
    result = subprocess.run(
        [sys.executable, "-c", REPLAY, str(tmp_path / "log.cfg")],
        input=(reference / "raw").read_text(),
        cwd=ours,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3] / "src")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert complaints == result.stderr
    assert logs_in(reference) == logs_in(ours)
    assert len(logs_in(ours)) > len(PATTERNS) + len(FILTERS) + len(OTHERS)


def logs_in(directory: Path) -> dict[str, str]:
    """Return the log files. A buffer that was lost when the reference was killed is none of our business."""
    lost = {f"other{OTHERS.index(text):02}" for text in OTHERS if "ImmediateFlush=false" in text}
    return {
        path.name: re.sub(r"\r", "", path.read_text())
        for path in sorted(directory.iterdir())
        if path.is_file() and path.name not in {"stdout.txt", "stderr.txt", *lost}
    }
