"""Measure storescp beside its peers: `python -m bench`, or `make bench`."""

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import report, start
from bench.objects import templates
from bench.peers import DCMTK, OURS, PYNETDICOM, Peer, available
from bench.runner import Result, Runner
from bench.workload import Workload
from bench.workloads import growth, workloads
from storescp import __version__
from storescp.compilation import form
from tests.peers.tools import find_tool

GROUPS = ("unlike", "core", "disk", "modes", "parallel", "growth", "start")
ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
PLOT = ROOT / "docs" / "benchmarks.svg"
README = ROOT / "README.md"
_HEADLINE = re.compile(
    r"(?<=<!-- headline: written by make bench -->\n).*?(?=<!-- end of headline -->)", re.DOTALL
)


def main() -> int:
    """Run what the command line asks for, print tables, and write the page and its plot."""
    arguments = _parse(sys.argv[1:])
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as in_memory,
        tempfile.TemporaryDirectory(dir=_disk()) as on_disk,
    ):
        peers = available(Path(in_memory), beside=arguments.beside, dcmtk=arguments.dcmtk)
        chosen = [
            workload
            for workload in [*workloads(_make_certificate(Path(in_memory))), *growth()]
            if workload.group in arguments.groups and arguments.only in workload.title
        ]
        runner = Runner(peers, Path(in_memory), Path(on_disk))
        results = [_run(runner, workload, arguments.rounds) for workload in chosen]
        starts = []
        if "start" in arguments.groups:
            starts = [start.measure(peer, Path(on_disk)) for peer in _starting(peers)]
    run = report.Run(_machine(arguments), _command(sys.argv[1:]), results, starts)
    print(report.text(run))
    if arguments.write:
        PAGE.write_text(report.markdown(run, PLOT.name))
        PLOT.write_text(report.svg(run))
        README.write_text(_with_headline(README.read_text(), report.headline(run)))
    return 0


def _with_headline(page: str, headline: str) -> str:
    return _HEADLINE.sub(lambda _: headline, page) if headline else page


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count (default: 5)")
    parser.add_argument(
        "--quick", action="store_true", help="two rounds of objects that are unlike, no page"
    )
    parser.add_argument(
        "--groups",
        default="unlike,core,disk,modes,parallel,start",
        type=lambda value: value.split(","),
        help=f"comma-separated, of {', '.join(GROUPS)} (default: all but growth)",
    )
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="workloads with TEXT in their titles"
    )
    parser.add_argument(
        "--beside",
        type=lambda path: Path(path).resolve(),
        metavar="CHECKOUT",
        help="measure another checkout of this repository, too, in the same rounds",
    )
    parser.add_argument(
        "--dcmtk",
        default="storescp",
        metavar="COMMAND",
        help="DCMTK's server (default: the storescp that comes first in PATH)",
    )
    parser.add_argument(
        "--write", action="store_true", default=None, help="write docs/benchmarks.md and .svg"
    )
    parsed = parser.parse_args(arguments)
    if parsed.quick:
        parsed.rounds, parsed.groups = 2, ["unlike"]
    # Only a whole run makes the page, unless asked.
    if parsed.write is None:
        parsed.write = not arguments
    return parsed


def _run(runner: Runner, workload: Workload, rounds: int) -> Result:
    began = time.monotonic()
    result = runner.run(workload, templates(workload.samples()), min(rounds, workload.most_rounds))
    print(f"{workload.title}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return result


def _starting(peers: dict[str, Peer]) -> list[Peer]:
    return [peer for name, peer in peers.items() if name in (OURS, DCMTK, PYNETDICOM)]


def _disk() -> Path:
    """Return a directory of this repository, which is surely on a disk; /tmp may be in memory."""
    directory = ROOT / ".cache" / "bench"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _make_certificate(directory: Path) -> tuple[str, str] | None:
    """Make a key and a certificate for TLS; None without openssl."""
    openssl = find_tool("openssl")
    if openssl is None:
        return None
    key, certificate = str(directory / "key.pem"), str(directory / "certificate.pem")
    request = f"req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2 -keyout {key}"
    subprocess.run(
        [openssl, *request.split(), "-out", certificate], check=True, capture_output=True
    )
    return key, certificate


def _command(arguments: Sequence[str]) -> str:
    """Return the command line for the page; where things lie on this machine is nobody's business."""
    shown = [Path(word).name if "/" in word else word for word in arguments]
    return " ".join(["python -m bench", *shown])


def _commit(checkout: Path) -> str:
    """Return the commit that a checkout has, or what it is called."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"commit {done.stdout.strip()}" if done.returncode == 0 else checkout.name


def _machine(arguments: argparse.Namespace) -> list[str]:
    """Return lines that say what was run on."""
    lines = [f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"]
    try:
        model = [
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ]
        lines += model[:1]
    except OSError:
        pass
    lines.append(f"{platform.python_implementation()} {platform.python_version()}")
    lines.append(f"storescp {__version__}: data sets are read by {form().value}")
    if arguments.beside is not None:
        lines.append(f"*beside*: storescp as of {_commit(arguments.beside)}")
    if storescp := find_tool(arguments.dcmtk):
        version = subprocess.run(
            [storescp, "--version"], capture_output=True, text=True, check=False
        )
        lines.append(version.stdout.strip().splitlines()[0].strip("$ "))
    lines.append(time.strftime("%Y-%m-%d"))
    return lines


if __name__ == "__main__":
    sys.exit(main())
