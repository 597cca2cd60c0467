"""The APIs of the sandbox and the projects in which somebody disabled one."""

from __future__ import annotations

from emonk_ops.sandbox.store import Store

KIND = "usage.disabled"
TITLES = {
    "cloudresourcemanager.googleapis.com": "Cloud Resource Manager API",
    "cloudscheduler.googleapis.com": "Cloud Scheduler API",
    "firestore.googleapis.com": "Cloud Firestore API",
    "iam.googleapis.com": "Identity and Access Management (IAM) API",
    "logging.googleapis.com": "Cloud Logging API",
    "monitoring.googleapis.com": "Cloud Monitoring API",
    "run.googleapis.com": "Cloud Run Admin API",
    "serviceusage.googleapis.com": "Service Usage API",
}


class Enabled:
    """Every API is enabled in a project until somebody disables it there."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._disabled: set[str] | None = None

    def __call__(self, project: str, api: str) -> bool:
        """Whether `api` is enabled in `projects/P`; the sandbox has no others than its own."""
        return api in TITLES and f"{project} {api}" not in self._off()

    def switch(self, project: str, api: str, enabled: bool) -> None:
        name = f"{project} {api}"
        if enabled:
            self._store.delete(KIND, name)
            self._off().discard(name)
        else:
            self._store.put(KIND, name, b"")
            self._off().add(name)

    def forget(self) -> None:
        self._disabled = None

    def _off(self) -> set[str]:
        if self._disabled is None:
            self._disabled = {name for name, _ in self._store.list(KIND)}
        return self._disabled
