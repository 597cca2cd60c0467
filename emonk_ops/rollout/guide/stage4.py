"""The guide's stage 4, but for its failure injections."""

from __future__ import annotations

from emonk_ops.rollout.guide.model import Answer, By, Section, by, line, stage

HEADING = "Stage 4: Production Cutover (Firestore)"


def here(*ids: str) -> Answer:
    return stage(4, *ids)


MONITOR = (
    line("Watch logs in real-time:", here("ticks", "startup-errors", "soak-production")),
    line(
        "gcloud run logs tail emonk-agent --region us-central1",
        here("ticks", "startup-errors", "soak-production"),
    ),
    line("Check Firestore operations:", here("documents", "storage-errors")),
    line("Open Cloud Console → Firestore", here("documents")),
    line("Navigate to `scheduler_jobs` collection", here("documents")),
    line("Verify documents are created/updated", here("documents")),
    line("Check `lease_until` fields for locking", here("documents", "first-hour-leases")),
    line(
        "Monitor metrics (first hour):",
        here(
            "first-hour-schedule",
            "first-hour-duplicates",
            "first-hour-leases",
            "first-hour-firestore",
        ),
    ),
    line("Jobs execute on schedule", here("first-hour-schedule")),
    line("No duplicate executions", here("first-hour-duplicates")),
    line("Lease claim/release working", here("first-hour-leases")),
    line("No errors in Firestore operations", here("first-hour-firestore", "storage-errors")),
)
ACCEPTANCE = (
    line("Jobs execute reliably for ≥24 hours", here("soak-production", "reliable")),
    line("No duplicate executions detected", here("no-duplicates")),
    line("Firestore locking prevents race conditions", here("locking")),
    line("Failure scenarios handled gracefully", here("failures-handled")),
    line("Error rate <1% (excluding transient Firestore errors)", here("error-rate")),
    line("Latency p99 <2 seconds for tick endpoint", here("latency-p99")),
    line("All scheduled jobs complete within cadence window", here("within-cadence")),
)
EMERGENCY = (
    line(
        "Immediate rollback (if critical issues):",
        by(
            By.EMERGENCY,
            "pause-job",
            "quiesce",
            "save-jobs",
            "traffic",
            "carry-back",
            "scheduler-job",
            "one-driver",
        ),
    ),
    line(
        "# 1. Pause Cloud Scheduler; "
        "gcloud scheduler jobs pause emonk-agent-tick --location us-central1",
        by(By.EMERGENCY, "pause-job"),
    ),
    line(
        "# 2. Switch back to JSON storage; export SCHEDULER_STORAGE=json",
        by(By.EMERGENCY, "save-jobs", "traffic", "carry-back"),
    ),
    line(
        "# 3. Re-enable legacy loop in code (temporary); # Uncomment in main.py:; "
        "# await agent_core.start_scheduler()",
        by(By.EMERGENCY, "carry-back", "one-driver"),
    ),
    line("# 4. Deploy emergency rollback; ./deploy.sh", by(By.EMERGENCY, "traffic")),
    line(
        '# 5. Verify service health; curl "$SERVICE_URL/health"',
        by(By.EMERGENCY, "one-driver"),
    ),
    line(
        "Partial rollback (if Firestore issues only):",
        by(By.PARTIAL, "json-revision", "enable", "one-driver"),
    ),
    line(
        "# Switch to JSON storage, keep Cloud Scheduler; export SCHEDULER_STORAGE=json",
        by(By.PARTIAL, "json-revision", "enable"),
    ),
    line("./deploy.sh", by(By.PARTIAL, "json-revision")),
)
BEFORE = (
    Section(
        HEADING,
        "Pre-Cutover Checklist",
        4,
        (
            line("Shadow mode validated successfully", here("shadow-validated")),
            line("Firestore database created", here("firestore-database")),
            line("IAM permissions configured", here("operator-permissions", "service-permissions")),
            line("Monitoring alerts configured", here("alerts-configured")),
            line("Incident response plan documented", here("incident-plan")),
        ),
    ),
    Section(
        HEADING,
        "Switch to Firestore",
        4,
        (
            line("Update environment:", here("storage-target", "storage")),
            line("export SCHEDULER_STORAGE=firestore", here("storage")),
            line("export VERTEX_AI_PROJECT_ID=your-project-id", here("storage")),
        ),
    ),
    Section(HEADING, "Deploy Production Build", 4, (line("./deploy.sh", here("storage")),)),
    Section(
        HEADING,
        "Disable Legacy Loop",
        4,
        (
            line("Remove any startup code calling:", here("legacy-off", "loop-gone")),
            line("await agent_core.start_scheduler()", here("legacy-off", "loop-gone")),
            line("Redeploy:", here("legacy-off", "serving-revision")),
            line("./deploy.sh", here("legacy-off")),
        ),
    ),
    Section(HEADING, "Monitor Cutover", 4, MONITOR),
)
AFTER = (
    Section(HEADING, "Acceptance Criteria", 4, ACCEPTANCE),
    Section(HEADING, "Rollback Plan (Emergency)", 4, EMERGENCY),
)
