"""Who is measured: our server, DCMTK's, pynetdicom's, and the floor."""

import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.peers.servers import dcmtk_environment, our_command, our_environment
from tests.peers.tools import find_tool

OURS = "storescp"
DCMTK = "DCMTK"
DCMTK_AS_INSTALLED = "DCMTK as installed"
PYNETDICOM = "pynetdicom"
FLOOR = "floor"


@dataclass(frozen=True, slots=True)
class Peer:
    """A server under measurement; `command` is followed by `-od DIRECTORY`, options and the port."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]


def available(build: Path) -> dict[str, Peer]:
    """Return the peers that this machine can run, by name; `build` is where the floor is compiled."""
    # Installed programs have their bytecode, so those that are started here may keep it.
    environment = {
        key: value for key, value in our_environment().items() if key != "PYTHONDONTWRITEBYTECODE"
    }
    peers = [Peer(OURS, tuple(our_command()), environment)]
    if storescp := find_tool("storescp"):
        best = dcmtk_environment()
        usual = {key: value for key, value in best.items() if key != "TCP_NODELAY"}
        peers += [Peer(DCMTK, (storescp,), best), Peer(DCMTK_AS_INSTALLED, (storescp,), usual)]
    if importlib.util.find_spec("pynetdicom"):
        command = (sys.executable, "-m", "pynetdicom", "storescp", "-q")
        peers.append(Peer(PYNETDICOM, command, environment))
    if compiler := find_tool("cc"):
        floor = build / "floor"
        source = Path(__file__).with_name("floor.c")
        subprocess.run([compiler, "-O2", "-o", str(floor), str(source)], check=True)
        peers.append(Peer(FLOOR, (str(floor),), environment))
    return {peer.name: peer for peer in peers}
