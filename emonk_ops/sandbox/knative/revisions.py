"""Revisions, from v2 to Knative."""

from __future__ import annotations

from typing import Any

from emonk_ops.sandbox.knative import conditions, template, words
from emonk_ops.sandbox.run.messages import Revision, types
from emonk_ops.sandbox.run.names import parse_revision


def knative(revision: Revision, serving: frozenset[str]) -> dict[str, Any]:
    """The Knative JSON of a v2 revision; `serving` are the ids that get requests."""
    name, identity = parse_revision(revision.name)
    raw = types.Revision.pb(revision)
    labels = {
        **revision.labels,
        words.SERVICE_LABEL: name.service,
        words.CONFIGURATION_LABEL: name.service,
        words.LOCATION_LABEL: name.location,
    }
    found = [conditions.knative(one) for one in revision.conditions]
    found.append(conditions.active(identity in serving, raw.update_time.ToJsonString()))
    return {
        "apiVersion": words.API_VERSION,
        "kind": "Revision",
        "metadata": {
            "name": identity,
            "namespace": name.project,
            "selfLink": words.link(name.project, "revisions", identity),
            "uid": revision.uid,
            "resourceVersion": revision.etag.strip('"') or str(raw.update_time.ToMicroseconds()),
            "generation": revision.generation,
            "creationTimestamp": raw.create_time.ToJsonString(),
            "labels": labels,
            "annotations": {
                **template.annotations_of(revision),
                words.CREATOR: revision.creator,
            },
        },
        "spec": template.spec_of(revision),
        "status": {"observedGeneration": revision.generation, "conditions": found},
    }
