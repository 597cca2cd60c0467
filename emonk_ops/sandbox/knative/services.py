"""Services: from v2 to Knative, and what a caller wrote in Knative back into v2."""

from __future__ import annotations

import json
from typing import Any

from emonk_ops.sandbox.knative import conditions, template, traffic, words
from emonk_ops.sandbox.rest.errors import bad_request
from emonk_ops.sandbox.run.messages import Service, types
from emonk_ops.sandbox.run.names import parse_service

_INGRESS = {
    "all": types.IngressTraffic.INGRESS_TRAFFIC_ALL,
    "internal": types.IngressTraffic.INGRESS_TRAFFIC_INTERNAL_ONLY,
    "internal-and-cloud-load-balancing": (
        types.IngressTraffic.INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER
    ),
}
_FIELDS_AS_ANNOTATIONS = words.SERVICE_OUTPUT | {
    words.CLIENT_NAME,
    words.CLIENT_VERSION,
    words.CUSTOM_AUDIENCES,
    words.DEFAULT_URL_DISABLED,
    words.DESCRIPTION,
    words.INGRESS,
    words.INVOKER_IAM_DISABLED,
    words.SERVICE_MIN_SCALE,
}


def knative(service: Service, operation: str = "") -> dict[str, Any]:
    """The Knative JSON of a v2 service; `operation` is the name of the one that changes it."""
    name = parse_service(service.name)
    raw = types.Service.pb(service)
    annotations = _annotations(service)
    if operation:
        annotations[words.OPERATION_ID] = operation.rpartition("/")[2]
    return {
        "apiVersion": words.API_VERSION,
        "kind": "Service",
        "metadata": {
            "name": name.service,
            "namespace": name.project,
            "selfLink": words.link(name.project, "services", name.service),
            "uid": service.uid,
            "resourceVersion": service.etag.strip('"'),
            "generation": service.generation,
            "creationTimestamp": raw.create_time.ToJsonString(),
            "labels": {**service.labels, words.LOCATION_LABEL: name.location},
            "annotations": annotations,
        },
        "spec": {
            "template": template.knative(service.template),
            "traffic": traffic.wanted(service),
        },
        "status": _status(service),
    }


def _annotations(service: Service) -> dict[str, str]:
    ingress = next((name for name, one in _INGRESS.items() if one == service.ingress), "all")
    found = {
        words.CREATOR: service.creator,
        words.LAST_MODIFIER: service.last_modifier,
        words.CLIENT_NAME: service.client,
        words.CLIENT_VERSION: service.client_version,
        words.DESCRIPTION: service.description,
        words.INGRESS: ingress,
        words.INGRESS_STATUS: ingress,
        words.URLS: json.dumps([service.uri]) if service.uri else "",
        words.INVOKER_IAM_DISABLED: words.flag(True) if service.invoker_iam_disabled else "",
        words.DEFAULT_URL_DISABLED: words.flag(True) if service.default_uri_disabled else "",
        words.CUSTOM_AUDIENCES: (
            json.dumps(list(service.custom_audiences)) if service.custom_audiences else ""
        ),
        words.SERVICE_MIN_SCALE: str(service.scaling.min_instance_count or ""),
    }
    own = dict(service.annotations)
    return {**own, **{name: value for name, value in found.items() if value}}


def _status(service: Service) -> dict[str, Any]:
    ready = [service.terminal_condition, *service.conditions]
    status = {
        "observedGeneration": service.observed_generation,
        "conditions": [conditions.knative(one) for one in ready if one.type_],
        "latestReadyRevisionName": service.latest_ready_revision.rpartition("/")[2],
        "latestCreatedRevisionName": service.latest_created_revision.rpartition("/")[2],
        "traffic": traffic.actual(service),
        "url": service.uri,
        "address": {"url": service.uri} if service.uri else None,
    }
    return {name: value for name, value in status.items() if value}


def take(service: Service, content: dict[str, Any]) -> None:
    """Write what a caller says in Knative into a v2 service; the etag is its resourceVersion."""
    metadata, spec = content.get("metadata", {}), content.get("spec", {})
    annotations: dict[str, str] = metadata.get("annotations", {})
    version = metadata.get("resourceVersion", "")
    service.etag = f'"{version}"' if version else ""
    service.labels = {
        name: value
        for name, value in metadata.get("labels", {}).items()
        if name != words.LOCATION_LABEL
    }
    service.annotations = {
        name: value for name, value in annotations.items() if name not in _FIELDS_AS_ANNOTATIONS
    }
    service.client = annotations.get(words.CLIENT_NAME, "")
    service.client_version = annotations.get(words.CLIENT_VERSION, "")
    service.description = annotations.get(words.DESCRIPTION, "")
    service.ingress = _ingress(annotations.get(words.INGRESS, "all"))
    service.invoker_iam_disabled = annotations.get(words.INVOKER_IAM_DISABLED) == "true"
    service.default_uri_disabled = annotations.get(words.DEFAULT_URL_DISABLED) == "true"
    service.custom_audiences = json.loads(annotations.get(words.CUSTOM_AUDIENCES, "[]"))
    if words.SERVICE_MIN_SCALE in annotations or service.scaling.min_instance_count:
        service.scaling.min_instance_count = int(annotations.get(words.SERVICE_MIN_SCALE, "0"))
    template.take(service.template, spec.get("template", {}))
    service.traffic = traffic.v2(spec.get("traffic", []))


def _ingress(text: str) -> Any:
    if text not in _INGRESS:
        raise bad_request(
            f"Invalid value '{text}' of annotation '{words.INGRESS}': expected one of"
            f" {', '.join(_INGRESS)}.",
            "metadata.annotations",
        )
    return _INGRESS[text]
