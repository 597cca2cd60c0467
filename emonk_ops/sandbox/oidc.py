"""The sandbox's identity provider: Google-shaped ID tokens, signed with a key made at start."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from emonk_ops.sandbox.clock import real_now

ISSUER = "https://accounts.google.com"
LIFETIME = timedelta(hours=1)


def _segment(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


class Issuer:
    """Signs ID tokens (RS256) and publishes its certificate under its key id.

    Lifetimes are real time, as everywhere a client checks them by its own clock: a token of a
    world whose virtual clock ran ahead is still good for one real hour.
    """

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        certificate = _certificate(self._key)
        self._pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self._key_id = certificate.fingerprint(hashes.SHA1()).hex()

    def certs(self) -> dict[str, str]:
        """`{key id: PEM certificate}`, as Google's certificate address answers."""
        return {self._key_id: self._pem}

    def token(self, email: str, audience: str) -> str:
        """A token for `email` towards `audience`, valid for one real hour from now."""
        issued = real_now()
        subject = str(int.from_bytes(hashlib.sha256(email.encode()).digest()[:8]) | 1 << 63)
        claims = {
            "iss": ISSUER,
            "aud": audience,
            "azp": subject,
            "sub": subject,
            "email": email,
            "email_verified": True,
            "iat": int(issued.timestamp()),
            "exp": int((issued + LIFETIME).timestamp()),
        }
        return self.sign(claims)

    def sign(self, claims: dict[str, object]) -> str:
        """A token with exactly these claims, for tests of what a service must refuse."""
        header = {"alg": "RS256", "kid": self._key_id, "typ": "JWT"}
        content = b".".join(_segment(json.dumps(part).encode()) for part in (header, claims))
        signature = self._key.sign(content, padding.PKCS1v15(), hashes.SHA256())
        return (content + b"." + _segment(signature)).decode()


def _certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "emonk sandbox token signer")])
    now = real_now()
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
