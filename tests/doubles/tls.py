"""TLS on loopback: a certificate for 127.0.0.1 that lives for a day."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class TlsFiles:
    """PEM files."""

    key: Path
    certificate: Path  # as SSL_CERT_FILE it makes OpenSSL trust it

    def server_context(self) -> ssl.SSLContext:
        """For a server on 127.0.0.1."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def client_context(self) -> ssl.SSLContext:
        """For clients that trust such a server."""
        return ssl.create_default_context(cafile=str(self.certificate))


def loopback_tls(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's context and that of a client that trusts it; key and certificate are written into the folder."""
    files = tls_files(folder)
    return files.server_context(), files.client_context()


def tls_files(folder: Path) -> TlsFiles:
    """A new key and its certificate, in the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    files = TlsFiles(folder / "tls-key.pem", folder / "tls-certificate.pem")
    files.key.write_bytes(private)
    files.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return files
