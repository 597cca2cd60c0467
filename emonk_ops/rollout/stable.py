"""Stage 5's soak: seven days of healthy operation since the cutover, looked back at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from emonk_ops.operations.acceptance.checks import TENDENCIES
from emonk_ops.operations.acceptance.criteria import Criteria
from emonk_ops.operations.acceptance.soak import look
from emonk_ops.operations.acceptance.verdicts import criteria_findings
from emonk_ops.operations.acceptance.window import whole
from emonk_ops.operations.service_env import LEGACY_FLAGS
from emonk_ops.operations.soak_about import about as about_service
from emonk_ops.rollout.model import Facts, Finding, Look, Soak, Verdict
from emonk_ops.rollout.soak import changes
from emonk_ops.rollout.standing import Standing
from emonk_ops.rollout.verdicts import overall
from emonk_ops.settings import Environment
from emonk_ops.toolbox import Toolbox

GUIDE_SECONDS = 7 * 24 * 3600.0
EVERY_SECONDS = 6 * 3600.0
TOGETHER = timedelta(hours=1)
CUTOVER, CLEANUP = 4, 5


def stable_soak(env: Environment) -> Soak:
    return Soak(
        id="stable",
        sentence="7 days of stable production operation",
        needed_seconds=env.stable_hours * 3600,
        guide_seconds=GUIDE_SECONDS,
        every_seconds=EVERY_SECONDS,
        about=about,
        look=hourly,
        since=since_the_cutover,
    )


def hourly(tools: Toolbox, since: datetime, now: datetime) -> Iterator[Look]:
    """Stage 4's looks, those without a breach taken together: a week of them fills no journal."""
    quiet: list[Look] = []
    for one in look(tools, since, now):
        if one.breaches:
            yield from _together(quiet)
            yield one
            quiet = []
            continue
        quiet.append(one)
        if quiet[-1].until - quiet[0].since >= TOGETHER:
            yield from _together(quiet)
            quiet = []
    yield from _together(quiet)


def _together(looks: list[Look]) -> Iterator[Look]:
    if looks:
        facts: Counter[str] = Counter()
        for one in looks:
            facts.update({name: int(value) for name, value in one.facts.items()})
        yield Look(
            since=looks[0].since,
            until=looks[-1].until,
            covered_seconds=sum(one.covered_seconds for one in looks),
            summary=f"{len(looks)} stretches without a breach; the last: {looks[-1].summary}",
            facts=dict(facts),
        )


def about(tools: Toolbox) -> dict[str, Any]:
    """As of stage 4's soak, without what the clean-up itself takes away."""
    return without_flags(about_service(tools))


def without_flags(found: Facts) -> dict[str, Any]:
    kept = {name: one for name, one in found["environment"].items() if name not in LEGACY_FLAGS}
    return {**found, "environment": kept}


def since_the_cutover(tools: Toolbox, now_about: Facts) -> datetime | None:
    """Since stage 4's soak began, if that was of what runs now; else from now on.

    After a breach it goes on behind the look that saw it: the time before proves nothing.
    """
    standing = tools.standing_of(tools.env.name) if tools.standing_of else None
    assert standing is None or isinstance(standing, Standing)
    if standing is None:
        return None
    last, cutover = standing.soaks.get(CLEANUP), standing.soaks.get(CUTOVER)
    if last is not None and last.ended == "breached" and not changes(last.about, now_about):
        return last.until
    if last is not None and last.ended != "rolled back":
        return None
    if cutover is None or cutover.ended != "done":
        return None
    return None if changes(without_flags(cutover.about), now_about) else cutover.began_at


def stable(tools: Toolbox) -> Finding:
    """The criteria of the cutover, over the whole time: one that fails fails it."""
    found = criteria_findings(whole(tools), Criteria())
    settled = {name: one for name, one in found.items() if not _is_advisory(tools, name, one)}
    verdict = overall(one.verdict for one in settled.values())
    bad = [f"{name}: {one.summary}" for name, one in found.items() if one.verdict is verdict]
    facts = {name: {"verdict": str(one.verdict), **one.facts} for name, one in found.items()}
    told = f"{len(settled)} criteria hold; {found['reliable'].summary}"
    if verdict is Verdict.PASS:
        return Finding(Verdict.PASS, told, facts)
    return Finding(verdict, "; ".join(bad), facts)


def _is_advisory(tools: Toolbox, name: str, finding: Finding) -> bool:
    few = finding.verdict is Verdict.INCONCLUSIVE
    return few and name in TENDENCIES and tools.env.advisory_tendencies
