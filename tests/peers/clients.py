"""Programs and libraries that people send with: DCMTK's storescu, dcmsend and echoscu, and pynetdicom."""

import ssl
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.peers.dicom import IMPLICIT_LITTLE, Syntax
from tests.peers.requestor import uid
from tests.peers.samples import Sample
from tests.peers.servers import dcmtk_environment
from tests.peers.tools import require_tool

LIMIT = 60.0
"""Seconds that a client may take."""


def write_files(samples: Iterable[Sample], directory: Path) -> list[Path]:
    """Write samples as DICOM files (PS3.10 7.1) and return their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, sample in enumerate(samples):
        syntax = Syntax()
        meta = b"".join(
            [
                syntax.element(0x00020001, "OB", b"\0\1"),
                syntax.element(0x00020002, "UI", uid(sample.sop_class)),
                syntax.element(0x00020003, "UI", uid(sample.sop_instance)),
                syntax.element(0x00020010, "UI", uid(sample.transfer_syntax)),
                syntax.element(0x00020012, "UI", "1.2.3"),
            ]
        )
        path = directory / f"{number:03d}-{Path(sample.name).name}"
        path.write_bytes(
            bytes(128) + b"DICM" + syntax.number(0x00020000, "UL", len(meta)) + meta + sample.data
        )
        paths.append(path)
    return paths


def run(tool: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one of DCMTK's clients and return what it said."""
    return subprocess.run(
        [require_tool(tool), *map(str, arguments)],
        env=dcmtk_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LIMIT,
        check=False,
    )


def echoscu(port: int) -> subprocess.CompletedProcess[str]:
    """Send a C-ECHO-RQ."""
    return run("echoscu", "-v", "localhost", str(port))


def storescu(port: int, paths: Sequence[Path], *options: str) -> subprocess.CompletedProcess[str]:
    """Send files with storescu, which goes on after a failure."""
    return run("storescu", "-v", "--no-halt", *options, "localhost", str(port), *paths)


def dcmsend(port: int, paths: Sequence[Path], *options: str) -> subprocess.CompletedProcess[str]:
    """Send files with dcmsend, which proposes what each file needs."""
    return run("dcmsend", "-v", "--no-halt", *options, "localhost", str(port), *paths)


def pynetdicom(port: int, paths: Sequence[Path], *, tls: ssl.SSLContext | None = None) -> list[int]:
    """Send files with pynetdicom and return the statuses, -1 for what could not be sent."""
    import pydicom
    from pynetdicom import AE

    data_sets = [pydicom.dcmread(path) for path in paths]
    entity = AE(ae_title="PYNETDICOM")
    for pair in sorted(
        {(data_set.SOPClassUID, data_set.file_meta.TransferSyntaxUID) for data_set in data_sets}
    ):
        entity.add_requested_context(*pair)
    association = entity.associate("127.0.0.1", port, tls_args=(tls, "localhost") if tls else None)
    assert association.is_established
    try:
        return [int(association.send_c_store(data_set).get("Status", -1)) for data_set in data_sets]
    finally:
        association.release()


def dump(content: bytes, path: Path) -> str:
    """Return what dcmdump prints of a file, without what tells who stored it.

    The SOP Instance UID of the meta information is left out too: objects without one are given a new one.
    `path` is where the content is put for it. DCMTK 3.6.7 leaves NULs behind some texts, which show as
    nothing but a longer length: lengths are left out.
    """
    path.write_bytes(content)
    printed = run("dcmdump", "-q", "+L", "-M", path)
    lines = [
        line.partition("#")[0].rstrip()
        for line in printed.stdout.splitlines()
        if not line.startswith(("(0002,0000)", "(0002,0003)", "(0002,0012)", "(0002,0013)", "#"))
    ]
    return "\n".join(lines)


def is_usual(sample: Sample) -> bool:
    """Tell whether storescu and pynetdicom can send a sample as it is: whole, with UIDs, not compressed."""
    plain = (IMPLICIT_LITTLE, "1.2.840.10008.1.2.1")
    return sample.transfer_syntax in plain and sample.sop_class.startswith(
        "1.2.840.10008.5.1.4.1.1."
    )
