"""The steps of a start, tried without leaving a trace: for `--check`."""

import contextlib
import os
import pickle
from collections.abc import Callable, Iterator
from typing import TypeVar

from storescp.serve.process import privileges
from storescp.serve.process.privileges import User

_Result = TypeVar("_Result")


@contextlib.contextmanager
def untouched(path: str) -> Iterator[None]:
    """Remove afterwards what was made meanwhile of a file and the directories above it; never what has content."""
    made = []
    place = os.path.abspath(path)
    while not os.path.lexists(place):
        made.append(place)
        place = os.path.dirname(place)
    try:
        yield
    finally:
        for each in made:
            with contextlib.suppress(OSError):
                _remove_if_empty(each)


def _remove_if_empty(path: str) -> None:
    """Remove a file or directory.

    Raises:
        OSError: it is not there, is something else, or has content.
    """
    if os.path.isdir(path):
        os.rmdir(path)
    elif os.path.getsize(path) == 0:
        os.unlink(path)


def as_user(user: User | None, act: Callable[[], _Result]) -> _Result:
    """Return what a function returns in a process that has become a user, as the start does; None: in this one.

    Raises:
        ConfigurationError: nobody can become that user.
    """
    if user is None:
        return act()
    receiver_settings, sending = os.pipe()
    pid = os.fork()
    if pid == 0:
        _answer(sending, user, act)
    os.close(sending)
    with open(receiver_settings, "rb") as file:
        answer = file.read()
    os.waitpid(pid, 0)
    result: _Result | Exception = pickle.loads(answer)  # from our own child
    if isinstance(result, Exception):
        raise result
    return result


def _answer(descriptor: int, user: User, act: Callable[[], _Result]) -> None:
    """End this process, which is a child, with the result of a function."""
    result: _Result | Exception
    try:
        privileges.become(user)
        result = act()
    except Exception as error:  # noqa: BLE001  (it is raised again in the parent)
        result = error
    with open(descriptor, "wb") as file:
        file.write(pickle.dumps(result))
    os._exit(0)
