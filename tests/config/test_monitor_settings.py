"""Options about the status page become settings."""

from pathlib import Path

import pytest

from storescp.config.choices import CommandLine, HTTPAddress
from storescp.config.command_line import Evaluation, UsageError, parse
from storescp.config.monitor_settings import read_token
from storescp.config.monitor_settings import settings as settings_of
from storescp.config.options.evaluation import Stage
from storescp.errors import ConfigurationError
from storescp.monitor.progress import Progress
from storescp.monitor.settings import MonitorSettings
from storescp.monitor.surroundings import HostStatusSettings


def command_line(*arguments: str) -> CommandLine:
    return Evaluation(parse([*arguments, "104"])).run(Stage.SECURITY)


def settings(given: CommandLine, database: str | None = None) -> MonitorSettings:
    return settings_of(given, database)


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("8080", "127.0.0.1", 8080),
        ("0", "127.0.0.1", 0),
        ("0.0.0.0:80", "0.0.0.0", 80),
        ("[::1]:8080", "::1", 8080),
        ("pacs.example:65535", "pacs.example", 65535),
    ],
)
def test_an_address_is_a_port_or_has_one(text: str, address: str, port: int) -> None:
    """Loopback unless an address is given."""
    assert HTTPAddress(address, port) == command_line("--http", text).http


@pytest.mark.parametrize(
    "text",
    ["", "x", ":8080", "::1:8080", "[::1]", "65536", "-1", "1.2.3.4:", "1.2.3.4:x", "\u0664"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """The error names the option and the value."""
    with pytest.raises(UsageError) as caught:
        command_line("--http", text)
    assert str(caught.value) == f"Invalid value for option --http ({text})"


def test_nothing_is_shown_of_a_server_started_by_inetd() -> None:
    """It serves one association, and its standard streams are the connection."""
    for option in (["--http", "8080"], ["--progress"]):
        with pytest.raises(UsageError, match="not allowed with --inetd"):
            command_line("--inetd", *option)


def test_the_page_knows_what_to_look_at(tmp_path: Path) -> None:
    """Output directory, certificate, token and names."""
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    token.chmod(0o600)

    page = settings(
        command_line(
            *(
                "--http",
                "[::1]:8080",
                "--http-token-file",
                str(token),
                "--http-host",
                "PACS.example.",
            ),
            *("-od", "/in", "+tls", "key.pem", "cert.pem", "--der-keys", "--min-free-space", "5"),
        )
    ).page

    assert page is not None
    assert (page.address, page.port, page.token) == ("::1", 8080, "s3cret")
    assert page.names == ("pacs.example",)
    assert not page.identifiers
    assert page.whereabouts == HostStatusSettings(
        "/in",
        least_free=5 << 20,
        certificate_file="cert.pem",
        certificate_is_der=True,
    )


def test_identifiers_are_shown_where_they_are_asked_for() -> None:
    """On the page and on the terminal."""
    shown = settings(command_line("--http", "8080", "--progress", "--show-identifiers"))

    assert shown.page is not None
    assert shown.page.identifiers
    assert shown.progress == Progress(identifiers=True)
    assert settings(command_line("--progress")).page is None


def test_a_page_for_everybody_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """Unless it stays on this machine or asks for a token."""
    settings(command_line("--http", "8080"))
    settings(command_line("--http", "localhost:8080"))
    assert caplog.text == ""

    settings(command_line("--http", "0.0.0.0:8080"))
    assert "--http-token-file protects it" in caplog.text


@pytest.mark.parametrize("content", [b"", b" \n", b"two\nlines", b"caf\xc3\xa9", b"x" * 5000])
def test_a_token_must_fit_into_a_header_field(tmp_path: Path, content: bytes) -> None:
    """A start without protection would be worse than none."""
    path = tmp_path / "token"
    path.write_bytes(content)

    with pytest.raises(ConfigurationError, match="does not hold one line"):
        read_token(str(path))
    with pytest.raises(ConfigurationError, match="cannot read the token file"):
        read_token(str(tmp_path / "none"))


def test_a_token_that_everybody_can_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is used nevertheless."""
    path = tmp_path / "token"
    path.write_text("s3cret")
    path.chmod(0o644)

    assert read_token(str(path)) == "s3cret"
    assert "can be read by every user" in caplog.text
