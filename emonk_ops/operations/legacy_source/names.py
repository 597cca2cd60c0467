"""The names of the legacy path, as the rollout fixes them, and the words around it."""

from __future__ import annotations

import re

SCHEDULER_CLASS = "CronScheduler"
AGENT_STARTS = "start_scheduler"
CHECKS = "_check_and_execute_jobs"
METHODS = frozenset({"start", "running", CHECKS})
FLAGS = ("SCHEDULER_LEGACY_LOOP", "SCHEDULER_SHADOW_MODE")
STORAGE = "SCHEDULER_STORAGE"

# What sets a coroutine or function going in the background and gives back a handle or nothing.
SPAWNERS = frozenset(
    {"create_task", "ensure_future", "start_soon", "add_task", "Thread", "run_coroutine_threadsafe"}
)
REGISTERERS = frozenset({"add_event_handler", "append", "add", "register", "connect", "insert"})
KEEPERS = frozenset({"add", "append", "discard", "remove"})  # of a set that holds tasks
WAITERS = frozenset({"wait", "gather", "wait_for", "shield"})
LOGGERS = re.compile(r"(?i)^_?(self\._?|cls\._?)?(log|logger|logging|lines)$")
ON_EVENT = frozenset({"on_event", "on_startup", "on_shutdown", "before_serving", "after_serving"})
PROTECTED = frozenset({"run_tick", "main", "lifespan", "tick", "create_app", "schedule_job"})
SPEAKS_OF_THE_LOOP = re.compile(
    r"(?i)\blegacy|\bloop\b|in-process|start_scheduler|_check_and_execute_jobs|shadow"
)
ABOUT_THE_SCHEDULER = re.compile(r"(?i)sched|cron|loop|tick")
DESCRIBES_THE_LOOP = re.compile(
    r"(?i)start_scheduler|_check_and_execute_jobs|SCHEDULER_LEGACY_LOOP"
    r"|legacy (cron |scheduler )?loop"
    r"|in-process (cron |scheduler )?(loop|scheduler|cron)|background (cron |scheduler )loop"
)
