"""The manual page storescp(1), made from the table of options, in the macros of man(7)."""

from collections.abc import Iterator

from storescp import __version__
from storescp.config.options.rows import Option, Section
from storescp.config.options.table import GROUPS
from storescp.config.usage import IDENTIFICATION, conditions

_HEAD = """\
.\\" Made by `make docs` from the table in src/storescp/config/options/table.py; change that.
.TH STORESCP 1 "" "storescp {version}" "User Commands"
.SH NAME
storescp \\- receive DICOM objects and store them as files
.SH SYNOPSIS
.B storescp
.RI [ option ...]
.RI [ port ]
.SH DESCRIPTION
.B storescp
is a DICOM Storage SCP: scanners, workstations and archives send objects to it with C\\-STORE, and it stores each of them as
a file, complete, before it tells the sender of success. It also answers C\\-ECHO.
.PP
It takes the command line of DCMTK's program of the same name ({reference}), writes the same files under the same names, and
has options of its own, which come last below.
.PP
Options and the
.I port
may stand in any order. Values are arguments of their own, never joined to an option by an equals sign. Of options that
exclude each other silently the rightmost wins. An argument
.BI @ file
is replaced by the arguments in that file: white space separates them, single or double quotes enclose it, and there are
neither escapes nor comments.
.SH PARAMETERS
.TP
.I port
TCP port to listen on, 1 to 65535; required unless
.B \\-\\-inetd
is given.
.SH OPTIONS
"""

_TAIL = """\
.SH EXIT STATUS
.TP
0
A text was printed that an option asks for; or the connection of
.B \\-\\-inetd
was served; or, with
.BR \\-\\-check ,
everything is fine.
.TP
1
The command line is wrong, or what it names cannot be used.
.TP
2
With
.BR \\-\\-check :
it would start, but there are warnings.
.TP
99
With
.BR \\-\\-inetd :
there is no standard input.
.PP
A receiver that listens ends by the signal that asks for it.
.SH SIGNALS
.TP
SIGTERM, SIGINT
Abort the association, leave no partial file, finish the study, and end. The second signal ends at once.
.TP
SIGHUP
Read keys, certificates, revocation lists and lists of allowed peers again, for the connections to come.
.SH ENVIRONMENT
.TP
.B DCMDICTPATH
Data dictionaries in DCMTK's format, separated by colons, in place of the built\\-in one.
.TP
.B TCP_BUFFER_LENGTH
Size of the system's buffers of each connection, in kilobytes.
.TP
.B DCMTK_LOG4CPLUS_LOGLOG_DEBUGENABLED, DCMTK_LOG4CPLUS_LOGLOG_QUIETMODE
Whether reading the logging configuration is told step by step, or mistakes in it are not complained about.
.PP
Commands of
.B \\-\\-exec\\-on\\-reception
and
.B \\-\\-exec\\-on\\-eostudy
find what they are about in variables whose names begin with
.BR STORESCP_ .
.SH FILES
.TP
.I /etc/hosts.allow, /etc/hosts.deny
Rules of
.BR \\-\\-access\\-control ,
hosts_access(5).
.SH EXAMPLES
Receive into a directory, and say what happens:
.PP
.RS
.nf
storescp \\-v \\-od incoming 11112
.fi
.RE
.PP
A directory for each study, a command for each object, and compressed images welcome:
.PP
.RS
.nf
storescp \\-od incoming \\-su study \\-xcr \\(aq./received #p/#f\\(aq +xa 11112
.fi
.RE
.PP
Over TLS, from clients with a certificate of an authority:
.PP
.RS
.nf
storescp +tls server.key server.pem +cf ca.pem \\-od incoming 2762
.fi
.RE
.PP
Look whether that would work, without receiving:
.PP
.RS
.nf
storescp \\-\\-check +tls server.key server.pem +cf ca.pem \\-od incoming 2762
.fi
.RE
.SH SEE ALSO
.BR echoscu (1),
.BR storescu (1),
.BR hosts_access (5),
.BR openssl (1)
"""


def page() -> str:
    """Return the manual page."""
    reference = IDENTIFICATION.strip("$ ").removeprefix("dcmtk: storescp ").split()[0]
    head = _HEAD.format(version=__version__, reference=roff(reference))
    return head + "".join(line + "\n" for line in _options()) + _TAIL


def _options() -> Iterator[str]:
    for group in GROUPS:
        yield f'.SS "{roff(_title(group.title))}"'
        for number, section in enumerate(group.sections):
            if section.title:
                if number:
                    yield ".PP"
                yield f".I {roff(_title(section.title))}"
            yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    for option in section.options:
        yield ".TP"
        yield f".B {roff(', '.join(option_names(option)))}" + values_in_italics(option.values)
        yield roff(_capital(" ".join(option.description.split())) + ".")
        if facts := conditions(option).replace("`", ""):
            yield roff(_capital(facts) + ".")


def option_names(option: Option) -> tuple[str, ...]:
    """Return the names of an option, the short one first."""
    return (option.short, option.long) if option.short else (option.long,)


def values_in_italics(values: str) -> str:
    """Return the values of an option as they stand behind its names."""
    values = roff(" ".join(values.split()))
    return f" \\fI{values}\\fR" if values else ""


def _title(title: str) -> str:
    return _capital(title.removesuffix(":"))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def roff(text: str) -> str:
    """Return text in which nothing means something to the formatter."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace('"', "\\(dq")
    return f"\\&{text}" if text.startswith(".") else text
