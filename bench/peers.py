"""Who is measured: our server, another build of it, DCMTK's, pynetdicom's, and the floor."""

import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from storescp import compilation
from storescp.compilation import Form, form
from tests.peers.servers import dcmtk_environment, our_command, our_environment
from tests.peers.tools import find_tool

OURS = "storescp"
PURE = "plain Python"
"""Our server without the modules that are compiled."""
BESIDE = "beside"
"""Our server from another checkout, --beside."""
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


def available(
    build: Path, *, beside: Path | None = None, dcmtk: str = "storescp"
) -> dict[str, Peer]:
    """Return the peers that this machine can run, by name.

    `build` is where the floor is compiled, `beside` another checkout of ours, `dcmtk` the name or path of DCMTK's server.
    """
    # Installed programs have their bytecode, so those that are started here may keep it.
    environment = {
        key: value for key, value in our_environment().items() if key != "PYTHONDONTWRITEBYTECODE"
    }
    ours = tuple(our_command())
    peers = [Peer(OURS, ours, environment)]
    if form() is Form.COMPILED:
        peers.append(Peer(PURE, ours, {**environment, "PYTHONPATH": str(_plain_copy(build))}))
    if beside is not None:
        peers.append(Peer(BESIDE, ours, {**environment, "PYTHONPATH": str(beside / "src")}))
    if storescp := find_tool(dcmtk):
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


def _plain_copy(build: Path) -> Path:
    """Copy our sources without extension modules; return what belongs into the module path."""
    package = Path(compilation.__file__).parent
    target = build / "plain"
    shutil.copytree(package, target / package.name, ignore=shutil.ignore_patterns("*.so"))
    return target
