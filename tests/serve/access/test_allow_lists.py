"""Allow lists: what entries and files may look like, and when files are read."""

import logging
from pathlib import Path

import pytest

from storescp.errors import ConfigurationError
from storescp.serve.access.allow_lists import (
    AllowLists,
    AllowListSettings,
    AllowListSource,
    ae_title,
)


def addresses(*entries: str) -> AllowLists:
    return AllowLists(AllowListSettings(addresses=AllowListSource(entries)))


def calling(entries: tuple[str, ...] = (), files: tuple[Path, ...] = ()) -> AllowLists:
    return AllowLists(
        AllowListSettings(calling_ae_titles=AllowListSource(entries, tuple(map(str, files))))
    )


@pytest.mark.parametrize(
    ("entry", "inside", "outside"),
    [
        ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
        ("10.1.0.0/16", "10.1.255.255", "10.2.0.0"),
        ("10.1.0.0/255.255.0.0", "10.1.0.0", "11.1.0.0"),
        ("0.0.0.0/0", "192.0.2.1", "2001:db8::1"),
        ("2001:db8::5", "2001:db8::5", "2001:db8::6"),
        ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
        ("[2001:db8::5]", "2001:db8::5", "2001:db8::4"),
        ("fe80::/10", "fe80::1%eth0", "fec0::1"),
        ("::/0", "::1", "10.1.2.3"),
        # A peer of IPv4 on a socket of IPv6
        ("10.1.2.0/24", "::ffff:10.1.2.3", "::ffff:10.1.3.3"),
        ("::/0", "::2", "::ffff:10.1.2.3"),
    ],
)
def test_addresses_and_networks(entry: str, inside: str, outside: str) -> None:
    """Of IPv4 and IPv6; none contains an address of the other kind."""
    lists = addresses(entry)

    assert lists.has_address(inside)
    assert not lists.has_address(outside)


def test_any_entry_will_do() -> None:
    """A list allows what one of its entries allows."""
    lists = addresses("10.1.2.3", "2001:db8::/32")

    assert lists.has_address("10.1.2.3")
    assert lists.has_address("2001:db8::7")
    assert not lists.has_address("10.1.2.4")


def test_no_list_lets_everybody_in() -> None:
    """What was not asked for restricts nobody."""
    lists = AllowLists(AllowListSettings())

    assert lists.has_address("10.1.2.3")
    admission = lists.admission("10.1.2.3")
    assert admission.calling_ae_titles is None
    assert admission.called_ae_titles is None


def test_an_empty_file_lets_nobody_in(tmp_path: Path) -> None:
    """A list of nobody is a list: who empties it does not want to open the door."""
    file = tmp_path / "titles"
    file.write_text("# nobody at the moment\n")

    assert calling(files=(file,)).admission("10.1.2.3").calling_ae_titles == frozenset()


def test_files_have_an_entry_on_each_line(tmp_path: Path) -> None:
    """Blank lines and those that begin with # do not count, nor do spaces around entries or line ends of Windows."""
    file, another = tmp_path / "titles", tmp_path / "more"
    file.write_bytes("\ufeff# scanners\r\nCT1\r\n\r\n  CT 2  \n   # old\nA#B".encode())
    another.write_text("US1\n")

    admission = calling(("MR1", "MR2"), (file, another)).admission("10.1.2.3")

    assert admission.calling_ae_titles == frozenset({"MR1", "MR2", "CT1", "CT 2", "A#B", "US1"})
    assert admission.address == "10.1.2.3"


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "   ",
        "seventeen letters",
        "A\\B",
        "A\tB",
        "A\nB",
        "A\x7fB",
        "\N{GREEK SMALL LETTER ALPHA}",
    ],
)
def test_what_is_no_ae_title_is_an_error(entry: str) -> None:
    """At the start, not when a peer with such a title comes."""
    with pytest.raises(ValueError, match="an AE title has"):
        ae_title(entry)
    with pytest.raises(ConfigurationError, match=r"of the command line .*: an AE title has"):
        calling((entry,))


@pytest.mark.parametrize("entry", ["", "ct1.example.org", "10.1.2.3/8", "10.1.2", "10.1.2.3 # CT"])
def test_what_is_no_network_is_an_error(entry: str) -> None:
    """Names are none, nor are networks with bits behind their mask, which may be slips."""
    with pytest.raises(ConfigurationError, match="of the command line"):
        addresses(entry)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """With its name and the reason."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="missing: No such file or directory"):
        calling(files=(tmp_path / "missing",))
    with pytest.raises(ConfigurationError, match="binary: it is not text"):
        calling(files=(binary,))


def test_an_error_in_a_file_names_it(tmp_path: Path) -> None:
    """So that it can be found."""
    file = tmp_path / "titles"
    file.write_text("CT1\nA TITLE THAT IS TOO LONG\n")

    with pytest.raises(ConfigurationError, match=f'"A TITLE THAT IS TOO LONG" of {file}'):
        calling(files=(file,))


def test_files_are_read_again_when_they_have_expired(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not before, and only once."""
    caplog.set_level(logging.INFO, "dcmtk.apps.storescp")
    file = tmp_path / "titles"
    file.write_text("CT1\n")
    lists = calling(("MR1",), (file,))
    file.write_text("CT2\n")
    lists.renew()
    assert lists.admission("").calling_ae_titles == frozenset({"MR1", "CT1"})

    lists.expire()
    lists.renew()
    lists.renew()

    assert lists.admission("").calling_ae_titles == frozenset({"MR1", "CT2"})
    assert caplog.messages == ["the lists of allowed peers were read anew"]


def test_a_bad_file_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """All lists stay as they were, and an error is logged."""
    titles, networks = tmp_path / "titles", tmp_path / "networks"
    titles.write_text("CT1\n")
    networks.write_text("10.0.0.0/8\n")
    lists = AllowLists(
        AllowListSettings(
            AllowListSource(files=(str(titles),)), addresses=AllowListSource(files=(str(networks),))
        )
    )
    titles.write_text("CT2\n")
    networks.write_text("10.0.0.0/33\n")

    lists.expire()
    lists.renew()

    assert lists.admission("").calling_ae_titles == frozenset({"CT1"})
    assert lists.has_address("10.1.2.3")
    (message,) = caplog.messages
    assert message.startswith("the lists of allowed peers stay as they were: cannot use")
