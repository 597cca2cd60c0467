"""Where the APIs of an environment are: Google's own addresses, or the sandbox on loopback."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from emonk_ops.errors import CredentialsMissing, Unreachable, UsageError
from emonk_ops.settings import Environment, Target

CLOUD_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
UP = "emonk-ops sandbox up --detach"


@dataclass(frozen=True)
class SandboxAddress:
    """Both addresses of a running sandbox: `grpc` is host:port, `http` is a URL."""

    grpc: str
    http: str


def sandbox_address(env: Environment) -> SandboxAddress:
    """From the settings, else from the sandbox's directory. Raises Unreachable when it is down."""
    if env.sandbox_grpc and env.sandbox_http:
        return on_loopback(SandboxAddress(env.sandbox_grpc, env.sandbox_http.rstrip("/")))
    path = env.sandbox_dir / "endpoint.json"
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        raise Unreachable(f"no sandbox runs in {env.sandbox_dir}", hint=UP) from None
    return on_loopback(SandboxAddress(str(found["grpc"]), str(found["http"]).rstrip("/")))


def on_loopback(address: SandboxAddress) -> SandboxAddress:
    for url in (f"//{address.grpc}", address.http):
        host = urlsplit(url).hostname or ""
        if host != "localhost" and not _is_loopback(host):
            raise UsageError(
                f"the sandbox's address {url.lstrip('/')} is not on loopback",
                hint="Unset EMONK_SANDBOX_GRPC and EMONK_SANDBOX_HTTP, or: emonk-ops sandbox env",
            )
    return address


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def credentials(env: Environment) -> Any:
    """Application default credentials, impersonating where the settings say so."""
    import google.auth
    from google.auth import impersonated_credentials
    from google.auth.exceptions import DefaultCredentialsError

    try:
        found, _project = google.auth.default(scopes=[CLOUD_SCOPE])
    except DefaultCredentialsError as error:
        raise CredentialsMissing(
            "there are no application default credentials",
            hint="gcloud auth application-default login",
        ) from error
    if not env.impersonate:
        return found
    impersonated: Any = impersonated_credentials.Credentials
    return impersonated(
        source_credentials=found, target_principal=env.impersonate, target_scopes=[CLOUD_SCOPE]
    )


def client(kind: Any, env: Environment) -> Any:
    """A client of Google's library, towards the environment's target."""
    if env.target is Target.SANDBOX:
        import grpc

        transport = kind.get_transport_class("grpc")
        return kind(transport=transport(channel=grpc.insecure_channel(sandbox_address(env).grpc)))
    return kind(credentials=credentials(env))
