"""`--check` finds what would keep the program from starting, or from being of use, and touches nothing."""

import errno
import os
import socket
import subprocess
from pathlib import Path

import pytest

from storescp.compilation import Form
from storescp.reports import check
from storescp.reports.check import Weight
from storescp.serve.process import privileges
from storescp.serve.studies.state_directory import DATABASE, StateDirectory
from tests.peers.servers import our_command, our_environment
from tests.reports.examination import examined, of

PROFILE = """\
[[TransferSyntaxes]]
[Some]
TransferSyntax1 = LittleEndianImplicit
TransferSyntax2 = 1.2.3.77
[[PresentationContexts]]
[Archive]
PresentationContext1 = CTImageStorage\\Some
[[Profiles]]
[Default]
PresentationContexts = Archive
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DCMDICTPATH", raising=False)


def test_everything_is_fine(tmp_path: Path) -> None:
    """Then it is told what would happen, and the exit code is 0."""
    report = examined("-su", "study")
    text = report.text()

    assert report.exit_code == 0
    assert "accepts 202 storage SOP classes and Verification." in text
    assert f"stored below {tmp_path}, in a directory for each study, named by its UID" in text
    assert "Any host may connect." in text
    assert text.endswith("It would start.\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("here", "weight"),
    [(Form.COMPILED, Weight.FINE), (Form.PURE, Weight.FINE), (Form.MIXED, Weight.WARNING)],
)
def test_form(here: Form, weight: Weight, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says whether data sets are read by compiled code; half an installation is worth a warning."""
    monkeypatch.setattr(check, "form", lambda: here)

    report = examined()

    assert f"Data sets are read by {here.value}." in of(report, weight)


def test_port_is_taken() -> None:
    """A port on which somebody listens is an error."""
    with socket.create_server(("0.0.0.0", 0)) as other:
        port = other.getsockname()[1]

        report = examined(port=port)

    assert report.exit_code == 1
    assert of(report, Weight.ERROR) == [
        (
            "Cannot create network: 0006:031c TCP Initialization Error: Address already in use."
            f" Another program listens on port {port}; `ss -lntp` shows which."
        )
    ]
    assert report.text().endswith("It would not start: 1 error, 0 warnings.\n")


def refuse(*_: object) -> None:
    """Do as the system does where port 104 is for root only."""
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_what_this_user_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Privileged ports and directories of others are errors for an ordinary user; the system decides which ports."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(socket.socket, "bind", refuse)
    monkeypatch.setattr(os, "access", lambda *_: False)

    assert of(examined(port=104), Weight.ERROR) == [
        "Cannot listen on port 104, insufficient privileges.",
        f"Specified output directory is not writeable. It is {os.getcwd()} (--output-directory).",
    ]


@pytest.mark.parametrize(
    ("arguments", "weight", "expected"),
    [
        (("-od", "/nowhere"), Weight.ERROR, "Specified output directory does not exist."),
        (("-su", "../up"), Weight.ERROR, "would lead out of the output directory"),
        (("-xf", "/nowhere", "p"), Weight.ERROR, "/nowhere"),
        (("-xf", "profile.cfg", "other"), Weight.ERROR, "Unknown configuration profile name"),
        (("-xf", "profile.cfg", "default"), Weight.FINE, "1 storage SOP class by profile default"),
        (("-xf", "profile.cfg", "default"), Weight.WARNING, "transfer syntax 1.2.3.77"),
        (("-pm",), Weight.FINE, "and whatever nobody knows"),
        (("--refuse",), Weight.WARNING, "Every association would be refused"),
        (("--ignore",), Weight.WARNING, "received and forgotten"),
        (("--min-free-space", "99999999"), Weight.WARNING, "until there are 99999999"),
        (("-xcr", "/bin/true #p"), Weight.FINE, "is there: /bin/true"),
        (("-xcr", "./nothing #p"), Weight.WARNING, "./nothing is not there"),
        (("-xcr", "not-executable #p"), Weight.WARNING, "not-executable is not there or not exec"),
        (("-xcr", "cd #p && ls"), Weight.FINE, "The shell runs the command"),
        (("-xcr", "$TOOL #p"), Weight.FINE, "The shell runs the command"),
        (("-xcr", "'"), Weight.FINE, "The shell runs the command"),
        (("-su", "s", "-xcs", "/no/such"), Weight.WARNING, "--exec-on-eostudy cannot be run"),
        (("--events", "/nowhere/e"), Weight.ERROR, "events to /nowhere/e: No such file"),
        (("--events", "/"), Weight.ERROR, "events to /: Is a directory"),
        (("--events", "/proc/e"), Weight.ERROR, "events to /proc/e: "),
        (("--events", "-"), Weight.FINE, "standard output"),
        (("--http", "0"), Weight.FINE, "is at http://127.0.0.1:0/, for everybody, without names"),
        (("--http", "[::1]:0", "--show-identifiers"), Weight.FINE, "with names of patients"),
        (("--http", "0.0.0.0:0"), Weight.WARNING, "--http-token-file protects it"),
        (("--http", "192.0.2.1:8080"), Weight.ERROR, "at http://192.0.2.1:8080/: Cannot assign"),
        (("--http", "0", "--http-token-file", "/nowhere/t"), Weight.ERROR, "/nowhere/t: No such"),
        (("--inetd",), Weight.FINE, "a super server"),
        (("--allow-calling", "CT1"), Weight.FINE, "Only these calling AE titles are let in: CT1."),
        (("--allow-address", "::1"), Weight.FINE, "addresses are let in: ::1/128."),
        (("--allow-called-file", "not-executable"), Weight.WARNING, "list of called AE titles is empty"),
        (("--allow-called-file", "/nowhere"), Weight.ERROR, "/nowhere"),
        (("-lc", "/nowhere"), Weight.ERROR, "file does not exist: /nowhere"),
    ],
)  # fmt: skip
def test_remarks(arguments: tuple[str, ...], weight: Weight, expected: str) -> None:
    """Each thing that an option names is looked at, and the remark says what is the matter."""
    Path("profile.cfg").write_text(PROFILE)
    Path("not-executable").touch()

    report = examined(*arguments)

    assert any(expected in text for text in of(report, weight)), report.text()
    assert (
        report.exit_code
        == {Weight.FINE: report.exit_code, Weight.WARNING: 2, Weight.ERROR: 1}[weight]
    )


@pytest.mark.parametrize("may_write", [True, False])
def test_user(monkeypatch: pytest.MonkeyPatch, *, may_write: bool) -> None:
    """Whoever receives must be able to write: that is tried by a process that has become the user."""
    here = os.getpid()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(privileges, "become", lambda _: None)
    monkeypatch.setattr(os, "access", lambda *_: os.getpid() == here or may_write)

    report = examined("--user", "4444:44")

    assert "It becomes user 4444 once the port is open." in of(report, Weight.FINE)
    expected = f"User 4444 may not write to the output directory {os.getcwd()}."
    assert of(report, Weight.ERROR) == ([] if may_write else [expected])


def test_users_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """One who does not exist is an error; so is any other for whoever is not root."""
    assert any(
        "there is no user" in text for text in of(examined("--user", "no-such"), Weight.ERROR)
    )

    nowhere = examined("--user", f"{os.geteuid()}:{os.getegid()}", "-od", "nowhere")
    assert of(nowhere, Weight.ERROR) == [
        (
            "Specified output directory does not exist."
            f" It is {os.path.abspath('nowhere')} (--output-directory)."
        )
    ]

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "Only root can become user 4444." in of(examined("--user", "4444:44"), Weight.ERROR)


def test_little_space(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is nearly full, or has no inodes left, is a warning."""
    fields = list(os.statvfs("."))
    fields[1], fields[4], fields[5], fields[7] = (
        4096,
        1000,
        100,
        0,
    )  # f_frsize, f_bavail, f_files, f_favail
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(fields))

    warnings = of(examined(), Weight.WARNING)

    assert warnings[0].startswith("Only 0.0 GB are free in ")
    assert warnings[1].endswith("the file system has no inodes left.")


def test_dictionaries(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the start would say about data dictionaries is said."""
    monkeypatch.setenv("DCMDICTPATH", "/no/dictionary")

    report = examined()

    assert "DcmDataDictionary: Cannot open file: /no/dictionary." in of(report, Weight.WARNING)


@pytest.mark.parametrize(
    ("allow", "deny", "fate"),
    [
        ("storescp: 10.0.0.1\n", "storescp: ALL\n", "refused"),
        ("storescp: 10.0.0.1\n", "", "let in"),
        ("ALL: ALL\n", "storescp: ALL\n", "let in"),
    ],
)
def test_host_rules(allow: str, deny: str, fate: str) -> None:
    """The rules are counted, and it is told what becomes of a host that none of them names."""
    Path("allow").write_text(allow)
    Path("deny").write_text(deny)

    report = examined("+ac", "--hosts-allow", "allow", "--hosts-deny", "deny")

    assert report.exit_code == 0
    assert (
        of(report, Weight.FINE)[-1] == f"A host that no rule names, such as 192.0.2.1, is {fate}."
    )


def test_state_directory(tmp_path: Path) -> None:
    """It is free, in use by another receiver, or cannot be had; nothing is made."""
    for path in ("state", "a/b/state"):
        free = examined("--state-directory", path, "-su", "s")
        assert f"What is known of studies is kept in {tmp_path}/{path}." in of(free, Weight.FINE)
        assert not list(tmp_path.iterdir())

    taken = StateDirectory("state")
    used = examined("--state-directory", "state", "-su", "s")
    taken.close()
    assert f"State directory {tmp_path}/state is in use by another receiver." in of(
        used, Weight.ERROR
    )
    assert examined("--state-directory", "state", "-su", "s").exit_code == 0


@pytest.mark.parametrize("path", ["file", "file/state", "/proc/x", "/proc/x/y", "/dev/null"])
def test_state_directories_that_cannot_be_had(path: str) -> None:
    """Whatever the start would say of it, the check says."""
    Path("file").touch()

    report = examined("--state-directory", path, "-su", "s")

    errors = of(report, Weight.ERROR)
    assert len(errors) == 1
    assert errors[0].startswith(f"Cannot use state directory {os.path.abspath(path)}: ")


def test_a_state_that_cannot_be_read(tmp_path: Path) -> None:
    """What an earlier start has left is opened, too."""
    StateDirectory("state").close()
    (tmp_path / "state" / DATABASE).write_bytes(b"no database" * 1000)

    report = examined("--state-directory", "state", "-su", "s")

    assert report.exit_code == 1
    assert DATABASE in of(report, Weight.ERROR)[0]


def test_wrong_host_rules(tmp_path: Path) -> None:
    """Mistakes are found in all rules, not only in those that concern somebody; no command of theirs is run."""
    Path("allow").write_text(
        f"# comment\nsshd: ALL: nonsense\nstorescp: 10.0.0.1: nonsense\n"
        f"storescp: ALL: spawn touch {tmp_path}/ran\nstorescp\nstorescp: 10.0.0.2"
    )

    report = examined("+ac", "--hosts-allow", "allow", "--hosts-deny", "nothing")
    warnings = of(report, Weight.WARNING)

    assert report.exit_code == 2
    assert "line 3" in warnings[0]
    assert 'missing ":" separator' in warnings[1]
    assert "missing newline" in warnings[2]
    assert "all the subsequent rules" in warnings[3]
    assert warnings[4].startswith(f"There is no file {tmp_path}/nothing, ")
    assert not Path("ran").exists()
    assert not any("192.0.2.1" in text for text in of(report, Weight.FINE))  # the command decides


def test_log_configuration(tmp_path: Path) -> None:
    """Where the log goes is told, mistakes are found, and no log file is made."""
    Path("log.cfg").write_text(
        "log4cplus.rootLogger = INFO, A, B, C\n"
        "log4cplus.appender.A = log4cplus::FileAppender\nlog4cplus.appender.A.File = a.log\n"
        "log4cplus.appender.B = log4cplus::FileAppender\nlog4cplus.appender.B.File = no/b.log\n"
    )

    report = examined("-lc", "log.cfg")

    assert f"The log goes to {tmp_path}/a.log." in of(report, Weight.FINE)
    warnings = of(report, Weight.WARNING)
    assert warnings[0].endswith("Invalid appender: C")
    assert warnings[1] == f"The log cannot go to {tmp_path}/no/b.log, which cannot be opened."
    assert not Path("a.log").exists()


# -- TLS ---------------------------------------------------------------------------------------------------------------


# -- the program -------------------------------------------------------------------------------------------------------


def run(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*our_command(), *arguments],
        capture_output=True,
        text=True,
        env=our_environment(),
        cwd=directory,
        stdin=subprocess.DEVNULL,
        timeout=30,
        check=False,
    )


def test_exit_codes(tmp_path: Path) -> None:
    """0: it would start; 1: it would not; 2: it would, with warnings. A usage error is one as always."""
    fine = run("--check", "--inetd", "-v", "-d", directory=tmp_path)
    warned = run("--check", "--inetd", "--ignore", directory=tmp_path)
    failed = run("--check", "--inetd", "-od", "nowhere", directory=tmp_path)
    misspelt = run("--check", "--fork", "--inetd", "11112", directory=tmp_path)
    portless = run("--check", directory=tmp_path)

    codes = [process.returncode for process in (fine, warned, failed, misspelt, portless)]
    assert codes == [0, 2, 1, 1, 1]
    assert not fine.stderr
    assert not failed.stderr
    assert "error: --inetd not allowed with --fork\n" in misspelt.stderr
    assert "Missing parameter port" in portless.stderr
    assert not list(tmp_path.iterdir())
