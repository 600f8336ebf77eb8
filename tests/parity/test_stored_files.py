"""Files: the same data sets to DCMTK's storescp and to ours, with the same options, give the same files."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.parity.comparison import Outcome, differences, send
from tests.peers import samples
from tests.peers.samples import Sample
from tests.peers.servers import dcmtk, ours

pytestmark = pytest.mark.interop

# One string of options a set. `+xa` is left out where it is refused: then the compressed samples are not
# accepted, and the others converted.
ENCODINGS = ("", "-e", "+g", "-g", "-u", "+uc", "+p 512 64", "-e +g", "-g -u -e +uc", "-F")
OPTION_SETS = (
    "",
    "+xa",
    "+xa +B",
    "+xa +B -F",
    "+B -p -uc",
    *(f"+xa {options}" for options in ENCODINGS[1:]),
    *(f"+t{syntax} {options}".strip() for syntax in "ebid" for options in ENCODINGS),
    "+xa -g -e",
    "+xa +g +p 1024 2",
    "+xa -e +p 256 0",
    "+xa +p 0 16 -e -u",
    "+xa +uc -u",
    "+xa +uc +g -e",
    "+xa +cl 1",
    "+td +cl 0",
    "+td +cl 9 -e",
    "+xd",
    "+xd +te",
    "+xd +tb -e",
    "+xd +ti +g",
    "+xd +td +cl 3",
    "+xi",
    "+xb +tb",
    "+xi +te +uc",
    "-pdu 4096",
    "-fe .dcm +xa",
    "+uf",
    "-tn -fe .dcm",
    "-su study",
    "-su study -fe .dcm +xa -e",
    "-ss study",
    "-sp",
    "--ignore",
    "--promiscuous",
)
# Bytes behind the last element: DCMTK drops them and reports what it would without; ours refuses the object.
DAMAGED = frozenset(["nested_priv_SQ.dcm"])
# Study Instance UIDs of VR UN: DCMTK takes the first of the bytes as hexadecimal text, and reports C000; ours finds no UID.
STUDY_UNKNOWN = frozenset(["rtdose_rle.dcm", "rtdose_rle_1frame.dcm"])
VARYING = ("-tn", "+uf", "-ss", "-sp")


@pytest.mark.parametrize("options", OPTION_SETS)
def test_sample_files(options: str, tmp_path: Path) -> None:
    """Status, names and contents are the same for all of pydicom's samples and the generated ones."""
    everything = [*samples.of_pydicom(), *samples.generated()]
    if "-su" in options:
        everything = [sample for sample in everything if sample.name not in STUDY_UNKNOWN]

    mine, theirs = send_to_both(options.split(), everything, tmp_path)
    found = describe(options.split(), everything, mine, theirs)

    assert not found, "\n".join(found)


@pytest.mark.parametrize("options", ["", "+B", "-e", "+tb"])
@pytest.mark.parametrize("pdv_size", [2, 14, 4082])
def test_fragments_of_any_size(options: str, pdv_size: int, tmp_path: Path) -> None:
    """How a data set is cut into PDVs changes nothing."""
    some = samples.generated()

    mine, theirs = send_to_both(options.split(), some, tmp_path, pdv_size=pdv_size)
    found = describe(options.split(), some, mine, theirs)

    assert not found, "\n".join(found)


@pytest.mark.parametrize("options", ["", "+B", "+tb", "+p 512 64"])
def test_large_objects(options: str, tmp_path: Path) -> None:
    """Objects of many PDUs come out the same: slices, many frames with nested groups, many megabytes."""
    some = [
        samples.ct_slice(512, "1.2.3.1"),
        samples.enhanced_mr(200, "1.2.3.2"),
        samples.multi_frame(16, "1.2.3.3"),
    ]

    mine, theirs = send_to_both(options.split(), some, tmp_path)
    found = describe(options.split(), some, mine, theirs)

    assert not found, "\n".join(found)


def send_to_both(
    options: Sequence[str], some: Sequence[Sample], directory: Path, *, pdv_size: int = 16372
) -> tuple[list[Outcome], list[Outcome]]:
    """Send to both servers at a time and return what ours did and what DCMTK's did."""
    with (
        ours(directory / "ours", options) as mine,
        dcmtk(directory / "dcmtk", options) as theirs,
        ThreadPoolExecutor(2) as pool,
    ):
        futures = [pool.submit(send, server, some, pdv_size=pdv_size) for server in (mine, theirs)]
        return futures[0].result(), futures[1].result()


def describe(
    options: Sequence[str], some: Sequence[Sample], mine: list[Outcome], theirs: list[Outcome]
) -> list[str]:
    """Return a line for each difference, with the sample it was found in."""
    padding = (0, 0)
    if "+p" in options:
        at = options.index("+p")
        padding = (int(options[at + 1]), int(options[at + 2]))
    varying = any(option in options for option in VARYING)
    return [
        f"{sample.name}: {difference}"
        for sample, our, their in zip(some, mine, theirs, strict=True)
        if not _refused_better(options, sample, our, their)
        for difference in differences(
            our, their, transfer_syntax=_written(options, sample), padding=padding, varying=varying
        )
    ]


def _refused_better(options: Sequence[str], sample: Sample, ours: Outcome, theirs: Outcome) -> bool:
    """Tell whether ours refused what DCMTK stored by a defect of its own (docs/differences.md)."""
    if ours != Outcome("C000", {}):
        return False
    # A second object in a row without a Study Instance UID lands in the directory of another study.
    homeless = theirs.status == "C000" and not {"-su", "-ss", "-sp"}.isdisjoint(options)
    return sample.name in DAMAGED or homeless


def _written(options: Sequence[str], sample: Sample) -> str:
    """Return the transfer syntax of a file without meta information."""
    written = {
        "+te": "1.2.840.10008.1.2.1",
        "+tb": "1.2.840.10008.1.2.2",
        "+ti": "1.2.840.10008.1.2",
        "+td": "1.2.840.10008.1.2.1.99",
    }
    return next(
        (written[option] for option in options if option in written), sample.transfer_syntax
    )
