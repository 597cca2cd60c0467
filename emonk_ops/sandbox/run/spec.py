"""What the platform needs to know of a revision in order to run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Image:
    """A command registered under an image's name, and the directory it was added from."""

    command: tuple[str, ...]
    source: Path | None = None


@dataclass(frozen=True)
class RevisionSpec:
    """One revision, ready to run. Times are in seconds; `maximum` is at least 1."""

    project: str
    location: str
    service: str
    revision: str
    image: str
    command: tuple[str, ...]
    source: Path | None
    env: Mapping[str, str]
    port: int
    minimum: int
    maximum: int
    concurrency: int
    request_timeout: float
    startup_timeout: float
    account: str
    cpu_idle: bool

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the monitored resource `cloud_run_revision`."""
        return {
            "project_id": self.project,
            "location": self.location,
            "service_name": self.service,
            "revision_name": self.revision,
            "configuration_name": self.service,
        }
