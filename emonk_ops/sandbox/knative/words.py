"""Annotations and labels by which Knative says what Cloud Run v2 says in fields."""

from __future__ import annotations

API_VERSION = "serving.knative.dev/v1"

CREATOR = "serving.knative.dev/creator"
LAST_MODIFIER = "serving.knative.dev/lastModifier"
SERVICE_LABEL = "serving.knative.dev/service"
CONFIGURATION_LABEL = "serving.knative.dev/configuration"
LOCATION_LABEL = "cloud.googleapis.com/location"

CLIENT_NAME = "run.googleapis.com/client-name"
CLIENT_VERSION = "run.googleapis.com/client-version"
CUSTOM_AUDIENCES = "run.googleapis.com/custom-audiences"
DEFAULT_URL_DISABLED = "run.googleapis.com/default-url-disabled"
DESCRIPTION = "run.googleapis.com/description"
INGRESS = "run.googleapis.com/ingress"
INGRESS_STATUS = "run.googleapis.com/ingress-status"
INVOKER_IAM_DISABLED = "run.googleapis.com/invoker-iam-disabled"
LAUNCH_STAGE = "run.googleapis.com/launch-stage"
OPERATION_ID = "run.googleapis.com/operation-id"
SERVICE_MIN_SCALE = "run.googleapis.com/minScale"
URLS = "run.googleapis.com/urls"

CPU_THROTTLING = "run.googleapis.com/cpu-throttling"
ENVIRONMENT = "run.googleapis.com/execution-environment"
MAX_SCALE = "autoscaling.knative.dev/maxScale"
MIN_SCALE = "autoscaling.knative.dev/minScale"
SESSION_AFFINITY = "run.googleapis.com/sessionAffinity"
STARTUP_BOOST = "run.googleapis.com/startup-cpu-boost"

# What a caller sends back as it read it, and the platform says anew.
SERVICE_OUTPUT = frozenset({CREATOR, LAST_MODIFIER, INGRESS_STATUS, OPERATION_ID, URLS})


def flag(value: bool) -> str:
    return "true" if value else "false"


def link(project: str, kind: str, name: str) -> str:
    """What a resource calls itself."""
    return f"/apis/{API_VERSION}/namespaces/{project}/{kind}/{name}"
