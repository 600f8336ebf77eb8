"""What `--check` does for a moment: as another user, and without leaving a trace."""

import os
import pwd
from pathlib import Path

import pytest

from storescp.errors import ConfigurationError
from storescp.reports.rehearsal import as_user, untouched
from storescp.serve.process import privileges
from storescp.serve.process.privileges import User

SOMEBODY = User("somebody", 4444, 44, (44,))


@pytest.mark.parametrize("name", ["file", "a/file", "a/b/c/file"])
def test_what_was_made_is_removed(name: str, tmp_path: Path) -> None:
    """A file and the directories above it go, those that were there stay."""
    (tmp_path / "stays").touch()

    with untouched(str(tmp_path / name)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert [path.name for path in tmp_path.iterdir()] == ["stays"]


def test_what_was_there_stays(tmp_path: Path) -> None:
    """Also where it is empty, or a link to nothing."""
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to("nothing")

    for name in ("empty", "link"):
        with untouched(str(tmp_path / name)):
            pass

    assert {path.name for path in tmp_path.iterdir()} == {"empty", "link"}


def test_what_has_content_meanwhile_stays(tmp_path: Path) -> None:
    """Somebody else has begun to use it."""
    with untouched(str(tmp_path / "a" / "file")):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "file").write_text("of somebody")

    assert (tmp_path / "a" / "file").read_text() == "of somebody"


def test_an_error_is_no_reason_to_leave_something(tmp_path: Path) -> None:
    """What was made until then goes, and the error goes on."""

    def fail() -> None:
        with untouched(str(tmp_path / "a" / "file")):
            (tmp_path / "a").mkdir()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert not list(tmp_path.iterdir())


def test_nobody_else() -> None:
    """Without a user, it is done here."""
    assert as_user(None, os.getpid) == os.getpid()


def test_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is done by a process that has become the user, from which no way leads back."""
    became: list[str] = []

    def become(user: User) -> None:
        became.append(user.name)

    monkeypatch.setattr(privileges, "become", become)

    process, known = as_user(SOMEBODY, lambda: (os.getpid(), list(became)))

    assert process != os.getpid()
    assert known == ["somebody"]
    assert not became


def test_errors_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is raised there is raised here, with what was added to it."""
    monkeypatch.setattr(privileges, "become", lambda _: None)

    def fail() -> None:
        error = ConfigurationError("it fails")
        error.add_note("and this is why")
        raise error

    with pytest.raises(ConfigurationError, match="it fails") as caught:
        as_user(SOMEBODY, fail)

    assert caught.value.__notes__ == ["and this is why"]


def test_a_user_whom_this_process_cannot_become() -> None:
    """The error is that of the start."""
    is_root = os.geteuid() == 0
    impossible = User("somebody", 1 << 40, 44, (44,)) if is_root else SOMEBODY

    with pytest.raises(ConfigurationError, match="cannot become user somebody"):
        as_user(impossible, os.getpid)


def test_this_user() -> None:
    """Whoever the process is already can be had without being root."""
    entry = pwd.getpwuid(os.geteuid())
    me = User(entry.pw_name, os.geteuid(), os.getegid(), tuple(os.getgroups()), entry.pw_dir)

    assert as_user(me, os.geteuid) == os.geteuid()
