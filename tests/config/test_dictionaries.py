"""Data dictionaries in DCMTK's format."""

import contextlib
import logging
import os
import struct
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storescp.config import dictionaries
from storescp.config.dictionaries import DictionaryFiles, Entry, InvalidLine, Part, parse_line
from tests.peers.tools import require_tool

LOADED = "DcmDataDictionary: Loading file: {}"
NOT_LOADED = "no data dictionary loaded, check environment variable: DCMDICTPATH"
PN = Entry(Part(0x10, 0x10), Part(0x10, 0x10), None, "PN", b"PatientName", b"1")


def write(directory: Path, name: str, *lines: str) -> str:
    path = directory / name
    path.write_bytes("".join(line + "\n" for line in lines).encode())
    return str(path)


def dictionary(directory: Path, *lines: str) -> DictionaryFiles:
    loaded = dictionaries.load([write(directory, "one.dic", *lines)])
    assert loaded is not None
    return loaded


def problems(line: str) -> list[str]:
    with pytest.raises(InvalidLine) as caught:
        parse_line(line.encode(), "F", 7)
    return [str(message).removeprefix("DcmDataDictionary: ") for message in caught.value.args]


@pytest.mark.parametrize(
    "line",
    [
        "(0010,0010)\tPN\tPatientName\t1\tDICOM\n",
        "(0010,0010)\tPN\tPatientName\t1",
        "(0010,0010)\tPN\tPatientName",
        "(0010,0010)\tPN\tPatient Name\t1\tDICOM\r\n",
        "(0010,0010)\tPNX\tPatientName\t1\tDICOM\t\t \n",
        " ( 0010 , 0010 )\t PN \tPatientName\t 1 ",
        "(0x0010,0X10)\tPN\tPatientName",
        "(10,00g0)\tPN\tPatientName".replace("00g0", "10g0"),
        "(20010,0010)\tPN\tPatientName",
        '(0010,"",0010)\tPN\tPatientName',
        "(0010,0010,0020)\tPN\tPatientName",
        "(0010-0010,0010-o-0010)\tPN\tPatientName",
    ],
)
def test_spellings_of_one_entry(line: str) -> None:
    """Spacing, base prefixes, excess digits and missing fields are understood."""
    entry = parse_line(line.encode(), "F", 1)

    assert entry is not None
    found = DictionaryFiles()
    found.add(entry)
    assert found.vr(0x00100010) == "PN"
    assert (entry.name, entry.multiplicity, entry.creator) == (b"PatientName", b"1", None)


@pytest.mark.parametrize("line", ["", "\n", " \t \r\n", "# comment", "\t # comment", "\0(x"])
def test_lines_without_entries(line: str) -> None:
    """Blank lines and comments, also indented ones, say nothing."""
    assert parse_line(line.encode(), "F", 1) is None


@pytest.mark.parametrize(
    "multiplicity", ["1", "1-2", "1-n", "1-N", "n", "N", "2n", "2-2n", "1 - n", "3-2", "nx"]
)
def test_value_multiplicities(multiplicity: str) -> None:
    """All forms of the value multiplicity are read; nothing depends on them."""
    entry = parse_line(f"(0010,0010)\tPN\tPatientName\t{multiplicity}".encode(), "F", 1)

    assert entry == PN._replace(multiplicity=multiplicity.replace(" ", "").encode())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("(0010,0010)\tPN", ["F: too few fields (line 7)"]),
        ("(0010,0010)", ["F: too few fields (line 7)"]),
        ("(0010,0010) PN PatientName 1", ["F: too few fields (line 7)"]),
        ("(0010,0010)\t\tPN\tN\t1\tDICOM", ["F: too many fields (line 7): "]),
        ("(0010,0010)\tPN\tN\t\tDICOM", ["F: bad VM field (line 7): "]),
        ("(0010,0010)\tPN\tN\tx", ["F: bad VM field (line 7): x"]),
        ("(0010,0010)\tPN\tN\t1-x", ["F: bad VM field (line 7): 1-x"]),
        ("(0010,0010)\tPN\tN\t1 x", ["F: bad VM field (line 7): 1x"]),
        ("(0010,0010)\tXX\tN\tx", ["F: bad VM field (line 7): x"]),
        ("(0010,0010)\tXX\tN\t1", ["F: bad VR field (line 7): XX"]),
        ("(0010,0010)\t XXa \tN", ["F: bad VR field (line 7): XXa"]),
        ("0010,0010\tPN\tN", ["F: bad Tag field (line 7): 0010,0010"]),
        ("(00100010)\tPN\tN", ["F: bad Tag field (line 7): (00100010)"]),
        ("(g010, 0010)\tXX\tN", ["F: bad Tag field (line 7): (g010,0010)"]),
        ("(0010,0010\tPN\tN", ["F: bad Tag field (line 7): (0010,0010"]),
        (
            "(0010,)\tPN\tN\tx",
            ["F: bad VM field (line 7): x", "F: bad Tag field (line 7): (0010,)"],
        ),
        ('(0009,"ACUSON,01)\tIS\tFoo', ['F: bad Tag field (line 7): (0009,"ACUSON,01)']),
        ('(0009, "A" 01)\tIS\tFoo', ['F: bad Tag field (line 7): (0009,"A"01)']),
        (
            "(6000-z-60ff,0010-y-0020)\tIS\tFoo",
            ["Unknown range restrictor: z", "F: bad Tag field (line 7): (6000-z-60ff,0010-y-0020)"],
        ),
        ("(\u00e9,0010)\tPN\tN", ["F: bad Tag field (line 7): (\u00e9,0010)"]),
    ],
)
def test_bad_lines(line: str, expected: list[str]) -> None:
    """What is wrong with a line is said in the reference's words and order."""
    assert problems(line) == expected


def test_names_of_files_are_text_only() -> None:
    """A file's name is not taken for a format."""
    with pytest.raises(InvalidLine, match="DcmDataDictionary: %d%s: too few"):
        parse_line(b"x", "%d%s", 1)


@pytest.mark.parametrize("vr", ["AE", "UV", "xs", "ox", "px", "lt", "up", "na", "pi"])
def test_vrs(tmp_path: Path, vr: str) -> None:
    """The standard's VRs and those of the reference's own are kept."""
    assert dictionary(tmp_path, f"(0010,0010)\t{vr}\tN").vr(0x00100010) == vr


@pytest.mark.parametrize("vr", ["", "P", "pn", "zz", "??", "Px", "\u00c4\u00d6"])
def test_other_vrs_are_unknown(tmp_path: Path, vr: str) -> None:
    """What does not even look like a VR is accepted in silence and written as UN."""
    assert dictionary(tmp_path, f"(0010,0010)\t{vr}\tN").vr(0x00100010) == "UN"


def test_the_skeleton(tmp_path: Path) -> None:
    """Group lengths and delimiters are known to every dictionary, and nothing else."""
    empty = dictionary(tmp_path)

    assert [
        empty.vr(tag) for tag in (0x00080000, 0x00090000, 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD)
    ] == [
        "UL",
        "UL",
        "na",
        "na",
        "na",
    ]
    assert empty.vr(0x00100010) is None
    assert empty.private_vr(b"ACME", 0x00111001) is None


def test_range_parity(tmp_path: Path) -> None:
    """A range means even numbers; letters ask for odd ones or all, each part for itself."""
    found = dictionary(
        tmp_path,
        "(6000-60FF,3000)\tox\tOverlayData",
        "(0020,3100-31FF)\tCS\tSourceImageIDs",
        "(0009-o-FFFF,0010-u-00FF)\tLO\tPrivateCreator",
        "(7000-E-700F,0010-O-001F)\tIS\tX",
    )

    expected = {
        0x60003000: "ox",
        0x60013000: None,
        0x60FE3000: "ox",
        0x00203100: "CS",
        0x00203101: None,
        0x00090010: "LO",
        0x00090011: "LO",
        0x000A0010: None,
        0xFFFF00FF: "LO",
        0x70000011: "IS",
        0x70000010: None,
        0x70020010: None,
    }
    assert {tag: found.vr(tag) for tag in expected} == expected


def test_private_entries(tmp_path: Path) -> None:
    """Private entries name the element in the block, or the element exactly; creators are exact."""
    found = dictionary(
        tmp_path,
        '(0009, "ACUSON 1,2" ,01)\tIS\tFoo\t1',
        '(0009,"ACUSON 1,2",1102)\tDS\tBar',
        '(7001-o-70FF,"DLX",04-u-05)\tST\tText',
        "(0009,1003)\tLO\tAnybodys",
    )

    assert found.private_vr(b"ACUSON 1,2", 0x00091001) == "IS"
    assert found.private_vr(b"ACUSON 1,2", 0x0009FF01) == "IS"
    assert found.private_vr(b"acuson 1,2", 0x00091001) is None
    assert found.vr(0x00091001) is None
    assert found.private_vr(b"ACUSON 1,2", 0x00091102) == "DS"
    assert found.private_vr(b"ACUSON 1,2", 0x00091202) is None
    assert found.private_vr(b"DLX", 0x70031005) == "ST"
    assert found.private_vr(b"DLX", 0x70031006) is None
    assert found.private_vr(b"DLX", 0x70041005) is None
    assert found.private_vr(b"ACUSON 1,2", 0x00091003) == "LO"


def test_later_entries_replace_earlier_ones(tmp_path: Path) -> None:
    """Within a file and across files the last entry for a tag counts."""
    one = write(
        tmp_path, "a.dic", "(0010,0010)\tLO\tA", "(0010,0010)\tSH\tA", "(0010-u-0020,0020)\tIS\tA"
    )
    two = write(tmp_path, "b.dic", "(0010,0010)\tPN\tA", "(0010-u-0020,0020)\tDS\tA")

    for paths, name, identity in [((one, two), "PN", "DS"), ((two, one), "SH", "IS")]:
        loaded = dictionaries.load(paths)
        assert loaded is not None
        assert (loaded.vr(0x00100010), loaded.vr(0x00110020)) == (name, identity)


@pytest.mark.parametrize("turn", [1, -1])
def test_singles_and_narrow_ranges_win(tmp_path: Path, turn: int) -> None:
    """A single tag beats ranges, a range inside another beats the outer one, in any order."""
    lines = ["(6000-60FF,3000)\tox\tA", "(6002-6004,3000)\tOW\tB", "(6002,3000)\tOB\tC"]

    found = dictionary(tmp_path, *lines[::turn])

    assert [found.vr(tag) for tag in (0x60003000, 0x60023000, 0x60043000, 0x60063000)] == [
        "ox",
        "OB",
        "OW",
        "ox",
    ]


def test_overlapping_ranges_are_searched_in_order(tmp_path: Path) -> None:
    """Of ranges that overlap without one being inside the other the first wins."""
    found = dictionary(tmp_path, "(0011,1000-1010)\tLO\tA", "(0011,1008-1020)\tPN\tB")

    assert [found.vr(tag) for tag in (0x00111000, 0x00111008, 0x00111010, 0x00111012)] == [
        "LO",
        "LO",
        "LO",
        "PN",
    ]


def test_long_lines_are_cut(tmp_path: Path) -> None:
    """The rest of a line beyond 2046 bytes is the next line."""
    line = "(0010,0010)\tPN\t".ljust(2046, "n")
    assert dictionary(tmp_path, line, "(0010,0020)\tLO\tA").vr(0x00100020) == "LO"

    path = write(tmp_path, "long.dic", line + "n" + "(0010,0020)\tLO\tB")
    loaded = dictionaries.load([path])
    assert loaded is not None
    assert (loaded.vr(0x00100010), loaded.vr(0x00100020)) == ("PN", "LO")


GOOD = "(0010,0010)\tPN\tPatientName\t1"
BAD = "(0010,0010)"


@pytest.mark.parametrize(
    ("names", "loaded", "errors"),
    [
        ("good", True, []),
        ("missing", False, ["Cannot open file: {}missing"]),
        ("good:missing", True, ["Cannot open file: {}missing"]),
        ("missing:good", True, ["Cannot open file: {}missing"]),
        ("good:bad", False, ["{}bad: too few fields (line 2)"]),
        ("bad:good", True, ["{}bad: too few fields (line 2)"]),
        ("bad:missing", False, ["{}bad: too few fields (line 2)", "Cannot open file: {}missing"]),
        ("directory", False, ["Cannot open file: {}directory"]),
        ("pipe", False, ["Cannot open file: {}pipe"]),
        (":", True, []),
        (":good::", True, []),
        ("empty", True, []),
    ],
)
def test_loaded_or_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, names: str, loaded: bool, errors: list[str]
) -> None:
    """The last readable file decides whether there is a dictionary; problems are logged only."""
    write(tmp_path, "good", GOOD)
    write(tmp_path, "bad", GOOD, BAD, GOOD)
    write(tmp_path, "empty")
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    prefix = f"{tmp_path}{os.sep}"
    search_path = ":".join(prefix + name if name else "" for name in names.split(":"))

    with caplog.at_level(logging.INFO, "dcmtk"):
        result = dictionaries.from_environment({"DCMDICTPATH": search_path})

    assert (result is not None) is loaded
    expected = [
        ("dcmtk.dcmdata", logging.ERROR, "DcmDataDictionary: " + error.format(prefix))
        for error in errors
    ]
    if not loaded:
        expected.append(("dcmtk.apps.storescp", logging.WARNING, NOT_LOADED))
    assert caplog.record_tuples == expected


@pytest.mark.parametrize("environment", [{}, {"DCMDICTPATH": ""}])
def test_nothing_is_loaded_unasked(
    caplog: pytest.LogCaptureFixture, environment: dict[str, str]
) -> None:
    """Without the variable the built-in dictionary is used, and nothing is said."""
    with caplog.at_level(logging.DEBUG, "dcmtk"):
        assert dictionaries.from_environment(environment) is None

    assert caplog.records == []


def test_each_file_is_named_at_debug_level(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The debug log says which files are read."""
    path = write(tmp_path, "good.dic", GOOD)

    with caplog.at_level(logging.DEBUG, "dcmtk"):
        dictionaries.load([path])

    assert caplog.record_tuples == [("dcmtk.dcmdata", logging.DEBUG, LOADED.format(path))]


def test_the_number_of_ranges_is_limited(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Ranges beyond any real dictionary are refused in time, the rest of the file counts."""
    lines = [f"(0011,{n:x}-u-{n + 1:x})\tLO\tA" for n in range(0x1000, 0x5000)]
    start = time.perf_counter()

    path = write(tmp_path, "many.dic", *lines, GOOD)

    assert dictionaries.load([path]) is None
    assert time.perf_counter() - start < 30
    assert "more than 2048 ranges of tags" in caplog.text


def test_look_ups_of_any_number_of_groups(tmp_path: Path) -> None:
    """What look-ups remember does not grow with the groups a peer asks for."""
    found = dictionary(tmp_path, "(0009-o-FFFF,0010-u-00FF)\tLO\tPrivateCreator")

    assert {found.vr(group << 16 | 0x10) for group in range(9, 0x10000, 2)} == {"LO"}
    assert len(found._candidates) <= dictionaries._CACHED_GROUPS


LINES = (
    st.lists(st.text('(),"-0123oeuz gPNLX\t1n#\r\0', max_size=40), max_size=8)
    .map("\n".join)
    .map(str.encode)
)


@given(st.binary(max_size=200) | LINES)
def test_any_line_is_an_entry_or_invalid(data: bytes) -> None:
    """Whatever the bytes, a line is an entry, nothing, or an InvalidLine with messages."""
    found = DictionaryFiles()
    for line in data.split(b"\n"):
        with contextlib.suppress(InvalidLine):
            entry = parse_line(line, "F", 1)
            if entry:
                found.add(entry)
                assert 0 <= entry.group.low <= 0xFFFF
                assert (
                    found.private_vr(
                        entry.creator or b"", entry.group.low << 16 | entry.element.low
                    )
                    or True
                )


# Beside the reference


def reference_dump(
    data: bytes, paths: Iterable[str], directory: Path
) -> tuple[list[str], dict[int, str]]:
    """Return error messages and VRs by tag when DCMTK reads implicit VR data with dictionaries."""
    file = directory / "data.dcm"
    file.write_bytes(data)
    run = subprocess.run(
        [require_tool("dcmdump"), "-ti", "-f", str(file)],
        env={**os.environ, "DCMDICTPATH": ":".join(paths)},
        capture_output=True,
        timeout=20,
        check=False,
    )
    errors = run.stderr.decode("utf-8", "surrogateescape").split("\n")
    vrs = {
        int(line[1:5] + line[6:10], 16): line[12:14]
        for line in run.stdout.decode("latin-1").split("\n")
        if line.startswith("(")
    }
    return [error[3:] for error in errors if error.startswith("E: DcmData")], vrs


def element(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


PARTS = st.sampled_from(
    ["0010", "0011", "00g0", " 10", "10 ", "0x10", "g", "", "FFFF", "10010", "-1"]
)
DIVIDERS = st.sampled_from(["-", "-o-", "-E-", "-u-", "-z-", "-1-", "- ", "--"])
NUMBERS = PARTS | st.tuples(PARTS, DIVIDERS, PARTS).map("".join)
CREATORS = st.sampled_from(["", "", '"A",', ' "A B" , ', '"",', '"A', '"A" x,'])
TAGS = st.tuples(
    st.sampled_from(["(", " (", ""]),
    NUMBERS,
    st.just(","),
    CREATORS,
    NUMBERS,
    st.sampled_from([")", ")x", ") ", ",1)", ""]),
).map("".join)
MULTIPLICITIES = st.sampled_from(
    ["1", "n", "1 - n", "2-2n", "x", "1-x", "1x", "", "1-", "-1", "1--2", "nx", "1-nx"]
)
LINES_WITH_FIELDS = st.one_of(
    st.tuples(
        TAGS,
        st.sampled_from(["LO", " PN", "XX", "XXa", "zz", "P", ""]),
        st.just("N"),
        MULTIPLICITIES,
    ).map("\t".join),
    st.lists(st.sampled_from(["(0010,0010)", "LO", "N", "1", " ", "#"]), max_size=7).map("\t".join),
)


@pytest.mark.interop
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(LINES_WITH_FIELDS, min_size=1, max_size=60))
def test_messages_are_those_of_the_reference(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, lines: list[str]
) -> None:
    """The reference finds the same faults in generated files and says the same."""
    path = write(tmp_path, "generated.dic", *lines)
    caplog.clear()

    dictionaries.load([path])

    ours = [record.getMessage() for record in caplog.records if record.name == "dcmtk.dcmdata"]
    assert ours == reference_dump(element(0x00100010, b"AB"), [path], tmp_path)[0]


GROUPS = [0x10, 0x11, 0x12, 0x13]
ELEMENTS = [0x1001, 0x1002, 0x1003, 0x1101, 0x1102]


@st.composite
def entries(draw: st.DrawFn) -> str:
    """Draw a line for one of few tags, so that entries meet each other."""

    def part(numbers: list[int], mask: int) -> str:
        low = draw(st.sampled_from(numbers)) & mask
        if draw(st.booleans()):
            return f"{low:x}"
        high = draw(st.sampled_from(numbers)) & mask
        return f"{low:x}-{draw(st.sampled_from(['', 'o-', 'e-', 'u-']))}{high:x}"

    creator = draw(st.sampled_from(["", "", '"AA",', '"BB",']))
    mask = draw(st.sampled_from([0xFF, 0xFFFF])) if creator else 0xFFFF
    vr = draw(st.sampled_from(["LO", "PN", "IS", "DS", "CS", "SH"]))
    return f"({part(GROUPS, 0xFFFF)},{creator}{part(ELEMENTS, mask)})\t{vr}\tN\t1"


@pytest.mark.interop
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.lists(entries(), min_size=1, max_size=12), min_size=1, max_size=2),
    st.lists(st.sampled_from([b"", b"AA", b"BB", b"CC"]), min_size=4, max_size=4),
)
def test_look_ups_are_those_of_the_reference(
    tmp_path: Path, files: list[list[str]], creators: list[bytes]
) -> None:
    """For generated dictionaries and private blocks the reference finds the same VRs."""
    creator_line = "(0009-o-FFFF,0010-u-00FF)\tLO\tPrivateCreator\t1"
    paths = [write(tmp_path, f"{n}.dic", creator_line, *lines) for n, lines in enumerate(files)]
    blocks = dict(zip([0x001110, 0x001111, 0x001310, 0x001311], creators, strict=True))
    data = b""
    expected = {}
    loaded = dictionaries.load(paths)
    assert loaded is not None
    for group in GROUPS:
        for block in (0x10, 0x11):
            if creator := blocks.get(group << 8 | block):
                data += element(group << 16 | block, creator)
        for number in ELEMENTS:
            tag = group << 16 | number
            data += element(tag, b"12")
            creator = blocks.get(group << 8 | number >> 8)
            vr = loaded.private_vr(creator, tag) if creator else loaded.vr(tag)
            expected[tag] = vr or "??"

    _, vrs = reference_dump(data, paths, tmp_path)

    assert expected == {tag: vr for tag, vr in vrs.items() if tag & 0xFFFF >= 0x1000}


@pytest.mark.interop
def test_shipped_files_load_fast() -> None:
    """The dictionaries that come with the reference are read whole, and start-up hardly waits."""
    require_tool("storescp")
    (standard,) = Path("/usr/share").glob("*dcmtk*/dicom.dic")
    paths = [str(standard), str(standard.with_name("private.dic"))]
    best = 1.0
    loaded: DictionaryFiles | None = None
    for _ in range(5):
        start = time.perf_counter()
        loaded = dictionaries.load(paths)
        best = min(best, time.perf_counter() - start)

    assert loaded is not None
    assert best < 0.2  # 0.035 on an idle machine
    assert len(loaded._singles) + len(loaded._private) > 7000
    assert (loaded.vr(0x7FE00010), loaded.vr(0x60023000), loaded.vr(0x00280106)) == (
        "px",
        "ox",
        "xs",
    )
    assert loaded.private_vr(b"SIEMENS CSA NON-IMAGE", 0x00291010) == "OB"


def test_names(tmp_path: Path) -> None:
    """An element's name is that of the entry that gives its VR."""
    found = dictionary(
        tmp_path,
        "(0010,0010)\tPN\tPatient Name",
        "(0010,0010)\tPN\tName",
        "(6000-60FF,0022)\tLO\tOverlayDescription",
        '(0011,"MAKER",10)\tUI\tTheirUID',
        '(0011-o-00FF,"MAKER",20-2F)\tUI\tOneOfSome',
        "(0011,1030)\tUI\tOfNobody",
    )

    assert found.name(0x00100010) == "Name"
    assert found.name(0x00100020) is None
    assert found.name(0x60020022) == "OverlayDescription"
    assert found.name(0x60010022) is None
    assert found.name(0x00100000) == "GenericGroupLength"
    assert found.name(0x00111010) is None
    assert [found.name(tag, b"MAKER") for tag in (0x00111010, 0x0011FF10)] == ["TheirUID"] * 2
    assert found.name(0x00131124, b"MAKER") == "OneOfSome"
    assert found.name(0x00131124, b"OTHER") is None
    assert found.name(0x00111030, b"MAKER") == "OfNobody"
