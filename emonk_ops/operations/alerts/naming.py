"""How the things that this tool keeps are told from everybody else's."""

from __future__ import annotations

import re
from collections.abc import Mapping

from emonk_ops.monitoring_ports import Document, Kind
from emonk_ops.settings import Environment

KEPT_BY = "emonk-ops"
NAME_LABEL = "emonk-name"
# Log-based metrics have no labels of their own: these words in the description stand for them.
MARK = "Kept by emonk-ops"


def label_value(text: str) -> str:
    """Lower-case letters, digits, dashes and underscores, 63 at most, as labels demand."""
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())[:63]


def labels(env: Environment, name: str) -> dict[str, str]:
    return {
        "kept-by": KEPT_BY,
        "emonk-env": label_value(env.name),
        "emonk-service": label_value(env.service.name),
        NAME_LABEL: name,
    }


def labels_of(kind: Kind, document: Document) -> Mapping[str, str]:
    found: Mapping[str, str] = document.get(label_field(kind), {})
    return found


def label_field(kind: Kind) -> str:
    return "labels" if kind is Kind.DASHBOARD else "userLabels"


def metric_prefix(env: Environment) -> str:
    return f"{label_value(env.service.name)}_{label_value(env.name)}_"


def metric_type(env: Environment, name: str) -> str:
    return f"logging.googleapis.com/user/{metric_prefix(env)}{name}"


def mark(env: Environment) -> str:
    return f"{MARK} for {env.service.name} in {env.name}."


def is_ours(env: Environment, kind: Kind, document: Document) -> bool:
    """Whether it was made for this service in this environment by this tool."""
    if kind is Kind.METRIC:
        named = str(document.get("name", "")).startswith(metric_prefix(env))
        return named and str(document.get("description", "")).endswith(mark(env))
    wanted = labels(env, "")
    del wanted[NAME_LABEL]
    return wanted.items() <= labels_of(kind, document).items()


def own_name(env: Environment, kind: Kind, document: Document) -> str:
    """The short name of one that is ours."""
    if kind is Kind.METRIC:
        return str(document["name"]).removeprefix(metric_prefix(env))
    return labels_of(kind, document).get(NAME_LABEL, "")
