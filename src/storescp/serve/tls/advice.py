"""Plain words for failed handshakes: what happened, and what to do about it."""

from storescp.proxy_protocol import begins_proxy_protocol
from storescp.serve.tls.openssl import (
    ERROR_WANT_READ,
    ERROR_WANT_WRITE,
    REASON_ALPN,
    REASON_CALLBACK_FAILED,
    REASON_CERTIFICATE_REFUSED,
    REASON_HTTP,
    REASON_NO_CERTIFICATE,
    REASON_NO_SHARED_CIPHER,
    REASON_NO_SHARED_GROUP,
    REASON_NOT_TLS,
    REASON_UNEXPECTED_EOF,
    REASON_UNSUPPORTED_VERSION,
)
from storescp.serve.tls.settings import TLSSettings

_ALERTS = range(1000, 1256)  # ssl.h: reasons that are alerts from the peer, RFC 8446 section 6

_BY_ALERT = {
    40: "it found no protocol version, cipher suite or certificate that it can use; compare its"
    " security profile with ours",
    42: "it does not accept our certificate",
    43: "it does not accept the kind of our certificate",
    44: "it knows our certificate as revoked; have a new one made",
    45: "our certificate is expired, by its clock; check both clocks, or have a new one made",
    46: "it does not accept our certificate; perhaps our host name is not in it",
    48: "it does not know the authority that signed our certificate; add that authority's"
    " certificate to those it trusts",
    70: "it does not speak our versions of TLS; compare its security profile with ours",
    80: "it has a problem of its own; look at its log",
}

_NOTHING_IN_COMMON = (
    "the client offers no cipher suite, elliptic curve or protocol version that the security"
    " profile and the kind of our key (RSA, EC) allow. Choose the same profile on both sides"
)

_BY_REASON = {
    REASON_NO_CERTIFICATE: "the client sent no certificate. Give it one, or let clients in without"
    " (--verify-peer-cert, --ignore-peer-cert)",
    REASON_ALPN: "the client asked for another protocol than DICOM (ALPN). It is probably not a"
    " DICOM application",
    REASON_UNSUPPORTED_VERSION: "the client speaks only versions of TLS that are too old for the"
    " security profile. Update it, or choose another profile",
    REASON_NO_SHARED_CIPHER: _NOTHING_IN_COMMON,
    REASON_NO_SHARED_GROUP: _NOTHING_IN_COMMON,
    REASON_NOT_TLS: "the client does not speak TLS. Switch TLS on in it, or let it use a port"
    " without TLS",
    REASON_HTTP: "this is a web client (HTTP). This port is for DICOM over TLS",
    REASON_UNEXPECTED_EOF: "the client closed the connection. It may be a port scanner or a monitor;"
    " if not, see its log",
}


def advise(
    kind: int,
    reason: int | None,
    refusal: str | None,
    settings: TLSSettings,
    beginning: bytes = b"",
) -> str:
    """Explain a failure.

    `kind` is the result of SSL_get_error; `reason` that of the first error in the queue, if it is
    one of the TLS protocol; `refusal` why the client's certificate was not accepted; `beginning` the
    first bytes that the client sent.
    """
    if begins_proxy_protocol(beginning):
        return (
            "this is a balancer that speaks the PROXY protocol, which this receiver does not know. Turn that"
            " off in the balancer for this port"
        )
    if reason == REASON_CERTIFICATE_REFUSED or refusal is not None:
        return (
            f"the client's certificate is not accepted: {refusal or 'it cannot be verified'}."
            f" {_about_trust(settings)}"
        )
    if reason == REASON_CALLBACK_FAILED:
        return (
            "the client wants to talk to a server of another name. Correct its configuration, or"
            " --expect-sni"
        )
    if reason in _BY_REASON:
        return _BY_REASON[reason]
    if reason is not None and reason in _ALERTS:
        number = reason - _ALERTS.start
        hint = _BY_ALERT.get(number, "see its log, or the meaning of the alert in RFC 8446")
        return f"the client refused the connection (alert {number}): {hint}"
    if reason is None and kind in (ERROR_WANT_READ, ERROR_WANT_WRITE):
        return (
            "the client did not finish the handshake in time. It may not speak TLS, or the network"
            " is interrupted"
        )
    if reason is None:
        return "the connection broke. Check the network and the client's log"
    return "the client does not keep to the TLS protocol. Check whether it speaks TLS at all"


def _about_trust(settings: TLSSettings) -> str:
    if not settings.trusted_files and not settings.trusted_directories:
        return "No certificates are trusted at all: use --add-cert-file or --add-cert-dir"
    return (
        "Check its validity, and that its authority's certificate (--add-cert-file, --add-cert-dir)"
        " and, if revocation is checked, a valid CRL of that authority are here"
    )
