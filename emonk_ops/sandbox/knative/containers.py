"""Containers: nearly the same JSON in both dialects, but for secrets and CPU."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format

from emonk_ops.sandbox.rest.bodies import checked
from emonk_ops.sandbox.run.messages import types


def knative(container: Any) -> dict[str, Any]:
    """The Knative JSON of a v2 container."""
    content: dict[str, Any] = json_format.MessageToDict(types.Container.pb(container))
    content["env"] = [_variable_out(one) for one in content.pop("env", [])]
    limits = content.pop("resources", {}).get("limits", {})
    content["resources"] = {"limits": limits} if limits else {}
    return {name: value for name, value in content.items() if value}


def v2(content: dict[str, Any], *, throttled: bool, boost: bool) -> Any:
    """The raw v2 container of Knative JSON; RestError for what it does not know."""
    taken = dict(content)
    taken["env"] = [_variable_in(one) for one in content.get("env", [])]
    resources = dict(taken.pop("resources", {}))
    resources.pop("requests", None)  # Cloud Run takes limits only
    if resources or boost or not throttled:
        resources["cpuIdle"] = throttled
        resources["startupCpuBoost"] = boost
        taken["resources"] = resources
    container = types.Container.pb()()
    where = "spec.template.spec.containers"
    json_format.ParseDict(checked(taken, container.DESCRIPTOR, where), container)
    return container


def _variable_out(variable: dict[str, Any]) -> dict[str, Any]:
    secret = variable.get("valueSource", {}).get("secretKeyRef")
    if secret is None:
        return variable
    reference = {"name": secret["secret"], "key": secret.get("version", "latest")}
    return {"name": variable["name"], "valueFrom": {"secretKeyRef": reference}}


def _variable_in(variable: dict[str, Any]) -> dict[str, Any]:
    secret = variable.get("valueFrom", {}).get("secretKeyRef")
    if secret is None:
        return variable
    reference = {"secret": secret.get("name", ""), "version": secret.get("key", "latest")}
    return {"name": variable.get("name", ""), "valueSource": {"secretKeyRef": reference}}
