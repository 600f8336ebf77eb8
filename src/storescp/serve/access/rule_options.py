"""Options of host access rules, hosts_options(5): which there are, and what is wrong with one."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from storescp.serve.access.rule_patterns import split_at, to_int, to_text

_SPACE = b" \t\n\v\f\r"
_OCTAL = re.compile(rb"[ \t\n\v\f\r]*([+-]?[0-7]+)").fullmatch
_WHOLE_INTEGER = re.compile(rb"[ \t\n\v\f\r]*[+-]?[0-9]+").fullmatch

_FACILITIES = frozenset(
    [b"kern", b"user", b"mail", b"daemon", b"auth", b"lpr", b"news", b"uucp", b"cron"]
    + [b"local%d" % number for number in range(8)]
)
_SEVERITIES = frozenset(
    [b"emerg", b"alert", b"crit", b"err", b"warning", b"notice", b"info", b"debug"]
)


class BrokenRule(Exception):
    """A rule that cannot be carried out: whoever it concerns is refused."""


@dataclass(frozen=True, slots=True)
class RuleOption:
    """Need of a value: the option takes one (True), none (False) or either (None)."""

    value: bool | None
    is_last: bool = False
    expands: bool = False
    find_problem: Callable[[bytes], str | None] | None = None
    """Tells what is wrong with a value, None if nothing is."""


def check_option(keyword: bytes, value: bytes, *, is_last: bool) -> RuleOption:
    """Return what an option is; `is_last`: nothing follows it in its rule.

    Raises:
        BrokenRule: there is no such option, or its value or place is wrong.
    """
    name = to_text(keyword)
    if not keyword:
        raise BrokenRule("missing option name")
    option = _OPTIONS.get(keyword.lower())
    if option is None:
        raise BrokenRule(f'bad option name: "{name}"')
    if not value and option.value:
        raise BrokenRule(f'option "{name}" requires value')
    if value and option.value is False:
        raise BrokenRule(f'option "{name}" requires no value')
    if option.is_last and not is_last:
        raise BrokenRule(f'option "{name}" must be at end')
    problem = option.find_problem(value) if option.find_problem else None
    if problem:
        raise BrokenRule(problem)
    return option


def _check_severity(value: bytes) -> str | None:
    facility, level = split_at(value, b".")
    names = [(level, _SEVERITIES), (facility, _FACILITIES)]
    if level is None:
        names = [(facility, _SEVERITIES)]
    for name, known in reversed(names):
        if (name or b"").lower() not in known:
            return f'bad syslog facility or severity: "{to_text(name or b"")}"'
    return None


def _check_number(what: str, least: int | None = None) -> Callable[[bytes], str | None]:
    def check(value: bytes) -> str | None:
        if not value:
            return None
        number = _WHOLE_INTEGER(value)
        if number and (least is None or to_int(value) >= least):
            return None
        return f'bad {what}: "{to_text(value)}"'

    return check


def _check_umask(value: bytes) -> str | None:
    number = _OCTAL(value)
    return (
        None
        if number and 0 <= int(number[1], 8) <= 0o777
        else f'bad umask value: "{to_text(value)}"'
    )


def _check_user(value: bytes) -> str | None:
    import pwd

    user, separator, group = value.partition(b".")
    if separator and (problem := _find_group(group)):
        return problem
    try:
        pwd.getpwnam(to_text(user))
    except (KeyError, ValueError):
        return f'unknown user: "{to_text(user)}"'
    return 'option "user" would change the server: not supported'


def _check_group(value: bytes) -> str | None:
    return _find_group(value) or 'option "group" would change the server: not supported'


def _find_group(name: bytes) -> str | None:
    import grp

    try:
        grp.getgrnam(to_text(name))
    except (KeyError, ValueError):
        return f'unknown group: "{to_text(name)}"'
    return None


def _refuse_twist(_: bytes) -> str:
    return "twist option in resident process"


_OPTIONS = {
    b"allow": RuleOption(value=False, is_last=True),
    b"deny": RuleOption(value=False, is_last=True),
    b"spawn": RuleOption(value=True, expands=True),
    b"aclexec": RuleOption(value=True, expands=True),
    b"setenv": RuleOption(value=True, expands=True),
    b"twist": RuleOption(value=True, is_last=True, find_problem=_refuse_twist),
    b"severity": RuleOption(value=True, find_problem=_check_severity),
    b"keepalive": RuleOption(value=False),
    b"linger": RuleOption(value=True, find_problem=_check_number("linger value", 0)),
    b"rfc931": RuleOption(value=None, find_problem=_check_number("rfc931 timeout", 1)),
    b"banners": RuleOption(value=True),
    b"nice": RuleOption(value=None, find_problem=_check_number("nice value")),
    b"umask": RuleOption(value=True, find_problem=_check_umask),
    b"user": RuleOption(value=True, find_problem=_check_user),
    b"group": RuleOption(value=True, find_problem=_check_group),
}


def set_variable(environment: dict[bytes, bytes], assignment: bytes) -> None:
    name, *value = re.split(rb"[ \t\r\n]", assignment, maxsplit=1)
    if not name or b"=" in name:
        raise BrokenRule(f'bad environment variable: "{to_text(name)}"')
    environment[name] = value[0].strip(_SPACE) if value else b""
