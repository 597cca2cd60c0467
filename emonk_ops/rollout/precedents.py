"""Checks that the journal answers: what was proven before, here and in the environment before."""

from __future__ import annotations

from datetime import timedelta

from emonk_ops.operations.health import ask_health
from emonk_ops.rollout.injections import PASS, STAGE_4
from emonk_ops.rollout.model import Finding, Verdict
from emonk_ops.rollout.sentences import time_left
from emonk_ops.rollout.standing import Standing
from emonk_ops.toolbox import Toolbox

SHADOW, CUTOVER = 3, 4
NO_JOURNAL = "there is no journal to ask"


def version_of(tools: Toolbox) -> str:
    """Of the tick service, as it says itself: what a shadow and a drill are evidence for."""
    return str(ask_health(tools).body.get("version", ""))


def shadow_validated(tools: Toolbox) -> Finding:
    """Stage 3 passed here, its soak is done, and the service is the one that was in it."""
    env = tools.env
    standing = _standing(tools, env.name)
    again = f"emonk-ops stage {SHADOW} --env {env.name}"
    if standing is None:
        return Finding(Verdict.ERROR, NO_JOURNAL)
    soak = standing.soaks.get(SHADOW)
    if SHADOW not in standing.passed or soak is None:
        return Finding(Verdict.FAIL, f"stage {SHADOW} has not passed in {env.name}", hint=again)
    facts = {**soak.facts(), "passed_at": standing.passed[SHADOW].isoformat()}
    then, now = str(soak.about.get("version", "")), version_of(tools)
    if then != now:
        told = f"the shadow was of version {then or '?'}, and {now or '?'} runs"
        return Finding(Verdict.FAIL, told, facts, again)
    seconds = time_left(timedelta(seconds=soak.covered_seconds))
    told = f"{seconds} of healthy shadow, passed {standing.passed[SHADOW]:%Y-%m-%d %H:%M}Z"
    if env.shadow_hours < 1:
        told += "; shortened, so NO EVIDENCE"
    return Finding(Verdict.PASS, told, facts)


def gate_environment_passed(tools: Toolbox) -> Finding:
    """The environment before this one has been through the same stage."""
    gate = tools.env.gated_by
    if not gate:
        return Finding(Verdict.PASS, "no environment comes before this one (gated_by is empty)")
    standing = _standing(tools, gate)
    if standing is None:
        return Finding(Verdict.ERROR, NO_JOURNAL)
    at = standing.passed.get(CUTOVER)
    if at is None:
        return Finding(
            Verdict.FAIL,
            f"stage {CUTOVER} has not passed in {gate}",
            {"gated_by": gate, "passed": sorted(standing.passed)},
            f"emonk-ops stage {CUTOVER} --env {gate}",
        )
    told = f"stage {CUTOVER} passed in {gate} at {at:%Y-%m-%d %H:%M}Z"
    return Finding(Verdict.PASS, told, {"gated_by": gate, "passed_at": at.isoformat()})


def rollback_rehearsed(tools: Toolbox) -> Finding:
    """Somebody went back and forth there lately, with this version, and it is known how long."""
    env, gate = tools.env, tools.env.gated_by
    if not gate:
        return Finding(Verdict.PASS, "no drill is asked for (gated_by is empty)")
    standing = _standing(tools, gate)
    if standing is None:
        return Finding(Verdict.ERROR, NO_JOURNAL)
    hint = f"emonk-ops rollback drill --env {gate}"
    drill = standing.drill
    if drill is None:
        return Finding(
            Verdict.FAIL, f"no rollback drill in {gate}, or the last did not end well", hint=hint
        )
    age = tools.clock.now() - drill.at
    facts = {"at": drill.at.isoformat(), "seconds": drill.seconds, "version": drill.version}
    told = f"rehearsed in {gate} at {drill.at:%Y-%m-%d %H:%M}Z, back in {drill.seconds:.1f} s"
    if age > timedelta(days=env.drill_days):
        old = f"{told}: more than {env.drill_days} days ago"
        return Finding(Verdict.FAIL, old, facts, hint)
    if drill.version != (now := version_of(tools)):
        return Finding(
            Verdict.FAIL, f"{told}, with version {drill.version}, not {now}", facts, hint
        )
    return Finding(Verdict.PASS, told, facts)


def injections_passed(tools: Toolbox) -> Finding:
    """The guide's four failure injections passed there, with this version on Firestore."""
    gate = tools.env.gated_by
    if not gate:
        return Finding(Verdict.PASS, "no injections are asked for (gated_by is empty)")
    standing = _standing(tools, gate)
    if standing is None:
        return Finding(Verdict.ERROR, NO_JOURNAL)
    hint = f"emonk-ops inject suite --env {gate}"
    suite = standing.injections.newest_suite(STAGE_4)
    if suite is None:
        return Finding(Verdict.FAIL, f"no failure was injected in {gate}", hint=hint)
    told = f"{suite.verdict} in {gate} at {suite.at:%Y-%m-%d %H:%M}Z"
    then, now = str(suite.about.get("version", "")), version_of(tools)
    facts = {"at": suite.at.isoformat(), "about": suite.about, "parts": list(suite.parts)}
    if not suite.passed:
        bad = [f"{one['line']}: {one['verdict']}" for one in suite.parts if one["verdict"] != PASS]
        return Finding(Verdict.FAIL, f"{told}: {'; '.join(bad)}", facts, hint)
    if then != now:
        old = f"{told}, with version {then or '?'}, not {now or '?'}"
        return Finding(Verdict.FAIL, old, facts, hint)
    return Finding(Verdict.PASS, told, facts)


def failures_handled(tools: Toolbox) -> Finding:
    """By the suite that was run here, else where this environment is gated; else a person says."""
    env = tools.env
    for name in (env.name, env.gated_by):
        standing = _standing(tools, name) if name else None
        suite = standing.injections.newest_suite(STAGE_4) if standing is not None else None
        if suite is None:
            continue
        told = f"suite in {name} at {suite.at:%Y-%m-%d %H:%M}Z: {suite.verdict}"
        facts = {"at": suite.at.isoformat(), "parts": list(suite.parts)}
        if suite.passed:
            return Finding(Verdict.PASS, told, facts)
        again = f"emonk-ops inject suite --env {name}"
        return Finding(Verdict.FAIL, told, facts, again)
    return Finding(
        Verdict.ASK,
        "no failure was injected",
        hint=f"emonk-ops inject suite --env {env.gated_by or env.name}, then this stage again",
    )


def _standing(tools: Toolbox, env: str) -> Standing | None:
    if tools.standing_of is None:
        return None
    found = tools.standing_of(env)
    assert isinstance(found, Standing)
    return found
