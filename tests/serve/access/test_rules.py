"""Decisions about clients by rule files."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from storescp.serve.access.rules import (
    AccessDecision,
    Client,
    FileTooLarge,
    RuleEnvironment,
    decide,
)
from tests.peers.tools import require_tool

VECTORS = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "data/access_rules.jsonl").read_text().splitlines()
]
PATTERN_FILES = {
    "LIST1": b"10.1.  .example.org\n\n192.0.2.0/24 # not a comment\nbadhost.example.net\n",
    "LIST2": b"ALL EXCEPT 10.1.\n",
    "LIST3": b"# 10.1.2.3\n",
}
PACS = Client("pacs.example.org", "10.1.2.3")
DENY_ALL = b"ALL: ALL\n"


class System:
    """Files in memory, commands that leave with a known status, one netgroup."""

    def __init__(self, files: Mapping[str, bytes | None]) -> None:
        self.files = files
        self.commands: list[tuple[bytes, dict[bytes, bytes]]] = []
        self.reads: list[str] = []

    def read(self, path: str) -> bytes:
        self.reads.append(path)
        if "\0" in path:
            raise ValueError("embedded null byte")
        if path == "/secret":
            raise PermissionError(13, "Permission denied", path)
        if path == "/large":
            raise FileTooLarge(27, "larger than 5 bytes", path)
        data = self.files.get(path)
        if data is None:
            raise FileNotFoundError(2, "No such file or directory", path)
        return data

    def run(self, command: bytes, environment: Mapping[bytes, bytes]) -> int:
        self.commands.append((command, dict(environment)))
        if command == b"slow":
            raise TimeoutError(110, "killed after 10 s")
        return {b"/bin/true": 0, b"/bin/false": 1}.get(command, 0)

    def in_netgroup(self, group: bytes, host: bytes) -> bool:
        return (group, host) == (b"modalities", b"ct1.example.org")

    def decide(self, client: Client = PACS) -> AccessDecision:
        return decide(
            client,
            "hosts.allow",
            "hosts.deny",
            RuleEnvironment(self.read, self.run, self.in_netgroup),
        )


def system(
    allow: bytes | None, deny: bytes | None = DENY_ALL, files: Mapping[str, bytes] | None = None
) -> System:
    return System({"hosts.allow": allow, "hosts.deny": deny, **(files or {})})


def expand(text: str | None) -> bytes | None:
    """Undo the shortening of repetitions: {3*x} is xxx."""
    if text is None:
        return None
    text = re.sub(r"\{(\d+)\*([^}]*)\}", lambda found: found[2] * int(found[1]), text)
    return re.sub("LIST[123]|MISSING", lambda found: "/" + found[0], text).encode()


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["id"] for vector in VECTORS])
def test_vectors(vector: dict[str, object]) -> None:
    """What TCP wrappers decided, and complained about, is decided here."""
    allow, deny, name, address = (vector[key] for key in ("allow", "deny", "name", "address"))
    assert all(isinstance(text, str | None) for text in (allow, deny, name, address))
    rules = system(
        expand(allow if isinstance(allow, str) else None),
        expand(deny if isinstance(deny, str) else None),
        {"/" + path: data for path, data in PATTERN_FILES.items()},
    )

    decision = rules.decide(Client(str(name), str(address)))

    assert decision.granted is vector["granted"]
    complaints = [text for text in decision.complaints if "has no effect" not in text]
    assert complaints == vector["complaints"]


def test_files_are_read_at_every_decision() -> None:
    """Changed rules count at once."""
    rules = system(b"")
    assert not rules.decide().granted

    rules.files = {"hosts.allow": b"storescp: 10.1.\n", "hosts.deny": DENY_ALL}

    assert rules.decide().granted


def test_unreadable_files_are_empty() -> None:
    """A file that cannot be read counts as empty, with a complaint."""
    rules = system(b"storescp: /secret\n")
    assert rules.decide().complaints == (
        "warning: hosts.allow, line 1: open /secret: Permission denied",
    )

    decision = decide(
        PACS, "/secret", "/secret", RuleEnvironment(rules.read, rules.run, rules.in_netgroup)
    )

    assert decision == AccessDecision(
        granted=True, complaints=("warning: cannot open /secret: Permission denied",) * 2
    )


@pytest.mark.parametrize("allow", [b"storescp: /large\n", b"storescp: ALL EXCEPT /large\n"])
def test_files_that_are_too_large_refuse(allow: bytes) -> None:
    """Rules that are too large to be understood let nobody in."""
    rules = system(allow, None)
    assert rules.decide() == AccessDecision(
        granted=False, complaints=("error: hosts.allow, line 1: /large: larger than 5 bytes",)
    )

    decision = decide(
        PACS, "/large", "x", RuleEnvironment(rules.read, rules.run, rules.in_netgroup)
    )

    assert decision == AccessDecision(
        granted=False, complaints=("error: /large: larger than 5 bytes",)
    )


def test_netgroups() -> None:
    """A netgroup is asked for the client's name."""
    rules = system(b"storescp: @modalities\n")

    assert rules.decide(Client("ct1.example.org", "10.1.2.3")).granted
    assert not rules.decide(Client("ct2.example.org", "10.1.2.3")).granted


@pytest.mark.parametrize(
    ("words", "granted"),
    [
        (b"x /b", True),
        (b"/b", True),
        (b"ALL@10.1.", False),
        (b"/a", False),
        (b"/a /a 10.1.2.3", True),
        (b"10.1.2.3,", False),
        (b"x" * 9000 + b" 10.1.2.3", True),
        (b"/none /c", False),
    ],
)
def test_pattern_files(words: bytes, granted: bool) -> None:
    """Words of a file are patterns; files may name further files, and themselves to no effect."""
    rules = system(b"storescp: /a\n", files={"/a": words, "/b": b"/c\n10.1.2.", "/c": b"/b /a"})
    rules.files = {**rules.files, "/b": b"/c\n10.1.2.3" if granted else b"/c"}

    assert rules.decide().granted is granted


def test_pattern_files_that_include_each_other_are_read_once() -> None:
    """A web of files is read file by file, however often it is named."""
    files = {f"/{n}": b" ".join(b"/%d" % m for m in range(60)) for n in range(60)}
    line = b"storescp: " + b" ".join(b"/%d" % n for n in range(60)) + b" EXCEPT /1 /2\n"
    rules = system(line * 20, files=files)

    assert not rules.decide().granted
    assert len(rules.reads) == 62


def test_a_file_found_through_another_one_matches_by_itself() -> None:
    """What one file of a chain was found to be does not spoil the others."""
    files = {"/a": b"/b", "/b": b"/c", "/c": b"10.1.2.3"}
    rules = system(b"storescp: ALL EXCEPT /a EXCEPT /b\n", None, files)

    assert rules.decide().granted
    assert not system(b"storescp: /x /b: deny\n", None, files).decide().granted


EXPANSIONS = b"%a %n %h %c %d %s %u %A %N %H %r %R %% %z"


@pytest.mark.parametrize(
    ("client", "expanded"),
    [
        (PACS, b"10.1.2.3 pacs.example.org pacs.example.org pacs.example.org"),
        (Client("unknown", "10.1.2.3"), b"10.1.2.3 unknown 10.1.2.3 10.1.2.3"),
        (Client("", "10.1.2.3"), b"10.1.2.3 unknown 10.1.2.3 10.1.2.3"),
        (Client("ho$st;`x'", "::1"), b"::1 ho_st__x_ ho_st__x_ ho_st__x_"),
        (Client("a\udcffb", "::1"), b"::1 a_b a_b a_b"),
    ],
)
def test_expansion(client: Client, expanded: bytes) -> None:
    """Commands learn who the client is; no character of its name means anything to a shell."""
    rules = system(b"storescp: ALL: spawn log " + EXPANSIONS + b"\n")

    decision = rules.decide(client)

    rest = b" storescp storescp unknown unknown unknown unknown 0 0 %"
    assert rules.commands == [(b"log " + expanded + rest, {})]
    assert decision == AccessDecision(
        granted=True, complaints=("warning: hosts.allow, line 1: unrecognized %z",)
    )


def test_expansions_are_bounded() -> None:
    """A command that grows beyond all limits refuses."""
    rules = system(b"storescp: ALL: spawn x" + b"%n" * 900 + b"\n", None)

    decision = rules.decide(Client("a" * 200, "10.1.2.3"))

    assert decision == AccessDecision(
        granted=False,
        complaints=(f"error: hosts.allow, line 1: percent_x: expansion too long: x{'a' * 29}...",),
    )


def test_variables_are_for_commands() -> None:
    """A variable is set for the commands behind it in its rule."""
    rules = system(b"storescp: ALL: spawn a: setenv WHO %h: setenv B x\\:y : spawn b\n")

    assert rules.decide().granted
    assert rules.commands == [(b"a", {}), (b"b", {b"WHO": b"pacs.example.org", b"B": b"x:y"})]


def test_a_command_that_hangs() -> None:
    """If spawn takes too long that is all; if aclexec does, nobody gets in."""
    spawn = system(b"storescp: ALL: spawn slow\n").decide()
    assert spawn.granted
    assert spawn.complaints == (
        "warning: hosts.allow, line 1: slow: [Errno 110] killed after 10 s",
    )

    test = system(None, b"storescp: ALL: aclexec slow\n").decide()
    assert not test.granted
    assert test.complaints == ("error: hosts.deny, line 1: slow: [Errno 110] killed after 10 s",)


@pytest.mark.parametrize(
    ("allow", "deny", "granted"),
    [
        (b"storescp: ALL: aclexec /bin/false\nstorescp: ALL\n", DENY_ALL, False),
        (b"storescp: ALL: aclexec /bin/false\n", b"storescp: ALL: severity info\n", False),
        (b"storescp: ALL: aclexec /bin/false: aclexec /bin/true\n", DENY_ALL, True),
        (b"storescp: ALL: aclexec /bin/true: aclexec /bin/false\n", DENY_ALL, False),
        (b"storescp: ALL: aclexec /bin/false: deny\n", None, False),
        (None, b"storescp: ALL: aclexec /bin/false\nALL: ALL\n", False),
        (None, b"storescp: ALL: aclexec /bin/false\nsshd: ALL\n", True),
    ],
)
def test_failed_tests(allow: bytes | None, deny: bytes | None, granted: bool) -> None:
    """A failed aclexec ends the allow file, but hides no rule of the deny file."""
    assert system(allow, deny).decide().granted is granted


@pytest.mark.parametrize("option", [b"user root", b"group root", b"twist /bin/true"])
def test_options_that_would_change_the_server_refuse(option: bytes) -> None:
    """The server neither becomes another user nor another program."""
    decision = system(b"storescp: ALL: " + option + b"\n", None).decide()

    assert not decision.granted
    assert len(decision.complaints) == 1


def test_options_without_effect_say_so() -> None:
    """Umask and nice do not change the server, and do not go unnoticed."""
    decision = system(b"storescp: ALL: umask 077: nice\n").decide()

    assert decision == AccessDecision(
        granted=True,
        complaints=(
            'warning: hosts.allow, line 1: option "umask" has no effect',
            'warning: hosts.allow, line 1: option "nice" has no effect',
        ),
    )


@pytest.mark.parametrize(
    ("allow", "granted"),
    [
        (b"storescp: 10.1.\0\nx\n", False),
        (b"storescp: 10.1. \0\nx\n", True),
        (b"\0\n", False),
        (b"storescp\0x\n: 10.1.\n", True),
        (b"\\\n\\\nstorescp: 10.1.\n", True),
        (b"storescp: 10.1.\\\n", False),
    ],
)
def test_zero_bytes_and_continuations(allow: bytes, granted: bool) -> None:
    """A NUL hides the rest of its line with the newline, a backslash the newline only."""
    assert system(allow).decide().granted is granted


def test_large_files_are_read_in_time() -> None:
    """A megabyte of rules and patterns takes seconds, not minutes."""
    rules = system(
        b"storescp: 1.2.3.4 /words\n" * 40000,
        None,
        {"/words": b"10.2.0.0/16 *.x*.org [::1]\n" * 38000},
    )
    start = time.perf_counter()

    assert rules.decide().granted
    assert time.perf_counter() - start < 30


@given(st.binary(max_size=120), st.binary(max_size=120), st.binary(max_size=60))
@example(b"storescp: ALL: aclexec " + b"%" * 50 + b"\n", b"", b"")
def test_any_bytes_give_a_decision(allow: bytes, deny: bytes, words: bytes) -> None:
    """Whatever the files hold, there is a verdict."""
    rules = system(b"ALL: /f:" + allow, b"ALL: ALL:" + deny, {"/f": words})

    assert rules.decide().granted in (True, False)


def test_the_examples_of_the_documentation() -> None:
    """The rules in the documentation do what the text says."""
    page = Path(__file__).parents[3] / "docs/howto-access-control.md"
    blocks = re.findall(r"^```(hosts\.\w+)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    assert [name for name, _ in blocks] == ["hosts.allow", "hosts.deny", "hosts.allow"]
    allow, deny, options = (rules.encode() for _, rules in blocks)

    few = system(allow, deny)
    assert few.decide(Client("unknown", "10.7.8.9")).granted
    assert few.decide(Client("unknown", "2001:db8:7::1")).granted
    assert few.decide(Client("ct1.example.org", "192.0.2.1")).granted
    assert not few.decide(Client("ct2.example.org", "192.0.2.1")).granted

    one_file = system(options, None)
    assert one_file.decide(PACS).granted
    assert not one_file.decide(Client("pacs.example.org", "10.1.2.9")).granted
    assert not one_file.decide(Client("x.example.com", "192.0.2.1")).granted
    assert [command for command, _ in one_file.commands] == [
        b'logger -t storescp "from pacs.example.org"',
        b'logger -t storescp "refused x.example.com"',
    ]


# Beside TCP wrappers

DAEMONS = st.sampled_from(
    [
        "storescp",
        "ALL",
        "sshd",
        "store*",
        "KNOWN",
        "LOCAL",
        "storescp@ALL",
        "storescp@KNOWN",
        "[storescp]",
    ]
)
CLIENTS = st.sampled_from(
    [
        "ALL",
        "KNOWN",
        "LOCAL",
        "UNKNOWN",
        "10.1.",
        ".2.3",
        "10.1.2.3",
        "unknown",
        "*",
        "10.?.*",
        "*3",
        "10.1.0.0/16",
        "10.0.0.0/255.0.0.0",
        "10.1.2.3/24",
        "0.0.0.0/0",
        "0.0.0.0/1",
        "[2001:db8::]/32",
        "[2001:db8::5]",
        "[::]/0",
        "[::1]",
        "[",
        "]",
        "[]/0",
        "::1",
        "2001*",
        "@none",
        "ALL@ALL",
        "x@ALL",
        "unknown@10.1.",
        "#",
        "10.1.2.3/32",
        "[fe80::]/10",
        "10.1.0.0/16x",
        "?*?",
        "**",
    ]
)
OPTIONS = st.sampled_from(
    [
        "allow",
        "deny",
        "ALLOW",
        "",
        "foo",
        "severity info",
        "severity x",
        "keepalive",
        "linger 5",
        "nice x",
        "rfc931",
        "umask 09",
        "setenv A b",
        "user no-such-user",
        "banners /etc",
    ]
)


def joined(words: st.SearchStrategy[str], most: int) -> st.SearchStrategy[str]:
    separators = st.sampled_from([" ", ",", "\t", " EXCEPT ", " except ", "\r "])
    return st.builds(
        lambda first, rest: first + "".join(a + b for a, b in rest),
        words,
        st.lists(st.tuples(separators, words), max_size=most),
    )


RULES = st.lists(
    st.one_of(
        st.builds(
            lambda daemons, clients, options, end: ":".join([daemons, clients, *options]) + end,
            joined(DAEMONS, 2),
            joined(CLIENTS, 4),
            st.lists(OPTIONS, max_size=2),
            st.sampled_from(["\n", "\n", "\n", "\r\n", "\\\n", ""]),
        ),
        st.sampled_from(
            ["# ALL: ALL\n", " # ALL: ALL\n", "\n", "x\n", "ALL: ALL\n", " " * 2047 + "\n"]
        ),
    ),
    max_size=4,
).map("".join)


@pytest.fixture(scope="module")
def tcpdmatch() -> Callable[[Path, str], bool]:
    """Return a function that asks TCP wrappers whether a client without a name gets in."""
    program = require_tool("tcpdmatch")

    def ask(directory: Path, address: str) -> bool:
        (directory / "inetd.conf").write_text(
            "storescp stream tcp nowait root /usr/sbin/tcpd storescp\n"
        )
        run = subprocess.run(
            [program, "-d", "-i", "inetd.conf", "storescp", address],
            cwd=directory,
            capture_output=True,
            timeout=20,
            check=True,
        )
        verdict = re.search(rb"access: +(granted|denied)", run.stdout)
        assert verdict, run.stdout
        return verdict[1] == b"granted"

    return ask


@pytest.mark.interop
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    RULES,
    RULES | st.just("ALL: ALL\n"),
    st.sampled_from(["10.1.2.3", "10.10.2.3", "2001:db8::5", "::1"]),
)
def test_verdicts_are_those_of_tcp_wrappers(
    tmp_path: Path, tcpdmatch: Callable[[Path, str], bool], allow: str, deny: str, address: str
) -> None:
    """For generated rules TCP wrappers decide the same."""
    (tmp_path / "hosts.allow").write_bytes(allow.encode())
    (tmp_path / "hosts.deny").write_bytes(deny.encode())

    decision = system(allow.encode(), deny.encode()).decide(Client("unknown", address))

    assert decision.granted is tcpdmatch(tmp_path, address)
