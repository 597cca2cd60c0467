"""The running service over HTTP, through its public URL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx

from emonk_ops.clock import Stopwatch
from emonk_ops.errors import (
    CloudError,
    Conflict,
    NotFound,
    NotOffered,
    PermissionMissing,
    Unreachable,
)
from emonk_ops.gcp.id_tokens import IdTokens
from emonk_ops.ports import Answer, DriverState, Quiesced
from emonk_ops.settings import OPERATOR_AGENT, Environment

PROBE_SECONDS = 8.0
ADMIN_SECONDS = 9.0
# A tick may run until the job's attempt deadline.
SLACK_SECONDS = 5.0
LISTED = 1000
WITHOUT_ADMIN = "docs/service-contract.md says what is asked of you without it"


class HttpTickService:
    """See `emonk_ops.ports.TickService`. `uri` gives the service's URL, asked for at each use."""

    def __init__(self, env: Environment, uri: Callable[[], str], tokens: IdTokens) -> None:
        self._env = env
        self._uri = uri
        self._tokens = tokens
        self._client = httpx.Client(
            timeout=PROBE_SECONDS,
            trust_env=False,
            follow_redirects=False,
            headers={"User-Agent": OPERATOR_AGENT},
        )

    def close(self) -> None:
        self._client.close()

    def probe(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        tick_token: bool = False,
        operator_token: bool = False,
        audience: str = "",
    ) -> Answer:
        uri = self._uri()
        headers: dict[str, str] = {}
        seconds = PROBE_SECONDS
        if tick_token:
            token = self._tokens.invoker(audience or self._audience(uri))
            headers["Authorization"] = f"Bearer {token}"
            seconds = self._env.attempt_deadline_seconds + SLACK_SECONDS
        elif operator_token:
            token = self._tokens.operator(audience or self._audience(uri))
            headers["Authorization"] = f"Bearer {token}"
        return self._send(method, f"{uri}{path}", body, headers, seconds)

    def driver(self) -> DriverState:
        return _driver(self._admin("GET", "/driver"))

    def activate(self, driver: str, *, expected_epoch: int, at_least: int = 0) -> DriverState:
        body = {"driver": driver, "expected_epoch": expected_epoch, "at_least": at_least}
        return _driver(self._admin("POST", "/driver", body))

    def quiesce(self, *, wait_seconds: float) -> Quiesced:
        body = {"wait_seconds": wait_seconds}
        found = self._admin("POST", "/quiesce", body, seconds=wait_seconds + ADMIN_SECONDS)
        return Quiesced(
            epoch=int(found["epoch"]),
            driver_before=str(found.get("driver_before") or ""),
            drained=bool(found["drained"]),
            live_leases=int(found["live_leases"]),
            running=int(found["running"]),
        )

    def export_jobs(self, *, seconds: float = 60.0) -> Mapping[str, Any]:
        return self._admin("GET", "/export", seconds=seconds)

    def import_jobs(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._admin("POST", "/import", document, seconds=60.0)

    def list_jobs(self, *, after: str = "") -> Iterator[Mapping[str, Any]]:
        while True:
            suffix = f"&after={_quoted(after)}" if after else ""
            page = self._admin("GET", f"/jobs?limit={LISTED}{suffix}")
            yield from page["jobs"]
            after = page.get("next") or ""
            if not after:
                return

    def job(self, job_id: str) -> Mapping[str, Any]:
        return self._admin("GET", f"/jobs/{_quoted(job_id)}")

    def job_facts(self, job_id: str) -> Mapping[str, Any]:
        return self._admin("GET", f"/jobs/{_quoted(job_id)}/facts")

    def schedule_job(self, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._admin("POST", "/jobs", wanted)

    def cancel_job(self, job_id: str) -> Mapping[str, Any]:
        return self._admin("DELETE", f"/jobs/{_quoted(job_id)}")

    def pause_job(self, job_id: str) -> Mapping[str, Any]:
        return self._admin("POST", f"/jobs/{_quoted(job_id)}/pause")

    def resume_job(self, job_id: str) -> Mapping[str, Any]:
        return self._admin("POST", f"/jobs/{_quoted(job_id)}/resume")

    def release_job(self, job_id: str, *, force: bool, reason: str) -> Mapping[str, Any]:
        body = {"force": force, "reason": reason}
        return self._admin("POST", f"/jobs/{_quoted(job_id)}/release", body)

    def _audience(self, uri: str) -> str:
        return self._env.audience or uri

    def _admin(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        seconds: float = ADMIN_SECONDS,
    ) -> dict[str, Any]:
        call = f"{method} {self._env.service.admin_path}{path.split('?')[0]}"
        if not self._env.service.admin_api:
            raise NotOffered(f"{call}: admin_api is false", hint=WITHOUT_ADMIN)
        uri = self._uri()
        headers = {"Authorization": f"Bearer {self._tokens.operator(self._audience(uri))}"}
        url = f"{uri}{self._env.service.admin_path}{path}"
        answer = self._send(method, url, body, headers, seconds)
        if answer.status in (200, 201):
            if not answer.body:
                raise NotOffered(f"{call}: the answer is no JSON object", hint=WITHOUT_ADMIN)
            return dict(answer.body)
        raise _refused(call, answer, self._env)

    def _send(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        seconds: float,
    ) -> Answer:
        stopwatch = Stopwatch()
        try:
            answer = self._client.request(
                method, url, json=body, headers=dict(headers), timeout=seconds
            )
        except httpx.HTTPError as error:
            raise Unreachable(
                f"{method} {url}: no answer: {str(error) or type(error).__name__}",
                hint=f"emonk-ops status --env {self._env.name}",
            ) from error
        return Answer(
            status=answer.status_code,
            body=_json(answer),
            text=answer.text[:2000],
            seconds=stopwatch.seconds,
            by=_who_answered(answer),
            at=_date(answer),
        )


def _quoted(job_id: str) -> str:
    return quote(job_id, safe="")


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _date(answer: httpx.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC)
    except ValueError:
        return None


def _who_answered(answer: httpx.Response) -> str:
    """Cloud Run's front answers its own 401, 403, 404 and 5xx as HTML, the service as JSON."""
    if answer.status_code < 400 or "json" in answer.headers.get("content-type", ""):
        return "app"
    return "platform"


def _driver(found: Mapping[str, Any]) -> DriverState:
    return DriverState(
        driver=str(found.get("driver") or ""),
        epoch=int(found.get("epoch") or 0),
        revision=str(found.get("revision") or ""),
        this_revision=str(found.get("this_revision") or ""),
        role=str(found.get("role") or ""),
        live_leases=int(found.get("live_leases") or 0),
        running=int(found.get("running") or 0),
    )


def _refused(call: str, answer: Answer, env: Environment) -> CloudError:
    told = answer.body.get("error")
    error = told if isinstance(told, dict) else {}
    words = (
        f"{call}: HTTP {answer.status} from the {answer.by}: {error.get('message', answer.text)}"
    )
    hint = str(error.get("hint", "")) or f"emonk-ops status --env {env.name}"
    match answer.status:
        case 401 | 403:
            return PermissionMissing(
                words,
                hint="Name yourself in ADMIN_USERS of the service; one that has no admin API: "
                f"admin_api = false under [service]; {hint}",
            )
        case 404 if error.get("code") == "not_found":
            return NotFound(words, hint=f"emonk-ops jobs list --env {env.name}")
        case 404 | 405 | 501:
            return NotOffered(
                f"{call}: the service has no admin API here",
                hint=str(error.get("hint", "")) or WITHOUT_ADMIN,
            )
        case 409:
            return Conflict(words, hint=hint)
        case 502 | 503 | 504:
            return Unreachable(words, hint=hint)
    return CloudError(words, hint=hint)
