"""bench.report: what a run found, as a page, a plot and a headline."""

from xml.etree import ElementTree

from bench import report
from bench.__main__ import _with_headline
from bench.peers import DCMTK, FLOOR, OURS
from bench.runner import Result, Series
from bench.start import Start
from bench.workloads import Entrant, Goal, Workload
from tests.peers.samples import ct_slice

WORKLOAD = Workload(
    "CT <512>",
    lambda: ct_slice(16, "1.2"),
    count=1,
    entrants=(),
    goals=(Goal(OURS, FLOOR, 0.8), Goal(OURS, DCMTK, 1.3)),
)


def run(ours: float, dcmtk: float, listens: float = 0.1) -> report.Run:
    """Return a run in which the floor reached 100 objects a second."""
    series = {
        title: Series(Entrant(title, title), [rate, rate], [1.0, 1.0])
        for title, rate in ((FLOOR, 100.0), (OURS, ours), (DCMTK, dcmtk))
    }
    start = Start(OURS, listens, 0.05, None, 20_000_000)
    return report.Run(["a machine"], "python -m bench", [Result(WORKLOAD, series)], [start])


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

    headline = report.headline(run(90, 30))

    assert headline == (
        "90 CT slices (512 x 512) a second over one association, 3 times DCMTK's storescp at its best"
        " (`TCP_NODELAY=1`), 0.9 of that C program.\n"
    )
    assert _with_headline(page.format("old\n"), headline) == page.format(headline)
    assert _with_headline(page.format("old\n"), "") == page.format("old\n")
