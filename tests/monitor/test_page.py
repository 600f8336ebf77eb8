"""The status page in a real browser, fed with events: at three widths, with much, long and nothing to show."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from storescp.events import (
    AssociationAborted,
    CommandEnded,
    CommandFailed,
    CommandStarted,
    ConnectionRefused,
    Event,
    Fact,
    Listening,
    ObjectRefused,
    ObjectStored,
    Party,
    StudyComplete,
)
from storescp.monitor.status_page import StatusPage, status_page
from storescp.monitor.surroundings import HostStatusSettings
from storescp.monitor.wire import pack
from tests.monitor.events import ACCEPTED, CT, LITTLE
from tests.peers.browser import Browser, Page, browser
from tests.peers.servers import free_port

pytestmark = pytest.mark.interop

WIDTHS = (1280, 820, 400)
PARTY = Party("a", "10.0.0.7", "CT1", "STORESCP")
HIDDEN = "document.querySelector('#facts').hidden"

Telling = Sequence[tuple[Fact, Party | None]]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for all tests of this module."""
    with browser() as running:
        yield running


@contextmanager
def served(facts: Telling, *, identifiers: bool = False) -> Iterator[str]:
    """Serve a page that was told of facts, all of them a minute ago; yield its address."""
    port = free_port()
    settings = StatusPage("127.0.0.1", port, HostStatusSettings("/"), identifiers=identifiers)
    viewer = status_page(settings, lambda *_: None)
    viewer.start(lambda: None)
    when = time.time() - 60
    for fact, party in [(Listening(104, "1.0", "single"), None), *facts]:
        viewer.write(pack(Event(when, os.getpid(), party, fact)))
        time.sleep(0.0001)  # the pipe has room for some thousands
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        viewer.close()


def opened(chromium: Browser, url: str, width: int) -> Page:
    page = Page(chromium, url, width=width, height=900)
    page.wait_for(f"!{HIDDEN}")
    return page


def study(number: int, *, patient: str = "DOE^JOHN", prefix: str = "1.2") -> ObjectStored:
    uid = f"{prefix}.{number}"
    return ObjectStored("0000", CT, uid, "CT", LITTLE, uid, patient, "/in/x", 1000, 0.002)


def studies(count: int) -> list[tuple[Fact, Party | None]]:
    return [(ACCEPTED, PARTY), *((study(number), PARTY) for number in range(count))]


REFUSED = ObjectRefused("C000", CT, "1.2", "CT", LITTLE, "why", 0.1, "StudyInstanceUID is absent")
PROBLEMS: list[tuple[Fact, Party | None]] = [
    (CommandFailed("study", "", "exit status 75", 75, 1, "1.2.1"), None),
    (AssociationAborted("peer", "its application gives no reason", 0, 0, 1.0), PARTY),
    *[(REFUSED, PARTY)] * 5,
]
LONG: list[tuple[Fact, Party | None]] = [
    (ACCEPTED, Party("a", "name-of-a-modality." * 10, "SIXTEENLETTERS_1", "SIXTEENLETTERS_2")),
    (
        study(1, patient="WOLFESCHLEGELSTEINHAUSENBERGERDORFF^HUBERT^" * 3, prefix="1.2345" * 9),
        Party("a", "name-of-a-modality." * 10, "SIXTEENLETTERS_1", "SIXTEENLETTERS_2"),
    ),
    (ConnectionRefused("protocol", "x" * 300), Party("b", "2001:db8:1:2:3:4:5:6", "", "")),
]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("facts", "identifiers"),
    [([], False), (studies(200), False), (PROBLEMS, False), (LONG, True), (studies(30), True)],
    ids=["nothing", "200 studies", "problems", "long names", "patients"],
)
def test_nothing_stands_beyond_the_edge(
    chromium: Browser, facts: Telling, width: int, *, identifiers: bool
) -> None:
    """The page is as wide as its window, whatever it shows."""
    with served(facts, identifiers=identifiers) as url:
        page = opened(chromium, url, width)

        assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", WIDTHS)
def test_words_are_not_broken(chromium: Browser, width: int) -> None:
    """A word that fits into a line of its own stands in one."""
    broken = """
        [...document.querySelectorAll("td, th, dt, dd")].flatMap((cell) => {
            const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
            const found = [];
            while (walker.nextNode()) {
                for (const word of walker.currentNode.data.matchAll(/[A-Za-z]{3,20}/g)) {
                    const range = document.createRange();
                    range.setStart(walker.currentNode, word.index);
                    range.setEnd(walker.currentNode, word.index + word[0].length);
                    const tops = new Set([...range.getClientRects()].map((line) => Math.round(line.top)));
                    if (tops.size > 1) found.push(word[0]);
                }
            }
            return found;
        })
    """
    with served([*studies(40), *PROBLEMS]) as url:
        page = opened(chromium, url, width)

        assert page.evaluate(broken) == []


def test_problems_are_found_at_once(chromium: Browser) -> None:
    """They stand above the studies, unfolded; a link leads there, and the title counts them."""
    with served([*studies(200), *PROBLEMS]) as url:
        page = opened(chromium, url, 1280)

        place = "document.querySelector('#{}').getBoundingClientRect().top"
        assert page.evaluate(place.format("problems")) < page.evaluate(place.format("studies"))
        assert page.evaluate("document.querySelector('#problems-box').open")
        assert page.evaluate("document.title") == "(3) storescp"
        assert page.evaluate("document.querySelector('#problems-link').innerText") == "3 problems"
        page.evaluate("document.querySelector('#problems-link').click()")
        page.wait_for(f"Math.abs({place.format('problems-section')}) < 5")


def test_no_problems_are_folded(chromium: Browser) -> None:
    """Where there are none, a line says so."""
    with served(studies(3)) as url:
        page = opened(chromium, url, 1280)

        assert not page.evaluate("document.querySelector('#problems-box').open")
        assert page.evaluate("document.querySelector('#problems-count').innerText") == "none"
        assert page.evaluate("document.querySelector('#problems-link').hidden")
        assert page.evaluate("document.title") == "storescp"


def test_who_folds_problems_away_keeps_them_folded(chromium: Browser) -> None:
    """The next update does not unfold what somebody has folded."""
    with served(PROBLEMS) as url:
        page = opened(chromium, url, 1280)
        before = page.evaluate(
            "document.querySelectorAll('#tiles dd')[0].parentNode.dataset.seen = 1"
        )

        page.evaluate("document.querySelector('#problems-box').open = false")

        # The tiles are made anew with each update.
        page.wait_for("!document.querySelector('#tiles [data-seen]')")
        assert before == 1
        assert not page.evaluate("document.querySelector('#problems-box').open")


def test_many_rows_are_shown_on_request(chromium: Browser) -> None:
    """The first ones, and a button for all of them, which stay."""
    rows = "document.querySelectorAll('#studies tbody tr').length"
    with served(studies(200)) as url:
        page = opened(chromium, url, 1280)
        height = page.evaluate("document.documentElement.scrollHeight")
        assert page.evaluate(rows) == 25

        page.evaluate("document.querySelector('#studies + .more').click()")

        page.wait_for(f"{rows} === 200")
        assert page.evaluate("document.querySelector('#studies + .more')") is None
        assert height < 2500


@pytest.mark.parametrize(
    ("ends", "text", "state"),
    [
        (["ends"], "complete", "complete"),
        (["fails"], "complete, command keeps failing", "bad"),
        (["fails", "ends"], "complete", "complete"),
        (["given up"], "complete, command failed", "bad"),
    ],
)
def test_a_study_whose_command_fails_is_not_green(
    chromium: Browser, ends: list[str], text: str, state: str
) -> None:
    """Nor is one whose command is going to be tried again."""
    facts: list[tuple[Fact, Party | None]] = [
        *studies(1),
        (StudyComplete("1.2.0", "/in/x", 1, "timeout"), None),
    ]
    failed = CommandFailed("study", "", "exit status 75", 75, 1, "1.2.0")
    ended: dict[str, Fact] = {
        "ends": CommandEnded("study", "", 1, 1.0, "1.2.0"),
        "fails": failed._replace(next_attempt_in=30.0),
        "given up": failed,
    }
    for end in ends:
        facts += [(CommandStarted("study", "", 1, "1.2.0"), None), (ended[end], None)]
    with served(facts) as url:
        page = opened(chromium, url, 1280)

        mark = "document.querySelector('#studies .mark')"
        assert page.evaluate(f"{mark}.innerText") == text
        assert page.evaluate(f"{mark}.dataset.state") == state


def test_the_tiles_say_what_they_count(chromium: Browser) -> None:
    """Objects refused, peers refused, associations aborted: the words of the terminal."""
    facts: list[tuple[Fact, Party | None]] = [
        *PROBLEMS,
        (ConnectionRefused("timeout", "said nothing"), Party("b", "10.0.0.8", "", "")),
    ]
    with served(facts) as url:
        page = opened(chromium, url, 1280)

        tiles = page.evaluate(
            "[...document.querySelectorAll('#tiles div')].map((tile) => tile.innerText.split('\\n'))"
        )
        assert ["Objects refused", "5", "1 peer refused"] in tiles
        assert ["Aborted", "1", "association"] in tiles
