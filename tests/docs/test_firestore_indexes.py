"""firestore.indexes.json against the documents that the storage really writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from emonk_ops.tick.storage import firestore_documents, firestore_queries

ROOT = Path(__file__).parents[2]
ASCENDING = [{"order": "ASCENDING", "queryScope": "COLLECTION"}]


def overrides(collection: str) -> dict[str, dict[str, Any]]:
    found = json.loads((ROOT / "firestore.indexes.json").read_text())
    assert found["indexes"] == []
    return {
        one["fieldPath"]: one
        for one in found["fieldOverrides"]
        if one["collectionGroup"] == collection
    }


def test_every_field_of_a_job_is_spoken_of_and_only_what_is_asked_for_is_indexed() -> None:
    jobs = overrides(firestore_queries.COLLECTION)
    assert set(jobs) == {*firestore_documents.FIELDS, "expire_at"}
    indexed = {name for name, one in jobs.items() if one["indexes"]}
    assert indexed == {"due_at", "lease_until"}
    assert all(jobs[name]["indexes"] == ASCENDING for name in indexed)


def test_what_is_over_expires() -> None:
    for collection in (firestore_queries.COLLECTION, "scheduler_locks"):
        living = {name for name, one in overrides(collection).items() if one.get("ttl")}
        assert living == {"expire_at"}


def test_the_fields_are_described() -> None:
    text = (ROOT / "docs" / "firestore.md").read_text()
    for name in (*firestore_documents.FIELDS, "expire_at"):
        assert f"`{name}`" in text, name
