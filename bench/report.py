"""What a run found, as text for the terminal, as a page and as a plot."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from statistics import median

from bench.peers import BESIDE, DCMTK, DCMTK_AS_INSTALLED, FLOOR, OURS, PURE, PYNETDICOM
from bench.runner import Result, Series
from bench.start import GOALS, Start
from bench.unlike import SERIES
from bench.workload import Goal, Measure

TITLES = (
    FLOOR,
    OURS,
    f"{OURS} +B",
    PURE,
    BESIDE,
    f"{BESIDE} +B",
    DCMTK,
    f"{DCMTK} +B",
    DCMTK_AS_INSTALLED,
    PYNETDICOM,
)


@dataclass(frozen=True, slots=True)
class Run:
    """All that one run found, and what on."""

    machine: Sequence[str]
    command: str
    results: Sequence[Result]
    starts: Sequence[Start]

    def group(self, *names: str) -> list[Result]:
        """Return the results of some groups of workloads."""
        return [result for result in self.results if result.workload.group in names]


def text(run: Run) -> str:
    """Return the tables for a terminal."""
    parts = []
    for heading, table in _tables(run):
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        rows = [
            "  ".join(
                cell.ljust(width) if number == 0 else cell.rjust(width)
                for number, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in table
        ]
        parts += ["", heading, "", rows[0], "-" * len(rows[0]), *rows[1:]]
    for heading, lines in _lists(run):
        parts += ["", heading, "", *lines]
    return "\n".join(line.rstrip() for line in [*parts, ""])


def markdown(run: Run, plot: str) -> str:
    """Return the page; `plot` is the name of the plot's file beside it."""
    parts = [
        "# Benchmarks",
        "",
        f"Written by `{run.command}`, which measures all servers in one run, in interleaved rounds:",
        "a ratio is the median of the ratios of the rounds, a rate the median of the rates.",
        "DCMTK runs with `TCP_NODELAY=1` in its environment, its best case, but where it says *as installed*.",
        "The floor is a C program (`bench/floor.c`) that takes PDUs apart and writes files, and knows nothing",
        "else of DICOM. CPU is the time in user mode and in the kernel that all processes of a server take for an",
        "object. Objects come in PDUs of 16 KiB, and the sender has everything prepared. Files are in memory unless",
        "the table says *on disk*. [bench/README.md](../bench/README.md) describes what is sent.",
        "",
        *(f"- {line}" for line in run.machine),
        "",
        f"![Objects a second, relative to the floor]({plot})",
    ]
    for heading, table in _tables(run):
        parts += ["", f"## {heading}", ""]
        parts += _rows(table)
    for heading, lines in _lists(run):
        parts += ["", f"## {heading}", "", *(f"- {line}" for line in lines)]
    return "\n".join(parts) + "\n"


def _lists(run: Run) -> Iterable[tuple[str, list[str]]]:
    if run.results:
        yield "Where we lose", _losses(run) or ["Nowhere in this run."]
    if found := troubles(run.results):
        yield "Not measured", found


def headline(run: Run) -> str:
    """Return what the README says of the series; nothing if they were not sent."""
    for result in run.group("unlike"):
        ours = result.series.get(OURS)
        if result.workload.title != SERIES or ours is None or not ours.rates:
            continue
        beside = {
            DCMTK: "times DCMTK's storescp at its best (`TCP_NODELAY=1`)",
            DCMTK_AS_INSTALLED: "times as it is installed",
            PYNETDICOM: "times pynetdicom's",
        }
        ratios = [
            f"{_two_digits(ratio)} {name}"
            for peer, name in beside.items()
            if (ratio := result.ratio(OURS, peer)) is not None
        ]
        if (ratio := result.ratio(OURS, FLOOR)) is not None:
            ratios.append(
                f"and {ratio * 100:.0f} % of a minimal C receiver (the floor, described below)"
            )
        parts = [f"{ours.rate:.0f} objects a second of seven series over one association", *ratios]
        cost = result.ratio(OURS, DCMTK, Measure.PROCESSOR)
        processor = f" An object takes {cost:.2f} of DCMTK's processor time." if cost else ""
        return f"{', '.join(parts)}.{processor}\n"
    return ""


def _two_digits(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2g}"


def _rows(table: Sequence[Sequence[str]]) -> Iterable[str]:
    yield "| " + " | ".join(table[0]) + " |"
    yield "|---" + "|---:" * (len(table[0]) - 1) + "|"
    for row in table[1:]:
        yield "| " + " | ".join(row) + " |"


def _tables(run: Run) -> Iterable[tuple[str, list[list[str]]]]:
    unlike = run.group("unlike")
    if unlike:
        yield "Objects that are unlike", _unlike(unlike)
        yield "Objects that are unlike: others, objects a second", _others(unlike)
        yield "Objects that are unlike: targets", _goals(unlike)
    usual = run.group("core", "disk", "modes")
    if usual:
        yield "One object repeated, objects a second", _rates(usual)
        yield "One object repeated, CPU µs an object", _costs(usual)
        yield "One object repeated: targets", _goals(usual)
    if unlike or usual:
        yield "Greatest resident memory, MB", _memory([*unlike, *usual])
    parallel = run.group("parallel")
    if parallel:
        yield "In parallel, objects a second", _rates(parallel)
        yield "In parallel: targets", _goals(parallel)
    growing = run.group("growth")
    if growing:
        yield "Growing amounts", _growth(growing)
    if run.starts:
        yield "Start", _starts(run.starts)


_NOT_ALL = (FLOOR, PURE, DCMTK_AS_INSTALLED, PYNETDICOM)
"""Who is measured with a few of the workloads only."""


def _unlike(results: Sequence[Result]) -> list[list[str]]:
    """Return rates and CPU beside DCMTK's, and the ratios to the other build, if there is one."""
    head = ["", f"{OURS}, objects/s", f"{DCMTK}, objects/s", "ratio"]
    head += [f"{OURS}, CPU µs an object", f"{DCMTK}, CPU µs an object", "ratio"]
    with_beside = any(BESIDE in result.series for result in results)
    if with_beside:
        head += ["rate beside the other build", "CPU beside the other build"]
    table = [head]
    for result in results:
        ours, dcmtk = (result.series.get(title) for title in (OURS, DCMTK))
        row = [
            result.workload.title,
            _rate(ours),
            _rate(dcmtk),
            _ratio(result, DCMTK, Measure.RATE),
        ]
        row += [_cost(ours), _cost(dcmtk), _ratio(result, DCMTK, Measure.PROCESSOR)]
        if with_beside:
            row += [_ratio(result, BESIDE, measure) for measure in Measure]
        table.append(row)
    return table


def _ratio(result: Result, reference: str, measure: Measure) -> str:
    ratio = result.ratio(OURS, reference, measure)
    return "" if ratio is None else f"{ratio:.2f}"


def _cost(series: Series | None) -> str:
    """Return microseconds of processor an object."""
    return f"{median(series.costs) * 1e6:.0f}" if series is not None and series.costs else ""


def _others(results: Sequence[Result]) -> list[list[str]]:
    titles = [title for title in _NOT_ALL if any(title in result.series for result in results)]
    return [
        ["", *titles],
        *(
            [result.workload.title, *(_rate(result.series.get(title)) for title in titles)]
            for result in results
            if any(title in result.series for title in titles)
        ),
    ]


def _starts(starts: Sequence[Start]) -> list[list[str]]:
    return [
        ["", *(goal.title for goal in GOALS)],
        *(
            [start.peer, *(_start_cell(goal.field, getattr(start, goal.field)) for goal in GOALS)]
            for start in starts
        ),
        ["wanted of ours, at most", *(_start_cell(goal.field, goal.most) for goal in GOALS)],
    ]


def _start_cell(field: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value / 1e6:.0f} MB" if field == "idle_memory" else f"{value * 1000:.0f} ms"


def _losses(run: Run) -> list[str]:
    """Return a line for each goal that was missed, and how far: where we lose."""
    lines = []
    for result in run.results:
        for goal in result.workload.goals:
            ratio = result.ratio(goal.entrant, goal.reference, goal.measure)
            if ratio is not None and not goal.is_reached(ratio):
                what = {
                    Measure.RATE: "reaches {:.2f} of {}, wanted are {:.2f}",
                    Measure.PROCESSOR: "takes {:.2f} of the CPU of {}, wanted are at most {:.2f}",
                }[goal.measure].format(ratio, goal.reference, goal.ratio)
                lines.append(f"{result.workload.title}: {goal.entrant} {what}")
    for start in run.starts:
        for wanted in GOALS:
            value = getattr(start, wanted.field)
            if start.peer == OURS and value is not None and value > wanted.most:
                cells = (_start_cell(wanted.field, number) for number in (value, wanted.most))
                lines.append("{}: {}, wanted are at most {}".format(wanted.title, *cells))
    return lines


def _present(results: Sequence[Result]) -> list[str]:
    known = [title for title in TITLES if any(title in result.series for result in results)]
    others = {title: None for result in results for title in result.series if title not in TITLES}
    return [*known, *others]


def _rates(results: Sequence[Result]) -> list[list[str]]:
    return _by_title(results, _rate)


def _costs(results: Sequence[Result]) -> list[list[str]]:
    return _by_title(results, _cost)


def _by_title(results: Sequence[Result], cell: Callable[[Series | None], str]) -> list[list[str]]:
    titles = _present(results)
    return [
        ["", *titles],
        *(
            [result.workload.title, *(cell(result.series.get(title)) for title in titles)]
            for result in results
        ),
    ]


def _rate(series: Series | None) -> str:
    if series is None:
        return ""
    if not series.rates:
        return "-"
    return f"{series.rate:.1f}" if series.rate < 100 else f"{series.rate:.0f}"


def _memory(results: Sequence[Result]) -> list[list[str]]:
    titles = _present(results)
    return [
        ["", *titles],
        *(
            [
                result.workload.title,
                *(
                    f"{result.series[title].memory / 1e6:.0f}" if title in result.series else ""
                    for title in titles
                ),
            ]
            for result in results
        ),
    ]


def _goals(results: Sequence[Result]) -> list[list[str]]:
    """Return a row for each goal, but for those beside a build that was not to be measured."""
    table = [["", "server", "beside", "", "ratio", "wanted", ""]]
    for result in results:
        table += [
            _goal(result, goal)
            for goal in result.workload.goals
            if not {goal.entrant, goal.reference} & (_OF_CHOICE - result.series.keys())
        ]
    return table


_OF_CHOICE = frozenset({BESIDE, f"{BESIDE} +B", PURE})


def _goal(result: Result, goal: Goal) -> list[str]:
    ratio = result.ratio(goal.entrant, goal.reference, goal.measure)
    cells = [result.workload.title, goal.entrant, goal.reference, goal.measure.value]
    wanted = f"{'≥' if goal.measure is Measure.RATE else '≤'} {goal.ratio:.2f}"
    if ratio is None:
        return [*cells, "-", wanted, "not measured"]
    return [*cells, f"{ratio:.2f}", wanted, "reached" if goal.is_reached(ratio) else "missed"]


def _growth(results: Sequence[Result]) -> list[list[str]]:
    table = [["", "objects a second", "memory, MB"]]
    for result in results:
        table += [
            [result.workload.title, _rate(series), f"{series.memory / 1e6:.1f}"]
            for series in result.series.values()
        ]
    return table


def troubles(results: Sequence[Result]) -> list[str]:
    """Return a line for each way in which a server failed, with the workloads concerned."""
    found: dict[str, list[str]] = {}
    for result in results:
        for title, series in result.series.items():
            if series.trouble:
                line = f"{title}: {series.trouble.splitlines()[-1][:200]}"
                found.setdefault(line, []).append(result.workload.title)
    return [f"{line} ({'; '.join(workloads)})" for line, workloads in found.items()]


_COLOURS = {
    OURS: "#1a7f5a",
    f"{OURS} +B": "#7cc9a9",
    DCMTK: "#b3541e",
    f"{DCMTK} +B": "#e0a37f",
    PYNETDICOM: "#6b6b9b",
}


def svg(run: Run) -> str:
    """Return bars of the rates relative to the floor, for each workload that the floor was measured with in one process."""
    results = [result for result in run.group("unlike", "core") if FLOOR in result.series]
    bar, gap, left, width = 14, 18, 250, 420
    titles = [title for title in _COLOURS if any(title in result.series for result in results)]
    height = 50 + len(results) * (len(titles) * bar + gap)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 160} {height}">',
        "<style>text { font-family: sans-serif; font-size: 12px }</style>",
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{left}" y="18">Objects a second, relative to the floor (1.0)</text>',
        f'<line x1="{left + width}" y1="28" x2="{left + width}" y2="{height - 12}" stroke="#999"/>',
    ]
    y = 34
    for result in results:
        middle = y + len(titles) * bar / 2 + 4
        lines.append(
            f'<text x="8" y="{middle:.0f}" font-weight="bold">{escape(result.workload.title)}</text>'
        )
        for title in titles:
            ratio = result.ratio(title, FLOOR)
            if ratio is not None:
                length = min(ratio, 1.1) * width
                lines.append(
                    f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{bar - 2}" '
                    f'fill="{_COLOURS[title]}"/>'
                    f'<text x="{left + length + 4:.1f}" y="{y + bar - 4}" style="font-size: 10px">'
                    f"{escape(title)} {ratio:.2f}</text>"
                )
            y += bar
        y += gap
    return "\n".join([*lines, "</svg>", ""])
