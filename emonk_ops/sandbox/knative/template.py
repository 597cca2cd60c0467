"""The template of a service, and the spec that a revision has of it."""

from __future__ import annotations

from typing import Any

from emonk_ops.sandbox.knative import containers, words
from emonk_ops.sandbox.rest.errors import bad_request
from emonk_ops.sandbox.run.messages import types

_ENVIRONMENTS = {
    "gen1": types.ExecutionEnvironment.EXECUTION_ENVIRONMENT_GEN1,
    "gen2": types.ExecutionEnvironment.EXECUTION_ENVIRONMENT_GEN2,
}
_SPEC_NAMES = frozenset(
    {"containers", "containerConcurrency", "timeoutSeconds", "serviceAccountName"}
)
_OURS = frozenset(
    {
        words.MIN_SCALE,
        words.MAX_SCALE,
        words.CPU_THROTTLING,
        words.STARTUP_BOOST,
        words.SESSION_AFFINITY,
        words.ENVIRONMENT,
    }
)


def annotations_of(template: Any) -> dict[str, str]:
    """Of a v2 template or revision: its own, and its fields that Knative has as annotations."""
    found = dict(template.annotations)
    scaling = template.scaling
    if scaling.min_instance_count:
        found[words.MIN_SCALE] = str(scaling.min_instance_count)
    if scaling.max_instance_count:
        found[words.MAX_SCALE] = str(scaling.max_instance_count)
    if template.session_affinity:
        found[words.SESSION_AFFINITY] = "true"
    for name, environment in _ENVIRONMENTS.items():
        if template.execution_environment == environment:
            found[words.ENVIRONMENT] = name
    first = types.Container.pb(template.containers[0]) if template.containers else None
    if first is not None and first.HasField("resources"):
        if not first.resources.cpu_idle:
            found[words.CPU_THROTTLING] = "false"
        if first.resources.startup_cpu_boost:
            found[words.STARTUP_BOOST] = "true"
    return found


def spec_of(template: Any) -> dict[str, Any]:
    """The Knative spec of a v2 template or revision."""
    spec = {
        "containerConcurrency": template.max_instance_request_concurrency,
        "timeoutSeconds": int(template.timeout.total_seconds()),
        "serviceAccountName": template.service_account,
        "containers": [containers.knative(one) for one in template.containers],
    }
    return {name: value for name, value in spec.items() if value}


def knative(template: Any) -> dict[str, Any]:
    """The Knative JSON of a v2 template."""
    metadata = {
        "name": template.revision,
        "labels": dict(template.labels),
        "annotations": annotations_of(template),
    }
    metadata = {name: value for name, value in metadata.items() if value}
    return {"metadata": metadata, "spec": spec_of(template)}


def take(template: Any, content: dict[str, Any]) -> None:
    """Write Knative JSON into a v2 template; what Knative has no word for stays as it was."""
    metadata, spec = content.get("metadata", {}), content.get("spec", {})
    _check(spec)
    template.revision = metadata.get("name", "")
    if _without_name(content) == _without_name(knative(template)):
        return
    template.labels = metadata.get("labels", {})
    annotations: dict[str, str] = metadata.get("annotations", {})
    template.annotations = {key: one for key, one in annotations.items() if key not in _OURS}
    template.scaling.min_instance_count = _number(annotations, words.MIN_SCALE)
    template.scaling.max_instance_count = _number(annotations, words.MAX_SCALE)
    template.session_affinity = annotations.get(words.SESSION_AFFINITY) == "true"
    template.execution_environment = _ENVIRONMENTS.get(annotations.get(words.ENVIRONMENT, ""), 0)
    template.max_instance_request_concurrency = spec.get("containerConcurrency", 0)
    template.service_account = spec.get("serviceAccountName", "")
    raw = types.RevisionTemplate.pb(template)
    raw.ClearField("timeout")
    if "timeoutSeconds" in spec:
        raw.timeout.seconds = int(spec["timeoutSeconds"])
    throttled = annotations.get(words.CPU_THROTTLING) != "false"
    boost = annotations.get(words.STARTUP_BOOST) == "true"
    raw.ClearField("containers")
    for index, one in enumerate(spec.get("containers", [])):
        raw.containers.append(containers.v2(one, throttled=throttled, boost=boost and index == 0))


def _check(spec: dict[str, Any]) -> None:
    unknown = sorted(name for name, value in spec.items() if value and name not in _SPEC_NAMES)
    if unknown:
        raise bad_request(
            f"The sandbox does not translate spec.template.spec.{unknown[0]} from Cloud Run v1;"
            " set it through google.cloud.run.v2.",
            "spec.template.spec",
        )


def _number(annotations: dict[str, str], name: str) -> int:
    text = annotations.get(name, "0")
    if not text.isdigit():
        raise bad_request(
            f"Invalid value '{text}' of annotation '{name}': a whole number of at least 0 is"
            " expected.",
            f"spec.template.metadata.annotations[{name}]",
        )
    return int(text)


def _without_name(content: dict[str, Any]) -> dict[str, Any]:
    metadata = {
        name: value
        for name, value in content.get("metadata", {}).items()
        if name != "name" and value
    }
    return {"metadata": metadata, "spec": content.get("spec", {})}
