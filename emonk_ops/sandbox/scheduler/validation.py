"""Checks and defaults of a job, as CreateJob and UpdateJob apply them."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from google.cloud.scheduler_v1 import types
from google.protobuf import field_mask_pb2

from emonk_ops.sandbox.scheduler.errors import (
    JOB_FORMAT,
    PARENT_FORMAT,
    bad_mask,
    bad_schedule,
    invalid,
    not_implemented,
)
from emonk_ops.sandbox.scheduler.slots import DEFAULT_ZONE, check_schedule

_PARENT = re.compile(r"projects/[A-Za-z0-9:.-]+/locations/[a-z0-9-]+")
_JOB = re.compile(rf"({_PARENT.pattern})/jobs/([A-Za-z0-9_-]{{1,500}})")
_WITH_BODY = (types.HttpMethod.POST, types.HttpMethod.PUT, types.HttpMethod.PATCH)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
SETTABLE = (
    "description",
    "http_target",
    "pubsub_target",
    "app_engine_http_target",
    "schedule",
    "time_zone",
    "retry_config",
    "attempt_deadline",
)
DEFAULT_DEADLINE = 180
MIN_DEADLINE, MAX_DEADLINE = 15, 1800
MAX_RETRIES = 5
MAX_DESCRIPTION = 500


def check_parent(parent: str) -> None:
    """Raise Refusal (INVALID_ARGUMENT) for a parent that is no location."""
    if not _PARENT.fullmatch(parent):
        raise invalid(f'Parent must be formatted: "{PARENT_FORMAT}".')


def check_name(name: str) -> None:
    """Raise Refusal (INVALID_ARGUMENT) for a malformed job name."""
    if not _JOB.fullmatch(name):
        raise invalid(f'Job name must be formatted: "{JOB_FORMAT}".')


def name_parts(name: str) -> tuple[str, str, str]:
    """Project, location and id of a well-formed job name."""
    _, project, _, location, _, job = name.split("/")
    return project, location, job


def completed(job: Any) -> Any:
    """A copy of a raw Job with its settable fields only, checked, defaults filled in."""
    fresh = type(job)(name=job.name)
    for field in SETTABLE:
        if _present(job, field):
            _copy(job, fresh, field)
    _check_target(fresh)
    if not fresh.schedule:
        raise bad_schedule()
    check_schedule(fresh.schedule, fresh.time_zone)
    fresh.time_zone = fresh.time_zone or DEFAULT_ZONE
    if len(fresh.description) > MAX_DESCRIPTION:
        raise invalid(f"Job.description must not be longer than {MAX_DESCRIPTION} characters.")
    _complete_deadline(fresh)
    _complete_retries(fresh.retry_config)
    return fresh


def merged(stored: Any, wanted: Any, paths: list[str]) -> Any:
    """The stored raw Job with the masked fields of `wanted`; without a mask all settable ones."""
    job_type = stored.DESCRIPTOR
    result = type(stored)()
    result.CopyFrom(stored)
    for path in paths:
        mask = field_mask_pb2.FieldMask(paths=[path])
        if path.partition(".")[0] not in SETTABLE or not mask.IsValidForDescriptor(job_type):
            raise bad_mask(path)
        mask.MergeMessage(wanted, result, True, True)
    if not paths:
        for field in SETTABLE:
            result.ClearField(field)
            if _present(wanted, field):
                _copy(wanted, result, field)
    return result


def _present(job: Any, field: str) -> bool:
    value = getattr(job, field)
    return job.HasField(field) if hasattr(value, "DESCRIPTOR") else bool(value)


def _copy(source: Any, target: Any, field: str) -> None:
    value = getattr(source, field)
    if hasattr(value, "DESCRIPTOR"):
        getattr(target, field).CopyFrom(value)
    else:
        setattr(target, field, value)


def _check_target(job: Any) -> None:
    kind = job.WhichOneof("target")
    if kind is None:
        raise invalid("Job target must be set.")
    if kind != "http_target":
        raise not_implemented(f"jobs with {kind}; use http_target")
    target = job.http_target
    _check_uri(target.uri)
    if target.http_method == types.HttpMethod.HTTP_METHOD_UNSPECIFIED:
        target.http_method = types.HttpMethod.POST
    if target.body and target.http_method not in _WITH_BODY:
        raise invalid("HttpTarget.body is allowed only with the methods POST, PUT and PATCH.")
    token = target.WhichOneof("authorization_header")
    if token and not _EMAIL.fullmatch(getattr(target, token).service_account_email):
        raise invalid(f"HttpTarget.{token}.service_account_email must be a service account.")
    if token == "oauth_token":
        raise not_implemented("OAuth tokens on HTTP targets; use oidc_token")


def _check_uri(uri: str) -> None:
    try:
        parts = urlsplit(uri)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or any(c.isspace() for c in uri):
        raise invalid(
            "HttpTarget.uri is invalid: it must start with 'http://' or 'https://' and name a"
            f" host, but it is '{uri}'."
        )


def _complete_deadline(job: Any) -> None:
    if not job.HasField("attempt_deadline"):
        job.attempt_deadline.seconds = DEFAULT_DEADLINE
    seconds = job.attempt_deadline.seconds + job.attempt_deadline.nanos / 1e9
    if not MIN_DEADLINE <= seconds <= MAX_DEADLINE:
        raise invalid(
            f"Job.attempt_deadline must be between {MIN_DEADLINE}s and {MAX_DEADLINE}s for an"
            f" HTTP target, but it is {seconds:g}s."
        )


def _complete_retries(retry: Any) -> None:
    if not 0 <= retry.retry_count <= MAX_RETRIES:
        raise invalid(f"RetryConfig.retry_count must be between 0 and {MAX_RETRIES}.")
    for field, default in (
        ("min_backoff_duration", 5),
        ("max_backoff_duration", 3600),
        ("max_retry_duration", 0),
    ):
        if not retry.HasField(field):
            getattr(retry, field).seconds = default
        if getattr(retry, field).seconds < 0 or getattr(retry, field).nanos < 0:
            raise invalid(f"RetryConfig.{field} must not be negative.")
    if retry.min_backoff_duration.seconds > retry.max_backoff_duration.seconds:
        raise invalid("RetryConfig.min_backoff_duration must not exceed max_backoff_duration.")
    if retry.max_doublings < 0:
        raise invalid("RetryConfig.max_doublings must not be negative.")
    retry.max_doublings = retry.max_doublings or 5
