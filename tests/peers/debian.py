"""A Debian system in a directory: fakes of apt-get, dpkg-query and others, which note how they were called."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "scripts"

# Words of a call, and what stood in the system's files then.
NOTE = r"""
note() {
    echo "$@" >>"$DPKG_ROOT/calls"
}
"""

APT_GET = r"""
note "apt-get $*"
for file in usr/sbin/policy-rc.d etc/postgresql-common/createcluster.d/zz-nothing-starts.conf; do
    [ ! -e "$DPKG_ROOT/$file" ] || cp -p "$DPKG_ROOT/$file" "$DPKG_ROOT/seen-${file##*/}"
done
if [ -e "$DPKG_ROOT/locked" ]; then
    # Whoever holds the lock lets go of it when it was asked for that often.
    left=$(($(cat "$DPKG_ROOT/locked") - 1))
    if [ "$left" -ge 0 ]; then
        echo "$left" >"$DPKG_ROOT/locked"
        echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)" >&2
        exit 100
    fi
fi
case " $* " in
*" install "*)
    [ ! -e "$DPKG_ROOT/broken" ] || { echo "E: Unable to locate package" >&2; exit 100; }
    for word; do
        [ ! -e "$DPKG_ROOT/packages/$word" ] || cp "$DPKG_ROOT/packages/$word"/* "$DPKG_ROOT/bin/"
    done ;;
esac
"""

DPKG_QUERY = r"""
case $1 in
-W) [ ! -e "$DPKG_ROOT/installed/$4" ] || printf installed ;;
-L) printf '%s\n' "/lib/systemd/system/$2.service" "/lib/systemd/system/$2@.service" \
    "/usr/lib/systemd/system/$2.socket" "/etc/init.d/$2" "/usr/bin/$2" ;;
esac
"""

# Of the real system the scripts need these.
REAL = [
    "sh",
    "env",
    "grep",
    "cat",
    "chmod",
    "cp",
    "dirname",
    "flock",
    "mkdir",
    "mktemp",
    "rm",
    "sleep",
    "touch",
    "true",
]


@dataclass
class Debian:
    """A system whose root is `root`; `environment` is added to that of the scripts."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("bin", "real", "usr/sbin", "installed", "packages"):
            (self.root / name).mkdir(parents=True)
        for name in REAL:
            found = next(
                path for path in (Path("/usr/bin", name), Path("/bin", name)) if path.exists()
            )
            (self.root / "real" / name).symlink_to(found)
        self.add_command("apt-get", APT_GET)
        self.add_command("dpkg-query", DPKG_QUERY)
        self.add_command("id", "echo 0")
        for name in ("update-rc.d", "systemctl"):
            self.add_command(name, f'note "{name} $*"')

    @property
    def policy(self) -> Path:
        return self.root / "usr/sbin/policy-rc.d"

    def add_command(self, name: str, script: str, *, package: str = "") -> None:
        """Add a command, or a package that brings it when it is installed."""
        directory = self.root / "packages" / package if package else self.root / "bin"
        directory.mkdir(exist_ok=True)
        path = directory / name
        path.write_text(f"#!/bin/sh\n{NOTE}{script}\n")
        path.chmod(0o755)

    def calls(self, name: str) -> list[str]:
        """How the command `name` was called, in order."""
        path = self.root / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if line.split()[0] == name]

    def installed_packages(self) -> list[str]:
        """The packages that apt-get was asked to install."""
        words = [line.split() for line in self.calls("apt-get")]
        return [
            word
            for line in words
            if "install" in line
            for word in line[line.index("install") :]
            if not word.startswith("-") and word != "install"
        ]

    def command(self) -> dict[str, str]:
        """Return the environment of a script that runs in this system."""
        return {
            "PATH": os.pathsep.join(str(self.root / name) for name in ("bin", "real")),
            "DPKG_ROOT": str(self.root),
            "TMPDIR": str(self.root),
            **self.environment,
        }

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of `scripts/` with no terminal."""
        return subprocess.run(
            [str(SCRIPTS / script), *arguments],
            env=self.command(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
