"""Installing Debian packages: wait for others, start nothing, leave no trace."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.debian import SCRIPTS, Debian

MARK = "made by storescp's scripts/apt-install"


@pytest.fixture
def debian(tmp_path: Path) -> Debian:
    return Debian(tmp_path)


def test_packages_and_daemons_are_installed_together(debian: Debian) -> None:
    """Lists are fetched first; nothing installed is upgraded or removed, no recommendation followed."""
    result = debian.run("apt-install", "mandoc", "--", "openbsd-inetd")

    assert (result.returncode, result.stderr) == (0, "")
    update, install = debian.calls("apt-get")
    assert update.split()[-2:] == ["update", "-qq"]
    assert debian.installed_packages() == ["mandoc", "openbsd-inetd"]
    for option in ("--no-install-recommends", "--no-upgrade", "--no-remove"):
        assert option in install
    for call in (update, install):
        assert "-o DPkg::Lock::Timeout=600" in call


def test_nothing_starts_meanwhile(debian: Debian) -> None:
    """While apt-get runs, a policy-rc.d answers 101; afterwards it is gone."""
    debian.run("apt-install", "mandoc", "--", "openbsd-inetd")

    seen = debian.root / "seen-policy-rc.d"
    assert subprocess.run([seen, "openbsd-inetd", "start"], check=False).returncode == 101
    assert not debian.policy.exists()


def test_postgresql_makes_no_cluster(debian: Debian) -> None:
    """While PostgreSQL is installed, its configuration asks for no cluster; afterwards as before."""
    debian.run("apt-install", "mandoc", "--", "postgresql")

    seen = debian.root / "seen-zz-nothing-starts.conf"
    assert "create_main_cluster = false" in seen.read_text().splitlines()
    directory = debian.root / "etc/postgresql-common/createcluster.d"
    assert list(directory.iterdir()) == []


def test_new_daemons_do_not_start_at_the_next_boot(debian: Debian) -> None:
    """Units and scripts of new daemons are disabled; those of one that was there are left alone."""
    (debian.root / "installed/haproxy").touch()

    debian.run("apt-install", "mandoc", "--", "openbsd-inetd", "haproxy")

    assert debian.calls("systemctl") == [
        "systemctl disable openbsd-inetd.service",
        "systemctl disable openbsd-inetd.socket",
    ]
    assert debian.calls("update-rc.d") == ["update-rc.d openbsd-inetd disable"]


@pytest.mark.parametrize("daemons", [[], ["openbsd-inetd"]])
def test_a_policy_of_the_administrator_stays(debian: Debian, daemons: list[str]) -> None:
    """A policy-rc.d that forbids starts is used as it is, and left."""
    debian.policy.write_text("#!/bin/sh\nexit 101\n")
    debian.policy.chmod(0o755)

    result = debian.run("apt-install", "mandoc", "--", *daemons)

    assert result.returncode == 0
    assert debian.policy.read_text() == "#!/bin/sh\nexit 101\n"


@pytest.mark.parametrize("status", [0, 104])
def test_a_policy_that_lets_a_daemon_start(debian: Debian, status: int) -> None:
    """Where the administrator's policy-rc.d lets a daemon start, nothing is installed."""
    text = f'#!/bin/sh\n[ "$*" != "openbsd-inetd start" ] || exit {status}\nexit 101\n'
    debian.policy.write_text(text)
    debian.policy.chmod(0o755)

    result = debian.run("apt-install", "mandoc", "--", "openbsd-inetd")

    assert result.returncode == 1
    assert "lets openbsd-inetd start: nothing is installed" in result.stderr
    assert debian.calls("apt-get") == []
    assert debian.policy.read_text() == text


def test_a_policy_left_behind_by_a_killed_run(debian: Debian) -> None:
    """What a run that was killed left there is taken for ours, and removed at the end."""
    debian.policy.write_text(f"#!/bin/sh\n# {MARK}, which removes it\nexit 101\n")
    debian.policy.chmod(0o755)

    result = debian.run("apt-install", "mandoc", "--", "openbsd-inetd")

    assert result.returncode == 0
    assert not debian.policy.exists()


def test_a_failure_says_why(debian: Debian) -> None:
    """What apt-get says is passed on, and nothing is left behind."""
    (debian.root / "broken").touch()

    result = debian.run("apt-install", "mandoc")

    assert result.returncode == 1
    assert "E: Unable to locate package" in result.stderr
    assert not debian.policy.exists()


def test_another_apt_at_work(debian: Debian) -> None:
    """A lock that apt-get does not wait for itself is waited for, and the wait is announced once."""
    (debian.root / "locked").write_text("2")

    result = debian.run("apt-install", "mandoc")

    assert result.returncode == 0
    assert debian.installed_packages() == ["mandoc"]
    assert result.stderr.count("waiting for another process") == 1
    assert "held by process 1 (apt-get)" in result.stderr


def test_another_apt_for_ever(debian: Debian) -> None:
    """The wait has an end, and its reason is told."""
    (debian.root / "locked").write_text("1000")
    debian.environment["APT_LOCK_TIMEOUT"] = "1"

    result = debian.run("apt-install", "mandoc")

    assert result.returncode == 1
    assert "E: Could not get lock" in result.stderr
    assert not debian.policy.exists()


def test_two_at_a_time(debian: Debian) -> None:
    """Two runs take turns, as the first to end would remove the policy of the other."""
    debian.environment["APT_LOCK_TIMEOUT"] = "1"
    holder = (
        "import fcntl, os, sys; lock = os.open(sys.argv[1], os.O_RDONLY);"
        "fcntl.flock(lock, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, debian.policy.parent],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()

        result = debian.run("apt-install", "mandoc")

        assert other.stdin is not None
        other.stdin.close()
    assert result.returncode == 1
    assert "another apt-install is at work" in result.stderr
    assert debian.calls("apt-get") == []


def test_a_run_that_is_interrupted(debian: Debian) -> None:
    """SIGTERM ends the run when apt-get has, and the policy is removed."""
    debian.add_command("apt-get", "echo >$DPKG_ROOT/begun; cat $DPKG_ROOT/gate")
    subprocess.run(["mkfifo", debian.root / "gate", debian.root / "begun"], check=True)
    process = subprocess.Popen(
        [SCRIPTS / "apt-install", "mandoc"],
        env=debian.command(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    (debian.root / "begun").read_text()
    assert debian.policy.exists()

    process.send_signal(signal.SIGTERM)
    (debian.root / "gate").write_text("")

    assert process.wait(timeout=30) == 1
    assert not debian.policy.exists()


@pytest.mark.parametrize("sudo", ["exit 1", None])
def test_a_user_who_may_not(debian: Debian, sudo: str | None) -> None:
    """Without sudo, or with one that wants a password, there is an exit code and no word."""
    debian.add_command("id", "echo 1000")
    if sudo is not None:
        debian.add_command("sudo", sudo)

    result = debian.run("apt-install", "mandoc")

    assert (result.returncode, result.stdout, result.stderr) == (1, "", "")
    assert debian.calls("apt-get") == []


def test_a_user_with_sudo(debian: Debian) -> None:
    """With sudo, what needs its rights has them: apt-get and all that is put there or removed."""
    debian.add_command("id", "echo 1000")
    debian.add_command("sudo", 'shift; note "sudo $1"; exec "$@"')

    result = debian.run("apt-install", "mandoc", "--", "openbsd-inetd")

    assert result.returncode == 0
    assert not debian.policy.exists()
    assert {line.split()[1] for line in debian.calls("sudo")} == {
        "true", "mkdir", "sh", "env", "update-rc.d", "systemctl", "rm",
    }  # fmt: skip


def test_no_apt_get(debian: Debian) -> None:
    """Elsewhere than on Debian nothing is done."""
    (debian.root / "bin/apt-get").unlink()

    result = debian.run("apt-install", "mandoc")

    assert (result.returncode, result.stdout, result.stderr) == (1, "", "")
