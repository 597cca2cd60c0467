"""The guide's monitoring: alerts and the dashboard by their own commands, targets by stage 4."""

from __future__ import annotations

from emonk_ops.rollout.guide.model import Answer, By, Section, by, line, stage

HEADING = "Monitoring and Alerts"


def target(*ids: str) -> Answer:
    return stage(4, *ids)


def alert(*names: str) -> Answer:
    return by(By.ALERTS, *names)


def panel(*names: str) -> Answer:
    return by(By.DASHBOARD, *names)


SECTIONS = (
    Section(
        HEADING,
        "Key Metrics to Monitor",
        4,
        (
            line("Scheduler Success Rate:", alert("tick-failures")),
            line("Target: >99%", target("error-rate")),
            line("Alert if <95% for 5 minutes", alert("tick-failures")),
            line("Job Execution Rate:", alert("not-executing", "heartbeat", "lag")),
            line("Target: Matches scheduled cadence", target("reliable", "within-cadence")),
            line("Alert if zero jobs execute for 5 minutes", alert("not-executing", "heartbeat")),
            line("Duplicate Execution Rate:", alert("duplicates")),
            line("Target: 0%", target("no-duplicates")),
            line("Alert if >0% (indicates locking failure)", alert("duplicates")),
            line("Tick Latency:", alert("tick-latency")),
            line("Target: p99 <2s", target("latency-p99")),
            line("Alert if p99 >5s", alert("tick-latency")),
            line("Firestore Error Rate:", alert("storage-errors")),
            line("Target: <0.1%", target("storage-errors-target")),
            line("Alert if >1% for 5 minutes", alert("storage-errors")),
        ),
    ),
    Section(
        HEADING,
        "Create Monitoring Dashboard",
        4,
        (
            line(
                "Use Cloud Monitoring to create dashboard with:",
                panel(
                    "scheduler-executions",
                    "tick-requests",
                    "tick-latency",
                    "jobs",
                    "errors-by-type",
                ),
            ),
            line("Cloud Scheduler execution count", panel("scheduler-executions")),
            line("Cloud Run request count for `/cron/tick`", panel("tick-requests")),
            line("Average tick latency", panel("tick-latency")),
            line("Job execution metrics (from logs)", panel("jobs")),
            line("Error rate by type", panel("errors-by-type")),
        ),
    ),
    Section(
        HEADING,
        "Set Up Alerts",
        4,
        (
            line(
                "# Create alert policy for scheduler failures; "
                "gcloud alpha monitoring policies create --notification-channels=CHANNEL_ID "
                '--display-name="Scheduler Tick Failures" '
                '--condition-display-name="High error rate" '
                "--condition-threshold-value=0.05 --condition-threshold-duration=300s",
                alert("tick-failures"),
            ),
        ),
    ),
)
