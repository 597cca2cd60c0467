"""The eighteen tests of the guide's appendix."""

from __future__ import annotations

from emonk_ops.rollout.guide.model import Answer, By, Line, Section, Where, line, stage

HEADING = "Appendix: Testing Checklist"


def qa_test(text: str, *ids: str) -> Line:
    """Production's plan names the environment in which it is answered."""
    return line(
        text,
        Answer(By.QA_TESTS, ids, where=Where.FIRST),
        Answer(By.QA_TESTS, ids, where=Where.GATED, at_gate=True),
    )


def gated(text: str, check: str) -> Line:
    return line(text, stage(4, check, where=Where.GATED))


BEFORE = Section(
    HEADING,
    "Pre-Deployment Tests",
    0,
    (
        line("Unit tests for `CronScheduler.run_tick()`", stage(0, "unit-tests")),
        line("Unit tests for Firestore storage backend", stage(0, "unit-tests")),
        line("Unit tests for job lease claim/release", stage(0, "unit-tests")),
        line("Integration test for `/cron/tick` endpoint", stage(0, "integration-tests")),
        line("Integration test for OIDC auth validation", stage(0, "integration-tests")),
        line(
            "Integration test for duplicate execution prevention",
            stage(0, "integration-tests"),
        ),
    ),
)
IN_QA = Section(
    HEADING,
    "Post-Deployment Tests (QA)",
    4,
    (
        qa_test("Manual scheduler trigger", "manual-trigger/manual-trigger"),
        qa_test("Job execution verification", "job-execution/job-execution"),
        qa_test(
            "Lease claim/release verification",
            *("lease-cycle/lease-claim", "lease-cycle/lease-release"),
        ),
        qa_test("Duplicate trigger test", "duplicate-trigger/second-skips"),
        qa_test(
            "Restart mid-execution test",
            *("restart/retry-next-tick", "restart/one-effect", "restart/no-lost-jobs"),
        ),
        qa_test("Overdue job catch-up test", "overdue-job/catch-up"),
        qa_test(
            "Error handling test",
            *("firestore-outage/graceful", "firestore-outage/logged-no-crash"),
        ),
    ),
)
IN_PRODUCTION = Section(
    HEADING,
    "Post-Deployment Tests (Production)",
    4,
    (
        gated("Monitor for 24 hours", "monitored"),
        gated("Review all metrics dashboards", "dashboards-reviewed"),
        gated("Check for any errors or warnings", "complaints"),
        gated("Verify job execution patterns", "pattern"),
        gated("Validate cost estimates", "cost"),
    ),
)
SECTIONS = (BEFORE, IN_QA, IN_PRODUCTION)
