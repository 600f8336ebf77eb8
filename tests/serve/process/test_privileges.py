"""Becoming another user: whom a text means, and that nothing brings the old one back."""

import grp
import json
import os
import pwd
import subprocess
import sys

import pytest

from storescp.errors import ConfigurationError
from storescp.serve.process.privileges import User, become, find

ME = pwd.getpwuid(os.geteuid())
IS_ROOT = os.geteuid() == 0


def test_a_name_means_a_user_with_all_groups() -> None:
    """The user's own group, unless another is named; the supplementary ones in any case."""
    found = find(ME.pw_name)
    other = grp.getgrall()[-1]

    assert (found.name, found.uid, found.gid, found.home) == (
        *(ME.pw_name, ME.pw_uid, ME.pw_gid),
        ME.pw_dir,
    )
    assert set(found.groups) == set(os.getgrouplist(ME.pw_name, ME.pw_gid))
    assert find(f"{ME.pw_name}:{other.gr_name}").gid == other.gr_gid
    assert other.gr_gid in find(f"{ME.pw_name}:{other.gr_name}").groups


def test_numbers_need_not_be_known() -> None:
    """In a container there may be no names at all."""
    assert find(f"{ME.pw_uid}") == find(ME.pw_name)
    assert find("4000000001:4000000002") == User(
        "4000000001", 4000000001, 4000000002, (4000000002,)
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nobody-of-that-name", "there is no user 'nobody-of-that-name'"),
        ("", "there is no user ''"),
        (":root", "there is no user ''"),
        (f"{ME.pw_name}:no-such-group", "there is no group 'no-such-group'"),
        (f"{ME.pw_name}:", "there is no group ''"),
        ("4000000001", "it is not known which group it has"),
    ],
)
def test_what_means_nobody_is_an_error(text: str, reason: str) -> None:
    """At the start, with the reason."""
    with pytest.raises(ConfigurationError, match=reason):
        find(text)


SCRIPT = """
import json, os, sys
from storescp.serve.process import privileges
before = os.getgroups()
privileges.__file__ = os.__file__ = "/"  # whether it is readable is another question
privileges.become(privileges.find(sys.argv[1]))
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
back = True
try:
    os.setuid(0)
except OSError:
    back = False
print(json.dumps({
    "uids": os.getresuid(), "gids": os.getresgid(), "groups": os.getgroups(), "back": back,
    "capabilities": [status["CapEff"].strip(), status["CapPrm"].strip()],
    "names": [os.environ["USER"], os.environ["LOGNAME"], os.environ["HOME"]],
}))
"""


def becoming(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, text],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_brings_the_old_user_back() -> None:
    """All ids, the supplementary groups and the capabilities are gone; who may not, does not go on."""
    done = becoming("4000000001:4000000002")

    if not IS_ROOT:
        assert "cannot become user 4000000001: Operation not permitted" in done.stderr
        assert done.returncode == 1
        return
    assert json.loads(done.stdout) == {
        "uids": [4000000001] * 3,
        "gids": [4000000002] * 3,
        "groups": [4000000002],
        "back": False,
        "capabilities": ["0" * 16] * 2,
        "names": ["4000000001", "4000000001", "/"],
    }


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set in the environment does not stay."""
    for name in ("USER", "LOGNAME", "HOME"):
        monkeypatch.setenv(name, "before")


def test_becoming_whom_one_is_needs_no_privileges() -> None:
    """So that the same command line works in a container that starts as that user."""
    me = User(ME.pw_name, os.geteuid(), os.getegid(), tuple(os.getgroups()))

    become(me)

    assert os.getresuid() == (me.uid,) * 3
    assert os.environ["USER"] == ME.pw_name


def test_it_must_not_only_seem_to_have_worked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that says yes and does nothing is noticed."""
    for call in ("setgroups", "setresgid", "setresuid"):
        monkeypatch.setattr(os, call, lambda *_: None)

    with pytest.raises(ConfigurationError, match="privileges were not given up"):
        become(User("dicom", 4000000001, 4000000002, (4000000002,)))


def test_a_way_back_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """If root can be had again, it was not given up."""
    monkeypatch.setattr(os, "getresuid", lambda: (4000000001,) * 3)
    monkeypatch.setattr(os, "getresgid", lambda: (4000000002,) * 3)
    monkeypatch.setattr(os, "getgroups", lambda: [4000000002])
    monkeypatch.setattr(os, "setresuid", lambda *_: None)

    with pytest.raises(ConfigurationError, match="privileges were not given up"):
        become(User("dicom", 4000000001, 4000000002, (4000000002,)))


def test_the_program_must_be_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed in the home of root it would fail later, when a module is first needed."""
    me = User(ME.pw_name, os.geteuid(), os.getegid(), tuple(os.getgroups()))
    monkeypatch.setattr(os, "access", lambda *_: False)

    with pytest.raises(ConfigurationError, match="install the program where everybody can read it"):
        become(me)
