"""The keys of emonk-ops.toml: tables, kinds, and the variables and flags that win over them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    """One setting: its kind, and the variable and flag that win over the file."""

    name: str
    kind: str = "text"  # text, whole, seconds, yes, words, table, folder, target, storage, …
    variable: str = ""
    flag: str = ""


SERVICE = (
    Key("name", variable="EMONK_SERVICE"),
    Key("region", variable="EMONK_REGION", flag="region"),
    Key("job", variable="EMONK_JOB"),
    Key("image", variable="EMONK_IMAGE"),
    Key("collection"),
    Key("lease_field"),
    Key("health_path", "path"),
    Key("tick_path", "path"),
    Key("webhook_path", "path"),
    Key("admin_path", "path"),
    Key("admin_api", "yes"),
    Key("startup_lines", "words"),
)
COMMANDS = (
    Key("unit_tests", "words"),
    Key("integration_tests", "words"),
    Key("lint", "words"),
    Key("type_check", "words"),
    Key("deploy", "words"),
    Key("set_up_scheduler", "words"),
    Key("directory", "folder"),
    Key("timeout_seconds", "seconds"),
)
ENVIRONMENT = (
    Key("target", "target", "EMONK_TARGET"),
    Key("project", variable="EMONK_PROJECT", flag="project"),
    Key("storage", "storage", "EMONK_STORAGE"),
    Key("cadence", "cron", "EMONK_CADENCE"),
    Key("time_zone", "zone", "EMONK_TIME_ZONE"),
    Key("invoker"),
    Key("service_account"),
    Key("audience"),
    Key("attempt_deadline_seconds", "whole"),
    Key("retry_count", "count"),
    Key("max_instances", "count"),
    Key("acceptance_intervals", "whole", "EMONK_ACCEPTANCE_INTERVALS"),
    Key("advisory_tendencies", "yes"),
    Key("only_driver", "yes"),
    Key("shadow_hours", "amount", "EMONK_SHADOW_HOURS"),
    Key("soak_hours", "amount", "EMONK_SOAK_HOURS"),
    Key("stable_hours", "amount", "EMONK_STABLE_HOURS"),
    Key("on_breach", "breach", "EMONK_ON_BREACH"),
    Key("breach_consecutive", "whole"),
    Key("breach_total", "whole"),
    Key("observe_only", "words"),
    Key("gated_by"),
    Key("drill_days", "whole"),
    Key("inject_seconds", "whole"),
    Key("inject_radius", "radius"),
    Key("incident_plan"),
    Key("job_definitions", "folder"),
    Key("budget_dollars", "amount"),
    Key("impersonate", variable="EMONK_IMPERSONATE", flag="impersonate"),
    Key("service_env", "table"),
)
STATE = (
    Key("place", "place", "EMONK_STATE"),
    Key("dir", "folder", "EMONK_STATE_DIR"),
    Key("file_in_ci", "yes"),
)
SANDBOX = (
    Key("dir", "folder", "EMONK_SANDBOX_DIR"),
    Key("grpc", variable="EMONK_SANDBOX_GRPC"),
    Key("http", variable="EMONK_SANDBOX_HTTP"),
    Key("token", variable="EMONK_SANDBOX_TOKEN"),
)
ALERTS = (Key("channels", "channels"),)
ROLLBACK = (Key("emergency_env"),)
ESCALATION = tuple(Key(f"level_{level}") for level in range(1, 5))
TABLES = {
    "service": SERVICE,
    "commands": COMMANDS,
    "alerts": ALERTS,
    "rollback": ROLLBACK,
    "escalation": ESCALATION,
    "state": STATE,
    "sandbox": SANDBOX,
}
MANDATORY = ("target", "project")
