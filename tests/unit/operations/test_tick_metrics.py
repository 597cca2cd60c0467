from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from emonk_ops.errors import StepFailed
from emonk_ops.operations import deploy, tick_job, tick_metrics, tick_window
from emonk_ops.rollout.model import Finding, Verdict
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.toolbox import Toolbox

CRITERIA = (
    tick_metrics.triggers_every_interval,
    tick_metrics.answers_200_with_metrics,
    tick_metrics.no_authentication_errors,
    tick_metrics.jobs_execute_successfully,
    tick_metrics.logs_show_ticks,
    tick_metrics.no_errors_or_warnings,
)


@pytest.fixture
def ticking(tools: Toolbox) -> Toolbox:
    """Cloud Scheduler drives."""
    tick_job.ensure_job(tools)
    deploy.ensure_cloud_revision(tools)
    tick_job.ensure_enabled(tools)
    return tools


def judged(tools: Toolbox) -> dict[str, Finding]:
    return {criterion.__name__: criterion(tools) for criterion in CRITERIA}


def test_three_healthy_intervals_pass_and_say_what_three_can_prove(ticking: Toolbox) -> None:
    found = judged(ticking)
    assert {one.verdict for one in found.values()} == {Verdict.PASS}
    assert "n=3; proves a failure rate below 63.2%" in found["triggers_every_interval"].summary
    assert found["triggers_every_interval"].facts["n"] == 3


def test_who_does_not_wait_is_told_when_to_come_back_and_loses_no_interval(
    ticking: Toolbox, world: InMemoryWorld
) -> None:
    hasty = replace(ticking, waits=False, memo={})
    first = tick_metrics.triggers_every_interval(hasty)
    assert first.verdict is Verdict.WAITING
    assert first.wait_until is not None
    world.clock.sleep_until(first.wait_until)
    again = replace(ticking, waits=False, memo={})
    assert tick_metrics.triggers_every_interval(again).verdict is Verdict.PASS


def test_silence_is_a_verdict(ticking: Toolbox, world: InMemoryWorld) -> None:
    tick_window.begin(ticking)
    world.clock.sleep_until(world.clock.now() + timedelta(minutes=6))
    ticking.jobs.pause()
    found = judged(ticking)
    assert found["triggers_every_interval"].verdict is Verdict.FAIL
    assert found["triggers_every_interval"].summary.startswith("2 of 3 ticks missed")


def test_a_refused_tick_fails_two_criteria(ticking: Toolbox, world: InMemoryWorld) -> None:
    tick_window.begin(ticking)
    world.clock.sleep_until(world.clock.now() + timedelta(minutes=6))
    world.write_request("/cron/tick", 401, "Google-Cloud-Scheduler")
    found = judged(ticking)
    assert found["no_authentication_errors"].verdict is Verdict.FAIL
    assert found["answers_200_with_metrics"].verdict is Verdict.FAIL
    assert found["triggers_every_interval"].verdict is Verdict.PASS


def test_a_failed_job_and_a_warning_are_seen(ticking: Toolbox, world: InMemoryWorld) -> None:
    tick_window.begin(ticking)
    world.clock.sleep_until(world.clock.now() + timedelta(minutes=6))
    world.write("Scheduler tick completed", jobs_executed=1, jobs_succeeded=0, jobs_failed=1)
    world.write("Job failed", severity="WARNING")
    found = judged(ticking)
    assert found["jobs_execute_successfully"].verdict is Verdict.FAIL
    assert "WARNING Job failed" in found["no_errors_or_warnings"].summary


def test_a_stranger_who_is_turned_away_is_no_warning(
    ticking: Toolbox, world: InMemoryWorld
) -> None:
    tick_window.begin(ticking)
    world.write_request("/webhook", 401, "curl/8")
    assert tick_metrics.no_errors_or_warnings(ticking).verdict is Verdict.PASS


def test_no_due_job_is_no_evidence(ticking: Toolbox, world: InMemoryWorld) -> None:
    world.store.jobs.clear()
    found = judged(ticking)
    assert found["jobs_execute_successfully"].verdict is Verdict.INCONCLUSIVE
    assert found["triggers_every_interval"].verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("metrics", "verdict"),
    [
        ({"jobs_executed": 5, "stale_completion": 5}, Verdict.FAIL),
        ({"jobs_executed": 5, "jobs_succeeded": 4}, Verdict.FAIL),
        ({"jobs_executed": 5, "jobs_succeeded": 5, "dead": 1}, Verdict.FAIL),
        ({"dead": 1}, Verdict.FAIL),
        ({"jobs_executed": 5, "jobs_succeeded": 4, "released": 1}, Verdict.INCONCLUSIVE),
        ({"jobs_executed": 5, "jobs_succeeded": 5}, Verdict.PASS),
    ],
)
def test_jobs_that_ran_and_neither_succeeded_nor_failed_are_no_pass(
    ticking: Toolbox, world: InMemoryWorld, metrics: dict[str, int], verdict: Verdict
) -> None:
    window = tick_window.observe(ticking)
    assert isinstance(window, tick_window.TickWindow)
    ticks = (replace(window.ticks[0], payload=metrics),)
    ticking.memo["tick_window"] = replace(window, ticks=ticks)
    found = tick_metrics.jobs_execute_successfully(ticking)
    assert found.verdict is verdict
    assert all(
        f"{name} {count}" in found.summary
        for name, count in metrics.items()
        if name in ("stale_completion", "dead", "released")
    )


def test_a_silent_log_is_no_proof_of_no_errors(ticking: Toolbox) -> None:
    window = tick_window.observe(ticking)
    assert isinstance(window, tick_window.TickWindow)
    ticking.memo["tick_window"] = replace(window, ticks=())
    found = tick_metrics.no_errors_or_warnings(ticking)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "no tick line" in found.summary


def test_lost_log_lines_are_not_taken_for_lost_ticks(
    ticking: Toolbox, world: InMemoryWorld
) -> None:
    window = tick_window.observe(ticking)
    assert isinstance(window, tick_window.TickWindow)
    ticking.memo["tick_window"] = replace(window, ticks=window.ticks[:-1])
    found = judged(ticking)
    assert found["logs_show_ticks"].verdict is Verdict.INCONCLUSIVE
    assert found["triggers_every_interval"].verdict is Verdict.PASS


def test_another_revision_begins_the_count_anew(ticking: Toolbox, world: InMemoryWorld) -> None:
    first = tick_window.begin(ticking)
    world.clock.sleep_until(first + timedelta(minutes=20))
    assert tick_window.begin(ticking) == first
    deploy.ensure_legacy_revision(ticking)
    assert tick_window.begin(ticking) > first


def test_the_newest_tick_line_is_read_with_the_guide_s_five_metrics(
    ticking: Toolbox, world: InMemoryWorld
) -> None:
    tick_job.trigger(ticking)
    found = tick_metrics.tick_logged_with_metrics(ticking)
    assert found.verdict is Verdict.PASS
    assert "jobs_due 2, jobs_executed 2, jobs_succeeded 2, jobs_failed 0" in found.summary
    world.write("Scheduler tick completed", jobs_checked=1)
    assert tick_metrics.tick_logged_with_metrics(ticking).verdict is Verdict.FAIL


def test_the_line_with_which_a_tick_begins_is_the_serving_revision_s(
    ticking: Toolbox, world: InMemoryWorld
) -> None:
    tick_job.trigger(ticking)
    assert tick_metrics.tick_began(ticking).verdict is Verdict.PASS
    deploy.ensure_legacy_revision(ticking)
    found = tick_metrics.tick_began(ticking)
    assert found.verdict is Verdict.FAIL
    assert f'no line "Running scheduler tick" by {world.serving}' in found.summary


def test_no_tick_line_at_all_fails_after_the_lag_of_logs(
    tools: Toolbox, ports: InMemoryPorts
) -> None:
    before = ports.clock.now()
    assert tick_metrics.tick_logged_with_metrics(tools).verdict is Verdict.FAIL
    assert ports.clock.now() - before >= timedelta(seconds=tick_metrics.LOG_LAG_SECONDS)


def test_a_trigger_whose_attempt_never_shows_is_a_failed_step(
    ticking: Toolbox, world: InMemoryWorld
) -> None:
    ticking.jobs.pause()
    world.attempt = lambda: None  # type: ignore[method-assign]
    with pytest.raises(StepFailed, match="no attempt was recorded"):
        tick_job.trigger(ticking)


def test_another_cadence_begins_the_count_anew(ticking: Toolbox, world: InMemoryWorld) -> None:
    slow = replace(ticking, waits=False, memo={})
    assert tick_metrics.triggers_every_interval(slow).verdict is Verdict.WAITING
    world.clock.sleep_until(world.clock.now() + timedelta(minutes=4))
    every_minute = replace(ticking.env, cadence="* * * * *")
    fast = replace(ticking, env=every_minute, ports=InMemoryPorts(world), memo={})
    tick_job.ensure_job(fast)
    assert tick_metrics.triggers_every_interval(fast).verdict is Verdict.PASS
