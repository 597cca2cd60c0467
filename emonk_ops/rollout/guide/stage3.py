"""The guide's stage 3."""

from __future__ import annotations

from emonk_ops.rollout.guide.model import Answer, Section, line, stage, undone

HEADING = "Stage 3: Shadow Mode (Dual Execution)"


def here(*ids: str) -> Answer:
    return stage(3, *ids)


SECTIONS = (
    Section(
        HEADING,
        "",
        3,
        (
            line(
                "Purpose: Run both Cloud Scheduler and legacy loop side-by-side to validate "
                "behavior.",
                here("both-drive", "both-alive", "soak-shadow"),
            ),
        ),
    ),
    Section(
        HEADING,
        "Enable Shadow Mode",
        3,
        (
            line("Add environment variable:", here("shadow-mode")),
            line("export SCHEDULER_SHADOW_MODE=true", here("shadow-mode")),
            line("This enables both:", here("both-drive", "both-alive")),
            line(
                "Cloud Scheduler → `/cron/tick`", here("job", "enable", "job-state", "both-alive")
            ),
            line("Legacy `start_scheduler()` loop (if called)", here("both-alive")),
        ),
    ),
    Section(HEADING, "Deploy Shadow Mode Build", 3, (line("./deploy.sh", here("shadow-mode")),)),
    Section(
        HEADING,
        "Monitor for Discrepancies",
        3,
        (
            line("Run monitoring script:", here("soak-shadow")),
            line(
                "# Create monitoring script; cat > monitor-shadow.sh << 'EOF'",
                here("soak-shadow"),
            ),
            line("chmod +x monitor-shadow.sh; ./monitor-shadow.sh", here("soak-shadow")),
        ),
    ),
    Section(
        HEADING,
        "Compare Execution",
        3,
        (
            line("Over 1-hour period, verify:", here("soak-shadow")),
            line("Both paths execute the same jobs", here("same-jobs")),
            line("No duplicate side effects (posts, API calls)", here("no-double-effects")),
            line("Execution timing is comparable", here("comparable-timing")),
            line("Error rates are similar", here("similar-errors")),
        ),
    ),
    Section(
        HEADING,
        "Acceptance Criteria",
        3,
        (
            line(
                "Shadow mode runs for ≥1 hour without issues",
                here("soak-shadow", "shadow-without-issues"),
            ),
            line("Duplicate detection works (no double-posting)", here("duplicate-detection")),
            line("Cloud Scheduler path matches legacy behavior", here("scheduler-matches-legacy")),
            line("No performance degradation", here("no-performance-degradation")),
        ),
    ),
    Section(
        HEADING,
        "Rollback Plan",
        3,
        (
            line(
                "Disable Cloud Scheduler, keep legacy:",
                undone(3, "pause-job", "restore-revision", "restore-job", "one-driver"),
            ),
            line(
                "gcloud scheduler jobs pause emonk-agent-tick --location us-central1",
                undone(3, "pause-job"),
            ),
            line("export SCHEDULER_SHADOW_MODE=false", undone(3, "restore-revision")),
            line("./deploy.sh", undone(3, "restore-revision")),
        ),
    ),
)
