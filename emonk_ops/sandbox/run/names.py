"""Resource names of Cloud Run v2."""

from __future__ import annotations

import re
from dataclasses import dataclass

from emonk_ops.sandbox.run.errors import invalid

_PARENT = re.compile(r"projects/([a-z0-9][a-z0-9.:-]*)/locations/([a-z0-9-]+)")
_SERVICE_ID = re.compile(r"[a-z]([a-z0-9-]{0,47}[a-z0-9])?")
_REVISION_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxyz"
_PARENT_SHAPE = "projects/{project}/locations/{location}"


@dataclass(frozen=True)
class ServiceName:
    """projects/{project}/locations/{location}/services/{service}"""

    project: str
    location: str
    service: str

    @property
    def parent(self) -> str:
        return f"projects/{self.project}/locations/{self.location}"

    def __str__(self) -> str:
        return f"{self.parent}/services/{self.service}"

    def revision(self, revision: str) -> str:
        return f"{self}/revisions/{revision}"


def parse_parent(parent: str) -> tuple[str, str]:
    """(project, location); INVALID_ARGUMENT for anything else, also for the wildcard."""
    match = _PARENT.fullmatch(parent)
    if match is None:
        raise invalid("parent", f"'{parent}' does not match the format '{_PARENT_SHAPE}'.")
    return match[1], match[2]


def parse_service(name: str) -> ServiceName:
    parent, separator, service = name.rpartition("/services/")
    match = _PARENT.fullmatch(parent)
    if match is None or not separator or not service or "/" in service:
        shape = f"{_PARENT_SHAPE}/services/{{service}}"
        raise invalid("name", f"'{name}' does not match the format '{shape}'.")
    return ServiceName(match[1], match[2], service)


def parse_revision(name: str) -> tuple[ServiceName, str]:
    service, separator, revision = name.rpartition("/revisions/")
    if not separator or not revision or "/" in revision:
        shape = f"{_PARENT_SHAPE}/services/{{service}}/revisions/{{revision}}"
        raise invalid("name", f"'{name}' does not match the format '{shape}'.")
    return parse_service(service), revision


def check_service_id(service: str) -> None:
    if not _SERVICE_ID.fullmatch(service):
        raise invalid(
            "service_id",
            f"'{service}' must use only lowercase alphanumeric characters and dashes, begin with"
            " a letter, not end with a dash, and be shorter than 50 characters.",
        )


def check_revision_id(service: str, revision: str) -> None:
    if not _REVISION_ID.fullmatch(revision) or not revision.startswith(f"{service}-"):
        raise invalid(
            "template.revision",
            f"'{revision}' must be prefixed by '{service}-', use only lowercase alphanumeric"
            " characters and dashes, and be shorter than 64 characters.",
        )
