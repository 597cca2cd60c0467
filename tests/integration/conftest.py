from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from emonk_ops.sandbox.endpoint import Endpoint
from tests.state_places import FailingFirestore, StatePlace

AUDIENCE = "https://emonk-agent.example"
INVOKER = "ticker@project.iam.gserviceaccount.com"


class Signer:
    """Signs tokens with a key of its own, and serves the certificate on loopback."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.key_id = "key-1"
        self.fetches = 0
        self.max_age = 3600
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    @property
    def certs_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/certs"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def token(self, *, lifetime: int = 3600, sign_with: Signer | None = None, **claims: Any) -> str:
        now = int(time.time())
        content = {
            "iss": "https://accounts.google.com",
            "aud": AUDIENCE,
            "email": INVOKER,
            "email_verified": True,
            "sub": "1",
            "iat": now + min(lifetime, 0),
            "exp": now + lifetime,
            **claims,
        }
        header = {"alg": "RS256", "typ": "JWT", "kid": self.key_id}
        parts = [_segment(json.dumps(part).encode()) for part in (header, content)]
        signer = sign_with or self
        signed = b".".join(parts)
        signature = signer._key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return (signed + b"." + _segment(signature)).decode()

    def bearer(self, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(**claims)}"}

    def _pem(self) -> str:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM).decode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        signer = self
        pem = self._pem()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                signer.fetches += 1
                body = json.dumps({signer.key_id: pem}).encode()
                self.send_response(200)
                self.send_header("Cache-Control", f"public, max-age={signer.max_age}")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                return

        return Handler


def _segment(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def signer() -> Iterator[Signer]:
    signer = Signer()
    yield signer
    signer.close()


@pytest.fixture
def stranger() -> Iterator[Signer]:
    """Signs with another key under the same key id."""
    stranger = Signer()
    yield stranger
    stranger.close()


@pytest.fixture
def environment(signer: Signer) -> dict[str, str]:
    return {
        "ENVIRONMENT": "qa",
        "SCHEDULER_STORAGE": "memory",
        "TICK_AUDIENCE": AUDIENCE,
        "TICK_INVOKER": INVOKER,
        "OIDC_CERTS_URL": signer.certs_url,
        "ADMIN_USERS": "Admin@example.com",
        "WEBHOOK_ALLOWED_USERS": "boss@example.com",
        "WEBHOOK_AUDIENCE": "1234567890",
        "K_REVISION": "r1",
    }


@pytest.fixture
def firestore(firestore_embedded: Endpoint, tmp_path: Path) -> Iterator[FailingFirestore]:
    firestore = FailingFirestore(firestore_embedded, tmp_path)
    yield firestore
    firestore.is_back()


@pytest.fixture
def place(firestore: FailingFirestore) -> StatePlace:
    return firestore.place
