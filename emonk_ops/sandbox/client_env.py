"""The variables that point clients, gcloud among them, at a running sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from emonk_ops.sandbox.endpoint import Endpoint
from emonk_ops.sandbox.rest.absent import host_of_absent

# APIs by gcloud's name of their endpoint override. `run` needs a name that can bear a prefix:
# gcloud puts the region in front of it.
_OVERRIDDEN = (
    "cloudresourcemanager",
    "cloudscheduler",
    "firestore",
    "logging",
    "monitoring",
    "serviceusage",
)
# What gcloud may ask for beside, and the sandbox does not have.
_ABSENT = (
    "artifactregistry",
    "cloudbuild",
    "compute",
    "iam",
    "iamcredentials",
    "pubsub",
    "secretmanager",
    "storage",
)
_RUN_HOST = "run.localhost"


def exports(endpoint: Endpoint, project: str) -> dict[str, str]:
    """Variables by name.

    gcloud gets the sandbox as its HTTP proxy, so that no name has to be resolved: what it asks of
    an API over http comes to the sandbox, and what it would ask of the real cloud over https is
    refused. Its settings lie in the sandbox's directory, apart from the user's own.
    """
    address = urlsplit(endpoint.http)
    found = {
        "EMONK_SANDBOX_GRPC": endpoint.grpc,
        "EMONK_SANDBOX_HTTP": endpoint.http,
        "EMONK_SANDBOX_TOKEN": "",
        "FIRESTORE_EMULATOR_HOST": endpoint.grpc,  # which Google's Firestore clients read
        "CLOUDSDK_CONFIG": str(_gcloud_directory(endpoint)),
        "CLOUDSDK_CORE_PROJECT": project,
        "CLOUDSDK_CORE_CHECK_GCE_METADATA": "false",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "true",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": "",
        "CLOUDSDK_PROXY_TYPE": "http",
        "CLOUDSDK_PROXY_ADDRESS": str(address.hostname),
        "CLOUDSDK_PROXY_PORT": str(address.port),
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN": f"http://{_RUN_HOST}:{address.port}/",
    }
    for api in _OVERRIDDEN:
        found[f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}"] = f"{endpoint.http}/"
    for api in _ABSENT:
        host = host_of_absent(api)
        found[f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}"] = f"http://{host}:{address.port}/"
    return found


def of_account(endpoint: Endpoint, account: str, identity: Mapping[str, str]) -> dict[str, str]:
    """What makes clients and gcloud the account; `identity` has its `grpc` address and `token`.

    gcloud reads an access token from a file, which is made here for the user alone to read.
    """
    directory = _gcloud_directory(endpoint)
    directory.mkdir(mode=0o700, exist_ok=True)
    file = directory / f"token-{account}"
    file.touch(mode=0o600)
    file.write_text(identity["token"])
    return {
        "EMONK_SANDBOX_GRPC": identity["grpc"],
        "EMONK_SANDBOX_TOKEN": identity["token"],
        "FIRESTORE_EMULATOR_HOST": identity["grpc"],
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "false",
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(file),
    }


def _gcloud_directory(endpoint: Endpoint) -> Path:
    return Path(endpoint.directory) / "gcloud"
