"""The guide's stage 5. What is done to a source is done where one is named (--source DIR)."""

from __future__ import annotations

from emonk_ops.rollout.guide.model import Answer, By, Section, by, line, stage

HEADING = "Stage 5: Cleanup Legacy Code"


def here(*ids: str) -> Answer:
    return stage(5, *ids)


def in_source(*ids: str) -> Answer:
    return by(By.SOURCE, *ids)


SECTIONS = (
    Section(
        HEADING,
        "",
        5,
        (line("After 7 days of stable production operation:", here("soak-stable", "stable")),),
    ),
    Section(
        HEADING,
        "Remove Legacy Code",
        5,
        (
            line(
                "Delete in-process loop support:",
                in_source("source", "no-references-source", "no-references-running"),
            ),
            line(
                "Remove `start()` method from `CronScheduler`",
                in_source("source", "no-references-source"),
            ),
            line(
                "Remove `_check_and_execute_jobs()` method",
                in_source("source", "no-references-source"),
            ),
            line("Remove `running` flag", in_source("source", "no-references-source")),
            line("Update documentation:", in_source("source", "documentation")),
            line(
                "Mark old scheduler docs as deprecated",
                in_source("source", "documentation"),
            ),
            line(
                "Update README with Cloud Scheduler instructions",
                in_source("source", "documentation"),
            ),
            line("Remove JSON storage (optional):", in_source("source")),
            line("Keep for dev/testing or remove entirely", in_source("source")),
            line("Update default to Firestore", in_source("source")),
        ),
    ),
    Section(HEADING, "Deploy Cleanup", 5, (line("./deploy.sh", here("deploy")),)),
    Section(
        HEADING,
        "Final Verification",
        5,
        (
            line("Service still healthy", here("health", "still-healthy")),
            line(
                "No references to removed code",
                here("no-references-source", "no-references-running"),
            ),
            line("Documentation updated", here("documentation")),
            line("Team trained on new approach", here("team-trained")),
        ),
    ),
)
