import pytest

from storescp.serve.tls.advice import advise
from storescp.serve.tls.openssl import ERROR_SSL, ERROR_SYSCALL, ERROR_WANT_READ, ERROR_WANT_WRITE
from storescp.serve.tls.settings import TLSSettings

SETTINGS = TLSSettings("key.pem", "cert.pem", trusted_files=("ca.pem",))


@pytest.mark.parametrize(
    ("kind", "reason", "words"),
    [
        (ERROR_SSL, 134, "certificate is not accepted"),
        (ERROR_SSL, 199, "sent no certificate"),
        (ERROR_SSL, 234, "--expect-sni"),
        (ERROR_SSL, 235, "ALPN"),
        (ERROR_SSL, 258, "too old"),
        (ERROR_SSL, 193, "no cipher suite"),
        (ERROR_SSL, 101, "elliptic curve"),
        (ERROR_SSL, 267, "does not speak TLS"),
        (ERROR_SSL, 156, "HTTP"),
        (ERROR_SSL, 294, "closed the connection"),
        (ERROR_SSL, 1042, "alert 42"),
        (ERROR_SSL, 1099, "RFC 8446"),
        (ERROR_SSL, 244, "does not keep to the TLS protocol"),
        (ERROR_SYSCALL, None, "broke"),
        (ERROR_WANT_READ, None, "in time"),
        (ERROR_WANT_WRITE, None, "in time"),
    ],
)
def test_every_failure_has_advice(kind: int, reason: int | None, words: str) -> None:
    """Each kind of failure is put in plain words."""
    assert words in advise(kind, reason, None, SETTINGS)


@pytest.mark.parametrize(
    ("beginning", "words"),
    [
        (b"PROXY TCP6 ::1 ::", "a balancer that speaks the PROXY protocol"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11", "a balancer that speaks the PROXY protocol"),
        (b"PROX", "does not speak TLS"),
        (b"\r\n\r\n", "does not speak TLS"),
    ],
)
def test_the_proxy_protocol_is_told_apart(beginning: bytes, words: str) -> None:
    """A balancer in front of the port is something else than a client without TLS."""
    assert words in advise(ERROR_SSL, 267, None, SETTINGS, beginning)


def test_refused_certificate_is_named() -> None:
    """What is wrong with a certificate is said before what to do about it."""
    advice = advise(ERROR_SSL, 134, "certificate has expired (/CN=modality)", SETTINGS)

    assert advice.startswith(
        "the client's certificate is not accepted: certificate has expired (/CN=modality)."
    )
    assert "--add-cert-file" in advice
