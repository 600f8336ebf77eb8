"""Options of host access rules."""

import pytest

from storescp.serve.access.rule_options import BrokenRule, check_option, set_variable


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        (b"allow", b""),
        (b"DENY", b""),
        (b"severity", b"Info"),
        (b"severity", b"local7.debug"),
        (b"spawn", b"true"),
        (b"umask", b"0777"),
        (b"nice", b""),
        (b"nice", b"-5"),
        (b"linger", b"0"),
        (b"rfc931", b""),
        (b"rfc931", b"3"),
        (b"banners", b"/nowhere"),
        (b"keepalive", b""),
        (b"setenv", b"A b"),
    ],
)
def test_good_options(keyword: bytes, value: bytes) -> None:
    """Keywords are read in any case, values are checked."""
    check_option(keyword, value, is_last=True)


@pytest.mark.parametrize(
    ("keyword", "value", "problem"),
    [
        (b"", b"x", "missing option name"),
        (b"Foo", b"", 'bad option name: "Foo"'),
        (b"/bin/true", b"", 'bad option name: "/bin/true"'),
        (b"spawn", b"", 'option "spawn" requires value'),
        (b"allow", b"yes", 'option "allow" requires no value'),
        (b"severity", b"mail", 'bad syslog facility or severity: "mail"'),
        (b"severity", b"mail.y", 'bad syslog facility or severity: "y"'),
        (b"severity", b"x.info", 'bad syslog facility or severity: "x"'),
        (b"severity", b"mail.", 'bad syslog facility or severity: ""'),
        (b"umask", b"1000", 'bad umask value: "1000"'),
        (b"umask", b"8", 'bad umask value: "8"'),
        (b"umask", b"-1", 'bad umask value: "-1"'),
        (b"nice", b"5 6", 'bad nice value: "5 6"'),
        (b"linger", b"-1", 'bad linger value: "-1"'),
        (b"rfc931", b"0", 'bad rfc931 timeout: "0"'),
        (b"user", b"no-such-user", 'unknown user: "no-such-user"'),
        (b"user", b"root.no-such-group", 'unknown group: "no-such-group"'),
        (b"user", b"a\0b", 'unknown user: "a\0b"'),
        (b"user", b"root", 'option "user" would change the server: not supported'),
        (b"group", b"no-such-group", 'unknown group: "no-such-group"'),
        (b"group", b"root", 'option "group" would change the server: not supported'),
        (b"twist", b"true", "twist option in resident process"),
    ],
)
def test_bad_options(keyword: bytes, value: bytes, problem: str) -> None:
    """What is wrong with an option is said in the words of TCP wrappers."""
    with pytest.raises(BrokenRule) as caught:
        check_option(keyword, value, is_last=True)

    assert str(caught.value) == problem


@pytest.mark.parametrize("keyword", [b"allow", b"deny"])
def test_verdicts_stand_last(keyword: bytes) -> None:
    """Nothing may follow allow and deny."""
    with pytest.raises(BrokenRule, match=f'option "{keyword.decode()}" must be at end'):
        check_option(keyword, b"", is_last=False)


def test_variables() -> None:
    """A variable has a name and, perhaps, a value; a name with = is an error."""
    environment: dict[bytes, bytes] = {}

    set_variable(environment, b"A b c")
    set_variable(environment, b"B")

    assert environment == {b"A": b"b c", b"B": b""}
    for wrong in (b"A=b", b""):
        with pytest.raises(BrokenRule, match="bad environment variable"):
            set_variable(environment, wrong)
