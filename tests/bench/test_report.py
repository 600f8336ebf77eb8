"""bench.report: what a run found, as a page, a plot and a headline."""

from dataclasses import replace
from xml.etree import ElementTree

from bench import report
from bench.__main__ import _command, _with_headline
from bench.peers import BESIDE, DCMTK, FLOOR, OURS
from bench.runner import Result, Series
from bench.start import Start
from bench.unlike import SERIES
from bench.workload import Entrant, Goal, Measure, Workload
from tests.peers.samples import ct_slice

WORKLOAD = Workload(
    "CT <512>",
    lambda: (ct_slice(16, "1.2"),),
    count=1,
    entrants=(),
    goals=(Goal(OURS, FLOOR, 0.8), Goal(OURS, DCMTK, 1.3)),
)


def run(ours: float, dcmtk: float, listens: float = 0.1) -> report.Run:
    """Return a run in which the floor reached 100 objects a second."""
    series = {
        title: Series(Entrant(title, title), [rate, rate], [1.0, 1.0], [1 / rate, 1 / rate])
        for title, rate in ((FLOOR, 100.0), (OURS, ours), (DCMTK, dcmtk))
    }
    start = Start(OURS, listens, 0.05, None, 20_000_000)
    return report.Run(["a machine"], "python -m bench", [Result(WORKLOAD, series)], [start])


def of_series(run: report.Run) -> report.Run:
    """Return the same run, of the workload of the headline."""
    [result] = run.results
    goals = (Goal(OURS, DCMTK, 0.6, Measure.PROCESSOR), Goal(OURS, BESIDE, 2.0))
    workload = replace(result.workload, title=SERIES, group="unlike", goals=goals)
    return replace(run, results=[Result(workload, result.series)])


def test_processor_time_has_targets() -> None:
    """At most so much of another's: that is said in tables, and where we lose; other builds count where they were run."""
    reached, missed = (
        report.markdown(of_series(run(*rates)), "x") for rates in ((90, 30), (90, 80))
    )

    assert "| series | storescp | DCMTK | CPU | 0.33 | ≤ 0.60 | reached |" in reached
    assert "| series | storescp | DCMTK | CPU | 0.89 | ≤ 0.60 | missed |" in missed
    assert "- series: storescp takes 0.89 of the CPU of DCMTK, wanted are at most 0.60\n" in missed
    assert "| series | 90.0 | 80.0 | 1.12 | 11111 | 12500 | 0.89 |" in missed
    assert "not measured" not in missed


def test_page_says_where_we_lose() -> None:
    """Every goal that was missed is named, and how far away it is."""
    page = report.markdown(run(90, 80, listens=0.15), "plot.svg")

    assert "- CT <512>: storescp reaches 1.12 of DCMTK, wanted are 1.30\n" in page
    assert "- until it listens: 150 ms, wanted are at most 120 ms\n" in page
    assert "of floor, wanted" not in page
    assert "Nowhere" not in page


def test_page_says_that_we_lose_nowhere() -> None:
    """Also in the terminal."""
    assert "- Nowhere in this run.\n" in report.markdown(run(90, 30), "plot.svg")
    assert report.text(run(90, 30)).endswith("\nWhere we lose\n\nNowhere in this run.\n")


def test_plot_is_well_formed() -> None:
    """Titles may hold any character; each entrant but the floor has a bar."""
    plot = ElementTree.fromstring(report.svg(run(90, 30)))

    texts = [element.text for element in plot.iter("{http://www.w3.org/2000/svg}text")]
    assert "CT <512>" in texts
    assert {"storescp 0.90", "DCMTK 0.30"} <= set(texts)


def test_headline_replaces_the_former_one() -> None:
    """Between its marks, and nothing else of the page."""
    marks = "<!-- headline: written by make bench -->\n{}<!-- end of headline -->\n"
    page = f"before\n{marks}after\n"

    headline = report.headline(of_series(run(90, 30)))

    assert headline == (
        "90 objects a second of seven series over one association, 3 times DCMTK's storescp at its best"
        " (`TCP_NODELAY=1`), and 90 % of a minimal C receiver (the floor, described below)."
        " An object takes 0.33 of DCMTK's processor time.\n"
    )
    assert report.headline(run(90, 30)) == ""
    assert _with_headline(page.format("old\n"), headline) == page.format(headline)
    assert _with_headline(page.format("old\n"), "") == page.format("old\n")


def test_command_names_no_places() -> None:
    """The page shows the options of the run, and of paths their last part."""
    assert _command([]) == "python -m bench"
    assert (
        _command(["--rounds", "9", "--beside", "/somewhere/storescp-1.0"])
        == "python -m bench --rounds 9 --beside storescp-1.0"
    )
