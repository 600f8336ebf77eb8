import logging
import os
import stat
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509

from storescp.errors import ConfigurationError
from storescp.serve.tls.choices import FileFormat
from storescp.serve.tls.context import Reloadable, ServerContext
from storescp.serve.tls.offer import offered_suites
from storescp.serve.tls.profiles import (
    AES,
    AUTHENTICATED_UNENCRYPTED,
    BCP_195,
    BCP_195_EXTENDED,
    MODIFIED_BCP_195_RFC_8996,
    OPENSSL_NAMES,
    PROFILES,
    by_strength,
)
from storescp.serve.tls.settings import TLSSettings
from tests.peers.authority import Authority, Identity, save
from tests.peers.tls_client import connect
from tests.peers.tls_server import ESTABLISHED, Server
from tests.peers.tools import require_tool


@cache
def authority() -> Authority:
    return Authority("Test CA")


@cache
def server_identity() -> Identity:
    return authority().issue("server")


@pytest.fixture
def settings(tmp_path: Path) -> TLSSettings:
    """Settings that work: PEM files, and the authority trusted."""
    trusted = save(tmp_path / "ca.pem", authority().certificate)
    return TLSSettings(*server_identity().save(tmp_path), trusted_files=(trusted,))


def failure(settings: TLSSettings) -> str:
    """The text of the error that a context cannot be made with; it must have advice."""
    with pytest.raises(ConfigurationError) as caught:
        ServerContext(settings)
    assert caught.value.__notes__
    return str(caught.value)


def suites(context: ServerContext) -> list[str]:
    return list(context.openssl.suites(context.pointer))


def messages(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def test_every_profile_has_its_suites(tmp_path: Path, settings: TLSSettings) -> None:
    """OpenSSL holds exactly the suites of the profile that it offers, in the profile's order."""
    offered = offered_suites()
    default_13 = [
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_GCM_SHA256",
    ]
    modified_13 = [*default_13, "TLS_AES_128_CCM_8_SHA256", "TLS_AES_128_CCM_SHA256"]
    identity = authority().issue("rsa", key="rsa2048").save(tmp_path)

    for profile in PROFILES:
        if profile.requires and profile.requires not in offered:
            continue
        context = ServerContext(
            replace(settings, key_file=identity[0], certificate_file=identity[1], profile=profile)
        )

        older = [OPENSSL_NAMES[s] for s in by_strength(profile.suites.intersection(offered))]
        found = suites(context)
        assert older == [name for name in found if not name.startswith("TLS_")]
        assert (modified_13 if profile is MODIFIED_BCP_195_RFC_8996 else default_13) == [
            name for name in found if name.startswith("TLS_")
        ]


def test_profile_without_any_offered_suite(settings: TLSSettings) -> None:
    """A profile of which the library has nothing cannot be used."""
    impossible = replace(AES, title="Impossible", suites=frozenset())

    assert "no cipher suite of the security profile 'Impossible'" in failure(
        replace(settings, profile=impossible)
    )


def test_additional_suites_are_sorted_in(settings: TLSSettings) -> None:
    """Suites that a user adds take their place by strength; duplicates change nothing."""
    added = (
        "TLS_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    )
    context = ServerContext(replace(settings, additional_suites=added))

    assert [name for name in suites(context) if not name.startswith("TLS_")] == [
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
    ]


@pytest.mark.parametrize(
    "name", ["AES128-SHA", "tls_rsa_with_aes_128_cbc_sha", "TLS_AES_128_GCM_SHA256", ""]
)
def test_unknown_suite(settings: TLSSettings, name: str) -> None:
    """Only the names of the table are known."""
    unknown = replace(settings, additional_suites=(name,))

    assert f"000b:0003 Unknown or invalid ciphersuite: {name}" == failure(unknown)


def test_suite_that_is_not_offered(settings: TLSSettings, caplog: pytest.LogCaptureFixture) -> None:
    """A known suite that the library lacks is explained, then treated as unknown."""
    name = "TLS_ECDHE_RSA_WITH_CAMELLIA_256_GCM_SHA384"

    text = failure(replace(settings, additional_suites=(name,)))

    assert text == f"000b:0003 Unknown or invalid ciphersuite: {name}"
    assert messages(caplog, logging.CRITICAL) == [
        (
            f"Ciphersuite '{name}' not supported by the OpenSSL library used to compile this"
            " application."
        )
    ]


def test_suite_that_the_profile_forbids(
    settings: TLSSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """The profile's reason is logged, and the program ends."""
    forbidden = replace(settings, additional_suites=("TLS_RSA_WITH_NULL_SHA",))

    text = failure(forbidden)

    assert text == "000b:000a Ciphersuite not allowed in current DICOM security profile"
    assert messages(caplog, logging.CRITICAL) == [
        (
            "Unencrypted ciphersuite 'TLS_RSA_WITH_NULL_SHA' not permitted with security profile"
            " 'BCP 195 RFC 8996 TLS Profile'"
        )
    ]


def test_files_that_are_passed_over(
    tmp_path: Path, settings: TLSSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """Trusted files, CRLs and DH parameters that cannot be used are warned of, last one first."""
    no = str(tmp_path / "no")
    odd = replace(
        settings,
        trusted_files=(f"{no}1", settings.key_file, f"{no}2"),
        trusted_directories=(f"{no}3",),
        crl_files=(f"{no}4",),
        dh_parameter_file=f"{no}5",
    )

    context = ServerContext(odd)

    assert [m for m in messages(caplog, logging.WARNING) if "ignoring" in m] == [
        f"unable to load certificate file '{no}2', ignoring",
        f"unable to load certificate file '{settings.key_file}', ignoring",
        f"unable to load certificate file '{no}1', ignoring",
        f"unable to load CRL file '{no}4', ignoring",
        f"unable to load temporary DH parameter file '{no}5', ignoring",
    ]
    errors = messages(caplog, logging.ERROR)
    assert len(errors) == 4
    assert errors[0].endswith(": No such file or directory")
    assert errors[1].endswith(": no certificate or crl found")
    assert context.loaded == set()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"key_file": "/no.key"}, "000b:0004 Unable to load private TLS key from '/no.key'"),
        (
            {"certificate_file": "/no.pem"},
            "000b:0005 Unable to load certificate from '/no.pem'",
        ),
    ],
)
def test_missing_key_or_certificate(
    settings: TLSSettings,
    caplog: pytest.LogCaptureFixture,
    change: dict[str, str],
    text: str,
) -> None:
    """Without key and certificate the server does not start."""
    assert text == failure(replace(settings, **change))  # type: ignore[arg-type]  # only files
    (error,) = messages(caplog, logging.ERROR)
    assert error.startswith("OpenSSL error ")
    assert error.endswith(": No such file or directory")


def test_key_and_certificate_swapped(
    settings: TLSSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """A certificate where the key should be is not a key."""
    swapped = replace(
        settings, key_file=settings.certificate_file, certificate_file=settings.key_file
    )

    assert "000b:0004 Unable to load private TLS key from" in failure(swapped)
    assert messages(caplog, logging.ERROR)


def test_key_where_a_certificate_is_expected(settings: TLSSettings) -> None:
    """A key file has no certificate."""
    wrong = replace(settings, certificate_file=settings.key_file)

    assert failure(wrong) == f"000b:0005 Unable to load certificate from '{settings.key_file}'"


@pytest.mark.parametrize("kind", ["p256", "rsa2048"])
def test_key_and_certificate_that_do_not_match(
    tmp_path: Path, settings: TLSSettings, kind: str
) -> None:
    """A key of another certificate is refused, be it of the same kind or of another."""
    other = Authority("Other", key="p384" if kind == "p256" else kind)
    key, _ = Identity(other.certificate, other.key).save(tmp_path)

    assert failure(replace(settings, key_file=key)) == (
        f"000b:0006 Private key '{key}' and certificate '{settings.certificate_file}' do not match"
    )


@pytest.mark.parametrize("traditional", [False, True])
def test_passwords(
    tmp_path: Path,
    settings: TLSSettings,
    caplog: pytest.LogCaptureFixture,
    traditional: bool,
) -> None:
    """The right password opens both kinds of encrypted keys, a wrong or empty one does not."""
    key, _ = server_identity().save(tmp_path, password=b"secret", traditional=traditional)
    locked = replace(settings, key_file=key)

    ServerContext(replace(locked, password="secret"))
    for wrong in ("Secret", ""):
        assert "000b:0004 Unable to load private TLS key" in failure(
            replace(locked, password=wrong)
        )
    assert messages(caplog, logging.ERROR)


def test_password_for_a_key_that_needs_none(settings: TLSSettings) -> None:
    """A password is passed over where none is asked."""
    ServerContext(replace(settings, password="secret"))


def run_with_prompt(settings: TLSSettings, typed: str, *, then: str) -> str:
    """Make a context in a process without a terminal, `typed` being its standard input."""
    code = (
        "from storescp.serve.tls.context import Reloadable\n"
        "from storescp.serve.tls.settings import TLSSettings\n"
        "from storescp.errors import ConfigurationError\n"
        f"settings = TLSSettings({settings.key_file!r}, {settings.certificate_file!r})\n"
        "try:\n"
        "    renewable = Reloadable(settings)\n"
        f"    {then}\n"
        "except ConfigurationError as error:\n"
        "    print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=typed,
        capture_output=True,
        text=True,
        env=environment,
        start_new_session=True,
        timeout=60,
        check=True,
    )
    assert "Enter PEM pass phrase:" in done.stderr
    return done.stdout


def test_password_is_asked_for(tmp_path: Path, settings: TLSSettings) -> None:
    """An encrypted key without a password given makes OpenSSL ask; what was typed serves renewals."""
    key, _ = server_identity().save(tmp_path, password=b"secret")

    output = run_with_prompt(
        replace(settings, key_file=key), "secret\n", then="print(renewable.reload())"
    )

    assert output == "True\n"


def test_no_password_at_the_prompt(tmp_path: Path, settings: TLSSettings) -> None:
    """With standard input at its end the key cannot be loaded."""
    key, _ = server_identity().save(tmp_path, password=b"secret")

    output = run_with_prompt(replace(settings, key_file=key), "", then="print('loaded')")

    assert output == f"000b:0004 Unable to load private TLS key from '{key}'\n"


@pytest.mark.parametrize("traditional", [False, True])
def test_der(tmp_path: Path, traditional: bool) -> None:
    """DER is understood for keys of both kinds, certificates, trusted certificates and CRLs."""
    identity = server_identity().save(tmp_path, der=True, traditional=traditional)
    trusted = save(tmp_path / "ca.der", authority().certificate, der=True)
    crl = save(tmp_path / "crl.der", authority().revoke(), der=True)
    settings = TLSSettings(
        *identity, file_format=FileFormat.DER, trusted_files=(trusted,), crl_files=(crl,)
    )

    context = ServerContext(settings)

    assert {trusted, crl} == context.loaded


def test_pem_files_read_as_der(settings: TLSSettings, caplog: pytest.LogCaptureFixture) -> None:
    """The format applies to all files; PEM is not DER."""
    wrong = replace(settings, file_format=FileFormat.DER, crl_files=settings.trusted_files)

    assert "000b:0004 Unable to load private TLS key" in failure(wrong)
    assert [m for m in messages(caplog, logging.WARNING) if "ignoring" in m] == [
        f"unable to load certificate file '{settings.trusted_files[0]}', ignoring",
        f"unable to load CRL file '{settings.trusted_files[0]}', ignoring",
    ]


def test_weak_own_certificate(
    tmp_path: Path, settings: TLSSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """The profile's check comes before the certificate is used; only some profiles insist."""
    key, certificate = authority().issue("weak", key="rsa1024").save(tmp_path)
    weak = replace(settings, key_file=key, certificate_file=certificate)

    assert f"000b:0005 Unable to load certificate from '{certificate}'" == failure(weak)
    ServerContext(replace(weak, profile=BCP_195))

    (refused,) = messages(caplog, logging.CRITICAL)
    assert refused.startswith("Key length of RSA public key too short: RFC 9325 requires")
    (warned,) = messages(caplog, logging.WARNING)
    assert warned.startswith("Key length of RSA public key too short: RFC 9325 recommends")


@pytest.mark.interop
@pytest.mark.parametrize(
    ("digest", "level", "text"),
    [
        ("md5", logging.ERROR, "Weak certificate hash key: certificate file '{}' uses 'MD5'."),
        (
            "sha1",
            logging.WARNING,
            (
                "Possibly weak certificate hash key: RFC 9325 recommends the use of SHA-256 (or"
                " better) for certificates, but certificate file '{}' uses 'RSA-SHA1'."
            ),
        ),
    ],
)
def test_weak_signature_of_own_certificate(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    digest: str,
    level: int,
    text: str,
) -> None:
    """MD5 is refused, SHA-1 warned of; the names are OpenSSL's."""
    key, certificate = str(tmp_path / "weak.key"), str(tmp_path / "weak.pem")
    make = [
        require_tool("openssl"),
        *["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=weak"],
    ]
    subprocess.run(
        [*make, f"-{digest}", "-keyout", key, "-out", certificate], check=True, capture_output=True
    )

    if level == logging.ERROR:
        assert "000b:0005" in failure(TLSSettings(key, certificate))
    else:
        ServerContext(TLSSettings(key, certificate))

    assert messages(caplog, level) == [text.format(certificate)]


def test_dsa_certificate_forbids_tls_1_3(tmp_path: Path, settings: TLSSettings) -> None:
    """A DSA certificate is refused by default, and limits other profiles to TLS 1.2."""
    key, certificate = authority().issue("dsa", key="dsa").save(tmp_path)
    with_dsa = replace(settings, key_file=key, certificate_file=certificate)
    usable = replace(
        with_dsa, profile=BCP_195, additional_suites=("TLS_DHE_DSS_WITH_AES_256_GCM_SHA384",)
    )

    assert "000b:0005" in failure(with_dsa)
    with Server(ServerContext(open_to_all(usable))) as server:
        session = connect(server.port)

    assert (session.version, session.suite) == ("TLSv1.2", "DHE-DSS-AES256-GCM-SHA384")


@pytest.mark.interop
def test_short_dh_parameters(
    tmp_path: Path,
    settings: TLSSettings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """DH parameters below 2048 bits are warned of, and refused by the extended profile only."""
    name = str(tmp_path / "dh.pem")
    subprocess.run(
        [require_tool("openssl"), "dhparam", "-dsaparam", "-out", name, "1024"],
        check=True,
        capture_output=True,
    )
    with_parameters = replace(settings, dh_parameter_file=name)
    short = (
        "Key length of Diffie-Hellman parameter file too short: RFC 9325 recommends at least 2048"
        f" bits, but the key in file '{name}' is only 1024 bits."
    )

    assert ServerContext(with_parameters).loaded >= {name}
    assert messages(caplog, logging.WARNING) == [short]
    caplog.clear()
    extended = ServerContext(replace(with_parameters, profile=BCP_195_EXTENDED))

    assert name not in extended.loaded
    assert messages(caplog, logging.WARNING)[:2] == [
        short,
        f"unable to load temporary DH parameter file '{name}', ignoring",
    ]


def test_elliptic_curve_parameters_are_no_dh_parameters(
    tmp_path: Path, settings: TLSSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """A file with EC parameters (here of P-256) is not mistaken for DH parameters."""
    name = tmp_path / "ec.pem"
    name.write_text(
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    )

    ServerContext(replace(settings, dh_parameter_file=str(name)))

    assert messages(caplog, logging.WARNING)[0] == (
        f"unable to load temporary DH parameter file '{name}', ignoring"
    )


def test_seed_files(tmp_path: Path, settings: TLSSettings) -> None:
    """A seed is read if there is one, and written anew, for the owner only, when asked."""
    seed = tmp_path / "seed"
    seed.write_bytes(b"not very random")
    written = tmp_path / "new-seed"

    ServerContext(replace(settings, seed_file=str(seed))).write_seed()
    ServerContext(replace(settings, seed_file=str(tmp_path / "no"))).write_seed()
    assert not written.exists()
    ServerContext(
        replace(settings, seed_file=str(seed), written_seed_file=str(written))
    ).write_seed()

    assert len(written.read_bytes()) == 1024
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


def test_seed_file_that_cannot_be_written(tmp_path: Path, settings: TLSSettings) -> None:
    """Nobody is told, as in the reference."""
    ServerContext(replace(settings, written_seed_file=str(tmp_path / "no" / "seed"))).write_seed()


def shown_serial(port: int) -> int:
    session = connect(port)
    assert session.server_certificate is not None, session.error
    return x509.load_der_x509_certificate(session.server_certificate).serial_number


def open_to_all(settings: TLSSettings) -> TLSSettings:
    from storescp.serve.tls.choices import PeerAuthentication

    return replace(settings, peer_authentication=PeerAuthentication.IGNORED)


def test_renewal(tmp_path: Path, settings: TLSSettings) -> None:
    """After a renewal new connections see the new certificate."""
    renewable = Reloadable(open_to_all(settings))
    former = renewable.context
    renewed = authority().issue("server", key="p384")
    renewed.save(tmp_path)

    assert renewable.reload()

    with Server(former) as old, Server(renewable.context) as new:
        assert server_identity().certificate.serial_number == shown_serial(old.port)
        assert renewed.certificate.serial_number == shown_serial(new.port)


@pytest.mark.parametrize("damaged", ["key_file", "certificate_file", "ca", "crl"])
def test_renewal_from_a_bad_file(
    tmp_path: Path, settings: TLSSettings, caplog: pytest.LogCaptureFixture, damaged: str
) -> None:
    """A file that was good and is bad now keeps everything as it was, and is an error in the log."""
    crl = save(tmp_path / "crl.pem", authority().revoke())
    renewable = Reloadable(replace(settings, crl_files=(crl,)))
    former = renewable.context
    files = {"ca": settings.trusted_files[0], "crl": crl}
    Path(files.get(damaged) or getattr(settings, damaged)).write_text("rubbish")

    assert not renewable.reload()

    assert renewable.context is former
    assert messages(caplog, logging.CRITICAL) == []
    assert [m for m in messages(caplog, logging.ERROR) if m.startswith("TLS keys and certificates")]


def test_renewal_with_a_weak_certificate_is_no_fatal_message(
    tmp_path: Path, settings: TLSSettings, caplog: pytest.LogCaptureFixture
) -> None:
    """What would end the program at its start is an error during a renewal."""
    renewable = Reloadable(settings)
    authority().issue("server", key="rsa1024").save(tmp_path)

    assert not renewable.reload()

    assert messages(caplog, logging.CRITICAL) == []
    assert "RSA public key too short" in messages(caplog, logging.ERROR)[0]


def test_renewal_never_asks_for_a_password(
    tmp_path: Path, settings: TLSSettings, capfd: pytest.CaptureFixture[str]
) -> None:
    """A key that is encrypted since the start cannot be read: nobody is there to type."""
    renewable = Reloadable(settings)
    server_identity().save(tmp_path, password=b"secret")

    logging.disable()  # another test may have had the log written to standard error
    try:
        renewed = renewable.reload()
    finally:
        logging.disable(logging.NOTSET)

    assert not renewed
    assert capfd.readouterr() == ("", "")


def test_renewal_passes_over_what_was_passed_over(tmp_path: Path, settings: TLSSettings) -> None:
    """A file that never could be loaded does not stop a renewal."""
    renewable = Reloadable(replace(settings, crl_files=(str(tmp_path / "no"),)))

    assert renewable.reload()


def test_unencrypted_profile_uses_null_suite(tmp_path: Path, settings: TLSSettings) -> None:
    """Where the library has the NULL suite, the unencrypted profile agrees on it."""
    if "TLS_RSA_WITH_NULL_SHA" not in offered_suites():
        return
    key, certificate = authority().issue("rsa", key="rsa2048").save(tmp_path)
    unencrypted = replace(
        open_to_all(settings),
        key_file=key,
        certificate_file=certificate,
        profile=AUTHENTICATED_UNENCRYPTED,
    )

    with Server(ServerContext(unencrypted)) as server:
        session = connect(server.port, suites="eNULL:@SECLEVEL=0")

        assert (session.version, session.suite) == ("TLSv1.2", "NULL-SHA")
        assert server.outcome() == ESTABLISHED
