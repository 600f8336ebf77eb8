"""A TLS client of any version, suite and group: `openssl s_client`. Python's `ssl` cannot offer all of them everywhere."""

import re
import subprocess

from tests.peers.tools import require_tool

EVERY_SUITE = ("-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0")
"""Options: also those that are too weak by now."""


def s_client(port: int, *options: str) -> str:
    """Connect once; return what is said about the connection."""
    done = subprocess.run(
        [require_tool("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", *options],
        input="",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def agreed(output: str) -> str | None:
    """Return the version and the suite that the output tells, None if there are none."""
    found = re.search(r"^New, (\S+), Cipher is (\S+)$", output, re.MULTILINE)
    if not found or found[2] == "(NONE)":
        return None
    protocol = re.search(r"^\s*Protocol\s*: (\S+)$", output, re.MULTILINE)
    return f"{protocol[1] if protocol else found[1]} {found[2]}"
