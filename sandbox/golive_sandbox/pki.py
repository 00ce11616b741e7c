"""The sandbox's certificate authority: serving certificates, users as client certificates, the service-account key."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from golive_sandbox import files

_LIFETIME = timedelta(days=30)
_SKEW = timedelta(minutes=5)  # a clock that is set back a little must not break a running sandbox


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes

    def save(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write ``NAME.crt`` and ``NAME.key``."""
        folder.mkdir(parents=True, exist_ok=True)
        return files.write(folder / f"{name}.crt", self.certificate), files.write_secret(
            folder / f"{name}.key", self.key
        )


class Pki:
    """One authority per sandbox, made anew at every start; its key stays in memory."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "golive-sandbox")])
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        builder = self._builder(self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(usage, critical=True)
        self.certificate: bytes = _pem(builder.sign(self._key, hashes.SHA256()))
        """The authority's own certificate, PEM."""

    def serving(self, name: str, addresses: Sequence[str], names: Sequence[str] = ()) -> Credential:
        """A server's certificate for IP ``addresses`` and DNS ``names``."""
        alternatives = [
            *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses),
            *(x509.DNSName(one) for one in names),
        ]
        return self._issue([(NameOID.COMMON_NAME, name)], ExtendedKeyUsageOID.SERVER_AUTH, alternatives)

    def client(self, user: str, groups: Sequence[str] = ()) -> Credential:
        """A user's certificate: the common name is the user, the organisations are its groups."""
        subject = [(NameOID.COMMON_NAME, user), *((NameOID.ORGANIZATION_NAME, group) for group in groups)]
        return self._issue(subject, ExtendedKeyUsageOID.CLIENT_AUTH, [])

    def client_context(self, user: Credential, folder: Path) -> ssl.SSLContext:
        """A TLS context for ``user`` that trusts this authority only (``ssl`` reads keys from files only)."""
        certificate, key = user.save(folder, "own-client")
        context = ssl.create_default_context(cadata=self.certificate.decode())
        context.load_cert_chain(certificate, key)
        return context

    def _issue(
        self, subject: Sequence[tuple[x509.ObjectIdentifier, str]], usage: x509.ObjectIdentifier,
        alternatives: Sequence[x509.GeneralName],
    ) -> Credential:  # fmt: skip
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
        builder = self._builder(name, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return Credential(_pem(builder.sign(self._key, hashes.SHA256())), _private(key))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SKEW)
            .not_valid_after(now + _LIFETIME)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(authority, critical=False)
        )


def signing_key() -> Credential:
    """The service-account key: a key pair without certificate (``certificate`` holds the public key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Credential(public, _private(key))


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    # kube-apiserver's parser of service-account keys reads both forms; "EC PRIVATE KEY" is the one it writes itself.
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
