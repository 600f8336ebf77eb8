"""Fuzz all targets for a long time: `python -m tests.fuzz.campaign --seconds 7200 [--corpus DIRECTORY] [TARGET…]`.

One target at a time, each as often as its weight says; what was found in one turn is where the next one starts.
Every turn adds a line to `turns.tsv` in the corpus directory: target, seconds of processor time, executions, exit code. An input that
breaks a promise stays there as a file beside the target's directory, and in `findings.txt` in hexadecimal; the
campaign goes on. `--sum` tells the totals.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

from tests.fuzz.targets import TARGETS

_EXECUTIONS = re.compile(r"^stat::number_of_executed_units:\s*([0-9]+)", re.MULTILINE)
_PROGRESS = re.compile(r"^#([0-9]+)\t", re.MULTILINE)


def turns(names: Sequence[str]) -> Iterator[str]:
    """Yield targets without end, each as often as its weight says, spread out."""
    weights = {name: TARGETS[name].weight for name in names}
    debts = Counter[str]()
    for _ in cycle((None,)):
        debts.update(weights)
        name = max(debts, key=debts.__getitem__)
        debts[name] -= sum(weights.values())
        yield name


def take_turn(name: str, seconds: int, corpus: Path) -> bool:
    """Fuzz a target for a while and note what came of it; tell whether all is well."""
    before = _processor_time()
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.fuzz",
            name,
            str(corpus / name),
            f"-max_total_time={seconds}",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    spent = _processor_time() - before
    found = _EXECUTIONS.search(done.stderr)
    executions = (
        int(found[1]) if found else max(map(int, _PROGRESS.findall(done.stderr)), default=0)
    )
    with (corpus / "turns.tsv").open("a") as file:
        file.write(f"{name}\t{spent:.0f}\t{executions}\t{done.returncode}\n")
    if done.returncode:
        with (corpus / "findings.txt").open("a") as file:
            file.write(f"== {name}\n{done.stderr[-6000:]}\n")
    return done.returncode == 0


def _processor_time() -> float:
    """Return the seconds that turns have computed so far; by the clock, others may have had the processor."""
    times = os.times()
    return times.children_user + times.children_system


def totals(corpus: Path) -> str:
    """Return a table: target, hours of processor time, executions, findings."""
    seconds, executions, findings = Counter[str](), Counter[str](), Counter[str]()
    for line in (corpus / "turns.tsv").read_text().splitlines():
        name, spent, executed, code = line.split("\t")
        seconds[name] += int(spent)
        executions[name] += int(executed)
        findings[name] += code != "0"
    names = [*seconds, "all"]
    for count in (seconds, executions, findings):
        count["all"] = count.total()
    return "".join(
        f"{name:14}{seconds[name] / 3600:7.2f} h{executions[name]:14,}{findings[name]:6}\n"
        for name in names
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=7200, help="in all (default: 7200)")
    parser.add_argument("--turn", type=int, default=0, help="seconds of a turn (default: 10 to 90)")
    parser.add_argument("--corpus", type=Path, default=Path(".cache/fuzz"))
    parser.add_argument("--sum", action="store_true", help="tell what was done so far")
    arguments = parser.parse_args()
    corpus = arguments.corpus
    if arguments.sum:
        sys.stdout.write(totals(corpus))
        return 0
    corpus.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + arguments.seconds
    turn = arguments.turn or max(10, min(90, arguments.seconds // 40))
    well = True
    for name in turns(arguments.targets or list(TARGETS)):
        left = round(end - time.monotonic())
        if left <= 0:
            break
        well = take_turn(name, min(turn, left), corpus) and well
    sys.stdout.write(totals(corpus))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
