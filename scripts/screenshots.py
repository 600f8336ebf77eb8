"""Take the pictures of the status page for the documentation: made-up events, the real page, a real browser."""

import os
import random
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from storescp.events import (  # noqa: E402
    AssociationAccepted,
    AssociationRejected,
    AssociationReleased,
    CommandEnded,
    CommandFailed,
    CommandStarted,
    Event,
    Fact,
    Listening,
    ObjectRefused,
    ObjectStored,
    Party,
    StudyComplete,
)
from storescp.monitor.status_page import StatusPage, status_page  # noqa: E402
from storescp.monitor.surroundings import HostStatusSettings  # noqa: E402
from storescp.monitor.viewer import Viewer  # noqa: E402
from storescp.monitor.wire import pack  # noqa: E402
from tests.peers.browser import Page, browser  # noqa: E402
from tests.peers.servers import free_port  # noqa: E402

CT, LITTLE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
MODALITIES = {
    "CT_ROOM_1": ("CT", 520_000, 300),
    "MR_NORTH": ("MR", 180_000, 220),
    "US_ER": ("US", 900_000, 25),
    "MAMMO_2": ("MG", 26_000_000, 5),
}
PICTURES = {
    "status-page-light.png": (1000, 1010, False),
    "status-page-dark.png": (1000, 1010, True),
    "status-page-phone.png": (390, 844, False),
}


class Story:
    """An hour in the life of a receiver, told to a viewer."""

    def __init__(self, viewer: Viewer, now: float) -> None:
        self._viewer = viewer
        self._now = now
        self._chance = random.Random(5)

    def tell(self, fact: Fact, party: Party | None, when: float) -> None:
        self._viewer.write(pack(Event(when, os.getpid(), party, fact)))
        time.sleep(0.0001)  # the pipe has room for some thousands

    def whole(self) -> None:
        """Tell all of it."""
        self.tell(Listening(11112, "1.0.0", "single"), None, self._now - 3600)
        when, number = self._now - 3580, 0
        while when < self._now - 60:
            number += 1
            when = self._study(number, when) + self._chance.randrange(5, 150)
        wrong = AssociationRejected(1, 1, 7, "called AE title not recognized")
        for ago in (1500, 1200, 900):
            self.tell(wrong, Party("w", "10.20.7.31", "XA_LAB", "OLD_PACS"), self._now - ago)
        self.tell(
            ObjectRefused("C000", CT, "1.2", "CT", LITTLE, "", 0.1),
            Party("r", "10.20.7.15", "CT_ROOM_1", "STORESCP"),
            self._now - 2000,
        )
        party = Party("now", "10.20.7.15", "CT_ROOM_1", "STORESCP")
        self.tell(AssociationAccepted(3, 3, "1.2", "CT", 16384, tls=True), party, self._now - 20)
        for count in range(212):
            self._object(party, "1.2.999", "CT", 520_000, self._now - 20 + count / 10.6)

    def _study(self, number: int, when: float) -> float:
        title = self._chance.choice(list(MODALITIES))
        kind, size, most = MODALITIES[title]
        uid = f"1.2.{number}"
        party = Party(f"a{number}", "10.20.7.15", title, "STORESCP")
        self.tell(AssociationAccepted(3, 3, "1.2", kind, 16384, tls=False), party, when)
        for count in range(self._chance.randrange(most // 3 + 1, most)):
            modality = "SR" if count == 0 and kind == "CT" else kind
            self._object(party, uid, modality, size + self._chance.randrange(9000), when)
            when += size / 9e6
        self.tell(AssociationReleased(1, 1, 1), party, when)
        self.tell(StudyComplete(uid, "", 1, "timeout"), None, when + 10)
        self.tell(CommandStarted("study", "", number, uid), None, when + 10)
        if number % 13 == 5:
            failed = CommandFailed("study", "", "exit status 75", 75, number, uid)
            self.tell(failed, None, when + 12)
        else:
            self.tell(CommandEnded("study", "", number, 2.0, uid), None, when + 12)
        return when

    def _object(self, party: Party, uid: str, modality: str, size: int, when: float) -> None:
        stored = ObjectStored("0000", CT, "", modality, LITTLE, uid, "", "", size, 0.002)
        self.tell(stored, party, when)


def main() -> int:
    """Write the pictures to docs."""
    now = time.time()
    port = free_port()
    settings = StatusPage("127.0.0.1", port, HostStatusSettings("/", certificate_file=__file__))
    viewer = status_page(settings, lambda *_: now + 200 * 86400)
    viewer.start(lambda: None)
    Story(viewer, now).whole()
    with browser() as chromium:
        for name, (width, height, dark) in PICTURES.items():
            page = Page(
                chromium, f"http://127.0.0.1:{port}/", width=width, height=height, dark=dark
            )
            page.wait_for("document.querySelectorAll('#problems tbody tr').length > 1")
            page.screenshot(ROOT / "docs" / name, whole=False)
    viewer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
