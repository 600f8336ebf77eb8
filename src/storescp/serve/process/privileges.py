"""Becoming another user: root is needed for a port below 1024 and for keys, and for nothing after that.

All of it or nothing: user, group, supplementary groups; real, effective and saved. Whether it is really gone is tried
before anything is received.
"""

import os
from contextlib import suppress
from dataclasses import dataclass

from storescp.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class User:
    """The user to change to."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    """Supplementary ones, the group itself among them."""
    home: str = "/"


def find(text: str) -> User:
    """Return the user that `NAME` or `NAME:GROUP` means; both may be numbers, which need not be known.

    Raises:
        ConfigurationError: there is none.
    """
    import grp
    import pwd

    name, has_group, group = text.partition(":")
    entry = None
    with suppress(KeyError):
        entry = pwd.getpwuid(int(name)) if _is_number(name) else pwd.getpwnam(name)
    if entry is None and not _is_number(name):
        raise ConfigurationError(f"cannot become user {text}: there is no user {name!r}")
    if _is_number(group):
        gid = int(group)
    elif has_group:
        try:
            gid = grp.getgrnam(group).gr_gid
        except KeyError:
            raise ConfigurationError(
                f"cannot become user {text}: there is no group {group!r}"
            ) from None
    elif entry is not None:
        gid = entry.pw_gid
    else:
        raise ConfigurationError(f"cannot become user {text}: it is not known which group it has")
    if entry is None:
        return User(name, int(name), gid, (gid,))
    groups = tuple(sorted({gid, *os.getgrouplist(entry.pw_name, gid)}))
    return User(entry.pw_name, entry.pw_uid, gid, groups, entry.pw_dir)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def become(user: User) -> None:
    """Give up what this process may do beyond what `user` may; nothing brings it back.

    Raises:
        ConfigurationError: that failed. The process must end: its user is not known.
    """
    if not _is(user):
        try:
            os.setgroups(user.groups)
            os.setresgid(user.gid, user.gid, user.gid)
            os.setresuid(user.uid, user.uid, user.uid)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise ConfigurationError(f"cannot become user {user.name}: {reason}") from error
    if not _is(user) or (user.uid != 0 and _can_return()):
        raise ConfigurationError(f"cannot become user {user.name}: privileges were not given up")
    for file in (__file__, os.__file__):
        # Modules are loaded when they are first needed: that must not fail in the middle of the night.
        if not os.access(file, os.R_OK):
            raise ConfigurationError(
                f"user {user.name} may not read {file}: install the program where everybody can read it"
            )
    # Commands of the user expect these to be right.
    os.environ.update({"USER": user.name, "LOGNAME": user.name, "HOME": user.home})


def check_may_write(user: User, directory: str) -> None:
    """Refuse an output directory that this process, which has become `user`, cannot make files in.

    Raises:
        ConfigurationError: it is one.
    """
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"user {user.name} may not write to the output directory {os.path.abspath(directory)}"
        )


def _is(user: User) -> bool:
    return (
        os.getresuid() == (user.uid,) * 3
        and os.getresgid() == (user.gid,) * 3
        # The system may or may not list the group itself.
        and {*os.getgroups(), user.gid} == {*user.groups, user.gid}
    )


def _can_return() -> bool:
    """Try to become root again."""
    with suppress(OSError):
        os.setresuid(0, 0, 0)
        return True
    return False
