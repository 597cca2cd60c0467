"""The guide's failure injections of stage 4."""

from __future__ import annotations

from emonk_ops.rollout.guide.model import Answer, By, Section, by, line

RUN = "gcloud scheduler jobs run emonk-agent-tick --location us-central1 &"


def suite(*ids: str) -> Answer:
    return by(By.INJECTIONS, *ids)


DUPLICATE = (
    line("Duplicate Scheduler Trigger:", suite("duplicate-trigger")),
    line(f"# Trigger scheduler twice rapidly; {RUN}", suite("duplicate-trigger")),
    line(RUN, suite("duplicate-trigger")),
    line(
        "Expected: Second execution skips jobs (lease already claimed)",
        suite("duplicate-trigger/second-skips"),
    ),
)
RESTART = (
    line("Cloud Run Restart Mid-Execution:", suite("restart")),
    line("# Deploy new revision while jobs are running; ./deploy.sh", suite("restart")),
    line("Leases expire after 5 minutes", suite("restart/leases-expire")),
    line("Jobs retry on next tick", suite("restart/retry-next-tick")),
    line("No lost jobs", suite("restart/no-lost-jobs", "restart/one-effect")),
)
OUTAGE = (
    line("Firestore Transient Error:", suite("firestore-outage")),
    line("Simulate by temporarily blocking Firestore access:", suite("firestore-outage")),
    line(
        "# Remove Firestore IAM permission temporarily; "
        "gcloud projects remove-iam-policy-binding your-project-id "
        '--member="serviceAccount:..." --role="roles/datastore.user"',
        suite("firestore-outage"),
    ),
    line("Graceful error handling", suite("firestore-outage/graceful")),
    line("Jobs retry on next tick", suite("firestore-outage/retry-next-tick")),
    line("Error logged but doesn't crash service", suite("firestore-outage/logged-no-crash")),
)
OVERDUE = (
    line("Clock Skew / Overdue Jobs:", suite("overdue-job")),
    line("Schedule job 10 minutes in past:", suite("overdue-job")),
    line(
        'await scheduler.schedule_job( job_type="test", '
        "schedule_at=datetime.utcnow() - timedelta(minutes=10), payload={} )",
        suite("overdue-job"),
    ),
    line(
        "Expected: Job executes on next tick (catch-up logic works)",
        suite("overdue-job/catch-up"),
    ),
)
INJECTIONS = Section(
    "Stage 4: Production Cutover (Firestore)",
    "Failure Injection Tests",
    4,
    (
        line(
            "Run controlled failure scenarios:",
            suite("duplicate-trigger", "restart", "firestore-outage", "overdue-job"),
        ),
        *DUPLICATE,
        *RESTART,
        *OUTAGE,
        *OVERDUE,
    ),
)
