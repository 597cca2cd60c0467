"""The guide's stage 2, which is QA's.

Where the job is made paused (production), nothing ticks before stage 3, and that stage answers.
"""

from __future__ import annotations

from emonk_ops.rollout.guide.model import Answer, Line, Section, Where, line, stage, undone

HEADING = "Stage 2: Enable Cloud Scheduler (QA)"


def taken_over(text: str, *ids: str, canary: Answer) -> Line:
    """Answered where Cloud Scheduler takes over; `canary` is the answer elsewhere."""
    return line(text, stage(2, *ids, where=Where.TAKES_OVER), canary)


def now(*ids: str) -> Answer:
    return stage(2, *ids, where=Where.CANARY)


def later(*ids: str) -> Answer:
    return stage(3, *ids, where=Where.CANARY)


VERIFY = (
    taken_over(
        "Check Cloud Scheduler logs:",
        *("job-state", "oidc", "last-attempt"),
        canary=now("job-state", "oidc"),
    ),
    taken_over(
        "gcloud scheduler jobs describe emonk-agent-tick --location us-central1",
        *("job-state", "oidc", "last-attempt"),
        canary=now("job-state", "oidc"),
    ),
    taken_over("`state: ENABLED`", "job-state", canary=later("job-state")),
    taken_over("Recent execution in `lastAttemptTime`", "last-attempt", canary=later("both-alive")),
    line("`httpTarget.oidcToken` configured", stage(2, "oidc")),
    taken_over(
        "Check Cloud Run logs:", "tick-running", "tick-metrics", canary=now("canary-logged")
    ),
    taken_over(
        "gcloud run logs read emonk-agent --region us-central1 "
        '--filter="jsonPayload.message:scheduler" --limit 50',
        *("tick-running", "tick-metrics"),
        canary=now("canary-logged"),
    ),
    taken_over('"Running scheduler tick"', "tick-running", canary=later("both-alive")),
    taken_over('"Scheduler tick completed"', "tick-metrics", canary=later("both-alive")),
    taken_over(
        "Metrics: `jobs_checked`, `jobs_executed`, etc.",
        "tick-metrics",
        canary=now("canary-logged"),
    ),
    taken_over("Verify metrics:", "tick-metrics", canary=now("canary-logged")),
    taken_over("Look for structured log with:", "tick-metrics", canary=now("canary-logged")),
    taken_over(
        '{ "message": "Scheduler tick completed", "jobs_checked": 5, "jobs_due": 2, '
        '"jobs_executed": 2, "jobs_succeeded": 2, "jobs_failed": 0 }',
        "tick-metrics",
        canary=now("canary-logged"),
    ),
)
ACCEPTANCE = (
    taken_over(
        "Scheduler job triggers every configured interval",
        "triggers",
        canary=later("shadow-without-issues"),
    ),
    taken_over(
        "`/cron/tick` endpoint returns 200 with metrics",
        "answers-200",
        canary=later("both-alive", "shadow-without-issues"),
    ),
    taken_over("No authentication errors (401s)", "no-401", canary=later("shadow-without-issues")),
    taken_over(
        "Jobs execute successfully", "jobs-succeed", canary=later("same-jobs", "similar-errors")
    ),
    taken_over(
        "Cloud Run logs show tick execution",
        "logs-show-ticks",
        canary=later("both-alive", "shadow-without-issues"),
    ),
    line(
        "No errors or warnings in logs",
        stage(2, "no-complaints", where=Where.TAKES_OVER),
        stage(4, "complaints", where=Where.GATED),
        later("startup-errors"),
    ),
)
SECTIONS = (
    Section(
        HEADING,
        "Create Scheduler Job",
        2,
        (line("cd monkey-bot; ./setup-scheduler.sh", stage(2, "job")),),
    ),
    Section(
        HEADING,
        "Manual Test",
        2,
        (
            taken_over("Trigger scheduler manually:", "trigger", canary=now("canary-tick")),
            taken_over(
                "gcloud scheduler jobs run emonk-agent-tick --location us-central1",
                "trigger",
                canary=now("canary-tick"),
            ),
        ),
    ),
    Section(HEADING, "Verify Execution", 2, VERIFY),
    Section(HEADING, "Acceptance Criteria", 2, ACCEPTANCE),
    Section(
        HEADING,
        "Rollback Plan",
        2,
        (
            line("Disable scheduler temporarily:", undone(2, "pause-job")),
            line(
                "gcloud scheduler jobs pause emonk-agent-tick --location us-central1",
                undone(2, "pause-job"),
            ),
        ),
    ),
)
