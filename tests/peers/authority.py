"""A throwaway certificate authority: keys, certificates and CRLs for tests, made with `cryptography`.

Keys are made once per kind and process; nobody who is not a test would share them.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = (
    rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey | ed25519.Ed25519PrivateKey
)

CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
_KEY_OF_AN_AUTHORITY = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
_DAY = datetime.timedelta(days=1)
_CURVES: dict[str, ec.EllipticCurve] = {
    "p192": ec.SECP192R1(),
    "p224": ec.SECP224R1(),
    "p256": ec.SECP256R1(),
    "p384": ec.SECP384R1(),
}


@cache
def private_key(kind: str) -> PrivateKey:
    """Make a key: rsaBITS, dsa, ed25519 or one of the curves."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(public_exponent=65537, key_size=int(kind[3:]))
    if kind == "dsa":
        return dsa.generate_private_key(key_size=1024)
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(_CURVES[kind])


@dataclass(frozen=True)
class Identity:
    """A certificate, its key, and the intermediate certificates above it."""

    certificate: x509.Certificate
    key: PrivateKey
    chain: tuple[x509.Certificate, ...] = ()

    def save(
        self,
        directory: Path,
        *,
        password: bytes | None = None,
        traditional: bool = False,
        der: bool = False,
    ) -> tuple[str, str]:
        """Write key and certificate; the names of both files."""
        encoding = serialization.Encoding.DER if der else serialization.Encoding.PEM
        name = self.certificate.subject.rfc4514_string().removeprefix("CN=").replace(" ", "-")
        key, certificate = directory / f"{name}.key", directory / f"{name}.cert"
        key.write_bytes(
            self.key.private_bytes(
                encoding,
                serialization.PrivateFormat.TraditionalOpenSSL
                if traditional
                else serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(password)
                if password
                else serialization.NoEncryption(),
            )
        )
        shown = (self.certificate,) if der else (self.certificate, *self.chain)
        certificate.write_bytes(b"".join(c.public_bytes(encoding) for c in shown))
        return str(key), str(certificate)


class Authority:
    """An authority: self-signed, or below another."""

    def __init__(
        self, name: str = "Test CA", *, key: str = "p256", issuer: "Authority | None" = None
    ) -> None:
        self.key = private_key(key)
        self.issuer = issuer
        self.certificate: x509.Certificate = _certificate(
            name,
            self.key,
            issuer.certificate.subject if issuer else None,
            issuer.key if issuer else self.key,
            extensions=(x509.BasicConstraints(ca=True, path_length=None), _KEY_OF_AN_AUTHORITY),
        )

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """What leads from here to the self-signed authority, without that."""
        return (self.certificate, *self.issuer.chain) if self.issuer else ()

    def issue(
        self,
        name: str,
        *,
        key: str = "p256",
        expired: bool = False,
        usage: x509.ObjectIdentifier | None = None,
    ) -> Identity:
        certificate = _certificate(
            name,
            private_key(key),
            self.certificate.subject,
            self.key,
            expired=expired,
            extensions=(x509.ExtendedKeyUsage([usage]),) if usage else (),
        )
        return Identity(certificate, private_key(key), self.chain)

    def revoke(
        self, revoked: Sequence[Identity] = (), *, expired: bool = False
    ) -> x509.CertificateRevocationList:
        """Make a CRL."""
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=self.certificate.subject,
            last_update=now - 3 * _DAY,
            next_update=now + (-_DAY if expired else _DAY),
        )
        for identity in revoked:
            entry = x509.RevokedCertificateBuilder(
                identity.certificate.serial_number, now - 2 * _DAY
            )
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.key, _digest_for(self.key))


def save(
    path: Path, *things: x509.Certificate | x509.CertificateRevocationList, der: bool = False
) -> str:
    """Write certificates or CRLs to one file; its name."""
    encoding = serialization.Encoding.DER if der else serialization.Encoding.PEM
    path.write_bytes(b"".join(thing.public_bytes(encoding) for thing in things))
    return str(path)


def _certificate(
    name: str,
    key: PrivateKey,
    issuer: x509.Name | None,
    signing_key: PrivateKey,
    *,
    expired: bool = False,
    extensions: Sequence[x509.ExtensionType] = (),
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        issuer_name=issuer or subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - 10 * _DAY,
        not_valid_after=now + (-_DAY if expired else 10 * _DAY),
    )
    # Without identifiers of keys, a client that is strict about RFC 5280 refuses what it is shown.
    for identifier in (
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()),
    ):
        builder = builder.add_extension(identifier, critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(signing_key, _digest_for(signing_key))


def _digest_for(key: PrivateKey) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
