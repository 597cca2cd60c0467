"""A service of somebody else's that keeps to docs/service-contract.md.

One file, of the standard library, google-auth (who ticks) and google-cloud-firestore (from stage 4
on). It has a cron loop of its own, two jobs that are declared here, and no admin API.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

JOBS = {"report": 1, "sweep": 2}  # id -> every so many minutes
LEASE = timedelta(seconds=300)
ENV = os.environ
REVISION = ENV.get("K_REVISION", "local")
INSTANCE = uuid.uuid4().hex[:12]
STORAGE = ENV.get("SCHEDULER_STORAGE", "json")
CERTS_URL = ENV.get("OIDC_CERTS_URL") or "https://www.googleapis.com/oauth2/v1/certs"
COUNTERS = ("jobs_checked", "jobs_due", "jobs_executed", "jobs_succeeded", "jobs_failed")


LOOP = ENV.get("SCHEDULER_LEGACY_LOOP") == "true"
SHADOW = ENV.get("SCHEDULER_SHADOW_MODE") == "true"
DRIVER = "shadow" if SHADOW else "legacy" if LOOP else "cloud"


# `* * * * *` and `*/N * * * *` are all that this example reads.
MINUTE = ENV.get("SCHEDULER_CADENCE", "*/5 * * * *").split()[0].removeprefix("*").strip("/")
CADENCE = timedelta(minutes=int(MINUTE or 1))
GRACE = CADENCE + timedelta(seconds=30)


def slot_after(moment: datetime, period: timedelta) -> datetime:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    return hour + ((moment - hour) // period + 1) * period


class Log:
    """JSON lines; `numbered` ones are counted from 1, so that a reader sees whether one is lost."""

    def __init__(self) -> None:
        self._lock, self.last = threading.Lock(), 0

    def numbered(self, message: str, **fields: Any) -> None:
        with self._lock:
            self.last += 1
            self.say(message, sequence=self.last, **fields)

    def say(self, message: str, severity: str = "INFO", **fields: Any) -> None:
        entry = {"severity": severity, "message": message, "time": datetime.now(UTC).isoformat()}
        entry |= {"instance": INSTANCE, "revision": REVISION, **fields}
        sys.stdout.write(json.dumps(entry, default=str) + "\n")
        sys.stdout.flush()


LOG = Log()


class FileStore:
    """{id: {slot, ordinal, fence, lease_until}} in a file of this instance."""

    def __init__(self) -> None:
        self._path = Path(ENV.get("SCHEDULER_JSON_PATH", "jobs.json"))
        self._lock, self.operations = threading.Lock(), 0

    def read(self) -> dict[str, dict[str, Any]]:
        self.operations += 1
        return json.loads(self._path.read_text()) if self._path.exists() else {}

    def change(self, job_id: str, new: Callable[[dict[str, Any]], dict[str, Any] | None]) -> bool:
        """Replace one job by what `new` makes of it; False where it makes nothing."""
        with self._lock:
            jobs = self.read()
            changed = new(jobs.get(job_id, {}))
            if changed is not None:
                beside = self._path.with_suffix(".new")
                beside.write_text(json.dumps({**jobs, job_id: changed}))
                beside.replace(self._path)
            return changed is not None


class FirestoreStore:
    """The same, a document a job; each change is one transaction."""

    def __init__(self) -> None:
        from google.cloud import firestore

        self._firestore, self.operations = firestore, 0
        self._client = firestore.Client(project=ENV["VERTEX_AI_PROJECT_ID"])
        self._jobs = self._client.collection("scheduler_jobs")

    def read(self) -> dict[str, dict[str, Any]]:
        self.operations += 1
        return {one.id: one.to_dict() for one in self._jobs.stream(timeout=5.0)}

    def change(self, job_id: str, new: Callable[[dict[str, Any]], dict[str, Any] | None]) -> bool:
        self.operations += 1
        place = self._jobs.document(job_id)

        @self._firestore.transactional
        def apply(transaction: Any) -> bool:
            changed = new(place.get(transaction=transaction, timeout=5.0).to_dict() or {})
            if changed is not None:
                transaction.set(place, changed)
            return changed is not None

        return bool(apply(self._client.transaction()))


STORE = FirestoreStore() if STORAGE == "firestore" else FileStore()


def declare_jobs() -> None:
    for job_id, minutes in JOBS.items():
        first = slot_after(datetime.now(UTC), timedelta(minutes=minutes))
        fresh = {"slot": first.isoformat(), "ordinal": 0, "fence": 0, "lease_until": None}
        STORE.change(job_id, lambda known, fresh=fresh: None if known else fresh)


class Slot:
    """One due slot of one job, in the hands of one tick."""

    def __init__(self, path: str, tick_id: str, job_id: str, job: dict[str, Any]) -> None:
        self.job_id, self.path, self.tick_id = job_id, path, tick_id
        self.at = datetime.fromisoformat(job["slot"])
        # In shadow the paths take turns: every other slot of a job is the other path's.
        self.owner = "cron" if (job["ordinal"] + len(job_id)) % 2 else "loop"
        self.fence = job["fence"] + 1

    def is_mine(self, now: datetime) -> bool:
        return not SHADOW or self.owner == self.path or now - self.at > GRACE

    def decide(self, decision: str, **more: Any) -> None:
        """The line by which a shadow is judged."""
        if SHADOW:
            late = round((datetime.now(UTC) - self.at).total_seconds(), 3)
            more |= {"decision": decision, "owner": self.owner, "lateness_seconds": late}
            LOG.numbered("Scheduler decision", **self.facts(), **more)

    def facts(self) -> dict[str, Any]:
        facts = {"job_id": self.job_id, "slot": self.at.isoformat(), "path": self.path}
        return {**facts, "fence": self.fence, "attempt": 1, "tick_id": self.tick_id}

    def claim(self) -> bool:
        def leased(job: dict[str, Any]) -> dict[str, Any] | None:
            now, until = datetime.now(UTC), job["lease_until"]
            held = until and datetime.fromisoformat(until) > now
            if held or datetime.fromisoformat(job["slot"]) != self.at:
                return None
            self.fence = job["fence"] + 1
            return {**job, "fence": self.fence, "lease_until": (now + LEASE).isoformat()}

        won = STORE.change(self.job_id, leased)
        mine = "claim" if self.owner == self.path else "takeover"
        self.decide(mine if won else "lost")
        return won

    def run(self) -> bool:
        LOG.say(f"Executing job {self.job_id}", **self.facts())
        self.decide("execute")
        began, error = time.monotonic(), ""
        try:
            time.sleep(0.02)  # what the job is for
        except Exception as problem:
            error = type(problem).__name__
        took = round((time.monotonic() - began) * 1000, 3)
        self.decide("end", outcome="failed" if error else "succeeded", duration_ms=took)
        kept = STORE.change(self.job_id, self._moved_on)
        ended = "Stale completion dropped" if not kept else "Job dead" if error else "Job succeeded"
        LOG.say(ended, "ERROR" if error else "INFO", **self.facts(), error_type=error)
        return kept and not error

    def _moved_on(self, job: dict[str, Any]) -> dict[str, Any] | None:
        if job["fence"] != self.fence:
            return None
        then = slot_after(self.at, timedelta(minutes=JOBS[self.job_id])).isoformat()
        return {**job, "slot": then, "ordinal": job["ordinal"] + 1, "lease_until": None}


def tick(path: str) -> dict[str, Any]:
    """One round over what is due. The answer of /cron/tick and the fields of its log line."""
    began, operations = time.monotonic(), STORE.operations
    said = {"path": path, "tick_id": uuid.uuid4().hex, "driver": DRIVER, "executed": True}
    if path == "cron" and DRIVER == "legacy":
        said |= {"executed": False, "duration_ms": 0.0, **dict.fromkeys(COUNTERS, 0)}
        LOG.numbered("Scheduler tick not executed", **said)
        return said
    LOG.numbered("Running scheduler tick", **said)
    counts, lag = dict.fromkeys(COUNTERS, 0), 0.0
    jobs = STORE.read()
    counts["jobs_checked"] = len(jobs)
    for job_id, job in jobs.items():
        now, slot = datetime.now(UTC), Slot(path, said["tick_id"], job_id, job)
        if slot.at > now:
            continue
        counts["jobs_due"] += 1
        if not slot.is_mine(now):
            slot.decide("defer")
        elif slot.claim():
            lag = max(lag, (now - slot.at).total_seconds())
            counts["jobs_executed"] += 1
            counts["jobs_succeeded" if slot.run() else "jobs_failed"] += 1
    said |= {**counts, "lag_seconds": lag, "storage_ops": STORE.operations - operations}
    said["duration_ms"] = round((time.monotonic() - began) * 1000, 3)
    LOG.numbered("Scheduler tick completed", **said)
    return said


def ticked(path: str) -> tuple[int, dict[str, Any]]:
    try:
        return 200, tick(path)
    except Exception as problem:  # the next tick tries again
        LOG.numbered("Scheduler tick failed", severity="ERROR", path=path, error=repr(problem))
        return 500, {"executed": False}


def legacy_loop() -> None:
    while True:
        now = datetime.now(UTC)
        time.sleep((slot_after(now, CADENCE) - now).total_seconds())
        ticked("loop")


_certs: tuple[float, dict[str, str]] = (0.0, {})


def may_tick(authorization: str) -> bool:
    """A Google ID token of TICK_INVOKER for TICK_AUDIENCE. Certificates are kept for 5 minutes."""
    global _certs
    from google.auth import jwt

    try:
        if time.monotonic() - _certs[0] > 300 or not _certs[1]:
            with urllib.request.urlopen(CERTS_URL, timeout=5.0) as answer:
                _certs = (time.monotonic(), json.load(answer))
        token = authorization.removeprefix("Bearer ")
        claims = jwt.decode(token, certs=_certs[1], audience=ENV["TICK_AUDIENCE"])
    except (ValueError, KeyError, OSError):
        return False
    issued = claims.get("iss") in ("accounts.google.com", "https://accounts.google.com")
    mine = issued and claims.get("email_verified") is True
    return mine and claims.get("email") == ENV.get("TICK_INVOKER")


PATHS = {"legacy_loop": LOOP, "cron_tick": True}
HEALTH = {"revision": REVISION, "storage": {"kind": STORAGE}, "paths": PATHS, "legacy_code": True}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(*((200, HEALTH) if self.path == "/health" else (404, {})))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/cron/tick":
            self._answer(401 if self.path == "/webhook" else 404, {})
        elif not may_tick(self.headers.get("Authorization") or ""):
            LOG.say("Tick refused", "WARNING")
            self._answer(401, {"error": "no token of the invoker"})
        else:
            self._answer(*ticked("cron"))

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args: Any) -> None:
        """The platform writes the request log."""


def main() -> None:
    declare_jobs()
    LOG.say("Scheduler storage initialized", storage=STORAGE)
    address = (ENV.get("HOST", "0.0.0.0"), int(ENV.get("PORT", "8080")))
    server = ThreadingHTTPServer(address, Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    if LOOP or SHADOW:
        threading.Thread(target=legacy_loop, daemon=True).start()
    LOG.say("Agent Core created", port=server.server_address[1])
    server.serve_forever()
    LOG.say("Service stopped", last_sequence=LOG.last)


main()
