"""Judging certificates, our own and the peers': what is too weak, and what is said about it.

The limits are those of PS3.15 B.12 and B.13, and of RFC 9325 section 4.5. Nothing here touches the
TLS library.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from storescp.serve.tls.findings import Finding, error, fatal, warning
from storescp.serve.tls.profiles import TLSProfile

_RSA_BITS = 2048
_EC_BITS = 224
_EC_BITS_OF_STRICT_PROFILE = 256

_BROKEN_DIGESTS = frozenset({"MD2", "MD4", "MD5"})
_STRONG_DIGESTS = frozenset({"SHA256", "SHA384", "SHA512", "SHA3-256", "SHA3-384", "SHA3-512"})
_SIGNING_KEYS = frozenset({"rsaEncryption", "id-ecPublicKey", "DSA"})


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """Facts about a certificate that the checks use; names are OpenSSL's short names.

    `key` is the type of its public key (RSA, EC, DSA, …), `bits` that key's size; `signature` the
    algorithm its issuer signed with, which is made of `digest` and `signing_key` (both empty where
    the algorithm is not such a pair, as with Ed25519).
    """

    key: str
    bits: int
    signature: str
    digest: str
    signing_key: str

    @property
    def strongly_signed(self) -> bool:
        if self.digest == "SHA512-256":
            return self.signing_key == "rsaEncryption"
        return self.digest in _STRONG_DIGESTS and self.signing_key in _SIGNING_KEYS


def check_own(profile: TLSProfile, name: str, certificate: CertificateFacts) -> Iterator[Finding]:
    """Judge the server's own certificate, read from the file `name`."""
    yield from _check_own_key(profile, name, certificate)
    if certificate.digest in _BROKEN_DIGESTS:
        yield error(
            f"Weak certificate hash key: certificate file '{name}' uses '{certificate.digest}'."
        )
    elif not certificate.strongly_signed and profile.everything_must_comply:
        yield fatal(
            "Weak certificate hash key: TLS profile requires SHA-256 (or better) for certificates,"
            f" but certificate file '{name}' uses '{certificate.signature}'."
        )
    elif not certificate.strongly_signed:
        yield warning(
            "Possibly weak certificate hash key: RFC 9325 recommends the use of SHA-256 (or better)"
            f" for certificates, but certificate file '{name}' uses '{certificate.signature}'."
        )


def _check_own_key(
    profile: TLSProfile, name: str, certificate: CertificateFacts
) -> Iterator[Finding]:
    only = f"but the key in certificate file '{name}' is only {certificate.bits} bits."
    match certificate.key:
        case "RSA" if certificate.bits < _RSA_BITS and profile.own_keys_must_comply:
            yield fatal(
                "Key length of RSA public key too short: RFC 9325 requires at least 2048 bits for"
                f" server RSA keys, {only}"
            )
        case "RSA" if certificate.bits < _RSA_BITS:
            yield warning(
                "Key length of RSA public key too short: RFC 9325 recommends at least 2048 bits for"
                f" RSA keys, {only}"
            )
        case "EC" if (
            certificate.bits < _EC_BITS_OF_STRICT_PROFILE and profile.everything_must_comply
        ):
            yield fatal(
                "Key length of ECDSA public key too short: TLS profile requires at least 256 bits"
                f" for ECDSA keys, {only}"
            )
        case "EC" if certificate.bits < _EC_BITS:
            yield warning(
                "Key length of ECDSA public key too short: RFC 9325 recommends at least 224 bits"
                f" for ECDSA keys, {only}"
            )
        case "DSA" if profile.own_keys_must_comply:
            yield fatal(
                f"DSA certificate '{name}' not permitted in the selected TLS profile because it"
                " prevents the use of TLS 1.3."
            )
        case "DSA":
            yield warning(
                "Use of DSA certificate not recommended because it prevents the use of TLS 1.3,"
                " which does not support this certificate type."
            )
        case _:
            pass


def check_peer(profile: TLSProfile, certificate: CertificateFacts) -> Iterator[Finding]:
    """Judge one certificate of the peer's verified chain."""
    refusing = "Refusing TLS connection."
    rsa = f"but peer provided RSA certificate with {certificate.bits} bits."
    ecdsa = f"but peer provided ECDSA certificate with {certificate.bits} bits."
    hashed = f"but peer provided certificate with '{certificate.signature}'."
    strict = profile.everything_must_comply

    if certificate.digest in _BROKEN_DIGESTS:
        yield error(
            "Weak certificate hash key: peer provided certificate with"
            f" '{certificate.digest}'. {refusing}"
        )
        return
    if certificate.key == "RSA" and certificate.bits < _RSA_BITS:
        if strict:
            yield error(
                "RSA key length too short: the DICOM TLS profile requires at least 2048 bits,"
                f" {rsa} {refusing}"
            )
        else:
            yield warning(
                f"RSA key length too short: RFC 9325 recommends at least 2048 bits, {rsa}"
            )
    if certificate.key == "EC":
        if strict and certificate.bits < _EC_BITS_OF_STRICT_PROFILE:
            yield error(
                "ECDSA key length too short: the DICOM TLS profile requires at least 256 bits,"
                f" {ecdsa} {refusing}"
            )
        elif certificate.bits < _EC_BITS:
            yield warning(
                f"ECDSA key length too short: RFC 9325 recommends at least 224 bits, {ecdsa}"
            )
    if not certificate.strongly_signed:
        if strict:
            yield error(
                "Weak certificate hash key: the DICOM TLS profile requires SHA-256 (or better) for"
                f" certificates, {hashed} {refusing}"
            )
        else:  # the missing parenthesis is the reference's
            yield warning(
                f"Weak certificate hash key: RFC 9325 recommends SHA-256 (or better, {hashed}"
            )
