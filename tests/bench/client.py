"""One transaction a job with Google's high-level client, as its documentation shows it.

It checks no lease, writes no log and no history: the least that the guide's way costs.
"""

from __future__ import annotations

import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.bench.jobs import DUE, due_at
from tests.bench.measuring import Figures, measured

THREADS = 10
WARM_UP = 300


def drain(*, count: int, address: str, store: int) -> Figures:
    """Query, then ten threads that claim each job in a transaction and write its result."""
    os.environ["FIRESTORE_EMULATOR_HOST"] = address
    from google.cloud import firestore

    client: Any = firestore.Client(project=f"bench-{secrets.token_hex(6)}")
    jobs = client.collection("scheduler_jobs")

    @firestore.transactional
    def claim(transaction: Any, reference: Any, now: datetime) -> bool:
        data = reference.get(transaction=transaction).to_dict()
        if data["state"] != "scheduled":
            return False
        lease = {"state": "leased", "lease_until": now + timedelta(seconds=300)}
        transaction.update(reference, lease)
        return True

    def run(snapshot: Any) -> bool:
        if not claim(client.transaction(), snapshot.reference, datetime.now(UTC)):
            return False
        snapshot.reference.update({"state": "succeeded", "due_at": None, "lease_until": None})
        return True

    def work() -> int:
        now = datetime.now(UTC)
        query = jobs.where(filter=firestore.FieldFilter("due_at", "<=", now)).order_by("due_at")
        return sum(pool.map(run, query.stream()))

    def seed(number: int) -> None:
        now = datetime.now(UTC)
        writer: Any = client.bulk_writer()
        for job in due_at([now + DUE] * number, now):
            data = {"state": "scheduled", "due_at": job.due_at, "schedule_at": job.slot}
            writer.create(jobs.document(job.id), {**data, "payload": dict(job.payload)})
        writer.close()

    with ThreadPoolExecutor(THREADS) as pool:
        seed(WARM_UP)
        work()
        seed(count)
        return measured(work, store)
