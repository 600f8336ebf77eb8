"""Runs a program in the sandbox of a systemd unit, as far as it is one of system calls: `python sandbox.py UNIT COMMAND…`.

What systemd would do is done here by libseccomp and prctl(2), for machines without systemd: `SystemCallFilter`,
`RestrictAddressFamilies`, `RestrictNamespaces`, `MemoryDenyWriteExecute`, `NoNewPrivileges`. Nothing but the standard
library is imported, so that any Python can run it.
"""

import ctypes
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from ctypes import c_char_p, c_int, c_uint, c_uint32, c_uint64, c_void_p
from errno import EAFNOSUPPORT, ENOSYS, EPERM
from pathlib import Path

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_EQUAL, _GREATER, _MASKED_EQUAL = 4, 6, 7
_PROT_WRITE, _PROT_EXEC, _SHM_EXEC = 2, 4, 0o100000
_CLONE_NEW = [0x00000080, 0x00020000, *(1 << bit for bit in range(25, 31))]
"""CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET, clone(2)."""
_LAST_FAMILY = 64

PR_SET_MDWE, PR_GET_MDWE = 65, 66
_MDWE_REFUSE_EXEC_GAIN = 1


class _Comparison(ctypes.Structure):
    _fields_ = (("argument", c_uint), ("operator", c_int), ("a", c_uint64), ("b", c_uint64))


class Filter:
    """A filter of system calls, seccomp(2)."""

    def __init__(self, default: int) -> None:
        self._library = library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        library.seccomp_init.restype = c_void_p
        library.seccomp_init.argtypes = [c_uint32]
        library.seccomp_load.argtypes = [c_void_p]
        library.seccomp_syscall_resolve_name.argtypes = [c_char_p]
        library.seccomp_rule_add_array.argtypes = [c_void_p, c_uint32, c_int, c_uint, c_void_p]
        self._context = library.seccomp_init(default)

    def add(self, action: int, name: str, *comparisons: tuple[int, int, int, int]) -> None:
        """Add a rule for a call, if this machine knows it: all comparisons of its arguments must hold."""
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return
        array = (_Comparison * len(comparisons))(*(_Comparison(*each) for each in comparisons))
        self._library.seccomp_rule_add_array(self._context, action, number, len(comparisons), array)

    def load(self) -> None:
        """Apply it to this process, for good."""
        if (result := self._library.seccomp_load(self._context)) != 0:
            raise OSError(-result, os.strerror(-result))


def directives(unit: str) -> dict[str, list[str]]:
    """Return the directives of a unit: name to values, in order."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall("^([A-Za-z]+)=(.*)$", unit, re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def allowed_calls(values: list[str]) -> set[str]:
    """Return the calls that the values of `SystemCallFilter` allow."""
    allowed = set(_calls("@default"))
    for value in values:
        names = value.removeprefix("~").split()
        calls = {call for name in names for call in _calls(name)}
        if value.startswith("~"):
            allowed -= calls
        else:
            allowed |= calls
    return allowed


def _calls(name: str) -> Iterator[str]:
    """Yield the calls of a set, as systemd knows it, or the call itself."""
    if not name.startswith("@"):
        yield name
        return
    command = ["systemd-analyze", "syscall-filter", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines()[1:]:
        if (member := line.strip()) and not member.startswith("#"):
            yield from _calls(member)


def confine(found: dict[str, list[str]], calls: set[str]) -> None:
    """Apply the directives to this process."""
    if found.get("MemoryDenyWriteExecute") == ["yes"]:
        _deny_write_and_execute()
    if families := " ".join(found.get("RestrictAddressFamilies", [])).split():
        _restrict_families({int(getattr(socket, family)) for family in families})
    if found.get("RestrictNamespaces") == ["yes"]:
        _restrict_namespaces()
    if calls:
        allowing = Filter(_ERRNO | EPERM)
        for call in calls:
            allowing.add(_ALLOW, call)
        allowing.load()


def _deny_write_and_execute() -> None:
    both = _PROT_WRITE | _PROT_EXEC
    denying = Filter(_ALLOW)
    denying.add(_ERRNO | EPERM, "mmap", (2, _MASKED_EQUAL, both, both))
    for call in ("mprotect", "pkey_mprotect"):
        denying.add(_ERRNO | EPERM, call, (2, _MASKED_EQUAL, _PROT_EXEC, _PROT_EXEC))
    denying.add(_ERRNO | EPERM, "shmat", (2, _MASKED_EQUAL, _SHM_EXEC, _SHM_EXEC))
    denying.load()
    # Since 6.3 the kernel does it by itself, which newer versions of systemd use.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_MDWE, _MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)


def _restrict_families(allowed: set[int]) -> None:
    denying = Filter(_ALLOW)
    for family in set(range(_LAST_FAMILY)) - allowed:
        denying.add(_ERRNO | EAFNOSUPPORT, "socket", (0, _EQUAL, family, 0))
    denying.add(_ERRNO | EAFNOSUPPORT, "socket", (0, _GREATER, _LAST_FAMILY - 1, 0))
    denying.load()


def _restrict_namespaces() -> None:
    denying = Filter(_ALLOW)
    for call in ("unshare", "setns"):
        denying.add(_ERRNO | EPERM, call)
    for flag in _CLONE_NEW:
        denying.add(_ERRNO | EPERM, "clone", (0, _MASKED_EQUAL, flag, flag))
    denying.add(_ERRNO | ENOSYS, "clone3")
    denying.load()


if __name__ == "__main__":
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    wanted = directives(text)
    permitted = allowed_calls(wanted.get("SystemCallFilter", []))
    user, group, *command = sys.argv[2:]
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(int(group))
        os.setuid(int(user))
    confine(wanted, permitted)
    os.execvp(command[0], command)
