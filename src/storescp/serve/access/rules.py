"""Host access rules, hosts_access(5) and hosts_options(5): rule files and a client → verdict.

The first rule of the allow file that matches grants, else the first one of the deny file refuses,
else access is granted; options may say otherwise. Rules are read as TCP wrappers 7.6 read them, with
all that they make of broken lines: a rule that is understood in another way lets the wrong ones in.

Three things differ, each to the safe side. A failed `aclexec` in the deny file does not hide the
rules below it, and has no effect on later decisions. `user`, `group` and `twist`, which would change
or replace the server, refuse; `umask` and `nice` do nothing, and `setenv` changes the environment of
commands only. Files that include each other are read once.

Files, commands and netgroups are reached through `RuleEnvironment` only. The work is bounded by the
sizes of the files.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from storescp.serve.access.rule_options import BrokenRule, check_option, set_variable
from storescp.serve.access.rule_patterns import (
    DAEMON,
    UNKNOWN,
    Host,
    list_matches,
    matches,
    matches_daemon,
    split_at,
    to_bytes,
    to_int,
    to_text,
)

_LONGEST_LINE = 2047  # bytes, with the newline, continuation lines joined
_LONGEST_WORD = 8191  # bytes, of a pattern in a file
_LONGEST_COMMAND = 8191  # bytes, after expansion

_OPTION = re.compile(rb"([^= \t\r\n]*)[ \t\r\n]*(?:=[ \t\r\n]*)?(.*)", re.DOTALL).fullmatch
_SPACE = b" \t\n\v\f\r"
_HARMLESS = re.compile(rb"[^0-9A-Za-z!@%\-_=+:,./]")
_EXPANSION = re.compile(rb"%(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Client:
    """A peer: what reverse lookup says (`unknown`, or the number, if nothing) and its number."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class AccessDecision:
    """Decision about a client, and mistakes found in the rule files."""

    granted: bool
    complaints: tuple[str, ...] = ()
    decided_by: str = field(default="", compare=False)
    """Decisive rule, as file and line, or another reason, for people."""


@dataclass(frozen=True, slots=True)
class RuleEnvironment:
    """The functions of the system that rules use.

    `read` returns a file's content or raises OSError; `run` executes a shell command with additional
    environment variables and returns its exit status, or raises OSError, TimeoutError if it takes
    too long; `in_netgroup` tells whether a netgroup has a host of a name.
    """

    read: Callable[[str], bytes]
    run: Callable[[bytes, Mapping[bytes, bytes]], int]
    in_netgroup: Callable[[bytes, bytes], bool]


def decide(client: Client, allow: str, deny: str, surroundings: RuleEnvironment) -> AccessDecision:
    """Return whether the rules of the files `allow` and `deny` let a client in."""
    evaluation = _Evaluation(client, surroundings)
    granted = evaluation.decide(allow, deny)
    return AccessDecision(granted, tuple(evaluation.complaints), evaluation.decided_by)


def examine(path: str, surroundings: RuleEnvironment) -> tuple[int, tuple[str, ...]]:
    """Return how many rules of a file are about this service, and what is wrong with them for whomever.

    Raises:
        OSError: the file cannot be read.
    """
    evaluation = _Evaluation(Client("unknown", "0.0.0.0"), surroundings)
    rules = sum(evaluation.examine(path, surroundings.read(path)))
    return rules, tuple(evaluation.complaints)


class _LineCut(Exception):
    """The rest of a file cannot be understood."""


@dataclass(slots=True)
class _Evaluation:
    """One decision: the client, the place in the rule files, what was found out on the way."""

    client: Client
    surroundings: RuleEnvironment
    complaints: list[str] = field(default_factory=list)
    decided_by: str = ""
    _file: str = ""
    _line: int = 0
    _host: "Host" = field(init=False)
    _files: dict[bytes, tuple[bool, set[bytes]]] = field(default_factory=dict)
    """Result for each file of patterns alone: whether one of its words matches the client, and the files that it names."""
    _results: dict[bytes, bool] = field(default_factory=dict)
    """Result for each file of patterns, with all the files that it names."""

    def __post_init__(self) -> None:
        self._host = Host(to_bytes(self.client.name) or UNKNOWN, to_bytes(self.client.address))

    def decide(self, allow: str, deny: str) -> bool:
        try:
            verdict = self._search(allow, granted=True)
            if verdict is None:
                verdict = self._search(deny, granted=False)
        except BrokenRule as error:
            self._complain("error", str(error))
            self.decided_by = f"{self._where()} cannot be used: {error}"
            return False
        return True if verdict is None else verdict

    def examine(self, path: str, data: bytes) -> Iterator[bool]:
        """Yield for each rule whether it is about this service; complain about those that are."""
        self._file, self._line = path, 0
        try:
            for line in self._lines(data):
                if line.startswith(b"#") or not line.strip(b" \t\r\n"):
                    continue
                daemons, rest = split_at(line, b":")
                if rest is None:
                    self._complain("warning", 'missing ":" separator')
                    continue
                concerned = list_matches(daemons, matches_daemon)
                options = split_at(rest, b":")[1]
                if concerned and options:
                    self._examine_options(options)
                yield concerned
        except _LineCut:
            self._complain("warning", "missing newline or line too long")
            self._complain("warning", "all the subsequent rules will be ignored")

    def _examine_options(self, options: bytes) -> None:
        try:
            for keyword, value, is_last in _options(options):
                check_option(keyword, value, is_last=is_last)
        except BrokenRule as error:
            self._complain("error", str(error))

    def _search(self, path: str, *, granted: bool) -> bool | None:
        """Return the verdict of the first matching rule of a file, None if there is none."""
        try:
            data = self.surroundings.read(path)
        except FileNotFoundError:
            return None
        except FileTooLarge as error:
            raise BrokenRule(f"{path}: {error.strerror}") from error
        except OSError as error:
            self._complain("warning", f"cannot open {path}: {error.strerror}")
            return None
        self._file, self._line = path, 0
        try:
            for line in self._lines(data):
                options = self._match_rule(line)
                if options is None:
                    continue
                verdict = self._execute(options, granted=granted) if options else granted
                if verdict is not None:
                    self.decided_by = f"{self._where()} decides"
                    return verdict
                if granted:
                    return None  # as in TCP wrappers: the rest of the allow file is not read
        except _LineCut:
            self._complain("warning", "missing newline or line too long")
            self._complain("warning", "all the subsequent rules will be ignored")
            self.decided_by = f"{self._where()} is followed by something that cannot be read"
            return None if granted else False
        return None

    def _lines(self, data: bytes) -> Iterator[bytes]:
        """Yield lines with their newlines, lines that end in a backslash joined with the next."""
        line = b""
        position = 0
        while position < len(data):
            room = _LONGEST_LINE - len(line)
            end = data.find(b"\n", position, position + room) + 1
            piece = data[position : end or position + room]
            if not piece:
                break
            position += len(piece)
            piece = piece.partition(b"\0")[0]
            if not piece.endswith(b"\n"):
                line += piece
                continue
            self._line += 1
            if piece.endswith(b"\\\n"):
                line += piece[:-2]
                continue
            yield line + piece
            line = b""
        if line:
            raise _LineCut

    def _match_rule(self, line: bytes) -> bytes | None:
        """Return the options of a line that concerns the client, None if it does not."""
        if line.startswith(b"#") or not line.strip(b" \t\r\n"):
            return None
        daemons, rest = split_at(line, b":")
        if rest is None:
            self._complain("warning", 'missing ":" separator')
            return None
        clients, options = split_at(rest, b":")
        if list_matches(daemons, matches_daemon) and list_matches(clients, self._matches_client):
            return options or b""
        return None

    def _matches_client(self, pattern: bytes) -> bool:
        user, host = split_at(pattern, b"@", 1)
        if host is None:
            return self._matches_host(pattern)
        return matches(user, UNKNOWN) and self._matches_host(host)

    def _matches_host(self, pattern: bytes) -> bool:
        if pattern.startswith(b"/"):
            return self._matches_file(pattern)
        if pattern.startswith(b"@"):
            return self.surroundings.in_netgroup(pattern[1:], self._host.name)
        return self._host.matches(pattern)

    def _matches_file(self, path: bytes) -> bool:
        """Return whether a word of a file, or of the files that it names, matches the client."""
        if path not in self._results:
            # All words are alternatives: files in files need no order, and no recursion.
            self._results[path] = False
            known, waiting = {path}, [path]
            for current in waiting:
                matched, named = self._read_patterns(current)
                if matched:
                    self._results[path] = True
                    break
                waiting.extend(named - known)
                known |= named
        return self._results[path]

    def _read_patterns(self, path: bytes) -> tuple[bool, set[bytes]]:
        """Return whether one of a file's own words matches, and the files that it names."""
        if path not in self._files:
            named = set()
            matched = False
            for word in self._read_words(path):
                if word.startswith(b"/"):
                    named.add(word)
                elif self._matches_host(word):
                    matched = True
                    break
            self._files[path] = matched, named
        return self._files[path]

    def _read_words(self, path: bytes) -> Iterator[bytes]:
        name = os.fsdecode(path)
        try:
            data = self.surroundings.read(name)
        except FileNotFoundError:
            return
        except FileTooLarge as error:
            raise BrokenRule(f"{name}: {error.strerror}") from error
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            self._complain("warning", f"open {name}: {reason}")
            return
        for found in re.finditer(rb"[^ \t\n\v\f\r]+", data):
            if found.end() - found.start() <= _LONGEST_WORD:
                yield found[0]

    def _execute(self, options: bytes, *, granted: bool) -> bool | None:
        """Carry out the options of the rule that matched; return the verdict, None for no match.

        Raises:
            BrokenRule: an option is wrong, or asks for what is not done here.
        """
        environment: dict[bytes, bytes] = {}
        status = 0
        for keyword, value, is_last in _options(options):
            kind = check_option(keyword, value, is_last=is_last)
            if kind.expands:
                value = self._expand(value).strip(_SPACE)
            match keyword.lower():
                case b"allow":
                    return True
                case b"deny":
                    return False
                case b"spawn":
                    self._spawn(value, environment)
                case b"aclexec":
                    status = self._test(value, environment)
                case b"setenv":
                    set_variable(environment, value)
                case b"umask" | b"nice":
                    self._complain("warning", f'option "{to_text(keyword)}" has no effect')
                case b"keepalive":
                    self._complain("warning", "setsockopt SO_KEEPALIVE: Bad file descriptor")
                case b"linger":
                    seconds = to_int(value)
                    self._complain(
                        "warning", f"setsockopt SO_LINGER {seconds}: Bad file descriptor"
                    )
                case _:
                    pass  # checked, and without effect on what is known here
        if status == 0:
            return granted
        self.complaints.append(f"aclexec returned {status}")
        return None

    def _spawn(self, command: bytes, environment: Mapping[bytes, bytes]) -> None:
        try:
            self.surroundings.run(command, environment)
        except (OSError, ValueError) as error:
            self._complain("warning", f"{to_text(command)}: {error}")

    def _test(self, command: bytes, environment: Mapping[bytes, bytes]) -> int:
        try:
            return self.surroundings.run(command, environment)
        except (OSError, ValueError) as error:
            # Neither yes nor no: as a deny rule might be waved through, nobody gets in.
            raise BrokenRule(f"{to_text(command)}: {error}") from error

    def _expand(self, text: bytes) -> bytes:
        """Replace `%` and a letter by what is known of client and server, made harmless."""
        host = self._host
        known_name = host.name if host.has_name else host.address
        values = {
            b"a": host.address,
            b"A": UNKNOWN,
            b"c": known_name,
            b"d": DAEMON,
            b"h": known_name,
            b"H": UNKNOWN,
            b"n": host.name,
            b"N": UNKNOWN,
            b"p": b"%d" % os.getpid(),
            b"r": b"0",
            b"R": b"0",
            b"s": DAEMON,
            b"u": UNKNOWN,
        }

        def replacement(found: re.Match[bytes]) -> bytes:
            letter = found[1]
            if letter == b"%":
                return b"%"
            if letter not in values:
                self._complain("warning", f"unrecognized %{to_text(letter)}")
                return b""
            return _HARMLESS.sub(b"_", values[letter])

        expanded = _EXPANSION.sub(replacement, text)
        if len(expanded) > _LONGEST_COMMAND:
            raise BrokenRule(f"percent_x: expansion too long: {to_text(expanded[:30])}...")
        return expanded

    def _where(self) -> str:
        return f"line {self._line} of {self._file}" if self._file else "a rule"

    def _complain(self, kind: str, text: str) -> None:
        where = f"{self._file}, line {self._line}: " if self._file else ""
        self.complaints.append(f"{kind}: {where}{text}")


def _options(text: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yield keyword and value of each option of a rule, and whether it is the last one."""
    fields = [part.replace(b"\\:", b":") for part in re.split(rb"(?<!\\):", text)]
    for number, field_text in enumerate(fields, 1):
        option = _OPTION(field_text.strip(_SPACE))
        keyword, value = option.groups() if option else (b"", b"")
        yield keyword, value, number == len(fields)


class FileTooLarge(OSError):
    """A file is larger than rules ever are."""
