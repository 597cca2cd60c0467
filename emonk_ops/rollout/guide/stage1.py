"""The guide's stage 1."""

from __future__ import annotations

from emonk_ops.rollout.guide.model import Answer, Section, line, stage, undone

HEADING = "Stage 1: Deploy Code (Dual Paths Available)"


def here(*ids: str) -> Answer:
    return stage(1, *ids)


SECTIONS = (
    Section(HEADING, "Deploy to QA", 1, (line("cd monkey-bot; ./deploy.sh", here("deploy")),)),
    Section(
        HEADING,
        "Verify Deployment",
        1,
        (
            line("Check service health:", here("health")),
            line(
                "SERVICE_URL=$(gcloud run services describe emonk-agent "
                "--region us-central1 --format 'value(status.url)')",
                here("serving-revision"),
            ),
            line('curl "$SERVICE_URL/health"', here("health")),
            line("Verify endpoints exist:", here("tick-401", "webhook-401", "both-paths")),
            line(
                "# Test /cron/tick endpoint (should return 401 without auth); "
                'curl -X POST "$SERVICE_URL/cron/tick"',
                here("tick-401"),
            ),
            line(
                "# Test /webhook endpoint (should return 401 without allowed user); "
                'curl -X POST "$SERVICE_URL/webhook" -H "Content-Type: application/json" '
                """-d '{"message":{"sender":{"email":"test@example.com"},"text":"test"}}'""",
                here("webhook-401"),
            ),
            line("Check logs for startup:", here("startup-lines", "startup-errors")),
            line(
                "gcloud run logs read emonk-agent --region us-central1 --limit 20",
                here("startup-lines", "startup-errors"),
            ),
            line("✅ Scheduler storage initialized (JSON or Firestore)", here("startup-lines")),
            line("✅ Agent Core created", here("startup-lines")),
            line("No errors during startup", here("startup-errors")),
        ),
    ),
    Section(
        HEADING,
        "Rollback Plan",
        1,
        (
            line(
                "If deployment fails:",
                undone(1, "pause-job", "restore-revision", "restore-job", "one-driver"),
            ),
            line(
                "# Rollback to previous revision; gcloud run services update-traffic emonk-agent "
                "--to-revisions=PREVIOUS_REVISION=100 --region us-central1",
                undone(1, "restore-revision"),
            ),
        ),
    ),
)
