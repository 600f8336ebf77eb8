"""The status page of the running program: asked by plain HTTP, and driven in a real browser."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from storescp.process_name import PAGE
from tests.end_to_end.processes import of_kind
from tests.monitor.http_client import get
from tests.peers.authority import Authority
from tests.peers.browser import Browser, Page, browser
from tests.peers.dicom import Syntax
from tests.peers.requestor import CT_IMAGE_STORAGE, Context, Requestor, message, store_command
from tests.peers.servers import Server, our_command, our_environment, ours

LITTLE = "1.2.840.10008.1.2.1"
CONTEXTS = (Context(1, CT_IMAGE_STORAGE, (LITTLE,)),)
HOSTILE = "<img src=x onerror=alert(1)>"

Modes = pytest.mark.parametrize(
    "mode", [[], ["--fork"], ["--workers", "2"]], ids=["single", "fork", "workers"]
)


def data_set(instance: str, study: str, patient: str, size: int) -> bytes:
    syntax = Syntax()
    return b"".join(
        (
            syntax.element(0x00080016, "UI", CT_IMAGE_STORAGE),
            syntax.element(0x00080018, "UI", instance),
            syntax.element(0x00100010, "PN", patient),
            syntax.element(0x0020000D, "UI", study),
            syntax.element(0x7FE00010, "OW", bytes(size)),
        )
    )


def store(
    peer: Requestor, instance: str, study: str, *, patient: str = "DOE^JOHN", size: int = 2000
) -> None:
    """Store an object, which must succeed."""
    whole = data_set(instance, study, patient, size)
    peer.send(message(1, store_command(CT_IMAGE_STORAGE, instance), whole))
    assert peer.receive_response().elements[0x0900] == b"\0\0"


@contextmanager
def page(directory: Path, options: Sequence[str] = ()) -> Iterator[tuple[Server, int]]:
    """Run the program with a status page on a port that the system chooses; yield the port too."""
    with ours(directory, ["-v", "--http", "0", *options]) as server:
        found = re.search(r"Status page: http://127\.0\.0\.1:(\d+)/", server.errors())
        assert found is not None, server.errors()
        yield server, int(found[1])


def facts(port: int) -> dict[str, Any]:
    status, body = get(port, "/api/status")
    assert status == 200
    return dict(json.loads(body))


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def metrics(port: int) -> dict[str, float]:
    """Return the sums of samples of all labels, by name."""
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(get(port, "/metrics")[1].decode()):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0) + sample.value
    return sums


@Modes
def test_what_arrives_is_seen(tmp_path: Path, mode: list[str]) -> None:
    """In one process and in many: associations, studies, totals, metrics."""
    with page(tmp_path / "out", mode) as (server, port):
        assert get(port, "/healthz") == (200, b"ok\n")
        wait_until(lambda: get(port, "/readyz") == (200, b"ready\n"))
        with Requestor(server.port) as one:
            one.associate(CONTEXTS, calling=b"CT1")
            for number in range(3):
                store(one, f"1.2.{number}", "1.9")
            wait_until(lambda: facts(port)["totals"]["objects"] == 3)

            seen = facts(port)
            (association,) = seen["associations"]
            assert association["calling_ae_title"] == "CT1"
            assert association["objects"] == 3
            (study,) = seen["studies"]
            assert (study["state"], study["modalities"]) == ("receiving", {"CT": 3})
            assert seen["receiver"]["port"] == server.port
            one.release()
        with Requestor(server.port) as two:
            two.associate(CONTEXTS, calling=b"CT2")
            store(two, "1.2.9", "1.10")
            two.release()

        wait_until(lambda: facts(port)["associations"] == [])
        wait_until(lambda: metrics(port)["storescp_objects_stored_total"] == 4)
        counted = metrics(port)
        assert counted["storescp_associations_accepted_total"] == 2
        assert counted["storescp_associations"] == 0
        stored = sum(len(content) for content in server.files().values())
        assert counted["storescp_object_bytes_stored_total"] == stored
        assert counted["process_resident_memory_bytes"] > 1 << 20


def test_a_study_completes_and_its_command_is_counted(tmp_path: Path) -> None:
    """The page knows what became of both."""
    with page(tmp_path / "out", ["-su", "s", "-tos", "1", "-xcs", "exit 3"]) as (server, port):
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS)
            store(peer, "1.2.1", "1.9")
            peer.release()

        wait_until(lambda: _has_failed(port, "study"))

        (study,) = facts(port)["studies"]
        assert (study["state"], study["cause"]) == ("complete", "timeout")
        assert study["commands"] == {
            "running": 0,
            "ended": 0,
            "failed": 1,
            "repeated": 0,
            "failing": True,
        }
        assert facts(port)["problems"][0]["kind"] == "command failed"


def test_rounds_and_commands_that_are_tried_again(tmp_path: Path) -> None:
    """With workers and a state directory: each round has its own, and without the state the page is gone, too."""
    state = tmp_path / "state"
    options = [
        *("--workers", "2", "--state-directory", str(state), "-su", "s", "-tos", "1"),
        *("-xcs", "exit 3", "--exec-pause", "0", "--exec-attempts", "3"),
    ]
    with page(tmp_path / "out", options) as (server, port):
        for count in (1, 2):
            with Requestor(server.port) as peer:
                peer.associate(CONTEXTS)
                store(peer, f"1.2.{count}", "1.9")
                peer.release()
            wait_until(partial(_has_failed, port, "study", count))

        (study,) = facts(port)["studies"]
        assert (study["state"], study["round"], study["objects"]) == ("complete", 2, 2)
        assert study["commands"] == {
            "running": 0,
            "ended": 0,
            "failed": 2,
            "repeated": 4,
            "failing": True,
        }
        assert facts(port)["receiver"]["workers"] == 2
        assert get(port, "/readyz")[0] == 200

        (state / "state.sqlite").rename(state / "elsewhere")
        assert server.process.wait(20) == 1  # and with it goes the page
        wait_until(partial(_is_free, port))


def test_who_is_refused_finds_out_why(tmp_path: Path) -> None:
    """An association, a presentation context, an object: each with the option that changes it."""
    with page(tmp_path / "out", ["--allow-calling", "CT1", "--max-object-size", "1"]) as (
        server,
        port,
    ):
        with Requestor(server.port) as peer, pytest.raises(ConnectionError):
            peer.associate(CONTEXTS, calling=b"CT2")
        jpeg = Context(3, CT_IMAGE_STORAGE, ("1.2.840.10008.1.2.4.50",))
        with Requestor(server.port) as peer:
            peer.associate((*CONTEXTS, jpeg), calling=b"CT1")
            whole = data_set("1.2.3.4.5", "1.9", "DOE^JOHN", 2_000_000)
            peer.send(message(1, store_command(CT_IMAGE_STORAGE, "1.2.3.4.5"), whole))
            assert peer.receive_response().elements[0x0900] == b"\x00\xa7"
            peer.release()
        wait_until(lambda: len(facts(port)["problems"]) == 3)

        found = {problem["kind"]: problem["why"] for problem in facts(port)["problems"]}
        assert "--allow-calling" in found["rejected"]
        assert "--accept-all" in found["not all accepted"] or "JPEG" in found["not all accepted"]
        assert "--max-object-size" in found["object refused"]
        assert "1.2.3.4.5" not in found["object refused"]


@pytest.mark.parametrize("shown", [False, True])
def test_one_bad_sender_is_one_problem_with_its_reason(tmp_path: Path, *, shown: bool) -> None:
    """Objects without Study Instance UID: the reason is told, whose objects they are only if asked for."""
    options = ["-su", "study", *(["--show-identifiers"] if shown else [])]
    with page(tmp_path / "out", options) as (server, port):
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS, calling=b"CT1")
            for number in range(5):
                instance = f"1.2.3.4.5.{number}"
                whole = data_set(instance, "", "SECRET^NAME", 2000)
                peer.send(message(1, store_command(CT_IMAGE_STORAGE, instance), whole))
                assert peer.receive_response().elements[0x0900] == b"\0\xc0"
            peer.release()
        wait_until(lambda: [each["count"] for each in facts(port)["problems"]] == [5])

        (problem,) = facts(port)["problems"]
        assert "StudyInstanceUID (0020,000d) absent or empty in data set" in problem["why"]
        assert ("1.2.3.4.5.4" in problem["why"]) is shown
        assert len(problem["examples"]) == 3
        assert "SECRET" not in json.dumps(problem)


def test_reasons_do_not_tell_whose_object_it_is(tmp_path: Path) -> None:
    """A path with a UID in it, and values of the data set, stay in the log."""
    with page(tmp_path / "out", ["-su", "s"]) as (server, port):
        (server.directory / "s_1.2.3.4.5.6").symlink_to(tmp_path)
        objects = {
            "1.1": (data_set("1.1", "1.2.3.4.5.6", "DOE^JOHN", 2000), b"\0\xc0"),
            "1.2": (data_set("SECRET^NAME", "1.9", "DOE^JOHN", 2000), b"\0\xa9"),
            "1.3": (data_set("1.3", "SECRET^NAME", "DOE^JOHN", 2000)[:-5] + b"x", b"\0\xc0"),
        }
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS, calling=b"CT1")
            for instance, (whole, status) in objects.items():
                peer.send(message(1, store_command(CT_IMAGE_STORAGE, instance), whole))
                assert peer.receive_response().elements[0x0900] == status
            peer.release()
        wait_until(lambda: len(facts(port)["problems"]) == 3)

        served = get(port, "/api/status")[1].decode()
        assert "is a symbolic link" in server.errors()
        assert "SECRET" in server.errors()
        for secret in ("SECRET", "1.2.3.4.5.6", "/out/", "DOE"):
            assert secret not in served
        assert all(
            problem["why"].startswith("The object was ") for problem in facts(port)["problems"]
        )


def test_patients_are_hidden_unless_asked_for(tmp_path: Path) -> None:
    """In everything that is served."""
    for options, shown in (([], False), (["--show-identifiers"], True)):
        directory = tmp_path / str(shown)
        with page(directory, [*options, "-sp"]) as (server, port):
            with Requestor(server.port) as peer:
                peer.associate(CONTEXTS)
                store(peer, "1.2.3.4.5.6.1", "1.2.3.4.5.6", patient="SECRET^NAME")
                peer.release()
            wait_until(partial(_has_stored, port))

            served = get(port, "/api/status")[1] + get(port, "/metrics")[1]
            assert (b"SECRET" in served) == shown
            assert (b"1.2.3.4.5.6" in served) == shown


def test_the_token_protects_the_facts(tmp_path: Path) -> None:
    """From the first request on."""
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    token.chmod(0o600)
    with page(tmp_path / "out", ["--http-token-file", str(token)]) as (_, port):
        assert get(port, "/api/status")[0] == 401
        assert get(port, "/metrics")[0] == 401
        assert get(port, "/api/status", "Authorization: Bearer s3cret")[0] == 200


def test_the_end_of_the_certificate_is_told(tmp_path: Path) -> None:
    """On the page and in the metrics."""
    identity = Authority().issue("server")
    with page(tmp_path / "out", ["+tls", *identity.save(tmp_path), "-ic"]) as (_, port):
        expiry = facts(port)["receiver"]["certificate_expiry"]

        assert datetime.fromtimestamp(expiry, UTC) == identity.certificate.not_valid_after_utc
        assert metrics(port)["storescp_certificate_expiry_timestamp_seconds"] == expiry
        assert timedelta(0) < datetime.fromtimestamp(expiry, UTC) - datetime.now(UTC)


def test_the_page_ends_with_the_receiver_however_that_ends(tmp_path: Path) -> None:
    """Asked to, or killed: the port is free for the next one."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        with page(tmp_path / number.name) as (server, port):
            assert server.stop(by=number) == -number

            wait_until(partial(_is_free, port))


def test_a_page_that_is_killed_is_started_again(tmp_path: Path) -> None:
    """Reception goes on; the new page says what it can know, and that the rest is lost; the log says so, too."""
    with page(tmp_path / "out") as (server, port):
        wait_until(lambda: get(port, "/readyz")[0] == 200)
        started = facts(port)["receiver"]["started"]
        [first] = of_kind(server.process.pid, PAGE)
        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS)
            store(peer, "1.2.1", "1.9")
            os.kill(first, signal.SIGKILL)
            store(peer, "1.2.2", "1.9")
            peer.release()
        wait_until(lambda: bool(set(of_kind(server.process.pid, PAGE)) - {first}))

        wait_until(lambda: get(port, "/readyz")[0] == 200)
        assert get(port, "/healthz")[0] == 200
        told = facts(port)
        assert (told["receiver"]["port"], told["receiver"]["started"]) == (server.port, started)
        assert started < told["receiver"]["page_restarted"] <= time.time()
        assert "the status page was ended by SIGKILL: it is started again" in server.errors()
        assert len(server.files()) == 2


def test_reception_goes_on_without_the_page(tmp_path: Path) -> None:
    """If the process that starts it is killed, too, that is logged, and nothing else happens."""
    with page(tmp_path / "out") as (server, port):
        wait_until(lambda: get(port, "/readyz")[0] == 200)
        os.kill(_child_of(server.process.pid), signal.SIGKILL)
        wait_until(lambda: "the status page has ended" in server.errors())

        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS)
            store(peer, "1.2.1", "1.9")
            peer.release()
        assert len(server.files()) == 1
        wait_until(partial(_is_free, port))


def test_a_killed_association_disappears(tmp_path: Path) -> None:
    """Its process could not say goodbye."""
    with page(tmp_path / "out", ["--fork"]) as (server, port), Requestor(server.port) as peer:
        peer.associate(CONTEXTS)
        store(peer, "1.2.1", "1.9")
        wait_until(lambda: len(facts(port)["associations"]) == 1)
        viewer = _viewer(server.process.pid, port)
        (child,) = [pid for pid in _children_of(server.process.pid) if pid != viewer]

        os.kill(child, signal.SIGKILL)

        wait_until(lambda: facts(port)["associations"] == [])


def test_the_pages_process_holds_neither_the_port_nor_a_key(tmp_path: Path) -> None:
    """It was there before them."""
    with page(tmp_path / "out") as (server, port):
        wait_until(lambda: bool(of_kind(server.process.pid, PAGE)))
        for process in (_child_of(server.process.pid), *of_kind(server.process.pid, PAGE)):
            held = _sockets_of(process)

            assert _listening_socket(port) in held
            assert _listening_socket(server.port) not in held


def test_a_port_that_is_taken_ends_the_start(tmp_path: Path) -> None:
    """With a message that says which."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        ended = subprocess.run(
            [*our_command(), "-od", str(tmp_path), "--http", str(number), "11112"],
            env=our_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )

    assert ended.returncode == 1
    assert (
        f"cannot serve the status page at http://127.0.0.1:{number}/: Address already"
        in ended.stderr
    )


def _has_stored(port: int) -> bool:
    return bool(facts(port)["totals"]["objects"] == 1)


def _has_failed(port: int, kind: str, count: int = 1) -> bool:
    return bool(facts(port)["totals"]["commands"].get(kind, {}).get("failed") == count)


def _is_free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False


def _children_of(pid: int) -> list[int]:
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]


def _child_of(pid: int) -> int:
    (child,) = _children_of(pid)
    return child


def _viewer(pid: int, port: int) -> int:
    """Return the child that serves the page."""
    return next(
        child for child in _children_of(pid) if _listening_socket(port) in _sockets_of(child)
    )


def _sockets_of(pid: int) -> set[str]:
    return {
        os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir() if os.path.islink(entry)
    }


def _listening_socket(port: int) -> str:
    """Return the name of the socket that listens on a port, as /proc has it."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        if columns[3] == "0A" and int(columns[1].rpartition(":")[2], 16) == port:
            return f"socket:[{columns[9]}]"
    return ""


# -- in a browser -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.mark.interop
def test_the_page_shows_what_arrives_while_it_arrives(tmp_path: Path, chromium: Browser) -> None:
    """Rows appear, a study completes, the chart moves; nothing comes from elsewhere, no complaint is made."""
    with page(tmp_path / "out", ["-su", "s", "-xcs", "true"]) as (server, port):
        seen = Page(chromium, f"http://127.0.0.1:{port}/")
        seen.wait_for("document.getElementById('state').textContent === 'Ready'")
        assert seen.rows("studies") == []
        assert "No association is open." in seen.text()
        charted = "[...document.querySelectorAll('#chart rect')].reduce((sum, bar) => sum + +bar.dataset.bytes, 0)"
        assert seen.evaluate(charted) == 0

        with Requestor(server.port) as peer:
            peer.associate(CONTEXTS, calling=b"CT_ROOM_1")
            store(peer, "1.2.1", "1.9", size=50_000)
            seen.wait_for("document.querySelectorAll('#associations tbody tr').length === 1")
            seen.wait_for(f"{charted} > 0")
            (association,) = seen.rows("associations")
            assert association[:5] == ["CT_ROOM_1", "localhost", "ANY-SCP", "no. 1", "1"]
            assert seen.rows("studies")[0][1] == "receiving"
            assert "Receiving from 1 peer" in seen.text()

            before = seen.evaluate(charted)
            store(peer, "1.2.2", "1.9", size=50_000)
            seen.wait_for(f"{charted} > {before}")
            store(peer, "1.2.3", "1.10", size=50_000)
            seen.wait_for("document.querySelector('#studies tbody').textContent.includes('1 run')")
            assert [(row[0], row[1], row[3]) for row in seen.rows("studies")] == [
                ("2", "receiving", "1 CT"),
                ("1", "complete", "2 CT"),
            ]
            peer.release()

        seen.wait_for("document.getElementById('state').textContent === 'Ready'")
        assert seen.rows("associations") == []
        assert seen.rows("senders")[0][:4] == ["CT_ROOM_1", "1", "3", "151 kB"]
        assert set(seen.requested()) <= {
            f"http://127.0.0.1:{port}/{path}"
            for path in ("", "page.css", "page.js", "icon.svg", "api/status")
        }
        assert seen.complaints() == []

        server.stop()
        seen.wait_for("document.getElementById('state').textContent.startsWith('No answer')")


@pytest.mark.interop
def test_whatever_peers_send_is_shown_as_text(tmp_path: Path, chromium: Browser) -> None:
    """AE titles, names and UIDs that are markup make no elements and run nothing."""
    with (
        page(tmp_path / "out", ["--show-identifiers"]) as (server, port),
        Requestor(server.port) as peer,
    ):
        peer.associate(CONTEXTS, calling=b"<script>x</scri>")
        store(peer, "1.2.1", "<b>1.9</b>", patient=HOSTILE)
        seen = Page(chromium, f"http://127.0.0.1:{port}/")
        seen.wait_for("document.querySelectorAll('#associations tbody tr').length === 1")
        seen.wait_for("document.querySelectorAll('#studies tbody tr').length === 1")

        assert seen.rows("associations")[0][0] == "<script>x</scri>"
        assert seen.rows("studies")[0][2:4] == [f"{HOSTILE}<b>1.9</b>", "<script>x</scri>"]
        assert seen.evaluate("document.querySelectorAll('main img, main b, script').length") == 1
        assert seen.complaints() == []
        peer.release()


@pytest.mark.interop
def test_the_page_asks_for_the_token(tmp_path: Path, chromium: Browser) -> None:
    """A wrong one is said to be wrong, the right one is remembered as long as the tab is open."""
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    token.chmod(0o600)
    with page(tmp_path / "out", ["--http-token-file", str(token)]) as (_, port):
        seen = Page(chromium, f"http://127.0.0.1:{port}/")
        seen.wait_for("!document.getElementById('token-form').hidden")
        assert seen.evaluate("document.getElementById('facts').hidden")
        enter = "document.getElementById('token').value = '{}'; document.querySelector('button').click(); 1"

        seen.evaluate(enter.format("wrong"))
        seen.wait_for("!document.getElementById('token-wrong').hidden")
        seen.evaluate(enter.format("s3cret"))
        seen.wait_for("!document.getElementById('facts').hidden")
        seen.evaluate("window.isOld = true; location.reload(); 1")
        seen.wait_for(
            "!window.isOld && document.readyState === 'complete'"
            " && !document.getElementById('facts').hidden"
        )

        assert seen.evaluate("document.getElementById('token-form').hidden")


@pytest.mark.interop
@pytest.mark.parametrize("dark", [False, True])
def test_every_text_can_be_read_in_both_schemes(
    tmp_path: Path, chromium: Browser, dark: bool
) -> None:
    """The contrast of text to its ground is 4.5 at least, WCAG 2.2 1.4.3; nothing is wider than a phone."""
    with (
        page(tmp_path / "out", ["-su", "s", "-xcs", "exit 1"]) as (server, port),
        Requestor(server.port) as peer,
    ):
        peer.associate(CONTEXTS, calling=b"W" * 16)
        for study in ("1.1", "1.2"):
            store(peer, f"{study}.1", study)
        wait_until(lambda: _has_failed(port, "study"))
        seen = Page(chromium, f"http://127.0.0.1:{port}/", width=360, height=740, dark=dark)
        seen.wait_for("document.querySelectorAll('#studies tbody tr').length === 2")

        assert seen.evaluate("document.documentElement.scrollWidth") <= 360
        assert seen.evaluate(CONTRASTS) == []
        peer.release()


CONTRASTS = """
(() => {
  const parse = (text) => text.match(/[0-9.]+/g).map(Number);
  const light = (text) => {
    const [r, g, b] = parse(text).slice(0, 3).map((part) => {
      const value = part / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if (color !== "transparent" && parse(color)[3] !== 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.getClientRects().length || element.closest("title")) continue;
    const style = getComputedStyle(element);
    const front = light(element.namespaceURI.endsWith("svg") ? style.fill : style.color);
    const back = light(ground(element));
    const contrast = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    if (contrast < 4.5) low.push(`${element.textContent}: ${contrast.toFixed(2)}`);
  }
  return low;
})()
"""
