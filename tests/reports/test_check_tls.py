"""What the check says of TLS: certificates, keys, trust, revocation."""

import datetime
import time
from pathlib import Path

import pytest

from storescp.reports.check import Weight
from tests.peers.authority import CLIENT, Authority, save
from tests.reports.examination import examined, of

DAY = 86400


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DCMDICTPATH", raising=False)


@pytest.fixture
def tls(tmp_path: Path) -> list[str]:
    """A key, a certificate below an intermediate authority, and the trusted authority."""
    root = Authority("Root CA")
    key, certificate = Authority("Middle CA", issuer=root).issue("server").save(tmp_path)
    Path(key).chmod(0o600)
    return ["+tls", key, certificate, "+cf", save(tmp_path / "ca.pem", root.certificate)]


def days(number: float) -> float:
    return time.time() + number * DAY


def test_certificates_expire(tls: list[str]) -> None:
    """Days that are left are counted, for every certificate; the test's are good for 10 days."""
    warnings = of(examined(*tls, now=days(0)), Weight.WARNING)

    assert len(warnings) == 3
    for warning, whose in zip(
        warnings,
        (
            "The certificate /",
            "The intermediate certificate /CN=Middle CA",
            "The trusted certificate /CN=Root CA",
        ),
        strict=True,
    ):
        assert warning.startswith(whose)
        assert "(9 days left): have a new one made in time." in warning
    until = datetime.datetime.fromtimestamp(days(10), datetime.UTC)
    assert f"expires on {until:%Y-%m-%d %H:}" in warnings[0]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (11, "has expired on"),
        (-11, "is not good before"),
        (9.5, "(0 days left)"),
        (8.5, "(1 day left)"),
    ],
)
def test_dates_of_certificates(tls: list[str], now: float, expected: str) -> None:
    """What has expired or is not yet good is told, with the consequence."""
    report = examined(*tls, now=days(now))

    assert report.exit_code == 2
    assert all(expected in text for text in of(report, Weight.WARNING))


def test_certificates_are_good_for_long(tls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is wrong with a certificate that expires later than soon."""
    monkeypatch.setattr("storescp.reports.check_tls.EXPIRY_WARNING_DAYS", 5)

    report = examined(*tls)

    assert report.exit_code == 0
    assert "fits the certificate" in report.text()


@pytest.mark.parametrize(
    ("mode", "is_told"), [(0o644, True), (0o604, True), (0o640, False), (0o400, False)]
)
def test_a_key_that_everybody_can_read(tls: list[str], mode: int, *, is_told: bool) -> None:
    """A private key without a password is a secret."""
    Path(tls[1]).chmod(mode)

    warnings = of(examined(*tls), Weight.WARNING)

    expected = f"The private key {tls[1]} can be read by every user of this machine (chmod o= takes that away)."
    assert (expected in warnings) is is_told


def test_a_key_with_a_password_may_be_read(tls: list[str], tmp_path: Path) -> None:
    """A password protects it."""
    key, certificate = Authority().issue("server").save(tmp_path, password=b"secret")
    Path(key).chmod(0o644)

    warnings = of(examined("+tls", key, certificate, "+pw", "secret", *tls[3:]), Weight.WARNING)

    assert not any("can be read by every user" in text for text in warnings)


def test_key_of_another_certificate(tls: list[str], tmp_path: Path) -> None:
    """Then it would not start, and the remark says what to do."""
    other, _ = Authority().issue("other", key="p384").save(tmp_path)

    report = examined("+tls", other, *tls[2:])

    assert report.exit_code == 1
    assert "do not match. These must print the same: openssl" in of(report, Weight.ERROR)[0]
    assert "000b:" not in report.text()


def test_missing_key(tls: list[str]) -> None:
    """The reason of the library is beside the error."""
    report = examined("+tls", "/no/key", *tls[2:])

    assert "Unable to load private TLS key from '/no/key'. Check the name" in report.text()
    assert any("No such file" in text for text in of(report, Weight.WARNING))


def test_key_with_password(tmp_path: Path) -> None:
    """Nobody is asked for a password; with the right one everything is examined, with a wrong one it would not start."""
    identity = Authority().issue("server")
    key, certificate = identity.save(tmp_path, password=b"secret")
    options = ["+tls", key, certificate, "-ic"]

    assert any("asked for at the start" in text for text in of(examined(*options), Weight.WARNING))
    assert "fits the certificate" in examined(*options, "+pw", "secret").text()
    assert examined(*options, "+pw", "wrong").exit_code == 1


def test_wrong_order_of_chain(tmp_path: Path) -> None:
    """A certificate that is not followed by its issuer's is told; so is one that is not for servers."""
    identity = Authority("CA", key="p384").issue("server", usage=CLIENT)
    key, _ = identity.save(tmp_path)
    chain = save(tmp_path / "chain.pem", identity.certificate, Authority("Other").certificate)

    warnings = of(examined("+tls", key, chain, "-ic"), Weight.WARNING)

    assert any(
        "/CN=server is followed by /CN=Other, which is not its issuer (/CN=CA)" in text
        for text in warnings
    )
    assert any("is not made for servers" in text for text in warnings)


def test_trust(tls: list[str]) -> None:
    """Without an authority nobody gets in; a directory needs hashed names; files that cannot be loaded are told."""
    Path("empty").mkdir()
    Path("hashed").mkdir()
    Path("hashed/0123abcd.0").touch()

    def text(*options: str) -> str:
        return examined(*tls[:3], *options).text()

    assert "No authority is trusted" in text()
    assert "Clients need no certificate." in text("-ic")
    assert "has no hashed names" in text("+cd", "empty")
    assert "1 names of certificates" in text("+cd", "hashed")
    assert "cannot be read: No such file" in text("+cd", "nothing")
    assert "Unable to load certificate file '/no/ca', ignoring." in text("+cf", "/no/ca")


def test_revocation_lists(tmp_path: Path, tls: list[str]) -> None:
    """Until when a list is good is told; one that is out of date is a warning."""
    authority = Authority("Revoking")
    good = save(tmp_path / "good.crl", authority.revoke())
    old = save(tmp_path / "old.crl", authority.revoke(expired=True))

    assert "The revocation list of /CN=Revoking in " in examined(*tls, "+crl", good).text()
    assert "(0 days left)." in examined(*tls, "+crl", good).text()
    assert "is out of date since" in examined(*tls, "+crl", old).text()
    assert (
        "Unable to load CRL file '/no/crl', ignoring." in examined(*tls, "+crl", "/no/crl").text()
    )
