"""Elements that do not belong where they are: DCMTK's storescp and ours store the same and say the same of it."""

import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.end_to_end.conversation import wait_until
from tests.peers.dicom import Syntax
from tests.peers.requestor import CT_IMAGE_STORAGE, Context, Requestor
from tests.peers.servers import Server, dcmtk, ours

pytestmark = pytest.mark.interop

SYNTAXES = {
    "1.2.840.10008.1.2": Syntax(explicit=False),
    "1.2.840.10008.1.2.1": Syntax(),
    "1.2.840.10008.1.2.2": Syntax(order=">"),
}
GROUPS = (*range(0x0008), 0x0009, 0xFFFD, 0xFFFE, 0xFFFF)
ELEMENTS = {
    0x0000: ("UL", b"\2\0\0\0"),
    0x0001: ("LO", b"ab"),
    0x0010: ("UI", b"1.20"),
    0xFFFF: ("OB", b"abcd"),
}
INSTANCE = "1.2.3"

Seen = tuple[str, list[str], bytes]
"""The status, the warnings, and the stored data set."""


def data_sets(syntax: Syntax) -> Iterator[tuple[str, bytes]]:
    """Yield names and data sets."""

    def element(tag: int, vr: str = "LO", value: bytes = b"ab") -> bytes:
        return syntax.element(tag, vr, value)

    def sequence(tag: int, *contents: bytes) -> bytes:
        items = [syntax.bare(0xFFFEE000, len(content)) + content for content in contents]
        return syntax.element(tag, "SQ", b"".join(items))

    class_uid = syntax.element(0x00080016, "UI", CT_IMAGE_STORAGE)
    identity = class_uid + syntax.element(0x00080018, "UI", INSTANCE)
    for group in GROUPS:
        for number, (vr, value) in ELEMENTS.items():
            if not number and syntax.order == ">":
                value = struct.pack(">I", 2)
            odd = element(group << 16 | number, vr, value)
            data = odd + identity if group < 0x0008 else identity + odd
            name = f"({group:04x},{number:04x})"
            # 3.6.7 and 3.7.0 take the value for a sequence in implicit VR, and abort.
            if name != "(0006,0001)" or syntax.explicit:
                yield name, data
        in_item = [element(group << 16 | 0x0010), element(0x00080100)]
        in_item.sort(key=lambda each: struct.unpack_from(syntax.order + "H", each))
        for count in (1, 5):  # from the third on, their shape is known
            items = sequence(0x00081140, *[b"".join(in_item)] * count)
            yield f"group {group:04x} in {count} items", identity + items

    a, b, c = (element(tag) for tag in (0x00180010, 0x00180020, 0x00181000))
    upside_down = element(0x00080104) + element(0x00080100)
    yield "once more", identity + a + a
    yield "once more, later", identity + a + c + a
    yield "twice more, later", identity + a + c + a + element(0x00180010, value=b"cd")
    yield "too late", identity + c + a
    yield "too late, then on", identity + c + a + element(0x00181020) + element(0x00181030)
    yield "too late, and once more", identity + c + a + a
    yield "once more, then one too late", identity + b + c + b + a
    yield "two too late", identity + c + a + b
    yield "two too late, upside down", identity + c + b + a
    yield "once more in an item", identity + sequence(0x00180012, a + c + a)
    yield "too late in an item", identity + sequence(0x00180012, upside_down)
    yield (
        "too late in two items, and behind them",
        (identity + sequence(0x00180012, upside_down, upside_down) + element(0x00100010, "PN")),
    )
    yield (
        "a sequence that is too late, with one too late",
        (identity + c + sequence(0x00180012, upside_down) + element(0x00080060, "CS")),
    )
    yield "all from the beginning", identity * 2
    yield "the first one too early", a + identity


def receive(server: Server, uid: str) -> Iterator[tuple[str, Seen]]:
    """Send all data sets; yield what became of them."""
    stored = server.directory / f"CT.{INSTANCE}"
    for name, data in data_sets(SYNTAXES[uid]):
        before = len(server.errors())
        with Requestor(server.port) as peer:
            peer.associate([Context(1, CT_IMAGE_STORAGE, (uid,))])
            outcome = peer.store(1, CT_IMAGE_STORAGE, INSTANCE, data).outcome
            peer.release()
        wait_until(lambda: server.errors().endswith("Association Release\n"))
        lines = server.errors()[before:].splitlines()
        file = stored.read_bytes()
        stored.unlink()
        titled = file.index(b"\2\0\x16\0AE")  # the last element of File Meta Information
        yield name, (outcome, [line for line in lines if line[0] in "WE"], file[titled:])


@pytest.mark.parametrize("uid", SYNTAXES)
def test_odd_elements(uid: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Invalid groups, elements out of order, elements that are there twice, at every level."""
    directory = tmp_path_factory.mktemp("odd")
    with (
        ours(directory / "ours", ["-v"]) as mine,
        dcmtk(directory / "dcmtk", ["-v"]) as theirs,
        ThreadPoolExecutor(2) as pool,
    ):
        here, there = pool.map(lambda server: dict(receive(server, uid)), (mine, theirs))

    assert here == there
    assert len(here) > 80
    assert sum(bool(warnings) for _, warnings, _ in here.values()) > 40
